/* SPDX-License-Identifier: BSD-3-Clause */
#include "search.h"

#include "aggs.h"
#include "answers.h"
#include "base/clock.h"
#include "base/xmalloc.h"
#include "hits.h"
#include "query.h"
#include "sorts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- what is asked
 * ----------------------------------------------------------------------------------- */

struct request {
    const struct index_list *indices;
    const struct json *query, *after, *collapse; /* the name of a field */
    struct aggs *aggs;
    const struct json *asked; /* the aggregations as they came */
    struct sort sorts[HIT_SORTS];
    size_t sort_count;
    bool sorted;                     /* by the caller's wish: hits show their keys */
    int64_t from, size, total_limit; /* -1: exact, 0: no total */
    struct hit_options shows;
    int64_t started_ms;
    struct tars_arena *arena;
    struct failure *failure;
};

static bool refuse(struct request *r, const char *type, const char *format, ...) TARS_PRINTF(3, 4);
static bool refuse(struct request *r, const char *type, const char *format, ...)
{
    char reason[512];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return failure_set(r->failure, 400, type, "%s", reason);
}

static bool refuse_shard(struct request *r, const struct index *index, const char *type,
                         const char *reason)
{
    refuse(r, type, "%s", reason);
    r->failure->shard = true;
    snprintf(r->failure->index, sizeof r->failure->index, "%s", index ? index->name : "_all");
    snprintf(r->failure->uuid, sizeof r->failure->uuid, "%s", index ? index->uuid : "_na_");
    return false;
}

static bool read_sort(struct request *r, const struct json *json)
{
    if (!sorts_read(json, r->indices, r->sorts, &r->sort_count, r->failure))
        return false;
    r->sorted = r->sort_count > 0 && !(r->sort_count == 1 && r->sorts[0].kind == SORT_SCORE);
    return true;
}

static bool read_count(struct request *r, const struct json *value, const char *name, int64_t *to)
{
    if (!json_as_int(value, to))
        return refuse(r, "parsing_exception", "[%s] must be a number", name);
    return *to >= 0 ||
           refuse(r, "illegal_argument_exception",
                  "[%s] parameter cannot be negative but was [%lld]", name, (long long)*to);
}

static bool read_total(struct request *r, const struct json *value)
{
    bool ok = true, exact = json_as_bool(value, &ok);
    if (ok) {
        r->total_limit = exact ? -1 : 0;
        return true;
    }
    return read_count(r, value, "track_total_hits", &r->total_limit);
}

static bool read_aggs(struct request *r, const struct json *p)
{
    if (r->aggs)
        return refuse(r, "parsing_exception", "Found two aggregation definitions");
    if (p->type == JSON_OBJECT && !p->count)
        return true;
    r->asked = p;
    r->aggs = aggs_parse(p, r->arena, r->failure);
    if (!r->aggs && r->failure->shard)
        snprintf(r->failure->index, sizeof r->failure->index, "%s",
                 r->indices->len ? r->indices->at[0]->name : "_all");
    return r->aggs != NULL;
}

static bool read_part(struct request *r, const struct json *p)
{
    int64_t ignored;
    bool flag;
    if (tars_str_is(p->name, "query")) {
        r->query = p;
        return true;
    }
    if (tars_str_is(p->name, "sort"))
        return read_sort(r, p);
    if (tars_str_is(p->name, "aggs") || tars_str_is(p->name, "aggregations"))
        return read_aggs(r, p);
    if (tars_str_is(p->name, "from"))
        return r->from >= 0 || read_count(r, p, "from", &r->from);
    if (tars_str_is(p->name, "size"))
        return r->size >= 0 || read_count(r, p, "size", &r->size);
    if (tars_str_is(p->name, "search_after")) {
        r->after = p;
        return p->type == JSON_ARRAY ||
               refuse(r, "parsing_exception", "[search_after] must be an array");
    }
    if (tars_str_is(p->name, "track_total_hits"))
        return read_total(r, p);
    if (!hit_options_read(&r->shows, p, r->arena, &flag, r->failure) || flag)
        return !r->failure->status;
    if (tars_str_is(p->name, "collapse")) {
        r->collapse = json_get(p, "field");
        return (r->collapse && r->collapse->type == JSON_STRING && p->count == 1) ||
               refuse(r, "x_content_parse_exception",
                      "[collapse]: this store knows [field] and nothing else");
    }
    if (tars_str_is(p->name, "script_fields") && p->type == JSON_OBJECT && !p->count)
        return true;
    if (tars_str_is(p->name, "timeout") || tars_str_is(p->name, "terminate_after"))
        return json_as_int(p, &ignored) || p->type == JSON_STRING;
    return refuse(r, "parsing_exception", "Unknown key for a value in [%" TARS_STR_FMT "].",
                  TARS_STR_ARG(p->name));
}

