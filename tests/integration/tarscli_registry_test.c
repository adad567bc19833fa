/* SPDX-License-Identifier: BSD-3-Clause */
/* tarscli as it is installed, with a real registry and store. */
#include <arpa/inet.h>
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <utime.h>

#include "Notify.h"
#include "podkit.h"
#include "registrykit.h"

static const char object[] = "Demo.ShapeServer.ShapesObj";
static struct rk_suite suite;

static const char *locator(void)
{
    return tk_text("tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p %u", suite.at[0].query_port);
}

static bool listed(const char *wanted)
{
    return strcmp(rk_find(&suite, 0, object), wanted) == 0;
}

static void becomes(const char *wanted, int ms)
{
    if (!tk_eventually(listed(wanted), ms))
        ck_assert_str_eq(rk_find(&suite, 0, object), wanted);
}

/* ---- fixtures
 * ------------------------------------------------------------------------------------------ */

static void open_suite(void)
{
    rk_open(&suite, "");
}

static void close_suite(void)
{
    rk_close(&suite);
}

/* ---- life
 * --------------------------------------------------------------------------------------------------
 */

START_TEST(server_is_registered_and_ready_once_its_ports_accept)
{
    struct pod pod = pod_of(locator());
    char *output;
    pod_env(&pod, "SERVER_VERSION=v7");
    pod_script(&pod, "bin/start.sh",
               tk_text("echo procs $GOMAXPROCS\nsleep 1\n%s", pod_serve_line()));
    pod_start(&pod);
    becomes("/127.0.0.1", SOON_MS); /* known before it serves */
    ck_assert_int_eq(pod_cli(&pod, &output, "hzcheck", NULL), 1);
    ck_assert_str_eq(output, "not active:activating");
    free(output);
    pod_wait_ready(&pod);
    becomes("127.0.0.1/", SOON_MS);
    ck_assert(pod_file_has(&pod, "log/start.log", "procs "));
    ck_assert(!pod_file_has(&pod, "log/start.log", "procs \n"));
    ck_assert_int_eq(pod_cli(&pod, &output, "notify", "tars.viewversion"), 0);
    ck_assert_msg(strncmp(output, "notify succ:", 12) == 0 && strchr(output, '$'), "%s", output);
    free(output);
    pod_stop(&pod);
    becomes("/", SOON_MS);
}
END_TEST

START_TEST(killed_server_is_reported_told_and_started_again)
{
    struct pod pod = pod_of(locator());
    pod_start(&pod);
    pod_wait_ready(&pod);
    becomes("127.0.0.1/", SOON_MS);
    pid_t before = pod_server(&pod);
    ck_assert_int_eq(kill(before, SIGKILL), 0);
    becomes("/127.0.0.1", SOON_MS);
    ck_assert(tk_eventually(pod_server(&pod) != before && pod_ready(&pod), SOON_MS));
    becomes("127.0.0.1/", SOON_MS);
    ck_assert(pod_file_has(&pod, "log/supervisor.log", "was killed by signal 9"));
    ck_assert(tk_output_has(pod.supervisor, "starting"));
    ck_assert(tk_eventually(pod_count(&pod, "log/supervisor.log", "registered as") == 2, SOON_MS));
    pod_stop(&pod);
}
END_TEST

START_TEST(prestop_drains_and_the_rows_are_gone_before_the_server_is)
{
    struct pod pod = pod_of(locator());
    const char *const argv[] = {tk_program("tarscli"), "prestop", NULL};
    pod_start(&pod);
    pod_wait_ready(&pod);
    becomes("127.0.0.1/", SOON_MS);
    int64_t began = tk_ms();
    struct tk_process *hook = tk_spawn(argv, pod.env, NULL);
    becomes("/127.0.0.1", 2000 + 1000);
    ck_assert(pod_ready(&pod));
    ck_assert(pod_file_has(&pod, "data/check_status", "deactivating"));
    ck_assert_int_eq(pod_cli(&pod, NULL, "prestop", NULL),
                     0); /* the second one has nothing to do */
    ck_assert(tk_wait(hook, SOON_MS));
    ck_assert_int_eq(hook->status, 0);
    ck_assert_int_ge(tk_ms() - began, 3000);
    ck_assert_int_le(tk_ms() - began, 2000 + 5000);
    becomes("/", 3000);
    ck_assert_int_eq(kill(pod_server(&pod), 0), 0);
    began = tk_ms();
    ck_assert_int_eq(tk_stop(pod.supervisor, SOON_MS), 0);
    ck_assert_int_lt(tk_ms() - began, 8000);
    ck_assert_int_ne(kill(pod_server(&pod), 0), 0);
    ck_assert(pod_file_has(&pod, "log/start.log", "AdminObj was asked to stop"));
}
END_TEST

