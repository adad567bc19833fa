/* SPDX-License-Identifier: BSD-3-Clause */
/* The Tars adapters of a daemon: those of its file, its defaults, and the port offset. */
#ifndef DAEMON_ADAPTERS_H
#define DAEMON_ADAPTERS_H

#include <stdio.h>

#include "daemon/daemon.h"

/*
 * Completes the start-up configuration in place: moves every port it has by `offset`, adds an
 * adapter at `address` and its default port for each servant that has none, the `local` endpoint,
 * names and the registry's locator where they are missing. Fails, naming it, for an endpoint that
 * is none and a port that leaves 1 to 65535.
 */
bool daemon_adapters_complete(struct tars_conf *conf, const struct daemon_info *info,
                              const char *address, int64_t offset,
                              struct tars_error *error) TARS_MUSTCHECK;

/*
 * Fails when a servant of `info` whose calls change something listens where other machines reach
 * it; the text says what to do. For a daemon that asks for no tokens.
 */
bool daemon_adapters_check_private(const struct tars_conf *conf, const struct daemon_info *info,
                                   struct tars_error *error) TARS_MUSTCHECK;

/* Each adapter as a line "tars.tarsregistry.QueryObj<TAB>tcp -h 127.0.0.1 -p 17890 -t 60000". */
void daemon_adapters_print(const struct tars_conf *conf, FILE *out);

#endif
