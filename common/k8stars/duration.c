/* SPDX-License-Identifier: BSD-3-Clause */
#include "duration.h"

#include <errno.h>
#include <stdlib.h>

enum { NS_PER_MS = 1000000, DIGITS = 10 };

static const struct {
    const char *name;
    int64_t ns;
} units[] = {
    {"ns", 1},
    {"us", 1000},
    {"ms", NS_PER_MS},
    {"s", 1000LL * NS_PER_MS},
    {"m", 60 * 1000LL * NS_PER_MS},
    {"h", 60 * 60 * 1000LL * NS_PER_MS},
    {"d", 24 * 60 * 60 * 1000LL * NS_PER_MS},
};

static bool refuse(const char *text, struct tars_error *error)
{
    return tars_fail(error, 1,
                     "'%.60s' is no duration: a whole number with one unit of ns us ms s m h d, "
                     "such as 30s",
                     text);
}

static int64_t to_ms(int64_t ns)
{
    return ns / NS_PER_MS + (ns % NS_PER_MS > 0) - (ns % NS_PER_MS < 0);
}

bool duration_parse(const char *text, int64_t *ms, struct tars_error *error)
{
    const char *digits = text + (*text == '-' || *text == '+');
    char *unit;
    int64_t value;

    *ms = 0;
    if (strcmp(text, "") == 0 || strcmp(text, "0") == 0)
        return true;
    if (*digits < '0' || *digits > '9')
        return refuse(text, error);
    errno = 0;
    value = strtoll(text, &unit, DIGITS);
    for (size_t i = 0; errno == 0 && i < sizeof units / sizeof *units; i++) {
        int64_t ns;

        if (strcmp(unit, units[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(value, units[i].ns, &ns))
            break;
        *ms = to_ms(ns);
        return true;
    }
    return refuse(text, error);
}
