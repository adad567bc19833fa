/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a server: launch, watch, end, launch again, and being found again. */
#include "supervise/server.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "supervise/backoff.h"
#include "supervise/record.h"
#include "supervise/spawn.h"
#include "supervise/spec.h"

/* ---- telling
 * -------------------------------------------------------------------------------------- */

void sup_server_emit(struct sup_server *server, enum sup_event_kind kind, int status, int64_t ms,
                     const char *text)
{
    const struct sup_options *options = &server->sup->options;
    struct sup_event event = {
        .kind = kind, .pid = server->pid, .status = status, .ms = ms, .text = text};
    if (options->event)
        options->event(options->user, server, &event);
}

static enum sup_present present_of(const struct sup_server *server)
{
    if (server->phase == SUP_PHASE_STOPPING)
        return server->cleaning ? SUP_INACTIVE : SUP_DEACTIVATING;
    if (server->phase != SUP_PHASE_RUNNING)
        return SUP_INACTIVE;
    if (server->well)
        return SUP_ACTIVE;
    return server->was_healthy || server->slow ? SUP_INACTIVE : SUP_ACTIVATING;
}

struct sup_state sup_state(const struct sup_server *server)
{
    return (struct sup_state){server->setting, present_of(server), server->pid};
}

const char *sup_server_reason(const struct sup_server *server)
{
    const char *reason = server->reason;
    if (server->phase == SUP_PHASE_RUNNING)
        sup_health_ok(server->health, &reason);
    return reason;
}

static void look_at_health(struct sup_server *server)
{
    const char *reason;
    bool well = server->phase == SUP_PHASE_RUNNING && server->runs &&
                sup_health_ok(server->health, &reason);
    if (well && !server->well)
        loop_timer_clear(server->sup->loop, &server->timer);
    server->well = well;
    server->was_healthy = server->was_healthy || well;
    server->slow = server->slow && !well;
}

void sup_server_settle(struct sup_server *server)
{
    struct supervisor *sup = server->sup;
    look_at_health(server);
    struct sup_state state = sup_state(server), told = server->told;
    if (server->told_any && told.setting == state.setting && told.present == state.present)
        return;
    server->told = state;
    server->told_any = true;
    sup_server_write_record(server);
    for (size_t i = 0; i < sup->sink_count; i++)
        sup_delivery_begin(&server->deliveries[i], &state);
    sup_server_emit(server, SUP_EVENT_STATE, server->last_status, 0, "");
}

/* ---- the record
 * ----------------------------------------------------------------------------------- */

struct sup_tree sup_server_tree(const struct sup_server *server)
{
    return (struct sup_tree){server->leader, server->leader_start, server->mark,
                             server->adopted || !server->sup->options.subreaper};
}

void sup_server_write_record(struct sup_server *server)
{
    struct supervisor *sup = server->sup;
    struct tars_error error;
    struct sup_record record = {.pid = server->pid,
                                .start = (int64_t)server->pid_start,
                                .leader = server->leader,
                                .leader_start = (int64_t)server->leader_start,
                                .pipe = (int64_t)sup_keeper_pipe(server->output),
                                .setting = server->setting,
                                .active = server->well,
                                .crashes = server->crashes,
                                .launch = server->launch,
                                .launched_ms = server->launched_ms};
    if (!sup->folder)
        return;
    if (!server->setting && server->phase == SUP_PHASE_DOWN) {
        sup_record_remove(sup->folder, server->spec.name);
        return;
    }
    memcpy(record.boot, sup->boot, sizeof record.boot);
    memcpy(record.mark, server->mark, sizeof record.mark);
    if (!*record.mark)
        sup_proc_make_mark(record.mark);
    bool ok = sup_record_write(sup->folder, server->spec.name, &record, &error);
    if (!ok && !sup->folder_failed)
        sup_server_emit(server, SUP_EVENT_STATE_FILE, -1, 0, error.text);
    sup->folder_failed = !ok;
}

/* ---- the main process
 * ----------------------------------------------------------------------------- */

static void on_main_ended(struct sup_watch *watch, int status);

void sup_server_forget_main(struct sup_server *server)
{
    sup_unwatch(&server->watch);
    if (server->news_event)
        event_free(server->news_event);
    if (server->news >= 0)
        close(server->news);
    server->news_event = NULL;
    server->news = -1;
    server->pid = 0;
    server->pid_start = 0;
    server->runs = false;
}

