/* SPDX-License-Identifier: BSD-3-Clause */
#include "agg_pass.h"

#include "agg_rows.h"
#include "agg_slots.h"

static bool read_row(struct aggs *all, sqlite3_stmt *s)
{
    all->seq = sqlite3_column_int64(s, 0);
    all->score = all->scored ? sqlite3_column_double(s, 1) : 0;
    return agg_read_slots(all, (struct tars_str){0}, s, 1 + all->scored);
}

/* The statement over an index's documents. */
struct pass {
    struct query query;
    sqlite3_stmt *statement;
    bool parts; /* takes the first and the last document */
    int64_t rows;
};

static bool run_documents(struct aggs *all, void *user, int64_t from, int64_t to)
{
    struct pass *pass = user;
    sqlite3_stmt *s = pass->statement;
    bool ok = true;
    int rc = SQLITE_ERROR;
    query_bind(&pass->query, s);
    if (pass->parts) {
        sqlite3_bind_int64(s, (int)pass->query.count + 1, from);
        sqlite3_bind_int64(s, (int)pass->query.count + 2, to);
    }
    for (; ok && (rc = sqlite3_step(s)) == SQLITE_ROW; pass->rows++)
        ok = read_row(all, s) && agg_collect_list(all, all->top, all->top_states) &&
             !all->failure->status;
    sqlite3_reset(s);
    if (ok && rc != SQLITE_DONE)
        ok = failure_set(all->failure, 500, "engine_exception", "aggregating: %s",
                         db_problem(all->db));
    return ok;
}

static bool prepare_pass(struct aggs *all, struct pass *pass, const struct json *query)
{
    struct query *q = &pass->query;
    text_adds(&q->sql, all->scored ? "SELECT d.seq," : "SELECT d.seq");
    if ((all->scored && !query_score(q, all->index, query)) ||
        !agg_select_slots(all, q, (struct tars_str){0}, NULL))
        return false;
    text_addf(&q->sql, " FROM d%lld d WHERE ", (long long)all->index->id);
    if (!query_where(q, all->index, query))
        return false;
    pass->parts = agg_fits_blocks(all, query);
    text_adds(&q->sql, pass->parts ? " AND d.seq BETWEEN ? AND ?" : "");
    pass->statement = db_prepare(all->db, text_str(&q->sql));
    return pass->statement || failure_set(all->failure, 500, "engine_exception", "aggregating: %s",
                                          db_problem(all->db));
}

/* Wishes for packed columns where many documents were read, or only looked at, for want of them. */
static void wish(struct aggs *all, const struct pass *pass, struct index *index)
{
    enum { STEPS_A_ROW = 8 };
    int64_t read = pass->rows +
                   sqlite3_stmt_status(pass->statement, SQLITE_STMTSTATUS_VM_STEP, 1) / STEPS_A_ROW;
    if (all->lacking && read >= BLOCK_ROWS / 2)
        agg_wish_columns(all, index);
}

bool agg_run_index(struct aggs *all, struct index *index, const struct json *query)
{
    struct pass pass = {.query = {.arena = all->arena, .failure = all->failure}};
    bool ok = prepare_pass(all, &pass, query);
    if (ok)
        ok = pass.parts ? agg_run_blocks(all, run_documents, &pass)
                        : run_documents(all, &pass, 0, INT64_MAX);
    if (pass.statement) {
        if (pass.parts)
            wish(all, &pass, index);
        query_note_scan(&pass.query, index, pass.statement);
        sqlite3_clear_bindings(pass.statement);
    }
    query_free(&pass.query);
    return ok;
}
