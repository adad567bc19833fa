/* SPDX-License-Identifier: BSD-3-Clause */
/* Buckets by their key, in the request's memory. Zero it before the first use. */
#ifndef STORE_BUCKET_MAP_H
#define STORE_BUCKET_MAP_H

#include "agg.h"

struct bucket_map {
    struct bucket **slots, **list;
    size_t size, count, room;
};
/* Finds it or makes it; NULL with the failure. */
struct bucket *bucket_map_get(struct aggs *all, const struct agg *a, struct bucket_map *m,
                              const struct value *key);
void bucket_map_clear(struct bucket_map *m);
/* Puts back one that was in it before it was cleared. */
void bucket_map_put(struct bucket_map *m, struct bucket *b);

uint64_t value_hash(const struct value *v);
/* Below, at or above 0: none before all others, numbers before texts. */
int value_order(const struct value *a, const struct value *b);

#endif
