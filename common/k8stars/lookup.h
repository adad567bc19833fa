/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the framework's objects are: asked of the locator, remembered in data/cache_<object>, which
 * also serves when the locator does not answer. On the client's loop.
 */
#ifndef K8STARS_LOOKUP_H
#define K8STARS_LOOKUP_H

#include <tars/client.h>

#include "k8stars/environment.h"

struct loop;
struct lookup;

/* `object`: "App.Server.Obj", or with "@" and endpoints, which are used as they are. All must
 * outlive it. */
struct lookup *lookup_new(struct loop *loop, struct tars_client *client,
                          const struct environment *environment, const char *locator,
                          const char *object);
/* Its answers end at once. */
void lookup_free(struct lookup *lookup);

/* Calls `found` once, later or at once: the proxy, or NULL with the reason. One question at a time
 * is asked; further ones get its answer. */
typedef void lookup_found(void *user, struct tars_proxy *proxy, const char *reason);
void lookup_ask(struct lookup *lookup, lookup_found *found, void *user);

#endif