static bool read_request(struct request *r, const struct search *search, struct failure *failure)
{
    *r = (struct request){.indices = search->indices,
                          .from = search->from,
                          .size = search->size,
                          .total_limit = SEARCH_WINDOW,
                          .arena = search->arena,
                          .failure = failure,
                          .started_ms = clock_ms()};
    if (search->body && search->body->type != JSON_OBJECT)
        return refuse(r, "parsing_exception", "Expected [START_OBJECT]");
    for (const struct json *p = search->body ? search->body->child : NULL; p; p = p->next)
        if (!read_part(r, p))
            return false;
    r->shows.collapse = r->collapse;
    r->from = r->from < 0 ? 0 : r->from;
    r->size = r->size < 0 ? 10 : r->size;
    if (r->after && r->from)
        return refuse(
            r, "action_request_validation_exception",
            "Validation Failed: 1: [from] parameter must be set to 0 when [search_after] is used;");
    if (r->after && r->collapse)
        return refuse(r, "illegal_argument_exception",
                      "[collapse] with [search_after] is not known to this store");
    if (r->after && !r->sorted)
        return refuse_shard(r, r->indices->len ? r->indices->at[0] : NULL,
                            "illegal_argument_exception", "Sort must contain at least one field.");
    if (r->after && r->after->count != r->sort_count)
        return refuse_shard(r, r->indices->len ? r->indices->at[0] : NULL,
                            "illegal_argument_exception",
                            "search_after has a different number of values than sort");
    return true;
}

static bool check_window(struct request *r, const char *what, const char *hint)
{
    char reason[400];
    if (r->from + r->size <= SEARCH_WINDOW)
        return true;
    snprintf(reason, sizeof reason,
             "%s is too large, %s must be less than or equal to: [%d] but was [%lld].%s This limit "
             "can be set by changing the [index.max_result_window] index level setting.",
             what, r->from || *hint ? "from + size" : "batch size", SEARCH_WINDOW,
             (long long)r->from + r->size, hint);
    return refuse_shard(r, r->indices->len ? r->indices->at[0] : NULL, "illegal_argument_exception",
                        reason);
}

/* ---- SQL
 * ------------------------------------------------------------------------------------------------
 */

static bool is_real(enum field_type type)
{
    return type == FIELD_DOUBLE || type == FIELD_FLOAT;
}

/* Documents without the field stand where Elasticsearch puts them: at the end, as the largest or
 * smallest number there is. */
static const char *missing_number(const struct sort *s)
{
    bool top = s->descending == s->missing_first;
    if (s->type == FIELD_INTEGER || s->type == FIELD_SHORT || s->type == FIELD_BYTE)
        return top ? "2147483647" : "(-2147483648)";
    return is_real(s->type) ? (top ? "9e999" : "-9e999")
                            : (top ? "9223372036854775807" : "(-9223372036854775807-1)");
}

