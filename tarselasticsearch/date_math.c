/* SPDX-License-Identifier: BSD-3-Clause */
#include "date_math.h"

static bool read_unit(char c, enum date_unit *unit)
{
    static const struct {
        char letter;
        enum date_unit unit;
    } units[] = {{'y', DATE_YEAR}, {'M', DATE_MONTH}, {'w', DATE_WEEK},   {'d', DATE_DAY},
                 {'h', DATE_HOUR}, {'H', DATE_HOUR},  {'m', DATE_MINUTE}, {'s', DATE_FIXED}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (units[i].letter != c)
            continue;
        *unit = units[i].unit;
        return true;
    }
    return false;
}

/* Months and years keep the day, or take the month's last. */
static int64_t add(int64_t ms, enum date_unit unit, int64_t n, const struct zone *zone)
{
    static const int64_t lengths[] = {1000, 60000, 3600000, 86400000, 604800000};
    if (unit <= DATE_WEEK)
        return ms + n * lengths[unit];
    int units = (int)n;
    int64_t month = date_floor(ms, DATE_MONTH, 0, zone), inside = ms - month;
    int64_t moved = date_floor(month, DATE_MONTH, unit == DATE_YEAR ? units * 12 : units, zone);
    int64_t end = date_floor(moved, DATE_MONTH, 1, zone), day = 86400000;
    while (moved + inside >= end)
        inside -= day;
    return moved + inside;
}

static int64_t round_to(int64_t ms, enum date_unit unit, bool up, const struct zone *zone)
{
    if (unit == DATE_FIXED) {
        int64_t second = ms - ((ms % 1000) + 1000) % 1000;
        return up ? second + 999 : second;
    }
    return up ? date_floor(ms, unit, 1, zone) - 1 : date_floor(ms, unit, 0, zone);
}

static bool apply(struct tars_str text, bool up, const struct zone *zone, int64_t *ms)
{
    enum { LIMIT = 1000000 };
    for (size_t i = 0; i < text.len;) {
        char operation = text.at[i++];
        enum date_unit unit;
        int64_t n = 0;
        size_t digits = i;
        if (operation != '+' && operation != '-' && operation != '/')
            return false;
        for (; i < text.len && text.at[i] >= '0' && text.at[i] <= '9'; i++)
            n = n > LIMIT ? n : n * 10 + (text.at[i] - '0');
        n = i == digits ? 1 : n;
        if (i == text.len || n > LIMIT || !read_unit(text.at[i++], &unit) ||
            (operation == '/' && n != 1))
            return false;
        *ms = operation == '/' ? round_to(*ms, unit, up, zone)
                               : add(*ms, unit, operation == '-' ? -n : n, zone);
        if (*ms > (int64_t)9000000000000000 || *ms < -(int64_t)9000000000000000)
            return false;
    }
    return true;
}

bool date_math(struct tars_str text, const char *format, bool up, const struct zone *zone,
               int64_t now_ms, int64_t *ms)
{
    if (text.len >= 3 && memcmp(text.at, "now", 3) == 0) {
        *ms = now_ms;
        return apply(tars_str_n(text.at + 3, text.len - 3), up, zone, ms);
    }
    const char *bar = text.len ? memmem(text.at, text.len, "||", 2) : NULL;
    struct tars_str date = tars_str_n(text.at, bar ? (size_t)(bar - text.at) : text.len);
    return date_parse(date, format, up && !bar, zone, ms) &&
           (!bar || apply(tars_str_n(bar + 2, text.len - date.len - 2), up, zone, ms));
}
