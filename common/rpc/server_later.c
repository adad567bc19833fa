/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls that are answered later, and pushes: what reaches a worker through its mailbox.
 *
 * A parked call belongs to two sides until it ends. The worker's side holds the deadline and knows
 * the connection; the handler's side holds the answer. Whoever ends it sends itself to the worker,
 * which alone decides whether the answer is still wanted.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "rpc/server_call.h"
#include "rpc/server_connection.h"

static struct tars_call *call_of(const struct tars_later *later)
{
    return loop_container(later, struct tars_call, later);
}

/* ---- parking -----------------------------------------------------------------------------------
 */

static void link_parked(struct tars_call *call)
{
    struct server_worker *w = call->worker;
    call->next = w->parked;
    call->at = &w->parked;
    if (call->next)
        call->next->at = &call->next;
    w->parked = call;
}

static void unlink_parked(struct tars_call *call)
{
    *call->at = call->next;
    if (call->next)
        call->next->at = call->at;
}

/* Tells the caller that time is up; what the handler still answers will be thrown away. */
static void expire(struct tars_call *call, const char *why)
{
    if (atomic_exchange(&call->later.expired, true))
        return;
    server_count(server_worker_counters(call->worker, call->adapter), SERVER_COUNT_ANSWER_TIMEOUTS,
                 1);
    server_call_answer_timeout(call, why);
}

static void on_deadline(struct loop_timer *timer)
{
    struct tars_call *call = call_of(loop_container(timer, struct tars_later, deadline));
    expire(call, "the servant did not answer in time");
    server_connections_flush(call->worker);
}

void server_calls_expire(struct server_worker *w, const char *why)
{
    for (struct tars_call *call = w->parked; call; call = call->next)
        expire(call, why);
    server_connections_flush(w);
}

/* Everything that parking took; the worker may be gone (`w` NULL). */
static void unpark(struct server_worker *w, struct tars_call *call)
{
    server_chunk_release(w ? &w->chunks : NULL, call->chunk);
    if (call->connection)
        server_connection_release(call->connection);
    call->connection = NULL;
}

static void deliver(struct server_worker *w, struct server_mail *mail)
{
    struct tars_call *call = call_of(loop_container(mail, struct tars_later, mail));
    struct tars_later *later = &call->later;
    struct tars_connection *c = call->connection;
    bool wanted = !atomic_load(&later->expired);
    loop_timer_clear(w->loop, &later->deadline);
    w->now_us = clock_us();
    if (wanted)
        server_call_answer(call, later->code, tars_str_n(later->body.at, later->body.len),
                           tars_str(later->text));
    else
        server_count(server_worker_counters(w, call->adapter), SERVER_COUNT_ANSWERS_DISCARDED, 1);
    server_call_finished(call, wanted ? later->code : TARS_RET_QUEUE_TIMEOUT);
    unlink_parked(call);
    w->parked_bytes -= call->parked_bytes;
    atomic_fetch_sub(&call->adapter->parked, 1);
    if (c)
        c->parked--;
    unpark(w, call);
    server_mailbox_release(call->mailbox);
    if (later->body.cap > SERVER_CHUNK_LARGE)
        tars_writer_free(&later->body);
    server_call_recycle(call);
}

static void drop(struct server_mail *mail)
{
    struct tars_call *call = call_of(loop_container(mail, struct tars_later, mail));
    struct server_mailbox *box = call->mailbox;
    unpark(NULL, call);
    server_call_free(call);
    server_mailbox_release(box);
}

struct tars_later *tars_call_later(struct tars_call *call)
{
    struct server_worker *w = call->worker;
    struct tars_later *later = &call->later;
    int64_t patience_ms = tars_call_deadline_ms(call);
    if (call->state == SERVER_CALL_PARKED)
        return later;
    if (patience_ms == INT32_MAX)
        patience_ms = call->adapter->queue_timeout_ms;
    call->state = SERVER_CALL_PARKED;
    later->mail.deliver = deliver;
    later->mail.drop = drop;
    later->code = 0;
    later->text[0] = '\0';
    tars_writer_reset(&later->body);
    atomic_store(&later->expired, false);
    atomic_store(&later->ended, false);
    server_mailbox_hold(call->mailbox);
    server_chunk_hold(call->chunk);
    if (call->connection) {
        server_connection_hold(call->connection);
        call->connection->parked++;
    }
    atomic_fetch_add(&call->adapter->parked, 1);
    call->parked_bytes = tars_arena_used(call->arena);
    w->parked_bytes += call->parked_bytes;
    link_parked(call);
    loop_timer_set(w->loop, &later->deadline, patience_ms, on_deadline);
    return later;
}

