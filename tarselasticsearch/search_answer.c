/* SPDX-License-Identifier: BSD-3-Clause */
#include "search_answer.h"

#include "base/clock.h"

static bool add_hit(struct db *db, struct page *page, const struct search_request *r,
                    sqlite3_stmt *s, struct text *to)
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

bool search_add_hits(struct db *db, struct page *page, const struct search_request *r,
                     sqlite3_stmt *s, int64_t from, int64_t size, struct text *to, double *best,
                     bool *any, bool *ended)
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

void search_add_head(const struct search_request *r, int64_t total, struct text *to)
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

void search_add_tail(double best, bool any, const struct text *hits, struct text *to)
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
