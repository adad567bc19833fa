/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A Tars server: adapters from the start-up file, servants that generated code connects to tables
 * of handlers, and everything a servant can know about a call.
 *
 * Handlers run on worker threads, one event loop each; a connection stays with its worker. A
 * handler must not block: one that has to wait takes a handle with tars_call_later (generated:
 * `…_later`) and answers from any thread when it can.
 */
#ifndef TARS_SERVER_H
#define TARS_SERVER_H

#include <tars/conf.h>
#include <tars/interface.h>
#include <tars/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct event_base;
struct tars_client;
struct tars_server;

/* ---- return codes of the protocol (iRet) ----------------------------------------------------- */

enum tars_ret {
    TARS_RET_OK = 0,
    TARS_RET_DECODE = -1,
    TARS_RET_ENCODE = -2,
    TARS_RET_NO_FUNCTION = -3,
    TARS_RET_NO_SERVANT = -4,
    TARS_RET_QUEUE_TIMEOUT = -6,
    TARS_RET_TIMEOUT = -7,
    TARS_RET_CONNECT = -8,
    TARS_RET_OVERLOAD = -9,
    TARS_RET_NO_ENDPOINT = -10,
    TARS_RET_INVALID_SET = -11,
    TARS_RET_CLIENT_DECODE = -12,
    TARS_RET_SEND = -13,
    TARS_RET_UNKNOWN = -99
};

/* ---- life of a server ------------------------------------------------------------------------ */

/*
 * Reads `--config=FILE` (and `--version`, `--help`). Never NULL: a bad argument or file is kept
 * and reported by tars_server_run, so that a main() needs no error handling of its own.
 */
struct tars_server *tars_server_new(int argc, char **argv);
/* The same from a configuration, which is copied. */
struct tars_server *tars_server_new_conf(const struct tars_conf *conf);

/*
 * Opens the adapters, serves until SIGTERM or SIGINT (or AdminObj's shutdown), drains, releases
 * the server. Returns the exit status: 0 after a clean stop, 2 for bad arguments or configuration,
 * 3 when an adapter cannot be opened; the reason stands on stderr.
 */
int tars_server_run(struct tars_server *server);

/* For programs with a loop of their own and for tests: start serving on background threads, … */
bool tars_server_start(struct tars_server *server, struct tars_error *error) TARS_MUSTCHECK;
/* … stop accepting, wait for running calls at most `drain_ms`, close (idempotent; not from a
 * handler or hook, which use tars_server_shutdown), … */
void tars_server_stop(struct tars_server *server, int drain_ms);
/* … and release (stops first). */
void tars_server_free(struct tars_server *server);
/* Makes tars_server_run return; from any thread or signal handler. */
void tars_server_shutdown(struct tars_server *server);

/* The start-up configuration; "App" and "Server"; the loop of the thread in tars_server_run. */
const struct tars_conf *tars_server_conf(const struct tars_server *server);
const char *tars_server_app(const struct tars_server *server);
const char *tars_server_name(const struct tars_server *server);
struct event_base *tars_server_base(struct tars_server *server);
/* The client for calls to others, made from the same configuration; owned by the server. */
struct tars_client *tars_server_client(struct tars_server *server);
/* The port an adapter listens on (of use when its endpoint said 0); 0 for an unknown servant. */
uint16_t tars_server_port(const struct tars_server *server, const char *servant);

/* Called on the main thread: once all adapters listen; when the stop begins, before draining. */
void tars_server_on_start(struct tars_server *server, void (*hook)(void *self), void *self);
void tars_server_on_stop(struct tars_server *server, void (*hook)(void *self), void *self);

/*
 * An administrator's command ("tarsc call AdminObj notify"): `run` gets what follows the name and
 * appends the answer's text. Runs on the main thread.
 */
void tars_server_command(struct tars_server *server, const char *name,
                         void (*run)(void *self, struct tars_str argument,
                                     struct tars_writer *answer),
                         void *self);

/* Connects a servant ("ShapesObj" or "App.Server.ShapesObj") to its handlers; generated `…_serve`
 * calls it. The servant needs an adapter in the configuration. Before start. */
void tars_server_serve(struct tars_server *server, const char *servant,
                       const struct tars_interface *interface, const void *handlers, void *self);

/*
 * The way around decoding, for answers that lie ready: `fast` sees every version 1 call of the
 * servant first with its body undecoded. It either answers (tars_call_reply_body,
 * tars_call_fail) or takes the call for later (tars_call_later) and returns true, or returns false
 * and the call goes its usual way. May stand beside or instead of tars_server_serve; `self` is
 * what tars_call_self gives when it stands alone.
 */
