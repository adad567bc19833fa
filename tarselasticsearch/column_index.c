/* SPDX-License-Identifier: BSD-3-Clause */
#include "column_index.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum { INDICES_ON_DEMAND = 16, SAMPLES = 10, SAMPLE_ROWS = 1000, SAMPLE_DIFFERENT = 16 };

struct column_search {
    int column, indexed;
    struct field *found;
};

static void find_column(void *user, struct field *f)
{
    struct column_search *s = user;
    s->indexed += f->indexed && f->type != FIELD_DATE;
    if (f->column == s->column)
        s->found = f;
}

/* Few different values find too many documents for an index to be of use. Neighbours are alike, so
 * that some are looked at from everywhere. */
static bool is_selective(struct db *db, const struct index *index, int column)
{
    struct text sql = {0};
    long long step = index->next_seq / SAMPLES + 1, rows = step < SAMPLE_ROWS ? step : SAMPLE_ROWS;
    for (long long i = 0; i < SAMPLES; i++)
        text_addf(&sql, "%s SELECT f%d AS f FROM d%lld WHERE seq BETWEEN %lld AND %lld",
                  i ? " UNION ALL" : "SELECT count(DISTINCT f) FROM (", column,
                  (long long)index->id, i * step, i * step + rows - 1);
    text_adds(&sql, ")");
    sqlite3_stmt *s = db_prepare(db, text_str(&sql));
    bool yes = s && sqlite3_step(s) == SQLITE_ROW && sqlite3_column_int(s, 0) >= SAMPLE_DIFFERENT;
    if (s)
        sqlite3_reset(s);
    text_free(&sql);
    return yes;
}

struct field *column_index_make(struct db *db, const struct index *index, int column, int with)
{
    struct column_search search = {.column = column};
    struct text sql = {0};
    mapping_each(index->mapping, find_column, &search);
    if (!search.found || search.found->indexed)
        return NULL;
    if (search.indexed < INDICES_ON_DEMAND && is_selective(db, index, column)) {
        text_addf(&sql, "CREATE INDEX IF NOT EXISTS x%lld_%d ON d%lld(f%d", (long long)index->id,
                  column, (long long)index->id, column);
        if (with >= 0)
            text_addf(&sql, ",f%d", with);
        text_adds(&sql, ")");
        if (!db_build(db, sql.at))
            log_error("store", "making an index on %s of %s: %s", search.found->path, index->name,
                      db_problem(db));
        else
            log_info("store", "made an index on %s of %s, which searches asked for",
                     search.found->path, index->name);
    }
    text_free(&sql);
    return search.found;
}

void column_index_find(struct db *db, struct index *index)
{
    struct text sql = {0};
    text_addf(&sql, "SELECT name FROM sqlite_schema WHERE type='index' AND name GLOB 'x%lld_*'",
              (long long)index->id);
    sqlite3_stmt *s = db_prepare(db, text_str(&sql));
    while (s && sqlite3_step(s) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(s, 0),
                   *at = name ? strchr(name, '_') : NULL;
        struct column_search search = {.column = at ? (int)strtol(at + 1, NULL, 10) : -1};
        mapping_each(index->mapping, find_column, &search);
        if (search.found)
            search.found->indexed = true;
    }
    if (s)
        sqlite3_reset(s);
    text_free(&sql);
}
