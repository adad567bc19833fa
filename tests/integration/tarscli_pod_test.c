/* SPDX-License-Identifier: BSD-3-Clause */
/* tarscli as it is installed, without any registry. */
#include <check.h>
#include <elf.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <utime.h>

#include "podkit.h"

#if defined(__has_feature)
#define HAS(feature_) __has_feature(feature_)
#else
#define HAS(feature_) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || HAS(address_sanitizer) ||     \
    HAS(thread_sanitizer)
enum { SANITIZED = 1 }; /* such programs cannot be static */
#else
enum { SANITIZED = 0 };
#endif

/* ---- without a registry
 * -------------------------------------------------------------------------------------- */

static struct pod lonely_pod(void)
{
    return pod_of(tk_text("tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p %u", tk_free_port()));
}

START_TEST(start_script_may_leave_the_server_in_the_background)
{
    struct pod pod = lonely_pod();
    pod_script(&pod, "bin/server.sh", pod_serve_line());
    pod_script(&pod, "bin/start.sh", "$TARS_PATH/bin/server.sh &\nexit 0\n");
    pod_start(&pod);
    pod_wait_ready(&pod);
    tk_sleep(2500); /* longer than the first wait before a restart */
    ck_assert(pod_ready(&pod));
    ck_assert_uint_eq(pod_count(&pod, "log/start.log", "starting"), 1);
    pid_t before = pod_server(&pod);
    kill(before, SIGKILL);
    ck_assert(tk_eventually(pod_server(&pod) != before && pod_ready(&pod), SOON_MS));
    pod_stop(&pod);
    ck_assert_int_ne(kill(pod_server(&pod), 0), 0);
}
END_TEST

START_TEST(stop_mark_keeps_the_server_down_until_it_is_removed)
{
    struct pod pod = lonely_pod();
    pod_start(&pod);
    pod_wait_ready(&pod);
    tk_write_file(pod_file(&pod, "data/stop"), "");
    pid_t before = pod_server(&pod);
    kill(before, SIGKILL);
    ck_assert(tk_eventually(pod_file_has(&pod, "data/check_status", "inactive"), SOON_MS));
    tk_sleep(2500);
    ck_assert_int_eq(pod_server(&pod), before);
    unlink(pod_file(&pod, "data/stop"));
    ck_assert(tk_eventually(pod_server(&pod) != before && pod_ready(&pod), SOON_MS));
    pod_drop(&pod);
}
END_TEST

START_TEST(command_lines_of_variables_run_in_their_order)
{
    struct pod pod = lonely_pod();
    pod_script(&pod, "bin/start.sh",
               tk_text("echo start >>$TARS_PATH/order\n%s", pod_serve_line()));
    pod_env(&pod, "TARS_STOP_PATH=echo stop >>$TARS_PATH/order");
    pod_env(&pod, "TARS_BEFORE_CHECK_SCRIPT=echo before >>$TARS_PATH/order");
    pod_env(&pod, "TARS_CHECK_INTERVAL=60s");
    pod_start(&pod);
    pod_wait_ready(&pod);
    pid_t first = pod_server(&pod);
    kill(first, SIGKILL);
    ck_assert(tk_eventually(pod_server(&pod) != first, SOON_MS));
    char *order = tk_read_file(pod_file(&pod, "order"));
    ck_assert_str_eq(order, "before\nstart\nstop\nbefore\nstart\n");
    free(order);
    pod_drop(&pod);
}
END_TEST

START_TEST(restarts_can_be_kept_apart)
{
    struct pod pod = lonely_pod();
    pod_script(&pod, "bin/start.sh", "exit 3\n");
    pod_env(&pod, "TARS_RESTART_SPACING=5m");
    pod_start(&pod);
    ck_assert(tk_eventually(
        pod_file_has(&pod, "log/supervisor.log", "the next start is in 2") || /* 2xx,xxx ms */
            pod_file_has(&pod, "log/supervisor.log", "the next start is in 300000 ms"),
        SOON_MS));
    pod_drop(&pod);
}
END_TEST

