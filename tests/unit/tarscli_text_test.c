/* SPDX-License-Identifier: BSD-3-Clause */
/* Durations, environment and the merge of configurations. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "k8stars/duration.h"
#include "k8stars/environment.h"
#include "k8stars/merge.h"
#include "testkit.h"

/* ---- durations
 * ----------------------------------------------------------------------------------- */

START_TEST(durations_have_one_whole_number_and_one_unit)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {{"", 0},         {"0", 0},         {"30s", 30000}, {"500ms", 500}, {"2m", 120000},
                {"1h", 3600000}, {"1d", 86400000}, {"-3s", -3000}, {"+3s", 3000},  {"1ns", 1},
                {"1001us", 2},   {"0s", 0},        {"007s", 7000}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tars_error error = {0};
        int64_t ms = -1;
        ck_assert_msg(duration_parse(rows[i].text, &ms, &error), "%s: %s", rows[i].text,
                      error.text);
        ck_assert_msg(ms == rows[i].ms, "%s is %lld", rows[i].text, (long long)ms);
    }
}
END_TEST

START_TEST(what_is_no_duration_is_refused_with_an_example)
{
    static const char *const texts[] = {
        "5",           "s",   "1.5s", "1m30s", "1 s", " 1s", "1S", "--1s", "99999999999999999999s",
        "9999999999d", "0x1s"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct tars_error error = {0};
        int64_t ms;
        ck_assert_msg(!duration_parse(texts[i], &ms, &error), "%s is one", texts[i]);
        ck_assert_msg(strstr(error.text, "such as 30s"), "%s", error.text);
    }
}
END_TEST

/* ---- environment
 * ------------------------------------------------------------------------------------ */

static bool reads(struct environment *e, const char *reason)
{
    struct tars_error error = {0};
    bool ok = environment_read(e, USED_BY_ALL, &error);
    ck_assert_msg(ok == (reason == NULL), "%s", error.text);
    ck_assert_msg(!reason || strstr(error.text, reason), "'%s' does not say '%s'", error.text,
                  reason);
    return ok;
}

START_TEST(defaults_are_those_of_k8stars)
{
    struct environment e;
    reads(&e, NULL);
    ck_assert_str_eq(e.path, "/tars");
    ck_assert_str_eq(e.namespace_name, "tars-system");
    ck_assert_int_eq(e.port_min, 13000);
    ck_assert_int_eq(e.port_max, 16000);
    ck_assert_int_eq(e.report_interval, 30000);
    ck_assert_int_eq(e.check_interval, 10000);
    ck_assert_int_eq(e.check_retry, 5000);
    ck_assert_int_eq(e.check_script_timeout, 2000);
    ck_assert_int_eq(e.prestop_wait, 80000);
    ck_assert_int_eq(e.activating_timeout, 300000);
    ck_assert_int_eq(e.endpoint_refresh, -1);
    ck_assert_str_eq(e.version, "");
    ck_assert_ptr_null(e.application);
}
END_TEST

START_TEST(empty_durations_are_as_good_as_not_set)
{
    struct environment e;
    setenv("TARS_REPORT_INTERVAL", "", 1);
    setenv("TARS_CHECK_INTERVAL", "", 1);
    setenv("TARS_PRESTOP_WAITTIME", "", 1);
    reads(&e, NULL);
    ck_assert_int_eq(e.report_interval, 30000);
    ck_assert_int_eq(e.check_interval, 10000);
    ck_assert_int_eq(e.prestop_wait, 80000);
}
END_TEST

START_TEST(durations_that_make_no_sense_are_refused_by_name)
{
    struct environment e;
    setenv("TARS_CHECK_INTERVAL", "0s", 1);
    reads(&e, "TARS_CHECK_INTERVAL: '0s' must be more than 0");
    setenv("TARS_CHECK_INTERVAL", "-5s", 1);
    reads(&e, "TARS_CHECK_INTERVAL");
    setenv("TARS_CHECK_INTERVAL", "5", 1);
    reads(&e, "TARS_CHECK_INTERVAL: '5' is no duration");
    setenv("TARS_CHECK_INTERVAL", "5s", 1);
    setenv("TARS_PRESTOP_WAITTIME", "0", 1);
    reads(&e, NULL);
    ck_assert_int_eq(e.prestop_wait, 0);
    setenv("TARS_PRESTOP_WAITTIME", "-1s", 1);
    reads(&e, "TARS_PRESTOP_WAITTIME: '-1s' must be 0 or more");
}
END_TEST

