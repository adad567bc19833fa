/* SPDX-License-Identifier: BSD-3-Clause */
/* How a supervisor launches servers, sees them end, launches them again and stops them. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "nursery.h"
#include "supervise/proc.h"

/* The wall clock of this program jumps by years at every look; the kernel's stays. */
int clock_gettime(clockid_t id, struct timespec *now)
{
    static int jump;
    int failed = (int)syscall(SYS_clock_gettime, id, now);
    if (id == CLOCK_REALTIME)
        now->tv_sec += (jump = -jump + (jump <= 0)) * 100000000L;
    return failed;
}

static bool tail_has(const struct sup_server *server, const char *text)
{
    size_t len;
    char *tail = sup_tail(server, &len);
    bool has = strstr(tail, text);
    free(tail);
    return has;
}

static bool gone(pid_t pid)
{
    struct sup_proc proc;
    return !sup_proc_read(pid, &proc) || proc.state == 'Z';
}

static pid_t read_pid(const char *path)
{
    char *text = tk_read_file(path);
    pid_t pid = text ? (pid_t)strtol(text, NULL, 10) : 0;
    free(text);
    return pid;
}

/* ---- launch
 * --------------------------------------------------------------------------------------- */

START_TEST(a_server_runs_in_its_place)
{
    struct nursery *n = nursery_new(NULL);
    static const char *const env_add[] = {"COLOUR=blue", "PATH=/usr/bin:/bin", NULL};
    static const struct sup_limit limits[] = {{RLIMIT_NOFILE, 77, 99}};
    const char *cwd = tk_dir();
    struct sup_spec spec = {
        .launch = {.env_add = env_add, .cwd = cwd, .limits = limits, .limit_count = 1}};
    int leak = open("/dev/null", 0);
    struct sup_server *s = nursery_add(
        n, "place",
        "pwd; echo c=$COLOUR p=$PATH; ulimit -n; ls /proc/self/fd | wc -l; "
        "echo group $(($(cut -d' ' -f5 /proc/$$/stat) - $$)); sleep 60",
        &spec);
    sup_start(s);
    ck_assert_int_eq(nursery_present(s), SUP_ACTIVATING);
    ck_assert(nursery_until(n, tail_has(s, "group"), 5000));
    ck_assert(tail_has(s, cwd));
    ck_assert(tail_has(s, "c=blue p=/usr/bin:/bin"));
    ck_assert(tail_has(s, "\n77\n"));
    ck_assert(tail_has(s, "\n4\n")); /* 0, 1, 2 and ls's own */
    ck_assert(tail_has(s, "group 0\n"));
    ck_assert(nursery_until(n, nursery_present(s) == SUP_ACTIVE, 1000));
    close(leak);
    nursery_free(n);
}
END_TEST

START_TEST(a_program_is_run_without_a_shell_as_another_user)
{
    struct nursery *n = nursery_new(NULL);
    static const char *const argv[] = {
        "sh", "-c", "id -u; id -g; echo \"$1\" >/dev/stdout; sleep 60", "x", "a b;$HOME", NULL};
    struct sup_spec spec = {
        .launch = {.argv = argv, .user = geteuid() == 0 ? "12345:12346" : NULL}};
    struct sup_server *s = nursery_add(n, "user", NULL, &spec);
    sup_start(s);
    ck_assert(nursery_until(n, tail_has(s, "a b;$HOME"), 5000));
    if (geteuid() == 0)
        ck_assert(tail_has(s, "12345\n12346\n"));
    nursery_free(n);
}
END_TEST

START_TEST(a_folder_in_path_is_no_program)
{
    struct nursery *n = nursery_new(NULL);
    const char *folder = tk_dir();
    ck_assert_int_eq(mkdir(tk_text("%s/echo", folder), 0755), 0);
    const char *argv[] = {"echo", "found", NULL};
    const char *env[] = {tk_text("PATH=%s:/usr/bin:/bin", folder), NULL};
    struct sup_spec spec = {.launch = {.argv = argv, .env = env}};
    struct sup_server *s = nursery_add(n, "path", NULL, &spec);
    sup_start(s);
    ck_assert(nursery_until(n, tail_has(s, "found"), 5000));
    nursery_free(n);
}
END_TEST

