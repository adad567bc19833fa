/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside a spool: takes records from its journal to Elasticsearch. On the loop's thread but for
 * shipper_wake. Several bulks are under way at once, but never two with the same id; a bulk's items
 * that were turned away are sent again, and with each of them the later ones of its id; those that
 * are turned away again and again are set aside (parked.h). What is confirmed without a gap moves
 * the journal's confirmed place.
 */
#ifndef ES_SHIPPER_H
#define ES_SHIPPER_H

#include "es/journal.h"
#include "loop/loop.h"

struct shipper;

struct shipper *shipper_new(struct es_spool *spool, struct journal *journal,
                            const struct es_spool_options *options);
/* There is more in the journal. From any thread. */
void shipper_wake(struct shipper *shipper);
/* Nothing new is begun from here on: before the writer ends. */
void shipper_stop(struct shipper *shipper);
/* Drops what is on its way; it stays in the journal. The writer must have ended. */
void shipper_free(struct shipper *shipper);
/* All before this is confirmed. */
struct journal_place shipper_confirmed(const struct shipper *shipper);

/* ---- what the spool does for it, on its writer ------------------------------------------------
 */

struct spool_task {
    struct spool_task *next;
    struct loop_job job; /* posted when it is done; `run` is the shipper's */
    uint64_t segment;    /* dead letters of it */
    char *lines;
    size_t len, count;
    bool broken; /* instead: the segment does not check */
    bool ok;
};
void spool_post(struct es_spool *spool, struct spool_task *task);
/* Saves the place soon. */
void spool_confirm(struct es_spool *spool, struct journal_place place);

struct spool_shipped {
    uint64_t stored, retried;
    size_t flight_bytes, parked;
    const char *problem; /* NULL: none; "" takes it back */
};
/* Adds to the figures. */
void spool_note(struct es_spool *spool, const struct spool_shipped *shipped);

#endif