START_TEST(numbers_and_empty_texts_count_as_k8stars_counts_them)
{
    struct environment e;
    setenv("TARS_RAND_PORT_MIN", "no port", 1);
    setenv("TARS_RAND_PORT_MAX", "", 1);
    setenv("TARS_APPLICATION", "", 1);
    setenv("TARS_SET_ID", "", 1);
    setenv("TARS_NAMESPACE", "", 1);
    setenv("TARS_EP_UPTIME", "7000", 1);
    reads(&e, NULL);
    ck_assert_int_eq(e.port_min, 13000);
    ck_assert_int_eq(e.port_max, 16000);
    ck_assert_str_eq(e.application, "");
    ck_assert_str_eq(e.set_id, "");
    ck_assert_str_eq(e.namespace_name, "tars-system");
    ck_assert_int_eq(e.endpoint_refresh, 7000);
    setenv("TARS_EP_UPTIME", "", 1);
    reads(&e, "TARS_EP_UPTIME");
    setenv("TARS_EP_UPTIME", "1", 1);
    setenv("TARS_RAND_PORT_MIN", "16001", 1);
    reads(&e, "TARS_RAND_PORT_MIN 16001 is more than");
}
END_TEST

START_TEST(pod_ip_is_the_address_else_the_machines_own)
{
    struct environment e;
    setenv("POD_IP", "10.1.2.3", 1);
    reads(&e, NULL);
    ck_assert_str_eq(e.local_ip, "10.1.2.3");
    setenv("POD_IP", "", 1);
    reads(&e, NULL);
    ck_assert_str_ne(e.local_ip, "");
    ck_assert_ptr_nonnull(strchr(e.local_ip, '.'));
}
END_TEST

/* ---- merge
 * --------------------------------------------------------------------------------------------- */

static struct tars_arena *arena;

static const char *merged(const char *base, const char *over)
{
    struct tars_error error = {0};
    struct tars_str text;
    ck_assert_msg(merge_texts(tars_str(base), tars_str(over), arena, &text, &error), "%s",
                  error.text);
    return text.at;
}

static void refused(const char *over, const char *reason)
{
    struct tars_error error = {0};
    struct tars_str text;
    ck_assert_msg(!merge_texts(tars_str("<a>\n</a>"), tars_str(over), arena, &text, &error), "%s",
                  over);
    ck_assert_msg(strstr(error.text, reason), "'%s' does not say '%s'", error.text, reason);
}

static void open_arena(void)
{
    arena = tars_arena_new(0);
}

static void close_arena(void)
{
    tars_arena_free(arena);
}

START_TEST(merging_replaces_adds_and_keeps_the_order)
{
    ck_assert_str_eq(merged("<t>\n# a comment\nx=1\ny=2\n<s>\nk\n</s>\n</t>",
                            "<t>\ny = 3\nz=4\n<s>\nl=5\n</s>\n<n>\nm=6\n</n>\n</t>"),
                     "<t>\n\tx = 1\n\ty = 3\n\tz = 4\n\t<s>\n\t\tk\n\t\tl = 5\n\t</s>\n"
                     "\t<n>\n\t\tm = 6\n\t</n>\n</t>");
}
END_TEST

START_TEST(what_other_tools_put_before_a_text_does_not_count)
{
    ck_assert_str_eq(merged("<t>\nx=1\n</t>", "\xef\xbb\xbf<t>\r\nx=2\r\n</t>\r\n"),
                     "<t>\n\tx = 2\n</t>");
    ck_assert_str_eq(merged("<t>\nx=1\n</t>", "\xef\xbb\xbf<?xml version=\"1.0\"\n?>\n"
                                              "<!-- a=1 -->\n<t>\nx=2\n</t>\n"),
                     "<t>\n\tx = 2\n</t>");
    refused("<?xml\n?>\n</t>", "line 3: this closes a section, but none is open: t");
}
END_TEST

START_TEST(values_never_replace_sections_nor_sections_values)
{
    ck_assert_str_eq(merged("<t>\nx=1\n<s>\nk=1\n</s>\n</t>", "<t>\ns=2\n<x>\nq=1\n</x>\n</t>"),
                     "<t>\n\tx = 1\n\t<s>\n\t\tk = 1\n\t</s>\n</t>");
}
END_TEST