static bool find_field(struct request *r, const struct index *index, struct sort *s,
                       const struct field **f)
{
    char reason[300];
    *f = mapping_search(index->mapping, s->field);
    if (*f && (*f)->inside)
        return refuse_shard(r, index, "query_shard_exception",
                            "it is mandatory to set the [nested] context on the nested sort "
                            "field, which this store does not know");
    if (*f && ((*f)->type == FIELD_OBJECT || !(*f)->doc_values || (*f)->type == FIELD_TEXT)) {
        snprintf(
            reason, sizeof reason,
            (*f)->type == FIELD_TEXT
                ? "Fielddata is disabled on [%s] in [%s]. Text fields are not optimised for "
                  "operations that require per-document field data like aggregations and sorting."
                : "Can't load fielddata on [%s] of [%s] because fielddata is unsupported on this "
                  "field. Use doc values instead.",
            (*f)->path, index->name);
        return refuse_shard(r, index, "illegal_argument_exception", reason);
    }
    if (*f && s->mapped && value_is_text((*f)->type) != value_is_text(s->type))
        return refuse_shard(r, index, "illegal_argument_exception",
                            "the indices disagree about the type of a sort key");
    if (*f && !s->mapped) {
        s->mapped = true;
        s->type = (*f)->type;
    }
    if (*f || s->unmapped_ok)
        return true;
    snprintf(reason, sizeof reason, "No mapping found for [%.*s] in order to sort on",
             (int)(s->field.len > 200 ? 200 : s->field.len), s->field.at);
    return refuse_shard(r, index, "query_shard_exception", reason);
}

static bool add_key(struct request *r, struct query *q, const struct index *index, struct sort *s)
{
    const struct field *f;
    if (s->kind == SORT_DOC) {
        text_adds(&q->sql, "d.seq");
        return true;
    }
    if (s->kind == SORT_SCORE)
        return query_score(q, index, r->query);
    if (!find_field(r, index, s, &f))
        return false;
    bool number = s->mapped && !value_is_text(s->type);
    text_adds(&q->sql, number ? "ifnull(" : "");
    if (f)
        query_add_key(q, index, f, s->descending);
    else
        text_adds(&q->sql, "NULL");
    if (number)
        text_addf(&q->sql, ",%s)", missing_number(s));
    return true;
}

/* The value that makes hits equal. */
static bool add_collapse(struct request *r, struct query *q, const struct index *index)
{
    char column[FIELD_SQL];
    const struct field *f = mapping_search(index->mapping, r->collapse->text);
    char reason[400];
    snprintf(reason, sizeof reason, "no mapping found for `%.*s` in order to collapse on",
             (int)(r->collapse->text.len > 200 ? 200 : r->collapse->text.len),
             r->collapse->text.at);
    if (!f || f->type == FIELD_OBJECT || f->inside)
        return refuse_shard(r, index, "illegal_argument_exception", reason);
    snprintf(reason, sizeof reason, "collapse is not supported for the field [%s] of the type [%s]",
             f->path, field_type_name(f->type));
    if (f->column < 0 || !f->doc_values || f->type == FIELD_TEXT || f->type == FIELD_BOOLEAN ||
        f->type == FIELD_IP || f->type == FIELD_DATE)
        return refuse_shard(r, index, "illegal_argument_exception", reason);
    snprintf(reason, sizeof reason,
             "failed to collapse %s, the collapse field must be single "
             "valued",
             f->path);
    if (f->many)
        return refuse_shard(r, index, "illegal_argument_exception", reason);
    text_addf(&q->sql, ",%s AS same", field_sql(f, "d.", column));
    return true;
}

static bool add_branch(struct request *r, struct query *q, size_t at)
{
    const struct index *index = r->indices->at[at];
    text_addf(&q->sql, "%sSELECT %zu AS x,d.seq AS seq,d.id AS id,d.version AS version",
              at ? " UNION ALL " : "", at);
    for (size_t i = 0; i < r->sort_count; i++) {
        text_adds(&q->sql, ",");
        if (!add_key(r, q, index, &r->sorts[i]))
            return false;
        text_addf(&q->sql, " AS k%zu", i);
    }
    if (r->sorted && r->shows.scores) {
        text_adds(&q->sql, ",");
        if (!query_score(q, index, r->query))
            return false;
        text_adds(&q->sql, " AS score");
    }
    if (r->collapse && !add_collapse(r, q, index))
        return false;
    text_addf(&q->sql, " FROM d%lld d WHERE ", (long long)index->id);
    q->highlight = r->shows.highlight;
    bool ok = query_where(q, index, r->query);
    q->highlight = NULL;
    return ok;
}

