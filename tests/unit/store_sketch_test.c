/* SPDX-License-Identifier: BSD-3-Clause */
/* Summaries of many values in bounded memory: exact for few, near for many. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "tarselasticsearch/sketch.h"
#include "testkit.h"

static struct tars_arena *arena;

static void setup(void)
{
    arena = tars_arena_new(2 << 20);
}

static void teardown(void)
{
    tars_arena_free(arena);
}

static int64_t count_different(int64_t values)
{
    struct distinct d = {0};
    for (int64_t i = 0; i < values * 2; i++) {
        struct value v = {.kind = VALUE_INT, .i = i % values};
        ck_assert(distinct_add(&d, arena, &v));
    }
    return distinct_count(&d);
}

START_TEST(few_different_values_are_counted_exactly)
{
    ck_assert_int_eq(count_different(1), 1);
    ck_assert_int_eq(count_different(DISTINCT_EXACT), DISTINCT_EXACT);
}
END_TEST

START_TEST(many_different_values_are_counted_to_three_percent)
{
    ck_assert_double_eq_tol((double)count_different(300000), 300000, 9000);
}
END_TEST

START_TEST(shares_of_few_values_are_exact)
{
    struct digest d = {0};
    ck_assert(isnan(digest_quantile(&d, 0.5)));
    for (int i = 9; i >= 0; i--)
        ck_assert(digest_add(&d, arena, i));
    ck_assert_double_eq(digest_quantile(&d, 0), 0);
    ck_assert_double_eq(digest_quantile(&d, 0.5), 4.5);
    ck_assert_double_eq(digest_quantile(&d, 1), 9);
}
END_TEST

START_TEST(shares_of_many_values_are_near_in_bounded_memory)
{
    struct digest d = {0};
    for (int i = 0; i < 500000; i++)
        ck_assert(digest_add(&d, arena, (double)((int64_t)i * 7919 % 500000)));
    ck_assert_uint_le(d.count, DIGEST_EXACT);
    for (int percent = 1; percent < 100; percent++)
        ck_assert_double_eq_tol(digest_quantile(&d, percent / 100.0), percent * 5000.0, 2500);
    ck_assert_double_eq(digest_quantile(&d, 0), 0);
    ck_assert_double_eq(digest_quantile(&d, 1), 499999);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_sketch");
    TCase *tc = tcase_create("sketch");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, few_different_values_are_counted_exactly);
    tcase_add_test(tc, many_different_values_are_counted_to_three_percent);
    tcase_add_test(tc, shares_of_few_values_are_exact);
    tcase_add_test(tc, shares_of_many_values_are_near_in_bounded_memory);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
