/* SPDX-License-Identifier: BSD-3-Clause */
#include "supervise/sink.h"

enum { TIMEOUT_MS = 10000, RETRY_MS = 1000, MOST_RETRY_MS = 30000 };

static void attempt(struct sup_delivery *d);

static void on_timer(struct loop_timer *timer)
{
    struct sup_delivery *d = loop_container(timer, struct sup_delivery, timer);
    if (d->under_way)
        sup_delivery_answer(d, d->number, false);
    else
        attempt(d);
}

static void attempt(struct sup_delivery *d)
{
    struct sup_state state = d->state;
    int64_t timeout = d->sink->timeout_ms > 0 ? d->sink->timeout_ms : TIMEOUT_MS;
    d->under_way = true;
    loop_timer_set(d->loop, &d->timer, timeout, on_timer);
    d->sink->deliver(d->sink->user, d->server, &state, ++d->number);
}

void sup_delivery_begin(struct sup_delivery *d, const struct sup_state *state)
{
    d->state = *state;
    d->wait_ms = 0;
    attempt(d);
}

void sup_delivery_answer(struct sup_delivery *d, uint64_t number, bool ok)
{
    if (number != d->number || !d->under_way)
        return;
    d->under_way = false;
    loop_timer_clear(d->loop, &d->timer);
    if (ok)
        return;
    int64_t first = d->sink->retry_ms > 0 ? d->sink->retry_ms : RETRY_MS;
    d->wait_ms = d->wait_ms ? d->wait_ms * 2 : first;
    if (d->wait_ms > MOST_RETRY_MS)
        d->wait_ms = MOST_RETRY_MS;
    loop_timer_set(d->loop, &d->timer, d->wait_ms, on_timer);
}

void sup_delivery_end(struct sup_delivery *d)
{
    if (d->loop)
        loop_timer_clear(d->loop, &d->timer);
}
