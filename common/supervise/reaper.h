/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Notices the end of processes: the one place that waits for children (also for those that came as
 * orphans), and pidfds for processes that are no children.
 */
#ifndef SUPERVISE_REAPER_H
#define SUPERVISE_REAPER_H

#include <sys/types.h>

#include "loop/loop.h"

struct sup_reaper;

/* Lies in what wants to know; zero it before the first use. */
struct sup_watch {
    struct sup_watch *next;
    struct sup_reaper *reaper; /* NULL: watches nothing */
    pid_t pid;
    uint64_t start;
    struct event *pidfd_event; /* of one that is no child */
    struct loop_timer poll;    /* the same on a kernel without pidfds */
    /* `status` as of waitpid, -1: not known. The watch is free again. */
    void (*ended)(struct sup_watch *watch, int status);
};

/* `orphan` is called when a child that nobody watches has been reaped. NULL with *error set. */
struct sup_reaper *sup_reaper_new(struct loop *loop, void (*orphan)(void *user), void *user,
                                  struct tars_error *error);
void sup_reaper_free(struct sup_reaper *reaper);

/* Watches a child that has not been reaped. */
void sup_watch_child(struct sup_reaper *reaper, struct sup_watch *watch, pid_t pid,
                     void (*ended)(struct sup_watch *watch, int status));
/* Watches any process; false when it does not run (any more). */
bool sup_watch_other(struct sup_reaper *reaper, struct sup_watch *watch, pid_t pid, uint64_t start,
                     void (*ended)(struct sup_watch *watch, int status)) TARS_MUSTCHECK;
void sup_unwatch(struct sup_watch *watch);

/* True when every child of this process is watched: then no orphan has come. False also when the
 * kernel does not list children. */
bool sup_reaper_knows_all(const struct sup_reaper *reaper);

#endif
