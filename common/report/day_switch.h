/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the lines of each day log go: to its file, to the log service, to both as at first. */
#ifndef REPORT_DAY_SWITCH_H
#define REPORT_DAY_SWITCH_H

#include <tars/types.h>

struct report_day_switch;

enum report_day_place { REPORT_DAY_LOCAL = 1, REPORT_DAY_REMOTE = 2 };

struct report_day_switch *report_day_switch_new(void);
void report_day_switch_free(struct report_day_switch *switches);

/* The places (or-ed) of a log of that name. Any thread. */
unsigned report_day_places(struct report_day_switch *switches, struct tars_str name);
/* Switches one place of a log; any thread. */
void report_day_switch_set(struct report_day_switch *switches, struct tars_str name,
                           enum report_day_place place, bool on);
/* "local|true", "remote|orders|false", as an administrator says it, for the log "day" or the one
 * named; false when it is something else. */
bool report_day_switch_choose(struct report_day_switch *switches, struct tars_str argument);

#endif
