/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers that no two processes get: a counter in a document, of which each process takes a block
 * at a time by compare-and-set. A block whose answer was lost, or that a process had when it ended,
 * leaves a gap. All on the loop's thread.
 */
#ifndef ES_COUNTER_H
#define ES_COUNTER_H

#include "es/es.h"

/* For the index of counters in es_options.indices. */
#define ES_COUNTER_MAPPINGS "{\"dynamic\":\"strict\",\"properties\":{\"next\":{\"type\":\"long\"}}}"

struct es_counter;

/* Numbers from 1 on, `block` of them at a time. `index` and `id` name the document. */
struct es_counter *es_counter_new(struct es_client *client, const char *index, const char *id,
                                  int block);
/* Who waits is answered with ES_UNREACHABLE. Before the client is freed. */
void es_counter_free(struct es_counter *counter);

/* `result` is NULL and there is a number, or it says why there is none. Must not free the counter.
 */
typedef void (*es_on_number)(void *user, int64_t number, const struct es_result *result);

/* The next number, at once from within the call while the block lasts. A block that cannot be had
 * within the time fails all who wait. */
void es_counter_take(struct es_counter *counter, int timeout_ms, es_on_number done, void *user);

#endif
