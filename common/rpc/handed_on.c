/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/handed_on.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/xmalloc.h"
#include "rpc/proxy.h"
#include "rpc/hooks.h"
#include "rpc/server_call.h"

enum {
    KEYS = 2,                     /* dyeing and trace */
    KEY_MAX_BYTES = 1024,         /* longer ones of strangers end here */
    COOKIES_MAX_BYTES = 64 * 1024 /* and so do cookies beyond this, all together */
};

size_t rpc_handed_on_max(const struct tars_call *parent)
{
    return parent ? parent->request.status.len + KEYS : 0;
}

static void put(struct tars_str_map *status, struct tars_str key, struct tars_str value)
{
    status->at[status->len++] = (struct tars_str_pair){key, value};
}

static bool has(const struct tars_str_map *status, struct tars_str key)
{
    for (size_t i = 0; i < status->len; i++)
        if (tars_str_equal(status->at[i].key, key))
            return true;
    return false;
}

/* Tars protocol: status entries that do not begin with "STATUS_", in any case, are cookies. */
static bool is_cookie(struct tars_str key)
{
    static const char prefix[] = "STATUS_";

    return key.len < sizeof prefix - 1 || strncasecmp(key.at, prefix, sizeof prefix - 1) != 0;
}

static void hand_on_cookies(const struct tars_call *parent, struct tars_str_map *status)
{
    const struct tars_str_map *theirs = &parent->request.status;
    size_t bytes = 0;

    for (size_t i = 0; i < theirs->len; i++) {
        const struct tars_str_pair *pair = &theirs->at[i];

        if (!is_cookie(pair->key) || has(status, pair->key))
            continue;
        bytes += pair->key.len + pair->value.len;
        if (bytes > COOKIES_MAX_BYTES)
            return;
        put(status, pair->key, pair->value);
    }
}

static void hand_on_dyeing(const struct tars_call *parent, struct rpc_call *call,
                           struct tars_str_map *status)
{
    struct tars_str name = tars_str(RPC_STATUS_DYED_KEY), key;

    if (!parent->worker->server->report || has(status, name))
        return;
    key = rpc_hooks.dyeing_key(parent->worker->server->report, parent);
    if (key.len == 0 || key.len > KEY_MAX_BYTES)
        return;
    put(status, name, key);
    call->message_type |= RPC_MESSAGE_DYED;
}

/* ---- traces --------------------------------------------------------------------------------- */

static uint64_t new_span(void)
{
    uint64_t span;

    if (getrandom(&span, sizeof span, GRND_NONBLOCK) != (ssize_t)sizeof span)
        span = (uint64_t)clock_us() << 20 ^ (uint64_t)(uintptr_t)&span;
    return span;
}

/* Tars protocol: "trace|span" came; the caller's span is the parent of ours. */
static struct rpc_trace *trace_new(struct tars_str key)
{
    const char *bar = memchr(key.at, '|', key.len);
    size_t id_len = bar ? (size_t)(bar - key.at) : 0;
    struct rpc_trace *trace;
    struct tars_str parent;
    char *at;

    if (id_len == 0)
        return NULL;
    parent = tars_str_n(bar + 1, key.len - id_len - 1);
    bar = parent.len ? memchr(parent.at, '|', parent.len) : NULL;
    if (bar)
        parent.len = (size_t)(bar - parent.at);
    trace = xcalloc(1, sizeof *trace + key.len + 32);
    memcpy(trace->key, key.at, id_len);
    at = trace->key + id_len;
    trace->wire_len = id_len + (size_t)snprintf(at, 32, "|%016" PRIx64, new_span());
    at = trace->key + trace->wire_len;
    *at++ = '|';
    if (parent.len)
        memcpy(at, parent.at, parent.len);
    return trace;
}

static void hand_on_trace(const struct tars_call *parent, struct rpc_call *call,
                          struct tars_str_map *status)
{
    struct tars_str name = tars_str(RPC_STATUS_TRACE_KEY);
    const struct tars_str *key = tars_str_map_get(&parent->request.status, RPC_STATUS_TRACE_KEY);
    const struct tars_client *client = call->proxy->client;

    if (!(parent->request.message_type & RPC_MESSAGE_TRACE) || !key || key->len == 0 ||
        key->len > KEY_MAX_BYTES || has(status, name))
        return;
    call->trace = trace_new(*key);
    if (!call->trace)
        return;
    /* The server outlives its own client's calls, but not those of others. */
    if (client->server == parent->worker->server)
        call->trace->report = client->server->report;
    put(status, name, tars_str_n(call->trace->key, call->trace->wire_len));
    call->message_type |= RPC_MESSAGE_TRACE;
}

void rpc_hand_on(const struct tars_call *parent, struct rpc_call *call, struct tars_str_map *status)
{
    if (!parent)
        return;
    hand_on_cookies(parent, status);
    hand_on_dyeing(parent, call, status);
    hand_on_trace(parent, call, status);
}

void rpc_trace_line(const struct rpc_call *call, const struct tars_function *function,
                    const void *args, size_t body_bytes, bool ended, int32_t ret)
{
    if (!call->trace || !call->trace->report)
        return;
    rpc_hooks.client_trace(call->trace->report, &(struct rpc_traced_call){
                                                    .key = call->trace->key,
                                                    .object = tars_str(call->proxy->object),
                                                    .name = call->function,
                                                    .function = function,
                                                    .args = args,
                                                    .body_bytes = body_bytes,
                                                    .ended = ended,
                                                    .ret = ret,
                                                });
}
