/* SPDX-License-Identifier: BSD-3-Clause */
/* What a client counts. Written by its loop, read by any thread. */
#ifndef RPC_CLIENT_COUNTERS_H
#define RPC_CLIENT_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

/* One row per counter: member, name in /metrics. */
#define RPC_CLIENT_COUNTERS(row_)                                                                  \
    row_(calls, "tars_client_calls_total") row_(failed, "tars_client_calls_failed_total") row_(    \
        timeouts, "tars_client_calls_timeout_total")                                               \
        row_(refused, "tars_client_calls_refused_total") row_(                                     \
            retried, "tars_client_calls_moved_total") row_(connects, "tars_client_connects_total") \
            row_(connect_failures, "tars_client_connect_failures_total")                           \
                row_(lost, "tars_client_connections_lost_total")                                   \
                    row_(unknown_ids, "tars_client_answers_unknown_total") row_(                   \
                        bad_frames,                                                                \
                        "tars_client_bad_frames_total") row_(pushes, "tars_client_pushes_total")   \
                        row_(reconnects, "tars_client_reconnect_notices_total")                    \
                            row_(put_aside, "tars_client_endpoints_put_aside_total")               \
                                row_(refreshes, "tars_client_refreshes_total")                     \
                                    row_(refresh_failures, "tars_client_refresh_failures_total")   \
                                        row_(bytes_in, "tars_client_received_bytes_total")         \
                                            row_(bytes_out, "tars_client_sent_bytes_total")

struct rpc_client_counters {
#define RPC_COUNTER_MEMBER(member_, name_) _Atomic uint64_t member_;
    RPC_CLIENT_COUNTERS(RPC_COUNTER_MEMBER)
#undef RPC_COUNTER_MEMBER
};

static inline void rpc_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

#endif
