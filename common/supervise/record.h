/* SPDX-License-Identifier: BSD-3-Clause */
/* What is kept on disk of a server, so that the next supervisor finds its processes. */
#ifndef SUPERVISE_RECORD_H
#define SUPERVISE_RECORD_H

#include "supervise/proc.h"

struct sup_record {
    char boot[SUP_BOOT_ID_SIZE]; /* pids mean nothing in another boot */
    char mark[SUP_MARK_SIZE];
    int64_t pid, start;           /* the main process; pid 0: none, or just being made */
    int64_t leader, leader_start; /* of its session */
    int64_t pipe;                 /* of its output; 0: none */
    int64_t setting, active;      /* 0 or 1 */
    int64_t crashes;
    int64_t launch;      /* sup_launch_sum of what was run; 0: not known */
    int64_t launched_ms; /* on the monotonic clock of that boot */
};

/* FOLDER/NAME.state is replaced as a whole. */
bool sup_record_write(const char *folder, const char *name, const struct sup_record *record,
                      struct tars_error *error);
/* False when there is none or it is no record. */
bool sup_record_read(const char *folder, const char *name, struct sup_record *record);
void sup_record_remove(const char *folder, const char *name);
/* All that lie in the folder; false when one stays. */
bool sup_record_remove_all(const char *folder) TARS_MUSTCHECK;

/* The text of such a file; false when it is none. Anything may come in. */
bool sup_record_parse(const char *text, struct sup_record *record);

#endif
