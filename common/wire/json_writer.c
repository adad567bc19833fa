/* SPDX-License-Identifier: BSD-3-Clause */
#include <tars/json.h>

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/decimal.h"

void tars_json_writer_init(struct tars_json_writer *w)
{
    *w = (struct tars_json_writer){.depth = 0};
    tars_writer_init(&w->out);
}

void tars_json_writer_free(struct tars_json_writer *w)
{
    tars_writer_free(&w->out);
}

static void put(struct tars_json_writer *w, const char *text)
{
    tars_writer_append(&w->out, text, strlen(text));
}

/* The comma before a value that is not the first of its object or array. */
static void separate(struct tars_json_writer *w)
{
    if (w->comma)
        put(w, ",");
    w->comma = true;
}

static void open(struct tars_json_writer *w, const char *bracket)
{
    separate(w);
    put(w, bracket);
    w->depth++;
    w->comma = false;
}

static void close(struct tars_json_writer *w, const char *bracket)
{
    put(w, bracket);
    w->depth--;
    w->comma = true;
}

void tars_json_object_begin(struct tars_json_writer *w)
{
    open(w, "{");
}

void tars_json_object_end(struct tars_json_writer *w)
{
    close(w, "}");
}

void tars_json_array_begin(struct tars_json_writer *w)
{
    open(w, "[");
}

void tars_json_array_end(struct tars_json_writer *w)
{
    close(w, "]");
}

static void put_escaped(struct tars_json_writer *w, unsigned char c)
{
    static const char shorts[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                  ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    char text[8];
    if (c < sizeof shorts && shorts[c])
        snprintf(text, sizeof text, "\\%c", shorts[c]);
    else
        snprintf(text, sizeof text, "\\u%04x", c);
    put(w, text);
}

static bool needs_escape(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

static void put_quoted(struct tars_json_writer *w, struct tars_str v)
{
    put(w, "\"");
    size_t start = 0;
    for (size_t i = 0; i < v.len; i++) {
        if (!needs_escape((unsigned char)v.at[i]))
            continue;
        tars_writer_append(&w->out, v.at + start, i - start);
        put_escaped(w, (unsigned char)v.at[i]);
        start = i + 1;
    }
    if (v.len)
        tars_writer_append(&w->out, v.at + start, v.len - start);
    put(w, "\"");
}

void tars_json_name(struct tars_json_writer *w, struct tars_str name)
{
    separate(w);
    put_quoted(w, name);
    put(w, ":");
    w->comma = false;
}

void tars_json_str(struct tars_json_writer *w, struct tars_str v)
{
    separate(w);
    put_quoted(w, v);
}

void tars_json_bool(struct tars_json_writer *w, bool v)
{
    separate(w);
    put(w, v ? "true" : "false");
}

void tars_json_null(struct tars_json_writer *w)
{
    separate(w);
    put(w, "null");
}

void tars_json_int64(struct tars_json_writer *w, int64_t v)
{
    char text[24];
    separate(w);
    snprintf(text, sizeof text, "%" PRId64, v);
    put(w, text);
}

/* JSON has no word for these; the names are the ones other JSON mappings use. */
static const char *not_finite(double v)
{
    if (isnan(v))
        return "\"NaN\"";
    return v > 0 ? "\"Infinity\"" : "\"-Infinity\"";
}

/* The shortest text that reads back as the same number is "-0", which readers of whole numbers take
 * for 0: the fraction keeps the sign. */
static void put_real(struct tars_json_writer *w, const char *text)
{
    put(w, strcmp(text, "-0") == 0 ? "-0.0" : text);
}

void tars_json_double(struct tars_json_writer *w, double v)
{
    char text[40];
    separate(w);
    if (!isfinite(v)) {
        put(w, not_finite(v));
        return;
    }
    for (int digits = DBL_DIG; digits <= DBL_DECIMAL_DIG; digits++) {
        decimal_print(text, sizeof text, "%.*g", digits, v);
        /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-*): the bits, -0 is not 0 */
        if (memcmp(&v, &(double){decimal_double(text, NULL)}, sizeof v) == 0)
            break;
    }
    put_real(w, text);
}

void tars_json_float(struct tars_json_writer *w, float v)
{
    char text[40];
    separate(w);
    if (!isfinite(v)) {
        put(w, not_finite((double)v));
        return;
    }
    for (int digits = FLT_DIG; digits <= FLT_DECIMAL_DIG; digits++) {
        decimal_print(text, sizeof text, "%.*g", digits, (double)v);
        /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-*): likewise */
        if (memcmp(&v, &(float){decimal_float(text, NULL)}, sizeof v) == 0)
            break;
    }
    put_real(w, text);
}

void tars_json_bytes(struct tars_json_writer *w, struct tars_str v)
{
    tars_json_array_begin(w);
    for (size_t i = 0; i < v.len; i++)
        tars_json_int64(w, (int8_t)v.at[i]);
    tars_json_array_end(w);
}
