/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The janitor: walks a worker's connections every two seconds and closes those that say nothing,
 * never said anything, do not read what they asked for (Tars protocol, life of a connection), or
 * send a request so slowly that it can only be meant to hold on to the connection.
 */
#include "base/clock.h"
#include "base/log.h"
#include "rpc/server_connection.h"

enum {
    ROUND_MS = 2000,
    REQUEST_MS = 20000,  /* a request may take so long to arrive … */
    REQUEST_RATE = 1024, /* … and a second longer for so many bytes that have come */
    SLOW_ROUNDS = 3,     /* looks at the output, in a row, with too little taken … */
    GROWING_ROUNDS = 12, /* … or with more and more unsent */
    LOOK_EVERY = 2       /* rounds between two looks at the output: about 5 s */
};

static bool is_idle(const struct tars_connection *c, int64_t now)
{
    int32_t limit = c->adapter->endpoint.timeout_ms / 1000 * 1000; /* whole seconds */
    return limit > 0 && !c->parked && now - c->active_ms > limit;
}

static bool is_empty(const struct tars_connection *c, int64_t now)
{
    return !c->had_request && now - c->opened_ms > c->worker->server->options.empty_ms;
}

/* Takes too little of what it was sent, or falls further and further behind. */
static bool is_slow(struct tars_connection *c)
{
    size_t unsent = server_connection_unsent(c);
    uint64_t least = (uint64_t)c->worker->server->options.output_min;
    c->slow_rounds = unsent && c->taken < least ? c->slow_rounds + 1 : 0;
    c->growing_rounds = unsent > c->last_backlog ? c->growing_rounds + 1 : 0;
    c->last_backlog = unsent;
    c->taken = 0;
    return c->slow_rounds >= SLOW_ROUNDS || c->growing_rounds >= GROWING_ROUNDS;
}

static bool is_trickling(const struct tars_connection *c, int64_t now)
{
    int64_t limit = REQUEST_MS + (int64_t)c->in_len * 1000 / REQUEST_RATE;
    return c->in && !c->stalled && now - c->begun_ms > limit;
}

/* What to count when the connection has to go; SERVER_COUNTERS when it may stay. */
static enum server_counter judge(struct tars_connection *c, int64_t now, bool look_at_output)
{
    if (look_at_output && is_slow(c))
        return SERVER_COUNT_CLOSED_SLOW;
    if (is_trickling(c, now))
        return SERVER_COUNT_CLOSED_TRICKLING;
    if (is_empty(c, now))
        return SERVER_COUNT_CLOSED_EMPTY;
    if (is_idle(c, now))
        return SERVER_COUNT_CLOSED_IDLE;
    return SERVER_COUNTERS;
}

static void on_round(struct loop_timer *timer)
{
    struct server_worker *w = loop_container(timer, struct server_worker, janitor);
    int64_t now = clock_ms();
    bool look_at_output = ++w->rounds % LOOK_EVERY == 0;
    atomic_store_explicit(&w->beat_ms, now, memory_order_relaxed);
    atomic_store_explicit(&w->memory, (int64_t)server_worker_memory(w), memory_order_relaxed);
    for (struct tars_connection *c = w->connections, *next; c; c = next) {
        next = c->next;
        enum server_counter why = judge(c, now, look_at_output);
        if (why == SERVER_COUNTERS)
            continue;
        server_count(c->counters, why, 1);
        log_debug("server", "%s: closing the connection of %s", c->adapter->name, c->peer);
        server_connection_close(c);
    }
    loop_timer_set(w->loop, timer, ROUND_MS, on_round);
}

void server_janitor_start(struct server_worker *w)
{
    loop_timer_set(w->loop, &w->janitor, ROUND_MS, on_round);
}
