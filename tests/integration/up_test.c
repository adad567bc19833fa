/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tarsc up beside daemons that are this very program under other names: how it starts, watches and
 * stops them, also when they misbehave.
 */
#include <arpa/inet.h>
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "daemon/daemon.h"
#include "testkit.h"

enum { STORE_HTTP = 24201, STORE_PORT = 24200, REGISTRY_HTTP = 24892, MOST_CALLS = 32 };
static const uint16_t ports[] = {STORE_HTTP, STORE_PORT, REGISTRY_HTTP};

/* ---- the daemons
 * ---------------------------------------------------------------------------------- */

struct state {
    struct daemon *daemon;
    const char *name;
};

/* One line into the journal of the suite, which lies beside the daemons' data folders. */
static void note(const struct state *s, const char *what)
{
    char *path = xasprintf("%s/../journal", daemon_data(s->daemon));
    FILE *journal = fopen(path, "ae");
    if (journal) {
        fprintf(journal, "%s %s\n", s->name, what);
        fclose(journal);
    }
    free(path);
}

static bool open_state(struct daemon *daemon, const char *name, void **self,
                       struct tars_error *error)
{
    if (strcmp(daemon_text(daemon, "mode"), "broken") == 0)
        return tars_fail(error, -1, "broken on request");
    struct state *s = xcalloc(1, sizeof *s);
    *s = (struct state){daemon, name};
    *self = s;
    return true;
}

static bool open_store(struct daemon *daemon, void **self, struct tars_error *error)
{
    return open_state(daemon, "store", self, error);
}

static bool open_registry(struct daemon *daemon, void **self, struct tars_error *error)
{
    return open_state(daemon, "registry", self, error);
}

static void on_started(void *self)
{
    note(self, "started");
}

static void on_stopping(void *self)
{
    struct state *s = self;
    note(s, "stopping");
    if (strcmp(daemon_text(s->daemon, "mode"), "slow") == 0)
        tk_sleep(30000);
}

static const struct daemon_key keys[] = {
    {.name = "mode", .fallback = "good", .help = "how to behave"},
    {.name = "port", .kind = DAEMON_PORT, .port = STORE_PORT, .help = "a port"},
};
static const struct daemon_info store = {.name = "tarselasticsearch",
                                         .about = "stands for the store",
                                         .domain = "/tars/store",
                                         .http_port = STORE_HTTP,
                                         .needs_data = true,
                                         .keys = keys,
                                         .key_count = 2,
                                         .open = open_store,
                                         .started = on_started,
                                         .stopping = on_stopping,
                                         .close = free};
static const struct daemon_info registry = {.name = "tarsregistry",
                                            .about = "stands for the registry",
                                            .domain = "/tars/registry",
                                            .http_port = REGISTRY_HTTP,
                                            .needs_data = true,
                                            .keys = keys,
                                            .key_count = 1,
                                            .open = open_registry,
                                            .started = on_started,
                                            .stopping = on_stopping,
                                            .close = free};

/* ---- suites
 * --------------------------------------------------------------------------------------------- */

struct up {
    const char *bin;
    const char *data;
    int offset;
    struct tk_process *process;
};

static void copy(const char *from, const char *to)
{
    const char *argv[] = {"cp", from, to, NULL};
    ck_assert_int_eq(tk_run(argv, NULL, 10000, NULL), 0);
}

static const char *self_path(void)
{
    char path[400] = "";
    ck_assert_int_gt(readlink("/proc/self/exe", path, sizeof path - 1), 0);
    return tk_text("%s", path);
}

/* A folder with tarsc and the two daemons. */
static const char *install(void)
{
    const char *bin = tk_dir();
    copy(tk_program("tarsc"), tk_text("%s/tarsc", bin));
    copy(self_path(), tk_text("%s/tarselasticsearch", bin));
    copy(self_path(), tk_text("%s/tarsregistry", bin));
    return bin;
}

