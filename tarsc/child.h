/* SPDX-License-Identifier: BSD-3-Clause */
/* A process that tarsc has started: its log, its end, its last words. */
#ifndef TARSC_CHILD_H
#define TARSC_CHILD_H

#include <stdio.h>
#include <sys/types.h>

#include <tars/types.h>

struct child {
    pid_t pid;  /* 0: not started, or its end has been seen */
    int status; /* of waitpid */
    char *log;  /* path of the file with its output */
};

/*
 * Starts argv[0] with its output going to the file `log` (what stood there becomes `log`.1). It is
 * in a process group of its own, so that a Ctrl-C is handed on in order, and gets SIGTERM when
 * tarsc dies.
 */
bool child_start(struct child *child, char *const argv[], const char *log,
                 struct tars_error *error) TARS_MUSTCHECK;
/* True once it has ended (then `status` says how). Does not wait. */
bool child_ended(struct child *child);
/* SIGTERM, after `ms` SIGKILL; `hurry` (may be NULL) is asked whether to kill at once. */
void child_stop(struct child *child, int ms, bool (*hurry)(void *), void *user);
void child_free(struct child *child);

/* "ended with status 3", "was killed by signal 9 (Killed)" */
void child_describe_end(const struct child *child, char *text, size_t size);
void child_print_log_end(const struct child *child, FILE *out);

/* Runs argv to its end with its output (stderr too) in *output, to be freed; the exit status, -1
 * when it cannot be run or is killed. */
int child_run(char *const argv[], char **output);

#endif
