/* SPDX-License-Identifier: BSD-3-Clause */
/* Every row of kind field, accept, reject and either in tests/vectors.tsv, by the public reader and
 * writer. */
#include <check.h>
#include <stdlib.h>

#include "vectors.h"
#include "testkit.h"

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
    if (!vectors_begins(type, "list<") && !vectors_begins(type, "map<"))
        return recode_struct(r, tag, required, w, out, present);

    vectors_inner_types(type, &key, &value);
    bool map = vectors_begins(type, "map<");
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

static void encodes_to_the_bytes_and_back(const struct vector_row *row)
{
    struct vector_spec s = vectors_parse(row);
    struct tars_writer w, again;
    struct tars_reader r;
    bool present;
    tars_writer_init(&w);
    tars_writer_init(&again);
    vectors_encode(&w, (uint8_t)s.tag, s.type, &s.value);
    ck_assert_msg(w.len == row->len && memcmp(w.at, row->bytes, w.len) == 0,
                  "%s: other bytes written", row->name);

    if (strcmp(row->name, "list_item_v2") != 0) {
        tars_reader_init(&r, row->bytes, row->len, vectors_arena);
        ck_assert_msg(recode(&r, (uint8_t)s.tag, true, s.type, &again, (uint8_t)s.tag, &present),
                      "%s", row->name);
        ck_assert_msg(r.at == r.end, "%s: bytes are left", row->name);
        ck_assert_msg(again.len == w.len && memcmp(again.at, w.at, w.len) == 0,
                      "%s: other value read", row->name);
    }
    tars_writer_free(&w);
    tars_writer_free(&again);
}

static void decodes_to_the_value(const struct vector_row *row, const struct vector_spec *s)
{
    struct tars_writer want, got;
    struct tars_reader r;
    struct tars_json_reader value = s->value;
    bool present;
    tars_writer_init(&want);
    tars_writer_init(&got);
    tars_reader_init(&r, row->bytes, row->len, vectors_arena);
    ck_assert_msg(recode(&r, (uint8_t)s->tag, s->required, s->type, &got, 0, &present),
                  "%s: refused (%d)", row->name, r.error);
    ck_assert_msg(present == !s->absent, "%s: present %d", row->name, present);
    if (!s->absent) {
        vectors_encode(&want, 0, s->type, &value);
        ck_assert_msg(want.len == got.len && memcmp(want.at, got.at, got.len) == 0,
                      "%s: other value", row->name);
    }
    tars_writer_free(&want);
    tars_writer_free(&got);
}

static void accepts(const struct vector_row *row)
{
    struct vector_spec s = vectors_parse(row);
    if (!vectors_begins(s.type, "struct-body:")) /* those are read by generated code */
        decodes_to_the_value(row, &s);
}

static void refuse(const struct vector_row *row, const struct vector_spec *s, const uint8_t *bytes,
                   size_t len)
{
    struct tars_writer w;
    struct tars_reader r;
    struct tars_error error;
    bool present;
    tars_writer_init(&w);
    tars_reader_init(&r, bytes, len, vectors_arena);
    ck_assert_msg(!recode(&r, (uint8_t)s->tag, s->required, s->type, &w, 0, &present),
                  "%s: accepted", row->name);
    ck_assert_msg(r.error != TARS_WIRE_OK, "%s: no error recorded", row->name);
    ck_assert(!tars_reader_explain(&r, &error));
    ck_assert_uint_gt(strlen(error.text), 10);
    tars_writer_free(&w);
}

static void refuses(const struct vector_row *row)
{
    struct vector_spec s = vectors_parse(row);
    if (!s.times) {
        refuse(row, &s, row->bytes, row->len);
        return;
    }
    size_t unit;
    uint8_t *one = vectors_unhex(
        tars_arena_printf(vectors_arena, "%.*s", (int)s.repeat.len, s.repeat.at), &unit);
    uint8_t *all = malloc(unit * (size_t)s.times);
    for (int64_t i = 0; i < s.times; i++)
        memcpy(all + (size_t)i * unit, one, unit);
    refuse(row, &s, all, unit * (size_t)s.times);
    free(one);
    free(all);
}

static void does_what_is_ours(const struct vector_row *row)
{
    struct vector_spec s = vectors_parse(row);
    if (s.error)
        refuse(row, &s, row->bytes, row->len);
    else
        decodes_to_the_value(row, &s);
}

START_TEST(every_field_row_encodes_to_its_bytes_and_back)
{
    ck_assert_uint_gt(vectors_each("field", encodes_to_the_bytes_and_back), 60);
}
END_TEST

START_TEST(every_accept_row_is_read)
{
    ck_assert_uint_gt(vectors_each("accept", accepts), 25);
}
END_TEST

START_TEST(every_reject_row_is_refused)
{
    ck_assert_uint_gt(vectors_each("reject", refuses), 30);
}
END_TEST

START_TEST(where_implementations_differ_ours_does_what_the_table_says)
{
    ck_assert_uint_ge(vectors_each("either", does_what_is_ours), 3);
}
END_TEST

static void set_up(void)
{
    vectors_arena = tars_arena_new(0);
}

static void tear_down(void)
{
    tars_arena_free(vectors_arena);
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
    return tk_main(suite);
}
