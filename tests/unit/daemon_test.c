/* SPDX-License-Identifier: BSD-3-Clause */
/* A daemon that does nothing but live, run as a process of its own out of this very program. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/xmalloc.h"
#include "daemon/daemon.h"
#include "testkit.h"

/* ---- the daemon ---------------------------------------------------------------------------------
 */

struct state {
    struct daemon *daemon;
    FILE *journal; /* what was called, in order */
};

static void note(struct state *s, const char *what)
{
    if (s->journal)
        fprintf(s->journal, "%s\n", what), fflush(s->journal);
}

static bool open_state(struct daemon *daemon, void **self, struct tars_error *error)
{
    const char *mode = daemon_text(daemon, "mode");
    if (strcmp(mode, "broken") == 0)
        return tars_fail(error, -1, "opening the test: broken on request");
    if (strcmp(mode, "bound") == 0)
        return tars_fail(error, DAEMON_BIND, "opening the test: port taken on request");
    struct state *s = xcalloc(1, sizeof *s);
    char *path = xasprintf("%s/journal", daemon_data(daemon));
    s->daemon = daemon;
    s->journal = fopen(path, "we");
    free(path);
    if (strcmp(mode, "slow") == 0) {
        note(s, "opening");
        tk_sleep(300);
    }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    log_info("test", "size=%d store=%s fast=%d files=%d offset=%d nodes=%s",
             (int)daemon_int(daemon, "size"), daemon_text(daemon, "store"),
             daemon_flag(daemon, "fast"), (int)limit.rlim_cur, daemon_port_offset(daemon),
             daemon_text(daemon, "nodes"));
    note(s, "open");
    *self = s;
    return true;
}

static void on_started(void *self)
{
    struct state *s = self;
    note(s, "started");
    if (strcmp(daemon_text(s->daemon, "mode"), "failing") == 0)
        daemon_stop(s->daemon, DAEMON_FAILED);
}

static void on_stopping(void *self)
{
    note(self, "stopping");
}

static void close_state(void *self)
{
    struct state *s = self;
    note(s, "close");
    if (s->journal)
        fclose(s->journal);
    free(s);
}

static bool is_ready(void *self, char *why, size_t size)
{
    struct state *s = self;
    if (strcmp(daemon_text(s->daemon, "mode"), "waiting") != 0)
        return true;
    snprintf(why, size, "the store does not answer");
    return false;
}

static double read_answer(void *self)
{
    (void)self;
    return 42;
}

static void more_metrics(void *self, daemon_emit *each, void *user)
{
    (void)self;
    each(user, "test_calls_total", "adapter=\"a\"", 1);
    each(user, "test_queue", "adapter=\"a\"", 0.5);
    each(user, "test_calls_total", "adapter=\"b\"", 2);
}

static const struct daemon_key keys[] = {
    {.name = "mode",
     .kind = DAEMON_CHOICE,
     .fallback = "good",
     .choices = "good|broken|bound|failing|waiting|slow",
     .help = "how to behave"},
    {.name = "size", .kind = DAEMON_INT, .fallback = "5", .min = 1, .max = 10, .help = "a size"},
    {.name = "fast", .kind = DAEMON_FLAG, .fallback = "n", .help = "a flag"},
    {.name = "store", .fallback = "http://127.0.0.1:$PORT/", .port = 9200, .help = "a place"},
    {.name = "port", .kind = DAEMON_PORT, .port = 9200, .help = "its own port"},
    {.name = "nodes", .fallback = "x", .domain = "/tars/elk", .help = "a key of another domain"},
};
static const struct daemon_metric metrics[] = {{"test_answer", "The answer.", read_answer}};
static const struct daemon_info info = {
    .name = "testdaemon",
    .about = "lives and does nothing",
    .domain = "/tars/test",
    .http_port = 20000,
    .needs_data = true,
    .keys = keys,
    .key_count = sizeof keys / sizeof *keys,
    .metrics = metrics,
    .metric_count = 1,
    .open = open_state,
    .started = on_started,
    .stopping = on_stopping,
    .close = close_state,
    .ready = is_ready,
    .more_metrics = more_metrics,
};