/* Runs what is given; the supervisor's own first three descriptors are closed meanwhile. */
START_TEST(a_supervisor_without_open_files_gives_them_to_its_servers)
{
    struct nursery *n = nursery_new(NULL);
    int saved[3];
    for (int fd = 0; fd < 3; fd++) {
        saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 100);
        close(fd);
    }
    struct sup_server *s = nursery_add(n, "closed",
                                       "read x; echo out $?; echo err >&2; exec sleep 600", NULL);
    sup_start(s);
    bool ok = nursery_until(n, tail_has(s, "out 1") && tail_has(s, "err"), 5000);
    nursery_free(n);
    for (int fd = 0; fd < 3; fd++)
        dup2(saved[fd], fd);
    ck_assert(ok);
}
END_TEST

START_TEST(why_a_program_cannot_be_run_is_said_exactly)
{
    static const char *const missing[] = {"/nonexistent/program", NULL};
    static const char *const nowhere[] = {"no-such-program-anywhere", NULL};
    static const char *const folder[] = {"/tmp", NULL};
    static const char *const yes[] = {"/bin/true", NULL};
    static const struct sup_limit bad_limit[] = {{RLIMIT_NOFILE, 20, 10}};
    static const struct {
        struct sup_launch launch;
        const char *says;
    } rows[] = {
        {{.argv = missing}, "cannot run /nonexistent/program: No such file or directory"},
        {{.argv = nowhere}, "cannot run no-such-program-anywhere: it is not in PATH"},
        {{.argv = folder}, "cannot run /tmp: Permission denied"},
        {{.argv = yes, .cwd = "/nonexistent"}, "the folder /nonexistent: No such file"},
        {{.argv = yes, .user = "nobody-here"}, "there is no user 'nobody-here'"},
        {{.argv = yes, .user = "root:none-such"}, "there is no group 'none-such'"},
        {{.argv = yes, .limits = bad_limit, .limit_count = 1}, "with its limits: Invalid argument"},
    };
    struct nursery *n = nursery_new(NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sup_spec spec = {.launch = rows[i].launch, .restart = SUP_RESTART_NEVER};
        struct sup_status status;
        struct sup_server *s = nursery_add(n, tk_text("s%zu", i), NULL, &spec);
        sup_start(s);
        ck_assert_msg(nursery_until(n, nursery_has(n, rows[i].says), 5000), "%s: %s", rows[i].says,
                      n->journal);
        ck_assert(nursery_has(n, tk_text("s%zu launch-failed", i)));
        sup_status(s, &status);
        ck_assert_ptr_nonnull(strstr(status.reason, rows[i].says));
        ck_assert(nursery_present(s) == SUP_INACTIVE && !sup_state(s).setting);
    }
    ck_assert_int_eq(nursery_count(n, " launched "), 0);
    nursery_free(n);
}
END_TEST

/* ---- ends
 * ----------------------------------------------------------------------------------------- */

START_TEST(a_crash_loop_waits_longer_each_time_and_names_each_end)
{
    struct nursery *n = nursery_new(NULL);
    struct sup_spec spec = {
        .backoff = {
            .first_ms = 20, .penalty_after = 5, .penalty_ms = 100000, .jitter_percent = -1}};
    struct sup_server *s = nursery_add(n, "loop", "exit 3", &spec);
    struct sup_status status;
    sup_start(s);
    ck_assert(nursery_until(n, n->wait_count == 5, 10000));
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(n->waits[i], 20 << i);
    ck_assert_int_eq(n->waits[4], 100000);
    ck_assert(nursery_has(n, "back-off it has crashed 5 times in a row"));
    ck_assert_int_eq(nursery_count(n, "exited ended with status 3"), 5);
    sup_status(s, &status);
    ck_assert_int_eq(status.crashes, 5);
    ck_assert(status.launch_in_ms > 90000 && !status.state.pid && status.state.setting);
    ck_assert_str_eq(status.reason, "ended with status 3");
    sup_start(s); /* an operator does not wait */
    ck_assert_msg(nursery_until(n, n->exits >= 6, 5000), "%s", n->journal);
    nursery_free(n);
}
END_TEST

