/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/client_flight.h"

#include <stdlib.h>

#include "base/xmalloc.h"

enum { FIRST_SIZE = 16, GROWTH = 4 };

void rpc_flight_init(struct rpc_flight *f)
{
    *f = (struct rpc_flight){0};
    TAILQ_INIT(&f->sent);
    TAILQ_INIT(&f->leaving);
}

void rpc_flight_clear(struct rpc_flight *f)
{
    free(f->places);
    f->places = NULL;
    f->size = 0;
}

static struct rpc_call **place(const struct rpc_flight *f, int32_t id)
{
    return &f->places[(uint32_t)id & (f->size - 1)];
}

/* Growing by a power of two keeps calls apart that were apart before. */
static void grow(struct rpc_flight *f)
{
    f->size = f->size ? f->size * GROWTH : FIRST_SIZE;
    free(f->places);
    f->places = xcalloc(f->size, sizeof(struct rpc_call *));
    for (struct rpc_call *call = TAILQ_FIRST(&f->sent); call; call = TAILQ_NEXT(call, link))
        *place(f, call->id) = call;
}

static int32_t free_id(struct rpc_flight *f)
{
    if (f->count * 2 >= f->size)
        grow(f);
    do
        f->last_id = f->last_id == INT32_MAX ? 1 : f->last_id + 1;
    while (*place(f, f->last_id));
    return f->last_id;
}

void rpc_flight_add(struct rpc_flight *f, struct rpc_call *call)
{
    call->id = free_id(f);
    call->place = RPC_CALL_SENT;
    f->count++;
    if (call->one_way) {
        TAILQ_INSERT_TAIL(&f->leaving, call, link);
        return;
    }
    TAILQ_INSERT_TAIL(&f->sent, call, link);
    *place(f, call->id) = call;
}

void rpc_flight_remove(struct rpc_flight *f, struct rpc_call *call)
{
    if (call->one_way) {
        TAILQ_REMOVE(&f->leaving, call, link);
    } else {
        TAILQ_REMOVE(&f->sent, call, link);
        *place(f, call->id) = NULL;
    }
    f->count--;
    call->place = RPC_CALL_NOWHERE;
    call->connection = NULL;
}

struct rpc_call *rpc_flight_find(const struct rpc_flight *f, int32_t id)
{
    struct rpc_call *call = f->size ? *place(f, id) : NULL;

    return call && call->id == id ? call : NULL;
}
