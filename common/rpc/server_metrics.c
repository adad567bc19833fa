/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "base/clock.h"
#include "rpc/hooks.h"
#include "rpc/server_worker.h"

/* In the order of enum server_counter. */
static const char *const counter_names[SERVER_COUNTERS] = {
    [SERVER_COUNT_CALLS] = "tars_calls_total",
    [SERVER_COUNT_ONE_WAY] = "tars_calls_one_way_total",
    [SERVER_COUNT_ERRORS] = "tars_call_errors_total",
    [SERVER_COUNT_OVERLOADS] = "tars_calls_overloaded_total",
    [SERVER_COUNT_QUEUE_TIMEOUTS] = "tars_calls_queue_timeout_total",
    [SERVER_COUNT_ANSWER_TIMEOUTS] = "tars_calls_answer_timeout_total",
    [SERVER_COUNT_ANSWERS_DISCARDED] = "tars_answers_discarded_total",
    [SERVER_COUNT_PUSHES] = "tars_pushes_total",
    [SERVER_COUNT_BYTES_IN] = "tars_received_bytes_total",
    [SERVER_COUNT_BYTES_OUT] = "tars_sent_bytes_total",
    [SERVER_COUNT_READS] = "tars_reads_total",
    [SERVER_COUNT_WRITES] = "tars_writes_total",
    [SERVER_COUNT_ACCEPTED] = "tars_connections_accepted_total",
    [SERVER_COUNT_REFUSED_ADDRESS] = "tars_connections_refused_address_total",
    [SERVER_COUNT_REFUSED_FULL] = "tars_connections_refused_full_total",
    [SERVER_COUNT_BAD_FRAMES] = "tars_bad_frames_total",
    [SERVER_COUNT_BAD_DATAGRAMS] = "tars_bad_datagrams_total",
    [SERVER_COUNT_AUTH_FAILURES] = "tars_authentication_failures_total",
    [SERVER_COUNT_TLS_FAILURES] = "tars_tls_failures_total",
    [SERVER_COUNT_CLOSED_IDLE] = "tars_connections_closed_idle_total",
    [SERVER_COUNT_CLOSED_EMPTY] = "tars_connections_closed_empty_total",
    [SERVER_COUNT_CLOSED_SLOW] = "tars_connections_closed_slow_total",
    [SERVER_COUNT_CLOSED_TRICKLING] = "tars_connections_closed_trickling_total",
    [SERVER_COUNT_CLOSED_MEMORY] = "tars_connections_closed_memory_total",
};

static uint64_t sum(const struct tars_server *s, size_t adapter, size_t counter)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < s->worker_count; i++)
        total += atomic_load_explicit(&s->workers[i]->counters[adapter].at[counter],
                                      memory_order_relaxed);
    return total;
}

void tars_server_metrics(struct tars_server *s,
                         void (*each)(void *user, const char *name, const char *labels,
                                      double value),
                         void *user)
{
    char labels[256];
    for (size_t a = 0; a < s->adapter_count; a++) {
        struct server_adapter *adapter = s->adapters[a];
        snprintf(labels, sizeof labels, "adapter=\"%s\"", adapter->name);
        for (size_t c = 0; c < SERVER_COUNTERS; c++)
            each(user, counter_names[c], labels, (double)sum(s, a, c));
        each(user, "tars_connections", labels, (double)atomic_load(&adapter->connections));
        each(user, "tars_calls_waiting", labels, (double)atomic_load(&adapter->parked));
    }
    for (unsigned i = 0; i < s->worker_count; i++) {
        snprintf(labels, sizeof labels, "worker=\"%u\"", i);
        each(user, "tars_worker_buffer_bytes", labels, (double)atomic_load(&s->workers[i]->memory));
    }
    if (s->report)
        rpc_hooks.server_metrics(s->report, each, user);
}

size_t rpc_server_answers_waiting(const struct tars_server *s)
{
    size_t waiting = 0;
    for (unsigned i = 0; i < s->worker_count; i++)
        waiting += server_mailbox_waiting(s->workers[i]->mailbox);
    return waiting;
}

bool rpc_server_adapter(const struct tars_server *s, size_t i, struct rpc_adapter_state *state)
{
    if (i >= s->adapter_count)
        return false;
    struct server_adapter *adapter = s->adapters[i];
    *state = (struct rpc_adapter_state){
        .name = adapter->name,
        .servant = adapter->servant_name,
        .connections = (size_t)atomic_load(&adapter->connections),
        .max_connections = (size_t)adapter->max_connections,
        .queued = (size_t)atomic_load(&adapter->parked),
        .beat_ms = clock_ms(),
    };
    for (unsigned w = 0; w < s->worker_count; w++) {
        int64_t beat = atomic_load_explicit(&s->workers[w]->beat_ms, memory_order_relaxed);
        if (beat < state->beat_ms)
            state->beat_ms = beat;
    }
    return true;
}
