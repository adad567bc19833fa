/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether a supervisor knows how its servers are: every kind of check, together, and heartbeats. */
#include <arpa/inet.h>
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "nursery.h"
#include "supervise/proc.h"

enum { QUICK = 20 };

#define QUICK_CHECK .interval_ms = QUICK, .retry_ms = QUICK, .timeout_ms = 300

static int listen_on(int kind, uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, kind | SOCK_CLOEXEC, 0), one = 1;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    if (kind == SOCK_STREAM)
        ck_assert_int_eq(listen(fd, 100), 0);
    return fd;
}

static struct sup_server *add_checked(struct nursery *n, const char *name,
                                      const struct sup_check *checks, size_t count, int need)
{
    struct sup_spec spec = {.checks = checks, .check_count = count, .need = need};
    struct sup_server *s = nursery_add(n, name, "exec sleep 600", &spec);
    sup_start(s);
    return s;
}

static bool becomes(struct nursery *n, const struct sup_server *s, enum sup_present present)
{
    return nursery_until(n, nursery_present(s) == present, 5000);
}

static pid_t read_pid(const char *path)
{
    char *text = tk_read_file(path);
    pid_t pid = text ? (pid_t)strtol(text, NULL, 10) : 0;
    free(text);
    return pid;
}

/* ---- ports
 * ---------------------------------------------------------------------------------------- */

START_TEST(tcp_and_udp_ports_decide)
{
    struct nursery *n = nursery_new(NULL);
    uint16_t port = tk_free_port();
    const struct sup_check checks[] = {
        {.kind = SUP_CHECK_TCP, .host = "127.0.0.1", .port = port, QUICK_CHECK},
        {.kind = SUP_CHECK_UDP, .host = "127.0.0.1", .port = port, QUICK_CHECK}};
    struct sup_server *s = add_checked(n, "ports", checks, 2, 0);
    struct sup_status status;
    nursery_until(n, false, 150);
    sup_status(s, &status);
    ck_assert_int_eq(status.state.present, SUP_ACTIVATING);
    ck_assert_ptr_nonnull(strstr(status.reason, "no UDP socket is bound"));
    int tcp = listen_on(SOCK_STREAM, port);
    nursery_until(n, false, 100);
    ck_assert_int_eq(nursery_present(s), SUP_ACTIVATING);
    int udp = listen_on(SOCK_DGRAM, port);
    ck_assert(becomes(n, s, SUP_ACTIVE));
    close(tcp);
    ck_assert(becomes(n, s, SUP_INACTIVE));
    ck_assert(nursery_has(n, tk_text("check-failed tcp 127.0.0.1:%u: Connection refused", port)));
    ck_assert(sup_state(s).pid > 0); /* a failed check alone does not restart */
    tcp = listen_on(SOCK_STREAM, port);
    ck_assert(becomes(n, s, SUP_ACTIVE));
    close(udp);
    ck_assert(becomes(n, s, SUP_INACTIVE));
    close(tcp);
    nursery_free(n);
}
END_TEST

START_TEST(a_connection_to_oneself_is_no_server)
{
    enum { PORT = 40000 };
    if (!tk_network_of_one_port(PORT))
        return;
    struct nursery *n = nursery_new(NULL);
    const struct sup_check check = {
        .kind = SUP_CHECK_TCP, .host = "127.0.0.1", .port = PORT, QUICK_CHECK};
    struct sup_server *s = add_checked(n, "mirror", &check, 1, 0);
    struct sup_status status;
    ck_assert(nursery_until(n, (sup_status(s, &status), strstr(status.reason, "refused")), 5000));
    ck_assert_int_eq(nursery_present(s), SUP_ACTIVATING);
    nursery_free(n);
}
END_TEST

