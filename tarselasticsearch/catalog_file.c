/* SPDX-License-Identifier: BSD-3-Clause */
#include "catalog_file.h"

#include "base/log.h"
#include "base/xmalloc.h"
#include "catalog_aliases.h"
#include "catalog_state.h"
#include "column_index.h"
#include "columns.h"
#include "index_tables.h"
#include "mapping_columns.h"
#include "mapping_merge.h"
#include "mapping_print.h"
#include "vocabulary.h"

#include <stdio.h>

enum { FILE_VERSION = 2 };
static const char set_version[] = "PRAGMA user_version=2";

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS indices(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT "
    "NULL,"
    " uuid TEXT NOT NULL, created_ms INTEGER NOT NULL, next_seq INTEGER NOT NULL, term INTEGER NOT "
    "NULL,"
    " settings TEXT NOT NULL, mapping TEXT NOT NULL, columns TEXT NOT NULL, aliases TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS seeds(seed INTEGER NOT NULL);"
    "INSERT INTO seeds SELECT random() WHERE NOT EXISTS (SELECT 1 FROM seeds);"
    "CREATE TABLE IF NOT EXISTS words(number INTEGER PRIMARY KEY, word TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS dictionaries(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS templates(name TEXT PRIMARY KEY, body TEXT NOT NULL);";

/* ---- indices --------------------------------------------------------------------------------- */

bool catalog_save(struct db *db, struct index *index)
{
    struct text texts[4] = {{0}};
    sqlite3_stmt *s = db_prepare(
        db, tars_str("INSERT OR REPLACE INTO indices(id,name,uuid,created_ms,next_seq,term,"
                     "settings,mapping,columns,aliases) VALUES(?,?,?,?,?,?,?,?,?,?)"));
    if (!s)
        return false;
    settings_print(&index->settings, &texts[0]);
    mapping_print(index->mapping, &texts[1]);
    mapping_print_columns(index->mapping, &texts[2]);
    index_print_aliases(index, tars_str(""), &texts[3]);
    if (index->id)
        sqlite3_bind_int64(s, 1, index->id);
    db_bind_str(s, 2, tars_str(index->name));
    db_bind_str(s, 3, tars_str(index->uuid));
    sqlite3_bind_int64(s, 4, index->created_ms);
    sqlite3_bind_int64(s, 5, index->next_seq);
    sqlite3_bind_int64(s, 6, index->term);
    for (int i = 0; i < 4; i++)
        db_bind_str(s, 7 + i, text_str(&texts[i]));
    bool ok = db_run(s);
    for (int i = 0; i < 4; i++)
        text_free(&texts[i]);
    if (ok && !index->id)
        index->id = sqlite3_last_insert_rowid(db->sql);
    index->seq_changed = false;
    return ok;
}

/* What stands in the columns from "settings" on. */
static bool load_parts(struct catalog *c, struct index *index, sqlite3_stmt *s,
                       struct tars_arena *arena, struct failure *failure)
{
    struct json *parts[4];
    bool ok = true;
    for (int i = 0; i < 4; i++)
        ok = (parts[i] = json_parse(db_column_str(s, 6 + i), arena, NULL)) && ok;
    ok = ok && settings_merge(&index->settings, parts[0], failure);
    index_name_normalizers(index);
    ok = ok && mapping_merge(index->mapping, parts[1], failure);
    if (ok)
        mapping_restore_columns(index->mapping, parts[2]);
    return ok && catalog_read_aliases(c, index, parts[3], failure);
}

static struct index *load_index(struct catalog *c, sqlite3_stmt *s)
{
    struct tars_arena *arena = tars_arena_new(0);
    struct failure failure = {0};
    struct index *index = catalog_new_index(c, tars_str((const char *)sqlite3_column_text(s, 1)));
    index->id = sqlite3_column_int64(s, 0);
    snprintf(index->uuid, sizeof index->uuid, "%s", (const char *)sqlite3_column_text(s, 2));
    index->created_ms = sqlite3_column_int64(s, 3);
    index->next_seq = sqlite3_column_int64(s, 4);
    index->term = sqlite3_column_int64(s, 5);
    bool ok = load_parts(c, index, s, arena, &failure);
    if (ok)
        index_tables_make_insert(index);
    else
        log_error("store", "index %s: its description in the data file cannot be read: %s",
                  index->name, failure.reason);
    tars_arena_free(arena);
    if (ok)
        return index;
    index_free(index);
    return NULL;
}

/* ---- everything ------------------------------------------------------------------------------ */

bool catalog_reload(struct catalog *c, struct db *db, struct tars_error *error)
{
    catalog_clear(c);
    vocabulary_forget(c->vocabulary);
    sqlite3_stmt *s = db_prepare(db,
                                 tars_str("SELECT id,name,uuid,created_ms,next_seq,term,settings,"
                                          "mapping,columns,aliases FROM indices"));
    while (s && sqlite3_step(s) == SQLITE_ROW) {
        struct index *index = load_index(c, s);
        if (!index) {
            sqlite3_reset(s);
            return tars_fail(error, 1, "the description of an index cannot be read");
        }
        catalog_insert(c, index);
    }
    if (s)
        sqlite3_reset(s);
    for (size_t i = 0; i < c->count; i++) {
        column_index_find(db, c->indices[i]);
        columns_find(db, c->indices[i]);
    }
    sqlite3_stmt *t = db_prepare(db, tars_str("SELECT name,body FROM templates"));
    while (t && sqlite3_step(t) == SQLITE_ROW)
        templates_add(&c->templates, db_column_str(t, 0), db_column_str(t, 1));
    if (t)
        sqlite3_reset(t);
    return (s && t) || tars_fail(error, 1, "reading the catalogue: %s", db_problem(db));
}

static int64_t number_of(struct db *db, const char *sql)
{
    sqlite3_stmt *s = db_prepare(db, tars_str(sql));
    int64_t number = s && sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : -1;
    if (s)
        sqlite3_reset(s);
    return number;
}

/* A file that is not empty must be of this version. */
static bool check_version(struct db *db, struct tars_error *error)
{
    int64_t version = number_of(db, "PRAGMA user_version");
    int64_t indices = number_of(
        db, "SELECT count(*) FROM sqlite_schema WHERE type='table' AND name GLOB 'd[0-9]*'");
    if (version < 0 || indices < 0)
        return tars_fail(error, 1, "reading the catalogue: %s", db_problem(db));
    if (version == FILE_VERSION)
        return true;
    if (indices)
        return tars_fail(error, 1,
                         "the data file is of version %lld, this program reads %d: with the "
                         "program that wrote it, 'tarsc es export' gives its documents, which "
                         "'tarsc es import' then brings here; or begin with another data folder",
                         (long long)version, FILE_VERSION);
    return db_exec(db, set_version) ||
           tars_fail(error, 1, "making the catalogue: %s", db_problem(db));
}

struct catalog *catalog_open(struct db *db, struct tars_error *error)
{
    if (!check_version(db, error)) /* in a file of another version nothing is made */
        return NULL;
    if (!db_exec(db, schema)) {
        tars_fail(error, 1, "making the catalogue: %s", db_problem(db));
        return NULL;
    }
    uint64_t seed = (uint64_t)number_of(db, "SELECT seed FROM seeds");
    struct vocabulary *vocabulary = vocabulary_open(db, error);
    if (!vocabulary)
        return NULL;
    struct catalog *c = catalog_new(seed, vocabulary);
    if (catalog_reload(c, db, error))
        return c;
    catalog_free(c);
    return NULL;
}

bool catalog_attach(struct catalog *c, struct db *db)
{
    return vocabulary_attach(c->vocabulary, db);
}

void catalog_kept(struct catalog *c)
{
    vocabulary_keep(c->vocabulary);
}
