/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of the supervisor that need no process: waits, rings, and what is read from files. */
#include <arpa/inet.h>
#include <check.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "supervise/backoff.h"
#include "supervise/probe.h"
#include "supervise/proc.h"
#include "supervise/record.h"
#include "supervise/spec.h"
#include "supervise/tail.h"
#include "testkit.h"

/* ---- back-off
 * ------------------------------------------------------------------------------------- */

START_TEST(waits_double_up_to_the_end_then_the_penalty_comes)
{
    struct sup_backoff rule = sup_backoff_complete((struct sup_backoff){.jitter_percent = -1});
    static const int64_t wanted[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000};
    int crashes = 0;
    for (size_t i = 0; i < 9; i++) {
        crashes = sup_backoff_count(&rule, crashes, 10);
        struct sup_wait wait = sup_backoff_wait(&rule, crashes, 10, 7);
        ck_assert_int_eq(wait.ms, wanted[i]);
        ck_assert(!wait.penalty);
    }
    crashes = sup_backoff_count(&rule, crashes, 10);
    struct sup_wait wait = sup_backoff_wait(&rule, crashes, 10, 7);
    ck_assert(wait.penalty);
    ck_assert_int_eq(wait.ms, 600000);
    crashes = sup_backoff_count(&rule, crashes, 60000); /* a stable run forgets them */
    ck_assert_int_eq(crashes, 1);
    ck_assert_int_eq(sup_backoff_wait(&rule, crashes, 60000, 7).ms, 1000);
    ck_assert_int_eq(sup_backoff_count(&rule, INT_MAX, 1), INT_MAX);
}
END_TEST

START_TEST(jitter_only_adds_and_spacing_counts_from_the_launch)
{
    struct sup_backoff rule = sup_backoff_complete((struct sup_backoff){.jitter_percent = 50});
    bool differs = false;
    for (uint64_t chance = 0; chance < 2000; chance++) {
        int64_t ms = sup_backoff_wait(&rule, 1, 0, chance * 2654435761U).ms;
        ck_assert(ms >= 1000 && ms <= 1500);
        differs = differs || ms != 1000;
    }
    ck_assert(differs);
    rule = sup_backoff_complete((struct sup_backoff){.first_ms = -1, .spacing_ms = 300000});
    ck_assert_int_eq(sup_backoff_wait(&rule, 1, 100000, 0).ms, 200000);
    ck_assert_int_eq(sup_backoff_wait(&rule, 1, 400000, 0).ms, 0);
}
END_TEST

/* ---- ring
 * ----------------------------------------------------------------------------------------- */

START_TEST(a_ring_keeps_the_last_bytes_however_they_come)
{
    enum { ALL = 12000 };
    static const size_t pieces[] = {1, 7, 100, 1023, 1024, 1025, 5000, 20000};
    char *all = malloc(ALL);
    for (size_t i = 0; i < ALL; i++)
        all[i] = (char)('a' + i % 23);
    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
        struct sup_ring ring = {.most = 5000};
        size_t len, fed = 0;
        while (fed < ALL) {
            size_t part = pieces[p] < ALL - fed ? pieces[p] : ALL - fed;
            sup_ring_add(&ring, all + fed, part);
            fed += part;
            if (part < 100 && fed % 97)
                continue;
            char *copy = sup_ring_copy(&ring, &len);
            ck_assert_uint_eq(len, fed < 5000 ? fed : 5000);
            ck_assert_mem_eq(copy, all + fed - len, len);
            ck_assert_int_eq(copy[len], '\0');
            free(copy);
        }
        sup_ring_clear(&ring);
        free(sup_ring_copy(&ring, &len));
        ck_assert_uint_eq(len, 0);
    }
    free(all);
}
END_TEST

/* ---- what is read
 * --------------------------------------------------------------------------------- */

