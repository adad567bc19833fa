/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tarscli supervisor as the first process of a PID namespace, as in a container: what the kernel
 * leaves to PID 1. Where no such namespace may be made nothing is tested, and the reason is
 * printed.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "podkit.h"

enum { LAUNCHER = 16, CHILDREN = 64 };

/* How a namespace is made here; NULL: it cannot be. */
static const char *const *launcher;

static const char *const as_root[] = {"unshare", "-pf", "--mount-proc", "--kill-child", NULL};
static const char *const as_user[] = {"unshare", "-Urpf", "--mount-proc", "--kill-child", NULL};

/* ---- a container
 * ------------------------------------------------------------------------------------------ */

struct container {
    struct pod pod;
    struct tk_process *outside; /* unshare, which ends as PID 1 does */
    pid_t first;                /* PID 1, as this process sees it */
};

static size_t fill(const char *argv[LAUNCHER], const char *const *begin, const char *program,
                   const char *argument)
{
    size_t n = 0;
    while (begin[n]) {
        argv[n] = begin[n];
        n++;
    }
    argv[n++] = program;
    argv[n++] = argument;
    argv[n] = NULL;
    return n;
}

static const char *const *find_launcher(void)
{
    static const char *const *const ways[] = {as_root, as_user};
    for (size_t i = 0; i < 2; i++) {
        const char *argv[LAUNCHER];
        char *said = NULL;
        fill(argv, ways[i], "true", NULL);
        int status = tk_run(argv, NULL, SOON_MS, &said);
        if (status == 0) {
            free(said);
            return ways[i];
        }
        if (i == 1)
            printf("no PID namespace can be made here, nothing is tested: %s\n", said ? said : "");
        free(said);
    }
    return NULL;
}

/* The children of a process; how many there are. */
static size_t children_of(pid_t parent, pid_t children[CHILDREN])
{
    char *text = tk_read_file(tk_text("/proc/%d/task/%d/children", (int)parent, (int)parent));
    size_t n = 0;
    for (char *at = text, *end; at && n < CHILDREN; at = end) {
        long pid = strtol(at, &end, 10);
        if (end == at)
            break;
        children[n++] = (pid_t)pid;
    }
    free(text);
    return n;
}

static pid_t first_child(pid_t parent)
{
    pid_t children[CHILDREN];
    return children_of(parent, children) == 1 ? children[0] : 0;
}

/* Is the first process already tarscli? */
static bool runs_tarscli(pid_t pid)
{
    char *name = tk_read_file(tk_text("/proc/%d/comm", (int)pid));
    bool is = name && strncmp(name, "tarscli", 7) == 0;
    free(name);
    return is;
}

/* The server notes the signals that it gets, and ends at SIGTERM. */
static struct container start(const char *lines)
{
    struct container c = {.pod = pod_of("tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p 1")};
    const char *argv[LAUNCHER];
    pod_env(&c.pod, "TARS_PRESTOP_WAITTIME=0");
    pod_script(&c.pod, "bin/start.sh",
               tk_text("for s in HUP USR1 USR2; do trap \"echo $s >>$TARS_PATH/signals\" $s; done\n"
                       "trap 'echo TERM >>$TARS_PATH/signals; exit 0' TERM\n"
                       "%s\necho $$ >$TARS_PATH/pid\n"
                       "while :; do sleep 0.1; done\n",
                       lines));
    fill(argv, launcher, tk_program("tarscli"), "supervisor");
    c.outside = tk_spawn(argv, c.pod.env, NULL);
    ck_assert(tk_eventually(pod_server(&c.pod) > 0, SOON_MS));
    c.first = first_child(c.outside->pid);
    ck_assert(c.first > 0 && runs_tarscli(c.first));
    return c;
}

static bool heard(const struct container *c, const char *signals)
{
    char *text = tk_read_file(pod_file(&c->pod, "signals"));
    bool same = text && strcmp(text, signals) == 0;
    free(text);
    return same;
}

static void stop(struct container *c)
{
    ck_assert_int_eq(kill(c->first, SIGTERM), 0);
    ck_assert(tk_wait(c->outside, SOON_MS));
    ck_assert_int_eq(c->outside->status, 0);
}

/* ---- what it does
 * ------------------------------------------------------------------------------------------ */

