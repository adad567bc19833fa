/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/decimal.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* The C library gives one that it has anyway: no allocation, nothing to release. */
static locale_t plain(void)
{
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

double decimal_double(const char *text, char **end)
{
    return strtod_l(text, end, plain());
}

float decimal_float(const char *text, char **end)
{
    return strtof_l(text, end, plain());
}

int decimal_print(char *text, size_t size, const char *format, ...)
{
    locale_t before = uselocale(plain());
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, size, format, args);
    va_end(args);
    uselocale(before);
    return len;
}
