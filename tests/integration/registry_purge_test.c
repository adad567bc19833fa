/* SPDX-License-Identifier: BSD-3-Clause */
/* What was removed is taken out of the store after its time (here 3 s), and nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "registrykit.h"

enum { GONE_MS = 15000, AGE_MS = 3000 };

static struct rk_suite suite;

static void setup(void)
{
    rk_open(&suite, "reload-interval=1000\ntombstones=1000\nforget-registries=4000\n");
}

static void teardown(void)
{
    rk_close(&suite);
}

/* 200 or 404, without the delay that searches have. */
static int status_of(const char *kind, const char *node)
{
    return rk_document(&suite, "GET", kind, "_doc", tk_text("App%%7CServer%%7C%s", node), NULL,
                       NULL);
}

/* Reports, so that its silence is not what the test sees. */
static bool stays(const char *node)
{
    RK_OK(rk_keep_alive(&suite, 0, node, "active"));
    return status_of("server", node) == 200 && status_of("state", node) == 200;
}

static bool only_one_is_there(int n, const char *node)
{
    return stays(node) && strcmp(rk_list(&suite, n), tk_text("%s/", node)) == 0;
}

static bool purged_are(int count)
{
    return rk_metric(&suite, 0, "tars_registry_purged_total") == count;
}

START_TEST(tombstones_go_after_their_time_and_nothing_else_does)
{
    RK_OK(rk_on_startup(&suite, 0, "10.0.0.1", 80, "active"));
    RK_OK(rk_on_startup(&suite, 0, "10.0.0.2", 80, "active"));
    int64_t removed = tk_ms();
    RK_OK(rk_on_prestop(&suite, 0, "10.0.0.1"));
    while (status_of("server", "10.0.0.1") == 200 && tk_ms() - removed < GONE_MS) {
        ck_assert(stays("10.0.0.2"));
        tk_sleep(100);
    }
    ck_assert_int_eq(status_of("server", "10.0.0.1"), 404);
    ck_assert_int_ge(tk_ms() - removed, AGE_MS - 100);
    /* Its state became a tombstone first, and has its own time. */
    while (status_of("state", "10.0.0.1") == 200 && tk_ms() - removed < 2 * GONE_MS) {
        ck_assert(stays("10.0.0.2"));
        tk_sleep(100);
    }
    ck_assert_int_eq(status_of("state", "10.0.0.1"), 404);
    ck_assert(tk_eventually(only_one_is_there(0, "10.0.0.2"), GONE_MS));
    /* The store has deleted it before the registry knows. */
    ck_assert(tk_eventually(purged_are(2), GONE_MS));
}
END_TEST

START_TEST(instance_that_came_back_stays)
{
    RK_OK(rk_on_startup(&suite, 0, "10.0.0.1", 80, "active"));
    RK_OK(rk_on_prestop(&suite, 0, "10.0.0.1"));
    tk_sleep(AGE_MS / 3);
    RK_OK(rk_on_startup(&suite, 0, "10.0.0.1", 80, "active"));
    for (int64_t end = tk_ms() + 2 * AGE_MS; tk_ms() < end; tk_sleep(200))
        ck_assert(stays("10.0.0.1"));
    ck_assert(tk_eventually(only_one_is_there(0, "10.0.0.1"), GONE_MS));
    ck_assert(purged_are(0));
}
END_TEST

START_TEST(instance_may_register_again_after_its_tombstone_is_gone)
{
    RK_OK(rk_on_startup(&suite, 0, "10.0.0.1", 80, "active"));
    RK_OK(rk_on_prestop(&suite, 0, "10.0.0.1"));
    ck_assert(tk_eventually(status_of("server", "10.0.0.1") == 404, GONE_MS));
    RK_OK(rk_on_startup(&suite, 0, "10.0.0.1", 81, "active"));
    for (int64_t end = tk_ms() + 2 * AGE_MS; tk_ms() < end; tk_sleep(200))
        ck_assert(stays("10.0.0.1"));
    ck_assert(tk_eventually(only_one_is_there(0, "10.0.0.1"), GONE_MS));
}
END_TEST

START_TEST(several_registries_purge_without_harm)
{
    enum { INSTANCES = 30 };
    rk_prepare(&suite, 1);
    rk_start(&suite, 1);
    rk_wait_ready(&suite, 1);
    for (int k = 0; k < INSTANCES; k++)
        RK_OK(rk_on_startup(&suite, k % 2, tk_text("10.0.1.%d", k), 80, "active"));
    RK_OK(rk_on_startup(&suite, 0, "10.0.0.2", 80, "active"));
    for (int k = 0; k < INSTANCES; k++)
        RK_OK(rk_on_prestop(&suite, k % 2, tk_text("10.0.1.%d", k)));
    int64_t end = tk_ms() + 4 * GONE_MS;
    for (int k = 0; k < INSTANCES; k++)
        while (status_of("server", tk_text("10.0.1.%d", k)) == 200) {
            ck_assert_msg(tk_ms() < end, "10.0.1.%d is not purged", k);
            ck_assert(stays("10.0.0.2"));
            tk_sleep(100);
        }
    ck_assert(tk_eventually(only_one_is_there(0, "10.0.0.2"), GONE_MS));
    ck_assert(tk_eventually(only_one_is_there(1, "10.0.0.2"), GONE_MS));
}
END_TEST

START_TEST(registry_that_is_gone_for_long_is_no_longer_listed)
{
    static const char servant[] = "tars.tarsregistry.Registry";
    rk_prepare(&suite, 1);
    rk_start(&suite, 1);
    rk_wait_ready(&suite, 1);
    ck_assert(
        tk_eventually(strcmp(rk_find(&suite, 0, servant), "127.0.0.1,127.0.0.1/") == 0, GONE_MS));
    const char *row = tk_text("127.0.0.1:%u%%7C%s", suite.at[1].query_port, servant);
    tk_kill(suite.at[1].process);
    ck_assert_int_eq(rk_document(&suite, "GET", "registry", "_doc", row, NULL, NULL), 200);
    ck_assert(tk_eventually(strcmp(rk_find(&suite, 0, servant), "127.0.0.1/") == 0, GONE_MS));
    ck_assert(tk_eventually(rk_document(&suite, "GET", "registry", "_doc", row, NULL, NULL) == 404,
                            GONE_MS));
}
END_TEST

int main(void)
{
    Suite *all = suite_create("registry_purge");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 90);
    tcase_add_test(tc, tombstones_go_after_their_time_and_nothing_else_does);
    tcase_add_test(tc, instance_that_came_back_stays);
    tcase_add_test(tc, instance_may_register_again_after_its_tombstone_is_gone);
    tcase_add_test(tc, several_registries_purge_without_harm);
    tcase_add_test(tc, registry_that_is_gone_for_long_is_no_longer_listed);
    suite_add_tcase(all, tc);
    return tk_main(all);
}
