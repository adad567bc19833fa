/* SPDX-License-Identifier: BSD-3-Clause */
#include "drain.h"

#include <stdlib.h>

#include "AdminF.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "loop/loop.h"
#include "k8stars/status.h"

enum {
    FIRST_PAUSE_MS = 1000, /* the supervisor has seen the mark by then and says nothing else */
    ADMIN_TIMEOUT_MS = 1000,
    REMOVE_PATIENCE_MS = 3000,
    REMOVE_PAUSE_MS = 500,
    BUDGET_MS = 5000, /* for all but the wait: Kubernetes ends the pod not much later */
};

struct drain {
    struct loop *loop;
    const struct environment *environment;
    struct registry *registry;
    void (*done)(void *user);
    void *user;
    struct loop_timer next, repeat, last;
    bool announced, removing, ended;
    int64_t ends; /* at the latest, in clock_ms */
};

static void end(struct drain *d)
{
    if (d->ended)
        return;
    d->ended = true;
    loop_timer_clear(d->loop, &d->next);
    loop_timer_clear(d->loop, &d->repeat);
    loop_timer_clear(d->loop, &d->last);
    d->done(d->user);
}

static void end_next(struct loop_timer *timer)
{
    end(loop_container(timer, struct drain, next));
}

static void end_late(struct loop_timer *timer)
{
    log_warn("drain", "the registry does not answer: nobody waits for it any longer");
    end(loop_container(timer, struct drain, last));
}

static int64_t shorter(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- the rows -----------------------------------------------------------------------------------
 */

static void remove_rows(struct loop_timer *timer);

static void on_removed(void *user, enum registry_outcome outcome, const char *text)
{
    struct drain *d = user;

    if (outcome != REGISTRY_OK)
        log_warn("drain", "the registration could not be removed: %s", text);
    if (d->ended)
        return;
    if (outcome == REGISTRY_FAILED && clock_ms() + REMOVE_PAUSE_MS < d->ends)
        loop_timer_set(d->loop, &d->next, REMOVE_PAUSE_MS, remove_rows);
    else
        loop_timer_set(d->loop, &d->next, 1, end_next);
}

static void remove_rows(struct loop_timer *timer)
{
    struct drain *d = loop_container(timer, struct drain, next);

    if (!d->removing) {
        d->removing = true;
        d->ends = shorter(clock_ms() + REMOVE_PATIENCE_MS, d->ends);
        loop_timer_set(d->loop, &d->last, d->ends - clock_ms(), end_late);
    }
    loop_timer_clear(d->loop, &d->repeat);
    registry_prestop(d->registry, on_removed, d);
}

/* ---- the announcement
 * ----------------------------------------------------------------------------- */

static void announce(struct loop_timer *timer);

/* Nobody waits for it. */
static void on_notified(void *user, const struct tars_result *result, struct tars_str answer)
{
    (void)user;
    (void)answer;
    if (result->error)
        log_warn("drain", "the server does not answer its prestop command: %s", result->message);
}

/* It has worked, or not: the wait begins, and the registry hears of it again and again. How long
 * the registry took for it is not added. */
static void on_announced(void *user, enum registry_outcome outcome, const char *text)
{
    struct drain *d = user;

    if (d->removing || d->ended)
        return;
    if (outcome != REGISTRY_OK)
        log_warn("drain", "the registry does not hear that the server is going: %s", text);
    if (outcome == REGISTRY_AWAY && !d->announced) {
        loop_timer_set(d->loop, &d->next, 1, end_next);
        return;
    }
    if (!d->announced)
        loop_timer_set(
            d->loop, &d->next,
            shorter(d->environment->prestop_wait, d->ends - REMOVE_PATIENCE_MS - clock_ms()),
            remove_rows);
    d->announced = true;
    loop_timer_set(d->loop, &d->repeat, d->environment->keep_alive_interval, announce);
}

static void announce(struct loop_timer *timer)
{
    struct drain *d = loop_container(timer, struct drain, repeat);

    registry_keep_alive(d->registry, STATUS_DEACTIVATING, on_announced, d);
}

static void begin(struct loop_timer *timer)
{
    struct drain *d = loop_container(timer, struct drain, next);
    const struct tars_call_options options = {.timeout_ms = ADMIN_TIMEOUT_MS};

    announce(&d->repeat);
    tarsf_admin_f_notify_async_with(registry_admin(d->registry), &options, tars_str("prestop"),
                                    on_notified, NULL);
}

struct drain *drain_new(struct loop *loop, const struct environment *environment,
                        struct registry *registry, void (*done)(void *user), void *user)
{
    struct drain *d = xcalloc(1, sizeof *d);

    d->loop = loop;
    d->environment = environment;
    d->registry = registry;
    d->done = done;
    d->user = user;
    d->ends = clock_ms() + environment->prestop_wait + BUDGET_MS;
    loop_timer_set(loop, &d->next, FIRST_PAUSE_MS, begin);
    return d;
}

void drain_hurry(struct drain *d)
{
    if (!d->removing && !d->ended)
        loop_timer_set(d->loop, &d->next, 1, remove_rows);
}

void drain_free(struct drain *d)
{
    if (!d)
        return;
    loop_timer_clear(d->loop, &d->next);
    loop_timer_clear(d->loop, &d->repeat);
    loop_timer_clear(d->loop, &d->last);
    free(d);
}
