/* SPDX-License-Identifier: BSD-3-Clause */
/* Publishing objects to readers, and the table that decides which are built anew. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "tarsregistry/table.h"
#include "testkit.h"

static struct table *table;
static struct snapshots *snapshots;

static void setup(void)
{
    table = table_new();
    snapshots = snapshots_new(4);
}

static void teardown(void)
{
    snapshots_free(snapshots);
    table_free(table);
}

/* Instance n of a servant, active. */
static struct instance *add(const char *servant, int n)
{
    char id[64], node[32], endpoint[64];
    snprintf(id, sizeof id, "App|%s|%d", servant, n);
    snprintf(node, sizeof node, "10.0.%d.%d", n / 250, n % 250);
    snprintf(endpoint, sizeof endpoint, "tcp -h %s -p 1000 -t 3000", node);
    struct adapter adapter = {.servant = tars_str(servant), .endpoint = tars_str(endpoint)};
    struct record record = {.application = tars_str("App"),
                            .server_name = tars_str("Server"),
                            .node_name = tars_str(node),
                            .setting_state = tars_str("active"),
                            .adapter_count = 1,
                            .adapters = &adapter};
    struct instance *i = table_add(table, tars_str(id), INSTANCE_SERVER);
    table_set_record(table, i, record_copy(&record));
    table_set_present(table, i, STATE_ACTIVE, 1);
    return i;
}

static const struct object *find(const char *name)
{
    const struct snapshot *s = snapshot_enter(snapshots, 0);
    const struct object *o = snapshot_find(s, tars_str(name));
    snapshot_leave(snapshots, 0);
    return o; /* nothing is released while the test does not publish */
}

START_TEST(nothing_is_seen_before_it_is_published)
{
    add("App.Server.A", 1);
    ck_assert_uint_eq(object_endpoints(find("App.Server.A")), 0);
    table_publish(table, snapshots);
    ck_assert_uint_eq(object_endpoints(find("App.Server.A")), 1);
    ck_assert_uint_eq(object_endpoints(find("App.Server.B")), 0);
}
END_TEST

START_TEST(change_builds_only_the_objects_it_touches)
{
    add("App.Server.A", 1);
    struct instance *i = add("App.Server.B", 1);
    table_publish(table, snapshots);
    const struct object *a = find("App.Server.A"), *b = find("App.Server.B");
    table_set_present(table, i, STATE_INACTIVE, 2);
    ck_assert(table_publish(table, snapshots));
    ck_assert_ptr_eq(find("App.Server.A"), a);
    ck_assert_ptr_ne(find("App.Server.B"), b);
    ck_assert(!table_publish(table, snapshots));
}
END_TEST

START_TEST(equal_record_changes_nothing)
{
    add("App.Server.A", 1);
    table_publish(table, snapshots);
    add("App.Server.A", 1);
    ck_assert(!table_publish(table, snapshots));
}
END_TEST

START_TEST(removed_instance_leaves_no_object_behind)
{
    struct instance *i = add("App.Server.A", 1);
    add("App.Server.A", 2);
    table_publish(table, snapshots);
    ck_assert_uint_eq(object_endpoints(find("App.Server.A")), 2);
    table_remove(table, i);
    table_publish(table, snapshots);
    ck_assert_uint_eq(object_endpoints(find("App.Server.A")), 1);
    table_set_record(table, table_find(table, tars_str("App|App.Server.A|2")), NULL);
    table_publish(table, snapshots);
    ck_assert_uint_eq(object_endpoints(find("App.Server.A")), 0);
    ck_assert_uint_eq(snapshots_objects(snapshots), 0);
    ck_assert_uint_eq(snapshots_endpoints(snapshots), 0);
}
END_TEST

START_TEST(instance_that_drops_a_servant_is_no_longer_found_under_it)
{
    struct instance *i = add("App.Server.A", 1);
    table_publish(table, snapshots);
    struct record bare = *i->record;
    bare.adapter_count = 0;
    table_set_record(table, i, record_copy(&bare));
    table_publish(table, snapshots);
    ck_assert_uint_eq(object_endpoints(find("App.Server.A")), 0);
}
END_TEST

START_TEST(node_lists_its_instances)
{
    add("App.Server.A", 1);
    add("App.Server.B", 1);
    add("App.Server.A", 2);
    ck_assert_uint_eq(table_of_node(table, tars_str("10.0.0.1")).len, 2);
    ck_assert_uint_eq(table_of_node(table, tars_str("10.0.0.9")).len, 0);
}
END_TEST

START_TEST(new_group_rules_build_every_object_anew)
{
    add("App.Server.A", 1);
    add("App.Server.B", 2);
    table_publish(table, snapshots);
    const struct object *a = find("App.Server.A"), *b = find("App.Server.B");
    table_set_groups(table, snapshots, groups_new(NULL, 0, NULL, 0));
    table_publish(table, snapshots);
    ck_assert_ptr_ne(find("App.Server.A"), a);
    ck_assert_ptr_ne(find("App.Server.B"), b);
}
END_TEST

