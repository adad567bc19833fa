/* SPDX-License-Identifier: BSD-3-Clause */
/* The servant tars.tarsregistry.Registry: where instances of K8STARS register themselves. */
#ifndef TARSREGISTRY_K8STARS_H
#define TARSREGISTRY_K8STARS_H

#include "registry.h"

struct tars_server;

/* Before the server starts; needs the registry until the server has stopped. */
void k8stars_serve(struct tars_server *server, struct registry *registry);

#endif
