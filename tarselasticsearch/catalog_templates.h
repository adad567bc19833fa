/* SPDX-License-Identifier: BSD-3-Clause */
/* The catalogue's index templates. Changed on the writer's thread, inside its transaction, under
 * the catalogue's lock. */
#ifndef STORE_CATALOG_TEMPLATES_H
#define STORE_CATALOG_TEMPLATES_H

#include "catalog.h"
#include "template.h"

size_t catalog_template_count(const struct catalog *c);
/* Sorted by name. */
const struct template *catalog_template(const struct catalog *c, size_t at);

/* Fails on a template of which no index could be made. */
bool catalog_put_template(struct catalog *c, struct db *db, struct tars_str name,
                          const struct json *body, struct failure *failure);
/* False when there is none of that name, or the data file refuses. */
bool catalog_delete_template(struct catalog *c, struct db *db, struct tars_str name);

#endif
