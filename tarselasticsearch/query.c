/* SPDX-License-Identifier: BSD-3-Clause */
#include "query_compile.h"

#include "base/xmalloc.h"
#include "highlight.h"

#include <stdio.h>
#include <stdlib.h>

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

bool compile_refuse(struct compiler *c, const char *format, ...)
{
    char reason[512];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return failure_set(c->q->failure, 400, "parsing_exception", "%s", reason);
}

bool compile_refuse_shard(struct compiler *c, const char *format, ...)
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

/* ---- the queries
 * ------ */

static bool compile_match_all(struct compiler *c, const struct json *json)
{
    for (const struct json *p = json->child; p; p = p->next)
        if (!tars_str_is(p->name, "boost"))
            return compile_refuse(c, "[match_all] unknown field [%" TARS_STR_FMT "]",
                                  TARS_STR_ARG(p->name));
    text_adds(&c->q->sql, "1");
    return true;
}

static bool compile_match_none(struct compiler *c, const struct json *json)
{
    for (const struct json *p = json->child; p; p = p->next)
        if (!tars_str_is(p->name, "boost"))
            return compile_refuse(c, "[match_none] unknown field [%" TARS_STR_FMT "]",
                                  TARS_STR_ARG(p->name));
    return compile_nothing(c);
}

static bool compile_constant_score(struct compiler *c, const struct json *json)
{
    const struct json *filter = json_get(json, "filter");
    for (const struct json *p = json->child; p; p = p->next)
        if (!tars_str_is(p->name, "filter") && !tars_str_is(p->name, "boost"))
            return compile_refuse(c, "[constant_score] query does not support [%" TARS_STR_FMT "]",
                                  TARS_STR_ARG(p->name));
    if (!filter)
        return compile_refuse(c, "[constant_score] requires a 'filter' element");
    return compile_query(c, filter);
}

/* On fields that are not analysed a match is a term. */ /* All clauses under one name (an object or
                                                            an array of them) with `between`. */
static bool add_clauses(struct compiler *c, const struct json *list, const char *before,
                        const char *after, const char *between, bool *first)
{
    const struct json *clause = !list ? NULL : list->type == JSON_ARRAY ? list->child : list;
    for (; clause; clause = list->type == JSON_ARRAY ? clause->next : NULL) {
        if (!*first)
            text_adds(&c->q->sql, between);
        *first = false;
        text_adds(&c->q->sql, before);
        if (!compile_query(c, clause))
            return false;
        text_adds(&c->q->sql, after);
    }
    return true;
}

static size_t compile_clauses(const struct json *list)
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
    if ((size_t)least > compile_clauses(should))
        text_adds(&c->q->sql, "0");
    else if (least == 1 ? !add_clauses(c, should, "", "", " OR ", &none)
                        : !add_clauses(c, should, "((", ") IS TRUE)", "+", &none))
        return false;
    if (least > 1 && (size_t)least <= compile_clauses(should))
        text_addf(&c->q->sql, ">=%lld", (long long)least);
    text_adds(&c->q->sql, ")");
    return true;
}

bool compile_least(struct compiler *c, const struct json *json, int64_t clauses, int64_t *least)
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

static bool add_negated(struct compiler *c, const struct json *list, bool *first)
{
    if (c->q->highlight)
        c->q->highlight->negated++;
    bool ok = add_clauses(c, list, "((", ") IS NOT TRUE)", " AND ", first);
    if (c->q->highlight)
        c->q->highlight->negated--;
    return ok;
}