/* `config` is the text of a file, or NULL. */
static struct up start(const char *bin, const char *data, const char *config)
{
    struct up up = {.bin = bin, .data = data, .offset = tk_free_offset(ports, 3)};
    const char *file = config ? tk_text("%s/config", tk_dir()) : NULL;
    if (file)
        tk_write_file(file, config);
    const char *argv[] = {
        tk_text("%s/tarsc", bin), "up", "--data", data, "--port-offset", tk_text("%d", up.offset),
        file ? "--config" : NULL, file, NULL};
    up.process = tk_spawn(argv, NULL, NULL);
    return up;
}

static struct up start_good(void)
{
    struct up up = start(install(), tk_dir(), NULL);
    ck_assert_msg(tk_eventually(tk_output_has(up.process, "Ctrl-C"), 20000), "%s",
                  tk_output(up.process));
    return up;
}

static bool ready(const struct up *up, int port)
{
    return tk_http((uint16_t)(port + up->offset), "GET", "/readyz", NULL, NULL) == 200;
}

static void assert_journal(const struct up *up, const char *wanted)
{
    char *journal = tk_read_file(tk_text("%s/journal", up->data));
    ck_assert_ptr_nonnull(journal);
    ck_assert_str_eq(journal, wanted);
    free(journal);
}

static pid_t pid_of(const struct up *up, const char *daemon)
{
    char *text = tk_read_file(tk_text("%s/%s/lock", up->data, daemon));
    ck_assert_ptr_nonnull(text);
    pid_t pid = (pid_t)strtol(text, NULL, 10);
    free(text);
    ck_assert_int_gt(pid, 1);
    return pid;
}

static void assert_ends(struct up *up, int status, const char *reason)
{
    ck_assert(tk_wait(up->process, 20000));
    char *output = tk_output(up->process);
    ck_assert_msg(strstr(output, reason), "'%s' does not say '%s'", output, reason);
    ck_assert_int_eq(up->process->status, status);
    free(output);
}

/* ---- tests
 * -----------------------------------------------------------------------------------------------
 */

START_TEST(it_starts_in_order_and_stops_in_reverse)
{
    struct up up = start_good();
    ck_assert(ready(&up, STORE_HTTP));
    ck_assert(ready(&up, REGISTRY_HTTP));
    ck_assert(tk_output_has(up.process,
                            tk_text("http://127.0.0.1:%d/healthz", REGISTRY_HTTP + up.offset)));
    ck_assert(tk_output_has(up.process, tk_text("127.0.0.1:%d\n", STORE_PORT + up.offset)));
    ck_assert_int_eq(tk_stop(up.process, 20000), 0);
    assert_journal(&up, "store started\nregistry started\nregistry stopping\nstore stopping\n");
    ck_assert(!ready(&up, STORE_HTTP));
}
END_TEST

START_TEST(two_suites_run_side_by_side)
{
    struct up a = start_good(), b = start_good();
    ck_assert(ready(&a, REGISTRY_HTTP) && ready(&b, REGISTRY_HTTP));
    ck_assert_int_eq(tk_stop(a.process, 20000), 0);
    ck_assert(ready(&b, REGISTRY_HTTP));
    ck_assert_int_eq(tk_stop(b.process, 20000), 0);
}
END_TEST

START_TEST(a_second_suite_in_the_same_folder_is_refused)
{
    struct up first = start_good(), second = start(first.bin, first.data, NULL);
    assert_ends(&second, 1, tk_text("in use by another process (%d)", (int)first.process->pid));
    ck_assert(ready(&first, REGISTRY_HTTP));
}
END_TEST

START_TEST(a_daemon_that_fails_to_start_ends_all_with_its_reason)
{
    struct up up = start(install(), tk_dir(),
                         "<tars>\n<registry>\nmode=broken\n</registry>\n</tars>\n");
    assert_ends(&up, 1, "tarsregistry: broken on request");
    ck_assert(tk_output_has(up.process, "tarsc up: tarsregistry ended with status 1"));
    assert_journal(&up, "store started\nstore stopping\n");
}
END_TEST

START_TEST(a_port_that_is_taken_is_told_with_a_way_out)
{
    struct up up = {.bin = install(), .data = tk_dir(), .offset = tk_free_offset(ports, 3)};
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)(STORE_HTTP + up.offset)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    char *output;
    const char *argv[] = {tk_text("%s/tarsc", up.bin), "up", "--data", up.data, "--port-offset",
                          tk_text("%d", up.offset),    NULL};
    ck_assert_int_eq(tk_run(argv, NULL, 30000, &output), 1);
    ck_assert_msg(strstr(output, "tarsc up --port-offset"), "%s", output);
    free(output);
    close(fd);
}
END_TEST

