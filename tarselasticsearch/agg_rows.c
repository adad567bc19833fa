/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Aggregating over packed columns: block by block the rows that fit are chosen, and a thousand at a
 * time go through the aggregations, so that each takes in a column and not a document. What has no
 * columns yet is read from the documents; both in the order of the documents.
 */
#include "agg_rows.h"
#include "agg_slots.h"
#include "columns.h"
#include "conditions.h"

#include <stdlib.h>

enum { COLUMNS_LIMIT = 32, AGGS_LIMIT = 64, FOUND_BUCKETS = 1024, FILTERS_LIMIT = 16 };

/* The columns of the block that is being read. */
struct agg_columns {
    struct column {
        int number;
        bool read;
        struct block block;
    } at[COLUMNS_LIMIT];
    size_t count;
    struct conditions query;
};

/* What an aggregation with buckets needs for AGG_ROWS rows. */
struct agg_batch {
    struct bucket *buckets[AGG_ROWS];
    char *states[AGG_ROWS]; /* of those that are in a bucket */
    uint16_t rows[AGG_ROWS];
    uint32_t block; /* that `found` is of */
    struct found {
        const void *state;
        uint64_t code;
        bool known;
        struct bucket *bucket;
    } found[FOUND_BUCKETS];
};

/* ---- what fits
 * ------------------------------------------------------------------------------------------- */

static bool kinds_fit(const struct agg *list, size_t *count)
{
    for (const struct agg *a = list; a; a = a->next)
        if (++*count > AGGS_LIMIT || a->kind->by_document || !kinds_fit(a->sub, count))
            return false;
    return true;
}

static void end_columns(void *what)
{
    struct agg_columns *c = what;
    for (size_t i = 0; i < c->count; i++)
        block_free(&c->at[i].block);
    free(c);
}

static bool add_column(struct agg_columns *c, const struct field *f)
{
    if (f->many || f->inside || f->column < 0 || f->column >= INDEX_COLUMNS)
        return false;
    for (size_t i = 0; i < c->count; i++)
        if (c->at[i].number == f->column)
            return true;
    if (c->count == COLUMNS_LIMIT)
        return false;
    c->at[c->count++].number = f->column;
    return true;
}

static bool add_conditions(struct agg_columns *c, const struct conditions *conditions)
{
    for (size_t i = 0; i < conditions->count; i++)
        if (!add_column(c, conditions->at[i].field))
            return false;
    return true;
}

static bool filter_fits(struct aggs *all, struct agg_slot *slot)
{
    if (!slot->conditions && !(slot->conditions = agg_alloc(all, sizeof *slot->conditions)))
        return false;
    if (!slot->holds && !(slot->holds = agg_alloc(all, BLOCK_ROWS * sizeof *slot->holds)))
        return false;
    return conditions_read(slot->conditions, all->index, slot->filter, all->arena) &&
           add_conditions(all->columns, slot->conditions);
}

static bool slots_fit(struct aggs *all)
{
    size_t filters = 0;
    for (size_t i = 0; i < all->slot_count; i++) {
        struct agg_slot *slot = all->slots[i];
        if (slot->scope.len)
            return false;
        if (slot->filter ? ++filters > FILTERS_LIMIT || !filter_fits(all, slot)
                         : slot->at && !add_column(all->columns, slot->at))
            return false;
    }
    return true;
}

bool agg_fits_blocks(struct aggs *all, const struct json *query)
{
    size_t count = 0;
    if (all->scored || !kinds_fit(all->top, &count))
        return false;
    if (!all->columns) {
        all->columns = calloc(1, sizeof *all->columns);
        if (!all->columns || !aggs_own(all, all->columns, end_columns))
            return false;
    }
    all->lacking = 0;
    for (size_t i = 0; i < all->columns->count; i++)
        block_free(&all->columns->at[i].block);
    all->columns->count = 0;
    return conditions_read(&all->columns->query, all->index, query, all->arena) &&
           add_conditions(all->columns, &all->columns->query) && slots_fit(all);
}

void agg_wish_columns(struct aggs *all, struct index *index)
{
    for (size_t i = 0; i < all->columns->count; i++)
        columns_wish(index, all->columns->at[i].number);
}

/* ---- one block
 * ------------------------------------------------------------------------------------------- */

