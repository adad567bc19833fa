/* SPDX-License-Identifier: BSD-3-Clause */
#include "reporter.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/xmalloc.h"
#include "loop/loop.h"
#include "k8stars/status.h"

struct reporter {
    struct loop *loop;
    const struct environment *environment;
    struct registry *registry;
    struct loop_timer next, rewrite; /* to the registry; to the file, which never waits for it */
    const char *word;
    bool registered, calling, again, failing, stopped;
};

/* A drain that another process has begun is not talked over, also one that began just now. */
static bool is_over(struct reporter *r)
{
    r->stopped = r->stopped || status_is_draining(r->environment);
    return r->stopped;
}

static void rewrite(struct loop_timer *timer);

static void write_word(struct reporter *r)
{
    struct tars_error error = {0};
    bool ok;

    if (is_over(r))
        return;
    ok = status_write(r->environment, r->word, &error);
    if (is_over(r))
        ok = status_write(r->environment, STATUS_DEACTIVATING, &error);
    if (!ok)
        log_error("report", "%s; the readiness probe will fail", error.text);
    loop_timer_set(r->loop, &r->rewrite, r->environment->report_interval, rewrite);
}

static void rewrite(struct loop_timer *timer)
{
    write_word(loop_container(timer, struct reporter, rewrite));
}

/* ---- the registry
 * ---------------------------------------------------------------------------------- */

static void say(struct reporter *r);

static void fire(struct loop_timer *timer)
{
    say(loop_container(timer, struct reporter, next));
}

/* Logs the first of a row of failures, and its end. */
static void log_outcome(struct reporter *r, enum registry_outcome outcome, const char *text)
{
    bool failed = outcome == REGISTRY_FAILED || outcome == REGISTRY_AWAY;

    if (failed && !r->failing)
        log_warn("report", "the registry cannot be told that the server is %s: %s", r->word, text);
    if (!failed && r->failing)
        log_info("report", "the registry hears again");
    r->failing = failed;
}

static void on_said(void *user, enum registry_outcome outcome, const char *text)
{
    struct reporter *r = user;
    bool soon = r->again || outcome == REGISTRY_UNKNOWN;

    r->calling = false;
    if (outcome == REGISTRY_UNKNOWN)
        r->registered = false;
    log_outcome(r, outcome, text);
    if (!r->stopped)
        loop_timer_set(r->loop, &r->next, soon ? 1 : r->environment->keep_alive_interval, fire);
}

static void on_registered(void *user, enum registry_outcome outcome, const char *text)
{
    struct reporter *r = user;

    if (outcome == REGISTRY_OK && !r->again)
        log_info("report", "registered as %s", r->word);
    r->registered = outcome == REGISTRY_OK && !r->again;
    on_said(user, outcome, text);
}

static void say(struct reporter *r)
{
    if (r->calling) {
        r->again = true;
        return;
    }
    if (is_over(r))
        return;
    r->calling = true;
    r->again = false;
    if (r->registered)
        registry_keep_alive(r->registry, r->word, on_said, r);
    else
        registry_startup(r->registry, r->word, on_registered, r);
}

/* ---- life
 * ------------------------------------------------------------------------------------------- */

struct reporter *reporter_new(struct loop *loop, const struct environment *environment,
                              struct registry *registry)
{
    struct reporter *r = xcalloc(1, sizeof *r);

    r->loop = loop;
    r->environment = environment;
    r->registry = registry;
    r->word = STATUS_ACTIVATING;
    write_word(r);
    loop_timer_set(loop, &r->next, 1, fire);
    return r;
}

void reporter_free(struct reporter *r)
{
    if (!r)
        return;
    loop_timer_clear(r->loop, &r->next);
    loop_timer_clear(r->loop, &r->rewrite);
    free(r);
}

void reporter_state(struct reporter *r, const char *word)
{
    if (r->stopped || strcmp(word, r->word) == 0)
        return;
    log_info("report", "the server is %s", word);
    r->word = word;
    write_word(r);
    say(r);
}

void reporter_register(struct reporter *r)
{
    if (r->stopped)
        return;
    r->registered = false;
    say(r);
}

void reporter_stop(struct reporter *r)
{
    r->stopped = true;
    loop_timer_clear(r->loop, &r->next);
    loop_timer_clear(r->loop, &r->rewrite);
}
