/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/server_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "rpc/auth.h"
#include "rpc/hooks.h"
#include "rpc/server_connection.h"

enum {
    KEEP_ARENA = 256 * 1024, /* a call that used more gives its arena back */
    KEEP_CALLS = 256,        /* spare ones; after a flood the others go */
    ANSWER_HEAD = 64 * 1024, /* what surrounds a body in an answer is shorter */
    DATAGRAM_MAX = 65507,    /* what UDP carries */
    ERROR_TEXT = 1024
};

/* The empty map that TUP answers carry when they carry nothing (Tars protocol). */
static const char tup_empty[] = {0x08, 0x0c};

/* ---- recycling ---------------------------------------------------------------------------------
 */

static struct tars_call *take_call(struct server_worker *w)
{
    struct tars_call *call = w->calls;
    if (call) {
        w->calls = call->next;
        w->spare_calls--;
    } else {
        call = xcalloc(1, sizeof *call);
        call->arena = tars_arena_new((size_t)w->server->options.call_memory_limit);
        call->worker = w;
        call->mailbox = w->mailbox;
    }
    call->state = SERVER_CALL_RUNNING;
    call->function = NULL;
    call->answer = tars_str(NULL);
    call->fail_code = 0;
    call->fail_text = tars_str(NULL);
    call->reply_context.len = call->reply_status.len = 0;
    return call;
}

void server_call_recycle(struct tars_call *call)
{
    struct server_worker *w = call->worker;
    if (w->spare_calls == KEEP_CALLS) {
        server_call_free(call);
        return;
    }
    if (tars_arena_used(call->arena) > KEEP_ARENA) {
        tars_arena_free(call->arena);
        call->arena = tars_arena_new((size_t)w->server->options.call_memory_limit);
    } else {
        tars_arena_reset(call->arena);
    }
    call->next = w->calls;
    w->calls = call;
    w->spare_calls++;
}

void server_call_free(struct tars_call *call)
{
    tars_arena_free(call->arena);
    tars_writer_free(&call->later.body);
    free(call);
}

void server_calls_clear(struct server_worker *w)
{
    while (w->calls) {
        struct tars_call *call = w->calls;
        w->calls = call->next;
        server_call_free(call);
    }
}

/* ---- answering ---------------------------------------------------------------------------------
 */

struct answer {
    int32_t ret;
    struct tars_str body, text;
    struct tars_str_map status, context;
};

/* The request's node_name goes back unless the servant set one; TarsGo shares that map between
 * request and answer, and its callers see it. */
static const struct tars_str *node_to_echo(const struct tars_call *call,
                                           const struct tars_str_map *own)
{
    if (!call->request.context.len || tars_str_map_get(own, "node_name"))
        return NULL;
    return tars_str_map_get(&call->request.context, "node_name");
}

static struct tars_str error_body(int version)
{
    return rpc_version_is_tup(version) ? tars_str_n(tup_empty, sizeof tup_empty) : tars_str(NULL);
}

static void write_answer(const struct tars_call *call, struct tars_writer *out,
                         const struct answer *a)
{
    const struct rpc_request *q = &call->request;
    struct rpc_response response = {
        .version = q->version,
        .packet_type = RPC_NORMAL,
        .id = q->id,
        .message_type = q->message_type,
        .ret = a->ret,
        .body = a->ret ? error_body(q->version) : a->body,
        .status = a->status,
        .description = a->text,
        .context = a->context,
    };
    if (rpc_version_is_tup(q->version))
        rpc_tup_response_write(out, &response, q);
    else
        rpc_response_write(out, &response);
}

