/* SPDX-License-Identifier: BSD-3-Clause */
/* Dates in the formats of Elasticsearch that the store knows, to milliseconds since 1970 UTC. */
#ifndef STORE_DATE_H
#define STORE_DATE_H

#include <tars/types.h>

enum date_format { DATE_ISO = 1, DATE_EPOCH_MILLIS = 2, DATE_EPOCH_SECOND = 4 };
enum { DATE_DEFAULT = DATE_ISO | DATE_EPOCH_MILLIS };

/* "strict_date_optional_time||epoch_millis" to bits; 0 when a format is not known. */
unsigned date_formats(struct tars_str text);

/* `last`: a time that is left out counts as the day's end, as Elasticsearch rounds up: "2024-01" is
 * the first of January, then 23:59:59.999. */
bool date_parse(struct tars_str text, unsigned formats, bool last, int64_t *ms);

#endif
