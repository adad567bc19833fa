/* SPDX-License-Identifier: BSD-3-Clause */
/* What could never be served is refused before it is stored. */
#include <tars/endpoint.h>

#include "base/utf8.h"
#include "registrations.h"

enum {
    NAME_MAX_LEN = 128,
    ENDPOINT_MAX_LEN = 256,
    ADAPTERS_MAX = 256 /* of one instance; each is compared with all before it */
};

static bool has_below(struct tars_str text, unsigned char least)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] < least || text.at[i] == 0x7f)
            return true;
    return false;
}

static bool has_any(struct tars_str text, const char *bad)
{
    for (size_t i = 0; i < text.len; i++)
        if (strchr(bad, text.at[i]))
            return true;
    return false;
}

/* Documents are JSON, so nothing but UTF-8 may come near them. */
static bool check_text(const char *what, struct tars_str text, struct tars_error *error)
{
    if (text.len > NAME_MAX_LEN)
        return tars_fail(error, 1, "%s is longer than %d bytes", what, NAME_MAX_LEN);
    if (!utf8_is_valid(text))
        return tars_fail(error, 1, "%s is not UTF-8", what);
    if (has_below(text, ' '))
        return tars_fail(error, 1, "%s must not contain control characters", what);
    return true;
}

static bool check_word(const char *what, struct tars_str word, const char *bad,
                       struct tars_error *error)
{
    if (!check_text(what, word, error))
        return false;
    if (has_below(word, ' ' + 1) || has_any(word, bad))
        return tars_fail(error, 1, "%s \"%" TARS_STR_FMT "\" must not contain blanks%s", what,
                         TARS_STR_ARG(word), *bad ? ", \".\" or \"|\"" : "");
    return true;
}

static bool check_name(const char *what, struct tars_str name, const char *bad,
                       struct tars_error *error)
{
    if (!name.len)
        return tars_fail(error, 1, "%s must not be empty", what);
    return check_word(what, name, bad, error);
}

static bool check_adapter(const struct record *record, size_t at, struct tars_error *error)
{
    const struct adapter *adapter = &record->adapters[at];
    struct tars_endpoint endpoint;
    if (!check_name("servant", adapter->servant, "", error) ||
        !check_word("protocol", adapter->protocol, "", error))
        return false;
    if (adapter->endpoint.len > ENDPOINT_MAX_LEN)
        return tars_fail(error, 1, "endpoint of %" TARS_STR_FMT " is longer than %d bytes",
                         TARS_STR_ARG(adapter->servant), ENDPOINT_MAX_LEN);
    if (!tars_endpoint_parse(adapter->endpoint, &endpoint, error))
        return tars_fail_prefix(error, "endpoint of %" TARS_STR_FMT ": ",
                                TARS_STR_ARG(adapter->servant));
    if (!endpoint.port)
        return tars_fail(error, 1,
                         "endpoint of %" TARS_STR_FMT ": it has no port, so nobody could "
                         "call it",
                         TARS_STR_ARG(adapter->servant));
    for (size_t i = 0; i < at; i++)
        if (tars_str_equal(record->adapters[i].adapter_name, adapter->adapter_name))
            return tars_fail(error, 1, "servant %" TARS_STR_FMT " stands twice",
                             TARS_STR_ARG(adapter->servant));
    return true;
}

bool registration_check_node(struct tars_str node_name, struct tars_error *error)
{
    if (tars_str_is(node_name, ".") || tars_str_is(node_name, ".."))
        return tars_fail(error, 1, "nodeName \"%" TARS_STR_FMT "\" is none",
                         TARS_STR_ARG(node_name)); /* no document may be called so */
    return check_name("nodeName", node_name, "", error);
}

bool registration_check_names(struct tars_str application, struct tars_str server_name,
                              struct tars_str node_name, struct tars_error *error)
{
    return check_name("application", application, ".|", error) &&
           check_name("server", server_name, ".|", error) &&
           registration_check_node(node_name, error);
}

static bool check_type(struct tars_str type, struct tars_error *error)
{
    static const char *const types[] = {"tars_cpp",    "tars_java", "tars_go",
                                        "tars_nodejs", "tars_php",  "not_tars"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (tars_str_is(type, types[i]))
            return true;
    return !type.len ||
           tars_fail(error, 1,
                     "the context server_type is none of tars_cpp, tars_java, tars_go, "
                     "tars_nodejs, tars_php, not_tars");
}

bool registration_check(const struct registration *registration, struct tars_error *error)
{
    const struct record *record = &registration->record;
    if (!registration_check_names(record->application, record->server_name, record->node_name,
                                  error) ||
        !check_type(registration->server_type, error) ||
        !check_text("Version", record->patch_version, error) ||
        !check_word("setID", record->set_name, "", error) ||
        !check_word("setID", record->set_area, "", error) ||
        !check_word("setID", record->set_group, "", error))
        return false;
    if (record->adapter_count > ADAPTERS_MAX)
        return tars_fail(error, 1, "%zu adapters are too many: an instance has at most %d",
                         record->adapter_count, ADAPTERS_MAX);
    for (size_t i = 0; i < record->adapter_count; i++)
        if (!check_adapter(record, i, error))
            return false;
    return true;
}
