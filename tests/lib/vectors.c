/* SPDX-License-Identifier: BSD-3-Clause */
#include "vectors.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

struct tars_arena *vectors_arena;

/* ---- the table ---------------------------------------------------------------------------------
 */

static char *column(char **line)
{
    return strsep(line, "\t");
}

uint8_t *vectors_unhex(const char *hex, size_t *len)
{
    *len = strlen(hex) / 2;
    uint8_t *bytes = malloc(*len + 1);
    for (size_t i = 0; i < *len; i++) {
        unsigned byte;
        sscanf(hex + i * 2, "%2x", &byte);
        bytes[i] = (uint8_t)byte;
    }
    return bytes;
}

size_t vectors_each(const char *kind, void (*check)(const struct vector_row *))
{
    FILE *file = fopen("tests/vectors.tsv", "r");
    ck_assert_msg(file != NULL, "tests/vectors.tsv cannot be opened: run from the project's root");
    char *line = NULL;
    size_t cap = 0;
    size_t rows = 0;
    while (getline(&line, &cap, file) > 0) {
        char *at = line;
        at[strcspn(at, "\n")] = '\0';
        struct vector_row row = {.name = column(&at)};
        row.kind = column(&at);
        row.value = column(&at);
        if (strcmp(row.kind, kind) != 0)
            continue;
        row.bytes = vectors_unhex(at ? at : "", &row.len);
        check(&row);
        if (vectors_arena)
            tars_arena_reset(vectors_arena);
        free(row.bytes);
        rows++;
    }
    free(line);
    fclose(file);
    return rows;
}

/* ---- the JSON column
 * ----------------------------------------------------------------------------- */

static void read_repeat(struct tars_json_reader *r, struct tars_str *unit, int64_t *times)
{
    ck_assert(tars_json_read_array(r));
    ck_assert(tars_json_next_element(r) == TARS_FOUND && tars_json_read_str(r, unit));
    ck_assert(tars_json_next_element(r) == TARS_FOUND);
    ck_assert(tars_json_read_integer(r, 0, INT32_MAX, times));
    ck_assert(tars_json_next_element(r) == TARS_ABSENT);
}

struct vector_spec vectors_parse(const struct vector_row *row)
{
    struct vector_spec s = {.tag = 0, .required = true};
    struct tars_json_reader r;
    struct tars_str name;
    tars_json_reader_init(&r, tars_str(row->value), vectors_arena);
    ck_assert(tars_json_read_object(&r));
    while (tars_json_next_member(&r, &name) == TARS_FOUND) {
        int64_t tag;
        if (tars_str_is(name, "tag")) {
            ck_assert(tars_json_read_integer(&r, 0, 255, &tag));
            s.tag = (int)tag;
        } else if (tars_str_is(name, "type")) {
            ck_assert(tars_json_read_str(&r, &s.type));
        } else if (tars_str_is(name, "require")) {
            ck_assert(tars_json_read_bool(&r, &s.required));
        } else if (tars_str_is(name, "error")) {
            ck_assert(tars_json_read_bool(&r, &s.error));
        } else if (tars_str_is(name, "repeat")) {
            read_repeat(&r, &s.repeat, &s.times);
        } else if (tars_str_is(name, "value")) {
            s.has_value = true;
            s.value = r;
            s.absent = tars_json_read_null(&r);
            if (!s.absent)
                ck_assert(tars_json_skip(&r));
        } else {
            ck_assert(tars_json_skip(&r));
        }
    }
    ck_assert_msg(r.error.code == 0, "%s: %s", row->name, r.error.text);
    return s;
}

bool vectors_begins(struct tars_str s, const char *with)
{
    return s.len >= strlen(with) && memcmp(s.at, with, strlen(with)) == 0;
}

