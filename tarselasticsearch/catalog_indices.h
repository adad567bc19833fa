/* SPDX-License-Identifier: BSD-3-Clause */
/* Making, changing and deleting indices: on the writer's thread, inside its transaction, under the
 * catalogue's lock. */
#ifndef STORE_CATALOG_INDICES_H
#define STORE_CATALOG_INDICES_H

#include "catalog.h"

/* `body` may be NULL; templates apply. The catalogue's; NULL with the failure. */
struct index *catalog_create(struct catalog *c, struct db *db, struct tars_str name,
                             const struct json *body, struct failure *failure);
bool catalog_delete(struct catalog *c, struct db *db, struct index *index);
/* Puts a changed mapping in the place of the old one and makes its new columns. */
bool catalog_set_mapping(struct catalog *c, struct db *db, struct index *index,
                         struct mapping *mapping);
bool catalog_put_settings(struct catalog *c, struct db *db, struct index *index,
                          const struct json *body, struct failure *failure);
/* Gives a new index settings, mappings and aliases of a body (may be NULL), or of a template's
 * "template". */
bool catalog_apply_body(struct catalog *c, struct index *index, const struct json *body,
                        struct failure *failure);
/* Makes one index on a column that searches wished for, and some of the packed columns, in
 * transactions of their own; needs no lock. A column of few different values gets no index. True:
 * there is more to make. */
bool catalog_build_wanted(struct catalog *c, struct db *db);

#endif
