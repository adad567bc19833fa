/* SPDX-License-Identifier: BSD-3-Clause */
/* Indices by day on the embedded store: made, found through their alias, deleted by age. */
#include "es/dated.h"

#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "testkit.h"

enum { PAUSE_MS = 200, SOON_MS = 30000 };

static const char mappings[] = "{\"dynamic\":\"strict\",\"properties\":{"
                               "\"k\":{\"type\":\"keyword\"},\"n\":{\"type\":\"long\"}}}";

static struct tk_process *store;
static uint16_t port;
static const char *data;
static struct loop *loop;
static struct es_client *client;
static struct es_dated *dated;
static struct es_lease *lease;
static struct es_dated_stats stats;
static int keep_days;
static _Atomic int told;

static void start_store(void)
{
    const char *argv[] = {tk_program("tarselasticsearch"), "--data", data, NULL};
    const char *env[] = {tk_text("TARS_ELASTICSEARCH_PORT=%u", port),
                         "TARS_ELASTICSEARCH_HTTP_PORT=0", NULL};
    store = tk_spawn(argv, env, NULL);
    ck_assert(tk_wait_port(port, 10000));
}

static void open_all(void)
{
    static const struct es_index indices[] = {{.name = "lease", .mappings = ES_LEASE_MAPPINGS}};
    struct tars_error error;
    port = tk_free_port();
    data = tk_text("%s/data", tk_dir());
    start_store();
    struct es_options options = {.nodes = tk_text("127.0.0.1:%u", port),
                                 .prefix = "tars_",
                                 .indices = indices,
                                 .index_count = 1};
    loop = loop_new("dated");
    client = es_client_new(loop, &options, &error);
    ck_assert_msg(client != NULL, "%s", error.text);
    ck_assert(loop_start(loop, &error));
    keep_days = 0;
}

static void close_client(void *arg)
{
    (void)arg;
    es_dated_free(dated);
    es_lease_free(lease);
    es_client_free(client);
}

static void close_all(void)
{
    loop_call_wait(loop, close_client, NULL);
    loop_free(loop);
    ck_assert_int_eq(tk_stop(store, 10000), 0);
}

static void on_ready(void *user)
{
    (void)user;
    atomic_fetch_add(&told, 1);
}

static void make_dated(void *arg)
{
    struct es_dated_options options = {.name = "tars_log",
                                       .mappings = mappings,
                                       .keep_days = keep_days,
                                       .lease = arg,
                                       .pause_ms = PAUSE_MS,
                                       .ready = on_ready};
    dated = es_dated_new(client, &options);
}

static void read_stats(void *arg)
{
    (void)arg;
    es_dated_get_stats(dated, &stats);
}

static bool looked(void)
{
    loop_call_wait(loop, read_stats, NULL);
    return stats.ready;
}

static void begin(struct es_lease *by)
{
    loop_call_wait(loop, make_dated, by);
    ck_assert(tk_eventually(looked(), SOON_MS));
}

/* A look that began after now has ended. */
static void wait_for_a_look(void)
{
    loop_call_wait(loop, read_stats, NULL);
    int64_t now = clock_ms();
    int64_t seen = stats.looked_at;
    ck_assert(tk_eventually((loop_call_wait(loop, read_stats, NULL), stats.looked_at > seen),
                            SOON_MS)); /* it may have begun before */
    seen = stats.looked_at;
    ck_assert(tk_eventually(
        (loop_call_wait(loop, read_stats, NULL), stats.looked_at > seen && stats.looked_at > now),
        SOON_MS));
}

/* ---- requests beside it
 * ------------------------------------------------------------------------------ */

struct answer {
    _Atomic bool came;
    enum es_status status;
    char text[4096];
};

static void on_answer(void *user, const struct es_result *r)
{
    struct answer *a = user;
    char *text = r->body ? cJSON_PrintUnformatted(r->body) : NULL;
    a->status = r->status;
    snprintf(a->text, sizeof a->text, "%s", text ? text : r->error.text);
    cJSON_free(text);
    atomic_store(&a->came, true);
}