START_TEST(crash_loop_waits_longer_each_time_and_shows_the_output)
{
    struct pod pod = lonely_pod();
    pod_script(&pod, "bin/start.sh", "echo crashing now\nexit 3\n");
    pod_start(&pod);
    ck_assert(tk_eventually(pod_count(&pod, "log/start.log", "crashing now") == 3, SOON_MS));
    ck_assert(pod_file_has(&pod, "log/supervisor.log", "[warn] server down: ended with status 3"));
    ck_assert(pod_file_has(&pod, "log/supervisor.log", "the next start is in 1"));
    ck_assert(
        tk_eventually(pod_file_has(&pod, "log/supervisor.log", "the next start is in 4"), 5000));
    ck_assert(tk_output_has(pod.supervisor, "crashing now"));
    ck_assert(!pod_ready(&pod));
    int64_t began = tk_ms();
    ck_assert_int_eq(tk_stop(pod.supervisor, SOON_MS), 0);
    ck_assert_int_lt(tk_ms() - began, 10000);
}
END_TEST

START_TEST(hung_server_that_still_listens_is_noticed_by_ping)
{
    struct pod pod = lonely_pod();
    pod_env(&pod, "TARS_CHECK_PING=1");
    pod_start(&pod);
    pod_wait_ready(&pod);
    kill(pod_server(&pod), SIGSTOP);
    ck_assert(tk_eventually(pod_file_has(&pod, "data/check_status", "inactive"), SOON_MS));
    kill(pod_server(&pod), SIGCONT);
    ck_assert(tk_eventually(pod_ready(&pod), SOON_MS));
    pod_drop(&pod);
}
END_TEST

/* The server reports at its start and then every 10 s, which is too seldom for this supervisor: the
 * ports are open all the time. */
START_TEST(server_whose_heartbeats_end_is_started_again)
{
    struct pod pod = lonely_pod();
    pod_env(&pod, "TARS_HEARTBEAT_TIMEOUT=2s");
    pod_start(&pod);
    pod_wait_ready(&pod);
    pid_t before = pod_server(&pod);
    ck_assert(pod_file_has(&pod, "conf/ShapeServer.conf", "node=tars.tarsnode.ServerObj@tcp"));
    ck_assert(tk_eventually(
        pod_file_has(&pod, "log/supervisor.log", "heartbeat overtime, will restart process"),
        SOON_MS));
    ck_assert(tk_eventually(pod_server(&pod) != before && pod_ready(&pod), SOON_MS));
    pod_drop(&pod);
}
END_TEST

START_TEST(script_before_checks_is_killed_when_it_hangs)
{
    struct pod pod = lonely_pod();
    pod_script(&pod, "bin/before.sh", "echo $$ >>$TARS_PATH/before\nsleep 1000\n");
    pod_env(&pod, tk_text("TARS_BEFORE_CHECK_SCRIPT=%s", pod_file(&pod, "bin/before.sh")));
    pod_env(&pod, "TARS_CHECK_SCRIPT_TIMEOUT=200ms");
    pod_start(&pod);
    pod_wait_ready(&pod);
    ck_assert(tk_eventually(pod_count(&pod, "before", "\n") >= 3, SOON_MS));
    char *pids = tk_read_file(pod_file(&pod, "before"));
    ck_assert(tk_eventually(kill((pid_t)atoi(pids), 0) != 0, SOON_MS));
    free(pids);
    pod_stop(&pod);
    pids = tk_read_file(pod_file(&pod, "before")); /* also the last one has gone */
    const char *last = pids;
    for (const char *line = pids; *line; line = strchr(line, '\n') + 1)
        last = line;
    ck_assert(tk_eventually(kill((pid_t)atoi(last), 0) != 0, SOON_MS));
    free(pids);
}
END_TEST

START_TEST(slow_start_becomes_inactive_after_its_time)
{
    struct pod pod = lonely_pod();
    pod_script(&pod, "bin/start.sh", "echo $$ >$TARS_PATH/pid\nexec sleep 1000\n");
    pod_env(&pod, "TARS_ACTIVATING_TIMEOUT=1s");
    pod_start(&pod);
    ck_assert(tk_eventually(pod_file_has(&pod, "data/check_status", "activating"), SOON_MS));
    ck_assert(tk_eventually(
        strstr(tk_text("%d", pod_file_has(&pod, "data/check_status", "inactive")), "1") != NULL,
        SOON_MS));
    ck_assert(pod_file_has(&pod, "log/supervisor.log", "[alarm] server does not become active"));
    pod_drop(&pod);
}
END_TEST

