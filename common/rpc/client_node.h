/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One endpoint of a proxy: its breaker, its connections, when it may be connected to again. Lives
 * on the loop's thread. When the registry no longer lists it, it finishes its calls and frees
 * itself.
 */
#ifndef RPC_CLIENT_NODE_H
#define RPC_CLIENT_NODE_H

#include "rpc/breaker.h"
#include "rpc/client_conf.h"
#include "rpc/client_connection.h"

/* What the nodes of a proxy share; outlives them. */
struct rpc_node_setup {
    LIST_HEAD(rpc_node_list, rpc_node) all; /* retired ones included */
    struct rpc_connection_setup connection;
    const struct rpc_client_conf *conf;
    const char *object; /* for log lines */
    void (*pushed)(void *user, const struct rpc_response *push);
    void *user;
};

struct rpc_node *rpc_node_new(struct rpc_node_setup *setup, const struct tars_endpoint *endpoint);
/* No call will come any more: lets the running ones finish and frees it. */
void rpc_node_retire(struct rpc_node *node);
/* Ends its calls now and frees it. */
void rpc_node_free(struct rpc_node *node, const char *reason);

const struct tars_endpoint *rpc_node_endpoint(const struct rpc_node *node);
/* Weight and the like change without the node becoming another. */
void rpc_node_update(struct rpc_node *node, const struct tars_endpoint *endpoint);

/* May be chosen: not put aside, and connected or allowed to connect now. */
bool rpc_node_usable(const struct rpc_node *node, int64_t now_ms);
/* May be chosen when none of its sisters is usable: it need only be connectable. */
bool rpc_node_reachable(const struct rpc_node *node, int64_t now_ms);
/* "put aside: cannot connect: Connection refused", for people; "" when all is well. */
void rpc_node_explain(const struct rpc_node *node, char *text, size_t size);

/* Gives it a call. False when its connection has too many waiting already. */
bool rpc_node_send(struct rpc_node *node, struct rpc_call *call, int64_t now_ms) TARS_MUSTCHECK;
/* A call that was given to it ended with this code; `reason` may be NULL for success. */
void rpc_node_ended(struct rpc_node *node, const struct rpc_call *call, int32_t code,
                    const char *reason, int64_t now_ms);

/* True when it is connected and nothing moved for that long. */
bool rpc_node_idle(const struct rpc_node *node, int64_t now_us, int64_t idle_us);

#endif
