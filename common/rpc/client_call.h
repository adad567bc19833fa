/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One call under way in a client. Made and encoded on the caller's thread, then handed to the
 * client's loop, which owns it until it ends. It ends exactly once: with an answer, with a failure,
 * or, one-way, when it has been handed to the socket.
 */
#ifndef RPC_CLIENT_CALL_H
#define RPC_CLIENT_CALL_H

#include <sys/queue.h>

#include <tars/client.h>

#include "loop/loop.h"
#include "rpc/packet.h"

struct rpc_call;
struct rpc_trace;
struct rpc_connection;
struct rpc_node;

enum rpc_call_place {
    RPC_CALL_NOWHERE = 0,
    RPC_CALL_WAITING, /* in its proxy, for endpoints */
    RPC_CALL_QUEUED,  /* in a connection, not encoded yet */
    RPC_CALL_SENT     /* in a connection, under its id */
};

/* What the proxy does with a call that leaves a connection. Both take the call over. */
struct rpc_call_events {
    /* `response` is NULL for a failure (code != 0, reason) and for a one-way call (code 0). */
    void (*ended)(struct rpc_call *call, int32_t code, const char *reason,
                  const struct rpc_response *response);
    /* The connection ended before any byte of the call was sent: it may go elsewhere. */
    void (*unsent)(struct rpc_call *call, int32_t code, const char *reason);
};

struct rpc_call {
    struct loop_job job;     /* from the caller's thread to the loop */
    struct loop_timer timer; /* its timeout */
    TAILQ_ENTRY(rpc_call) link;
    enum rpc_call_place place;

    const struct rpc_call_events *events;
    struct tars_proxy *proxy;
    struct rpc_node *node;             /* that it was last given to */
    struct rpc_connection *connection; /* QUEUED or SENT: where */
    unsigned attempts;

    int16_t version;
    bool one_way;
    bool as_asynchronous; /* counts against the client's limit of such calls */
    int32_t message_type;
    int32_t timeout_ms;
    enum tars_routing routing;
    uint32_t hash;
    struct tars_str function; /* lies behind the struct */
    struct tars_writer tail;  /* the request behind its id */
    struct rpc_trace *trace;  /* that it belongs to; NULL: none */
    int64_t started_us;

    int32_t id;        /* SENT */
    uint64_t frame_at; /* SENT: where its frame begins and ends in the connection's output */
    uint64_t frame_end;

    int32_t early_code; /* failed before it was posted, with this reason */
    char *early_reason;

    /* Gives the result to whoever called; returns the code it gave. */
    int32_t (*finish)(struct rpc_call *call, struct tars_result *result,
                      const struct rpc_response *response);
    /* The last thing that happens to it: frees it, or leaves that to the thread that waits. */
    void (*release)(struct rpc_call *call);
};

TAILQ_HEAD(rpc_call_list, rpc_call);

/* Appends the call's frame, with the id it has. */
void rpc_call_write(const struct rpc_call *call, struct tars_writer *w);

void rpc_call_free(struct rpc_call *call);

#endif
