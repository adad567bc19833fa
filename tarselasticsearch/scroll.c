/* SPDX-License-Identifier: BSD-3-Clause */
#include "scroll.h"

#include "base/clock.h"
#include "base/xmalloc.h"
#include "search_answer.h"
#include "search_count.h"
#include "search_request.h"
#include "search_sql.h"

#include <stdio.h>
#include <stdlib.h>

struct scroll {
    struct db *db;
    sqlite3_stmt *statement;
    struct page *page;
    struct search_request request; /* without what lay in the first request's memory */
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
    else if (!search_add_hits(s->db, s->page, &s->request, s->statement, 0, s->size, &hits, &best,
                              &any, &s->ended)) {
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
    search_add_head(&s->request, s->total, to);
    search_add_tail(s->best, s->any, &hits, to);
    text_adds(to, "}");
    text_free(&hits);
    return true;
}

/* ---- the first page -------------------------------------------------------------------------- */

/* What a scroll does not answer is refused. */
static bool check_request(struct search_request *r, bool aggs)
{
    if (r->shows.highlight)
        return search_refuse(r, "illegal_argument_exception",
                             "highlights are not shown in a scroll by this store");
    if (r->collapse)
        return search_refuse(r, "action_request_validation_exception",
                             "Validation Failed: 1: cannot use `collapse` in a scroll context;");
    if (aggs)
        return search_refuse(r, "illegal_argument_exception",
                             "aggregations are not answered in a scroll by this store");
    if (r->after || r->from)
        return search_refuse(r, "action_request_validation_exception",
                             "Validation Failed: 1: using [from] or [search_after] is not allowed "
                             "in a scroll context;");
    if (r->size == 0)
        return search_refuse(r, "action_request_validation_exception",
                             "Validation Failed: 1: [size] cannot be [0] in a scroll context;");
    return search_check_window(r, "Batch size", "");
}

static bool read_request(struct scroll *s, const struct search *search, struct failure *failure)
{
    struct search_request *r = &s->request;
    bool ok = search_request_read(r, search, failure), aggs = r->aggs != NULL;
    r->total_limit = -1;
    s->size = r->size;
    aggs_end(r->aggs);
    r->aggs = NULL;
    return ok && check_request(r, aggs);
}

/* The statement lives longer than the query and takes copies of its texts. */
static bool prepare(struct scroll *s, const struct query *q)
{
    if (sqlite3_prepare_v2(s->db->sql, q->sql.at, (int)q->sql.len, &s->statement, NULL) !=
        SQLITE_OK)
        return search_sql_failure(&s->request, s->db);
    for (size_t i = 0; i < q->count; i++) {
        const struct value *v = &q->values[i];
        if (v->kind == VALUE_TEXT)
            sqlite3_bind_text(s->statement, (int)i + 1, v->s.at ? v->s.at : "", (int)v->s.len,
                              SQLITE_TRANSIENT);
        else
            value_bind(s->statement, (int)i + 1, v);
    }
    return true;
}

/* Begins the transaction and the statement. */
static bool open_snapshot(struct scroll *s, const char *path, struct query *q,
                          struct failure *failure)
{
    struct search_request *r = &s->request;
    struct tars_error error;
    s->db = db_open(path, false, &error);
    if (!s->db)
        return failure_set(failure, 500, "engine_exception", "%s", error.text);
    if (!db_exec(s->db, "BEGIN"))
        return search_sql_failure(r, s->db);
    return r->indices->len == 0 ||
           (search_make_sql(r, q) && search_count_hits(r, s->db, -1, &s->total) && prepare(s, q));
}

/* The writer may commit between its start and now: the schema is the one the catalogue showed,
 * because the caller holds it. */
struct scroll *scroll_new(const char *path, const struct search *search, const char *id,
                          struct text *to, struct failure *failure)
{
    struct scroll *s = xcalloc(1, sizeof *s);
    struct query q = {.arena = search->arena, .failure = failure};
    snprintf(s->id, sizeof s->id, "%s", id);
    bool ok = read_request(s, search, failure) && open_snapshot(s, path, &q, failure);
    s->ended = !s->statement;
    ok = ok && (s->page = page_new(s->request.indices, &s->request.shows, failure)) != NULL;
    ok = ok && scroll_next(s, to, failure);
    query_free(&q);
    if (ok)
        return s;
    scroll_free(s);
    return NULL;
}