static bool compile_bool(struct compiler *c, const struct json *json)
{
    static const char *const known[] = {
        "must", "filter", "should", "must_not", "minimum_should_match", "boost"};
    const struct json *parts[6] = {NULL};
    bool first = true;
    if (json->type != JSON_OBJECT)
        return compile_refuse(c, "[bool] query malformed, no start_object after query name");
    for (const struct json *p = json->child; p; p = p->next) {
        size_t i = 0;
        while (i < 6 && !tars_str_is(p->name, known[i]))
            i++;
        if (i == 6)
            return failure_set(c->q->failure, 400, "x_content_parse_exception",
                               "[bool] unknown field [%" TARS_STR_FMT "]", TARS_STR_ARG(p->name));
        parts[i] = p;
    }
    bool required = compile_clauses(parts[0]) + compile_clauses(parts[1]) > 0;
    int64_t least = compile_clauses(parts[2]) > 0 && !required;
    if (parts[4] && !compile_least(c, parts[4], (int64_t)compile_clauses(parts[2]), &least))
        return false;
    /* Where nothing is required, one of the optional clauses is. */
    if (least == 0 && !required && compile_clauses(parts[2]))
        least = 1;
    text_adds(&c->q->sql, "(");
    if (!add_clauses(c, parts[0], "", "", " AND ", &first) ||
        !add_clauses(c, parts[1], "", "", " AND ", &first) || !add_negated(c, parts[3], &first) ||
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

/* The rows of the nested field that the query finds stand for their documents. */
static bool compile_nested(struct compiler *c, const struct json *json)
{
    static const char *const known[] = {"path",  "query", "score_mode", "ignore_unmapped",
                                        "boost", "_name"};
    const struct json *path = json_get(json, "path"), *query = json_get(json, "query");
    const struct field *outer = c->scope;
    bool lenient;
    for (const struct json *p = json->child; p; p = p->next) {
        size_t i = 0;
        while (i < sizeof known / sizeof *known && !tars_str_is(p->name, known[i]))
            i++;
        if (i == sizeof known / sizeof *known)
            return compile_refuse(c, "[nested] query does not support [%" TARS_STR_FMT "]",
                                  TARS_STR_ARG(p->name));
    }
    if (!path || path->type != JSON_STRING)
        return failure_set(c->q->failure, 400, "illegal_argument_exception",
                           "[nested] requires 'path' field");
    if (!query)
        return failure_set(c->q->failure, 400, "illegal_argument_exception",
                           "[nested] requires 'query' field");
    if (!compile_flag(c, json, "ignore_unmapped", &lenient))
        return false;
    const struct field *f = mapping_find(c->index->mapping, path->text);
    if (!f || !f->nested)
        return lenient
                   ? compile_nothing(c)
                   : compile_refuse_shard(
                         c, "[nested] failed to find nested object under path [%" TARS_STR_FMT "]",
                         TARS_STR_ARG(path->text));
    const struct field *up = mapping_nested(c->index->mapping, f->path);
    if (outer && up != outer)
        return compile_nothing(c);
    text_addf(&c->q->sql, "d.seq IN (SELECT %s FROM n%lld d WHERE d.path=%d AND (",
              up == outer ? "d.up" : "(-1-d.seq)/16384", (long long)c->index->id, f->column);
    c->scope = f;
    bool ok = compile_query(c, query);
    c->scope = outer;
    text_adds(&c->q->sql, "))");
    return ok;
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
    {"nested", compile_nested},
    {"regexp", compile_regexp},
    {"match_phrase", compile_match_phrase},
    {"match_phrase_prefix", compile_match_phrase_prefix},
    {"multi_match", compile_multi_match},
    {"query_string", compile_query_string},
    {"simple_query_string", compile_simple_query_string},
};

bool compile_query(struct compiler *c, const struct json *json)
{
    if (json->type != JSON_OBJECT || json->count == 0)
        return failure_set(c->q->failure, 400, "illegal_argument_exception",
                           "query malformed, empty clause found");
    if (json->count > 1)
        return compile_refuse(
            c, "[%" TARS_STR_FMT "] malformed query, expected [END_OBJECT] but found [FIELD_NAME]",
            TARS_STR_ARG(json->child->name));
    if (++c->depth > QUERY_MAX_DEPTH)
        return failure_set(c->q->failure, 400, "x_content_parse_exception",
                           "The nested depth of the query exceeds the maximum nested depth for "
                           "queries set in [indices.query.bool.max_nested_depth]");
    if (++c->clauses > QUERY_MAX_CLAUSES)
        return compile_refuse_shard(c, "maxClauseCount is set to %d", QUERY_MAX_CLAUSES);
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        if (!tars_str_is(json->child->name, queries[i].name))
            continue;
        bool ok = json->child->type == JSON_OBJECT
                      ? queries[i].compile(c, json->child)
                      : compile_refuse(c, "[%s] query malformed, no start_object after query name",
                                       queries[i].name);
        c->depth--;
        return ok;
    }
    return compile_refuse(c, "unknown query [%" TARS_STR_FMT "]", TARS_STR_ARG(json->child->name));
}

bool query_where(struct query *q, const struct index *index, const struct json *json)
{
    return query_where_in(q, index, NULL, json);
}

bool query_where_in(struct query *q, const struct index *index, const struct field *scope,
                    const struct json *json)
{
    struct compiler c = {.q = q, .index = index, .scope = scope};
    if (json)
        return compile_query(&c, json);
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
            if (!compile_query(c, clause))
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
               (!compile_clauses(must) && !compile_clauses(should) &&
                !json_get(json->child, "filter") && !json_get(json->child, "must_not"));
    text_adds(&c->q->sql, all ? "(1.0" : "(0.0");
    if (!score_list(c, must, false) || !score_list(c, should, true))
        return false;
    text_adds(&c->q->sql, ")");
    return true;
}

bool query_score(struct query *q, const struct index *index, const struct json *json)
{
    struct compiler c = {.q = q, .index = index};
    size_t len = q->sql.len, count = q->count;
    if (!json) {
        text_adds(&q->sql, "1.0");
        return true;
    }
    /* Only what is sound has a score. */
    if (!compile_query(&c, json))
        return false;
    text_cut(&q->sql, len);
    q->count = count;
    return score(&c, json);
}

void query_wish(struct query *q, const struct field *f, bool exact)
{
    int column = f->column + 1;
    if (!f->indexed && (!q->wanted || (exact && !q->wanted_exact))) {
        q->wanted_with = q->wanted ? q->wanted : q->wanted_with;
        q->wanted = column;
        q->wanted_exact = exact;
    } else if (!q->wanted_with && column != q->wanted) {
        q->wanted_with = column;
    }
}

void query_note_scan(const struct query *q, struct index *index, sqlite3_stmt *statement)
{
    enum { MANY_ROWS = 20000 };
    int scanned = sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1);
    if (q->wanted && scanned >= MANY_ROWS)
        atomic_store(&index->wanted, q->wanted + q->wanted_with * INDEX_WANTED_WITH);
}

void query_add_key(struct query *q, const struct index *index, const struct field *f, bool largest)
{
    char column[FIELD_SQL];
    if (f->many)
        text_addf(&q->sql, "ifnull(%s,(SELECT %s(value) FROM m%lld WHERE field=%d AND seq=d.seq))",
                  field_sql(f, "d.", column), largest ? "max" : "min", (long long)index->id,
                  f->column);
    else
        text_adds(&q->sql, field_sql(f, "d.", column));
}
