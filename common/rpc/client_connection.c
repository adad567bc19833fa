/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/client_connection.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <tars/server.h>

#include "base/clock.h"
#include "base/xmalloc.h"
#include "rpc/client_flight.h"
#include "rpc/client_socket.h"

enum {
    IN_FIRST = 16 * 1024,   /* first size of the input buffer */
    IN_KEPT = 1024 * 1024,  /* an emptied larger one is given back */
    OUT_BATCH = 256 * 1024, /* encoded ahead of the socket */
    OUT_KEPT = 1024 * 1024,
    UDP_MAX = 65507
};

enum state { LOOKING_UP, CONNECTING, SHAKING_HANDS, AUTHENTICATING, READY, CLOSED };

struct rpc_connection {
    const struct rpc_connection_setup *setup;
    const struct rpc_connection_owner *functions;
    void *owner;
    struct tars_endpoint endpoint;
    enum state state;
    bool draining;
    bool busy; /* one of our handlers runs: it frees what was closed meanwhile */

    struct rpc_lookup *lookup;
    struct rpc_addresses addresses;
    size_t address; /* the one being tried */
    struct loop_timer timer;
    char problem[200]; /* why it will fail at the timer, or why the last address failed */

    struct rpc_socket socket;
    struct event *flush;

    /* Output: calls wait in `queue`, are encoded a batch at a time, and are in flight from then
     * on. Positions count all bytes that ever went out. */
    struct rpc_call_list queue;
    size_t queued;
    struct rpc_flight flight;
    struct tars_writer out;
    size_t out_done;
    uint64_t out_position;

    uint8_t *in;
    size_t in_len, in_cap;
    int64_t heard_us, used_us;
};

static void close_it(struct rpc_connection *c, enum rpc_connection_end end, int32_t code,
                     const char *reason);
static void connect_next(struct rpc_connection *c);

static void remove_queued(struct rpc_connection *c, struct rpc_call *call)
{
    TAILQ_REMOVE(&c->queue, call, link);
    c->queued--;
    call->place = RPC_CALL_NOWHERE;
    call->connection = NULL;
}

static bool is_udp(const struct rpc_connection *c)
{
    return c->endpoint.transport == TARS_UDP;
}

/* ---- end ------------------------------------------------------------------------------------ */

static void free_it(struct rpc_connection *c)
{
    tars_writer_free(&c->out);
    rpc_flight_clear(&c->flight);
    free(c->in);
    free(c);
}

/* The peer cannot have seen anything of a call whose first byte is still here. */
static void give_back_sent(struct rpc_connection *c, struct rpc_call_list *list, int32_t code,
                           const char *reason)
{
    struct rpc_call *call;

    while ((call = TAILQ_FIRST(list))) {
        bool never_left = call->frame_at >= c->out_position;

        rpc_flight_remove(&c->flight, call);
        if (never_left)
            call->events->unsent(call, code, reason);
        else
            call->events->ended(call, code, reason, NULL);
    }
}

static void give_back_calls(struct rpc_connection *c, int32_t code, const char *reason)
{
    struct rpc_call *call;

    give_back_sent(c, &c->flight.sent, code, reason);
    give_back_sent(c, &c->flight.leaving, code, reason);
    while ((call = TAILQ_FIRST(&c->queue))) {
        remove_queued(c, call);
        call->events->unsent(call, code, reason);
    }
}

static void close_it(struct rpc_connection *c, enum rpc_connection_end end, int32_t code,
                     const char *reason)
{
    char why[256];
    bool was_busy = c->busy;

    if (c->state == CLOSED)
        return;
    snprintf(why, sizeof why, "%s", reason);
    c->state = CLOSED;
    c->busy = true;
    loop_timer_clear(c->setup->loop, &c->timer);
    rpc_lookup_cancel(c->lookup);
    event_free(c->flush);
    rpc_socket_close(&c->socket);
    c->functions->closing(c->owner, c, end, why);
    give_back_calls(c, code, why);
    c->functions->closed(c->owner);
    c->busy = was_busy;
    if (!was_busy)
        free_it(c);
}

/* Brackets for everything the loop calls: what is closed inside is freed behind. */
static void enter(struct rpc_connection *c)
{
    c->busy = true;
}

static void leave(struct rpc_connection *c)
{
    c->busy = false;
    if (c->state == CLOSED)
        free_it(c);
    else if (c->draining && c->flight.count + c->queued == 0 && c->out_done == c->out.len)
        close_it(c, RPC_END_QUIET, TARS_RET_CONNECT, "the connection was replaced");
}

