/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/server_connection.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "rpc/packet.h"
#include "rpc/server_call.h"

enum {
    READ_ROOM = 16 * 1024,    /* the least that is offered to recv */
    SMALL_REST = 4096,        /* half requests up to here are moved, longer ones grow in place */
    STALL_BYTES = 256 * 1024, /* unsent bytes that stop a connection's reading */
    GO_ON_BYTES = 64 * 1024,  /* … and let it go on */
    AUTH_FRAME = 4096,        /* an authentication packet is shorter */
    KEEP_OUTPUT = 1024 * 1024 /* a larger batch buffer is given back */
};

enum { IO_AGAIN = -1, IO_FAILED = -2 }; /* beside byte counts and 0 for the peer's end */

/* ---- sockets -----------------------------------------------------------------------------------
 */

static void wait_writable(struct tars_connection *c)
{
    if (!c->is_writing)
        event_add(&c->writable, NULL);
    c->is_writing = true;
}

static ssize_t tls_result(struct tars_connection *c, ssize_t n)
{
    if (n == RPC_TLS_WANT_WRITE)
        wait_writable(c);
    if (n != RPC_TLS_FAILED)
        return n >= 0 ? n : IO_AGAIN;
    struct tars_error error = {0};
    rpc_tls_explain(c->tls, &error);
    log_debug("server", "%s: peer %s: %s", c->adapter->name, c->peer, error.text);
    server_count(c->counters, SERVER_COUNT_TLS_FAILURES, 1);
    return IO_FAILED;
}

static ssize_t socket_result(ssize_t n)
{
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? IO_AGAIN : IO_FAILED;
}

static ssize_t receive(struct tars_connection *c, void *bytes, size_t size)
{
    ssize_t n = c->tls ? tls_result(c, rpc_tls_read(c->tls, bytes, size))
                       : socket_result(recv(c->fd, bytes, size, 0));
    server_count(c->counters, SERVER_COUNT_READS, 1);
    if (n <= 0)
        return n;
    server_count(c->counters, SERVER_COUNT_BYTES_IN, (uint64_t)n);
    c->active_ms = c->worker->now_ms;
    c->received_us = clock_us();
    return n;
}

static ssize_t transmit(struct tars_connection *c, const void *bytes, size_t len)
{
    ssize_t n = c->tls ? tls_result(c, rpc_tls_write(c->tls, bytes, len))
                       : socket_result(send(c->fd, bytes, len, MSG_NOSIGNAL));
    server_count(c->counters, SERVER_COUNT_WRITES, 1);
    if (n <= 0)
        return n == 0 ? IO_AGAIN : n;
    server_count(c->counters, SERVER_COUNT_BYTES_OUT, (uint64_t)n);
    c->active_ms = clock_ms(); /* a handler may have taken long since the event began */
    c->taken += (uint64_t)n;
    return n;
}

/* Sends as much as the peer takes; *sent counts it. False when the connection is broken. */
static bool transmit_all(struct tars_connection *c, const struct tars_writer *w, size_t *sent)
{
    while (*sent < w->len) {
        ssize_t n = transmit(c, w->at + *sent, w->len - *sent);
        if (n == IO_FAILED)
            return false;
        if (n == IO_AGAIN)
            return true;
        *sent += (size_t)n;
    }
    return true;
}

/* ---- output ------------------------------------------------------------------------------------
 */

size_t server_connection_unsent(const struct tars_connection *c)
{
    return c->out.len - c->out_sent;
}

static void note_backlog(struct tars_connection *c)
{
    size_t before = atomic_load_explicit(&c->backlog, memory_order_relaxed);
    size_t now = server_connection_unsent(c);
    c->worker->output_bytes += now - before;
    atomic_store_explicit(&c->backlog, now, memory_order_relaxed);
}

struct tars_writer *server_connection_output(struct tars_connection *c)
{
    return c->worker->serving == c && !c->out.len ? &c->worker->out : &c->out;
}

void server_connection_written(struct tars_connection *c)
{
    struct server_worker *w = c->worker;
    if (w->serving == c || c->is_dirty)
        return;
    c->is_dirty = true;
    c->next_dirty = w->dirty;
    w->dirty = c;
}

/* Who makes the worker's buffers pass their limit has to go. */
static bool memory_is_left(struct tars_connection *c, size_t more)
{
    if ((!c->in && !c->out.len) ||
        server_worker_memory(c->worker) + more <= server_worker_memory_limit(c->worker))
        return true;
    server_count(c->counters, SERVER_COUNT_CLOSED_MEMORY, 1);
    return false;
}

