/* SPDX-License-Identifier: BSD-3-Clause */
#include "supervise/health.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/xmalloc.h"
#include "supervise/probe.h"

enum { INTERVAL_MS = 10000, RETRY_MS = 1000, TIMEOUT_MS = 3000, BEAT_MS = 60000, FIRST_MS = 20 };

struct asked {
    struct sup_health *health;
    const struct sup_check *check;
    struct loop_timer timer; /* the next question, a call's time-out, the next late heartbeat */
    struct sup_knock *knock;
    struct sup_task *task;
    struct sup_probe *probe;
    int64_t *stamps; /* of heartbeats, one per key */
    size_t stamp_count;
    int64_t delay_ms; /* to the next question, while it has never passed: doubles */
    int good, bad;    /* answers in a row */
    bool passing, has_passed;
    char reason[200];
};

/* What a SUP_CHECK_CALL answers; outlives the question. */
struct sup_probe {
    struct asked *asked; /* NULL: nobody waits any more */
};

struct sup_health {
    struct sup_health_owner owner;
    const struct sup_spec *spec; /* NULL: stopped */
    struct asked *asked;
    uint64_t chance;
};

static void ask(struct asked *a);

/* ---- answers
 * -------------------------------------------------------------------------------------- */

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

static int64_t timeout_of(const struct sup_check *check)
{
    return or_default(check->timeout_ms, check->kind == SUP_CHECK_HEARTBEAT ? BEAT_MS : TIMEOUT_MS);
}

static void on_time_to_ask(struct loop_timer *timer)
{
    ask(loop_container(timer, struct asked, timer));
}

/* Up to a tenth earlier, so that many servers do not ask in step. */
static void plan(struct asked *a)
{
    const struct sup_check *check = a->check;
    int64_t ms = or_default(check->retry_ms, RETRY_MS);
    if (a->passing && a->bad == 0) {
        ms = or_default(check->interval_ms, INTERVAL_MS);
    } else if (!a->has_passed) {
        a->delay_ms = a->delay_ms * 2 < ms ? a->delay_ms * 2 : ms;
        ms = a->delay_ms;
    }
    a->health->chance = a->health->chance * 6364136223846793005U + 1442695040888963407U;
    ms -= (int64_t)((a->health->chance >> 33) % (uint64_t)(ms / 10 + 1));
    loop_timer_set(a->health->owner.tasks->loop, &a->timer, ms, on_time_to_ask);
}

/* Tells the owner, who may stop everything. */
static void turn(struct asked *a, bool passing)
{
    struct sup_health_owner owner = a->health->owner;
    bool hung = !passing && a->check->restart && a->has_passed;
    char text[300];
    a->passing = passing;
    a->has_passed = a->has_passed || passing;
    snprintf(text, sizeof text, "%s%s%s", a->check->name, passing ? "" : ": ",
             passing ? "" : a->reason);
    owner.turned(owner.server, passing, text);
    if (hung)
        owner.hung(owner.server, text);
}

static void take_answer(struct asked *a, bool ok, const char *reason)
{
    int needed = ok ? a->check->rise : a->check->fall;
    snprintf(a->reason, sizeof a->reason, "%s", ok || !reason ? "" : reason);
    a->good = ok ? a->good + 1 : 0;
    a->bad = ok ? 0 : a->bad + 1;
    bool turns = ok != a->passing && (ok ? a->good : a->bad) >= (needed > 0 ? needed : 1);
    if (a->check->kind != SUP_CHECK_HEARTBEAT)
        plan(a);
    if (turns)
        turn(a, ok);
}

/* ---- questions
 * ------------------------------------------------------------------------------------ */

static void on_knocked(void *user, bool ok, const char *reason)
{
    struct asked *a = user;
    a->knock = NULL;
    take_answer(a, ok, reason);
}

static void on_script(void *user, const struct sup_task_end *end)
{
    struct asked *a = user;
    char reason[200];
    a->task = NULL;
    snprintf(reason, sizeof reason, "the script %s", end->text);
    take_answer(a, end->ok, reason);
}

