/* SPDX-License-Identifier: BSD-3-Clause */
/* The catalogue in the data file: a row for each index and each template. */
#ifndef STORE_CATALOG_FILE_H
#define STORE_CATALOG_FILE_H

#include "catalog.h"

/* Reads the data file's tables, making them when the file is new; NULL with the error. */
struct catalog *catalog_open(struct db *db, struct tars_error *error);
/* Reads everything again, after a transaction was rolled back. */
bool catalog_reload(struct catalog *c, struct db *db, struct tars_error *error);
/* Before another connection is used for searches. */
bool catalog_attach(struct catalog *c, struct db *db);
/* After the writer has committed. */
void catalog_kept(struct catalog *c);
/* Writes the index's row, in the writer's transaction; after aliases or sequence numbers changed.
 */
bool catalog_save(struct db *db, struct index *index);

#endif
