/* SPDX-License-Identifier: BSD-3-Clause */
#include "zone.h"

#include "base/xmalloc.h"
#include "civil.h"

#include <stdio.h>
#include <stdlib.h>

enum { ZONE_FILE_MAX = 65536, ZONE_NAME_MAX = 64, DAY_S = 86400 };

/* When daylight saving begins or ends: the n-th weekday of a month (5: the last), at a time. */
struct rule {
    int month, week, day;
    int64_t second;
};

struct zone {
    int64_t offset_s;        /* before the first change, and of a fixed zone */
    int64_t *at_s, *after_s; /* changes, and the offset from then on */
    size_t count;
    bool summer; /* behind the last change: by rules, from `begin` to `end` */
    int64_t standard_s, summer_s;
    struct rule begin, end;
};

/* ---- offsets
 * ------------------------------------------------------------------------------------------ */

static bool digits(struct tars_str s, size_t *at, size_t least, size_t most, int64_t *v)
{
    size_t begin = *at;
    for (*v = 0; *at < s.len && *at < begin + most && s.at[*at] >= '0' && s.at[*at] <= '9'; ++*at)
        *v = *v * 10 + (s.at[*at] - '0');
    return *at - begin >= least;
}

/* "Z", "UTC", "+8", "+08:00", "-0330", "UTC+1" */
static bool read_offset(struct tars_str s, int64_t *offset_s)
{
    size_t at = 0;
    int64_t h, m = 0;
    *offset_s = 0;
    if (tars_str_is(s, "Z") || tars_str_is(s, "UTC") || tars_str_is(s, "GMT") ||
        tars_str_is(s, "UT"))
        return true;
    if (s.len > 3 && (memcmp(s.at, "UTC", 3) == 0 || memcmp(s.at, "GMT", 3) == 0))
        at = 3;
    if (at >= s.len || (s.at[at] != '+' && s.at[at] != '-'))
        return false;
    int sign = s.at[at++] == '-' ? -1 : 1;
    size_t before = at;
    if (!digits(s, &at, 1, 2, &h))
        return false;
    bool colon = at < s.len && s.at[at] == ':';
    at += colon;
    if ((colon || at < s.len) && (at - before - colon != 2 || !digits(s, &at, 2, 2, &m)))
        return false;
    *offset_s = sign * (h * 3600 + m * 60);
    return at == s.len && h <= 18 && m < 60;
}

/* ---- zone files
 * --------------------------------------------------------------------------------------- */

static int64_t big(const unsigned char *at, int bytes)
{
    uint64_t v = at[0] & 0x80 ? ~(uint64_t)0 : 0;
    for (int i = 0; i < bytes; i++)
        v = v << 8 | at[i];
    return (int64_t)v;
}

struct header {
    size_t isut, isstd, leap, time, type, chars;
};

/* The numbers behind "TZif"; false when the file is too short for what they say. */
static bool read_header(const unsigned char *at, size_t len, size_t time_size, struct header *h,
                        size_t *body)
{
    if (len < 44 || memcmp(at, "TZif", 4) != 0)
        return false;
    size_t *counts[] = {&h->isut, &h->isstd, &h->leap, &h->time, &h->type, &h->chars};
    for (int i = 0; i < 6; i++) {
        int64_t n = big(at + 20 + i * (ptrdiff_t)4, 4);
        if (n < 0 || n > ZONE_FILE_MAX)
            return false;
        *counts[i] = (size_t)n;
    }
    *body = h->time * time_size + h->time + h->type * 6 + h->chars + h->leap * (time_size + 4) +
            h->isstd + h->isut;
    return len - 44 >= *body && h->type > 0;
}

static bool read_changes(struct zone *z, const unsigned char *at, const struct header *h)
{
    const unsigned char *types = at + h->time * 8, *infos = types + h->time;
    z->at_s = xcalloc(h->time + 1, sizeof *z->at_s);
    z->after_s = xcalloc(h->time + 1, sizeof *z->after_s);
    z->offset_s = z->standard_s = big(infos, 4);
    for (size_t i = 0; i < h->time; i++) {
        if (types[i] >= h->type)
            return false;
        z->at_s[i] = big(at + i * 8, 8);
        z->after_s[i] = z->standard_s = big(infos + (size_t)types[i] * 6, 4);
        z->count++;
    }
    return true;
}

/* "CST-8", "<+0330>-3:30": skips the name. */
static bool skip_name(struct tars_str s, size_t *at)
{
    size_t begin = *at;
    bool quoted = *at < s.len && s.at[*at] == '<';
    while (*at < s.len && (quoted ? s.at[*at] != '>'
                                  : (s.at[*at] >= 'A' && s.at[*at] <= 'Z') ||
                                        (s.at[*at] >= 'a' && s.at[*at] <= 'z')))
        ++*at;
    *at += quoted && *at < s.len;
    return *at > begin;
}

/* [+-]hh[:mm[:ss]] */
static bool read_time(struct tars_str s, size_t *at, int64_t *seconds)
{
    int64_t part, weight = 3600, sign = 1;
    *seconds = 0;
    if (*at < s.len && (s.at[*at] == '-' || s.at[*at] == '+'))
        sign = s.at[(*at)++] == '-' ? -1 : 1;
    do {
        if (!digits(s, at, 1, 3, &part))
            return false;
        *seconds += part * weight;
        weight /= 60;
    } while (weight && *at < s.len && s.at[*at] == ':' && ++*at);
    *seconds *= sign;
    return true;
}

