/* SPDX-License-Identifier: BSD-3-Clause */
/* Object references. Tars protocol: object reference. */
#include <tars/endpoint.h>

#include "conf/text.h"

/* Cuts `text` at the first `mark`; what follows it goes to `behind`. True when there is one. */
static bool cut(struct tars_str *text, char mark, struct tars_str *behind)
{
    const char *at = text->len ? memchr(text->at, mark, text->len) : NULL;
    if (!at)
        return false;
    size_t len = (size_t)(at - text->at);
    *behind = conf_trim(tars_str_n(at + 1, text->len - len - 1));
    *text = conf_trim(tars_str_n(text->at, len));
    return true;
}

/* "App.Server.Obj"; further dots belong to the last part. */
static bool has_three_parts(struct tars_str name)
{
    size_t parts = 0, len = 0;
    for (size_t i = 0; i <= name.len; i++) {
        if (i < name.len && (name.at[i] != '.' || parts >= 2)) {
            len++;
            continue;
        }
        if (!len)
            return false;
        parts++;
        len = 0;
    }
    return parts == 3;
}

static const char *name_fault(const struct tars_object *object)
{
    struct tars_str name = object->name;
    if (!name.len)
        return "it has no name";
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.at[i] <= ' ' || name.at[i] == 0x7f)
            return "a name has no blanks or control characters";
        if (name.at[i] == '%')
            return "'%' is no part of a name; a set is given beside it";
    }
    if (!object->endpoints.len && !tars_str_is(name, "AdminObj") && !has_three_parts(name))
        return "without '@' and endpoints a name is App.Server.Obj";
    return NULL;
}

bool tars_object_parse(struct tars_str text, struct tars_object *object, struct tars_error *error)
{
    struct tars_object o = {.name = conf_trim(text)};
    const char *fault = NULL;
    if (cut(&o.name, '@', &o.endpoints) && !o.endpoints.len)
        fault = "no endpoint follows '@'";
    cut(&o.name, '#', &o.hash);
    if (!fault)
        fault = name_fault(&o);
    if (fault)
        return tars_fail(error, -1, "object '%" TARS_STR_FMT "': %s",
                         TARS_STR_ARG(conf_excerpt(text)), fault);
    *object = o;
    return true;
}
