/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the RPC layer tells the layer above it, which turns it into reports: finished calls, the
 * life of a server, admin commands. common/report defines the one table `rpc_hooks`; server and
 * client call it and know nothing else of reporting.
 */
#ifndef RPC_HOOKS_H
#define RPC_HOOKS_H

#include <tars/client.h>
#include <tars/server.h>

struct loop;

/* A call that a client finished. Slices are valid during the hook. */
struct rpc_client_call {
    struct tars_str object; /* "App.Server.Obj" */
    struct tars_str function;
    struct tars_str set;                  /* the callee's "name.area.group", or empty */
    const struct tars_endpoint *endpoint; /* that was called; NULL when none was found */
    int32_t ret;                          /* 0, or the code that the caller gets */
    int32_t elapsed_ms;
    bool one_way;
};

/* One end of a traced call: before it is sent, and when it has ended. Valid during the hook. */
struct rpc_traced_call {
    const char *key; /* "trace|span|parent" */
    struct tars_str object, name;
    const struct tars_function *function; /* NULL: without an interface, then `args` is, too */
    const void *args;                     /* its answer's values when it ended well */
    size_t body_bytes;                    /* of the parameters, encoded */
    bool ended;
    int32_t ret;
};

/* A call that a server answered or dropped. `call` and the slices are valid during the hook. */
struct rpc_server_call {
    const struct tars_call *call;
    const struct tars_function *function; /* NULL when none was found or a raw servant answered */
    const char *adapter;
    struct tars_str answer; /* its body in the request's version; empty when there is none */
    int32_t ret;
    int32_t wait_ms;   /* between arrival and the handler */
    int32_t handle_ms; /* in the handler, until the answer */
};

/* What an adapter does now. */
struct rpc_adapter_state {
    const char *name; /* "Demo.ShapeServer.ShapesObjAdapter", "AdminAdapter" */
    const char *servant;
    size_t connections;
    size_t max_connections;
    size_t queued;   /* calls that wait for their handler or their answer */
    int64_t beat_ms; /* clock_ms() when the slowest of its workers last turned its loop */
};

struct rpc_hooks {
    /*
     * A client made from a configuration; what is returned comes back in the others, NULL when
     * nothing is to be reported (then they are not called). client_call runs on the client's loop
     * thread. tars_client_free calls client_closing first, while the loop runs and calls can be
     * made: what is left is sent then; and client_free last, when no callback comes any more.
     */
    void *(*client_new)(struct tars_client *client, const struct tars_conf *conf);
    void (*client_call)(void *report, const struct rpc_client_call *call);
    void (*client_closing)(void *report);
    void (*client_free)(void *report);

    /* At the end of tars_server_new, when configuration, app and name are known. Never NULL. */
    void *(*server_new)(struct tars_server *server);
    /* Before adapters open: the node learns that the server is being started. Main thread. */
    void (*server_starting)(void *report);
    /* After the hooks of tars_server_on_start. Main thread. */
    void (*server_ready)(void *report);
    /* The start failed with this reason. Waits a moment so that the reports leave. */
    void (*server_failed)(void *report, const char *reason);
    /* When the stop begins, before the hooks of tars_server_on_stop. */
    void (*server_stopping)(void *report);
    /* After draining, while the client still runs: sends what is left, waits `flush_ms` at most. */
    void (*server_stopped)(void *report, int flush_ms);
    /* Last, after the client was freed: nothing is reported any more. */
    void (*server_free)(void *report);
    /* Each call that ended, AdminObj's left out; on the worker of the call. Must not block. */
    void (*server_call)(void *report, const struct rpc_server_call *call);
    /* The key by which a call that is being handled is dyed; empty: it is not. Any thread. */
    struct tars_str (*dyeing_key)(void *report, const struct tars_call *call);
    /* A traced call of the server's own client. Any thread; must not block. */
    void (*client_trace)(void *report, const struct rpc_traced_call *call);
    /* Each text that AdminObj's notify got, before it is run. */
    void (*server_command)(void *report, struct tars_str command);
    /* Part of tars_server_metrics. */
    void (*server_metrics)(void *report,
                           void (*each)(void *user, const char *name, const char *labels,
                                        double value),
                           void *user);
};

extern const struct rpc_hooks rpc_hooks;

/* ---- what reports ask of the RPC layer ---------------------------------------------------------
 */

/* What server_new and client_new returned; NULL for a client that reports nothing. */
void *rpc_server_report(const struct tars_server *server);
void *rpc_client_report(const struct tars_client *client);
/*
 * The loop that the client's callbacks come from. The callback of a one-way call comes when its
 * bytes were handed to the system, or with the error, so that a flush knows when it is done.
 */
struct loop *rpc_client_loop(const struct tars_client *client);
/* The program ends: calls that wait for endpoints, and later ones, end as soon as the registry,
 * asked once more, does not tell them within 200 ms. On the loop. */
void rpc_client_hurry(struct tars_client *client);
/* The i-th adapter, AdminAdapter included; false behind the last. Any thread, after start. */
bool rpc_server_adapter(const struct tars_server *server, size_t i,
                        struct rpc_adapter_state *state);
/* Answers and pushes of other threads that workers have not taken yet. Any thread, after start. */
size_t rpc_server_answers_waiting(const struct tars_server *server);
/* The file that the server's configuration was read from; NULL: none. */
const char *rpc_server_config_file(const struct tars_server *server);
/* The text that the proxy was got by. */
const char *rpc_proxy_reference(const struct tars_proxy *proxy);
/* Another registry; every object's endpoints are asked for anew. Not on the client's loop. */
void rpc_client_use_locator(struct tars_client *client, const char *locator);
/* Asynchronous calls that have not ended. Any thread. */
size_t rpc_client_under_way(const struct tars_client *client);

#endif
