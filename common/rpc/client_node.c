/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/client_node.h"

#include <stdio.h>
#include <stdlib.h>

#include <tars/server.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"

enum { WARN_EVERY_MS = 10000 };

struct rpc_node {
    LIST_ENTRY(rpc_node) link;
    struct rpc_node_setup *setup;
    struct tars_endpoint endpoint;
    char text[TARS_ENDPOINT_TEXT];
    struct rpc_breaker breaker;
    char problem[160]; /* the last one, for people */

    struct rpc_connection **connections; /* those that take calls; NULL where there is none */
    size_t turn;
    struct rpc_connection **draining; /* those that only finish their calls */
    size_t draining_count;
    size_t open; /* connections that are not closed, of both kinds */

    int32_t connect_failures; /* in a row */
    int64_t connect_at_ms;    /* not before */
    int64_t warned_ms;        /* when a log line last said that it is put aside */
    uint64_t random;
    bool retired;
    int calls; /* nesting of our own functions that must not lose the node */
};

static size_t connection_count(const struct rpc_node *n)
{
    return (size_t)n->setup->conf->connections;
}

struct rpc_node *rpc_node_new(struct rpc_node_setup *setup, const struct tars_endpoint *endpoint)
{
    struct rpc_node *n = xcalloc(1, sizeof *n);

    n->setup = setup;
    n->connections = xcalloc(connection_count(n), sizeof(struct rpc_connection *));
    n->random = (uint64_t)(uintptr_t)n ^ (uint64_t)clock_us();
    rpc_node_update(n, endpoint);
    LIST_INSERT_HEAD(&setup->all, n, link);
    return n;
}

static void free_when_done(struct rpc_node *n)
{
    if (!n->retired || n->open > 0 || n->calls > 0)
        return;
    LIST_REMOVE(n, link);
    free(n->connections);
    free(n->draining);
    free(n);
}

void rpc_node_retire(struct rpc_node *n)
{
    n->retired = true;
    n->calls++;
    for (size_t i = 0; i < connection_count(n); i++) {
        if (n->connections[i])
            rpc_connection_drain(n->connections[i]);
    }
    n->calls--;
    free_when_done(n);
}

void rpc_node_free(struct rpc_node *n, const char *reason)
{
    n->retired = true;
    n->calls++;
    for (size_t i = 0; i < connection_count(n); i++) {
        if (n->connections[i])
            rpc_connection_close(n->connections[i], TARS_RET_CONNECT, reason);
    }
    while (n->draining_count > 0)
        rpc_connection_close(n->draining[0], TARS_RET_CONNECT, reason);
    n->calls--;
    free_when_done(n);
}

const struct tars_endpoint *rpc_node_endpoint(const struct rpc_node *n)
{
    return &n->endpoint;
}

void rpc_node_update(struct rpc_node *n, const struct tars_endpoint *endpoint)
{
    n->endpoint = *endpoint;
    tars_endpoint_print(endpoint, n->text, sizeof n->text);
}

static bool has_connection(const struct rpc_node *n)
{
    for (size_t i = 0; i < connection_count(n); i++) {
        if (n->connections[i])
            return true;
    }
    return false;
}

bool rpc_node_reachable(const struct rpc_node *n, int64_t now_ms)
{
    return now_ms >= n->connect_at_ms || has_connection(n);
}

bool rpc_node_usable(const struct rpc_node *n, int64_t now_ms)
{
    return rpc_breaker_usable(&n->breaker, now_ms) && rpc_node_reachable(n, now_ms);
}

void rpc_node_explain(const struct rpc_node *n, char *text, size_t size)
{
    const char *state = n->breaker.state == RPC_BREAKER_CLOSED ? "" : "put aside: ";

    snprintf(text, size, "%s: %s%s", n->text, state, n->problem[0] ? n->problem : "not connected");
}

/* ---- connections -------------------------------------------------------------------------------
 */

static void forget_connection(struct rpc_node *n, const struct rpc_connection *connection)
{
    for (size_t i = 0; i < connection_count(n); i++) {
        if (n->connections[i] == connection)
            n->connections[i] = NULL;
    }
    for (size_t i = 0; i < n->draining_count; i++) {
        if (n->draining[i] == connection)
            n->draining[i--] = n->draining[--n->draining_count];
    }
}

static uint64_t next_random(struct rpc_node *n)
{
    n->random ^= n->random << 13;
    n->random ^= n->random >> 7;
    n->random ^= n->random << 17;
    return n->random;
}

/* Doubles with each failure; between half of that and all of it, so that clients do not come back
 * in step. */
static void back_off(struct rpc_node *n, int64_t now_ms)
{
    int64_t pause = n->setup->conf->connect_retry_ms;

    for (int32_t i = 0; i < n->connect_failures && pause < n->setup->conf->connect_retry_max_ms;
         i++)
        pause *= 2;
    if (pause > n->setup->conf->connect_retry_max_ms)
        pause = n->setup->conf->connect_retry_max_ms;
    n->connect_failures++;
    n->connect_at_ms = now_ms + pause / 2 + (int64_t)(next_random(n) % (uint64_t)(pause / 2 + 1));
}