START_TEST(a_signal_that_kills_is_named)
{
    struct nursery *n = nursery_new(NULL);
    struct sup_server *s = nursery_add(n, "segv", "kill -SEGV $$", NULL);
    sup_start(s);
    ck_assert(nursery_until(n, nursery_has(n, "exited was killed by signal 11 (Seg"), 5000));
    ck_assert(WIFSIGNALED(n->statuses[0]));
    nursery_free(n);
}
END_TEST

START_TEST(how_an_earlier_run_ended_is_forgotten_with_the_next_one)
{
    struct nursery *n = nursery_new(NULL);
    const char *file = tk_text("%s/once", tk_dir());
    struct sup_server *s = nursery_add(
        n, "twice",
        tk_text("[ -e %s ] || { touch %s; exit 3; }; trap '' TERM; touch %s.2; sleep 600", file,
                file, file),
        NULL);
    struct sup_status status;
    sup_start(s);
    ck_assert(nursery_until(n, nursery_count(n, "exited ended with status 3"), 5000));
    sup_status(s, &status);
    ck_assert_str_eq(status.reason, "ended with status 3");
    ck_assert(nursery_until(n, access(tk_text("%s.2", file), F_OK) == 0, 5000));
    sup_stop(s);
    sup_status(s, &status);
    ck_assert_int_eq(status.state.present, SUP_DEACTIVATING);
    ck_assert_str_eq(status.reason, "");
    nursery_free(n);
}
END_TEST

START_TEST(restart_rules_decide_whether_it_comes_back)
{
    struct nursery *n = nursery_new(NULL);
    struct sup_spec rule = {.restart = SUP_RESTART_ON_FAILURE};
    struct sup_server *good = nursery_add(n, "good", "exit 0", &rule);
    struct sup_server *bad = nursery_add(n, "bad", "exit 1", &rule);
    rule.restart = SUP_RESTART_NEVER;
    struct sup_server *once = nursery_add(n, "once", "exit 1", &rule);
    sup_start(good), sup_start(bad), sup_start(once);
    ck_assert(nursery_until(n, nursery_count(n, "bad exited") >= 3, 5000));
    ck_assert_int_eq(nursery_count(n, "good exited"), 1);
    ck_assert_int_eq(nursery_count(n, "once exited"), 1);
    ck_assert(!sup_state(good).setting && !sup_state(once).setting && sup_state(bad).setting);
    nursery_free(n);
}
END_TEST

START_TEST(held_it_waits_and_let_go_it_comes)
{
    struct nursery *n = nursery_new(NULL);
    struct sup_server *s = nursery_add(n, "held", "sleep 60", NULL);
    sup_start(s);
    ck_assert(nursery_until(n, nursery_present(s) == SUP_ACTIVE, 5000));
    sup_hold(s, true);
    sup_signal(s, SIGKILL);
    ck_assert(nursery_until(n, n->wait_count == 1, 5000));
    nursery_until(n, false, 150); /* well over its wait of 20 ms */
    ck_assert_int_eq(nursery_present(s), SUP_INACTIVE);
    sup_hold(s, false);
    ck_assert(nursery_until(n, nursery_present(s) == SUP_ACTIVE, 5000));
    nursery_free(n);
}
END_TEST