static bool send_own(struct tars_connection *c)
{
    bool ok = transmit_all(c, &c->out, &c->out_sent);
    if (c->out_sent == c->out.len) {
        tars_writer_free(&c->out);
        c->out_sent = 0;
    } else if (c->out_sent > c->out.len / 2) {
        memmove(c->out.at, c->out.at + c->out_sent, c->out.len - c->out_sent);
        c->out.len -= c->out_sent;
        c->out_sent = 0;
    }
    return ok;
}

/* The answers of this event in one write; what the peer does not take becomes the connection's. */
static bool send_batch(struct tars_connection *c)
{
    struct tars_writer *batch = &c->worker->out;
    size_t sent = 0;
    bool ok = transmit_all(c, batch, &sent);
    if (ok && sent < batch->len)
        tars_writer_append(&c->out, batch->at + sent, batch->len - sent);
    if (batch->cap > KEEP_OUTPUT)
        tars_writer_free(batch);
    tars_writer_reset(batch);
    return ok;
}

static bool send_pending(struct tars_connection *c)
{
    bool ok = c->out.len == 0 || send_own(c);
    if (ok && c->worker->serving == c && c->worker->out.len)
        ok = send_batch(c);
    note_backlog(c);
    if (ok && server_connection_unsent(c))
        wait_writable(c);
    return ok;
}

static bool is_within_limits(struct tars_connection *c)
{
    if (server_connection_unsent(c) <= c->output_limit)
        return memory_is_left(c, 0);
    server_count(c->counters, SERVER_COUNT_CLOSED_SLOW, 1);
    return false;
}

/* False: the connection must be closed. */
static bool flush(struct tars_connection *c)
{
    return send_pending(c) && is_within_limits(c);
}

static void try_finish(struct tars_connection *c);

void server_connections_flush(struct server_worker *w)
{
    while (w->dirty) {
        struct tars_connection *c = w->dirty;
        w->dirty = c->next_dirty;
        c->is_dirty = false;
        if (c->fd < 0)
            continue;
        if (!flush(c))
            server_connection_close(c);
        else
            try_finish(c);
    }
}

/* ---- input -------------------------------------------------------------------------------------
 */

/* Who has not said yet who they are gets room for that and no more. */
static size_t frame_limit(const struct tars_connection *c)
{
    return c->authenticated ? (size_t)c->worker->server->options.packet_limit : AUTH_FRAME;
}

/* Serves the whole requests at the front of `at`; returns how many bytes they took, SIZE_MAX when
 * the connection must be closed. */
static size_t serve_frames(struct tars_connection *c, struct server_chunk *chunk, const char *at,
                           size_t have)
{
    size_t done = 0, len;
    while (!c->stalled) {
        enum rpc_frame found = rpc_frame_find(at + done, have - done, frame_limit(c), &len);
        if (found == RPC_FRAME_PARTIAL)
            break;
        if (found == RPC_FRAME_BAD || !server_call_serve(c, chunk, tars_str_n(at + done, len))) {
            server_count(c->counters, SERVER_COUNT_BAD_FRAMES, found == RPC_FRAME_BAD);
            return SIZE_MAX;
        }
        done += len;
        c->had_request = true;
        c->begun_ms = c->worker->now_ms;
        if (c->worker->out.len + server_connection_unsent(c) <= STALL_BYTES)
            continue;
        if (!flush(c))
            return SIZE_MAX;
        c->stalled = server_connection_unsent(c) > STALL_BYTES;
    }
    return done;
}

/* The announced length of the request at the front; 0 when that is not known yet. */
static size_t announced(const struct tars_connection *c)
{
    size_t len = 0;
    if (c->in)
        (void)rpc_frame_find(c->in->bytes, c->in_len, SIZE_MAX, &len);
    return len;
}

/* Keeps what is no whole request as the connection's own. */
static void keep_rest(struct tars_connection *c, const char *at, size_t len)
{
    if (!len)
        return;
    c->in = server_chunk_take(&c->worker->chunks, len);
    memcpy(c->in->bytes, at, len);
    c->in_len = len;
}

/* Room for `size` bytes behind what parked calls still hold. */
static struct server_chunk *reading_chunk(struct server_worker *w, size_t size)
{
    if (w->chunk && !server_chunk_is_shared(w->chunk))
        w->chunk->used = 0;
    if (w->chunk && w->chunk->cap - w->chunk->used >= size)
        return w->chunk;
    server_chunk_release(&w->chunks, w->chunk);
    w->chunk = server_chunk_take(&w->chunks, SERVER_CHUNK_LARGE);
    return w->chunk;
}