START_TEST(the_stat_of_a_process_is_read_whatever_its_name)
{
    struct sup_proc proc;
    ck_assert(
        sup_proc_parse("12 (a) R 1 2 (b) S 3 4 5 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 99 1 2", &proc));
    ck_assert_int_eq(proc.pid, 12);
    ck_assert_int_eq(proc.state, 'S');
    ck_assert_int_eq(proc.parent, 3);
    ck_assert_int_eq(proc.group, 4);
    ck_assert_int_eq(proc.session, 5);
    static const char *const bad[] = {"", "12", "12 (", "12 ()", "12 (a) S 1 2", ") S 1 2 3"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert(!sup_proc_parse(bad[i], &proc));
    ck_assert(sup_proc_read(getpid(), &proc));
    ck_assert(sup_proc_is(getpid(), proc.start));
    ck_assert(!sup_proc_is(getpid(), proc.start + 1)); /* the number alone is not enough */
    ck_assert(!sup_proc_read(0, &proc) && !sup_proc_read(-1, &proc));
}
END_TEST

START_TEST(a_tree_whose_number_a_stranger_has_is_empty)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (!pid) { /* leads a session of its own: that of this test may have lost its leader */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setsid();
        pause();
        _exit(0);
    }
    struct sup_proc leader, *members;
    ck_assert(tk_eventually(sup_proc_read(pid, &leader) && leader.session == pid, 10000));
    struct sup_tree tree = {.leader = pid, .start = leader.start, .mark = "no such mark"};
    ck_assert_uint_eq(sup_proc_tree(&tree, &members), 1);
    ck_assert_int_eq(members[0].pid, pid);
    free(members);
    tree.start = leader.start - 1; /* ours was older */
    ck_assert_uint_eq(sup_proc_tree(&tree, &members), 0);
    ck_assert_ptr_null(members);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
END_TEST

/* The number of a session that ended long ago leads a pipeline of a stranger, who is gone too. */
START_TEST(a_group_that_strangers_made_anew_is_left_alone)
{
    int ends[2];
    pid_t leader, stranger = 0;
    ck_assert_int_eq(pipe(ends), 0);
    leader = fork();
    ck_assert_int_ge(leader, 0);
    if (!leader) {
        setsid();
        if ((stranger = fork()) == 0) {
            for (;;)
                pause();
        }
        _exit(write(ends[1], &stranger, sizeof stranger) != sizeof stranger);
    }
    ck_assert_int_eq(waitpid(leader, NULL, 0), leader);
    ck_assert_int_eq(read(ends[0], &stranger, sizeof stranger), sizeof stranger);
    struct sup_proc proc = {0}, *members;
    bool orphan = tk_eventually(sup_proc_read(stranger, &proc) && proc.parent != leader, 10000);
    bool mine = proc.parent == getpid();
    struct sup_tree tree = {.leader = leader, .mark = "no such mark"};
    size_t count = sup_proc_tree(&tree, &members);
    free(members);
    tree.anywhere = true; /* those of an earlier supervisor are nobody's children */
    size_t anywhere = sup_proc_tree(&tree, &members);
    free(members);
    kill(stranger, SIGKILL);
    close(ends[0]);
    close(ends[1]);
    ck_assert(orphan && !mine);
    ck_assert_uint_eq(count, 0);
    ck_assert_uint_eq(anywhere, 1);
}
END_TEST

START_TEST(a_record_comes_back_as_it_was)
{
    struct sup_record record = {.boot = "boot-id",
                                .mark = "0123",
                                .pid = 17,
                                .start = 1LL << 40,
                                .leader = 16,
                                .leader_start = 5,
                                .pipe = 77,
                                .setting = 1,
                                .active = 1,
                                .crashes = 3,
                                .launched_ms = 123456};
    struct sup_record back;
    struct tars_error error;
    const char *folder = tk_dir();
    ck_assert(sup_record_write(folder, "a", &record, &error));
    ck_assert(sup_record_read(folder, "a", &back));
    ck_assert_str_eq(back.boot, "boot-id");
    ck_assert_str_eq(back.mark, "0123");
    ck_assert_int_eq(back.pid, 17);
    ck_assert_int_eq(back.start, 1LL << 40);
    ck_assert_int_eq(back.launched_ms, 123456);
    ck_assert(!sup_record_read(folder, "b", &back));
    sup_record_remove(folder, "a");
    ck_assert(!sup_record_read(folder, "a", &back));
    ck_assert(!sup_record_write("/nonexistent", "a", &record, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "/nonexistent/a.state: No such file"));
}
END_TEST

START_TEST(a_record_that_is_none_is_refused)
{
    static const char *const bad[] = {
        "",
        "supervise 2\nboot a\nmark b\n",
        "supervise 1\n",
        "supervise 1\nboot a\n",
        "supervise 1\nboot a\nmark b",
        "supervise 1\nboot a\nmark b\npid -1\n",
        "supervise 1\nboot a\nmark b\npid 99999999999\n",
        "supervise 1\nboot a\nmark b\nstart 99999999999999999999999999\n",
        "supervise 1\nboot a\nmark b\nsetting 2\n",
        "supervise 1\nboot a\nmark b\npid \n",
        "supervise 1\nboot a\nmark b\npid 1x\n",
        "supervise 1\nboot a\nmark 0123456789012345678901234567890123\n",
        "supervise 1\nboot a\nmark b\nnonsense\n",
    };
    struct sup_record record;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!sup_record_parse(bad[i], &record), "%s", bad[i]);
    ck_assert(sup_record_parse("supervise 1\nboot a\nmark b\nlater x\npid 5\n", &record));
    ck_assert_int_eq(record.pid, 5);
    /* a link is not followed */
    const char *folder = tk_dir();
    tk_write_file(tk_text("%s/real", folder), "supervise 1\nboot a\nmark b\n");
    ck_assert_int_eq(symlink("real", tk_text("%s/a.state", folder)), 0);
    ck_assert(!sup_record_read(folder, "a", &record));
}
END_TEST

