/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dates as Elasticsearch writes and reads them, to milliseconds since 1970 UTC. A format is one or
 * more of the known names and of patterns such as "yyyy-MM-dd HH:mm:ss", "||" between them; NULL is
 * "strict_date_optional_time||epoch_millis".
 */
#ifndef STORE_DATE_H
#define STORE_DATE_H

#include "text.h"
#include "zone.h"

/* Whether this store can read and print all of it. */
bool date_format_known(struct tars_str format);

/* `last`: a time that is left out counts as the day's end, as Elasticsearch rounds up: "2024-01" is
 * the first of January, then 23:59:59.999. A date that says no zone is in `zone`. */
bool date_parse(struct tars_str text, const char *format, bool last, const struct zone *zone,
                int64_t *ms);

/* Appends the time without quotes in the first of the formats, as clocks of the zone show it. */
void date_print(int64_t ms, const char *format, const struct zone *zone, struct text *to);

enum date_unit {
    DATE_FIXED,
    DATE_MINUTE,
    DATE_HOUR,
    DATE_DAY,
    DATE_WEEK,
    DATE_MONTH,
    DATE_QUARTER,
    DATE_YEAR
};
/* The beginning of the unit in which `ms` lies, moved on by `units`. */
int64_t date_floor(int64_t ms, enum date_unit unit, int units, const struct zone *zone);

#endif
