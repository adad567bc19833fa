/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operator's "clean": takes out nodes that have not been heard of for long and have nothing
 * active, with their instances. What is buried has its tombstone's time, and an instance that
 * reports again within it is restored.
 */
#ifndef TARSREGISTRY_CLEAN_H
#define TARSREGISTRY_CLEAN_H

#include <tars/wire.h>

struct registry;

struct clean_rules {
    bool perform;   /* else only tell */
    int64_t before; /* wall clock, ms: nodes heard of later stay */
};

/* "[n|y] [date]": n performs; the date (2026-11-26 or 2026-11-26T18:30:00, local time, not in the
 * future) is a day before `now` (wall clock, ms) when there is none. False: it is neither. */
bool clean_parse(struct tars_str argument, int64_t now, struct clean_rules *rules);

/* Does it and appends what was found, a line each, and how it ended. Waits for the store, some
 * seconds at most for each step; not on the registry's loop. */
void clean_run(struct registry *registry, const struct clean_rules *rules,
               struct tars_writer *answer);

extern const char clean_usage[];

#endif
