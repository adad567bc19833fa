/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An index for each day behind one alias: records go to <name>YYYYMMDD (the day of the local zone),
 * searches to <name>, and what is older than `keep_days` is deleted, index by index, by names that
 * match exactly; a clock of ours that is ahead of the server's takes none away. The template
 * <name>dated gives new days their fields and the alias.
 *
 * One of several daemons deletes, the holder of a lease (es/lease.h). Each makes today's index
 * first and the newest one always stays, so that a search finds an empty result rather than no
 * index.
 *
 * Where <name> is an index or data stream of its own (an installation taken over), it gets no
 * template and no alias: records go into it, written with "create", until an operator removes it.
 *
 * All on the loop's thread.
 */
#ifndef ES_DATED_H
#define ES_DATED_H

#include "es/es.h"
#include "es/lease.h"

enum { ES_DATED_NAME_MAX = 200 };

struct es_dated;

struct es_dated_options {
    const char *name;     /* with the prefix: "tars_stat"; at most ES_DATED_NAME_MAX bytes */
    const char *mappings; /* JSON, as in struct es_index */
    const char *settings; /* JSON or NULL */
    int keep_days;        /* whole days before today that stay; 0: all */
    const struct es_lease *lease; /* NULL: there is no other daemon. Must outlive it */
    int pause_ms;                 /* between two looks, 0: an hour */
    void (*ready)(void *user);    /* records can be written: once, from the loop. NULL: not told */
    void *user;
};

/* Begins. Copies the options, not what they point to but `name`. */
struct es_dated *es_dated_new(struct es_client *client, const struct es_dated_options *options);
/* Before the client is freed. */
void es_dated_free(struct es_dated *dated);

/* Where a record of that moment (ms since 1970) goes; into `to` of ES_DATED_NAME_MAX + 16 bytes. */
void es_dated_index(const struct es_dated *dated, int64_t wall_ms, char *to);
/* True where records must be written with "create": <name> belongs to somebody else. */
bool es_dated_is_foreign(const struct es_dated *dated);

struct es_dated_stats {
    bool ready, foreign;
    uint64_t deleted, failures;
    int64_t looked_at; /* monotonic ms of the last look that went well; 0: none */
};
void es_dated_get_stats(const struct es_dated *dated, struct es_dated_stats *stats);

/* The day of a name "<name>YYYYMMDD" as a number (20261127); 0 when it is none of them. */
int es_dated_day(const char *name, const char *index);

#endif
