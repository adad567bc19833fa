/* SPDX-License-Identifier: BSD-3-Clause */
#include "db.h"

#include "base/map.h"
#include "base/xmalloc.h"
#include "source.h"
#include "text_search.h"
#include "wildcard.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { STATEMENTS_KEPT = 256, BUSY_MS = 5000 };

/*
 * WAL lets readers go on while the writer commits. FULL: a commit returns when the disk has it, so
 * what was acknowledged survives a power cut. A reader's cache is small: the page cache of the
 * system holds the file. The writer's, and the log, are large enough for many commits of a load:
 * ids come in no order, and so the pages of their index are changed again and again before they are
 * written; db_tidy gives both back afterwards.
 */
static const char writer_setup[] =
    "PRAGMA page_size=4096;PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;"
    "PRAGMA wal_autocheckpoint=8000;PRAGMA journal_size_limit=16777216;";
static const char writer_memory[] = "PRAGMA cache_size=-32000;PRAGMA temp_store=MEMORY";
static const char reader_setup[] = "PRAGMA query_only=1;PRAGMA cache_size=-1000;";

static void drop_statements(struct db *db)
{
    struct tars_str sql;
    void *statement;
    for (size_t at = 0; map_next(db->statements, &at, &sql, &statement);)
        sqlite3_finalize(statement);
    map_clear(db->statements);
    db->dropped++;
}

struct db *db_open(const char *path, bool writer, struct tars_error *error)
{
    struct db *db = xcalloc(1, sizeof *db);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (writer ? SQLITE_OPEN_CREATE : 0);
    db->statements = map_new(NULL);
    db->dropped = 1;
    if (sqlite3_open_v2(path, &db->sql, flags, NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(db->sql, BUSY_MS) != SQLITE_OK || !wildcard_install(db->sql) ||
        !text_search_install(db->sql) || !db_exec(db, writer ? writer_setup : reader_setup) ||
        (writer && !db_exec(db, writer_memory))) {
        tars_fail(error, 1, "opening %s: %s", path, db_problem(db));
        db_close(db);
        return NULL;
    }
    return db;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    drop_statements(db);
    map_free(db->statements);
    source_packer_free(db->packer);
    sqlite3_close_v2(db->sql);
    free(db);
}

bool db_has_log(const char *path)
{
    char *log = xasprintf("%s-wal", path);
    bool there = access(log, F_OK) == 0;
    free(log);
    return there;
}

bool db_leave_log(sqlite3 *sql, bool had_log)
{
    return sqlite3_db_config(sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, had_log, NULL) == SQLITE_OK;
}

sqlite3_stmt *db_prepare(struct db *db, struct tars_str sql)
{
    sqlite3_stmt *statement = map_get(db->statements, sql);
    if (statement) {
        sqlite3_reset(statement);
        sqlite3_clear_bindings(statement);
        return statement;
    }
    if (sqlite3_prepare_v3(db->sql, sql.at, (int)sql.len, SQLITE_PREPARE_PERSISTENT, &statement,
                           NULL) != SQLITE_OK)
        return NULL;
    map_put(db->statements, sql, statement);
    return statement;
}

sqlite3_stmt *db_prepare_for(struct db *db, const char *pattern, int64_t index)
{
    char sql[256];
    size_t len = 0;
    for (; *pattern && len + 24 < sizeof sql; pattern++)
        if (*pattern == '$')
            len += (size_t)snprintf(sql + len, 24, "%lld", (long long)index);
        else
            sql[len++] = *pattern;
    return db_prepare(db, tars_str_n(sql, len));
}

bool db_exec(struct db *db, const char *sql)
{
    return sqlite3_exec(db->sql, sql, NULL, NULL, NULL) == SQLITE_OK;
}

bool db_run(sqlite3_stmt *statement)
{
    int rc = statement ? sqlite3_step(statement) : SQLITE_ERROR;
    if (statement)
        sqlite3_reset(statement);
    return rc == SQLITE_DONE || rc == SQLITE_ROW;
}

void db_forget(struct db *db)
{
    drop_statements(db);
}

void db_settle(struct db *db)
{
    if (map_len(db->statements) > STATEMENTS_KEPT)
        drop_statements(db);
}

bool db_build(struct db *db, const char *sql)
{
    static const char little[] = "PRAGMA temp_store=FILE;PRAGMA cache_size=-4000";
    sqlite3_db_release_memory(db->sql);
    bool ok = db_exec(db, little) && db_exec(db, sql);
    db_exec(db, writer_memory);
    /* Perhaps there is no folder for files. */
    ok = ok || db_exec(db, sql);
    db_rest(db);
    return ok;
}

void db_rest(struct db *db)
{
    sqlite3_db_release_memory(db->sql);
}

void db_tidy(struct db *db)
{
    sqlite3_busy_timeout(db->sql, 0);
    sqlite3_wal_checkpoint_v2(db->sql, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_busy_timeout(db->sql, BUSY_MS);
    sqlite3_db_release_memory(db->sql);
    malloc_trim(0); /* the pages lie in this thread's own heap, which keeps what is freed */
}

bool db_is_full(const struct db *db)
{
    return (sqlite3_errcode(db->sql) & 0xff) == SQLITE_FULL;
}

const char *db_problem(const struct db *db)
{
    return sqlite3_errmsg(db->sql);
}

void db_bind_str(sqlite3_stmt *statement, int at, struct tars_str s)
{
    sqlite3_bind_text(statement, at, s.at ? s.at : "", (int)s.len, SQLITE_STATIC);
}

struct tars_str db_column_str(sqlite3_stmt *statement, int at)
{
    const void *bytes = sqlite3_column_blob(statement, at);
    return tars_str_n(bytes, (size_t)sqlite3_column_bytes(statement, at));
}
