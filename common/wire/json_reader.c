/* SPDX-License-Identifier: BSD-3-Clause */
#include <tars/json.h>

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/decimal.h"

enum { NUMBER_MAX = 1280 }; /* characters of a number: any double written out has less */

void tars_json_reader_init(struct tars_json_reader *r, struct tars_str text,
                           struct tars_arena *arena)
{
    r->at = r->begin = text.at;
    r->end = text.len ? text.at + text.len : text.at;
    r->arena = arena;
    r->depth = 0;
    r->error.code = 0;
    r->error.text[0] = '\0';
}

/* "corners[2].x: " for the value that is being read. */
static size_t print_path(const struct tars_json_reader *r, char *text, size_t size)
{
    size_t len = 0;
    for (uint32_t i = 1; i <= r->depth && len < size; i++) {
        struct tars_str name = r->path[i].name;
        int more = name.at ? snprintf(text + len, size - len, "%s%.*s", len ? "." : "",
                                      name.len < 64 ? (int)name.len : 64, name.at)
                           : snprintf(text + len, size - len, "[%zu]", r->path[i].index);
        len += (size_t)more;
    }
    if (len && len < size)
        len += (size_t)snprintf(text + len, size - len, ": ");
    return len < size ? len : size - 1;
}

bool tars_json_fail(struct tars_json_reader *r, const char *format, ...)
{
    if (r->error.code)
        return false;
    r->error.code = 1;
    size_t len = print_path(r, r->error.text, sizeof r->error.text);
    va_list args;
    va_start(args, format);
    vsnprintf(r->error.text + len, sizeof r->error.text - len, format, args);
    va_end(args);
    return false;
}

static void skip_space(struct tars_json_reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

/* The next character that is no space, or 0 at the end. */
static char peek(struct tars_json_reader *r)
{
    skip_space(r);
    return r->at < r->end ? *r->at : '\0';
}

static const char *kind(char c)
{
    switch (c) {
    case '{':
        return "an object";
    case '[':
        return "an array";
    case '"':
        return "a string";
    case 't':
    case 'f':
        return "a boolean";
    case 'n':
        return "null";
    case '\0':
        return "the end of the text";
    default:
        return (c >= '0' && c <= '9') || c == '-' ? "a number" : "an unexpected character";
    }
}

static bool expected(struct tars_json_reader *r, const char *what)
{
    return tars_json_fail(r, "%s was expected, %s stands there (byte %zu)", what, kind(peek(r)),
                          (size_t)(r->at - r->begin));
}

void *tars_json_alloc(struct tars_json_reader *r, size_t count, size_t size)
{
    void *p = NULL;
    if (r->arena && (count == 0 || size <= SIZE_MAX / count))
        p = tars_arena_alloc(r->arena, count * size);
    if (!p)
        tars_json_fail(r, "decoding needs more memory than is allowed");
    return p;
}

/* ---- objects and arrays ---------------------------------------------------------------------- */

static bool descend(struct tars_json_reader *r, char bracket, const char *what)
{
    if (r->error.code)
        return false;
    if (peek(r) != bracket)
        return expected(r, what);
    if (r->depth >= TARS_JSON_MAX_DEPTH)
        return tars_json_fail(r, "the text is nested too deeply");
    r->at++;
    r->depth++;
    r->path[r->depth].name = tars_str_n(NULL, 0);
    r->path[r->depth].index = SIZE_MAX; /* nothing read yet */
    return true;
}

bool tars_json_read_object(struct tars_json_reader *r)
{
    return descend(r, '{', "an object");
}

bool tars_json_read_array(struct tars_json_reader *r)
{
    return descend(r, '[', "an array");
}

/* Steps over the comma, or closes: both brackets work alike. */
static enum tars_found next_item(struct tars_json_reader *r, char closing)
{
    if (r->error.code)
        return TARS_FOUND_ERROR;
    bool first = r->path[r->depth].index == SIZE_MAX;
    char c = peek(r);
    if (c == closing) {
        r->at++;
        r->depth--;
        return TARS_ABSENT;
    }
    r->path[r->depth].index++;
    if (first)
        return TARS_FOUND;
    if (c != ',') {
        expected(r, closing == '}' ? "',' or '}'" : "',' or ']'");
        return TARS_FOUND_ERROR;
    }
    r->at++;
    return TARS_FOUND;
}

enum tars_found tars_json_next_element(struct tars_json_reader *r)
{
    return next_item(r, ']');
}

enum tars_found tars_json_next_member(struct tars_json_reader *r, struct tars_str *name)
{
    if (r->error.code)
        return TARS_FOUND_ERROR;
    r->path[r->depth].name = tars_str("");
    enum tars_found found = next_item(r, '}');
    if (found != TARS_FOUND)
        return found;
    if (!tars_json_read_str(r, name))
        return TARS_FOUND_ERROR;
    if (peek(r) != ':') {
        expected(r, "':'");
        return TARS_FOUND_ERROR;
    }
    r->at++;
    r->path[r->depth].name = name->at ? *name : tars_str("");
    return TARS_FOUND;
}

/* ---- words and numbers ----------------------------------------------------------------------- */

static bool take_word(struct tars_json_reader *r, const char *word)
{
    size_t len = strlen(word);
    skip_space(r);
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
        return false;
    r->at += len;
    return true;
}

bool tars_json_read_null(struct tars_json_reader *r)
{
    return !r->error.code && take_word(r, "null");
}

bool tars_json_read_bool(struct tars_json_reader *r, bool *v)
{
    if (r->error.code)
        return false;
    bool yes = take_word(r, "true");
    if (!yes && !take_word(r, "false"))
        return expected(r, "true or false");
    *v = yes;
    return true;
}

static bool digit(const struct tars_json_reader *r, const char *p)
{
    return p < r->end && *p >= '0' && *p <= '9';
}

static const char *digits(const struct tars_json_reader *r, const char *p)
{
    while (digit(r, p))
        p++;
    return p;
}

/* Copies a number as the JSON grammar wants it to a terminated text; `whole`: no fraction or
 * exponent. */
static bool take_number(struct tars_json_reader *r, char text[NUMBER_MAX], bool *whole)
{
    if (r->error.code)
        return false;
    char first = peek(r);
    const char *p = r->at + (first == '-');
    if (!digit(r, p))
        return expected(r, "a number");
    const char *start = p;
    p = digits(r, p);
    if (*start == '0' && p - start > 1)
        return tars_json_fail(r, "a number begins with 0");
    *whole = true;
    if (p < r->end && *p == '.') {
        *whole = false;
        if (!digit(r, ++p))
            return tars_json_fail(r, "a number ends in '.'");
        p = digits(r, p);
    }
    if (p < r->end && (*p == 'e' || *p == 'E')) {
        *whole = false;
        p++;
        if (p < r->end && (*p == '+' || *p == '-'))
            p++;
        if (!digit(r, p))
            return tars_json_fail(r, "a number's exponent has no digits");
        p = digits(r, p);
    }
    size_t len = (size_t)(p - r->at);
    if (len >= NUMBER_MAX)
        return tars_json_fail(r, "a number of %zu characters is too long", len);
    memcpy(text, r->at, len);
    text[len] = '\0';
    r->at = p;
    return true;
}

bool tars_json_read_integer(struct tars_json_reader *r, int64_t min, int64_t max, int64_t *v)
{
    char text[NUMBER_MAX];
    bool whole = false;
    if (!take_number(r, text, &whole))
        return false;
    if (!whole)
        return tars_json_fail(r, "%s is not a whole number", text);
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno == ERANGE || value < min || value > max)
        return tars_json_fail(r, "%s does not fit, allowed is %" PRId64 " to %" PRId64, text, min,
                              max);
    *v = value;
    return true;
}

