/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the documents' sources lie in the data file: in blocks of some, packed together with
 * Zstandard behind the index's dictionary (its first document of some length). A row of s<index> is
 * a block: `seq` of its first document, `more`, how far behind the last one lies, and the packed
 * bytes, which carry a checksum.
 *
 * The writer collects what one transaction writes; source_flush puts it into the file.
 */
#ifndef STORE_SOURCE_H
#define STORE_SOURCE_H

#include "index.h"

enum {
    SOURCE_DICTIONARY = 4096, /* bytes, at most */
    SOURCE_BLOCK = 16 * 1024, /* bytes that close a block */
    SOURCE_COUNT = 128,       /* documents that close it */
    SOURCE_LIMIT = 1 << 30    /* bytes of one source */
};

enum source_state { SOURCE_GOOD, SOURCE_LOST, SOURCE_DAMAGED };

/* ---- the writer's; false when the data file refuses --------------------------------------------
 */

/* `seq` is above all that the index has. */
bool source_add(struct db *db, struct index *index, int64_t seq, struct tars_str source);
/* Before the commit; what reads in between flushes by itself. */
bool source_flush(struct db *db);
/* After the document's row is gone. A block goes with its last document, and is packed anew when
 * most of it is not needed any more. */
bool source_remove(struct db *db, const struct index *index, int64_t seq);
/* What is not in the file yet is forgotten: after a roll back, and before an index is deleted. */
void source_forget(struct db *db);

/* ---- anybody's ----------------------------------------------------------------------------------
 */

/* Appends a document's source. Neighbours cost little: the last block stays unpacked. */
enum source_state source_read(struct db *db, int64_t index, int64_t seq, struct text *to);

/* What is kept with a connection; NULL is nothing. */
void source_packer_free(struct packer *p);

#endif
