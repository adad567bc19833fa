/* SPDX-License-Identifier: BSD-3-Clause */
/* The suite under a supervisor: starts in order, keeps it running, stops in reverse order. */
#ifndef TARSC_RUNNER_H
#define TARSC_RUNNER_H

#include "suite.h"

struct runner;

struct runner_options {
    struct suite *suite; /* prepared */
    bool outlive;        /* the daemons live on when this process is killed */
    /* Called once, when all are ready for the first time. */
    void (*ready)(void *user);
    void *user;
};

/*
 * Runs on the calling thread until SIGINT, SIGTERM, SIGHUP or `tarsc down` (0), or until a daemon
 * fails before all have been ready once (1, with the reason on stderr).
 */
int runner_run(const struct runner_options *options);

#endif