START_TEST(tls_must_be_spoken)
{
    struct nursery *n = nursery_new(NULL);
    const char *folder = tk_dir(), *port = tk_text("%u", tk_free_port());
    uint16_t plain = tk_free_port();
    const char *key = tk_text("%s/key.pem", folder), *cert = tk_text("%s/cert.pem", folder);
    const char *make[] = {"openssl", "req",     "-x509", "-newkey", "rsa:2048",
                          "-nodes",  "-keyout", key,     "-out",    cert,
                          "-days",   "1",       "-subj", "/CN=x",   NULL};
    const char *serve[] = {"openssl", "s_server", "-quiet", "-accept", port,
                           "-key",    key,        "-cert",  cert,      NULL};
    ck_assert_int_eq(tk_run(make, NULL, 20000, NULL), 0);
    struct tk_process *server = tk_spawn(serve, NULL, NULL);
    const struct sup_check tls[] = {
        {.kind = SUP_CHECK_TLS, .host = "127.0.0.1", .port = (uint16_t)atoi(port), QUICK_CHECK}};
    const struct sup_check not_tls[] = {
        {.kind = SUP_CHECK_TLS, .host = "127.0.0.1", .port = plain, QUICK_CHECK}};
    int fd = listen_on(SOCK_STREAM, plain);
    struct sup_server *good = add_checked(n, "tls", tls, 1, 0);
    struct sup_server *bad = add_checked(n, "plain", not_tls, 1, 0);
    ck_assert(becomes(n, good, SUP_ACTIVE));
    struct sup_status status;
    ck_assert(nursery_until(
        n, (sup_status(bad, &status), strstr(status.reason, "no answer in time")), 5000));
    ck_assert_int_eq(nursery_present(bad), SUP_ACTIVATING);
    (void)server; /* the kit ends it: the nursery has the only right to wait for children */
    close(fd);
    sup_stop_all(n->sup, NULL, NULL);
    ck_assert(nursery_until(n, !sup_state(good).pid && !sup_state(bad).pid, 5000));
    nursery_abandon(n);
    tk_stop(server, 2000);
}
END_TEST

/* ---- scripts
 * -------------------------------------------------------------------------------------- */

START_TEST(a_script_that_hangs_is_killed_with_its_group)
{
    struct nursery *n = nursery_new(NULL);
    const char *folder = tk_dir();
    const struct sup_check checks[] = {
        {.kind = SUP_CHECK_SCRIPT,
         QUICK_CHECK,
         .run.command = tk_text("[ -e %s/good ] && exit 0; sleep 1000 & echo $! >%s/child; wait",
                                folder, folder)}};
    struct sup_server *s = add_checked(n, "script", checks, 1, 0);
    struct sup_status status;
    ck_assert(nursery_until(n, (sup_status(s, &status), strstr(status.reason, "was killed after")),
                            5000));
    pid_t child = read_pid(tk_text("%s/child", folder));
    ck_assert_int_gt(child, 0);
    tk_write_file(tk_text("%s/good", folder), "");
    ck_assert(becomes(n, s, SUP_ACTIVE));
    struct sup_proc proc;
    ck_assert(nursery_until(n, !sup_proc_read(child, &proc), 5000));
    nursery_free(n);
}
END_TEST

static void on_task(void *user, const struct sup_task_end *end)
{
    struct sup_task_end *copy = user;
    *copy = *end;
    copy->text = tk_text("%s", end->text);
    copy->output = tk_text("%s", end->output);
}

START_TEST(tasks_end_with_what_they_said)
{
    struct nursery *n = nursery_new(NULL);
    struct sup_task_end good = {.text = NULL}, bad = good, late = good, none = good, never = good;
    static const char *const missing[] = {"/nonexistent", NULL};
    sup_run(n->sup, &(struct sup_launch){.command = "echo hello; echo there >&2"}, 5000, on_task,
            &good);
    sup_run(n->sup, &(struct sup_launch){.command = "exit 5"}, 0, on_task, &bad);
    sup_run(n->sup, &(struct sup_launch){.command = "sleep 100"}, 100, on_task, &late);
    sup_run(n->sup, &(struct sup_launch){.argv = missing}, 0, on_task, &none);
    sup_cancel(sup_run(n->sup, &(struct sup_launch){.command = "sleep 100"}, 0, on_task, &never));
    ck_assert(nursery_until(n, good.text && bad.text && late.text && none.text, 5000));
    ck_assert(good.ok);
    ck_assert_str_eq(good.output, "hello\nthere\n");
    ck_assert(!bad.ok);
    ck_assert_str_eq(bad.text, "ended with status 5");
    ck_assert(late.timed_out && !late.ok);
    ck_assert_str_eq(none.text, "cannot run /nonexistent: No such file or directory");
    ck_assert_int_eq(none.status, -1);
    ck_assert(!never.text);
    nursery_free(n);
}
END_TEST

/* ---- calls and combinations
 * ------------------------------------------------------------------------ */

struct answers {
    bool a, b, c;
    bool silent;
    struct sup_probe *kept;
};

