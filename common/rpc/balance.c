/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/balance.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/xmalloc.h"

enum { POINTS_PER_ENDPOINT = 160 };

struct point {
    uint64_t at;
    uint32_t position;
};

struct balance_item {
    const struct tars_endpoint *endpoint; /* only while the balance is made */
    uint32_t position;
};

struct rpc_balance {
    size_t count;
    size_t turn;        /* where the next search begins */
    bool weighted;      /* all endpoints have a static weight */
    int64_t *weight;    /* by position */
    int64_t *current;   /* smooth weighted round robin's running values, by position */
    uint32_t *sorted;   /* positions in the order of their endpoints' text */
    struct point *ring; /* made at the first consistent hash */
    size_t ring_len;
    uint64_t *identity; /* hash of each endpoint's place, by position */
};

static int compare_endpoints(const void *a, const void *b)
{
    const struct tars_endpoint *x = ((const struct balance_item *)a)->endpoint;
    const struct tars_endpoint *y = ((const struct balance_item *)b)->endpoint;
    int by_host = strcmp(x->host, y->host);

    if (by_host != 0)
        return by_host;
    if (x->port != y->port)
        return x->port < y->port ? -1 : 1;
    return (int)x->transport - (int)y->transport;
}

static void sort_positions(struct rpc_balance *b, const struct tars_endpoint *endpoints)
{
    struct balance_item *items = xcalloc(b->count + 1, sizeof *items);

    for (size_t i = 0; i < b->count; i++) {
        items[i].endpoint = &endpoints[i];
        items[i].position = (uint32_t)i;
    }
    qsort(items, b->count, sizeof *items, compare_endpoints);
    for (size_t i = 0; i < b->count; i++)
        b->sorted[i] = items[i].position;
    free(items);
}

static uint64_t endpoint_identity(const struct tars_endpoint *endpoint)
{
    char text[sizeof endpoint->host + 32];
    int len = snprintf(text, sizeof text, "%s:%u/%d", endpoint->host, (unsigned)endpoint->port,
                       (int)endpoint->transport);

    return hash_bytes(text, (size_t)len, 0);
}

/* Tars protocol: weights count only when every endpoint of the list has weight type 1. */
static bool all_weighted(const struct tars_endpoint *endpoints, size_t count)
{
    bool any = false;

    for (size_t i = 0; i < count; i++) {
        if (endpoints[i].weight_type != 1)
            return false;
        any = any || endpoints[i].weight > 0;
    }
    return any;
}

struct rpc_balance *rpc_balance_new(const struct tars_endpoint *endpoints, size_t count,
                                    uint32_t seed)
{
    struct rpc_balance *b = xcalloc(1, sizeof *b);

    b->count = count;
    b->turn = count ? seed % count : 0;
    b->weighted = all_weighted(endpoints, count);
    b->weight = xcalloc(count + 1, sizeof *b->weight);
    b->current = xcalloc(count + 1, sizeof *b->current);
    b->sorted = xcalloc(count + 1, sizeof *b->sorted);
    b->identity = xcalloc(count + 1, sizeof *b->identity);
    for (size_t i = 0; i < count; i++) {
        b->weight[i] = endpoints[i].weight;
        b->identity[i] = endpoint_identity(&endpoints[i]);
    }
    sort_positions(b, endpoints);
    return b;
}

void rpc_balance_free(struct rpc_balance *b)
{
    if (!b)
        return;
    free(b->weight);
    free(b->current);
    free(b->sorted);
    free(b->identity);
    free(b->ring);
    free(b);
}

static int pick_in_turn(struct rpc_balance *b, rpc_balance_usable *usable, const void *user)
{
    for (size_t i = 0; i < b->count; i++) {
        size_t position = b->turn;

        b->turn = position + 1 == b->count ? 0 : position + 1;
        if (usable(user, position))
            return (int)position;
    }
    return RPC_BALANCE_NONE;
}

