/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One of several processes at a time: a lease on a document. Whoever holds it renews it every third
 * of its duration; when it has not changed for a whole duration, by the clock of the one who looks,
 * another may take it. No two clocks are compared, so that wrong ones do no harm. Each new holder
 * gets a larger epoch: who writes as the holder puts the epoch into what he writes, and refuses
 * what is smaller, as a process may be stopped between asking and writing.
 *
 * All on the loop's thread.
 */
#ifndef ES_LEASE_H
#define ES_LEASE_H

#include "es/es.h"

/* For the index of leases in es_options.indices. */
#define ES_LEASE_MAPPINGS                                                                          \
    "{\"dynamic\":\"strict\",\"properties\":{\"holder\":{\"type\":\"keyword\"},"                   \
    "\"epoch\":{\"type\":\"long\"},\"duration_ms\":{\"type\":\"long\"},"                           \
    "\"since\":{\"type\":\"date\",\"format\":\"epoch_millis\"}}}"

struct es_lease;

struct es_lease_options {
    const char *index, *id; /* of the document */
    const char *name;       /* of this process, for people; what tells it from others is added */
    int duration_ms;        /* 0: 15000; at least 300 */
    /* Got it (with the epoch) or has it no longer (0); must not free it. NULL: nobody is told. */
    void (*changed)(void *user, int64_t epoch);
    void *user;
};

/* Begins to try for it. Copies the options. */
struct es_lease *es_lease_new(struct es_client *client, const struct es_lease_options *options);
/* Without a word to the others, who wait for its end; es_lease_release first spares them that.
 * Before the client is freed. */
void es_lease_free(struct es_lease *lease);

/* The epoch while it is surely held, else 0. Ask before each act, not once. */
int64_t es_lease_epoch(const struct es_lease *lease);
/* Who has it, as last seen; "" when nobody or not known. Valid until the loop goes on. */
const char *es_lease_holder(const struct es_lease *lease);

/* Gives it up, so that another may take it at once, and does not try again. `done` may be NULL. */
void es_lease_release(struct es_lease *lease, int timeout_ms, es_done done, void *user);

#endif
