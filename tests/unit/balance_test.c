/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/balance.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum { MANY = 8 };

static bool down[64];

static bool usable(const void *user, size_t position)
{
    (void)user;
    return !down[position];
}

static void make(struct tars_endpoint *list, size_t count)
{
    memset(down, 0, sizeof down);
    memset(list, 0, count * sizeof *list);
    for (size_t i = 0; i < count; i++) {
        list[i].transport = TARS_TCP;
        snprintf(list[i].host, sizeof list[i].host, "10.0.0.%zu", i + 1);
        list[i].port = 20001;
        list[i].weight = -1;
    }
}

static void weigh(struct tars_endpoint *list, size_t count, const int *weights)
{
    for (size_t i = 0; i < count; i++) {
        list[i].weight_type = 1;
        list[i].weight = weights[i];
    }
}

static int turn(struct rpc_balance *b)
{
    return rpc_balance_pick(b, TARS_ROUTE_TURN, 0, usable, NULL);
}

START_TEST(in_turn_each_gets_the_same_share)
{
    struct tars_endpoint list[MANY];
    int seen[MANY] = {0};
    struct rpc_balance *b;

    make(list, MANY);
    b = rpc_balance_new(list, MANY, 12345);
    for (int i = 0; i < MANY * 100; i++)
        seen[turn(b)]++;
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(seen[i], 100);
    rpc_balance_free(b);
}
END_TEST

START_TEST(an_unusable_one_is_passed_over_and_none_is_none)
{
    struct tars_endpoint list[3];
    struct rpc_balance *b;

    make(list, 3);
    b = rpc_balance_new(list, 3, 0);
    down[1] = true;
    for (int i = 0; i < 30; i++)
        ck_assert_int_ne(turn(b), 1);
    memset(down, 1, sizeof down);
    for (int routing = 0; routing <= 2; routing++)
        ck_assert_int_eq(rpc_balance_pick(b, (enum tars_routing)routing, 7, usable, NULL),
                         RPC_BALANCE_NONE);
    rpc_balance_free(b);
    b = rpc_balance_new(NULL, 0, 9);
    for (int routing = 0; routing <= 2; routing++)
        ck_assert_int_eq(rpc_balance_pick(b, (enum tars_routing)routing, 7, usable, NULL),
                         RPC_BALANCE_NONE);
    rpc_balance_free(b);
}
END_TEST

START_TEST(static_weights_share_in_proportion_and_smoothly)
{
    static const int weights[] = {50, 30, 20, 0};
    struct tars_endpoint list[4];
    int seen[4] = {0}, in_row = 0, last = -1;
    struct rpc_balance *b;

    make(list, 4);
    weigh(list, 4, weights);
    b = rpc_balance_new(list, 4, 3);
    for (int i = 0; i < 1000; i++) {
        int at = turn(b);

        in_row = at == last ? in_row + 1 : 1;
        last = at;
        ck_assert_int_le(in_row, 2);
        seen[at]++;
    }
    ck_assert_int_eq(seen[0], 500);
    ck_assert_int_eq(seen[1], 300);
    ck_assert_int_eq(seen[2], 200);
    ck_assert_int_eq(seen[3], 0);
    rpc_balance_free(b);
}
END_TEST

START_TEST(weights_count_only_when_all_endpoints_have_them)
{
    static const int weights[] = {1, 100, 100};
    struct tars_endpoint list[3];
    int seen[3] = {0};
    struct rpc_balance *b;

    make(list, 3);
    weigh(list, 3, weights);
    list[2].weight_type = 0;
    b = rpc_balance_new(list, 3, 0);
    for (int i = 0; i < 300; i++)
        seen[turn(b)]++;
    ck_assert_int_eq(seen[0], 100);
    rpc_balance_free(b);
}
END_TEST

