/* SPDX-License-Identifier: BSD-3-Clause */
/* What a supervisor asks to know whether a server is well, from its endpoints. */
#ifndef K8STARS_CHECKS_H
#define K8STARS_CHECKS_H

#include "k8stars/heartbeats.h"
#include "k8stars/registry.h"
#include "supervise/supervise.h"

/* The key of the check that every heartbeat satisfies; those of adapters are their names. */
#define CHECKS_ANY_BEAT "server"

/*
 * A check for each adapter and the local endpoint: a TCP or TLS connection, or for UDP that
 * something is bound. The local one counts once it has accepted, or when there is no adapter. With
 * TARS_CHECK_PING also tars_ping for adapters of protocol tars. Where heartbeats come in, one for
 * the server and one for each adapter, which count once they have come. An array in meta's arena;
 * false with the reason for an endpoint that is none.
 */
bool checks_make(const struct environment *environment, struct meta *meta,
                 void (*ping)(void *user, struct sup_server *server, struct sup_probe *probe),
                 const struct sup_check **checks, size_t *count,
                 struct tars_error *error) TARS_MUSTCHECK;

/* Asks all adapters of protocol tars; the probe's answer is yes when each has answered. */
void checks_ping(struct registry *registry, const struct meta *meta, struct sup_probe *probe);

/*
 * Listens for the heartbeats that those checks ask for. NULL when none are to come, or when that
 * is not possible, which is logged: then the ports alone decide, as for a program that sends none.
 * To be freed before the supervisor.
 */
struct heartbeats *checks_listen(struct loop *loop, const struct environment *environment,
                                 const struct meta *meta, struct sup_server *server);

#endif
