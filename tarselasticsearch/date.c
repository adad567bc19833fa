/* SPDX-License-Identifier: BSD-3-Clause */
#include "date.h"

#include "civil.h"

#include <stdlib.h>

enum builtin { BY_PATTERN, ISO, EPOCH_MILLIS, EPOCH_SECOND };

static const struct {
    const char *name, *pattern;
    enum builtin how;
} names[] = {
    {"strict_date_optional_time", NULL, ISO},
    {"date_optional_time", NULL, ISO},
    {"strict_date_optional_time_nanos", NULL, ISO},
    {"epoch_millis", NULL, EPOCH_MILLIS},
    {"epoch_second", NULL, EPOCH_SECOND},
    {"basic_date", "yyyyMMdd", BY_PATTERN},
    {"basic_date_time", "yyyyMMdd'T'HHmmss.SSSXX", BY_PATTERN},
    {"basic_date_time_no_millis", "yyyyMMdd'T'HHmmssXX", BY_PATTERN},
    {"date", "yyyy-MM-dd", BY_PATTERN},
    {"strict_date", "yyyy-MM-dd", BY_PATTERN},
    {"year_month_day", "yyyy-MM-dd", BY_PATTERN},
    {"strict_year_month_day", "yyyy-MM-dd", BY_PATTERN},
    {"year_month", "yyyy-MM", BY_PATTERN},
    {"strict_year_month", "yyyy-MM", BY_PATTERN},
    {"year", "yyyy", BY_PATTERN},
    {"strict_year", "yyyy", BY_PATTERN},
    {"date_hour", "yyyy-MM-dd'T'HH", BY_PATTERN},
    {"strict_date_hour", "yyyy-MM-dd'T'HH", BY_PATTERN},
    {"date_hour_minute", "yyyy-MM-dd'T'HH:mm", BY_PATTERN},
    {"strict_date_hour_minute", "yyyy-MM-dd'T'HH:mm", BY_PATTERN},
    {"date_hour_minute_second", "yyyy-MM-dd'T'HH:mm:ss", BY_PATTERN},
    {"strict_date_hour_minute_second", "yyyy-MM-dd'T'HH:mm:ss", BY_PATTERN},
    {"date_hour_minute_second_millis", "yyyy-MM-dd'T'HH:mm:ss.SSS", BY_PATTERN},
    {"strict_date_hour_minute_second_millis", "yyyy-MM-dd'T'HH:mm:ss.SSS", BY_PATTERN},
    {"date_time", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", BY_PATTERN},
    {"strict_date_time", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", BY_PATTERN},
    {"date_time_no_millis", "yyyy-MM-dd'T'HH:mm:ssXXX", BY_PATTERN},
    {"strict_date_time_no_millis", "yyyy-MM-dd'T'HH:mm:ssXXX", BY_PATTERN},
};

/* The next part of a format: its pattern, or a way of its own. */
static bool next_part(struct tars_str *format, struct tars_str *pattern, enum builtin *how)
{
    if (!format->len)
        return false;
    const char *bar = memmem(format->at, format->len, "||", 2);
    *pattern = tars_str_n(format->at, bar ? (size_t)(bar - format->at) : format->len);
    *format = bar ? tars_str_n(bar + 2, format->len - pattern->len - 2) : tars_str("");
    *how = BY_PATTERN;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!tars_str_is(*pattern, names[i].name))
            continue;
        *how = names[i].how;
        *pattern = tars_str(names[i].pattern ? names[i].pattern : names[i].name);
        return true;
    }
    return true;
}

static struct tars_str usual(const char *format)
{
    return tars_str(format ? format : "strict_date_optional_time||epoch_millis");
}

/* ---- patterns
 * ------------------------------------------------------------------------------------------ */

/* One letter as often as it stands there, or a literal character. */
struct element {
    char letter; /* 0: the literal */
    size_t count;
    char literal;
};

/* False at the end, or with letter '?' for what is not known. */
static bool next_element(struct tars_str *p, bool *quoted, struct element *e)
{
    while (p->len && p->at[0] == '\'') {
        if (p->len > 1 && p->at[1] == '\'') {
            *e = (struct element){.literal = '\''};
            *p = tars_str_n(p->at + 2, p->len - 2);
            return true;
        }
        *quoted = !*quoted;
        *p = tars_str_n(p->at + 1, p->len - 1);
    }
    if (!p->len)
        return false;
    char c = p->at[0];
    bool letter = !*quoted && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
    size_t n = 1;
    while (letter && n < p->len && p->at[n] == c)
        n++;
    *e = (struct element){letter ? c : '\0', n, c};
    if (letter && (!strchr("yuMdHmsSXxZ", c) || n > 9 || (strchr("MdHms", c) && n > 2)))
        e->letter = '?';
    if (!letter && !*quoted && strchr("[]{}#", c))
        e->letter = '?';
    *p = tars_str_n(p->at + n, p->len - n);
    return true;
}

