/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The folder of a spool: its segments in order, which of them is written to, and how far all is
 * confirmed. Files in it:
 *
 *   NUMBER.seg      segments (segment.h); NUMBER.broken: one that does not check, kept for people
 *   position        text: instance, the next number, the confirmed place, and a CRC32C of these
 * lines dead/           dead letters (dead.h) lock            held by the process that uses the
 * folder
 *
 * Numbers are never used twice: a segment is removed only after the position file with a higher
 * `next` is on the disk. Without a readable position file a new instance begins, so that ids made
 * from places cannot meet older ones.
 *
 * Threads: journal_write, journal_confirm and journal_set_aside on the spool's writer; the rest on
 * any.
 */
#ifndef ES_JOURNAL_H
#define ES_JOURNAL_H

#include <pthread.h>

#include "es/segment.h"

struct daemon_folder;

struct journal_place {
    uint64_t segment, offset;
};

struct journal_segment {
    uint64_t number, instance;
    uint64_t len; /* of what is on the disk for sure */
};

struct journal_dropped {
    uint64_t segments, records, bytes;
};

struct journal {
    struct daemon_folder *folder;
    const char *dir;
    uint64_t cap, segment_limit;
    pthread_mutex_t mutex;            /* of the following */
    struct journal_segment *segments; /* by number */
    size_t count;
    struct journal_place confirmed;
    uint64_t bytes; /* of all segments */
    /* of the writer */
    uint64_t instance, next;
    struct journal_place saved;
    int fd; /* of the last segment when it is written to, else -1 */
};

/* Opens the folder, cuts the youngest segment's torn end; *cut: bytes that were cut. */
bool journal_open(struct journal *j, const char *dir, uint64_t cap, uint64_t segment_limit,
                  uint64_t *cut, struct tars_error *error) TARS_MUSTCHECK;
void journal_close(struct journal *j);

/*
 * Appends whole records and syncs them; on failure none of them is in the journal. Over the cap the
 * oldest segments go first; *dropped says what was lost with them.
 */
bool journal_write(struct journal *j, const char *bytes, size_t len,
                   struct journal_dropped *dropped, struct tars_error *error) TARS_MUSTCHECK;

/* All before the place is confirmed: saves that and removes segments that lie before it whole. */
bool journal_confirm(struct journal *j, struct journal_place place, struct tars_error *error);

/* A segment that does not check leaves the journal and is renamed to NUMBER.broken. */
void journal_set_aside(struct journal *j, uint64_t number);

/* Moves *place to where the next record stands, and says in which segment; false: nothing more. */
bool journal_find(struct journal *j, struct journal_place *place, struct journal_segment *segment);
/* Opens a segment for reading; -1 with errno. */
int journal_open_segment(const struct journal *j, uint64_t number);
/* Bytes behind the confirmed place. */
uint64_t journal_waiting(struct journal *j);
/* Where the confirmed place is. */
struct journal_place journal_confirmed(struct journal *j);

/* Reads DIR/position without holding the folder; false when there is none or it does not check. */
bool journal_read_position(const char *dir, uint64_t *instance, uint64_t *next,
                           struct journal_place *confirmed);

#endif
