/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wall clock is set back and forth by hours while a lease is held, requests wait in their
 * back-off, the spool ships and days have indices. This program's clock_gettime tells the time.
 */
#include <check.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/clock.h"
#include "es/dated.h"
#include "es/lease.h"
#include "es/spool.h"
#include "loop/loop.h"
#include "testkit.h"

enum { SOON_MS = 30000, LEASE_MS = 900, HOUR = 3600, RECORDS = 400 };

static _Atomic long shift_s;

int clock_gettime(clockid_t clock, struct timespec *to)
{
    int status = (int)syscall(SYS_clock_gettime, clock, to);
    if (clock == CLOCK_REALTIME)
        to->tv_sec += atomic_load(&shift_s);
    return status;
}

static const char mappings[] = "{\"properties\":{\"n\":{\"type\":\"long\"}}}";

static struct {
    uint16_t port;
    struct tk_process *process;
    const char *data;
    struct loop *loop;
    struct es_client *client;
    struct es_lease *lease;
    struct es_dated *dated;
    struct es_spool *spool;
    _Atomic int64_t told;
    _Atomic int lost; /* how often the lease was lost */
    struct es_dated_stats dated_stats;
    int64_t epoch;
    char today[ES_DATED_NAME_MAX + 16];
} house;

/* ---- the house
 * ------------------------------------------------------------------------------------------- */

static void start_store(void)
{
    const char *argv[] = {tk_program("tarselasticsearch"), "--data", house.data, NULL};
    const char *env[] = {tk_text("TARS_ELASTICSEARCH_PORT=%u", house.port),
                         "TARS_ELASTICSEARCH_HTTP_PORT=0", NULL};
    house.process = tk_spawn(argv, env, NULL);
    ck_assert(tk_wait_port(house.port, 20000));
}

static void on_lease(void *user, int64_t epoch)
{
    (void)user;
    if (!epoch)
        atomic_fetch_add(&house.lost, 1);
    atomic_store(&house.told, epoch);
}

static void make_all(void *arg)
{
    struct es_lease_options lease = {.index = es_index_name(house.client, "lease"),
                                     .id = "reaper",
                                     .name = "a",
                                     .duration_ms = LEASE_MS,
                                     .changed = on_lease};
    (void)arg;
    house.lease = es_lease_new(house.client, &lease);
    struct es_dated_options dated = {.name = "t_log",
                                     .mappings = mappings,
                                     .keep_days = 30,
                                     .lease = house.lease,
                                     .pause_ms = 100};
    house.dated = es_dated_new(house.client, &dated);
}

static void look(void *arg)
{
    (void)arg;
    es_dated_get_stats(house.dated, &house.dated_stats);
    es_dated_index(house.dated, clock_wall_ms(), house.today);
    house.epoch = es_lease_epoch(house.lease);
}

static bool ready(void)
{
    loop_call_wait(house.loop, look, NULL);
    return house.dated_stats.ready && house.epoch;
}

static void open_all(void)
{
    static const struct es_index indices[] = {{.name = "lease", .mappings = ES_LEASE_MAPPINGS}};
    struct tars_error error;
    house.port = tk_free_port();
    house.data = tk_text("%s/data", tk_dir());
    start_store();
    house.loop = loop_new("clock");
    struct es_options options = {.nodes = tk_text("127.0.0.1:%u", house.port),
                                 .prefix = "t_",
                                 .indices = indices,
                                 .index_count = 1};
    house.client = es_client_new(house.loop, &options, &error);
    ck_assert_msg(house.client != NULL, "%s", error.text);
    ck_assert(loop_start(house.loop, &error));
    loop_call_wait(house.loop, make_all, NULL);
    struct es_spool_options spool = {.dir = tk_text("%s/spool", tk_dir()), .client = house.client};
    house.spool = es_spool_open(&spool, &error);
    ck_assert_msg(house.spool != NULL, "%s", error.text);
    ck_assert(tk_eventually(ready(), SOON_MS));
}

static void free_all(void *arg)
{
    (void)arg;
    es_spool_close(house.spool);
    es_dated_free(house.dated);
    es_lease_free(house.lease);
    es_client_free(house.client);
}

static void close_all(void)
{
    loop_call_wait(house.loop, free_all, NULL);
    loop_free(house.loop);
    ck_assert_int_eq(tk_stop(house.process, 10000), 0);
}

/* ---- what goes on
 * ---------------------------------------------------------------------------------------- */

