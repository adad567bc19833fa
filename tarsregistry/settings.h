/* SPDX-License-Identifier: BSD-3-Clause */
/* The registry's keys in the configuration, and what they come to. */
#ifndef TARSREGISTRY_SETTINGS_H
#define TARSREGISTRY_SETTINGS_H

#include "daemon/daemon.h"
#include "registry.h"

extern const struct daemon_key settings_keys[];
extern const size_t settings_key_count;
extern const struct daemon_adapter settings_adapters[];
extern const size_t settings_adapter_count;

/* Strings lie in the arena or in the daemon. False for values that do not go together. */
bool settings_read(const struct daemon *daemon, struct tars_arena *arena, struct settings *settings,
                   struct tars_error *error);

#endif
