/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Is the store whole? SQLite looks at its pages and indices; we look at what it cannot know: each
 * document has one source, which unpacks to JSON, and each index can be understood.
 */
#include "keeping.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/xmalloc.h"
#include "db.h"
#include "json.h"
#include "source.h"
#include "text.h"

enum { SHOWN = 100 /* of each kind of damage in one index */, SHOW_MS = 500 };
enum { MESSAGES = 1000, PARSE_MEMORY = 256 * 1024 * 1024 };

struct check {
    struct db *db;
    struct tars_arena *arena;
    struct text source;
    long long damages, documents, indices;
    int64_t shown;
};

/* ---- whose is it?
 * ----------------------------------------------------------------------------------- */

static char *text_of(struct check *c, const char *sql, long long number)
{
    sqlite3_stmt *s = db_prepare(c->db, tars_str(sql));
    char *text = NULL;
    if (s && sqlite3_bind_int64(s, 1, number) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW &&
        sqlite3_column_text(s, 0))
        text = xstrdup((const char *)sqlite3_column_text(s, 0));
    if (s)
        sqlite3_reset(s);
    return text;
}

/* Tables and their indices are called c7, d7, s7, m7, i7, y7, x7_3: the number is the index's. */
static char *owner_of_table(struct check *c, const char *table)
{
    if (!strchr("cdsmiyx", table[0]) || !isdigit((unsigned char)table[1]))
        return NULL;
    return text_of(c, "SELECT name FROM indices WHERE id=?", strtoll(table + 1, NULL, 10));
}

static char *owner_of_page(struct check *c, long long root)
{
    char *table = text_of(c, "SELECT name FROM sqlite_schema WHERE rootpage=?", root);
    char *owner = table ? owner_of_table(c, table) : NULL;
    free(table);
    return owner;
}

/* From "Tree 12 page 3: …", "row 5 missing from index i7", "NULL value in d7.id". */
static char *owner_of_message(struct check *c, const char *message)
{
    static const char *const before[] = {"index ", "table ", "in "};
    const char *tree = strstr(message, "Tree ");
    char *owner = tree ? owner_of_page(c, strtoll(tree + 5, NULL, 10)) : NULL;
    for (size_t i = 0; i < sizeof before / sizeof *before && !owner; i++)
        for (const char *at = message; (at = strstr(at, before[i])) && !owner;) {
            at += strlen(before[i]);
            owner = *at ? owner_of_table(c, at) : NULL;
        }
    return owner;
}

/* ---- what SQLite finds
 * --------------------------------------------------------------------------------- */

static void say_line(struct check *c, const char *line)
{
    char *owner = owner_of_message(c, line);
    if (owner)
        printf("index %s: %s\n", owner, line);
    else
        printf("the file: %s\n", line);
    free(owner);
    c->damages++;
}

/* A row may have several lines. */
static void say_message(struct check *c, const char *message)
{
    char *copy = xstrdup(message), *rest = NULL;
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (strncmp(line, "***", 3) != 0)
            say_line(c, line);
    free(copy);
}

static void check_pages(struct check *c)
{
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA integrity_check(%d)", MESSAGES);
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->db->sql, sql, -1, &s, NULL);
    if (rc == SQLITE_OK)
        while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
            const char *message = (const char *)sqlite3_column_text(s, 0);
            if (message && strcmp(message, "ok") != 0)
                say_message(c, message);
        }
    if (rc != SQLITE_DONE)
        say_message(c, sqlite3_errmsg(c->db->sql));
    sqlite3_finalize(s);
}

/* ---- what only we know
 * --------------------------------------------------------------------------------- */

struct place {
    const char *name; /* of the index */
    long long id;
    long long said;
};

static void damage(struct check *c, struct place *p, const char *what, long long seq)
{
    c->damages++;
    if (p->said++ < SHOWN)
        printf("index %s: %s (row %lld)\n", p->name, what, seq);
}

static void show(struct check *c)
{
    if (!isatty(STDERR_FILENO) || clock_ms() - c->shown < SHOW_MS)
        return;
    c->shown = clock_ms();
    fprintf(stderr, "\r%lld documents", c->documents);
}

static void check_source(struct check *c, struct place *p, sqlite3_stmt *s)
{
    struct tars_error error = {0};
    long long seq = sqlite3_column_int64(s, 0);
    text_cut(&c->source, 0);
    tars_arena_reset(c->arena);
    enum source_state state = source_read(c->db, p->id, seq, &c->source);
    if (state == SOURCE_LOST)
        damage(c, p, "a document has lost its source", seq);
    else if (state == SOURCE_DAMAGED)
        damage(c, p, "a source cannot be unpacked", seq);
    else if (!json_parse(text_str(&c->source), c->arena, &error))
        damage(c, p, "a source is no JSON", seq);
    c->documents++;
    show(c);
}

/* Runs a query over the rows; what stops it is told with the last row that could be read. */
static void each_row(struct check *c, struct place *p, const char *format,
                     void (*row)(struct check *, struct place *, sqlite3_stmt *))
{
    struct text sql = {0};
    sqlite3_stmt *s = NULL;
    long long last = -1;
    for (const char *at = format; *at; at++)
        if (*at == '#')
            text_addf(&sql, "%lld", p->id);
        else
            text_add(&sql, at, 1);
    int rc = sqlite3_prepare_v2(c->db->sql, sql.at, -1, &s, NULL);
    if (rc == SQLITE_OK)
        while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
            last = sqlite3_column_int64(s, 0);
            row(c, p, s);
        }
    if (rc != SQLITE_DONE) {
        c->damages++;
        printf("index %s: reading stops behind row %lld: %s\n", p->name, last,
               sqlite3_errmsg(c->db->sql));
    }
    sqlite3_finalize(s);
    text_free(&sql);
}

