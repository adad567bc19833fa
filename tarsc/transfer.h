/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Documents of Elasticsearch as files and back: DIR/INDEX.json (mappings, settings and aliases),
 * DIR/INDEX.ndjson.gz (a line {"_id":…,"_source":…} a document, the source as it was written), and
 * DIR/INDEX.imported: how many of them a cluster has taken.
 */
#ifndef TARSC_TRANSFER_H
#define TARSC_TRANSFER_H

#include <stdbool.h>

struct access;

/* Each index that matches one of the patterns (a list that ends with NULL). An index whose files
 * are whole is left out. Says on stdout what it did, on stderr how far it is and what failed. */
bool transfer_export(struct access *access, const char *dir, char **patterns);

/* The indices of a folder, or those named. Documents that exist stay unless `overwrite`. */
bool transfer_import(struct access *access, const char *dir, char **names, bool overwrite);

#endif