/* ",M3.2.0/2" */
static bool read_rule(struct tars_str s, size_t *at, struct rule *r)
{
    int64_t month, week, day;
    if (*at + 1 >= s.len || s.at[*at] != ',' || s.at[*at + 1] != 'M')
        return false;
    *at += 2;
    if (!digits(s, at, 1, 2, &month) || *at >= s.len || s.at[(*at)++] != '.' ||
        !digits(s, at, 1, 1, &week) || *at >= s.len || s.at[(*at)++] != '.' ||
        !digits(s, at, 1, 1, &day) || month < 1 || month > 12 || week < 1 || week > 5 || day > 6)
        return false;
    *r = (struct rule){(int)month, (int)week, (int)day, 7200};
    if (*at < s.len && s.at[*at] == '/') {
        ++*at;
        return read_time(s, at, &r->second);
    }
    return true;
}

/* The last line: what holds behind the last change. Without daylight saving nothing is left to say.
 */
static void read_footer(struct zone *z, struct tars_str s)
{
    size_t at = 0;
    int64_t west, summer;
    if (!skip_name(s, &at) || !read_time(s, &at, &west) || !skip_name(s, &at))
        return;
    summer = west - 3600;
    if (at < s.len && s.at[at] != ',' && !read_time(s, &at, &summer))
        return;
    z->summer = read_rule(s, &at, &z->begin) && read_rule(s, &at, &z->end);
    z->standard_s = z->summer ? -west : z->standard_s;
    z->summer_s = -summer;
}

static bool read_file(struct zone *z, const unsigned char *at, size_t len)
{
    struct header h;
    size_t body;
    if (!read_header(at, len, 4, &h, &body) || at[4] < '2')
        return false;
    at += 44 + body;
    len -= 44 + body;
    if (!read_header(at, len, 8, &h, &body) || !read_changes(z, at + 44, &h))
        return false;
    const char *footer = (const char *)at + 44 + body;
    size_t left = len - 44 - body;
    const char *end = left > 2 ? memchr(footer + 1, '\n', left - 1) : NULL;
    if (end)
        read_footer(z, tars_str_n(footer + 1, (size_t)(end - footer - 1)));
    return true;
}

static bool is_name(struct tars_str name)
{
    if (!name.len || name.len > ZONE_NAME_MAX || name.at[0] == '/')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '/' || c == '_' || c == '-' || c == '+'))
            return false;
    }
    return true;
}

static bool load(struct zone *z, struct tars_str name)
{
    char path[128];
    if (!is_name(name))
        return false;
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%.*s", (int)name.len, name.at);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    unsigned char *bytes = xcalloc(1, ZONE_FILE_MAX);
    size_t len = fread(bytes, 1, ZONE_FILE_MAX, file);
    bool ok = read_file(z, bytes, len);
    free(bytes);
    fclose(file);
    return ok;
}

struct zone *zone_open(struct tars_str name)
{
    struct zone *z = xcalloc(1, sizeof *z);
    if (read_offset(name, &z->offset_s)) {
        z->standard_s = z->offset_s;
        return z;
    }
    if (load(z, name))
        return z;
    zone_free(z);
    return NULL;
}

void zone_free(void *zone)
{
    struct zone *z = zone;
    if (!z)
        return;
    free(z->at_s);
    free(z->after_s);
    free(z);
}

/* ---- asking
 * ------------------------------------------------------------------------------------------- */

/* The second, in UTC, at which a rule holds in a year; `before_s`: the offset until then. */
static int64_t rule_second(const struct rule *r, int64_t year, int64_t before_s)
{
    int64_t first = civil_days(year, r->month, 1);
    int64_t weekday = ((first + 4) % 7 + 7) % 7; /* of the first; Sunday is 0 */
    int64_t day = first + (r->day - weekday + 7) % 7 + (r->week - 1) * (int64_t)7;
    while (day >= first + civil_month_days(year, r->month))
        day -= 7;
    return day * DAY_S + r->second - before_s;
}

static int64_t rules_offset(const struct zone *z, int64_t utc_s)
{
    int64_t year;
    int month, day;
    civil_date(civil_floor(utc_s + z->standard_s, DAY_S), &year, &month, &day);
    int64_t begin = rule_second(&z->begin, year, z->standard_s),
            end = rule_second(&z->end, year, z->summer_s);
    bool summer = begin < end ? utc_s >= begin && utc_s < end : utc_s >= begin || utc_s < end;
    return summer ? z->summer_s : z->standard_s;
}

int64_t zone_offset(const struct zone *z, int64_t utc_ms)
{
    if (!z)
        return 0;
    int64_t s = civil_floor(utc_ms, 1000);
    size_t low = 0, high = z->count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (z->at_s[mid] <= s)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == z->count && z->summer)
        return rules_offset(z, s) * 1000;
    return (low ? z->after_s[low - 1] : z->offset_s) * 1000;
}

int64_t zone_to_utc(const struct zone *z, int64_t local_ms)
{
    if (!z)
        return local_ms;
    /* The offsets a day before and after are those on both sides of a change in between. */
    int64_t before = zone_offset(z, local_ms - DAY_S * 1000LL),
            after = zone_offset(z, local_ms + DAY_S * 1000LL);
    int64_t early = local_ms - (before > after ? before : after),
            late = local_ms - (before > after ? after : before);
    if (early + zone_offset(z, early) == local_ms)
        return early;
    if (late + zone_offset(z, late) == local_ms)
        return late;
    /* Skipped: the change lies between the two. */
    while (late - early > 1) {
        int64_t mid = early + (late - early) / 2;
        if (zone_offset(z, mid) == after)
            late = mid;
        else
            early = mid;
    }
    return late;
}
