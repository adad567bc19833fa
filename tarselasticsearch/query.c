/* SPDX-License-Identifier: BSD-3-Clause */
#include "query.h"

#include "base/xmalloc.h"
#include "date.h"
#include "wildcard.h"

#include <stdio.h>
#include <stdlib.h>

struct compiler {
    struct query *q;
    const struct index *index;
    int depth, clauses;
};

static bool compile(struct compiler *c, const struct json *json);
static bool escape(struct compiler *c, struct tars_str text, bool more, struct tars_str *pattern);
static bool add_pattern(struct compiler *c, struct tars_str path, const char *query,
                        struct tars_str pattern, bool fold);
static bool folds(const struct json *json);

void query_free(struct query *q)
{
    text_free(&q->sql);
    free(q->values);
    q->values = NULL;
    q->count = q->size = 0;
}

void query_add_value(struct query *q, const struct value *v)
{
    if (q->count == q->size) {
        q->size = q->size ? q->size * 2 : 8;
        q->values = xrealloc(q->values, q->size * sizeof *q->values);
    }
    q->values[q->count++] = *v;
}

void query_bind(const struct query *q, sqlite3_stmt *statement)
{
    for (size_t i = 0; i < q->count; i++)
        value_bind(statement, (int)i + 1, &q->values[i]);
}

/* ---- failures
 * ------------------------------------------------------------------------------------ */

static bool parse_failure(struct compiler *c, const char *format, ...) TARS_PRINTF(2, 3);
static bool parse_failure(struct compiler *c, const char *format, ...)
{
    char reason[512];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return failure_set(c->q->failure, 400, "parsing_exception", "%s", reason);
}

static bool shard_failure(struct compiler *c, const char *format, ...) TARS_PRINTF(2, 3);
static bool shard_failure(struct compiler *c, const char *format, ...)
{
    char reason[512];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    failure_set(c->q->failure, 400, "query_shard_exception", "failed to create query: %s", reason);
    c->q->failure->shard = true;
    snprintf(c->q->failure->index, sizeof c->q->failure->index, "%s", c->index->name);
    snprintf(c->q->failure->uuid, sizeof c->q->failure->uuid, "%s", c->index->uuid);
    return false;
}

/* ---- conditions on one field
 * ------------------------------------------------------------------------ */

/* A condition in two halves around the column: bounds of a range, or one list of values. */
struct condition {
    const struct value *values;
    size_t count;
    const char *operations[2]; /* ">=", "<="; for a list "IN" */
    bool list;
    const char *function; /* of the column and the one value */
};

static void add_condition(struct query *q, const char *column, const struct condition *cond)
{
    if (cond->list) {
        text_addf(&q->sql, "%s IN (", column);
        for (size_t i = 0; i < cond->count; i++) {
            text_adds(&q->sql, i ? ",?" : "?");
            query_add_value(q, &cond->values[i]);
        }
        text_adds(&q->sql, ")");
        return;
    }
    for (size_t i = 0; i < cond->count; i++) {
        if (cond->function)
            text_addf(&q->sql, "%s(%s,?)", cond->function, column);
        else
            text_addf(&q->sql, "%s%s%s?", i ? " AND " : "", column, cond->operations[i]);
        query_add_value(q, &cond->values[i]);
    }
}

/* On the column, and for fields with several values also on the side table. */
static bool add_field(struct compiler *c, const struct field *f, const struct condition *cond)
{
    struct query *q = c->q;
    char column[24];
    snprintf(column, sizeof column, "d.f%d", f->column);
    bool exact = cond->list || (cond->operations[0] && strcmp(cond->operations[0], "=") == 0);
    if (!f->indexed && f->index && !cond->function && (exact || !q->wanted))
        q->wanted = f->column + 1;
    text_adds(&q->sql, "(");
    add_condition(q, column, cond);
    if (f->many) {
        text_addf(&q->sql, " OR d.seq IN (SELECT seq FROM m%lld WHERE field=%d AND ",
                  (long long)c->index->id, f->column);
        add_condition(q, "value", cond);
        text_adds(&q->sql, ")");
    }
    text_adds(&q->sql, ")");
    return true;
}

static bool match_nothing(struct compiler *c)
{
    text_adds(&c->q->sql, "0");
    return true;
}

