/* SPDX-License-Identifier: BSD-3-Clause */
/* The HTTP port of a daemon: /healthz, /readyz, /metrics, on a thread of its own. */
#ifndef DAEMON_HEALTH_H
#define DAEMON_HEALTH_H

#include <stdio.h>

#include <tars/types.h>

struct daemon_health;

struct daemon_health_source {
    /* True, or false with the reason in `why`. */
    bool (*ready)(void *user, char *why, size_t size);
    /* Writes the text of /metrics. */
    void (*metrics)(void *user, FILE *out);
    void *user; /* for both, which are called on the HTTP thread */
};

/* Listens; fails with the reason when address and port cannot be bound. */
struct daemon_health *daemon_health_new(const char *address, uint16_t port,
                                        const struct daemon_health_source *source,
                                        struct tars_error *error) TARS_MUSTCHECK;
/* Waits for answers that are being made. */
void daemon_health_free(struct daemon_health *health);

#endif