START_TEST(probe_fails_when_the_supervisor_stands_still)
{
    struct pod pod = lonely_pod();
    char *output;
    pod_env(&pod, "TARS_REPORT_INTERVAL=500ms");
    pod_start(&pod);
    pod_wait_ready(&pod);
    tk_sleep(1500);
    ck_assert(pod_ready(&pod));
    tk_signal(pod.supervisor, SIGSTOP);
    ck_assert(tk_eventually(!pod_ready(&pod), SOON_MS));
    ck_assert_int_eq(pod_cli(&pod, &output, "hzcheck", NULL), 1);
    ck_assert_str_eq(output, "supervisor not alive");
    free(output);
    tk_signal(pod.supervisor, SIGCONT);
    ck_assert(tk_eventually(pod_ready(&pod), SOON_MS));
    pod_drop(&pod);
}
END_TEST

START_TEST(server_of_a_killed_supervisor_is_taken_over)
{
    struct pod pod = lonely_pod();
    pod_start(&pod);
    pod_wait_ready(&pod);
    pid_t before = pod_server(&pod);
    char *info = tk_read_file(pod_file(&pod, "data/server_info.yaml"));
    tk_kill(pod.supervisor);
    tk_write_file(pod_file(&pod, "data/check_status"), "inactive");
    pod_start(&pod);
    pod_wait_ready(&pod);
    ck_assert_int_eq(pod_server(&pod), before);
    char *now = tk_read_file(pod_file(&pod, "data/server_info.yaml"));
    ck_assert_str_eq(now, info);
    free(info);
    free(now);
    kill(before, SIGKILL);
    ck_assert(tk_eventually(pod_server(&pod) != before && pod_ready(&pod), SOON_MS));
    pod_stop(&pod);
    ck_assert_int_ne(kill(pod_server(&pod), 0), 0);
}
END_TEST

/* Its start script makes the configuration anew, as those of K8STARS' images do. */
START_TEST(server_that_was_taken_over_keeps_its_ports_and_its_node)
{
    struct pod pod = lonely_pod();
    pod_script(&pod, "bin/start.sh",
               tk_text("%s genconf\necho ports $TARSCLI_PORTS >>$TARS_PATH/ports\n%s",
                       tk_program("tarscli"), pod_serve_line()));
    pod_start(&pod);
    pod_wait_ready(&pod);
    pid_t before = pod_server(&pod);
    char *first = tk_read_file(pod_file(&pod, "conf/ShapeServer.conf"));
    char *ports = tk_read_file(pod_file(&pod, "ports"));
    tk_kill(pod.supervisor);
    tk_write_file(pod_file(&pod, "data/check_status"), "inactive");
    pod_start(&pod);
    pod_wait_ready(&pod);
    ck_assert_int_eq(pod_server(&pod), before);
    kill(before, SIGKILL);
    ck_assert(tk_eventually(pod_server(&pod) != before && pod_ready(&pod), SOON_MS));
    char *second = tk_read_file(pod_file(&pod, "conf/ShapeServer.conf"));
    ck_assert_ptr_nonnull(strstr(first, "node="));
    ck_assert_str_eq(second, first);
    ck_assert_uint_eq(pod_count(&pod, "ports", ports), 2);
    free(first);
    free(second);
    free(ports);
    pod_drop(&pod);
}
END_TEST

START_TEST(two_supervised_servers_of_one_network_get_their_own_ports)
{
    struct pod a = lonely_pod(), b = lonely_pod();
    b.env[2] = a.env[2];
    b.env[3] = a.env[3];
    pod_start(&a);
    pod_start(&b);
    pod_wait_ready(&a);
    pod_wait_ready(&b);
    char *x = tk_read_file(pod_file(&a, "conf/ShapeServer.conf"));
    char *y = tk_read_file(pod_file(&b, "conf/ShapeServer.conf"));
    ck_assert_int_ne(atoi(strstr(x, "-p ") + 3), atoi(strstr(y, "-p ") + 3));
    free(x);
    free(y);
    pod_drop(&a);
    pod_drop(&b);
}
END_TEST

START_TEST(errors_at_the_start_are_seen_in_log_and_container)
{
    struct pod pod = lonely_pod();
    tk_write_file(pod_file(&pod, "bin/_server_meta.yaml"), "application: [\n");
    pod_start(&pod);
    ck_assert(tk_wait(pod.supervisor, SOON_MS));
    ck_assert_int_eq(pod.supervisor->status, 1);
    ck_assert(tk_output_has(pod.supervisor, "_server_meta.yaml: line "));
    ck_assert(pod_file_has(&pod, "log/supervisor.log", "_server_meta.yaml: line "));
}
END_TEST

