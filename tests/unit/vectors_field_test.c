/* SPDX-License-Identifier: BSD-3-Clause */
/* Every row of kind field, accept, reject and either in tests/vectors.tsv, by the public reader and
 * writer. */
#include <tars/json.h>
#include <tars/wire.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

struct row {
    char *name, *kind, *value;
    uint8_t *bytes;
    size_t len;
};

static struct tars_arena *arena;

/* ---- the table ---------------------------------------------------------------------------------
 */

static char *column(char **line)
{
    return strsep(line, "\t");
}

static uint8_t *unhex(const char *hex, size_t *len)
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

static int each_row(const char *kind, void (*check)(const struct row *))
{
    FILE *file = fopen("tests/vectors.tsv", "r");
    ck_assert_msg(file != NULL, "tests/vectors.tsv cannot be opened: run from the project's root");
    char *line = NULL;
    size_t cap = 0;
    int rows = 0;
    while (getline(&line, &cap, file) > 0) {
        char *at = line;
        at[strcspn(at, "\n")] = '\0';
        struct row row = {.name = column(&at), .kind = column(&at), .value = column(&at)};
        if (strcmp(row.kind, kind) != 0)
            continue;
        row.bytes = unhex(at ? at : "", &row.len);
        check(&row);
        tars_arena_reset(arena);
        free(row.bytes);
        rows++;
    }
    free(line);
    fclose(file);
    return rows;
}

/* ---- the JSON column
 * ----------------------------------------------------------------------------- */

struct spec {
    int tag;
    bool required, error, has_value, absent;
    struct tars_str type;
    struct tars_json_reader value; /* stands on the value */
    struct tars_str repeat;
    int64_t times;
};

static void read_repeat(struct tars_json_reader *r, struct tars_str *unit, int64_t *times)
{
    ck_assert(tars_json_read_array(r));
    ck_assert(tars_json_next_element(r) == TARS_FOUND && tars_json_read_str(r, unit));
    ck_assert(tars_json_next_element(r) == TARS_FOUND);
    ck_assert(tars_json_read_integer(r, 0, INT32_MAX, times));
    ck_assert(tars_json_next_element(r) == TARS_ABSENT);
}

static struct spec parse(const struct row *row)
{
    struct spec s = {.tag = 0, .required = true};
    struct tars_json_reader r;
    struct tars_str name;
    tars_json_reader_init(&r, tars_str(row->value), arena);
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

static bool begins(struct tars_str s, const char *with)
{
    return s.len >= strlen(with) && memcmp(s.at, with, strlen(with)) == 0;
}

/* "list<X>" or "map<K,V>": what stands between the brackets, split at the comma of its level */
static void inner_types(struct tars_str type, struct tars_str *first, struct tars_str *second)
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
        char *all = tars_arena_alloc(arena, unit.len * (size_t)times + 1);
        for (int64_t i = 0; i < times; i++)
            memcpy(all + (size_t)i * unit.len, unit.at, unit.len);
        s = tars_str_n(all, unit.len * (size_t)times);
    } else {
        ck_assert_msg(tars_json_read_str(r, &s), "%s", r->error.text);
    }
    if (!hex && !begins(s, "hex:"))
        return s;
    size_t skip = hex ? 0 : 4, len;
    char *text = tars_arena_printf(arena, "%.*s", (int)(s.len - skip), s.at + skip);
    uint8_t *bytes = unhex(text, &len);
    struct tars_str copy = tars_arena_copy(arena, tars_str_n(bytes, len));
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
        return strtoll(tars_arena_printf(arena, "%.*s", (int)text.len, text.at), NULL, 10);
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
        return strtod(tars_arena_printf(arena, "%.*s", (int)text.len, text.at), NULL);
    }
    ck_assert_msg(tars_json_read_double(r, &v), "%s", r->error.text);
    return v;
}

/* ---- value -> bytes
 * ------------------------------------------------------------------------------ */

