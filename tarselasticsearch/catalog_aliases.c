/* SPDX-License-Identifier: BSD-3-Clause */
#include "catalog_aliases.h"

#include "base/xmalloc.h"

#include <stdlib.h>
#include <string.h>

bool catalog_check_alias(struct catalog *c, struct tars_str name, struct failure *failure)
{
    if (name.len == 0 || name.len > 255 || strchr("_-+", name.at[0]) ||
        strcspn(name.at, "\\/*?\"<>| ,#:") < name.len)
        return failure_set(failure, 400, "invalid_alias_name_exception",
                           "Invalid alias name [%" TARS_STR_FMT "]", TARS_STR_ARG(name));
    if (catalog_index(c, name))
        return failure_set(failure, 400, "invalid_alias_name_exception",
                           "Invalid alias name [%" TARS_STR_FMT
                           "]: an index or data stream exists with the same name as the alias",
                           TARS_STR_ARG(name));
    return true;
}

bool catalog_read_aliases(struct catalog *c, struct index *index, const struct json *aliases,
                          struct failure *failure)
{
    if (!aliases)
        return true;
    if (aliases->type != JSON_OBJECT)
        return failure_set(failure, 400, "parsing_exception", "[aliases] must be an object");
    for (const struct json *a = aliases->child; a; a = a->next) {
        struct tars_str name = tars_str(xstrndup(a->name.at, a->name.len));
        bool ok = true, checked = catalog_check_alias(c, name, failure);
        free((char *)name.at);
        if (!checked)
            return false;
        const struct json *write = json_get(a, "is_write_index");
        bool is_write = write ? json_as_bool(write, &ok) : false;
        if (!ok || a->type != JSON_OBJECT || a->count != (write ? 1U : 0U))
            return failure_set(failure, 400, "illegal_argument_exception",
                               "alias [%" TARS_STR_FMT "]: only [is_write_index] is supported",
                               TARS_STR_ARG(a->name));
        index_add_alias(index, a->name, write ? is_write : -1);
    }
    return true;
}
