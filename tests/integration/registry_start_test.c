/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long a registry with 10,000 instances in its snapshot file takes until it answers. The figure
 * is printed; what has to hold on every machine is that everything is there.
 */
#include <stdio.h>
#include <stdlib.h>

#include "registrykit.h"
#include "tarsregistry/diskfile.h"

enum { INSTANCES = 10000, PER_OBJECT = 10, RUNS = 5 };

static struct rk_suite suite;

static void add(struct table *table, int n)
{
    struct tars_arena *arena = tars_arena_new(0);
    const char *application = tars_arena_printf(arena, "App%d", n / PER_OBJECT % 100);
    const char *server = tars_arena_printf(arena, "Server%d", n / PER_OBJECT);
    const char *node = tars_arena_printf(arena, "10.%d.%d.%d", n >> 16, n >> 8 & 255, n & 255);
    const char *servant = tars_arena_printf(arena, "%s.%s.MainObj", application, server);
    struct adapter adapter = {
        .adapter_name = tars_str(tars_arena_printf(arena, "%sAdapter", servant)),
        .servant = tars_str(servant),
        .endpoint = tars_str(tars_arena_printf(arena, "tcp -h %s -p 10000 -t 60000", node)),
        .protocol = tars_str("tars"),
    };
    struct record record = {
        .application = tars_str(application),
        .server_name = tars_str(server),
        .node_name = tars_str(node),
        .setting_state = tars_str("active"),
        .flow_state = tars_str("active"),
        .adapter_count = 1,
        .adapters = &adapter,
    };
    struct instance *i = table_add(
        table, tars_str(tars_arena_printf(arena, "%s|%s|%s", application, server, node)),
        INSTANCE_SERVER);
    table_set_record(table, i, record_copy(&record));
    table_set_present(table, i, STATE_ACTIVE, 1);
    i->reporter = table_intern(table, tars_str("127.0.0.1:1"));
    i->reports.expected = true;
    tars_arena_free(arena);
}

static void write_snapshot(const char *path)
{
    struct tars_error error;
    struct table *table = table_new();
    struct rules *rules = rules_new();
    for (int n = 0; n < INSTANCES; n++)
        add(table, n);
    ck_assert_msg(diskfile_write(path, table, rules, &error), "%s", error.text);
    rules_free(rules);
    table_free(table);
}

/* What its main thread has worked so far, ms: what is left of the time it took belongs to others.
 */
static int64_t worked(const struct tk_process *process)
{
    char *text = tk_read_file(tk_text("/proc/%d/schedstat", (int)process->pid));
    int64_t ms = text ? atoll(text) / 1000000 : 0;
    free(text);
    return ms;
}

/* The answer about the last object, asked for from the very start. */
static bool answers(void)
{
    return strchr(rk_find(&suite, 0, "App99.Server999.MainObj"), ',') != NULL;
}

static int64_t start_once(int64_t *work)
{
    rk_prepare(&suite, 0);
    write_snapshot(tk_text("%s/registry.snapshot", suite.at[0].data));
    int64_t began = tk_ms();
    rk_start(&suite, 0);
    while (!tk_port_open(suite.at[0].query_port)) {
        ck_assert_int_lt(tk_ms() - began, RK_WAIT_MS);
        tk_sleep(1);
    }
    int64_t took = tk_ms() - began;
    *work = worked(suite.at[0].process);
    ck_assert(tk_eventually(answers(), RK_WAIT_MS));
    rk_wait_ready(&suite, 0);
    ck_assert(rk_metric(&suite, 0, "tars_registry_instances") >= INSTANCES);
    tk_kill(suite.at[0].process);
    return took;
}

static int by_size(const void *a, const void *b)
{
    return (int)(*(const int64_t *)a - *(const int64_t *)b);
}

START_TEST(registry_answers_from_its_snapshot_soon)
{
    int64_t took[RUNS], work[RUNS];
    for (int run = 0; run < RUNS; run++)
        took[run] = start_once(&work[run]);
    qsort(took, RUNS, sizeof *took, by_size);
    qsort(work, RUNS, sizeof *work, by_size);
    printf("start to serving with %d instances: %lld ms (%lld to %lld, %d runs), %lld ms of work\n",
           INSTANCES, (long long)took[RUNS / 2], (long long)took[0], (long long)took[RUNS - 1],
           RUNS, (long long)work[RUNS / 2]);
}
END_TEST

static void setup(void)
{
    suite = (struct rk_suite){.settings = "", .prefix = "tars_registry_"};
    suite.arena = tars_arena_new(0);
    suite.client = tars_client_new(NULL);
    suite.store_port = tk_free_port(); /* nobody is there */
}

static void teardown(void)
{
    rk_close(&suite);
}

int main(void)
{
    Suite *all = suite_create("registry_start");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, registry_answers_from_its_snapshot_soon);
    suite_add_tcase(all, tc);
    return tk_main(all);
}
