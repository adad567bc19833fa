/* SPDX-License-Identifier: BSD-3-Clause */
#include "settings.h"

#include "base/xmalloc.h"

#include <stdlib.h>

static const char *const setting_names[SETTINGS] = {
    "auto_expand_replicas", "codec",    "number_of_replicas",
    "number_of_shards",     "priority", "refresh_interval",
};

void settings_free(struct settings *s)
{
    for (int i = 0; i < SETTINGS; i++)
        free(s->values[i]);
    free(s->analysis);
    free(s->normalizers);
}

/* A normalizer of the kind that this store has: small letters and nothing else. */
static bool is_lowercase(const struct json *normalizer)
{
    const struct json *filter = json_get(normalizer, "filter"),
                      *type = json_get(normalizer, "type");
    if (filter && filter->type == JSON_ARRAY && filter->count == 1)
        filter = filter->child;
    return json_is_str(filter, "lowercase") && (!type || json_is_str(type, "custom")) &&
           normalizer->count == 1U + (type != NULL);
}

static bool read_analysis(struct settings *s, const struct json *analysis, struct failure *failure)
{
    const struct json *all = json_get(analysis, "normalizer");
    struct text names = {0}, text = {0};
    if (analysis->count != 1 || !all || all->type != JSON_OBJECT)
        return failure_set(failure, 400, "illegal_argument_exception",
                           "[index.analysis]: this store knows normalizers only");
    for (const struct json *n = all->child; n; n = n->next) {
        if (!is_lowercase(n) || memchr(n->name.at, ' ', n->name.len)) {
            text_free(&names);
            return failure_set(failure, 400, "illegal_argument_exception",
                               "normalizer [%" TARS_STR_FMT
                               "]: this store knows only the filter [lowercase]",
                               TARS_STR_ARG(n->name));
        }
        text_adds(&names, names.len ? " " : "");
        text_add(&names, n->name.at, n->name.len);
    }
    json_print(analysis, &text);
    free(s->analysis);
    free(s->normalizers);
    s->analysis = text.at;
    s->normalizers = names.at;
    return true;
}

static bool set_setting(struct settings *s, struct tars_str name, const struct json *value,
                        struct failure *failure)
{
    if (name.len > 6 && memcmp(name.at, "index.", 6) == 0)
        name = tars_str_n(name.at + 6, name.len - 6);
    for (int i = 0; i < SETTINGS; i++) {
        if (!tars_str_is(name, setting_names[i]))
            continue;
        free(s->values[i]);
        s->values[i] = NULL;
        if (value->type == JSON_STRING || value->type == JSON_NUMBER)
            s->values[i] = xstrndup(value->text.at, value->text.len);
        else if (value->type != JSON_NULL)
            s->values[i] = xstrdup(value->type == JSON_TRUE ? "true" : "false");
        return true;
    }
    if (tars_str_is(name, "analysis") && value->type == JSON_OBJECT)
        return read_analysis(s, value, failure);
    return failure_set(failure, 400, "illegal_argument_exception",
                       "unknown setting [index.%" TARS_STR_FMT
                       "] please check that any required plugins are installed, or check the "
                       "breaking changes documentation for removed settings",
                       TARS_STR_ARG(name));
}

bool settings_merge(struct settings *s, const struct json *json, struct failure *failure)
{
    if (!json)
        return true;
    if (json->type != JSON_OBJECT)
        return failure_set(failure, 400, "parse_exception", "key [settings] must be an object");
    for (const struct json *p = json->child; p; p = p->next) {
        bool nested = p->type == JSON_OBJECT &&
                      (tars_str_is(p->name, "index") || tars_str_is(p->name, "settings"));
        if (nested ? !settings_merge(s, p, failure) : !set_setting(s, p->name, p, failure))
            return false;
    }
    return true;
}

bool settings_check(const struct settings *s, struct failure *failure)
{
    for (int i = NUMBER_OF_REPLICAS; i <= NUMBER_OF_SHARDS; i++) {
        char *end = NULL;
        long n = s->values[i] ? strtol(s->values[i], &end, 10) : 1;
        if (s->values[i] && (end == s->values[i] || *end))
            return failure_set(failure, 400, "illegal_argument_exception",
                               "Failed to parse value [%s] for setting [index.%s]", s->values[i],
                               setting_names[i]);
        long least = i == NUMBER_OF_SHARDS;
        if (n < least || n > 1024)
            return failure_set(failure, 400, "illegal_argument_exception",
                               "Failed to parse value [%s] for setting [index.%s] must be %s %ld",
                               s->values[i], setting_names[i],
                               n < least ? ">=" : "<=", n < least ? least : 1024L);
    }
    return true;
}

void settings_print(const struct settings *s, struct text *to)
{
    text_adds(to, "{");
    for (int i = 0; i < SETTINGS; i++) {
        if (!s->values[i])
            continue;
        text_addf(to, "%s\"%s\":", to->at[to->len - 1] == '{' ? "" : ",", setting_names[i]);
        text_add_json(to, tars_str(s->values[i]));
    }
    if (s->analysis)
        text_addf(to, "%s\"analysis\":%s", to->at[to->len - 1] == '{' ? "" : ",", s->analysis);
    text_adds(to, "}");
}