/* Reads into the worker's chunk, behind a short rest that moves there. */
static ssize_t read_shared(struct tars_connection *c)
{
    struct server_worker *w = c->worker;
    struct server_chunk *chunk = reading_chunk(w, c->in_len + READ_ROOM);
    char *begin = chunk->bytes + chunk->used;
    size_t have = c->in_len;
    ssize_t n = receive(c, begin + have, chunk->cap - chunk->used - have);
    if (n <= 0)
        return n;
    if (have)
        memcpy(begin, c->in->bytes, have);
    server_chunk_release(&w->chunks, c->in);
    c->in = NULL;
    c->in_len = 0;
    have += (size_t)n;
    chunk->used += have; /* parked calls may hold it; without any it starts over */
    size_t done = serve_frames(c, chunk, begin, have);
    if (done == SIZE_MAX)
        return IO_FAILED;
    keep_rest(c, begin + done, have - done);
    return memory_is_left(c, 0) ? n : IO_FAILED;
}

/* A long request grows in a chunk of its own, with the bytes that have really come. */
static bool grow(struct tars_connection *c, size_t frame)
{
    size_t cap = c->in->cap * 2 < frame ? c->in->cap * 2 : frame;
    if (c->in->cap >= frame || c->in->cap > c->in_len)
        return true;
    if (!memory_is_left(c, cap))
        return false;
    struct server_chunk *larger = server_chunk_take(&c->worker->chunks, cap);
    memcpy(larger->bytes, c->in->bytes, c->in_len);
    server_chunk_release(&c->worker->chunks, c->in);
    c->in = larger;
    return true;
}

/* Serves what lies in the connection's own chunk and keeps the rest. */
static bool serve_own(struct tars_connection *c)
{
    struct server_chunk *chunk = c->in;
    size_t have = c->in_len;
    c->in = NULL;
    c->in_len = 0;
    size_t done = serve_frames(c, chunk, chunk->bytes, have);
    if (done != SIZE_MAX)
        keep_rest(c, chunk->bytes + done, have - done);
    server_chunk_release(&c->worker->chunks, chunk);
    return done != SIZE_MAX;
}

static ssize_t read_own(struct tars_connection *c, size_t frame)
{
    if (frame > (size_t)c->worker->server->options.packet_limit || !grow(c, frame))
        return IO_FAILED;
    size_t room = (c->in->cap < frame ? c->in->cap : frame) - c->in_len;
    ssize_t n = receive(c, c->in->bytes + c->in_len, room);
    if (n <= 0)
        return n;
    c->in_len += (size_t)n;
    return c->in_len < frame || serve_own(c) ? n : IO_FAILED;
}

static ssize_t read_some(struct tars_connection *c)
{
    size_t frame = announced(c);
    bool is_short = c->in_len < SMALL_REST && frame <= SERVER_CHUNK_LARGE - READ_ROOM;
    return !c->in || is_short ? read_shared(c) : read_own(c, frame);
}

static ssize_t discard(struct tars_connection *c)
{
    char waste[4096];
    return receive(c, waste, sizeof waste);
}

/* ---- events ------------------------------------------------------------------------------------
 */

/* Nothing more is read while the peer owes us reading. */
static void follow_stall(struct tars_connection *c, bool was_stalled)
{
    if (c->stalled && !was_stalled)
        event_del(&c->readable);
    else if (!c->stalled && was_stalled)
        event_add(&c->readable, NULL);
    if (!c->stalled && was_stalled && c->tls && rpc_tls_pending(c->tls))
        server_connection_look(c); /* the socket will not announce what TLS has taken from it */
}

static void begin_event(struct tars_connection *c)
{
    c->worker->now_ms = clock_ms();
    c->worker->serving = c;
}

