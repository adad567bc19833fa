/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dead letters: records that Elasticsearch refused for good, kept for people in DIR/dead. One file
 * for each segment they came from, NUMBER.ndjson; one line a record:
 * {"at":ms,"place":…,"action":…,"index":…,"id":…,"status":400,"type":…,"reason":…,"source":"text"}.
 * `place` (instance, segment and offset) tells a record that was refused again after a restart. A
 * file is locked (flock) while it is appended to or worked through.
 */
#ifndef ES_DEAD_H
#define ES_DEAD_H

#include "es/spool.h"

struct map;

/* One line with its line break, to be freed. */
char *dead_line(const struct es_record *record, struct tars_str place, int status, const char *type,
                const char *reason);

/* The folder as the process that holds the spool writes to it; on one thread. */
struct dead_letters {
    const char *dir;
    uint64_t cap;       /* bytes in all files: beyond it the oldest go */
    uint64_t old;       /* segments below this number may have letters of an earlier process */
    uint64_t segment;   /* whose places are known */
    struct map *places; /* in its file, once they were looked at */
};
void dead_open(struct dead_letters *d, const char *dir, uint64_t cap, uint64_t old);
void dead_close(struct dead_letters *d);

/* Appends lines and syncs them, but for those whose place is in the file already; *written: how
 * many. Files that went because of the cap are counted in *dropped. Blocks. Changes `lines`. */
bool dead_append(struct dead_letters *d, uint64_t segment, char *lines, size_t len, size_t *written,
                 uint64_t *dropped, struct tars_error *error) TARS_MUSTCHECK;

/* Opens a file of dead letters for `flags` of open(2) and locks it; -1 with errno. What is opened
 * is still the file of that name. */
int dead_open_locked(const char *path, int flags);

#endif