static void answer_a(void *user, struct sup_server *server, struct sup_probe *probe)
{
    struct answers *answers = user;
    (void)server;
    if (answers->silent && !answers->kept)
        answers->kept = probe;
    else
        sup_probe_done(probe, answers->a, "a says no");
}

static void answer_b(void *user, struct sup_server *server, struct sup_probe *probe)
{
    (void)server;
    sup_probe_done(probe, ((struct answers *)user)->b, "b says no");
}

static void answer_c(void *user, struct sup_server *server, struct sup_probe *probe)
{
    (void)server;
    sup_probe_done(probe, ((struct answers *)user)->c, "c says no");
}

START_TEST(checks_combine)
{
    static const struct {
        int need;
        bool must_c, a, b, c, well;
    } rows[] = {
        {0, false, true, true, true, true},   {0, false, true, true, false, false},
        {1, false, false, true, false, true}, {1, false, false, false, false, false},
        {2, false, true, true, false, true},  {2, false, true, false, false, false},
        {1, true, true, false, false, false}, {1, true, true, false, true, true},
        {1, true, false, false, true, false}, {99, false, true, true, false, false},
    };
    struct nursery *n = nursery_new(NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answers answers = {.a = rows[i].a, .b = rows[i].b, .c = rows[i].c};
        const struct sup_check checks[] = {
            {.kind = SUP_CHECK_CALL, .call = answer_a, QUICK_CHECK},
            {.kind = SUP_CHECK_CALL, .call = answer_b, QUICK_CHECK},
            {.kind = SUP_CHECK_CALL, .call = answer_c, QUICK_CHECK, .must = rows[i].must_c}};
        struct sup_spec spec = {
            .checks = checks, .check_count = 3, .need = rows[i].need, .user = &answers};
        struct sup_server *s = nursery_add(n, tk_text("s%zu", i), "exec sleep 600", &spec);
        sup_start(s);
        ck_assert(nursery_until(
            n, sup_state(s).pid && nursery_count(n, tk_text("s%zu launched", i)), 5000));
        nursery_until(n, nursery_present(s) == SUP_ACTIVE, rows[i].well ? 5000 : 100);
        ck_assert_msg((nursery_present(s) == SUP_ACTIVE) == rows[i].well, "row %zu", i);
        sup_stop(s);
        ck_assert(becomes(n, s, SUP_INACTIVE));
    }
    nursery_free(n);
}
END_TEST

START_TEST(thresholds_and_late_answers)
{
    struct nursery *n = nursery_new(NULL);
    struct answers answers = {.a = true, .silent = true};
    const struct sup_check checks[] = {{.kind = SUP_CHECK_CALL,
                                        .call = answer_a,
                                        .interval_ms = QUICK,
                                        .retry_ms = QUICK,
                                        .timeout_ms = 50,
                                        .fall = 3,
                                        .rise = 2}};
    struct sup_spec spec = {.checks = checks, .check_count = 1, .user = &answers};
    struct sup_server *s = nursery_add(n, "late", "exec sleep 600", &spec);
    sup_start(s);
    ck_assert(becomes(n, s, SUP_ACTIVE));
    ck_assert_ptr_nonnull(answers.kept);
    sup_probe_done(answers.kept, false, "too late"); /* ignored */
    ck_assert_int_eq(nursery_present(s), SUP_ACTIVE);
    answers.a = false;
    ck_assert(becomes(n, s, SUP_INACTIVE));
    ck_assert(nursery_has(n, "check-failed call: a says no"));
    answers.kept = NULL;
    answers.silent = true;
    ck_assert(nursery_until(n, answers.kept, 5000));
    sup_stop(s);
    ck_assert(becomes(n, s, SUP_INACTIVE));
    sup_probe_done(answers.kept, true, NULL); /* nobody waits any more */
    nursery_free(n);
}
END_TEST

/* ---- heartbeats
 * ----------------------------------------------------------------------------------- */

static const char *const keys[] = {"ObjAdapter", "AdminAdapter", NULL};