/* No byte can be written to any file. */
START_TEST(hook_drains_on_a_full_disk_too)
{
    struct pod pod = pod_of(locator());
    const char *const argv[] = {
        "sh", "-c", tk_text("trap '' XFSZ; ulimit -f 0; exec %s prestop", tk_program("tarscli")),
        NULL};
    pod_start(&pod);
    pod_wait_ready(&pod);
    becomes("127.0.0.1/", SOON_MS);
    struct tk_process *hook = tk_spawn(argv, pod.env, NULL);
    becomes("/127.0.0.1", 3000);
    ck_assert(tk_wait(hook, SOON_MS));
    ck_assert_int_eq(hook->status, 0);
    becomes("/", 3000);
    pod_stop(&pod);
}
END_TEST

START_TEST(sigterm_alone_drains_stops_and_leaves_nothing)
{
    struct pod pod = pod_of(locator());
    pod_start(&pod);
    pod_wait_ready(&pod);
    becomes("127.0.0.1/", SOON_MS);
    pid_t server = pod_server(&pod);
    tk_signal(pod.supervisor, SIGTERM);
    becomes("/127.0.0.1", 3000);
    ck_assert(pod_ready(&pod));
    ck_assert_int_eq(kill(server, 0), 0);
    ck_assert(tk_wait(pod.supervisor, SOON_MS));
    ck_assert_int_eq(pod.supervisor->status, 0);
    ck_assert_int_ne(kill(server, 0), 0);
    becomes("/", 3000);
}
END_TEST

static const int endings[] = {SIGINT, SIGQUIT};

START_TEST(other_signals_that_end_it_do_the_same)
{
    struct pod pod = pod_of(locator());
    pod_env(&pod, "TARS_PRESTOP_WAITTIME=0");
    pod_start(&pod);
    pod_wait_ready(&pod);
    becomes("127.0.0.1/", SOON_MS);
    pid_t server = pod_server(&pod);
    tk_signal(pod.supervisor, endings[_i]);
    ck_assert(tk_wait(pod.supervisor, SOON_MS));
    ck_assert_int_eq(pod.supervisor->status, 0);
    ck_assert_int_ne(kill(server, 0), 0);
    becomes("/", 3000);
    ck_assert(pod_file_has(&pod, "log/start.log", "AdminObj was asked to stop"));
}
END_TEST

START_TEST(data_that_cannot_be_written_is_no_reason_not_to_drain)
{
    struct pod pod = pod_of(locator());
    pod_start(&pod);
    pod_wait_ready(&pod);
    becomes("127.0.0.1/", SOON_MS);
    ck_assert_int_eq(rename(pod_file(&pod, "data"), pod_file(&pod, "away")), 0);
    tk_write_file(pod_file(&pod, "data"), "no folder"); /* also root cannot write into it */
    int64_t began = tk_ms();
    tk_signal(pod.supervisor, SIGTERM);
    becomes("/127.0.0.1", 3000);
    ck_assert(tk_wait(pod.supervisor, SOON_MS));
    ck_assert_int_eq(pod.supervisor->status, 0);
    ck_assert_int_ge(tk_ms() - began, 2000); /* the wait */
    becomes("/", 3000);
}
END_TEST

