/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program's log files: one that rolls by size, and a file per day and name. Lines go through a
 * bounded queue to a thread of its own, so that a disk that hangs never holds up a caller.
 *
 *   <dir>/App.Server.log, App.Server1.log, ...      newest first, `max_files` in all
 *   <dir>/App.Server_orders_20260131.log
 */
#ifndef REPORT_LOCAL_LOG_H
#define REPORT_LOCAL_LOG_H

#include <tars/types.h>

struct report_local_log;

/* Makes `dir` and what is above it when the first line comes. The thread starts then, too. */
struct report_local_log *report_local_log_new(const char *dir, const char *prefix,
                                              int64_t max_bytes, int64_t max_files);
/* Writes what is queued, then releases. */
void report_local_log_free(struct report_local_log *log);

/* Queues text, its newline included, for the rolling file; any thread. A full queue drops it. */
void report_local_log_roll(struct report_local_log *log, struct tars_str text);
/* The same for the day file of that name. */
void report_local_log_day(struct report_local_log *log, struct tars_str name, struct tars_str text);

/* Texts that were lost: the queue was full, or the file could not be written. */
uint64_t report_local_log_dropped(struct report_local_log *log);

#endif