START_TEST(a_daemon_that_is_killed_comes_back_and_its_end_is_named)
{
    struct up up = start_good();
    kill(pid_of(&up, "tarselasticsearch"), SIGKILL);
    ck_assert(tk_eventually(
        tk_output_has(up.process, "tarsc up: tarselasticsearch was killed by signal 9 (Killed)"),
        10000));
    ck_assert(tk_eventually(
        tk_output_has(up.process, "tarsc up: tarselasticsearch is started again in 1."), 10000));
    ck_assert(tk_eventually(ready(&up, STORE_HTTP), 20000));
    ck_assert(ready(&up, REGISTRY_HTTP));
    ck_assert_int_eq(tk_stop(up.process, 20000), 0);
    assert_journal(&up, "store started\nregistry started\nstore started\nregistry stopping\n"
                        "store stopping\n");
}
END_TEST

START_TEST(a_second_signal_kills_what_does_not_stop)
{
    struct up up = start(install(), tk_dir(),
                         "<tars>\n<registry>\nmode=slow\n</registry>\n</tars>\n");
    ck_assert(tk_eventually(tk_output_has(up.process, "Ctrl-C"), 20000));
    int64_t begin = tk_ms();
    tk_signal(up.process, SIGINT);
    char *journal = NULL;
    ck_assert(tk_eventually((free(journal), journal = tk_read_file(tk_text("%s/journal", up.data)),
                             strstr(journal, "registry stopping")),
                            10000));
    free(journal);
    tk_signal(up.process, SIGTERM);
    ck_assert(tk_wait(up.process, 10000));
    ck_assert_int_lt(tk_ms() - begin, 10000);
    ck_assert_int_eq(up.process->status, 0);
}
END_TEST

START_TEST(a_killed_tarsc_leaves_no_daemon_behind)
{
    struct up up = start_good();
    pid_t store_pid = pid_of(&up, "tarselasticsearch"), registry_pid = pid_of(&up, "tarsregistry");
    tk_kill(up.process);
    ck_assert(tk_eventually(kill(store_pid, 0) != 0 && kill(registry_pid, 0) != 0, 10000));
}
END_TEST

/* ---- a suite that runs is steered
 * ----------------------------------------------------------------- */

/* `tarsc VERB --data DATA [NAME]`: its status, and what it says in *output. */
static int steer(const struct up *up, const char *verb, const char *name, char **output)
{
    const char *argv[] = {tk_text("%s/tarsc", up->bin), verb, "--data", up->data, name, NULL};
    return tk_run(argv, NULL, 40000, output);
}

static void assert_steered(const struct up *up, const char *verb, const char *name, int status,
                           const char *says)
{
    char *output;
    int ended = steer(up, verb, name, &output);
    ck_assert_msg(ended == status && strstr(output, says), "tarsc %s: %d, '%s'", verb, ended,
                  output);
    free(output);
}

START_TEST(daemons_are_shown_stopped_and_started_again)
{
    struct up up = start_good();
    pid_t before = pid_of(&up, "tarsregistry");
    assert_steered(&up, "ps", NULL, 0, tk_text("%d", (int)before));
    assert_steered(&up, "stop", "tarsregistry", 0, "tarsregistry is stopped");
    ck_assert(!ready(&up, REGISTRY_HTTP));
    assert_steered(&up, "stop", "tarsregistry", 0, "stopped already");
    assert_steered(&up, "ps", NULL, 0, "tarsregistry       inactive             -");
    assert_steered(&up, "restart", "tarsregistry", 0, "tarsregistry is ready");
    ck_assert(ready(&up, REGISTRY_HTTP));
    assert_steered(&up, "restart", "tarselasticsearch", 0, "tarselasticsearch is ready");
    assert_steered(&up, "stop", "nothing", 1, "there is no daemon of that name");
    assert_steered(&up, "stop", NULL, 2, "tarsc stop --help");
    assert_steered(&up, "stop", "a daemon", 1, "'a daemon' cannot be the name of a daemon");
    assert_steered(&up, "logs", "tarsregistry", 0, "tarsregistry");
    assert_steered(&up, "logs", "../lock", 2, "tarsc logs --help");
    assert_steered(&up, "logs", "nothing", 1, "No such file");
    assert_steered(&up, "down", NULL, 0, "all are stopped");
    ck_assert(tk_wait(up.process, 10000));
    ck_assert_int_eq(up.process->status, 0);
    assert_steered(&up, "ps", NULL, 1, "no suite runs in");
    assert_steered(&up, "down", NULL, 1, "no suite runs in");
}
END_TEST

