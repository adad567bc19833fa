/* SPDX-License-Identifier: BSD-3-Clause */
#include <tars/wire.h>
#include <tars/types.h>

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/utf8.h"
#include "base/xmalloc.h"
#include "testkit.h"

START_TEST(arena_memory_is_zeroed_aligned_and_grows)
{
    struct tars_arena *arena = tars_arena_new(0);
    for (size_t size = 1; size < 100000; size = size * 3 + 1) {
        char *p = tars_arena_alloc(arena, size);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < size; i++)
            ck_assert_int_eq(p[i], 0);
        memset(p, 0xff, size);
    }
    tars_arena_reset(arena);
    ck_assert_uint_eq(tars_arena_used(arena), 0);
    char *again = tars_arena_alloc(arena, 64);
    ck_assert_int_eq(again[63], 0);
    tars_arena_free(arena);
}
END_TEST

START_TEST(arena_refuses_more_than_its_limit_and_huge_sizes)
{
    struct tars_arena *arena = tars_arena_new(1000);
    ck_assert_ptr_nonnull(tars_arena_alloc(arena, 900));
    ck_assert_ptr_null(tars_arena_alloc(arena, 200));
    ck_assert_ptr_null(tars_arena_alloc(arena, SIZE_MAX));
    ck_assert_ptr_null(tars_arena_copy(arena, tars_str_n("", SIZE_MAX)).at);
    tars_arena_reset(arena);
    ck_assert_ptr_nonnull(tars_arena_alloc(arena, 900));
    tars_arena_free(arena);
}
END_TEST

START_TEST(arena_copies_and_prints_texts_with_a_nul_behind)
{
    struct tars_arena *arena = tars_arena_new(0);
    struct tars_str copy = tars_arena_copy(arena, tars_str_n("a\0b", 3));
    ck_assert(tars_str_equal(copy, tars_str_n("a\0b", 3)));
    ck_assert_int_eq(copy.at[3], 0);
    ck_assert_str_eq(tars_arena_printf(arena, "%d-%s", 7, "x"), "7-x");
    tars_arena_free(arena);
}
END_TEST

START_TEST(strings_compare_by_bytes_the_shorter_first)
{
    ck_assert_int_lt(tars_str_compare(tars_str("a"), tars_str("ab")), 0);
    ck_assert_int_gt(tars_str_compare(tars_str("\xff"), tars_str("a")), 0);
    ck_assert_int_eq(tars_str_compare(tars_str(""), tars_str(NULL)), 0);
}
END_TEST

START_TEST(a_string_map_answers_the_last_of_equal_keys)
{
    struct tars_str_pair pairs[] = {{tars_str("k"), tars_str("1")}, {tars_str("k"), tars_str("2")}};
    struct tars_str_map map = {2, pairs};
    ck_assert(tars_str_is(*tars_str_map_get(&map, "k"), "2"));
    ck_assert_ptr_null(tars_str_map_get(&map, "other"));
}
END_TEST

START_TEST(a_long_map_that_is_read_has_each_key_once)
{
    enum { COUNT = 40 };
    struct tars_writer w;
    struct tars_reader r;
    struct tars_str_map map = {0, NULL};
    struct tars_arena *arena = tars_arena_new(0);
    tars_writer_init(&w);
    tars_write_map(&w, 0, COUNT);
    for (int i = 0; i < COUNT; i++) {
        tars_write_str(&w, 0, tars_str(tars_arena_printf(arena, "k%d", i % 30)));
        tars_write_str(&w, 1, tars_str(tars_arena_printf(arena, "%d", i)));
    }
    tars_reader_init(&r, w.at, w.len, arena);
    ck_assert(tars_read_str_map(&r, 0, TARS_REQUIRE, &map));
    ck_assert_uint_eq(map.len, 30);
    ck_assert(tars_str_is(*tars_str_map_get(&map, "k9"), "39"));
    ck_assert(tars_str_is(*tars_str_map_get(&map, "k10"), "10"));
    tars_writer_free(&w);
    tars_arena_free(arena);
}
END_TEST

