/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How calls are made: encoded on the caller's thread, handed to the client's loop, and what comes
 * back is delivered: to a callback, on the loop's thread, or to a thread that waits.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <tars/server.h>

#include "base/clock.h"
#include "base/xmalloc.h"
#include "rpc/handed_on.h"
#include "rpc/proxy.h"
#include "rpc/server_call.h"

/* Beyond its timeout a blocked thread waits this long for a loop that does not turn. */
enum { LOOP_GRACE_MS = 5000 };

static const struct tars_call_options no_options;

/* ---- making a call -------------------------------------------------------------------------- */

static int32_t timeout_of(const struct tars_proxy *p, const struct tars_call_options *o,
                          bool blocking)
{
    int32_t ms = o->timeout_ms > 0 ? o->timeout_ms
                                   : atomic_load_explicit(&p->timeout_ms, memory_order_relaxed);

    if (ms > 0)
        return ms;
    return blocking ? p->client->conf.sync_timeout_ms : p->client->conf.async_timeout_ms;
}

static int16_t version_of(const struct tars_proxy *p, const struct tars_call_options *o)
{
    int version = o->version ? o->version : atomic_load_explicit(&p->version, memory_order_relaxed);

    return (int16_t)(version ? version : RPC_TARS);
}

static void set_routing(struct rpc_call *call, const struct tars_proxy *p,
                        const struct tars_call_options *o)
{
    call->routing = o->routing;
    call->hash = o->hash;
    if (o->routing == TARS_ROUTE_TURN) {
        call->routing = (enum tars_routing)atomic_load_explicit(&p->routing, memory_order_relaxed);
        call->hash = atomic_load_explicit(&p->hash, memory_order_relaxed);
    }
    /* Tars protocol: the message type says that the call was routed by hash. */
    if (call->routing != TARS_ROUTE_TURN)
        call->message_type |= RPC_MESSAGE_HASH;
}

/* A map with one more pair, in `pairs` of len + 1. */
static struct tars_str_map with_pair(const struct tars_str_map *map, struct tars_str_pair *pairs,
                                     const char *key, const char *value)
{
    struct tars_str_map more = {0};

    if (map && map->len)
        memcpy(pairs, map->at, map->len * sizeof *pairs);
    more.len = map ? map->len : 0;
    more.at = pairs;
    if (value && !(map && tars_str_map_get(map, key)))
        pairs[more.len++] = (struct tars_str_pair){tars_str(key), tars_str(value)};
    return more;
}

/* Tars protocol: calls to the framework say from which node they come; a caller in a set says so;
 * a call made for another one carries on its keys and cookies. */
static void write_tail(struct rpc_call *call, const struct tars_proxy *p,
                       const struct tars_call_options *o, struct tars_str body)
{
    const struct rpc_client_conf *conf = &p->client->conf;
    size_t contexts = o->context ? o->context->len : 0, statuses = o->status ? o->status->len : 0;
    const struct tars_call *parent = o->parent      ? o->parent
                                     : p->framework ? NULL
                                                    : server_call_current();
    struct tars_str_pair *pairs = xcalloc(contexts + statuses + 2 + rpc_handed_on_max(parent),
                                          sizeof *pairs);
    struct rpc_request request = {
        .servant = tars_str(p->object),
        .function = call->function,
        .body = body,
        .timeout_ms = call->timeout_ms,
    };

    request.context = with_pair(o->context, pairs, "node_name",
                                p->framework ? conf->node_name : NULL);
    request.status = with_pair(o->status, pairs + contexts + 1, RPC_STATUS_SETNAME, conf->set);
    if (conf->set)
        call->message_type |= RPC_MESSAGE_SET;
    rpc_hand_on(parent, call, &request.status);
    rpc_request_write_tail(&call->tail, &request);
    free(pairs);
}

/* `size` is that of the struct that begins with the rpc_call. */
static struct rpc_call *make_call(size_t size, struct tars_proxy *p, const char *function,
                                  const struct tars_call_options *o, bool blocking)
{
    size_t len = strlen(function);
    struct rpc_call *call = xcalloc(1, size + len + 1);
    char *name = (char *)call + size;

    memcpy(name, function, len);
    call->function = tars_str_n(name, len);
    call->proxy = p;
    call->started_us = clock_us();
    call->version = version_of(p, o);
    call->message_type = o->message_type;
    call->timeout_ms = timeout_of(p, o, blocking);
    call->one_way = o->one_way || atomic_load_explicit(&p->one_way, memory_order_relaxed);
    set_routing(call, p, o);
    call->release = rpc_call_free;
    return call;
}