static void put_aside_news(struct rpc_node *n)
{
    int64_t now = clock_ms();

    rpc_count(&n->setup->connection.counters->put_aside, 1);
    if (n->warned_ms && now - n->warned_ms < WARN_EVERY_MS)
        return;
    n->warned_ms = now;
    log_warn("client", "%s: %s is put aside: %s", n->setup->object, n->text, n->problem);
}

static void on_ready(void *owner, struct rpc_connection *connection)
{
    struct rpc_node *n = owner;

    (void)connection;
    n->connect_failures = 0;
    n->connect_at_ms = 0;
    n->breaker.connect_failed_in_row = 0;
}

static void on_draining(void *owner, struct rpc_connection *connection)
{
    struct rpc_node *n = owner;
    size_t room = (n->draining_count + 1) * sizeof(struct rpc_connection *);

    forget_connection(n, connection);
    n->draining = xrealloc(n->draining, room);
    n->draining[n->draining_count++] = connection;
}

static void on_pushed(void *owner, const struct rpc_response *push)
{
    const struct rpc_node *n = owner;

    n->setup->pushed(n->setup->user, push);
}

static void on_leaving(void *owner)
{
    struct rpc_node *n = owner;

    snprintf(n->problem, sizeof n->problem, "the server said that it is about to stop");
    rpc_breaker_leave(&n->breaker, &n->setup->conf->breaker, clock_ms());
}

static void on_closing(void *owner, struct rpc_connection *connection, enum rpc_connection_end end,
                       const char *reason)
{
    struct rpc_node *n = owner;
    int64_t now = clock_ms();
    bool news;

    forget_connection(n, connection);
    if (end == RPC_END_QUIET)
        return;
    snprintf(n->problem, sizeof n->problem, "%.150s", reason);
    if (end != RPC_END_CONNECT) {
        rpc_count(&n->setup->connection.counters->lost, 1);
        return;
    }
    rpc_count(&n->setup->connection.counters->connect_failures, 1);
    back_off(n, now);
    news = rpc_breaker_connect_failure(&n->breaker, &n->setup->conf->breaker, now);
    if (news && !n->retired)
        put_aside_news(n);
}

static void on_closed(void *owner)
{
    struct rpc_node *n = owner;

    n->open--;
    free_when_done(n);
}

static const struct rpc_connection_owner events = {
    .ready = on_ready,
    .draining = on_draining,
    .pushed = on_pushed,
    .leaving = on_leaving,
    .closing = on_closing,
    .closed = on_closed,
};

static struct rpc_connection *take_connection(struct rpc_node *n)
{
    struct rpc_connection **at = &n->connections[n->turn];

    n->turn = (n->turn + 1) % connection_count(n);
    if (!*at) {
        *at = rpc_connection_new(&n->setup->connection, &n->endpoint, &events, n);
        n->open++;
    }
    return *at;
}

bool rpc_node_send(struct rpc_node *n, struct rpc_call *call, int64_t now_ms)
{
    rpc_breaker_begin(&n->breaker, &n->setup->conf->breaker, now_ms);
    call->node = n;
    return rpc_connection_send(take_connection(n), call);
}

/* ---- results -------------------------------------------------------------------------------- */

/* A connection that stayed silent since the call went out may lead nowhere: new calls get another
 * one, while this one may still bring its answers. */
static void distrust_connection(struct rpc_node *n, const struct rpc_call *call)
{
    for (size_t i = 0; i < connection_count(n); i++) {
        struct rpc_connection *c = n->connections[i];

        if (c && c == call->connection && rpc_connection_is_ready(c) &&
            n->endpoint.transport != TARS_UDP && rpc_connection_heard_us(c) < call->started_us)
            rpc_connection_drain(c);
    }
}

void rpc_node_ended(struct rpc_node *n, const struct rpc_call *call, int32_t code,
                    const char *reason, int64_t now_ms)
{
    const struct rpc_breaker_conf *conf = &n->setup->conf->breaker;

    if (!rpc_breaker_counts(code)) {
        rpc_breaker_success(&n->breaker, conf, now_ms);
        return;
    }
    snprintf(n->problem, sizeof n->problem, "%.150s", reason ? reason : "it failed");
    if (rpc_breaker_failure(&n->breaker, conf, now_ms) && !n->retired)
        put_aside_news(n);
    if (code == TARS_RET_TIMEOUT)
        distrust_connection(n, call);
}

bool rpc_node_idle(const struct rpc_node *n, int64_t now_us, int64_t idle_us)
{
    for (size_t i = 0; i < connection_count(n); i++) {
        const struct rpc_connection *c = n->connections[i];

        if (c && rpc_connection_is_ready(c) && now_us - rpc_connection_used_us(c) >= idle_us)
            return true;
    }
    return false;
}
