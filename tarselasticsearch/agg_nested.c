/* SPDX-License-Identifier: BSD-3-Clause */
/* One bucket of the objects of a nested field: what stands below counts rows, not documents. */
#include "agg.h"
#include "agg_print.h"
#include "agg_slots.h"

#include <stdio.h>

struct nested_options {
    struct tars_str path, outer; /* the scope around it */
    /* of the index that is being read */
    const struct index *index;
    const struct field *field;
    struct query query;
};

static void end_query(void *query)
{
    query_free(query);
}

/* What stands below is read inside the path: see parse_part of aggs.c. */
static bool parse_nested(struct aggs *all, struct agg *a, const struct json *body)
{
    struct nested_options *o = agg_alloc(all, sizeof *o);
    if (!o)
        return false;
    a->options = o;
    o->outer = all->scope;
    for (const struct json *p = body->child; p; p = p->next) {
        if (!tars_str_is(p->name, "path") || p->type != JSON_STRING)
            return agg_refuse(all, "parsing_exception",
                              "Unexpected token [%" TARS_STR_FMT "] in [%" TARS_STR_FMT "].",
                              TARS_STR_ARG(p->name), TARS_STR_ARG(a->name));
        o->path = p->text;
    }
    a->scope = o->path;
    if (o->path.len && tars_str_equal(o->path, o->outer))
        return agg_refuse(all, "illegal_argument_exception",
                          "[nested]: the path [%" TARS_STR_FMT "] is that of the aggregation above",
                          TARS_STR_ARG(o->path));
    return o->path.len
               ? aggs_own(all, &o->query, end_query)
               : agg_refuse(all, "parsing_exception",
                            "Missing [path] field for nested aggregation [%" TARS_STR_FMT "]",
                            TARS_STR_ARG(a->name));
}

/* The rows below a document, or below the nested row that is being read. */
static bool prepare(struct aggs *all, struct nested_options *o)
{
    const struct field *f = mapping_find(all->index->mapping, o->path);
    struct query *q = &o->query;
    o->index = all->index;
    o->field = f && f->nested ? f : NULL;
    query_free(q);
    *q = (struct query){.arena = all->arena, .failure = all->failure};
    if (!o->field)
        return true;
    const struct field *up = mapping_nested(all->index->mapping, o->field->path);
    bool direct = o->outer.len ? up && tars_str_is(o->outer, up->path) : !up;
    text_adds(&q->sql, "SELECT d.seq");
    if (!agg_select_slots(all, q, o->path, o->field))
        return false;
    text_addf(&q->sql, " FROM n%lld d WHERE d.path=%d AND ", (long long)all->index->id,
              o->field->column);
    text_addf(&q->sql,
              direct ? "d.up=?%zu ORDER BY d.seq DESC"
                     : "d.seq BETWEEN -16384-?%zu*16384 AND -1-?%zu*16384 ORDER BY d.seq DESC",
              q->count + 1, q->count + 1);
    return true;
}

static bool collect_nested(struct aggs *all, const struct agg *a, void *state)
{
    struct nested_options *o = a->options;
    struct bucket **b = state;
    int64_t seq = all->seq;
    if (!*b && !(*b = agg_bucket(all, a)))
        return false;
    if (o->index != all->index && !prepare(all, o))
        return false;
    if (!o->field)
        return true;
    sqlite3_stmt *s = db_prepare(all->db, text_str(&o->query.sql));
    bool ok = s != NULL;
    int rc = SQLITE_DONE;
    if (s) {
        query_bind(&o->query, s);
        sqlite3_bind_int64(s, sqlite3_bind_parameter_count(s), seq);
    }
    while (ok && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        all->seq = sqlite3_column_int64(s, 0);
        ok = agg_read_slots(all, o->path, s, 1) && agg_enter(all, a, *b);
    }
    if (s)
        sqlite3_reset(s);
    all->seq = seq;
    return (ok && rc == SQLITE_DONE) || all->failure->status != 0 ||
           failure_set(all->failure, 500, "engine_exception", "aggregating: %s",
                       db_problem(all->db));
}

static bool print_nested(struct aggs *all, const struct agg *a, void *state, struct text *to)
{
    return agg_print_bucket(all, a, *(struct bucket **)state, to);
}

const struct agg_kind agg_nested_kinds[] = {{"nested", true, sizeof(struct bucket *), parse_nested,
                                             collect_nested, print_nested, NULL, true},
                                            {0}};
