/* SPDX-License-Identifier: BSD-3-Clause */
#include "liveness.h"

enum { INTERVALS = 3 };

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
    if (i->probed.dead) /* we were wrong, or it came back: it has to accept again first */
        i->probed = (struct probed){.waiting = i->probed.waiting};
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

bool liveness_watched(const struct instance *i)
{
    return i->record && i->reports.expected && i->reports.ours && i->present != STATE_INACTIVE &&
           i->present != STATE_DESTROYED;
}

int64_t liveness_silence(const struct liveness *l, const struct instance *i, int64_t now)
{
    return now - (i->reports.last > l->back ? i->reports.last : l->back);
}

static bool found_dead(const struct liveness *l, const struct instance *i)
{
    return i->probed.dead > l->back;
}

/* What was found dead is given little patience, whatever its rhythm. */
bool liveness_silent(const struct liveness *l, const struct instance *i, int64_t now)
{
    int64_t silence = liveness_silence(l, i, now);
    return liveness_watched(i) &&
           ((found_dead(l, i) && silence >= l->rules.dead_ms) || silence > liveness_patience(l, i));
}

/* It was found dead and has a little patience left; or it is being asked whether it still accepts,
 * has not answered, and half of its patience is over: one of many that fell silent together is seen
 * with them, whoever's turn comes first. */
static bool is_suspect(const struct liveness *l, const struct instance *i, int64_t now)
{
    return liveness_watched(i) &&
           (found_dead(l, i) || (i->probed.waiting && i->probed.accepted &&
                                 liveness_silence(l, i, now) * 2 > liveness_patience(l, i)));
}

/* ---- protection
 * ----------------------------------------------------------------------------------- */

/* Is it likelier that we are deaf than that all of these are gone? */
static bool must_hold(struct liveness *l, size_t silent, size_t alive, int64_t now)
{
    if (now - l->window_began > l->rules.window_ms) {
        l->window_began = now;
        l->window_expired = 0;
    }
    size_t gone = silent + l->window_expired, all = alive + l->window_expired;
    return !l->confirmed && gone >= (size_t)l->rules.protect_count &&
           gone * 100 > all * (size_t)l->rules.protect_share;
}

/* Of an object that had so many. Who is alone may go; of several one stays, unless all may go. */
static size_t allowed(const struct liveness *l, size_t had)
{
    size_t share = (size_t)l->rules.object_share, most = (had * share + 99) / 100;
    if (most >= had && had > 1 && share < 100)
        most = had - 1;
    return most ? most : 1;
}

/* What its servant number `at` has lost; NULL for one that stood before it already. */
static struct expiries *expiries_of(const struct liveness *l, const struct table *table,
                                    const struct instance *i, size_t at, int64_t now)
{
    struct tars_str servant = i->record->adapters[at].servant;
    for (size_t k = 0; k < at; k++)
        if (tars_str_equal(i->record->adapters[k].servant, servant))
            return NULL;
    struct expiries *e = table_expiries(table, servant);
    if (e && e->counted != now) {
        e->counted = now;
        e->active = table_active(table, servant);
        if (now - e->began > l->rules.window_ms)
            e->count = 0;
    }
    return e;
}

/* Does every object of it still have enough others? Objects that it does not serve do not miss it.
 */
static bool may_go(struct liveness *l, const struct table *table, const struct instance *i,
                   int64_t now)
{
    if (l->confirmed || i->present != STATE_ACTIVE)
        return true;
    for (size_t k = 0; k < i->record->adapter_count; k++) {
        const struct expiries *e = expiries_of(l, table, i, k, now);
        if (!e || e->count < allowed(l, e->count + e->active))
            continue;
        l->spared++;
        l->spared_object = i->record->adapters[k].servant;
        return false;
    }
    return true;
}

static void count_expiry(const struct liveness *l, const struct table *table,
                         const struct instance *i, int64_t now)
{
    for (size_t k = 0; i->present == STATE_ACTIVE && k < i->record->adapter_count; k++) {
        struct expiries *e = expiries_of(l, table, i, k, now);
        if (!e)
            continue;
        if (!e->count++)
            e->began = now;
        e->active -= e->active > 0;
    }
}

static size_t let_go(struct liveness *l, const struct table *table, int64_t now,
                     void (*gone)(void *user, struct instance *instance), void *user)
{
    struct instance *i;
    size_t count = 0;
    for (size_t at = 0; table_next(table, &at, &i);) {
        if (!liveness_silent(l, i, now) || !may_go(l, table, i, now))
            continue;
        count_expiry(l, table, i, now);
        gone(user, i);
        count++;
    }
    l->window_expired += count;
    l->confirmed = false;
    return count;
}

/* Much later than a round may be, and well before anybody's patience could be over: 5 s when that
 * is 10 s at least. */
static bool is_late_round(const struct liveness *l, int64_t now)
{
    return l->last_round && now - l->last_round > LIVENESS_ROUND_MS + l->rules.minimum_ms * 2 / 5;
}

static void come_back(struct liveness *l, int64_t ms)
{
    enum { SOONEST_MS = 20 };
    if (ms < l->due_ms)
        l->due_ms = ms > SOONEST_MS ? ms : SOONEST_MS;
}

size_t liveness_round(struct liveness *l, const struct table *table, int64_t now,
                      void (*gone)(void *user, struct instance *instance), void *user)
{
    if (is_late_round(l, now))
        liveness_away(l, now);
    l->last_round = now;
    l->spared = 0;
    l->due_ms = LIVENESS_ROUND_MS;

    size_t silent = 0, suspect = 0, alive = 0, at = 0;
    struct instance *i;
    while (table_next(table, &at, &i)) {
        bool is_silent = liveness_silent(l, i, now);
        alive += i->record && i->reports.expected && i->present == STATE_ACTIVE;
        silent += is_silent;
        suspect += !is_silent && is_suspect(l, i, now);
        if (!is_silent && found_dead(l, i) && liveness_watched(i))
            come_back(l, l->rules.dead_ms - liveness_silence(l, i, now));
    }
    l->holding = silent && must_hold(l, silent + suspect, alive, now);
    return silent && !l->holding ? let_go(l, table, now, gone, user) : 0;
}
