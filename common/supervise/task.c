/* SPDX-License-Identifier: BSD-3-Clause */
#include "supervise/task.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "supervise/output.h"
#include "supervise/proc.h"
#include "supervise/spawn.h"
#include "supervise/spec.h"

enum { TASK_TAIL = 4096 };

struct sup_task {
    struct sup_task *next;
    struct sup_tasks *tasks;
    struct tars_arena *arena;
    struct sup_launch launch;
    struct sup_keeper *output;
    struct sup_watch watch;
    struct loop_timer timer;
    char mark[SUP_MARK_SIZE];
    pid_t leader;
    uint64_t start;
    int news;
    int64_t timeout_ms;
    bool timed_out;
    struct tars_error error; /* why it could not be run */
    void (*done)(void *user, const struct sup_task_end *end);
    void *user;
};

static void ignore_loss(void *user, const char *text)
{
    (void)user;
    (void)text; /* a task's output has no file */
}

static void release(struct sup_task *task)
{
    struct sup_task **at = &task->tasks->first;
    while (*at != task)
        at = &(*at)->next;
    *at = task->next;
    sup_unwatch(&task->watch);
    loop_timer_clear(task->tasks->loop, &task->timer);
    sup_keeper_free(task->output);
    if (task->news >= 0)
        close(task->news);
    tars_arena_free(task->arena);
    free(task);
}

static void kill_all(const struct sup_task *task)
{
    struct sup_tree tree = {task->leader, task->start, task->mark, false};
    if (task->leader)
        sup_proc_signal_tree(&tree, 0, SIGKILL);
}

static void finish(struct sup_task *task, int status)
{
    char text[600];
    size_t len;
    if (task->news >= 0 && !task->error.code &&
        sup_spawn_news(task->news, &task->launch, &task->error) == SUP_NEWS_FAILED)
        status = -1;
    sup_keeper_drain(task->output);
    char *tail = sup_keeper_tail(task->output, &len);
    if (task->timed_out)
        snprintf(text, sizeof text, "was killed after %lld ms without an end",
                 (long long)task->timeout_ms);
    else if (status == -1)
        snprintf(text, sizeof text, "%s", task->error.text);
    else
        sup_describe_exit(status, text, sizeof text);
    struct sup_task_end end = {.ok = status == 0 && !task->timed_out,
                               .timed_out = task->timed_out,
                               .status = status,
                               .text = text,
                               .output = tail};
    void (*done)(void *user, const struct sup_task_end *end) = task->done;
    void *user = task->user;
    release(task);
    done(user, &end);
    free(tail);
}

static void on_ended(struct sup_watch *watch, int status)
{
    finish(loop_container(watch, struct sup_task, watch), status);
}

static void on_timeout(struct loop_timer *timer)
{
    struct sup_task *task = loop_container(timer, struct sup_task, timer);
    task->timed_out = true;
    kill_all(task);
}

static void on_no_start(struct loop_timer *timer)
{
    finish(loop_container(timer, struct sup_task, timer), -1);
}

static void start(struct sup_task *task)
{
    struct sup_proc proc;
    struct sup_user user;
    struct loop *loop = task->tasks->loop;
    int out = -1;
    if (sup_user_find(task->launch.user, &user, &task->error)) {
        out = sup_keeper_open(task->output, user.uid, user.gid);
        task->leader = sup_spawn(&task->launch, task->mark, out, &task->news, &task->error);
    }
    if (out >= 0)
        close(out);
    if (!task->leader) {
        loop_timer_set(loop, &task->timer, 0, on_no_start);
        return;
    }
    task->start = sup_proc_read(task->leader, &proc) ? proc.start : 0;
    sup_watch_child(task->tasks->reaper, &task->watch, task->leader, on_ended);
    if (task->timeout_ms > 0)
        loop_timer_set(loop, &task->timer, task->timeout_ms, on_timeout);
}

struct sup_task *sup_task_start(struct sup_tasks *tasks, const struct sup_launch *launch,
                                int64_t timeout_ms,
                                void (*done)(void *user, const struct sup_task_end *end),
                                void *user)
{
    static const struct sup_output output = {.kind = SUP_OUTPUT_CAPTURE, .tail_bytes = TASK_TAIL};
    struct sup_task *task = xcalloc(1, sizeof *task);
    task->tasks = tasks;
    task->arena = tars_arena_new(0);
    task->launch = sup_launch_copy(task->arena, launch);
    task->output = sup_keeper_new(tasks->loop, &output, ignore_loss, NULL);
    task->news = -1;
    task->timeout_ms = timeout_ms;
    task->done = done;
    task->user = user;
    task->next = tasks->first;
    tasks->first = task;
    sup_proc_make_mark(task->mark);
    start(task);
    return task;
}

void sup_cancel(struct sup_task *task)
{
    if (!task)
        return;
    kill_all(task);
    release(task);
}

void sup_tasks_cancel(struct sup_tasks *tasks)
{
    while (tasks->first)
        sup_cancel(tasks->first);
}
