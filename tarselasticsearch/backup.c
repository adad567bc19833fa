/* SPDX-License-Identifier: BSD-3-Clause */
#include "keeping.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tars/types.h>

#include "base/clock.h"
#include "base/xmalloc.h"
#include "db.h"

enum { PAGES_A_STEP = 2048, SHOW_MS = 500, BUSY_MS = 10000 };

static int tell(const struct tars_error *error)
{
    fprintf(stderr, "tarselasticsearch: backup: %s\n", error->text);
    return 1;
}

static bool open_source(const char *path, sqlite3 **sql, struct tars_error *error)
{
    if (access(path, R_OK) != 0)
        return tars_fail(error, 1, "%s: %s: is this the data folder of a store?", path,
                         strerror(errno));
    if (sqlite3_open_v2(path, sql, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        db_leave_log(*sql, db_has_log(path)) && sqlite3_busy_timeout(*sql, BUSY_MS) == SQLITE_OK &&
        /* A reader's transaction: what is copied is of this moment, whatever is written behind it.
         */
        sqlite3_exec(*sql, "PRAGMA query_only=1;BEGIN;SELECT count(*) FROM indices", NULL, NULL,
                     NULL) == SQLITE_OK)
        return true;
    return tars_fail(error, 1, "%s cannot be read: %s", path, sqlite3_errmsg(*sql));
}

/* How far it is, for people who watch. */
static void show(sqlite3_backup *backup, int64_t *shown)
{
    int all = sqlite3_backup_pagecount(backup), left = sqlite3_backup_remaining(backup);
    if (!isatty(STDERR_FILENO) || (left && clock_ms() - *shown < SHOW_MS))
        return;
    *shown = clock_ms();
    fprintf(stderr, "\rcopied %d of %d pages%s", all - left, all, left ? "" : "\n");
}

static bool copy(sqlite3 *from, sqlite3 *to, struct tars_error *error)
{
    int64_t shown = clock_ms();
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    int rc = backup ? SQLITE_OK : SQLITE_ERROR;
    while (rc == SQLITE_OK) {
        rc = sqlite3_backup_step(backup, PAGES_A_STEP);
        show(backup, &shown);
    }
    int end = sqlite3_backup_finish(backup);
    return (rc == SQLITE_DONE && end == SQLITE_OK) ||
           tars_fail(error, 1, "copying stopped: %s",
                     sqlite3_errmsg(rc == SQLITE_DONE || !backup ? to : from));
}

static bool is_whole(sqlite3 *sql, struct tars_error *error)
{
    sqlite3_stmt *s = NULL;
    bool ok = sqlite3_prepare_v2(sql, "PRAGMA quick_check(1)", -1, &s, NULL) == SQLITE_OK &&
              sqlite3_step(s) == SQLITE_ROW;
    const char *said = ok ? (const char *)sqlite3_column_text(s, 0) : sqlite3_errmsg(sql);
    ok = ok && strcmp(said, "ok") == 0;
    if (!ok)
        tars_fail(
            error, 1,
            "the copy is not whole (%s), and so is the store: tarselasticsearch check tells more",
            said);
    sqlite3_finalize(s);
    return ok;
}

static bool sync_path(const char *path, struct tars_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    int number = errno;
    if (fd >= 0)
        close(fd);
    return ok || tars_fail(error, 1, "writing %s: %s", path, strerror(number));
}

/* The copy is one file: it needs no log beside it. */
static bool copy_to(sqlite3 *from, const char *part, struct tars_error *error)
{
    sqlite3 *to = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    bool ok = sqlite3_open_v2(part, &to, flags, NULL) == SQLITE_OK;
    if (!ok)
        tars_fail(error, 1, "making %s: %s", part, sqlite3_errmsg(to));
    ok = ok && copy(from, to, error);
    if (ok && sqlite3_exec(to, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL) != SQLITE_OK)
        ok = tars_fail(error, 1, "ending %s: %s", part, sqlite3_errmsg(to));
    ok = ok && is_whole(to, error);
    if (sqlite3_close(to) != SQLITE_OK && ok)
        ok = tars_fail(error, 1, "closing %s failed", part);
    return ok && sync_path(part, error);
}

/* ---- the users, of whom there may be none
 * --------------------------------------------------------- */

static bool copy_bytes(int from, int to)
{
    char bytes[4096];
    ssize_t len;
    while ((len = read(from, bytes, sizeof bytes)) > 0)
        if (write(to, bytes, (size_t)len) != len)
            return false;
    return len == 0 && fsync(to) == 0;
}

/* Editing replaces the file, so that an open one is whole. */
static bool copy_users(const char *data, const char *folder, struct tars_error *error)
{
    char *source = xasprintf("%s/users", data), *file = xasprintf("%s/users", folder);
    char *part = xasprintf("%s/users.part", folder);
    int from = open(source, O_RDONLY | O_CLOEXEC), to = -1;
    bool none = from < 0 && errno == ENOENT, ok = none;
    if (from >= 0) {
        unlink(part); /* of one that was cut off */
        to = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        ok = to >= 0 && copy_bytes(from, to) && rename(part, file) == 0;
    }
    if (!ok)
        tars_fail(error, 1, "copying %s to %s: %s", source, file, strerror(errno));
    if (to >= 0)
        close(to);
    if (from >= 0)
        close(from);
    free(source);
    free(file);
    free(part);
    return ok;
}

static bool make_place(const char *folder, const char *file, struct tars_error *error)
{
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return tars_fail(error, 1, "making folder %s: %s", folder, strerror(errno));
    if (access(file, F_OK) == 0)
        return tars_fail(error, 1,
                         "%s is there already, and nothing is written over it: name another folder",
                         file);
    return true;
}

static void print_size(const char *file)
{
    struct stat st;
    if (stat(file, &st) == 0)
        printf("%s: %.1f MB, whole\n", file, (double)st.st_size / 1e6);
}

int keeping_backup(const char *data, const char *to)
{
    struct tars_error error = {0};
    sqlite3 *from = NULL;
    char *source = xasprintf("%s/store.db", data), *file = xasprintf("%s/store.db", to);
    char *part = xasprintf("%s/store.db.part", to);
    mode_t mask = umask(0077);
    bool placed = open_source(source, &from, &error) && make_place(to, file, &error);
    if (placed)
        unlink(part); /* of one that was cut off */
    bool ok = placed && copy_to(from, part, &error) && copy_users(data, to, &error);
    if (ok && rename(part, file) != 0)
        ok = tars_fail(&error, 1, "naming %s: %s", file, strerror(errno));
    ok = ok && sync_path(to, &error);
    if (!ok && placed)
        unlink(part);
    sqlite3_close(from);
    if (ok)
        print_size(file);
    umask(mask);
    free(source);
    free(file);
    free(part);
    return ok ? 0 : tell(&error);
}