static void lost_block(struct check *c, struct place *p, sqlite3_stmt *s)
{
    damage(c, p, "a block of sources belongs to no document", sqlite3_column_int64(s, 0));
}

static void beyond_sequence(struct check *c, struct place *p, sqlite3_stmt *s)
{
    damage(c, p, "a document is newer than its index", sqlite3_column_int64(s, 0));
}

static void check_documents(struct check *c, struct place *p)
{
    each_row(c, p, "SELECT seq FROM d# ORDER BY seq", check_source);
    each_row(c, p,
             "SELECT seq FROM s# s WHERE NOT EXISTS (SELECT 1 FROM d# d WHERE d.seq BETWEEN s.seq "
             "AND s.seq+s.more)",
             lost_block);
    each_row(c, p, "SELECT seq FROM d# WHERE seq >= (SELECT next_seq FROM indices WHERE id=#)",
             beyond_sequence);
}

static void lost_word(struct check *c, struct place *p, sqlite3_stmt *s)
{
    damage(c, p, "a keyword has lost its word", sqlite3_column_int64(s, 0));
}

/* Columns that hold numbers of words: {"path":[column,marks]}. */
static void check_words(struct check *c, struct place *p, const struct json *columns)
{
    for (const struct json *m = columns->child; m; m = m->next) {
        char sql[160];
        int64_t column, marks;
        if (m->count != 2 || !json_as_int(m->child, &column) || !json_as_int(m->last, &marks) ||
            marks < 2)
            continue;
        snprintf(sql, sizeof sql,
                 "SELECT seq FROM d# WHERE typeof(f%lld)='integer' AND f%lld NOT IN (SELECT number "
                 "FROM words)",
                 (long long)column, (long long)column);
        each_row(c, p, sql, lost_word);
    }
}

static void check_index(struct check *c, sqlite3_stmt *s)
{
    static const char *const parts[] = {"settings", "mapping", "columns", "aliases"};
    struct tars_error error = {0};
    const char *name = (const char *)sqlite3_column_text(s, 1);
    struct place p = {name ? name : "(without a name)", sqlite3_column_int64(s, 0), 0};
    for (int i = 0; i < 4; i++) {
        tars_arena_reset(c->arena);
        const struct json *part = json_parse(db_column_str(s, 2 + i), c->arena, &error);
        if (part && strcmp(parts[i], "columns") == 0)
            check_words(c, &p, part);
        if (part)
            continue;
        c->damages++;
        printf("index %s: its %s cannot be read: %s\n", p.name, parts[i], error.text);
    }
    check_documents(c, &p);
    if (p.said > SHOWN)
        printf("index %s: and %lld rows more\n", p.name, p.said - SHOWN);
    c->indices++;
}

static void check_indices(struct check *c)
{
    static const char sql[] = "SELECT id, name, settings, mapping, columns, aliases FROM indices";
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->db->sql, sql, -1, &s, NULL);
    if (rc == SQLITE_OK)
        while ((rc = sqlite3_step(s)) == SQLITE_ROW)
            check_index(c, s);
    if (rc != SQLITE_DONE)
        say_message(c, sqlite3_errmsg(c->db->sql));
    sqlite3_finalize(s);
}

/* ---- the command
 * ----------------------------------------------------------------------------------- */

static int report(const struct check *c, const char *path)
{
    if (isatty(STDERR_FILENO))
        fputc('\n', stderr);
    printf("%s: %lld indices, %lld documents: ", path, c->indices, c->documents);
    if (!c->damages) {
        printf("whole\n");
        return 0;
    }
    printf(
        "%lld damages. Nothing was changed. Stop the store, keep a copy of the folder, and start "
        "on a backup; documents that can still be read can be exported first.\n",
        c->damages);
    return KEEPING_DAMAGED;
}

static bool begins_as_store(const char *path)
{
    char head[16] = "";
    FILE *file = fopen(path, "rbe");
    bool ok = file && fread(head, 1, sizeof head, file) == sizeof head &&
              memcmp(head, "SQLite format 3", sizeof head) == 0;
    if (file)
        fclose(file);
    return ok;
}

static int check_all(struct check *c, const char *path, bool had_log)
{
    if (!db_leave_log(c->db->sql, had_log))
        say_message(c, db_problem(c->db));
    c->arena = tars_arena_new(PARSE_MEMORY);
    if (!db_exec(c->db, "BEGIN")) /* all that is looked at is of one moment */
        say_message(c, db_problem(c->db));
    check_pages(c);
    check_indices(c);
    tars_arena_free(c->arena);
    text_free(&c->source);
    return report(c, path);
}

int keeping_check(const char *data, const char *none)
{
    struct tars_error error = {0};
    struct check c = {.shown = clock_ms()};
    char *path = xasprintf("%s/store.db", data);
    bool had_log = db_has_log(path);
    int status = 1;
    (void)none;
    if (access(path, R_OK) != 0) {
        fprintf(stderr, "tarselasticsearch: check: %s: %s: is this the data folder of a store?\n",
                path, strerror(errno));
    } else if (!begins_as_store(path)) {
        printf("%s: its first bytes are not those of a store: the file is damaged as a whole, or "
               "something else\n",
               path);
        status = KEEPING_DAMAGED;
    } else if ((c.db = db_open(path, false, &error))) {
        status = check_all(&c, path, had_log);
    } else {
        printf("%s: it is damaged so that nothing of it can be read\n", error.text);
        status = KEEPING_DAMAGED;
    }
    db_close(c.db);
    free(path);
    return status;
}