static struct answer ask(const char *method, const char *path, const char *body)
{
    struct answer a = {.came = false};
    es_request(client, method, path, body ? cJSON_Parse(body) : NULL, true, 10000, on_answer, &a);
    ck_assert(tk_eventually(atomic_load(&a.came), SOON_MS));
    return a;
}

static bool is_there(const char *index)
{
    return ask("HEAD", tk_text("/%s", index), NULL).status == ES_OK;
}

static const char *today(void)
{
    char name[ES_DATED_NAME_MAX + 16];
    es_dated_index(dated, clock_wall_ms(), name);
    return tk_text("%s", name);
}

static const char *days_ago(int days)
{
    time_t now = time(NULL);
    struct tm tm;
    localtime_r(&now, &tm);
    tm.tm_mday -= days;
    tm.tm_hour = 12;
    tm.tm_isdst = -1;
    mktime(&tm);
    return tk_text("tars_log%04d%02d%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

/* ---- tests
 * ------------------------------------------------------------------------------------------- */

START_TEST(a_new_store_has_an_empty_index_of_today_behind_the_alias)
{
    atomic_store(&told, 0);
    begin(NULL);
    ck_assert_str_eq(today(), days_ago(0));
    struct answer a = ask("GET", "/tars_log/_search", NULL);
    ck_assert_int_eq(a.status, ES_OK);
    ck_assert_ptr_nonnull(strstr(a.text, "\"value\":0"));
    a = ask("PUT", tk_text("/%s/_doc/1?refresh=true", today()), "{\"k\":\"a\"}");
    ck_assert_int_eq(a.status, ES_OK);
    ck_assert_int_eq(ask("PUT", tk_text("/%s/_doc/2", today()), "{\"x\":1}").status, ES_REFUSED);
    a = ask("PUT", "/tars_log20990101/_doc/1?refresh=true", "{\"k\":\"b\"}"); /* of itself */
    ck_assert_int_eq(a.status, ES_OK);
    a = ask("GET", "/tars_log/_count", NULL);
    ck_assert_ptr_nonnull(strstr(a.text, "\"count\":2"));
    wait_for_a_look();
    ck_assert_int_eq(atomic_load(&told), 1);
}
END_TEST

START_TEST(what_is_too_old_goes_and_nothing_else)
{
    static const char *const others[] = {"tars_log2020010",   "tars_log202001011",
                                         "tars_log20201332",  "tars_log20200101x",
                                         "tars_logs20200101", "tars_lo20200101"};
    const char *kept = days_ago(7), *old = days_ago(8);
    ck_assert_int_eq(ask("PUT", "/tars_log20200101", "{}").status, ES_OK);
    ck_assert_int_eq(ask("PUT", "/tars_log20200229", "{}").status, ES_OK);
    ck_assert_int_eq(ask("PUT", tk_text("/%s", kept), "{}").status, ES_OK);
    ck_assert_int_eq(ask("PUT", tk_text("/%s", old), "{}").status, ES_OK);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_int_eq(ask("PUT", tk_text("/%s", others[i]), "{}").status, ES_OK);
    keep_days = 7;
    begin(NULL);
    wait_for_a_look();
    ck_assert(!is_there("tars_log20200101") && !is_there("tars_log20200229") && !is_there(old));
    ck_assert(is_there(kept) && is_there(today()));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_msg(is_there(others[i]), "%s", others[i]);
    ck_assert_uint_eq(stats.deleted, 3);
}
END_TEST

static void make_lease(void *arg)
{
    struct es_lease_options options = {
        .index = es_index_name(client, "lease"), .id = "log", .name = "dated", .duration_ms = 600};
    (void)arg;
    lease = es_lease_new(client, &options);
}

START_TEST(only_the_holder_of_the_lease_deletes)
{
    const char *held = "{\"holder\":\"another\",\"epoch\":1,\"duration_ms\":600000,\"since\":1}";
    struct answer a = ask("PUT", "/tars_lease/_doc/log", held);
    ck_assert_msg(a.status == ES_OK, "%s", a.text);
    ck_assert_int_eq(ask("PUT", "/tars_log20200101", "{}").status, ES_OK);
    loop_call_wait(loop, make_lease, NULL);
    keep_days = 7;
    begin(lease);
    wait_for_a_look();
    ck_assert(is_there("tars_log20200101"));
    a = ask("PUT", "/tars_lease/_doc/log",
            "{\"holder\":\"\",\"epoch\":1,\"duration_ms\":600,\"since\":1}");
    ck_assert_int_eq(a.status, ES_OK);
    ck_assert(tk_eventually(!is_there("tars_log20200101"), SOON_MS));
}
END_TEST

START_TEST(an_index_that_has_the_name_is_written_to_until_it_is_gone)
{
    ck_assert_int_eq(ask("PUT", "/tars_log", "{}").status, ES_OK);
    keep_days = 7;
    begin(NULL);
    ck_assert(es_dated_is_foreign(dated));
    ck_assert_str_eq(today(), "tars_log");
    ck_assert(!is_there(days_ago(0)));
    ck_assert_int_eq(ask("GET", "/_index_template/tars_logdated", NULL).status, ES_MISSING);
    ck_assert_int_eq(ask("DELETE", "/tars_log", NULL).status, ES_OK);
    ck_assert(tk_eventually((loop_call_wait(loop, read_stats, NULL), !stats.foreign), SOON_MS));
    wait_for_a_look();
    ck_assert_str_eq(today(), days_ago(0));
    ck_assert_int_eq(ask("GET", "/tars_log/_search", NULL).status, ES_OK);
}
END_TEST

START_TEST(what_is_taken_away_comes_back_and_what_operators_say_stays)
{
    begin(NULL);
    struct answer a = ask(
        "PUT", "/_index_template/tars_logdated",
        "{\"index_patterns\":[\"tars_log2*\"],\"priority\":400,\"template\":{\"settings\":{"
        "\"number_of_replicas\":2},\"mappings\":{\"properties\":{\"k\":{\"type\":\"keyword\"}}}}}");
    ck_assert_msg(a.status == ES_OK, "%s", a.text);
    ck_assert_int_eq(ask("DELETE", tk_text("/%s", today()), NULL).status, ES_OK);
    wait_for_a_look();
    a = ask("GET", "/_index_template/tars_logdated", NULL);
    ck_assert_msg(strstr(a.text, "\"number_of_replicas\":\"2\""), "%s", a.text);
    ck_assert_ptr_null(strstr(a.text, "auto_expand_replicas"));
    ck_assert_ptr_nonnull(strstr(a.text, "\"n\":{\"type\":\"long\"}"));
    ck_assert_ptr_nonnull(strstr(a.text, "\"priority\":400"));
    a = ask("GET", tk_text("/%s", today()), NULL);
    ck_assert_ptr_nonnull(strstr(a.text, "\"tars_log\":{}"));
    ck_assert_ptr_nonnull(strstr(a.text, "\"number_of_replicas\":\"2\""));
}
END_TEST

START_TEST(it_begins_without_a_store_and_goes_on_when_one_comes)
{
    tk_kill(store);
    loop_call_wait(loop, make_dated, NULL);
    tk_sleep(300);
    start_store();
    ck_assert(tk_eventually(looked(), SOON_MS));
    ck_assert_int_eq(ask("GET", "/tars_log/_search", NULL).status, ES_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dated");
    TCase *tc = tcase_create("dated");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, open_all, close_all);
    tcase_add_test(tc, a_new_store_has_an_empty_index_of_today_behind_the_alias);
    tcase_add_test(tc, what_is_too_old_goes_and_nothing_else);
    tcase_add_test(tc, only_the_holder_of_the_lease_deletes);
    tcase_add_test(tc, an_index_that_has_the_name_is_written_to_until_it_is_gone);
    tcase_add_test(tc, what_is_taken_away_comes_back_and_what_operators_say_stays);
    tcase_add_test(tc, it_begins_without_a_store_and_goes_on_when_one_comes);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
