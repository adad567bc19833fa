/* SPDX-License-Identifier: BSD-3-Clause */
#include "columns.h"

#include "base/log.h"
#include "base/xmalloc.h"
#include "hits.h"

#include <stdio.h>
#include <stdlib.h>

/* A key is the block's number times KEYS and the column's. */
enum { KEYS = 4096, BLOCKS_AT_ONCE = 4, COLUMNS_AT_ONCE = 8 };

/* `before` and `after` the table's name. */
static sqlite3_stmt *prepare(struct db *db, const struct index *index, const char *before,
                             const char *after)
{
    char sql[120];
    int len = snprintf(sql, sizeof sql, "%s c%lld%s", before, (long long)index->id, after);
    return db_prepare(db, tars_str_n(sql, (size_t)len));
}

void columns_find(struct db *db, struct index *index)
{
    char name[32];
    sqlite3_stmt *s = db_prepare(
        db, tars_str("SELECT 1 FROM sqlite_schema WHERE type='table' AND name=?"));
    if (!s)
        return;
    snprintf(name, sizeof name, "c%lld", (long long)index->id);
    db_bind_str(s, 1, tars_str(name));
    atomic_store(&index->has_columns, sqlite3_step(s) == SQLITE_ROW);
    sqlite3_reset(s);
}

void columns_wish(struct index *index, int column)
{
    if (column >= 0 && column < INDEX_COLUMNS)
        atomic_fetch_or(&index->columns_wanted[column / 64], (uint64_t)1 << (column % 64));
}

bool columns_forget(struct db *db, const struct index *index, int64_t seq)
{
    int64_t key = seq / BLOCK_ROWS * KEYS;
    if (!atomic_load(&index->has_columns))
        return true;
    sqlite3_stmt *s = prepare(db, index, "DELETE FROM", " WHERE key BETWEEN ? AND ?");
    if (s) {
        sqlite3_bind_int64(s, 1, key);
        sqlite3_bind_int64(s, 2, key + KEYS - 1);
    }
    return db_run(s);
}

bool columns_read(struct db *db, const struct index *index, int64_t at, int column,
                  struct block *to)
{
    sqlite3_stmt *s = atomic_load(&index->has_columns)
                          ? prepare(db, index, "SELECT bytes FROM", " WHERE key=?")
                          : NULL;
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, at * KEYS + column);
    bool ok = sqlite3_step(s) == SQLITE_ROW && block_unpack(to, db_column_str(s, 0));
    sqlite3_reset(s);
    return ok;
}

/* ---- making them
 * --------------------------------------------------------------------------------------- */

static bool is_there(struct db *db, const struct index *index, int64_t at, int column)
{
    sqlite3_stmt *s = atomic_load(&index->has_columns)
                          ? prepare(db, index, "SELECT 1 FROM", " WHERE key=?")
                          : NULL;
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, at * KEYS + column);
    bool found = sqlite3_step(s) == SQLITE_ROW;
    sqlite3_reset(s);
    return found;
}

/* The next columns that a block lacks, from `from` on. */
static size_t find_missing(struct db *db, const struct index *index, int64_t at, int from,
                           int columns[COLUMNS_AT_ONCE])
{
    size_t count = 0;
    for (int i = from; i < INDEX_COLUMNS && count < COLUMNS_AT_ONCE; i++)
        if (index->columns_building[i / 64] >> (i % 64) & 1 && !is_there(db, index, at, i))
            columns[count++] = i;
    return count;
}

struct finding {
    int column;
    const struct field *found;
};

static void find_field(void *user, struct field *f)
{
    struct finding *finding = user;
    if (f->column == finding->column && !f->nested)
        finding->found = f;
}

/* The expression of a column's value; false: there is no such column. */
static bool add_expression(const struct index *index, int column, struct text *sql)
{
    struct finding finding = {column, NULL};
    char expression[FIELD_SQL];
    mapping_each(index->mapping, find_field, &finding);
    if (finding.found)
        text_adds(sql, field_sql(finding.found, "", expression));
    return finding.found != NULL;
}

struct collected {
    struct value *values; /* of the columns behind one another */
    size_t rows;
    struct tars_arena *texts;
};

