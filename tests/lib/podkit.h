/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A pod as tarscli sees it: a folder with metadata and start script, variables, and a supervisor.
 * The server in it is the test's own program with a --config: ShapesObj over TCP and DatagramObj
 * over UDP (serverkit.h).
 */
#ifndef TESTS_PODKIT_H
#define TESTS_PODKIT_H

#include "testkit.h"

enum { SOON_MS = 15000 };

struct pod {
    const char *home;
    const char *env[24];
    size_t env_len;
    struct tk_process *supervisor;
};

/* The main of such a test: runs the tests, or serves. */
int pod_main(int argc, char **argv, int (*tests)(void));

/* A folder with short times and a port range of its own; variables may be added, a later one of the
 * same name counts. Nothing runs yet. */
struct pod pod_of(const char *locator);
void pod_env(struct pod *pod, const char *variable);
const char *pod_file(const struct pod *pod, const char *name);
/* An executable script; a start script ends with pod_serve_line, which also leaves its process's
 * number in the file "pid". */
void pod_script(const struct pod *pod, const char *name, const char *lines);
const char *pod_serve_line(void);

void pod_start(struct pod *pod);
/* In order, but without the drain's wait: the second signal ends it. */
void pod_stop(struct pod *pod);
/* As if the power went, for supervisor and server. */
void pod_drop(struct pod *pod);

/* The status of a subcommand; its output (to be freed) in *output unless that is NULL. */
int pod_cli(const struct pod *pod, char **output, const char *command, const char *argument);
bool pod_ready(const struct pod *pod);
void pod_wait_ready(const struct pod *pod);
/* The server's process; 0: none was started. */
pid_t pod_server(const struct pod *pod);

bool pod_file_has(const struct pod *pod, const char *name, const char *part);
unsigned pod_count(const struct pod *pod, const char *name, const char *part);

#endif