static void on_call_late(struct loop_timer *timer)
{
    struct asked *a = loop_container(timer, struct asked, timer);
    a->probe->asked = NULL;
    a->probe = NULL;
    take_answer(a, false, "no answer in time");
}

void sup_probe_done(struct sup_probe *probe, bool ok, const char *reason)
{
    struct asked *a = probe->asked;
    free(probe);
    if (!a)
        return;
    a->probe = NULL;
    take_answer(a, ok, reason ? reason : "it says so");
}

static void begin_call(struct asked *a)
{
    const struct sup_spec *spec = a->health->spec;
    struct sup_probe *probe = xcalloc(1, sizeof *probe);
    probe->asked = a;
    a->probe = probe;
    loop_timer_set(a->health->owner.tasks->loop, &a->timer, timeout_of(a->check), on_call_late);
    a->check->call(spec->user, a->health->owner.server, probe);
}

static void ask(struct asked *a)
{
    const struct sup_check *check = a->check;
    struct sup_tasks *tasks = a->health->owner.tasks;
    int64_t timeout = timeout_of(check);
    if (check->kind == SUP_CHECK_CALL)
        begin_call(a);
    else if (check->kind == SUP_CHECK_SCRIPT)
        a->task = sup_task_start(tasks, &check->run, timeout, on_script, a);
    else
        a->knock = sup_knock_start(tasks->loop, check->kind, check->host, check->port, timeout,
                                   on_knocked, a);
}

/* ---- heartbeats
 * ----------------------------------------------------------------------------------- */

static const char *key_of(const struct sup_check *check, size_t i)
{
    return check->keys ? check->keys[i] : "";
}

static size_t oldest_stamp(const struct asked *a)
{
    size_t oldest = 0;
    for (size_t i = 1; i < a->stamp_count; i++)
        if (a->stamps[i] < a->stamps[oldest])
            oldest = i;
    return oldest;
}

static void on_beat_timer(struct loop_timer *timer);

static void await_beat(struct asked *a)
{
    int64_t due = a->stamps[oldest_stamp(a)] + timeout_of(a->check);
    loop_timer_set(a->health->owner.tasks->loop, &a->timer, due - clock_ms(), on_beat_timer);
}

/* Heartbeats only move the stamps; whether one is late is looked at when the oldest was due. */
static void on_beat_timer(struct loop_timer *timer)
{
    struct asked *a = loop_container(timer, struct asked, timer);
    size_t oldest = oldest_stamp(a);
    int64_t age = clock_ms() - a->stamps[oldest];
    const char *key = key_of(a->check, oldest);
    struct sup_health_owner owner = a->health->owner;
    bool unbeaten = !a->passing && a->has_passed; /* it said that it was starting again */
    char reason[200], text[300];
    if (age < timeout_of(a->check)) {
        await_beat(a);
        return;
    }
    snprintf(reason, sizeof reason, "none%s%.80s for %lld ms", *key ? " of " : "", key,
             (long long)age);
    a->bad = a->check->fall; /* the time-out is the threshold */
    snprintf(text, sizeof text, "%s: %s", a->check->name, reason);
    if (unbeaten && a->check->restart)
        owner.hung(owner.server, text);
    else
        take_answer(a, false, reason);
}

static void beat(struct asked *a)
{
    int64_t now = clock_ms();
    if (now - a->stamps[oldest_stamp(a)] >= timeout_of(a->check))
        return; /* another key is late still */
    if (!loop_timer_is_set(&a->timer))
        await_beat(a);
    if (!a->passing)
        take_answer(a, true, NULL);
}