void tars_server_serve_raw(struct tars_server *server, const char *servant,
                           bool (*fast)(struct tars_call *call, void *self), void *self);

/* Counters and gauges for /metrics: `each` is called with a name such as
 * "tars_calls_total", labels such as "adapter=\"…\"" and the value. */
void tars_server_metrics(struct tars_server *server,
                         void (*each)(void *user, const char *name, const char *labels,
                                      double value),
                         void *user);

/* ---- what a handler knows about its call ------------------------------------------------------
 */

void *tars_call_self(const struct tars_call *call);
/* Memory that lives as long as the call; NULL over the call's limit. */
void *tars_call_alloc(struct tars_call *call, size_t size) TARS_MUSTCHECK;
struct tars_arena *tars_call_arena(struct tars_call *call);
/* The peer's address without port; the caller's node: context "node_name", else the address. */
struct tars_str tars_call_peer(const struct tars_call *call);
uint16_t tars_call_peer_port(const struct tars_call *call);
struct tars_str tars_call_node_name(const struct tars_call *call);
/* Values from the request's context and status maps; empty when missing. */
struct tars_str tars_call_context(const struct tars_call *call, const char *key);
struct tars_str tars_call_status(const struct tars_call *call, const char *key);
/* Milliseconds until the caller gives up; INT32_MAX when it did not say. */
int32_t tars_call_deadline_ms(const struct tars_call *call);
struct tars_str tars_call_servant(const struct tars_call *call);
struct tars_str tars_call_function(const struct tars_call *call);
struct tars_str tars_call_body(const struct tars_call *call);
int tars_call_version(const struct tars_call *call);
int32_t tars_call_message_type(const struct tars_call *call);
int32_t tars_call_request_id(const struct tars_call *call);
bool tars_call_one_way(const struct tars_call *call);
struct tars_server *tars_call_server(const struct tars_call *call);
/* Index of the worker the call runs on, 0..tars_server_workers-1: for per-worker state. */
unsigned tars_call_worker(const struct tars_call *call);
unsigned tars_server_workers(const struct tars_server *server);

/* ---- answering ------------------------------------------------------------------------------- */

/* Puts a key into the answer's context or status map (copied). */
void tars_reply_context(struct tars_call *call, const char *key, struct tars_str value);
void tars_reply_status(struct tars_call *call, const char *key, struct tars_str value);
/* In a handler: the call fails with this code (not 0, not below -99) instead of answering its
 * return value. */
void tars_call_fail(struct tars_call *call, int32_t code, const char *format, ...)
    TARS_PRINTF(3, 4);
/* In a raw servant: answers with this version 1 body (copied). */
void tars_call_reply_body(struct tars_call *call, struct tars_str body);

/*
 * A call that is answered later. Taken in the handler (generated `…_later`), ended exactly once,
 * from any thread, by generated `…_reply`, tars_reply_body or tars_reply_error; the end releases
 * it (a second answer is a fault, which is logged and ignored while the call is still known). When
 * the caller's time is up first (or, where it named none, the adapter's queuetimeout), the
 * caller gets the timeout code and a later answer is discarded. What the call's arena holds stays
 * until the end, also when the server is gone before.
 */
struct tars_later;
struct tars_later *tars_call_later(struct tars_call *call);
struct tars_call *tars_later_call(struct tars_later *later);
/* True when nobody waits for the answer any more (timeout, connection gone). */
bool tars_later_expired(const struct tars_later *later);
void tars_reply(struct tars_later *later, const struct tars_function *function, const void *args);
void tars_reply_body(struct tars_later *later, struct tars_str body);
void tars_reply_error(struct tars_later *later, int32_t code, const char *format, ...)
    TARS_PRINTF(3, 4);

/* ---- pushes ---------------------------------------------------------------------------------- */

/* A connection kept beyond a call, to push to a client that asked for it. Any thread. */
struct tars_connection;
struct tars_connection *tars_call_connection(struct tars_call *call);
bool tars_connection_alive(const struct tars_connection *connection);
/* Sends `body` as a push named `function`; false when the connection is gone or its output full. */
bool tars_connection_push(struct tars_connection *connection, const char *function,
                          struct tars_str body);
void tars_connection_release(struct tars_connection *connection);

#ifdef __cplusplus
}
#endif
#endif