/* The field to compare; NULL without a failure: nothing can match; NULL with one: refused. */
static const struct field *searchable(struct compiler *c, struct tars_str path, bool *refused)
{
    const struct field *f = mapping_find(c->index->mapping, path);
    *refused = false;
    if (!f || f->type == FIELD_OBJECT)
        return NULL;
    if (f->type == FIELD_TEXT)
        *refused = !shard_failure(
            c,
            "field [%s] is of type [text]; this store cannot search texts, only its "
            "keyword sub-field",
            f->path);
    else if (f->column < 0)
        *refused = !shard_failure(
            c, "Cannot search on field [%s] since it is not indexed nor has doc values.", f->path);
    return *refused ? NULL : f;
}

static bool to_value(struct compiler *c, const struct field *f, const struct json *json, bool up,
                     struct value *v)
{
    char why[128];
    return value_query(f, json, up, v, why) || shard_failure(c, "%s", why);
}

/* One value: an equality, for dates the time from its start to its end ("2026-01" is a month). */
static bool equal_to(struct compiler *c, const struct field *f, const struct json *json)
{
    struct value v[2];
    if (!to_value(c, f, json, false, &v[0]) || !to_value(c, f, json, true, &v[1]))
        return false;
    bool span = f->type == FIELD_DATE && v[0].i != v[1].i;
    struct condition cond = {v, span ? 2 : 1, {span ? ">=" : "=", "<="}, false, NULL};
    return add_field(c, f, &cond);
}

static bool id_in(struct compiler *c, const struct json *values)
{
    text_adds(&c->q->sql, "d.id IN (");
    for (const struct json *v = values->child; v; v = v->next) {
        if (v->type != JSON_STRING && v->type != JSON_NUMBER)
            return parse_failure(c, "[ids] values must be texts");
        struct value text = {.kind = VALUE_TEXT, .s = v->text};
        text_adds(&c->q->sql, v == values->child ? "?" : ",?");
        query_add_value(c->q, &text);
    }
    text_adds(&c->q->sql, ")");
    return true;
}

/* ---- the queries
 * -------------------------------------------------------------------------------------- */

/* {"field": value} or {"field": {"<key>": value, "boost": 1}}. */
static bool field_and_value(struct compiler *c, const struct json *json, const char *query,
                            const char *key, const struct json **value)
{
    if (json->type != JSON_OBJECT || json->count != 1 || !json->child)
        return parse_failure(c, "[%s] query malformed, exactly one field was expected", query);
    *value = json->child;
    if (json->child->type != JSON_OBJECT)
        return true;
    for (const struct json *p = json->child->child; p; p = p->next)
        if (!tars_str_is(p->name, key) && !tars_str_is(p->name, "boost") &&
            !tars_str_is(p->name, "_name") &&
            !(tars_str_is(p->name, "case_insensitive") && strcmp(query, "match") != 0))
            return parse_failure(c, "[%s] query does not support [%" TARS_STR_FMT "]", query,
                                 TARS_STR_ARG(p->name));
    *value = json_get(json->child, key);
    return *value || parse_failure(c, "[%s] query without a value", query);
}

static bool compile_match_all(struct compiler *c, const struct json *json)
{
    for (const struct json *p = json->child; p; p = p->next)
        if (!tars_str_is(p->name, "boost"))
            return parse_failure(c, "[match_all] unknown field [%" TARS_STR_FMT "]",
                                 TARS_STR_ARG(p->name));
    text_adds(&c->q->sql, "1");
    return true;
}

static bool compile_term(struct compiler *c, const struct json *json)
{
    const struct json *value = NULL;
    bool refused;
    if (!field_and_value(c, json, "term", "value", &value) || !value)
        return false;
    if (value->type > JSON_STRING || value->type == JSON_NULL)
        return value->type == JSON_NULL
                   ? failure_set(c->q->failure, 400, "illegal_argument_exception",
                                 "value cannot be null")
                   : parse_failure(c, "[term] query does not support array of values");
    if (tars_str_is(json->child->name, "_id")) {
        struct json list = {.type = JSON_ARRAY, .count = 1}, one = *value;
        one.next = NULL;
        list.child = list.last = &one;
        return id_in(c, &list);
    }
    if (folds(json)) {
        struct tars_str pattern = tars_str("");
        return escape(c, value->text, false, &pattern) &&
               add_pattern(c, json->child->name, "term", pattern, true);
    }
    const struct field *f = searchable(c, json->child->name, &refused);
    return f ? equal_to(c, f, value) : !refused && match_nothing(c);
}

