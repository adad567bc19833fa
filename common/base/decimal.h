/* SPDX-License-Identifier: BSD-3-Clause */
/* Fractions as text with a point, whatever locale the program has set. */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include <stddef.h>

/* As strtod and strtof; `end` may be NULL. */
double decimal_double(const char *text, char **end);
float decimal_float(const char *text, char **end);

/* As snprintf. */
int decimal_print(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
