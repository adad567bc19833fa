/* SPDX-License-Identifier: BSD-3-Clause */
/* What servers write: kept, rotated, lost without harm, and the tail. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "nursery.h"

static bool tail_has(const struct sup_server *server, const char *text)
{
    size_t len;
    char *tail = sup_tail(server, &len);
    bool has = strstr(tail, text);
    free(tail);
    return has;
}

static struct sup_server *run(struct nursery *n, const char *line, struct sup_output output)
{
    struct sup_spec spec = {.output = output, .restart = SUP_RESTART_NEVER};
    struct sup_server *s = nursery_add(n, "out", line, &spec);
    sup_start(s);
    return s;
}

static bool ended(struct nursery *n, const struct sup_server *s)
{
    return nursery_until(n, n->exits > 0 && !sup_state(s).pid, 20000);
}

static off_t size_of(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 ? about.st_size : -1;
}

START_TEST(output_is_appended_and_rotated_by_size)
{
    struct nursery *n = nursery_new(NULL);
    const char *path = tk_text("%s/log", tk_dir());
    tk_write_file(path, "before\n");
    struct sup_server *s = run(
        n,
        "i=0; while [ $i -lt 3000 ]; do echo \"line $i 0123456789012345678901234567890123\"; "
        "i=$((i+1)); done; echo end >&2",
        (struct sup_output){.kind = SUP_OUTPUT_CAPTURE,
                            .path = path,
                            .rotate_bytes = 30000,
                            .keep = 2,
                            .tail_bytes = 1000});
    ck_assert(ended(n, s));
    ck_assert(size_of(path) >= 0 && size_of(tk_text("%s.1", path)) >= 30000);
    ck_assert(size_of(tk_text("%s.2", path)) >= 30000);
    ck_assert_int_eq(size_of(tk_text("%s.3", path)), -1);
    size_t len;
    char *tail = sup_tail(s, &len), *file = tk_read_file(path);
    ck_assert_uint_eq(len, 1000);
    ck_assert_str_eq(tail + len - 4, "end\n");
    ck_assert_ptr_nonnull(strstr(file, "end\n"));
    free(tail);
    free(file);
    nursery_free(n);
}
END_TEST

START_TEST(a_log_that_was_removed_or_changed_goes_on)
{
    struct nursery *n = nursery_new(NULL);
    const char *folder = tk_dir(), *path = tk_text("%s/log", folder);
    struct sup_server *s = run(
        n, "while :; do echo line; sleep 0.01; done",
        (struct sup_output){.kind = SUP_OUTPUT_CAPTURE, .path = path, .rotate_bytes = 100000});
    ck_assert(nursery_until(n, size_of(path) > 20, 5000));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert(nursery_until(n, size_of(path) > 20, 5000));
    ck_assert_int_eq(truncate(path, 99980), 0); /* a size that it has not counted */
    ck_assert(nursery_until(n, size_of(tk_text("%s.1", path)) >= 100000, 5000));
    ck_assert_int_eq(sup_state(s).present, SUP_ACTIVE);
    nursery_free(n);
}
END_TEST

START_TEST(a_full_disk_is_not_felt_by_the_server)
{
    struct nursery *n = nursery_new(NULL);
    struct sup_status status;
    struct sup_server *s = run(
        n, "head -c 300000 /dev/zero; echo alive; exit 0",
        (struct sup_output){.kind = SUP_OUTPUT_CAPTURE, .path = "/dev/full"});
    ck_assert(ended(n, s));
    ck_assert_int_eq(n->statuses[0], 0);
    ck_assert(tail_has(s, "") && nursery_count(n, "output-lost") == 1);
    ck_assert(nursery_has(n, "output cannot be written to /dev/full and is dropped until it can: "
                             "No space left on device"));
    sup_status(s, &status);
    ck_assert_uint_eq(status.output_lost, 300006);
    nursery_free(n);
}
END_TEST

