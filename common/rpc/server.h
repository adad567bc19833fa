/* SPDX-License-Identifier: BSD-3-Clause */
/* The server as its own parts see it; the outside is <tars/server.h>. */
#ifndef RPC_SERVER_H
#define RPC_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include <tars/server.h>

#include "base/map.h"
#include "loop/loop.h"
#include "rpc/server_adapter.h"
#include "rpc/server_options.h"

struct server_worker;

struct server_hook {
    void (*run)(void *self);
    void *self;
};

struct server_command {
    void (*run)(void *self, struct tars_str argument, struct tars_writer *answer);
    void *self;
};

enum { SERVER_HOOKS_MAX = 16 };

enum server_state {
    SERVER_NEW,
    SERVER_SERVING,
    SERVER_DRAINING,  /* running calls end */
    SERVER_LINGERING, /* the last answers are on their way */
    SERVER_STOPPED
};

struct tars_server {
    struct tars_conf *conf; /* never NULL */
    char *conf_file;        /* that it was read from; NULL: none */
    char *app, *name;
    struct tars_error problem; /* of arguments, configuration or tars_server_serve; code 0: none */
    bool only_print;           /* --version or --help: run prints `print` and returns */
    const char *print;
    struct server_options options;

    struct server_servant *servants;
    struct server_adapter **adapters;
    size_t adapter_count;

    struct server_worker **workers;
    unsigned worker_count;
    _Atomic int64_t connections; /* over all adapters */
    _Atomic(enum server_state) state;
    _Atomic bool stop_wanted;
    _Atomic int64_t drain_ms; /* how long running calls may take once a stop is wanted */
    struct loop_job stop_job;
    struct loop_timer stop_timer;
    int64_t stop_deadline_ms;
    bool gives_up; /* a second signal came */

    struct loop *main; /* hooks and commands run here */
    struct server_hook on_start[SERVER_HOOKS_MAX], on_stop[SERVER_HOOKS_MAX];
    size_t start_hooks, stop_hooks;
    struct map *commands; /* name -> struct server_command */
    int saved_stdout;     /* while an administrator has stdout switched off; else -1 */

    pthread_mutex_t client_lock;
    struct tars_client *client; /* NULL until somebody asks */
    void *report;               /* what the hook server_new returned */
};

/* Opens all adapters and starts the workers; on failure nothing is left open. */
bool server_open(struct tars_server *server, struct tars_error *error) TARS_MUSTCHECK;
/* Reads everything of the configuration that the server needs; the problem stands in
 * server->problem. */
void server_configure(struct tars_server *server);

/* The stop, on the main loop's thread: see server_stop.c. */
void server_begin_stop(struct tars_server *server);
void server_wants_stop(struct loop_job *job);

/* AdminObj: its servant, served on the local endpoint. See server_admin.c. */
void server_admin_serve(struct tars_server *server);

#endif
