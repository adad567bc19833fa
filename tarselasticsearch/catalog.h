/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All indices and index templates in memory: how they are found. Only the writer's thread changes
 * it, between catalog_lock and catalog_unlock; others read it under catalog_read. How it is kept in
 * the data file: catalog_file.h; how it changes: catalog_indices.h, catalog_aliases.h,
 * catalog_templates.h.
 */
#ifndef STORE_CATALOG_H
#define STORE_CATALOG_H

#include "index.h"

struct catalog;

void catalog_free(struct catalog *c);

void catalog_read(struct catalog *c);
void catalog_read_end(struct catalog *c);
void catalog_lock(struct catalog *c);
void catalog_unlock(struct catalog *c);

/* By its own name, not an alias. */
struct index *catalog_index(struct catalog *c, struct tars_str name);
/* Whether some index has it. */
bool catalog_has_alias(struct catalog *c, struct tars_str name);

/*
 * Names, aliases, "*" patterns and "-" exclusions, commas between them; "" and "_all": all. A name
 * that is not there fails unless `lenient`. In the order of the names, each once. `aliases`: may be
 * named by alias.
 */
bool catalog_resolve(struct catalog *c, struct tars_str expression, bool aliases, bool lenient,
                     struct index_list *list, struct failure *failure);

/* The one index that a write through `name` goes to; NULL with `missing` when there is none, NULL
 * with the failure when it is not clear. */
struct index *catalog_write_index(struct catalog *c, struct tars_str name, bool require_alias,
                                  bool *missing, struct failure *failure);

#endif
