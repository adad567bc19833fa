/* SPDX-License-Identifier: BSD-3-Clause */
/* When silence means death. Times are made up: nothing here waits. */
#include <check.h>
#include <stdio.h>

#include "tarsregistry/liveness.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND };

static const struct liveness_rules rules = {
    .minimum_ms = 10 * SECOND, .unknown_ms = 90 * SECOND, .protect_share = 30, .protect_count = 10};
static struct table *table;
static struct liveness liveness;
static size_t gone_count;

static void setup(void)
{
    table = table_new();
    gone_count = 0;
    liveness_init(&liveness, &rules, SECOND);
}

static void teardown(void)
{
    table_free(table);
}

static struct instance *add(int n)
{
    char id[32], node[16];
    snprintf(id, sizeof id, "App|Server|%d", n);
    snprintf(node, sizeof node, "%d", n);
    struct record record = {.application = tars_str("App"),
                            .server_name = tars_str("Server"),
                            .node_name = tars_str(node),
                            .setting_state = tars_str("active")};
    struct instance *i = table_add(table, tars_str(id), INSTANCE_SERVER);
    table_set_record(table, i, record_copy(&record));
    table_set_present(table, i, STATE_ACTIVE, 1);
    return i;
}

/* Reports every `interval` from `from` on; returns the time of the last one. */
static int64_t report(struct instance *i, int64_t from, int64_t interval, int times)
{
    for (int k = 0; k < times; k++, from += interval)
        liveness_report(&liveness, i, k > 0, from);
    return from - interval;
}

static void on_gone(void *user, struct instance *i)
{
    (void)user;
    table_set_present(table, i, STATE_INACTIVE, 1);
    gone_count++;
}

static size_t round_at(int64_t now)
{
    liveness.last_round = now - SECOND; /* rounds came every second until now */
    return liveness_round(&liveness, table, now, on_gone, NULL);
}

START_TEST(instance_is_given_three_of_the_intervals_it_has_shown)
{
    struct instance *i = add(1);
    int64_t last = report(i, SECOND, 30 * SECOND, 3);
    ck_assert_int_eq(liveness_patience(&liveness, i), 90 * SECOND);
    ck_assert(!liveness_silent(&liveness, i, last + 90 * SECOND));
    ck_assert(liveness_silent(&liveness, i, last + 90 * SECOND + 1));
}
END_TEST

START_TEST(patience_is_never_below_the_minimum)
{
    struct instance *i = add(1);
    int64_t last = report(i, SECOND, SECOND, 5);
    ck_assert(!liveness_silent(&liveness, i, last + 10 * SECOND));
    ck_assert(liveness_silent(&liveness, i, last + 10 * SECOND + 1));
}
END_TEST

START_TEST(instance_that_has_shown_no_interval_is_given_the_default)
{
    struct instance *i = add(1);
    report(i, SECOND, 0, 1);
    ck_assert_int_eq(liveness_patience(&liveness, i), 90 * SECOND);
}
END_TEST

/* tarscli: onStartup, 10 s later active, from then on every 30 to 40 s. */
START_TEST(report_of_a_changed_state_is_no_interval)
{
    struct instance *i = add(1);
    liveness_report(&liveness, i, false, SECOND);
    liveness_report(&liveness, i, false, 11 * SECOND);
    ck_assert(!liveness_silent(&liveness, i, 51 * SECOND));
    liveness_report(&liveness, i, true, 51 * SECOND);
    ck_assert_int_eq(liveness_patience(&liveness, i), 120 * SECOND);
}
END_TEST

START_TEST(repeated_call_does_not_look_like_a_faster_rhythm)
{
    struct instance *i = add(1);
    int64_t last = report(i, SECOND, 30 * SECOND, 3);
    liveness_report(&liveness, i, true, last + 100);
    ck_assert_int_eq(liveness_patience(&liveness, i), 90 * SECOND);
}
END_TEST

START_TEST(interval_of_an_instance_that_was_dead_is_forgotten)
{
    struct instance *i = add(1);
    int64_t last = report(i, SECOND, 5 * SECOND, 4);
    liveness_report(&liveness, i, true, last + 10 * MINUTE);
    ck_assert_int_eq(liveness_patience(&liveness, i), 90 * SECOND);
}
END_TEST

START_TEST(interval_known_before_a_restart_counts)
{
    struct instance *i = add(1);
    i->reports.expected = i->reports.ours = true;
    i->reports.stored_interval = 5 * SECOND;
    i->reports.last = SECOND;
    ck_assert_int_eq(liveness_patience(&liveness, i), 15 * SECOND);
}
END_TEST

