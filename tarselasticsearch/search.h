/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Searches and counts. On a reader's thread with its own connection; the caller holds the catalogue
 * for reading.
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
bool search_count(struct db *db, const struct search *search, struct text *to,
                  struct failure *failure);

/* ---- scrolls
 * --------------------------------------------------------------------------------------- */

/*
 * A scroll sees the indices as they were when it began: it keeps a connection of its own with a
 * read transaction and steps one statement through it.
 */
struct scroll;

/* The first page; NULL on failure. */
struct scroll *scroll_new(const char *path, const struct search *search, const char *id,
                          struct text *to, struct failure *failure);
bool scroll_next(struct scroll *s, struct text *to, struct failure *failure);
void scroll_free(struct scroll *s);

#endif