bool date_format_known(struct tars_str format)
{
    struct tars_str pattern;
    enum builtin how;
    struct element e;
    bool any = false;
    while (next_part(&format, &pattern, &how)) {
        bool quoted = false, letters = how != BY_PATTERN;
        while (how == BY_PATTERN && next_element(&pattern, &quoted, &e)) {
            letters |= e.letter != '\0';
            if (e.letter == '?')
                return false;
        }
        if (quoted || !letters)
            return false;
        any = true;
    }
    return any;
}

/* ---- reading
 * ------------------------------------------------------------------------------------------- */

/* Between `least` and `most` digits; moves `at`. */
static bool read_digits(const char **at, const char *end, int least, int most, int *v)
{
    int n = 0;
    for (*v = 0; n < most && *at < end && **at >= '0' && **at <= '9'; n++, (*at)++)
        *v = *v * 10 + (**at - '0');
    return n >= least;
}

static bool eat(const char **at, const char *end, char c)
{
    if (*at == end || **at != c)
        return false;
    (*at)++;
    return true;
}

struct moment {
    int year, month, day, hour, minute, second, milli;
    bool zoned;
    int zone_s;
};

/* Z, ±hh, ±hhmm, ±hh:mm. */
static bool read_zone(const char **at, const char *end, struct moment *t)
{
    int h, m = 0;
    t->zoned = true;
    t->zone_s = 0;
    if (eat(at, end, 'Z'))
        return true;
    int sign = eat(at, end, '+') ? 1 : eat(at, end, '-') ? -1 : 0;
    if (!sign || !read_digits(at, end, 2, 2, &h))
        return false;
    bool colon = eat(at, end, ':');
    if ((colon || (*at < end && **at >= '0' && **at <= '9')) && !read_digits(at, end, 2, 2, &m))
        return false;
    t->zone_s = sign * (h * 3600 + m * 60);
    return h <= 18 && m < 60;
}

static bool read_fraction(const char **at, const char *end, int least, int most, int *milli)
{
    int digits = 0, weight = 100;
    for (*milli = 0; digits < most && *at < end && **at >= '0' && **at <= '9';
         (*at)++, digits++, weight /= 10)
        *milli += (**at - '0') * weight;
    return digits >= least;
}

static bool read_time(const char **at, const char *end, struct moment *t)
{
    if (!read_digits(at, end, 2, 2, &t->hour))
        return false;
    if (!eat(at, end, ':'))
        return true;
    if (!read_digits(at, end, 2, 2, &t->minute))
        return false;
    if (!eat(at, end, ':'))
        return true;
    if (!read_digits(at, end, 2, 2, &t->second))
        return false;
    if (!eat(at, end, '.') && !eat(at, end, ','))
        return true;
    return read_fraction(at, end, 1, 9, &t->milli);
}

static bool parse_iso(struct tars_str text, struct moment *t)
{
    const char *at = text.at, *end = text.at + text.len;
    bool month = false, day = false;
    if (!read_digits(&at, end, 4, 4, &t->year))
        return false;
    if (eat(&at, end, '-')) {
        month = true;
        if (!read_digits(&at, end, 2, 2, &t->month))
            return false;
        if (eat(&at, end, '-')) {
            day = true;
            if (!read_digits(&at, end, 2, 2, &t->day))
                return false;
        }
    }
    if (eat(&at, end, 'T') &&
        (!month || !day ||
         (at < end && (!read_time(&at, end, t) || (at < end && !read_zone(&at, end, t))))))
        return false;
    return at == end;
}

static bool read_element(const struct element *e, const char **at, const char *end,
                         struct moment *t)
{
    int n = (int)e->count, two;
    switch (e->letter) {
    case 'y':
    case 'u':
        if (n != 2)
            return read_digits(at, end, n, n < 4 ? 9 : n, &t->year);
        two = 0;
        if (!read_digits(at, end, 2, 2, &two))
            return false;
        t->year = 2000 + two;
        return true;
    case 'M':
        return read_digits(at, end, n, 2, &t->month);
    case 'd':
        return read_digits(at, end, n, 2, &t->day);
    case 'H':
        return read_digits(at, end, n, 2, &t->hour);
    case 'm':
        return read_digits(at, end, n, 2, &t->minute);
    case 's':
        return read_digits(at, end, n, 2, &t->second);
    case 'S':
        return read_fraction(at, end, n, n, &t->milli);
    default:
        return read_zone(at, end, t);
    }
}

