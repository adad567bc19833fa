/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dead letters: records that Elasticsearch refused for good, kept for people in DIR/dead. One file
 * for each segment they came from, NUMBER.ndjson; one line a record:
 * {"at":ms,"action":…,"index":…,"id":…,"status":400,"type":…,"reason":…,"source":"the text"}.
 * A file is locked (flock) while it is appended to or worked through.
 */
#ifndef ES_DEAD_H
#define ES_DEAD_H

#include "es/spool.h"

/* One line with its line break, to be freed. */
char *dead_line(const struct es_record *record, int status, const char *type, const char *reason);

/* Appends lines and syncs them; beyond `cap` bytes in all files the oldest go and are counted in
 * *dropped. Blocks. */
bool dead_append(const char *dir, uint64_t segment, const char *lines, size_t len, uint64_t cap,
                 uint64_t *dropped, struct tars_error *error) TARS_MUSTCHECK;

#endif