START_TEST(when_there_is_room_again_the_file_says_what_is_missing)
{
    struct nursery *n = nursery_new(NULL);
    const char *folder = tk_dir(), *path = tk_text("%s/log", folder);
    struct rlimit before, small;
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 10000; /* writing beyond it fails, and would kill who does not mind SIGXFSZ */
    setrlimit(RLIMIT_FSIZE, &small);
    struct sup_server *s = run(
        n,
        tk_text("head -c 20000 /dev/zero | tr '\\0' x; while [ ! -e %s/go ]; do sleep 0.02; "
                "done; echo again",
                folder),
        (struct sup_output){.kind = SUP_OUTPUT_CAPTURE, .path = path});
    struct sup_status status;
    ck_assert(nursery_until(n, (sup_status(s, &status), status.output_lost > 0), 5000));
    nursery_until(n, false, 100); /* all of it is read */
    setrlimit(RLIMIT_FSIZE, &before);
    tk_write_file(tk_text("%s/go", folder), "");
    ck_assert(ended(n, s));
    char *file = tk_read_file(path);
    sup_status(s, &status);
    ck_assert_ptr_nonnull(strstr(file, tk_text("[%llu bytes of output are missing here]\nagain",
                                               (unsigned long long)status.output_lost)));
    ck_assert_uint_eq(status.output_lost, 10000);
    free(file);
    nursery_free(n);
}
END_TEST

START_TEST(a_folder_that_cannot_be_written_stops_no_server)
{
    struct nursery *n = nursery_new(NULL);
    struct sup_server *s = run(
        n, "echo here; exec sleep 60",
        (struct sup_output){.kind = SUP_OUTPUT_CAPTURE, .path = "/proc/no/such/log"});
    ck_assert(nursery_until(n, tail_has(s, "here"), 5000));
    ck_assert(nursery_until(
        n, nursery_has(n, "output-lost output cannot be written to /proc/no/such"), 5000));
    ck_assert_int_eq(nursery_present(s), SUP_ACTIVE);
    nursery_free(n);
}
END_TEST

START_TEST(output_goes_straight_into_a_file_or_nowhere)
{
    struct nursery *n = nursery_new(NULL);
    const char *path = tk_text("%s/log", tk_dir());
    struct sup_server *s = run(n, "echo straight; exit 0",
                               (struct sup_output){.kind = SUP_OUTPUT_FILE, .path = path});
    ck_assert(ended(n, s));
    char *file = tk_read_file(path);
    ck_assert_str_eq(file, "straight\n");
    free(file);
    struct sup_spec spec = {.output.kind = SUP_OUTPUT_NONE, .restart = SUP_RESTART_NEVER};
    struct sup_server *none = nursery_add(n, "none", "ls -l /proc/self/fd >&2; exit 0", &spec);
    sup_start(none);
    ck_assert(nursery_until(n, n->exits == 2, 5000));
    ck_assert_int_eq(n->statuses[1], 0);
    nursery_free(n);
}
END_TEST

START_TEST(output_is_echoed_and_a_stuck_reader_holds_nobody_up)
{
    struct nursery *n = nursery_new(NULL);
    int ends[2];
    char text[64] = "";
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    struct sup_server *s = run(n, "echo first; head -c 1000000 /dev/zero; exit 0",
                               (struct sup_output){.kind = SUP_OUTPUT_CAPTURE, .echo_fd = ends[1]});
    ck_assert(ended(n, s));
    ck_assert_int_gt(read(ends[0], text, sizeof text - 1), 5);
    ck_assert_int_eq(strncmp(text, "first\n", 6), 0);
    nursery_free(n);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(the_tail_is_of_the_latest_launch)
{
    struct nursery *n = nursery_new(NULL);
    const char *file = tk_text("%s/n", tk_dir());
    struct sup_server *s = nursery_add(n, "twice",
                                       tk_text("echo x >>%s; echo run $(wc -l <%s); "
                                               "[ $(wc -l <%s) -gt 1 ] && exec sleep 60; exit 1",
                                               file, file, file),
                                       NULL);
    sup_start(s);
    ck_assert(nursery_until(n, tail_has(s, "run 2"), 5000));
    ck_assert(!tail_has(s, "run 1"));
    nursery_free(n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("supervise_output");
    TCase *tc = tcase_create("output");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, output_is_appended_and_rotated_by_size);
    tcase_add_test(tc, a_log_that_was_removed_or_changed_goes_on);
    tcase_add_test(tc, a_full_disk_is_not_felt_by_the_server);
    tcase_add_test(tc, when_there_is_room_again_the_file_says_what_is_missing);
    tcase_add_test(tc, a_folder_that_cannot_be_written_stops_no_server);
    tcase_add_test(tc, output_goes_straight_into_a_file_or_nowhere);
    tcase_add_test(tc, output_is_echoed_and_a_stuck_reader_holds_nobody_up);
    tcase_add_test(tc, the_tail_is_of_the_latest_launch);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
