/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time zones: UTC, offsets ("+08:00") and names ("Asia/Shanghai"), whose rules come from the
 * system's compiled zone files (RFC 8536). Immutable once opened. NULL stands for UTC.
 */
#ifndef STORE_ZONE_H
#define STORE_ZONE_H

#include <tars/types.h>

struct zone;

/* NULL when the name says none; zone_free when it is no longer needed. */
struct zone *zone_open(struct tars_str name);
void zone_free(void *zone);
/* How far the zone is ahead of UTC then, in ms. */
int64_t zone_offset(const struct zone *z, int64_t utc_ms);
/* The first instant at which clocks of the zone show that time or, where they skip it, the one at
 * which they go on behind it. */
int64_t zone_to_utc(const struct zone *z, int64_t local_ms);

#endif
