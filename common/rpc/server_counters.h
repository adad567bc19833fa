/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a server counts, per worker and adapter. A worker alone writes its counters, so adding is a
 * plain load and store; whoever reads them sums over the workers.
 */
#ifndef RPC_SERVER_COUNTERS_H
#define RPC_SERVER_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

enum rpc_counter {
    RPC_COUNT_CALLS,
    RPC_COUNT_ONE_WAY,
    RPC_COUNT_ERRORS,
    RPC_COUNT_OVERLOADS,
    RPC_COUNT_QUEUE_TIMEOUTS,
    RPC_COUNT_ANSWER_TIMEOUTS,
    RPC_COUNT_ANSWERS_DISCARDED,
    RPC_COUNT_PUSHES,
    RPC_COUNT_BYTES_IN,
    RPC_COUNT_BYTES_OUT,
    RPC_COUNT_READS,
    RPC_COUNT_WRITES,
    RPC_COUNT_ACCEPTED,
    RPC_COUNT_REFUSED_ADDRESS,
    RPC_COUNT_REFUSED_FULL,
    RPC_COUNT_BAD_FRAMES,
    RPC_COUNT_BAD_DATAGRAMS,
    RPC_COUNT_AUTH_FAILURES,
    RPC_COUNT_TLS_FAILURES,
    RPC_COUNT_CLOSED_IDLE,
    RPC_COUNT_CLOSED_EMPTY,
    RPC_COUNT_CLOSED_SLOW,
    RPC_COUNT_CLOSED_MEMORY,
    RPC_COUNTERS
};

struct rpc_counters {
    _Atomic uint64_t at[RPC_COUNTERS];
};

static inline void rpc_count(struct rpc_counters *counters, enum rpc_counter which, uint64_t n)
{
    uint64_t old = atomic_load_explicit(&counters->at[which], memory_order_relaxed);
    atomic_store_explicit(&counters->at[which], old + n, memory_order_relaxed);
}

#endif