START_TEST(instance_that_never_reports_itself_never_expires)
{
    struct instance *i = add(1);
    ck_assert(!liveness_silent(&liveness, i, 100000LL * MINUTE));
}
END_TEST

START_TEST(instance_that_reports_to_another_registry_is_not_ours_to_expire)
{
    struct instance *i = add(1);
    report(i, SECOND, SECOND, 3);
    i->reports.ours = false;
    ck_assert(!liveness_silent(&liveness, i, 100LL * MINUTE));
}
END_TEST

START_TEST(inactive_instance_is_not_expired_again)
{
    struct instance *i = add(1);
    int64_t last = report(i, SECOND, SECOND, 3);
    ck_assert_uint_eq(round_at(last + MINUTE), 1);
    ck_assert_uint_eq(round_at(last + 2 * MINUTE), 0);
    ck_assert_uint_eq(gone_count, 1);
}
END_TEST

/* Weakness 8: after an outage of ours everybody looks dead. */
START_TEST(nobody_expires_because_we_were_away)
{
    struct instance *i = add(1);
    report(i, SECOND, SECOND, 3);
    liveness_away(&liveness, 10 * MINUTE);
    ck_assert(!liveness_silent(&liveness, i, 10 * MINUTE + 10 * SECOND));
    ck_assert(liveness_silent(&liveness, i, 10 * MINUTE + 11 * SECOND));
}
END_TEST

START_TEST(process_that_was_stopped_pardons_everybody)
{
    struct instance *i = add(1);
    int64_t last = report(i, SECOND, SECOND, 3);
    round_at(last);
    ck_assert_uint_eq(liveness_round(&liveness, table, last + MINUTE, on_gone, NULL), 0);
    ck_assert_int_eq(i->present, STATE_ACTIVE);
    ck_assert_uint_eq(round_at(last + MINUTE + 11 * SECOND), 1);
}
END_TEST

static void add_many(int count, int silent, int64_t now)
{
    for (int n = 0; n < count; n++)
        report(add(n), n < silent ? now - MINUTE : now - 3 * SECOND, SECOND, 3);
}

/* Weakness 8: protection is on by default. */
START_TEST(too_many_at_once_are_held_until_an_operator_confirms)
{
    add_many(20, 10, 10 * MINUTE);
    ck_assert_uint_eq(round_at(10 * MINUTE), 0);
    ck_assert(liveness.holding);
    liveness.confirmed = true;
    ck_assert_uint_eq(round_at(10 * MINUTE + SECOND), 10);
    ck_assert(!liveness.holding);
    ck_assert(!liveness.confirmed);
}
END_TEST

START_TEST(small_share_expires_without_asking)
{
    add_many(100, 20, 10 * MINUTE);
    ck_assert_uint_eq(round_at(10 * MINUTE), 20);
}
END_TEST

START_TEST(few_are_always_believed)
{
    add_many(2, 1, 10 * MINUTE);
    ck_assert_uint_eq(round_at(10 * MINUTE), 1);
}
END_TEST

START_TEST(many_falling_silent_one_after_the_other_are_held_too)
{
    for (int n = 0; n < 40; n++)
        report(add(n), 9 * MINUTE + n * SECOND, SECOND, 3);
    for (int s = 0; s < 60; s++)
        round_at(9 * MINUTE + s * SECOND);
    ck_assert_uint_ge(gone_count, 9);
    ck_assert_uint_le(gone_count, 12);
    ck_assert(liveness.holding);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("registry_liveness");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, instance_is_given_three_of_the_intervals_it_has_shown);
    tcase_add_test(tc, patience_is_never_below_the_minimum);
    tcase_add_test(tc, instance_that_has_shown_no_interval_is_given_the_default);
    tcase_add_test(tc, report_of_a_changed_state_is_no_interval);
    tcase_add_test(tc, repeated_call_does_not_look_like_a_faster_rhythm);
    tcase_add_test(tc, interval_of_an_instance_that_was_dead_is_forgotten);
    tcase_add_test(tc, interval_known_before_a_restart_counts);
    tcase_add_test(tc, instance_that_never_reports_itself_never_expires);
    tcase_add_test(tc, instance_that_reports_to_another_registry_is_not_ours_to_expire);
    tcase_add_test(tc, inactive_instance_is_not_expired_again);
    tcase_add_test(tc, nobody_expires_because_we_were_away);
    tcase_add_test(tc, process_that_was_stopped_pardons_everybody);
    tcase_add_test(tc, too_many_at_once_are_held_until_an_operator_confirms);
    tcase_add_test(tc, small_share_expires_without_asking);
    tcase_add_test(tc, few_are_always_believed);
    tcase_add_test(tc, many_falling_silent_one_after_the_other_are_held_too);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
