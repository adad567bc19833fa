/* SPDX-License-Identifier: BSD-3-Clause */
/* Dates as queries write them: "now-1d/d", "2024-01-01||+1M/d", and plain ones. */
#ifndef STORE_DATE_MATH_H
#define STORE_DATE_MATH_H

#include "date.h"

/* `up`: what is left out or rounded away counts to its end. A date without a zone, and rounding,
 * are in `zone`. */
bool date_math(struct tars_str text, const char *format, bool up, const struct zone *zone,
               int64_t now_ms, int64_t *ms);

#endif
