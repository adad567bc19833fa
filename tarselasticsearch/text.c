/* SPDX-License-Identifier: BSD-3-Clause */
#include "text.h"

#include "base/xmalloc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void text_free(struct text *t)
{
    free(t->at);
    *t = (struct text){0};
}

char *text_reserve(struct text *t, size_t more)
{
    if (t->size - t->len <= more) {
        size_t size = t->size ? t->size * 2 : 256;
        while (size - t->len <= more)
            size *= 2;
        t->at = xrealloc(t->at, size);
        t->size = size;
    }
    return t->at + t->len;
}

void text_add(struct text *t, const void *bytes, size_t len)
{
    char *to = text_reserve(t, len);
    if (len)
        memcpy(to, bytes, len);
    to[len] = '\0';
    t->len += len;
}

void text_adds(struct text *t, const char *s)
{
    text_add(t, s, strlen(s));
}

void text_addf(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = t->size - t->len; /* mostly enough */
    int len = vsnprintf(room ? t->at + t->len : NULL, room, format, args);
    va_end(args);
    if ((size_t)len >= room) {
        char *to = text_reserve(t, (size_t)len);
        va_start(args, format);
        vsnprintf(to, (size_t)len + 1, format, args);
        va_end(args);
    }
    t->len += (size_t)len;
}

void text_add_int(struct text *t, int64_t v)
{
    char digits[20], *at = digits + sizeof digits;
    uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do
        *--at = (char)('0' + left % 10);
    while (left /= 10);
    if (v < 0)
        text_add(t, "-", 1);
    text_add(t, at, (size_t)(digits + sizeof digits - at));
}

void text_add_json(struct text *t, struct tars_str s)
{
    static const char hex[] = "0123456789abcdef";
    static const char shorts[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    char *to = text_reserve(t, s.len * 6 + 2);
    char *begin = to;
    *to++ = '"';
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            *to++ = (char)c;
            continue;
        }
        const char *pair = shorts;
        while (*pair && (unsigned char)*pair != c)
            pair += 2;
        *to++ = '\\';
        if (*pair) {
            *to++ = pair[1];
            continue;
        }
        memcpy(to, "u00", 3);
        to[3] = hex[c >> 4];
        to[4] = hex[c & 15];
        to += 5;
    }
    *to++ = '"';
    *to = '\0';
    t->len += (size_t)(to - begin);
}

void text_add_double(struct text *t, double v)
{
    char number[40];
    if (isnan(v) || isinf(v)) {
        text_adds(t, isnan(v) ? "\"NaN\"" : v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(number, sizeof number, "%.*g", digits, v);
        if (strtod(number, NULL) == v)
            break;
    }
    text_adds(t, number);
    if (!strpbrk(number, ".e"))
        text_adds(t, ".0");
}

void text_cut(struct text *t, size_t len)
{
    t->len = len;
    if (t->at)
        t->at[len] = '\0';
}
