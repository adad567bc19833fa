/* SPDX-License-Identifier: BSD-3-Clause */
/* Dates in the formats of Elasticsearch that the store knows, to milliseconds since 1970 UTC. */
#ifndef STORE_DATE_H
#define STORE_DATE_H

#include "text.h"

enum date_format { DATE_ISO = 1, DATE_EPOCH_MILLIS = 2, DATE_EPOCH_SECOND = 4 };
enum { DATE_DEFAULT = DATE_ISO | DATE_EPOCH_MILLIS };

/* "strict_date_optional_time||epoch_millis" to bits; 0 when a format is not known. */
unsigned date_formats(struct tars_str text);

/* `last`: a time that is left out counts as the day's end, as Elasticsearch rounds up: "2024-01" is
 * the first of January, then 23:59:59.999. */
bool date_parse(struct tars_str text, unsigned formats, bool last, int64_t *ms);

/* Appends the time without quotes in the first of the formats (NULL: as ISO). */
void date_print(int64_t ms, const char *format, struct text *to);

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
/* The beginning of the unit in which `ms` lies, moved on by `units`, in a zone that is `zone_ms`
 * ahead of UTC. */
int64_t date_floor(int64_t ms, enum date_unit unit, int units, int64_t zone_ms);
/* "Z", "UTC", "+08:00", "-3" to milliseconds ahead of UTC. */
bool date_zone(struct tars_str text, int64_t *zone_ms);

#endif
