/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters and gauges on their way to the text form that Prometheus reads. */
#ifndef DAEMON_SAMPLES_H
#define DAEMON_SAMPLES_H

#include <stdio.h>

#include "daemon/daemon.h"

struct daemon_samples;

struct daemon_samples *daemon_samples_new(void);
void daemon_samples_free(struct daemon_samples *samples);

/* Adds one; of type daemon_emit with the samples as `user`. Labels may be NULL. Copies both. */
daemon_emit daemon_samples_add;
/* One line about all samples of a name. */
void daemon_samples_help(struct daemon_samples *samples, const char *name, const char *help);
/* What every process has: build, memory, open files, start time. */
void daemon_samples_add_process(struct daemon_samples *samples, const char *program);
/* All of a name together, in the order in which the names came. */
void daemon_samples_print(const struct daemon_samples *samples, FILE *out);

#endif
