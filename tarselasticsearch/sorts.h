/* SPDX-License-Identifier: BSD-3-Clause */
/* The sort keys of a search or of top_hits, as the request has them. */
#ifndef STORE_SORTS_H
#define STORE_SORTS_H

#include "hits.h"

/* Reads the value of "sort"; `indices` (may be NULL) are named in failures. */
bool sorts_read(const struct json *json, const struct index_list *indices,
                struct sort sorts[HIT_SORTS], size_t *count, struct failure *failure);

#endif