/* ---- running it
 * -------------------------------------------------------------------------------------- */

static char self_path[400];

struct run {
    const char *data;
    uint16_t port;
    struct tk_process *process;
};

static const char *const *environment(const char *first, const char *second, const char *third)
{
    static const char *env[5];
    env[0] = "TEST_DAEMON=1";
    env[1] = first;
    env[2] = first ? second : NULL;
    env[3] = second ? third : NULL;
    return env;
}

/* On a free port with a new data folder, until it listens. */
static struct run start(const char *mode, const char *config)
{
    struct run run = {.data = tk_dir(), .port = tk_free_port()};
    const char *argv[] = {self_path, "--data", run.data, config ? "--config" : NULL, config, NULL};
    run.process = tk_spawn(argv,
                           environment(tk_text("TARS_TEST_HTTP_PORT=%u", run.port),
                                       tk_text("TARS_TEST_MODE=%s", mode), NULL),
                           NULL);
    return run;
}

static int run_with(const char *const env[], const char *a, const char *b, char **output)
{
    const char *argv[] = {self_path, a, a ? b : NULL, NULL};
    return tk_run(argv, env ? env : environment(NULL, NULL, NULL), 10000, output);
}

static void assert_refused(const char *const env[], const char *a, const char *b,
                           const char *reason)
{
    char *output;
    int status = run_with(env, a, b, &output);
    ck_assert_msg(status == DAEMON_USAGE, "%d: %s", status, output);
    ck_assert_msg(strstr(output, reason), "'%s' does not say '%s'", output, reason);
    free(output);
}

static bool serves(const struct run *run, const char *page, int status, const char *text)
{
    char *body = NULL;
    bool ok = tk_http(run->port, "GET", page, NULL, &body) == status && strstr(body, text);
    free(body);
    return ok;
}

static const char *config_with(const char *text)
{
    const char *path = tk_text("%s/test.conf", tk_dir());
    tk_write_file(path, text);
    return path;
}

/* ---- tests
 * --------------------------------------------------------------------------------------------- */

START_TEST(it_serves_until_sigterm_and_calls_its_hooks_in_order)
{
    struct run run = start("good", NULL);
    ck_assert(tk_eventually(serves(&run, "/readyz", 200, "ready"), 10000));
    ck_assert(serves(&run, "/healthz", 200, "ok"));
    ck_assert_int_eq(tk_stop(run.process, 5000), DAEMON_OK);
    char *journal = tk_read_file(tk_text("%s/journal", run.data));
    ck_assert_str_eq(journal, "open\nstarted\nstopping\nclose\n");
    free(journal);
}
END_TEST

START_TEST(it_stops_on_sigint_too)
{
    struct run run = start("good", NULL);
    ck_assert(tk_eventually(serves(&run, "/readyz", 200, "ready"), 10000));
    tk_signal(run.process, SIGINT);
    ck_assert(tk_wait(run.process, 5000));
    ck_assert_int_eq(run.process->status, DAEMON_OK);
}
END_TEST

/* Also where /etc/hosts has ::1 for it. */
START_TEST(localhost_is_127_0_0_1)
{
    struct run run = {.data = tk_dir(), .port = tk_free_port()};
    const char *argv[] = {self_path, "--data", run.data, NULL};
    run.process = tk_spawn(argv,
                           environment(tk_text("TARS_TEST_HTTP_PORT=%u", run.port),
                                       "TARS_TEST_HTTP_ADDRESS=localhost", "TARS_TEST_MODE=good"),
                           NULL);
    ck_assert(tk_eventually(serves(&run, "/healthz", 200, "ok"), 10000));
    ck_assert_int_eq(tk_stop(run.process, 5000), DAEMON_OK);
}
END_TEST