static void fail_early(struct rpc_call *call, int32_t code, const char *reason)
{
    call->early_code = code;
    call->early_reason = xstrdup(reason);
}

/* What is wrong with a call before anything is encoded. True when nothing is. */
static bool check_call(struct rpc_call *call)
{
    static const bool known[] = {false, true, true, true, false, true};
    const struct tars_proxy *p = call->proxy;

    if (p->invalid.code) {
        fail_early(call, TARS_RET_NO_ENDPOINT, p->invalid.text);
    } else if (call->version < 0 || call->version > RPC_JSON || !known[call->version]) {
        fail_early(call, TARS_RET_ENCODE, "only the versions 1, 2, 3 and 5 exist");
    }
    return call->early_code == 0;
}

/* Asynchronous calls have no thread that holds them back, so they are limited in number. */
static void check_overload(struct rpc_call *call)
{
    struct tars_client *client = call->proxy->client;
    int32_t before = atomic_fetch_add_explicit(&client->under_way, 1, memory_order_relaxed);
    char reason[160];

    call->as_asynchronous = true;
    if (before < client->conf.async_queue_cap || call->early_code)
        return;
    rpc_count(&client->counters.refused, 1);
    snprintf(reason, sizeof reason, "%d asynchronous calls are under way already (asyncqueuecap)",
             (int)before);
    fail_early(call, TARS_RET_OVERLOAD, reason);
}

/* Encodes where nothing is wrong yet, and hands over. */
static void post_typed(struct rpc_call *call, const struct tars_function *function,
                       const void *args, const struct tars_call_options *o)
{
    struct tars_writer body;

    tars_writer_init(&body);
    if (!call->early_code) {
        tars_args_write_request(function, call->version, args, &body);
        write_tail(call, call->proxy, o, tars_str_n(body.at, body.len));
        rpc_trace_line(call, function, args, body.len, false, 0);
    }
    tars_writer_free(&body);
    rpc_client_post(call->proxy->client, call);
}

static void post_raw(struct rpc_call *call, struct tars_str body, const struct tars_call_options *o)
{
    if (!call->early_code) {
        write_tail(call, call->proxy, o, body);
        rpc_trace_line(call, NULL, NULL, 0, false, 0);
    }
    rpc_client_post(call->proxy->client, call);
}

/* ---- answers -------------------------------------------------------------------------------- */

static int64_t integer_at(const struct tars_type *type, const void *value)
{
    if (type == &tars_type_bool)
        return *(const bool *)value;
    if (type == &tars_type_int8)
        return *(const int8_t *)value;
    if (type == &tars_type_uint8)
        return *(const uint8_t *)value;
    if (type == &tars_type_int16)
        return *(const int16_t *)value;
    if (type == &tars_type_uint16)
        return *(const uint16_t *)value;
    if (type == &tars_type_uint32)
        return *(const uint32_t *)value;
    if (type == &tars_type_int64)
        return *(const int64_t *)value;
    /* enumerations have types of their own */
    if (type == &tars_type_int32 || strcmp(type->name, tars_type_int32.name) == 0)
        return *(const int32_t *)value;
    return 0;
}

static void fill_ret(const struct tars_function *f, const void *args, struct tars_result *result)
{
    if (f->param_count > 0 && f->params[0].tag == 0)
        result->ret = integer_at(f->params[0].type, (const char *)args + f->params[0].offset);
}

/* Reads the answer's values; on damage the result becomes a failure. */
static void read_values(const struct tars_proxy *p, const struct tars_function *f, int version,
                        struct tars_str body, struct tars_arena *arena, void *args,
                        struct tars_result *result)
{
    struct tars_error error = {0};

    if (tars_args_read_response(f, version, body, arena, args, &error)) {
        fill_ret(f, args, result);
        return;
    }
    tars_args_init(f, args);
    result->error = TARS_RET_CLIENT_DECODE;
    snprintf(result->message, sizeof result->message,
             "calling %s %s: the answer cannot be read: %.150s", p->object, f->name, error.text);
}

/* Tars protocol: nobody sees the end of a one-way call. */
static void trace_end(const struct rpc_call *call, const struct tars_function *function,
                      const void *args, const struct rpc_response *response,
                      const struct tars_result *result)
{
    if (!call->one_way)
        rpc_trace_line(call, result->error ? NULL : function, args,
                       response ? response->body.len : 0, true, result->error);
}

/* ---- asynchronous, typed -------------------------------------------------------------------- */

struct typed_call {
    struct rpc_call call;
    const struct tars_function *of;
    void (*callback)(void);
    void *user;
};

