/* SPDX-License-Identifier: BSD-3-Clause */
#include "liveness.h"

enum { INTERVALS = 3, LATE_ROUND_MS = 5000 };

void liveness_init(struct liveness *l, const struct liveness_rules *rules, int64_t now)
{
    *l = (struct liveness){.rules = *rules, .back = now, .window_began = now};
}

static void forget_gaps(struct instance *i)
{
    memset(i->reports.gaps, 0, sizeof i->reports.gaps);
}

static void add_gap(struct instance *i, int64_t gap)
{
    memmove(&i->reports.gaps[1], &i->reports.gaps[0], (REPORT_GAPS - 1) * sizeof(int32_t));
    i->reports.gaps[0] = gap < 1 ? 1 : (int32_t)gap;
}

void liveness_report(const struct liveness *l, struct instance *i, bool steady, int64_t now)
{
    int64_t gap = now - i->reports.last;
    bool follows = i->reports.expected && i->reports.ours && i->reports.last > 0;
    /* After a silence that counted as death nothing is known about its rhythm any more. */
    if (follows && gap > liveness_patience(l, i))
        forget_gaps(i);
    else if (follows && steady)
        add_gap(i, gap);
    i->reports.expected = true;
    i->reports.ours = true;
    i->reports.last = now;
    i->reports.heard = now;
}

void liveness_away(struct liveness *l, int64_t now)
{
    l->back = now;
}

int32_t liveness_interval(const struct instance *i)
{
    /* The longest of the last few, so that a repeated call does not look like a new rhythm. */
    int32_t longest = 0;
    for (int k = 0; k < REPORT_GAPS; k++)
        longest = i->reports.gaps[k] > longest ? i->reports.gaps[k] : longest;
    return longest ? longest : i->reports.stored_interval;
}

int64_t liveness_patience(const struct liveness *l, const struct instance *i)
{
    int64_t interval = liveness_interval(i);
    int64_t patience = interval ? interval * INTERVALS : l->rules.unknown_ms;
    return patience > l->rules.minimum_ms ? patience : l->rules.minimum_ms;
}

bool liveness_silent(const struct liveness *l, const struct instance *i, int64_t now)
{
    if (!i->record || !i->reports.expected || !i->reports.ours)
        return false;
    if (i->present == STATE_INACTIVE || i->present == STATE_DESTROYED)
        return false;
    int64_t last = i->reports.last > l->back ? i->reports.last : l->back;
    return now - last > liveness_patience(l, i);
}

/* Is it likelier that we are deaf than that all of these are gone? */
static bool must_hold(struct liveness *l, size_t silent, size_t alive, int64_t now)
{
    if (now - l->window_began > LIVENESS_PARDON_MS) {
        l->window_began = now;
        l->window_expired = 0;
    }
    size_t gone = silent + l->window_expired, all = alive + l->window_expired;
    bool hold = !l->confirmed && gone >= (size_t)l->rules.protect_count &&
                gone * 100 > all * (size_t)l->rules.protect_share;
    if (!hold)
        l->window_expired = gone;
    return hold;
}

size_t liveness_round(struct liveness *l, const struct table *table, int64_t now,
                      void (*gone)(void *user, struct instance *instance), void *user)
{
    if (l->last_round && now - l->last_round > LATE_ROUND_MS)
        liveness_away(l, now);
    l->last_round = now;

    size_t silent = 0, alive = 0, at = 0;
    struct instance *i;
    while (table_next(table, &at, &i)) {
        alive += i->record && i->reports.expected && i->present == STATE_ACTIVE;
        silent += liveness_silent(l, i, now);
    }
    l->holding = silent && must_hold(l, silent, alive, now);
    if (!silent || l->holding)
        return 0;
    for (at = 0; table_next(table, &at, &i);)
        if (liveness_silent(l, i, now))
            gone(user, i);
    l->confirmed = false;
    return silent;
}
