/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Weakness 8: after an outage of its own or of its store the registry took everybody for dead.
 * Weakness 7: it did not write a state that it remembered, though another registry had changed it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "registrykit.h"

enum {
    NODES = 12,
    LIMIT_MS = 2000,      /* liveness-unknown here; liveness-minimum is 1500 */
    PAUSE_MS = 2800,      /* longer than that, and than a round may be late */
    TAKEN_OVER_MS = 4200, /* what the other registry needs to notice and to lose its patience */
    PATIENCE_MS = 5000    /* liveness-minimum where the test says so */
};

static struct rk_suite suite;

static void setup(void)
{
    rk_open(&suite, tk_text("liveness-unknown=%d\n", LIMIT_MS));
}

/* Longer than what it takes to find that a registry is late and that it is back. */
static void setup_patient(void)
{
    rk_open(&suite, tk_text("liveness-minimum=%d\n", PATIENCE_MS));
}

static void teardown(void)
{
    rk_close(&suite);
}

static void start_second(void)
{
    rk_prepare(&suite, 1);
    rk_start(&suite, 1);
    rk_wait_ready(&suite, 1);
}

static const char *node(int k)
{
    return tk_text("10.0.1.%d", k);
}

static int active(int n)
{
    const char *list = rk_list(&suite, n);
    int count = *list != '/' && *list != '?';
    for (; *list && *list != '/'; list++)
        count += *list == ',';
    return count;
}

static void start_nodes(int count)
{
    for (int k = 0; k < count; k++)
        RK_OK(rk_on_startup(&suite, 0, node(k), 80, "active"));
}

static void report_nodes(int n, int count)
{
    for (int k = 0; k < count; k++)
        RK_OK(rk_keep_alive(&suite, n, node(k), "active"));
}

/* Everybody reports for a while, so that each has shown an interval of about 300 ms. */
static void settle(int count)
{
    for (int round = 0; round < 4; round++) {
        report_nodes(0, count);
        tk_sleep(300);
    }
}

START_TEST(registry_that_was_stopped_for_longer_than_the_limit_expires_nobody)
{
    start_nodes(NODES);
    settle(NODES);
    tk_signal(suite.at[0].process, SIGSTOP);
    tk_sleep(PAUSE_MS);
    tk_signal(suite.at[0].process, SIGCONT);
    /* Half of the shortest patience: time to expire by mistake, and for a report to come. */
    for (int64_t end = tk_ms() + 700; tk_ms() < end; tk_sleep(50))
        ck_assert_int_eq(active(0), NODES);
    for (int round = 0; round < 5; round++) {
        report_nodes(0, NODES);
        ck_assert_int_eq(active(0), NODES);
        tk_sleep(300);
    }
    ck_assert(rk_metric(&suite, 0, "tars_registry_expired_total") == 0);
}
END_TEST

START_TEST(who_is_still_silent_after_the_pause_expires_with_a_new_patience)
{
    start_nodes(2);
    settle(2);
    tk_signal(suite.at[0].process, SIGSTOP);
    tk_sleep(PAUSE_MS);
    tk_signal(suite.at[0].process, SIGCONT);
    int64_t back = tk_ms();
    while (active(0) == 2 && tk_ms() - back < RK_WAIT_MS) {
        RK_OK(rk_keep_alive(&suite, 0, node(1), "active"));
        tk_sleep(100);
    }
    ck_assert_int_ge(tk_ms() - back, 1400);
    ck_assert_str_eq(rk_list(&suite, 0), "10.0.1.1/10.0.1.0");
}
END_TEST

START_TEST(registry_that_was_killed_for_longer_than_the_limit_expires_nobody_at_its_start)
{
    start_nodes(NODES);
    settle(NODES);
    tk_kill(suite.at[0].process);
    tk_sleep(PAUSE_MS);
    rk_start(&suite, 0);
    rk_wait_ready(&suite, 0);
    /* Until then it serves what its snapshot file has, which may be from before the last startup.
     */
    ck_assert(tk_eventually(rk_metric(&suite, 0, "tars_registry_stale") == 0, RK_WAIT_MS));
    for (int round = 0; round < 8; round++) {
        report_nodes(0, NODES);
        ck_assert_int_eq(active(0), NODES);
        tk_sleep(300);
    }
    ck_assert(rk_metric(&suite, 0, "tars_registry_expired_total") == 0);
}
END_TEST