static int32_t finish_typed(struct rpc_call *call, struct tars_result *result,
                            const struct rpc_response *response)
{
    struct typed_call *t = (struct typed_call *)call;
    struct tars_arena *arena = call->proxy->client->values;
    void *args;

    if (!t->callback) {
        trace_end(call, NULL, NULL, response, result);
        return result->error;
    }
    tars_arena_reset(arena);
    args = tars_arena_alloc(arena, t->of->args_size ? t->of->args_size : 1);
    tars_args_init(t->of, args);
    if (response && result->error == 0)
        read_values(call->proxy, t->of, call->version, response->body, arena, args, result);
    trace_end(call, t->of, args, response, result);
    t->of->deliver(t->callback, t->user, result, args);
    return result->error;
}

void tars_proxy_call_async(struct tars_proxy *p, const struct tars_function *function,
                           const void *args, const struct tars_call_options *options,
                           void (*callback)(void), void *user)
{
    const struct tars_call_options *o = options ? options : &no_options;
    struct rpc_call *call = make_call(sizeof(struct typed_call), p, function->name, o, false);
    struct typed_call *t = (struct typed_call *)call;

    call->finish = finish_typed;
    t->of = function;
    t->callback = callback;
    t->user = user;
    check_call(call);
    check_overload(call);
    post_typed(call, function, args, o);
}

/* ---- asynchronous, raw ---------------------------------------------------------------------- */

struct raw_call {
    struct rpc_call call;
    tars_raw_callback *callback;
    void *user;
};

static int32_t finish_raw(struct rpc_call *call, struct tars_result *result,
                          const struct rpc_response *response)
{
    struct raw_call *r = (struct raw_call *)call;

    trace_end(call, NULL, NULL, response, result);
    if (r->callback)
        r->callback(r->user, result, response ? response->body : tars_str(NULL));
    return result->error;
}

void tars_proxy_call_raw(struct tars_proxy *p, const char *function, struct tars_str body,
                         const struct tars_call_options *options, tars_raw_callback *callback,
                         void *user)
{
    const struct tars_call_options *o = options ? options : &no_options;
    struct rpc_call *call = make_call(sizeof(struct raw_call), p, function, o, false);
    struct raw_call *r = (struct raw_call *)call;

    call->finish = finish_raw;
    r->callback = callback;
    r->user = user;
    check_call(call);
    check_overload(call);
    post_raw(call, body, o);
}

/* ---- blocking ------------------------------------------------------------------------------- */

/*
 * Shared by the waiting thread and the loop. While the thread waits, the loop may write to its
 * arena; when it has given up (a loop that does not turn), the loop must not, and frees the call.
 */
struct blocking_call {
    struct rpc_call call;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool done, abandoned;
    struct tars_arena *arena; /* NULL: the answer goes to `body_copy` */
    struct tars_result result;
    struct tars_str body;
    char *body_copy;
};

static const struct tars_str_map *copy_map(struct tars_arena *arena, const struct tars_str_map *map)
{
    struct tars_str_map *copy;

    if (!arena || !map || map->len == 0)
        return NULL;
    copy = tars_arena_alloc(arena, sizeof *copy + map->len * sizeof *map->at);
    if (!copy)
        return NULL;
    copy->at = (struct tars_str_pair *)(copy + 1);
    for (copy->len = 0; copy->len < map->len; copy->len++) {
        copy->at[copy->len].key = tars_arena_copy(arena, map->at[copy->len].key);
        copy->at[copy->len].value = tars_arena_copy(arena, map->at[copy->len].value);
    }
    return copy;
}

static bool copy_body(struct blocking_call *b, struct tars_str body)
{
    if (body.len == 0)
        return true;
    if (!b->arena) {
        b->body_copy = xmalloc(body.len);
        memcpy(b->body_copy, body.at, body.len);
        b->body = tars_str_n(b->body_copy, body.len);
        return true;
    }
    b->body = tars_arena_copy(b->arena, body);
    return b->body.at != NULL;
}

static int32_t finish_blocking(struct rpc_call *call, struct tars_result *result,
                               const struct rpc_response *response)
{
    struct blocking_call *b = (struct blocking_call *)call;

    pthread_mutex_lock(&b->lock);
    b->result = *result;
    if (!b->abandoned) {
        b->result.context = copy_map(b->arena, result->context);
        b->result.status = copy_map(b->arena, result->status);
        if (response && !copy_body(b, response->body)) {
            b->result.error = TARS_RET_CLIENT_DECODE;
            snprintf(b->result.message, sizeof b->result.message,
                     "calling %s: the answer is larger than the arena allows", call->proxy->object);
        }
    }
    pthread_mutex_unlock(&b->lock);
    return b->result.error;
}

