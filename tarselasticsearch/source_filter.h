/* SPDX-License-Identifier: BSD-3-Clause */
/* Which part of a document's source an answer shows: "_source" of searches and reads by id. */
#ifndef STORE_SOURCE_FILTER_H
#define STORE_SOURCE_FILTER_H

#include "failure.h"
#include "json.h"

struct source_filter {
    bool none;                              /* no source at all */
    const struct json *includes, *excludes; /* arrays of patterns; NULL: all, nothing */
};

/* Reads the value of "_source"; a single pattern becomes a list in the arena. */
bool source_filter_read(struct source_filter *s, const struct json *value, struct tars_arena *arena,
                        struct failure *failure);
/* Patterns with commas between them, as parameters have them. */
const struct json *source_filter_list(struct tars_str text, struct tars_arena *arena);
bool source_filter_whole(const struct source_filter *s);
/* Appends what is left; the arena is for the tree only. False when it is full. */
bool source_filter_print(const struct source_filter *s, struct tars_str source,
                         struct tars_arena *arena, struct text *to);

#endif
