/* SPDX-License-Identifier: BSD-3-Clause */
/* The stop ladder of a server. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "supervise/server.h"

enum { CLEAN_MS = 2000, KILL_AGAIN_MS = 1000, UNKILLABLE_KILLS = 4 };

static void next_step(struct sup_server *server);

static void cancel_step(struct sup_server *server)
{
    loop_timer_clear(server->sup->loop, &server->timer);
    sup_cancel(server->command);
    server->command = NULL;
    server->drain = false;
}

/* ---- SIGKILL
 * -------------------------------------------------------------------------------------- */

static void on_kill_again(struct loop_timer *timer);

/* Repeated only for what was forked in between or does not die. */
static void kill_tree(struct sup_server *server)
{
    struct sup_tree tree = sup_server_tree(server);
    cancel_step(server);
    if (!server->killing)
        sup_server_emit(server, SUP_EVENT_STOP_STEP, -1, 0, "SIGKILL to all that is left");
    server->killing = true;
    size_t count = sup_proc_signal_tree(&tree, 0, SIGKILL);
    if (++server->kills == UNKILLABLE_KILLS && count)
        sup_server_emit(server, SUP_EVENT_UNKILLABLE, -1, 0,
                        "a process is left after SIGKILL: it hangs in the kernel");
    loop_timer_set(server->sup->loop, &server->timer, KILL_AGAIN_MS, on_kill_again);
}

static void on_kill_again(struct loop_timer *timer)
{
    struct sup_server *server = loop_container(timer, struct sup_server, timer);
    kill_tree(server);
    sup_server_check_empty(server);
}

static void on_deadline(struct loop_timer *timer)
{
    struct sup_server *server = loop_container(timer, struct sup_server, deadline);
    if (!server->killing)
        kill_tree(server);
}

/* ---- steps
 * ---------------------------------------------------------------------------------------- */

static void on_step_over(struct loop_timer *timer)
{
    next_step(loop_container(timer, struct sup_server, timer));
}

static void on_command(void *user, const struct sup_task_end *end)
{
    struct sup_server *server = user;
    server->command = NULL;
    if (!end->ok && !server->killing)
        next_step(server);
}

static void send_signal(struct sup_server *server, int number, bool main_only)
{
    struct sup_tree tree = sup_server_tree(server);
    char text[120];
    snprintf(text, sizeof text, "signal %d (%s) to the %s", number, strsignal(number),
             main_only ? "main process" : "process group");
    sup_server_emit(server, SUP_EVENT_STOP_STEP, -1, 0, text);
    if (!main_only)
        sup_proc_signal_tree(&tree, server->pid, number);
    else if (server->pid)
        sup_proc_signal(server->pid, server->pid_start, number);
}

static void begin_step(struct sup_server *server, const struct sup_step *step)
{
    struct supervisor *sup = server->sup;
    loop_timer_set(sup->loop, &server->timer, step->ms, on_step_over);
    if (step->kind == SUP_STEP_SIGNAL) {
        send_signal(server, step->number, step->main_only);
    } else if (step->kind == SUP_STEP_COMMAND) {
        sup_server_emit(server, SUP_EVENT_STOP_STEP, -1, step->ms, "the stop command");
        server->command = sup_task_start(&sup->tasks, &step->run, 0, on_command, server);
    } else if (step->kind == SUP_STEP_WAIT) {
        server->drain = true;
        sup_server_emit(server, SUP_EVENT_STOP_STEP, -1, step->ms, "draining");
    } else {
        sup_server_emit(server, SUP_EVENT_STOP_STEP, -1, step->ms, "asking it to stop");
        step->call(server->spec.user, server);
    }
}

static void next_step(struct sup_server *server)
{
    static const struct sup_step clean = {
        .kind = SUP_STEP_SIGNAL, .number = SIGTERM, .ms = CLEAN_MS};
    const struct sup_step *steps = server->cleaning ? &clean : server->spec.stop;
    size_t count = server->cleaning ? 1 : server->spec.stop_count;
    cancel_step(server);
    /* Only signals reach what is left behind a main process that has ended. */
    while (server->step < count && !server->pid && steps[server->step].kind != SUP_STEP_SIGNAL)
        server->step++;
    if (server->step < count)
        begin_step(server, &steps[server->step++]);
    else
        kill_tree(server);
}

/* ---- what is left
 * --------------------------------------------------------------------------------- */

static void on_linger(struct sup_watch *watch, int status)
{
    (void)status;
    sup_server_check_empty(loop_container(watch, struct sup_server, linger));
}

/* Watches one of those that are left; false when there is none. */
static bool watch_one(struct sup_server *server)
{
    struct sup_tree tree = sup_server_tree(server);
    struct sup_proc *members;
    size_t count, i;
    if (sup_server_is_alone(server))
        return false;
    do { /* again when all that were found ended meanwhile: they may have left others */
        count = sup_proc_tree(&tree, &members);
        for (i = 0; i < count; i++)
            if (sup_watch_other(server->sup->reaper, &server->linger, members[i].pid,
                                members[i].start, on_linger))
                break;
        free(members);
    } while (count && i == count);
    return count > 0;
}

void sup_server_check_empty(struct sup_server *server)
{
    if (server->phase != SUP_PHASE_STOPPING || server->pid)
        return;
    sup_unwatch(&server->linger);
    if (watch_one(server))
        return;
    sup_server_stop_release(server);
    sup_server_down(server, server->after);
}

/* ---- public inside
 * -------------------------------------------------------------------------------- */

static void begin(struct sup_server *server, enum sup_after after, bool cleaning)
{
    server->phase = SUP_PHASE_STOPPING;
    server->after = after;
    server->cleaning = cleaning;
    server->killing = false;
    server->kills = 0;
    server->step = 0;
    sup_health_stop(server->health);
    if (!cleaning && server->spec.stop_ms > 0)
        loop_timer_set(server->sup->loop, &server->deadline, server->spec.stop_ms, on_deadline);
    sup_server_settle(server); /* the drain begins with telling */
    if (server->phase == SUP_PHASE_STOPPING && server->step == 0 && !server->killing)
        next_step(server);
}

void sup_server_stop(struct sup_server *server, enum sup_after after)
{
    if (server->phase != SUP_PHASE_STOPPING) {
        begin(server, after, false);
        sup_server_check_empty(server);
        return;
    }
    server->after = after;
    sup_server_settle(server);
}

void sup_server_clean(struct sup_server *server, enum sup_after after)
{
    begin(server, after, true);
    sup_server_check_empty(server);
}

void sup_server_stop_release(struct sup_server *server)
{
    cancel_step(server);
    loop_timer_clear(server->sup->loop, &server->deadline);
    sup_unwatch(&server->linger);
}

void sup_hurry(struct sup_server *server)
{
    if (server->phase != SUP_PHASE_STOPPING || server->killing)
        return;
    if (server->drain)
        next_step(server);
    else
        kill_tree(server);
}

void sup_step_failed(struct sup_server *server, const char *reason)
{
    const struct sup_step *step;
    if (server->phase != SUP_PHASE_STOPPING || server->cleaning || server->killing || !server->step)
        return;
    step = &server->spec.stop[server->step - 1];
    if (step->kind != SUP_STEP_CALL)
        return;
    sup_server_emit(server, SUP_EVENT_STOP_STEP, -1, 0, reason ? reason : "that came to nothing");
    next_step(server);
}
