/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/server_worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/xmalloc.h"
#include "rpc/server_call.h"
#include "rpc/server_connection.h"

enum { HALF_REQUEST_MS = 500 }; /* how long a stop waits for the rest of a request */

size_t server_worker_memory(const struct server_worker *w)
{
    return w->chunks.bytes + w->output_bytes;
}

size_t server_worker_memory_limit(const struct server_worker *w)
{
    return (size_t)w->server->options.memory_limit / w->server->worker_count;
}

struct server_worker *server_worker_new(struct tars_server *server, unsigned index)
{
    char name[16];
    struct server_worker *w = xcalloc(1, sizeof *w);
    snprintf(name, sizeof name, "worker-%u", index);
    w->server = server;
    w->index = index;
    w->loop = loop_new(name);
    w->mailbox = server_mailbox_new(w, w->loop);
    w->counters = xcalloc(server->adapter_count, sizeof *w->counters);
    w->listeners = xcalloc(server->adapter_count, sizeof *w->listeners);
    for (size_t i = 0; i < server->adapter_count; i++)
        w->listeners[i] = (struct server_listener){
            .worker = w, .adapter = server->adapters[i], .fd = -1};
    atomic_store(&w->beat_ms, clock_ms());
    return w;
}

void server_worker_free(struct server_worker *w)
{
    if (!w)
        return;
    server_worker_stop(w);
    server_mailbox_close(w->mailbox);
    loop_free(w->loop);
    server_mailbox_release(w->mailbox);
    server_calls_clear(w);
    server_chunk_release(&w->chunks, w->chunk);
    server_chunk_pool_clear(&w->chunks);
    tars_writer_free(&w->out);
    tars_writer_free(&w->body);
    free(w->listeners);
    free(w->counters);
    free(w);
}

void server_worker_give_socket(struct server_worker *w, const struct server_adapter *adapter,
                               int fd)
{
    w->listeners[adapter->index].fd = fd;
}

bool server_worker_start(struct server_worker *w, struct tars_error *error)
{
    for (size_t i = 0; i < w->server->adapter_count; i++)
        if (w->listeners[i].fd >= 0)
            server_listener_open(&w->listeners[i]);
    server_janitor_start(w);
    w->is_running = loop_start(w->loop, error);
    return w->is_running;
}

/* ---- stopping ----------------------------------------------------------------------------------
 */

static void close_listeners(struct server_worker *w)
{
    for (size_t i = 0; i < w->server->adapter_count; i++)
        server_listener_close(&w->listeners[i]);
}

static void drain(void *arg)
{
    struct server_worker *w = arg;
    for (size_t i = 0; i < w->server->adapter_count; i++)
        server_listener_drain(&w->listeners[i]);
    w->draining = true;
    for (struct tars_connection *c = w->connections; c; c = c->next)
        server_connection_look(c);
}

void server_worker_drain(struct server_worker *w)
{
    loop_call_wait(w->loop, drain, w);
}

struct quiet {
    struct server_worker *worker;
    bool is;
};

static void look_whether_quiet(void *arg)
{
    struct quiet *quiet = arg;
    int64_t now = clock_ms();
    quiet->is = true;
    for (struct tars_connection *c = quiet->worker->connections, *next; c; c = next) {
        next = c->next;
        if (c->in && !c->parked && now - c->active_ms > HALF_REQUEST_MS)
            server_connection_close(c);
        else if (!c->lingering)
            quiet->is = false;
    }
    for (struct tars_call *call = quiet->worker->parked; call; call = call->next)
        if (!atomic_load(&call->later.expired))
            quiet->is = false;
}

bool server_worker_is_quiet(struct server_worker *w)
{
    struct quiet quiet = {.worker = w};
    loop_call_wait(w->loop, look_whether_quiet, &quiet);
    return quiet.is;
}

static void expire_calls(void *arg)
{
    server_calls_expire(arg, "the server stops");
}

void server_worker_expire(struct server_worker *w)
{
    loop_call_wait(w->loop, expire_calls, w);
}

static void count_connections(void *arg)
{
    struct quiet *quiet = arg;
    quiet->is = quiet->worker->connection_count == 0;
}

bool server_worker_is_empty(struct server_worker *w)
{
    struct quiet quiet = {.worker = w};
    loop_call_wait(w->loop, count_connections, &quiet);
    return quiet.is;
}

/* The parked calls that are left belong to their handlers now: their answers will be dropped. */
static void close_all(void *arg)
{
    struct server_worker *w = arg;
    close_listeners(w);
    server_calls_expire(w, "the server stops");
    while (w->connections)
        server_connection_close(w->connections);
    for (struct tars_call *call = w->parked; call; call = call->next)
        loop_timer_clear(w->loop, &call->later.deadline);
}

void server_worker_stop(struct server_worker *w)
{
    loop_call_wait(w->loop, close_all, w);
    if (w->is_running) {
        loop_stop(w->loop);
        loop_join(w->loop);
    }
    w->is_running = false;
}