static void fail_connect(struct rpc_connection *c, const char *reason)
{
    close_it(c, RPC_END_CONNECT, TARS_RET_CONNECT, reason);
}

static void fail_established(struct rpc_connection *c, const char *reason)
{
    bool under_way = c->flight.count > 0;

    if (c->state < READY)
        fail_connect(c, reason);
    else
        close_it(c, under_way ? RPC_END_LOST : RPC_END_QUIET, TARS_RET_CONNECT, reason);
}

static void fail_peer(struct rpc_connection *c, const char *reason)
{
    rpc_count(&c->setup->counters->bad_frames, 1);
    close_it(c, RPC_END_PEER, TARS_RET_CLIENT_DECODE, reason);
}

/* ---- output --------------------------------------------------------------------------------- */

static void encode(struct rpc_connection *c, struct rpc_call *call)
{
    remove_queued(c, call);
    rpc_flight_add(&c->flight, call);
    call->connection = c;
    call->frame_at = c->out_position + (c->out.len - c->out_done);
    rpc_call_write(call, &c->out);
    call->frame_end = c->out_position + (c->out.len - c->out_done);
}

/* Tars protocol: over UDP each datagram is one frame. */
static bool encode_datagram(struct rpc_connection *c)
{
    struct rpc_call *call = TAILQ_FIRST(&c->queue);

    if (!call || c->out.len > 0)
        return c->out.len > 0;
    if (call->tail.len + 32 > UDP_MAX) {
        remove_queued(c, call);
        call->events->ended(call, TARS_RET_SEND, "the request does not fit a UDP datagram", NULL);
        return true;
    }
    encode(c, call);
    return true;
}

static bool encode_batch(struct rpc_connection *c)
{
    if (c->state != READY)
        return c->out.len > c->out_done;
    if (is_udp(c))
        return encode_datagram(c);
    while (!TAILQ_EMPTY(&c->queue) && c->out.len - c->out_done < OUT_BATCH)
        encode(c, TAILQ_FIRST(&c->queue));
    return c->out.len > c->out_done;
}

/* A one-way call is over when the socket has taken its last byte. */
static void end_left(struct rpc_connection *c)
{
    struct rpc_call *call;

    while ((call = TAILQ_FIRST(&c->flight.leaving)) && call->frame_end <= c->out_position) {
        rpc_flight_remove(&c->flight, call);
        call->events->ended(call, 0, NULL, NULL);
    }
}

static void drop_written(struct rpc_connection *c, size_t n)
{
    c->out_done += n;
    c->out_position += n;
    rpc_count(&c->setup->counters->bytes_out, n);
    if (c->out_done < c->out.len)
        return;
    tars_writer_reset(&c->out);
    c->out_done = 0;
    if (c->out.cap > OUT_KEPT)
        tars_writer_free(&c->out);
}

/* Sends what is encoded and goes on encoding until the socket is full. */
static void flush(struct rpc_connection *c)
{
    char reason[256];

    while (c->state != CLOSED && encode_batch(c)) {
        ssize_t n;

        if (c->out.len == c->out_done)
            continue;
        n = rpc_socket_write(&c->socket, c->out.at + c->out_done, c->out.len - c->out_done);
        if (n == RPC_TLS_WANT_WRITE) {
            event_add(c->socket.writable, NULL);
            return;
        }
        if (n == RPC_TLS_WANT_READ)
            return;
        if (n < 0) {
            rpc_socket_explain(&c->socket, "the connection broke while sending", reason,
                               sizeof reason);
            fail_established(c, reason);
            return;
        }
        drop_written(c, (size_t)n);
        end_left(c);
    }
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
    struct rpc_connection *c = arg;

    (void)fd;
    (void)what;
    enter(c);
    flush(c);
    leave(c);
}

/* ---- input ---------------------------------------------------------------------------------- */

/*
 * Tars protocol: answers of the TUP versions are request packets. Which of the two a frame is can
 * be seen from its version, but a server that fails may answer in the other form.
 */
static bool read_response(struct rpc_connection *c, struct tars_str frame,
                          struct rpc_response *response, struct tars_error *error)
{
    struct tars_reader r;
    int16_t version = 0;

    tars_arena_reset(c->setup->scratch);
    tars_reader_init(&r, frame.at + RPC_FRAME_HEAD, frame.len - RPC_FRAME_HEAD, NULL);
    if (!tars_read_int16(&r, 1, TARS_REQUIRE, &version))
        return tars_reader_explain(&r, error);
    if (rpc_version_is_tup(version) &&
        rpc_tup_response_read(frame, c->setup->scratch, response, NULL))
        return true;
    return rpc_response_read(frame, c->setup->scratch, response, error);
}

