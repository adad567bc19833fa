/* SPDX-License-Identifier: BSD-3-Clause */
/* Dates in their formats, and time zones by name. */
#include <check.h>
#include <stdlib.h>

#include "tarselasticsearch/date.h"
#include "tarselasticsearch/date_math.h"

static void check_date(const char *text, const char *format, const char *wanted)
{
    struct text shown = {0};
    int64_t ms;
    ck_assert_msg(date_parse(tars_str(text), format, false, NULL, &ms), "%s", text);
    date_print(ms, NULL, NULL, &shown);
    ck_assert_str_eq(shown.at, wanted);
    text_free(&shown);
}

START_TEST(dates_are_read_by_their_format)
{
    check_date("2024-02-29", NULL, "2024-02-29T00:00:00.000Z");
    check_date("2024-02-29T10:20:30.5+01:00", NULL, "2024-02-29T09:20:30.500Z");
    check_date("1709200800000", NULL, "2024-02-29T10:00:00.000Z");
    check_date("29.02.2024 10:20", "dd.MM.yyyy HH:mm", "2024-02-29T10:20:00.000Z");
    check_date("20240229", "yyyy-MM-dd||basic_date", "2024-02-29T00:00:00.000Z");
    check_date("2024-02-29T10:20:30.123-0330", "yyyy-MM-dd'T'HH:mm:ss.SSSZ",
               "2024-02-29T13:50:30.123Z");
}
END_TEST

START_TEST(what_is_no_date_is_refused)
{
    static const char *const bad[] = {"",   "2023-02-29", "2024-13-01",      "2024-1-1",
                                      "24", "x",          "2024-02-29T25:00"};
    int64_t ms;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!date_parse(tars_str(bad[i]), "strict_date_optional_time", false, NULL, &ms),
                      "%s", bad[i]);
    ck_assert(date_format_known(tars_str("yyyy-MM-dd HH:mm:ss||epoch_millis")));
    ck_assert(!date_format_known(tars_str("yyyy-MMM-dd")));
    ck_assert(!date_format_known(tars_str("yyyy-MM-dd'T")));
    ck_assert(!date_format_known(tars_str("")));
}
END_TEST

static int64_t at(const char *text)
{
    int64_t ms = 0;
    ck_assert(date_parse(tars_str(text), NULL, false, NULL, &ms));
    return ms;
}

START_TEST(zones_follow_their_rules)
{
    struct zone *berlin = zone_open(tars_str("Europe/Berlin")),
                *shanghai = zone_open(tars_str("Asia/Shanghai")),
                *offset = zone_open(tars_str("-03:30"));
    ck_assert(berlin && shanghai && offset);
    ck_assert_int_eq(zone_offset(shanghai, at("2024-07-01")), 8 * 3600000);
    ck_assert_int_eq(zone_offset(offset, 0), -(3 * 60 + 30) * 60000);
    ck_assert_int_eq(zone_offset(berlin, at("2024-03-31T00:59:59Z")), 3600000);
    ck_assert_int_eq(zone_offset(berlin, at("2024-03-31T01:00:00Z")), 7200000);
    ck_assert_int_eq(zone_offset(berlin, at("2095-07-01")), 7200000);
    ck_assert_int_eq(zone_offset(berlin, at("2095-12-01")), 3600000);
    /* skipped, and shown twice */
    ck_assert_int_eq(zone_to_utc(berlin, at("2024-03-31T02:30:00")), at("2024-03-31T01:00:00"));
    ck_assert_int_eq(zone_to_utc(berlin, at("2024-10-27T02:30:00")), at("2024-10-27T00:30:00"));
    ck_assert_int_eq(date_floor(at("2024-10-27T12:00:00"), DATE_DAY, 0, berlin),
                     at("2024-10-26T22:00:00"));
    ck_assert_int_eq(date_floor(at("2024-10-27T12:00:00"), DATE_DAY, 1, berlin),
                     at("2024-10-27T23:00:00"));
    zone_free(berlin);
    zone_free(shanghai);
    zone_free(offset);
}
END_TEST

START_TEST(names_that_are_no_zones_open_nothing)
{
    static const char *const bad[] = {"",       "/etc/passwd", "../../etc/passwd",
                                      "Europe", "Mars/Base",   "+25:00",
                                      "+1:",    "zone.tab",    "Europe/Berlin\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!zone_open(tars_str(bad[i])), "%s", bad[i]);
    ck_assert(!zone_open(tars_str_n("UTC\0x", 5)));
}
END_TEST

START_TEST(date_maths_round_in_the_zone)
{
    struct zone *zone = zone_open(tars_str("Asia/Shanghai"));
    int64_t ms;
    ck_assert(date_math(tars_str("2024-07-15T20:00:00||/d"), NULL, false, zone, 0, &ms));
    ck_assert_int_eq(ms, at("2024-07-14T16:00:00"));
    ck_assert(date_math(tars_str("now-1M/M"), NULL, false, NULL, at("2024-03-31T12:00:00"), &ms));
    ck_assert_int_eq(ms, at("2024-02-01"));
    ck_assert(!date_math(tars_str("now-1q"), NULL, false, NULL, 0, &ms));
    zone_free(zone);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_date");
    TCase *tests = tcase_create("all");
    tcase_add_test(tests, dates_are_read_by_their_format);
    tcase_add_test(tests, what_is_no_date_is_refused);
    tcase_add_test(tests, zones_follow_their_rules);
    tcase_add_test(tests, names_that_are_no_zones_open_nothing);
    tcase_add_test(tests, date_maths_round_in_the_zone);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