/* "list<X>" or "map<K,V>": what stands between the brackets, split at the comma of its level */
void vectors_inner_types(struct tars_str type, struct tars_str *first, struct tars_str *second)
{
    const char *open = memchr(type.at, '<', type.len);
    struct tars_str in = tars_str_n(open + 1, type.len - (size_t)(open + 1 - type.at) - 1);
    int depth = 0;
    size_t i = 0;
    for (; i < in.len; i++) {
        depth += in.at[i] == '<';
        depth -= in.at[i] == '>';
        if (in.at[i] == ',' && depth == 0)
            break;
    }
    *first = tars_str_n(in.at, i);
    *second = i < in.len ? tars_str_n(in.at + i + 1, in.len - i - 1) : tars_str("");
}

/* A string as the table writes it: plain, "hex:…" or {"$repeat":[text, n]}. */
static struct tars_str json_string(struct tars_json_reader *r, bool hex)
{
    struct tars_str s, unit;
    int64_t times = 1;
    struct tars_json_reader probe = *r;
    if (tars_json_read_object(&probe)) {
        ck_assert(tars_json_next_member(&probe, &unit) == TARS_FOUND);
        read_repeat(&probe, &unit, &times);
        ck_assert(tars_json_next_member(&probe, &s) == TARS_ABSENT);
        *r = probe;
        char *all = tars_arena_alloc(vectors_arena, unit.len * (size_t)times + 1);
        for (int64_t i = 0; i < times; i++)
            memcpy(all + (size_t)i * unit.len, unit.at, unit.len);
        s = tars_str_n(all, unit.len * (size_t)times);
    } else {
        ck_assert_msg(tars_json_read_str(r, &s), "%s", r->error.text);
    }
    if (!hex && !vectors_begins(s, "hex:"))
        return s;
    size_t skip = hex ? 0 : 4, len;
    char *text = tars_arena_printf(vectors_arena, "%.*s", (int)(s.len - skip), s.at + skip);
    uint8_t *bytes = vectors_unhex(text, &len);
    struct tars_str copy = tars_arena_copy(vectors_arena, tars_str_n(bytes, len));
    free(bytes);
    return copy;
}

static int64_t json_integer(struct tars_json_reader *r)
{
    int64_t v;
    struct tars_str text;
    struct tars_json_reader probe = *r;
    if (tars_json_read_str(&probe, &text)) {
        *r = probe;
        return strtoll(tars_arena_printf(vectors_arena, "%.*s", (int)text.len, text.at), NULL, 10);
    }
    ck_assert_msg(tars_json_read_integer(r, INT64_MIN, INT64_MAX, &v), "%s", r->error.text);
    return v;
}

static double json_double(struct tars_json_reader *r)
{
    double v;
    struct tars_str text;
    struct tars_json_reader probe = *r;
    if (tars_json_read_str(&probe, &text)) {
        *r = probe;
        return strtod(tars_arena_printf(vectors_arena, "%.*s", (int)text.len, text.at), NULL);
    }
    ck_assert_msg(tars_json_read_double(r, &v), "%s", r->error.text);
    return v;
}

/* ---- value -> bytes
 * ------------------------------------------------------------------------------ */

static size_t json_count(const struct tars_json_reader *r)
{
    struct tars_json_reader probe = *r;
    size_t count = 0;
    ck_assert(tars_json_read_array(&probe));
    while (tars_json_next_element(&probe) == TARS_FOUND) {
        ck_assert(tars_json_skip(&probe));
        count++;
    }
    return count;
}

static void encode_list(struct tars_writer *w, uint8_t tag, struct tars_str type,
                        struct tars_json_reader *r)
{
    struct tars_str element, none;
    vectors_inner_types(type, &element, &none);
    tars_write_list(w, tag, json_count(r));
    ck_assert(tars_json_read_array(r));
    while (tars_json_next_element(r) == TARS_FOUND)
        vectors_encode(w, 0, element, r);
}