START_TEST(udp_sockets_are_found_by_address_and_port)
{
    static const char table[] = "  sl  local_address rem_address   st tx_queue\n"
                                "  10: 0100007F:1F90 00000000:0000 07 00000000:00000000\n"
                                "  11: 00000000:1F91 00000000:0000 07 00000000:00000000\n";
    static const char table6[] =
        "  sl  local_address                         remote_address\n"
        "  12: 00000000000000000000000000000000:1F92 00000000000000000000000000000000:0000 07\n"
        "  13: 0000000000000000FFFF00000100007F:1F93 00000000000000000000000000000000:0000 07\n";
    struct in_addr local, other;
    inet_pton(AF_INET, "127.0.0.1", &local);
    inet_pton(AF_INET, "127.0.0.2", &other);
    ck_assert(sup_udp_is_bound(table, &local, 4, 8080));
    ck_assert(!sup_udp_is_bound(table, &other, 4, 8080));
    ck_assert(sup_udp_is_bound(table, &other, 4, 8081)); /* bound to all */
    ck_assert(!sup_udp_is_bound(table, &local, 4, 8082));
    ck_assert(sup_udp_is_bound(table6, &local, 4, 8082));
    ck_assert(sup_udp_is_bound(table6, &local, 4, 8083));
    ck_assert(!sup_udp_is_bound(table6, &other, 4, 8083));
    ck_assert(!sup_udp_is_bound("", &local, 4, 8080));
    ck_assert(!sup_udp_is_bound("\n\nx: y\n 1: 01:1F90", &local, 4, 8080));
}
END_TEST

/* ---- specs
 * ---------------------------------------------------------------------------------------- */

START_TEST(a_spec_that_cannot_work_is_refused_with_the_reason)
{
    static const char *const names[] = {"", "a/b", ".hidden", "..", "a b", "a\nb", NULL};
    static const struct sup_check checks[] = {{.kind = SUP_CHECK_TCP, .host = "127.0.0.1"},
                                              {.kind = SUP_CHECK_SCRIPT},
                                              {.kind = SUP_CHECK_CALL}};
    static const struct sup_step steps[] = {
        {.kind = SUP_STEP_SIGNAL}, {.kind = SUP_STEP_CALL}, {.kind = SUP_STEP_COMMAND}};
    struct sup_spec spec = {.launch.command = "true"};
    struct tars_error error;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        spec.name = names[i];
        ck_assert(!sup_spec_check(&spec, &error));
        ck_assert_ptr_nonnull(strstr(error.text, "cannot be the name"));
    }
    spec.name = "a.B-1_c";
    ck_assert(sup_spec_check(&spec, &error));
    for (size_t i = 0; i < 3; i++) {
        struct sup_spec bad = spec;
        bad.checks = &checks[i];
        bad.check_count = 1;
        ck_assert(!sup_spec_check(&bad, &error));
        bad = spec;
        bad.stop = &steps[i];
        bad.stop_count = 1;
        ck_assert(!sup_spec_check(&bad, &error));
    }
    spec.launch.command = NULL;
    ck_assert(!sup_spec_check(&spec, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "no program to run"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("supervise_parts");
    TCase *tc = tcase_create("parts");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, waits_double_up_to_the_end_then_the_penalty_comes);
    tcase_add_test(tc, jitter_only_adds_and_spacing_counts_from_the_launch);
    tcase_add_test(tc, a_ring_keeps_the_last_bytes_however_they_come);
    tcase_add_test(tc, the_stat_of_a_process_is_read_whatever_its_name);
    tcase_add_test(tc, a_tree_whose_number_a_stranger_has_is_empty);
    tcase_add_test(tc, a_group_that_strangers_made_anew_is_left_alone);
    tcase_add_test(tc, a_record_comes_back_as_it_was);
    tcase_add_test(tc, a_record_that_is_none_is_refused);
    tcase_add_test(tc, udp_sockets_are_found_by_address_and_port);
    tcase_add_test(tc, a_spec_that_cannot_work_is_refused_with_the_reason);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
