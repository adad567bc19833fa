/* SPDX-License-Identifier: BSD-3-Clause */
/* The endpoint cache file and the client's settings. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <tars/conf.h>

#include "rpc/client_conf.h"
#include "rpc/endpoint_cache.h"
#include "testkit.h"

static const char *path;

static void setup(void)
{
    path = tk_text("%s/App.Server.endpoints", tk_dir());
}

static struct tars_endpoint at(const char *text)
{
    struct tars_endpoint e;

    ck_assert(tars_endpoint_parse(tars_str(text), &e, NULL));
    return e;
}

static void write_cache(void)
{
    struct rpc_endpoint_cache *cache = rpc_endpoint_cache_new(path);
    struct tars_endpoint list[2] = {at("tcp -h 10.0.0.1 -p 1 -t 60000 -w 50 -v 1"),
                                    at("ssl -h fd00::1 -p 2 -e 1")};

    rpc_endpoint_cache_put(cache, "App.Server.Obj", NULL, list, 2);
    rpc_endpoint_cache_put(cache, "App.Server.Obj", "a.b.c", list + 1, 1);
    rpc_endpoint_cache_free(cache);
}

static size_t count_in(const char *object, const char *set)
{
    struct rpc_endpoint_cache *cache = rpc_endpoint_cache_new(path);
    size_t count;
    struct tars_endpoint *list = rpc_endpoint_cache_get(cache, object, set, &count);

    ck_assert_int_eq(list != NULL, count > 0);
    free(list);
    rpc_endpoint_cache_free(cache);
    return count;
}

START_TEST(what_was_put_is_there_in_the_next_run)
{
    struct rpc_endpoint_cache *cache;
    struct tars_endpoint *list;
    size_t count;

    write_cache();
    cache = rpc_endpoint_cache_new(path);
    list = rpc_endpoint_cache_get(cache, "App.Server.Obj", NULL, &count);
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(list[0].host, "10.0.0.1");
    ck_assert_int_eq(list[0].weight, 50);
    ck_assert_int_eq(list[0].weight_type, 1);
    ck_assert_str_eq(list[1].host, "fd00::1");
    ck_assert_int_eq(list[1].transport, TARS_SSL);
    ck_assert_int_eq(list[1].auth, 1);
    free(list);
    rpc_endpoint_cache_free(cache);
    ck_assert_uint_eq(count_in("App.Server.Obj", "a.b.c"), 1);
    ck_assert_uint_eq(count_in("App.Server.Other", NULL), 0);
}
END_TEST

START_TEST(who_has_no_weight_has_none_in_the_next_run)
{
    struct rpc_endpoint_cache *cache = rpc_endpoint_cache_new(path);
    struct tars_endpoint put[2] = {at("tcp -h 10.0.0.1 -p 1 -w 0 -v 1"),
                                   at("tcp -h 10.0.0.2 -p 1 -w 5 -v 1")},
                         *list;
    size_t count;

    put[1].weight = -1;
    rpc_endpoint_cache_put(cache, "App.Server.Obj", NULL, put, 2);
    rpc_endpoint_cache_free(cache);
    cache = rpc_endpoint_cache_new(path);
    list = rpc_endpoint_cache_get(cache, "App.Server.Obj", NULL, &count);
    ck_assert_uint_eq(count, 2);
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(list[i].weight_type, 1);
        ck_assert_int_eq(list[i].weight, 0);
    }
    free(list);
    rpc_endpoint_cache_free(cache);
}
END_TEST

START_TEST(a_missing_file_is_an_empty_cache)
{
    ck_assert_uint_eq(count_in("App.Server.Obj", NULL), 0);
}
END_TEST

START_TEST(a_file_with_one_changed_letter_is_ignored)
{
    char *text;

    write_cache();
    text = tk_read_file(path);
    ck_assert_ptr_nonnull(strstr(text, "10.0.0.1"));
    strstr(text, "10.0.0.1")[0] = '2';
    tk_write_file(path, text);
    free(text);
    ck_assert_uint_eq(count_in("App.Server.Obj", NULL), 0);
}
END_TEST

START_TEST(a_file_cut_anywhere_is_ignored)
{
    char *text;
    size_t len;

    write_cache();
    text = tk_read_file(path);
    len = strlen(text);
    for (size_t cut = 0; cut + 1 < len; cut += 3) {
        char *part = strndup(text, cut);

        tk_write_file(path, part);
        free(part);
        if (count_in("App.Server.Obj", NULL) > 0)
            ck_assert_uint_gt(cut, len - 16); /* only the end of the outermost domain is gone */
    }
    free(text);
}
END_TEST

START_TEST(names_that_could_escape_their_key_are_not_kept)
{
    struct rpc_endpoint_cache *cache = rpc_endpoint_cache_new(path);
    struct tars_endpoint e = at("tcp -h 10.0.0.1 -p 1");

    rpc_endpoint_cache_put(cache, "App.Server.Obj>x", NULL, &e, 1);
    rpc_endpoint_cache_put(cache, "App.Server.Obj", "a\n<x>\n", &e, 1);
    rpc_endpoint_cache_put(cache, "App/../Obj", NULL, &e, 1);
    rpc_endpoint_cache_free(cache);
    ck_assert(access(path, F_OK) != 0);
}
END_TEST