bool sup_server_follow(struct sup_server *server, const struct sup_proc *proc)
{
    struct sup_watch watch = {.reaper = NULL};
    sup_unwatch(&server->watch);
    server->watch = watch;
    if (!sup_watch_other(server->sup->reaper, &server->watch, proc->pid, proc->start,
                         on_main_ended))
        return false;
    server->pid = proc->pid;
    server->pid_start = proc->start;
    return true;
}

bool sup_server_is_alone(const struct sup_server *server)
{
    const struct supervisor *sup = server->sup;
    return sup->options.subreaper && !server->adopted && server->leader && !server->pid &&
           kill(-server->leader, 0) != 0 && errno == ESRCH && sup_reaper_knows_all(sup->reaper);
}

/* After the main process: one that came to us as an orphan, else the oldest. */
static bool follow_one(struct sup_server *server)
{
    struct sup_tree tree = sup_server_tree(server);
    struct sup_proc *members;
    bool found = false;
    if (sup_server_is_alone(server))
        return false;
    size_t count = sup_proc_tree(&tree, &members);
    for (int orphans = 1; orphans >= 0 && !found; orphans--)
        for (size_t i = 0; i < count && !found; i++)
            if (!orphans || members[i].parent == getpid())
                found = sup_server_follow(server, &members[i]);
    free(members);
    return found;
}

static bool anything_left(const struct sup_server *server)
{
    struct sup_tree tree = sup_server_tree(server);
    struct sup_proc *members;
    if (sup_server_is_alone(server))
        return false;
    size_t count = sup_proc_tree(&tree, &members);
    free(members);
    return count > 0;
}

static void tell_end(struct sup_server *server, pid_t pid, int status)
{
    int64_t ran = clock_ms() - server->launched_ms;
    char text[300];
    sup_describe_exit(status, text, sizeof text);
    snprintf(server->reason, sizeof server->reason, "%.255s",
             server->failed.code ? server->failed.text : text);
    server->last_status = status;
    struct sup_event event = {.kind = SUP_EVENT_EXITED, .pid = pid, .status = status, .ms = ran};
    event.text = text;
    if (server->failed.code) {
        event.kind = SUP_EVENT_LAUNCH_FAILED;
        event.text = server->failed.text;
    }
    if (server->sup->options.event)
        server->sup->options.event(server->sup->options.user, server, &event);
}

static enum sup_after after_end(struct sup_server *server, int status)
{
    if (!server->setting || server->spec.restart == SUP_RESTART_NEVER ||
        (server->spec.restart == SUP_RESTART_ON_FAILURE && status == 0)) {
        server->setting = false;
        return SUP_AFTER_STAY;
    }
    return SUP_AFTER_BACKOFF;
}

/* It has ended by itself. */
static void end_of_run(struct sup_server *server, pid_t pid, int status)
{
    bool handed_over = status == 0 || status == -1;
    if (handed_over && !server->failed.code && follow_one(server)) {
        server->runs = true;
        sup_server_write_record(server);
        sup_server_emit(server, SUP_EVENT_FOLLOWED, status, 0,
                        "it ended and left a process that is the server now");
        sup_server_settle(server);
        return;
    }
    sup_health_stop(server->health);
    tell_end(server, pid, status);
    if (server->phase != SUP_PHASE_RUNNING || server->pid)
        return; /* the callback has decided otherwise */
    enum sup_after after = after_end(server, status);
    if (anything_left(server))
        sup_server_clean(server, after);
    else
        sup_server_down(server, after);
}

static void on_main_ended(struct sup_watch *watch, int status)
{
    struct sup_server *server = loop_container(watch, struct sup_server, watch);
    pid_t pid = server->pid;
    sup_server_look_for_news(server);
    sup_keeper_drain(server->output);
    sup_server_forget_main(server);
    if (server->phase == SUP_PHASE_RUNNING) {
        end_of_run(server, pid, status);
        return;
    }
    tell_end(server, pid, status);
    sup_server_check_empty(server);
}

/* The program runs, or could not be run; then its end is near. */
static void on_news(evutil_socket_t fd, short what, void *arg)
{
    struct sup_server *server = arg;
    enum sup_news news = sup_spawn_news(fd, &server->spec.launch, &server->failed);
    (void)what;
    if (news == SUP_NEWS_NONE)
        return;
    event_free(server->news_event);
    close(server->news);
    server->news_event = NULL;
    server->news = -1;
    if (news == SUP_NEWS_FAILED) {
        if (!server->failed.code)
            server->failed.code = -1;
        return;
    }
    server->runs = true;
    sup_server_emit(server, SUP_EVENT_LAUNCHED, -1, 0, "");
    if (server->phase == SUP_PHASE_RUNNING)
        sup_health_start(server->health, &server->spec, false);
    sup_server_settle(server);
}

