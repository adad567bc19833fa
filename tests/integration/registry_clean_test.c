/* SPDX-License-Identifier: BSD-3-Clause */
/* AdminObj's "clean": nodes that were not heard of for long and have nothing active are taken out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "registrykit.h"
#include "tarsregistry/clean.h"

static struct rk_suite suite;

static void setup(void)
{
    rk_open(&suite, "liveness-minimum=600000\nliveness-unknown=600000\n");
}

static void teardown(void)
{
    rk_close(&suite);
}

/* What the command says, as JSON; until the next one. */
static const char *clean(const char *arguments)
{
    static char said[4096];
    const char *admin = tk_text("AdminObj@tcp -h 127.0.0.1 -p %u", suite.at[0].admin_port);
    const char *const argv[] = {tk_program("tarsc"),
                                "call",
                                "--timeout",
                                "20000",
                                admin,
                                "notify",
                                tk_text("{\"command\":\"clean%s\"}", arguments),
                                NULL};
    char *output;
    int status = tk_run(argv, NULL, 25000, &output);
    ck_assert_msg(status == 0, "%s", output);
    snprintf(said, sizeof said, "%s", output);
    free(output);
    return said;
}

static void set(const char *kind, const char *id, const char *field)
{
    const char *body = tk_text("{\"doc\":{\"%s\":1000000}}", field);
    ck_assert_int_eq(rk_document(&suite, "POST", kind, "_update", id, body, NULL), 200);
}

static const char *id_of(const char *node)
{
    return tk_text("App%%7CServer%%7C%s", node);
}

/* As after a long silence: nothing of it is newer than 1970. */
static void age(const char *node)
{
    set("node", node, "last_heartbeat");
    set("server", id_of(node), "updated_at");
}

static bool is_deleted(const char *kind, const char *id)
{
    char *text = NULL;
    int status = rk_document(&suite, "GET", kind, "_doc", id, NULL, &text);
    bool deleted = status == 404 || (text && strstr(text, "\"deleted\":true"));
    free(text);
    return deleted;
}

START_TEST(silent_nodes_are_listed_and_on_demand_deleted)
{
    RK_OK(rk_on_startup(&suite, 0, "10.0.0.1", 80, "inactive")); /* old and inactive */
    RK_OK(rk_on_startup(&suite, 0, "10.0.0.2", 80, "active"));   /* old and active */
    RK_OK(rk_on_startup(&suite, 0, "10.0.0.3", 80, "inactive")); /* heard of just now */
    age("10.0.0.1");
    age("10.0.0.2");
    RK_BECOMES(&suite, 0, "10.0.0.2/10.0.0.1,10.0.0.3", RK_WAIT_MS);
    const char *list = "10.0.0.1.App.Server\\n10.0.0.1\\nDry run.";
    ck_assert_msg(tk_eventually(strstr(clean(""), list) != NULL, RK_WAIT_MS), "%s", clean(""));
    ck_assert_ptr_nonnull(strstr(clean(" y 2020-01-01"), list));
    ck_assert_ptr_nonnull(strstr(clean(" 1970-01-03T00:00:00"), list));
    ck_assert(!is_deleted("server", id_of("10.0.0.1")));
    list = "]:10.0.0.1.App.Server\\n10.0.0.1\\nDeleted\\n";
    const char *said = clean(" n 2020-01-01");
    ck_assert_msg(strstr(said, list) != NULL, "%s", said);
    ck_assert_str_eq(rk_list(&suite, 0), "10.0.0.2/10.0.0.3");
    ck_assert(is_deleted("server", id_of("10.0.0.1")));
    ck_assert(is_deleted("node", "10.0.0.1"));
    ck_assert(!is_deleted("node", "10.0.0.2"));
    ck_assert(!is_deleted("node", "10.0.0.3"));
    ck_assert(tk_eventually(strstr(clean(" N"), "]:Deleted") != NULL, RK_WAIT_MS));
}
END_TEST