START_TEST(a_folder_that_cannot_be_written_does_no_harm)
{
    struct rpc_endpoint_cache *cache = rpc_endpoint_cache_new("/nonexistent/x/App.endpoints");
    struct tars_endpoint e = at("tcp -h 10.0.0.1 -p 1");
    struct tars_endpoint *list;
    size_t count;

    rpc_endpoint_cache_put(cache, "App.Server.Obj", NULL, &e, 1);
    list = rpc_endpoint_cache_get(cache, "App.Server.Obj", NULL, &count);
    ck_assert_uint_eq(count, 1);
    free(list);
    rpc_endpoint_cache_free(cache);
}
END_TEST

/* ---- settings ----------------------------------------------------------------------------------
 */

static struct rpc_client_conf read_conf(const char *text)
{
    struct rpc_client_conf settings;
    struct tars_error error = {0};
    struct tars_conf *conf = tars_conf_parse(tars_str(text), &error);

    ck_assert_msg(conf != NULL, "%s", error.text);
    rpc_client_conf_init(&settings, conf);
    tars_conf_free(conf);
    return settings;
}

START_TEST(defaults_are_those_of_the_protocol)
{
    struct rpc_client_conf s = read_conf("");

    ck_assert_int_eq(s.sync_timeout_ms, 3000);
    ck_assert_int_eq(s.async_timeout_ms, 5000);
    ck_assert_int_eq(s.connect_timeout_ms, 1500);
    ck_assert_int_eq(s.refresh_ms, 60000); /* the reference reads its own default as 5 s */
    ck_assert_int_eq(s.async_queue_cap, 100000);
    ck_assert_int_eq(s.breaker.try_time_interval_ms, 5000);
    ck_assert_ptr_null(s.set);
    ck_assert_ptr_null(s.cache_file);
    rpc_client_conf_clear(&s);
}
END_TEST

START_TEST(the_start_up_file_sets_names_sets_and_numbers)
{
    struct rpc_client_conf s = read_conf(
        "<tars>\n<application>\nenableset=Y\nsetdivision=a.b.c\n<server>\napp=Demo\n"
        "server=Echo\nnodename=n1\ndatapath=/data\n</server>\n<client>\n"
        "locator=tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p 1\n"
        "sync-invoke-timeout=100\nrefresh-endpoint-interval=10\nradio=0.5\n"
        "tryTimeInterval=0.25\nkeep-alive-interval=10\nconnect-timeout=soon\n"
        "</client>\n</application>\n</tars>\n");

    ck_assert_str_eq(s.set, "a.b.c");
    ck_assert_str_eq(s.node_name, "n1");
    ck_assert_str_eq(s.cache_file, "/data/Demo.Echo.endpoints");
    ck_assert_int_eq(s.sync_timeout_ms, 100);
    ck_assert_int_eq(s.refresh_ms, 5000);    /* the smallest */
    ck_assert_int_eq(s.keep_alive_ms, 5000); /* the smallest that is not off */
    ck_assert_int_eq(s.connect_timeout_ms, 1500);
    ck_assert_int_eq(s.breaker.try_time_interval_ms, 250);
    ck_assert(s.breaker.radio > 0.49 && s.breaker.radio < 0.51);
    rpc_client_conf_clear(&s);
}
END_TEST

START_TEST(sets_that_are_switched_off_or_null_do_not_count)
{
    struct rpc_client_conf s = read_conf(
        "<tars>\n<application>\nenableset=n\nsetdivision=a.b.c\n</application>\n</tars>");

    ck_assert_ptr_null(s.set);
    rpc_client_conf_clear(&s);
    s = read_conf("<tars>\n<application>\nenableset=y\nsetdivision=NULL\n</application>\n</tars>");
    ck_assert_ptr_null(s.set);
    rpc_client_conf_clear(&s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client_cache");
    TCase *t = tcase_create("cache");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, what_was_put_is_there_in_the_next_run);
    tcase_add_test(t, who_has_no_weight_has_none_in_the_next_run);
    tcase_add_test(t, a_missing_file_is_an_empty_cache);
    tcase_add_test(t, a_file_with_one_changed_letter_is_ignored);
    tcase_add_test(t, a_file_cut_anywhere_is_ignored);
    tcase_add_test(t, names_that_could_escape_their_key_are_not_kept);
    tcase_add_test(t, a_folder_that_cannot_be_written_does_no_harm);
    tcase_add_test(t, defaults_are_those_of_the_protocol);
    tcase_add_test(t, the_start_up_file_sets_names_sets_and_numbers);
    tcase_add_test(t, sets_that_are_switched_off_or_null_do_not_count);
    suite_add_tcase(s, t);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
