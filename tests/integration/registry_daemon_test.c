/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tarsregistry and the embedded store as they are installed: registrations through the client
 * stubs, lookups, liveness with shortened times, restarts, an absent store, two registries.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "AdminF.h"
#include "registrykit.h"

static struct rk_suite suite;

static void setup(void)
{
    rk_open(&suite, "");
}

static void teardown(void)
{
    rk_close(&suite);
}

static struct tars_result start(int n, const char *node, int port, const char *state)
{
    return rk_on_startup(&suite, n, node, port, state);
}

static struct tars_result keep(int n, const char *node, const char *state)
{
    return rk_keep_alive(&suite, n, node, state);
}

static struct tars_result leave(int n, const char *node)
{
    return rk_on_prestop(&suite, n, node);
}

#define OK                      RK_OK
#define FAILS                   RK_FAILS
#define LIST(n_)                rk_list(&suite, n_)
#define BECOMES(n_, text_, ms_) RK_BECOMES(&suite, n_, text_, ms_)

/* ---- the life of an instance
 * --------------------------------------------------------------------------- */

START_TEST(instance_goes_from_startup_over_active_to_gone)
{
    OK(start(0, "10.0.0.1", 80, "activating"));
    ck_assert_str_eq(LIST(0), "/10.0.0.1");
    OK(keep(0, "10.0.0.1", "active"));
    ck_assert_str_eq(LIST(0), "10.0.0.1/");
    OK(keep(0, "10.0.0.1", "deactivating"));
    ck_assert_str_eq(LIST(0), "/10.0.0.1");
    OK(leave(0, "10.0.0.1"));
    ck_assert_str_eq(LIST(0), "/");
    OK(leave(0, "10.0.0.1"));
}
END_TEST

START_TEST(startup_without_a_state_is_active)
{
    struct k8stars_on_startup_req req = rk_startup_of(&suite, "10.0.0.1", 80);
    OK(k8stars_tarsregistry_on_startup(suite.at[0].registry, &req));
    ck_assert_str_eq(LIST(0), "10.0.0.1/");
    OK(keep(0, "10.0.0.1", ""));
    ck_assert_str_eq(LIST(0), "10.0.0.1/");
}
END_TEST

/* Weakness 19: adapters that a later onStartup does not name stayed. */
START_TEST(adapters_are_replaced_as_a_whole)
{
    OK(start(0, "10.0.0.1", 80, "active"));
    struct k8stars_on_startup_req req = rk_startup_of(&suite, "10.0.0.1", 81);
    req.adapters.at->servant = tars_str("App.Server.Other");
    OK(k8stars_tarsregistry_on_startup(suite.at[0].registry, &req));
    ck_assert_str_eq(rk_find(&suite, 0, "App.Server.Obj"), "/");
    ck_assert_str_eq(rk_find(&suite, 0, "App.Server.Other"), "10.0.0.1/");
}
END_TEST

/* Weakness 19: disableFlow had no effect. */
START_TEST(disable_flow_keeps_calls_away_until_a_startup_without_it)
{
    struct k8stars_on_startup_req req = rk_startup_of(&suite, "10.0.0.1", 80);
    req.disable_flow = true;
    OK(k8stars_tarsregistry_on_startup(suite.at[0].registry, &req));
    OK(keep(0, "10.0.0.1", "active"));
    ck_assert_str_eq(LIST(0), "/10.0.0.1");
    req.disable_flow = false;
    OK(k8stars_tarsregistry_on_startup(suite.at[0].registry, &req));
    ck_assert_str_eq(LIST(0), "10.0.0.1/");
}
END_TEST

