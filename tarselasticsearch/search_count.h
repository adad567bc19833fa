/* SPDX-License-Identifier: BSD-3-Clause */
/* How many documents a query finds. Called as searches are. */
#ifndef STORE_SEARCH_COUNT_H
#define STORE_SEARCH_COUNT_H

#include "search_request.h"

/* Appends the whole answer of a count. */
bool search_count(struct db *db, const struct search *search, struct text *to,
                  struct failure *failure);
/* The hits of a search: up to one more than the limit, or all when it is negative. */
bool search_count_hits(struct search_request *r, struct db *db, int64_t limit, int64_t *count);

#endif
