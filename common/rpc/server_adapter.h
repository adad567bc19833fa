/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An adapter: one endpoint, the servant behind it and the limits of both. Made from its domain of
 * the start-up file before the server starts; after that only the two gauges change.
 */
#ifndef RPC_SERVER_ADAPTER_H
#define RPC_SERVER_ADAPTER_H

#include <stdatomic.h>

#include <tars/conf.h>
#include <tars/endpoint.h>
#include <tars/interface.h>

#include "rpc/acl.h"
#include "rpc/tls.h"

struct tars_call;

/* What a servant does: generated dispatch, a raw function, or both. */
struct server_servant {
    struct server_servant *next;
    char *name; /* "App.Server.Obj" */
    const struct tars_interface *interface;
    const void *handlers;
    void *self;
    bool (*fast)(struct tars_call *call, void *self);
    void *fast_self;
};

struct server_adapter {
    size_t index; /* in the server's table and in the workers' counters */
    char *name;
    char *servant_name;
    struct server_servant *servant; /* NULL: calls get "no such servant" */
    struct tars_endpoint endpoint;
    uint16_t port; /* the one it listens on */
    bool admin;    /* the AdminObj of the local endpoint */
    int64_t max_connections;
    int64_t queue_cap;
    int64_t queue_timeout_ms;
    struct rpc_acl acl;
    char *access_key, *secret_key;
    struct rpc_tls_context *tls; /* NULL without */
    _Atomic int64_t connections;
    _Atomic int64_t parked; /* calls whose answer comes later */
};

/* The adapter in the domain `name` of /tars/application/server; NULL with key and reason. */
struct server_adapter *server_adapter_new(const struct tars_conf *conf, const char *name,
                                          struct tars_error *error) TARS_MUSTCHECK;
/* AdminObj's adapter on the endpoint of <local>. */
struct server_adapter *server_adapter_new_admin(const char *endpoint,
                                                struct tars_error *error) TARS_MUSTCHECK;
void server_adapter_free(struct server_adapter *adapter);

/* Tars protocol: a call must name the servant of its port; the admin port also takes the long
 * form "App.Server.AdminObj" that some callers use. */
bool server_adapter_serves(const struct server_adapter *adapter, struct tars_str servant);

#endif