START_TEST(markup_and_escapes_in_values_pass_unchanged)
{
    ck_assert_str_eq(merged("<t>\n</t>", "<t>\na=1 & 2\nb=x<y\nc=<&>\nd=a<b>c\n"
                                         "sql=ENGINE\\=InnoDB DEFAULT CHARSET\\=utf8\n</t>"),
                     "<t>\n\ta = 1 & 2\n\tb = x<y\n\tc = <&>\n\td = a<b>c\n"
                     "\tsql = ENGINE\\=InnoDB DEFAULT CHARSET\\=utf8\n</t>");
}
END_TEST

START_TEST(long_lines_and_what_follows_them_are_whole)
{
    size_t len = 200000;
    char *value = malloc(len + 1), *over;
    memset(value, 'v', len);
    value[len] = '\0';
    over = tars_arena_printf(arena, "<t>\nlong=%s\nlast=1\n</t>", value);
    ck_assert_str_eq(merged("<t>\n</t>", over),
                     tars_arena_printf(arena, "<t>\n\tlong = %s\n\tlast = 1\n</t>", value));
    free(value);
}
END_TEST

START_TEST(tags_and_values_may_share_a_line)
{
    ck_assert_str_eq(merged("<t><a>x=1</a></t>", "<t><a>y=2</a><b></b></t>"),
                     "<t>\n\t<a>\n\t\tx = 1\n\t\ty = 2\n\t</a>\n\t<b>\n\t</b>\n</t>");
}
END_TEST

START_TEST(of_repeated_keys_the_last_wins_and_repeated_sections_are_one)
{
    ck_assert_str_eq(merged("<t>\nx=1\n</t>", "<t>\nx=2\nx=3\n<s>\na=1\n</s>\n</t>\n"
                                              "<!-- another\nroot --><t>\n<s>\na=2\n</s>\n</t>"),
                     "<t>\n\tx = 3\n\t<s>\n\t\ta = 2\n\t</s>\n</t>");
}
END_TEST

START_TEST(variables_in_values_are_replaced_and_cannot_add_lines)
{
    setenv("TEST_PASSWORD", "a/b&c</t>${env:HOME}", 1);
    ck_assert_str_eq(merged("<t>\n</t>", "<t>\np=x${env:TEST_PASSWORD}y ${env\n</t>"),
                     "<t>\n\tp = xa/b&c</t>${env:HOME}y ${env\n</t>");
    setenv("TEST_PASSWORD", "a\nb=1", 1);
    refused("<a>\np=${env:TEST_PASSWORD}\n</a>",
            "line 2: this environment variable holds a newline");
    refused("<a>\np=${env:NOT_SET_AT_ALL}\n</a>", "is not set: NOT_SET_AT_ALL");
}
END_TEST

START_TEST(broken_texts_are_refused_with_their_line)
{
    refused("<a>\nx=1\n", "line 3: the text ends and this section is still open: a");
    refused("</a>", "line 1: this closes a section, but none is open: a");
    refused("<a>\n<b>\n</a>\n", "line 3: </a> stands where </b> is expected");
}
END_TEST

START_TEST(deep_texts_are_refused)
{
    char *deep = tars_arena_alloc(arena, 1000);
    for (int i = 0; i < 150; i++)
        strcat(deep, "<a>\n");
    refused(deep, "too many sections inside each other");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tarscli texts");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, open_arena, close_arena);
    tcase_add_test(tc, durations_have_one_whole_number_and_one_unit);
    tcase_add_test(tc, what_is_no_duration_is_refused_with_an_example);
    tcase_add_test(tc, defaults_are_those_of_k8stars);
    tcase_add_test(tc, empty_durations_are_as_good_as_not_set);
    tcase_add_test(tc, durations_that_make_no_sense_are_refused_by_name);
    tcase_add_test(tc, numbers_and_empty_texts_count_as_k8stars_counts_them);
    tcase_add_test(tc, pod_ip_is_the_address_else_the_machines_own);
    tcase_add_test(tc, merging_replaces_adds_and_keeps_the_order);
    tcase_add_test(tc, what_other_tools_put_before_a_text_does_not_count);
    tcase_add_test(tc, values_never_replace_sections_nor_sections_values);
    tcase_add_test(tc, markup_and_escapes_in_values_pass_unchanged);
    tcase_add_test(tc, long_lines_and_what_follows_them_are_whole);
    tcase_add_test(tc, tags_and_values_may_share_a_line);
    tcase_add_test(tc, of_repeated_keys_the_last_wins_and_repeated_sections_are_one);
    tcase_add_test(tc, variables_in_values_are_replaced_and_cannot_add_lines);
    tcase_add_test(tc, broken_texts_are_refused_with_their_line);
    tcase_add_test(tc, deep_texts_are_refused);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
