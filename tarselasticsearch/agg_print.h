/* SPDX-License-Identifier: BSD-3-Clause */
/* Printing aggregations: what is the same in all kinds. */
#ifndef STORE_AGG_PRINT_H
#define STORE_AGG_PRINT_H

#include "agg.h"

/* "name":{…} of each of a list, commas between. */
bool agg_print_list(struct aggs *all, const struct agg *list, char *states, struct text *to);
/* ,"doc_count":… and what stands below; counts the bucket. NULL: an empty one. */
bool agg_print_bucket(struct aggs *all, const struct agg *a, struct bucket *b, struct text *to);
/* A value as JSON, and as the text that "key_as_string" shows. */
void agg_print_value(const struct value *v, struct text *to);
void agg_print_string(const struct value *v, enum field_type type, const char *format,
                      struct text *to);
bool agg_shows_string(enum field_type type);

#endif