/* Weakness 19: nothing was validated. */
START_TEST(what_could_never_be_served_is_refused_with_the_reason)
{
    struct k8stars_on_startup_req req = rk_startup_of(&suite, "10.0.0.1", 80);
    req.application = tars_str("");
    FAILS(k8stars_tarsregistry_on_startup(suite.at[0].registry, &req),
          "application must not be empty");
    req = rk_startup_of(&suite, "", 80);
    FAILS(k8stars_tarsregistry_on_startup(suite.at[0].registry, &req),
          "nodeName must not be empty");
    req = rk_startup_of(&suite, "10.0.0.1", 80);
    req.server = tars_str("a.b");
    FAILS(k8stars_tarsregistry_on_startup(suite.at[0].registry, &req), "server \"a.b\"");
    req = rk_startup_of(&suite, "10.0.0.1", 80);
    req.adapters.at->endpoint = tars_str("tcp -h x -p 99999");
    FAILS(k8stars_tarsregistry_on_startup(suite.at[0].registry, &req),
          "endpoint of App.Server.Obj");
    req = rk_startup_of(&suite, "10.0.0.1", 80);
    req.state = tars_str("running");
    FAILS(k8stars_tarsregistry_on_startup(suite.at[0].registry, &req), "state \"running\"");
    struct k8stars_adapter_conf twice[2] = {rk_startup_of(&suite, "a", 1).adapters.at[0],
                                            rk_startup_of(&suite, "a", 2).adapters.at[0]};
    req = rk_startup_of(&suite, "10.0.0.1", 80);
    req.adapters = (struct k8stars_adapter_conf_list){2, twice};
    FAILS(k8stars_tarsregistry_on_startup(suite.at[0].registry, &req), "stands twice");
    FAILS(keep(0, "10.0.0.1", "running"), "state \"running\"");
    ck_assert_str_eq(LIST(0), "/");
}
END_TEST

/* Weakness 19: with one of the names nothing was deleted, and success reported. */
START_TEST(prestop_with_only_one_name_is_an_error)
{
    struct k8stars_on_prestop_req req = {.node_name = tars_str("10.0.0.1"),
                                         .application = tars_str("App")};
    OK(start(0, "10.0.0.1", 80, "active"));
    FAILS(k8stars_tarsregistry_on_prestop(suite.at[0].registry, &req),
          "application is given without server");
    req.application = tars_str("");
    req.server = tars_str("Server");
    FAILS(k8stars_tarsregistry_on_prestop(suite.at[0].registry, &req),
          "server is given without application");
    ck_assert_str_eq(LIST(0), "10.0.0.1/");
}
END_TEST

/* Where it was started is nobody's place for files. */
START_TEST(a_changed_log_level_is_kept_in_the_data_folder)
{
    struct tars_proxy *admin = tars_proxy_get(
        suite.client, tk_text("AdminObj@tcp -h 127.0.0.1 -p %u", suite.at[0].admin_port));
    struct tars_str answer;
    OK(tarsf_admin_f_notify(admin, tars_str("tars.setloglevel WARN"), &answer, suite.arena));
    char *level = tk_read_file(tk_text("%s/tars.tarsregistry.loglevel", suite.at[0].data));
    ck_assert_str_eq(level, "WARN\n");
    free(level);
}
END_TEST

START_TEST(prestop_without_names_takes_calls_from_the_whole_node)
{
    struct k8stars_on_prestop_req req = {.node_name = tars_str("10.0.0.1")};
    OK(start(0, "10.0.0.1", 80, "active"));
    OK(start(0, "10.0.0.2", 80, "active"));
    OK(k8stars_tarsregistry_on_prestop(suite.at[0].registry, &req));
    ck_assert_str_eq(LIST(0), "10.0.0.2/10.0.0.1");
}
END_TEST

START_TEST(keep_alive_without_names_is_for_every_instance_of_the_node)
{
    struct k8stars_keep_alive_req req = {.node_name = tars_str("10.0.0.1"),
                                         .state = tars_str("inactive")};
    OK(start(0, "10.0.0.1", 80, "active"));
    OK(k8stars_tarsregistry_keep_alive(suite.at[0].registry, &req));
    ck_assert_str_eq(LIST(0), "/10.0.0.1");
    req.state = tars_str("active");
    req.application = tars_str("App"); /* with one of the names it is no other */
    OK(k8stars_tarsregistry_keep_alive(suite.at[0].registry, &req));
    ck_assert_str_eq(LIST(0), "10.0.0.1/");
    req.state = tars_str("inactive");
    req.application = tars_str("");
    req.server = tars_str("Another");
    OK(k8stars_tarsregistry_keep_alive(suite.at[0].registry, &req));
    ck_assert_str_eq(LIST(0), "/10.0.0.1");
}
END_TEST

