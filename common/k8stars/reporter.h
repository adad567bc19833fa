/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Says how the server is: at once when that changes and again and again while it does not, to
 * data/check_status and to the registry. While the registry is away it is tried on and on. On the
 * loop.
 */
#ifndef K8STARS_REPORTER_H
#define K8STARS_REPORTER_H

#include "k8stars/registry.h"

struct reporter;

/* All must outlive it. Says STATUS_ACTIVATING first. */
struct reporter *reporter_new(struct loop *loop, const struct environment *environment,
                              struct registry *registry);
void reporter_free(struct reporter *reporter);

/* One of status.h's words. */
void reporter_state(struct reporter *reporter, const char *word);
/* The registration is sent anew: the server was started again, or has other ports. */
void reporter_register(struct reporter *reporter);
/* Nothing more is said: a drain has begun. */
void reporter_stop(struct reporter *reporter);

#endif
