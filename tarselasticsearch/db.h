/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection to the data file: SQLite with its statements kept prepared. One thread at a time. */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <sqlite3.h>
#include <tars/types.h>

struct packer;
struct answers;

struct db {
    sqlite3 *sql;
    struct packer *packer;   /* of sources; made when it is needed */
    struct map *statements;  /* by their text */
    struct answers *answers; /* shared with others; or NULL */
    uint64_t dropped;        /* how often statements went: who keeps one asks again after that */
};

/* `writer`: creates the file, syncs every commit to the disk. */
struct db *db_open(const char *path, bool writer, struct tars_error *error);
void db_close(struct db *db);
/* For who only looks: a log that was there before the first read stays as it is, instead of being
 * emptied into the file when the last connection closes. */
bool db_has_log(const char *path);
bool db_leave_log(sqlite3 *sql, bool had_log);

/* A statement ready to be bound; kept until db_settle or db_forget. NULL: see db_problem. */
sqlite3_stmt *db_prepare(struct db *db, struct tars_str sql);
/* The same of a pattern in which '$' stands for the number of an index. */
sqlite3_stmt *db_prepare_for(struct db *db, const char *pattern, int64_t index);
bool db_exec(struct db *db, const char *sql);
/* Steps a statement without rows and resets it. */
bool db_run(sqlite3_stmt *statement);
/* Drops kept statements: after tables went away. */
void db_forget(struct db *db);
/* The same when there are many of them: between two jobs, or two documents, when nobody holds one.
 */
void db_settle(struct db *db);
/* Runs what sorts a table, such as making an index: in files where there is a folder for them, and
 * with little cache. For the writer, outside a transaction. */
bool db_build(struct db *db, const char *sql);
/* Gives the cache back. */
void db_rest(struct db *db);
/* Brings the log into the file and makes it short, unless somebody reads what it holds, and frees
 * the cache. For the writer, outside a transaction. */
void db_tidy(struct db *db);
/* The last failure was that the disk is full. */
bool db_is_full(const struct db *db);
const char *db_problem(const struct db *db);

/* The slice must live until the statement is reset. */
void db_bind_str(sqlite3_stmt *statement, int at, struct tars_str s);
struct tars_str db_column_str(sqlite3_stmt *statement, int at);

#endif
