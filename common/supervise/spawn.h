/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes a process of a struct sup_launch. */
#ifndef SUPERVISE_SPAWN_H
#define SUPERVISE_SPAWN_H

#include "supervise/launch.h"

struct sup_user {
    uid_t uid;
    gid_t gid;
    bool change; /* it is another one than the supervisor's */
};

/* Who the process will be; false when there is no such user or group. */
bool sup_user_find(const char *text, struct sup_user *user,
                   struct tars_error *error) TARS_MUSTCHECK;

/*
 * Starts it with stdout and stderr on `out` (-1: the supervisor's own) and, where `mark` is not
 * NULL, SUP_MARK_NAME=mark in its environment. `*news` becomes a descriptor that is readable when
 * the program runs or could not be run: sup_spawn_news tells which. 0 when there is no process.
 */
pid_t sup_spawn(const struct sup_launch *launch, const char *mark, int out, int *news,
                struct tars_error *error) TARS_MUSTCHECK;

enum sup_news { SUP_NEWS_NONE, SUP_NEWS_RUNS, SUP_NEWS_FAILED };
/* Never blocks. The reason of a failure goes into *error; such a process ends at once. */
enum sup_news sup_spawn_news(int news, const struct sup_launch *launch, struct tars_error *error);

#endif