/* Tars protocol: a server that is about to stop sends this with id 0. Of TarsGo the port still
 * takes connections then, on which nobody answers: where there is another endpoint, new calls go
 * there. */
static bool is_reconnect_notice(const struct rpc_response *response)
{
    return tars_str_is(response->description, "_reconnect_");
}

static void on_unsolicited(struct rpc_connection *c, const struct rpc_response *response)
{
    if (!is_reconnect_notice(response)) {
        rpc_count(&c->setup->counters->pushes, 1);
        c->functions->pushed(c->owner, response);
        return;
    }
    rpc_count(&c->setup->counters->reconnects, 1);
    c->functions->leaving(c->owner);
    rpc_connection_drain(c);
}

static void become_ready(struct rpc_connection *c)
{
    c->state = READY;
    c->used_us = clock_us();
    loop_timer_clear(c->setup->loop, &c->timer);
    rpc_count(&c->setup->counters->connects, 1);
    c->functions->ready(c->owner, c);
    flush(c);
}

static void on_auth_answer(struct rpc_connection *c, const struct rpc_response *response)
{
    if (rpc_auth_accepted(response->ret, response->body))
        become_ready(c);
    else
        fail_connect(c, "the server did not accept our access key");
}

static void on_frame(struct rpc_connection *c, struct tars_str frame)
{
    struct rpc_response response = {0};
    struct tars_error error = {0};
    char reason[256];
    struct rpc_call *call;

    if (!read_response(c, frame, &response, &error)) {
        snprintf(reason, sizeof reason, "the server sent what is no answer: %.180s", error.text);
        fail_peer(c, reason);
        return;
    }
    if (c->state == AUTHENTICATING) {
        on_auth_answer(c, &response);
        return;
    }
    if (response.id == 0) {
        on_unsolicited(c, &response);
        return;
    }
    call = rpc_flight_find(&c->flight, response.id);
    if (!call) {
        rpc_count(&c->setup->counters->unknown_ids, 1);
        return;
    }
    rpc_flight_remove(&c->flight, call);
    call->events->ended(call, 0, NULL, &response);
}

/* Handles all whole frames; what is left moves to the front. */
static void take_frames(struct rpc_connection *c)
{
    size_t done = 0, len = 0;
    enum rpc_frame found = RPC_FRAME_PARTIAL;

    while (c->state != CLOSED) {
        found = rpc_frame_find(c->in + done, c->in_len - done, c->setup->response_limit, &len);
        if (found != RPC_FRAME_COMPLETE)
            break;
        on_frame(c, tars_str_n(c->in + done, len));
        done += len;
    }
    if (c->state == CLOSED)
        return;
    c->in_len -= done;
    if (done && c->in_len)
        memmove(c->in, c->in + done, c->in_len);
    if (found == RPC_FRAME_BAD)
        fail_peer(c, "the server sent a frame of a length that is not allowed");
}

/* The buffer doubles as bytes arrive; the length that a frame announces never decides. */
static void make_room(struct rpc_connection *c)
{
    if (c->in_len == 0 && c->in_cap > IN_KEPT) {
        free(c->in);
        c->in = NULL;
        c->in_cap = 0;
    }
    if (c->in_cap - c->in_len >= IN_FIRST / 4)
        return;
    c->in_cap = c->in_cap ? c->in_cap * 2 : is_udp(c) ? 2 * (UDP_MAX + 1) : IN_FIRST;
    c->in = xrealloc(c->in, c->in_cap);
}

static void take_datagram(struct rpc_connection *c, size_t n)
{
    size_t len;

    if (rpc_frame_find(c->in, n, c->setup->response_limit, &len) == RPC_FRAME_COMPLETE && len == n)
        on_frame(c, tars_str_n(c->in, n));
    else
        rpc_count(&c->setup->counters->bad_frames, 1);
}