/* The column, read when it was not yet; NULL: is not there. `rows` is that of the block. */
static const struct block *column(struct aggs *all, int64_t at, int number, size_t *rows)
{
    struct agg_columns *c = all->columns;
    for (size_t i = 0; i < c->count; i++) {
        struct column *one = &c->at[i];
        if (one->number != number)
            continue;
        if (!one->read && !columns_read(all->db, all->index, at, number, &one->block))
            return NULL;
        one->read = true;
        if (*rows == SIZE_MAX)
            *rows = one->block.rows;
        return one->block.rows == *rows ? &one->block : NULL;
    }
    return NULL;
}

/* Leaves the rows that all conditions fit. `there` false: a column is missing. */
static bool choose(struct aggs *all, const struct conditions *c, int64_t at, uint16_t *rows,
                   size_t *count, size_t *size, bool *there)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct block *b = column(all, at, c->at[i].field->column, size);
        *there = b != NULL;
        if (!b)
            return true;
        if (i == 0 && *count == SIZE_MAX)
            for (*count = 0; *count < *size; ++*count)
                rows[*count] = (uint16_t)*count;
        if (!condition_choose(&c->at[i], all->db, b, rows, count))
            return failure_set(all->failure, 500, "engine_exception", "aggregating: %s",
                               db_problem(all->db));
    }
    return true;
}

static bool read_filter(struct aggs *all, struct agg_slot *slot, int64_t at, const uint16_t *rows,
                        size_t count, size_t *size, bool *there)
{
    uint16_t kept[BLOCK_ROWS];
    memcpy(kept, rows, count * sizeof *rows);
    memset(slot->holds, 0, BLOCK_ROWS * sizeof *slot->holds);
    if (!choose(all, slot->conditions, at, kept, &count, size, there))
        return false;
    for (size_t i = 0; i < count; i++)
        slot->holds[kept[i]] = true;
    return true;
}

/* Points the slots to their columns. */
static bool read_block(struct aggs *all, int64_t at, const uint16_t *rows, size_t count,
                       size_t *size, bool *there)
{
    for (size_t i = 0; i < all->slot_count && *there; i++) {
        struct agg_slot *slot = all->slots[i];
        slot->block = NULL;
        if (slot->filter) {
            if (!read_filter(all, slot, at, rows, count, size, there))
                return false;
        } else if (slot->at) {
            slot->block = column(all, at, slot->at->column, size);
            *there = slot->block != NULL;
        }
    }
    return true;
}

static bool collect_rows(struct aggs *all, const struct agg *list, char *const *states,
                         const uint16_t *rows, size_t count)
{
    for (const struct agg *a = list; a; a = a->next)
        if (!(a->kind->collect_rows ? a->kind->collect_rows : agg_collect_each)(all, a, states,
                                                                                rows, count))
            return false;
    return !all->failure->status;
}

struct chosen {
    uint16_t rows[BLOCK_ROWS];
    size_t count;
};

/* Chooses the rows of a block and reads its columns; `there` false: one is missing. */
static bool open_block(struct aggs *all, int64_t at, struct chosen *chosen, bool *there)
{
    struct agg_columns *c = all->columns;
    size_t size = SIZE_MAX;
    *there = true;
    chosen->count = SIZE_MAX;
    for (size_t i = 0; i < c->count; i++)
        c->at[i].read = false;
    if (!choose(all, &c->query, at, chosen->rows, &chosen->count, &size, there))
        return false;
    if (!*there || chosen->count == 0)
        return true;
    if (chosen->count == SIZE_MAX) { /* no condition: any column tells how many there are */
        *there = c->count && column(all, at, c->at[0].number, &size);
        for (chosen->count = 0; *there && chosen->count < size; chosen->count++)
            chosen->rows[chosen->count] = (uint16_t)chosen->count;
    }
    return read_block(all, at, chosen->rows, chosen->count, &size, there);
}

static bool collect_block(struct aggs *all, const struct chosen *chosen)
{
    char *states[AGG_ROWS];
    all->block++;
    for (size_t i = 0; i < AGG_ROWS; i++)
        states[i] = all->top_states;
    for (size_t i = 0; i < chosen->count; i += AGG_ROWS)
        if (!collect_rows(all, all->top, states, chosen->rows + i,
                          chosen->count - i < AGG_ROWS ? chosen->count - i : AGG_ROWS))
            return false;
    return true;
}

static bool last_document(struct aggs *all, int64_t *last)
{
    struct text sql = {0};
    text_addf(&sql, "SELECT max(seq) FROM d%lld", (long long)all->index->id);
    sqlite3_stmt *s = db_prepare(all->db, text_str(&sql));
    text_free(&sql);
    bool ok = s && sqlite3_step(s) == SQLITE_ROW;
    *last = ok ? sqlite3_column_int64(s, 0) : 0;
    if (s)
        sqlite3_reset(s);
    return ok || failure_set(all->failure, 500, "engine_exception", "aggregating: %s",
                             db_problem(all->db));
}