START_TEST(store_that_was_stopped_for_longer_than_the_limit_makes_nobody_expire)
{
    start_nodes(NODES);
    settle(NODES);
    tk_signal(suite.store, SIGSTOP);
    for (int64_t end = tk_ms() + 2 * LIMIT_MS; tk_ms() < end; tk_sleep(300)) {
        report_nodes(0, NODES);
        ck_assert_int_eq(active(0), NODES);
    }
    tk_signal(suite.store, SIGCONT);
    for (int64_t end = tk_ms() + LIMIT_MS; tk_ms() < end; tk_sleep(300)) {
        report_nodes(0, NODES);
        ck_assert_int_eq(active(0), NODES);
    }
    ck_assert(rk_metric(&suite, 0, "tars_registry_expired_total") == 0);
}
END_TEST

START_TEST(many_falling_silent_at_once_stay_until_an_operator_says_so)
{
    start_nodes(NODES);
    settle(NODES);
    ck_assert(
        tk_eventually(rk_metric(&suite, 0, "tars_registry_held_rounds_total") > 0, RK_WAIT_MS));
    ck_assert_int_eq(active(0), NODES);
    ck_assert(tk_output_has(suite.at[0].process, "fell silent at once"));
    const char *admin = tk_text("AdminObj@tcp -h 127.0.0.1 -p %u", suite.at[0].admin_port);
    const char *const argv[] = {
        tk_program("tarsc"), "call", admin, "notify", "{\"command\":\"registry.expire\"}", NULL};
    char *output;
    int status = tk_run(argv, NULL, 10000, &output);
    ck_assert_msg(status == 0, "%s", output);
    free(output);
    ck_assert(tk_eventually(active(0) == 0, RK_WAIT_MS));
}
END_TEST

START_TEST(survivor_takes_over_from_a_killed_registry_and_expires_only_what_is_dead)
{
    start_second();
    start_nodes(4);
    settle(4);
    ck_assert(tk_eventually(active(1) == 4, 5000));
    tk_kill(suite.at[0].process);
    /* Two of the four find the other registry; two died with the first. */
    for (int64_t end = tk_ms() + RK_WAIT_MS; active(1) > 2 && tk_ms() < end; tk_sleep(300))
        report_nodes(1, 2);
    ck_assert_str_eq(rk_list(&suite, 1), "10.0.1.0,10.0.1.1/10.0.1.2,10.0.1.3");
    ck_assert(rk_metric(&suite, 1, "tars_registry_expired_total") == 2);
}
END_TEST

/* The first one paused; the other heard the instances all the while, so their silence towards the
 * first means nothing. */
START_TEST(registry_that_comes_back_does_not_expire_what_the_other_took_over)
{
    start_second();
    start_nodes(4);
    settle(4);
    ck_assert(tk_eventually(active(1) == 4, 5000));
    tk_signal(suite.at[0].process, SIGSTOP);
    for (int64_t end = tk_ms() + TAKEN_OVER_MS; tk_ms() < end; tk_sleep(300)) {
        report_nodes(1, 4);
        ck_assert_int_eq(active(1), 4);
    }
    tk_signal(suite.at[0].process, SIGCONT);
    for (int64_t end = tk_ms() + TAKEN_OVER_MS; tk_ms() < end; tk_sleep(300)) {
        report_nodes(1, 4);
        ck_assert_int_eq(active(1), 4);
    }
    ck_assert_int_eq(active(0), 4);
    ck_assert(rk_metric(&suite, 0, "tars_registry_expired_total") == 0);
}
END_TEST

static const char *registries(void)
{
    return rk_find(&suite, 0, "tars.tarsregistry.Registry");
}

