/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The settings of a client: defaults, and what /tars/application of a start-up file says. A value
 * that cannot be used is named in a warning and replaced by the nearest that can.
 */
#ifndef RPC_CLIENT_CONF_H
#define RPC_CLIENT_CONF_H

#include <tars/conf.h>

#include "rpc/breaker.h"

/* Times in ms. In the comments: the key under /tars/application/client and its default. */
struct rpc_client_conf {
    char *locator;    /* locator; NULL: none */
    char *node_name;  /* server<nodename>, else server<localip> */
    char *set;        /* setdivision, when enableset is y; else NULL */
    char *cache_file; /* <server<datapath>>/<App.Server>.endpoints; NULL: none */

    int32_t sync_timeout_ms;    /* sync-invoke-timeout 3000 */
    int32_t async_timeout_ms;   /* async-invoke-timeout 5000 */
    int32_t connect_timeout_ms; /* connect-timeout 1500 */
    int32_t connect_retry_ms;   /* connect-retry-interval 100: first pause after a failed connect */
    int32_t connect_retry_max_ms; /* connect-retry-interval-max 5000: where doubling it ends */
    int32_t refresh_ms;           /* refresh-endpoint-interval 60000, at least 5000 */
    int32_t refresh_failed_ms;    /* 2000: after a registry did not answer */
    int32_t refresh_failing_ms;   /* 30000: after it did so more than three times in a row */
    int32_t refresh_empty_ms;     /* 10000: after an answer without active endpoints */
    int32_t refresh_timeout_ms;   /* 5000: for one answer of the registry */
    int32_t keep_alive_ms;        /* keep-alive-interval 0 (off), else at least 5000 */
    int32_t async_queue_cap;      /* asyncqueuecap 100000: calls under way without a thread */
    int32_t send_queue_limit;     /* sendqueuelimit 100000: calls a connection has not sent yet */
    int32_t connections;          /* connections 1: to one endpoint */
    int32_t response_limit;       /* max-response-size 104857600: bytes of one answer */
    struct rpc_breaker_conf breaker; /* minTimeoutInvoke ... maxConnectExc, intervals in seconds */
};

/* `conf` may be NULL: defaults. */
void rpc_client_conf_init(struct rpc_client_conf *settings, const struct tars_conf *conf);
void rpc_client_conf_clear(struct rpc_client_conf *settings);

/* The set of a program, to be freed: <setdivision> when <enableset> is y, each looked up in the
 * client domain first; NULL: none. */
char *rpc_client_conf_set(const struct tars_conf *conf);

#endif