START_TEST(errors_are_cut_not_overrun_and_take_a_prefix)
{
    struct tars_error error;
    char long_text[2000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    ck_assert(!tars_fail(&error, 7, "%s", long_text));
    ck_assert_uint_eq(strlen(error.text), sizeof error.text - 1);
    ck_assert(!tars_fail(&error, 7, "line 3"));
    ck_assert(!tars_fail_prefix(&error, "reading %s: ", "a.conf"));
    ck_assert_str_eq(error.text, "reading a.conf: line 3");
    ck_assert(!tars_fail(NULL, 1, "nobody listens"));
}
END_TEST

START_TEST(a_map_holds_what_was_put_through_many_changes)
{
    struct map *m = map_new(free);
    unsigned seed = 42;
    int *model[500] = {NULL};
    for (int step = 0; step < 50000; step++) {
        int k = rand_r(&seed) % 500;
        char key[16];
        snprintf(key, sizeof key, "key-%d", k);
        if (rand_r(&seed) % 3) {
            model[k] = xcalloc(1, sizeof(int));
            *model[k] = step;
            map_put(m, tars_str(key), model[k]);
        } else {
            ck_assert_int_eq(map_remove(m, tars_str(key)), model[k] != NULL);
            model[k] = NULL;
        }
        ck_assert_ptr_eq(map_get(m, tars_str(key)), model[k]);
    }
    size_t count = 0, at = 0, walked = 0;
    for (int k = 0; k < 500; k++)
        count += model[k] != NULL;
    struct tars_str key;
    void *value;
    while (map_next(m, &at, &key, &value))
        walked++;
    ck_assert_uint_eq(map_len(m), count);
    ck_assert_uint_eq(walked, count);
    map_free(m);
}
END_TEST

START_TEST(map_keys_may_be_empty_or_hold_nul_bytes)
{
    struct map *m = map_new(NULL);
    char empty[] = "empty", nul[] = "nul", a[] = "a";
    map_put(m, tars_str(""), empty);
    map_put(m, tars_str_n("a\0b", 3), nul);
    map_put(m, tars_str("a"), a);
    ck_assert_str_eq(map_get(m, tars_str("")), "empty");
    ck_assert_str_eq(map_get(m, tars_str_n("a\0b", 3)), "nul");
    ck_assert_str_eq(map_take(m, tars_str("a")), "a");
    ck_assert_ptr_null(map_take(m, tars_str("a")));
    map_free(m);
}
END_TEST

START_TEST(utf8_is_well_formed_shortest_and_no_surrogate)
{
    static const char *const good[] = {"",
                                       "plain\x7f",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2"
                                      "A",
                                      "\xe0\x9f\xbf",
                                      "\xe2\x82",
                                      "\xe2\x82"
                                      "A",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "a\xf0\x90\x80"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(utf8_is_valid(tars_str(good[i])), "good %zu", i);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!utf8_is_valid(tars_str(bad[i])), "bad %zu", i);
    ck_assert(utf8_is_valid(tars_str_n("a\0b", 3)));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base");
    TCase *tests = tcase_create("base");
    tcase_add_test(tests, arena_memory_is_zeroed_aligned_and_grows);
    tcase_add_test(tests, arena_refuses_more_than_its_limit_and_huge_sizes);
    tcase_add_test(tests, arena_copies_and_prints_texts_with_a_nul_behind);
    tcase_add_test(tests, strings_compare_by_bytes_the_shorter_first);
    tcase_add_test(tests, a_string_map_answers_the_last_of_equal_keys);
    tcase_add_test(tests, a_long_map_that_is_read_has_each_key_once);
    tcase_add_test(tests, errors_are_cut_not_overrun_and_take_a_prefix);
    tcase_add_test(tests, a_map_holds_what_was_put_through_many_changes);
    tcase_add_test(tests, map_keys_may_be_empty_or_hold_nul_bytes);
    tcase_add_test(tests, utf8_is_well_formed_shortest_and_no_surrogate);
    suite_add_tcase(suite, tests);
    return tk_main(suite);
}
