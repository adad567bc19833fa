/* SPDX-License-Identifier: BSD-3-Clause */
#include "guest.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "AdminF.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "daemon/memory.h"
#include "hangup.h"
#include "k8stars/checks.h"
#include "k8stars/drain.h"
#include "k8stars/reporter.h"
#include "k8stars/status.h"
#include "loop/loop.h"

enum { TERM_MS = 3000, SHUTDOWN_TIMEOUT_MS = 1000, STEPS = 2, VARIABLES = 4, SIGNALLED = 128 };

static const char module[] = "run";

struct guest {
    const struct guest_options *options;
    struct loop *loop;
    struct meta meta; /* the arena is the caller's */
    struct registry *registry;
    struct reporter *reporter;
    struct heartbeats *heartbeats; /* NULL: none come */
    struct supervisor *sup;
    struct sup_server *server;
    struct drain *drain;
    char *variables[VARIABLES]; /* NULL-terminated */
    bool launched, ending;
    int status;
};

/* ---- the end
 * --------------------------------------------------------------------------------------- */

static void on_shut_down(void *user, const struct tars_result *result)
{
    struct guest *g = user;
    if (result->error && g->server)
        sup_step_failed(g->server, result->message);
}

static void shut_down(void *user, struct sup_server *server)
{
    const struct tars_call_options options = {.timeout_ms = SHUTDOWN_TIMEOUT_MS};
    struct guest *g = user;
    (void)server;
    tarsf_admin_f_shutdown_async_with(registry_admin(g->registry), &options, on_shut_down, g);
}

static void on_stopped(void *user)
{
    const struct guest *g = user;
    loop_stop(g->loop);
}

static void on_drained(void *user)
{
    struct guest *g = user;
    sup_stop_all(g->sup, on_stopped, g);
}

/* Out of the registry first; it serves on while clients notice. */
static void begin_end(struct guest *g)
{
    struct tars_error error = {0};
    g->ending = true;
    reporter_stop(g->reporter);
    sup_hold(g->server, true);
    if (!status_begin_drain(g->options->environment, &error) && error.code)
        log_warn(module, "%s", error.text);
    g->drain = drain_new(g->loop, g->options->environment, g->registry, on_drained, g);
    if (g->options->environment->prestop_wait == 0 || sup_state(g->server).pid == 0)
        drain_hurry(g->drain);
}

static void on_signal(void *user, int number)
{
    struct guest *g = user;
    if (g->ending) {
        log_info(module, "signal %d again: no more waiting", number);
        drain_hurry(g->drain);
        sup_hurry(g->server);
        return;
    }
    log_info(module, "signal %d: %s is taken down", number, sup_name(g->server));
    begin_end(g);
}

/* ---- what happens
 * --------------------------------------------------------------------------------- */

static void on_state(struct guest *g)
{
    static const char *const words[] = {
        [SUP_INACTIVE] = STATUS_INACTIVE,
        [SUP_ACTIVATING] = STATUS_ACTIVATING,
        [SUP_ACTIVE] = STATUS_ACTIVE,
        [SUP_DEACTIVATING] = STATUS_INACTIVE,
    };
    enum sup_present present = sup_state(g->server).present;
    if (g->launched || present != SUP_INACTIVE) /* before the first launch it is not down */
        reporter_state(g->reporter, words[present]);
    if (present == SUP_ACTIVE)
        daemon_memory_trim();
}

static void on_launched(struct guest *g, const struct sup_event *event)
{
    log_info(module, "%s is started as process %d", sup_name(g->server), (int)event->pid);
    if (g->launched)
        reporter_register(g->reporter);
    g->launched = true;
}

static void on_exited(struct guest *g, const struct sup_event *event)
{
    bool killed = event->status >= 0 && WIFSIGNALED(event->status) &&
                  WTERMSIG(event->status) == SIGKILL;
    log_info(module, "%s %s", sup_name(g->server), event->text);
    if (g->ending) {
        g->status = g->status ? g->status : killed;
    } else if (g->options->once) {
        g->status = event->status < 0            ? 1
                    : WIFSIGNALED(event->status) ? SIGNALLED + WTERMSIG(event->status)
                                                 : WEXITSTATUS(event->status);
        begin_end(g);
    }
}

/* What never ran will not run the next time either. */
static void on_launch_failed(struct guest *g, const struct sup_event *event)
{
    log_error(module, "%s cannot be started: %s", sup_name(g->server), event->text);
    if (g->ending || g->launched)
        return;
    g->status = 1;
    begin_end(g);
}

static void log_event(const struct guest *g, const struct sup_event *event)
{
    static const char *const what[] = {
        [SUP_EVENT_FOLLOWED] = "another process goes on as the server",
        [SUP_EVENT_CHECK_FAILED] = "a check fails",
        [SUP_EVENT_HUNG] = "hangs and is started again",
        [SUP_EVENT_SLOW_START] = "does not become active",
        [SUP_EVENT_STOP_STEP] = "stopping",
        [SUP_EVENT_UNKILLABLE] = "a process cannot be killed",
    };
    if (event->kind < sizeof what / sizeof *what && what[event->kind])
        log_info(module, "%s: %s%s%s", sup_name(g->server), what[event->kind],
                 *event->text ? ": " : "", event->text);
}

static void on_event(void *user, struct sup_server *server, const struct sup_event *event)
{
    struct guest *g = user;
    (void)server;
    switch (event->kind) {
    case SUP_EVENT_STATE:
        on_state(g);
        break;
    case SUP_EVENT_LAUNCHED:
        on_launched(g, event);
        break;
    case SUP_EVENT_LAUNCH_FAILED:
        on_launch_failed(g, event);
        break;
    case SUP_EVENT_EXITED:
        on_exited(g, event);
        break;
    case SUP_EVENT_BACKOFF:
        if (!g->ending)
            log_info(module, "%s is started again in %.1f s%s%s", sup_name(g->server),
                     (double)event->ms / 1000, *event->text ? ": " : "", event->text);
        break;
    default:
        log_event(g, event);
        break;
    }
}

