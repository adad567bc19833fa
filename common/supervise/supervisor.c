/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/xmalloc.h"
#include "supervise/record.h"
#include "supervise/server.h"
#include "supervise/spec.h"

/* ---- the supervisor
 * ------------------------------------------------------------------------------- */

/* As Kubernetes gives every folder of a volume to a group (fsGroup). What it could have written is
 * not read. */
static bool take_from_group(const char *path)
{
    return chmod(path, S_IRWXU) == 0 && sup_record_remove_all(path);
}

static bool open_folder(struct supervisor *sup, struct tars_error *error)
{
    const char *path = sup->options.state_folder;
    struct stat about;
    if (!path)
        return true;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return tars_fail(error, errno, "cannot make the state folder %s: %s", path,
                         strerror(errno));
    if (stat(path, &about) != 0 || !S_ISDIR(about.st_mode))
        return tars_fail(error, ENOTDIR, "the state folder %s is no folder", path);
    if (about.st_uid != geteuid() && about.st_uid != 0)
        return tars_fail(error, EPERM,
                         "the state folder %s belongs to another user (%u), who could have any "
                         "process killed: it has to be your own",
                         path, (unsigned)about.st_uid);
    if ((about.st_mode & S_IWOTH) || ((about.st_mode & S_IWGRP) && !take_from_group(path)))
        return tars_fail(error, EPERM,
                         "the state folder %s can be written by others, who could have any process "
                         "killed: chmod 700 it",
                         path);
    sup->folder = xstrdup(path);
    return true;
}