static void answer_datagram(struct tars_call *call, const struct answer *a)
{
    struct tars_writer *out = &call->worker->out;
    struct server_counters *counters = server_worker_counters(call->worker, call->adapter);
    const union server_address *peer = &call->datagram_peer;
    socklen_t len = peer->any.sa_family == AF_INET ? sizeof peer->v4 : sizeof peer->v6;
    tars_writer_reset(out);
    write_answer(call, out, a);
    if (out->len > DATAGRAM_MAX) {
        const struct answer too_long = {
            .ret = TARS_RET_ENCODE,
            .text = tars_str("the answer is longer than a datagram may be")};
        tars_writer_reset(out);
        write_answer(call, out, &too_long);
    }
    ssize_t sent = sendto(call->listener->fd, out->at, out->len, 0, &peer->any, len);
    server_count(counters, SERVER_COUNT_WRITES, 1);
    if (sent > 0)
        server_count(counters, SERVER_COUNT_BYTES_OUT, (uint64_t)sent);
    else
        server_count(counters, SERVER_COUNT_ANSWERS_DISCARDED, 1);
    tars_writer_reset(out);
}

/* Makes the answer fit the protocol's rules. */
static void mend(struct answer *a)
{
    if (a->body.len > RPC_FRAME_LIMIT_MAX - ANSWER_HEAD) {
        a->ret = TARS_RET_ENCODE;
        a->text = tars_str("the answer is longer than a packet may be");
    }
    if (a->ret < TARS_RET_UNKNOWN)
        a->ret =
            TARS_RET_UNKNOWN; /* Tars protocol: callers drop the connection over a lower code */
    if (a->ret && !a->text.len)
        a->text = tars_str("the servant failed without a text");
}

static void send_answer(struct tars_call *call, struct answer *a)
{
    struct tars_connection *c = call->connection;
    if (call->request.packet_type == RPC_ONE_WAY)
        return;
    mend(a);
    if (!c) {
        answer_datagram(call, a);
    } else if (c->fd < 0 || c->lingering) {
        server_count(c->counters, SERVER_COUNT_ANSWERS_DISCARDED, 1);
    } else {
        write_answer(call, server_connection_output(c), a);
        server_connection_written(c);
    }
}

void server_call_answer(struct tars_call *call, int32_t ret, struct tars_str body,
                        struct tars_str text)
{
    const struct tars_str *node = node_to_echo(call, &call->reply_context);
    if (node)
        tars_reply_context(call, "node_name", *node);
    struct answer a = {ret, body, text, call->reply_status, call->reply_context};
    call->state = SERVER_CALL_ANSWERED;
    call->answer = ret ? tars_str(NULL) : body;
    send_answer(call, &a);
}

void server_call_answer_timeout(struct tars_call *call, const char *why)
{
    struct tars_str_pair echo = {tars_str("node_name"), tars_str(NULL)};
    struct answer a = {.ret = TARS_RET_QUEUE_TIMEOUT, .text = tars_str(why)};
    const struct tars_str *node = node_to_echo(call, &a.context);
    if (node) {
        echo.value = *node;
        a.context = (struct tars_str_map){1, &echo};
    }
    send_answer(call, &a);
}

static void answer_error(struct tars_call *call, int32_t ret, const char *format, ...)
    TARS_PRINTF(3, 4);