/* False when there is nothing more to read now. */
static bool read_some(struct rpc_connection *c)
{
    char reason[256];
    size_t space;
    ssize_t n;

    make_room(c);
    space = c->in_cap - c->in_len;
    n = rpc_socket_read(&c->socket, c->in + c->in_len, space);
    if (n == RPC_TLS_WANT_WRITE)
        event_add(c->socket.writable, NULL);
    if (n == RPC_TLS_WANT_READ || n == RPC_TLS_WANT_WRITE)
        return false;
    if (n < 0) {
        rpc_socket_explain(&c->socket, "the connection broke", reason, sizeof reason);
        fail_established(c, reason);
        return false;
    }
    if (n == 0 && !is_udp(c)) {
        fail_established(c, "the server closed the connection");
        return false;
    }
    c->heard_us = c->used_us = clock_us();
    rpc_count(&c->setup->counters->bytes_in, (uint64_t)n);
    if (is_udp(c)) {
        take_datagram(c, (size_t)n);
    } else {
        c->in_len += (size_t)n;
        take_frames(c);
    }
    return c->state != CLOSED &&
           ((size_t)n == space || (c->socket.tls && rpc_tls_pending(c->socket.tls)));
}

static void shake_hands(struct rpc_connection *c);

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct rpc_connection *c = arg;
    bool more = true;

    (void)fd;
    (void)what;
    enter(c);
    if (c->state == SHAKING_HANDS)
        shake_hands(c);
    else
        for (int rounds = 0; more && rounds < 16; rounds++)
            more = read_some(c);
    bool open = c->state == AUTHENTICATING || c->state == READY;
    if (more && open && c->socket.tls) /* TLS may hold what the socket will not announce */
        event_active(c->socket.readable, EV_READ, 0);
    if (c->state != CLOSED && c->socket.tls && c->out.len > c->out_done)
        flush(c);
    leave(c);
}

/* ---- connecting ----------------------------------------------------------------------------- */

static void authenticate(struct rpc_connection *c)
{
    struct tars_writer body;
    struct rpc_request request = {
        .version = RPC_TARS,
        .message_type = RPC_MESSAGE_AUTH,
        .id = 1,
        .servant = c->setup->auth.object,
        .function = tars_str(RPC_AUTH_FUNCTION),
    };

    tars_writer_init(&body);
    if (c->setup->auth.access_key.len == 0 || !rpc_auth_write(&c->setup->auth, time(NULL), &body)) {
        tars_writer_free(&body);
        fail_connect(c, "the endpoint wants authentication, but accesskey and secretkey of the "
                        "object are not configured");
        return;
    }
    request.body = tars_str_n(body.at, body.len);
    c->state = AUTHENTICATING;
    rpc_request_write(&c->out, &request);
    tars_writer_free(&body);
    flush(c);
}

static void secured(struct rpc_connection *c)
{
    if (c->endpoint.auth && !is_udp(c))
        authenticate(c);
    else
        become_ready(c);
}

static void shake_hands(struct rpc_connection *c)
{
    ssize_t n = rpc_tls_handshake(c->socket.tls);
    char reason[256];

    if (n == RPC_TLS_WANT_READ)
        return;
    if (n == RPC_TLS_WANT_WRITE) {
        event_add(c->socket.writable, NULL);
        return;
    }
    if (n < 0) {
        rpc_socket_explain(&c->socket, "TLS handshake", reason, sizeof reason);
        fail_connect(c, reason);
        return;
    }
    secured(c);
}

static void connected(struct rpc_connection *c)
{
    event_add(c->socket.readable, NULL);
    if (c->endpoint.transport != TARS_SSL) {
        secured(c);
        return;
    }
    if (!c->setup->tls) {
        fail_connect(c, c->setup->tls_error ? c->setup->tls_error : "TLS is not set up");
        return;
    }
    c->socket.tls = rpc_tls_new(c->setup->tls, c->socket.fd, c->endpoint.host);
    if (!c->socket.tls) {
        fail_connect(c, "TLS cannot be started");
        return;
    }
    c->state = SHAKING_HANDS;
    shake_hands(c);
}

static void on_connected(struct rpc_connection *c)
{
    int error = rpc_socket_connect_error(&c->socket);

    if (error == 0) {
        connected(c);
        return;
    }
    snprintf(c->problem, sizeof c->problem, "cannot connect: %s", strerror(error));
    c->address++;
    connect_next(c);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct rpc_connection *c = arg;

    (void)fd;
    (void)what;
    enter(c);
    if (c->state == CONNECTING) {
        on_connected(c);
    } else if (c->state == SHAKING_HANDS) {
        shake_hands(c);
    } else {
        flush(c);
        if (c->state != CLOSED && c->socket.tls)
            read_some(c);
    }
    leave(c);
}

