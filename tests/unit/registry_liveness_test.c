/* SPDX-License-Identifier: BSD-3-Clause */
/* When silence means death. Times are made up: nothing here waits. */
#include <check.h>
#include <stdio.h>

#include "tarsregistry/liveness.h"
#include "testkit.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND };

static const struct liveness_rules rules = {.minimum_ms = 10 * SECOND,
                                            .dead_ms = 10 * SECOND,
                                            .unknown_ms = 90 * SECOND,
                                            .protect_share = 30,
                                            .protect_count = 10,
                                            .object_share = 50,
                                            .window_ms = 90 * SECOND};
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

/* As long as until the next one. */
static const char *make_id(int n)
{
    static char id[32];
    snprintf(id, sizeof id, "App|Server|%d", n);
    return id;
}

/* With up to two servants; NULL: none. */
static struct instance *add_of(int n, const char *one, const char *other)
{
    char node[16];
    struct adapter adapters[2] = {{.servant = tars_str(one ? one : "")},
                                  {.servant = tars_str(other ? other : "")}};
    snprintf(node, sizeof node, "%d", n);
    struct record record = {.application = tars_str("App"),
                            .server_name = tars_str("Server"),
                            .node_name = tars_str(node),
                            .setting_state = tars_str("active"),
                            .adapter_count = other ? 2
                                             : one ? 1
                                                   : 0,
                            .adapters = adapters};
    struct instance *i = table_add(table, tars_str(make_id(n)), INSTANCE_SERVER);
    table_set_record(table, i, record_copy(&record));
    table_set_present(table, i, STATE_ACTIVE, 1);
    return i;
}

static struct instance *add(int n)
{
    return add_of(n, NULL, NULL);
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
/* The first verdict comes while the others still wait for theirs. */
START_TEST(many_that_are_asked_and_do_not_answer_are_seen_together)
{
    int64_t last = 0;
    for (int n = 0; n < 40; n++) {
        struct instance *i = add(n);
        last = report(i, SECOND, 3 * SECOND, 5);
        i->probed.accepted = i->probed.waiting = true;
    }
    table_find(table, tars_str(make_id(7)))->probed.dead = last + 6 * SECOND;
    ck_assert_uint_eq(round_at(last + 10 * SECOND), 0);
    ck_assert(liveness.holding);
    for (int n = 0; n < 40; n++) { /* the others have answered meanwhile: one alone may go */
        struct instance *i = table_find(table, tars_str(make_id(n)));
        i->probed.waiting = n == 7;
    }
    ck_assert_uint_eq(round_at(last + 10 * SECOND), 1);
}
END_TEST

/* Who is asked while its own rhythm does not miss anything yet does not count. */
START_TEST(many_that_are_asked_within_their_own_rhythm_are_no_reason_to_hold)
{
    int64_t last = 0;
    for (int n = 0; n < 40; n++) {
        struct instance *i = add(n);
        last = report(i, SECOND, 30 * SECOND, 3);
        i->probed.accepted = i->probed.waiting = true;
    }
    table_find(table, tars_str(make_id(7)))->probed.dead = last + 6 * SECOND;
    ck_assert_uint_eq(round_at(last + 10 * SECOND), 1);
}
END_TEST

/* Also those whose time is not over yet count, so that the first of many does not go alone. */
START_TEST(many_that_were_found_dead_are_seen_together)
{
    int64_t last = 0;
    for (int n = 0; n < 40; n++) {
        struct instance *i = add(n);
        last = report(i, SECOND + n * 100, 3 * SECOND, 5);
        i->probed.dead = last + 6 * SECOND;
    }
    ck_assert_uint_eq(round_at(last + 10 * SECOND - 3900), 0);
    ck_assert(liveness.holding);
}
END_TEST

/* Exactly the least patience, neither less nor up to a round more. */
START_TEST(what_was_found_dead_goes_when_the_least_patience_is_over)
{
    struct instance *i = add(1);
    int64_t last = report(i, SECOND, 30 * SECOND, 3);
    ck_assert_uint_eq(round_at(last + 7 * SECOND), 0);
    ck_assert_int_eq(liveness.due_ms, SECOND);
    i->probed.dead = last + 8 * SECOND;
    ck_assert_uint_eq(round_at(last + 9300), 0);
    ck_assert_int_eq(liveness.due_ms, 700);
    ck_assert_uint_eq(round_at(last + 9999), 0);
    ck_assert_int_le(liveness.due_ms, 20);
    ck_assert_uint_eq(round_at(last + 10 * SECOND), 1);
    ck_assert_int_eq(liveness.due_ms, SECOND);
}
END_TEST

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

/* ---- an object keeps some
 * ------------------------------------------------------------------------- */

static const int64_t late = 10 * MINUTE;

/* So many of an object, the first `silent` of which are. */
static void add_object(const char *servant, int first, int count, int silent)
{
    for (int n = 0; n < count; n++)
        report(add_of(first + n, servant, NULL), n < silent ? late - MINUTE : late - 3 * SECOND,
               SECOND, 3);
}

static size_t gone_of(int count, int silent)
{
    gone_count = 0;
    table_free(table);
    table = table_new();
    liveness_init(&liveness, &rules, SECOND);
    add_object("App.Server.Obj", 0, count, silent);
    return round_at(late);
}

START_TEST(object_keeps_its_share_whatever_its_size)
{
    static const struct {
        int had;
        size_t may_go;
    } sizes[] = {{1, 1}, {2, 1}, {3, 2}, {4, 2}, {5, 3}, {9, 5}};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        ck_assert_uint_eq(gone_of(sizes[k].had, sizes[k].had), sizes[k].may_go);
        ck_assert_uint_eq(liveness.spared, (size_t)sizes[k].had - sizes[k].may_go);
    }
    ck_assert_uint_eq(gone_of(9, 4), 4);
    ck_assert_uint_eq(liveness.spared, 0);
}
END_TEST