bool sup_health_beat(struct sup_health *health, const char *key)
{
    bool all = !key || !*key, known = false;
    const struct sup_spec *spec = health->spec;
    for (size_t i = 0; spec && i < spec->check_count && health->spec; i++) {
        struct asked *a = &health->asked[i];
        bool mine = false;
        for (size_t k = 0; k < a->stamp_count; k++)
            if (all || strcmp(key_of(a->check, k), key) == 0) {
                a->stamps[k] = clock_ms();
                mine = known = true;
            }
        if (mine)
            beat(a);
    }
    return known;
}

void sup_health_unbeat(struct sup_health *health)
{
    for (size_t i = 0; health->spec && i < health->spec->check_count; i++) {
        struct asked *a = &health->asked[i];
        for (size_t k = 0; k < a->stamp_count; k++)
            a->stamps[k] = clock_ms();
        if (a->stamp_count) {
            a->passing = false;
            a->good = 0;
            snprintf(a->reason, sizeof a->reason, "it says that it is starting");
            await_beat(a);
        }
    }
}

/* ---- life
 * ----------------------------------------------------------------------------------------- */

struct sup_health *sup_health_new(const struct sup_health_owner *owner)
{
    struct sup_health *health = xcalloc(1, sizeof *health);
    health->owner = *owner;
    health->chance = hash_seed() ^ (uint64_t)clock_us();
    return health;
}

void sup_health_free(struct sup_health *health)
{
    if (!health)
        return;
    sup_health_stop(health);
    free(health);
}

static void start_beats(struct asked *a)
{
    while (a->check->keys && a->check->keys[a->stamp_count])
        a->stamp_count++;
    if (!a->check->keys)
        a->stamp_count = 1;
    a->stamps = xcalloc(a->stamp_count + 1, sizeof *a->stamps);
    for (size_t i = 0; i < a->stamp_count; i++)
        a->stamps[i] = clock_ms();
    if (a->stamp_count)
        await_beat(a);
}

void sup_health_start(struct sup_health *health, const struct sup_spec *spec, bool assume)
{
    sup_health_stop(health);
    health->spec = spec;
    health->asked = xcalloc(spec->check_count + 1, sizeof *health->asked);
    for (size_t i = 0; i < spec->check_count; i++) {
        struct asked *a = &health->asked[i];
        a->health = health;
        a->check = &spec->checks[i];
        /* Whether it sends heartbeats is not known of one that was found. */
        bool silent = a->check->kind == SUP_CHECK_HEARTBEAT && a->check->optional;
        a->passing = a->has_passed = assume && !silent;
        a->delay_ms = FIRST_MS;
        snprintf(a->reason, sizeof a->reason, "%s", "no answer yet");
        if (a->check->kind == SUP_CHECK_HEARTBEAT)
            start_beats(a);
        else
            loop_timer_set(health->owner.tasks->loop, &a->timer, FIRST_MS, on_time_to_ask);
    }
}

void sup_health_stop(struct sup_health *health)
{
    for (size_t i = 0; health->spec && i < health->spec->check_count; i++) {
        struct asked *a = &health->asked[i];
        loop_timer_clear(health->owner.tasks->loop, &a->timer);
        sup_knock_cancel(a->knock);
        sup_cancel(a->task);
        if (a->probe)
            a->probe->asked = NULL;
        free(a->stamps);
    }
    free(health->asked);
    health->asked = NULL;
    health->spec = NULL;
}

bool sup_health_ok(const struct sup_health *health, const char **reason)
{
    int voters = 0, passed = 0;
    bool must = true;
    *reason = "";
    if (!health->spec)
        return false;
    for (size_t i = 0; i < health->spec->check_count; i++) {
        const struct asked *a = &health->asked[i];
        if (a->check->optional && !a->has_passed)
            continue;
        voters += !a->check->must;
        passed += !a->check->must && a->passing;
        must = must && (a->passing || !a->check->must);
        if (!a->passing)
            *reason = a->reason;
    }
    int need = health->spec->need > 0 && health->spec->need < voters ? health->spec->need : voters;
    bool ok = must && passed >= need;
    if (ok)
        *reason = "";
    return ok;
}