START_TEST(a_sigterm_while_it_opens_stops_it_in_order)
{
    struct run run = start("slow", NULL);
    const char *journal = tk_text("%s/journal", run.data);
    char *text = NULL;
    ck_assert(tk_eventually((free(text), text = tk_read_file(journal)) && *text, 10000));
    free(text);
    ck_assert_int_eq(tk_stop(run.process, 5000), DAEMON_OK);
    text = tk_read_file(journal);
    ck_assert_str_eq(text, "opening\nopen\nstarted\nstopping\nclose\n");
    free(text);
}
END_TEST

START_TEST(it_says_why_it_is_not_ready)
{
    struct run run = start("waiting", NULL);
    ck_assert(tk_eventually(serves(&run, "/readyz", 503, "the store does not answer"), 10000));
    ck_assert(serves(&run, "/healthz", 200, "ok"));
}
END_TEST

START_TEST(other_pages_and_methods_are_refused)
{
    struct run run = start("good", NULL);
    ck_assert(tk_eventually(serves(&run, "/readyz", 200, "ready"), 10000));
    ck_assert(serves(&run, "/other", 404, "/metrics"));
    ck_assert_int_eq(tk_http(run.port, "POST", "/metrics", "{}", NULL), 405);
}
END_TEST

START_TEST(metrics_are_grouped_by_name_with_type_and_help)
{
    struct run run = start("good", NULL);
    ck_assert(tk_eventually(serves(&run, "/readyz", 200, "ready"), 10000));
    ck_assert(serves(&run, "/metrics", 200,
                     "# HELP test_answer The answer.\n# TYPE test_answer gauge\ntest_answer 42\n"));
    ck_assert(serves(&run, "/metrics", 200,
                     "# TYPE test_calls_total counter\n"
                     "test_calls_total{adapter=\"a\"} 1\ntest_calls_total{adapter=\"b\"} 2\n"
                     "# TYPE test_queue gauge\ntest_queue{adapter=\"a\"} 0.5\n"));
    ck_assert(serves(&run, "/metrics", 200, "tarsc_build_info{program=\"testdaemon\""));
    ck_assert(serves(&run, "/metrics", 200, "process_resident_memory_bytes"));
}
END_TEST

START_TEST(settings_come_from_environment_before_file_before_default)
{
    const char *config = config_with("<tars>\n<test>\nsize=7\nfast=yes\n</test>\n"
                                     "<elk>\nnodes=a:1\n</elk>\n</tars>\n");
    const char *argv[] = {self_path, "--data",        tk_dir(), "--config",
                          config,    "--port-offset", "17",     NULL};
    struct tk_process *p = tk_spawn(argv,
                                    environment("TARS_TEST_SIZE=9", "TARS_TEST_OPEN_FILES=128",
                                                tk_text("TARS_TEST_HTTP_PORT=%u", tk_free_port())),
                                    NULL);
    ck_assert(tk_eventually(tk_output_has(p, "started"), 10000));
    ck_assert(tk_output_has(p, "size=9 store=http://127.0.0.1:9217/ fast=1"));
    ck_assert(tk_output_has(p, "offset=17 nodes=a:1"));
}
END_TEST

START_TEST(a_variable_reaches_a_key_of_another_domain)
{
    const char *argv[] = {self_path, "--data", tk_dir(), NULL};
    struct tk_process *p = tk_spawn(
        argv, environment("TARS_ELK_NODES=b:2", "TARS_TEST_HTTP_PORT=0", NULL), NULL);
    ck_assert(tk_eventually(tk_output_has(p, "nodes=b:2"), 10000));
}
END_TEST

START_TEST(an_unknown_key_is_a_warning_that_names_it)
{
    const char *config = config_with("<tars>\n<test>\nsise=7\n<sub>\n</sub>\n</test>\n</tars>\n");
    char *output;
    const char *argv[] = {self_path, "--check", "--config", config, NULL};
    ck_assert_int_eq(tk_run(argv, environment(NULL, NULL, NULL), 10000, &output), DAEMON_OK);
    ck_assert_msg(strstr(output, "unknown key /tars/test<sise>"), "%s", output);
    ck_assert_msg(strstr(output, "unknown domain /tars/test/sub"), "%s", output);
    ck_assert_msg(strstr(output, "the configuration is good"), "%s", output);
    free(output);
}
END_TEST

