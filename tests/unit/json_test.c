/* SPDX-License-Identifier: BSD-3-Clause */
#include <tars/interface.h>
#include <tars/json.h>

#include <check.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "testkit.h"

static struct tars_arena *arena;

static void set_up(void)
{
    arena = tars_arena_new(1 << 20);
}

static void tear_down(void)
{
    tars_arena_free(arena);
}

/* Reads `text` as a value of the type; false with the error's text otherwise. */
static bool read_as(const struct tars_type *type, const char *text, void *value,
                    struct tars_error *error)
{
    struct tars_json_reader r;
    tars_json_reader_init(&r, tars_str(text), arena);
    bool ok = type->from_json(&r, value) && tars_json_read_end(&r);
    *error = r.error;
    return ok;
}

static void check_text(const struct tars_type *type, const void *value, const char *want)
{
    struct tars_json_writer w;
    tars_json_writer_init(&w);
    type->to_json(&w, value);
    struct tars_str got = tars_json_text(&w);
    ck_assert_msg(tars_str_is(got, want), "%" TARS_STR_FMT " instead of %s", TARS_STR_ARG(got),
                  want);
    tars_json_writer_free(&w);
}

START_TEST(integers_of_64_bits_stay_exact)
{
    struct tars_error error;
    int64_t v;
    ck_assert(read_as(&tars_type_int64, "9223372036854775807", &v, &error));
    ck_assert_int_eq(v, INT64_MAX);
    check_text(&tars_type_int64, &v, "9223372036854775807");
    ck_assert(read_as(&tars_type_int64, "-9223372036854775808", &v, &error));
    ck_assert_int_eq(v, INT64_MIN);
    ck_assert(!read_as(&tars_type_int64, "9223372036854775808", &v, &error));
}
END_TEST

START_TEST(numbers_that_do_not_fit_are_refused_not_truncated)
{
    struct tars_error error;
    int8_t small;
    int32_t i;
    ck_assert(!read_as(&tars_type_int8, "300", &small, &error));
    ck_assert(strstr(error.text, "300 does not fit, allowed is -128 to 127"));
    ck_assert(!read_as(&tars_type_int32, "99999999999", &i, &error));
    ck_assert(!read_as(&tars_type_int32, "1.9", &i, &error));
    ck_assert(strstr(error.text, "1.9 is not a whole number"));
    float f;
    ck_assert(!read_as(&tars_type_float, "1e39", &f, &error));
}
END_TEST

START_TEST(a_negative_zero_keeps_its_sign)
{
    double d = -0.0;
    float f = -0.0F;
    struct tars_error error;
    check_text(&tars_type_double, &d, "-0.0");
    check_text(&tars_type_float, &f, "-0.0");
    ck_assert(read_as(&tars_type_double, "-0", &d, &error) && signbit(d));
    d = 0;
    check_text(&tars_type_double, &d, "0");
}
END_TEST

/* A locale whose decimal point is a comma, made for the test; false where none can be made. */
static bool set_comma_locale(void)
{
    const char *dir = tk_dir();
    const char *path = tk_text("%s/comma.src", dir);
    tk_write_file(path, "LC_CTYPE\ncopy \"POSIX\"\nEND LC_CTYPE\n"
                        "LC_NUMERIC\ndecimal_point \",\"\nthousands_sep \"\"\ngrouping -1\n"
                        "END LC_NUMERIC\n");
    const char *make = tk_text(
        "localedef -c -i %s -f ANSI_X3.4-1968 %s/comma >/dev/null 2>&1; test -d %s/comma", path,
        dir, dir);
    setenv("LOCPATH", dir, 1);
    return system(make) == 0 && setlocale(LC_NUMERIC, "comma");
}

START_TEST(fractions_have_a_point_in_any_locale)
{
    double d = 1.5;
    float f = -0.25F;
    struct tars_error error;
    if (!set_comma_locale())
        return;
    ck_assert_str_eq(tk_text("%.1f", d), "1,5");
    check_text(&tars_type_double, &d, "1.5");
    check_text(&tars_type_float, &f, "-0.25");
    ck_assert(read_as(&tars_type_double, "2.75", &d, &error) && d > 2.7 && d < 2.8);
    ck_assert(read_as(&tars_type_float, "0.5", &f, &error) && f > 0.4F && f < 0.6F);
    setlocale(LC_NUMERIC, "C");
}
END_TEST

