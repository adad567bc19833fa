/* SPDX-License-Identifier: BSD-3-Clause */
#include <tars/types.h>

#include <stdio.h>

bool tars_fail(struct tars_error *error, int code, const char *format, ...)
{
    if (!error)
        return false;
    va_list args;
    va_start(args, format);
    error->code = code;
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return false;
}

bool tars_fail_prefix(struct tars_error *error, const char *format, ...)
{
    if (!error)
        return false;
    char text[sizeof error->text];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len >= 0 && (size_t)len < sizeof text - 1)
        snprintf(text + len, sizeof text - (size_t)len, "%s", error->text);
    memcpy(error->text, text, sizeof text);
    return false;
}
