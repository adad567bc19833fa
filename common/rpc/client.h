/* SPDX-License-Identifier: BSD-3-Clause */
/* A client from inside: what its proxies share. */
#ifndef RPC_CLIENT_H
#define RPC_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>

#include <tars/client.h>

#include "base/map.h"
#include "loop/loop.h"
#include "rpc/client_call.h"
#include "rpc/client_conf.h"
#include "rpc/client_counters.h"
#include "rpc/endpoint_cache.h"
#include "rpc/resolver.h"

struct event;
struct tars_server;

enum rpc_client_life { RPC_CLIENT_OPEN = 0, RPC_CLIENT_CLOSING, RPC_CLIENT_CLOSED };

struct tars_client {
    struct rpc_client_conf conf;
    struct tars_conf *settings; /* for objects' own keys (TLS, access keys); loop thread */
    struct loop *loop;
    bool own_loop;
    struct rpc_client_counters counters;
    _Atomic int32_t under_way; /* asynchronous calls that have not ended */

    pthread_mutex_t lock; /* of the map: text -> proxy */
    struct map *proxies;
    struct tars_proxy *locator; /* the registry; NULL: none */

    /* Loop thread. */
    struct rpc_resolver *resolver;
    struct tars_arena *scratch;       /* one answer at a time */
    struct tars_arena *values;        /* what the answer's values need while they are delivered */
    struct rpc_endpoint_cache *cache; /* NULL: none */
    struct rpc_call_list made_here;   /* calls made on the loop's own thread, not taken yet */
    struct event *made_here_event;
    struct loop_timer keep_alive;

    _Atomic int life;                 /* enum rpc_client_life, set by the loop */
    const struct tars_server *server; /* whose client it is; NULL: nobody's */
    _Atomic(void *) report;           /* of rpc_hooks; NULL: nothing is reported */
};

/* With settings that were read before (taken over), on a loop of its own when `base` is NULL.
 * `conf` (may be NULL) is for the settings of single objects and the reports. */
struct tars_client *rpc_client_new(struct rpc_client_conf *settings, struct event_base *base,
                                   const struct tars_conf *conf);

/* /tars/application/client/<object><key>, else /tars/application/client<key>, else "". */
const char *rpc_client_object_setting(const struct tars_client *client, const char *object,
                                      const char *key);

/* All proxies there are now; the count is returned, the array is to be freed. Any thread. */
size_t rpc_client_proxies(struct tars_client *client, struct tars_proxy ***proxies);

/* For administrators: what it was set to, and what it knows of its objects. Any thread; waits for
 * the loop. See client_describe.c. */
void rpc_client_describe_settings(struct tars_client *client, struct tars_writer *text);
void rpc_client_describe_objects(struct tars_client *client, struct tars_writer *text);

/* Hands a call to the loop. Any thread. */
void rpc_client_post(struct tars_client *client, struct rpc_call *call);

#endif