/* "NaN", "Infinity", "-Infinity" as our own writer has them. */
static bool take_not_finite(struct tars_json_reader *r, double *v)
{
    struct tars_str word;
    if (!tars_json_read_str(r, &word))
        return false;
    if (tars_str_is(word, "NaN"))
        *v = (double)NAN;
    else if (tars_str_is(word, "Infinity"))
        *v = (double)INFINITY;
    else if (tars_str_is(word, "-Infinity"))
        *v = -(double)INFINITY;
    else
        return tars_json_fail(r, "a number was expected, a string stands there");
    return true;
}

bool tars_json_read_double(struct tars_json_reader *r, double *v)
{
    char text[NUMBER_MAX];
    bool whole = false;
    if (!r->error.code && peek(r) == '"')
        return take_not_finite(r, v);
    if (!take_number(r, text, &whole))
        return false;
    double value = decimal_double(text, NULL);
    if (!isfinite(value))
        return tars_json_fail(r, "%s does not fit a double", text);
    *v = value;
    return true;
}

bool tars_json_read_float(struct tars_json_reader *r, float *v)
{
    double wide = 0;
    char text[NUMBER_MAX];
    bool whole = false;
    if (!r->error.code && peek(r) == '"') {
        if (!take_not_finite(r, &wide))
            return false;
        *v = (float)wide;
        return true;
    }
    if (!take_number(r, text, &whole))
        return false;
    float value = decimal_float(text, NULL);
    if (!isfinite(value))
        return tars_json_fail(r, "%s does not fit a float", text);
    *v = value;
    return true;
}

/* ---- strings --------------------------------------------------------------------------------- */

/* Four hexadecimal digits at `p`, or -1. */
static int32_t hex4(const struct tars_json_reader *r, const char *p)
{
    int32_t v = 0;
    if (r->end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0)
            return -1;
        v = v << 4 | d;
    }
    return v;
}

static char *put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    } else {
        *out++ = (char)(0xf0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3f));
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    }
    return out;
}

