/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The calls of one connection that have been sent, by request id. Ids go from 1 upwards and never
 * are 0, which belongs to pushes. The table is an array in which a call stands at its id modulo the
 * size: look-up is one load. An id whose place is taken is skipped, so that one slow call does not
 * make the table grow; at half full it grows four times. Loop thread.
 */
#ifndef RPC_CLIENT_FLIGHT_H
#define RPC_CLIENT_FLIGHT_H

#include "rpc/client_call.h"

struct rpc_flight {
    struct rpc_call_list sent;    /* that wait for an answer, in the order of sending */
    struct rpc_call_list leaving; /* one-way: until the socket has all of their bytes */
    size_t count;                 /* of both */
    struct rpc_call **places;
    uint32_t size; /* a power of two, or 0 */
    int32_t last_id;
};

void rpc_flight_init(struct rpc_flight *f);
/* When it is empty. */
void rpc_flight_clear(struct rpc_flight *f);

/* Gives the call its id and keeps it. */
void rpc_flight_add(struct rpc_flight *f, struct rpc_call *call);
void rpc_flight_remove(struct rpc_flight *f, struct rpc_call *call);
/* The call that waits for this answer, or NULL. */
struct rpc_call *rpc_flight_find(const struct rpc_flight *f, int32_t id);

#endif