static bool parse_pattern(struct tars_str text, struct tars_str pattern, struct moment *t)
{
    const char *at = text.at, *end = text.at + text.len;
    struct element e;
    bool quoted = false;
    while (next_element(&pattern, &quoted, &e))
        if (e.letter ? !read_element(&e, &at, end, t) : !eat(&at, end, e.literal))
            return false;
    return at == end;
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

static bool to_ms(const struct moment *t, const struct zone *zone, int64_t *ms)
{
    if (t->month < 1 || t->month > 12 || t->day < 1 ||
        t->day > civil_month_days(t->year, t->month) || t->hour > 23 || t->minute > 59 ||
        t->second > 59)
        return false;
    *ms = (((civil_days(t->year, t->month, t->day) * 24 + t->hour) * 60 + t->minute) * 60 +
           t->second) *
              1000 +
          t->milli;
    *ms = t->zoned ? *ms - t->zone_s * 1000LL : zone_to_utc(zone, *ms);
    return true;
}

bool date_parse(struct tars_str text, const char *format, bool last, const struct zone *zone,
                int64_t *ms)
{
    struct tars_str all = usual(format), pattern;
    enum builtin how;
    while (next_part(&all, &pattern, &how)) {
        struct moment t = {1970, 1, 1, 0, 0, 0, 0, false, 0};
        if (last)
            t = (struct moment){1970, 1, 1, 23, 59, 59, 999, false, 0};
        if (how == EPOCH_MILLIS || how == EPOCH_SECOND
                ? parse_epoch(text, how == EPOCH_MILLIS ? 1 : 1000, ms)
                : (how == ISO ? parse_iso(text, &t) : parse_pattern(text, pattern, &t)) &&
                      to_ms(&t, zone, ms))
            return true;
    }
    return false;
}

/* ---- printing and rounding
 * --------------------------------------------------------------------------------- */

static void print_zone(int64_t offset_ms, bool z, bool colon, struct text *to)
{
    int64_t minutes = offset_ms / 60000, size = minutes < 0 ? -minutes : minutes;
    if (minutes == 0 && z)
        text_adds(to, "Z");
    else
        text_addf(to, colon ? "%c%02d:%02d" : "%c%02d%02d", minutes < 0 ? '-' : '+',
                  (int)(size / 60), (int)(size % 60));
}

static void print_pattern(int64_t ms, struct tars_str pattern, int64_t offset, struct text *to)
{
    int64_t y, days = civil_floor(ms, 86400000), rest = ms - days * 86400000;
    int m, d, n;
    struct element e;
    bool quoted = false;
    civil_date(days, &y, &m, &d);
    while (next_element(&pattern, &quoted, &e)) {
        n = (int)e.count;
        switch (e.letter) {
        case 'y':
        case 'u':
            text_addf(to, "%0*lld", n, (long long)(n == 2 ? y % 100 : y));
            break;
        case 'M':
            text_addf(to, "%0*d", n, m);
            break;
        case 'd':
            text_addf(to, "%0*d", n, d);
            break;
        case 'H':
            text_addf(to, "%0*d", n, (int)(rest / 3600000));
            break;
        case 'm':
            text_addf(to, "%0*d", n, (int)(rest / 60000 % 60));
            break;
        case 's':
            text_addf(to, "%0*d", n, (int)(rest / 1000 % 60));
            break;
        case 'S':
            for (int i = 0, weight = 100; i < n; i++, weight /= 10)
                text_addf(to, "%d", weight ? (int)(rest % 1000 / weight % 10) : 0);
            break;
        case '\0':
            text_add(to, &e.literal, 1);
            break;
        default:
            print_zone(offset, e.letter == 'X', n == 3 || n == 5, to);
        }
    }
}

void date_print(int64_t ms, const char *format, const struct zone *zone, struct text *to)
{
    struct tars_str all = usual(format), pattern = {0};
    enum builtin how = ISO;
    int64_t offset = zone_offset(zone, ms);
    next_part(&all, &pattern, &how);
    if (how == EPOCH_MILLIS) {
        text_addf(to, "%lld", (long long)ms);
    } else if (how == EPOCH_SECOND) {
        text_addf(to, "%lld", (long long)civil_floor(ms, 1000));
        if (ms % 1000)
            text_addf(to, ".%03lld", (long long)(ms - civil_floor(ms, 1000) * 1000));
    } else {
        if (how == ISO)
            pattern = tars_str("yyyy-MM-dd'T'HH:mm:ss.SSSXXX");
        print_pattern(ms + offset, pattern, offset, to);
    }
}

static int64_t floor_month(int64_t days, enum date_unit unit, int units)
{
    int64_t y;
    int m, d, step = unit == DATE_YEAR ? 12 : unit == DATE_QUARTER ? 3 : 1;
    civil_date(days, &y, &m, &d);
    int64_t month = civil_floor(y * 12 + m - 1, step) * step + (int64_t)units * step;
    y = civil_floor(month, 12);
    return civil_days(y, (int)(month - y * 12) + 1, 1);
}

int64_t date_floor(int64_t ms, enum date_unit unit, int units, const struct zone *zone)
{
    static const int64_t lengths[] = {1, 60000, 3600000, 86400000};
    int64_t offset = zone_offset(zone, ms), local = ms + offset;
    if (unit < DATE_DAY)
        return (civil_floor(local, lengths[unit]) + units) * lengths[unit] - offset;
    int64_t days = civil_floor(local, 86400000);
    /* The first of January 1970 was a Thursday; weeks begin on Monday. */
    days = unit == DATE_DAY    ? days + units
           : unit == DATE_WEEK ? (civil_floor(days + 3, 7) + units) * 7 - 3
                               : floor_month(days, unit, units);
    return zone_to_utc(zone, days * 86400000);
}
