/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registrations and removals: acknowledged when they are stored, and only then visible. On the
 * registry's loop; `done` is called there, once, maybe before the function returns.
 */
#ifndef TARSREGISTRY_REGISTRATIONS_H
#define TARSREGISTRY_REGISTRATIONS_H

#include "registry.h"

/* `error` NULL: stored. Else for people; nothing has been promised and the caller may repeat. */
typedef void (*registration_done)(void *user, const struct tars_error *error);

struct registration {
    struct record record; /* names, adapters, set, version, flow; the rest is the store's */
    enum present_state state;
    struct tars_str server_type; /* empty: not told, the stored one stays */
    int timeout_ms;              /* how long the caller waits */
    /* NULL, or: nobody waits for `done` of this `user` any more. What has not begun is given up. */
    bool (*gone)(const void *user);
};

/* Empty names, impossible endpoints, names that are too long and the like; the text names it. */
bool registration_check(const struct registration *registration, struct tars_error *error);
/* The same for callers that only name an instance, or a node. */
bool registration_check_names(struct tars_str application, struct tars_str server_name,
                              struct tars_str node_name, struct tars_error *error);
bool registration_check_node(struct tars_str node_name, struct tars_error *error);

/* What makes the changes of one instance wait for each other: the registry's `changes`. */
struct turns *registrations_turns_new(struct registry *registry);
/* The same at the documents of nodes: `nodes`. */
struct turns *registrations_node_turns_new(struct registry *registry);

/* No further instance may be added. */
bool registrations_are_full(const struct registry *registry);

/* Strings must stay until `done`. */
void registrations_add(struct registry *registry, const struct registration *registration,
                       registration_done done, void *user);

/* An instance takes itself out. One that is not there is success. */
void registrations_remove(struct registry *registry, struct tars_str application,
                          struct tars_str server_name, struct tars_str node_name, int timeout_ms,
                          registration_done done, void *user);

/* Old callers name only the node: its instances are marked destroyed and stay listed inactive. */
void registrations_remove_node(struct registry *registry, struct tars_str node_name, int timeout_ms,
                               registration_done done, void *user);

/* Where an instance can be scraped; an unknown one is success without effect, and a log line. */
void registrations_set_metrics(struct registry *registry, struct tars_str application,
                               struct tars_str server_name, struct tars_str node_name, int32_t port,
                               int timeout_ms, registration_done done, void *user);

#endif
