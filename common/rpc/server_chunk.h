/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that received bytes lie in. Calls are decoded in place, so a call that is answered later
 * holds the chunk its strings point into, and reading goes on behind it or in another chunk.
 */
#ifndef RPC_SERVER_CHUNK_H
#define RPC_SERVER_CHUNK_H

#include <stdatomic.h>
#include <stddef.h>

enum { SERVER_CHUNK_SMALL = 4096, SERVER_CHUNK_LARGE = 64 * 1024 };

struct server_chunk {
    _Atomic unsigned refs; /* a parked call may be released by a thread that is not the worker's */
    struct server_chunk *next;
    size_t cap;
    size_t used; /* bytes at the front that somebody holds */
    char bytes[];
};

/* Chunks of the two usual sizes are kept for the next use; one worker's. */
struct server_chunk_pool {
    struct server_chunk *small, *large;
    size_t small_count, large_count;
    size_t bytes; /* in all chunks that are out, those kept for later left out */
};

/* At least `cap` bytes, one reference. */
struct server_chunk *server_chunk_take(struct server_chunk_pool *pool, size_t cap);
/* Gives one reference back; `pool` NULL when called outside the worker's thread. */
void server_chunk_release(struct server_chunk_pool *pool, struct server_chunk *chunk);
static inline void server_chunk_hold(struct server_chunk *chunk)
{
    atomic_fetch_add_explicit(&chunk->refs, 1, memory_order_relaxed);
}
static inline int server_chunk_is_shared(struct server_chunk *chunk)
{
    return atomic_load_explicit(&chunk->refs, memory_order_acquire) > 1;
}
void server_chunk_pool_clear(struct server_chunk_pool *pool);

#endif