static bool after_value(struct request *r, const struct sort *s, const struct json *json,
                        struct value *v)
{
    static char formats[] = "strict_date_optional_time||epoch_millis||epoch_second";
    struct field f = {.type = s->mapped ? s->type : FIELD_LONG, .format = formats};
    char why[128];
    *v = (struct value){0};
    if (s->kind == SORT_SCORE || s->kind == SORT_DOC)
        f.type = s->kind == SORT_DOC ? FIELD_LONG : FIELD_DOUBLE;
    if (json->type == JSON_NULL)
        return true;
    if (is_real(f.type) && (json_is_str(json, "Infinity") || json_is_str(json, "-Infinity"))) {
        *v = (struct value){.kind = VALUE_REAL,
                            .r = json->text.at[0] == '-' ? -INFINITY : INFINITY};
        return true;
    }
    if (f.type == FIELD_BOOLEAN && json->type == JSON_NUMBER)
        f.type = FIELD_LONG;
    if (value_query(&f, json, false, r->arena, v, why))
        return true;
    char reason[300];
    snprintf(reason, sizeof reason, "Failed to parse search_after value for field [%.*s]: %s",
             (int)(s->field.len > 100 ? 100 : s->field.len), s->field.at, why);
    return refuse_shard(r, r->indices->at[0], "illegal_argument_exception", reason);
}

/* k0 behind v0, or equal and k1 behind v1, and so on. */
static bool add_after(struct request *r, struct query *q)
{
    struct value values[HIT_SORTS];
    const struct json *json = r->after->child;
    for (size_t i = 0; i < r->sort_count; i++, json = json->next)
        if (!after_value(r, &r->sorts[i], json, &values[i]))
            return false;
    text_adds(&q->sql, " WHERE (0");
    for (size_t i = 0; i < r->sort_count; i++) {
        const struct sort *s = &r->sorts[i];
        text_adds(&q->sql, " OR (1");
        for (size_t k = 0; k < i; k++) {
            text_addf(&q->sql, " AND k%zu IS ?", k);
            query_add_value(q, &values[k]);
        }
        if (values[i].kind == VALUE_NONE) {
            text_addf(&q->sql, s->missing_first ? " AND k%zu IS NOT NULL)" : " AND 0)", i);
            continue;
        }
        text_addf(&q->sql, " AND (k%zu%s?%s", i, s->descending ? "<" : ">",
                  s->missing_first ? "))" : "");
        if (!s->missing_first)
            text_addf(&q->sql, " OR k%zu IS NULL))", i);
        query_add_value(q, &values[i]);
    }
    text_adds(&q->sql, ")");
    return true;
}

static void add_order(struct request *r, struct query *q)
{
    text_adds(&q->sql, " ORDER BY ");
    for (size_t i = 0; i < r->sort_count; i++) {
        const struct sort *s = &r->sorts[i];
        bool nulls = s->kind == SORT_FIELD && (!s->mapped || value_is_text(s->type));
        text_addf(&q->sql, "k%zu%s%s,", i, s->descending ? " DESC" : "",
                  !nulls             ? ""
                  : s->missing_first ? " NULLS FIRST"
                                     : " NULLS LAST");
    }
    text_adds(&q->sql, "x,seq");
}