struct supervisor *sup_new(struct loop *loop, const struct sup_options *options,
                           struct tars_error *error)
{
    struct supervisor *sup = xcalloc(1, sizeof *sup);
    sup->loop = loop;
    sup->options = *options;
    sup->chance = hash_seed() ^ (uint64_t)clock_us();
    sup_proc_boot_id(sup->boot);
    sup->reaper = sup_reaper_new(loop, NULL, NULL, error);
    sup->tasks = (struct sup_tasks){.loop = loop, .reaper = sup->reaper};
    if (!sup->reaper || !open_folder(sup, error)) {
        sup_free(sup);
        return NULL;
    }
    if (options->subreaper && prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        sup->options.subreaper = false; /* before Linux 3.4: orphans are found by their mark */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    return sup;
}

static void release(struct sup_server *server)
{
    struct supervisor *sup = server->sup;
    sup_server_stop_release(server);
    for (size_t i = 0; i < sup->sink_count; i++)
        sup_delivery_end(&server->deliveries[i]);
    loop_timer_clear(sup->loop, &server->timer);
    sup_health_free(server->health);
    sup_server_forget_main(server);
    sup_keeper_free(server->output);
    tars_arena_free(server->arena);
    free(server);
}

void sup_free(struct supervisor *sup)
{
    if (!sup)
        return;
    while (sup->first) {
        struct sup_server *server = sup->first;
        sup->first = server->next;
        release(server);
    }
    sup_tasks_cancel(&sup->tasks);
    loop_timer_clear(sup->loop, &sup->all_timer);
    sup_reaper_free(sup->reaper);
    free(sup->folder);
    free(sup);
}

struct sup_server *sup_find(struct supervisor *sup, const char *name)
{
    struct sup_server *server = sup->first;
    while (server && strcmp(server->spec.name, name) != 0)
        server = server->next;
    return server;
}

struct sup_server *sup_next(struct supervisor *sup, struct sup_server *before)
{
    return before ? before->next : sup->first;
}

/* ---- servers
 * -------------------------------------------------------------------------------------- */

static void on_turned(struct sup_server *server, bool passing, const char *text)
{
    sup_server_emit(server, passing ? SUP_EVENT_CHECK_PASSED : SUP_EVENT_CHECK_FAILED, -1, 0, text);
    sup_server_settle(server);
}

static void on_hung(struct sup_server *server, const char *text)
{
    if (server->phase != SUP_PHASE_RUNNING)
        return;
    snprintf(server->reason, sizeof server->reason, "%.255s", text);
    sup_server_emit(server, SUP_EVENT_HUNG, -1, 0, text);
    if (server->phase == SUP_PHASE_RUNNING)
        sup_server_stop(server, SUP_AFTER_BACKOFF);
}

static void take_spec(struct sup_server *server, const struct sup_spec *spec)
{
    server->arena = tars_arena_new(0);
    server->spec = sup_spec_copy(server->arena, spec);
}

static struct sup_server *make_server(struct supervisor *sup, const struct sup_spec *spec)
{
    struct sup_server *server = xcalloc(1, sizeof *server);
    struct sup_health_owner owner = {&sup->tasks, server, on_turned, on_hung};
    server->sup = sup;
    take_spec(server, spec);
    server->news = -1;
    server->last_status = -1;
    server->health = sup_health_new(&owner);
    for (size_t i = 0; i < sup->sink_count; i++)
        server->deliveries[i] = (struct sup_delivery){
            .loop = sup->loop, .server = server, .sink = &sup->sinks[i]};
    if (sup->last && sup->first)
        sup->last->next = server;
    else
        sup->first = server;
    sup->last = server;
    return server;
}

struct sup_server *sup_add(struct supervisor *sup, const struct sup_spec *spec,
                           struct tars_error *error)
{
    if (!sup_spec_check(spec, error))
        return NULL;
    if (sup_find(sup, spec->name)) {
        tars_fail(error, EEXIST, "there is a server '%s' already", spec->name);
        return NULL;
    }
    struct sup_server *server = make_server(sup, spec);
    sup_server_adopt(server);
    return server;
}

bool sup_update(struct sup_server *server, const struct sup_spec *spec, struct tars_error *error)
{
    struct tars_arena *old = server->arena;
    bool checking = server->phase == SUP_PHASE_RUNNING && server->runs;
    if (!sup_spec_check(spec, error))
        return false;
    if (strcmp(spec->name, server->spec.name) != 0)
        return tars_fail(error, EINVAL, "'%s' cannot be renamed to '%s'", server->spec.name,
                         spec->name);
    sup_health_stop(server->health);
    take_spec(server, spec);
    server->output_changed = true;
    if (server->step > server->spec.stop_count)
        server->step = server->spec.stop_count;
    if (checking)
        sup_health_start(server->health, &server->spec, server->well);
    tars_arena_free(old);
    sup_server_settle(server);
    return true;
}

bool sup_remove(struct sup_server *server)
{
    struct supervisor *sup = server->sup;
    struct sup_server **at = &sup->first, *before = NULL;
    if (server->phase == SUP_PHASE_RUNNING || server->phase == SUP_PHASE_STOPPING ||
        server->prepare_asked)
        return false;
    server->setting = false;
    server->phase = SUP_PHASE_DOWN;
    sup_server_write_record(server);
    for (; *at != server; at = &(*at)->next)
        before = *at;
    *at = server->next;
    if (sup->last == server)
        sup->last = before;
    release(server);
    return true;
}

/* ---- orders
 * --------------------------------------------------------------------------------------- */

void sup_start(struct sup_server *server)
{
    server->setting = true;
    if (server->phase == SUP_PHASE_STOPPING)
        sup_server_stop(server, SUP_AFTER_LAUNCH);
    else if (server->phase == SUP_PHASE_DOWN) {
        server->crashes = 0;
        sup_server_launch(server);
    }
    sup_server_settle(server);
}

void sup_stop(struct sup_server *server)
{
    server->setting = false;
    server->due = false;
    if (server->phase == SUP_PHASE_RUNNING || server->phase == SUP_PHASE_STOPPING)
        sup_server_stop(server, SUP_AFTER_STAY);
    else
        sup_server_down(server, SUP_AFTER_STAY);
}

void sup_restart(struct sup_server *server)
{
    server->setting = true;
    if (server->phase == SUP_PHASE_RUNNING || server->phase == SUP_PHASE_STOPPING)
        sup_server_stop(server, SUP_AFTER_LAUNCH);
    else
        sup_start(server);
}

void sup_hold(struct sup_server *server, bool held)
{
    server->held = held;
    if (!held && server->due && server->setting && server->phase == SUP_PHASE_DOWN)
        sup_server_launch(server);
}

bool sup_signal(struct sup_server *server, int number)
{
    return server->pid && sup_proc_signal(server->pid, server->pid_start, number);
}

void sup_signal_all(struct supervisor *sup, int number)
{
    for (struct sup_server *server = sup->first; server; server = server->next)
        sup_signal(server, number);
}

static void on_all_stopped(struct loop_timer *timer)
{
    struct supervisor *sup = loop_container(timer, struct supervisor, all_timer);
    void (*done)(void *user) = sup->all_stopped;
    for (const struct sup_server *server = sup->first; server; server = server->next)
        if (server->phase != SUP_PHASE_DOWN || server->setting)
            return;
    sup->all_stopped = NULL;
    if (done)
        done(sup->all_user);
}

void sup_look_for_all_stopped(struct supervisor *sup)
{
    if (sup->all_stopped)
        loop_timer_set(sup->loop, &sup->all_timer, 0, on_all_stopped);
}

void sup_stop_all(struct supervisor *sup, void (*done)(void *user), void *user)
{
    sup->all_stopped = done;
    sup->all_user = user;
    for (struct sup_server *server = sup->first; server; server = server->next)
        sup_stop(server);
    sup_look_for_all_stopped(sup);
}

/* ---- heartbeats
 * ----------------------------------------------------------------------------------- */

static bool is_of_tree(const struct sup_server *server, pid_t pid, struct sup_proc *found)
{
    struct sup_tree tree = sup_server_tree(server);
    struct sup_proc *members;
    size_t count = sup_proc_tree(&tree, &members), i = 0;
    while (i < count && members[i].pid != pid)
        i++;
    if (i < count)
        *found = members[i];
    free(members);
    return i < count;
}

static bool is_above(pid_t pid, pid_t below)
{
    struct sup_proc proc;
    while (below > 1 && below != getpid() && sup_proc_read(below, &proc)) {
        below = proc.parent;
        if (below == pid)
            return true;
    }
    return false;
}

/* True when the process may speak for the server; another one of its tree becomes the main one,
 * but not one that has handed over to its own child and speaks until it ends. */
static bool accept_speaker(struct sup_server *server, pid_t pid)
{
    struct sup_proc proc;
    sup_server_look_for_news(server);
    if (server->phase != SUP_PHASE_RUNNING && server->phase != SUP_PHASE_STOPPING)
        return false;
    if (pid == 0 || pid == server->pid)
        return true;
    if (!is_of_tree(server, pid, &proc))
        return false;
    if (is_above(pid, server->pid))
        return true;
    if (!sup_server_follow(server, &proc))
        return false;
    sup_server_write_record(server);
    sup_server_emit(server, SUP_EVENT_FOLLOWED, -1, 0, "its heartbeat comes from another process");
    return true;
}

bool sup_heartbeat(struct sup_server *server, const char *key, pid_t pid)
{
    bool ok = accept_speaker(server, pid) &&
              (server->phase != SUP_PHASE_RUNNING || sup_health_beat(server->health, key));
    server->strange_heartbeats += !ok;
    sup_server_settle(server);
    return ok;
}

bool sup_activating(struct sup_server *server, pid_t pid)
{
    if (!accept_speaker(server, pid)) {
        server->strange_heartbeats++;
        return false;
    }
    if (server->phase == SUP_PHASE_RUNNING) {
        sup_health_unbeat(server->health);
        sup_server_start_over(server);
    }
    sup_server_settle(server);
    return true;
}

/* ---- what is to be seen
 * --------------------------------------------------------------------------- */

const char *sup_name(const struct sup_server *server)
{
    return server->spec.name;
}

void *sup_user(const struct sup_server *server)
{
    return server->spec.user;
}

void sup_status(const struct sup_server *server, struct sup_status *status)
{
    int64_t now = clock_ms();
    *status = (struct sup_status){.state = sup_state(server),
                                  .healthy = server->well,
                                  .adopted = server->adopted,
                                  .held = server->held,
                                  .outdated = server->pid && server->launch &&
                                              server->launch !=
                                                  sup_launch_sum(&server->spec.launch),
                                  .running_ms = server->pid ? now - server->launched_ms : 0,
                                  .launch_in_ms = -1,
                                  .crashes = server->crashes,
                                  .launches = server->launches,
                                  .last_status = server->last_status,
                                  .output_lost = sup_keeper_lost(server->output),
                                  .strange_heartbeats = server->strange_heartbeats};
    if (server->phase == SUP_PHASE_DOWN && loop_timer_is_set(&server->timer))
        status->launch_in_ms = server->due_ms > now ? server->due_ms - now : 0;
    snprintf(status->reason, sizeof status->reason, "%s", sup_server_reason(server));
}

char *sup_tail(const struct sup_server *server, size_t *len)
{
    return sup_keeper_tail(server->output, len);
}

void sup_describe_exit(int status, char *text, size_t size)
{
    if (status == -1)
        snprintf(text, size, "ended");
    else if (WIFSIGNALED(status))
        snprintf(text, size, "was killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(text, size, "ended with status %d", WEXITSTATUS(status));
}

const char *sup_present_name(enum sup_present present)
{
    static const char *const names[] = {"inactive", "activating", "active", "deactivating"};
    return names[present];
}

/* ---- sinks and tasks
 * ------------------------------------------------------------------------------ */

void sup_add_sink(struct supervisor *sup, const struct sup_sink *sink)
{
    if (sup->sink_count < SUP_SINKS && !sup->first)
        sup->sinks[sup->sink_count++] = *sink;
}

void sup_delivered(struct sup_server *server, const struct sup_sink *sink, uint64_t number, bool ok)
{
    for (size_t i = 0; i < server->sup->sink_count; i++)
        if (strcmp(server->sup->sinks[i].name, sink->name) == 0)
            sup_delivery_answer(&server->deliveries[i], number, ok);
}

struct sup_task *sup_run(struct supervisor *sup, const struct sup_launch *launch,
                         int64_t timeout_ms,
                         void (*done)(void *user, const struct sup_task_end *end), void *user)
{
    return sup_task_start(&sup->tasks, launch, timeout_ms, done, user);
}