static bool collect(struct db *db, const struct index *index, int64_t at, const int *columns,
                    size_t count, struct collected *c)
{
    struct text sql = {0};
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        text_adds(&sql, i ? "," : "SELECT ");
        ok = ok && add_expression(index, columns[i], &sql);
    }
    text_addf(&sql, " FROM d%lld WHERE seq BETWEEN ? AND ?", (long long)index->id);
    sqlite3_stmt *s = ok ? db_prepare(db, text_str(&sql)) : NULL;
    text_free(&sql);
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, at * BLOCK_ROWS);
    sqlite3_bind_int64(s, 2, (at + 1) * BLOCK_ROWS - 1);
    int rc;
    for (; ok && (rc = sqlite3_step(s)) == SQLITE_ROW && c->rows < BLOCK_ROWS; c->rows++)
        for (size_t i = 0; ok && i < count; i++) {
            struct value *v = &c->values[i * BLOCK_ROWS + c->rows];
            value_from_column(s, (int)i, v);
            if (v->kind == VALUE_TEXT)
                ok = (v->s = tars_arena_copy(c->texts, v->s)).at != NULL;
        }
    sqlite3_reset(s);
    return ok && rc == SQLITE_DONE;
}

/* What cannot be packed is kept as nothing, so that it is not tried again. */
static bool put(struct db *db, const struct index *index, int64_t at, int column,
                const struct value *values, size_t rows)
{
    struct text packed = {0};
    block_pack(values, rows, &packed);
    sqlite3_stmt *s = prepare(db, index, "INSERT INTO", "(key,bytes) VALUES(?,?)");
    if (s) {
        sqlite3_bind_int64(s, 1, at * KEYS + column);
        sqlite3_bind_blob(s, 2, packed.at ? packed.at : "", (int)packed.len, SQLITE_STATIC);
    }
    bool ok = db_run(s);
    text_free(&packed);
    return ok;
}

static bool build_block(struct db *db, const struct index *index, int64_t at)
{
    struct collected c = {.values = xcalloc((size_t)COLUMNS_AT_ONCE * BLOCK_ROWS, sizeof *c.values),
                          .texts = tars_arena_new(0)};
    int columns[COLUMNS_AT_ONCE], from = 0;
    size_t count;
    bool ok = true;
    while (ok && (count = find_missing(db, index, at, from, columns)) > 0) {
        c.rows = 0;
        tars_arena_reset(c.texts);
        ok = collect(db, index, at, columns, count, &c);
        for (size_t i = 0; ok && i < count; i++)
            ok = put(db, index, at, columns[i], c.values + i * BLOCK_ROWS, c.rows);
        from = columns[count - 1] + 1;
    }
    tars_arena_free(c.texts);
    free(c.values);
    return ok;
}

static bool make_table(struct db *db, struct index *index)
{
    char sql[100];
    if (atomic_load(&index->has_columns))
        return true;
    snprintf(sql, sizeof sql, "CREATE TABLE c%lld(key INTEGER PRIMARY KEY, bytes BLOB NOT NULL)",
             (long long)index->id);
    return db_exec(db, sql);
}

static bool build_some(struct db *db, struct index *index, int64_t full)
{
    bool ok = db_exec(db, "BEGIN IMMEDIATE");
    bool made = ok && make_table(db, index);
    atomic_store(&index->has_columns, made);
    ok = made;
    for (int i = 0; ok && i < BLOCKS_AT_ONCE && index->columns_at < full; i++)
        ok = build_block(db, index, index->columns_at++);
    if (ok && db_exec(db, "COMMIT")) {
        db_rest(db); /* the documents' pages */
        return true;
    }
    log_error("store", "packing columns of %s: %s", index->name, db_problem(db));
    db_exec(db, "ROLLBACK");
    columns_find(db, index);
    return false;
}

static bool take_wishes(struct index *index)
{
    bool any = false;
    for (int i = 0; i < INDEX_COLUMNS / 64; i++) {
        uint64_t wanted = atomic_load(&index->columns_wanted[i])
                              ? atomic_exchange(&index->columns_wanted[i], 0)
                              : 0;
        if (wanted)
            index->columns_at = 0;
        index->columns_building[i] |= wanted;
        any |= index->columns_building[i] != 0;
    }
    return any;
}

bool columns_build(struct db *db, struct index *index)
{
    int64_t full = index->next_seq / BLOCK_ROWS;
    int columns[COLUMNS_AT_ONCE];
    if (!take_wishes(index))
        return false;
    while (index->columns_at < full && !find_missing(db, index, index->columns_at, 0, columns))
        index->columns_at++;
    if (index->columns_at < full && build_some(db, index, full) && index->columns_at < full)
        return true;
    memset(index->columns_building, 0, sizeof index->columns_building);
    return false;
}