static bool dates_in(struct compiler *c, const struct field *f, const struct json *values)
{
    text_adds(&c->q->sql, "(0");
    for (const struct json *v = values->child; v; v = v->next) {
        text_adds(&c->q->sql, " OR ");
        if (!equal_to(c, f, v))
            return false;
    }
    text_adds(&c->q->sql, ")");
    return true;
}

static bool values_in(struct compiler *c, const struct field *f, const struct json *values)
{
    struct value *list = xcalloc(values->count + 1, sizeof *list);
    struct condition cond = {list, 0, {NULL, NULL}, true, NULL};
    bool ok = true;
    for (const struct json *v = values->child; v && ok; v = v->next)
        ok = to_value(c, f, v, false, &list[cond.count++]);
    ok = ok && (cond.count ? add_field(c, f, &cond) : match_nothing(c));
    free(list);
    return ok;
}

static bool compile_terms(struct compiler *c, const struct json *json)
{
    const struct json *values = NULL;
    bool refused;
    for (const struct json *p = json->child; p; p = p->next) {
        if (tars_str_is(p->name, "boost"))
            continue;
        if (values || p->type != JSON_ARRAY)
            return parse_failure(c, "[terms] query requires one field with an array of values");
        values = p;
    }
    if (!values)
        return parse_failure(c, "[terms] query requires a field name, followed by array of terms "
                                "or a document lookup specification");
    if (values->count > QUERY_MAX_TERMS)
        return shard_failure(c,
                             "The number of terms [%zu] used in the Terms Query request has "
                             "exceeded the allowed maximum of [%d].",
                             values->count, QUERY_MAX_TERMS);
    for (const struct json *v = values->child; v; v = v->next)
        if (v->type == JSON_NULL)
            return failure_set(c->q->failure, 400, "illegal_argument_exception",
                               "No value specified for terms query");
    if (tars_str_is(values->name, "_id"))
        return values->count ? id_in(c, values) : match_nothing(c);
    const struct field *f = searchable(c, values->name, &refused);
    if (!f)
        return !refused && match_nothing(c);
    return f->type == FIELD_DATE ? dates_in(c, f, values) : values_in(c, f, values);
}

/* "time_zone" and "format", which only dates have. */
static bool read_range_options(struct compiler *c, const struct json *json, struct field *date,
                               int64_t *zone_ms)
{
    const struct json *zone = json_get(json, "time_zone"), *format = json_get(json, "format");
    if (zone && (zone->type != JSON_STRING || !date_zone(zone->text, zone_ms)))
        return failure_set(c->q->failure, 400, "illegal_argument_exception",
                           "[range] time_zone: this store knows UTC and offsets such as "
                           "\"+08:00\", not [%" TARS_STR_FMT "]",
                           TARS_STR_ARG(zone->text));
    if (!format)
        return true;
    date->formats = format->type == JSON_STRING ? date_formats(format->text) : 0;
    return date->formats ||
           failure_set(c->q->failure, 400, "illegal_argument_exception",
                       "Invalid format: [%" TARS_STR_FMT "]: not known to this store",
                       TARS_STR_ARG(format->text));
}

static bool range_value(struct compiler *c, const struct field *f, const struct json *json, bool up,
                        int64_t zone_ms, struct value *v)
{
    char why[128];
    if (f->type != FIELD_DATE)
        return to_value(c, f, json, up, v);
    return value_date(f, json, up, zone_ms, v, why) || shard_failure(c, "%s", why);
}