static void prepare(void *user, struct sup_server *server)
{
    int *calls = user;
    ++*calls;
    sup_prepared(server, *calls > 2, "no configuration yet");
}

START_TEST(a_launch_is_prepared_first_and_tried_again)
{
    struct nursery *n = nursery_new(NULL);
    int calls = 0;
    struct sup_spec spec = {.prepare = prepare, .user = &calls};
    struct sup_server *s = nursery_add(n, "prep", "sleep 60", &spec);
    sup_start(s);
    ck_assert(nursery_until(n, nursery_present(s) == SUP_ACTIVE, 5000));
    ck_assert_int_eq(calls, 3);
    ck_assert_int_eq(nursery_count(n, "launch-failed no configuration yet"), 2);
    nursery_free(n);
}
END_TEST

static void prepare_later(void *user, struct sup_server *server)
{
    *(struct sup_server **)user = server;
}

START_TEST(a_server_that_is_being_prepared_is_not_forgotten)
{
    struct nursery *n = nursery_new(NULL);
    struct sup_server *asked = NULL;
    struct sup_spec spec = {.prepare = prepare_later, .user = &asked};
    struct sup_server *s = nursery_add(n, "later", "sleep 60", &spec);
    sup_start(s);
    ck_assert_ptr_eq(asked, s);
    sup_stop(s);
    ck_assert(!sup_remove(s)); /* the answer is still to come */
    sup_prepared(s, true, NULL);
    ck_assert_int_eq(nursery_present(s), SUP_INACTIVE);
    ck_assert(sup_remove(s));
    nursery_free(n);
}
END_TEST

/* ---- trees
 * ---------------------------------------------------------------------------------------- */

START_TEST(a_script_that_forks_and_exits_leaves_its_server_supervised)
{
    struct nursery *n = nursery_new(NULL);
    const char *pids = tk_dir();
    struct sup_server *s = nursery_add(n, "daemon",
                                       tk_text("sleep 60 & echo $! >%s/1; exit 0", pids), NULL);
    struct sup_server *apart = nursery_add(
        n, "apart", tk_text("setsid sh -c 'echo $$ >%s/2; exec sleep 60' & exit 0", pids), NULL);
    sup_start(s), sup_start(apart);
    ck_assert(nursery_until(n, nursery_count(n, "followed") == 2, 5000));
    ck_assert_int_eq(nursery_present(s), SUP_ACTIVE);
    ck_assert_int_eq(sup_state(s).pid, read_pid(tk_text("%s/1", pids)));
    ck_assert(nursery_until(n, sup_state(apart).pid == read_pid(tk_text("%s/2", pids)), 5000));
    ck_assert_uint_eq(n->exits, 0);
    kill(sup_state(s).pid, SIGSEGV);
    ck_assert(nursery_until(n, nursery_has(n, "daemon exited was killed by signal 11"), 5000));
    ck_assert(
        nursery_until(n, nursery_count(n, "daemon followed") == 2, 5000)); /* launched again */
    pid_t sleeper = sup_state(apart).pid;
    sup_stop(apart);
    ck_assert(nursery_until(n, nursery_present(apart) == SUP_INACTIVE, 5000));
    ck_assert(gone(sleeper));
    nursery_free(n);
}
END_TEST

START_TEST(what_a_crash_leaves_behind_ends_before_the_next_launch)
{
    struct nursery *n = nursery_new(NULL);
    const char *folder = tk_dir();
    struct sup_server *s = nursery_add(
        n, "left",
        tk_text("(trap '' TERM; echo $(cut -d' ' -f4 /proc/self/stat) >%s/child;"
                " while :; do sleep 1; done) & sleep 0.1; exit 9",
                folder),
        NULL);
    sup_start(s);
    ck_assert(nursery_until(n, read_pid(tk_text("%s/child", folder)) > 0, 5000));
    pid_t child = read_pid(tk_text("%s/child", folder));
    ck_assert(nursery_until(n, n->exits == 1, 5000));
    ck_assert_int_eq(nursery_present(s), SUP_INACTIVE);
    ck_assert(nursery_until(n, nursery_count(n, "left launched") == 2, 10000));
    ck_assert(gone(child)); /* SIGTERM was not enough for it */
    nursery_free(n);
}
END_TEST

