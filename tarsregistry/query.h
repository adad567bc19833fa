/* SPDX-License-Identifier: BSD-3-Clause */
/* The servant tars.tarsregistry.QueryObj: where objects are. */
#ifndef TARSREGISTRY_QUERY_H
#define TARSREGISTRY_QUERY_H

#include "registry.h"

struct query;
struct tars_server;

/* Serves from the registry's snapshot. Before the server starts; freed after it has stopped. */
struct query *query_serve(struct tars_server *server, struct registry *registry);
void query_free(struct query *query);

/* Each kind of lookup by its function's name; counted on the workers. */
void query_counts(struct query *query,
                  void (*each)(void *user, const char *function, uint64_t calls), void *user);

#endif