static void on_timer(struct loop_timer *timer)
{
    struct rpc_connection *c = loop_container(timer, struct rpc_connection, timer);
    static const char *const doing[] = {"looking up the host name", "connecting", "TLS handshake",
                                        "authentication"};
    char reason[256];

    enter(c);
    if (c->problem[0])
        snprintf(reason, sizeof reason, "%s", c->problem);
    else
        snprintf(reason, sizeof reason, "%s took longer than %d ms", doing[c->state],
                 (int)c->setup->connect_timeout_ms);
    fail_connect(c, reason);
    leave(c);
}

/* The owner must not hear of a failure while it is still making the connection. */
static void fail_soon(struct rpc_connection *c)
{
    loop_timer_set(c->setup->loop, &c->timer, 0, on_timer);
}

static void connect_next(struct rpc_connection *c)
{
    struct event_base *base = loop_base(c->setup->loop);

    for (; c->address < c->addresses.count; c->address++) {
        rpc_socket_close(&c->socket);
        if (rpc_socket_open(&c->socket, base, &c->addresses.at[c->address], is_udp(c), on_readable,
                            on_writable, c)) {
            c->state = CONNECTING;
            c->problem[0] = '\0';
            event_add(c->socket.writable, NULL);
            return;
        }
        snprintf(c->problem, sizeof c->problem, "cannot connect: %s", strerror(errno));
    }
    fail_soon(c);
}

static void on_resolved(void *user, const struct rpc_addresses *addresses, const char *error)
{
    struct rpc_connection *c = user;

    c->lookup = NULL;
    enter(c);
    if (error) {
        fail_connect(c, error);
    } else {
        c->addresses = *addresses;
        connect_next(c);
    }
    leave(c);
}

struct rpc_connection *rpc_connection_new(const struct rpc_connection_setup *setup,
                                          const struct tars_endpoint *endpoint,
                                          const struct rpc_connection_owner *functions, void *owner)
{
    struct rpc_connection *c = xcalloc(1, sizeof *c);
    struct tars_error error = {0};

    c->setup = setup;
    c->functions = functions;
    c->owner = owner;
    c->endpoint = *endpoint;
    c->socket.fd = -1;
    c->used_us = clock_us();
    TAILQ_INIT(&c->queue);
    rpc_flight_init(&c->flight);
    tars_writer_init(&c->out);
    c->flush = event_new(loop_base(setup->loop), -1, 0, on_flush, c);
    loop_timer_set(setup->loop, &c->timer, setup->connect_timeout_ms, on_timer);
    if (rpc_address_numeric(endpoint, &c->addresses, &error)) {
        connect_next(c);
    } else if (error.code) {
        snprintf(c->problem, sizeof c->problem, "%.190s", error.text);
        fail_soon(c);
    } else {
        c->lookup = rpc_resolver_lookup(setup->resolver, endpoint->host, endpoint->port,
                                        on_resolved, c);
    }
    return c;
}

/* ---- for the owner -------------------------------------------------------------------------- */

void rpc_connection_close(struct rpc_connection *c, int32_t code, const char *reason)
{
    close_it(c, RPC_END_QUIET, code, reason);
}

void rpc_connection_drain(struct rpc_connection *c)
{
    if (c->state == CLOSED || c->draining)
        return;
    c->draining = true;
    c->functions->draining(c->owner, c);
    if (!c->busy)
        leave(c);
}

bool rpc_connection_send(struct rpc_connection *c, struct rpc_call *call)
{
    if (c->queued >= (size_t)c->setup->send_queue_limit)
        return false;
    TAILQ_INSERT_TAIL(&c->queue, call, link);
    c->queued++;
    call->place = RPC_CALL_QUEUED;
    call->connection = c;
    c->used_us = call->started_us;
    if (c->state == READY && c->queued == 1)
        event_active(c->flush, EV_TIMEOUT, 0);
    return true;
}

void rpc_connection_forget(struct rpc_connection *c, struct rpc_call *call)
{
    if (call->place == RPC_CALL_SENT)
        rpc_flight_remove(&c->flight, call);
    else if (call->place == RPC_CALL_QUEUED)
        remove_queued(c, call);
    if (!c->busy)
        leave(c);
}

bool rpc_connection_is_ready(const struct rpc_connection *c)
{
    return c->state == READY;
}

size_t rpc_connection_load(const struct rpc_connection *c)
{
    return c->queued + c->flight.count;
}

int64_t rpc_connection_heard_us(const struct rpc_connection *c)
{
    return c->heard_us;
}

int64_t rpc_connection_used_us(const struct rpc_connection *c)
{
    return c->used_us;
}
