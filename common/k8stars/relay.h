/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Passes connections on: what comes to one address goes to another one, and back. It knows frames,
 * no more of Tars: between two of them a connection can change to another target without its client
 * noticing. The target that it leaves still answers what it was asked. On the loop; nothing waits.
 *
 * Two relays must not pass connections on to each other for ever. So a target is asked before it is
 * used (relay_targets.h), and a relay does not answer that question.
 */
#ifndef K8STARS_RELAY_H
#define K8STARS_RELAY_H

#include "k8stars/relay_targets.h"

struct relay;

struct relay_setup {
    struct loop *loop;
    const char *servant; /* for the question; copied */
    size_t flows_max;    /* connections at a time; further ones are closed */
    /* All targets have been asked and none is one. May be NULL. */
    void (*none)(void *user);
    void *user;
};

struct relay *relay_new(const struct relay_setup *setup);
/* Ends all connections. Not in `none`. */
void relay_free(struct relay *relay);

/* Listens, with no target yet: connections wait for one. True also when it listens already. False
 * with the reason, whose code is the errno of it. */
bool relay_open(struct relay *relay, const struct rpc_address *at,
                struct tars_error *error) TARS_MUSTCHECK;
/* The address is free again; the connections stay. */
void relay_shut(struct relay *relay);
bool relay_is_open(const struct relay *relay);

/*
 * Where connections go from now on, in turn; those that are with another one change at their next
 * frame. Copied; at most RELAY_TARGETS_MAX count. A target that is new to the list is asked first.
 */
void relay_aim(struct relay *relay, const struct rpc_address *targets, size_t count);
/* To that one, which is known to be none of us. */
void relay_home(struct relay *relay, const struct rpc_address *home);
/* Ends those that still wait for a target; all: every connection. */
void relay_end(struct relay *relay, bool all);

size_t relay_flows(const struct relay *relay);

#endif
