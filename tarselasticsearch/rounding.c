/* SPDX-License-Identifier: BSD-3-Clause */
#include "rounding.h"

#include <math.h>

static const struct {
    const char *names[2];
    enum date_unit unit;
} calendar[] = {
    {{"minute", "1m"}, DATE_MINUTE}, {{"hour", "1h"}, DATE_HOUR},
    {{"day", "1d"}, DATE_DAY},       {{"week", "1w"}, DATE_WEEK},
    {{"month", "1M"}, DATE_MONTH},   {{"quarter", "1q"}, DATE_QUARTER},
    {{"year", "1y"}, DATE_YEAR},
};

static const struct {
    const char *unit;
    int64_t ms;
} fixed[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

/* "90s", with a sign when `sign`. */
static bool read_fixed(struct tars_str text, bool sign, double *ms)
{
    size_t i = 0, digits;
    bool minus = sign && text.len && text.at[0] == '-';
    int64_t n = 0;
    i = sign && text.len && (text.at[0] == '-' || text.at[0] == '+');
    for (digits = i; i < text.len && i < digits + 12 && text.at[i] >= '0' && text.at[i] <= '9'; i++)
        n = n * 10 + (text.at[i] - '0');
    for (size_t k = 0; i > digits && k < sizeof fixed / sizeof *fixed; k++) {
        if (!tars_str_is(tars_str_n(text.at + i, text.len - i), fixed[k].unit))
            continue;
        *ms = (double)(minus ? -n : n) * (double)fixed[k].ms;
        return fabs(*ms) < 9e15;
    }
    return false;
}

static bool read_calendar(struct aggs *all, struct rounding *r, const struct json *p)
{
    for (size_t i = 0; i < sizeof calendar / sizeof *calendar; i++) {
        if (!json_is_str(p, calendar[i].names[0]) && !json_is_str(p, calendar[i].names[1]))
            continue;
        r->unit = calendar[i].unit;
        r->step = 1;
        return true;
    }
    return agg_refuse(all, "x_content_parse_exception",
                      "The supplied interval [%" TARS_STR_FMT
                      "] could not be parsed as a calendar interval.",
                      TARS_STR_ARG(p->text));
}

static bool read_zone(struct aggs *all, struct rounding *r, const struct json *p)
{
    struct zone *zone = p->type == JSON_STRING ? zone_open(p->text) : NULL;
    if (!zone)
        return agg_refuse(all, "x_content_parse_exception",
                          "[date_histogram] failed to parse field [time_zone]: [%" TARS_STR_FMT
                          "] is no time zone",
                          TARS_STR_ARG(p->text));
    r->zone = zone;
    return aggs_own(all, zone, zone_free);
}

bool rounding_option(struct aggs *all, struct rounding *r, const struct json *p, bool *taken)
{
    *taken = true;
    if (!r->dates && tars_str_is(p->name, "interval"))
        return agg_number(all, p, &r->step);
    if (!r->dates && tars_str_is(p->name, "offset"))
        return agg_number(all, p, &r->offset);
    if (r->dates &&
        (tars_str_is(p->name, "fixed_interval") || tars_str_is(p->name, "calendar_interval")) &&
        r->step != 0)
        return agg_refuse(all, "illegal_argument_exception",
                          "Cannot use [%" TARS_STR_FMT "] with [fixed_interval] or "
                          "[calendar_interval] configuration option.",
                          TARS_STR_ARG(p->name));
    if (r->dates && tars_str_is(p->name, "calendar_interval"))
        return read_calendar(all, r, p);
    if (r->dates && tars_str_is(p->name, "fixed_interval"))
        return (p->type == JSON_STRING && read_fixed(p->text, false, &r->step) && r->step > 0) ||
               agg_refuse(all, "x_content_parse_exception",
                          "failed to parse setting [date_histogram.fixedInterval] with value "
                          "[%" TARS_STR_FMT "] as a time value: unit is missing or unrecognized",
                          TARS_STR_ARG(p->text));
    if (r->dates && tars_str_is(p->name, "offset"))
        return (p->type == JSON_STRING && read_fixed(p->text, true, &r->offset)) ||
               agg_refuse(all, "illegal_argument_exception",
                          "[offset] must be a time such as \"+6h\"");
    if (r->dates && tars_str_is(p->name, "time_zone"))
        return read_zone(all, r, p);
    *taken = false;
    return true;
}

bool rounding_check(struct aggs *all, const struct rounding *r)
{
    if (r->dates && r->step == 0)
        return agg_refuse_shard(all, "Invalid interval specified, must be non-null and non-empty");
    return (r->step > 0 && isfinite(r->step)) ||
           agg_refuse(all, "x_content_parse_exception",
                      "[interval] must be >0 for histogram aggregation");
}

/* A time that calendars can be asked for. */
static int64_t time_of(double v)
{
    return v > 9e15 ? (int64_t)9e15 : v < -9e15 ? -(int64_t)9e15 : (int64_t)v;
}

/* Clocks may be put back inside a step: of two instants that show its beginning the later one
 * counts, unless it lies behind `v`. */
static double step_of(const struct rounding *r, double v, int units)
{
    if (r->dates && r->unit != DATE_FIXED)
        return (double)date_floor(time_of(v), r->unit, units, r->zone);
    int64_t offset = zone_offset(r->zone, time_of(v));
    double local = (floor((v + (double)offset) / r->step) + units) * r->step;
    if (!r->zone)
        return local;
    double same = local - (double)offset;
    if (zone_offset(r->zone, time_of(same)) == offset)
        return same;
    return (double)zone_to_utc(r->zone, time_of(local));
}

double rounding_floor(const struct rounding *r, double v)
{
    return step_of(r, v - r->offset, 0) + r->offset;
}

double rounding_next(const struct rounding *r, double key, int steps)
{
    /* From the middle of the step, so that no rounding error falls below it. */
    double inside = r->unit == DATE_FIXED ? key - r->offset + r->step / 2 : key - r->offset;
    return step_of(r, inside, steps) + r->offset;
}

struct value rounding_key(const struct rounding *r, double key)
{
    if (r->dates)
        return (struct value){.kind = VALUE_INT, .i = time_of(key)};
    return (struct value){.kind = VALUE_REAL, .r = key == 0 ? 0 : key};
}
