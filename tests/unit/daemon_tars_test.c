/* SPDX-License-Identifier: BSD-3-Clause */
/* A daemon with Tars adapters, run as a process of its own out of this very program. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tars/client.h>
#include <tars/server.h>

#include "daemon/daemon.h"
#include "testkit.h"

enum { ECHO_PORT = 25890, SECOND_PORT = 25891, HTTP_PORT = 25892, ADMIN_PORT = 25897 };
static const uint16_t ports[] = {ECHO_PORT, SECOND_PORT, HTTP_PORT, ADMIN_PORT};

/* ---- the daemon
 * ---------------------------------------------------------------------------------- */

static bool echo(struct tars_call *call, void *self)
{
    (void)self;
    tars_call_reply_body(call, tars_call_body(call));
    return true;
}

static bool open_state(struct daemon *daemon, void **self, struct tars_error *error)
{
    (void)error;
    tars_server_serve_raw(daemon_server(daemon), "EchoObj", echo, daemon);
    tars_server_serve_raw(daemon_server(daemon), "SecondObj", echo, daemon);
    *self = daemon;
    return true;
}

static bool may_serve(void *self)
{
    return access(daemon_text(self, "wait-for"), F_OK) == 0;
}

static bool is_ready(void *self, char *why, size_t size)
{
    if (may_serve(self))
        return true;
    snprintf(why, size, "nothing to serve yet");
    return false;
}

static const struct daemon_adapter adapters[] = {{"EchoObj", ECHO_PORT, false},
                                                 {"SecondObj", SECOND_PORT, false}};
static const struct daemon_key keys[] = {
    {.name = "wait-for", .fallback = "/", .help = "a file that has to be there before it serves"}};
static const struct daemon_info info = {.name = "echod",
                                        .about = "says everything again",
                                        .domain = "/tars/echod",
                                        .app = "Test",
                                        .adapters = adapters,
                                        .adapter_count = 2,
                                        .admin_port = ADMIN_PORT,
                                        .http_port = HTTP_PORT,
                                        .keys = keys,
                                        .key_count = 1,
                                        .open = open_state,
                                        .may_serve = may_serve,
                                        .ready = is_ready};

/* ---- running it
 * ------------------------------------------------------------------------------------- */

static char self_path[400];

struct run {
    int offset;
    struct tk_process *process;
};

static struct tk_process *spawn(int offset, const char *setting)
{
    const char *argv[] = {self_path, "--port-offset", tk_text("%d", offset), NULL};
    const char *env[] = {"TEST_DAEMON=1", setting, NULL};
    return tk_spawn(argv, env, NULL);
}

static struct run start(const char *setting)
{
    struct run run = {.offset = tk_free_offset(ports, 4)};
    run.process = spawn(run.offset, setting);
    return run;
}

static bool serves(const struct run *run, const char *page, int status, const char *text)
{
    char *body = NULL;
    bool ok = tk_http((uint16_t)(HTTP_PORT + run->offset), "GET", page, NULL, &body) == status &&
              strstr(body, text);
    free(body);
    return ok;
}

static struct run start_ready(void)
{
    struct run run = start(NULL);
    ck_assert(tk_eventually(serves(&run, "/readyz", 200, "ready"), 10000));
    return run;
}

static void assert_answers(const char *object, int port)
{
    struct tars_client *client = tars_client_new(NULL);
    struct tars_arena *arena = tars_arena_new(0);
    struct tars_proxy *proxy = tars_proxy_get(client,
                                              tk_text("%s@tcp -h 127.0.0.1 -p %d", object, port));
    struct tars_str answer = {0};
    struct tars_result result = tars_proxy_call_raw_blocking(
        proxy, "echo", tars_str_n("\x0a\x0b", 2), arena, &answer, NULL);
    ck_assert_msg(result.error == 0, "%s", result.message);
    ck_assert(tars_str_equal(answer, tars_str_n("\x0a\x0b", 2)));
    tars_arena_free(arena);
    tars_client_free(client);
}

/* ---- tests
 * ------------------------------------------------------------------------------------------- */

START_TEST(without_a_file_it_serves_on_its_default_ports_moved_by_the_offset)
{
    struct run run = start_ready();
    assert_answers("Test.echod.EchoObj", ECHO_PORT + run.offset);
    assert_answers("Test.echod.SecondObj", SECOND_PORT + run.offset);
    ck_assert(tk_port_open((uint16_t)(ADMIN_PORT + run.offset)));
    ck_assert_int_eq(tk_stop(run.process, 10000), DAEMON_OK);
}
END_TEST

START_TEST(metrics_show_its_adapters)
{
    struct run run = start_ready();
    assert_answers("Test.echod.EchoObj", ECHO_PORT + run.offset);
    ck_assert(
        serves(&run, "/metrics", 200, "tars_calls_total{adapter=\"Test.echod.EchoObjAdapter\"} 1"));
    ck_assert(serves(&run, "/metrics", 200, "tars_client_calls_total 0"));
}
END_TEST