void sup_server_look_for_news(struct sup_server *server)
{
    if (server->news >= 0)
        on_news(server->news, 0, server);
}

/* ---- the launch
 * ----------------------------------------------------------------------------------- */

static void on_slow_start(struct loop_timer *timer)
{
    struct sup_server *server = loop_container(timer, struct sup_server, timer);
    char text[300];
    server->slow = true;
    snprintf(text, sizeof text, "not healthy after %lld ms: %s",
             (long long)server->spec.activating_ms, sup_server_reason(server));
    sup_server_emit(server, SUP_EVENT_SLOW_START, -1, server->spec.activating_ms, text);
    if (server->phase == SUP_PHASE_RUNNING && server->spec.activating_restart)
        sup_server_stop(server, SUP_AFTER_BACKOFF);
    sup_server_settle(server);
}

static void await_activation(struct sup_server *server)
{
    if (server->spec.activating_ms > 0)
        loop_timer_set(server->sup->loop, &server->timer, server->spec.activating_ms,
                       on_slow_start);
}

void sup_server_start_over(struct sup_server *server)
{
    server->was_healthy = server->slow = false;
    if (!loop_timer_is_set(&server->timer))
        await_activation(server);
}

static void on_output_lost(void *user, const char *text)
{
    sup_server_emit(user, SUP_EVENT_OUTPUT_LOST, -1, 0, text);
}

static void renew_output(struct sup_server *server)
{
    if (server->output && !server->output_changed)
        return;
    sup_keeper_free(server->output);
    server->output = sup_keeper_new(server->sup->loop, &server->spec.output, on_output_lost,
                                    server);
    server->output_changed = false;
}

/* 0 with server->failed when there is no process. */
static pid_t spawn(struct sup_server *server)
{
    struct sup_user user;
    if (!sup_user_find(server->spec.launch.user, &user, &server->failed))
        return 0;
    int out = sup_keeper_open(server->output, user.uid, user.gid);
    pid_t pid = sup_spawn(&server->spec.launch, server->mark, out, &server->news, &server->failed);
    if (out >= 0)
        close(out);
    return pid;
}

static void begin_run(struct sup_server *server, pid_t pid)
{
    struct supervisor *sup = server->sup;
    struct sup_proc proc;
    server->pid = server->leader = pid;
    server->pid_start = server->leader_start = sup_proc_read(pid, &proc) ? proc.start : 0;
    sup_watch_child(sup->reaper, &server->watch, pid, on_main_ended);
    server->news_event = event_new(loop_base(sup->loop), server->news, EV_READ | EV_PERSIST,
                                   on_news, server);
    event_add(server->news_event, NULL);
    sup_server_write_record(server);
    await_activation(server);
    sup_server_settle(server);
}

static void launch_failed(struct sup_server *server)
{
    server->phase = SUP_PHASE_RUNNING;
    tell_end(server, 0, -1);
    if (server->phase == SUP_PHASE_RUNNING)
        sup_server_down(server, after_end(server, -1));
}

static void launch_now(struct sup_server *server)
{
    renew_output(server);
    sup_proc_make_mark(server->mark);
    server->phase = SUP_PHASE_RUNNING;
    server->leader = 0;
    server->leader_start = 0;
    server->adopted = server->was_healthy = server->slow = server->cleaning = false;
    server->failed = (struct tars_error){.code = 0};
    server->last_status = -1;
    server->launched_ms = clock_ms();
    server->launch = sup_launch_sum(&server->spec.launch);
    *server->reason = '\0';
    server->launches++;
    sup_server_write_record(server); /* with the mark: a process is found from its first moment */
    pid_t pid = spawn(server);
    if (pid) {
        begin_run(server, pid);
        return;
    }
    if (!server->failed.code)
        server->failed.code = -1;
    launch_failed(server);
}

void sup_server_launch(struct sup_server *server)
{
    loop_timer_clear(server->sup->loop, &server->timer);
    server->due = false;
    if (!server->spec.prepare) {
        launch_now(server);
        return;
    }
    server->phase = SUP_PHASE_PREPARING;
    sup_server_settle(server);
    if (server->phase != SUP_PHASE_PREPARING || server->prepare_asked)
        return;
    server->prepare_asked = true;
    server->spec.prepare(server->spec.user, server);
}