START_TEST(share_counts_within_a_window_and_the_next_one_takes_more)
{
    ck_assert_uint_eq(gone_of(8, 8), 4);
    ck_assert(tars_str_is(liveness.spared_object, "App.Server.Obj"));
    for (int64_t now = late + SECOND; now <= late + 90 * SECOND; now += SECOND)
        ck_assert_uint_eq(round_at(now), 0);
    ck_assert_uint_eq(round_at(late + 91 * SECOND), 2);
    ck_assert_uint_eq(round_at(late + 182 * SECOND), 1);
    ck_assert_uint_eq(round_at(late + 273 * SECOND), 1);
    ck_assert_uint_eq(liveness.spared, 0);
}
END_TEST

START_TEST(spared_ones_do_not_look_like_a_fault_of_ours)
{
    add_object("App.Other.Obj", 100, 30, 0);
    add_object("App.Server.Obj", 0, 8, 8);
    for (int64_t now = late; now <= late + 60 * SECOND; now += SECOND) {
        for (int n = 100; n < 130; n++) {
            char id[32];
            snprintf(id, sizeof id, "App|Server|%d", n);
            liveness_report(&liveness, table_find(table, tars_str(id)), true, now);
        }
        round_at(now);
        ck_assert(!liveness.holding);
    }
    ck_assert_uint_eq(gone_count, 4);
}
END_TEST

START_TEST(operators_word_lets_all_of_an_object_go)
{
    ck_assert_uint_eq(gone_of(4, 4), 2);
    liveness.confirmed = true;
    ck_assert_uint_eq(round_at(late + SECOND), 2);
}
END_TEST

START_TEST(share_of_a_hundred_protects_nobody)
{
    liveness.rules.object_share = 100;
    add_object("App.Server.Obj", 0, 5, 5);
    ck_assert_uint_eq(round_at(late), 5);
}
END_TEST

START_TEST(instance_stays_while_any_of_its_objects_needs_it)
{
    report(add_of(1, "App.Server.A", "App.Server.A"), late - MINUTE, SECOND, 3);
    ck_assert_uint_eq(round_at(late), 1);
    report(add_of(2, "App.Server.B", "App.Server.C"), late - MINUTE, SECOND, 3);
    report(add_of(3, "App.Server.C", NULL), late - MINUTE, SECOND, 3);
    ck_assert_uint_eq(round_at(late + SECOND), 1);
    ck_assert_uint_eq(liveness.spared, 1);
}
END_TEST

/* Who starts, drains or is down serves nobody: it may go, and costs the others nothing. */
START_TEST(only_active_ones_are_kept)
{
    add_object("App.Server.Obj", 0, 4, 4);
    for (int n = 0; n < 3; n++) {
        char id[32];
        snprintf(id, sizeof id, "App|Server|%d", n);
        table_set_present(table, table_find(table, tars_str(id)), STATE_DEACTIVATING, 1);
    }
    ck_assert_uint_eq(round_at(late), 4);
}
END_TEST

START_TEST(instance_found_dead_is_silent_and_protected_like_others)
{
    for (int n = 0; n < 2; n++) {
        struct instance *i = add_of(n, "App.Server.Obj", NULL);
        report(i, late - 13 * SECOND, SECOND, 3);
        i->probed.dead = late;
    }
    ck_assert_uint_eq(round_at(late), 1);
    ck_assert_uint_eq(liveness.spared, 1);
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
    tcase_add_test(tc, many_that_are_asked_and_do_not_answer_are_seen_together);
    tcase_add_test(tc, many_that_are_asked_within_their_own_rhythm_are_no_reason_to_hold);
    tcase_add_test(tc, many_that_were_found_dead_are_seen_together);
    tcase_add_test(tc, what_was_found_dead_goes_when_the_least_patience_is_over);
    tcase_add_test(tc, too_many_at_once_are_held_until_an_operator_confirms);
    tcase_add_test(tc, small_share_expires_without_asking);
    tcase_add_test(tc, few_are_always_believed);
    tcase_add_test(tc, many_falling_silent_one_after_the_other_are_held_too);
    tcase_add_test(tc, object_keeps_its_share_whatever_its_size);
    tcase_add_test(tc, share_counts_within_a_window_and_the_next_one_takes_more);
    tcase_add_test(tc, spared_ones_do_not_look_like_a_fault_of_ours);
    tcase_add_test(tc, operators_word_lets_all_of_an_object_go);
    tcase_add_test(tc, share_of_a_hundred_protects_nobody);
    tcase_add_test(tc, instance_stays_while_any_of_its_objects_needs_it);
    tcase_add_test(tc, only_active_ones_are_kept);
    tcase_add_test(tc, instance_found_dead_is_silent_and_protected_like_others);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