START_TEST(a_hash_names_the_same_endpoint_whatever_the_order_of_the_list)
{
    struct tars_endpoint list[MANY], turned[MANY];
    struct rpc_balance *a, *b;

    make(list, MANY);
    for (size_t i = 0; i < MANY; i++)
        turned[i] = list[(i * 3 + 5) % MANY];
    a = rpc_balance_new(list, MANY, 1);
    b = rpc_balance_new(turned, MANY, 2);
    for (uint32_t hash = 0; hash < 1000; hash++) {
        for (int routing = TARS_ROUTE_HASH; routing <= TARS_ROUTE_CONSISTENT_HASH; routing++) {
            int x = rpc_balance_pick(a, (enum tars_routing)routing, hash, usable, NULL);
            int y = rpc_balance_pick(b, (enum tars_routing)routing, hash, usable, NULL);

            ck_assert_str_eq(list[x].host, turned[y].host);
        }
    }
    rpc_balance_free(a);
    rpc_balance_free(b);
}
END_TEST

START_TEST(a_plain_hash_is_the_remainder_over_the_sorted_list)
{
    struct tars_endpoint list[3];
    struct rpc_balance *b;

    make(list, 3);
    b = rpc_balance_new(list, 3, 0);
    for (uint32_t hash = 0; hash < 30; hash++)
        ck_assert_int_eq(rpc_balance_pick(b, TARS_ROUTE_HASH, hash, usable, NULL), (int)(hash % 3));
    down[1] = true;
    ck_assert_int_eq(rpc_balance_pick(b, TARS_ROUTE_HASH, 3, usable, NULL), 0);
    ck_assert_int_eq(rpc_balance_pick(b, TARS_ROUTE_HASH, 1, usable, NULL),
                     2); /* 1 % 2 of {0, 2} */
    rpc_balance_free(b);
}
END_TEST

START_TEST(consistent_hash_spreads_evenly)
{
    struct tars_endpoint list[MANY];
    int seen[MANY] = {0};
    struct rpc_balance *b;

    make(list, MANY);
    b = rpc_balance_new(list, MANY, 0);
    for (uint32_t hash = 0; hash < 80000; hash++)
        seen[rpc_balance_pick(b, TARS_ROUTE_CONSISTENT_HASH, hash, usable, NULL)]++;
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_gt(seen[i], 6500);
        ck_assert_int_lt(seen[i], 13500);
    }
    rpc_balance_free(b);
}
END_TEST

START_TEST(consistent_hash_moves_only_the_share_of_a_lost_endpoint)
{
    struct tars_endpoint list[MANY];
    struct rpc_balance *all, *less;

    make(list, MANY);
    all = rpc_balance_new(list, MANY, 0);
    less = rpc_balance_new(list, MANY - 1, 0);
    for (uint32_t hash = 0; hash < 10000; hash++) {
        int before = rpc_balance_pick(all, TARS_ROUTE_CONSISTENT_HASH, hash, usable, NULL);
        int after = rpc_balance_pick(less, TARS_ROUTE_CONSISTENT_HASH, hash, usable, NULL);
        int aside;

        if (before != MANY - 1)
            ck_assert_int_eq(before, after);
        down[3] = true; /* put aside is the same as lost */
        aside = rpc_balance_pick(all, TARS_ROUTE_CONSISTENT_HASH, hash, usable, NULL);
        down[3] = false;
        ck_assert_int_ne(aside, 3);
        if (before != 3)
            ck_assert_int_eq(before, aside);
    }
    rpc_balance_free(all);
    rpc_balance_free(less);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("balance");
    TCase *t = tcase_create("picks");
    SRunner *runner;
    int failed;

    tcase_add_test(t, in_turn_each_gets_the_same_share);
    tcase_add_test(t, an_unusable_one_is_passed_over_and_none_is_none);
    tcase_add_test(t, static_weights_share_in_proportion_and_smoothly);
    tcase_add_test(t, weights_count_only_when_all_endpoints_have_them);
    tcase_add_test(t, a_hash_names_the_same_endpoint_whatever_the_order_of_the_list);
    tcase_add_test(t, a_plain_hash_is_the_remainder_over_the_sorted_list);
    tcase_add_test(t, consistent_hash_spreads_evenly);
    tcase_add_test(t, consistent_hash_moves_only_the_share_of_a_lost_endpoint);
    suite_add_tcase(s, t);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
