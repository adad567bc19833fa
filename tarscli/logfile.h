/* SPDX-License-Identifier: BSD-3-Clause */
/* The supervisor's own log: what it writes to stdout and stderr goes to a file that rolls over. */
#ifndef TARSCLI_LOGFILE_H
#define TARSCLI_LOGFILE_H

#include <tars/types.h>

enum { LOGFILE_MAX = 10 << 20, LOGFILE_OLD = 5 };

/*
 * From here on stdout and stderr are appended to the file; returns what stderr was before, to be
 * closed. When the file cannot be written they stay what they are, with the reason in *error.
 */
int logfile_redirect(const char *path, struct tars_error *error);
/* Begins a new file when this one was removed or is larger than LOGFILE_MAX; old ones become
 * path.1, path.2, … */
void logfile_roll(const char *path);

#endif