static void append(int n)
{
    char index[ES_DATED_NAME_MAX + 16];
    const char *source = tk_text("{\"n\":%d}", n);
    es_dated_index(house.dated, clock_wall_ms(), index);
    struct es_record record = {ES_ACTION_CREATE, tars_str(index), tars_str(""), tars_str(source)};
    ck_assert_int_eq(es_spool_append(house.spool, &record, NULL, NULL, NULL), ES_SPOOL_TAKEN);
}

static uint64_t waiting(void)
{
    struct es_spool_stats stats;
    es_spool_get_stats(house.spool, &stats);
    ck_assert_uint_eq(stats.dead + stats.dropped, 0);
    return stats.waiting_bytes;
}

static void has(const char *path, const char *wanted)
{
    char *text = NULL;
    int status = tk_http(house.port, "GET", path, NULL, &text);
    ck_assert_msg(status == 200 && strstr(text, wanted), "%s: %d %s", path, status, text);
    free(text);
}

static bool looked_since(int64_t at)
{
    loop_call_wait(house.loop, look, NULL);
    return house.dated_stats.looked_at > at;
}

/* ---- tests
 * ------------------------------------------------------------------------------------------------
 */

static const long steps_s[] = {-5 * HOUR, -30 * HOUR, 5 * HOUR, -3 * HOUR, 60 * 24 * HOUR, 0};

/* Each step at once, while everything runs; the lease is never lost for it. */
START_TEST(a_clock_that_is_set_back_or_forth_loses_nothing)
{
    size_t steps = sizeof steps_s / sizeof *steps_s;
    int64_t epoch = house.epoch;
    for (size_t i = 0; i < steps; i++) {
        atomic_store(&shift_s, steps_s[i]);
        for (int n = 0; n < RECORDS; n++)
            append((int)i * RECORDS + n);
        int64_t since = clock_ms();
        ck_assert(tk_eventually(looked_since(since + LEASE_MS / 3), SOON_MS));
        has(tk_text("/_alias/t_log"), house.today); /* the day of this clock is there */
    }
    ck_assert(tk_eventually(waiting() == 0, SOON_MS));
    char *text = NULL;
    tk_http(house.port, "POST", "/t_log*/_refresh", NULL, &text);
    free(text);
    has("/t_log/_count", tk_text("\"count\":%zu,", steps * RECORDS));
    if (!atomic_load(&house.lost)) /* as it may on a machine that is too busy */
        ck_assert_int_eq(house.epoch, epoch);
    ck_assert_int_ge(house.epoch, epoch);
    ck_assert_uint_eq(house.dated_stats.deleted, 0);
}
END_TEST

static _Atomic bool came;

static void on_result(void *user, const struct es_result *r)
{
    *(enum es_status *)user = r->status;
    atomic_store(&came, true);
}

/* The store hangs: what waits for it goes by the time that has really passed. */
START_TEST(waits_are_neither_longer_nor_shorter_for_it)
{
    enum es_status status = ES_OK;
    tk_kill(house.process);
    for (int i = 0; i < 50; i++)
        append(i);
    atomic_store(&came, false);
    int64_t began = tk_ms();
    es_get(house.client, "t_lease", "x", 1500, on_result, &status);
    atomic_store(&shift_s, -12 * HOUR);
    ck_assert(tk_eventually(atomic_load(&came), SOON_MS));
    ck_assert_int_eq(status, ES_UNREACHABLE);
    ck_assert_int_lt(tk_ms() - began, 4000);
    ck_assert(tk_eventually(atomic_load(&house.told) == 0, SOON_MS)); /* the lease has ended */
    ck_assert_int_lt(tk_ms() - began, 20000);
    atomic_store(&shift_s, 12 * HOUR);
    start_store();
    atomic_store(&shift_s, -HOUR);
    ck_assert(tk_eventually(atomic_load(&house.told) != 0, SOON_MS));
    ck_assert(tk_eventually(waiting() == 0, SOON_MS));
    char *text = NULL;
    tk_http(house.port, "POST", "/t_log*/_refresh", NULL, &text);
    free(text);
    has("/t_log/_count", "\"count\":50,");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("es_clock");
    TCase *tc = tcase_create("es_clock");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, open_all, close_all);
    tcase_add_test(tc, a_clock_that_is_set_back_or_forth_loses_nothing);
    tcase_add_test(tc, waits_are_neither_longer_nor_shorter_for_it);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
