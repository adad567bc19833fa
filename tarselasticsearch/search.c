/* SPDX-License-Identifier: BSD-3-Clause */
#include "search.h"

#include "answers.h"
#include "search_answer.h"
#include "search_count.h"
#include "search_request.h"
#include "search_sql.h"

#include <string.h>

/* ---- aggregations ---------------------------------------------------------------------------- */

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
static bool make_key(const struct search_request *r, struct db *db, struct text *key)
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

static bool aggregate(struct search_request *r, struct db *db, struct text *to)
{
    struct text key = {0};
    bool keep = make_key(r, db, &key), known = keep && answers_get(db->answers, text_str(&key), to);
    bool ok = known || aggs_run(r->aggs, db, r->indices, r->query, to);
    if (ok && keep && !known)
        answers_put(db->answers, text_str(&key), text_str(to));
    text_free(&key);
    return ok;
}

/* ---- one search ------------------------------------------------------------------------------ */

static bool run(struct search_request *r, struct db *db, struct query *q, struct text *to)
{
    struct page *page;
    struct text hits = {0}, found = {0};
    int64_t total = 0;
    double best = 0;
    bool any = false, ended;
    if (!search_make_sql(r, q) ||
        (r->total_limit && !search_count_hits(r, db, r->total_limit, &total)))
        return false;
    text_addf(&q->sql, " LIMIT %lld", (long long)r->from + r->size);
    sqlite3_stmt *s = db_prepare(db, text_str(&q->sql));
    if (!s)
        return search_sql_failure(r, db);
    query_bind(q, s);
    page = page_new(r->indices, &r->shows, r->failure);
    bool ok = page && search_add_hits(db, page, r, s, r->from, r->size, &hits, &best, &any, &ended);
    if (r->indices->len == 1) /* else it is not known whose columns are meant */
        query_note_scan(q, r->indices->at[0], s);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    if (page && !ok)
        search_sql_failure(r, db);
    ok = ok && (!r->aggs || aggregate(r, db, &found));
    if (ok) {
        text_adds(to, "{");
        search_add_head(r, total, to);
        search_add_tail(best, any, &hits, to);
        text_adds(to, r->aggs ? ",\"aggregations\":" : "");
        text_add(to, found.at, found.len);
        text_adds(to, "}");
    }
    page_free(page);
    text_free(&hits);
    text_free(&found);
    return ok;
}

static bool run_request(struct search_request *request, struct db *db, struct text *to,
                        struct failure *failure)
{
    struct search_request r = *request;
    if (!search_check_window(
            &r, "Result window",
            " See the scroll api for a more efficient way to request large data sets."))
        return false;
    if (!r.indices->len) {
        text_adds(to, "{");
        search_add_head(&r, 0, to);
        text_adds(to, "\"max_score\":");
        text_adds(to, r.total_limit ? "0.0,\"hits\":[]}}" : "0.0,\"hits\":[]}}");
        return true;
    }
    struct query q = {.arena = r.arena, .failure = failure};
    /* One snapshot for the count, the hits and their sources. */
    bool ok = db_exec(db, "BEGIN") ? run(&r, db, &q, to) : search_sql_failure(&r, db);
    db_exec(db, "COMMIT");
    query_free(&q);
    return ok;
}

bool search_run(struct db *db, const struct search *search, struct text *to,
                struct failure *failure)
{
    struct search_request r;
    bool ok = search_request_read(&r, search, failure) && run_request(&r, db, to, failure);
    aggs_end(r.aggs);
    return ok;
}
