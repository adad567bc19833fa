/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dyed calls: those that carry a dyeing key of their caller, and those that an administrator chose
 * by "tars.setdyeing KEY Servant [Function]". Each leaves a line in the dyeing log.
 */
#ifndef REPORT_DYEING_H
#define REPORT_DYEING_H

#include <tars/server.h>

struct report_dyeing;

enum { REPORT_DYEING_MAX = 256 }; /* choices kept; the oldest goes first */

struct report_dyeing *report_dyeing_new(void);
void report_dyeing_free(struct report_dyeing *dyeing);

/* "KEY Servant [Function]", appended to `text` as it was understood; false when a part is missing
 * or one too many. Any thread. */
bool report_dyeing_choose(struct report_dyeing *dyeing, struct tars_str argument,
                          struct tars_writer *text);

/* True when calls with this routing key to that function were chosen. Costs nothing while there is
 * no choice. */
bool report_dyeing_is(struct report_dyeing *dyeing, struct tars_str key, struct tars_str servant,
                      struct tars_str function);

#endif
