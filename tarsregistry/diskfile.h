/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The snapshot file: what the registry knows, on local disk, so that it can answer at once after a
 * start, whether the store is there or not.
 *
 * Layout, numbers big-endian: "TARSREG1", u32 length of the payload, u32 CRC-32 of it, payload.
 * The payload is in the Tars encoding: 0 written at (ms since 1970), 1 list of instances, 2 list of
 * rule documents as JSON text; see diskfile.c for the members. A file with a wrong length,
 * checksum or member is refused as a whole.
 */
#ifndef TARSREGISTRY_DISKFILE_H
#define TARSREGISTRY_DISKFILE_H

#include "rules.h"
#include "table.h"

/* Writes a new file beside `path` and puts it in its place. */
bool diskfile_write(const char *path, const struct table *table, const struct rules *rules,
                    struct tars_error *error) TARS_MUSTCHECK;

enum diskfile_found { DISKFILE_BAD = -1, DISKFILE_MISSING = 0, DISKFILE_READ = 1 };

/* Fills empty tables. `written_at` in ms since 1970. Nothing is filled when the file is bad. */
enum diskfile_found diskfile_read(const char *path, struct table *table, struct rules *rules,
                                  int64_t *written_at, struct tars_error *error) TARS_MUSTCHECK;

#endif
