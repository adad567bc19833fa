/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What strangers may ask of the registry's K8STARS entry: whatever cannot be served is refused with
 * a text that says why and nothing of it is stored; floods end at a limit; others are served.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <tars/client.h>

#include "K8stars.h"
#include "QueryF.h"
#include "suitekit.h"

enum { SERVED_MS = 3000, LIMIT = 300, BOUND_KB = 64 * 1024 };

static struct suite *suite;
static struct tars_client *client;
static struct tars_proxy *registry, *query;
static struct tars_arena *arena;

static void open_suite(void)
{
    suite = suite_start(tk_text("instance-limit=%d\n", LIMIT), NULL);
    arena = tars_arena_new(0);
    client = tars_client_new(NULL);
    query = tars_proxy_get(
        client, tk_text("tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p %u", suite->ports.query));
    registry = tars_proxy_get(client, tk_text("tars.tarsregistry.Registry@tcp -h 127.0.0.1 -p %u",
                                              suite->ports.registry));
}

static void close_suite(void)
{
    tars_client_free(client);
    tars_arena_free(arena);
    suite_stop(suite);
}

/* ---- requests ----------------------------------------------------------------------------------
 */

static struct k8stars_adapter_conf adapter_of(const char *servant, const char *endpoint)
{
    struct k8stars_adapter_conf adapter;
    k8stars_adapter_conf_init(&adapter);
    adapter.servant = tars_str(servant);
    adapter.endpoint = tars_str(endpoint);
    return adapter;
}

/* A request that is fine as it is. */
static struct k8stars_on_startup_req good(void)
{
    struct k8stars_on_startup_req req;
    struct k8stars_adapter_conf *adapter = tars_arena_alloc(arena, sizeof *adapter);
    *adapter = adapter_of("App.Server.Obj", "tcp -h 10.0.0.1 -p 80 -t 60000");
    k8stars_on_startup_req_init(&req);
    req.node_name = tars_str("10.0.0.1");
    req.application = tars_str("App");
    req.server = tars_str("Server");
    req.adapters = (struct k8stars_adapter_conf_list){1, adapter};
    return req;
}

static struct tars_str repeated(char letter, size_t len)
{
    char *text = tars_arena_alloc(arena, len);
    memset(text, letter, len);
    return tars_str_n(text, len);
}

static void expect_refusal(struct tars_result r, const char *why)
{
    ck_assert_msg(r.error == 1, "%s: code %d: %s", why, r.error, r.message);
    ck_assert_msg(strstr(r.message, why), "'%s' does not say '%s'", r.message, why);
}

static void refused(const struct k8stars_on_startup_req *req, const char *why)
{
    expect_refusal(k8stars_tarsregistry_on_startup(registry, req), why);
}

/* All endpoints that the object has, active or not; -1 without an answer. */
static int endpoints_of(const char *object)
{
    struct tarsf_endpoint_f_list active, inactive;
    struct tars_result r = tarsf_query_f_find_object_by_id4_any(query, tars_str(object), &active,
                                                                &inactive, arena);
    return r.error ? -1 : (int)(active.len + inactive.len);
}

/* Documents of an index of the registry. */
static int stored(const char *index)
{
    char *answer = NULL;
    int count = -1;
    tk_http(suite->ports.store, "POST", tk_text("/%s/_refresh", index), NULL, NULL);
    int status = tk_http(suite->ports.store, "POST", tk_text("/%s/_search", index),
                         "{\"size\":0,\"track_total_hits\":true}", &answer);
    const char *at = answer ? strstr(answer, "\"value\":") : NULL;
    if (status == 200 && at)
        count = atoi(at + 8);
    free(answer);
    return count;
}

/* ---- what is refused ---------------------------------------------------------------------------
 */

START_TEST(names_that_no_document_could_hold_are_refused_and_nothing_is_stored)
{
    static const struct {
        const char *text;
        size_t len;
        const char *why;
    } bad[] = {
        {"", 0, "must not be empty"},         {"a b", 3, "blanks"},
        {"a\nb", 3, "control characters"},    {"a\0b", 3, "control characters"},
        {"\x7f", 1, "control characters"},    {"\xff\xfe", 2, "not UTF-8"},
        {"\xc0\x80", 2, "not UTF-8"},         {"\xed\xa0\x80", 3, "not UTF-8"},
        {"\xf4\x90\x80\x80", 4, "not UTF-8"}, {"\xe4\xb8", 2, "not UTF-8"},
    };
    int before = stored("tars_registry_server"), nodes = stored("tars_registry_node");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tars_str text = tars_str_n(bad[i].text, bad[i].len);
        struct k8stars_on_startup_req req = good();
        req.application = text;
        refused(&req, bad[i].why);
        req = good();
        req.server = text;
        refused(&req, bad[i].why);
        req = good();
        req.node_name = text;
        refused(&req, bad[i].why);
        req = good();
        req.adapters.at->servant = text;
        refused(&req, bad[i].why);
        struct k8stars_register_metrics_req metrics = {
            .node_name = text, .application = tars_str("App"), .server = tars_str("Server")};
        expect_refusal(k8stars_tarsregistry_register_metrics(registry, &metrics), bad[i].why);
        struct k8stars_keep_alive_req report = {.node_name = text, .state = tars_str("active")};
        expect_refusal(k8stars_tarsregistry_keep_alive(registry, &report), bad[i].why);
        struct k8stars_on_prestop_req stop = {.node_name = text};
        expect_refusal(k8stars_tarsregistry_on_prestop(registry, &stop), bad[i].why);
    }
    struct k8stars_on_startup_req req = good();
    req.application = tars_str("a|b");
    refused(&req, "application \"a|b\"");
    req = good();
    req.node_name = tars_str("..");
    refused(&req, "nodeName \"..\" is none");
    ck_assert_int_eq(stored("tars_registry_server"), before);
    ck_assert_int_eq(stored("tars_registry_node"), nodes);
    ck_assert_int_eq(endpoints_of("App.Server.Obj"), 0);
    ck_assert_double_ge(suite_metric(suite, "tars_registry_refused_total"), 7 * 10);
}
END_TEST