START_TEST(without_a_log_folder_the_log_goes_to_stderr)
{
    struct pod pod = lonely_pod();
    rmdir(pod_file(&pod, "log"));
    pod_start(&pod);
    pod_wait_ready(&pod);
    ck_assert(tk_output_has(pod.supervisor, "the log goes to stderr"));
    pod_stop(&pod);
}
END_TEST

START_TEST(history_of_output_is_kept_over_starts)
{
    struct pod pod = lonely_pod();
    tk_write_file(pod_file(&pod, "log/start.log"), "of an earlier life\n");
    tk_write_file(pod_file(&pod, "log/supervisor.log"), "of an earlier life\n");
    pod_start(&pod);
    pod_wait_ready(&pod);
    ck_assert(pod_file_has(&pod, "log/start.log", "of an earlier life\n"));
    ck_assert(pod_file_has(&pod, "log/supervisor.log", "of an earlier life\n"));
    pod_drop(&pod);
}
END_TEST

/* ---- single subcommands
 * ----------------------------------------------------------------------------------------- */

START_TEST(probe_has_the_codes_and_texts_of_k8stars)
{
    struct pod pod = lonely_pod();
    static const struct {
        const char *word;
        int status;
        const char *text;
    } rows[] = {{"active", 0, ""},
                {"deactivating", 0, ""},
                {"activating", 1, "not active:activating"},
                {"inactive", 1, "not active:inactive"},
                {"", 1, "not active:"}};
    char *output;
    ck_assert_int_eq(pod_cli(&pod, &output, "hzcheck", NULL), 1);
    ck_assert_str_eq(output, "not ready");
    free(output);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tk_write_file(pod_file(&pod, "data/check_status"), rows[i].word);
        ck_assert_int_eq(pod_cli(&pod, &output, "hzcheck", NULL), rows[i].status);
        ck_assert_str_eq(output, rows[i].text);
        free(output);
    }
    utime(pod_file(&pod, "data/check_status"), &(struct utimbuf){1, 1});
    ck_assert_int_eq(pod_cli(&pod, &output, "hzcheck", NULL), 1);
    ck_assert_str_eq(output, "supervisor not alive");
    free(output);
}
END_TEST

START_TEST(wrong_use_is_told_with_status_two)
{
    struct pod pod = lonely_pod();
    char *output;
    ck_assert_int_eq(pod_cli(&pod, &output, NULL, NULL), 2);
    ck_assert_ptr_nonnull(strstr(output, "Usage:"));
    free(output);
    ck_assert_int_eq(pod_cli(&pod, &output, "nonsense", NULL), 2);
    ck_assert_ptr_nonnull(strstr(output, "there is no command 'nonsense'"));
    free(output);
    ck_assert_int_eq(pod_cli(&pod, &output, "help", NULL), 0);
    ck_assert_ptr_nonnull(strstr(output, "hzcheck"));
    free(output);
    ck_assert_int_eq(pod_cli(&pod, &output, "version", NULL), 0);
    ck_assert_ptr_nonnull(strchr(output, '.'));
    free(output);
    pod_env(&pod, "TARS_CHECK_INTERVAL=nonsense");
    ck_assert_int_eq(pod_cli(&pod, &output, "supervisor", "help"), 0);
    ck_assert_ptr_nonnull(strstr(output, "TARS_CHECK_INTERVAL (duration)"));
    free(output);
    ck_assert_int_eq(pod_cli(&pod, &output, "supervisor", NULL), 1);
    ck_assert_ptr_nonnull(strstr(output, "TARS_CHECK_INTERVAL: 'nonsense' is no duration"));
    free(output);
}
END_TEST

START_TEST(asking_a_hook_for_help_does_not_set_it_off)
{
    static const char *const words[] = {"help", "--help", "-h"};
    struct pod pod = lonely_pod();
    for (size_t i = 0; i < 3; i++) {
        char *output;
        ck_assert_int_eq(pod_cli(&pod, &output, "prestop", words[i]), 0);
        ck_assert_ptr_nonnull(strstr(output, "TARS_PRESTOP_WAITTIME (duration)"));
        free(output);
    }
    ck_assert_int_ne(access(pod_file(&pod, "data/prestop"), F_OK), 0);
}
END_TEST

