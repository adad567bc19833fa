/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/config_file.h"
#include "report/day_switch.h"
#include "report/dyeing.h"
#include "report/identity.h"
#include "report/local_log.h"

#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "testkit.h"

/* ---- copies of configuration files ----------------------------------------------------------- */

static char *file_of(const char *dir, const char *name)
{
    return tk_read_file(tk_text("%s/%s", dir, name));
}

#define ck_file(dir_, name_, text_)                                                                \
    do {                                                                                           \
        char *is_ = file_of(dir_, name_);                                                          \
        ck_assert_ptr_nonnull(is_);                                                                \
        ck_assert_str_eq(is_, text_);                                                              \
        free(is_);                                                                                 \
    } while (0)

static void store(const char *dir, const char *text)
{
    struct tars_error error;

    ck_assert(report_config_store(dir, "a.conf", tars_str(text), &error));
}

START_TEST(a_new_content_rotates_five_backups)
{
    const char *dir = tk_dir();

    for (int i = 1; i <= 8; i++)
        store(dir, tk_text("version %d", i));
    ck_file(dir, "a.conf", "version 8");
    for (int i = 1; i <= 5; i++)
        ck_file(dir, tk_text("a.conf.%d.bak", i), tk_text("version %d", 8 - i));
    ck_assert_ptr_null(file_of(dir, "a.conf.6.bak"));
}
END_TEST

START_TEST(an_unchanged_content_keeps_the_file_and_its_backups)
{
    const char *dir = tk_dir();
    struct stat before, after;

    store(dir, "one");
    ck_assert_int_eq(stat(tk_text("%s/a.conf", dir), &before), 0);
    store(dir, "one");
    ck_assert_int_eq(stat(tk_text("%s/a.conf", dir), &after), 0);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
    ck_assert_ptr_null(file_of(dir, "a.conf.1.bak"));
}
END_TEST

START_TEST(an_empty_content_is_a_content_and_no_temporary_file_stays)
{
    const char *dir = tk_dir();
    glob_t found;

    store(dir, "one");
    store(dir, "");
    ck_file(dir, "a.conf", "");
    ck_file(dir, "a.conf.1.bak", "one");
    ck_assert_int_eq(glob(tk_text("%s/*", dir), 0, NULL, &found), 0);
    ck_assert_uint_eq(found.gl_pathc, 2);
    globfree(&found);
}
END_TEST

START_TEST(file_names_never_leave_the_folder)
{
    static const char *const bad[] = {"",    "..", "../a", "a/../b", "/etc/passwd",
                                      "a/b", ".",  "a..b", "..a",    "./a"};
    struct tars_error error;
    char name[300];

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        ck_assert(!report_config_name(bad[i], &error));
        ck_assert(!report_config_store(tk_dir(), bad[i], tars_str("x"), &error));
        ck_assert_uint_gt(strlen(error.text), 10);
    }
    ck_assert(report_config_name("a.b-c_1.conf", &error));
    memset(name, 'n', sizeof(name));
    name[250] = '\0';
    ck_assert(!report_config_name(name, &error));
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_an_error_that_names_it)
{
    struct tars_error error;

    ck_assert(!report_config_store("/nowhere/at/all", "a.conf", tars_str("x"), &error));
    ck_assert_ptr_nonnull(strstr(error.text, "/nowhere/at/all/a.conf"));
}
END_TEST

/* ---- log files ------------------------------------------------------------------------------- */

START_TEST(rolling_files_are_numbered_and_their_number_is_bounded)
{
    const char *dir = tk_text("%s/deep/down", tk_dir());
    struct report_local_log *log = report_local_log_new(dir, "Demo.Server", 100, 3);
    glob_t found;

    for (int i = 0; i < 100; i++)
        report_local_log_roll(log, tars_str(tk_text("line %02d of some length\n", i)));
    report_local_log_free(log);
    ck_assert_int_eq(glob(tk_text("%s/Demo.Server*.log", dir), 0, NULL, &found), 0);
    ck_assert_uint_eq(found.gl_pathc, 3);
    globfree(&found);
    char *newest = file_of(dir, "Demo.Server.log"), *oldest = file_of(dir, "Demo.Server2.log");
    ck_assert_ptr_nonnull(strstr(newest, "line 99"));
    ck_assert_ptr_nonnull(oldest);
    ck_assert_uint_le(strlen(newest), 100);
    free(newest);
    free(oldest);
}
END_TEST