/* ---- the handler's side ------------------------------------------------------------------------
 */

struct tars_call *tars_later_call(struct tars_later *later)
{
    return call_of(later);
}

bool tars_later_expired(const struct tars_later *later)
{
    const struct tars_connection *c = call_of(later)->connection;
    return atomic_load(&later->expired) || (c && !tars_connection_alive(c));
}

/* False for an answer to a call that has had one: the fault of a handler, which harms nobody. */
static bool may_end(struct tars_later *later)
{
    if (!atomic_exchange(&later->ended, true))
        return true;
    log_error("server", "a handler answered a call twice; the second answer is ignored");
    return false;
}

static void send_later(struct tars_later *later)
{
    server_mailbox_send(call_of(later)->mailbox, &later->mail);
}

void tars_reply(struct tars_later *later, const struct tars_function *function, const void *args)
{
    const struct rpc_request *q = &call_of(later)->request;
    if (!may_end(later))
        return;
    tars_args_write_response(function, q->version, q->body, args, &later->body);
    send_later(later);
}

void tars_reply_body(struct tars_later *later, struct tars_str body)
{
    if (!may_end(later))
        return;
    tars_writer_append(&later->body, body.at, body.len);
    send_later(later);
}

void tars_reply_error(struct tars_later *later, int32_t code, const char *format, ...)
{
    va_list args;
    if (!may_end(later))
        return;
    va_start(args, format);
    vsnprintf(later->text, sizeof later->text, format, args);
    va_end(args);
    later->code = code ? code : TARS_RET_UNKNOWN;
    send_later(later);
}

/* ---- pushes ------------------------------------------------------------------------------------
 */

struct push {
    struct server_mail mail;
    struct tars_connection *connection;
    struct tars_writer frame;
};

static void free_push(struct push *push)
{
    tars_writer_free(&push->frame);
    server_connection_release(push->connection);
    free(push);
}

static void deliver_push(struct server_worker *w, struct server_mail *mail)
{
    struct push *push = loop_container(mail, struct push, mail);
    struct tars_connection *c = push->connection;
    (void)w;
    if (c->fd >= 0 && !c->lingering) {
        tars_writer_append(server_connection_output(c), push->frame.at, push->frame.len);
        server_connection_written(c);
        server_count(c->counters, SERVER_COUNT_PUSHES, 1);
    }
    free_push(push);
}

static void drop_push(struct server_mail *mail)
{
    free_push(loop_container(mail, struct push, mail));
}

struct tars_connection *tars_call_connection(struct tars_call *call)
{
    if (call->connection)
        server_connection_hold(call->connection);
    return call->connection;
}

bool tars_connection_alive(const struct tars_connection *c)
{
    return atomic_load_explicit(&c->alive, memory_order_acquire);
}

/* Tars protocol: a push is a response with request id 0 that names its function in the status. */
bool tars_connection_push(struct tars_connection *c, const char *function, struct tars_str body)
{
    struct tars_str_pair name = {tars_str(RPC_STATUS_PUSH_FUNC), tars_str(function)};
    struct rpc_response message = {.version = RPC_TARS, .body = body, .status = {1, &name}};
    size_t backlog = atomic_load_explicit(&c->backlog, memory_order_relaxed);
    if (!tars_connection_alive(c) || backlog + body.len > c->output_limit)
        return false;
    struct push *push = xcalloc(1, sizeof *push);
    push->mail.deliver = deliver_push;
    push->mail.drop = drop_push;
    push->connection = c;
    server_connection_hold(c);
    rpc_response_write(&push->frame, &message);
    server_mailbox_send(c->mailbox, &push->mail);
    return true;
}

void tars_connection_release(struct tars_connection *c)
{
    server_connection_release(c);
}
