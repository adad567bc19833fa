/* SPDX-License-Identifier: BSD-3-Clause */
/* A server of the user's beside the suite: started, watched, registered, taken down in order. */
#ifndef TARSC_GUEST_H
#define TARSC_GUEST_H

#include "k8stars/environment.h"
#include "k8stars/meta.h"
#include "k8stars/ports.h"

/*
 * Stops what a run in the same folder left whose tarsc was killed: a server that a script had put
 * into the background. Waits for its end; false with the reason in *error.
 */
bool guest_clear(const struct environment *environment, struct tars_error *error) TARS_MUSTCHECK;

struct guest_options {
    const struct environment *environment;
    const struct meta *meta;   /* settled, its files written */
    const struct ports *ports; /* taken for it */
    const char *config;        /* the server's configuration: TARS_CONFIG */
    const char *const *argv;   /* NULL-terminated */
    bool once;                 /* its end is the end, nothing is started again */
};

/*
 * Runs on the calling thread until SIGINT, SIGTERM or SIGHUP, another one of which ends the drain
 * or the patience with the server: 0, or 1 when it had to be killed. With `once` until the server's
 * end: its status, or 128 and its signal. 1 when the program cannot be run. All of it is told on
 * stderr.
 */
int guest_run(const struct guest_options *options);

#endif
