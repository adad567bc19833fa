/* SPDX-License-Identifier: BSD-3-Clause */
/* The routes that delete, or write once more, all documents that a query finds. */
#include "base/clock.h"
#include "document.h"
#include "query.h"
#include "request.h"

enum { BATCH = 1000 };

struct work {
    struct store_context *context;
    struct index *index;
    const struct json *query;
    enum doc_action action;
    int64_t most, done, total, batches; /* most -1: all */
    struct failure *failure;
    struct tars_arena *scratch; /* of one document */
};

/* The ids behind `last`, up to a batch of them; false with the failure. */
static bool find_batch(struct work *w, int64_t *last, int64_t bound, struct text *ids,
                       size_t *count)
{
    struct query q = {.arena = w->context->arena, .failure = w->failure};
    int64_t most = w->most >= 0 && w->most - w->done < BATCH ? w->most - w->done : BATCH;
    text_addf(&q.sql, "SELECT d.seq,d.id FROM d%lld d WHERE d.seq>%lld AND d.seq<%lld AND (",
              (long long)w->index->id, (long long)*last, (long long)bound);
    bool ok = query_where(&q, w->index, w->query);
    text_addf(&q.sql, ") ORDER BY d.seq LIMIT %lld", (long long)most);
    sqlite3_stmt *s = ok ? db_prepare(w->context->db, text_str(&q.sql)) : NULL;
    int rc = SQLITE_ERROR;
    *count = 0;
    if (s) {
        query_bind(&q, s);
        while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
            struct tars_str id = db_column_str(s, 1);
            *last = sqlite3_column_int64(s, 0);
            text_add(ids, &id.len, sizeof id.len);
            text_add(ids, id.at, id.len);
            ++*count;
        }
        sqlite3_reset(s);
        sqlite3_clear_bindings(s);
    }
    query_free(&q);
    if (ok && rc != SQLITE_DONE)
        ok = failure_set(w->failure, 500, "engine_exception", "the data file: %s",
                         db_problem(w->context->db));
    return ok;
}

static bool write_one(struct work *w, struct tars_str id)
{
    struct store_context *c = w->context;
    struct doc_result result;
    struct doc doc;
    bool must_grow = false;
    struct doc_write write = {
        .action = w->action, .index = tars_str(w->index->name), .id = id, .if_seq_no = -1};
    if (w->action == DOC_INDEX) {
        if (!doc_read(c->db, w->index, id, w->scratch, &doc) || !doc.found)
            return failure_set(w->failure, 500, "engine_exception", "the data file: %s",
                               db_problem(c->db));
        write.body = doc.source;
    }
    bool kept = doc_write(c->catalog, c->db, &write, c->may_grow, &must_grow, w->scratch, &result);
    if (must_grow) {
        store_grow(c);
        kept = doc_write(c->catalog, c->db, &write, true, &must_grow, w->scratch, &result);
    }
    tars_arena_reset(w->scratch);
    c->broken |= !kept;
    if (!result.ok)
        *w->failure = result.failure;
    return result.ok;
}

static bool run_index(struct work *w)
{
    int64_t last = -1, bound = w->index->next_seq;
    size_t count = BATCH;
    bool ok = true;
    while (ok && count == BATCH && (w->most < 0 || w->done < w->most)) {
        struct text ids = {0};
        ok = find_batch(w, &last, bound, &ids, &count);
        w->batches += count > 0;
        for (size_t i = 0, at = 0; ok && i < count; i++) {
            struct tars_str id = {.at = ids.at + at + sizeof id.len};
            memcpy(&id.len, ids.at + at, sizeof id.len);
            at += sizeof id.len + id.len;
            ok = write_one(w, id);
            w->done += ok;
        }
        text_free(&ids);
    }
    return ok;
}

static bool read_body(struct work *w, struct request *r, int64_t *most, struct failure *f)
{
    bool failed;
    const struct json *body = request_json(r, w->context->arena, w->action == DOC_DELETE, &failed,
                                           f);
    *most = -1;
    for (const struct json *p = body ? body->child : NULL; p; p = p->next) {
        if (tars_str_is(p->name, "query"))
            w->query = p;
        else if (!tars_str_is(p->name, "max_docs") || !json_as_int(p, most) || *most < 0)
            return failure_set(f, 400, "parsing_exception",
                               "request does not support [%" TARS_STR_FMT "]",
                               TARS_STR_ARG(p->name));
    }
    if (!failed && w->action == DOC_DELETE && !w->query)
        return failure_set(f, 400, "action_request_validation_exception",
                           "Validation Failed: 1: query is missing;");
    return !failed && request_int(r, "max_docs", *most, most, f);
}

static bool check_params(const struct request *r, struct failure *f)
{
    struct tars_str wait = request_param(r, "wait_for_completion"),
                    conflicts = request_param(r, "conflicts");
    if (wait.at && wait.len && !tars_str_is(wait, "true"))
        return failure_set(f, 400, "illegal_argument_exception",
                           "[wait_for_completion]: this store always waits");
    return !conflicts.at || tars_str_is(conflicts, "proceed") || tars_str_is(conflicts, "abort") ||
           failure_set(f, 400, "illegal_argument_exception",
                       "conflicts may only be \"proceed\" or \"abort\" but was [%" TARS_STR_FMT "]",
                       TARS_STR_ARG(conflicts));
}

static void run(struct store_context *c, struct request *r, enum doc_action action)
{
    struct failure f = {0};
    struct index_list list = {0};
    struct work w = {.context = c,
                     .action = action,
                     .failure = &f,
                     .scratch = tars_arena_new((size_t)128 << 20)};
    int64_t started_ms = clock_ms();
    bool lenient;
    bool ok = check_params(r, &f) && read_body(&w, r, &w.most, &f) &&
              request_flag(r, "ignore_unavailable", false, &lenient, &f) &&
              catalog_resolve(c->catalog, r->index, true, lenient, &list, &f);
    for (size_t i = 0; ok && i < list.len; i++) {
        w.index = list.at[i];
        ok = run_index(&w);
    }
    index_list_free(&list);
    tars_arena_free(w.scratch);
    if (!ok) {
        request_fail(r, &f);
        return;
    }
    r->status = 200;
    text_addf(&r->answer, "{\"took\":%lld,\"timed_out\":false,\"total\":%lld,",
              (long long)(clock_ms() - started_ms), (long long)w.done);
    text_addf(&r->answer,
              action == DOC_DELETE ? "\"deleted\":%lld," : "\"updated\":%lld,\"deleted\":0,",
              (long long)w.done);
    text_addf(&r->answer,
              "\"batches\":%lld,\"version_conflicts\":0,\"noops\":0,\"retries\":{\"bulk\":0,"
              "\"search\":0},\"throttled_millis\":0,\"requests_per_second\":-1.0,"
              "\"throttled_until_millis\":0,\"failures\":[]}",
              (long long)w.batches);
}

void rest_delete_by_query(struct store_context *c, struct request *r)
{
    run(c, r, DOC_DELETE);
}

void rest_update_by_query(struct store_context *c, struct request *r)
{
    run(c, r, DOC_INDEX);
}
