/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Aggregations of a search: read from the request, fed with every document that the query finds in
 * one pass over its columns, printed. Everything lives in the request's arena, whose limit bounds
 * what an aggregation may hold; an answer has at most AGGS_MAX_BUCKETS buckets.
 */
#ifndef STORE_AGGS_H
#define STORE_AGGS_H

#include "index.h"

enum { AGGS_MAX_BUCKETS = 65535, AGGS_MAX_DEPTH = 12, AGGS_MAX_COUNT = 256, AGGS_MAX_SLOTS = 500 };

struct aggs;

/* Reads the object under "aggs"; NULL with the failure. aggs_end when the search is over. */
struct aggs *aggs_parse(const struct json *json, struct tars_arena *arena, struct failure *failure);
/* Collects over all indices and appends {"name":{…},…}. */
bool aggs_run(struct aggs *aggs, struct db *db, const struct index_list *indices,
              const struct json *query, struct text *to);

/* Ends what an aggregation holds besides the arena; NULL is nothing. */
void aggs_end(struct aggs *aggs);

#endif
