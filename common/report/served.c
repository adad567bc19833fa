/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/served.h"

#include "base/xmalloc.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* Tars protocol: properties that every server has for each of its adapters. */
enum timing { QUEUE_WAIT, HANDLE };
enum { TIMINGS = 2, ADAPTERS_MAX = 256 };
static const char *const timing_names[TIMINGS] = {"queueWaitTime", "servantHandleTime"};
static const int32_t timing_ranges[] = {5,    10,   50,    100,   200,   500,   1000,
                                        2000, 5000, 10000, 20000, 50000, 100000};

struct adapter {
    const char *name; /* the server's own */
    struct report_property *timings[TIMINGS];
    struct report_property *timeouts, *queue, *connect_rate;
};

struct report_served {
    struct tars_server *server;
    const struct report_identity *identity;
    struct report_stat *stat;
    struct report_properties *properties;
    struct adapter *adapters;
    struct report_property *async_queue, *answer_queue;
    atomic_size_t count; /* published when an adapter is filled in: calls may come meanwhile */
};

struct report_served *report_served_new(struct tars_server *server,
                                        const struct report_identity *identity,
                                        struct report_stat *stat,
                                        struct report_properties *properties)
{
    struct report_served *served = xcalloc(1, sizeof(*served));

    served->server = server;
    served->identity = identity;
    served->stat = stat;
    served->properties = properties;
    served->adapters = xcalloc(ADAPTERS_MAX, sizeof(*served->adapters));
    return served;
}

void report_served_free(struct report_served *served)
{
    if (!served)
        return;
    free(served->adapters);
    free(served);
}

static struct report_property *make(struct report_served *served, const char *adapter,
                                    const char *what, unsigned policies)
{
    char name[512];

    snprintf(name, sizeof(name), "%s.%s", adapter, what);
    return report_property_create(served->properties, name, policies, timing_ranges,
                                  sizeof(timing_ranges) / sizeof(*timing_ranges));
}

void report_served_adapters(struct report_served *served)
{
    struct rpc_adapter_state state;

    if (served->properties) {
        /* Tars protocol: calls to others that have not ended, and answers that wait to be sent. */
        served->async_queue = report_property_create(served->properties, "asyncqueue",
                                                     TARS_PROPERTY_AVG, NULL, 0);
        served->answer_queue = report_property_create(served->properties, "sendrspqueue",
                                                      TARS_PROPERTY_AVG, NULL, 0);
    }
    for (size_t i = 0; served->count < ADAPTERS_MAX; i++) {
        struct adapter *adapter = &served->adapters[served->count];

        if (!served->properties || !rpc_server_adapter(served->server, i, &state))
            return;
        adapter->name = state.name;
        adapter->connect_rate = make(served, state.name, "connectRate", TARS_PROPERTY_AVG);
        adapter->queue = make(served, state.name, "queue", TARS_PROPERTY_AVG);
        adapter->timeouts = make(served, state.name, "timeoutNum", TARS_PROPERTY_SUM);
        for (size_t t = 0; t < TIMINGS; t++)
            adapter->timings[t] = make(served, state.name, timing_names[t],
                                       TARS_PROPERTY_AVG | TARS_PROPERTY_MAX | TARS_PROPERTY_MIN |
                                           TARS_PROPERTY_COUNT | TARS_PROPERTY_DISTR);
        served->count++;
    }
}

static const struct adapter *adapter_of(const struct report_served *served, const char *name)
{
    for (size_t i = 0; i < served->count; i++) {
        if (served->adapters[i].name == name || strcmp(served->adapters[i].name, name) == 0)
            return &served->adapters[i];
    }
    return NULL;
}

static bool timed_out(int32_t ret)
{
    return ret == TARS_RET_TIMEOUT || ret == TARS_RET_QUEUE_TIMEOUT;
}

/* Tars protocol: what the server itself saw goes under a caller's name of its own, without the
 * callee's address and return code. */
static void count_stat(struct report_served *served, unsigned worker,
                       const struct rpc_server_call *call)
{
    const struct report_identity *id = served->identity;
    struct report_stat_key key = {
        .master = tars_str("stat_from_server"),
        .slave = tars_str(id->qualified),
        .function = tars_call_function(call->call),
        .master_ip = tars_call_peer(call->call),
        .set = {tars_str(id->set[0]), tars_str(id->set[1]), tars_str(id->set[2])}};

    report_stat_add(served->stat, worker, &key,
                    call->ret == TARS_RET_OK ? REPORT_SUCCEEDED
                    : timed_out(call->ret)   ? REPORT_TIMED_OUT
                                             : REPORT_FAILED,
                    call->wait_ms + call->handle_ms);
}

void report_served_call(struct report_served *served, const struct rpc_server_call *call)
{
    unsigned worker = tars_call_worker(call->call);
    const struct adapter *adapter = adapter_of(served, call->adapter);

    if (served->stat)
        count_stat(served, worker, call);
    if (!adapter)
        return;
    report_property_add(served->properties, adapter->timings[QUEUE_WAIT], worker, call->wait_ms);
    if (timed_out(call->ret))
        report_property_add(served->properties, adapter->timeouts, worker, 1);
    else
        report_property_add(served->properties, adapter->timings[HANDLE], worker, call->handle_ms);
}

void report_served_sample(struct report_served *served)
{
    struct rpc_adapter_state state;

    if (!served->async_queue)
        return;
    report_property_add(served->properties, served->async_queue, 0,
                        (int64_t)rpc_client_under_way(tars_server_client(served->server)));
    report_property_add(served->properties, served->answer_queue, 0,
                        (int64_t)rpc_server_answers_waiting(served->server));
    for (size_t i = 0; i < served->count; i++) {
        if (!rpc_server_adapter(served->server, i, &state))
            return;
        report_property_add(served->properties, served->adapters[i].queue, 0,
                            (int64_t)state.queued);
        /* Tars protocol: per mille of what is allowed. */
        if (state.max_connections > 0)
            report_property_add(served->properties, served->adapters[i].connect_rate, 0,
                                (int64_t)(state.connections * 1000 / state.max_connections));
    }
}