START_TEST(names_endpoints_and_lists_that_are_too_long_are_refused)
{
    static const size_t sizes[] = {129, 100000, 5 << 20};
    int before = stored("tars_registry_server");
    suite_watch(suite);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct k8stars_on_startup_req req = good();
        req.application = repeated('x', sizes[i]);
        refused(&req, "application is longer");
        req = good();
        req.server = repeated('x', sizes[i]);
        refused(&req, "server is longer");
        req = good();
        req.node_name = repeated('x', sizes[i]);
        refused(&req, "nodeName is longer");
        req = good();
        req.version = repeated('x', sizes[i]);
        refused(&req, "Version is longer");
        req = good();
        req.adapters.at->servant = repeated('x', sizes[i]);
        refused(&req, "servant is longer");
        req = good();
        req.adapters.at->protocol = repeated('x', sizes[i]);
        refused(&req, "protocol is longer");
        req = good();
        req.adapters.at->endpoint = repeated('x', sizes[i] + 200);
        refused(&req, "is longer");
        req = good();
        char *set = tars_arena_alloc(arena, sizes[i] + 5);
        memset(set, 'x', sizes[i]);
        memcpy(set + sizes[i], ".a.1", 4);
        req.set_id = tars_str(set);
        refused(&req, "setID is longer");
    }
    struct k8stars_on_startup_req req = good();
    req.adapters.len = 10000;
    req.adapters.at = tars_arena_alloc(arena, req.adapters.len * sizeof *req.adapters.at);
    for (size_t i = 0; i < req.adapters.len; i++)
        req.adapters.at[i] = adapter_of(tars_arena_printf(arena, "App.Server.Obj%zu", i),
                                        "tcp -h 10.0.0.1 -p 80");
    refused(&req, "10000 adapters are too many");
    suite_expect_served(suite, SERVED_MS);
    ck_assert_int_eq(stored("tars_registry_server"), before);
}
END_TEST

START_TEST(endpoints_states_and_ports_that_mean_nothing_are_refused)
{
    static const char *const endpoints[] = {
        "",
        "tcp",
        "tcp -h",
        "tcp -h x",
        "http -h x -p 1",
        "tcp -h x -p 65536",
        "tcp -h x -p -1",
        "tcp -h x -p 99999999999999999999",
        "tcp -h \n -p 1",
        "tcp -h x -p 1:tcp -h y -p 2",
    };
    static const char *const states[] = {"running", "ACTIVE", "active ", "0", "'; drop", "\xff"};
    int before = stored("tars_registry_server");
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
        struct k8stars_on_startup_req req = good();
        req.adapters.at->endpoint = tars_str(endpoints[i]);
        refused(&req, "endpoint of App.Server.Obj");
    }
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        struct k8stars_on_startup_req req = good();
        req.state = tars_str(states[i]);
        refused(&req, "is none of");
        struct k8stars_keep_alive_req report = {.node_name = tars_str("10.0.0.1"),
                                                .state = tars_str(states[i])};
        expect_refusal(k8stars_tarsregistry_keep_alive(registry, &report), "is none of");
    }
    struct k8stars_register_metrics_req metrics = {.node_name = tars_str("n"),
                                                   .application = tars_str("App"),
                                                   .server = tars_str("Server"),
                                                   .metrics_port = 65536};
    expect_refusal(k8stars_tarsregistry_register_metrics(registry, &metrics), "65536");
    metrics.metrics_port = -1;
    expect_refusal(k8stars_tarsregistry_register_metrics(registry, &metrics), "-1");
    ck_assert_int_eq(stored("tars_registry_server"), before);
}
END_TEST

