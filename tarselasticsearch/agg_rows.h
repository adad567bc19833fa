/* SPDX-License-Identifier: BSD-3-Clause */
/* Collecting rows of blocks of packed columns instead of documents. */
#ifndef STORE_AGG_ROWS_H
#define STORE_AGG_ROWS_H

#include "agg.h"
#include "block.h"

/* Whether everything that is asked of the index can be read from packed columns; the query was
 * found to be sound, and the slots know their fields. */
bool agg_fits_blocks(struct aggs *all, const struct json *query);
/* Goes over the index by its packed columns, and by `documents`, which collects those from `from`
 * to `to`, where there are none. */
typedef bool agg_documents(struct aggs *all, void *user, int64_t from, int64_t to);
bool agg_run_blocks(struct aggs *all, agg_documents *documents, void *user);
void agg_wish_columns(struct aggs *all, struct index *index);
/* One by one: what a kind does by default. */
bool agg_collect_each(struct aggs *all, const struct agg *a, char *const *states,
                      const uint16_t *rows, size_t count);
/* Counts each row into its bucket (NULL: into none) and hands it on. */
bool agg_enter_rows(struct aggs *all, const struct agg *a, struct bucket *const *buckets,
                    const uint16_t *rows, size_t count);
/* The same for buckets that depend on the field's value alone, which `find` finds (or NULL). */
typedef bool agg_find(struct aggs *all, const struct agg *a, void *state, const struct value *v,
                      struct bucket **found);
bool agg_rows_by_value(struct aggs *all, const struct agg *a, char *const *states,
                       const uint16_t *rows, size_t count, agg_find *find);
/* Room for AGG_ROWS buckets; NULL with the failure. */
struct bucket **agg_row_buckets(struct aggs *all, const struct agg *a);

#endif