START_TEST(the_first_heartbeat_makes_active_and_one_late_adapter_restarts)
{
    struct nursery *n = nursery_new(NULL);
    const struct sup_check checks[] = {
        {.kind = SUP_CHECK_HEARTBEAT, .keys = keys, .timeout_ms = 300, .restart = true}};
    struct sup_server *s = add_checked(n, "beats", checks, 1, 0);
    struct sup_status status;
    ck_assert(nursery_until(n, nursery_has(n, " launched "), 5000));
    ck_assert_int_eq(nursery_present(s), SUP_ACTIVATING);
    ck_assert(!sup_heartbeat(s, "Unknown", 0));
    sup_status(s, &status);
    ck_assert_uint_eq(status.strange_heartbeats, 1);
    ck_assert_int_eq(nursery_present(s), SUP_ACTIVATING);
    ck_assert(sup_heartbeat(s, "ObjAdapter", 0));
    ck_assert_int_eq(nursery_present(s), SUP_ACTIVE);
    ck_assert(sup_activating(s, 0));
    ck_assert_int_eq(nursery_present(s), SUP_ACTIVATING);
    ck_assert(sup_heartbeat(s, NULL, 0));
    ck_assert_int_eq(nursery_present(s), SUP_ACTIVE);
    pid_t before = sup_state(s).pid;
    ck_assert(
        nursery_until(n, (sup_heartbeat(s, "ObjAdapter", 0), nursery_has(n, " hung ")), 5000));
    ck_assert(nursery_has(n, "hung heartbeat: none of AdminAdapter for"));
    ck_assert(nursery_has(n, "beats state deactivating"));
    ck_assert(nursery_until(n, sup_state(s).pid && sup_state(s).pid != before, 5000));
    ck_assert_uint_eq(n->wait_count, 1); /* it hung, so it backs off */
    nursery_free(n);
}
END_TEST

START_TEST(one_that_falls_silent_while_it_says_that_it_is_starting_is_restarted)
{
    struct nursery *n = nursery_new(NULL);
    const struct sup_check beats = {
        .kind = SUP_CHECK_HEARTBEAT, .timeout_ms = 150, .restart = true};
    struct sup_server *s = add_checked(n, "silent", &beats, 1, 0);
    ck_assert(nursery_until(n, sup_heartbeat(s, NULL, 0), 5000));
    ck_assert_int_eq(nursery_present(s), SUP_ACTIVE);
    ck_assert(sup_activating(s, 0));
    ck_assert_int_eq(nursery_present(s), SUP_ACTIVATING);
    ck_assert(nursery_until(n, nursery_has(n, "hung heartbeat: none for"), 5000));
    ck_assert(nursery_until(n, nursery_count(n, "silent launched") == 2, 5000));
    nursery_until(n, false, 300); /* before its first heartbeat it has all the time for starting */
    ck_assert_int_eq(nursery_count(n, "hung"), 1);
    nursery_free(n);
}
END_TEST

START_TEST(a_program_that_sends_none_is_judged_by_the_rest)
{
    struct nursery *n = nursery_new(NULL);
    struct answers answers = {.a = true};
    const struct sup_check checks[] = {
        {.kind = SUP_CHECK_HEARTBEAT, .timeout_ms = 100, .optional = true, .restart = true},
        {.kind = SUP_CHECK_CALL, .call = answer_a, QUICK_CHECK}};
    struct sup_spec spec = {.checks = checks, .check_count = 2, .user = &answers};
    struct sup_server *s = nursery_add(n, "none", "exec sleep 600", &spec);
    sup_start(s);
    ck_assert(becomes(n, s, SUP_ACTIVE));
    nursery_until(n, false, 300);
    ck_assert_int_eq(nursery_present(s), SUP_ACTIVE);
    ck_assert(sup_heartbeat(s, "", 0)); /* from now on they are expected */
    ck_assert(nursery_until(n, nursery_has(n, " hung "), 5000));
    nursery_free(n);
}
END_TEST

/* It may have been judged by its ports alone before. */
START_TEST(a_server_that_was_found_need_not_have_sent_any)
{
    const char *state = tk_dir();
    struct answers answers = {.a = true};
    const struct sup_check checks[] = {
        {.kind = SUP_CHECK_HEARTBEAT, .timeout_ms = 100, .optional = true, .restart = true},
        {.kind = SUP_CHECK_CALL, .call = answer_a, QUICK_CHECK}};
    struct sup_spec spec = {.checks = checks, .check_count = 2, .user = &answers};
    struct nursery *n = nursery_new(state);
    n->outlived = true;
    struct sup_server *s = nursery_add(n, "found", "exec sleep 600", &spec);
    sup_start(s);
    ck_assert(becomes(n, s, SUP_ACTIVE));
    nursery_abandon(n);
    n = nursery_new(state);
    s = nursery_add(n, "found", "exec sleep 600", &spec);
    ck_assert(nursery_has(n, " adopted "));
    nursery_until(n, false, 400);
    ck_assert_int_eq(nursery_present(s), SUP_ACTIVE);
    ck_assert(!nursery_has(n, " hung "));
    nursery_free(n);
}
END_TEST