START_TEST(a_log_continues_the_file_of_the_last_run)
{
    const char *dir = tk_dir();

    for (int i = 0; i < 2; i++) {
        struct report_local_log *log = report_local_log_new(dir, "D.S", 1000, 3);
        report_local_log_roll(log, tars_str("x\n"));
        report_local_log_free(log);
    }
    ck_file(dir, "D.S.log", "x\nx\n");
}
END_TEST

START_TEST(a_day_log_has_its_name_and_date_and_stays_in_its_folder)
{
    const char *dir = tk_dir();
    struct report_local_log *log = report_local_log_new(dir, "D.S", 1000, 3);
    glob_t found;

    report_local_log_day(log, tars_str("orders"), tars_str("a\n"));
    report_local_log_day(log, tars_str("../../orders"), tars_str("b\n"));
    report_local_log_free(log);
    ck_assert_int_eq(glob(tk_text("%s/D.S_orders_2*.log", dir), 0, NULL, &found), 0);
    ck_assert_uint_eq(found.gl_pathc, 1);
    globfree(&found);
    ck_assert_int_eq(glob(tk_text("%s/D.S_.._.._orders_2*.log", dir), 0, NULL, &found), 0);
    globfree(&found);
}
END_TEST

START_TEST(a_folder_that_cannot_be_made_counts_what_is_lost)
{
    struct report_local_log *log = report_local_log_new("/proc/nowhere", "D.S", 1000, 3);

    for (int i = 0; i < 3; i++)
        report_local_log_roll(log, tars_str("x\n"));
    ck_assert(tk_eventually(report_local_log_dropped(log) == 3, 5000));
    report_local_log_free(log);
}
END_TEST

/* ---- who we are, what is dyed ---------------------------------------------------------------- */

static struct report_identity identity_of(const char *text)
{
    struct tars_error error;
    struct tars_conf *conf = tars_conf_parse(tars_str(text), &error);
    struct report_identity id;

    ck_assert_ptr_nonnull(conf);
    report_identity_init(&id, conf);
    tars_conf_free(conf);
    return id;
}

START_TEST(a_set_counts_when_it_is_enabled_and_has_three_parts)
{
    static const struct {
        const char *enable, *division, *taken;
    } rows[] = {{"y", "s.ha.1", "s.ha.1"}, {"Y", "s.ha.*", "s.ha.*"}, {"n", "s.ha.1", ""},
                {"y", "NULL", ""},         {"y", "s.ha", ""},         {"y", "s.*.1", ""},
                {"y", "*.ha.1", ""},       {"y", "s.ha.1.2", ""}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct report_identity id = identity_of(
            tk_text("<tars>\n<application>\nenableset=%s\nsetdivision=%s\n<server>\napp=A\n"
                    "server=B\n</server>\n</application>\n</tars>\n",
                    rows[i].enable, rows[i].division));
        ck_assert_str_eq(id.division, rows[i].taken);
        ck_assert_str_eq(id.module, "A.B");
        if (i == 0)
            ck_assert_str_eq(id.qualified, "A.B.sha1");
        report_identity_free(&id);
    }
}
END_TEST

START_TEST(the_set_of_the_client_domain_comes_first_as_for_calls)
{
    struct report_identity id = identity_of(
        "<tars>\n<application>\nenableset=n\nsetdivision=s.ha.1\n<client>\nenableset=y\n"
        "setdivision=s.ha.2\n</client>\n<server>\napp=A\nserver=B\n</server>\n</application>\n"
        "</tars>\n");

    ck_assert_str_eq(id.division, "s.ha.2");
    ck_assert_str_eq(id.qualified, "A.B.sha2");
    report_identity_free(&id);
}
END_TEST

START_TEST(the_node_is_named_by_nodename_then_localip)
{
    struct report_identity id = identity_of("<tars>\n<application>\n<server>\nlocalip=10.1.2.3\n"
                                            "</server>\n</application>\n</tars>\n");
    ck_assert_str_eq(id.node_name, "10.1.2.3");
    report_identity_free(&id);
    id = identity_of("<tars>\n<application>\n<server>\nlocalip=10.1.2.3\nnodename=n7\n</server>\n"
                     "</application>\n</tars>\n");
    ck_assert_str_eq(id.node_name, "n7");
    report_identity_free(&id);
    id = identity_of("<tars>\n</tars>\n");
    ck_assert_uint_gt(strlen(id.node_name), 6);
    ck_assert_str_eq(id.app, "UNKNOWN");
    report_identity_free(&id);
}
END_TEST

