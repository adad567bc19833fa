/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asks instances whose reports are late whether they still accept connections, so that a dead host
 * is missed sooner than its silence alone would tell. Only an endpoint that an instance registered
 * itself, that is numeric and that accepted while it reported is asked; nothing is ever sent. What
 * accepts gets no more time for that. On the registry's loop.
 */
#ifndef TARSREGISTRY_PROBE_H
#define TARSREGISTRY_PROBE_H

#include <sys/socket.h>

#include "liveness.h"

struct loop;
struct prober;

struct probe_rules {
    bool on;
    bool loopback;       /* addresses of this machine are asked as well */
    int32_t after_ms;    /* the silence that makes a report late */
    int32_t interval_ms; /* between two questions to an instance, and up to a quarter more */
    int32_t timeout_ms;  /* of a connection */
    int32_t limit;       /* connections at once */
};

/* Counted on any thread. */
struct probe_counters {
    _Atomic uint64_t connects; /* begun */
    _Atomic uint64_t dead;     /* instances found dead */
    _Atomic uint64_t open;     /* connections under way */
};

/* Table and liveness are the registry's and outlive it. */
struct prober *prober_new(struct loop *loop, const struct probe_rules *rules, struct table *table,
                          const struct liveness *liveness, struct probe_counters *counters);
/* What is under way ends without a verdict. */
void prober_free(struct prober *prober);

/* Every second: asks those that are due. */
void prober_tick(struct prober *prober, int64_t now);

/* Where a record's instance is asked: its first TCP or TLS endpoint, if that is an address which
 * may be asked; false when there is none. */
bool probe_address(const struct record *record, bool loopback, struct sockaddr_storage *address,
                   socklen_t *len);

#endif
