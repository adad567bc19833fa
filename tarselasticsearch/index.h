/* SPDX-License-Identifier: BSD-3-Clause */
/* An index as it is kept in memory: its mapping, settings and aliases, and lists of indices. */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

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
    int64_t id; /* names its tables: see index_tables.h */
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

/* Of that name, with an empty mapping and all else zero. */
struct index *index_new(struct tars_str name);
void index_free(struct index *index);

/* Of an id, in the documents' table: 31 bits, which take a third of the room of most ids. */
int64_t index_hash(const struct index *index, struct tars_str id);
/* The mapping gets to know the normalizers that the settings define. */
void index_name_normalizers(struct index *index);
void index_print_settings(const struct index *index, struct text *to);

/* ---- aliases: adding and removing is the writer's, under the catalogue's lock ---------------- */

/* NULL when it has no such alias; good until the aliases change. */
struct alias *index_alias(const struct index *index, struct tars_str name);
bool index_has_alias(const struct index *index, struct tars_str alias);
void index_add_alias(struct index *index, struct tars_str name, int is_write);
/* False when it has no such alias. */
bool index_remove_alias(struct index *index, struct tars_str name);
/* Appends {…}; `only` is a pattern, "" means all. */
void index_print_aliases(const struct index *index, struct tars_str only, struct text *to);

/* ---- lists ----------------------------------------------------------------------------------- */

struct index_list {
    struct index **at;
    size_t len;
};
void index_list_free(struct index_list *list);
/* Behind the others, unless it is there already. */
void index_list_add(struct index_list *list, struct index *index);
void index_list_remove(struct index_list *list, const struct index *index);

#endif
