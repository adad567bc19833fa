/* SPDX-License-Identifier: BSD-3-Clause */
/* tarsc run with a real registry and store; the server is this program with a --config. */
#include <arpa/inet.h>
#include <check.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "podkit.h"
#include "registrykit.h"

enum { ARGUMENTS = 32, VARIABLES = 8, REFUSED_MS = 10000 };

static const char object[] = "Demo.ShapeServer.ShapesObj";
static struct rk_suite suite;

/* ---- one of them
 * ---------------------------------------------------------------------------------------- */

struct guest {
    const char *home;
    const char *argv[ARGUMENTS];
    size_t len;
    const char *env[VARIABLES];
    struct tk_process *process;
};

static void add(struct guest *guest, const char *argument)
{
    guest->argv[guest->len++] = argument;
    ck_assert_uint_lt(guest->len, ARGUMENTS);
}

/* `tarsc run` in a folder and with ports of its own and these further arguments, NULL-terminated.
 */
static struct guest guest_of(const char *first, ...)
{
    uint16_t port = tk_free_port();
    const char *guest_home = tk_dir();
    struct guest guest = {
        .home = guest_home,
        .argv = {tk_program("tarsc"), "run", "--data"},
        .len = 3,
        .env = {tk_text("TARSC_LOCATOR=tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p %u",
                        suite.at[0].query_port),
                "TARS_KEEPALIVE_INTERVAL=300ms", "TARS_CHECK_INTERVAL=300ms",
                tk_text("TARS_RAND_PORT_MIN=%u", port),
                tk_text("TARS_RAND_PORT_MAX=%u", port + 500),
                tk_text("TARS_MERGE_CONF=%s/merge", guest_home)},
    };
    va_list more;
    /* nobody reports, so nobody waits at the end for last reports to leave */
    tk_write_file(tk_text("%s/merge", guest_home),
                  "<tars>\n<application>\n<server>\nlog=\nconfig=\nnotify=\n</server>\n"
                  "<client>\nstat=\nproperty=\n</client>\n</application>\n</tars>\n");
    add(&guest, guest.home);
    va_start(more, first);
    for (const char *argument = first; argument; argument = va_arg(more, const char *))
        add(&guest, argument);
    va_end(more);
    return guest;
}

static const char *self(void)
{
    char path[400] = "";
    ck_assert_int_gt(readlink("/proc/self/exe", path, sizeof path - 1), 0);
    return tk_text("%s", path);
}

#define NAMED "--app", "Demo", "--server", "ShapeServer"
#define SERVANT                                                                                    \
    "--servant", "ShapesObj", "--servant",                                                         \
        "DatagramObj=udp -h ${local_ip} -p ${random_port} -t 10000"
#define SERVE "--", self(), "--config={config}"

static void start(struct guest *guest)
{
    guest->process = tk_spawn(guest->argv, guest->env, NULL);
}

/* Runs it to its end: the status; what it has said must have `part`. */
static int end_of(struct guest *guest, const char *part)
{
    char *said = NULL;
    int status = tk_run(guest->argv, guest->env, REFUSED_MS, &said);
    ck_assert_msg(said && strstr(said, part), "'%s' is not in: %s", part, said);
    free(said);
    return status;
}

static bool said(const struct guest *guest, const char *part)
{
    return tk_output_has(guest->process, part);
}

/* The process of the latest launch; 0: none. */
static pid_t server_of(const struct guest *guest)
{
    static const char text[] = "started as process ";
    char *output = tk_output(guest->process);
    pid_t pid = 0;
    for (const char *at = output; (at = strstr(at, text));)
        pid = (pid_t)atoi(at += strlen(text));
    free(output);
    return pid;
}

static bool listed(const char *wanted)
{
    return strcmp(rk_find(&suite, 0, object), wanted) == 0;
}

static void becomes(const struct guest *guest, const char *wanted)
{
    if (tk_eventually(listed(wanted), SOON_MS))
        return;
    char *output = tk_output(guest->process);
    ck_abort_msg("%s, not %s: %s", rk_find(&suite, 0, object), wanted, output);
}

