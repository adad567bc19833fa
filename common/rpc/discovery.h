/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keeps the list of an object's endpoints as the registry has it. Asks at once and then again and
 * again; what was known stays in use when the registry fails or has nothing. Belongs to the loop's
 * thread.
 *
 * Tars protocol, use of the registry: every refresh interval; 2 s after a failure, 30 s after more
 * than three in a row; 10 s after an answer without active endpoints.
 */
#ifndef RPC_DISCOVERY_H
#define RPC_DISCOVERY_H

#include <tars/client.h>

struct rpc_discovery;

struct rpc_discovery_events {
    /* A complete list that replaces what was there; never empty. */
    void (*changed)(void *user, const struct tars_endpoint *endpoints, size_t count);
    /* There is no list yet, and more than three attempts have failed; in a hurry: the last. */
    void (*hopeless)(void *user, const char *reason);
};

/* `set` NULL: the client's own, or without one the group's. */
struct rpc_discovery *rpc_discovery_new(struct tars_client *client, const char *object,
                                        const char *set, const struct rpc_discovery_events *events,
                                        void *user);
/* Its events end at once, also when an answer is still to come. */
void rpc_discovery_free(struct rpc_discovery *discovery);

/* Now instead of when it is due; what is known holds until the answer. */
void rpc_discovery_ask_anew(struct rpc_discovery *discovery);

/* For who is about to end: asks once more where there is no list yet, and one round without one,
 * 200 ms, is hopeless. */
void rpc_discovery_hurry(struct rpc_discovery *discovery);

/* Why there is no list: for the message of a call that waited in vain. */
const char *rpc_discovery_problem(const struct rpc_discovery *discovery);
/* True while calls without a list need not wait. */
bool rpc_discovery_is_hopeless(const struct rpc_discovery *discovery);

#endif