/* Weakness 4: success for an instance that is not known, and no way back. */
START_TEST(keep_alive_of_an_unknown_instance_succeeds_and_its_startup_completes_it)
{
    OK(keep(0, "10.0.0.1", "active"));
    ck_assert_str_eq(LIST(0), "/");
    OK(start(0, "10.0.0.1", 80, "active"));
    ck_assert_str_eq(LIST(0), "10.0.0.1/");
}
END_TEST

START_TEST(keep_alive_after_its_own_prestop_brings_nothing_back)
{
    OK(start(0, "10.0.0.1", 80, "active"));
    OK(leave(0, "10.0.0.1"));
    OK(keep(0, "10.0.0.1", "active"));
    tk_sleep(1000);
    ck_assert_str_eq(LIST(0), "/");
}
END_TEST

START_TEST(keep_alive_restores_what_somebody_else_removed)
{
    OK(start(0, "10.0.0.1", 80, "active"));
    ck_assert_int_eq(rk_document(&suite, "POST", "server", "_update", "App%7CServer%7C10.0.0.1",
                                 tk_text("{\"doc\":{\"deleted\":true,\"removal\":\"operator\","
                                         "\"updated_at\":%lld}}",
                                         (long long)time(NULL) * 1000),
                                 NULL),
                     200);
    BECOMES(0, "/", RK_WAIT_MS);
    OK(keep(0, "10.0.0.1", "active"));
    ck_assert_str_eq(LIST(0), "10.0.0.1/");
}
END_TEST

START_TEST(caller_that_can_register_again_is_told_to)
{
    struct tars_str_pair pair = {tars_str("reregister"), tars_str("1")};
    struct tars_str_map context = {1, &pair};
    struct tars_call_options options = {.context = &context};
    struct k8stars_keep_alive_req req = {.node_name = tars_str("10.0.0.1"),
                                         .state = tars_str("active"),
                                         .application = tars_str("App"),
                                         .server = tars_str("Server")};
    FAILS(k8stars_tarsregistry_keep_alive_with(suite.at[0].registry, &options, &req),
          "not registered");
    OK(start(0, "10.0.0.1", 80, "active"));
    OK(k8stars_tarsregistry_keep_alive_with(suite.at[0].registry, &options, &req));
}
END_TEST

START_TEST(keep_alive_of_one_server_says_nothing_of_others_on_its_node)
{
    struct k8stars_on_startup_req req = rk_startup_of(&suite, "10.0.0.1", 81);
    struct k8stars_keep_alive_req keep_alive = {.node_name = tars_str("10.0.0.1"),
                                                .state = tars_str("inactive"),
                                                .application = tars_str("App"),
                                                .server = tars_str("Other")};
    req.server = tars_str("Other");
    req.adapters.at[0].servant = tars_str("App.Other.Obj");
    OK(start(0, "10.0.0.1", 80, "active"));
    OK(k8stars_tarsregistry_on_startup(suite.at[0].registry, &req));
    ck_assert_str_eq(rk_find(&suite, 0, "App.Other.Obj"), "10.0.0.1/");
    OK(k8stars_tarsregistry_keep_alive(suite.at[0].registry, &keep_alive));
    ck_assert_str_eq(rk_find(&suite, 0, "App.Other.Obj"), "/10.0.0.1");
    ck_assert_str_eq(LIST(0), "10.0.0.1/");
    char *node = NULL;
    ck_assert_int_eq(rk_document(&suite, "GET", "node", "_doc", "10.0.0.1", NULL, &node), 200);
    ck_assert_ptr_nonnull(strstr(node, "\"present_state\":\"active\""));
    free(node);
}
END_TEST

