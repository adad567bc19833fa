/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What aggregations read of many documents, packed by column: a table c<id> beside an index's
 * documents holds columns of blocks of BLOCK_ROWS sequence numbers. The writer makes them in its
 * free time, for columns that searches wished for and blocks that no new document can fall into; a
 * document that goes away takes its block along, in the same transaction. So what is there is
 * right, and what is not there is read from the documents.
 */
#ifndef STORE_COLUMNS_H
#define STORE_COLUMNS_H

#include "block.h"
#include "index.h"

/* From any thread; a column that cannot be packed is passed over. */
void columns_wish(struct index *index, int column);
/* Makes some of what was wished for, in a transaction of its own; the writer's. True: there is more
 * to make. */
bool columns_build(struct db *db, struct index *index);
/* Before the document `seq` goes; false when the data file refuses. */
bool columns_forget(struct db *db, const struct index *index, int64_t seq);
/* A column of the documents [at * BLOCK_ROWS, (at + 1) * BLOCK_ROWS); false: is not there. */
bool columns_read(struct db *db, const struct index *index, int64_t at, int column,
                  struct block *to);
/* Whether the index has any; call it when the file was opened. */
void columns_find(struct db *db, struct index *index);

#endif
