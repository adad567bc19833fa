/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Summaries of many values in bounded memory: how many different ones, and where a share of them
 * ends. Both are exact for few values. Zeroed memory is an empty summary; what it holds lies in the
 * arena.
 */
#ifndef STORE_SKETCH_H
#define STORE_SKETCH_H

#include "value.h"

/* Exact up to DISTINCT_EXACT values; then 2^14 registers, good to about one percent. */
enum { DISTINCT_EXACT = 16384, DISTINCT_REGISTERS = 16384 };
struct distinct {
    uint64_t *hashes; /* open addressing; 0 is a free place */
    size_t size, count;
    uint8_t *registers;
};
/* False when the arena is full. */
bool distinct_add(struct distinct *d, struct tars_arena *arena, const struct value *v);
int64_t distinct_count(const struct distinct *d);

/* All values up to DIGEST_EXACT; then they are merged into groups that are small at both ends. */
enum { DIGEST_EXACT = 4096 };
struct centroid {
    double mean, weight;
};
struct digest {
    struct centroid *at;
    size_t count, size;
    bool merged;
    double min, max, weight;
};
bool digest_add(struct digest *d, struct tars_arena *arena, double v);
/* NAN when it is empty. Sorts what is there. */
double digest_quantile(struct digest *d, double q);

#endif