static bool compile_range(struct compiler *c, const struct json *json)
{
    static const struct {
        const char *name, *operation;
        bool low, up;
    } bounds[] = {{"gte", ">=", true, false},
                  {"gt", ">", true, true},
                  {"lte", "<=", false, true},
                  {"lt", "<", false, false}};
    struct value v[2];
    struct condition cond = {v, 0, {NULL, NULL}, false, NULL};
    bool refused, seen[2] = {false, false};
    if (json->type != JSON_OBJECT || json->count != 1 || json->child->type != JSON_OBJECT)
        return parse_failure(
            c, "[range] query malformed, exactly one field with an object of bounds was expected");
    const struct field *f = searchable(c, json->child->name, &refused);
    struct field date = f ? *f : (struct field){0};
    int64_t zone_ms = 0;
    if (!read_range_options(c, json->child, &date, &zone_ms))
        return false;
    for (const struct json *p = json->child->child; p; p = p->next) {
        size_t i = 0;
        while (i < 4 && !tars_str_is(p->name, bounds[i].name))
            i++;
        if (i == 4 && (tars_str_is(p->name, "boost") || tars_str_is(p->name, "time_zone") ||
                       tars_str_is(p->name, "format")))
            continue;
        if (i == 4)
            return parse_failure(c, "[range] query does not support [%" TARS_STR_FMT "]",
                                 TARS_STR_ARG(p->name));
        if (p->type == JSON_NULL)
            continue;
        if (seen[bounds[i].low])
            return parse_failure(c, "[range] query: two %s bounds",
                                 bounds[i].low ? "lower" : "upper");
        seen[bounds[i].low] = true;
        if (f && !range_value(c, &date, p, bounds[i].up, zone_ms, &v[cond.count]))
            return false;
        cond.operations[cond.count++] = bounds[i].operation;
    }
    if (!f)
        return !refused && match_nothing(c);
    if (cond.count)
        return add_field(c, f, &cond);
    static const struct value none = {0};
    cond = (struct condition){&none, 1, {" IS NOT ", NULL}, false, NULL};
    return add_field(c, f, &cond);
}

static void add_exists(struct compiler *c, const struct field *f)
{
    if (f->column >= 0) {
        text_addf(&c->q->sql, " OR d.f%d IS NOT NULL", f->column);
        if (f->many)
            text_addf(&c->q->sql, " OR d.seq IN (SELECT seq FROM m%lld WHERE field=%d)",
                      (long long)c->index->id, f->column);
    }
    for (size_t i = 0; f->type == FIELD_OBJECT && i < f->child_count; i++)
        add_exists(c, f->children[i]);
}

static bool compile_exists(struct compiler *c, const struct json *json)
{
    const struct json *name = json_get(json, "field");
    if (!name || name->type != JSON_STRING || json->count != 1U + (json_get(json, "boost") != NULL))
        return parse_failure(c, "[exists] must be provided with a [field] and nothing else");
    const struct field *f = mapping_find(c->index->mapping, name->text);
    if (f && f->type == FIELD_TEXT)
        return shard_failure(c,
                             "field [%s] is of type [text]; this store cannot search texts, only "
                             "its keyword sub-field",
                             f->path);
    text_adds(&c->q->sql, "(0");
    if (f)
        add_exists(c, f);
    text_adds(&c->q->sql, ")");
    return true;
}

static bool compile_ids(struct compiler *c, const struct json *json)
{
    const struct json *values = json_get(json, "values");
    if (!values || (values->type != JSON_ARRAY && values->type != JSON_STRING) ||
        json->count != 1U + (json_get(json, "boost") != NULL))
        return parse_failure(c, "[ids] needs [values] and nothing else");
    if (values->type == JSON_ARRAY)
        return values->count ? id_in(c, values) : match_nothing(c);
    struct json list = {.type = JSON_ARRAY, .count = 1}, one = *values;
    one.next = NULL;
    list.child = list.last = &one;
    return id_in(c, &list);
}

/* Everything from the prefix up to, and without, the prefix with its last byte one higher. */
static bool compile_prefix(struct compiler *c, const struct json *json)
{
    const struct json *value = NULL;
    bool refused;
    if (!field_and_value(c, json, "prefix", "value", &value) || !value)
        return false;
    if (value->type != JSON_STRING)
        return parse_failure(c, "[prefix] query needs a text");
    if (folds(json)) {
        struct tars_str pattern = tars_str("");
        return escape(c, value->text, true, &pattern) &&
               add_pattern(c, json->child->name, "prefix", pattern, true);
    }
    const struct field *f = searchable(c, json->child->name, &refused);
    if (!f)
        return !refused && match_nothing(c);
    if (f->type != FIELD_KEYWORD)
        return shard_failure(c,
                             "Can only use prefix queries on keyword, text and wildcard fields - "
                             "not on [%s] which is of type [%s]",
                             f->path, field_type_name(f->type));
    struct value v[2] = {{.kind = VALUE_TEXT, .s = value->text}, {.kind = VALUE_TEXT}};
    struct condition cond = {v, value->text.len ? 2 : 1, {">=", "<"}, false, NULL};
    if (value->text.len) {
        char *high = tars_arena_alloc(c->q->arena, value->text.len);
        if (!high)
            return parse_failure(c, "[prefix] the text is too large");
        memcpy(high, value->text.at, value->text.len);
        high[value->text.len - 1]++;
        v[1].s = tars_str_n(high, value->text.len);
    }
    return add_field(c, f, &cond);
}

