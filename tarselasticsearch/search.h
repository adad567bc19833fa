/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Searches. On a reader's thread with its own connection; the caller holds the catalogue for
 * reading.
 */
#ifndef STORE_SEARCH_H
#define STORE_SEARCH_H

#include "index.h"

enum { SEARCH_WINDOW = 10000 };

struct search {
    const struct index_list *indices;
    const struct json *body; /* NULL: everything */
    int64_t from, size;      /* -1: the body's, or the usual 0 and 10 */
    struct tars_arena *arena;
};

/* Appends the whole answer. */
bool search_run(struct db *db, const struct search *search, struct text *to,
                struct failure *failure);

#endif
