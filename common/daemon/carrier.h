/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What carries a daemon: a bare event loop or a Tars server. daemon.c knows only this interface, so
 * that a daemon without Tars adapters is linked without the RPC server.
 */
#ifndef DAEMON_CARRIER_H
#define DAEMON_CARRIER_H

#include <stdio.h>

#include "daemon/daemon.h"

struct daemon_carrier {
    /* Completes the configuration; NULL where there is nothing to complete. */
    bool (*complete)(struct tars_conf *conf, const struct daemon_info *info, const char *address,
                     int64_t offset, struct tars_error *error);
    /* Fails when others than this machine reach what changes something; NULL where nothing does. */
    bool (*check_private)(const struct tars_conf *conf, const struct daemon_info *info,
                          struct tars_error *error);
    /* What of it listens, for --addresses; NULL for nothing. */
    void (*print_addresses)(const struct tars_conf *conf, FILE *out);
    /* --monitor: does the daemon that was started with this configuration answer? NULL: cannot be
     * asked. */
    bool (*monitor)(const struct tars_conf *conf, struct tars_error *error);
    void *(*new)(struct daemon *daemon);
    /* Serves until a signal or `stop`, calling daemon_started and daemon_stopping; exit status. */
    int (*run)(void *carrier, struct daemon *daemon);
    void (*stop)(void *carrier); /* any thread */
    struct event_base *(*base)(void *carrier);
    /* NULL without any. HTTP thread, between daemon_started and daemon_stopping. */
    void (*metrics)(void *carrier, daemon_emit *each, void *user);
    void (*free)(void *carrier);
};

int daemon_main_on(const struct daemon_carrier *carrier, int argc, char **argv,
                   const struct daemon_info *info);

/* For carriers: main thread. `daemon` is a struct daemon. */
void daemon_started(void *daemon);
void daemon_stopping(void *daemon);
void *daemon_carried_by(const struct daemon *daemon);

#endif
