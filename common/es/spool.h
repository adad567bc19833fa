/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes that must not be lost: a record is appended to a file in a folder of its own, acknowledged
 * when it is on the disk, and shipped to Elasticsearch in bulks. docs/spool.md is the operator's
 * page, segment.h the format of the files.
 *
 * Threads: es_spool_append and es_spool_get_stats from any. A thread of the spool's own writes what
 * many callers appended meanwhile and syncs once for all of them; callbacks of appends and `notify`
 * come on that thread and must not block. Shipping runs on the client's loop. Memory: what is not
 * yet on the disk (pending_bytes), and about three times what is on its way (flight_bytes).
 */
#ifndef ES_SPOOL_H
#define ES_SPOOL_H

#include <tars/types.h>

struct es_client;
struct es_spool;

enum es_action { ES_ACTION_CREATE = 1, ES_ACTION_INDEX, ES_ACTION_UPSERT, ES_ACTION_DELETE };
const char *es_action_name(enum es_action action); /* "create", "index", "update", "delete" */

/*
 * One write. An empty id: the record is created under an id made from its place in the spool, so
 * that sending it twice stores it once. With an id, records of the same index and id arrive in the
 * order of appending. `source` is one JSON object in one line (nothing for a delete); for an upsert
 * the fields to merge.
 */
struct es_record {
    enum es_action action;
    struct tars_str index, id, source;
};

enum es_spool_event {
    ES_SPOOL_DROPPED, /* over the cap: the oldest segment went with records that were not shipped */
    ES_SPOOL_FAILING, /* the disk refuses writes; appends are refused until it recovers */
    ES_SPOOL_RECOVERED,
    ES_SPOOL_DEAD,  /* Elasticsearch refused records for good: they lie in the folder "dead" */
    ES_SPOOL_BROKEN /* a segment does not check: set aside as NAME.broken */
};

struct es_spool_options {
    const char *dir;          /* made when missing (0700); one process at a time */
    struct es_client *client; /* NULL: records are only kept */
    uint64_t cap_bytes;       /* of all segments, 0: 2 GiB; at least 1 MiB */
    uint64_t segment_bytes;   /* 0: 64 MiB, at most an eighth of the cap */
    size_t pending_bytes; /* appended and not yet on the disk, 0: one record of any size (16 MiB);
                             at most a quarter of the cap */
    size_t bulk_bytes;    /* of one bulk request, about; 0: 2 MiB */
    size_t flight_bytes;  /* records on their way, 0: 8 MiB */
    uint64_t
        dead_bytes; /* of all dead letters, 0: 256 MiB; beyond it the oldest file goes, loudly */
    size_t park_records; /* set aside so that the others go on, 0: 16384 */
    int park_ms;    /* when so many are set aside and none could be stored for that long, they go to
                       the dead letters, 0: 300000 */
    int timeout_ms; /* of a bulk request with its retries, 0: 30000 */
    int back_off_limit_ms; /* between tries, 0: 10000; a Retry-After may ask for more */
    /* Something the operator should know, with a text for people; NULL: only logged. */
    void (*notify)(void *user, enum es_spool_event event, const char *text);
    void *user;
};

/*
 * Opens a spool and goes on shipping what an earlier process left. Copies the options. Not from
 * within a callback of the client. NULL with the reason when the folder cannot be used.
 */
struct es_spool *es_spool_open(const struct es_spool_options *options,
                               struct tars_error *error) TARS_MUSTCHECK;
/* Writes what was appended, stops, and keeps on the disk what is not confirmed. On the loop's
 * thread (any without a client), before the client is freed. */
void es_spool_close(struct es_spool *spool);

enum es_spool_answer {
    ES_SPOOL_TAKEN, /* the callback will come */
    ES_SPOOL_FULL,  /* the disk is slower than the callers: pending_bytes wait. Try again later */
    ES_SPOOL_REFUSES_WRITES, /* the disk is full or broken: `error` says how */
    ES_SPOOL_BAD             /* no record: see struct es_record; at most 16 MiB and pending_bytes */
};
/* `error` is NULL when the record will survive the process and a power cut, else why it will not.
 */
typedef void (*es_spool_done)(void *user, const struct tars_error *error);

/* Copies the record. Unless TAKEN, `done` does not come and `error` (may be NULL) says why. */
enum es_spool_answer es_spool_append(struct es_spool *spool, const struct es_record *record,
                                     es_spool_done done, void *user,
                                     struct tars_error *error) TARS_MUSTCHECK;

struct es_spool_stats {
    uint64_t appended, refused;         /* records acknowledged; records not taken or failed */
    uint64_t syncs;                     /* of the disk, each for many records */
    uint64_t stored, dead;              /* confirmed by Elasticsearch; refused by it for good */
    uint64_t retried;                   /* records sent again */
    size_t parked;                      /* records set aside now: turned away again and again */
    uint64_t dropped, dropped_segments; /* over the cap, never shipped */
    uint64_t broken_segments;
    uint64_t disk_bytes, waiting_bytes; /* all segments; what is not confirmed */
    size_t pending_bytes, flight_bytes; /* now */
    uint64_t segments;
    bool failing;           /* the disk refuses writes */
    char last_problem[256]; /* of shipping; empty after a success */
};
void es_spool_get_stats(struct es_spool *spool, struct es_spool_stats *stats);

#endif
