/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A proxy from inside: the calls to one object, from the moment they reach the client's loop until
 * they end. Everything but the settings, `spec` and the copy of the endpoints belongs to the
 * loop's thread.
 */
#ifndef RPC_PROXY_H
#define RPC_PROXY_H

#include <pthread.h>
#include <stdatomic.h>

#include "rpc/balance.h"
#include "rpc/client.h"
#include "rpc/client_node.h"
#include "rpc/discovery.h"

struct tars_proxy {
    struct tars_client *client;
    struct loop_job start_job;

    /* Settled when it is made. */
    char *text;                /* as it was asked for */
    char *object;              /* "App.Server.Obj", without hash and endpoints */
    bool direct;               /* its endpoints are in the text */
    bool framework;            /* tars.…, but not the node */
    struct tars_error invalid; /* code != 0: every call fails with this text */
    struct rpc_discovery *discovery;

    /* Settings, any thread. */
    _Atomic int32_t timeout_ms; /* 0: the client's */
    _Atomic bool one_way;
    _Atomic int version;
    _Atomic int routing; /* enum tars_routing */
    _Atomic uint32_t hash;

    struct rpc_call_list waiting; /* for a first list of endpoints */
    char *set;                    /* to ask for; NULL: the client's */
    struct rpc_node **nodes;      /* in the order of the list */
    size_t count;
    struct rpc_balance *balance; /* NULL until there is a list */
    struct rpc_node_setup setup;
    char tls_error[320];
    bool stopped;
    bool no_ping; /* the server does not know tars_ping */

    void (*on_push)(void *user, struct tars_str function, struct tars_str body);
    void *push_user;

    pthread_mutex_t lock; /* of what follows: a copy for other threads */
    struct tars_endpoint *endpoints;
    size_t endpoint_count;
};

/* Any thread. Its work on the loop begins with rpc_proxy_start, posted by the caller. */
struct tars_proxy *rpc_proxy_new(struct tars_client *client, const char *text);
/* After rpc_proxy_stop. */
void rpc_proxy_free(struct tars_proxy *proxy);

void rpc_proxy_start(struct loop_job *job);
/* Ends every call; those that come later end at once. */
void rpc_proxy_stop(struct tars_proxy *proxy);

/* Another set (taken over; NULL: the client's) is another list: what was known goes, calls wait for
 * the new one. */
void rpc_proxy_use_set(struct tars_proxy *proxy, char *set);

/* Asks the registry at once, which may be another one now. */
void rpc_proxy_ask_anew(struct tars_proxy *proxy);

/* Calls that wait for endpoints end as soon as the registry, asked once more, does not tell them.
 */
void rpc_proxy_hurry(struct tars_proxy *proxy);

/* A call has reached the loop. */
void rpc_proxy_take(struct rpc_call *call);
/* Pings connections that were not used for `idle_ms`. */
void rpc_proxy_keep_alive(struct tars_proxy *proxy, int32_t idle_ms);

#endif