START_TEST(logs_show_the_end_and_follow_over_a_change_of_file)
{
    struct up up = {.bin = install(), .data = tk_dir()};
    const char *log = tk_text("%s/x.log", up.data), *old = tk_text("%s/x.log.1", up.data);
    tk_write_file(log, "one\ntwo\nthree\n");
    const char *argv[] = {
        tk_text("%s/tarsc", up.bin), "logs", "--data", up.data, "-n", "2", "-f", "x", NULL};
    struct tk_process *follower = tk_spawn(argv, NULL, NULL);
    ck_assert(tk_eventually(tk_output_has(follower, "two\nthree\n"), 10000));
    ck_assert(!tk_output_has(follower, "one"));
    ck_assert_int_eq(rename(log, old), 0);
    tk_write_file(log, "four\n");
    ck_assert(tk_eventually(tk_output_has(follower, "three\nfour\n"), 10000));
    tk_write_file(log, "5\n"); /* emptied and written anew */
    ck_assert(tk_eventually(tk_output_has(follower, "four\n5\n"), 10000));
    tk_kill(follower);
    char *output;
    const char *none[] = {argv[0], "logs", "--data", up.data, "-n", "0", "x", NULL};
    ck_assert_int_eq(tk_run(none, NULL, 10000, &output), 0);
    ck_assert_str_eq(output, "");
    free(output);
}
END_TEST

static int connect_control(const struct up *up)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/control", up->data);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void send_control(const struct up *up, const char *bytes, size_t len, const char *answer)
{
    char text[200] = "";
    int fd = connect_control(up);
    ck_assert(tk_send(fd, bytes, len));
    shutdown(fd, SHUT_WR);
    ssize_t got = read(fd, text, sizeof text - 1);
    ck_assert_msg(strncmp(text, answer, strlen(answer)) == 0, "'%s' (%zd)", text, got);
    close(fd);
}

START_TEST(the_control_socket_is_the_owners_and_takes_no_nonsense)
{
    struct up up = start_good();
    struct stat about;
    char nonsense[600];
    memset(nonsense, 'x', sizeof nonsense);
    ck_assert_int_eq(stat(tk_text("%s/control", up.data), &about), 0);
    ck_assert_int_eq(about.st_mode & 0777, 0600);
    send_control(&up, "hello\n", 6, "error\nthat is no request");
    send_control(&up, "tarsc 2 ps\n", 11, "error\nthe running tarsc speaks version 1");
    send_control(&up, "tarsc 1 explode\n", 16, "error\nthe running tarsc does not know");
    send_control(&up, "tarsc 1 stop a b\n", 17, "error\nthat is no request");
    send_control(&up, "\0\0\n", 3, "error\nthat is no request");
    send_control(&up, nonsense, sizeof nonsense, "error\nthe request is too long");
    send_control(&up, "tarsc 1 ps", 10, ""); /* the end of the line never comes */
    send_control(&up, "tarsc 1 ps\n", 11, "ok\nNAME ");
    int silent[MOST_CALLS];
    for (int i = 0; i < MOST_CALLS; i++)
        silent[i] = connect_control(&up);
    assert_steered(&up, "ps", NULL, 1, "it is busy with other commands");
    for (int i = 0; i < MOST_CALLS; i++)
        close(silent[i]);
    ck_assert_int_eq(tk_stop(up.process, 20000), 0);
    ck_assert_int_ne(access(tk_text("%s/control", up.data), F_OK), 0);
}
END_TEST

