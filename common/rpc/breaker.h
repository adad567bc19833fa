/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether an endpoint may be used. It is put aside after failures and tried again with one call
 * every so often; a success brings it back. Pure bookkeeping: the caller says what time it is (ms
 * of a monotonic clock). One thread.
 *
 * What counts as a failure is the caller's to say: no answer in time, a connection that cannot be
 * made or breaks, and codes by which a server says that it cannot serve (see rpc_breaker_counts).
 * A servant's own error code is an answer like any other. The reference client counts those too,
 * so that one bad request shuts out a healthy server; we do not.
 */
#ifndef RPC_BREAKER_H
#define RPC_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

/* Tars protocol, circuit breaking: names and defaults of the reference client. */
struct rpc_breaker_conf {
    int32_t min_timeout_invoke;         /* failures that an interval needs at least (1) */
    int32_t check_timeout_interval_ms;  /* length of an interval (5000) */
    int32_t frequence_fail_invoke;      /* failures in a row that are enough (1) */
    int32_t min_frequence_fail_time_ms; /* ... when they took at least this long (3000); a
                                           limit of one failure does not wait */
    double radio;                       /* failed share of an interval's calls (0.05) */
    int32_t try_time_interval_ms;       /* between two tries of an endpoint put aside (5000) */
    int32_t max_connect_exc;            /* connection errors in a row that are enough (1) */
};

extern const struct rpc_breaker_conf rpc_breaker_defaults;

enum rpc_breaker_state {
    RPC_BREAKER_CLOSED = 0, /* in use */
    RPC_BREAKER_OPEN,       /* put aside */
    RPC_BREAKER_TRYING      /* put aside, one call is on its way to see */
};

/* Zero is a new breaker, closed. */
struct rpc_breaker {
    enum rpc_breaker_state state;
    int32_t failed_in_row;
    int64_t first_of_row_ms;
    int32_t connect_failed_in_row;
    int64_t window_ms; /* begin of the interval */
    int32_t window_calls;
    int32_t window_failed;
    int64_t try_at_ms; /* OPEN: next try; TRYING: when the try is given up */
    bool left;         /* OPEN: by rpc_breaker_leave, answers of old calls say nothing */
};

/* True when a call may go there now; true for one call at a time while it is put aside. */
bool rpc_breaker_usable(const struct rpc_breaker *b, int64_t now_ms);
/* A call goes there: when it is put aside, this is the try. */
void rpc_breaker_begin(struct rpc_breaker *b, const struct rpc_breaker_conf *conf, int64_t now_ms);

void rpc_breaker_success(struct rpc_breaker *b, const struct rpc_breaker_conf *conf,
                         int64_t now_ms);
/* The server says that it is about to stop: puts the endpoint aside until a try succeeds. */
void rpc_breaker_leave(struct rpc_breaker *b, const struct rpc_breaker_conf *conf, int64_t now_ms);

/* Both return true when this failure put the endpoint aside. */
bool rpc_breaker_failure(struct rpc_breaker *b, const struct rpc_breaker_conf *conf,
                         int64_t now_ms);
bool rpc_breaker_connect_failure(struct rpc_breaker *b, const struct rpc_breaker_conf *conf,
                                 int64_t now_ms);

/* True for a code that says something about the server and not about the call. */
bool rpc_breaker_counts(int32_t code);

#endif
