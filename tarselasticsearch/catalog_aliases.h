/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of aliases, which no index may have. On the writer's thread, under the catalogue's lock. */
#ifndef STORE_CATALOG_ALIASES_H
#define STORE_CATALOG_ALIASES_H

#include "catalog.h"

/* Fails on what cannot be an alias. */
bool catalog_check_alias(struct catalog *c, struct tars_str name, struct failure *failure);
/* Gives the index the aliases of {"alias":{…}} (NULL: none); fails on what is not supported. */
bool catalog_read_aliases(struct catalog *c, struct index *index, const struct json *aliases,
                          struct failure *failure);

#endif
