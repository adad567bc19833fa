/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a request or one item of it is refused, in Elasticsearch's words and shape. */
#ifndef STORE_FAILURE_H
#define STORE_FAILURE_H

#include "text.h"

struct failure {
    int status;       /* HTTP; 0: no failure */
    const char *type; /* "index_not_found_exception"; a constant */
    bool shard;       /* happened while searching: told as search_phase_execution_exception */
    bool reduce;      /* happened while the shards' answers were put together */
    char index[256];  /* the index it is about, or empty */
    char uuid[24];
    char reason[768];
};

/* Fills it and returns false. */
bool failure_set(struct failure *f, int status, const char *type, const char *format, ...)
    TARS_PRINTF(4, 5);
bool failure_no_index(struct failure *f, struct tars_str name);

/* {"type":…,"reason":…}: as an item of a bulk shows it. */
void failure_print(const struct failure *f, struct text *to);
/* The whole answer's body: {"error":{"root_cause":[…],…},"status":…}. */
void failure_print_body(const struct failure *f, struct text *to);

#endif