/* `tarsc up --detach`: what it says, with its status. */
static int detach(const struct up *up, int offset, const char *how, char **output)
{
    const char *argv[] = {"sh",
                          "-c",
                          tk_text("exec \"$@\" %s", how),
                          "sh",
                          tk_text("%s/tarsc", up->bin),
                          "up",
                          "--data",
                          up->data,
                          "--port-offset",
                          tk_text("%d", offset),
                          "--detach",
                          NULL};
    return tk_run(argv, NULL, 30000, output);
}

/* A detached suite in a new folder. */
static struct up start_detached(const char *how)
{
    struct up up = {.bin = install(), .data = tk_dir(), .offset = tk_free_offset(ports, 3)};
    char *output;
    ck_assert_int_eq(detach(&up, up.offset, how, &output), 0);
    ck_assert_msg(*how || strstr(output, "It runs in the background"), "%s", output);
    free(output);
    return up;
}

static pid_t tarsc_of(const struct up *up)
{
    char *text = tk_read_file(tk_text("%s/lock", up->data));
    pid_t tarsc = (pid_t)strtol(text, NULL, 10);
    free(text);
    ck_assert_int_gt(tarsc, 1);
    return tarsc;
}

static void kill_tarsc(const struct up *up)
{
    char *text;
    kill(tarsc_of(up), SIGKILL);
    ck_assert(tk_eventually(steer(up, "ps", NULL, &text) == 1 && (free(text), true), 10000));
}

START_TEST(a_detached_suite_outlives_the_kill_of_tarsc)
{
    struct up up = start_detached("");
    char *output;
    pid_t store_pid = pid_of(&up, "tarselasticsearch");
    kill_tarsc(&up);
    ck_assert(ready(&up, STORE_HTTP) && ready(&up, REGISTRY_HTTP));
    ck_assert_int_eq(detach(&up, up.offset, "", &output), 0);
    ck_assert_msg(strstr(output, "tarselasticsearch runs already"), "%s", output);
    free(output);
    ck_assert_int_eq(pid_of(&up, "tarselasticsearch"), store_pid);
    assert_steered(&up, "restart", "tarsregistry", 0, "tarsregistry is ready");
    assert_steered(&up, "ps", NULL, 0, "        1  \n"); /* restarts */
    assert_steered(&up, "down", NULL, 0, "all are stopped");
    ck_assert(tk_eventually(kill(store_pid, 0) != 0, 10000));
    ck_assert(!ready(&up, REGISTRY_HTTP));
}
END_TEST

START_TEST(what_is_found_with_other_arguments_is_started_anew)
{
    struct up up = start_detached(""), old = up;
    char *output;
    kill_tarsc(&up);
    up.offset = tk_free_offset(ports, 3);
    ck_assert_int_eq(detach(&up, up.offset, "", &output), 0);
    ck_assert_msg(strstr(output, "tarsregistry runs with other arguments"), "%s", output);
    free(output);
    ck_assert(ready(&up, STORE_HTTP) && ready(&up, REGISTRY_HTTP));
    ck_assert(!ready(&old, STORE_HTTP) && !ready(&old, REGISTRY_HTTP));
    assert_steered(&up, "down", NULL, 0, "all are stopped");
}
END_TEST

START_TEST(what_is_found_is_ready_only_when_it_says_so_again)
{
    struct up up = start_detached("");
    pid_t store_pid = pid_of(&up, "tarselasticsearch");
    kill_tarsc(&up);
    kill(store_pid, SIGSTOP);
    const char *argv[] = {
        tk_text("%s/tarsc", up.bin), "up",       "--data", up.data, "--port-offset",
        tk_text("%d", up.offset),    "--detach", NULL};
    up.process = tk_spawn(argv, NULL, NULL);
    ck_assert(tk_eventually(tk_output_has(up.process, "is not ready any more"), 10000));
    ck_assert(!tk_output_has(up.process, "It runs"));
    assert_steered(&up, "stop", "tarselasticsearch", 1, "the suite is still being started");
    assert_steered(&up, "restart", "tarsregistry", 1, "the suite is still being started");
    kill(store_pid, SIGCONT);
    ck_assert(tk_wait(up.process, 10000));
    ck_assert_int_eq(up.process->status, 0);
    ck_assert(tk_output_has(up.process, "It runs"));
    assert_steered(&up, "down", NULL, 0, "all are stopped");
}
END_TEST

