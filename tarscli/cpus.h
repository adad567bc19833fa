/* SPDX-License-Identifier: BSD-3-Clause */
/* How many processors a container may use. */
#ifndef TARSCLI_CPUS_H
#define TARSCLI_CPUS_H

#include <tars/types.h>

/* The machine's processors, or the whole ones of the control group's quota (version 1 or 2) when
 * that is less; at least 1. `root` is "" but in tests. */
int cpus_count(const char *root);

#endif
