/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Write-behind for values that change often and of which only the last one matters (heartbeats):
 * partial updates are merged in memory by document id and sent in bulks every so often. What was
 * not sent yet is lost with the process. Bounded: see es_writer_update.
 */
#ifndef ES_WRITER_H
#define ES_WRITER_H

#include "es/es.h"

struct es_writer;

/* Flushes each `interval_ms`; holds at most `limit` documents. On the loop's thread.. */
struct es_writer *es_writer_new(struct es_client *client, const char *index, int interval_ms,
                                size_t limit);
/* On the loop's thread, before the client is freed. What was not flushed is dropped. */
void es_writer_free(struct es_writer *writer);

/*
 * Sets `fields` (taken) of a document at the next flush; newer values replace older ones. `upsert`:
 * a missing document is made, else it is left missing. False when `limit` other documents wait:
 * then the fields are dropped and counted. From any thread.
 */
bool es_writer_update(struct es_writer *writer, const char *id, cJSON *fields, bool upsert);

/* Forgets what waits for a document, for one that is being deleted. From any thread. */
void es_writer_forget(struct es_writer *writer, const char *id);

/* Sends now what waits; `done` when it is confirmed or failed. On the loop's thread. */
void es_writer_flush(struct es_writer *writer, int timeout_ms, es_done done, void *user);

struct es_writer_stats {
    size_t waiting;
    uint64_t written, merged, dropped, missing, refused, failed_flushes;
};
void es_writer_get_stats(struct es_writer *writer, struct es_writer_stats *stats);

#endif