START_TEST(a_signal_for_all_reaches_the_main_process_of_each_that_runs)
{
    static const char line[] = "trap 'echo heard' USR1; echo up; while :; do sleep 0.05; done";
    struct nursery *n = nursery_new(NULL);
    struct sup_server *one = nursery_add(n, "one", line, NULL),
                      *two = nursery_add(n, "two", line, NULL),
                      *down = nursery_add(n, "down", line, NULL);
    sup_start(one);
    sup_start(two);
    ck_assert(nursery_until(n, tail_has(one, "up") && tail_has(two, "up"), 5000));
    sup_signal_all(n->sup, SIGUSR1);
    ck_assert(nursery_until(n, tail_has(one, "heard") && tail_has(two, "heard"), 5000));
    ck_assert(!sup_signal(down, SIGUSR1));
    nursery_free(n);
}
END_TEST

START_TEST(orphans_are_reaped)
{
    struct nursery *n = nursery_new(NULL);
    struct sup_server *s = nursery_add(
        n, "orphans",
        "i=0; while [ $i -lt 200 ]; do (true & ) ; i=$((i+1)); done; echo done; sleep 60", NULL);
    sup_start(s);
    ck_assert(nursery_until(n, tail_has(s, "done"), 20000));
    ck_assert(nursery_until(n, nursery_children() == 1, 5000));
    nursery_free(n);
}
END_TEST

/* ---- stop
 * ----------------------------------------------------------------------------------------- */

START_TEST(a_server_that_ignores_sigterm_is_killed_with_its_children)
{
    struct nursery *n = nursery_new(NULL);
    static const struct sup_step steps[] = {
        {.kind = SUP_STEP_SIGNAL, .number = SIGTERM, .ms = 150}};
    struct sup_spec spec = {.stop = steps, .stop_count = 1};
    const char *folder = tk_dir();
    struct sup_server *s = nursery_add(
        n, "deaf",
        tk_text("trap '' TERM; sleep 1000 & echo $! >%s/child; while :; do sleep 1; done", folder),
        &spec);
    sup_start(s);
    ck_assert(nursery_until(n, read_pid(tk_text("%s/child", folder)) > 0, 5000));
    pid_t child = read_pid(tk_text("%s/child", folder));
    int64_t begin = tk_ms();
    sup_stop(s);
    ck_assert_int_eq(nursery_present(s), SUP_DEACTIVATING);
    sup_stop(s); /* keeps its clock */
    ck_assert(nursery_until(n, nursery_present(s) == SUP_INACTIVE, 5000));
    ck_assert(tk_ms() - begin >= 150);
    ck_assert(gone(child));
    ck_assert(nursery_has(n, "stop-step signal 15 (Terminated) to the process group"));
    ck_assert(nursery_has(n, "stop-step SIGKILL to all that is left"));
    ck_assert(nursery_has(n, "exited was killed by signal 9"));
    ck_assert_uint_eq(n->wait_count, 0);
    nursery_free(n);
}
END_TEST

static void ask_nothing(void *user, struct sup_server *server)
{
    (void)user;
    sup_step_failed(server, "no answer from the admin port");
}