START_TEST(what_a_reader_holds_is_not_released)
{
    struct instance *i = add("App.Server.A", 1);
    table_publish(table, snapshots);
    const struct snapshot *held = snapshot_enter(snapshots, 1);
    const struct object *object = snapshot_find(held, tars_str("App.Server.A"));
    for (int k = 0; k < 10; k++) {
        table_set_present(table, i, k % 2 ? STATE_ACTIVE : STATE_INACTIVE, k);
        table_publish(table, snapshots);
    }
    ck_assert_uint_gt(snapshots_release(snapshots), 0);
    ck_assert(tars_str_is(object_name(object), "App.Server.A"));
    ck_assert_uint_gt(object_all(object)->len, 10);
    snapshot_leave(snapshots, 1);
    ck_assert_uint_eq(snapshots_release(snapshots), 0);
}
END_TEST

START_TEST(many_objects_are_all_found)
{
    char name[32];
    for (int n = 0; n < 5000; n++) {
        snprintf(name, sizeof name, "App.Server.O%d", n);
        add(name, n % 1000);
        if (n % 7 == 0)
            table_publish(table, snapshots);
    }
    table_publish(table, snapshots);
    for (int n = 0; n < 5000; n++) {
        snprintf(name, sizeof name, "App.Server.O%d", n);
        ck_assert_uint_eq(object_endpoints(find(name)), 1);
    }
    ck_assert_uint_eq(snapshots_objects(snapshots), 5000);
}
END_TEST

START_TEST(change_among_a_hundred_thousand_endpoints_is_cheap)
{
    struct instance *i = NULL;
    char name[32];
    for (int n = 0; n < 100000; n++) {
        snprintf(name, sizeof name, "App.Server.O%d", n / 10);
        i = add(name, n % 50000);
    }
    int64_t began = clock_us();
    table_publish(table, snapshots);
    int64_t all = clock_us() - began;
    began = clock_us();
    for (int k = 0; k < 100; k++) {
        table_set_present(table, i, k % 2 ? STATE_ACTIVE : STATE_INACTIVE, k);
        table_publish(table, snapshots);
    }
    int64_t one = (clock_us() - began) / 100;
    printf("all objects %lld us, one of them %lld us\n", (long long)all, (long long)one);
    ck_assert_int_lt(one * 20, all);
    ck_assert_uint_eq(snapshots_endpoints(snapshots), 100000);
}
END_TEST

/* ---- readers beside the publisher
 * ---------------------------------------------------------------------- */

static _Atomic bool over;

static void *read_all_the_time(void *arg)
{
    unsigned worker = (unsigned)(uintptr_t)arg;
    uint64_t sum = 0;
    while (!atomic_load(&over)) {
        const struct snapshot *s = snapshot_enter(snapshots, worker);
        const struct object *o = snapshot_find(s, tars_str("App.Server.A"));
        const struct answer *a = object_all(o);
        for (size_t i = 0; i < a->len; i++)
            sum += a->body[i];
        snapshot_leave(snapshots, worker);
    }
    return (void *)(uintptr_t)(sum & 1);
}

START_TEST(readers_see_whole_answers_while_objects_change)
{
    struct instance *i = add("App.Server.A", 1);
    add("App.Server.A", 2);
    table_publish(table, snapshots);
    pthread_t threads[3];
    for (uintptr_t w = 0; w < 3; w++)
        ck_assert_int_eq(pthread_create(&threads[w], NULL, read_all_the_time, (void *)w), 0);
    int64_t end = clock_ms() + 300;
    for (int k = 0; clock_ms() < end; k++) {
        table_set_present(table, i, k % 2 ? STATE_ACTIVE : STATE_INACTIVE, k);
        table_publish(table, snapshots);
    }
    atomic_store(&over, true);
    for (int w = 0; w < 3; w++)
        pthread_join(threads[w], NULL);
    ck_assert_uint_eq(snapshots_release(snapshots), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("registry_snapshot");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, nothing_is_seen_before_it_is_published);
    tcase_add_test(tc, change_builds_only_the_objects_it_touches);
    tcase_add_test(tc, equal_record_changes_nothing);
    tcase_add_test(tc, removed_instance_leaves_no_object_behind);
    tcase_add_test(tc, instance_that_drops_a_servant_is_no_longer_found_under_it);
    tcase_add_test(tc, node_lists_its_instances);
    tcase_add_test(tc, new_group_rules_build_every_object_anew);
    tcase_add_test(tc, what_a_reader_holds_is_not_released);
    tcase_add_test(tc, many_objects_are_all_found);
    tcase_add_test(tc, change_among_a_hundred_thousand_endpoints_is_cheap);
    tcase_add_test(tc, readers_see_whole_answers_while_objects_change);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
