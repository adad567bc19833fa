/* SPDX-License-Identifier: BSD-3-Clause */
#include "search_count.h"

#include "search_sql.h"

bool search_count_hits(struct search_request *r, struct db *db, int64_t limit, int64_t *count)
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
            ok = search_sql_failure(r, db);
        else if (s && !ok)
            search_sql_failure(r, db);
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
    struct search_request r = {
        .indices = search->indices, .arena = search->arena, .failure = failure};
    int64_t count;
    for (const struct json *p = search->body ? search->body->child : NULL; p; p = p->next) {
        if (!tars_str_is(p->name, "query"))
            return search_refuse(&r, "parsing_exception",
                                 "request does not support [%" TARS_STR_FMT "]",
                                 TARS_STR_ARG(p->name));
        r.query = p;
    }
    if (!search_count_hits(&r, db, -1, &count))
        return false;
    text_addf(to,
              "{\"count\":%lld,\"_shards\":{\"total\":%zu,\"successful\":%zu,\"skipped\":0,"
              "\"failed\":0}}",
              (long long)count, r.indices->len, r.indices->len);
    return true;
}
