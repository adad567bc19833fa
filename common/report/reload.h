/* SPDX-License-Identifier: BSD-3-Clause */
/* The start-up file, read again while the server runs: what of it takes effect. */
#ifndef REPORT_RELOAD_H
#define REPORT_RELOAD_H

#include "report/server.h"

/* Both append the answer for the administrator. Main thread. */

/* Locator, report interval and size, and the objects to report to; one that was not configured at
 * the start stays off. */
void report_reload_properties(struct report_server *report, struct tars_writer *answer);
/* "reload": the locator; every object's endpoints are asked for anew. */
void report_reload_locator(struct report_server *report, struct tars_str argument,
                           struct tars_writer *answer);

#endif
