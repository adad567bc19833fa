/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that still come to a crashed server, while tarscli starts it again. */
#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "podkit.h"
#include "registrykit.h"
#include "serverkit.h"

static const char object[] = "Demo.ShapeServer.ShapesObj";
static struct rk_suite suite;
static struct pod a, b;
static const char a_ip[] = "127.0.0.21", b_ip[] = "127.0.0.22";

/* ---- pods --------------------------------------------------------------------------------------
 */

static struct pod pod_at(const char *ip, const char *variable)
{
    struct pod pod = pod_of(
        tk_text("tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p %u", suite.at[0].query_port));
    pod_env(&pod, tk_text("POD_IP=%s", ip));
    if (variable)
        pod_env(&pod, variable);
    pod_start(&pod);
    return pod;
}

static void becomes(const char *wanted)
{
    if (!tk_eventually(strcmp(rk_find(&suite, 0, object), wanted) == 0, SOON_MS))
        ck_assert_str_eq(rk_find(&suite, 0, object), wanted);
}

static uint16_t port_of(const struct pod *pod)
{
    char *info = tk_read_file(pod_file(pod, "data/server_info.yaml"));
    const char *at = info ? strstr(info, "ShapesObj") : NULL;
    uint16_t port = at ? (uint16_t)atoi(strstr(at, "-p ") + 3) : 0;
    free(info);
    return port;
}

static void open_suite(void)
{
    rk_open(&suite, "");
}

static void close_suite(void)
{
    rk_close(&suite);
}

static void open_two(const char *variable)
{
    a = pod_at(a_ip, variable);
    b = pod_at(b_ip, variable);
    pod_wait_ready(&a);
    pod_wait_ready(&b);
    ck_assert(tk_eventually(strlen(rk_find(&suite, 0, object)) == strlen(a_ip) * 2 + 2, SOON_MS));
}

static void crash(struct pod *pod, bool stays_down)
{
    if (stays_down)
        tk_write_file(pod_file(pod, "data/stop"), "");
    ck_assert_int_eq(kill(pod_server(pod), SIGKILL), 0);
}

/* ---- callers -----------------------------------------------------------------------------------
 */

/* -1: refused. */
static int connect_to(const char *ip, uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, ip, &at.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    ck_assert_int_eq(errno, ECONNREFUSED);
    close(fd);
    return -1;
}

static bool refuses(const char *ip, uint16_t port)
{
    int fd = connect_to(ip, port);
    if (fd >= 0)
        close(fd);
    return fd < 0;
}

static bool add_answers(int fd)
{
    struct rpc_request request = sk_request("add");
    request.body = sk_add_body(20, 22);
    return fd >= 0 && sk_call(fd, &request) == 0;
}

/* On a connection of its own. */
static bool answers(const char *ip, uint16_t port)
{
    int fd = connect_to(ip, port);
    bool ok = add_answers(fd);
    if (fd >= 0)
        close(fd);
    return ok;
}