START_TEST(only_its_own_processes_speak_for_a_server)
{
    struct nursery *n = nursery_new(NULL);
    const struct sup_check checks[] = {{.kind = SUP_CHECK_HEARTBEAT, .timeout_ms = 60000}};
    const char *file = tk_text("%s/child", tk_dir());
    struct sup_spec spec = {.checks = checks, .check_count = 1};
    struct sup_server *s = nursery_add(n, "tree", tk_text("sleep 600 & echo $! >%s; wait", file),
                                       &spec);
    sup_start(s);
    ck_assert(nursery_until(n, read_pid(file) > 0, 5000));
    pid_t child = read_pid(file);
    ck_assert(!sup_heartbeat(s, "", getpid()));
    ck_assert(!sup_heartbeat(s, "", 1));
    ck_assert(!sup_activating(s, getpid()));
    ck_assert_int_eq(nursery_present(s), SUP_ACTIVATING);
    ck_assert(sup_heartbeat(s, "", child));
    ck_assert_int_eq(sup_state(s).pid, child);
    ck_assert_int_eq(nursery_present(s), SUP_ACTIVE);
    kill(child, SIGKILL);
    ck_assert(nursery_until(n, n->exits == 1, 5000)); /* of the shell that waited for it */
    nursery_free(n);
}
END_TEST

/* ---- slow starts, sinks
 * ---------------------------------------------------------------------------- */

START_TEST(one_that_has_handed_over_stays_so_while_it_still_speaks)
{
    struct nursery *n = nursery_new(NULL);
    const struct sup_check beats = {.kind = SUP_CHECK_HEARTBEAT, .timeout_ms = 30000};
    struct sup_spec spec = {.checks = &beats, .check_count = 1};
    const char *file = tk_text("%s/successor", tk_dir());
    struct sup_server *s = nursery_add(
        n, "graceful",
        tk_text("sleep 600 & echo $! >%s; trap 'exit 7' USR1; while :; do sleep 0.05; done", file),
        &spec);
    sup_start(s);
    ck_assert(nursery_until(n, read_pid(file) > 0, 5000));
    pid_t first = sup_state(s).pid, successor = read_pid(file);
    ck_assert(sup_heartbeat(s, NULL, first));
    ck_assert(sup_heartbeat(s, NULL, successor));
    ck_assert_int_eq(sup_state(s).pid, successor);
    ck_assert(sup_heartbeat(s, NULL, first)); /* it serves on for a while */
    ck_assert_int_eq(sup_state(s).pid, successor);
    kill(first, SIGUSR1);
    ck_assert(nursery_until(n, kill(first, 0) != 0, 5000));
    nursery_until(n, false, 50);
    ck_assert_int_eq(sup_state(s).pid, successor);
    ck_assert_int_eq(nursery_present(s), SUP_ACTIVE);
    ck_assert_uint_eq(n->exits, 0);
    nursery_free(n);
}
END_TEST

START_TEST(a_start_without_end_is_told_and_restarted_where_wanted)
{
    struct nursery *n = nursery_new(NULL);
    struct answers answers = {.a = false};
    const struct sup_check checks[] = {{.kind = SUP_CHECK_CALL, .call = answer_a, QUICK_CHECK}};
    struct sup_spec spec = {
        .checks = checks, .check_count = 1, .user = &answers, .activating_ms = 150};
    struct sup_server *told = nursery_add(n, "told", "exec sleep 600", &spec);
    spec.activating_restart = true;
    struct sup_server *again = nursery_add(n, "again", "exec sleep 600", &spec);
    sup_start(told), sup_start(again);
    ck_assert(nursery_until(
        n, nursery_has(n, "told slow-start not healthy after 150 ms: a says no"), 5000));
    ck_assert(becomes(n, told, SUP_INACTIVE));
    ck_assert(sup_state(told).pid > 0);
    ck_assert(nursery_until(n, nursery_count(n, "again launched") == 2, 5000));
    answers.a = true;
    ck_assert(becomes(n, told, SUP_ACTIVE) && becomes(n, again, SUP_ACTIVE));
    nursery_free(n);
}
END_TEST

struct sink_log {
    struct sup_sink sink;
    int calls, refuse;
    struct sup_state last;
};

