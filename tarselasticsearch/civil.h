/* SPDX-License-Identifier: BSD-3-Clause */
/* Days of the Gregorian calendar, counted from the first of January 1970. */
#ifndef STORE_CIVIL_H
#define STORE_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

static inline int64_t civil_floor(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static inline int64_t civil_days(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400, year = y - era * 400;
    int64_t day = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + year * 365 + year / 4 - year / 100 + day - 719468;
}

static inline void civil_date(int64_t days, int64_t *y, int *m, int *d)
{
    days += 719468;
    int64_t era = civil_floor(days, 146097), day = days - era * 146097;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t rest = day - (365 * year + year / 4 - year / 100), part = (5 * rest + 2) / 153;
    *d = (int)(rest - (153 * part + 2) / 5 + 1);
    *m = (int)(part < 10 ? part + 3 : part - 9);
    *y = year + era * 400 + (*m <= 2);
}

static inline int civil_month_days(int64_t y, int m)
{
    static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m == 2 && leap ? 29 : days[m - 1];
}

#endif