static unsigned files_of(pid_t pid)
{
    DIR *folder = opendir(tk_text("/proc/%d/fd", (int)pid));
    unsigned count = 0;
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

/* ---- tests -------------------------------------------------------------------------------------
 */

START_TEST(calls_of_a_crashed_server_go_to_another_instance_and_come_home)
{
    open_two(NULL);
    uint16_t port = port_of(&a);
    crash(&a, true);
    becomes("127.0.0.22/127.0.0.21");
    ck_assert(tk_eventually(answers(a_ip, port), SOON_MS));
    ck_assert(!pod_ready(&a)); /* it is not said to be well */
    int caller = connect_to(a_ip, port);
    ck_assert(add_answers(caller));
    pid_t other = pod_server(&b);
    ck_assert_int_eq(kill(other, SIGSTOP), 0); /* the call under way is answered there, later */
    struct rpc_request request = sk_request("add");
    request.body = sk_add_body(1, 2);
    ck_assert(sk_send(caller, &request));

    unlink(pod_file(&a, "data/stop"));
    pod_wait_ready(&a);
    ck_assert_int_eq(port_of(&a), port);
    ck_assert(tk_eventually(pod_file_has(&a, "log/supervisor.log", "come home"), SOON_MS));
    ck_assert_int_eq(kill(other, SIGCONT), 0);
    struct sk_answer answer = sk_receive(caller, SOON_MS);
    ck_assert(answer.came);
    sk_free(&answer);
    ck_assert(add_answers(caller));
    crash(&b, true); /* nobody needs it any more */
    becomes("127.0.0.21/127.0.0.22");
    for (int i = 0; i < 20; i++)
        ck_assert(add_answers(caller));
    close(caller);
    pod_stop(&a);
    pod_stop(&b);
}
END_TEST

START_TEST(server_that_comes_back_has_its_port_while_callers_stay)
{
    open_two("TARS_RESTART_SPACING=6s"); /* time for the callers, also on a busy machine */
    uint16_t port = port_of(&a);
    pid_t before = pod_server(&a);
    int callers[8];

    crash(&a, false);
    ck_assert(tk_eventually(pod_file_has(&a, "log/supervisor.log", "go to other"), SOON_MS));
    for (int i = 0; i < 8; i++) {
        callers[i] = connect_to(a_ip, port);
        ck_assert(add_answers(callers[i]));
    }
    ck_assert(tk_eventually(pod_server(&a) != before && pod_ready(&a), SOON_MS));
    ck_assert_uint_eq(pod_count(&a, "log/start.log", "starting"), 2);
    for (int i = 0; i < 8; i++) {
        ck_assert(add_answers(callers[i]));
        close(callers[i]);
    }
    ck_assert(answers(a_ip, port));
    pod_stop(&a);
    pod_stop(&b);
}
END_TEST

START_TEST(start_waits_until_lost_calls_have_timed_out)
{
    open_two(NULL);
    pid_t before = pod_server(&a);
    int64_t killed = tk_ms();
    crash(&a, false);
    ck_assert(tk_eventually(pod_server(&a) != before, SOON_MS));
    ck_assert_int_ge(tk_ms() - killed, 3400);
    ck_assert(tk_eventually(pod_ready(&a), SOON_MS));
    pod_stop(&b);
    becomes("127.0.0.21/"); /* alone it is started after a second */
    before = pod_server(&a);
    killed = tk_ms();
    crash(&a, false);
    ck_assert(tk_eventually(pod_server(&a) != before, SOON_MS));
    ck_assert_int_lt(tk_ms() - killed, 3400);
    pod_stop(&a);
}
END_TEST

START_TEST(two_that_crash_together_do_not_pass_calls_to_each_other)
{
    open_two(NULL);
    uint16_t ports[] = {port_of(&a), port_of(&b)};
    unsigned files = files_of(a.supervisor->pid);
    crash(&a, true);
    crash(&b, true);
    ck_assert(tk_eventually(pod_file_has(&a, "log/supervisor.log", "are not passed on") &&
                                pod_file_has(&b, "log/supervisor.log", "are not passed on"),
                            SOON_MS));
    ck_assert(refuses(a_ip, ports[0]));
    ck_assert(refuses(b_ip, ports[1]));
    ck_assert(tk_eventually(files_of(a.supervisor->pid) <= files + 2, SOON_MS));
    pod_stop(&a);
    pod_stop(&b);
}
END_TEST

START_TEST(one_alone_refuses_calls_while_it_is_down)
{
    a = pod_at(a_ip, NULL);
    pod_wait_ready(&a);
    uint16_t port = port_of(&a);
    crash(&a, true);
    ck_assert(tk_eventually(pod_file_has(&a, "log/supervisor.log", "no other active"), SOON_MS));
    ck_assert(refuses(a_ip, port));
    pod_stop(&a);
}
END_TEST

START_TEST(it_can_be_switched_off)
{
    open_two("TARS_FAILOVER=off");
    uint16_t port = port_of(&a);
    crash(&a, true);
    becomes("127.0.0.22/127.0.0.21");
    for (int i = 0; i < 20; i++) {
        ck_assert(refuses(a_ip, port));
        tk_sleep(10);
    }
    pod_stop(&a);
    pod_stop(&b);
}
END_TEST

START_TEST(another_instance_that_dies_too_is_followed_by_a_third)
{
    open_two(NULL);
    uint16_t port = port_of(&a);
    struct pod third = pod_at("127.0.0.23", NULL);
    pod_wait_ready(&third);
    ck_assert(tk_eventually(strstr(rk_find(&suite, 0, object), ".23"), SOON_MS));
    crash(&a, true);
    ck_assert(tk_eventually(answers(a_ip, port), SOON_MS));
    crash(&b, true);
    ck_assert(tk_eventually(answers(a_ip, port), SOON_MS));
    tk_sleep(200);
    for (int i = 0; i < 10; i++)
        ck_assert(answers(a_ip, port));
    pod_stop(&third);
    pod_stop(&a);
    pod_stop(&b);
}
END_TEST

START_TEST(registry_away_at_the_crash_means_no_taking_over_and_the_server_comes_back)
{
    open_two(NULL);
    uint16_t port = port_of(&a);
    pid_t before = pod_server(&a);
    tk_kill(suite.at[0].process);
    crash(&a, false);
    ck_assert(tk_eventually(pod_server(&a) != before && pod_ready(&a), SOON_MS));
    ck_assert(answers(a_ip, port));
    rk_start(&suite, 0);
    rk_wait_ready(&suite, 0);
    pod_stop(&a);
    pod_stop(&b);
}
END_TEST

static int run_tests(void)
{
    Suite *all = suite_create("tarscli, calls after a crash");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 90);
    tcase_add_checked_fixture(tc, open_suite, close_suite);
    tcase_add_test(tc, calls_of_a_crashed_server_go_to_another_instance_and_come_home);
    tcase_add_test(tc, server_that_comes_back_has_its_port_while_callers_stay);
    tcase_add_test(tc, start_waits_until_lost_calls_have_timed_out);
    tcase_add_test(tc, two_that_crash_together_do_not_pass_calls_to_each_other);
    tcase_add_test(tc, one_alone_refuses_calls_while_it_is_down);
    tcase_add_test(tc, it_can_be_switched_off);
    tcase_add_test(tc, another_instance_that_dies_too_is_followed_by_a_third);
    tcase_add_test(tc, registry_away_at_the_crash_means_no_taking_over_and_the_server_comes_back);
    suite_add_tcase(all, tc);
    return tk_main(all);
}

int main(int argc, char **argv)
{
    return pod_main(argc, argv, run_tests);
}
