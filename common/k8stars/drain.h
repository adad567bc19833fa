/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Taking a server out of service without losing a call: the registry stops handing it out, the
 * server is told "prestop", clients get the time to notice, its rows are removed. On the loop.
 */
#ifndef K8STARS_DRAIN_H
#define K8STARS_DRAIN_H

#include "k8stars/registry.h"

struct drain;

/* Starts at once; check_status must say deactivating already. `done` comes once, later, at most 5 s
 * after the drain time. All must outlive it.
 */
struct drain *drain_new(struct loop *loop, const struct environment *environment,
                        struct registry *registry, void (*done)(void *user), void *user);
/* Ends the wait. */
void drain_hurry(struct drain *drain);
/* After `done`, or without it any more; before registry_free. */
void drain_free(struct drain *drain);

#endif
