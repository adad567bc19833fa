/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All indices with their mappings, settings and aliases, and the index templates: in memory, and in
 * the data file. Only the writer's thread changes it, between catalog_lock and catalog_unlock;
 * others read it under catalog_read.
 */
#ifndef STORE_CATALOG_H
#define STORE_CATALOG_H

#include "db.h"
#include "mapping.h"
#include "settings.h"

#include <stdatomic.h>

struct alias {
    char *name;
    int is_write; /* 1, 0, or -1: not said */
};

/* Of a column since the file was opened: words that were written, those of them that were new. */
struct word_count {
    uint32_t all, fresh;
};

enum { INDEX_WANTED_WITH = 65536, INDEX_COLUMNS = 1024 /* of those that can be packed */ };

struct index {
    int64_t id; /* names its tables: d<id>, s<id>, m<id> */
    char *name;
    char uuid[24];
    struct vocabulary *vocabulary; /* the file's */
    uint64_t seed;                 /* the file's, that nobody else knows: of index_hash */
    int64_t created_ms;
    int64_t next_seq, term;
    bool seq_changed;
    /* The column that a search wished an index for, from 1 on, plus INDEX_WANTED_WITH times the one
     * to stand behind it. */
    atomic_int wanted;
    /* See columns.h: a bit for each column. The last two are the writer's. */
    atomic_bool has_columns;
    _Atomic uint64_t columns_wanted[INDEX_COLUMNS / 64];
    uint64_t columns_building[INDEX_COLUMNS / 64];
    int64_t columns_at;
    struct settings settings;
    struct mapping *mapping;
    struct alias *aliases;
    size_t alias_count;
    char *insert_sql;               /* of the documents' table; rebuilt when columns are added */
    struct word_count *word_counts; /* by column; the writer's */
    int word_counts_size;
    struct {
        uint64_t dropped; /* db->dropped when they were prepared; 0: they are not */
        sqlite3_stmt *find, *insert;
    } kept; /* the writer's */
};

struct template
{
    char *name;
    struct tars_arena *arena;
    struct json *body;
    int64_t priority;
};

struct catalog;

/* Reads the data file's tables, making them when the file is new. */
struct catalog *catalog_open(struct db *db, struct tars_error *error);
void catalog_free(struct catalog *c);
/* Before another connection is used for searches. */
bool catalog_attach(struct catalog *c, struct db *db);
/* After the writer has committed. */
void catalog_kept(struct catalog *c);
/* Reads everything again, after a transaction was rolled back. */
bool catalog_reload(struct catalog *c, struct db *db, struct tars_error *error);

void catalog_read(struct catalog *c);
void catalog_read_end(struct catalog *c);
void catalog_lock(struct catalog *c);
void catalog_unlock(struct catalog *c);

/* ---- finding ------------------------------------------------------------------------------------
 */

struct index_list {
    struct index **at;
    size_t len;
};
void index_list_free(struct index_list *list);

/* By its own name, not an alias. */
struct index *catalog_index(struct catalog *c, struct tars_str name);
bool index_has_alias(const struct index *index, struct tars_str alias);

/*
 * Names, aliases, "*" patterns and "-" exclusions, commas between them; "" and "_all": all. A name
 * that is not there fails unless `lenient`. In the order of the names, each once. `aliases`: may be
 * named by alias.
 */
bool catalog_resolve(struct catalog *c, struct tars_str expression, bool aliases, bool lenient,
                     struct index_list *list, struct failure *failure);

/* The one index that a write through `name` goes to; NULL with `missing` when there is none, NULL
 * with the failure when it is not clear. */
struct index *catalog_write_index(struct catalog *c, struct tars_str name, bool require_alias,
                                  bool *missing, struct failure *failure);

size_t catalog_template_count(const struct catalog *c);
/* Sorted by name. */
const struct template *catalog_template(const struct catalog *c, size_t at);

/* ---- changing: on the writer's thread, inside its transaction, under the lock
 * ---------------------- */

/* `body` may be NULL; templates apply. */
struct index *catalog_create(struct catalog *c, struct db *db, struct tars_str name,
                             const struct json *body, struct failure *failure);
bool catalog_delete(struct catalog *c, struct db *db, struct index *index);
/* Puts a changed mapping in the place of the old one and makes its new columns. */
bool catalog_set_mapping(struct catalog *c, struct db *db, struct index *index,
                         struct mapping *mapping);
bool catalog_put_settings(struct catalog *c, struct db *db, struct index *index,
                          const struct json *body, struct failure *failure);
/* Makes one index that searches wished for, and some of the packed columns, in transactions of
 * their own; needs no lock. A column of few different values gets no index. True: there is more to
 * make. */
bool catalog_build_wanted(struct catalog *c, struct db *db);
/* Writes the index's row; after aliases or sequence numbers changed. */
bool catalog_save(struct db *db, struct index *index);
void index_add_alias(struct index *index, struct tars_str name, int is_write);
bool index_remove_alias(struct index *index, struct tars_str name);
/* {"alias":{…}}: fails on what is not supported. */
bool catalog_read_aliases(struct catalog *c, struct index *index, const struct json *aliases,
                          struct failure *failure);
bool catalog_check_alias(struct catalog *c, struct tars_str name, struct failure *failure);

bool catalog_put_template(struct catalog *c, struct db *db, struct tars_str name,
                          const struct json *body, struct failure *failure);
bool catalog_delete_template(struct catalog *c, struct db *db, struct tars_str name);

/* ---- showing
 * --------------------------------------------------------------------------------------- */

/* Of an id, in the documents' table: 31 bits, which take a third of the room of most ids. */
int64_t index_hash(const struct index *index, struct tars_str id);

void index_print_settings(const struct index *index, struct text *to);
void index_print_aliases(const struct index *index, struct tars_str only, struct text *to);
void template_print(const struct template *t, struct text *to);

/* "a*b" against a name, in time that grows with the lengths only. */
bool pattern_matches(struct tars_str pattern, struct tars_str name);

#endif