/* The text as a pattern that matches only itself, and with `more` what begins with it. */
static bool escape(struct compiler *c, struct tars_str text, bool more, struct tars_str *pattern)
{
    char *at = tars_arena_alloc(c->q->arena, text.len * 2 + 2), *to = at;
    if (!at)
        return parse_failure(c, "the text is too large");
    for (size_t i = 0; i < text.len; i++) {
        if (strchr("*?\\", text.at[i]) && text.at[i])
            *to++ = '\\';
        *to++ = text.at[i];
    }
    if (more)
        *to++ = '*';
    *pattern = tars_str_n(at, (size_t)(to - at));
    return true;
}

static bool add_pattern(struct compiler *c, struct tars_str path, const char *query,
                        struct tars_str pattern, bool fold)
{
    bool refused;
    const struct field *f = searchable(c, path, &refused);
    if (!f)
        return !refused && match_nothing(c);
    if (f->type != FIELD_KEYWORD)
        return shard_failure(c,
                             "Can only use %s queries on keyword, text and wildcard fields - not "
                             "on [%s] which is of type [%s]",
                             query, f->path, field_type_name(f->type));
    if (pattern.len > WILDCARD_MAX)
        return shard_failure(c, "[%s]: the pattern is longer than %d bytes", query, WILDCARD_MAX);
    struct value v = {.kind = VALUE_TEXT, .s = pattern};
    struct condition cond = {&v, 1, {NULL, NULL}, false, fold ? "wildi" : "wild"};
    return add_field(c, f, &cond);
}

/* {"field": {…, "case_insensitive": true}} */
static bool folds(const struct json *json)
{
    bool ok = true;
    const struct json *flag = json->child ? json_get(json->child, "case_insensitive") : NULL;
    return flag && json_as_bool(flag, &ok) && ok;
}

static bool compile_wildcard(struct compiler *c, const struct json *json)
{
    const struct json *value = NULL;
    bool other = json->child && json_get(json->child, "wildcard");
    if (!field_and_value(c, json, "wildcard", other ? "wildcard" : "value", &value) || !value)
        return false;
    if (value->type != JSON_STRING)
        return parse_failure(c, "[wildcard] query needs a text");
    return add_pattern(c, json->child->name, "wildcard", value->text, folds(json));
}

static bool compile_match_none(struct compiler *c, const struct json *json)
{
    for (const struct json *p = json->child; p; p = p->next)
        if (!tars_str_is(p->name, "boost"))
            return parse_failure(c, "[match_none] unknown field [%" TARS_STR_FMT "]",
                                 TARS_STR_ARG(p->name));
    return match_nothing(c);
}

static bool compile_constant_score(struct compiler *c, const struct json *json)
{
    const struct json *filter = json_get(json, "filter");
    for (const struct json *p = json->child; p; p = p->next)
        if (!tars_str_is(p->name, "filter") && !tars_str_is(p->name, "boost"))
            return parse_failure(c, "[constant_score] query does not support [%" TARS_STR_FMT "]",
                                 TARS_STR_ARG(p->name));
    if (!filter)
        return parse_failure(c, "[constant_score] requires a 'filter' element");
    return compile(c, filter);
}

/* On fields that are not analysed a match is a term. */
static bool compile_match(struct compiler *c, const struct json *json)
{
    const struct json *value = NULL;
    bool refused;
    if (!field_and_value(c, json, "match", "query", &value) || !value)
        return false;
    if (value->type < JSON_FALSE || value->type > JSON_STRING)
        return parse_failure(c, "[match] unknown token in [query]");
    const struct field *f = searchable(c, json->child->name, &refused);
    return f ? equal_to(c, f, value) : !refused && match_nothing(c);
}