/* It was only silent: what it was is in the tombstone. */
START_TEST(instance_that_reports_again_is_restored)
{
    RK_OK(rk_on_startup(&suite, 0, "10.0.0.1", 80, "inactive"));
    age("10.0.0.1");
    ck_assert(tk_eventually(strstr(clean(" n"), "10.0.0.1.App.Server") != NULL, RK_WAIT_MS));
    ck_assert_str_eq(rk_list(&suite, 0), "/");
    RK_OK(rk_keep_alive(&suite, 0, "10.0.0.1", "active"));
    RK_BECOMES(&suite, 0, "10.0.0.1/", RK_WAIT_MS);
    RK_OK(rk_on_startup(&suite, 0, "10.0.0.1", 80, "active"));
    ck_assert(!is_deleted("node", "10.0.0.1"));
}
END_TEST

/* The node is old in the store's last refresh, its instance was registered a moment ago. */
START_TEST(instance_that_is_newer_than_its_node_stays_with_it)
{
    RK_OK(rk_on_startup(&suite, 0, "10.0.0.1", 80, "inactive"));
    set("node", "10.0.0.1", "last_heartbeat");
    ck_assert(tk_eventually(strstr(clean(""), "10.0.0.1.App.Server") != NULL, RK_WAIT_MS));
    ck_assert_ptr_nonnull(strstr(clean(" n"), "]:Deleted"));
    ck_assert_str_eq(rk_list(&suite, 0), "/10.0.0.1");
    ck_assert(!is_deleted("node", "10.0.0.1"));
}
END_TEST

START_TEST(store_that_is_away_is_said)
{
    if (!rk_has_own_store())
        return;
    tk_kill(suite.store);
    ck_assert(tk_eventually(strstr(clean(" n"), "the store is away") != NULL, RK_WAIT_MS));
    ck_assert_ptr_null(strstr(clean(" n"), "Deleted"));
}
END_TEST

START_TEST(arguments_are_read_or_refused)
{
    static const char *const wrong[] = {
        "x",
        "n n",
        "nn",
        "2026-11-26 18:30:00",
        "n 2026-11-26 18:30",
        "2026-13-01",
        "2026-11-",
        "2026-11-2x",
        "2026-11-26T",
        "2026-11-26T18",
        "2999-01-01",
        "0000-00-00",
        "now",
        "n 1 2 3",
        "2026-11-26T18:30:00aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    enum { DAY_MS = 24 * 60 * 60 * 1000 };
    struct clean_rules rules;
    int64_t now = (int64_t)1800000000 * 1000;
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++)
        ck_assert_msg(!clean_parse(tars_str(wrong[k]), now, &rules), "'%s' is read", wrong[k]);
    ck_assert(!clean_parse(tars_str_n("n\0n", 3), now, &rules));
    ck_assert(clean_parse((struct tars_str){0}, now, &rules));
    ck_assert(!rules.perform);
    ck_assert_int_eq(rules.before, now - DAY_MS);
    ck_assert(clean_parse(tars_str(" N "), now, &rules));
    ck_assert(rules.perform);
    ck_assert_int_eq(rules.before, now - DAY_MS);
    ck_assert(clean_parse(tars_str("n 2026-11-26T18:30:01"), now, &rules));
    ck_assert(rules.perform);
    struct tm at = {.tm_year = 126,
                    .tm_mon = 10,
                    .tm_mday = 26,
                    .tm_hour = 18,
                    .tm_min = 30,
                    .tm_sec = 1,
                    .tm_isdst = -1};
    ck_assert_int_eq(rules.before, (int64_t)mktime(&at) * 1000);
}
END_TEST

START_TEST(usage_is_told)
{
    ck_assert_ptr_nonnull(strstr(clean(" n 2020-01-01 00:00:00"), "usage: clean [n] [date]"));
}
END_TEST

int main(void)
{
    Suite *all = suite_create("registry_clean");
    TCase *tc = tcase_create("all"), *text = tcase_create("text");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, silent_nodes_are_listed_and_on_demand_deleted);
    tcase_add_test(tc, instance_that_reports_again_is_restored);
    tcase_add_test(tc, instance_that_is_newer_than_its_node_stays_with_it);
    tcase_add_test(tc, store_that_is_away_is_said);
    tcase_add_test(tc, usage_is_told);
    tcase_add_test(text, arguments_are_read_or_refused);
    suite_add_tcase(all, tc);
    suite_add_tcase(all, text);
    return tk_main(all);
}
