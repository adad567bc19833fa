/* SPDX-License-Identifier: BSD-3-Clause */
/* How long a server that ended waits for its next launch. */
#ifndef SUPERVISE_BACKOFF_H
#define SUPERVISE_BACKOFF_H

#include "supervise/supervise.h"

struct sup_wait {
    int64_t ms; /* from its end on */
    bool penalty;
};

/* The rule with defaults in the place of zeros. */
struct sup_backoff sup_backoff_complete(struct sup_backoff rule);
/* Crashes in a row after one that ended a run of `ran_ms`. */
int sup_backoff_count(const struct sup_backoff *rule, int crashes, int64_t ran_ms);
/* The wait after so many crashes in a row; `chance` is any number and decides the jitter. */
struct sup_wait sup_backoff_wait(const struct sup_backoff *rule, int crashes, int64_t ran_ms,
                                 uint64_t chance);

#endif