START_TEST(a_bad_value_names_its_source_and_what_is_allowed)
{
    const char *config = config_with("<tars>\n<test>\nsize=11\n</test>\n</tars>\n");
    assert_refused(
        NULL, "--config", config,
        tk_text("/tars/test<size> in %s is '11', but must be a whole number from 1 to 10", config));
    assert_refused(environment("TARS_TEST_FAST=perhaps", NULL, NULL), "--check", NULL,
                   "environment variable TARS_TEST_FAST is 'perhaps', but must be y or n");
    assert_refused(environment("TARS_TEST_MODE=x", NULL, NULL), "--check", NULL,
                   "must be one of good|broken");
    assert_refused(environment("TARS_TEST_HTTP_PORT=70000", NULL, NULL), "--check", NULL, "a port");
    assert_refused(NULL, "--port-offset", "many", "--port-offset is 'many'");
}
END_TEST

START_TEST(a_port_that_would_leave_the_range_is_refused)
{
    assert_refused(NULL, "--port-offset", "50000",
                   "port offset 50000 moves port 20000 (http-port) to 70000");
    assert_refused(NULL, "--port-offset", "-20000", "to 0, out of 1 to 65535");
}
END_TEST

START_TEST(wrong_arguments_and_files_end_with_status_2)
{
    assert_refused(NULL, "--what", NULL, "--help");
    assert_refused(NULL, "what", NULL, "'what' is no option");
    assert_refused(NULL, "--config", "/nonexistent", "cannot open /nonexistent");
    assert_refused(NULL, "--config", config_with("<tars>\n"), "<tars> is still open");
}
END_TEST

START_TEST(help_and_version_need_nothing)
{
    char *output;
    ck_assert_int_eq(run_with(NULL, "--version", NULL, &output), 0);
    ck_assert_str_eq(output, "testdaemon " TARSC_VERSION "\n");
    free(output);
    ck_assert_int_eq(run_with(NULL, "--help", NULL, &output), 0);
    ck_assert_ptr_nonnull(
        strstr(output, "/tars/test<size>, TARS_TEST_SIZE\n      a size [5] (1 to 10)"));
    ck_assert_ptr_nonnull(strstr(output, "/tars/test<http-port>, TARS_TEST_HTTP_PORT"));
    free(output);
}
END_TEST

START_TEST(addresses_say_where_it_would_listen)
{
    char *output;
    ck_assert_int_eq(run_with(environment("TARS_TEST_ADDRESS=0.0.0.0", NULL, NULL),
                              "--port-offset=5", "--addresses", &output),
                     0);
    ck_assert_str_eq(output, "http\t127.0.0.1:20005\nport\t0.0.0.0:9205\n");
    free(output);
}
END_TEST

START_TEST(a_failed_open_gives_its_status_and_reason)
{
    struct run broken = start("broken", NULL), bound = start("bound", NULL);
    ck_assert(tk_wait(broken.process, 10000));
    ck_assert_int_eq(broken.process->status, DAEMON_FAILED);
    ck_assert(tk_output_has(broken.process, "testdaemon: opening the test: broken on request"));
    ck_assert(tk_wait(bound.process, 10000));
    ck_assert_int_eq(bound.process->status, DAEMON_BIND);
}
END_TEST

START_TEST(a_taken_http_port_ends_with_status_3)
{
    struct run first = start("good", NULL);
    ck_assert(tk_wait_port(first.port, 10000));
    const char *argv[] = {self_path, "--data", tk_dir(), NULL};
    char *output;
    int status = tk_run(argv,
                        environment(tk_text("TARS_TEST_HTTP_PORT=%u", first.port), NULL, NULL),
                        10000, &output);
    ck_assert_int_eq(status, DAEMON_BIND);
    ck_assert_msg(strstr(output, "Address already in use"), "%s", output);
    free(output);
}
END_TEST