/* It was only late. The instances went on reporting to it, which it does not write each time: the
 * one that had taken them over hears nothing of them and must not take that for silence. */
START_TEST(registry_whose_row_moves_again_has_its_instances_back)
{
    start_second();
    RK_OK(rk_on_startup(&suite, 1, node(0), 80, "active"));
    for (int round = 0; round < 4; round++, tk_sleep(300))
        RK_OK(rk_keep_alive(&suite, 1, node(0), "active"));
    ck_assert(tk_eventually(strcmp(registries(), "127.0.0.1,127.0.0.1/") == 0, RK_WAIT_MS));
    ck_assert(tk_eventually(active(0) == 1, RK_WAIT_MS));
    tk_sleep(1000); /* the interval reaches the first one too */
    RK_OK(rk_keep_alive(&suite, 1, node(0), "active"));
    tk_signal(suite.at[1].process, SIGSTOP);
    bool dead = tk_eventually(strcmp(registries(), "127.0.0.1/127.0.0.1") == 0, RK_WAIT_MS);
    tk_sleep(1000); /* and its instances are taken over */
    tk_signal(suite.at[1].process, SIGCONT);
    ck_assert(dead);
    for (int64_t end = tk_ms() + PATIENCE_MS + 1500; tk_ms() < end; tk_sleep(100)) {
        RK_OK(rk_keep_alive(&suite, 1, node(0), "active"));
        ck_assert_int_eq(active(0), 1);
    }
    ck_assert(rk_metric(&suite, 0, "tars_registry_expired_total") == 0);
}
END_TEST

/* Weakness 7. */
START_TEST(state_is_written_again_when_another_registry_changed_it_meanwhile)
{
    start_second();
    start_nodes(1);
    for (int k = 0; k < 6; k++) {
        const char *state = k % 2 ? "active" : "inactive";
        RK_OK(rk_keep_alive(&suite, 0, node(0), "active"));
        tk_sleep(5);
        RK_OK(rk_keep_alive(&suite, 1, node(0), state));
        tk_sleep(5);
        RK_OK(rk_keep_alive(&suite, 0, node(0), "active"));
        ck_assert(tk_eventually(active(0) == 1 && active(1) == 1, 5000));
    }
    char *text = NULL;
    for (int64_t end = tk_ms() + 1500; tk_ms() < end; tk_sleep(200)) /* a tick writes it */
        RK_OK(rk_keep_alive(&suite, 0, node(0), "active"));
    ck_assert_int_eq(
        rk_document(&suite, "GET", "state", "_doc", "App%7CServer%7C10.0.1.0", NULL, &text), 200);
    ck_assert_msg(strstr(text, "\"present_state\":\"active\""), "%s", text);
    free(text);
}
END_TEST

static TCase *case_of(const char *name, void (*open)(void))
{
    TCase *tc = tcase_create(name);
    tcase_add_checked_fixture(tc, open, teardown);
    tcase_set_timeout(tc, 90);
    return tc;
}

int main(void)
{
    Suite *all = suite_create("registry_away");
    TCase *tc = case_of("all", setup), *patient = case_of("patient", setup_patient);
    const TTest *const tests[] = {
        registry_that_was_stopped_for_longer_than_the_limit_expires_nobody,
        who_is_still_silent_after_the_pause_expires_with_a_new_patience,
        registry_that_was_killed_for_longer_than_the_limit_expires_nobody_at_its_start,
        store_that_was_stopped_for_longer_than_the_limit_makes_nobody_expire,
        many_falling_silent_at_once_stay_until_an_operator_says_so,
        survivor_takes_over_from_a_killed_registry_and_expires_only_what_is_dead,
        registry_that_comes_back_does_not_expire_what_the_other_took_over,
        state_is_written_again_when_another_registry_changed_it_meanwhile,
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tc, tests[i]);
    tcase_add_test(patient, registry_whose_row_moves_again_has_its_instances_back);
    suite_add_tcase(all, tc);
    suite_add_tcase(all, patient);
    return tk_main(all);
}