START_TEST(adapters_open_only_once_it_may_serve)
{
    const char *file = tk_text("%s/now", tk_dir());
    struct run run = start(tk_text("TARS_ECHOD_WAIT_FOR=%s", file));
    ck_assert(tk_eventually(serves(&run, "/readyz", 503, "nothing to serve yet"), 10000));
    ck_assert(!tk_port_open((uint16_t)(ECHO_PORT + run.offset)));
    tk_write_file(file, "");
    ck_assert(tk_eventually(serves(&run, "/readyz", 200, "ready"), 10000));
    assert_answers("Test.echod.EchoObj", ECHO_PORT + run.offset);
}
END_TEST

START_TEST(a_signal_ends_the_wait)
{
    struct run run = start("TARS_ECHOD_WAIT_FOR=/nonexistent");
    ck_assert(tk_eventually(serves(&run, "/readyz", 503, "nothing to serve yet"), 10000));
    ck_assert_int_eq(tk_stop(run.process, 10000), DAEMON_OK);
}
END_TEST

START_TEST(a_taken_port_ends_with_status_3_and_names_it)
{
    struct run run = start_ready();
    struct tk_process *second = spawn(run.offset, "TARS_ECHOD_HTTP_PORT=0");
    ck_assert(tk_wait(second, 10000));
    ck_assert_int_eq(second->status, DAEMON_BIND);
    ck_assert(tk_output_has(second, tk_text("%d", ECHO_PORT + run.offset)) ||
              tk_output_has(second, tk_text("%d", ADMIN_PORT + run.offset)));
    ck_assert(tk_output_has(second, "ddress already in use"));
}
END_TEST

START_TEST(addresses_name_every_adapter)
{
    const char *argv[] = {self_path, "--addresses", NULL};
    const char *env[] = {"TEST_DAEMON=1", NULL};
    char *output;
    ck_assert_int_eq(tk_run(argv, env, 10000, &output), 0);
    ck_assert_str_eq(output, "Test.echod.EchoObj\ttcp -h 127.0.0.1 -p 25890 -t 60000\n"
                             "Test.echod.SecondObj\ttcp -h 127.0.0.1 -p 25891 -t 60000\n"
                             "AdminObj\ttcp -h 127.0.0.1 -p 25897 -t 10000\n"
                             "http\t127.0.0.1:25892\n");
    free(output);
}
END_TEST

static int monitor(int offset, const char *option, char **output)
{
    const char *argv[] = {self_path, option, "--port-offset", tk_text("%d", offset), NULL};
    const char *env[] = {"TEST_DAEMON=1", NULL};
    return tk_run(argv, env, 20000, output);
}

START_TEST(monitor_tells_whether_it_answers)
{
    struct run run = start(NULL);
    char *output;
    ck_assert(tk_eventually(serves(&run, "/readyz", 200, ""), 10000));
    ck_assert_int_eq(monitor(run.offset, "--monitor", &output), 0);
    free(output);
    ck_assert_int_eq(tk_stop(run.process, 10000), 0);
    ck_assert_int_eq(monitor(run.offset, "--monitor", &output), DAEMON_SILENT);
    ck_assert_ptr_nonnull(strstr(output, "AdminObj@tcp"));
    ck_assert_ptr_nonnull(strstr(output, "does not answer"));
    free(output);
    ck_assert_int_eq(monitor(run.offset, "--version", &output), 0);
    ck_assert_str_eq(output, "TARS:" TARSC_VERSION "\n");
    free(output);
}
END_TEST

START_TEST(a_daemon_with_adapters_needs_its_tars_server)
{
    const char *argv[] = {self_path, NULL};
    const char *env[] = {"TEST_DAEMON=plain", NULL};
    char *output;
    ck_assert_int_eq(tk_run(argv, env, 10000, &output), DAEMON_FAILED);
    ck_assert_ptr_nonnull(strstr(output, "daemon_tars_main"));
    free(output);
}
END_TEST

int main(int argc, char **argv)
{
    const char *role = getenv("TEST_DAEMON");
    if (role)
        return strcmp(role, "plain") == 0 ? daemon_main(argc, argv, &info)
                                          : daemon_tars_main(argc, argv, &info);
    if (readlink("/proc/self/exe", self_path, sizeof self_path - 1) < 0)
        return 1;
    Suite *suite = suite_create("daemon_tars");
    TCase *tc = tcase_create("daemon_tars");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, without_a_file_it_serves_on_its_default_ports_moved_by_the_offset);
    tcase_add_test(tc, metrics_show_its_adapters);
    tcase_add_test(tc, adapters_open_only_once_it_may_serve);
    tcase_add_test(tc, a_signal_ends_the_wait);
    tcase_add_test(tc, a_taken_port_ends_with_status_3_and_names_it);
    tcase_add_test(tc, addresses_name_every_adapter);
    tcase_add_test(tc, monitor_tells_whether_it_answers);
    tcase_add_test(tc, a_daemon_with_adapters_needs_its_tars_server);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