START_TEST(the_ladder_is_gone_down_step_by_step)
{
    struct nursery *n = nursery_new(NULL);
    const char *folder = tk_dir();
    const struct sup_step steps[] = {
        {.kind = SUP_STEP_WAIT, .ms = 100},
        {.kind = SUP_STEP_CALL, .ms = 60000, .call = ask_nothing},
        {.kind = SUP_STEP_COMMAND, .ms = 60000, .run.command = "exit 4"},
        {.kind = SUP_STEP_COMMAND, .ms = 5000, .run.command = tk_text("touch %s/stop", folder)}};
    struct sup_spec spec = {.stop = steps, .stop_count = 4};
    struct sup_server *s = nursery_add(
        n, "slow", tk_text("while [ ! -e %s/stop ]; do sleep 0.05; done; exit 7", folder), &spec);
    sup_start(s);
    ck_assert(nursery_until(n, nursery_present(s) == SUP_ACTIVE, 5000));
    sup_stop(s);
    ck_assert(nursery_until(n, nursery_present(s) == SUP_INACTIVE, 10000));
    ck_assert(nursery_has(n, "stop-step draining"));
    ck_assert(nursery_has(n, "stop-step no answer from the admin port"));
    ck_assert_int_eq(nursery_count(n, "stop-step the stop command"), 2);
    ck_assert(nursery_has(n, "exited ended with status 7"));
    ck_assert(!nursery_has(n, "SIGKILL"));
    nursery_free(n);
}
END_TEST

START_TEST(the_whole_ladder_has_a_deadline_and_can_be_hurried)
{
    struct nursery *n = nursery_new(NULL);
    static const struct sup_step steps[] = {
        {.kind = SUP_STEP_WAIT, .ms = 600000},
        {.kind = SUP_STEP_SIGNAL, .number = SIGTERM, .ms = 600000}};
    struct sup_spec spec = {.stop = steps, .stop_count = 2, .stop_ms = 200};
    struct sup_server *late = nursery_add(n, "late", "trap '' TERM; while :; do sleep 1; done",
                                          &spec);
    spec.stop_ms = 0;
    struct sup_server *hurried = nursery_add(n, "hurried", "exec sleep 60", &spec);
    sup_start(late), sup_start(hurried);
    ck_assert(nursery_until(n, nursery_count(n, " launched ") == 2, 5000));
    sup_stop(late), sup_stop(hurried);
    sup_hurry(hurried); /* ends the drain */
    ck_assert(nursery_until(n, nursery_present(hurried) == SUP_INACTIVE, 5000));
    ck_assert(nursery_has(n, "hurried exited was killed by signal 15"));
    ck_assert(nursery_until(n, nursery_present(late) == SUP_INACTIVE, 5000));
    ck_assert(nursery_has(n, "late exited was killed by signal 9"));
    sup_start(late);
    ck_assert(nursery_until(n, nursery_count(n, "late launched") == 2, 5000));
    sup_stop(late);
    for (int i = 0; i < 20; i++)
        sup_hurry(late); /* impatience makes nothing unkillable */
    ck_assert(nursery_until(n, nursery_present(late) == SUP_INACTIVE, 5000));
    ck_assert_int_eq(nursery_count(n, "unkillable"), 0);
    nursery_free(n);
}
END_TEST

START_TEST(what_is_stopped_at_the_very_start_is_gone)
{
    struct nursery *n = nursery_new(NULL);
    static const struct sup_step steps[] = {
        {.kind = SUP_STEP_SIGNAL, .number = SIGTERM, .ms = 60000}};
    struct sup_spec spec = {.stop = steps, .stop_count = 1};
    struct sup_server *s = nursery_add(n, "young", "exec sleep 600", &spec);
    for (int i = 0; i < 50; i++) {
        sup_start(s);
        sup_stop(s); /* it may not have made its session yet */
        ck_assert(nursery_until(n, nursery_present(s) == SUP_INACTIVE, 5000));
    }
    ck_assert_int_eq(nursery_count(n, "SIGKILL"), 0);
    nursery_free(n);
}
END_TEST

