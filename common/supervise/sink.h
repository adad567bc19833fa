/* SPDX-License-Identifier: BSD-3-Clause */
/* Brings the newest state of a server to a sink until it is acknowledged. */
#ifndef SUPERVISE_SINK_H
#define SUPERVISE_SINK_H

#include "loop/loop.h"
#include "supervise/supervise.h"

enum { SUP_SINKS = 8 };

/* One sink's view of one server. Zero it before the first use. */
struct sup_delivery {
    struct loop *loop;
    struct sup_server *server;
    const struct sup_sink *sink;
    struct loop_timer timer; /* the time-out of what is under way, or the next attempt */
    struct sup_state state;
    uint64_t number; /* of the latest attempt */
    bool under_way;
    int64_t wait_ms;
};

/* There is something new to be told. */
void sup_delivery_begin(struct sup_delivery *delivery, const struct sup_state *state);
void sup_delivery_answer(struct sup_delivery *delivery, uint64_t number, bool ok);
void sup_delivery_end(struct sup_delivery *delivery);

#endif
