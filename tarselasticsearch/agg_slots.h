/* SPDX-License-Identifier: BSD-3-Clause */
/* The fields and filters that aggregations read: each is a column of the pass over the documents.
 */
#ifndef STORE_AGG_SLOTS_H
#define STORE_AGG_SLOTS_H

#include "agg.h"
#include "query.h"

/* The slot of a field or of a filter, which may be there already; NULL with the failure. */
struct agg_slot *agg_add_slot(struct aggs *all, struct tars_str field, const struct json *filter);
/* Takes "field" and "missing"; `taken` says whether it was one of them. */
bool agg_common(struct aggs *all, struct agg *a, const struct json *p, bool *taken);
bool agg_need_field(struct aggs *all, const struct agg *a);

/* Appends ",expression" for each slot of the scope; `nested`: the scope's field. */
bool agg_select_slots(struct aggs *all, struct query *q, struct tars_str scope,
                      const struct field *nested);
/* Reads the slots of a scope from the columns of a row, from column `first` on, in their order. */
bool agg_read_slots(struct aggs *all, struct tars_str scope, sqlite3_stmt *s, int first);
/* Room for one more value. */
bool agg_slot_room(struct aggs *all, struct agg_slot *slot);
/* The document's values of the aggregation's field, with what "missing" says instead of none. */
const struct value *agg_values(struct aggs *all, const struct agg *a, size_t *count);

#endif