static bool stored_type(const char *type)
{
    char *text = NULL;
    int status = rk_document(&suite, "GET", "server", "_doc", "App%7CServer%7C10.0.0.1", NULL,
                             &text);
    bool stored = status == 200 && strstr(text, tk_text("\"server_type\":\"%s\"", type));
    free(text);
    return stored;
}

/* It comes in the context, as the request has no field for it. */
START_TEST(type_of_the_server_is_kept)
{
    struct tars_str_pair pair = {tars_str("server_type"), tars_str("tars_java")};
    struct tars_str_map context = {1, &pair};
    struct tars_call_options options = {.context = &context};
    struct k8stars_on_startup_req req = rk_startup_of(&suite, "10.0.0.1", 80);
    OK(k8stars_tarsregistry_on_startup(suite.at[0].registry, &req));
    ck_assert(stored_type("tars_cpp"));
    OK(k8stars_tarsregistry_on_startup_with(suite.at[0].registry, &options, &req));
    ck_assert(stored_type("tars_java"));
    OK(k8stars_tarsregistry_on_startup(suite.at[0].registry, &req));
    ck_assert(stored_type("tars_java"));
    pair.value = tars_str("cobol");
    FAILS(k8stars_tarsregistry_on_startup_with(suite.at[0].registry, &options, &req),
          "the context server_type is none of tars_cpp");
}
END_TEST

START_TEST(set_of_exactly_three_parts_routes)
{
    struct tarsf_endpoint_f_list active, inactive;
    struct k8stars_on_startup_req req = rk_startup_of(&suite, "10.0.0.1", 80);
    req.set_id = tars_str("name.area.group");
    OK(k8stars_tarsregistry_on_startup(suite.at[0].registry, &req));
    req = rk_startup_of(&suite, "10.0.0.2", 80);
    req.set_id = tars_str("name.area");
    OK(k8stars_tarsregistry_on_startup(suite.at[0].registry, &req));
    OK(tarsf_query_f_find_object_by_id_in_same_set(suite.at[0].query, tars_str("App.Server.Obj"),
                                                   tars_str("name.area.group"), &active, &inactive,
                                                   suite.arena));
    ck_assert_str_eq(rk_hosts(&suite, &active), "10.0.0.1");
    ck_assert(tars_str_is(active.at[0].set_id, "name.area.group"));
    ck_assert_str_eq(LIST(0), "10.0.0.1,10.0.0.2/");
}
END_TEST

static struct tars_result set_metrics(const char *node, int port)
{
    struct k8stars_register_metrics_req req = {.node_name = tars_str(node),
                                               .application = tars_str("App"),
                                               .server = tars_str("Server"),
                                               .metrics_port = port};
    return k8stars_tarsregistry_register_metrics(suite.at[0].registry, &req);
}

/* Weakness 20: one NULL broke everything. */
START_TEST(metrics_are_grouped_by_application_server_and_set)
{
    struct k8stars_get_metrics_adapters_req req;
    struct k8stars_metrics_adapter_info_list list;
    k8stars_get_metrics_adapters_req_init(&req);
    struct k8stars_on_startup_req grouped = rk_startup_of(&suite, "10.0.0.3", 80);
    grouped.set_id = tars_str("n.a.1");
    OK(start(0, "10.0.0.2", 80, "active"));
    OK(start(0, "10.0.0.1", 80, "active"));
    OK(start(0, "10.0.0.4", 80, "active"));
    OK(k8stars_tarsregistry_on_startup(suite.at[0].registry, &grouped));
    OK(set_metrics("10.0.0.1", 0));
    OK(set_metrics("10.0.0.2", 1234));
    OK(set_metrics("10.0.0.3", 1));
    OK(set_metrics("10.9.9.9", 1));
    FAILS(set_metrics("10.0.0.1", 70000), "70000");
    OK(k8stars_tarsregistry_get_metrics_adapters(suite.at[0].registry, &req, &list, suite.arena));
    ck_assert_uint_eq(list.len, 2);
    ck_assert_uint_eq(list.at[0].targets.len, 2);
    ck_assert(tars_str_is(list.at[0].targets.at[0], "10.0.0.1:9325"));
    ck_assert(tars_str_is(list.at[0].targets.at[1], "10.0.0.2:1234"));
    ck_assert(tars_str_is(*tars_str_map_get(&list.at[0].labels, "set"), ""));
    ck_assert(tars_str_is(*tars_str_map_get(&list.at[0].labels, "application"), "App"));
    ck_assert(tars_str_is(*tars_str_map_get(&list.at[1].labels, "set"), "n.a.1"));
    ck_assert(tars_str_is(*tars_str_map_get(&list.at[1].labels, "server"), "Server"));
}
END_TEST