START_TEST(mark_of_a_drain_that_cannot_be_removed_is_told)
{
    struct pod pod = lonely_pod();
    mkdir(pod_file(&pod, "data/prestop"), 0755);
    pod_start(&pod);
    ck_assert(tk_eventually(
        pod_file_has(&pod, "log/supervisor.log", "data/prestop: Is a directory; while it exists"),
        SOON_MS));
    pod_drop(&pod);
}
END_TEST

START_TEST(locator_without_endpoints_is_an_error)
{
    struct pod pod = pod_of("tars.tarsregistry.QueryObj");
    char *output;
    ck_assert_int_eq(pod_cli(&pod, &output, "genconf", NULL), 1);
    ck_assert_ptr_nonnull(strstr(output, "there is no '@'"));
    free(output);
}
END_TEST

START_TEST(commands_for_a_server_that_is_not_there_fail)
{
    struct pod pod = lonely_pod();
    char *output;
    ck_assert_int_eq(pod_cli(&pod, &output, "notify", "tars.help"), 1);
    ck_assert_ptr_nonnull(strstr(output, "server_info.yaml"));
    free(output);
    ck_assert_int_eq(pod_cli(&pod, NULL, "genconf", NULL), 0);
    ck_assert_int_eq(pod_cli(&pod, &output, "notify", "tars.help"), 1);
    ck_assert_ptr_nonnull(strstr(output, "AdminObj"));
    free(output);
}
END_TEST

START_TEST(drain_without_any_registry_does_not_wait)
{
    struct pod pod = lonely_pod();
    pod_env(&pod, "TARS_PRESTOP_WAITTIME=80s");
    ck_assert_int_eq(pod_cli(&pod, NULL, "genconf", NULL), 0);
    ck_assert_int_eq(pod_cli(&pod, NULL, "prestop", NULL), 0);
    ck_assert(pod_file_has(&pod, "data/prestop", "done"));
    struct pod none = lonely_pod();
    ck_assert_int_eq(pod_cli(&none, NULL, "prestop", NULL), 1);
}
END_TEST

static int listen_silently(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    return fd;
}

/* Locator and registry take connections and never answer; the place of the registry is known. */
START_TEST(drain_is_over_in_time_when_the_registry_never_answers)
{
    uint16_t port = tk_free_port();
    int silent = listen_silently(port);
    struct pod pod = pod_of(tk_text("tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p %u", port));
    pod_env(&pod, "TARS_PRESTOP_WAITTIME=0");
    ck_assert_int_eq(pod_cli(&pod, NULL, "genconf", NULL), 0);
    tk_write_file(pod_file(&pod, "data/cache_tars.tarsregistry.Registry"),
                  tk_text("tars.tarsregistry.Registry@tcp -h 127.0.0.1 -p %u -t 3000", port));
    utime(pod_file(&pod, "data/cache_tars.tarsregistry.Registry"), &(struct utimbuf){1, 1});
    int64_t began = tk_ms();
    ck_assert_int_eq(pod_cli(&pod, NULL, "prestop", NULL), 0);
    ck_assert_int_le(tk_ms() - began, 5000 + 2000); /* it was 9 s */
    ck_assert(pod_file_has(&pod, "log/cmd.log", "does not hear that the server is going: "));
    ck_assert(pod_file_has(&pod, "log/cmd.log", "the drain is over"));
    close(silent);
}
END_TEST

START_TEST(executable_is_static_and_small)
{
    char *bytes = tk_read_file(tk_program("tarscli"));
    struct stat info;
    const Elf64_Ehdr *head = (const void *)bytes;
    ck_assert_int_eq(stat(tk_program("tarscli"), &info), 0);
    ck_assert(SANITIZED || info.st_size <= 8 << 20);
    for (int i = 0; !SANITIZED && i < head->e_phnum; i++) {
        const Elf64_Phdr *part = (const void *)(bytes + head->e_phoff +
                                                (size_t)i * head->e_phentsize);
        ck_assert_uint_ne(part->p_type, PT_INTERP);
    }
    free(bytes);
}
END_TEST

