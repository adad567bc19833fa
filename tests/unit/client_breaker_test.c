/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/breaker.h"

#include <check.h>

#include <tars/server.h>

static struct rpc_breaker b;
static struct rpc_breaker_conf conf;

static void setup(void)
{
    b = (struct rpc_breaker){0};
    conf = rpc_breaker_defaults;
}

START_TEST(with_the_defaults_the_first_failure_puts_aside)
{
    ck_assert(rpc_breaker_usable(&b, 1000));
    ck_assert(rpc_breaker_failure(&b, &conf, 1000));
    ck_assert(!rpc_breaker_usable(&b, 1001));
    ck_assert(!rpc_breaker_failure(&b, &conf, 1002)); /* no news */
}
END_TEST

START_TEST(one_call_at_a_time_tries_an_endpoint_put_aside)
{
    rpc_breaker_failure(&b, &conf, 1000);
    ck_assert(!rpc_breaker_usable(&b, 5999));
    ck_assert(rpc_breaker_usable(&b, 6000));
    rpc_breaker_begin(&b, &conf, 6000);
    ck_assert_int_eq(b.state, RPC_BREAKER_TRYING);
    ck_assert(!rpc_breaker_usable(&b, 6001));
    ck_assert(rpc_breaker_usable(&b, 11000)); /* the try was never heard of again */
}
END_TEST

START_TEST(a_successful_try_brings_it_back_and_a_failed_one_does_not)
{
    rpc_breaker_failure(&b, &conf, 1000);
    rpc_breaker_begin(&b, &conf, 6000);
    rpc_breaker_failure(&b, &conf, 6100);
    ck_assert(!rpc_breaker_usable(&b, 11099));
    ck_assert(rpc_breaker_usable(&b, 11100));
    rpc_breaker_begin(&b, &conf, 11100);
    rpc_breaker_success(&b, &conf, 11150);
    ck_assert_int_eq(b.state, RPC_BREAKER_CLOSED);
    ck_assert(rpc_breaker_usable(&b, 11150));
}
END_TEST

START_TEST(who_says_that_it_stops_comes_back_by_a_try_and_not_by_old_answers)
{
    rpc_breaker_leave(&b, &conf, 1000);
    rpc_breaker_success(&b, &conf, 1001);
    ck_assert_int_eq(b.state, RPC_BREAKER_OPEN);
    ck_assert(!rpc_breaker_usable(&b, 5999));
    rpc_breaker_begin(&b, &conf, 6000);
    rpc_breaker_success(&b, &conf, 6001);
    ck_assert_int_eq(b.state, RPC_BREAKER_CLOSED);
}
END_TEST

START_TEST(a_larger_number_of_failures_in_a_row_also_needs_its_time)
{
    conf.frequence_fail_invoke = 3;
    conf.check_timeout_interval_ms = 1000000;
    for (int i = 0; i < 10; i++)
        ck_assert(!rpc_breaker_failure(&b, &conf, 1000 + i));
    rpc_breaker_success(&b, &conf, 1100);
    ck_assert(!rpc_breaker_failure(&b, &conf, 5000));
    ck_assert(!rpc_breaker_failure(&b, &conf, 6000));
    ck_assert(rpc_breaker_failure(&b, &conf, 8000));
}
END_TEST

START_TEST(an_interval_with_too_many_failures_puts_aside_at_its_end)
{
    conf.frequence_fail_invoke = 1000;
    conf.min_timeout_invoke = 2;
    conf.radio = 0.5;
    b.window_ms = 1000;
    rpc_breaker_failure(&b, &conf, 1100);
    rpc_breaker_success(&b, &conf, 1200);
    rpc_breaker_failure(&b, &conf, 1300);
    ck_assert(rpc_breaker_usable(&b, 1400));
    rpc_breaker_success(&b, &conf, 6100);
    ck_assert(!rpc_breaker_usable(&b, 6200));
}
END_TEST

START_TEST(an_interval_with_a_small_share_of_failures_is_fine)
{
    conf.frequence_fail_invoke = 1000;
    b.window_ms = 1000;
    for (int i = 0; i < 100; i++)
        rpc_breaker_success(&b, &conf, 1100);
    rpc_breaker_failure(&b, &conf, 1300);
    rpc_breaker_success(&b, &conf, 6100);
    ck_assert(rpc_breaker_usable(&b, 6200));
}
END_TEST

START_TEST(connection_errors_have_a_limit_of_their_own)
{
    conf.max_connect_exc = 3;
    ck_assert(!rpc_breaker_connect_failure(&b, &conf, 1000));
    ck_assert(!rpc_breaker_connect_failure(&b, &conf, 1001));
    ck_assert(rpc_breaker_connect_failure(&b, &conf, 1002));
    ck_assert(!rpc_breaker_usable(&b, 1003));
}
END_TEST

START_TEST(only_codes_about_the_server_count)
{
    static const int32_t count[] = {TARS_RET_TIMEOUT, TARS_RET_CONNECT, TARS_RET_OVERLOAD,
                                    TARS_RET_QUEUE_TIMEOUT, TARS_RET_NO_SERVANT};
    static const int32_t others[] = {0, 1, 5, -1, -3, -99, TARS_RET_INVALID_SET, 100000};

    for (size_t i = 0; i < sizeof count / sizeof *count; i++)
        ck_assert(rpc_breaker_counts(count[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert(!rpc_breaker_counts(others[i]));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client_breaker");
    TCase *t = tcase_create("breaker");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, with_the_defaults_the_first_failure_puts_aside);
    tcase_add_test(t, one_call_at_a_time_tries_an_endpoint_put_aside);
    tcase_add_test(t, a_successful_try_brings_it_back_and_a_failed_one_does_not);
    tcase_add_test(t, who_says_that_it_stops_comes_back_by_a_try_and_not_by_old_answers);
    tcase_add_test(t, a_larger_number_of_failures_in_a_row_also_needs_its_time);
    tcase_add_test(t, an_interval_with_too_many_failures_puts_aside_at_its_end);
    tcase_add_test(t, an_interval_with_a_small_share_of_failures_is_fine);
    tcase_add_test(t, connection_errors_have_a_limit_of_their_own);
    tcase_add_test(t, only_codes_about_the_server_count);
    suite_add_tcase(s, t);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
