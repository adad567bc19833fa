/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A scroll sees the indices as they were when it began: it keeps a connection of its own with a
 * read transaction and steps one statement through it. One thread at a time.
 */
#ifndef STORE_SCROLL_H
#define STORE_SCROLL_H

#include "search.h"

struct scroll;

/* Appends the first page; NULL on failure. The caller holds the catalogue for reading. */
struct scroll *scroll_new(const char *path, const struct search *search, const char *id,
                          struct text *to, struct failure *failure);
/* Appends the next page. */
bool scroll_next(struct scroll *s, struct text *to, struct failure *failure);
void scroll_free(struct scroll *s);

#endif
