/* SPDX-License-Identifier: BSD-3-Clause */
#include "value.h"

#include "base/clock.h"
#include "date_math.h"
#include "unicode.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool bad(char why[128], const struct json *json)
{
    snprintf(why, 128, "For input string: \"%.*s\"",
             (int)(json->text.len > 60 ? 60 : json->text.len), json->text.at ? json->text.at : "");
    return false;
}

struct tars_str value_scalar(const struct json *json)
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
        if (date_parse(json->text, f->format, up, NULL, &v->i))
            return true;
        if (json->type == JSON_NUMBER && (!f->format || strstr(f->format, "epoch_millis")) &&
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

/* ---- addresses
 * -------------------------------------------------------------------------------------- */

/* An address of either kind as IPv6; IPv4 is mapped into ::ffff:0:0/96. */
static bool read_address(struct tars_str text, unsigned char to[16], bool *four)
{
    char name[64];
    if (text.len == 0 || text.len >= sizeof name || memchr(text.at, '\0', text.len))
        return false;
    memcpy(name, text.at, text.len);
    name[text.len] = '\0';
    memset(to, 0, 16);
    to[10] = to[11] = 0xff;
    *four = inet_pton(AF_INET, name, to + 12) == 1;
    return *four || inet_pton(AF_INET6, name, to) == 1;
}

static bool address_text(const unsigned char address[16], struct tars_arena *arena, struct value *v)
{
    char *hex = tars_arena_alloc(arena, 33);
    if (!hex)
        return false;
    for (int i = 0; i < 16; i++)
        snprintf(hex + i * (ptrdiff_t)2, 3, "%02x", address[i]);
    v->kind = VALUE_TEXT;
    v->s = tars_str_n(hex, 32);
    return true;
}

/* "10.0.0.0/8" too, when it is no document's value: its first address, or with `up` its last. */
static bool read_ip(const struct json *json, bool network, bool up, struct tars_arena *arena,
                    struct value *v, char why[128])
{
    unsigned char address[16];
    bool four = false;
    int64_t bits = 128;
    const char *slash = json->type == JSON_STRING && network && json->text.len
                            ? memchr(json->text.at, '/', json->text.len)
                            : NULL;
    struct tars_str host = json->text;
    if (slash) {
        host.len = (size_t)(slash - host.at);
        struct json number = {.type = JSON_STRING,
                              .text = tars_str_n(slash + 1, json->text.len - host.len - 1)};
        if (!json_as_int(&number, &bits) || bits < 0)
            bits = 1000;
    }
    if (json->type != JSON_STRING || !read_address(host, address, &four) ||
        (slash && bits > (four ? 32 : 128))) {
        snprintf(why, 128, "'%.*s' is not an IP string literal.",
                 (int)(json->text.len > 60 ? 60 : json->text.len),
                 json->text.at ? json->text.at : "");
        return false;
    }
    bits += slash && four ? 96 : 0;
    for (int i = 0; i < 128; i++) {
        unsigned char bit = (unsigned char)(0x80 >> (i % 8));
        if (i >= bits)
            address[i / 8] = up ? address[i / 8] | bit : address[i / 8] & (unsigned char)~bit;
    }
    if (address_text(address, arena, v))
        return true;
    snprintf(why, 128, "the request holds too much");
    return false;
}

void value_print_ip(struct tars_str hex, struct text *to)
{
    unsigned groups[8], at = 8, len = 1;
    for (int i = 0; i < 8; i++) {
        char group[5] = "";
        memcpy(group, hex.len == 32 ? hex.at + i * (ptrdiff_t)4 : "0000", 4);
        groups[i] = (unsigned)strtoul(group, NULL, 16);
    }
    if (hex.len == 32 && memcmp(hex.at, "00000000000000000000ffff", 24) == 0) {
        text_addf(to, "%u.%u.%u.%u", groups[6] >> 8, groups[6] & 255, groups[7] >> 8,
                  groups[7] & 255);
        return;
    }
    /* The longest run of zeros, of at least two, is left out. */
    for (unsigned i = 0; i < 8; i++) {
        unsigned run = 0;
        while (i + run < 8 && groups[i + run] == 0)
            run++;
        if (run > len) {
            at = i;
            len = run;
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        if (i == at) {
            text_adds(to, "::");
            i += len - 1;
            continue;
        }
        text_addf(to, i && i != at + len ? ":%x" : "%x", groups[i]);
    }
}

bool value_is_text(enum field_type type)
{
    return type == FIELD_KEYWORD || type == FIELD_IP;
}

/* ---- values of documents
 * ------------------------------------------------------------------------------ */

static bool normalized(const struct field *f, struct tars_arena *arena, struct value *v,
                       char why[128])
{
    if (f->normalizer)
        v->s = unicode_lower_text(v->s, arena);
    if (v->s.at || !f->normalizer)
        return true;
    snprintf(why, 128, "the request holds too much");
    return false;
}

static size_t characters(struct tars_str s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += (s.at[i] & 0xc0) != 0x80;
    return count;
}

bool value_index(const struct field *f, const struct json *json, struct tars_arena *arena,
                 struct value *v, char why[128])
{
    *v = (struct value){0};
    /* "coerce" takes an empty text for no number. */
    bool number = f->type >= FIELD_LONG && f->type <= FIELD_FLOAT;
    if (json->type == JSON_NULL || (number && json->type == JSON_STRING && json->text.len == 0))
        return true;
    switch (f->type) {
    case FIELD_KEYWORD:
        v->s = value_scalar(json);
        if (f->ignore_above < 0 || characters(v->s) <= (size_t)f->ignore_above)
            v->kind = VALUE_TEXT;
        if (v->kind == VALUE_TEXT && v->s.len > 32766) {
            snprintf(why, 128, "the value is larger than 32766 bytes, the most a keyword can hold");
            return false;
        }
        return normalized(f, arena, v, why);
    case FIELD_IP:
        return read_ip(json, false, false, arena, v, why);
    case FIELD_BOOLEAN:
        return index_boolean(json, v, why);
    case FIELD_DATE:
        return index_date(f, json, false, v, why);
    case FIELD_DOUBLE:
    case FIELD_FLOAT:
        return index_real(f, json, v, why);
    case FIELD_OBJECT:
    case FIELD_ALIAS:
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

bool value_date(const struct field *f, const struct json *json, bool up, const struct zone *zone,
                struct value *v, char why[128])
{
    *v = (struct value){.kind = VALUE_INT};
    return ((json->type == JSON_STRING || json->type == JSON_NUMBER) &&
            date_math(json->text, f->format, up, zone, clock_wall_ms(), &v->i)) ||
           index_date(f, json, up, v, why);
}

bool value_query(const struct field *f, const struct json *json, bool up, struct tars_arena *arena,
                 struct value *v, char why[128])
{
    *v = (struct value){0};
    if (json->type == JSON_NULL || json->type == JSON_ARRAY || json->type == JSON_OBJECT) {
        snprintf(why, 128, "value cannot be null or an array or object");
        return false;
    }
    switch (f->type) {
    case FIELD_KEYWORD:
        v->kind = VALUE_TEXT;
        v->s = value_scalar(json);
        return normalized(f, arena, v, why);
    case FIELD_TEXT:
        v->kind = VALUE_TEXT;
        v->s = value_scalar(json);
        return true;
    case FIELD_IP:
        return read_ip(json, true, up, arena, v, why);
    case FIELD_BOOLEAN:
        if (index_boolean(json, v, why))
            return true;
        snprintf(why, 128, "Can't parse boolean value [%.*s], expected [true] or [false]",
                 (int)(json->text.len > 40 ? 40 : json->text.len),
                 json->text.at ? json->text.at : "");
        return false;
    case FIELD_DATE:
        return value_date(f, json, up, NULL, v, why);
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
