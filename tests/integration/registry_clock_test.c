/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The date of the machine is set by an hour, forwards or back, while instances report: nobody is
 * lost, nobody stays for ever, and what goes on in the background goes on.
 */
#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "registrykit.h"

enum {
    NODES = 3,
    GONE_MS = 15000,
    CALM_MS = 1600 /* more than the shortest patience */,
    HOUR_S = 3600
};

static struct rk_suite suite;
static uint16_t port;
static const char *date_file;
static int listeners[NODES];

/* By so many seconds; whole at any moment. */
static void set_date(int seconds)
{
    const char *next = tk_text("%s.next", date_file);
    tk_write_file(next, tk_text("%d", seconds));
    ck_assert_int_eq(rename(next, date_file), 0);
}

static const char *node(int n)
{
    return tk_text("127.0.0.%d", n + 1);
}

static int listen_on(const char *host)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, host, &at.sin_addr);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(fd, 1000), 0); /* nobody accepts: the kernel does */
    return fd;
}

/* Programs started from here on have the date of the file. */
static void open_suite(const char *reload)
{
    const char *sanitizer = getenv("ASAN_OPTIONS");
    date_file = tk_text("%s/date", tk_dir());
    set_date(0);
    setenv("TEST_WALL_CLOCK", date_file, 1);
    setenv("ASAN_OPTIONS",
           tk_text("%s:verify_asan_link_order=0", sanitizer ? sanitizer : "detect_leaks=1"), 1);
    setenv("LD_PRELOAD", tk_program("../tests/lib/wallclock.so"), 1);
    rk_open(&suite, tk_text("reload-interval=%s\ntombstones=1000\nprobe=y\nprobe-after=600\n"
                            "probe-interval=300\nprobe-timeout=300\n",
                            reload));
    port = tk_free_port();
    for (int n = 0; n < NODES; n++) {
        listeners[n] = listen_on(node(n));
        RK_OK(rk_on_startup(&suite, 0, node(n), port, "active"));
    }
}

/* What is not read in time is not read at all. */
static void setup(void)
{
    open_suite("600000");
    rk_prepare(&suite, 1);
    rk_start(&suite, 1);
    rk_wait_ready(&suite, 1);
}

/* Three reloads are the age of a tombstone. */
static void setup_purging(void)
{
    open_suite("1000");
}

static void teardown(void)
{
    rk_close(&suite);
}

static double metric(const char *name)
{
    return rk_metric(&suite, 0, name);
}

static void report(int count)
{
    for (int n = 0; n < count; n++)
        RK_OK(rk_keep_alive(&suite, 0, node(n), "active"));
}

/* Each has shown its rhythm and been found reachable. */
static void settle(void)
{
    for (int64_t end = tk_ms() + RK_WAIT_MS; metric("tars_registry_probes_total") < NODES;) {
        ck_assert(tk_ms() < end);
        report(NODES);
        tk_sleep(200);
    }
}

/* When its state was stored last, by the date of the registry. */
static int64_t stored_at(int n)
{
    char *text = NULL;
    int status = rk_document(&suite, "GET", "state", "_doc",
                             tk_text("App%%7CServer%%7C%s", node(n)), NULL, &text);
    ck_assert_int_eq(status, 200);
    const char *at = strstr(text, "\"updated_at\":");
    ck_assert_ptr_nonnull(at);
    int64_t ms = strtoll(at + strlen("\"updated_at\":"), NULL, 10);
    free(text);
    return ms;
}

static void nobody_is_lost(void)
{
    double expired = metric("tars_registry_expired_total");
    for (int64_t end = tk_ms() + CALM_MS; tk_ms() < end; tk_sleep(200)) {
        report(NODES);
        ck_assert_str_eq(rk_list(&suite, 0), "127.0.0.1,127.0.0.2,127.0.0.3/");
    }
    ck_assert(metric("tars_registry_expired_total") == expired);
}

/* Registered at the other registry; nothing but its looks at the store tells the first one. */
static void others_are_heard_of(const char *host)
{
    RK_OK(rk_on_startup(&suite, 1, host, 80, "active"));
    for (int64_t end = tk_ms() + GONE_MS; !strstr(rk_list(&suite, 0), host); tk_sleep(50)) {
        ck_assert_msg(tk_ms() < end, "%s", rk_list(&suite, 0));
        report(NODES);
    }
    RK_OK(rk_on_prestop(&suite, 1, host));
    for (int64_t end = tk_ms() + GONE_MS; strstr(rk_list(&suite, 0), host); tk_sleep(50)) {
        ck_assert_msg(tk_ms() < end, "%s", rk_list(&suite, 0));
        report(NODES);
    }
}

/* One dies, one hangs, one goes on. */
static void who_is_silent_is_missed(void)
{
    double asked = metric("tars_registry_probes_total");
    report(NODES);
    close(listeners[0]);
    for (int64_t end = tk_ms() + RK_WAIT_MS;
         strcmp(rk_list(&suite, 0), "127.0.0.3/127.0.0.1,127.0.0.2") != 0; tk_sleep(100)) {
        ck_assert_msg(tk_ms() < end, "%s", rk_list(&suite, 0));
        RK_OK(rk_keep_alive(&suite, 0, node(2), "active"));
    }
    ck_assert(metric("tars_registry_probes_total") > asked);
    ck_assert(metric("tars_registry_expired_total") == 2);
    report(2);
    ck_assert_str_eq(rk_list(&suite, 0), "127.0.0.1,127.0.0.2,127.0.0.3/");
}

START_TEST(date_that_is_set_loses_nobody_and_keeps_nobody)
{
    settle();
    int64_t before = stored_at(0);
    set_date(HOUR_S);
    nobody_is_lost();
    others_are_heard_of("10.0.0.8");
    /* The date was set indeed: what is stored from here on carries it. */
    RK_OK(rk_on_startup(&suite, 0, node(0), port, "active"));
    int64_t moved = stored_at(0) - before - (int64_t)HOUR_S * 1000;
    ck_assert_msg(moved >= 0 && moved < 600000, "off by %lld ms", (long long)moved);
    set_date(0);
    nobody_is_lost();
    others_are_heard_of("10.0.0.9");
    who_is_silent_is_missed();
}
END_TEST

/* What is removed before the date is set back has an hour longer. */
START_TEST(tombstones_go_after_the_date_was_set_back)
{
    set_date(-HOUR_S);
    RK_OK(rk_on_prestop(&suite, 0, node(0)));
    const char *id = tk_text("App%%7CServer%%7C%s", node(0));
    for (int64_t end = tk_ms() + GONE_MS;
         rk_document(&suite, "GET", "server", "_doc", id, NULL, NULL) != 404; tk_sleep(50)) {
        ck_assert(tk_ms() < end);
        RK_OK(rk_keep_alive(&suite, 0, node(1), "active"));
        RK_OK(rk_keep_alive(&suite, 0, node(2), "active"));
    }
    ck_assert_str_eq(rk_list(&suite, 0), "127.0.0.2,127.0.0.3/");
}
END_TEST

int main(void)
{
    Suite *all = suite_create("registry_clock");
    TCase *tc = tcase_create("all"), *purging = tcase_create("purging");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 90);
    tcase_add_test(tc, date_that_is_set_loses_nobody_and_keeps_nobody);
    tcase_add_checked_fixture(purging, setup_purging, teardown);
    tcase_set_timeout(purging, 90);
    tcase_add_test(purging, tombstones_go_after_the_date_was_set_back);
    suite_add_tcase(all, tc);
    suite_add_tcase(all, purging);
    return tk_main(all);
}