static void leaves(struct guest *guest, int number, int status)
{
    pid_t pid = server_of(guest);
    tk_signal(guest->process, number);
    ck_assert(tk_wait(guest->process, SOON_MS));
    ck_assert_int_eq(guest->process->status, status);
    ck_assert(pid > 0 && kill(pid, 0) != 0);
    ck_assert(listed("/")); /* it said so before it ended */
}

static void open_suite(void)
{
    rk_open(&suite, "");
}

static void close_suite(void)
{
    rk_close(&suite);
}

/* ---- life
 * ------------------------------------------------------------------------------------------- */

START_TEST(server_is_found_by_name_until_ctrl_c)
{
    struct guest guest = guest_of(NAMED, SERVANT, SERVE, NULL);
    start(&guest);
    becomes(&guest, "127.0.0.1/");
    ck_assert(said(&guest, "Demo.ShapeServer.ShapesObj is to be at tcp -h 127.0.0.1 -p "));
    leaves(&guest, SIGINT, 0);
    ck_assert(said(&guest, "AdminObj was asked to stop")); /* what the server prints is printed */
    ck_assert(said(&guest, "ended with status 0"));
}
END_TEST

START_TEST(metadata_may_come_from_a_file_and_flags_go_over_it)
{
    const char *file = tk_text("%s/meta.yaml", tk_dir());
    uint16_t port = tk_free_port();
    tk_write_file(file, "application: Cloud\nserver: ShapeServer\n"
                        "locator: tars.tarsregistry.QueryObj@tcp -h tars-registry -p 17890\n"
                        "adapters:\n- object: ShapesObj\n- object: DatagramObj\n"
                        "  endpoint: udp -h ${local_ip} -p ${random_port} -t 10000\n");
    struct guest guest = guest_of("--meta", file, "--app", "Demo", "--servant",
                                  tk_text("ShapesObj=%u", port), "--ping", SERVE, NULL);
    start(&guest);
    becomes(&guest, "127.0.0.1/");
    ck_assert(said(&guest, tk_text("ShapesObj is to be at tcp -h 127.0.0.1 -p %u ", port)));
    ck_assert(said(&guest, "DatagramObj is to be at udp -h 127.0.0.1 -p "));
    leaves(&guest, SIGTERM, 0);
}
END_TEST

START_TEST(crash_is_named_and_the_server_comes_back)
{
    struct guest guest = guest_of(NAMED, SERVANT, SERVE, NULL);
    start(&guest);
    becomes(&guest, "127.0.0.1/");
    pid_t before = server_of(&guest);
    ck_assert_int_eq(kill(before, SIGKILL), 0);
    becomes(&guest, "/127.0.0.1");
    becomes(&guest, "127.0.0.1/");
    ck_assert(said(&guest, "was killed by signal 9"));
    ck_assert(said(&guest, "is started again in 1."));
    ck_assert_int_ne(server_of(&guest), before);
    leaves(&guest, SIGHUP, 0);
}
END_TEST

START_TEST(crash_loop_waits_longer_each_time)
{
    struct guest guest = guest_of(NAMED, "--", "sh", "-c", "echo so it goes; exit 3", NULL);
    start(&guest);
    ck_assert(tk_eventually(said(&guest, "is started again in 2."), SOON_MS));
    ck_assert(said(&guest, "so it goes"));
    ck_assert(said(&guest, "Demo.ShapeServer ended with status 3"));
    tk_signal(guest.process, SIGINT);
    ck_assert(tk_wait(guest.process, SOON_MS));
    ck_assert_int_eq(guest.process->status, 0);
}
END_TEST

START_TEST(start_script_may_leave_the_server_in_the_background)
{
    struct guest guest = guest_of(NAMED, SERVANT, "--", "sh", "-c",
                                  tk_text("%s --config=$TARS_CONFIG &", self()), NULL);
    start(&guest);
    becomes(&guest, "127.0.0.1/");
    ck_assert(said(&guest, "goes on as the server"));
    leaves(&guest, SIGINT, 0);
}
END_TEST