bool agg_run_blocks(struct aggs *all, agg_documents *documents, void *user)
{
    struct chosen chosen;
    int64_t last, from = 0;
    if (!last_document(all, &last))
        return false;
    int64_t full = last / BLOCK_ROWS;
    all->lacking = atomic_load(&all->index->has_columns) ? 0 : full;
    for (int64_t at = 0; !all->lacking && at <= full; at++) {
        bool there;
        if (!open_block(all, at, &chosen, &there))
            return false;
        all->lacking += !there && at < full;
        if (!there)
            continue;
        if (from < at * BLOCK_ROWS && !documents(all, user, from, at * BLOCK_ROWS - 1))
            return false;
        if (!collect_block(all, &chosen))
            return false;
        from = (at + 1) * BLOCK_ROWS;
    }
    return documents(all, user, from, INT64_MAX);
}

/* ---- what the kinds share
 * --------------------------------------------------------------------------------- */

static bool load_row(struct aggs *all, size_t row)
{
    for (size_t i = 0; i < all->slot_count; i++) {
        struct agg_slot *slot = all->slots[i];
        uint64_t code = slot->block ? block_code(slot->block, row) : 0;
        slot->count = 0;
        if (!agg_slot_room(all, slot))
            return false;
        slot->count = slot->filter || code;
        if (slot->filter)
            slot->values[0] = (struct value){.kind = VALUE_INT, .i = slot->holds[row]};
        else if (code)
            slot->values[0] = block_value(slot->block, code);
    }
    return true;
}

bool agg_collect_each(struct aggs *all, const struct agg *a, char *const *states,
                      const uint16_t *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!load_row(all, rows[i]) || !a->kind->collect(all, a, states[i] + a->offset))
            return false;
    return true;
}

static struct agg_batch *batch_of(struct aggs *all, const struct agg *a)
{
    if (!a->batch)
        ((struct agg *)a)->batch = agg_alloc(all, sizeof *a->batch);
    return a->batch;
}

struct bucket **agg_row_buckets(struct aggs *all, const struct agg *a)
{
    struct agg_batch *batch = batch_of(all, a);
    return batch ? batch->buckets : NULL;
}

bool agg_enter_rows(struct aggs *all, const struct agg *a, struct bucket *const *buckets,
                    const uint16_t *rows, size_t count)
{
    struct agg_batch *batch = batch_of(all, a);
    size_t entered = 0;
    if (!batch)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!buckets[i])
            continue;
        buckets[i]->docs++;
        batch->states[entered] = buckets[i]->states;
        batch->rows[entered++] = rows[i];
    }
    return collect_rows(all, a->sub, batch->states, batch->rows, entered);
}

/* Where the bucket of a code is remembered. */
static struct found *remembered(struct agg_batch *batch, const void *state, uint64_t code)
{
    uint64_t hash = ((uintptr_t)state / 8 + code) * 0x9e3779b97f4a7c15U;
    return &batch->found[hash >> 32 & (FOUND_BUCKETS - 1)];
}

bool agg_rows_by_value(struct aggs *all, const struct agg *a, char *const *states,
                       const uint16_t *rows, size_t count, agg_find *find)
{
    struct agg_batch *batch = batch_of(all, a);
    const struct block *b = a->slot->block;
    if (!batch)
        return false;
    if (batch->block != all->block)
        memset(batch->found, 0, sizeof batch->found);
    batch->block = all->block;
    for (size_t i = 0; i < count; i++) {
        uint64_t code = b ? block_code(b, rows[i]) : 0;
        void *state = states[i] + a->offset;
        struct found *f = remembered(batch, state, code);
        if (!f->known || f->state != state || f->code != code) {
            struct value v;
            a->slot->count = 0;
            if (!agg_slot_room(all, a->slot))
                return false;
            a->slot->count = code != 0;
            if (code)
                a->slot->values[0] = block_value(b, code);
            size_t values;
            v = *agg_values(all, a, &values);
            *f = (struct found){state, code, true, NULL};
            if (values && !find(all, a, state, &v, &f->bucket))
                return false;
        }
        batch->buckets[i] = f->bucket;
    }
    return agg_enter_rows(all, a, batch->buckets, rows, count);
}
