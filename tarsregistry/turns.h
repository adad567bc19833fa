/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose turn it is to change something in the store. Changes of one key happen one after another,
 * in the order they came: writers that meet on a document only make each other repeat. Of all keys
 * together only so many are under way, and those that wait cost no more than themselves. Equal
 * changes that wait right behind each other share one turn, so that a crowd that wants the same
 * costs one write. On the registry's loop.
 */
#ifndef TARSREGISTRY_TURNS_H
#define TARSREGISTRY_TURNS_H

#include "loop/loop.h"

struct turns;
struct turn_line;

/* Lies inside what waits for it. */
struct turn {
    struct turn *next;   /* of its line, or of those that share a turn */
    struct turn *shared; /* those that get what this one gets */
    struct turn_line *line;
};

struct turn_rules {
    size_t limit; /* turns at once */
    /* It is this one's turn, and of those in `shared`; turns_end when it is over, maybe at once. */
    void (*start)(struct turn *turn);
    /* It will have none: nobody wants it any more, or the registry ends. Frees it. */
    void (*drop)(struct turn *turn);
    /* Nobody waits for it any more. */
    bool (*unwanted)(const struct turn *turn);
    /* Both want the very same. */
    bool (*same)(const struct turn *a, const struct turn *b);
};

struct turns *turns_new(struct loop *loop, const struct turn_rules *rules);
/* Those that wait are dropped; none may be under way. */
void turns_free(struct turns *turns);

/* Takes a place in the key's line; may start it before it returns. */
void turns_take(struct turns *turns, struct tars_str key, struct turn *turn);
/* A started turn is over; what comes next may start before this returns. Touches it no more. */
void turns_end(struct turns *turns, struct turn *turn);
/* Those that wait, in all. */
size_t turns_waiting(const struct turns *turns);

#endif
