/* SPDX-License-Identifier: BSD-3-Clause */
/* The values of a daemon's keys: from arguments, environment, file and defaults, checked. */
#ifndef DAEMON_SETTINGS_H
#define DAEMON_SETTINGS_H

#include <stdio.h>

#include "daemon/daemon.h"

struct daemon_settings;

/* Has it adapters whose calls change something, and so the keys `auth` and `tokens`? */
bool daemon_settings_has_auth(const struct daemon_info *info);

/* What the command line sets: values for the keys "data" and "port-offset", or NULL. */
struct daemon_overrides {
    const char *data;
    const char *port_offset;
};

/* The daemon's own keys and those of the frame. */
struct daemon_settings *daemon_settings_new(const struct daemon_info *info);
void daemon_settings_free(struct daemon_settings *settings);

/*
 * Finds and checks every value. `file` names where `conf` came from (NULL: no file). Warns about
 * keys in the daemon's own domain that nobody reads.
 */
bool daemon_settings_load(struct daemon_settings *settings, const struct tars_conf *conf,
                          const char *file, const struct daemon_overrides *overrides,
                          struct tars_error *error) TARS_MUSTCHECK;

/* A list of all keys with default, environment variable and help, for --help. */
void daemon_settings_help(const struct daemon_settings *settings, FILE *out);

/* Each key that is a port and not 0 as a line "port<TAB>127.0.0.1:9200"; the HTTP port of the frame
 * is called "http". */
void daemon_settings_print_ports(const struct daemon_settings *settings, FILE *out);

const char *daemon_settings_text(const struct daemon_settings *settings, const char *key);
int64_t daemon_settings_number(const struct daemon_settings *settings, const char *key);

#endif