static void encode(struct tars_writer *w, uint8_t tag, struct tars_str type,
                   struct tars_json_reader *r);

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
    inner_types(type, &element, &none);
    tars_write_list(w, tag, json_count(r));
    ck_assert(tars_json_read_array(r));
    while (tars_json_next_element(r) == TARS_FOUND)
        encode(w, 0, element, r);
}

static void encode_map(struct tars_writer *w, uint8_t tag, struct tars_str type,
                       struct tars_json_reader *r)
{
    struct tars_str key, value;
    inner_types(type, &key, &value);
    tars_write_map(w, tag, json_count(r));
    ck_assert(tars_json_read_array(r));
    while (tars_json_next_element(r) == TARS_FOUND) {
        ck_assert(tars_json_read_array(r));
        ck_assert(tars_json_next_element(r) == TARS_FOUND);
        encode(w, 0, key, r);
        ck_assert(tars_json_next_element(r) == TARS_FOUND);
        encode(w, 1, value, r);
        ck_assert(tars_json_next_element(r) == TARS_ABSENT);
    }
}

static void encode_struct(struct tars_writer *w, uint8_t tag, struct tars_json_reader *r)
{
    tars_write_struct_begin(w, tag);
    ck_assert(tars_json_read_array(r));
    while (tars_json_next_element(r) == TARS_FOUND) {
        int64_t member;
        struct tars_str type;
        ck_assert(tars_json_read_array(r));
        ck_assert(tars_json_next_element(r) == TARS_FOUND &&
                  tars_json_read_integer(r, 0, 255, &member));
        ck_assert(tars_json_next_element(r) == TARS_FOUND && tars_json_read_str(r, &type));
        ck_assert(tars_json_next_element(r) == TARS_FOUND);
        encode(w, (uint8_t)member, type, r);
        ck_assert(tars_json_next_element(r) == TARS_ABSENT);
    }
    tars_write_struct_end(w);
}

static void encode(struct tars_writer *w, uint8_t tag, struct tars_str type,
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
    } else if (begins(type, "list<")) {
        encode_list(w, tag, type, r);
    } else if (begins(type, "map<")) {
        encode_map(w, tag, type, r);
    } else {
        encode_struct(w, tag, r);
    }
}

/* ---- bytes -> canonical bytes
 * ---------------------------------------------------------------------- */

/* Reads a field as `type` and writes what was read with `out` tag; false on a reader's error. */
static bool recode(struct tars_reader *r, uint8_t tag, bool required, struct tars_str type,
                   struct tars_writer *w, uint8_t out, bool *present);

