/* SPDX-License-Identifier: BSD-3-Clause */
/* Helpers that run to their end: what sup_run stands on. */
#ifndef SUPERVISE_TASK_H
#define SUPERVISE_TASK_H

#include "supervise/reaper.h"
#include "supervise/supervise.h"

struct sup_tasks {
    struct loop *loop;
    struct sup_reaper *reaper;
    struct sup_task *first;
};

struct sup_task *sup_task_start(struct sup_tasks *tasks, const struct sup_launch *launch,
                                int64_t timeout_ms,
                                void (*done)(void *user, const struct sup_task_end *end),
                                void *user);
/* Cancels all that run. */
void sup_tasks_cancel(struct sup_tasks *tasks);

#endif