/* ---- life
 * ----------------------------------------------------------------------------------------- */

static void ping(void *user, struct sup_server *server, struct sup_probe *probe)
{
    const struct guest *g = user;
    (void)server;
    checks_ping(g->registry, &g->meta, probe);
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool add_server(struct guest *g, struct tars_error *error)
{
    const struct environment *e = g->options->environment;
    const struct sup_step stop[STEPS] = {
        {.kind = SUP_STEP_CALL,
         .ms = larger(e->stop_timeout, g->meta.deactivating_timeout),
         .call = shut_down},
        {.kind = SUP_STEP_SIGNAL, .ms = TERM_MS, .number = SIGTERM}};
    char *name = xasprintf("%s.%s", g->meta.application, g->meta.server);
    struct sup_spec spec = {
        .name = name,
        .launch = {.argv = g->options->argv,
                   .env_add = (const char *const *)g->variables,
                   .death_signal = SIGTERM},
        .activating_ms = e->activating_timeout,
        .restart = g->options->once ? SUP_RESTART_NEVER : SUP_RESTART_ALWAYS,
        .backoff = {.spacing_ms = e->restart_spacing},
        .stop = stop,
        .stop_count = STEPS,
        .user = g,
    };
    if (checks_make(e, &g->meta, ping, &spec.checks, &spec.check_count, error))
        g->server = sup_add(g->sup, &spec, error);
    free(name);
    return g->server;
}

static bool open_all(struct guest *g, struct tars_error *error)
{
    const struct environment *e = g->options->environment;
    char *state = environment_file(e, "data", "supervisor");
    const struct sup_options options = {
        .state_folder = state, .subreaper = true, .event = on_event, .user = g};
    g->variables[0] = xasprintf("TARS_PATH=%s", e->path);
    g->variables[1] = xasprintf("TARS_CONFIG=%s", g->options->config);
    g->variables[2] = ports_variable(g->options->ports);
    status_forget_drain(e);
    g->sup = sup_new(g->loop, &options, error);
    free(state);
    if (!g->sup || !add_server(g, error))
        return false;
    g->registry = registry_new(g->loop, e, &g->meta, error);
    if (!g->registry)
        return false;
    g->reporter = reporter_new(g->loop, e, g->registry);
    g->heartbeats = checks_listen(g->loop, e, &g->meta, g->server);
    return true;
}

static void log_servants(const struct guest *g)
{
    for (size_t i = 0; i < g->meta.adapter_count; i++)
        log_info(module, "%s.%s is to be at %s", sup_name(g->server), g->meta.adapters[i].object,
                 g->meta.adapters[i].endpoint);
}

static void close_all(struct guest *g)
{
    heartbeats_free(g->heartbeats);
    drain_free(g->drain);
    reporter_free(g->reporter);
    g->server = NULL; /* a late answer to its shutdown has nobody to tell */
    registry_free(g->registry);
    if (g->sup)
        sup_free(g->sup);
    loop_free(g->loop);
    for (size_t i = 0; i < VARIABLES; i++)
        free(g->variables[i]);
}

/* ---- what was left
 * -------------------------------------------------------------------------------------- */

static void on_cleared(void *user)
{
    loop_stop(user);
}

static void on_left(void *user, struct sup_server *server, const struct sup_event *event)
{
    (void)user;
    if (event->kind == SUP_EVENT_ADOPTED)
        log_info(module, "process %d, which an earlier tarsc run left, is stopped first",
                 (int)event->pid);
    else if (event->kind == SUP_EVENT_STOP_STEP || event->kind == SUP_EVENT_UNKILLABLE)
        log_info(module, "%s: %s", sup_name(server), event->text);
}

bool guest_clear(const struct environment *environment, struct tars_error *error)
{
    static const char *const nothing[] = {"true", NULL};
    const struct sup_step stop = {.kind = SUP_STEP_SIGNAL, .ms = TERM_MS, .number = SIGTERM};
    char *state = environment_file(environment, "data", "supervisor");
    char *name = xasprintf("%s.%s", environment->application, environment->server);
    const struct sup_spec spec = {
        .name = name, .launch = {.argv = nothing}, .stop = &stop, .stop_count = 1};
    const struct sup_options options = {.state_folder = state, .subreaper = true, .event = on_left};
    struct loop *loop = loop_new("clear");
    struct supervisor *sup = sup_new(loop, &options, error);
    bool ok = sup && sup_add(sup, &spec, error);
    if (ok) {
        sup_stop_all(sup, on_cleared, loop);
        loop_run(loop);
    }
    sup_free(sup);
    loop_free(loop);
    free(name);
    free(state);
    return ok;
}

int guest_run(const struct guest_options *options)
{
    static const int signals[] = {SIGINT, SIGTERM};
    struct guest g = {.options = options, .loop = loop_new("run"), .meta = *options->meta};
    struct tars_error error;
    if (open_all(&g, &error)) {
        log_servants(&g);
        for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
            loop_on_signal(g.loop, signals[i], on_signal, &g);
        hangup_watch(g.loop, on_signal, &g);
        sup_start(g.server);
        loop_run(g.loop);
    } else {
        fprintf(stderr, "tarsc run: %s\n", error.text);
        g.status = 1;
    }
    close_all(&g);
    return g.status;
}
