/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a document's source lies in the data file: deflated against the index's dictionary, which is
 * its first document of some length, or as it is when that is no shorter. A packed source begins
 * with SOURCE_PACKED, which no JSON does.
 */
#ifndef STORE_SOURCE_H
#define STORE_SOURCE_H

#include "catalog.h"

enum { SOURCE_PACKED = 1, SOURCE_DICTIONARY = 4096 };

/* What goes into the file; a slice of `source` or of memory that the connection keeps until the
 * next call. The first document becomes the index's dictionary, so only the writer may call it.
 * False when the data file refuses. */
bool source_pack(struct db *db, struct index *index, struct tars_str source,
                 struct tars_str *stored);
/* Appends the source of what the file holds; false when it is damaged. */
bool source_unpack(struct db *db, int64_t index, struct tars_str stored, struct text *to);

/* What packing keeps with a connection; NULL is nothing. */
void source_packer_free(struct packer *p);

#endif