/* All clauses under one name (an object or an array of them) with `between`. */
static bool add_clauses(struct compiler *c, const struct json *list, const char *before,
                        const char *after, const char *between, bool *first)
{
    const struct json *clause = !list ? NULL : list->type == JSON_ARRAY ? list->child : list;
    for (; clause; clause = list->type == JSON_ARRAY ? clause->next : NULL) {
        if (!*first)
            text_adds(&c->q->sql, between);
        *first = false;
        text_adds(&c->q->sql, before);
        if (!compile(c, clause))
            return false;
        text_adds(&c->q->sql, after);
    }
    return true;
}

static size_t clause_count(const struct json *list)
{
    return !list ? 0 : list->type == JSON_ARRAY ? list->count : 1;
}

static bool compile_should(struct compiler *c, const struct json *should, int64_t least,
                           bool *first)
{
    bool none = true;
    if (least <= 0)
        return true;
    text_adds(&c->q->sql, *first ? "(" : " AND (");
    *first = false;
    if ((size_t)least > clause_count(should))
        text_adds(&c->q->sql, "0");
    else if (least == 1 ? !add_clauses(c, should, "", "", " OR ", &none)
                        : !add_clauses(c, should, "((", ") IS TRUE)", "+", &none))
        return false;
    if (least > 1 && (size_t)least <= clause_count(should))
        text_addf(&c->q->sql, ">=%lld", (long long)least);
    text_adds(&c->q->sql, ")");
    return true;
}

/* "2", "-1", "75%", "-25%" of the clauses. */
static bool read_least(struct compiler *c, const struct json *json, int64_t clauses, int64_t *least)
{
    struct json number = *json;
    bool percent = json->type == JSON_STRING && json->text.len &&
                   json->text.at[json->text.len - 1] == '%';
    number.text.len -= percent;
    if (!json_as_int(&number, least) || *least < -100000 || *least > 100000)
        return failure_set(c->q->failure, 400, "illegal_argument_exception",
                           "[minimum_should_match] is only known as a number or a share such as "
                           "\"75%%\"");
    if (percent)
        *least = *least * clauses / 100;
    if (*least < 0)
        *least += clauses;
    *least = *least < 0 ? 0 : *least;
    return true;
}

static bool compile_bool(struct compiler *c, const struct json *json)
{
    static const char *const known[] = {
        "must", "filter", "should", "must_not", "minimum_should_match", "boost"};
    const struct json *parts[6] = {NULL};
    bool first = true;
    if (json->type != JSON_OBJECT)
        return parse_failure(c, "[bool] query malformed, no start_object after query name");
    for (const struct json *p = json->child; p; p = p->next) {
        size_t i = 0;
        while (i < 6 && !tars_str_is(p->name, known[i]))
            i++;
        if (i == 6)
            return failure_set(c->q->failure, 400, "x_content_parse_exception",
                               "[bool] unknown field [%" TARS_STR_FMT "]", TARS_STR_ARG(p->name));
        parts[i] = p;
    }
    bool required = clause_count(parts[0]) + clause_count(parts[1]) > 0;
    int64_t least = clause_count(parts[2]) > 0 && !required;
    if (parts[4] && !read_least(c, parts[4], (int64_t)clause_count(parts[2]), &least))
        return false;
    /* Where nothing is required, one of the optional clauses is. */
    if (least == 0 && !required && clause_count(parts[2]))
        least = 1;
    text_adds(&c->q->sql, "(");
    if (!add_clauses(c, parts[0], "", "", " AND ", &first) ||
        !add_clauses(c, parts[1], "", "", " AND ", &first) ||
        !add_clauses(c, parts[3], "((", ") IS NOT TRUE)", " AND ", &first) ||
        !compile_should(c, parts[2], least, &first))
        return false;
    text_adds(&c->q->sql, first ? "1)" : ")");
    /* Clauses that need not match must still be sound. */
    if (least == 0 && parts[2]) {
        size_t len = c->q->sql.len, count = c->q->count;
        bool none = true;
        if (!add_clauses(c, parts[2], "", "", " OR ", &none))
            return false;
        text_cut(&c->q->sql, len);
        c->q->count = count;
    }
    return true;
}

static const struct {
    const char *name;
    bool (*compile)(struct compiler *, const struct json *);
} queries[] = {
    {"match_all", compile_match_all},
    {"term", compile_term},
    {"terms", compile_terms},
    {"range", compile_range},
    {"exists", compile_exists},
    {"ids", compile_ids},
    {"prefix", compile_prefix},
    {"bool", compile_bool},
    {"wildcard", compile_wildcard},
    {"match_none", compile_match_none},
    {"constant_score", compile_constant_score},
    {"match", compile_match},
};

