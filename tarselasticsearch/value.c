/* SPDX-License-Identifier: BSD-3-Clause */
#include "value.h"

#include "base/clock.h"
#include "date_math.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool bad(char why[128], const struct json *json)
{
    snprintf(why, 128, "For input string: \"%.*s\"",
             (int)(json->text.len > 60 ? 60 : json->text.len), json->text.at ? json->text.at : "");
    return false;
}

/* Text of a scalar, of true and false as well. */
static struct tars_str scalar_text(const struct json *json)
{
    return json->type == JSON_TRUE    ? tars_str("true")
           : json->type == JSON_FALSE ? tars_str("false")
                                      : json->text;
}

static bool read_double(const struct json *json, double *v)
{
    char number[400], *end;
    if ((json->type != JSON_NUMBER && json->type != JSON_STRING) || json->text.len == 0 ||
        json->text.len >= sizeof number)
        return false;
    memcpy(number, json->text.at, json->text.len);
    number[json->text.len] = '\0';
    if (strspn(number, "0123456789+-.eE") != json->text.len)
        return false;
    *v = strtod(number, &end);
    return *end == '\0' && isfinite(*v);
}

static const struct {
    int64_t low, high;
} ranges[] = {
    [FIELD_LONG] = {INT64_MIN, INT64_MAX},
    [FIELD_INTEGER] = {INT32_MIN, INT32_MAX},
    [FIELD_SHORT] = {INT16_MIN, INT16_MAX},
    [FIELD_BYTE] = {INT8_MIN, INT8_MAX},
};

/* Fractions are cut off, as "coerce" does. */
static bool index_integer(const struct field *f, const struct json *json, struct value *v,
                          char why[128])
{
    double d;
    v->kind = VALUE_INT;
    if (!json_as_int(json, &v->i)) {
        if (!read_double(json, &d))
            return bad(why, json);
        if (d < -9223372036854775808.0 || d >= 9223372036854775808.0) {
            snprintf(why, 128, "Value [%.*s] is out of range for a %s",
                     (int)(json->text.len > 40 ? 40 : json->text.len), json->text.at,
                     field_type_name(f->type));
            return false;
        }
        v->i = (int64_t)d;
    }
    if (v->i >= ranges[f->type].low && v->i <= ranges[f->type].high)
        return true;
    snprintf(why, 128, "Value [%.*s] is out of range for %s",
             (int)(json->text.len > 40 ? 40 : json->text.len), json->text.at,
             f->type == FIELD_INTEGER ? "an integer" : field_type_name(f->type));
    return false;
}

static bool index_real(const struct field *f, const struct json *json, struct value *v,
                       char why[128])
{
    v->kind = VALUE_REAL;
    if (!read_double(json, &v->r))
        return bad(why, json);
    if (f->type == FIELD_FLOAT)
        v->r = (double)(float)v->r;
    if (isfinite(v->r))
        return true;
    snprintf(why, 128, "[%s] supports only finite values", field_type_name(f->type));
    return false;
}

static bool index_boolean(const struct json *json, struct value *v, char why[128])
{
    bool ok = true;
    v->kind = VALUE_INT;
    v->i = json_as_bool(json, &ok);
    if (!ok && json->type == JSON_STRING && json->text.len == 0)
        ok = true;
    if (!ok)
        snprintf(why, 128, "Failed to parse value [%.*s] as only [true] or [false] are allowed.",
                 (int)(json->text.len > 40 ? 40 : json->text.len),
                 json->text.at ? json->text.at : "");
    return ok;
}

static bool index_date(const struct field *f, const struct json *json, bool up, struct value *v,
                       char why[128])
{
    double d;
    v->kind = VALUE_INT;
    if (json->type == JSON_STRING || json->type == JSON_NUMBER) {
        if (date_parse(json->text, f->formats, up, &v->i))
            return true;
        if (json->type == JSON_NUMBER && (f->formats & DATE_EPOCH_MILLIS) &&
            read_double(json, &d) && fabs(d) < 9e15) {
            v->i = (int64_t)d;
            return true;
        }
    }
    snprintf(why, 128, "failed to parse date field [%.*s] with format [%.60s]",
             (int)(json->text.len > 30 ? 30 : json->text.len), json->text.at ? json->text.at : "",
             f->format ? f->format : "strict_date_optional_time||epoch_millis");
    return false;
}