/* Names that would mean something to a path, a query or a document id mean nothing here. */
START_TEST(names_with_special_letters_are_stored_as_they_are)
{
    static const char *const names[] = {"a%2fb",
                                        "%",
                                        "../../x",
                                        "a/b",
                                        "*",
                                        "a\"b",
                                        "a\\b",
                                        "{\"x\":1}",
                                        "a?b=c#d",
                                        "a&b",
                                        "...",
                                        "-",
                                        "\xe4\xb8\xad\xe6\x96\x87"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct k8stars_on_startup_req req = good();
        const char *servant = tars_arena_printf(arena, "Special.%zu", i);
        req.node_name = tars_str(names[i]);
        req.adapters.at->servant = tars_str(servant);
        struct tars_result r = k8stars_tarsregistry_on_startup(registry, &req);
        ck_assert_msg(r.error == 0, "%s: %s", names[i], r.message);
        ck_assert_msg(endpoints_of(servant) == 1, "%s is not found", names[i]);
        struct k8stars_on_prestop_req stop = {
            .node_name = req.node_name, .application = req.application, .server = req.server};
        r = k8stars_tarsregistry_on_prestop(registry, &stop);
        ck_assert_msg(r.error == 0, "%s: %s", names[i], r.message);
        ck_assert_msg(endpoints_of(servant) == 0, "%s is still found", names[i]);
    }
    struct k8stars_on_startup_req one = good(), other = good();
    one.node_name = tars_str("x|y"); /* not the instance whose id would read the same */
    other.node_name = tars_str("x");
    ck_assert_int_eq(k8stars_tarsregistry_on_startup(registry, &one).error, 0);
    ck_assert_int_eq(k8stars_tarsregistry_on_startup(registry, &other).error, 0);
    ck_assert_int_eq(stored("tars_registry_server"), (int)(sizeof names / sizeof *names) + 2);
}
END_TEST

START_TEST(sets_of_another_shape_are_no_sets)
{
    static const char *const sets[] = {".", "..", "a", "a.b", "a.b.c.d", "....", "a..", "*.*.*"};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        struct k8stars_on_startup_req req = good();
        req.set_id = tars_str(sets[i]);
        struct tars_result r = k8stars_tarsregistry_on_startup(registry, &req);
        ck_assert_msg(r.error == 0, "%s: %s", sets[i], r.message);
        ck_assert_int_eq(endpoints_of("App.Server.Obj"), 1);
    }
    struct k8stars_on_startup_req req = good();
    req.set_id = tars_str("a.b\x01.c");
    refused(&req, "setID");
}
END_TEST

/* ---- floods ------------------------------------------------------------------------------------
 */

START_TEST(registrations_end_at_the_limit_and_those_that_stand_go_on)
{
    int taken = 0, full = 0;
    suite_watch(suite);
    for (int i = 0; i < LIMIT + 100; i++) {
        struct k8stars_on_startup_req req = good();
        req.node_name = tars_str(tars_arena_printf(arena, "node-%d", i));
        struct tars_result r = k8stars_tarsregistry_on_startup(registry, &req);
        if (r.error == 0) {
            taken++;
        } else {
            expect_refusal(r, "instance-limit");
            full++;
        }
    }
    ck_assert_int_ge(full, 100);
    ck_assert_int_le(taken, LIMIT);
    ck_assert_int_eq(stored("tars_registry_server"), taken);
    struct k8stars_on_startup_req again = good();
    again.node_name = tars_str("node-0");
    ck_assert_int_eq(k8stars_tarsregistry_on_startup(registry, &again).error, 0);
    suite_expect_served(suite, SERVED_MS);
}
END_TEST

START_TEST(reports_of_made_up_instances_are_not_kept_without_bound)
{
    enum { REPORTS = 5000 };
    long before = suite_rss_kb(suite);
    suite_watch(suite);
    for (int i = 0; i < REPORTS; i++) {
        struct k8stars_keep_alive_req report = {
            .node_name = tars_str(tars_arena_printf(arena, "made-up-%d", i)),
            .state = tars_str("active"),
            .application = tars_str(i % 2 ? "App" : ""),
            .server = tars_str(i % 2 ? "Server" : "")};
        struct tars_result r = k8stars_tarsregistry_keep_alive(registry, &report);
        ck_assert_msg(r.error == 0, "%s", r.message); /* callers would only repeat it */
    }
    suite_expect_served(suite, SERVED_MS);
    ck_assert_int_le(stored("tars_registry_server"), LIMIT);
    ck_assert_int_eq(stored("tars_registry_node"), 0);
    ck_assert_int_lt(suite_rss_kb(suite) - before, suite_kb(BOUND_KB));
}
END_TEST

int main(void)
{
    Suite *all = suite_create("registry_hostile");
    TCase *tc = tcase_create("registry_hostile");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, open_suite, close_suite);
    tcase_add_test(tc, names_that_no_document_could_hold_are_refused_and_nothing_is_stored);
    tcase_add_test(tc, names_endpoints_and_lists_that_are_too_long_are_refused);
    tcase_add_test(tc, endpoints_states_and_ports_that_mean_nothing_are_refused);
    tcase_add_test(tc, names_with_special_letters_are_stored_as_they_are);
    tcase_add_test(tc, sets_of_another_shape_are_no_sets);
    tcase_add_test(tc, registrations_end_at_the_limit_and_those_that_stand_go_on);
    tcase_add_test(tc, reports_of_made_up_instances_are_not_kept_without_bound);
    suite_add_tcase(all, tc);
    return tk_main(all);
}