START_TEST(notify_service_that_never_answers_holds_nothing_up)
{
    struct pod pod = pod_of(locator());
    char *meta = tk_read_file(pod_file(&pod, "bin/_server_meta.yaml"));
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(silent, (struct sockaddr *)&at, len), 0);
    ck_assert_int_eq(listen(silent, 8), 0);
    getsockname(silent, (struct sockaddr *)&at, &len);
    tk_write_file(pod_file(&pod, "bin/_server_meta.yaml"),
                  tk_text("notifyObj: tars.tarsnotify.NotifyObj@tcp -h 127.0.0.1 -p %u\n%s",
                          ntohs(at.sin_port), meta));
    free(meta);
    int64_t began = tk_ms();
    pod_start(&pod);
    pod_wait_ready(&pod);
    becomes("127.0.0.1/", SOON_MS);
    ck_assert_int_lt(tk_ms() - began, 8000); /* one attempt at a time, and none is waited for */
    pid_t before = pod_server(&pod);
    kill(before, SIGKILL);
    ck_assert(tk_eventually(pod_server(&pod) != before && pod_ready(&pod), SOON_MS));
    pod_stop(&pod);
    close(silent);
}
END_TEST

START_TEST(mark_of_an_old_drain_does_not_count)
{
    struct pod pod = pod_of(locator());
    tk_write_file(pod_file(&pod, "data/prestop"), "done");
    tk_write_file(pod_file(&pod, "data/check_status"), "deactivating");
    pod_start(&pod);
    becomes("127.0.0.1/", SOON_MS);
    ck_assert_int_ne(access(pod_file(&pod, "data/prestop"), F_OK), 0);
    pod_stop(&pod);
}
END_TEST

START_TEST(server_starts_while_the_registry_is_down_and_is_registered_later)
{
    tk_kill(suite.at[0].process);
    struct pod pod = pod_of(locator());
    pod_start(&pod);
    pod_wait_ready(&pod);
    rk_start(&suite, 0);
    rk_wait_ready(&suite, 0);
    becomes("127.0.0.1/", SOON_MS);
    pod_stop(&pod);
}
END_TEST

START_TEST(registry_that_lost_its_data_gets_the_registration_again)
{
    struct pod pod = pod_of(locator());
    pod_start(&pod);
    becomes("127.0.0.1/", SOON_MS);
    tk_kill(suite.at[0].process);
    tk_kill(suite.store);
    suite.store_data = tk_dir();
    suite.at[0].data = tk_dir();
    rk_start_store(&suite);
    rk_start(&suite, 0);
    rk_wait_ready(&suite, 0);
    becomes("127.0.0.1/", SOON_MS);
    /* The registry lists it before the supervisor has its answer. */
    ck_assert(tk_eventually(pod_count(&pod, "log/supervisor.log", "registered as") >= 2, SOON_MS));
    pod_stop(&pod);
}
END_TEST

START_TEST(other_ports_are_registered_when_the_start_script_chose_them)
{
    struct pod pod = pod_of(locator());
    struct tarsf_endpoint_f_list active, inactive;
    pod_start(&pod);
    becomes("127.0.0.1/", SOON_MS);
    char *info = tk_read_file(pod_file(&pod, "data/server_info.yaml"));
    char *port = strstr(strstr(info, "ShapesObj"), "-p ") + 3;
    memcpy(port, "64999", 5);
    tk_write_file(pod_file(&pod, "data/server_info.yaml"), info);
    free(info);
    ck_assert(
        tk_eventually((tarsf_query_f_find_object_by_id4_any(suite.at[0].query, tars_str(object),
                                                            &active, &inactive, suite.arena),
                       (active.len + inactive.len == 1 &&
                        (active.len ? active.at[0].port : inactive.at[0].port) == 64999)),
                      SOON_MS));
    pod_stop(&pod);
}
END_TEST

START_TEST(pod_that_is_gone_at_once_is_missed_by_its_silence)
{
    struct pod pod = pod_of(locator());
    pod_start(&pod);
    becomes("127.0.0.1/", SOON_MS);
    tk_sleep(1500); /* so that its interval is known */
    pod_drop(&pod);
    becomes("/127.0.0.1", 6000);
}
END_TEST

