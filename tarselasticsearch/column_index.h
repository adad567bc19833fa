/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Indices on columns of an index's documents: dates have one from the start, others get one when
 * searches wish for it (index->wanted). The writer's, outside a transaction.
 */
#ifndef STORE_COLUMN_INDEX_H
#define STORE_COLUMN_INDEX_H

#include "index.h"

/* Makes one on a column and, behind it, on `with` (-1: none), unless the column has few different
 * values or the index has many of them. Returns the field, to be marked as indexed under the
 * catalogue's lock in any case; NULL when there is none or it is marked. */
struct field *column_index_make(struct db *db, const struct index *index, int column, int with);
/* Marks the columns that have one in the file. */
void column_index_find(struct db *db, struct index *index);

#endif
