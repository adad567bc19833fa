/* SPDX-License-Identifier: BSD-3-Clause */
#include "supervise/backoff.h"

#include <limits.h>

enum {
    FIRST_MS = 1000,
    MAX_MS = 60000,
    STABLE_MS = 60000,
    PENALTY_AFTER = 10,
    PENALTY_MS = 600000,
    JITTER_PERCENT = 10
};

struct sup_backoff sup_backoff_complete(struct sup_backoff rule)
{
    if (!rule.first_ms)
        rule.first_ms = FIRST_MS;
    if (!rule.max_ms)
        rule.max_ms = MAX_MS;
    if (!rule.stable_ms)
        rule.stable_ms = STABLE_MS;
    if (!rule.penalty_after)
        rule.penalty_after = PENALTY_AFTER;
    if (!rule.penalty_ms)
        rule.penalty_ms = PENALTY_MS;
    if (!rule.jitter_percent)
        rule.jitter_percent = JITTER_PERCENT;
    return rule;
}

int sup_backoff_count(const struct sup_backoff *rule, int crashes, int64_t ran_ms)
{
    if (ran_ms >= rule->stable_ms)
        return 1;
    return crashes < INT_MAX ? crashes + 1 : crashes;
}

struct sup_wait sup_backoff_wait(const struct sup_backoff *rule, int crashes, int64_t ran_ms,
                                 uint64_t chance)
{
    struct sup_wait wait = {rule->first_ms > 0 ? rule->first_ms : 0, false};
    for (int i = 1; i < crashes && wait.ms && wait.ms < rule->max_ms; i++)
        wait.ms *= 2;
    if (wait.ms > rule->max_ms)
        wait.ms = rule->max_ms;
    if (rule->penalty_after > 0 && crashes >= rule->penalty_after) {
        wait.penalty = true;
        wait.ms = rule->penalty_ms;
    }
    if (wait.ms > 0 && rule->jitter_percent > 0)
        wait.ms += (int64_t)(chance % (uint64_t)(wait.ms * rule->jitter_percent / 100 + 1));
    if (wait.ms < rule->spacing_ms - ran_ms)
        wait.ms = rule->spacing_ms - ran_ms;
    return wait;
}
