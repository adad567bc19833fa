/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tables of an index in the data file, by its number: d<id> holds a row for each document,
 * s<id> their sources (source.h), m<id> the values of fields with several in a document, n<id> the
 * objects of nested fields, c<id> packed columns (columns.h). All of it is the writer's, inside its
 * transaction; false when the data file refuses.
 */
#ifndef STORE_INDEX_TABLES_H
#define STORE_INDEX_TABLES_H

#include "index.h"

bool index_tables_make(struct db *db, struct index *index);
/* Makes the columns of the mapping that are not in `known`, which was the mapping before. */
bool index_tables_extend(struct db *db, struct index *index, const struct mapping *known);
/* Drops them, and the index's row in the catalogue's table. */
bool index_tables_drop(struct db *db, const struct index *index);
/* Makes index->insert_sql from the mapping: column n is bound as parameter n + 5. */
void index_tables_make_insert(struct index *index);

#endif
