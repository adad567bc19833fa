/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * While a server is down, its supervisor takes what still comes to its ports and passes it on to
 * other instances that the registry knows: clients look at the registry once a minute, and until
 * then they go on calling here. For servants of protocol tars on TCP. When the server is back, the
 * connections that are left come home to it. On the loop.
 */
#ifndef K8STARS_FAILOVER_H
#define K8STARS_FAILOVER_H

#include "k8stars/registry.h"

enum {
    FAILOVER_LAST_MS = 120000, /* longest; by then all clients have looked */
    FAILOVER_LEAST_MS = 3500,  /* see failover_waits */
};

struct loop;
struct failover;

/* All must outlive it. `changed` is called, later, when failover_waits may say something else. */
struct failover *failover_new(struct loop *loop, const struct environment *environment,
                              struct registry *registry, void (*changed)(void *user), void *user);
/* Ends all connections. */
void failover_free(struct failover *failover);

/* The server has ended by itself; fine again and again, with ports that were still taken before. */
void failover_begin(struct failover *failover, const struct meta *meta);
/* It is about to be started: its ports are free from now on. Connections stay where they are. */
void failover_yield(struct failover *failover);
/*
 * Others answer in its place, and callers may still wait for answers that were lost: SDKs do so for
 * three seconds by default, and some connect anew only then. The ports should not be closed to them
 * for a start just then, so there is no hurry with it.
 */
bool failover_waits(const struct failover *failover);
/* It serves again. */
void failover_home(struct failover *failover);

#endif