static bool make_sql(struct request *r, struct query *q)
{
    struct query branches = {.arena = q->arena, .failure = q->failure};
    bool ok = true;
    if (!r->sort_count)
        r->sorts[r->sort_count++] = (struct sort){.kind = SORT_SCORE, .descending = true};
    /* The branches first: they learn the types of the keys, which the order depends on. */
    for (size_t i = 0; i < r->indices->len && ok; i++)
        ok = add_branch(r, &branches, i);
    text_adds(&q->sql, "SELECT x,seq,id,version");
    for (size_t i = 0; i < r->sort_count; i++)
        text_addf(&q->sql, ",k%zu", i);
    text_adds(&q->sql, r->sorted && r->shows.scores ? ",score FROM (" : " FROM (");
    if (r->collapse) {
        text_adds(&q->sql, "SELECT *,row_number() OVER (PARTITION BY same");
        add_order(r, q);
        text_adds(&q->sql, ") AS place FROM (");
    }
    if (ok)
        text_add(&q->sql, branches.sql.at, branches.sql.len);
    for (size_t i = 0; i < branches.count; i++)
        query_add_value(q, &branches.values[i]);
    q->wanted = branches.wanted;
    q->wanted_with = branches.wanted_with;
    query_free(&branches);
    text_adds(&q->sql, r->collapse ? ")) WHERE place=1" : ")");
    if (!ok || (r->after && !add_after(r, q)))
        return false;
    add_order(r, q);
    return true;
}

static bool sql_failure(struct request *r, struct db *db)
{
    char reason[300];
    int code = sqlite3_errcode(db->sql);
    bool complex = code == SQLITE_ERROR || code == SQLITE_TOOBIG;
    snprintf(reason, sizeof reason, "%s: %s",
             complex ? "the query is too complex for this store" : "the data file", db_problem(db));
    refuse_shard(r, r->indices->len ? r->indices->at[0] : NULL,
                 complex ? "query_shard_exception" : "engine_exception", reason);
    r->failure->status = complex ? 400 : 500;
    return false;
}

/* ---- counting
 * ---------------------------------------------------------------------------------------------- */

/* Up to one more than the limit, or all when it is negative. */
static bool count_hits(struct request *r, struct db *db, int64_t limit, int64_t *count)
{
    *count = 0;
    for (size_t i = 0; i < r->indices->len && (limit < 0 || *count <= limit); i++) {
        struct query q = {.arena = r->arena, .failure = r->failure};
        text_addf(&q.sql, "SELECT count(*) FROM (SELECT 1 FROM d%lld d WHERE ",
                  (long long)r->indices->at[i]->id);
        bool ok = query_where(&q, r->indices->at[i], r->query);
        if (ok && limit >= 0)
            text_addf(&q.sql, " LIMIT %lld", (long long)(limit + 1 - *count));
        text_adds(&q.sql, ")");
        sqlite3_stmt *s = ok ? db_prepare(db, text_str(&q.sql)) : NULL;
        if (s) {
            query_bind(&q, s);
            ok = sqlite3_step(s) == SQLITE_ROW;
            *count += ok ? sqlite3_column_int64(s, 0) : 0;
        }
        if (ok && !s)
            ok = sql_failure(r, db);
        else if (s && !ok)
            sql_failure(r, db);
        if (s) {
            query_note_scan(&q, r->indices->at[i], s);
            sqlite3_reset(s);
            sqlite3_clear_bindings(s);
        }
        query_free(&q);
        if (!ok)
            return false;
    }
    return true;
}

bool search_count(struct db *db, const struct search *search, struct text *to,
                  struct failure *failure)
{
    struct request r = {.indices = search->indices, .arena = search->arena, .failure = failure};
    int64_t count;
    for (const struct json *p = search->body ? search->body->child : NULL; p; p = p->next) {
        if (!tars_str_is(p->name, "query"))
            return refuse(&r, "parsing_exception", "request does not support [%" TARS_STR_FMT "]",
                          TARS_STR_ARG(p->name));
        r.query = p;
    }
    if (!count_hits(&r, db, -1, &count))
        return false;
    text_addf(to,
              "{\"count\":%lld,\"_shards\":{\"total\":%zu,\"successful\":%zu,\"skipped\":0,"
              "\"failed\":0}}",
              (long long)count, r.indices->len, r.indices->len);
    return true;
}

