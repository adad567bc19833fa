/* SPDX-License-Identifier: BSD-3-Clause */
/* The steps of a histogram, over numbers or over time. */
#ifndef STORE_ROUNDING_H
#define STORE_ROUNDING_H

#include "agg.h"
#include "date.h"

struct rounding {
    bool dates;
    enum date_unit unit; /* DATE_FIXED: by `step` */
    double step, offset; /* of dates in ms */
    const struct zone *zone;
};

/* Takes interval, fixed_interval, calendar_interval, time_zone and offset. */
bool rounding_option(struct aggs *all, struct rounding *r, const struct json *p, bool *taken);
bool rounding_check(struct aggs *all, const struct rounding *r);
/* The step that a value falls into, and the one `steps` further. */
double rounding_floor(const struct rounding *r, double v);
double rounding_next(const struct rounding *r, double key, int steps);
/* As the key of a bucket. */
struct value rounding_key(const struct rounding *r, double key);

#endif