START_TEST(flow_can_be_disabled)
{
    struct pod pod = pod_of(locator());
    pod_env(&pod, "TARS_DISABLE_FLOW=1");
    pod_start(&pod);
    pod_wait_ready(&pod);
    becomes("/127.0.0.1", SOON_MS);
    pod_stop(&pod);
}
END_TEST

START_TEST(registration_carries_the_token)
{
    const char *tokens = tk_text("%s/tokens", tk_dir());
    struct pod stranger = pod_of(locator()), pod = pod_of(locator());
    tk_write_file(tokens, "0123456789abcdef-of-the-pods\n");
    chmod(tokens, 0600);
    tk_kill(suite.at[0].process);
    setenv("TARS_AUTH_TOKENS", tokens, 1);
    rk_start(&suite, 0);
    rk_wait_ready(&suite, 0);
    pod_start(&stranger);
    pod_wait_ready(&stranger);
    ck_assert(tk_eventually(pod_file_has(&stranger, "log/supervisor.log", "tars_token"), SOON_MS));
    ck_assert(listed("/"));
    pod_drop(&stranger);
    pod_env(&pod, tk_text("TARS_REGISTRY_TOKEN_FILE=%s", tokens));
    pod_start(&pod);
    becomes("127.0.0.1/", SOON_MS);
    pod_stop(&pod);
    becomes("/", SOON_MS);
    ck_assert(!pod_file_has(&pod, "log/supervisor.log", "0123456789abcdef"));
}
END_TEST

/* ---- the notify service
 * -------------------------------------------------------------------------- */

struct told {
    _Atomic int count;
    char text[512]; /* of the first with a reason; written once, before `count` */
};

static void take_report(struct tars_call *call, const struct tarsf_report_info *info)
{
    struct told *told = tars_call_self(call);
    char text[512];
    snprintf(text, sizeof text, "%.*s|%.*s|%d|%.*s", (int)info->s_app.len, info->s_app.at,
             (int)info->s_server.len, info->s_server.at, (int)info->e_level,
             (int)info->s_message.len, info->s_message.at);
    if (!strstr(text, "server down"))
        return;
    if (!*told->text)
        memcpy(told->text, text, sizeof text);
    told->count++;
}

START_TEST(messages_reach_the_notify_service_with_the_reason)
{
    static const struct tarsf_notify handlers = {.report_notify_info = take_report};
    struct told told = {0};
    struct tars_error error = {0};
    struct tars_conf *conf = tars_conf_new();
    uint16_t port = tk_free_port();
    struct k8stars_on_startup_req req = rk_startup_of(&suite, "127.0.0.1", port);
    tars_conf_set(conf, "/tars/application/server<app>", "tars");
    tars_conf_set(conf, "/tars/application/server<server>", "tarsnotify");
    tars_conf_set(conf, "/tars/application/server/A<servant>", "tars.tarsnotify.NotifyObj");
    tars_conf_set(conf, "/tars/application/server/A<endpoint>",
                  tk_text("tcp -h 127.0.0.1 -p %u -t 30000", port));
    struct tars_server *notify = tars_server_new_conf(conf);
    tarsf_notify_serve(notify, "NotifyObj", &handlers, &told);
    ck_assert_msg(tars_server_start(notify, &error), "%s", error.text);
    req.application = tars_str("tars");
    req.server = tars_str("tarsnotify");
    req.adapters.at[0].servant = tars_str("tars.tarsnotify.NotifyObj");
    ck_assert_int_eq(k8stars_tarsregistry_on_startup(suite.at[0].registry, &req).error, 0);

    struct pod pod = pod_of(locator());
    pod_start(&pod);
    pod_wait_ready(&pod);
    kill(pod_server(&pod), SIGKILL);
    ck_assert(tk_eventually(told.count > 0, SOON_MS));
    ck_assert_str_eq(told.text,
                     "Demo|ShapeServer|2|[warn] server down: was killed by signal 9 (Killed)");
    pod_stop(&pod);
    tars_server_free(notify);
    tars_conf_free(conf);
}
END_TEST

