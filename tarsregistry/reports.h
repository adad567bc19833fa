/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What instances report about themselves and what their silence means: into memory at once, into
 * the store behind. On the registry's loop.
 */
#ifndef TARSREGISTRY_REPORTS_H
#define TARSREGISTRY_REPORTS_H

#include "registry.h"

struct keep_alive {
    struct tars_str node_name;
    struct tars_str application, server_name; /* both empty: every instance of the node */
    enum present_state state;
    bool wants_to_register; /* the caller registers again when told that it is not known */
};

/* `known` is false only for a caller that wants_to_register and should. */
typedef void (*reports_done)(void *user, bool known);

/*
 * Applies a report. An instance that is not known is looked up in the store: one that was removed
 * by anything but its own onPrestop is restored, one that never was is made without adapters, for
 * its next onStartup to complete. `done` is called once, maybe before this returns.
 */
void reports_keep_alive(struct registry *registry, const struct keep_alive *report,
                        reports_done done, void *user);

/* Takes note that an instance is alive, in this state, and reports to us. */
void reports_heard(struct registry *registry, struct instance *instance, enum present_state state);

/* Sets a state and writes it soon; repeated until it is stored. */
void reports_set_state(struct registry *registry, struct instance *instance,
                       enum present_state state);

/* The state document as it would be written now. */
cJSON *reports_state_fields(struct registry *registry, const struct instance *instance);

/* Every second: expires the silent, takes over from registries that are gone, writes again what
 * could not be written. After how many ms it wants to be called again: a second or less. */
int64_t reports_tick(struct registry *registry);

#endif