START_TEST(day_logs_go_to_both_places_until_one_is_switched)
{
    static const char *const bad[] = {
        "", "local", "both|true", "local|maybe", "remote||true", "local|a|b|c", "|true"};
    struct report_day_switch *days = report_day_switch_new();
    struct tars_str orders = tars_str("orders"), day = tars_str("day");

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert_msg(!report_day_switch_choose(days, tars_str(bad[i])), "%s", bad[i]);
    ck_assert_uint_eq(report_day_places(days, orders), REPORT_DAY_LOCAL | REPORT_DAY_REMOTE);
    ck_assert(report_day_switch_choose(days, tars_str("local|orders|false")));
    ck_assert_uint_eq(report_day_places(days, orders), REPORT_DAY_REMOTE);
    ck_assert(report_day_switch_choose(days, tars_str("remote|false"))); /* the unnamed log */
    ck_assert_uint_eq(report_day_places(days, day), REPORT_DAY_LOCAL);
    ck_assert(report_day_switch_choose(days, tars_str("local|orders|true")));
    ck_assert_uint_eq(report_day_places(days, orders), REPORT_DAY_LOCAL | REPORT_DAY_REMOTE);
    for (int i = 0; i < 2000; i++) /* names are bounded */
        report_day_switch_set(days, tars_str(tk_text("n%d", i)), REPORT_DAY_LOCAL, false);
    ck_assert_uint_eq(report_day_places(days, tars_str("n1999")),
                      REPORT_DAY_LOCAL | REPORT_DAY_REMOTE);
    report_day_switch_free(days);
}
END_TEST

START_TEST(chosen_calls_are_dyed_and_others_are_not)
{
    struct report_dyeing *dyeing = report_dyeing_new();
    struct tars_writer text;
    struct tars_str key = tars_str("10001"), obj = tars_str("A.B.Obj");

    tars_writer_init(&text);
    ck_assert(!report_dyeing_is(dyeing, key, obj, tars_str("f")));
    ck_assert(!report_dyeing_choose(dyeing, tars_str("1 2 3 4"), &text));
    ck_assert(!report_dyeing_choose(dyeing, tars_str("10001"), &text));
    ck_assert(report_dyeing_choose(dyeing, tars_str("10001 A.B.Obj f"), &text));
    ck_assert(report_dyeing_choose(dyeing, tars_str("  10002   A.B.Obj "), &text));
    ck_assert(report_dyeing_is(dyeing, key, obj, tars_str("f")));
    ck_assert(!report_dyeing_is(dyeing, key, obj, tars_str("g")));
    ck_assert(!report_dyeing_is(dyeing, tars_str("1"), obj, tars_str("f")));
    ck_assert(report_dyeing_is(dyeing, tars_str("10002"), obj, tars_str("g")));
    for (int i = 0; i < REPORT_DYEING_MAX; i++)
        ck_assert(report_dyeing_choose(dyeing, tars_str(tk_text("k%d O", i)), &text));
    ck_assert(!report_dyeing_is(dyeing, key, obj, tars_str("f"))); /* the oldest went */
    tars_writer_free(&text);
    report_dyeing_free(dyeing);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("report_files");
    TCase *tc = tcase_create("files");

    tcase_add_test(tc, a_new_content_rotates_five_backups);
    tcase_add_test(tc, an_unchanged_content_keeps_the_file_and_its_backups);
    tcase_add_test(tc, an_empty_content_is_a_content_and_no_temporary_file_stays);
    tcase_add_test(tc, file_names_never_leave_the_folder);
    tcase_add_test(tc, a_folder_that_is_not_there_is_an_error_that_names_it);
    tcase_add_test(tc, rolling_files_are_numbered_and_their_number_is_bounded);
    tcase_add_test(tc, a_log_continues_the_file_of_the_last_run);
    tcase_add_test(tc, a_day_log_has_its_name_and_date_and_stays_in_its_folder);
    tcase_add_test(tc, a_folder_that_cannot_be_made_counts_what_is_lost);
    tcase_add_test(tc, a_set_counts_when_it_is_enabled_and_has_three_parts);
    tcase_add_test(tc, the_set_of_the_client_domain_comes_first_as_for_calls);
    tcase_add_test(tc, the_node_is_named_by_nodename_then_localip);
    tcase_add_test(tc, day_logs_go_to_both_places_until_one_is_switched);
    tcase_add_test(tc, chosen_calls_are_dyed_and_others_are_not);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
