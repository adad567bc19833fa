/* SPDX-License-Identifier: BSD-3-Clause */
/* Registration of one server at tars.tarsregistry.Registry, and messages to the notify service. On
 * the client's loop; nothing here waits. */
#ifndef K8STARS_REGISTRY_H
#define K8STARS_REGISTRY_H

#include <tars/client.h>

#include "k8stars/environment.h"
#include "k8stars/meta.h"

struct loop;
struct registry;

enum registry_outcome {
    REGISTRY_OK,
    REGISTRY_UNKNOWN, /* keepAlive: it has no registration of ours */
    REGISTRY_FAILED,
    REGISTRY_AWAY, /* nobody knows where it is */
};
typedef void registry_done(void *user, enum registry_outcome outcome, const char *text);

/* NULL with the reason when the token's file cannot be read. Environment and meta must outlive it.
 */
struct registry *registry_new(struct loop *loop, const struct environment *environment,
                              const struct meta *meta, struct tars_error *error);
/* Answers that are still to come will not. Not in one of its callbacks. */
void registry_free(struct registry *registry);
/* Other ports or names from now on. */
void registry_update(struct registry *registry, const struct meta *meta);

/* One attempt each; `done` comes once, later or at once. */
void registry_startup(struct registry *registry, const char *state, registry_done *done,
                      void *user);
void registry_keep_alive(struct registry *registry, const char *state, registry_done *done,
                         void *user);
void registry_prestop(struct registry *registry, registry_done *done, void *user);

/* To the notify service, as an error of the server; repeated for a while, then forgotten. */
void registry_tell(struct registry *registry, const char *message);

/* AdminObj of the server on its local endpoint. */
struct tars_proxy *registry_admin(struct registry *registry);
struct tars_client *registry_client(struct registry *registry);
/* Where objects are asked for. */
struct tars_proxy *registry_locator(struct registry *registry);

#endif
