/* SPDX-License-Identifier: BSD-3-Clause */
/* Registrations and removals whose time is over before their turn comes: what their callers read.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tarsregistry/registrations.h"
#include "tarsregistry/turns.h"
#include "testkit.h"

static struct registry *registry;
static char said[sizeof((struct tars_error *)NULL)->text];

static void setup(void)
{
    registry = calloc(1, sizeof *registry);
    registry->loop = loop_new("changes");
    registry->table = table_new();
    registry->changes = registrations_turns_new(registry);
    registry->nodes = registrations_node_turns_new(registry);
    *said = '\0';
}

static void teardown(void)
{
    turns_free(registry->nodes);
    turns_free(registry->changes);
    loop_free(registry->loop);
    table_free(registry->table);
    free(registry);
}

static void on_done(void *user, const struct tars_error *error)
{
    (void)user;
    snprintf(said, sizeof said, "%s", error ? error->text : "stored");
}

static struct registration late(void)
{
    return (struct registration){.record = {.application = tars_str("App"),
                                            .server_name = tars_str("Server"),
                                            .node_name = tars_str("10.0.0.1")}};
}

START_TEST(registration_that_is_late_fails_as_one)
{
    struct registration registration = late();
    registrations_add(registry, &registration, on_done, NULL);
    ck_assert_str_eq(said, "RegisterServer error: App|Server|10.0.0.1 is not stored: no time was "
                           "left when its turn came; repeat");
    ck_assert_uint_eq(atomic_load(&registry->counters.failed_registrations), 1);
}
END_TEST

START_TEST(registration_of_a_registry_that_stops_fails_as_one)
{
    struct registration registration = late();
    registration.timeout_ms = 3000;
    registry->stopping = true;
    registrations_add(registry, &registration, on_done, NULL);
    ck_assert_str_eq(said, "RegisterServer error: App|Server|10.0.0.1 is not stored: the registry "
                           "stops; repeat");
}
END_TEST

START_TEST(other_changes_say_what_they_are_too)
{
    const struct registration who = late();
    const struct record *r = &who.record;
    registrations_remove(registry, r->application, r->server_name, r->node_name, 0, on_done, NULL);
    ck_assert_ptr_nonnull(
        strstr(said, "RemoveServer error: App|Server|10.0.0.1 is not stored: no"));
    registrations_set_metrics(registry, r->application, r->server_name, r->node_name, 80, 0,
                              on_done, NULL);
    ck_assert_ptr_nonnull(strstr(said, "RegisterMetrics error: App|Server|10.0.0.1 is not stored"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("registry_changes");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, registration_that_is_late_fails_as_one);
    tcase_add_test(tc, registration_of_a_registry_that_stops_fails_as_one);
    tcase_add_test(tc, other_changes_say_what_they_are_too);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