START_TEST(nohup_keeps_it_running)
{
    struct up up = {.bin = install(), .data = tk_dir(), .offset = tk_free_offset(ports, 3)};
    const char *argv[] = {"sh",
                          "-c",
                          "trap '' HUP; exec \"$@\"",
                          "sh",
                          tk_text("%s/tarsc", up.bin),
                          "up",
                          "--data",
                          up.data,
                          "--port-offset",
                          tk_text("%d", up.offset),
                          NULL};
    up.process = tk_spawn(argv, NULL, NULL);
    ck_assert(tk_eventually(tk_output_has(up.process, "Ctrl-C"), 20000));
    tk_signal(up.process, SIGHUP);
    assert_steered(&up, "ps", NULL, 0, "tarsregistry       active");
    ck_assert(!tk_wait(up.process, 200));
    ck_assert_int_eq(tk_stop(up.process, 20000), 0);
}
END_TEST

START_TEST(a_control_socket_that_cannot_be_made_is_named)
{
    const char *bin = install(), *data = tk_dir();
    ck_assert_int_eq(mkdir(tk_text("%s/control", data), 0700), 0);
    struct up up = start(bin, data, NULL);
    assert_ends(&up, 1, tk_text("cannot make the socket %s/control", data));
}
END_TEST

START_TEST(a_detached_start_that_is_interrupted_leaves_nothing)
{
    struct up up = start_detached("");
    pid_t store_pid = pid_of(&up, "tarselasticsearch");
    kill_tarsc(&up);
    kill(store_pid, SIGSTOP);
    const char *argv[] = {
        tk_text("%s/tarsc", up.bin), "up",       "--data", up.data, "--port-offset",
        tk_text("%d", up.offset),    "--detach", NULL};
    up.process = tk_spawn(argv, NULL, NULL);
    ck_assert(tk_eventually(tk_output_has(up.process, "is not ready any more"), 10000));
    tk_signal(up.process, SIGINT);
    ck_assert(tk_wait(up.process, 10000));
    kill(store_pid, SIGCONT);
    ck_assert(tk_eventually(!ready(&up, STORE_HTTP) && !ready(&up, REGISTRY_HTTP), 10000));
    char *output;
    ck_assert(tk_eventually(steer(&up, "ps", NULL, &output) == 1 && (free(output), true), 10000));
}
END_TEST

START_TEST(a_start_without_open_files_works_all_the_same)
{
    struct up up = start_detached("9>&1 <&- >&- 2>&-");
    char name[100] = "";
    ck_assert(readlink(tk_text("/proc/%d/fd/9", (int)tarsc_of(&up)), name, sizeof name - 1) < 0 ||
              !strstr(name, "tars-test")); /* the caller's files are let go */
    ck_assert(ready(&up, STORE_HTTP) && ready(&up, REGISTRY_HTTP));
    assert_steered(&up, "ps", NULL, 0, "tarsregistry       active");
    char *output;
    const char *full[] = {
        "sh",    "-c", "exec \"$@\" >/dev/full", "sh", tk_text("%s/tarsc", up.bin), "ps", "--data",
        up.data, NULL};
    ck_assert_int_eq(tk_run(full, NULL, 10000, &output), 1);
    ck_assert_msg(strstr(output, "what it prints cannot be written"), "%s", output);
    free(output);
    assert_steered(&up, "down", NULL, 0, "all are stopped");
}
END_TEST

START_TEST(a_daemon_without_open_files_prints_into_none_of_its_own)
{
    struct up up = {.bin = install(), .data = tk_dir(), .offset = tk_free_offset(ports, 3)};
    const char *argv[] = {"sh",
                          "-c",
                          "exec \"$@\" <&- >&- 2>&-",
                          "sh",
                          tk_text("%s/tarsregistry", up.bin),
                          tk_text("--data=%s/tarsregistry", up.data),
                          tk_text("--port-offset=%d", up.offset),
                          NULL};
    up.process = tk_spawn(argv, NULL, NULL);
    ck_assert(tk_eventually(ready(&up, REGISTRY_HTTP), 20000));
    for (int fd = 0; fd < 3; fd++) {
        char name[100] = "";
        ck_assert_int_gt(
            readlink(tk_text("/proc/%d/fd/%d", (int)up.process->pid, fd), name, sizeof name - 1),
            0);
        ck_assert_str_eq(name, "/dev/null");
    }
    ck_assert_int_eq(tk_stop(up.process, 20000), 0);
}
END_TEST

