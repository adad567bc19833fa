/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One object and every answer about it, encoded when it was built. An object never changes.
 *
 * Answers repeat: however many groups, stations and sets there are, each distinct choice of
 * endpoints is encoded once, as the body of an answer with the lists in tags 2 and 3. The two
 * other shapes (the active list alone; lists in tags 3 and 4) differ from it by single bytes and
 * are made while copying.
 */
#ifndef TARSREGISTRY_OBJECT_H
#define TARSREGISTRY_OBJECT_H

#include "rows.h"

struct answer {
    size_t len;
    size_t inactive_at; /* where the list of inactive endpoints begins */
    const uint8_t *body;
};

struct object;

/* Rows as rows_settle leaves them; their strings are copied. */
struct object *object_new(struct tars_str name, const struct row *rows, size_t count,
                          const struct groups *groups);
void object_free(struct object *object);

struct tars_str object_name(const struct object *object);
uint64_t object_endpoints(const struct object *object);

/* Look-ups: no allocation, from any thread, valid while the object is. */
const struct answer *object_all(const struct object *object);
const struct answer *object_in_group(const struct object *object, int32_t group);
/* `station` as groups_station gives it, not -1. */
const struct answer *object_in_station(const struct object *object, int station);
/* NULL: the function answers -1. */
const struct answer *object_in_set(const struct object *object, struct tars_str set_id,
                                   int32_t group);

/* The three shapes of an answer, written to `to`; each returns its length, at most answer->len. */
enum answer_shape { ANSWER_LIST, ANSWER_TAGS_2_3, ANSWER_TAGS_3_4 };
size_t answer_copy(const struct answer *answer, enum answer_shape shape, uint8_t *to);

#endif