static bool compile(struct compiler *c, const struct json *json)
{
    if (json->type != JSON_OBJECT || json->count == 0)
        return failure_set(c->q->failure, 400, "illegal_argument_exception",
                           "query malformed, empty clause found");
    if (json->count > 1)
        return parse_failure(
            c, "[%" TARS_STR_FMT "] malformed query, expected [END_OBJECT] but found [FIELD_NAME]",
            TARS_STR_ARG(json->child->name));
    if (++c->depth > QUERY_MAX_DEPTH)
        return failure_set(c->q->failure, 400, "x_content_parse_exception",
                           "The nested depth of the query exceeds the maximum nested depth for "
                           "queries set in [indices.query.bool.max_nested_depth]");
    if (++c->clauses > QUERY_MAX_CLAUSES)
        return shard_failure(c, "maxClauseCount is set to %d", QUERY_MAX_CLAUSES);
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        if (!tars_str_is(json->child->name, queries[i].name))
            continue;
        bool ok = json->child->type == JSON_OBJECT
                      ? queries[i].compile(c, json->child)
                      : parse_failure(c, "[%s] query malformed, no start_object after query name",
                                      queries[i].name);
        c->depth--;
        return ok;
    }
    return parse_failure(c, "unknown query [%" TARS_STR_FMT "]", TARS_STR_ARG(json->child->name));
}

bool query_where(struct query *q, const struct index *index, const struct json *json)
{
    struct compiler c = {q, index, 0, 0};
    if (json)
        return compile(&c, json);
    text_adds(&q->sql, "1");
    return true;
}

/* ---- scores
 * -------------------------------------------------------------------------------------------- */

static bool score(struct compiler *c, const struct json *json);

static bool score_list(struct compiler *c, const struct json *list, bool optional)
{
    const struct json *clause = !list ? NULL : list->type == JSON_ARRAY ? list->child : list;
    for (; clause; clause = list->type == JSON_ARRAY ? clause->next : NULL) {
        text_adds(&c->q->sql, "+");
        if (optional) {
            text_adds(&c->q->sql, "CASE WHEN ");
            if (!compile(c, clause))
                return false;
            text_adds(&c->q->sql, " THEN ");
        }
        if (!score(c, clause))
            return false;
        text_adds(&c->q->sql, optional ? " ELSE 0.0 END" : "");
    }
    return true;
}

static bool score(struct compiler *c, const struct json *json)
{
    if (!tars_str_is(json->child->name, "bool")) {
        text_adds(&c->q->sql, "1.0");
        return true;
    }
    const struct json *must = json_get(json->child, "must"),
                      *should = json_get(json->child, "should");
    bool all = json->child->count == 0 ||
               (!clause_count(must) && !clause_count(should) && !json_get(json->child, "filter") &&
                !json_get(json->child, "must_not"));
    text_adds(&c->q->sql, all ? "(1.0" : "(0.0");
    if (!score_list(c, must, false) || !score_list(c, should, true))
        return false;
    text_adds(&c->q->sql, ")");
    return true;
}

bool query_score(struct query *q, const struct index *index, const struct json *json)
{
    struct compiler c = {q, index, 0, 0};
    size_t len = q->sql.len, count = q->count;
    if (!json) {
        text_adds(&q->sql, "1.0");
        return true;
    }
    /* Only what is sound has a score. */
    if (!compile(&c, json))
        return false;
    text_cut(&q->sql, len);
    q->count = count;
    return score(&c, json);
}

void query_note_scan(const struct query *q, struct index *index, sqlite3_stmt *statement)
{
    enum { MANY_ROWS = 20000 };
    int scanned = sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1);
    if (q->wanted && scanned >= MANY_ROWS)
        atomic_store(&index->wanted, q->wanted);
}

void query_add_key(struct query *q, const struct index *index, const struct field *f, bool largest)
{
    if (f->many)
        text_addf(&q->sql,
                  "ifnull(d.f%d,(SELECT %s(value) FROM m%lld WHERE field=%d AND seq=d.seq))",
                  f->column, largest ? "max" : "min", (long long)index->id, f->column);
    else
        text_addf(&q->sql, "d.f%d", f->column);
}