/* ---- hits
 * --------------------------------------------------------------------------------------------------
 */

static bool add_hit(struct db *db, struct page *page, const struct request *r, sqlite3_stmt *s,
                    struct text *to)
{
    struct value keys[HIT_SORTS];
    struct hit hit = {.index = (size_t)sqlite3_column_int64(s, 0),
                      .seq = sqlite3_column_int64(s, 1),
                      .id = db_column_str(s, 2),
                      .version = sqlite3_column_int64(s, 3),
                      .scored = !r->sorted || r->shows.scores,
                      .sorts = r->sorted ? r->sorts : NULL,
                      .keys = keys,
                      .key_count = r->sort_count};
    for (size_t i = 0; i < r->sort_count; i++)
        value_from_column(s, 4 + (int)i, &keys[i]);
    if (hit.scored)
        hit.score = sqlite3_column_double(s, 4 + (r->sorted ? (int)r->sort_count : 0));
    return page_add_hit(page, db, &hit, to);
}

/* ["hits" of a page] after skipping `from`; the score of the first row of all is kept in `best`.
 * `ended`: the statement is through, and stepping it once more would begin anew. */
static bool add_hits(struct db *db, struct page *page, const struct request *r, sqlite3_stmt *s,
                     int64_t from, int64_t size, struct text *to, double *best, bool *any,
                     bool *ended)
{
    int rc = SQLITE_ROW;
    *any = false;
    text_adds(to, "[");
    for (int64_t i = 0; i < from + size && (rc = sqlite3_step(s)) == SQLITE_ROW; i++) {
        if (!r->sorted || r->shows.scores) {
            double score = sqlite3_column_double(s, 4 + (r->sorted ? (int)r->sort_count : 0));
            *best = *any && *best > score ? *best : score;
            *any = true;
        }
        if (i < from)
            continue;
        text_adds(to, i > from ? "," : "");
        if (!add_hit(db, page, r, s, to))
            return false;
    }
    text_adds(to, "]");
    *ended = rc == SQLITE_DONE;
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

static void add_head(const struct request *r, int64_t total, struct text *to)
{
    text_addf(to,
              "\"took\":%lld,\"timed_out\":false,\"_shards\":{\"total\":%zu,\"successful\":%zu,"
              "\"skipped\":0,\"failed\":0},\"hits\":{",
              (long long)(clock_ms() - r->started_ms), r->indices->len, r->indices->len);
    if (r->total_limit == 0)
        return;
    bool more = r->total_limit > 0 && total > r->total_limit;
    text_addf(to, "\"total\":{\"value\":%lld,\"relation\":\"%s\"},",
              (long long)(more ? r->total_limit : total), more ? "gte" : "eq");
}

static void add_tail(double best, bool any, const struct text *hits, struct text *to)
{
    text_adds(to, "\"max_score\":");
    if (any)
        text_add_double(to, best);
    else
        text_adds(to, "null");
    text_adds(to, ",\"hits\":");
    text_add(to, hits->at ? hits->at : "[]", hits->at ? hits->len : 2);
    text_adds(to, "}");
}

/* ---- aggregations
 * ------------------------------------------------------------------------------------------ */

enum { KEY_INDICES = 8 };

/* Every write to an index moves its next sequence number on. False: it cannot be told. */
static bool add_state(struct db *db, const struct index *index, struct text *key)
{
    sqlite3_stmt *s = db_prepare(
        db, tars_str("SELECT next_seq,mapping,columns FROM indices WHERE id=?"));
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, index->id);
    bool ok = sqlite3_step(s) == SQLITE_ROW;
    text_addf(key, "%lld ", (long long)index->id);
    for (int i = 0; ok && i < 3; i++) {
        struct tars_str part = db_column_str(s, i);
        text_addf(key, "%zu ", part.len);
        text_add(key, part.at, part.len);
    }
    sqlite3_reset(s);
    return ok;
}