START_TEST(signals_go_on_to_the_server_and_sigterm_takes_it_down)
{
    struct container c = start("");
    ck_assert_int_eq(kill(c.first, SIGUSR1), 0);
    ck_assert(tk_eventually(heard(&c, "USR1\n"), SOON_MS));
    ck_assert_int_eq(kill(c.first, SIGHUP), 0);
    ck_assert(tk_eventually(heard(&c, "USR1\nHUP\n"), SOON_MS));
    ck_assert_int_eq(kill(c.first, SIGUSR2), 0);
    ck_assert(tk_eventually(heard(&c, "USR1\nHUP\nUSR2\n"), SOON_MS));
    stop(&c);
    ck_assert(heard(&c, "USR1\nHUP\nUSR2\nTERM\n"));
}
END_TEST

/* Waits until it does not lose SIGTERM any more; true when it was seen while it starts, where that
 * waits. */
static bool await_start(struct container *c)
{
    unsigned long long waiting = 0, caught = 0;
    int64_t end = tk_ms() + SOON_MS;
    while (!((waiting | caught) & (1U << (SIGTERM - 1))) && tk_ms() < end) {
        c->first = first_child(c->outside->pid);
        bool is = c->first > 0 && runs_tarscli(c->first);
        char *text = is ? tk_read_file(tk_text("/proc/%d/status", (int)c->first)) : NULL;
        const char *at = text ? strstr(text, "SigBlk:") : NULL;
        if (at && sscanf(at, "SigBlk: %llx SigIgn: %*x SigCgt: %llx", &waiting, &caught) != 2)
            waiting = caught = 0;
        free(text);
    }
    return waiting & (1U << (SIGTERM - 1));
}

START_TEST(sigterm_at_the_very_start_is_not_lost)
{
    bool seen = false;
    for (int i = 0; i < 4 && !seen; i++) { /* once, unless this test is too slow */
        struct container c = {.pod = pod_of("tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p 1")};
        const char *argv[LAUNCHER];
        pod_env(&c.pod, "TARS_PRESTOP_WAITTIME=0");
        pod_script(&c.pod, "bin/start.sh", "exec sleep 600\n");
        fill(argv, launcher, tk_program("tarscli"), "supervisor");
        c.outside = tk_spawn(argv, c.pod.env, NULL);
        seen = await_start(&c);
        stop(&c);
    }
    ck_assert(seen);
}
END_TEST

START_TEST(orphans_and_the_server_are_reaped)
{
    pid_t children[CHILDREN];
    /* each of them loses its parent at once; the last one leaves session and group as well */
    struct container c = start("(sleep 1 &)\n(sleep 1 &)\n(setsid sleep 1 &)");
    ck_assert(tk_eventually(children_of(c.first, children) == 4, SOON_MS));
    ck_assert(tk_eventually(children_of(c.first, children) == 1, SOON_MS)); /* zombies count too */
    pid_t before = pod_server(&c.pod);
    ck_assert_int_eq(kill(children[0], SIGKILL), 0);
    ck_assert(tk_eventually(pod_server(&c.pod) != before, SOON_MS)); /* the server, started again */
    ck_assert(pod_file_has(&c.pod, "log/supervisor.log", "was killed by signal 9"));
    stop(&c);
}
END_TEST

START_TEST(nothing_outlives_pid_one)
{
    struct container c = start("(setsid sleep 600 &)");
    pid_t children[CHILDREN];
    ck_assert(tk_eventually(children_of(c.first, children) == 2, SOON_MS));
    stop(&c);
    ck_assert(tk_eventually(kill(children[0], 0) != 0 && kill(children[1], 0) != 0, SOON_MS));
}
END_TEST

START_TEST(reason_has_been_printed)
{
    ck_assert_ptr_null(launcher);
}
END_TEST

static int run_tests(void)
{
    Suite *all = suite_create("tarscli as PID 1");
    TCase *tc = tcase_create("pid 1");
    launcher = find_launcher();
    tcase_set_timeout(tc, 60);
    if (launcher) {
        tcase_add_test(tc, signals_go_on_to_the_server_and_sigterm_takes_it_down);
        tcase_add_test(tc, sigterm_at_the_very_start_is_not_lost);
        tcase_add_test(tc, orphans_and_the_server_are_reaped);
        tcase_add_test(tc, nothing_outlives_pid_one);
    } else {
        tcase_add_test(tc, reason_has_been_printed);
    }
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
