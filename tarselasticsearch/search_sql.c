/* SPDX-License-Identifier: BSD-3-Clause */
#include "search_sql.h"

#include <math.h>
#include <stdio.h>

/* ---- keys ------------------------------------------------------------------------------------ */

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

static bool find_field(struct search_request *r, const struct index *index, struct sort *s,
                       const struct field **f)
{
    char reason[300];
    *f = mapping_search(index->mapping, s->field);
    if (*f && (*f)->inside)
        return search_refuse_shard(r, index, "query_shard_exception",
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
        return search_refuse_shard(r, index, "illegal_argument_exception", reason);
    }
    if (*f && s->mapped && value_is_text((*f)->type) != value_is_text(s->type))
        return search_refuse_shard(r, index, "illegal_argument_exception",
                                   "the indices disagree about the type of a sort key");
    if (*f && !s->mapped) {
        s->mapped = true;
        s->type = (*f)->type;
    }
    if (*f || s->unmapped_ok)
        return true;
    snprintf(reason, sizeof reason, "No mapping found for [%.*s] in order to sort on",
             (int)(s->field.len > 200 ? 200 : s->field.len), s->field.at);
    return search_refuse_shard(r, index, "query_shard_exception", reason);
}

static bool add_key(struct search_request *r, struct query *q, const struct index *index,
                    struct sort *s)
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
static bool add_collapse(struct search_request *r, struct query *q, const struct index *index)
{
    char column[FIELD_SQL];
    const struct field *f = mapping_search(index->mapping, r->collapse->text);
    char reason[400];
    snprintf(reason, sizeof reason, "no mapping found for `%.*s` in order to collapse on",
             (int)(r->collapse->text.len > 200 ? 200 : r->collapse->text.len),
             r->collapse->text.at);
    if (!f || f->type == FIELD_OBJECT || f->inside)
        return search_refuse_shard(r, index, "illegal_argument_exception", reason);
    snprintf(reason, sizeof reason, "collapse is not supported for the field [%s] of the type [%s]",
             f->path, field_type_name(f->type));
    if (f->column < 0 || !f->doc_values || f->type == FIELD_TEXT || f->type == FIELD_BOOLEAN ||
        f->type == FIELD_IP || f->type == FIELD_DATE)
        return search_refuse_shard(r, index, "illegal_argument_exception", reason);
    snprintf(reason, sizeof reason,
             "failed to collapse %s, the collapse field must be single "
             "valued",
             f->path);
    if (f->many)
        return search_refuse_shard(r, index, "illegal_argument_exception", reason);
    text_addf(&q->sql, ",%s AS same", field_sql(f, "d.", column));
    return true;
}

static bool add_branch(struct search_request *r, struct query *q, size_t at)
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

/* ---- what stands behind a hit ---------------------------------------------------------------- */

static bool after_value(struct search_request *r, const struct sort *s, const struct json *json,
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
    return search_refuse_shard(r, r->indices->at[0], "illegal_argument_exception", reason);
}

/* k0 behind v0, or equal and k1 behind v1, and so on. */
static bool add_after(struct search_request *r, struct query *q)
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

static void add_order(struct search_request *r, struct query *q)
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

/* ---- the statement --------------------------------------------------------------------------- */

bool search_make_sql(struct search_request *r, struct query *q)
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

bool search_sql_failure(struct search_request *r, struct db *db)
{
    char reason[300];
    int code = sqlite3_errcode(db->sql);
    bool complex = code == SQLITE_ERROR || code == SQLITE_TOOBIG;
    snprintf(reason, sizeof reason, "%s: %s",
             complex ? "the query is too complex for this store" : "the data file", db_problem(db));
    search_refuse_shard(r, r->indices->len ? r->indices->at[0] : NULL,
                        complex ? "query_shard_exception" : "engine_exception", reason);
    r->failure->status = complex ? 400 : 500;
    return false;
}
