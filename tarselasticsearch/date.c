/* SPDX-License-Identifier: BSD-3-Clause */
#include "date.h"

#include <stdlib.h>

static const struct {
    const char *name;
    unsigned bit;
} names[] = {
    {"strict_date_optional_time", DATE_ISO},
    {"epoch_millis", DATE_EPOCH_MILLIS},
    {"epoch_second", DATE_EPOCH_SECOND},
};

unsigned date_formats(struct tars_str text)
{
    unsigned bits = 0;
    const char *at = text.at, *end = text.at + text.len;
    while (at < end) {
        const char *bar = memmem(at, (size_t)(end - at), "||", 2);
        struct tars_str one = tars_str_n(at, (size_t)((bar ? bar : end) - at));
        unsigned bit = 0;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (tars_str_is(one, names[i].name))
                bit = names[i].bit;
        if (!bit)
            return 0;
        bits |= bit;
        at = bar ? bar + 2 : end;
    }
    return bits;
}

/* Exactly `digits` digits; moves `at`. */
static bool read_digits(const char **at, const char *end, int digits, int *v)
{
    *v = 0;
    for (int i = 0; i < digits; i++, (*at)++) {
        if (*at == end || **at < '0' || **at > '9')
            return false;
        *v = *v * 10 + (**at - '0');
    }
    return true;
}

static bool eat(const char **at, const char *end, char c)
{
    if (*at == end || **at != c)
        return false;
    (*at)++;
    return true;
}

static int64_t days_from_civil(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400, year = y - era * 400;
    int64_t day = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + year * 365 + year / 4 - year / 100 + day - 719468;
}

static int days_in_month(int y, int m)
{
    static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m == 2 && leap ? 29 : days[m - 1];
}

/* Z, ±hh, ±hhmm, ±hh:mm, or nothing (UTC), to minutes. */
static bool read_zone(const char **at, const char *end, int *minutes)
{
    int h, m = 0;
    *minutes = 0;
    if (*at == end || eat(at, end, 'Z'))
        return true;
    int sign = eat(at, end, '+') ? 1 : eat(at, end, '-') ? -1 : 0;
    if (!sign || !read_digits(at, end, 2, &h))
        return false;
    bool colon = eat(at, end, ':');
    if ((colon || *at < end) && !read_digits(at, end, 2, &m))
        return false;
    *minutes = sign * (h * 60 + m);
    return h <= 18 && m < 60;
}

struct moment {
    int year, month, day, hour, minute, second, milli;
};

static bool read_time(const char **at, const char *end, struct moment *t)
{
    if (!read_digits(at, end, 2, &t->hour) || t->hour > 23)
        return false;
    if (!eat(at, end, ':'))
        return true;
    if (!read_digits(at, end, 2, &t->minute) || t->minute > 59)
        return false;
    if (!eat(at, end, ':'))
        return true;
    if (!read_digits(at, end, 2, &t->second) || t->second > 59)
        return false;
    if (!eat(at, end, '.') && !eat(at, end, ','))
        return true;
    int digits = 0, weight = 100;
    for (t->milli = 0; *at < end && **at >= '0' && **at <= '9'; (*at)++, digits++, weight /= 10)
        t->milli += (**at - '0') * weight;
    return digits >= 1 && digits <= 9;
}

static bool parse_iso(struct tars_str text, bool last, int64_t *ms)
{
    const char *at = text.at, *end = text.at + text.len;
    struct moment t = {0, 1, 1, 0, 0, 0, 0};
    int zone = 0;
    bool month_given = false, day_given = false;
    if (last)
        t = (struct moment){0, 1, 1, 23, 59, 59, 999};
    if (!read_digits(&at, end, 4, &t.year))
        return false;
    if (eat(&at, end, '-')) {
        month_given = true;
        if (!read_digits(&at, end, 2, &t.month) || t.month < 1 || t.month > 12)
            return false;
        if (eat(&at, end, '-')) {
            day_given = true;
            if (!read_digits(&at, end, 2, &t.day) || t.day < 1 ||
                t.day > days_in_month(t.year, t.month))
                return false;
        }
    }
    if (eat(&at, end, 'T') &&
        (!month_given || !day_given ||
         (at < end && (!read_time(&at, end, &t) || !read_zone(&at, end, &zone)))))
        return false;
    if (at != end)
        return false;
    *ms = (((days_from_civil(t.year, t.month, t.day) * 24 + t.hour) * 60 + t.minute - zone) * 60 +
           t.second) *
              1000 +
          t.milli;
    return true;
}