START_TEST(registry_lists_itself_once_and_reachable)
{
    static const char *const objects[] = {"tars.tarsregistry.QueryObj",
                                          "tars.tarsregistry.Registry"};
    const uint16_t ports[] = {suite.at[0].query_port, suite.at[0].registry_port};
    for (size_t k = 0; k < 2; k++) {
        struct tarsf_endpoint_f_list active, inactive;
        OK(tarsf_query_f_find_object_by_id_in_same_group(suite.at[0].query, tars_str(objects[k]),
                                                         &active, &inactive, suite.arena));
        ck_assert_uint_eq(active.len, 1);
        ck_assert_uint_eq(inactive.len, 0);
        ck_assert_int_eq(active.at[0].port, ports[k]);
        ck_assert_int_eq(active.at[0].istcp, 1);
        ck_assert(tars_str_is(active.at[0].host, "127.0.0.1"));
        ck_assert(tars_str_is(active.at[0].node_name, "127.0.0.1"));
    }
}
END_TEST

/* ---- liveness
 * ------------------------------------------------------------------------------------------- */

enum { INTERVAL_MS = 300, PATIENCE_MS = 1500, ROUNDS = 10 };

/* Reports to registry n and sees each time that registry 0 has it active. False when the machine
 * kept the test from reporting for so long that it may rightly have been taken for silent. */
static bool report_steadily(int n, int times)
{
    double expired = rk_metric(&suite, 0, "tars_registry_expired_total");
    OK(keep(n, "10.0.0.1", "active"));
    for (int64_t last = tk_ms(); times > 0; times--) {
        tk_sleep(INTERVAL_MS);
        int64_t now = tk_ms();
        OK(keep(n, "10.0.0.1", "active"));
        const char *list = LIST(0);
        if (tk_ms() - last > PATIENCE_MS * 2 / 3)
            return false;
        ck_assert_str_eq(list, "10.0.0.1/");
        last = now;
    }
    ck_assert(rk_metric(&suite, 0, "tars_registry_expired_total") == expired);
    return true;
}

static void expect_steady(int n, int times)
{
    int rounds = 0;
    while (!report_steadily(n, times))
        ck_assert_msg(++rounds < ROUNDS, "the machine is too busy to report every %d ms",
                      INTERVAL_MS);
}

START_TEST(silent_instance_becomes_inactive_and_its_next_report_revives_it)
{
    OK(start(0, "10.0.0.1", 80, "active"));
    expect_steady(0, 4);
    int64_t last = tk_ms();
    OK(keep(0, "10.0.0.1", "active"));
    BECOMES(0, "/10.0.0.1", RK_WAIT_MS);
    ck_assert_int_ge(tk_ms() - last, PATIENCE_MS);
    OK(keep(0, "10.0.0.1", "active"));
    ck_assert_str_eq(LIST(0), "10.0.0.1/");
}
END_TEST

START_TEST(instance_that_keeps_reporting_stays_active)
{
    OK(start(0, "10.0.0.1", 80, "active"));
    expect_steady(0, 12);
}
END_TEST

/* ---- restarts and an absent store
 * -------------------------------------------------------------------------- */

