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

/* Why a connection is not taken; RPC_COUNTERS when it is. */
static enum rpc_counter refusal(struct rpc_listener *l, const union rpc_address *peer)
{
    char text[RPC_ADDRESS_TEXT];
    size_t len = rpc_address_print(peer, text);
    struct tars_server *server = l->worker->server;
    if (len && !rpc_acl_allows(&l->adapter->acl, tars_str_n(text, len)))
        return RPC_COUNT_REFUSED_ADDRESS;
    if (atomic_load(&l->adapter->connections) >= l->adapter->max_connections ||
        atomic_load(&server->connections) >= server->options.connection_limit)
        return RPC_COUNT_REFUSED_FULL;
    return RPC_COUNTERS;
}

static void on_pause_over(struct loop_timer *timer)
{
    struct rpc_listener *l = loop_container(timer, struct rpc_listener, pause);
    event_add(&l->event, NULL);
}

/* False when there is nothing more to accept now. */
static bool accept_one(struct rpc_listener *l)
{
    union rpc_address peer = {.any = {.sa_family = AF_UNSPEC}};
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
    enum rpc_counter why = refusal(l, &peer);
    if (why == RPC_COUNTERS) {
        rpc_connection_open(l, fd, &peer);
    } else {
        rpc_count(rpc_worker_counters(l->worker, l->adapter), why, 1);
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

static bool receive_one(struct rpc_listener *l)
{
    struct rpc_worker *w = l->worker;
    struct rpc_counters *counters = rpc_worker_counters(w, l->adapter);
    union rpc_address peer;
    socklen_t len = sizeof peer;
    struct rpc_chunk *chunk = rpc_chunk_take(&w->chunks, DATAGRAM_MAX);
    ssize_t n = recvfrom(l->fd, chunk->bytes, DATAGRAM_MAX, 0, &peer.any, &len);
    rpc_count(counters, RPC_COUNT_READS, 1);
    if (n >= 0) {
        char text[RPC_ADDRESS_TEXT];
        size_t text_len = rpc_address_print(&peer, text);
        rpc_count(counters, RPC_COUNT_BYTES_IN, (uint64_t)n);
        if (rpc_acl_allows(&l->adapter->acl, tars_str_n(text, text_len)))
            rpc_call_serve_datagram(l, chunk, tars_str_n(chunk->bytes, (size_t)n), &peer);
        else
            rpc_count(counters, RPC_COUNT_REFUSED_ADDRESS, 1);
    }
    rpc_chunk_release(&w->chunks, chunk);
    return n >= 0;
}

static void on_datagram(evutil_socket_t fd, short what, void *arg)
{
    struct rpc_listener *l = arg;
    (void)fd;
    (void)what;
    l->worker->now_ms = clock_ms();
    for (int i = 0; i < DATAGRAMS && receive_one(l); i++)
        ;
}

/* ---- life --------------------------------------------------------------------------------------
 */

void rpc_listener_open(struct rpc_listener *l)
{
    bool datagrams = l->adapter->endpoint.transport == TARS_UDP;
    event_assign(&l->event, loop_base(l->worker->loop), l->fd, EV_READ | EV_PERSIST,
                 datagrams ? on_datagram : on_connection, l);
    event_add(&l->event, NULL);
}

/* Who was let in by the system is served. */
static void take_last(struct rpc_listener *l)
{
    if (l->adapter->endpoint.transport == TARS_UDP)
        on_datagram(l->fd, 0, l);
    else
        while (accept_one(l))
            ;
}

void rpc_listener_drain(struct rpc_listener *l)
{
    if (l->fd < 0 || !event_initialized(&l->event))
        return;
    take_last(l);
    loop_timer_clear(l->worker->loop, &l->pause);
    event_del(&l->event);
    if (l->adapter->endpoint.transport != TARS_UDP)
        rpc_listener_close(l);
}

void rpc_listener_close(struct rpc_listener *l)
{
    if (l->fd < 0)
        return;
    loop_timer_clear(l->worker->loop, &l->pause);
    if (event_initialized(&l->event))
        event_del(&l->event);
    if (rpc_socket_is_local(&l->adapter->endpoint))
        unlink(l->adapter->endpoint.host);
    close(l->fd);
    l->fd = -1;
}
