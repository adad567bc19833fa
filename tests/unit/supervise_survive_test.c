/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kill -9 of the supervisor: the next one finds what it started. SUPERVISE_KILLS=100 is the long
 * form. The first supervisor runs in a process of its own, which is this program's child.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/xmalloc.h"
#include "nursery.h"
#include "supervise/proc.h"
#include "supervise/record.h"

enum { SERVERS = 6 };

/* What each server does; the folder holds what it tells. */
static char *line_of(int i, const char *folder)
{
    static const char *const lines[SERVERS] = {
        "echo $$ >>$F; while :; do echo tick; sleep 0.05; done",
        "sleep 600 & echo $! >>$F; exit 0",
        "setsid sh -c 'echo $$ >>$F; exec sleep 600' & exit 0",
        "trap '' TERM; echo $$ >>$F; while :; do sleep 0.2; done",
        "echo $$ >>$F; exec sleep 600",
        "echo $$ >>$F; sleep 600 & wait",
    };
    return xasprintf("export F=%s/%d; %s", folder, i, lines[i]);
}

static struct sup_server *servers[SERVERS];

static void add_all(struct nursery *n, const char *folder)
{
    static const struct sup_step steps[] = {
        {.kind = SUP_STEP_SIGNAL, .number = SIGTERM, .ms = 200}};
    for (int i = 0; i < SERVERS; i++) {
        char *line = line_of(i, folder);
        if (sup_find(n->sup, tk_text("s%d", i))) {
            free(line);
            continue;
        }
        struct sup_spec spec = {.stop = steps, .stop_count = 1, .backoff.jitter_percent = -1};
        servers[i] = nursery_add(n, tk_text("s%d", i), line, &spec);
        if (!sup_state(servers[i]).setting)
            sup_start(servers[i]);
        free(line);
    }
}

/* A supervisor in a process of its own that turns until it is killed. */
static pid_t start_supervisor(const char *state, const char *folder)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        struct nursery *n = nursery_new(state);
        n->outlived = true;
        add_all(n, folder);
        for (;;)
            nursery_turn(n);
    }
    return pid;
}

static int lines_in(const char *path)
{
    char *text = tk_read_file(path);
    int lines = 0;
    for (const char *at = text; at && (at = strchr(at, '\n')); at++)
        lines++;
    free(text);
    return lines;
}

static pid_t last_pid(const char *folder, int i)
{
    char *text = tk_read_file(tk_text("%s/%d", folder, i));
    pid_t pid = 0;
    for (const char *at = text; at && *at; at = strchr(at, '\n') + 1)
        pid = (pid_t)strtol(at, NULL, 10);
    free(text);
    return pid;
}

static bool all_launched(const char *folder)
{
    for (int i = 0; i < SERVERS; i++)
        if (lines_in(tk_text("%s/%d", folder, i)) == 0)
            return false;
    return true;
}