START_TEST(a_daemon_that_stops_itself_ends_with_its_status)
{
    struct run run = start("failing", NULL);
    ck_assert(tk_wait(run.process, 10000));
    ck_assert_int_eq(run.process->status, DAEMON_FAILED);
    char *journal = tk_read_file(tk_text("%s/journal", run.data));
    ck_assert_str_eq(journal, "open\nstarted\nstopping\nclose\n");
    free(journal);
}
END_TEST

START_TEST(a_data_folder_is_private_and_serves_one_daemon)
{
    const char *data = tk_text("%s/a/b", tk_dir());
    const char *argv[] = {self_path, "--data", data, NULL};
    struct tk_process *first = tk_spawn(argv, environment("TARS_TEST_HTTP_PORT=0", NULL, NULL),
                                        NULL);
    struct stat st;
    char *output;
    ck_assert(tk_eventually(tk_output_has(first, "started"), 10000));
    ck_assert_int_eq(stat(data, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0700);
    int status = tk_run(argv, environment("TARS_TEST_HTTP_PORT=0", NULL, NULL), 10000, &output);
    ck_assert_int_eq(status, DAEMON_FAILED);
    ck_assert_msg(strstr(output, tk_text("in use by another process (%d)", (int)first->pid)), "%s",
                  output);
    free(output);
    tk_kill(first);
    struct tk_process *again = tk_spawn(argv, environment("TARS_TEST_HTTP_PORT=0", NULL, NULL),
                                        NULL);
    ck_assert(tk_eventually(tk_output_has(again, "started"), 10000));
}
END_TEST

START_TEST(the_default_data_folder_follows_the_environment)
{
    const char *home = tk_dir();
    const char *argv[] = {self_path, NULL};
    struct tk_process *p = tk_spawn(
        argv, environment("TARS_TEST_HTTP_PORT=0", tk_text("XDG_DATA_HOME=%s", home), NULL), NULL);
    ck_assert(tk_eventually(tk_output_has(p, "started"), 10000));
    struct stat st;
    ck_assert_int_eq(stat(tk_text("%s/tarsc/testdaemon/journal", home), &st), 0);
}
END_TEST

int main(int argc, char **argv)
{
    if (getenv("TEST_DAEMON"))
        return daemon_main(argc, argv, &info);
    if (readlink("/proc/self/exe", self_path, sizeof self_path - 1) < 0)
        return 1;
    Suite *suite = suite_create("daemon");
    TCase *tc = tcase_create("daemon");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, it_serves_until_sigterm_and_calls_its_hooks_in_order);
    tcase_add_test(tc, it_stops_on_sigint_too);
    tcase_add_test(tc, localhost_is_127_0_0_1);
    tcase_add_test(tc, a_sigterm_while_it_opens_stops_it_in_order);
    tcase_add_test(tc, it_says_why_it_is_not_ready);
    tcase_add_test(tc, other_pages_and_methods_are_refused);
    tcase_add_test(tc, metrics_are_grouped_by_name_with_type_and_help);
    tcase_add_test(tc, settings_come_from_environment_before_file_before_default);
    tcase_add_test(tc, a_variable_reaches_a_key_of_another_domain);
    tcase_add_test(tc, an_unknown_key_is_a_warning_that_names_it);
    tcase_add_test(tc, a_bad_value_names_its_source_and_what_is_allowed);
    tcase_add_test(tc, a_port_that_would_leave_the_range_is_refused);
    tcase_add_test(tc, wrong_arguments_and_files_end_with_status_2);
    tcase_add_test(tc, help_and_version_need_nothing);
    tcase_add_test(tc, addresses_say_where_it_would_listen);
    tcase_add_test(tc, a_failed_open_gives_its_status_and_reason);
    tcase_add_test(tc, a_taken_http_port_ends_with_status_3);
    tcase_add_test(tc, a_daemon_that_stops_itself_ends_with_its_status);
    tcase_add_test(tc, a_data_folder_is_private_and_serves_one_daemon);
    tcase_add_test(tc, the_default_data_folder_follows_the_environment);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
