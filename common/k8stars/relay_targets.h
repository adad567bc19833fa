/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a relay passes connections on to, in turn. A target counts once it has answered the
 * question whether it is a server (relay_question.h), and all have had a moment for it. On the
 * loop.
 */
#ifndef K8STARS_RELAY_TARGETS_H
#define K8STARS_RELAY_TARGETS_H

#include "rpc/resolver.h"

enum { RELAY_TARGETS_MAX = 16 };

struct loop;
struct relay_targets;

struct relay_targets_owner {
    const char *servant;         /* for the question; copied */
    void (*changed)(void *user); /* more of them count; also in relay_targets_set */
    void (*none)(void *user);    /* all have answered and none counts; later */
    void *user;
};

struct relay_targets *relay_targets_new(struct loop *loop, const struct relay_targets_owner *owner);
void relay_targets_free(struct relay_targets *targets);

/* From now on those, at most RELAY_TARGETS_MAX; who has said yes is not asked again. known:
 * none of them needs to be asked. With none at all `none` is not called. */
void relay_targets_set(struct relay_targets *targets, const struct rpc_address *list, size_t count,
                       bool known);

/* The next one that counts; NULL: none does. */
const struct rpc_address *relay_targets_next(struct relay_targets *targets);
bool relay_targets_any(const struct relay_targets *targets);
/* In the list, whether it counts or not. */
bool relay_targets_has(const struct relay_targets *targets, const struct rpc_address *address);
size_t relay_targets_count(const struct relay_targets *targets);

#endif
