/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connections of a relay: each has a client, the target it is with, and for a while the one it
 * was with before. What comes of one frame goes to one target, and answers come back whole. What
 * waits in either direction is bounded; then its sender waits. On the loop.
 */
#ifndef K8STARS_RELAY_FLOW_H
#define K8STARS_RELAY_FLOW_H

#include "k8stars/relay_targets.h"

enum { RELAY_HELD_BYTES = 32 * 1024 }; /* in each direction of a connection */

struct flow;

/* All of one relay. */
struct relay_flows {
    struct loop *loop;
    struct relay_targets *targets;
    struct flow *first;
    size_t count;
};

/* The client of that socket, which is owned from now on; it takes a target or waits for one. */
void relay_flows_begin(struct relay_flows *flows, int fd);
/* The targets have changed: who waits takes one, who is with one that is none any more changes. */
void relay_flows_settle(struct relay_flows *flows);
/* Once a second: ends what takes too long. */
void relay_flows_look(struct relay_flows *flows);
/* Those that wait for a target; or all. */
void relay_flows_end(struct relay_flows *flows, bool all);

#endif
