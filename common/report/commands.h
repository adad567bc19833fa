/* SPDX-License-Identifier: BSD-3-Clause */
/* The administrator's commands that concern logs, configuration files and dyeing. */
#ifndef REPORT_COMMANDS_H
#define REPORT_COMMANDS_H

struct report_server;

void report_commands_add(struct report_server *report);

#endif