START_TEST(who_waits_hears_when_another_one_wants_otherwise)
{
    struct up up = start_good();
    pid_t pid = pid_of(&up, "tarsregistry");
    const char *tarsc = tk_text("%s/tarsc", up.bin);
    const char *stop[] = {tarsc, "stop", "--data", up.data, "tarsregistry", NULL};
    const char *restart[] = {tarsc, "restart", "--data", up.data, "tarsregistry", NULL};
    kill(pid, SIGSTOP); /* so that it does not end at once */
    struct tk_process *first = tk_spawn(stop, NULL, NULL);
    char *output = NULL;
    ck_assert(tk_eventually(
        (free(output), steer(&up, "ps", NULL, &output) == 0 && strstr(output, "deactivating")),
        10000));
    free(output);
    struct tk_process *second = tk_spawn(restart, NULL, NULL);
    ck_assert(tk_wait(first, 10000));
    ck_assert_int_eq(first->status, 1);
    ck_assert(tk_output_has(first, "tarsregistry was told to start meanwhile"));
    struct tk_process *third = tk_spawn(stop, NULL, NULL);
    ck_assert(tk_wait(second, 10000));
    ck_assert_int_eq(second->status, 1);
    ck_assert(tk_output_has(second, "tarsregistry was told to stop meanwhile"));
    kill(pid, SIGCONT);
    ck_assert(tk_wait(third, 10000));
    ck_assert_int_eq(third->status, 0);
    ck_assert_int_eq(tk_stop(up.process, 20000), 0);
}
END_TEST

START_TEST(a_detached_start_that_fails_says_why)
{
    const char *bin = install(), *data = tk_dir(), *file = tk_text("%s/config", tk_dir());
    tk_write_file(file, "<tars>\n<registry>\nmode=broken\n</registry>\n</tars>\n");
    const char *argv[] = {tk_text("%s/tarsc", bin),
                          "up",
                          "--data",
                          data,
                          "--detach",
                          "--config",
                          file,
                          "--port-offset",
                          tk_text("%d", tk_free_offset(ports, 3)),
                          NULL};
    char *output;
    ck_assert_int_eq(tk_run(argv, NULL, 30000, &output), 1);
    ck_assert_msg(strstr(output, "tarsregistry ended with status 1"), "%s", output);
    ck_assert_msg(strstr(output, "broken on request"), "%s", output);
    free(output);
    struct up up = {.bin = bin, .data = data, .offset = 70000};
    ck_assert_int_eq(detach(&up, up.offset, "2>/dev/null", &output), 2);
    ck_assert_str_eq(output, "");
    free(output);
}
END_TEST

START_TEST(an_offset_out_of_range_is_refused_before_anything_starts)
{
    static const char *const offsets[][2] = {
        {"60000", "port offset 60000 moves port 24201 (http-port) to 84201, out of 1 to 65535"},
        {"-30000", "out of 1 to 65535"},
        {"x", "--port-offset is 'x'"}};
    const char *bin = install();
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        const char *data = tk_dir();
        const char *argv[] = {tk_text("%s/tarsc", bin), "up",          "--data", data,
                              "--port-offset",          offsets[i][0], NULL};
        char *output;
        ck_assert_int_eq(tk_run(argv, NULL, 10000, &output), 2);
        ck_assert_msg(strstr(output, offsets[i][1]), "%s", output);
        ck_assert_int_ne(access(tk_text("%s/tarselasticsearch", data), F_OK), 0);
        free(output);
    }
}
END_TEST

START_TEST(a_bad_configuration_is_refused_before_anything_starts)
{
    struct up up = start(install(), tk_dir(),
                         "<tars>\n<registry>\nhttp-port=x\n</registry>\n</tars>\n");
    assert_ends(&up, 2, "must be a port");
    ck_assert_int_ne(access(tk_text("%s/journal", up.data), F_OK), 0);
    struct up deaf = start(up.bin, tk_dir(),
                           "<tars>\n<registry>\nhttp-port=0\n</registry>\n</tars>\n");
    assert_ends(&deaf, 2, "tarsregistry has no HTTP port");
}
END_TEST