/* An image with nothing in it but tarscli and a program, for a user who may write three folders. */
START_TEST(empty_image_any_user_and_a_root_that_is_not_writable_will_do)
{
    const char *root = tk_dir();
    if (geteuid() != 0 || SANITIZED)
        return;
    ck_assert_int_eq(chmod(root, 0755), 0);
    mkdir(tk_text("%s/tars", root), 0755);
    mkdir(tk_text("%s/dev", root), 0755); /* which every container has */
    tk_write_file(tk_text("%s/dev/null", root), "");
    static const char *const folders[] = {"bin", "conf", "data", "log"};
    for (int i = 0; i < 4; i++) {
        mkdir(tk_text("%s/tars/%s", root, folders[i]), 0755);
        chmod(tk_text("%s/tars/%s", root, folders[i]), i ? 0777 : 0755);
    }
    char *output;
    const char *const copies[] = {"tarscli", "tars/bin/program"};
    for (int i = 0; i < 2; i++) {
        const char *const copy[] = {"cp", tk_program("tarscli"), tk_text("%s/%s", root, copies[i]),
                                    NULL};
        ck_assert_int_eq(tk_run(copy, NULL, SOON_MS, &output), 0);
        free(output);
    }
    const char *const argv[] = {"chroot", "--userspec=12345:12345", root, "/tarscli", "supervisor",
                                NULL};
    const char *const env[] = {"TARS_APPLICATION=A",
                               "TARS_SERVER=B",
                               "POD_IP=127.0.0.1",
                               "TARS_START_PATH=/tars/bin/program",
                               "TARS_LOCATOR=q@tcp -h registry.nowhere -p 1",
                               NULL};
    struct pod pod = {.home = tk_text("%s/tars", root)};
    pod.supervisor = tk_spawn(argv, env, NULL);
    bool ran = tk_eventually(pod_file_has(&pod, "log/start.log", "Usage:"), SOON_MS);
    output = tk_output(pod.supervisor);
    ck_assert_msg(ran, "%s", output);
    free(output);
    ck_assert(pod_file_has(&pod, "conf/B.conf", "app=A"));
    ck_assert(
        tk_eventually(pod_file_has(&pod, "log/supervisor.log", "ended with status 2"), SOON_MS));
    pod_drop(&pod);
}
END_TEST

static int run_tests(void)
{
    Suite *all = suite_create("tarscli alone");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 90);
    tcase_add_test(tc, start_script_may_leave_the_server_in_the_background);
    tcase_add_test(tc, stop_mark_keeps_the_server_down_until_it_is_removed);
    tcase_add_test(tc, command_lines_of_variables_run_in_their_order);
    tcase_add_test(tc, restarts_can_be_kept_apart);
    tcase_add_test(tc, crash_loop_waits_longer_each_time_and_shows_the_output);
    tcase_add_test(tc, hung_server_that_still_listens_is_noticed_by_ping);
    tcase_add_test(tc, server_whose_heartbeats_end_is_started_again);
    tcase_add_test(tc, script_before_checks_is_killed_when_it_hangs);
    tcase_add_test(tc, slow_start_becomes_inactive_after_its_time);
    tcase_add_test(tc, probe_fails_when_the_supervisor_stands_still);
    tcase_add_test(tc, server_of_a_killed_supervisor_is_taken_over);
    tcase_add_test(tc, server_that_was_taken_over_keeps_its_ports_and_its_node);
    tcase_add_test(tc, two_supervised_servers_of_one_network_get_their_own_ports);
    tcase_add_test(tc, errors_at_the_start_are_seen_in_log_and_container);
    tcase_add_test(tc, without_a_log_folder_the_log_goes_to_stderr);
    tcase_add_test(tc, history_of_output_is_kept_over_starts);
    tcase_add_test(tc, probe_has_the_codes_and_texts_of_k8stars);
    tcase_add_test(tc, wrong_use_is_told_with_status_two);
    tcase_add_test(tc, asking_a_hook_for_help_does_not_set_it_off);
    tcase_add_test(tc, mark_of_a_drain_that_cannot_be_removed_is_told);
    tcase_add_test(tc, locator_without_endpoints_is_an_error);
    tcase_add_test(tc, commands_for_a_server_that_is_not_there_fail);
    tcase_add_test(tc, drain_without_any_registry_does_not_wait);
    tcase_add_test(tc, drain_is_over_in_time_when_the_registry_never_answers);
    tcase_add_test(tc, executable_is_static_and_small);
    tcase_add_test(tc, empty_image_any_user_and_a_root_that_is_not_writable_will_do);
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