/* What is asked, of which state; false when the answer is not to be kept: where documents are shown
 * as well, as Elasticsearch does, and where it depends on the time. */
static bool make_key(const struct request *r, struct db *db, struct text *key)
{
    if (!db->answers || r->size || r->indices->len > KEY_INDICES)
        return false;
    json_print(r->asked, key);
    if (r->query)
        json_print(r->query, key);
    bool ok = !memmem(key->at, key->len, "now", 3);
    for (size_t i = 0; ok && i < r->indices->len; i++)
        ok = add_state(db, r->indices->at[i], key);
    return ok;
}

static bool aggregate(struct request *r, struct db *db, struct text *to)
{
    struct text key = {0};
    bool keep = make_key(r, db, &key), known = keep && answers_get(db->answers, text_str(&key), to);
    bool ok = known || aggs_run(r->aggs, db, r->indices, r->query, to);
    if (ok && keep && !known)
        answers_put(db->answers, text_str(&key), text_str(to));
    text_free(&key);
    return ok;
}

static bool run(struct request *r, struct db *db, struct query *q, struct text *to)
{
    struct page *page;
    struct text hits = {0}, found = {0};
    int64_t total = 0;
    double best = 0;
    bool any = false, ended;
    if (!make_sql(r, q) || (r->total_limit && !count_hits(r, db, r->total_limit, &total)))
        return false;
    text_addf(&q->sql, " LIMIT %lld", (long long)r->from + r->size);
    sqlite3_stmt *s = db_prepare(db, text_str(&q->sql));
    if (!s)
        return sql_failure(r, db);
    query_bind(q, s);
    page = page_new(r->indices, &r->shows, r->failure);
    bool ok = page && add_hits(db, page, r, s, r->from, r->size, &hits, &best, &any, &ended);
    if (r->indices->len == 1) /* else it is not known whose columns are meant */
        query_note_scan(q, r->indices->at[0], s);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    if (page && !ok)
        sql_failure(r, db);
    ok = ok && (!r->aggs || aggregate(r, db, &found));
    if (ok) {
        text_adds(to, "{");
        add_head(r, total, to);
        add_tail(best, any, &hits, to);
        text_adds(to, r->aggs ? ",\"aggregations\":" : "");
        text_add(to, found.at, found.len);
        text_adds(to, "}");
    }
    page_free(page);
    text_free(&hits);
    text_free(&found);
    return ok;
}

static bool run_request(struct request *request, struct db *db, struct text *to,
                        struct failure *failure)
{
    struct request r = *request;
    if (!check_window(&r, "Result window",
                      " See the scroll api for a more efficient way to request large data sets."))
        return false;
    if (!r.indices->len) {
        text_adds(to, "{");
        add_head(&r, 0, to);
        text_adds(to, "\"max_score\":");
        text_adds(to, r.total_limit ? "0.0,\"hits\":[]}}" : "0.0,\"hits\":[]}}");
        return true;
    }
    struct query q = {.arena = r.arena, .failure = failure};
    /* One snapshot for the count, the hits and their sources. */
    bool ok = db_exec(db, "BEGIN") ? run(&r, db, &q, to) : sql_failure(&r, db);
    db_exec(db, "COMMIT");
    query_free(&q);
    return ok;
}

bool search_run(struct db *db, const struct search *search, struct text *to,
                struct failure *failure)
{
    struct request r;
    bool ok = read_request(&r, search, failure) && run_request(&r, db, to, failure);
    aggs_end(r.aggs);
    return ok;
}

/* ---- scrolls
 * ------------------------------------------------------------------------------------------------
 */

struct scroll {
    struct db *db;
    sqlite3_stmt *statement;
    struct page *page;
    struct request request; /* without what lay in the first request's memory */
    struct index_list indices;
    int64_t size, total;
    double best;
    bool any, ended;
    char id[64];
};