static bool parse_epoch(struct tars_str text, int64_t unit, int64_t *ms)
{
    char number[24], *end;
    if (text.len == 0 || text.len > 18)
        return false;
    memcpy(number, text.at, text.len);
    number[text.len] = '\0';
    if (number[0] != '-' && (number[0] < '0' || number[0] > '9'))
        return false;
    int64_t whole = strtoll(number, &end, 10);
    if (end == number || (*end != '\0' && *end != '.') ||
        strspn(end + (*end == '.'), "0123456789") != strlen(end + (*end == '.')))
        return false;
    return !__builtin_mul_overflow(whole, unit, ms);
}

bool date_parse(struct tars_str text, unsigned formats, bool last, int64_t *ms)
{
    return ((formats & DATE_ISO) && parse_iso(text, last, ms)) ||
           ((formats & DATE_EPOCH_MILLIS) && parse_epoch(text, 1, ms)) ||
           ((formats & DATE_EPOCH_SECOND) && parse_epoch(text, 1000, ms));
}

/* ---- printing and rounding
 * --------------------------------------------------------------------------------- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static void civil_from_days(int64_t days, int64_t *y, int *m, int *d)
{
    days += 719468;
    int64_t era = floor_div(days, 146097), day = days - era * 146097;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t rest = day - (365 * year + year / 4 - year / 100), part = (5 * rest + 2) / 153;
    *d = (int)(rest - (153 * part + 2) / 5 + 1);
    *m = (int)(part < 10 ? part + 3 : part - 9);
    *y = year + era * 400 + (*m <= 2);
}

void date_print(int64_t ms, const char *format, struct text *to)
{
    int64_t y, days = floor_div(ms, 86400000), rest = ms - days * 86400000;
    int m, d;
    if (format && strncmp(format, "epoch_millis", 12) == 0) {
        text_addf(to, "%lld", (long long)ms);
        return;
    }
    if (format && strncmp(format, "epoch_second", 12) == 0) {
        text_addf(to, "%lld", (long long)floor_div(ms, 1000));
        if (ms % 1000)
            text_addf(to, ".%03lld", (long long)(ms - floor_div(ms, 1000) * 1000));
        return;
    }
    civil_from_days(days, &y, &m, &d);
    text_addf(to, "%04lld-%02d-%02dT%02lld:%02lld:%02lld.%03lldZ", (long long)y, m, d,
              (long long)(rest / 3600000), (long long)(rest / 60000 % 60),
              (long long)(rest / 1000 % 60), (long long)(rest % 1000));
}

static int64_t floor_month(int64_t days, enum date_unit unit, int units)
{
    int64_t y;
    int m, d, step = unit == DATE_YEAR ? 12 : unit == DATE_QUARTER ? 3 : 1;
    civil_from_days(days, &y, &m, &d);
    int64_t month = floor_div(y * 12 + m - 1, step) * step + (int64_t)units * step;
    y = floor_div(month, 12);
    return days_from_civil(y, (int)(month - y * 12) + 1, 1);
}

int64_t date_floor(int64_t ms, enum date_unit unit, int units, int64_t zone_ms)
{
    static const int64_t lengths[] = {1, 60000, 3600000, 86400000};
    ms += zone_ms;
    if (unit <= DATE_DAY)
        return (floor_div(ms, lengths[unit]) + units) * lengths[unit] - zone_ms;
    int64_t days = floor_div(ms, 86400000);
    /* The first of January 1970 was a Thursday; weeks begin on Monday. */
    days = unit == DATE_WEEK ? (floor_div(days + 3, 7) + units) * 7 - 3
                             : floor_month(days, unit, units);
    return days * 86400000 - zone_ms;
}

bool date_zone(struct tars_str text, int64_t *zone_ms)
{
    const char *at = text.at, *end = text.at + text.len;
    int minutes = 0, hours;
    *zone_ms = 0;
    if (tars_str_is(text, "UTC") || tars_str_is(text, "GMT"))
        return true;
    if (text.len == 2 && (*at == '+' || *at == '-')) {
        hours = at[1] - '0';
        minutes = *at == '-' ? -hours * 60 : hours * 60;
        *zone_ms = (int64_t)minutes * 60000;
        return hours >= 0 && hours <= 9;
    }
    if (text.len == 0 || !read_zone(&at, end, &minutes) || at != end)
        return false;
    *zone_ms = (int64_t)minutes * 60000;
    return true;
}