/* Sends the event's answers; closes the connection when `ok` is false or sending breaks. */
static void end_event(struct tars_connection *c, bool ok, bool was_stalled)
{
    ok = send_pending(c) && ok && is_within_limits(c);
    c->worker->serving = NULL;
    tars_writer_reset(&c->worker->out);
    if (!ok) {
        server_connection_close(c);
        return;
    }
    follow_stall(c, was_stalled);
    try_finish(c);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct tars_connection *c = arg;
    bool was_stalled = c->stalled;
    ssize_t n;
    (void)fd;
    (void)what;
    begin_event(c);
    if (!c->in)
        c->begun_ms = c->worker->now_ms;
    do
        n = c->lingering ? discard(c) : read_some(c);
    while (n > 0 && c->tls && !c->stalled && rpc_tls_pending(c->tls));
    end_event(c, n > 0 || n == IO_AGAIN, was_stalled);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct tars_connection *c = arg;
    bool was_stalled = c->stalled, ok = true;
    c->is_writing = false;
    if (c->tls && !was_stalled && !server_connection_unsent(c)) {
        on_readable(fd, what, arg); /* a handshake goes on */
        return;
    }
    begin_event(c);
    ok = flush(c);
    if (ok && was_stalled && server_connection_unsent(c) <= GO_ON_BYTES) {
        c->stalled = false;
        c->begun_ms = c->worker->now_ms; /* that it waited was not the peer's fault … */
        c->worker->now_us = clock_us();  /* … but the next call did wait */
        ok = !c->in || serve_own(c);
    }
    end_event(c, ok, was_stalled);
}

/* ---- life --------------------------------------------------------------------------------------
 */

static void enlist(struct tars_connection *c)
{
    struct server_worker *w = c->worker;
    c->next = w->connections;
    c->at = &w->connections;
    if (c->next)
        c->next->at = &c->next;
    w->connections = c;
    w->connection_count++;
    atomic_fetch_add(&c->adapter->connections, 1);
    atomic_fetch_add(&w->server->connections, 1);
}

static void delist(struct tars_connection *c)
{
    *c->at = c->next;
    if (c->next)
        c->next->at = c->at;
    c->worker->connection_count--;
    atomic_fetch_sub(&c->adapter->connections, 1);
    atomic_fetch_sub(&c->worker->server->connections, 1);
}

static void set_socket_options(int fd, int family)
{
    const int one = 1;
    if (family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
}

void server_connection_open(struct server_listener *listener, int fd,
                            const union server_address *peer)
{
    struct server_worker *w = listener->worker;
    struct tars_connection *c = xcalloc(1, sizeof *c);
    atomic_init(&c->refs, 1);
    atomic_init(&c->alive, true);
    c->worker = w;
    c->adapter = listener->adapter;
    c->counters = server_worker_counters(w, listener->adapter);
    c->mailbox = w->mailbox;
    server_mailbox_hold(c->mailbox);
    c->output_limit = (size_t)w->server->options.output_limit;
    c->fd = fd;
    c->peer_len = (uint8_t)server_address_print(peer, c->peer);
    c->peer_port = server_address_port(peer);
    c->authenticated = !c->adapter->endpoint.auth;
    c->opened_ms = c->active_ms = clock_ms();
    if (c->adapter->tls)
        c->tls = rpc_tls_new(c->adapter->tls, fd, NULL);
    set_socket_options(fd, peer->any.sa_family);
    event_assign(&c->readable, loop_base(w->loop), fd, EV_READ | EV_PERSIST, on_readable, c);
    event_assign(&c->writable, loop_base(w->loop), fd, EV_WRITE, on_writable, c);
    event_add(&c->readable, NULL);
    enlist(c);
    server_count(c->counters, SERVER_COUNT_ACCEPTED, 1);
}

void server_connection_close(struct tars_connection *c)
{
    if (c->fd < 0)
        return;
    atomic_store_explicit(&c->alive, false, memory_order_release);
    event_del(&c->readable);
    event_del(&c->writable);
    rpc_tls_free(c->tls);
    c->tls = NULL;
    close(c->fd);
    c->fd = -1;
    server_chunk_release(&c->worker->chunks, c->in);
    c->in = NULL;
    tars_writer_free(&c->out);
    c->out_sent = 0;
    note_backlog(c);
    delist(c);
    if (c->is_dirty) {
        struct tars_connection **at = &c->worker->dirty;
        while (*at != c)
            at = &(*at)->next_dirty;
        *at = c->next_dirty;
    }
    server_connection_release(c);
}

void server_connection_look(struct tars_connection *c)
{
    event_active(&c->readable, EV_READ, 0);
}

static void try_finish(struct tars_connection *c)
{
    if (!c->worker->draining || c->lingering || c->parked || server_connection_unsent(c) || c->in)
        return;
    server_connection_finish(c);
}

void server_connection_finish(struct tars_connection *c)
{
    c->lingering = true;
    rpc_tls_free(c->tls); /* says goodbye inside TLS */
    c->tls = NULL;
    shutdown(c->fd, SHUT_WR);
}

void server_connection_hold(struct tars_connection *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
}

void server_connection_release(struct tars_connection *c)
{
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1)
        return;
    server_mailbox_release(c->mailbox);
    free(c);
}