void sup_prepared(struct sup_server *server, bool ok, const char *reason)
{
    server->prepare_asked = false;
    if (server->phase != SUP_PHASE_PREPARING)
        return;
    if (ok) {
        launch_now(server);
        return;
    }
    server->launched_ms = clock_ms();
    tars_fail(&server->failed, -1, "%s", reason ? reason : "it could not be prepared");
    launch_failed(server);
}

/* ---- down
 * ----------------------------------------------------------------------------------------- */

static void on_launch_due(struct loop_timer *timer)
{
    struct sup_server *server = loop_container(timer, struct sup_server, timer);
    server->due = server->held;
    if (!server->held)
        sup_server_launch(server);
}

static void back_off(struct sup_server *server, int64_t ran_ms)
{
    struct supervisor *sup = server->sup;
    sup->chance = sup->chance * 6364136223846793005U + 1442695040888963407U;
    server->crashes = sup_backoff_count(&server->spec.backoff, server->crashes, ran_ms);
    struct sup_wait wait = sup_backoff_wait(&server->spec.backoff, server->crashes, ran_ms,
                                            sup->chance >> 33);
    char text[100] = "";
    if (wait.penalty)
        snprintf(text, sizeof text, "it has crashed %d times in a row", server->crashes);
    server->due_ms = clock_ms() + wait.ms;
    loop_timer_set(sup->loop, &server->timer, wait.ms, on_launch_due);
    sup_server_write_record(server);
    sup_server_emit(server, SUP_EVENT_BACKOFF, -1, wait.ms, text);
}

void sup_server_down(struct sup_server *server, enum sup_after after)
{
    int64_t ran = clock_ms() - server->launched_ms;
    server->phase = SUP_PHASE_DOWN;
    server->ran_ms = ran;
    server->cleaning = false;
    sup_health_stop(server->health);
    loop_timer_clear(server->sup->loop, &server->timer);
    sup_keeper_drain(server->output);
    if (after == SUP_AFTER_STAY) {
        server->setting = false;
        server->crashes = 0;
    } else if (after == SUP_AFTER_LAUNCH) {
        server->setting = true;
        server->crashes = 0;
        sup_server_settle(server);
        if (server->phase == SUP_PHASE_DOWN && server->setting)
            sup_server_launch(server);
        return;
    } else {
        back_off(server, ran);
    }
    sup_server_settle(server);
    sup_look_for_all_stopped(server->sup);
}

/* ---- being found again
 * ---------------------------------------------------------------------------- */

static void take_record(struct sup_server *server, const struct sup_record *record)
{
    memcpy(server->mark, record->mark, sizeof server->mark);
    server->setting = record->setting;
    server->crashes = (int)record->crashes;
    server->launch = record->launch;
    server->launched_ms = record->launched_ms <= clock_ms() ? record->launched_ms : clock_ms();
    server->adopted = true;
}

static bool find_main(struct sup_server *server, const struct sup_record *record)
{
    struct sup_proc proc = {.pid = (pid_t)record->pid, .start = (uint64_t)record->start};
    if (record->pid > 0 && sup_server_follow(server, &proc)) {
        /* While one of a session lives the kernel gives its number to nobody else. */
        if (sup_proc_read(proc.pid, &proc) && proc.session == record->leader) {
            server->leader = (pid_t)record->leader;
            server->leader_start = (uint64_t)record->leader_start;
        }
        return true;
    }
    return follow_one(server); /* by the mark alone */
}

static void keep_on(struct sup_server *server, const struct sup_record *record)
{
    server->phase = SUP_PHASE_RUNNING;
    server->runs = true;
    server->well = server->was_healthy = record->active;
    sup_keeper_adopt(server->output, server->pid, (uint64_t)record->pipe);
    sup_server_emit(server, SUP_EVENT_ADOPTED, -1, clock_ms() - server->launched_ms, "");
    sup_health_start(server->health, &server->spec, record->active);
    if (!record->active)
        await_activation(server);
    if (!server->setting)
        sup_server_stop(server, SUP_AFTER_STAY);
}

void sup_server_adopt(struct sup_server *server)
{
    struct supervisor *sup = server->sup;
    struct sup_record record;
    renew_output(server);
    if (!sup->folder || !sup_record_read(sup->folder, server->spec.name, &record))
        return;
    if (!*sup->boot || strcmp(record.boot, sup->boot) != 0) {
        sup_record_remove(sup->folder, server->spec.name);
        return;
    }
    take_record(server, &record);
    if (find_main(server, &record)) {
        keep_on(server, &record);
    } else {
        server->adopted = false;
        if (server->setting)
            back_off(server, clock_ms() - server->launched_ms);
    }
    sup_server_settle(server);
}