#define RECODE(id, ctype, first, second)                                                           \
    do {                                                                                           \
        ctype v = first, other = second;                                                           \
        struct tars_reader again = *r;                                                             \
        if (!tars_read_##id(r, tag, required, &v) ||                                               \
            !tars_read_##id(&again, tag, required, &other))                                        \
            return false;                                                                          \
        *present = memcmp(&v, &other, sizeof v) == 0;                                              \
        if (*present)                                                                              \
            tars_write_##id(w, out, v);                                                            \
        return true;                                                                               \
    } while (0)

static bool recode_str(struct tars_reader *r, uint8_t tag, bool required, bool bytes,
                       struct tars_writer *w, uint8_t out, bool *present)
{
    static const char mark[] = "preset";
    struct tars_str v = tars_str(mark);
    if (bytes ? !tars_read_bytes(r, tag, required, &v) : !tars_read_str(r, tag, required, &v))
        return false;
    *present = v.at != mark;
    if (*present && bytes)
        tars_write_bytes(w, out, v);
    else if (*present)
        tars_write_str(w, out, v);
    return true;
}

static bool recode_items(struct tars_reader *r, size_t count, struct tars_str key,
                         struct tars_str value, struct tars_writer *w)
{
    bool present;
    for (size_t i = 0; i < count; i++) {
        if (!recode(r, 0, TARS_REQUIRE, key, w, 0, &present))
            return false;
        if (value.len && !recode(r, 1, TARS_REQUIRE, value, w, 1, &present))
            return false;
    }
    tars_read_end(r);
    return true;
}

/* A struct in the table is Point, or ItemV2 in one list. */
static bool recode_struct(struct tars_reader *r, uint8_t tag, bool required, struct tars_writer *w,
                          uint8_t out, bool *present)
{
    enum tars_found found = tars_read_struct_begin(r, tag, required);
    *present = found == TARS_FOUND;
    if (found != TARS_FOUND)
        return found == TARS_ABSENT;
    int32_t x = 0, y = 0;
    if (!tars_read_int32(r, 0, TARS_REQUIRE, &x) || !tars_read_int32(r, 1, TARS_REQUIRE, &y) ||
        !tars_read_struct_end(r))
        return false;
    tars_write_struct_begin(w, out);
    tars_write_int32(w, 0, x);
    tars_write_int32(w, 1, y);
    tars_write_struct_end(w);
    return true;
}

static bool recode_str_map(struct tars_reader *r, uint8_t tag, bool required, struct tars_writer *w,
                           uint8_t out, bool *present)
{
    struct tars_str_pair preset;
    struct tars_str_map map = {0, &preset};
    if (!tars_read_str_map(r, tag, required, &map))
        return false;
    *present = map.at != &preset;
    if (*present)
        tars_write_str_map(w, out, &map);
    return true;
}

static bool recode(struct tars_reader *r, uint8_t tag, bool required, struct tars_str type,
                   struct tars_writer *w, uint8_t out, bool *present)
{
    struct tars_str key, value;
    size_t count = 0;
    if (tars_str_is(type, "bool"))
        RECODE(bool, bool, true, false);
    if (tars_str_is(type, "int8"))
        RECODE(int8, int8_t, 99, 98);
    if (tars_str_is(type, "uint8"))
        RECODE(uint8, uint8_t, 99, 98);
    if (tars_str_is(type, "int16"))
        RECODE(int16, int16_t, 99, 98);
    if (tars_str_is(type, "uint16"))
        RECODE(uint16, uint16_t, 99, 98);
    if (tars_str_is(type, "int32"))
        RECODE(int32, int32_t, 99, 98);
    if (tars_str_is(type, "uint32"))
        RECODE(uint32, uint32_t, 99, 98);
    if (tars_str_is(type, "int64"))
        RECODE(int64, int64_t, 99, 98);
    if (tars_str_is(type, "float"))
        RECODE(float, float, 99, 98);
    if (tars_str_is(type, "double"))
        RECODE(double, double, 99, 98);
    if (tars_str_is(type, "string") || tars_str_is(type, "bytes"))
        return recode_str(r, tag, required, tars_str_is(type, "bytes"), w, out, present);
    if (tars_str_is(type, "map<string,string>"))
        return recode_str_map(r, tag, required, w, out, present);
    if (!begins(type, "list<") && !begins(type, "map<"))
        return recode_struct(r, tag, required, w, out, present);

    inner_types(type, &key, &value);
    bool map = begins(type, "map<");
    enum tars_found found = map ? tars_read_map(r, tag, required, 2, &count)
                                : tars_read_list(r, tag, required, 1, &count);
    *present = found == TARS_FOUND;
    if (found != TARS_FOUND)
        return found == TARS_ABSENT;
    if (map)
        tars_write_map(w, out, count);
    else
        tars_write_list(w, out, count);
    return recode_items(r, count, key, value, w);
}

/* ---- the checks
 * ------------------------------------------------------------------------------------- */

static void encodes_to_the_bytes_and_back(const struct row *row)
{
    struct spec s = parse(row);
    struct tars_writer w, again;
    struct tars_reader r;
    bool present;
    tars_writer_init(&w);
    tars_writer_init(&again);
    encode(&w, (uint8_t)s.tag, s.type, &s.value);
    ck_assert_msg(w.len == row->len && memcmp(w.at, row->bytes, w.len) == 0,
                  "%s: other bytes written", row->name);

    if (strcmp(row->name, "list_item_v2") != 0) {
        tars_reader_init(&r, row->bytes, row->len, arena);
        ck_assert_msg(recode(&r, (uint8_t)s.tag, true, s.type, &again, (uint8_t)s.tag, &present),
                      "%s", row->name);
        ck_assert_msg(r.at == r.end, "%s: bytes are left", row->name);
        ck_assert_msg(again.len == w.len && memcmp(again.at, w.at, w.len) == 0,
                      "%s: other value read", row->name);
    }
    tars_writer_free(&w);
    tars_writer_free(&again);
}

static void decodes_to_the_value(const struct row *row, const struct spec *s)
{
    struct tars_writer want, got;
    struct tars_reader r;
    struct tars_json_reader value = s->value;
    bool present;
    tars_writer_init(&want);
    tars_writer_init(&got);
    tars_reader_init(&r, row->bytes, row->len, arena);
    ck_assert_msg(recode(&r, (uint8_t)s->tag, s->required, s->type, &got, 0, &present),
                  "%s: refused (%d)", row->name, r.error);
    ck_assert_msg(present == !s->absent, "%s: present %d", row->name, present);
    if (!s->absent) {
        encode(&want, 0, s->type, &value);
        ck_assert_msg(want.len == got.len && memcmp(want.at, got.at, got.len) == 0,
                      "%s: other value", row->name);
    }
    tars_writer_free(&want);
    tars_writer_free(&got);
}

static void accepts(const struct row *row)
{
    struct spec s = parse(row);
    if (!begins(s.type, "struct-body:")) /* those are read by generated code */
        decodes_to_the_value(row, &s);
}

static void refuse(const struct row *row, const struct spec *s, const uint8_t *bytes, size_t len)
{
    struct tars_writer w;
    struct tars_reader r;
    struct tars_error error;
    bool present;
    tars_writer_init(&w);
    tars_reader_init(&r, bytes, len, arena);
    ck_assert_msg(!recode(&r, (uint8_t)s->tag, s->required, s->type, &w, 0, &present),
                  "%s: accepted", row->name);
    ck_assert_msg(r.error != TARS_WIRE_OK, "%s: no error recorded", row->name);
    ck_assert(!tars_reader_explain(&r, &error));
    ck_assert_uint_gt(strlen(error.text), 10);
    tars_writer_free(&w);
}

static void refuses(const struct row *row)
{
    struct spec s = parse(row);
    if (!s.times) {
        refuse(row, &s, row->bytes, row->len);
        return;
    }
    size_t unit;
    uint8_t *one = unhex(tars_arena_printf(arena, "%.*s", (int)s.repeat.len, s.repeat.at), &unit);
    uint8_t *all = malloc(unit * (size_t)s.times);
    for (int64_t i = 0; i < s.times; i++)
        memcpy(all + (size_t)i * unit, one, unit);
    refuse(row, &s, all, unit * (size_t)s.times);
    free(one);
    free(all);
}

static void does_what_is_ours(const struct row *row)
{
    struct spec s = parse(row);
    if (s.error)
        refuse(row, &s, row->bytes, row->len);
    else
        decodes_to_the_value(row, &s);
}

START_TEST(every_field_row_encodes_to_its_bytes_and_back)
{
    ck_assert_int_gt(each_row("field", encodes_to_the_bytes_and_back), 60);
}
END_TEST

START_TEST(every_accept_row_is_read)
{
    ck_assert_int_gt(each_row("accept", accepts), 25);
}
END_TEST

START_TEST(every_reject_row_is_refused)
{
    ck_assert_int_gt(each_row("reject", refuses), 30);
}
END_TEST

START_TEST(where_implementations_differ_ours_does_what_the_table_says)
{
    ck_assert_int_ge(each_row("either", does_what_is_ours), 3);
}
END_TEST

static void set_up(void)
{
    arena = tars_arena_new(0);
}

static void tear_down(void)
{
    tars_arena_free(arena);
}

int main(void)
{
    Suite *suite = suite_create("vectors_field");
    TCase *tests = tcase_create("vectors");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, every_field_row_encodes_to_its_bytes_and_back);
    tcase_add_test(tests, every_accept_row_is_read);
    tcase_add_test(tests, every_reject_row_is_refused);
    tcase_add_test(tests, where_implementations_differ_ours_does_what_the_table_says);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