/* Heartbeats come every 10 s, which is too seldom for this one. */
START_TEST(server_whose_heartbeats_end_hangs_and_is_started_again)
{
    struct guest guest = guest_of(NAMED, SERVANT, SERVE, NULL);
    guest.env[6] = "TARS_HEARTBEAT_TIMEOUT=2s";
    start(&guest);
    ck_assert(tk_eventually(said(&guest, "hangs and is started again: heartbeat"), SOON_MS));
    ck_assert(tk_eventually(said(&guest, "ended with status 0"), SOON_MS));
    becomes(&guest, "127.0.0.1/");
    leaves(&guest, SIGINT, 0);
}
END_TEST

START_TEST(two_instances_have_nodes_of_their_own)
{
    struct guest one = guest_of(NAMED, SERVANT, SERVE, NULL),
                 two = guest_of(NAMED, SERVANT, "--node", "127.0.0.2", SERVE, NULL);
    start(&one);
    start(&two);
    becomes(&one, "127.0.0.1,127.0.0.2/");
    tk_signal(one.process, SIGINT);
    becomes(&two, "127.0.0.2/");
    leaves(&two, SIGINT, 0);
    ck_assert(tk_wait(one.process, SOON_MS));
    ck_assert_int_eq(one.process->status, 0);
}
END_TEST

START_TEST(drain_serves_on_while_the_registry_hands_it_out_no_more)
{
    struct guest guest = guest_of(NAMED, SERVANT, "--drain", "60s", SERVE, NULL);
    start(&guest);
    becomes(&guest, "127.0.0.1/");
    tk_signal(guest.process, SIGINT);
    becomes(&guest, "/127.0.0.1");
    ck_assert_int_eq(kill(server_of(&guest), 0), 0);
    leaves(&guest, SIGINT, 0); /* the second signal ends the wait */
}
END_TEST

START_TEST(registry_that_is_away_is_told_when_it_comes)
{
    tk_kill(suite.at[0].process);
    struct guest guest = guest_of(NAMED, SERVANT, SERVE, NULL);
    start(&guest);
    ck_assert(tk_eventually(said(&guest, "the server is active"), SOON_MS));
    rk_start(&suite, 0);
    rk_wait_ready(&suite, 0);
    becomes(&guest, "127.0.0.1/");
    leaves(&guest, SIGINT, 0);
}
END_TEST

START_TEST(server_that_does_not_stop_is_killed_and_the_status_says_so)
{
    struct guest guest = guest_of(NAMED, "--", "sh", "-c",
                                  "trap '' TERM; echo deaf; while :; do sleep 1; done", NULL);
    start(&guest);
    ck_assert(tk_eventually(said(&guest, "deaf"), SOON_MS));
    tk_signal(guest.process, SIGINT);
    ck_assert(tk_eventually(said(&guest, "stopping: "), SOON_MS));
    leaves(&guest, SIGINT, 1); /* the second signal ends the patience */
    ck_assert(said(&guest, "was killed by signal 9"));
}
END_TEST

