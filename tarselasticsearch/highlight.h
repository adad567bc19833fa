/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shows which words of a hit the query found. While a query becomes SQL its conditions on words and
 * keywords are kept as marks; values of a hit's source are then compared with them.
 */
#ifndef STORE_HIGHLIGHT_H
#define STORE_HIGHLIGHT_H

#include "index.h"
#include "value.h"

struct condition;
struct mark;

struct highlight {
    const struct json *fields; /* an object: patterns of names */
    struct tars_str before, after;
    struct tars_arena *arena; /* the request's */
    struct mark *marks;
    size_t count, size;
    int negated; /* > 0 while clauses are read that must not match */
};

/* Reads the value of "highlight"; NULL with the failure. Only whole values are known: fragments so
 * large that a value is one. */
struct highlight *highlight_read(const struct json *json, struct tars_arena *arena,
                                 struct failure *failure);
/* Keeps a condition; texts are copied. False when the arena is full. */
bool highlight_mark(struct highlight *h, const struct field *f, const struct condition *cond);
/* Appends ,"highlight":{…} when something was found. */
void highlight_print(const struct highlight *h, const struct index *index,
                     const struct json *source, struct text *to);

#endif
