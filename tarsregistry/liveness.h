/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is alive. An instance that reports its own state is given three of the intervals it has
 * shown, never less than the minimum, before silence means that it is gone. All times are the
 * monotonic clock's, so that setting the date changes nothing.
 *
 * Two protections doubt what silence says: when many of all instances fall silent at once, those
 * that are asked and do not answer among them, the fault is likely ours and nobody is let go; and
 * of one object never more than a share is let go within a window, so that its callers keep
 * somebody to try.
 */
#ifndef TARSREGISTRY_LIVENESS_H
#define TARSREGISTRY_LIVENESS_H

#include "table.h"

struct liveness_rules {
    int32_t minimum_ms;    /* the shortest silence that may mean anything */
    int32_t dead_ms;       /* the shortest one of what was found dead */
    int32_t unknown_ms;    /* silence allowed before an interval has been shown */
    int32_t protect_share; /* percent: more than this at once is our fault rather than theirs */
    int32_t protect_count; /* fewer than this at once are believed */
    int32_t object_share;  /* percent of an object's instances that may go at once */
    int32_t window_ms;     /* expiries this far back count as "at once" */
};

enum { LIVENESS_ROUND_MS = 1000 };

struct liveness {
    struct liveness_rules rules;
    int64_t back;       /* when this registry or its store was last away */
    int64_t last_round; /* 0: none yet */
    int64_t due_ms;     /* from then to the next one: a second, less when somebody's time ends */
    int64_t window_began;
    size_t window_expired;
    bool holding;   /* the last round was held back by the protection */
    bool confirmed; /* an operator said: let them go */
    size_t spared;  /* silent ones that the last round kept for their object's sake */
    struct tars_str spared_object; /* of one of these; as long as its instance */
};

void liveness_init(struct liveness *liveness, const struct liveness_rules *rules, int64_t now);

/* The instance reported to us. `steady`: with the state it had before, so the gap is its interval.
 */
void liveness_report(const struct liveness *liveness, struct instance *instance, bool steady,
                     int64_t now);
/* We could not have heard anybody until now: everybody's silence begins anew. */
void liveness_away(struct liveness *liveness, int64_t now);

/* The interval it has shown, ms; 0: not known. */
int32_t liveness_interval(const struct instance *instance);
/* How long it may be silent, ms. */
int64_t liveness_patience(const struct liveness *liveness, const struct instance *instance);
/* It has been silent too long, or it is late and has been found dead. */
bool liveness_silent(const struct liveness *liveness, const struct instance *instance, int64_t now);
/* Its state is what it reported to us, and silence would change it: it is active or about to be. */
bool liveness_watched(const struct instance *instance);
/* How long nothing has been heard of it, ms; what we could not hear does not count. */
int64_t liveness_silence(const struct liveness *liveness, const struct instance *instance,
                         int64_t now);

/*
 * Calls `gone` for each instance that has been silent too long; returns how many. None, and
 * `holding` set, when they are so many that the fault must be ours; not those whose object has
 * lost its share already. A round that comes late (the process was stopped) pardons everybody.
 * The next one is due after `due_ms`.
 */
size_t liveness_round(struct liveness *liveness, const struct table *table, int64_t now,
                      void (*gone)(void *user, struct instance *instance), void *user);

#endif