/* It has ended; init may take its time to reap it. */
static bool has_ended(pid_t pid)
{
    char state = 'Z';
    FILE *stat = fopen(tk_text("/proc/%d/stat", (int)pid), "re");
    if (stat && fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
        state = 'Z';
    if (stat)
        fclose(stat);
    return state == 'Z';
}

START_TEST(server_does_not_outlive_it)
{
    struct guest guest = guest_of(NAMED, "--", "sleep", "600", NULL);
    start(&guest);
    ck_assert(tk_eventually(server_of(&guest) > 0, SOON_MS));
    pid_t pid = server_of(&guest);
    tk_kill(guest.process);
    ck_assert(tk_eventually(has_ended(pid), SOON_MS));
}
END_TEST

/* ---- once
 * ----------------------------------------------------------------------------------------- */

START_TEST(what_a_killed_one_left_is_stopped_by_the_next)
{
    struct guest guest;
    const char *file = tk_text("%s/pid", tk_dir());
    guest = guest_of(NAMED, SERVANT, "--", "sh", "-c",
                     tk_text("%s --config=$TARS_CONFIG & echo $! >%s", self(), file), NULL);
    start(&guest);
    becomes(&guest, "127.0.0.1/");
    char *text = tk_read_file(file);
    pid_t left = (pid_t)atoi(text);
    free(text);
    ck_assert_int_gt(left, 1);
    tk_kill(guest.process);
    ck_assert(!has_ended(left));
    start(&guest);
    ck_assert(tk_eventually(
        said(&guest, tk_text("process %d, which an earlier tarsc run left", (int)left)), SOON_MS));
    ck_assert(tk_eventually(has_ended(left), SOON_MS));
    ck_assert(tk_eventually(said(&guest, "the server is active"), SOON_MS));
    ck_assert_int_eq(tk_stop(guest.process, SOON_MS), 0);
}
END_TEST

START_TEST(once_hands_on_the_status_of_the_server)
{
    struct guest seven = guest_of(NAMED, "--once", "--", "sh", "-c", "exit 7", NULL),
                 killed = guest_of(NAMED, "--once", "--", "sh", "-c", "kill -9 $$", NULL);
    ck_assert_int_eq(end_of(&seven, "ended with status 7"), 7);
    ck_assert_int_eq(end_of(&killed, "was killed by signal 9"), 128 + SIGKILL);
    ck_assert(listed("/"));
}
END_TEST

START_TEST(command_finds_its_configuration_by_argument_and_variable)
{
    static const char script[] = "test -s \"$1\" && test \"<$1>\" = \"$2\" && "
                                 "test \"$TARS_CONFIG\" = \"$1\" && "
                                 "test \"$1\" = \"$TARS_PATH/conf/ShapeServer.conf\"";
    struct guest guest = guest_of(NAMED, "--once", "--", "sh", "-c", script, "x", "{config}",
                                  "<{config}>", NULL);
    ck_assert_int_eq(end_of(&guest, "ended with status 0"), 0);
}
END_TEST

/* ---- what is refused
 * ------------------------------------------------------------------------------ */

START_TEST(command_that_cannot_be_run_is_named)
{
    struct guest guest = guest_of(NAMED, SERVANT, "--", "/no/such/server", NULL);
    ck_assert_int_eq(end_of(&guest, "cannot run /no/such/server: No such file"), 1);
    ck_assert(listed("/"));
}
END_TEST

/* In the following nobody listens at the registry's place. */
START_TEST(taken_port_is_named_with_its_servant)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof here;
    int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(other, (struct sockaddr *)&here, len), 0);
    ck_assert_int_eq(listen(other, 1), 0);
    ck_assert_int_eq(getsockname(other, (struct sockaddr *)&here, &len), 0);
    unsigned port = ntohs(here.sin_port);
    struct guest guest = guest_of(NAMED, "--servant", tk_text("ShapesObj=%u", port), SERVE, NULL);
    ck_assert_int_eq(end_of(&guest, tk_text("ShapesObj: port %u on 127.0.0.1 is taken", port)), 1);
    close(other);
}
END_TEST

START_TEST(ctrl_c_works_without_any_registry)
{
    struct guest guest = guest_of(NAMED, "--", "sleep", "600", NULL);
    start(&guest);
    ck_assert(tk_eventually(server_of(&guest) > 0, SOON_MS));
    tk_signal(guest.process, SIGINT);
    ck_assert(tk_wait(guest.process, SOON_MS));
    ck_assert_int_eq(guest.process->status, 0);
    ck_assert_int_ne(kill(server_of(&guest), 0), 0);
}
END_TEST

START_TEST(folder_of_another_one_is_refused)
{
    struct guest guest = guest_of(NAMED, SERVANT, SERVE, NULL);
    start(&guest);
    ck_assert(tk_eventually(server_of(&guest) > 0, SOON_MS));
    ck_assert_int_eq(end_of(&guest, "is in use by another process"), 1);
}
END_TEST

