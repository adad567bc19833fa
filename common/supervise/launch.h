/* SPDX-License-Identifier: BSD-3-Clause */
/* How a process is to be run: the description that servers and tasks share. */
#ifndef SUPERVISE_LAUNCH_H
#define SUPERVISE_LAUNCH_H

#include <sys/types.h>

#include <tars/types.h>

#define SUP_NO_LIMIT UINT64_MAX

/* One setrlimit: RLIMIT_NOFILE, RLIMIT_CORE, …; SUP_NO_LIMIT for none. */
struct sup_limit {
    int resource;
    uint64_t soft, hard;
};

/*
 * What is not set stays as the supervisor has it. The process gets a session and a process group
 * of its own, all signals at their default and unblocked, stdin from /dev/null, and no descriptor
 * above stderr.
 */
struct sup_launch {
    const char *const *argv;    /* NULL-terminated; argv[0] with a slash, or looked up in PATH */
    const char *command;        /* used when argv is NULL: a line for /bin/sh -c */
    const char *const *env;     /* the whole environment, NULL-terminated; NULL: the supervisor's */
    const char *const *env_add; /* "NAME=value" to add to or replace in it; NULL: nothing */
    const char *cwd;
    const char *user; /* "name", "name:group", "1000" or "1000:1000"; /etc/passwd is asked */
    const struct sup_limit *limits;
    size_t limit_count;
    int death_signal; /* it gets when the thread that runs the loop ends; 0: it lives on */
};

enum sup_output_kind {
    SUP_OUTPUT_INHERIT, /* the supervisor's own stdout and stderr */
    SUP_OUTPUT_NONE,    /* /dev/null */
    SUP_OUTPUT_CAPTURE, /* through the supervisor: rotated, tail kept, a full disk is not felt */
    SUP_OUTPUT_FILE, /* straight into the file: rotated at launches only, no tail when it fails */
};

/* Where stdout and stderr go. */
struct sup_output {
    enum sup_output_kind kind;
    const char *path;     /* the file; NULL with CAPTURE: only the tail is kept */
    int64_t rotate_bytes; /* when it is larger it becomes path.1, that path.2, …; 0: 10 MiB */
    int keep;             /* how many old files; 0: 1 */
    size_t tail_bytes;    /* of a launch's last output kept in memory (CAPTURE); 0: 64 KiB */
    int echo_fd;          /* where captured output is copied as it comes; 0: nowhere */
};

#endif