static bool snapshot_written(int n)
{
    return rk_metric(&suite, n, "tars_registry_snapshot_files_total") > 0;
}

START_TEST(restarted_registry_knows_everything)
{
    OK(start(0, "10.0.0.1", 80, "active"));
    OK(start(0, "10.0.0.2", 80, "active"));
    OK(leave(0, "10.0.0.2"));
    tk_kill(suite.at[0].process);
    rk_start(&suite, 0);
    rk_wait_ready(&suite, 0);
    BECOMES(0, "10.0.0.1/", RK_WAIT_MS);
}
END_TEST

/* Weakness 2: without its database it neither started nor had anything to say. */
START_TEST(registry_starts_from_its_snapshot_while_the_store_is_down)
{
    OK(start(0, "10.0.0.1", 80, "active"));
    ck_assert(tk_eventually(snapshot_written(0), RK_WAIT_MS));
    ck_assert_int_eq(tk_stop(suite.at[0].process, 8000), 0);
    tk_kill(suite.store);
    rk_start(&suite, 0);
    rk_wait_ready(&suite, 0);
    ck_assert_str_eq(LIST(0), "10.0.0.1/");
    ck_assert(rk_metric(&suite, 0, "tars_registry_stale") == 1);
    OK(keep(0, "10.0.0.1", "inactive"));
    ck_assert_str_eq(LIST(0), "/10.0.0.1");
    rk_start_store(&suite);
    ck_assert(tk_eventually(rk_metric(&suite, 0, "tars_registry_stale") == 0, RK_WAIT_MS));
    BECOMES(0, "/10.0.0.1", RK_WAIT_MS);
    OK(start(0, "10.0.0.2", 80, "active"));
    ck_assert_str_eq(LIST(0), "10.0.0.2/10.0.0.1");
}
END_TEST

START_TEST(registry_without_snapshot_and_store_does_not_listen_and_says_why)
{
    char *text = NULL;
    tk_kill(suite.store);
    rk_prepare(&suite, 1);
    rk_start(&suite, 1);
    ck_assert(tk_wait_port(suite.at[1].http_port, RK_WAIT_MS));
    tk_sleep(500);
    ck_assert(!tk_port_open(suite.at[1].query_port));
    ck_assert_int_eq(tk_http(suite.at[1].http_port, "GET", "/readyz", NULL, &text), 503);
    ck_assert_msg(strstr(text, "store"), "%s", text);
    free(text);
    rk_start_store(&suite);
    rk_wait_ready(&suite, 1);
    ck_assert_str_eq(LIST(1), "/");
}
END_TEST

START_TEST(waiting_registry_ends_when_it_is_told_to)
{
    tk_kill(suite.store);
    rk_prepare(&suite, 1);
    rk_start(&suite, 1);
    ck_assert(tk_wait_port(suite.at[1].http_port, RK_WAIT_MS));
    ck_assert_int_eq(tk_stop(suite.at[1].process, 8000), 0);
}
END_TEST

START_TEST(without_the_store_lookups_and_reports_go_on_and_registrations_fail_in_time)
{
    OK(start(0, "10.0.0.1", 80, "active"));
    tk_kill(suite.store);
    OK(keep(0, "10.0.0.1", "active"));
    ck_assert_str_eq(LIST(0), "10.0.0.1/");
    for (int k = 0; k < 2; k++) {
        struct k8stars_on_startup_req req = rk_startup_of(&suite, "10.0.0.2", 80);
        struct tars_call_options options = {.timeout_ms = 1000};
        /* It has the reason: the answer came before the caller's own time was up. */
        FAILS(k8stars_tarsregistry_on_startup_with(suite.at[0].registry, &options, &req),
              "not stored");
        tk_sleep(1000);
    }
    FAILS(leave(0, "10.0.0.1"), "not stored");
    ck_assert_str_eq(LIST(0), "/10.0.0.1");
    OK(keep(0, "10.0.0.1", "active"));
    ck_assert_str_eq(LIST(0), "10.0.0.1/");
    /* Silence means nothing while the store is away. */
    tk_sleep(4000);
    ck_assert_str_eq(LIST(0), "10.0.0.1/");
    rk_start_store(&suite);
    ck_assert(tk_eventually(start(0, "10.0.0.2", 80, "active").error == 0, RK_WAIT_MS));
    OK(keep(0, "10.0.0.1", "active"));
    BECOMES(0, "10.0.0.1,10.0.0.2/", RK_WAIT_MS);
}
END_TEST