START_TEST(bad_metadata_is_told_with_its_line)
{
    const char *file = tk_text("%s/meta.yaml", tk_dir());
    tk_write_file(file, "application: Demo\nserver: [a, b]\n");
    struct guest guest = guest_of("--meta", file, SERVE, NULL),
                 missing = guest_of("--meta", "/no/such.yaml", SERVE, NULL),
                 name = guest_of("--app", "De/mo", "--server", "S", SERVE, NULL),
                 nameless = guest_of("--app", "Demo", SERVE, NULL);
    ck_assert_int_eq(end_of(&guest, tk_text("tarsc run: %s: line 2: ", file)), 2);
    ck_assert_int_eq(end_of(&missing, "/no/such.yaml"), 2);
    ck_assert_int_eq(end_of(&name, "application 'De/mo' is no name"), 2);
    ck_assert_int_eq(end_of(&nameless, "give --app and --server, or --meta FILE"), 2);
}
END_TEST

START_TEST(wrong_arguments_are_named)
{
    static const struct {
        const char *option, *value, *said;
    } cases[] = {
        {"--servant", "A=tcp -p", "endpoint of A: "},
        {"--servant", "A/B", "object 'A/B' is no name"},
        {"--servant", "A=99999", "servant A=99999: the port is not one of 1 to 65535"},
        {"--set", "a.b", "--set: 'a.b' is no set"},
        {"--node", "localhost", "--node: 'localhost' is no numeric address"},
        {"--drain", "soon", "--drain: TARS_PRESTOP_WAITTIME: 'soon' is no duration"},
        {"--locator", "tars.tarsregistry.QueryObj", "locator"},
        {"--token-file", "/no/such", "/no/such"},
        {"--merge", "/no/such", "/no/such"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct guest guest = guest_of(NAMED, cases[i].option, cases[i].value, SERVE, NULL);
        ck_assert_int_eq(end_of(&guest, cases[i].said), i < 7 ? 2 : 1);
    }
    struct guest nothing = guest_of(NAMED, NULL), strange = guest_of("--strange", NULL),
                 help = guest_of("--help", NULL);
    ck_assert_int_eq(end_of(&nothing, "there is no command to run"), 2);
    ck_assert_int_eq(end_of(&strange, "tarsc run --help shows"), 2);
    ck_assert_int_eq(end_of(&help, "Usage: tarsc run"), 0);
}
END_TEST

static int run_tests(void)
{
    Suite *all = suite_create("tarsc run");
    TCase *tc = tcase_create("life");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, open_suite, close_suite);
    tcase_add_test(tc, server_is_found_by_name_until_ctrl_c);
    tcase_add_test(tc, metadata_may_come_from_a_file_and_flags_go_over_it);
    tcase_add_test(tc, crash_is_named_and_the_server_comes_back);
    tcase_add_test(tc, crash_loop_waits_longer_each_time);
    tcase_add_test(tc, start_script_may_leave_the_server_in_the_background);
    tcase_add_test(tc, server_whose_heartbeats_end_hangs_and_is_started_again);
    tcase_add_test(tc, two_instances_have_nodes_of_their_own);
    tcase_add_test(tc, drain_serves_on_while_the_registry_hands_it_out_no_more);
    tcase_add_test(tc, registry_that_is_away_is_told_when_it_comes);
    tcase_add_test(tc, server_that_does_not_stop_is_killed_and_the_status_says_so);
    tcase_add_test(tc, server_does_not_outlive_it);
    tcase_add_test(tc, what_a_killed_one_left_is_stopped_by_the_next);
    tcase_add_test(tc, once_hands_on_the_status_of_the_server);
    tcase_add_test(tc, command_finds_its_configuration_by_argument_and_variable);
    tcase_add_test(tc, command_that_cannot_be_run_is_named);
    suite_add_tcase(all, tc);
    tc = tcase_create("without a registry");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, taken_port_is_named_with_its_servant);
    tcase_add_test(tc, ctrl_c_works_without_any_registry);
    tcase_add_test(tc, folder_of_another_one_is_refused);
    tcase_add_test(tc, bad_metadata_is_told_with_its_line);
    tcase_add_test(tc, wrong_arguments_are_named);
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