static void answer_error(struct tars_call *call, int32_t ret, const char *format, ...)
{
    char text[ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    server_call_answer(call, ret, tars_str(NULL), tars_str(text));
    call->fail_code = ret;
}

void server_call_finished(struct tars_call *call, int32_t ret)
{
    struct server_worker *w = call->worker;
    struct server_counters *counters = server_worker_counters(w, call->adapter);
    server_count(counters, SERVER_COUNT_CALLS, 1);
    if (call->request.packet_type == RPC_ONE_WAY)
        server_count(counters, SERVER_COUNT_ONE_WAY, 1);
    if (ret)
        server_count(counters, SERVER_COUNT_ERRORS, 1);
    if (call->adapter->admin || !w->server->report)
        return;
    struct rpc_server_call finished = {
        .call = call,
        .function = call->function,
        .answer = call->answer,
        .adapter = call->adapter->name,
        .ret = ret,
        .wait_ms = (int32_t)((call->begun_us - call->arrived_us) / 1000),
        .handle_ms = (int32_t)((w->now_us - call->begun_us) / 1000),
    };
    rpc_hooks.server_call(w->server->report, &finished);
}

/* ---- rules before the handler ------------------------------------------------------------------
 */

/* "name" of "name.area.group" */
static struct tars_str set_name(struct tars_str set)
{
    const char *dot = set.len ? memchr(set.at, '.', set.len) : NULL;
    return dot ? tars_str_n(set.at, (size_t)(dot - set.at)) : set;
}

/* "name.area" of "name.area.group" */
static struct tars_str set_area(struct tars_str set)
{
    const char *dot = set.len ? memrchr(set.at, '.', set.len) : NULL;
    return dot ? tars_str_n(set.at, (size_t)(dot - set.at)) : set;
}

/* Tars protocol: a caller of the same set name but another area came to the wrong place. */
static bool set_is_allowed(const struct tars_call *call)
{
    const struct server_options *options = &call->worker->server->options;
    if (!options->enable_set || !options->check_set ||
        !(call->request.message_type & RPC_MESSAGE_SET))
        return true;
    const struct tars_str *theirs = tars_str_map_get(&call->request.status, RPC_STATUS_SETNAME);
    struct tars_str ours = tars_str(options->set);
    if (!theirs)
        return false;
    return tars_str_equal(set_area(*theirs), set_area(ours)) ||
           !tars_str_equal(set_name(*theirs), set_name(ours));
}

/* True when it waited longer than the adapter or its caller allows. */
static bool is_too_late(const struct tars_call *call)
{
    int64_t waited_ms = (call->begun_us - call->arrived_us) / 1000;
    int32_t patience = call->request.timeout_ms;
    return waited_ms > call->adapter->queue_timeout_ms || (patience > 0 && waited_ms > patience);
}

/* Too many calls wait for a later answer, or they and their requests hold too much memory. */
static bool is_overloaded(const struct tars_call *call)
{
    const struct server_worker *w = call->worker;
    size_t limit = server_worker_memory_limit(w);
    int64_t parked = atomic_load_explicit(&call->adapter->parked, memory_order_relaxed);
    return parked > 0 && (parked >= call->adapter->queue_cap * 4 / 5 || w->parked_bytes > limit ||
                          server_worker_memory(w) > limit);
}

/* Answers what the library itself answers; false when the servant is to be asked. */
static bool refuse(struct tars_call *call)
{
    struct server_counters *counters = server_worker_counters(call->worker, call->adapter);
    const struct rpc_request *q = &call->request;
    if (!server_adapter_serves(call->adapter, q->servant)) {
        answer_error(call, TARS_RET_NO_SERVANT,
                     "no servant %" TARS_STR_FMT " on this port, only %s", TARS_STR_ARG(q->servant),
                     call->adapter->servant_name);
    } else if (!set_is_allowed(call)) {
        answer_error(call, TARS_RET_INVALID_SET, "this server belongs to the set %s",
                     call->worker->server->options.set);
    } else if (is_too_late(call)) {
        server_count(counters, SERVER_COUNT_QUEUE_TIMEOUTS, 1);
        answer_error(call, TARS_RET_QUEUE_TIMEOUT, "the call waited too long in the queue of %s",
                     call->adapter->name);
    } else if (is_overloaded(call)) {
        server_count(counters, SERVER_COUNT_OVERLOADS, 1);
        answer_error(call, TARS_RET_OVERLOAD, "the queue of %s is full", call->adapter->name);
    } else {
        return false;
    }
    return true;
}

static bool is_known_version(int version)
{
    return version == RPC_TARS || version == RPC_JSON || rpc_version_is_tup(version);
}

/* Tars protocol: every servant answers tars_ping itself, with nothing in it. */
static bool answer_ping(struct tars_call *call)
{
    if (!tars_str_is(call->request.function, "tars_ping"))
        return false;
    int version = call->request.version;
    struct tars_str nothing = version == RPC_JSON ? tars_str("{}") : error_body(version);
    server_call_answer(call, 0, nothing, tars_str(NULL));
    return true;
}

/* ---- the handler -------------------------------------------------------------------------------
 */

static const struct tars_function *find_function(struct tars_call *call)
{
    const struct server_servant *servant = call->adapter->servant;
    const struct tars_function *f = servant && servant->interface ? tars_interface_find(
                                                                        servant->interface,
                                                                        call->request.function)
                                                                  : NULL;
    void (*handler)(void) = NULL;
    if (f)
        memcpy(&handler, (const char *)servant->handlers + f->handler, sizeof handler);
    call->function = f;
    if (handler)
        return f;
    answer_error(call, TARS_RET_NO_FUNCTION, "%s has no function %" TARS_STR_FMT,
                 call->adapter->servant_name, TARS_STR_ARG(call->request.function));
    return NULL;
}

static void run_handler(struct tars_call *call, const struct tars_function *f)
{
    const struct rpc_request *q = &call->request;
    struct tars_writer *body = &call->worker->body;
    struct tars_error error = {0};
    void *args = tars_arena_alloc(call->arena, f->args_size ? f->args_size : 1);
    if (!args || !tars_args_read_request(f, q->version, q->body, call->arena, args, &error)) {
        answer_error(call, TARS_RET_DECODE, "the parameters of %s cannot be read: %s", f->name,
                     args ? error.text : "too long");
        return;
    }
    f->serve(call, call->adapter->servant->handlers, args);
    if (call->state != SERVER_CALL_RUNNING)
        return;
    if (call->fail_code) {
        server_call_answer(call, call->fail_code, tars_str(NULL), call->fail_text);
        return;
    }
    if (q->packet_type == RPC_ONE_WAY) {
        call->state = SERVER_CALL_ANSWERED;
        return;
    }
    tars_writer_reset(body);
    tars_args_write_response(f, q->version, q->body, args, body);
    server_call_answer(call, 0, tars_str_n(body->at, body->len), tars_str(NULL));
}

/* True when the raw servant took care of the call. */
static bool run_fast(struct tars_call *call, const struct server_servant *servant)
{
    bool done = servant->fast(call, servant->fast_self);
    if (call->state != SERVER_CALL_RUNNING)
        return true;
    if (call->fail_code)
        server_call_answer(call, call->fail_code, tars_str(NULL), call->fail_text);
    else if (done)
        answer_error(call, TARS_RET_UNKNOWN, "the servant gave no answer");
    return call->state != SERVER_CALL_RUNNING;
}

/* Calls that a handler makes belong to the call it handles, without a word of it. It is known by
 * the thread alone: stubs have no server at hand. */
static _Thread_local const struct tars_call *current;

const struct tars_call *server_call_current(void)
{
    return current;
}

static void dispatch(struct tars_call *call)
{
    const struct server_servant *servant = call->adapter->servant;
    const struct rpc_request *q = &call->request;
    if (refuse(call))
        return;
    if (!is_known_version(q->version)) {
        answer_error(call, TARS_RET_DECODE, "packet version %d is not served (1, 2, 3 and 5 are)",
                     q->version);
        return;
    }
    if (answer_ping(call))
        return;
    if (servant && servant->fast && q->version == RPC_TARS && run_fast(call, servant))
        return;
    const struct tars_function *f = find_function(call);
    if (f)
        run_handler(call, f);
}

/* Answers that lay ready take no time worth an exact look at the clock, each. One that took longer
 * than a tick, or a batch of them that did, shows. */
static void look_at_clock(struct server_worker *w, const struct tars_call *call)
{
    if (!call->function) {
        int64_t tick = clock_tick();
        if (tick == w->tick)
            return;
        w->tick = tick;
    }
    w->now_us = clock_us();
}

/* Runs a call whose request has been read; it may be gone afterwards. */
static void run(struct tars_call *call, int64_t arrived_us)
{
    struct server_worker *w = call->worker;
    call->arrived_us = arrived_us;
    call->begun_us = w->now_us;
    current = call;
    dispatch(call);
    current = NULL;
    look_at_clock(w, call);
    if (call->state == SERVER_CALL_PARKED)
        return;
    server_call_finished(call, call->fail_code);
    server_call_recycle(call);
    if (w->body.cap > KEEP_ARENA)
        tars_writer_free(&w->body);
}

/* ---- entries -----------------------------------------------------------------------------------
 */

/* Tars protocol: the first packet of an "-e 1" connection proves the secret; anything else closes
 * it without a word. */
static bool authenticate(struct tars_call *call)
{
    struct tars_connection *c = call->connection;
    struct rpc_auth_key key = {tars_str(c->adapter->servant_name), tars_str(c->adapter->access_key),
                               tars_str(c->adapter->secret_key)};
    struct tars_error error;
    if (!rpc_auth_check(&key, call->request.body, clock_wall_ms() / 1000, &error)) {
        server_count(c->counters, SERVER_COUNT_AUTH_FAILURES, 1);
        log_warn("server", "%s: peer %s closed: %s", c->adapter->name, c->peer, error.text);
        return false;
    }
    c->authenticated = true;
    call->request.version = RPC_TARS; /* whatever it said, the answer is one of version 1 */
    server_call_answer(call, 0, tars_str(RPC_AUTH_SUCCESS), tars_str(NULL));
    return true;
}

bool server_call_serve(struct tars_connection *c, struct server_chunk *chunk, struct tars_str frame)
{
    struct server_worker *w = c->worker;
    struct tars_call *call = take_call(w);
    call->connection = c;
    call->adapter = c->adapter;
    call->chunk = chunk;
    if (!rpc_request_read(frame, call->arena, &call->request, NULL)) {
        server_count(c->counters, SERVER_COUNT_BAD_FRAMES, 1);
        server_call_recycle(call);
        return false;
    }
    if (c->authenticated) {
        if (w->now_us < c->received_us)
            w->now_us = c->received_us;
        run(call, c->received_us);
        return true;
    }
    bool ok = authenticate(call);
    server_call_recycle(call);
    return ok;
}

void server_call_serve_datagram(struct server_listener *listener, struct server_chunk *chunk,
                                struct tars_str frame, const union server_address *peer)
{
    struct server_worker *w = listener->worker;
    struct server_counters *counters = server_worker_counters(w, listener->adapter);
    struct tars_call *call = take_call(w);
    size_t len;
    call->connection = NULL;
    call->adapter = listener->adapter;
    call->chunk = chunk;
    call->listener = listener;
    call->datagram_peer = *peer;
    server_address_print(peer, call->datagram_peer_text);
    if (rpc_frame_find(frame.at, frame.len, RPC_FRAME_LIMIT_MAX, &len) != RPC_FRAME_COMPLETE ||
        !rpc_request_read(tars_str_n(frame.at, len), call->arena, &call->request, NULL)) {
        server_count(counters, SERVER_COUNT_BAD_DATAGRAMS, 1);
        server_call_recycle(call);
        return;
    }
    w->now_us = clock_us();
    run(call, w->now_us);
}

/* ---- what a handler asks -----------------------------------------------------------------------
 */

void *tars_call_self(const struct tars_call *call)
{
    return call->adapter->servant ? call->adapter->servant->self : NULL;
}

void *tars_call_alloc(struct tars_call *call, size_t size)
{
    return tars_arena_alloc(call->arena, size);
}

struct tars_arena *tars_call_arena(struct tars_call *call)
{
    return call->arena;
}

struct tars_str tars_call_peer(const struct tars_call *call)
{
    return call->connection ? tars_str_n(call->connection->peer, call->connection->peer_len)
                            : tars_str(call->datagram_peer_text);
}

uint16_t tars_call_peer_port(const struct tars_call *call)
{
    return call->connection ? call->connection->peer_port
                            : server_address_port(&call->datagram_peer);
}

struct tars_str tars_call_node_name(const struct tars_call *call)
{
    struct tars_str name = tars_call_context(call, "node_name");
    return name.len ? name : tars_call_peer(call);
}

static struct tars_str value_of(const struct tars_str_map *map, const char *key)
{
    const struct tars_str *value = tars_str_map_get(map, key);
    return value ? *value : tars_str(NULL);
}

struct tars_str tars_call_context(const struct tars_call *call, const char *key)
{
    return value_of(&call->request.context, key);
}

struct tars_str tars_call_status(const struct tars_call *call, const char *key)
{
    return value_of(&call->request.status, key);
}

int32_t tars_call_deadline_ms(const struct tars_call *call)
{
    if (call->request.timeout_ms <= 0)
        return INT32_MAX;
    int64_t left = call->request.timeout_ms - (clock_us() - call->arrived_us) / 1000;
    return left > 0 ? (int32_t)left : 0;
}

struct tars_str tars_call_servant(const struct tars_call *call)
{
    return call->request.servant;
}

struct tars_str tars_call_function(const struct tars_call *call)
{
    return call->request.function;
}

struct tars_str tars_call_body(const struct tars_call *call)
{
    return call->request.body;
}

int tars_call_version(const struct tars_call *call)
{
    return call->request.version;
}

int32_t tars_call_message_type(const struct tars_call *call)
{
    return call->request.message_type;
}

int32_t tars_call_request_id(const struct tars_call *call)
{
    return call->request.id;
}

bool tars_call_one_way(const struct tars_call *call)
{
    return call->request.packet_type == RPC_ONE_WAY;
}

struct tars_server *tars_call_server(const struct tars_call *call)
{
    return call->worker->server;
}

unsigned tars_call_worker(const struct tars_call *call)
{
    return call->worker->index;
}

/* ---- what a handler answers --------------------------------------------------------------------
 */

static void put_pair(struct tars_call *call, struct tars_str_map *map, const char *key,
                     struct tars_str value)
{
    bool is_full = (map->len & (map->len - 1)) == 0; /* room is a power of two */
    if (is_full) {
        size_t room = map->len ? map->len * 2 : 1;
        struct tars_str_pair *more = tars_arena_alloc(call->arena, room * sizeof *more);
        if (!more)
            return;
        if (map->len)
            memcpy(more, map->at, map->len * sizeof *more);
        map->at = more;
    }
    map->at[map->len++] = (struct tars_str_pair){tars_arena_copy(call->arena, tars_str(key)),
                                                 tars_arena_copy(call->arena, value)};
}

static void set_pair(struct tars_call *call, struct tars_str_map *map, const char *key,
                     struct tars_str value)
{
    for (size_t i = 0; i < map->len; i++) {
        if (!tars_str_is(map->at[i].key, key))
            continue;
        map->at[i].value = tars_arena_copy(call->arena, value);
        return;
    }
    put_pair(call, map, key, value);
}

void tars_reply_context(struct tars_call *call, const char *key, struct tars_str value)
{
    set_pair(call, &call->reply_context, key, value);
}

void tars_reply_status(struct tars_call *call, const char *key, struct tars_str value)
{
    set_pair(call, &call->reply_status, key, value);
}

void tars_call_fail(struct tars_call *call, int32_t code, const char *format, ...)
{
    char text[ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    call->fail_code = code ? code : TARS_RET_UNKNOWN;
    call->fail_text = tars_arena_copy(call->arena, tars_str(text));
}

void tars_call_reply_body(struct tars_call *call, struct tars_str body)
{
    if (call->state == SERVER_CALL_RUNNING)
        server_call_answer(call, 0, body, tars_str(NULL));
}
