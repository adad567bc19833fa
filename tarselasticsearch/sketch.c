/* SPDX-License-Identifier: BSD-3-Clause */
#include "sketch.h"

#include <math.h>
#include <stdlib.h>

/* ---- how many different values
 * --------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h)
{
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdU;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53U;
    return h ^ (h >> 33);
}

static uint64_t hash_of(const struct value *v)
{
    uint64_t h = 0xcbf29ce484222325U, bits = 0;
    if (v->kind == VALUE_TEXT) {
        for (size_t i = 0; i < v->s.len; i++)
            h = (h ^ (unsigned char)v->s.at[i]) * 0x100000001b3U;
        h = mix(h);
    } else {
        double d = v->r == 0 ? 0 : v->r;
        memcpy(&bits, v->kind == VALUE_INT ? (const void *)&v->i : (const void *)&d, sizeof bits);
        h = mix(bits + 0x9e3779b97f4a7c15U);
    }
    return h ? h : 1;
}

static void put_hash(uint64_t *hashes, size_t size, uint64_t h)
{
    size_t at = h & (size - 1);
    while (hashes[at])
        at = (at + 1) & (size - 1);
    hashes[at] = h;
}

static void add_register(uint8_t *registers, uint64_t h)
{
    size_t at = h >> 50;
    uint64_t rest = h << 14 | (uint64_t)1 << 13;
    uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);
    if (registers[at] < rank)
        registers[at] = rank;
}

static bool grow_hashes(struct distinct *d, struct tars_arena *arena)
{
    size_t size = d->size ? d->size * 2 : 16;
    uint64_t *hashes = tars_arena_alloc(arena, size * sizeof *hashes);
    if (!hashes)
        return false;
    for (size_t i = 0; i < d->size; i++)
        if (d->hashes[i])
            put_hash(hashes, size, d->hashes[i]);
    d->hashes = hashes;
    d->size = size;
    return true;
}

static bool use_registers(struct distinct *d, struct tars_arena *arena)
{
    d->registers = tars_arena_alloc(arena, DISTINCT_REGISTERS);
    for (size_t i = 0; d->registers && i < d->size; i++)
        if (d->hashes[i])
            add_register(d->registers, d->hashes[i]);
    return d->registers != NULL;
}

bool distinct_add(struct distinct *d, struct tars_arena *arena, const struct value *v)
{
    uint64_t h = hash_of(v);
    if (!d->registers) {
        for (size_t at = h & (d->size - 1); d->size && d->hashes[at]; at = (at + 1) & (d->size - 1))
            if (d->hashes[at] == h)
                return true;
        if (d->count < DISTINCT_EXACT) {
            if (d->count * 2 >= d->size && !grow_hashes(d, arena))
                return false;
            put_hash(d->hashes, d->size, h);
            d->count++;
            return true;
        }
        if (!use_registers(d, arena))
            return false;
    }
    add_register(d->registers, h);
    return true;
}

int64_t distinct_count(const struct distinct *d)
{
    double sum = 0, m = DISTINCT_REGISTERS;
    int zeros = 0;
    if (!d->registers)
        return (int64_t)d->count;
    for (size_t i = 0; i < DISTINCT_REGISTERS; i++) {
        sum += ldexp(1, -d->registers[i]);
        zeros += d->registers[i] == 0;
    }
    double estimate = 0.7213 / (1 + 1.079 / m) * m * m / sum;
    if (zeros && estimate <= 2.5 * m)
        estimate = m * log(m / zeros);
    return (int64_t)(estimate + 0.5);
}

/* ---- where a share ends
 * ---------------------------------------------------------------------------------- */

static int by_mean(const void *a, const void *b)
{
    double x = ((const struct centroid *)a)->mean, y = ((const struct centroid *)b)->mean;
    return (x > y) - (x < y);
}

/* Neighbours are joined while together they stay below what their place allows. */
static void merge(struct digest *d)
{
    enum { COMPRESSION = 500 };
    size_t to = 0;
    double before = 0;
    qsort(d->at, d->count, sizeof *d->at, by_mean);
    for (size_t i = 1; i < d->count; i++) {
        struct centroid *last = &d->at[to];
        double weight = last->weight + d->at[i].weight;
        double q = (before + weight / 2) / d->weight;
        if (weight <= 4 * d->weight * q * (1 - q) / COMPRESSION) {
            last->mean += (d->at[i].mean - last->mean) * d->at[i].weight / weight;
            last->weight = weight;
        } else {
            before += last->weight;
            d->at[++to] = d->at[i];
        }
    }
    d->count = d->count ? to + 1 : 0;
    d->merged = true;
}

/* What could not be merged is joined by pairs: the memory stays bounded. */
static void join_pairs(struct digest *d)
{
    size_t pairs = d->count / 2;
    for (size_t i = 0; i < pairs; i++) {
        struct centroid a = d->at[2 * i], b = d->at[2 * i + 1];
        double weight = a.weight + b.weight;
        d->at[i] = (struct centroid){(a.mean * a.weight + b.mean * b.weight) / weight, weight};
    }
    if (d->count % 2)
        d->at[pairs] = d->at[d->count - 1];
    d->count -= pairs;
}

static bool grow_digest(struct digest *d, struct tars_arena *arena)
{
    size_t size = d->size ? d->size * 2 : 16;
    struct centroid *at = tars_arena_alloc(arena, size * sizeof *at);
    if (!at)
        return false;
    if (d->count)
        memcpy(at, d->at, d->count * sizeof *at);
    d->at = at;
    d->size = size;
    return true;
}

bool digest_add(struct digest *d, struct tars_arena *arena, double v)
{
    if (d->count == DIGEST_EXACT) {
        merge(d);
        if (d->count > DIGEST_EXACT / 2)
            join_pairs(d);
    }
    if (d->count == d->size && !grow_digest(d, arena))
        return false;
    d->min = d->weight == 0 || v < d->min ? v : d->min;
    d->max = d->weight == 0 || v > d->max ? v : d->max;
    d->at[d->count++] = (struct centroid){v, 1};
    d->weight += 1;
    return true;
}

double digest_quantile(struct digest *d, double q)
{
    if (!d->count)
        return NAN;
    qsort(d->at, d->count, sizeof *d->at, by_mean);
    if (!d->merged) {
        double at = q * (double)(d->count - 1);
        size_t low = (size_t)at, high = low + 1 < d->count ? low + 1 : low;
        return d->at[low].mean + (at - (double)low) * (d->at[high].mean - d->at[low].mean);
    }
    double wanted = q * d->weight, passed = 0, left = d->min, left_at = 0;
    for (size_t i = 0; i < d->count; i++) {
        double middle = passed + d->at[i].weight / 2;
        if (wanted < middle)
            return left + (d->at[i].mean - left) * (wanted - left_at) / (middle - left_at);
        left = d->at[i].mean;
        left_at = middle;
        passed += d->at[i].weight;
    }
    return d->weight > left_at ? left + (d->max - left) * (wanted - left_at) / (d->weight - left_at)
                               : d->max;
}
