/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a call takes over from the call on whose behalf it is made: the dyeing key, the trace (with
 * a new span), the cookies of its status.
 */
#ifndef RPC_HANDED_ON_H
#define RPC_HANDED_ON_H

#include <tars/client.h>

struct rpc_call;
struct tars_call;

/* The trace that a call belongs to. */
struct rpc_trace {
    void *report;    /* of the server that writes the lines; NULL: nobody does */
    size_t wire_len; /* of "trace|span", which goes to the callee */
    char key[];      /* "trace|span|parent" */
};

/* How many status entries rpc_hand_on adds at most; `parent` may be NULL. */
size_t rpc_handed_on_max(const struct tars_call *parent);
/*
 * Adds to `status`, which has room for them, and to the call's message type; an entry that is there
 * already stays. Values lie in the parent's request and in call->trace. On the thread of the call's
 * maker, while the parent has not ended.
 */
void rpc_hand_on(const struct tars_call *parent, struct rpc_call *call,
                 struct tars_str_map *status);

/* The lines of a traced call: before it is sent (`ended` false), and with its outcome. `function`
 * and `args` are NULL for a call without an interface, `body_bytes` the size of the parameters. */
void rpc_trace_line(const struct rpc_call *call, const struct tars_function *function,
                    const void *args, size_t body_bytes, bool ended, int32_t ret);

#endif
