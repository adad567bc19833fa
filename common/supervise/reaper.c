/* SPDX-License-Identifier: BSD-3-Clause */
#include "supervise/reaper.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "supervise/proc.h"

enum { POLL_MS = 250 }; /* only where the kernel has no pidfds */

struct sup_reaper {
    struct loop *loop;
    struct event *child_event;
    struct sup_watch *watches;
    void (*orphan)(void *user);
    void *user;
};

static void detach(struct sup_watch *watch)
{
    struct sup_watch **at = &watch->reaper->watches;
    while (*at != watch)
        at = &(*at)->next;
    *at = watch->next;
    if (watch->pidfd_event) {
        int pidfd = event_get_fd(watch->pidfd_event);
        event_free(watch->pidfd_event);
        close(pidfd);
        watch->pidfd_event = NULL;
    }
    loop_timer_clear(watch->reaper->loop, &watch->poll);
    watch->reaper = NULL;
}

static void attach(struct sup_reaper *reaper, struct sup_watch *watch, pid_t pid,
                   void (*ended)(struct sup_watch *watch, int status))
{
    watch->reaper = reaper;
    watch->pid = pid;
    watch->ended = ended;
    watch->next = reaper->watches;
    reaper->watches = watch;
}

static void end(struct sup_watch *watch, int status)
{
    detach(watch);
    watch->ended(watch, status);
}

/* Takes all children that have ended. One process may have several watches. */
static void reap(struct sup_reaper *reaper)
{
    pid_t pid;
    int status;
    while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
        struct sup_watch *watch;
        bool known = false;
        do {
            for (watch = reaper->watches; watch && watch->pid != pid; watch = watch->next)
                ;
            if (watch) {
                known = true;
                end(watch, status);
            }
        } while (watch);
        if (!known && reaper->orphan)
            reaper->orphan(reaper->user);
    }
}

static void on_child(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    reap(arg);
}

struct sup_reaper *sup_reaper_new(struct loop *loop, void (*orphan)(void *user), void *user,
                                  struct tars_error *error)
{
    struct sup_reaper *reaper = xcalloc(1, sizeof *reaper);
    *reaper = (struct sup_reaper){.loop = loop, .orphan = orphan, .user = user};
    reaper->child_event = event_new(loop_base(loop), SIGCHLD, EV_SIGNAL | EV_PERSIST, on_child,
                                    reaper);
    if (!reaper->child_event || event_add(reaper->child_event, NULL) != 0) {
        tars_fail(error, -1, "cannot watch for the end of child processes");
        sup_reaper_free(reaper);
        return NULL;
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return reaper;
}

void sup_reaper_free(struct sup_reaper *reaper)
{
    if (!reaper)
        return;
    while (reaper->watches)
        detach(reaper->watches);
    if (reaper->child_event)
        event_free(reaper->child_event);
    free(reaper);
}

void sup_watch_child(struct sup_reaper *reaper, struct sup_watch *watch, pid_t pid,
                     void (*ended)(struct sup_watch *watch, int status))
{
    attach(reaper, watch, pid, ended);
}

/* It has ended, or is a child that waits to be reaped. */
static void other_ended(struct sup_watch *watch)
{
    struct sup_reaper *reaper = watch->reaper;
    pid_t pid = watch->pid;
    reap(reaper);
    for (struct sup_watch *w = reaper->watches; w; w = w->next)
        if (w == watch && w->pid == pid) {
            end(watch, -1);
            return;
        }
}

static void on_pidfd(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    other_ended(arg);
}

static void on_poll(struct loop_timer *timer)
{
    struct sup_watch *watch = loop_container(timer, struct sup_watch, poll);
    if (sup_proc_is(watch->pid, watch->start))
        loop_timer_set(watch->reaper->loop, &watch->poll, POLL_MS, on_poll);
    else
        other_ended(watch);
}

bool sup_watch_other(struct sup_reaper *reaper, struct sup_watch *watch, pid_t pid, uint64_t start,
                     void (*ended)(struct sup_watch *watch, int status))
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    /* Looked at after the pidfd is open, so that both mean the same process. */
    if (!sup_proc_is(pid, start)) {
        if (pidfd >= 0)
            close(pidfd);
        return false;
    }
    attach(reaper, watch, pid, ended);
    watch->start = start;
    if (pidfd >= 0) {
        watch->pidfd_event = event_new(loop_base(reaper->loop), pidfd, EV_READ, on_pidfd, watch);
        event_add(watch->pidfd_event, NULL);
    } else {
        loop_timer_set(reaper->loop, &watch->poll, POLL_MS, on_poll);
    }
    return true;
}

void sup_unwatch(struct sup_watch *watch)
{
    if (watch->reaper)
        detach(watch);
}

static bool is_watched(const struct sup_reaper *reaper, pid_t pid)
{
    const struct sup_watch *watch = reaper->watches;
    while (watch && watch->pid != pid)
        watch = watch->next;
    return watch;
}

/* Children are listed by the thread that made or took them. */
static bool knows_all_of(const struct sup_reaper *reaper, const char *thread)
{
    char path[300];
    int pid;
    bool all = true;
    snprintf(path, sizeof path, "/proc/self/task/%s/children", thread);
    FILE *list = fopen(path, "re");
    if (!list)
        return false;
    while (all && fscanf(list, "%d", &pid) == 1)
        all = is_watched(reaper, pid);
    fclose(list);
    return all;
}

bool sup_reaper_knows_all(const struct sup_reaper *reaper)
{
    DIR *threads = opendir("/proc/self/task");
    const struct dirent *entry;
    bool all = threads;
    while (all && (entry = readdir(threads)))
        if (isdigit((unsigned char)*entry->d_name))
            all = knows_all_of(reaper, entry->d_name);
    if (threads)
        closedir(threads);
    return all;
}