static bool state_is_stored(const char *state)
{
    char *text = NULL;
    int status = rk_document(&suite, "GET", "state", "_doc", "App%7CServer%7C10.0.0.1", NULL,
                             &text);
    bool stored = status == 200 && strstr(text, tk_text("\"present_state\":\"%s\"", state));
    free(text);
    return stored;
}

START_TEST(state_reported_without_the_store_is_stored_when_it_is_back)
{
    OK(start(0, "10.0.0.1", 80, "active"));
    tk_kill(suite.store);
    OK(keep(0, "10.0.0.1", "inactive"));
    rk_start_store(&suite);
    ck_assert(tk_eventually(state_is_stored("inactive"), RK_WAIT_MS));
}
END_TEST

/* ---- two registries
 * ---------------------------------------------------------------------------------------- */

static void start_second(void)
{
    rk_prepare(&suite, 1);
    rk_start(&suite, 1);
    rk_wait_ready(&suite, 1);
}

START_TEST(change_through_one_registry_is_seen_by_the_other)
{
    start_second();
    OK(start(0, "10.0.0.1", 80, "active"));
    BECOMES(1, "10.0.0.1/", RK_WAIT_MS);
    OK(keep(1, "10.0.0.1", "inactive"));
    BECOMES(0, "/10.0.0.1", RK_WAIT_MS);
    OK(leave(0, "10.0.0.1"));
    BECOMES(1, "/", RK_WAIT_MS);
}
END_TEST

START_TEST(instance_that_changes_its_registry_is_not_expired_by_the_first)
{
    start_second();
    OK(start(0, "10.0.0.1", 80, "active"));
    BECOMES(1, "10.0.0.1/", RK_WAIT_MS);
    expect_steady(1, 20);
}
END_TEST

START_TEST(instances_of_a_dead_registry_are_watched_by_the_other)
{
    start_second();
    OK(start(0, "10.0.0.1", 80, "active"));
    BECOMES(1, "10.0.0.1/", RK_WAIT_MS);
    tk_kill(suite.at[0].process);
    BECOMES(1, "/10.0.0.1", RK_WAIT_MS);
}
END_TEST

START_TEST(registries_list_each_other_while_they_are_alive)
{
    start_second();
    const char *both = "127.0.0.1,127.0.0.1/";
    ck_assert(tk_eventually(strcmp(rk_find(&suite, 0, "tars.tarsregistry.Registry"), both) == 0,
                            RK_WAIT_MS));
    ck_assert(tk_eventually(strcmp(rk_find(&suite, 1, "tars.tarsregistry.Registry"), both) == 0,
                            RK_WAIT_MS));
    tk_kill(suite.at[0].process);
    ck_assert(tk_eventually(
        strcmp(rk_find(&suite, 1, "tars.tarsregistry.Registry"), "127.0.0.1/127.0.0.1") == 0,
        RK_WAIT_MS));
}
END_TEST