static void encode_map(struct tars_writer *w, uint8_t tag, struct tars_str type,
                       struct tars_json_reader *r)
{
    struct tars_str key, value;
    vectors_inner_types(type, &key, &value);
    tars_write_map(w, tag, json_count(r));
    ck_assert(tars_json_read_array(r));
    while (tars_json_next_element(r) == TARS_FOUND) {
        ck_assert(tars_json_read_array(r));
        ck_assert(tars_json_next_element(r) == TARS_FOUND);
        vectors_encode(w, 0, key, r);
        ck_assert(tars_json_next_element(r) == TARS_FOUND);
        vectors_encode(w, 1, value, r);
        ck_assert(tars_json_next_element(r) == TARS_ABSENT);
    }
}

void vectors_encode_fields(struct tars_writer *w, struct tars_json_reader *r)
{
    ck_assert(tars_json_read_array(r));
    while (tars_json_next_element(r) == TARS_FOUND) {
        int64_t member;
        struct tars_str type;
        ck_assert(tars_json_read_array(r));
        ck_assert(tars_json_next_element(r) == TARS_FOUND &&
                  tars_json_read_integer(r, 0, 255, &member));
        ck_assert(tars_json_next_element(r) == TARS_FOUND && tars_json_read_str(r, &type));
        ck_assert(tars_json_next_element(r) == TARS_FOUND);
        vectors_encode(w, (uint8_t)member, type, r);
        ck_assert(tars_json_next_element(r) == TARS_ABSENT);
    }
}

static void encode_struct(struct tars_writer *w, uint8_t tag, struct tars_json_reader *r)
{
    tars_write_struct_begin(w, tag);
    vectors_encode_fields(w, r);
    tars_write_struct_end(w);
}

void vectors_encode(struct tars_writer *w, uint8_t tag, struct tars_str type,
                    struct tars_json_reader *r)
{
    bool flag;
    if (tars_str_is(type, "bool")) {
        ck_assert(tars_json_read_bool(r, &flag));
        tars_write_bool(w, tag, flag);
    } else if (tars_str_is(type, "int8")) {
        tars_write_int8(w, tag, (int8_t)json_integer(r));
    } else if (tars_str_is(type, "uint8")) {
        tars_write_uint8(w, tag, (uint8_t)json_integer(r));
    } else if (tars_str_is(type, "int16")) {
        tars_write_int16(w, tag, (int16_t)json_integer(r));
    } else if (tars_str_is(type, "uint16")) {
        tars_write_uint16(w, tag, (uint16_t)json_integer(r));
    } else if (tars_str_is(type, "int32")) {
        tars_write_int32(w, tag, (int32_t)json_integer(r));
    } else if (tars_str_is(type, "uint32")) {
        tars_write_uint32(w, tag, (uint32_t)json_integer(r));
    } else if (tars_str_is(type, "int64")) {
        tars_write_int64(w, tag, json_integer(r));
    } else if (tars_str_is(type, "float")) {
        tars_write_float(w, tag, (float)json_double(r));
    } else if (tars_str_is(type, "double")) {
        tars_write_double(w, tag, json_double(r));
    } else if (tars_str_is(type, "string")) {
        tars_write_str(w, tag, json_string(r, false));
    } else if (tars_str_is(type, "bytes")) {
        tars_write_bytes(w, tag, json_string(r, true));
    } else if (vectors_begins(type, "list<")) {
        encode_list(w, tag, type, r);
    } else if (vectors_begins(type, "map<")) {
        encode_map(w, tag, type, r);
    } else {
        encode_struct(w, tag, r);
    }
}

bool vectors_member(const struct vector_row *row, const char *name, struct tars_json_reader *value)
{
    struct tars_str found;
    tars_json_reader_init(value, tars_str(row->value), vectors_arena);
    ck_assert(tars_json_read_object(value));
    while (tars_json_next_member(value, &found) == TARS_FOUND) {
        if (tars_str_is(found, name))
            return true;
        ck_assert(tars_json_skip(value));
    }
    return false;
}