START_TEST(a_number_that_is_written_out_is_read)
{
    char text[400];
    double d;
    struct tars_error error;
    snprintf(text, sizeof text, "%.0f", 0x1.fffffffffffffp+1023);
    ck_assert_uint_eq(strlen(text), 309);
    ck_assert(read_as(&tars_type_double, text, &d, &error));
    ck_assert(!(d < 0x1.fffffffffffffp+1023));
}
END_TEST

START_TEST(a_map_of_texts_keeps_the_last_of_a_name_that_comes_again)
{
    struct tars_str_map map;
    struct tars_error error;
    ck_assert(read_as(&tars_type_str_map, "{\"b\":\"1\",\"a\":\"2\",\"b\":\"3\"}", &map, &error));
    ck_assert_uint_eq(map.len, 2);
    ck_assert(tars_str_is(*tars_str_map_get(&map, "b"), "3"));
}
END_TEST

START_TEST(a_wrong_type_names_what_stands_there)
{
    struct tars_error error;
    int32_t i;
    struct tars_str s;
    ck_assert(!read_as(&tars_type_int32, "\"5\"", &i, &error));
    ck_assert_msg(strstr(error.text, "a number was expected, a string stands there") != NULL, "%s",
                  error.text);
    ck_assert(!read_as(&tars_type_str, "5", &s, &error));
    ck_assert(!read_as(&tars_type_str, "null", &s, &error));
}
END_TEST

START_TEST(errors_name_the_member_and_the_element)
{
    struct tars_json_reader r;
    struct tars_str name;
    struct tars_int32_list list;
    tars_json_reader_init(&r, tars_str("{\"a\":{\"b\":[1,2,true]}}"), arena);
    ck_assert(tars_json_read_object(&r));
    ck_assert_int_eq(tars_json_next_member(&r, &name), TARS_FOUND);
    ck_assert(tars_json_read_object(&r));
    ck_assert_int_eq(tars_json_next_member(&r, &name), TARS_FOUND);
    ck_assert(!tars_type_int32_list.from_json(&r, &list));
    ck_assert_msg(strstr(r.error.text, "a.b[2]: a number was expected") == r.error.text, "%s",
                  r.error.text);
}
END_TEST

START_TEST(surrogate_pairs_become_one_utf8_sequence)
{
    struct tars_error error;
    struct tars_str s;
    ck_assert(read_as(&tars_type_str, "\"\\ud83d\\ude00\\u4f60\\u0000/\\/\"", &s, &error));
    ck_assert_uint_eq(s.len, 4 + 3 + 1 + 2);
    ck_assert(memcmp(s.at, "\xf0\x9f\x98\x80\xe4\xbd\xa0\0//", s.len) == 0);
    ck_assert(!read_as(&tars_type_str, "\"\\ud83d\"", &s, &error));
    ck_assert(!read_as(&tars_type_str, "\"\\ude00\"", &s, &error));
    ck_assert(!read_as(&tars_type_str, "\"\\u12\"", &s, &error));
}
END_TEST

START_TEST(strings_are_written_with_plain_slashes_and_escaped_controls)
{
    struct tars_str s = tars_str_n("a/\"\\\n\x01\0\xe4\xbd\xa0", 10);
    check_text(&tars_type_str, &s, "\"a/\\\"\\\\\\n\\u0001\\u0000\xe4\xbd\xa0\"");
}
END_TEST

START_TEST(bytes_are_signed_numbers_and_0_to_255_is_read)
{
    struct tars_error error;
    struct tars_str s;
    ck_assert(read_as(&tars_type_bytes, "[0, -1, 255, 127]", &s, &error));
    ck_assert_uint_eq(s.len, 4);
    ck_assert(memcmp(s.at, "\x00\xff\xff\x7f", 4) == 0);
    check_text(&tars_type_bytes, &s, "[0,-1,-1,127]");
    ck_assert(!read_as(&tars_type_bytes, "[256]", &s, &error));
}
END_TEST

