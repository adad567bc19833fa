/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What aggregations answered, kept until what they read changes: the key holds the question and the
 * state of every index that it was asked of, so that nothing has to be told to the cache. The
 * oldest answers leave when there is no room. Thread-safe.
 */
#ifndef STORE_ANSWERS_H
#define STORE_ANSWERS_H

#include "text.h"

enum { ANSWERS_BYTES = 6 * 1024 * 1024 };

struct answers;

struct answers *answers_new(void);
void answers_free(struct answers *a);
/* Appends what was kept; false when there is nothing. */
bool answers_get(struct answers *a, struct tars_str key, struct text *to);
/* Copies both; what takes more than a quarter of the room is not kept. */
void answers_put(struct answers *a, struct tars_str key, struct tars_str answer);
size_t answers_bytes(struct answers *a);

#endif
