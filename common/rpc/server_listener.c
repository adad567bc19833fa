/* SPDX-License-Identifier: BSD-3-Clause */
/* What comes in on a listener's socket: connections or datagrams. */
#include <errno.h>
#include <event2/event.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "rpc/server_call.h"
#include "rpc/server_connection.h"

enum {
    ACCEPTS = 64,   /* at one event, so that connections which stand get their turn */
    DATAGRAMS = 64, /* likewise */
    DATAGRAM_MAX = 65536,
    PAUSE_MS = 100 /* when file descriptors or memory have run out */
};

/* ---- connections -------------------------------------------------------------------------------
 */

/* Why a connection is not taken; SERVER_COUNTERS when it is. */
static enum server_counter refusal(struct server_listener *l, const union server_address *peer)
{
    char text[SERVER_ADDRESS_TEXT];
    size_t len = server_address_print(peer, text);
    struct tars_server *server = l->worker->server;
    if (len && !rpc_acl_allows(&l->adapter->acl, tars_str_n(text, len)))
        return SERVER_COUNT_REFUSED_ADDRESS;
    if (atomic_load(&l->adapter->connections) >= l->adapter->max_connections ||
        atomic_load(&server->connections) >= server->options.connection_limit)
        return SERVER_COUNT_REFUSED_FULL;
    return SERVER_COUNTERS;
}

static void on_pause_over(struct loop_timer *timer)
{
    struct server_listener *l = loop_container(timer, struct server_listener, pause);
    event_add(&l->event, NULL);
}

/* False when there is nothing more to accept now. */
static bool accept_one(struct server_listener *l)
{
    union server_address peer = {.any = {.sa_family = AF_UNSPEC}};
    socklen_t len = sizeof peer;
    int fd = accept4(l->fd, &peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
        return true;
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
        log_warn("server", "%s: accepting a connection: %s; trying again in %d ms",
                 l->adapter->name, strerror(errno), PAUSE_MS);
        event_del(&l->event);
        loop_timer_set(l->worker->loop, &l->pause, PAUSE_MS, on_pause_over);
    }
    if (fd < 0)
        return false;
    enum server_counter why = refusal(l, &peer);
    if (why == SERVER_COUNTERS) {
        server_connection_open(l, fd, &peer);
    } else {
        server_count(server_worker_counters(l->worker, l->adapter), why, 1);
        close(fd);
    }
    return true;
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    for (int i = 0; i < ACCEPTS && accept_one(arg); i++)
        ;
}

/* ---- datagrams ---------------------------------------------------------------------------------
 */

static bool receive_one(struct server_listener *l)
{
    struct server_worker *w = l->worker;
    struct server_counters *counters = server_worker_counters(w, l->adapter);
    union server_address peer;
    socklen_t len = sizeof peer;
    struct server_chunk *chunk = server_chunk_take(&w->chunks, DATAGRAM_MAX);
    ssize_t n = recvfrom(l->fd, chunk->bytes, DATAGRAM_MAX, 0, &peer.any, &len);
    server_count(counters, SERVER_COUNT_READS, 1);
    if (n >= 0) {
        char text[SERVER_ADDRESS_TEXT];
        size_t text_len = server_address_print(&peer, text);
        server_count(counters, SERVER_COUNT_BYTES_IN, (uint64_t)n);
        if (rpc_acl_allows(&l->adapter->acl, tars_str_n(text, text_len)))
            server_call_serve_datagram(l, chunk, tars_str_n(chunk->bytes, (size_t)n), &peer);
        else
            server_count(counters, SERVER_COUNT_REFUSED_ADDRESS, 1);
    }
    server_chunk_release(&w->chunks, chunk);
    return n >= 0;
}

static void on_datagram(evutil_socket_t fd, short what, void *arg)
{
    struct server_listener *l = arg;
    (void)fd;
    (void)what;
    l->worker->now_ms = clock_ms();
    for (int i = 0; i < DATAGRAMS && receive_one(l); i++)
        ;
}

/* ---- life --------------------------------------------------------------------------------------
 */

void server_listener_open(struct server_listener *l)
{
    bool datagrams = l->adapter->endpoint.transport == TARS_UDP;
    event_assign(&l->event, loop_base(l->worker->loop), l->fd, EV_READ | EV_PERSIST,
                 datagrams ? on_datagram : on_connection, l);
    event_add(&l->event, NULL);
}

/* Who was let in by the system is served. */
static void take_last(struct server_listener *l)
{
    if (l->adapter->endpoint.transport == TARS_UDP)
        on_datagram(l->fd, 0, l);
    else
        while (accept_one(l))
            ;
}

void server_listener_drain(struct server_listener *l)
{
    if (l->fd < 0 || !event_initialized(&l->event))
        return;
    take_last(l);
    loop_timer_clear(l->worker->loop, &l->pause);
    event_del(&l->event);
    if (l->adapter->endpoint.transport != TARS_UDP)
        server_listener_close(l);
}

void server_listener_close(struct server_listener *l)
{
    if (l->fd < 0)
        return;
    loop_timer_clear(l->worker->loop, &l->pause);
    if (event_initialized(&l->event))
        event_del(&l->event);
    if (server_socket_is_local(&l->adapter->endpoint))
        unlink(l->adapter->endpoint.host);
    close(l->fd);
    l->fd = -1;
}