START_TEST(doubles_read_back_to_the_same_bits)
{
    unsigned seed = 20260101;
    struct tars_error error;
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = 0;
        for (int k = 0; k < 4; k++)
            bits = bits << 16 | ((unsigned)rand_r(&seed) & 0xffff);
        double v, back;
        memcpy(&v, &bits, sizeof v);
        if (isnan(v))
            continue;
        struct tars_json_writer w;
        tars_json_writer_init(&w);
        tars_json_double(&w, v);
        tars_writer_append(&w.out, "", 1);
        ck_assert(read_as(&tars_type_double, (const char *)w.out.at, &back, &error));
        ck_assert_msg(memcmp(&v, &back, sizeof v) == 0, "%s (seed 20260101)",
                      (const char *)w.out.at);
        tars_json_writer_free(&w);
        tars_arena_reset(arena);
    }
    double inf = -(double)INFINITY;
    check_text(&tars_type_double, &inf, "\"-Infinity\"");
}
END_TEST

START_TEST(malformed_texts_are_refused)
{
    static const char *const bad[] = {
        "",     "[1,]",       "[1 2]", "[,1]", "{\"a\"}", "{\"a\":}", "{a:1}", "[01]",
        "[1.]", "[1e]",       "[-]",   "\"a",  "\"\\x\"", "\"a\nb\"", "[1]x",  "nul",
        "tru",  "{\"a\":1,}", "[+1]",  "[.5]", "\"\\",    "{",        "[",     "[\"\\u00\"]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tars_json_reader r;
        tars_json_reader_init(&r, tars_str(bad[i]), arena);
        ck_assert_msg(!(tars_json_skip(&r) && tars_json_read_end(&r)), "accepted: %s", bad[i]);
        ck_assert_int_ne(r.error.code, 0);
    }
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
    char text[1001];
    memset(text, '[', 1000);
    text[1000] = '\0';
    struct tars_json_reader r;
    tars_json_reader_init(&r, tars_str(text), arena);
    ck_assert(!tars_json_skip(&r));
    ck_assert(strstr(r.error.text, "nested too deeply"));
}
END_TEST

START_TEST(memory_stays_within_the_arenas_limit)
{
    size_t len = 1 << 20;
    char *text = malloc(len + 2);
    for (size_t i = 0; i < len; i += 2)
        memcpy(text + i, "1,", 2);
    text[0] = '[';
    memcpy(text + len - 1, "]", 2);
    text[1] = '1';
    struct tars_arena *small = tars_arena_new(64 * 1024);
    struct tars_json_reader r;
    struct tars_int64_list list;
    tars_json_reader_init(&r, tars_str_n(text, len), small);
    ck_assert(!tars_type_int64_list.from_json(&r, &list));
    ck_assert(strstr(r.error.text, "memory"));
    tars_arena_free(small);
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json");
    TCase *tests = tcase_create("json");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, integers_of_64_bits_stay_exact);
    tcase_add_test(tests, numbers_that_do_not_fit_are_refused_not_truncated);
    tcase_add_test(tests, a_negative_zero_keeps_its_sign);
    tcase_add_test(tests, fractions_have_a_point_in_any_locale);
    tcase_add_test(tests, a_number_that_is_written_out_is_read);
    tcase_add_test(tests, a_map_of_texts_keeps_the_last_of_a_name_that_comes_again);
    tcase_add_test(tests, a_wrong_type_names_what_stands_there);
    tcase_add_test(tests, errors_name_the_member_and_the_element);
    tcase_add_test(tests, surrogate_pairs_become_one_utf8_sequence);
    tcase_add_test(tests, strings_are_written_with_plain_slashes_and_escaped_controls);
    tcase_add_test(tests, bytes_are_signed_numbers_and_0_to_255_is_read);
    tcase_add_test(tests, doubles_read_back_to_the_same_bits);
    tcase_add_test(tests, malformed_texts_are_refused);
    tcase_add_test(tests, deep_nesting_is_refused);
    tcase_add_test(tests, memory_stays_within_the_arenas_limit);
    suite_add_tcase(suite, tests);
    return tk_main(suite);
}