static size_t characters(struct tars_str s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += (s.at[i] & 0xc0) != 0x80;
    return count;
}

bool value_index(const struct field *f, const struct json *json, struct value *v, char why[128])
{
    *v = (struct value){0};
    /* "coerce" takes an empty text for no number. */
    bool number = f->type != FIELD_KEYWORD && f->type != FIELD_BOOLEAN && f->type != FIELD_DATE;
    if (json->type == JSON_NULL || (number && json->type == JSON_STRING && json->text.len == 0))
        return true;
    switch (f->type) {
    case FIELD_KEYWORD:
        v->s = scalar_text(json);
        if (f->ignore_above < 0 || characters(v->s) <= (size_t)f->ignore_above)
            v->kind = VALUE_TEXT;
        if (v->kind == VALUE_TEXT && v->s.len > 32766) {
            snprintf(why, 128, "the value is larger than 32766 bytes, the most a keyword can hold");
            return false;
        }
        return true;
    case FIELD_BOOLEAN:
        return index_boolean(json, v, why);
    case FIELD_DATE:
        return index_date(f, json, false, v, why);
    case FIELD_DOUBLE:
    case FIELD_FLOAT:
        return index_real(f, json, v, why);
    case FIELD_OBJECT:
    case FIELD_TEXT:
        return true;
    default:
        return index_integer(f, json, v, why);
    }
}

static bool query_integer(const struct json *json, struct value *v, char why[128])
{
    v->kind = VALUE_INT;
    if (json_as_int(json, &v->i))
        return true;
    v->kind = VALUE_REAL;
    return read_double(json, &v->r) || bad(why, json);
}

bool value_date(const struct field *f, const struct json *json, bool up, int64_t zone_ms,
                struct value *v, char why[128])
{
    *v = (struct value){.kind = VALUE_INT};
    return ((json->type == JSON_STRING || json->type == JSON_NUMBER) &&
            date_math(json->text, f->formats, up, zone_ms, clock_wall_ms(), &v->i)) ||
           index_date(f, json, up, v, why);
}

bool value_query(const struct field *f, const struct json *json, bool up, struct value *v,
                 char why[128])
{
    *v = (struct value){0};
    if (json->type == JSON_NULL || json->type == JSON_ARRAY || json->type == JSON_OBJECT) {
        snprintf(why, 128, "value cannot be null or an array or object");
        return false;
    }
    switch (f->type) {
    case FIELD_KEYWORD:
        v->kind = VALUE_TEXT;
        v->s = scalar_text(json);
        return true;
    case FIELD_BOOLEAN:
        if (index_boolean(json, v, why))
            return true;
        snprintf(why, 128, "Can't parse boolean value [%.*s], expected [true] or [false]",
                 (int)(json->text.len > 40 ? 40 : json->text.len),
                 json->text.at ? json->text.at : "");
        return false;
    case FIELD_DATE:
        return value_date(f, json, up, 0, v, why);
    case FIELD_DOUBLE:
    case FIELD_FLOAT:
        return index_real(f, json, v, why);
    default:
        return query_integer(json, v, why);
    }
}

void value_bind(sqlite3_stmt *statement, int at, const struct value *v)
{
    if (v->kind == VALUE_INT)
        sqlite3_bind_int64(statement, at, v->i);
    else if (v->kind == VALUE_REAL)
        sqlite3_bind_double(statement, at, v->r);
    else if (v->kind == VALUE_TEXT)
        sqlite3_bind_text(statement, at, v->s.at ? v->s.at : "", (int)v->s.len, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, at);
}
