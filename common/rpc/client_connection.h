/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection of a client to one endpoint: connects (TCP, TLS, UDP, unix socket), authenticates
 * where the endpoint asks for it, sends calls in order and matches answers by request id. It never
 * reconnects: who owns it makes another. Everything here belongs to the loop's thread.
 */
#ifndef RPC_CLIENT_CONNECTION_H
#define RPC_CLIENT_CONNECTION_H

#include "rpc/auth.h"
#include "rpc/client_call.h"
#include "rpc/client_counters.h"
#include "rpc/resolver.h"
#include "rpc/tls.h"

struct rpc_connection;

/* What the connections of a proxy share; outlives them. */
struct rpc_connection_setup {
    struct loop *loop;
    struct rpc_resolver *resolver;
    struct tars_arena *scratch; /* holds one answer at a time; reset before each */
    struct rpc_client_counters *counters;
    int32_t connect_timeout_ms;  /* name look-up, TLS and authentication included */
    int32_t send_queue_limit;    /* calls not sent yet */
    size_t response_limit;       /* bytes of one answer */
    struct rpc_tls_context *tls; /* for ssl endpoints; NULL: those cannot be used, `tls_error` */
    const char *tls_error;
    struct rpc_auth_key auth; /* empty access key: endpoints with -e 1 cannot be used */
};

/* How a connection ended, for who owns it. */
enum rpc_connection_end {
    RPC_END_QUIET = 0, /* nothing was under way: an idle close, or we wanted it */
    RPC_END_CONNECT,   /* it never came to be */
    RPC_END_LOST,      /* broke with calls under way */
    RPC_END_PEER       /* the peer sent what is no answer */
};

struct rpc_connection_owner {
    void (*ready)(void *owner, struct rpc_connection *connection);
    /* It takes no calls any more and will be closed once its calls are done. */
    void (*draining)(void *owner, struct rpc_connection *connection);
    void (*pushed)(void *owner, const struct rpc_response *push);
    /* The server said that it is about to stop; `draining` follows. */
    void (*leaving)(void *owner);
    /* It is no more. Its calls end, or come back unsent, right after this; then `closed`. */
    void (*closing)(void *owner, struct rpc_connection *connection, enum rpc_connection_end end,
                    const char *reason);
    void (*closed)(void *owner);
};

/* Begins to connect. Never calls the owner before it returns. */
struct rpc_connection *rpc_connection_new(const struct rpc_connection_setup *setup,
                                          const struct tars_endpoint *endpoint,
                                          const struct rpc_connection_owner *functions,
                                          void *owner);
/* Ends it now: calls that were sent fail with `code`, the others come back unsent. Frees it. */
void rpc_connection_close(struct rpc_connection *connection, int32_t code, const char *reason);
/* Ends it when its calls are done, at once when it has none. */
void rpc_connection_drain(struct rpc_connection *connection);

/* Takes the call, which is sent together with others at the end of this turn of the loop, or when
 * the connection is ready. False when too many are waiting already. */
bool rpc_connection_send(struct rpc_connection *connection, struct rpc_call *call) TARS_MUSTCHECK;
/* Takes a call back that timed out or is given up; a late answer is ignored. */
void rpc_connection_forget(struct rpc_connection *connection, struct rpc_call *call);

bool rpc_connection_is_ready(const struct rpc_connection *connection);
size_t rpc_connection_load(const struct rpc_connection *connection);      /* calls under way */
int64_t rpc_connection_heard_us(const struct rpc_connection *connection); /* last bytes read */
int64_t rpc_connection_used_us(const struct rpc_connection *connection);  /* last call or bytes */

#endif
