/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a server counts, per worker and adapter. A worker alone writes its counters, so adding is a
 * plain load and store; whoever reads them sums over the workers.
 */
#ifndef RPC_SERVER_COUNTERS_H
#define RPC_SERVER_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

enum server_counter {
    SERVER_COUNT_CALLS,
    SERVER_COUNT_ONE_WAY,
    SERVER_COUNT_ERRORS,
    SERVER_COUNT_OVERLOADS,
    SERVER_COUNT_QUEUE_TIMEOUTS,
    SERVER_COUNT_ANSWER_TIMEOUTS,
    SERVER_COUNT_ANSWERS_DISCARDED,
    SERVER_COUNT_PUSHES,
    SERVER_COUNT_BYTES_IN,
    SERVER_COUNT_BYTES_OUT,
    SERVER_COUNT_READS,
    SERVER_COUNT_WRITES,
    SERVER_COUNT_ACCEPTED,
    SERVER_COUNT_REFUSED_ADDRESS,
    SERVER_COUNT_REFUSED_FULL,
    SERVER_COUNT_BAD_FRAMES,
    SERVER_COUNT_BAD_DATAGRAMS,
    SERVER_COUNT_AUTH_FAILURES,
    SERVER_COUNT_TLS_FAILURES,
    SERVER_COUNT_CLOSED_IDLE,
    SERVER_COUNT_CLOSED_EMPTY,
    SERVER_COUNT_CLOSED_SLOW,
    SERVER_COUNT_CLOSED_TRICKLING,
    SERVER_COUNT_CLOSED_MEMORY,
    SERVER_COUNTERS
};

struct server_counters {
    _Atomic uint64_t at[SERVER_COUNTERS];
};

static inline void server_count(struct server_counters *counters, enum server_counter which,
                                uint64_t n)
{
    uint64_t old = atomic_load_explicit(&counters->at[which], memory_order_relaxed);
    atomic_store_explicit(&counters->at[which], old + n, memory_order_relaxed);
}

#endif