static void kill_supervisor(pid_t pid)
{
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static bool alive(pid_t pid)
{
    struct sup_proc proc;
    return sup_proc_read(pid, &proc) && proc.state != 'Z';
}

START_TEST(all_are_found_again_and_none_is_started_twice)
{
    const char *state = tk_dir(), *folder = tk_dir(), *text = getenv("SUPERVISE_KILLS");
    int kills = text ? atoi(text) : 4;
    pid_t supervisor = start_supervisor(state, folder);
    ck_assert(tk_eventually(all_launched(folder), 10000));
    for (int i = 1; i < kills; i++) {
        kill_supervisor(supervisor);
        supervisor = start_supervisor(state, folder);
        tk_sleep(i * 37 % 200); /* anywhere in the take-over */
    }
    kill_supervisor(supervisor);
    struct nursery *n = nursery_new(state);
    add_all(n, folder);
    ck_assert_int_eq(nursery_count(n, " adopted "), SERVERS);
    for (int i = 0; i < SERVERS; i++) {
        ck_assert_int_eq(lines_in(tk_text("%s/%d", folder, i)), 1);
        ck_assert(alive(last_pid(folder, i)));
    }
    ck_assert_int_eq(nursery_present(servers[0]), SUP_ACTIVE);
    nursery_free(n);
    for (int i = 0; i < SERVERS; i++)
        ck_assert(tk_eventually(!alive(last_pid(folder, i)), 5000));
}
END_TEST

START_TEST(one_that_was_launched_otherwise_is_told)
{
    const char *state = tk_dir(), *folder = tk_dir();
    pid_t supervisor = start_supervisor(state, folder);
    struct sup_status status;
    ck_assert(tk_eventually(all_launched(folder), 10000));
    kill_supervisor(supervisor);
    struct nursery *n = nursery_new(state);
    struct sup_server *other = nursery_add(n, "s4", "exec sleep 500", NULL);
    sup_status(other, &status);
    ck_assert(status.adopted && status.outdated);
    add_all(n, folder);
    sup_status(servers[0], &status);
    ck_assert(status.adopted && !status.outdated);
    sup_restart(other);
    ck_assert(
        nursery_until(n, (sup_status(other, &status), status.healthy && status.launches), 5000));
    ck_assert(!status.outdated);
    nursery_free(n);
}
END_TEST

START_TEST(the_output_of_an_adopted_server_is_kept_on)
{
    const char *state = tk_dir(), *folder = tk_dir();
    pid_t supervisor = start_supervisor(state, folder);
    size_t len = 0;
    ck_assert(tk_eventually(all_launched(folder), 10000));
    kill_supervisor(supervisor);
    tk_sleep(200); /* it writes meanwhile, with nobody to read */
    ck_assert(alive(last_pid(folder, 0)));
    struct nursery *n = nursery_new(state);
    add_all(n, folder);
    char *tail = NULL;
    ck_assert(nursery_until(n, (free(tail), tail = sup_tail(servers[0], &len), len > 40), 5000));
    ck_assert_ptr_nonnull(strstr(tail, "tick\ntick\n"));
    free(tail);
    nursery_free(n);
}
END_TEST

START_TEST(an_adopted_server_that_ends_is_launched_again)
{
    const char *state = tk_dir(), *folder = tk_dir();
    pid_t supervisor = start_supervisor(state, folder);
    ck_assert(tk_eventually(all_launched(folder), 10000));
    kill_supervisor(supervisor);
    pid_t dead = last_pid(folder, 4);
    kill(dead, SIGKILL); /* nobody sees it */
    ck_assert(tk_eventually(!alive(dead), 5000));
    struct nursery *n = nursery_new(state);
    add_all(n, folder);
    ck_assert_int_eq(nursery_count(n, " adopted "), SERVERS - 1);
    ck_assert(nursery_until(n, lines_in(tk_text("%s/4", folder)) == 2, 5000));
    kill(last_pid(folder, 3), SIGKILL); /* not our child: a pidfd tells */
    ck_assert(nursery_until(n, lines_in(tk_text("%s/3", folder)) == 2, 5000));
    ck_assert(nursery_has(n, "s3 exited ended"));
    nursery_free(n);
}
END_TEST

START_TEST(a_stop_that_was_under_way_is_finished)
{
    const char *state = tk_dir(), *folder = tk_dir();
    pid_t supervisor = start_supervisor(state, folder);
    struct sup_record record;
    struct tars_error error;
    ck_assert(tk_eventually(all_launched(folder), 10000));
    kill_supervisor(supervisor);
    ck_assert(sup_record_read(state, "s3", &record));
    record.setting = 0; /* as it stands while it is being stopped */
    ck_assert(sup_record_write(state, "s3", &record, &error));
    struct nursery *n = nursery_new(state);
    struct sup_server *s = nursery_add(n, "s3", "exec sleep 600", NULL);
    ck_assert_int_eq(nursery_present(s), SUP_DEACTIVATING);
    sup_hurry(s);
    ck_assert(nursery_until(n, nursery_present(s) == SUP_INACTIVE, 5000));
    ck_assert(!alive(last_pid(folder, 3)));
    ck_assert(!sup_record_read(state, "s3", &record));
    add_all(n, folder); /* so that the rest is ended */
    nursery_free(n);
}
END_TEST

/* ---- records that do not fit
 * ----------------------------------------------------------------------- */

static struct sup_record record_of(pid_t pid)
{
    struct sup_proc proc = {.pid = 0};
    struct sup_record record = {.pid = pid,
                                .leader = pid,
                                .setting = 1,
                                .active = 1,
                                .mark = "ffffffffffffffffffffffffffffffff",
                                .launched_ms = clock_ms()};
    ck_assert(sup_proc_read(pid, &proc));
    record.start = record.leader_start = (int64_t)proc.start;
    sup_proc_boot_id(record.boot);
    return record;
}

START_TEST(a_number_that_was_given_to_another_process_is_left_alone)
{
    const char *argv[] = {"sleep", "600", NULL};
    struct tk_process *stranger = tk_spawn(argv, NULL, NULL);
    struct tars_error error;
    for (int row = 0; row < 3; row++) {
        const char *state = tk_dir();
        struct sup_record record = record_of(stranger->pid);
        if (row == 0)
            record.start = --record.leader_start; /* started later than the one we know */
        else if (row == 1)
            record.boot[0] ^= 1; /* of another boot */
        else
            tk_write_file(tk_text("%s/ours.state", state), "supervise 1\nboot x\nmark y\npid -7\n");
        if (row < 2)
            ck_assert(sup_record_write(state, "ours", &record, &error));
        pid_t pid = fork(); /* a supervisor waits for every child: the stranger is not its own */
        if (pid == 0) {
            struct nursery *n = nursery_new(state);
            struct sup_server *s = nursery_add(n, "ours", "exec sleep 600", NULL);
            bool good = !nursery_has(n, "adopted");
            sup_start(s);
            good = good && nursery_until(n, nursery_present(s) == SUP_ACTIVE, 5000) &&
                   sup_state(s).pid != stranger->pid;
            sup_stop(s);
            good = good && nursery_until(n, nursery_present(s) == SUP_INACTIVE, 5000);
            nursery_abandon(n);
            _exit(good ? 0 : 1);
        }
        int status;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        ck_assert(alive(stranger->pid));
    }
}
END_TEST

START_TEST(a_process_made_just_before_the_kill_is_found_by_its_mark)
{
    const char *state = tk_dir(), *mark = "0123456789abcdef0123456789abcdef";
    const char *env[] = {tk_text("SUPERVISE_ID=%s", mark), NULL}, *argv[] = {"sleep", "600", NULL};
    struct tk_process *child = tk_spawn(argv, env, NULL);
    struct sup_record record = record_of(child->pid);
    struct tars_error error;
    ck_assert(tk_eventually(sup_proc_has_mark(child->pid, mark), 5000)); /* it has become sleep */
    ck_assert(!sup_proc_has_mark(child->pid, "0123456789abcdef"));
    record.pid = record.start = record.leader = record.leader_start = 0;
    memcpy(record.mark, mark, strlen(mark) + 1);
    ck_assert(sup_record_write(state, "ours", &record, &error));
    struct nursery *n = nursery_new(state);
    struct sup_server *s = nursery_add(n, "ours", "exec sleep 600", NULL);
    ck_assert_int_eq(sup_state(s).pid, child->pid);
    ck_assert(nursery_has(n, "ours adopted"));
    nursery_free(n);
    child->gone = true;
}
END_TEST

START_TEST(a_state_folder_that_a_group_got_is_taken_back_without_its_records)
{
    const char *folder = tk_dir(), *record = tk_text("%s/s.state", folder);
    struct stat about;
    tk_write_file(record, "what the group wrote");
    ck_assert_int_eq(chmod(folder, 0770), 0);
    struct nursery *n = nursery_new(folder);
    ck_assert_int_eq(stat(folder, &about), 0);
    ck_assert_int_eq(about.st_mode & 0777, 0700);
    ck_assert_int_ne(access(record, F_OK), 0);
    nursery_free(n);
}
END_TEST

START_TEST(a_state_folder_of_another_user_is_refused)
{
    const char *folder = tk_dir();
    struct loop *loop = loop_new("x");
    struct tars_error error;
    struct sup_options options = {.state_folder = folder};
    if (chown(folder, 12345, 12345) == 0) { /* root only */
        ck_assert_ptr_null(sup_new(loop, &options, &error));
        ck_assert_ptr_nonnull(strstr(error.text, "belongs to another user (12345)"));
    }
    loop_free(loop);
}
END_TEST

START_TEST(a_state_folder_that_cannot_be_written_stops_no_server)
{
    struct loop *loop = loop_new("x");
    struct tars_error error;
    struct sup_options options = {.state_folder = "/proc/nothing"};
    ck_assert_ptr_null(sup_new(loop, &options, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "cannot make the state folder /proc/nothing"));
    const char *open_folder = tk_dir();
    ck_assert_int_eq(chmod(open_folder, 0777), 0);
    options.state_folder = open_folder;
    ck_assert_ptr_null(sup_new(loop, &options, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "can be written by others"));
    loop_free(loop);
    struct nursery *n = nursery_new("/proc/self"); /* there, and nothing can be made in it */
    struct sup_server *s = nursery_add(n, "s", "exec sleep 600", NULL);
    sup_start(s);
    ck_assert(nursery_until(n, nursery_present(s) == SUP_ACTIVE, 5000));
    ck_assert_int_eq(nursery_count(n, "state-file cannot write /proc/self/s.state"), 1);
    nursery_free(n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("supervise_survive");
    TCase *tc = tcase_create("survive");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, all_are_found_again_and_none_is_started_twice);
    tcase_add_test(tc, one_that_was_launched_otherwise_is_told);
    tcase_add_test(tc, the_output_of_an_adopted_server_is_kept_on);
    tcase_add_test(tc, an_adopted_server_that_ends_is_launched_again);
    tcase_add_test(tc, a_stop_that_was_under_way_is_finished);
    tcase_add_test(tc, a_number_that_was_given_to_another_process_is_left_alone);
    tcase_add_test(tc, a_process_made_just_before_the_kill_is_found_by_its_mark);
    tcase_add_test(tc, a_state_folder_that_a_group_got_is_taken_back_without_its_records);
    tcase_add_test(tc, a_state_folder_of_another_user_is_refused);
    tcase_add_test(tc, a_state_folder_that_cannot_be_written_stops_no_server);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
