/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that received bytes lie in. Calls are decoded in place, so a call that is answered later
 * holds the chunk its strings point into, and reading goes on behind it or in another chunk.
 */
#ifndef RPC_SERVER_CHUNK_H
#define RPC_SERVER_CHUNK_H

#include <stdatomic.h>
#include <stddef.h>

enum { RPC_CHUNK_SMALL = 4096, RPC_CHUNK_LARGE = 64 * 1024 };

struct rpc_chunk {
    _Atomic unsigned refs; /* a parked call may be released by a thread that is not the worker's */
    struct rpc_chunk *next;
    size_t cap;
    size_t used; /* bytes at the front that somebody holds */
    char bytes[];
};

/* Chunks of the two usual sizes are kept for the next use; one worker's. */
struct rpc_chunk_pool {
    struct rpc_chunk *small, *large;
    size_t small_count, large_count;
    size_t bytes; /* in all chunks that are out, those kept for later left out */
};

/* At least `cap` bytes, one reference. */
struct rpc_chunk *rpc_chunk_take(struct rpc_chunk_pool *pool, size_t cap);
/* Gives one reference back; `pool` NULL when called outside the worker's thread. */
void rpc_chunk_release(struct rpc_chunk_pool *pool, struct rpc_chunk *chunk);
static inline void rpc_chunk_hold(struct rpc_chunk *chunk)
{
    atomic_fetch_add_explicit(&chunk->refs, 1, memory_order_relaxed);
}
static inline int rpc_chunk_is_shared(struct rpc_chunk *chunk)
{
    return atomic_load_explicit(&chunk->refs, memory_order_acquire) > 1;
}
void rpc_chunk_pool_clear(struct rpc_chunk_pool *pool);

#endif