START_TEST(start_while_stopping_is_a_restart_and_never_makes_two)
{
    struct nursery *n = nursery_new(NULL);
    const char *lock = tk_text("%s/lock", tk_dir());
    struct sup_server *s = nursery_add(
        n, "one",
        tk_text("trap 'rmdir %s; exit 0' TERM; mkdir %s || { echo TWO; sleep 60; }; echo READY; "
                "while :; do sleep 0.02; done",
                lock, lock),
        NULL);
    for (int i = 0; i < 10; i++) {
        sup_start(s);
        ck_assert(nursery_until(n, tail_has(s, "READY") || tail_has(s, "TWO"), 5000));
        ck_assert(!tail_has(s, "TWO"));
        sup_stop(s);
        sup_start(s);
        sup_stop(s);
        sup_start(s);
        ck_assert_int_eq(nursery_present(s), SUP_DEACTIVATING);
        ck_assert(nursery_until(n, nursery_present(s) == SUP_ACTIVE, 5000));
    }
    ck_assert(nursery_until(n, tail_has(s, "READY"), 5000));
    ck_assert(!tail_has(s, "TWO"));
    ck_assert_uint_eq(n->wait_count, 0);
    sup_restart(s);
    ck_assert(nursery_until(n, nursery_present(s) == SUP_ACTIVE, 5000));
    nursery_free(n);
}
END_TEST

/* ---- many
 * ----------------------------------------------------------------------------------------- */

START_TEST(two_hundred_servers_start_live_and_stop)
{
    enum { MANY = 200 };
    struct nursery *n = nursery_new(NULL);
    static const char *const argv[] = {"/bin/sleep", "600", NULL};
    struct sup_spec spec = {.launch.argv = argv};
    for (int i = 0; i < MANY; i++)
        sup_start(nursery_add(n, tk_text("s%d", i), NULL, &spec));
    ck_assert(nursery_until(n, nursery_count(n, " launched ") == MANY, 40000));
    int active = 0;
    for (struct sup_server *s = NULL; (s = sup_next(n->sup, s));)
        active += nursery_present(s) == SUP_ACTIVE;
    ck_assert_int_eq(active, MANY);
    nursery_free(n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("supervise_life");
    TCase *tc = tcase_create("life");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_server_runs_in_its_place);
    tcase_add_test(tc, a_program_is_run_without_a_shell_as_another_user);
    tcase_add_test(tc, a_folder_in_path_is_no_program);
    tcase_add_test(tc, a_supervisor_without_open_files_gives_them_to_its_servers);
    tcase_add_test(tc, why_a_program_cannot_be_run_is_said_exactly);
    tcase_add_test(tc, a_crash_loop_waits_longer_each_time_and_names_each_end);
    tcase_add_test(tc, a_signal_that_kills_is_named);
    tcase_add_test(tc, how_an_earlier_run_ended_is_forgotten_with_the_next_one);
    tcase_add_test(tc, restart_rules_decide_whether_it_comes_back);
    tcase_add_test(tc, held_it_waits_and_let_go_it_comes);
    tcase_add_test(tc, a_launch_is_prepared_first_and_tried_again);
    tcase_add_test(tc, a_server_that_is_being_prepared_is_not_forgotten);
    tcase_add_test(tc, a_script_that_forks_and_exits_leaves_its_server_supervised);
    tcase_add_test(tc, what_a_crash_leaves_behind_ends_before_the_next_launch);
    tcase_add_test(tc, a_signal_for_all_reaches_the_main_process_of_each_that_runs);
    tcase_add_test(tc, orphans_are_reaped);
    tcase_add_test(tc, a_server_that_ignores_sigterm_is_killed_with_its_children);
    tcase_add_test(tc, the_ladder_is_gone_down_step_by_step);
    tcase_add_test(tc, the_whole_ladder_has_a_deadline_and_can_be_hurried);
    tcase_add_test(tc, what_is_stopped_at_the_very_start_is_gone);
    tcase_add_test(tc, start_while_stopping_is_a_restart_and_never_makes_two);
    tcase_add_test(tc, two_hundred_servers_start_live_and_stop);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