static void deliver(void *user, struct sup_server *server, const struct sup_state *state,
                    uint64_t number)
{
    struct sink_log *log = user;
    log->calls++;
    log->last = *state;
    if (log->refuse == 0) {
        sup_delivered(server, &log->sink, number - 1, false); /* an old number says nothing */
        sup_delivered(server, &log->sink, number, true);
    } else if (log->refuse > 1) {
        log->refuse--;
        sup_delivered(server, &log->sink, number, false);
    } /* 1: no answer at all */
}

START_TEST(sinks_are_told_until_they_have_heard)
{
    struct nursery *n = nursery_new(NULL);
    struct sink_log good = {.sink = {.name = "good", .deliver = deliver, .user = &good}};
    struct sink_log deaf = {.sink = {.name = "deaf",
                                     .deliver = deliver,
                                     .user = &deaf,
                                     .timeout_ms = 50,
                                     .retry_ms = 20},
                            .refuse = 3};
    sup_add_sink(n->sup, &good.sink);
    sup_add_sink(n->sup, &deaf.sink);
    struct sup_server *s = nursery_add(n, "told", "exec sleep 600", NULL);
    sup_start(s);
    ck_assert(becomes(n, s, SUP_ACTIVE));
    ck_assert_int_eq(good.last.present, SUP_ACTIVE);
    ck_assert(good.last.setting);
    ck_assert(nursery_until(n, deaf.refuse == 1 && deaf.calls >= 5, 5000)); /* time-outs count */
    deaf.refuse = 0;
    int calls = good.calls;
    ck_assert(nursery_until(n, deaf.last.present == SUP_ACTIVE, 5000));
    sup_stop(s);
    ck_assert(becomes(n, s, SUP_INACTIVE));
    ck_assert_int_eq(good.calls, calls + 2); /* deactivating, inactive */
    ck_assert(deaf.last.present == SUP_INACTIVE && !deaf.last.setting);
    nursery_free(n);
}
END_TEST

START_TEST(an_update_changes_the_checks_at_once)
{
    struct nursery *n = nursery_new(NULL);
    struct answers answers = {.a = true};
    struct tars_error error;
    struct sup_server *s = add_checked(n, "up", NULL, 0, 0);
    ck_assert(becomes(n, s, SUP_ACTIVE));
    const struct sup_check checks[] = {{.kind = SUP_CHECK_CALL, .call = answer_b, QUICK_CHECK}};
    struct sup_spec spec = {.name = "up",
                            .launch.command = "exec sleep 600",
                            .checks = checks,
                            .check_count = 1,
                            .user = &answers};
    ck_assert(sup_update(s, &spec, &error));
    ck_assert(becomes(n, s, SUP_INACTIVE));
    answers.b = true;
    ck_assert(becomes(n, s, SUP_ACTIVE));
    spec.name = "other";
    ck_assert(!sup_update(s, &spec, &error));
    ck_assert(!sup_remove(s));
    sup_stop(s);
    ck_assert(becomes(n, s, SUP_INACTIVE));
    ck_assert(sup_remove(s));
    ck_assert_ptr_null(sup_find(n->sup, "up"));
    nursery_free(n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("supervise_health");
    TCase *tc = tcase_create("health");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, tcp_and_udp_ports_decide);
    tcase_add_test(tc, a_connection_to_oneself_is_no_server);
    tcase_add_test(tc, tls_must_be_spoken);
    tcase_add_test(tc, a_script_that_hangs_is_killed_with_its_group);
    tcase_add_test(tc, tasks_end_with_what_they_said);
    tcase_add_test(tc, checks_combine);
    tcase_add_test(tc, thresholds_and_late_answers);
    tcase_add_test(tc, the_first_heartbeat_makes_active_and_one_late_adapter_restarts);
    tcase_add_test(tc, one_that_falls_silent_while_it_says_that_it_is_starting_is_restarted);
    tcase_add_test(tc, a_program_that_sends_none_is_judged_by_the_rest);
    tcase_add_test(tc, a_server_that_was_found_need_not_have_sent_any);
    tcase_add_test(tc, only_its_own_processes_speak_for_a_server);
    tcase_add_test(tc, one_that_has_handed_over_stays_so_while_it_still_speaks);
    tcase_add_test(tc, a_start_without_end_is_told_and_restarted_where_wanted);
    tcase_add_test(tc, sinks_are_told_until_they_have_heard);
    tcase_add_test(tc, an_update_changes_the_checks_at_once);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
