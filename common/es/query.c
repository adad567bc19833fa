/* SPDX-License-Identifier: BSD-3-Clause */
#include "es/query.h"

static cJSON *wrap(const char *name, cJSON *inner)
{
    cJSON *query = cJSON_CreateObject();
    cJSON_AddItemToObject(query, name, inner);
    return query;
}

static cJSON *one(const char *name, const char *field, cJSON *value)
{
    return wrap(name, wrap(field, value));
}

/* A slice as a JSON string; cJSON ends strings at a NUL, which no key of ours holds. */
static cJSON *text(struct tars_str s)
{
    char *copy = cJSON_malloc(s.len + 1);
    if (s.len)
        memcpy(copy, s.at, s.len);
    copy[s.len] = '\0';
    cJSON *json = cJSON_CreateString(copy);
    cJSON_free(copy);
    return json;
}

static cJSON *list(const struct tars_str *values, size_t count)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(array, text(values[i]));
    return array;
}

cJSON *es_match_all(void)
{
    return wrap("match_all", cJSON_CreateObject());
}

cJSON *es_term(const char *field, const char *value)
{
    return one("term", field, cJSON_CreateString(value));
}

cJSON *es_term_int(const char *field, int64_t value)
{
    return one("term", field, cJSON_CreateNumber((double)value));
}

cJSON *es_term_bool(const char *field, bool value)
{
    return one("term", field, cJSON_CreateBool(value));
}

cJSON *es_terms(const char *field, const struct tars_str *values, size_t count)
{
    return one("terms", field, list(values, count));
}

cJSON *es_ids(const struct tars_str *ids, size_t count)
{
    return one("ids", "values", list(ids, count));
}

cJSON *es_exists(const char *field)
{
    return one("exists", "field", cJSON_CreateString(field));
}

cJSON *es_prefix(const char *field, const char *value)
{
    return one("prefix", field, cJSON_CreateString(value));
}

/* One character of a pattern: '%' or '_' by itself, else 'c' and *c. */
static char next_of(const char **at, const char *end, char *c)
{
    *c = *(*at)++;
    if (*c == '%' || *c == '_')
        return *c;
    if (*c == '\\' && *at < end)
        *c = *(*at)++;
    return 'c';
}

cJSON *es_like(const char *field, struct tars_str pattern)
{
    if (pattern.len == 0)
        return es_term(field, "");
    if (memchr(pattern.at, '\0',
               pattern.len)) /* no value of ours has one, and JSON would end there */
        return wrap("match_none", cJSON_CreateObject());
    const char *at = pattern.at, *end = at + pattern.len;
    char *plain = cJSON_malloc(pattern.len + 1), *wild = cJSON_malloc(pattern.len * 2 + 1), c;
    size_t plain_len = 0, wild_len = 0;
    bool any = false, wild_star = false; /* a '%' was seen; it was the last */
    bool beyond = false;                 /* there is something other than '%' behind one, or '_' */
    while (at < end) {
        char kind = next_of(&at, end, &c);
        beyond = beyond || kind == '_' || (any && kind != '%');
        if (kind == '%') {
            if (!wild_star)
                wild[wild_len++] = '*';
            wild_star = true;
            any = true;
            continue;
        }
        wild_star = false;
        if (kind == 'c' && strchr("*?\\", c))
            wild[wild_len++] = '\\';
        wild[wild_len++] = kind == '_' ? '?' : c;
        plain[plain_len++] = c;
    }
    plain[plain_len] = wild[wild_len] = '\0';
    cJSON *query = beyond       ? one("wildcard", field, wrap("value", cJSON_CreateString(wild)))
                   : !any       ? es_term(field, plain)
                   : !plain_len ? es_exists(field)
                                : es_prefix(field, plain);
    cJSON_free(plain);
    cJSON_free(wild);
    return query;
}

cJSON *es_range(const char *field, const char *operation, int64_t value)
{
    return one("range", field, wrap(operation, cJSON_CreateNumber((double)value)));
}

cJSON *es_bool(void)
{
    return wrap("bool", cJSON_CreateObject());
}

void es_bool_add(cJSON *query, const char *clause, cJSON *part)
{
    cJSON *inner = cJSON_GetObjectItemCaseSensitive(query, "bool");
    cJSON *parts = cJSON_GetObjectItemCaseSensitive(inner, clause);
    cJSON_AddItemToArray(parts ? parts : cJSON_AddArrayToObject(inner, clause), part);
}

cJSON *es_sort(void)
{
    return cJSON_CreateArray();
}

void es_sort_add(cJSON *sort, const char *field, bool ascending)
{
    cJSON_AddItemToArray(
        sort, wrap(field, wrap("order", cJSON_CreateString(ascending ? "asc" : "desc"))));
}

cJSON *es_search_body(cJSON *query, cJSON *sort, int size)
{
    cJSON *body = cJSON_CreateObject();
    cJSON_AddItemToObject(body, "query", query);
    if (sort)
        cJSON_AddItemToObject(body, "sort", sort);
    cJSON_AddNumberToObject(body, "size", size);
    cJSON_AddTrueToObject(body, "seq_no_primary_term");
    return body;
}
