/* SPDX-License-Identifier: BSD-3-Clause */
/* What a search asks for, as it is read from the body. */
#ifndef STORE_SEARCH_REQUEST_H
#define STORE_SEARCH_REQUEST_H

#include "aggs.h"
#include "hits.h"
#include "search.h"

struct search_request {
    const struct index_list *indices;
    const struct json *query, *after, *collapse; /* the name of a field */
    struct aggs *aggs;
    const struct json *asked; /* the aggregations as they came */
    struct sort sorts[HIT_SORTS];
    size_t sort_count;
    bool sorted;                     /* by the caller's wish: hits show their keys */
    int64_t from, size, total_limit; /* -1: exact, 0: no total */
    struct hit_options shows;
    int64_t started_ms;
    struct tars_arena *arena;
    struct failure *failure;
};

/* Fills in all of it; false with the failure. The caller ends `aggs` in any case (aggs_end). */
bool search_request_read(struct search_request *r, const struct search *search,
                         struct failure *failure);
/* Whether the page lies within SEARCH_WINDOW; `what` and `hint` are words of the failure. */
bool search_check_window(struct search_request *r, const char *what, const char *hint);

/* Status 400 with the reason; false. */
bool search_refuse(struct search_request *r, const char *type, const char *format, ...)
    TARS_PRINTF(3, 4);
/* The same as the shards' failure: of `index`, or of none (NULL). */
bool search_refuse_shard(struct search_request *r, const struct index *index, const char *type,
                         const char *reason);

#endif
