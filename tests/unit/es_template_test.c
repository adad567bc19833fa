/* SPDX-License-Identifier: BSD-3-Clause */
/* What becomes of templates that operators changed, and which names are those of days. */
#include <check.h>
#include <stdlib.h>

#include "es/dated.h"
#include "es/template.h"
#include "testkit.h"

static const char wanted[] =
    "{\"index_patterns\":[\"log2*\"],\"priority\":300,\"template\":{"
    "\"settings\":{\"number_of_shards\":1,\"refresh_interval\":\"1s\"},"
    "\"mappings\":{\"dynamic\":false,\"properties\":{\"k\":{\"type\":\"keyword\"},"
    "\"n\":{\"type\":\"long\"}}},\"aliases\":{\"log\":{}}}}";

/* The merged body as text, "" where nothing is to be done; owned by the kit. */
static const char *merged(const char *stored)
{
    cJSON *have = stored ? cJSON_Parse(stored) : NULL, *want = cJSON_Parse(wanted);
    ck_assert_ptr_nonnull(want);
    ck_assert(!stored || have);
    cJSON *body = es_template_merge(have, want);
    char *text = body ? cJSON_PrintUnformatted(body) : NULL;
    const char *copy = tk_text("%s", text ? text : "");
    cJSON_free(text);
    cJSON_Delete(body);
    cJSON_Delete(have);
    cJSON_Delete(want);
    return copy;
}

static void expect_equal(const char *text, const char *json)
{
    cJSON *a = cJSON_Parse(text), *b = cJSON_Parse(json);
    ck_assert_ptr_nonnull(b);
    ck_assert_msg(cJSON_Compare(a, b, true), "%s", text);
    cJSON_Delete(a);
    cJSON_Delete(b);
}

#define FIELDS "\"properties\":{\"k\":{\"type\":\"keyword\"},\"n\":{\"type\":\"long\"}}"

START_TEST(where_there_is_none_it_is_put)
{
    expect_equal(merged(NULL),
                 "{\"template\":{\"settings\":{\"index.number_of_shards\":1,"
                 "\"index.refresh_interval\":\"1s\"},\"mappings\":{\"dynamic\":false," FIELDS
                 "},\"aliases\":{\"log\":{}}},\"index_patterns\":[\"log2*\"],\"priority\":300}");
}
END_TEST

START_TEST(one_as_a_server_shows_it_is_left_alone)
{
    ck_assert_str_eq(
        merged("{\"index_patterns\":[\"log2*\"],\"priority\":300,\"composed_of\":[],\"template\":{"
               "\"settings\":{\"index\":{\"number_of_shards\":\"1\",\"refresh_interval\":\"1s\"}},"
               "\"mappings\":{\"dynamic\":\"false\"," FIELDS "},\"aliases\":{\"log\":{}}}}"),
        "");
}
END_TEST

START_TEST(what_operators_said_stays)
{
    ck_assert_str_eq(
        merged("{\"index_patterns\":[\"old*\",\"log2*\"],\"priority\":500,\"template\":{"
               "\"settings\":{\"index\":{\"number_of_shards\":\"6\",\"number_of_replicas\":\"2\","
               "\"refresh_interval\":\"30s\"}},\"mappings\":{\"dynamic\":false,\"properties\":{"
               "\"k\":{\"type\":\"keyword\",\"ignore_above\":99},\"n\":{\"type\":\"long\"},"
               "\"own\":{\"type\":\"text\"}}},\"aliases\":{\"log\":{},\"mine\":{}}}}"),
        "");
}
END_TEST

START_TEST(what_is_missing_or_would_refuse_our_documents_is_mended)
{
    expect_equal(
        merged(
            "{\"index_patterns\":[\"old*\"],\"priority\":1,\"template\":{"
            "\"settings\":{\"index\":{\"number_of_replicas\":\"2\"}},"
            "\"mappings\":{\"dynamic\":\"strict\",\"properties\":{\"k\":{\"type\":\"text\"}}}}}"),
        "{\"index_patterns\":[\"old*\",\"log2*\"],\"priority\":300,\"template\":{"
        "\"settings\":{\"index.number_of_replicas\":\"2\",\"index.number_of_shards\":1,"
        "\"index.refresh_interval\":\"1s\"},\"mappings\":{\"dynamic\":false," FIELDS
        "},\"aliases\":{\"log\":{}}}}");
}
END_TEST

START_TEST(members_of_other_kinds_are_replaced)
{
    expect_equal(merged("{\"index_patterns\":\"log\",\"priority\":\"high\",\"template\":7}"),
                 merged(NULL));
    expect_equal(merged("{\"template\":{\"settings\":[],\"mappings\":[],\"aliases\":null}}"),
                 merged(NULL));
    expect_equal(merged("[]"), merged(NULL));
}
END_TEST

START_TEST(names_of_days_match_exactly)
{
    ck_assert_int_eq(es_dated_day("log", "log20261127"), 20261127);
    ck_assert_int_eq(es_dated_day("log", "log20240229"), 20240229);
    static const char *const others[] = {"log",
                                         "log2026112",
                                         "log202611270",
                                         "log20261127 ",
                                         "log20261327",
                                         "log20261100",
                                         "log20230229",
                                         "log20261132",
                                         "xlog20261127",
                                         "log2026112a",
                                         "Log20261127",
                                         "log-20261127",
                                         "log120261127",
                                         "log10261127",
                                         "logs20261127",
                                         "log2026-1-2",
                                         "",
                                         "lo20261127"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_msg(es_dated_day("log", others[i]) == 0, "%s", others[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("template");
    TCase *tc = tcase_create("template");
    tcase_add_test(tc, where_there_is_none_it_is_put);
    tcase_add_test(tc, one_as_a_server_shows_it_is_left_alone);
    tcase_add_test(tc, what_operators_said_stays);
    tcase_add_test(tc, what_is_missing_or_would_refuse_our_documents_is_mended);
    tcase_add_test(tc, members_of_other_kinds_are_replaced);
    tcase_add_test(tc, names_of_days_match_exactly);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