void scroll_free(struct scroll *s)
{
    if (!s)
        return;
    sqlite3_finalize(s->statement);
    db_close(s->db);
    page_free(s->page);
    free(s);
}

bool scroll_next(struct scroll *s, struct text *to, struct failure *failure)
{
    struct text hits = {0};
    double best;
    bool any;
    s->request.failure = failure;
    s->request.started_ms = clock_ms();
    if (s->ended)
        text_adds(&hits, "[]");
    else if (!add_hits(s->db, s->page, &s->request, s->statement, 0, s->size, &hits, &best, &any,
                       &s->ended)) {
        text_free(&hits);
        return failure_set(failure, 500, "engine_exception", "the data file: %s",
                           db_problem(s->db));
    } else if (!s->any && any) {
        s->best = best;
        s->any = true;
    }
    text_addf(to, "{\"_scroll_id\":\"%s\",", s->id);
    struct index_list shape = {.len = page_indices(s->page)};
    s->request.indices = &shape;
    add_head(&s->request, s->total, to);
    add_tail(s->best, s->any, &hits, to);
    text_adds(to, "}");
    text_free(&hits);
    return true;
}

/* The writer may commit between its start and now: the schema is the one the catalogue showed,
 * because the caller holds it. */
struct scroll *scroll_new(const char *path, const struct search *search, const char *id,
                          struct text *to, struct failure *failure)
{
    struct scroll *s = xcalloc(1, sizeof *s);
    struct query q = {.arena = search->arena, .failure = failure};
    struct request *r = &s->request;
    struct tars_error error;
    bool ok = read_request(r, search, failure);
    r->total_limit = -1;
    snprintf(s->id, sizeof s->id, "%s", id);
    bool aggs = r->aggs != NULL;
    aggs_end(r->aggs);
    r->aggs = NULL;
    if (ok && r->shows.highlight)
        ok = refuse(r, "illegal_argument_exception",
                    "highlights are not shown in a scroll by this store");
    if (ok && r->collapse)
        ok = refuse(r, "action_request_validation_exception",
                    "Validation Failed: 1: cannot use `collapse` in a scroll context;");
    if (ok && aggs)
        ok = refuse(r, "illegal_argument_exception",
                    "aggregations are not answered in a scroll by this store");
    if (ok && (r->after || r->from))
        ok = refuse(r, "action_request_validation_exception",
                    "Validation Failed: 1: using [from] or [search_after] is not allowed in a "
                    "scroll context;");
    if (ok && r->size == 0)
        ok = refuse(r, "action_request_validation_exception",
                    "Validation Failed: 1: [size] cannot be [0] in a scroll context;");
    ok = ok && check_window(r, "Batch size", "");
    s->size = r->size;
    if (ok && !(s->db = db_open(path, false, &error)))
        ok = failure_set(failure, 500, "engine_exception", "%s", error.text);
    ok = ok && (db_exec(s->db, "BEGIN") || sql_failure(r, s->db)) &&
         (r->indices->len == 0 || (make_sql(r, &q) && count_hits(r, s->db, -1, &s->total)));
    if (ok && r->indices->len) {
        ok = sqlite3_prepare_v2(s->db->sql, q.sql.at, (int)q.sql.len, &s->statement, NULL) ==
                 SQLITE_OK ||
             sql_failure(r, s->db);
        for (size_t i = 0; ok && i < q.count; i++) {
            const struct value *v = &q.values[i];
            if (v->kind == VALUE_TEXT)
                sqlite3_bind_text(s->statement, (int)i + 1, v->s.at ? v->s.at : "", (int)v->s.len,
                                  SQLITE_TRANSIENT);
            else
                value_bind(s->statement, (int)i + 1, v);
        }
    }
    s->ended = !s->statement;
    ok = ok && (s->page = page_new(r->indices, &r->shows, failure)) != NULL;
    ok = ok && scroll_next(s, to, failure);
    query_free(&q);
    if (ok)
        return s;
    scroll_free(s);
    return NULL;
}
