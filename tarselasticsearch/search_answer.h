/* SPDX-License-Identifier: BSD-3-Clause */
/* The answer to a search or a scroll: its head, its hits, and what stands around them. */
#ifndef STORE_SEARCH_ANSWER_H
#define STORE_SEARCH_ANSWER_H

#include "search_request.h"

/* Appends [hits] of a page, read from the statement, after skipping `from`; the best score of all
 * rows is kept in `best`, and `any` says whether there is one. `ended`: the statement is through,
 * and stepping it once more would begin anew. False when the data file refuses. */
bool search_add_hits(struct db *db, struct page *page, const struct search_request *r,
                     sqlite3_stmt *s, int64_t from, int64_t size, struct text *to, double *best,
                     bool *any, bool *ended);
/* From "took" up to the total, inside "hits". */
void search_add_head(const struct search_request *r, int64_t total, struct text *to);
/* From "max_score" to the end of "hits"; empty `hits`: none. */
void search_add_tail(double best, bool any, const struct text *hits, struct text *to);

#endif
