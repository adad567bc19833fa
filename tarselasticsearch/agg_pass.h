/* SPDX-License-Identifier: BSD-3-Clause */
/* One pass over the documents of an index for all aggregations of a search. */
#ifndef STORE_AGG_PASS_H
#define STORE_AGG_PASS_H

#include "agg.h"

/* Collects what the query finds in all->index, which `index` is; false with the failure. */
bool agg_run_index(struct aggs *all, struct index *index, const struct json *query);

#endif
