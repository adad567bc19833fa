/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calling Tars servants: a client finds endpoints through the registry (or has them given), keeps
 * connections, spreads calls and puts failing endpoints aside. Generated stubs call through here.
 *
 * A client may be used from any thread. Blocking calls must not be made on the client's own loop
 * thread (in its callbacks): they fail at once instead of waiting for ever.
 */
#ifndef TARS_CLIENT_H
#define TARS_CLIENT_H

#include <tars/conf.h>
#include <tars/endpoint.h>
#include <tars/interface.h>
#include <tars/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct event_base;
struct tars_client;
struct tars_proxy;

/* How a call ended. */
struct tars_result {
    int32_t error; /* 0, or the protocol's code (negative: enum tars_ret; others: the servant's) */
    int64_t ret;   /* the function's return value, where it is an integer, bool or enum */
    char message[256]; /* for people: what was called, where, what went wrong; "" without error */
    /* Answer's context and status; in the arena of the call, or valid during the callback. */
    const struct tars_str_map *context;
    const struct tars_str_map *status;
};

/* How an endpoint is chosen: in turn (by weight where all have one), or by hash. */
enum tars_routing { TARS_ROUTE_TURN = 0, TARS_ROUTE_HASH, TARS_ROUTE_CONSISTENT_HASH };

/*
 * Zero-initialised options mean: as the proxy says.
 *
 * A call that a handler makes on the worker's thread, while it runs, is made on behalf of the call
 * it handles: it carries on that call's dyeing key, its trace with a span of its own (both ends are
 * logged), and its cookies, which are the status entries whose keys do not begin with "STATUS_".
 * Elsewhere (in a callback, on another thread) `parent` says on whose behalf: a call that has not
 * ended, such as tars_later_call(later). Calls to the framework's own objects, "tars.…", belong to
 * no call unless `parent` says so. What `status` says comes first. Keys over 1 KiB and
 * cookies over 64 KiB are not carried on.
 */
struct tars_call_options {
    const struct tars_call *parent; /* NULL: that of the running handler, if any */
    int32_t timeout_ms;
    enum tars_routing routing;
    uint32_t hash;
    bool one_way;
    int version;          /* 1, 2, 3 or 5; 0: as the proxy says */
    int32_t message_type; /* bits added to the packet */
    const struct tars_str_map *context;
    const struct tars_str_map *status;
};

/* ---- client ---------------------------------------------------------------------------------- */

/*
 * A client with a loop thread of its own. `locator` is the registry, such as
 * "tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p 17890"; NULL when every object carries its
 * endpoints. Never NULL; a bad locator makes each call that needs it fail with the reason.
 */
struct tars_client *tars_client_new(const char *locator);
/*
 * The same with everything under /tars/application: set, node name, the file under datapath that
 * lets a program start while every registry is down, and in the client domain (ms, with defaults)
 *   locator, sync-invoke-timeout 3000, async-invoke-timeout 5000, connect-timeout 1500,
 *   refresh-endpoint-interval 60000, keep-alive-interval 0 (off),
 *   asyncqueuecap 100000 (asynchronous calls under way), sendqueuelimit 100000 (calls not sent yet
 *   on one connection), connections 1 (to one endpoint), max-response-size 104857600,
 *   connect-retry-interval 100 and connect-retry-interval-max 5000 (pauses after failed connects);
 * when an endpoint is put aside (intervals in seconds): minTimeoutInvoke 1, checkTimeoutInterval 5,
 *   frequenceFailInvoke 1, minFrequenceFailTime 3, radio 0.05, tryTimeInterval 5, maxConnectExc 1;
 * in the client domain, or for one object in a sub-domain of its name: ca, cert, key, ciphers,
 *   verifyserver 1 (0: accept any certificate), accesskey, secretkey.
 */
struct tars_client *tars_client_new_conf(const struct tars_conf *conf);
/* On a loop that the program runs itself: callbacks come from there; no blocking calls on its
 * thread. */
struct tars_client *tars_client_new_on(struct event_base *base, const char *locator);
/*
 * Ends every call (TARS_RET_CONNECT, "the client is being closed"), closes, joins. Not in a
 * callback; on the program's own loop: on its thread, or while it does not run. A call that is made
 * in one of these last callbacks fails too; what its callback in turn asks for is dropped.
 */
void tars_client_free(struct tars_client *client);

struct event_base *tars_client_base(struct tars_client *client);
/* Counters and gauges for /metrics, as tars_server_metrics. */
void tars_client_metrics(struct tars_client *client,
                         void (*each)(void *user, const char *name, const char *labels,
                                      double value),
                         void *user);

/* ---- proxy ----------------------------------------------------------------------------------- */

/*
 * The proxy for "App.Server.Obj" or "App.Server.Obj@endpoints"; the same one for the same text.
 * Owned by the client. Never NULL: a bad name makes calls fail with the reason.
 */
struct tars_proxy *tars_proxy_get(struct tars_client *client, const char *object);

void tars_proxy_timeout_ms(struct tars_proxy *proxy, int32_t timeout_ms);
void tars_proxy_one_way(struct tars_proxy *proxy, bool one_way);
void tars_proxy_version(struct tars_proxy *proxy, int version);
void tars_proxy_hash(struct tars_proxy *proxy, uint32_t hash);
void tars_proxy_consistent_hash(struct tars_proxy *proxy, uint32_t hash);
/* Asks for endpoints of a set "name.area.group" instead of the client's own. */
void tars_proxy_set(struct tars_proxy *proxy, const char *set);
/* Messages that the server sends by itself; without a callback they are ignored. Loop thread. */
void tars_proxy_on_push(struct tars_proxy *proxy,
                        void (*on_push)(void *user, struct tars_str function, struct tars_str body),
                        void *user);

/* The endpoints known now: copies at most `max`, returns how many there are. */
size_t tars_proxy_endpoints(struct tars_proxy *proxy, struct tars_endpoint *active, size_t max);

/* ---- calls (generated stubs use these) ---------------------------------------------------------
 */

/*
 * An endpoint is put aside after failures that say something about it: no answer in time, a
 * connection that cannot be made or breaks, an overloaded or wrong server; a servant's own error
 * code is an answer like any other. Calls that were not sent yet move to another endpoint by
 * themselves; a call that was sent is never repeated.
 *
 * Blocks until the answer or the timeout. Answer values go to the members of `args`; what is not
 * a plain number lives in `arena` (may be NULL when the function answers only numbers).
 */
struct tars_result tars_proxy_call(struct tars_proxy *proxy, const struct tars_function *function,
                                   void *args, struct tars_arena *arena,
                                   const struct tars_call_options *options);

/*
 * Encodes `args` and returns; `callback` (cast from the generated type) is called exactly once on
 * the loop thread through `function->deliver`. NULL callback with a one-way call.
 */
void tars_proxy_call_async(struct tars_proxy *proxy, const struct tars_function *function,
                           const void *args, const struct tars_call_options *options,
                           void (*callback)(void), void *user);

/* Without an interface: the body goes and comes as it is. */
typedef void tars_raw_callback(void *user, const struct tars_result *result, struct tars_str body);
void tars_proxy_call_raw(struct tars_proxy *proxy, const char *function, struct tars_str body,
                         const struct tars_call_options *options, tars_raw_callback *callback,
                         void *user);
struct tars_result tars_proxy_call_raw_blocking(struct tars_proxy *proxy, const char *function,
                                                struct tars_str body, struct tars_arena *arena,
                                                struct tars_str *answer,
                                                const struct tars_call_options *options);
/* tars_ping */
struct tars_result tars_proxy_ping(struct tars_proxy *proxy, int32_t timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
