/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The plain half of the query language, asked of packed columns: conditions on one field each, all
 * of which must hold. What is not plain is left to SQL.
 */
#ifndef STORE_CONDITIONS_H
#define STORE_CONDITIONS_H

#include "block.h"
#include "index.h"

/* A condition in two halves around the column: bounds of a range, or one list of values. */
struct condition {
    const struct value *values;
    size_t count;
    const char *operations[2]; /* ">=", "<="; for a list "IN" */
    bool list;
    const char *function, *tail; /* f(column,?tail): of the column and the one value */
};

enum { CONDITIONS_LIMIT = 32 };

struct conditions {
    struct noted {
        const struct field *field;
        struct condition is;
    } at[CONDITIONS_LIMIT];
    size_t count;
    bool failed; /* one could not be noted */
    struct tars_arena *arena;
};

/* Whether the query, which was found to be sound, is plain for the index; then its conditions. NULL
 * is everything. */
bool conditions_read(struct conditions *c, const struct index *index, const struct json *query,
                     struct tars_arena *arena);
/* Keeps of the rows of a block those that fit; false when the data file refuses. */
bool condition_choose(const struct noted *n, struct db *db, const struct block *b, uint16_t *rows,
                      size_t *count);

/* While a query is compiled. */
void conditions_note(struct conditions *c, const struct field *f, const struct condition *is);

#endif