/* Behind "\u": one code point, of two halves where it is a surrogate pair. */
static bool take_unicode(struct tars_json_reader *r, const char **p, char **out)
{
    int32_t high = hex4(r, *p);
    if (high < 0)
        return tars_json_fail(r, "\\u is not followed by four hexadecimal digits");
    *p += 4;
    if (high < 0xd800 || high > 0xdfff) {
        *out = put_utf8(*out, (uint32_t)high);
        return true;
    }
    if (high > 0xdbff || r->end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
        return tars_json_fail(r, "half of a surrogate pair stands alone");
    int32_t low = hex4(r, *p + 2);
    if (low < 0xdc00 || low > 0xdfff)
        return tars_json_fail(r, "half of a surrogate pair stands alone");
    *p += 6;
    *out = put_utf8(*out, 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
    return true;
}

static bool take_escape(struct tars_json_reader *r, const char **p, char **out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = *(*p)++;
    if (c == 'u')
        return take_unicode(r, p, out);
    const char *found = c ? strchr(from, c) : NULL;
    if (!found)
        return tars_json_fail(r, "an unknown escape stands in a string");
    *(*out)++ = to[found - from];
    return true;
}

/* Decodes the string between `start` and its closing quote, which is at `stop`. */
static bool decode(struct tars_json_reader *r, const char *start, const char *stop,
                   struct tars_str *v)
{
    char *text = tars_json_alloc(r, (size_t)(stop - start) + 1, 1);
    if (!text)
        return false;
    char *out = text;
    for (const char *p = start; p < stop;) {
        if (*p != '\\')
            *out++ = *p++;
        else if (p++, !take_escape(r, &p, &out))
            return false;
    }
    *v = tars_str_n(text, (size_t)(out - text));
    return true;
}

bool tars_json_read_str(struct tars_json_reader *r, struct tars_str *v)
{
    if (r->error.code)
        return false;
    if (peek(r) != '"')
        return expected(r, "a string");
    const char *start = r->at + 1, *p = start;
    bool escapes = false;
    while (p < r->end && *p != '"') {
        if ((unsigned char)*p < 0x20)
            return tars_json_fail(r, "a control character stands in a string");
        if (*p == '\\') {
            escapes = true;
            p++;
        }
        p++;
    }
    if (p >= r->end)
        return tars_json_fail(r, "a string is not closed");
    r->at = p + 1;
    if (escapes)
        return decode(r, start, p, v);
    *v = tars_str_n(start, (size_t)(p - start));
    return true;
}

/* A byte never takes less than two characters of the text ("1,"), which bounds the allocation. */
bool tars_json_read_bytes(struct tars_json_reader *r, struct tars_str *v)
{
    if (!tars_json_read_array(r))
        return false;
    size_t room = (size_t)(r->end - r->at) / 2 + 1, len = 0, cap = 0;
    char *bytes = NULL;
    for (;;) {
        int64_t byte = 0;
        enum tars_found found = tars_json_next_element(r);
        if (found != TARS_FOUND) {
            *v = tars_str_n(bytes, len);
            return found == TARS_ABSENT;
        }
        if (!tars_json_read_integer(r, INT8_MIN, UINT8_MAX, &byte))
            return false;
        if (len == cap) {
            cap = cap ? (cap * 2 < room ? cap * 2 : room) : 64;
            char *more = tars_json_alloc(r, cap, 1);
            if (!more)
                return false;
            if (len)
                memcpy(more, bytes, len);
            bytes = more;
        }
        bytes[len++] = (char)byte;
    }
}

/* ---- the rest -------------------------------------------------------------------------------- */

static bool skip_scalar(struct tars_json_reader *r, char c)
{
    struct tars_str text;
    char number[NUMBER_MAX];
    bool flag;
    switch (c) {
    case '"':
        return tars_json_read_str(r, &text);
    case 't':
    case 'f':
        return tars_json_read_bool(r, &flag);
    case 'n':
        return tars_json_read_null(r) || expected(r, "a value");
    default:
        return take_number(r, number, &flag);
    }
}

bool tars_json_skip(struct tars_json_reader *r)
{
    struct tars_str name = {0};
    enum tars_found found;
    if (r->error.code)
        return false;
    char c = peek(r);
    if (c == '{') {
        if (!tars_json_read_object(r))
            return false;
        while ((found = tars_json_next_member(r, &name)) == TARS_FOUND)
            if (!tars_json_skip(r))
                return false;
        return found == TARS_ABSENT;
    }
    if (c == '[') {
        if (!tars_json_read_array(r))
            return false;
        while ((found = tars_json_next_element(r)) == TARS_FOUND)
            if (!tars_json_skip(r))
                return false;
        return found == TARS_ABSENT;
    }
    return skip_scalar(r, c);
}

bool tars_json_read_end(struct tars_json_reader *r)
{
    if (r->error.code)
        return false;
    skip_space(r);
    return r->at == r->end || expected(r, "the end of the text");
}
