/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines for the log service: a bounded queue per log, sent in batches on the client's loop, one
 * batch of a log under way at a time. A batch that fails stays at the head and is tried again with
 * growing pauses. Lines that find the queue full, or that are left at the end, go to `spill`.
 */
#ifndef REPORT_REMOTE_LOG_H
#define REPORT_REMOTE_LOG_H

#include <tars/client.h>

#include "report/identity.h"

struct loop;
struct report_remote_log;

struct report_remote_log_limits {
    size_t lines; /* waiting, over all logs */
    size_t bytes;
    size_t names; /* different logs */
};

struct report_remote_log *report_remote_log_new(
    struct loop *loop, struct tars_proxy *proxy, const struct report_identity *identity,
    const struct report_remote_log_limits *limits,
    void (*spill)(void *user, struct tars_str name, struct tars_str line), void *user);
/* After the client is gone: spills what is left, releases. */
void report_remote_log_free(struct report_remote_log *log);

/* Queues a line, its newline included, for the day log of that name; any thread. */
void report_remote_log_day(struct report_remote_log *log, struct tars_str name,
                           struct tars_str line);
/* The same for the log in which all servers' dyed calls stand together. */
void report_remote_log_dyed(struct report_remote_log *log, struct tars_str line);

/* The service that lines go to, and another in its place; any thread. */
struct tars_proxy *report_remote_log_proxy(const struct report_remote_log *log);
void report_remote_log_use(struct report_remote_log *log, struct tars_proxy *proxy);

/* Sends everything now; true when all of it arrived within `wait_ms`. Not on the loop's thread. */
bool report_remote_log_flush(struct report_remote_log *log, int wait_ms);
/* Nothing is sent any more; later lines are spilled at once. */
void report_remote_log_close(struct report_remote_log *log);

/* Lines that wait; lines that went to `spill`, ever. */
size_t report_remote_log_waiting(struct report_remote_log *log);
uint64_t report_remote_log_spilled(struct report_remote_log *log);

#endif
