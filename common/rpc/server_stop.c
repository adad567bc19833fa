/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a server stops: hooks hear of it, sockets stop accepting, calls that run end (for so long as
 * the drain time allows), answers leave, connections end with our end closed first. All of it on
 * the main loop, which turns meanwhile, because servants may need it to finish.
 */
#include "base/clock.h"
#include "base/log.h"
#include "rpc/hooks.h"
#include "rpc/server_worker.h"

enum {
    LOOK_MS = 8,      /* between two looks at the workers */
    LINGER_MS = 300,  /* for peers to close after our end is closed */
    REPORTS_MS = 1000 /* for the last reports */
};

static bool all(struct tars_server *s, bool (*is)(struct server_worker *))
{
    for (unsigned i = 0; i < s->worker_count; i++)
        if (!is(s->workers[i]))
            return false;
    return true;
}

static void stop_workers(struct tars_server *s)
{
    for (unsigned i = 0; i < s->worker_count; i++)
        server_worker_stop(s->workers[i]);
    s->state = SERVER_STOPPED;
    if (s->report)
        rpc_hooks.server_stopped(s->report, REPORTS_MS);
    loop_stop(s->main);
}

static void look(struct loop_timer *timer)
{
    struct tars_server *s = loop_container(timer, struct tars_server, stop_timer);
    bool late = s->gives_up || clock_ms() >= s->stop_deadline_ms;
    if (s->state == SERVER_DRAINING && (late || all(s, server_worker_is_quiet))) {
        for (unsigned i = 0; i < s->worker_count; i++)
            server_worker_expire(s->workers[i]);
        s->state = SERVER_LINGERING;
        s->stop_deadline_ms = clock_ms() + LINGER_MS;
    } else if (s->state == SERVER_LINGERING && (late || all(s, server_worker_is_empty))) {
        stop_workers(s);
        return;
    }
    loop_timer_set(s->main, timer, LOOK_MS, look);
}

void server_begin_stop(struct tars_server *s)
{
    if (s->state != SERVER_SERVING) {
        s->gives_up = s->state != SERVER_NEW;
        return;
    }
    s->state = SERVER_DRAINING;
    log_info("server", "%s.%s: stopping", s->app, s->name);
    if (s->report)
        rpc_hooks.server_stopping(s->report);
    for (size_t i = 0; i < s->stop_hooks; i++)
        s->on_stop[i].run(s->on_stop[i].self);
    for (unsigned i = 0; i < s->worker_count; i++)
        server_worker_drain(s->workers[i]);
    s->stop_deadline_ms = clock_ms() + atomic_load(&s->drain_ms);
    loop_timer_set(s->main, &s->stop_timer, LOOK_MS, look);
}

void server_wants_stop(struct loop_job *job)
{
    server_begin_stop(loop_container(job, struct tars_server, stop_job));
}