/* Every usable one gains its weight, the richest is taken and pays what was handed out. */
static int pick_by_weight(struct rpc_balance *b, rpc_balance_usable *usable, const void *user)
{
    int best = RPC_BALANCE_NONE;
    int64_t total = 0;

    for (size_t i = 0; i < b->count; i++) {
        if (b->weight[i] <= 0 || !usable(user, i))
            continue;
        b->current[i] += b->weight[i];
        total += b->weight[i];
        if (best == RPC_BALANCE_NONE || b->current[i] > b->current[best])
            best = (int)i;
    }
    if (best != RPC_BALANCE_NONE)
        b->current[best] -= total;
    return best;
}

static int pick_by_hash(const struct rpc_balance *b, uint32_t hash, rpc_balance_usable *usable,
                        const void *user)
{
    size_t left = 0, home, nth;

    if (b->count == 0)
        return RPC_BALANCE_NONE;
    home = b->sorted[hash % b->count];
    if (usable(user, home))
        return (int)home;
    for (size_t i = 0; i < b->count; i++)
        left += usable(user, b->sorted[i]);
    if (left == 0)
        return RPC_BALANCE_NONE;
    nth = hash % left;
    for (size_t i = 0; i < b->count; i++) {
        if (usable(user, b->sorted[i]) && nth-- == 0)
            return (int)b->sorted[i];
    }
    return RPC_BALANCE_NONE;
}

static int compare_points(const void *a, const void *b)
{
    const struct point *x = a, *y = b;

    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->position < y->position ? -1 : x->position > y->position;
}

/* An endpoint's points depend on its own place (and weight) alone: that keeps the rest stable. */
static size_t points_of(const struct rpc_balance *b, size_t position)
{
    int64_t points = POINTS_PER_ENDPOINT;

    if (!b->weighted)
        return (size_t)points;
    if (b->weight[position] <= 0)
        return 0;
    points = POINTS_PER_ENDPOINT * (b->weight[position] > 100 ? 100 : b->weight[position]) / 100;
    return points < 1 ? 1 : (size_t)points;
}

static void make_ring(struct rpc_balance *b)
{
    b->ring = xcalloc(b->count * POINTS_PER_ENDPOINT + 1, sizeof *b->ring);
    for (size_t i = 0; i < b->count; i++) {
        size_t points = points_of(b, i);

        for (size_t k = 0; k < points; k++) {
            uint64_t seed[2] = {b->identity[i], k};

            b->ring[b->ring_len].at = hash_bytes(seed, sizeof seed, 0);
            b->ring[b->ring_len++].position = (uint32_t)i;
        }
    }
    qsort(b->ring, b->ring_len, sizeof *b->ring, compare_points);
}

static size_t ring_search(const struct rpc_balance *b, uint64_t at)
{
    size_t low = 0, high = b->ring_len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (b->ring[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low == b->ring_len ? 0 : low;
}

static int pick_on_ring(struct rpc_balance *b, uint32_t hash, rpc_balance_usable *usable,
                        const void *user)
{
    size_t start;

    if (!b->ring)
        make_ring(b);
    if (b->ring_len == 0)
        return RPC_BALANCE_NONE;
    start = ring_search(b, hash_bytes(&hash, sizeof hash, 0));
    for (size_t i = 0; i < b->ring_len; i++) {
        size_t position = b->ring[(start + i) % b->ring_len].position;

        if (usable(user, position))
            return (int)position;
    }
    return RPC_BALANCE_NONE;
}

int rpc_balance_pick(struct rpc_balance *b, enum tars_routing routing, uint32_t hash,
                     rpc_balance_usable *usable, const void *user)
{
    if (routing == TARS_ROUTE_HASH)
        return pick_by_hash(b, hash, usable, user);
    if (routing == TARS_ROUTE_CONSISTENT_HASH)
        return pick_on_ring(b, hash, usable, user);
    return b->weighted ? pick_by_weight(b, usable, user) : pick_in_turn(b, usable, user);
}