START_TEST(known_place_of_the_registry_serves_when_the_locator_does_not)
{
    struct pod pod = pod_of(
        tk_text("tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p %u", tk_free_port()));
    tk_write_file(pod_file(&pod, "data/cache_tars.tarsregistry.Registry"),
                  tk_text("tars.tarsregistry.Registry@tcp -h 127.0.0.1 -p %u -t 3000",
                          suite.at[0].registry_port));
    utime(pod_file(&pod, "data/cache_tars.tarsregistry.Registry"), &(struct utimbuf){1, 1});
    pod_start(&pod);
    becomes("127.0.0.1/", SOON_MS);
    pod_stop(&pod);
}
END_TEST

START_TEST(type_in_the_metadata_is_registered)
{
    struct pod pod = pod_of(locator());
    char *meta = tk_read_file(pod_file(&pod, "bin/_server_meta.yaml")), *text = NULL;
    tk_write_file(pod_file(&pod, "bin/_server_meta.yaml"),
                  tk_text("server_type: tars_nodejs\n%s", meta));
    free(meta);
    pod_start(&pod);
    becomes("127.0.0.1/", SOON_MS);
    ck_assert_int_eq(
        rk_document(&suite, "GET", "server", "_doc", "Demo%7CShapeServer%7C127.0.0.1", NULL, &text),
        200);
    ck_assert_msg(strstr(text, "\"server_type\":\"tars_nodejs\"") != NULL, "%s", text);
    free(text);
    pod_stop(&pod);
}
END_TEST

/* Its clock was wrong when it was written: it is no fresher than others. */
START_TEST(known_place_from_the_future_is_not_believed)
{
    struct pod pod = pod_of(locator());
    const char *cache = pod_file(&pod, "data/cache_tars.tarsregistry.Registry");
    tk_write_file(cache, tk_text("tars.tarsregistry.Registry@tcp -h 127.0.0.1 -p %u -t 3000",
                                 tk_free_port()));
    time_t later = time(NULL) + 86400;
    utime(cache, &(struct utimbuf){later, later});
    pod_start(&pod);
    becomes("127.0.0.1/", SOON_MS);
    pod_stop(&pod);
}
END_TEST

static int run_tests(void)
{
    Suite *all = suite_create("tarscli with a registry");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 90);
    tcase_add_checked_fixture(tc, open_suite, close_suite);
    tcase_add_test(tc, server_is_registered_and_ready_once_its_ports_accept);
    tcase_add_test(tc, killed_server_is_reported_told_and_started_again);
    tcase_add_test(tc, prestop_drains_and_the_rows_are_gone_before_the_server_is);
    tcase_add_test(tc, hook_drains_on_a_full_disk_too);
    tcase_add_test(tc, sigterm_alone_drains_stops_and_leaves_nothing);
    tcase_add_loop_test(tc, other_signals_that_end_it_do_the_same, 0,
                        (int)(sizeof endings / sizeof *endings));
    tcase_add_test(tc, data_that_cannot_be_written_is_no_reason_not_to_drain);
    tcase_add_test(tc, notify_service_that_never_answers_holds_nothing_up);
    tcase_add_test(tc, mark_of_an_old_drain_does_not_count);
    tcase_add_test(tc, server_starts_while_the_registry_is_down_and_is_registered_later);
    tcase_add_test(tc, registry_that_lost_its_data_gets_the_registration_again);
    tcase_add_test(tc, other_ports_are_registered_when_the_start_script_chose_them);
    tcase_add_test(tc, pod_that_is_gone_at_once_is_missed_by_its_silence);
    tcase_add_test(tc, flow_can_be_disabled);
    tcase_add_test(tc, registration_carries_the_token);
    tcase_add_test(tc, messages_reach_the_notify_service_with_the_reason);
    tcase_add_test(tc, known_place_of_the_registry_serves_when_the_locator_does_not);
    tcase_add_test(tc, type_in_the_metadata_is_registered);
    tcase_add_test(tc, known_place_from_the_future_is_not_believed);
    suite_add_tcase(all, tc);
    SRunner *runner = srunner_create(all);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

int main(int argc, char **argv)
{
    return pod_main(argc, argv, run_tests);
}
