/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What goes wrong around a server that runs well: the registry is away, the supervisor is killed
 * again and again, disks are full, folders cannot be written. The long forms (make soak) are the
 * same tests with REGISTRY_AWAY_SECONDS and TARSCLI_KILLS.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "podkit.h"
#include "registrykit.h"

static struct rk_suite suite;

static int setting(const char *name, int fallback)
{
    const char *text = getenv(name);
    return text ? atoi(text) : fallback;
}

static bool listed(const char *wanted)
{
    return strcmp(rk_find(&suite, 0, "Demo.ShapeServer.ShapesObj"), wanted) == 0;
}

static struct pod registered_pod(void)
{
    rk_open(&suite, "");
    struct pod pod = pod_of(
        tk_text("tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p %u", suite.at[0].query_port));
    return pod;
}

static struct pod lonely_pod(void)
{
    return pod_of(tk_text("tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p %u", tk_free_port()));
}

static bool lives(pid_t pid)
{
    return pid > 0 && kill(pid, 0) == 0;
}

START_TEST(registry_that_is_away_for_long_costs_the_server_nothing)
{
    int seconds = setting("REGISTRY_AWAY_SECONDS", 1);
    struct pod pod = registered_pod();
    pod_start(&pod);
    ck_assert(tk_eventually(listed("127.0.0.1/"), SOON_MS));
    pod_wait_ready(&pod);
    pid_t server = pod_server(&pod);
    tk_kill(suite.at[0].process);
    for (int64_t end = tk_ms() + seconds * 1000LL; tk_ms() < end; tk_sleep(500)) {
        ck_assert(pod_ready(&pod));
        ck_assert_int_eq(pod_server(&pod), server);
    }
    rk_start(&suite, 0);
    rk_wait_ready(&suite, 0);
    /* What it served from its snapshot is confirmed by a report within seconds. */
    ck_assert(tk_eventually(pod_file_has(&pod, "log/supervisor.log", "the registry hears again"),
                            SOON_MS));
    ck_assert(tk_eventually(listed("127.0.0.1/"), SOON_MS));
    ck_assert_int_eq(pod_server(&pod), server);
    ck_assert(lives(server));
    /* One line about it, however long it took. */
    ck_assert_uint_le(pod_count(&pod, "log/supervisor.log", "the registry cannot be told"), 2);
    pod_stop(&pod);
    rk_close(&suite);
}
END_TEST

START_TEST(supervisor_that_is_killed_again_and_again_keeps_its_server)
{
    int kills = setting("TARSCLI_KILLS", 3);
    struct pod pod = registered_pod();
    pod_start(&pod);
    ck_assert(tk_eventually(listed("127.0.0.1/"), SOON_MS));
    pid_t server = pod_server(&pod);
    for (int k = 0; k < kills; k++) {
        tk_kill(pod.supervisor);
        pod_start(&pod);
        tk_sleep(k * 53 % 400); /* anywhere in the take-over */
    }
    pod_wait_ready(&pod);
    ck_assert_int_eq(pod_server(&pod), server);
    ck_assert(lives(server));
    ck_assert_uint_eq(pod_count(&pod, "log/start.log", "starting"), 1);
    ck_assert(tk_eventually(listed("127.0.0.1/"), SOON_MS));
    /* The last of them is no worse than the first. */
    kill(server, SIGKILL);
    ck_assert(tk_eventually(pod_server(&pod) != server && pod_ready(&pod), SOON_MS));
    ck_assert(tk_eventually(listed("127.0.0.1/"), SOON_MS));
    pod_stop(&pod);
    ck_assert(!lives(pod_server(&pod)));
    rk_close(&suite);
}
END_TEST

START_TEST(full_log_disk_is_not_felt_by_the_server)
{
    struct pod pod = lonely_pod();
    ck_assert_int_eq(symlink("/dev/full", pod_file(&pod, "log/start.log")), 0);
    ck_assert_int_eq(symlink("/dev/full", pod_file(&pod, "log/supervisor.log")), 0);
    pod_script(&pod, "bin/start.sh",
               tk_text("head -c 300000 /dev/zero | tr '\\0' x\n%s", pod_serve_line()));
    pod_start(&pod);
    pod_wait_ready(&pod);
    pod_stop(&pod);
    ck_assert(!lives(pod_server(&pod)));
}
END_TEST

/* The probe says so: nothing can be known of a supervisor that cannot write. The server lives. */
START_TEST(data_that_cannot_be_written_stops_no_server)
{
    struct pod pod = lonely_pod();
    pod_env(&pod, "TARS_REPORT_INTERVAL=500ms");
    pod_start(&pod);
    pod_wait_ready(&pod);
    pid_t server = pod_server(&pod);
    ck_assert_int_eq(rename(pod_file(&pod, "data"), pod_file(&pod, "away")), 0);
    tk_write_file(pod_file(&pod, "data"), "no folder"); /* also root cannot write into it */
    ck_assert(tk_eventually(
        pod_file_has(&pod, "log/supervisor.log", "the readiness probe will fail"), SOON_MS));
    ck_assert(!pod_ready(&pod));
    ck_assert(lives(server));
    unlink(pod_file(&pod, "data"));
    ck_assert_int_eq(rename(pod_file(&pod, "away"), pod_file(&pod, "data")), 0);
    pod_wait_ready(&pod);
    ck_assert_int_eq(pod_server(&pod), server);
    pod_stop(&pod);
}
END_TEST

static int tests(void)
{
    Suite *s = suite_create("tarscli_fault");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 60 + 2 * setting("REGISTRY_AWAY_SECONDS", 0) +
                              2 * setting("TARSCLI_KILLS", 0));
    tcase_add_test(tc, registry_that_is_away_for_long_costs_the_server_nothing);
    tcase_add_test(tc, supervisor_that_is_killed_again_and_again_keeps_its_server);
    tcase_add_test(tc, full_log_disk_is_not_felt_by_the_server);
    tcase_add_test(tc, data_that_cannot_be_written_stops_no_server);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    return pod_main(argc, argv, tests);
}
