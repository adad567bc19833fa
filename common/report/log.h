/* SPDX-License-Identifier: BSD-3-Clause */
/* The logs of a server: its own rolling file, day logs, the dyeing and the trace log. */
#ifndef REPORT_LOG_H
#define REPORT_LOG_H

#include <tars/report.h>

#include "rpc/hooks.h"

struct report_server;

/* Reads paths, sizes and the level; a level that an administrator set before wins. */
void report_log_open(struct report_server *report, const struct tars_conf *conf);

/* A complete line for the day log of that name: to the log service, or to a file without one. */
void report_log_day(struct report_server *report, struct tars_str name, struct tars_str line);

void report_log_dyed(struct report_server *report, const struct rpc_server_call *call,
                     struct tars_str key);
void report_log_trace(struct report_server *report, const struct rpc_server_call *call,
                      struct tars_str key);

/* "DEBUG", "info", ...; false for another word. */
bool report_log_level(struct tars_str word, enum tars_log_level *level);
const char *report_log_level_name(enum tars_log_level level);
/* Sets the level and remembers it for the next start. */
void report_log_keep_level(struct report_server *report, enum tars_log_level level);

/* A line for one end of a traced call of the server's own client; for the table of hooks. */
void report_log_traced_call(void *report, const struct rpc_traced_call *call);

#endif
