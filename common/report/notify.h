/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages for the notify service. */
#ifndef REPORT_NOTIFY_H
#define REPORT_NOTIFY_H

#include <tars/report.h>

struct report_server;

/* Sends a message when a notify service is configured; any thread, never waits. */
void report_notify(struct report_server *report, enum tars_notify_level level, const char *text);

/* For the table of hooks: tells which command an administrator sent. */
void report_notify_command(void *report, struct tars_str command);

#endif
