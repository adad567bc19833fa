/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/server_chunk.h"

#include <stdlib.h>

#include "base/xmalloc.h"

enum { KEEP_SMALL = 256, KEEP_LARGE = 16 };

static struct server_chunk *take_kept(struct server_chunk **kept, size_t *count)
{
    struct server_chunk *chunk = *kept;
    if (chunk) {
        *kept = chunk->next;
        --*count;
    }
    return chunk;
}

struct server_chunk *server_chunk_take(struct server_chunk_pool *pool, size_t cap)
{
    struct server_chunk *chunk = NULL;
    if (cap <= SERVER_CHUNK_SMALL) {
        cap = SERVER_CHUNK_SMALL;
        chunk = take_kept(&pool->small, &pool->small_count);
    } else if (cap <= SERVER_CHUNK_LARGE) {
        cap = SERVER_CHUNK_LARGE;
        chunk = take_kept(&pool->large, &pool->large_count);
    }
    if (!chunk)
        chunk = xmalloc(sizeof *chunk + cap);
    chunk->cap = cap;
    chunk->used = 0;
    chunk->next = NULL;
    atomic_init(&chunk->refs, 1);
    pool->bytes += cap;
    return chunk;
}

static void keep(struct server_chunk **kept, size_t *count, size_t most, struct server_chunk *chunk)
{
    if (*count == most) {
        free(chunk);
        return;
    }
    chunk->next = *kept;
    *kept = chunk;
    ++*count;
}

void server_chunk_release(struct server_chunk_pool *pool, struct server_chunk *chunk)
{
    if (!chunk || atomic_fetch_sub_explicit(&chunk->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (!pool) {
        free(chunk);
        return;
    }
    pool->bytes -= chunk->cap;
    if (chunk->cap == SERVER_CHUNK_SMALL)
        keep(&pool->small, &pool->small_count, KEEP_SMALL, chunk);
    else if (chunk->cap == SERVER_CHUNK_LARGE)
        keep(&pool->large, &pool->large_count, KEEP_LARGE, chunk);
    else
        free(chunk);
}

static void free_list(struct server_chunk *chunk)
{
    while (chunk) {
        struct server_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void server_chunk_pool_clear(struct server_chunk_pool *pool)
{
    free_list(pool->small);
    free_list(pool->large);
    *pool = (struct server_chunk_pool){.bytes = pool->bytes};
}
