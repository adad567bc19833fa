/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "testkit.h"

START_TEST(a_process_runs_with_its_environment_and_output_is_kept)
{
    char *output;
    const char *argv[] = {"sh", "-c", "echo $A-$B; exit 3", NULL};
    const char *env[] = {"A=replaced too", "A=x", "B=y", NULL};
    setenv("A", "replaced", 1);
    ck_assert_int_eq(tk_run(argv, env, 5000, &output), 3);
    ck_assert_str_eq(output, "x-y\n");
    free(output);
}
END_TEST

static _Atomic bool enough;

static void *allocate(void *arg)
{
    (void)arg;
    for (size_t size = 1; !atomic_load(&enough); size = size * 5 % 65521) {
        char *volatile bytes = malloc(size);
        free(bytes);
    }
    return NULL;
}

/* A lock that another thread holds at the moment of the fork stays locked in the child. */
START_TEST(a_process_starts_whatever_other_threads_are_doing)
{
    enum { THREADS = 2, PROCESSES = 40 };
    pthread_t threads[THREADS];
    const char *argv[] = {"true", NULL}, *env[] = {"A=x", "B=y", NULL},
               *log = tk_text("%s/log", tk_dir());
    atomic_store(&enough, false);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, allocate, NULL), 0);
    for (int i = 0; i < PROCESSES; i++) {
        struct tk_process *process = tk_spawn(argv, env, log);
        ck_assert_msg(tk_wait(process, 20000), "process %d has not ended", i);
        ck_assert_int_eq(process->status, 0);
    }
    atomic_store(&enough, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

START_TEST(a_process_that_ignores_sigterm_is_killed_after_the_deadline)
{
    const char *deaf[] = {"sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done", NULL};
    const char *polite[] = {"sleep", "60", NULL};
    struct tk_process *process = tk_spawn(deaf, NULL, NULL);
    ck_assert(tk_eventually(tk_output_has(process, "up"), 5000));
    ck_assert_int_eq(tk_stop(process, 200), -1);
    ck_assert_int_eq(process->status, 128 + SIGKILL);
    ck_assert_int_eq(tk_stop(tk_spawn(polite, NULL, NULL), 5000), 128 + SIGTERM);
}
END_TEST

START_TEST(a_free_port_is_closed_until_somebody_listens)
{
    uint16_t port = tk_free_port();
    ck_assert(!tk_port_open(port));
    const char *argv[] = {"python3",           "-m", "http.server", "--bind", "127.0.0.1",
                          tk_text("%u", port), "-d", tk_dir(),      NULL};
    struct tk_process *server = tk_spawn(argv, NULL, NULL);
    char *body;
    ck_assert(tk_wait_port(port, 10000));
    ck_assert_int_eq(tk_http(port, "GET", "/", NULL, &body), 200);
    ck_assert_ptr_nonnull(strstr(body, "Directory listing"));
    free(body);
    ck_assert_int_eq(tk_http(port, "GET", "/none", NULL, NULL), 404);
    tk_kill(server);
    ck_assert_int_eq(tk_http(port, "GET", "/", NULL, NULL), -1);
}
END_TEST

START_TEST(a_folder_is_there_while_its_test_runs)
{
    const char *dir = tk_dir(), *file = tk_text("%s/a", dir);
    struct stat st;
    tk_write_file(file, "text");
    char *text = tk_read_file(file);
    ck_assert_str_eq(text, "text");
    free(text);
    ck_assert_int_eq(stat(dir, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0700);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("testkit");
    TCase *tc = tcase_create("testkit");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_process_runs_with_its_environment_and_output_is_kept);
    tcase_add_test(tc, a_process_starts_whatever_other_threads_are_doing);
    tcase_add_test(tc, a_process_that_ignores_sigterm_is_killed_after_the_deadline);
    tcase_add_test(tc, a_free_port_is_closed_until_somebody_listens);
    tcase_add_test(tc, a_folder_is_there_while_its_test_runs);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