static void free_blocking(struct blocking_call *b)
{
    pthread_cond_destroy(&b->wake);
    pthread_mutex_destroy(&b->lock);
    free(b->body_copy);
    rpc_call_free(&b->call);
}

static void release_blocking(struct rpc_call *call)
{
    struct blocking_call *b = (struct blocking_call *)call;
    bool abandoned;

    pthread_mutex_lock(&b->lock);
    b->done = true;
    abandoned = b->abandoned;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
    if (abandoned)
        free_blocking(b);
}

static struct tars_result refuse(const struct tars_proxy *p, const char *function, int32_t code,
                                 const char *reason)
{
    struct tars_result result = {.error = code};

    snprintf(result.message, sizeof result.message, "calling %s %s: %.150s (code %d)", p->object,
             function, reason, (int)code);
    return result;
}

static struct blocking_call *make_blocking(struct tars_proxy *p, const char *function,
                                           const struct tars_call_options *o,
                                           struct tars_arena *arena)
{
    struct rpc_call *call = make_call(sizeof(struct blocking_call), p, function, o, true);
    struct blocking_call *b = (struct blocking_call *)call;
    pthread_condattr_t monotonic;

    call->finish = finish_blocking;
    call->release = release_blocking;
    b->arena = arena;
    pthread_mutex_init(&b->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&b->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return b;
}

/* Waits; false when the loop does not turn, then the call is the loop's. */
static bool wait_for(struct blocking_call *b)
{
    struct timespec until;
    int64_t ms = (int64_t)b->call.timeout_ms + LOOP_GRACE_MS;
    bool done;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&b->lock);
    while (!b->done && pthread_cond_timedwait(&b->wake, &b->lock, &until) != ETIMEDOUT)
        ;
    done = b->done;
    b->abandoned = !done;
    pthread_mutex_unlock(&b->lock);
    return done;
}

static const char loop_thread_text[] =
    "a blocking call on the client's own loop thread would wait for ever; use the asynchronous one";
static const char no_loop_text[] = "the client's loop does not run";

struct tars_result tars_proxy_call(struct tars_proxy *p, const struct tars_function *function,
                                   void *args, struct tars_arena *arena,
                                   const struct tars_call_options *options)
{
    const struct tars_call_options *o = options ? options : &no_options;
    struct blocking_call *b;
    struct tars_result result;
    int version;

    if (loop_here(p->client->loop))
        return refuse(p, function->name, TARS_RET_SEND, loop_thread_text);
    b = make_blocking(p, function->name, o, arena);
    version = b->call.version;
    check_call(&b->call);
    post_typed(&b->call, function, args, o);
    if (!wait_for(b))
        return refuse(p, function->name, TARS_RET_TIMEOUT, no_loop_text);
    result = b->result;
    if (result.error == 0 && !b->call.one_way)
        read_values(p, function, version, b->body, arena, args, &result);
    if (!b->call.one_way)
        rpc_trace_line(&b->call, result.error ? NULL : function, args, b->body.len, true,
                       result.error);
    free_blocking(b);
    return result;
}

struct tars_result tars_proxy_call_raw_blocking(struct tars_proxy *p, const char *function,
                                                struct tars_str body, struct tars_arena *arena,
                                                struct tars_str *answer,
                                                const struct tars_call_options *options)
{
    const struct tars_call_options *o = options ? options : &no_options;
    struct blocking_call *b;
    struct tars_result result;

    if (answer)
        *answer = tars_str(NULL);
    if (loop_here(p->client->loop))
        return refuse(p, function, TARS_RET_SEND, loop_thread_text);
    b = make_blocking(p, function, o, arena);
    check_call(&b->call);
    post_raw(&b->call, body, o);
    if (!wait_for(b))
        return refuse(p, function, TARS_RET_TIMEOUT, no_loop_text);
    result = b->result;
    if (answer && arena)
        *answer = b->body;
    if (!b->call.one_way)
        rpc_trace_line(&b->call, NULL, NULL, 0, true, result.error);
    free_blocking(b);
    return result;
}

struct tars_result tars_proxy_ping(struct tars_proxy *p, int32_t timeout_ms)
{
    const struct tars_call_options options = {.timeout_ms = timeout_ms};

    return tars_proxy_call_raw_blocking(p, "tars_ping", tars_str(NULL), NULL, NULL, &options);
}
