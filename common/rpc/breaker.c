/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/breaker.h"

#include <stddef.h>

#include <tars/server.h>

const struct rpc_breaker_conf rpc_breaker_defaults = {
    .min_timeout_invoke = 1,
    .check_timeout_interval_ms = 5000,
    .frequence_fail_invoke = 1,
    .min_frequence_fail_time_ms = 3000,
    .radio = 0.05,
    .try_time_interval_ms = 5000,
    .max_connect_exc = 1,
};

bool rpc_breaker_usable(const struct rpc_breaker *b, int64_t now_ms)
{
    return b->state == RPC_BREAKER_CLOSED || now_ms >= b->try_at_ms;
}

void rpc_breaker_begin(struct rpc_breaker *b, const struct rpc_breaker_conf *conf, int64_t now_ms)
{
    if (b->state == RPC_BREAKER_CLOSED)
        return;
    b->state = RPC_BREAKER_TRYING;
    b->left = false;
    b->try_at_ms = now_ms + conf->try_time_interval_ms;
}

static bool put_aside(struct rpc_breaker *b, const struct rpc_breaker_conf *conf, int64_t now_ms)
{
    bool news = b->state == RPC_BREAKER_CLOSED;

    b->state = RPC_BREAKER_OPEN;
    b->try_at_ms = now_ms + conf->try_time_interval_ms;
    b->window_calls = b->window_failed = 0;
    return news;
}

/* At the end of an interval: were too many of its calls failures? */
static bool window_is_bad(const struct rpc_breaker *b, const struct rpc_breaker_conf *conf)
{
    return b->window_failed > 0 && b->window_failed >= conf->min_timeout_invoke &&
           (double)b->window_failed >= conf->radio * (double)b->window_calls;
}

static bool count(struct rpc_breaker *b, const struct rpc_breaker_conf *conf, int64_t now_ms,
                  bool failed)
{
    bool bad = false;

    if (now_ms - b->window_ms >= conf->check_timeout_interval_ms) {
        bad = window_is_bad(b, conf);
        b->window_ms = now_ms;
        b->window_calls = b->window_failed = 0;
    }
    b->window_calls++;
    b->window_failed += failed;
    return bad;
}

void rpc_breaker_success(struct rpc_breaker *b, const struct rpc_breaker_conf *conf, int64_t now_ms)
{
    bool bad_before = count(b, conf, now_ms, false);

    if (b->left)
        return;
    b->failed_in_row = b->connect_failed_in_row = 0;
    if (b->state != RPC_BREAKER_CLOSED)
        b->state = RPC_BREAKER_CLOSED;
    else if (bad_before)
        put_aside(b, conf, now_ms);
}

void rpc_breaker_leave(struct rpc_breaker *b, const struct rpc_breaker_conf *conf, int64_t now_ms)
{
    put_aside(b, conf, now_ms);
    b->left = true;
}

bool rpc_breaker_failure(struct rpc_breaker *b, const struct rpc_breaker_conf *conf, int64_t now_ms)
{
    bool bad_before = count(b, conf, now_ms, true);

    if (b->failed_in_row++ == 0)
        b->first_of_row_ms = now_ms;
    if (b->state != RPC_BREAKER_CLOSED)
        return put_aside(b, conf, now_ms);
    if (b->failed_in_row >= conf->frequence_fail_invoke &&
        (conf->frequence_fail_invoke <= 1 ||
         now_ms - b->first_of_row_ms >= conf->min_frequence_fail_time_ms))
        return put_aside(b, conf, now_ms);
    return bad_before && put_aside(b, conf, now_ms);
}

bool rpc_breaker_connect_failure(struct rpc_breaker *b, const struct rpc_breaker_conf *conf,
                                 int64_t now_ms)
{
    b->connect_failed_in_row++;
    if (b->state == RPC_BREAKER_CLOSED && b->connect_failed_in_row < conf->max_connect_exc)
        return false;
    return put_aside(b, conf, now_ms);
}

bool rpc_breaker_counts(int32_t code)
{
    static const int32_t codes[] = {TARS_RET_TIMEOUT,    TARS_RET_CONNECT,
                                    TARS_RET_OVERLOAD,   TARS_RET_QUEUE_TIMEOUT,
                                    TARS_RET_NO_SERVANT, TARS_RET_CLIENT_DECODE};

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i] == code)
            return true;
    }
    return false;
}