START_TEST(group_rules_written_to_the_store_count_within_seconds)
{
    OK(start(0, "10.0.0.1", 80, "active"));
    OK(start(0, "10.0.0.2", 80, "active"));
    long long now = (long long)time(NULL) * 1000;
    static const char *const nodes[] = {"10.0.0.1", "10.0.0.2"};
    for (size_t k = 0; k < 2; k++)
        ck_assert_int_eq(
            rk_document(
                &suite, "POST", "server", "_update", tk_text("App%%7CServer%%7C%s", nodes[k]),
                tk_text("{\"doc\":{\"enable_group\":\"Y\",\"updated_at\":%lld}}", now), NULL),
            200);
    static const char *const addresses[] = {"\"127.0.0.1\",\"10.0.0.1\"", "\"10.0.0.2\""};
    for (int k = 0; k < 2; k++)
        ck_assert_int_eq(
            rk_document(&suite, "PUT", "group", "_doc", tk_text("g%d", k),
                        tk_text("{\"key\":\"g%d\",\"group_name\":\"g%d\",\"group_id\":%d,"
                                "\"allow_ip\":[%s],\"updated_at\":%lld,\"deleted\":false}",
                                k, k, k + 1, addresses[k], now),
                        NULL),
            201);
    bool grouped = false;
    for (int64_t end = tk_ms() + RK_WAIT_MS; !grouped && tk_ms() < end; tk_sleep(50)) {
        struct tarsf_endpoint_f_list active, inactive;
        OK(tarsf_query_f_find_object_by_id_in_same_group(
            suite.at[0].query, tars_str("App.Server.Obj"), &active, &inactive, suite.arena));
        grouped = strcmp(rk_hosts(&suite, &active), "10.0.0.1") == 0;
    }
    ck_assert(grouped);
}
END_TEST

/* ---- size
 * ----------------------------------------------------------------------------------------------------
 */

START_TEST(idle_registry_needs_little_memory_and_stops_with_zero)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    long rss = tk_rss_kb(suite.at[0].process);
    printf("idle RSS %ld KiB\n", rss);
#endif
    ck_assert_int_eq(tk_stop(suite.at[0].process, 8000), 0);
}
END_TEST

int main(void)
{
    Suite *all = suite_create("registry_daemon");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    const TTest *const tests[] = {
        instance_goes_from_startup_over_active_to_gone,
        startup_without_a_state_is_active,
        adapters_are_replaced_as_a_whole,
        disable_flow_keeps_calls_away_until_a_startup_without_it,
        what_could_never_be_served_is_refused_with_the_reason,
        prestop_with_only_one_name_is_an_error,
        a_changed_log_level_is_kept_in_the_data_folder,
        prestop_without_names_takes_calls_from_the_whole_node,
        keep_alive_without_names_is_for_every_instance_of_the_node,
        keep_alive_of_an_unknown_instance_succeeds_and_its_startup_completes_it,
        keep_alive_after_its_own_prestop_brings_nothing_back,
        keep_alive_restores_what_somebody_else_removed,
        caller_that_can_register_again_is_told_to,
        keep_alive_of_one_server_says_nothing_of_others_on_its_node,
        type_of_the_server_is_kept,
        set_of_exactly_three_parts_routes,
        metrics_are_grouped_by_application_server_and_set,
        registry_lists_itself_once_and_reachable,
        silent_instance_becomes_inactive_and_its_next_report_revives_it,
        instance_that_keeps_reporting_stays_active,
        restarted_registry_knows_everything,
        change_through_one_registry_is_seen_by_the_other,
        instance_that_changes_its_registry_is_not_expired_by_the_first,
        instances_of_a_dead_registry_are_watched_by_the_other,
        registries_list_each_other_while_they_are_alive,
        group_rules_written_to_the_store_count_within_seconds,
        idle_registry_needs_little_memory_and_stops_with_zero,
    };
    const TTest *const stopping_the_store[] = {
        registry_starts_from_its_snapshot_while_the_store_is_down,
        registry_without_snapshot_and_store_does_not_listen_and_says_why,
        waiting_registry_ends_when_it_is_told_to,
        without_the_store_lookups_and_reports_go_on_and_registrations_fail_in_time,
        state_reported_without_the_store_is_stored_when_it_is_back,
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tc, tests[i]);
    for (size_t i = 0; rk_has_own_store() && i < sizeof stopping_the_store / sizeof *tests; i++)
        tcase_add_test(tc, stopping_the_store[i]);
    suite_add_tcase(all, tc);
    return tk_main(all);
}
