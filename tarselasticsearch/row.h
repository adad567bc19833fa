/* SPDX-License-Identifier: BSD-3-Clause */
/* What a document becomes in the tables of its index: a cell for each column, and rows for the
 * objects of nested fields. */
#ifndef STORE_ROW_H
#define STORE_ROW_H

#include "document.h"
#include "value.h"

struct cell {
    struct value first;
    int64_t number; /* that stands for it (vocabulary.h), or 0 */
    size_t room;    /* of a text's words */
    struct extra {
        struct value value;
        struct extra *next;
    } * more; /* all further ones; the side table then holds the first one as well */
};

/* An object of a nested field: a row of its own. */
struct nested_row {
    struct cell *cells;
    int size, path; /* the nested field's column */
    struct nested_row *up, *next;
    int64_t key;
};

enum { NESTED_LIMIT = 10000 };

struct row {
    struct index *index;
    struct db *db;
    struct mapping *mapping; /* the index's, or the copy that grows */
    struct tars_arena *arena;
    struct tars_str id;
    struct cell *cells; /* by column */
    int size;
    struct nested_row *inside, *nested, **nested_end; /* the one being read, all of them */
    int nested_count;
    bool may_grow, must_grow, grew;
    bool broken; /* the data file refused */
    struct failure *failure;
};

/* Reads the document (row.c). The mapping may grow: then row->mapping is a copy, which the caller
 * puts in place or frees, and `grew` is set. */
bool row_read(struct row *row, const struct json *source);

/* ---- in the tables (row_table.c): false when the data file refuses -------------------------- */

/* Without the source. */
bool row_find(struct db *db, struct index *index, struct tars_str id, struct doc *doc);
bool row_remove(struct db *db, const struct index *index, int64_t seq);
bool row_insert(struct db *db, struct row *row, int64_t seq, int64_t version,
                struct tars_str source);

#endif