START_TEST(a_missing_daemon_names_itself)
{
    const char *bin = install();
    unlink(tk_text("%s/tarsregistry", bin));
    struct up up = start(bin, tk_dir(), NULL);
    assert_ends(&up, 2, "/tarsregistry: No such file or directory");
}
END_TEST

START_TEST(wrong_arguments_are_refused_and_help_is_given)
{
    static const struct {
        const char *argument;
        int status;
        const char *says;
    } rows[] = {{"--help", 0, "Usage: tarsc up"},
                {"--what", 2, "unrecognized option '--what'"},
                {"what", 2, "'what' is no option"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *argv[] = {tk_program("tarsc"), "up", rows[i].argument, NULL};
        char *output;
        ck_assert_int_eq(tk_run(argv, NULL, 10000, &output), rows[i].status);
        ck_assert_msg(strstr(output, rows[i].says), "%s", output);
        free(output);
    }
}
END_TEST

START_TEST(an_unknown_command_is_refused)
{
    const char *argv[] = {tk_program("tarsc"), "upp", NULL};
    char *output;
    ck_assert_int_eq(tk_run(argv, NULL, 10000, &output), 2);
    ck_assert_ptr_nonnull(strstr(output, "there is no command 'upp'"));
    free(output);
}
END_TEST

static const char *program_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

int main(int argc, char **argv)
{
    if (strcmp(program_name(argv[0]), "tarselasticsearch") == 0)
        return daemon_main(argc, argv, &store);
    if (strcmp(program_name(argv[0]), "tarsregistry") == 0)
        return daemon_main(argc, argv, &registry);
    Suite *suite = suite_create("up");
    TCase *tc = tcase_create("up");
    tcase_set_timeout(tc, 90);
    tcase_add_test(tc, it_starts_in_order_and_stops_in_reverse);
    tcase_add_test(tc, two_suites_run_side_by_side);
    tcase_add_test(tc, a_second_suite_in_the_same_folder_is_refused);
    tcase_add_test(tc, a_daemon_that_fails_to_start_ends_all_with_its_reason);
    tcase_add_test(tc, a_port_that_is_taken_is_told_with_a_way_out);
    tcase_add_test(tc, a_daemon_that_is_killed_comes_back_and_its_end_is_named);
    tcase_add_test(tc, a_second_signal_kills_what_does_not_stop);
    tcase_add_test(tc, a_killed_tarsc_leaves_no_daemon_behind);
    tcase_add_test(tc, daemons_are_shown_stopped_and_started_again);
    tcase_add_test(tc, logs_show_the_end_and_follow_over_a_change_of_file);
    tcase_add_test(tc, the_control_socket_is_the_owners_and_takes_no_nonsense);
    tcase_add_test(tc, a_detached_suite_outlives_the_kill_of_tarsc);
    tcase_add_test(tc, what_is_found_with_other_arguments_is_started_anew);
    tcase_add_test(tc, what_is_found_is_ready_only_when_it_says_so_again);
    tcase_add_test(tc, nohup_keeps_it_running);
    tcase_add_test(tc, a_control_socket_that_cannot_be_made_is_named);
    tcase_add_test(tc, a_detached_start_that_is_interrupted_leaves_nothing);
    tcase_add_test(tc, a_start_without_open_files_works_all_the_same);
    tcase_add_test(tc, a_daemon_without_open_files_prints_into_none_of_its_own);
    tcase_add_test(tc, who_waits_hears_when_another_one_wants_otherwise);
    tcase_add_test(tc, a_detached_start_that_fails_says_why);
    tcase_add_test(tc, an_offset_out_of_range_is_refused_before_anything_starts);
    tcase_add_test(tc, a_bad_configuration_is_refused_before_anything_starts);
    tcase_add_test(tc, a_missing_daemon_names_itself);
    tcase_add_test(tc, wrong_arguments_are_refused_and_help_is_given);
    tcase_add_test(tc, an_unknown_command_is_refused);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
