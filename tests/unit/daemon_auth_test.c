/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "daemon/auth.h"
#include "daemon/daemon.h"
#include "testkit.h"

#define TOKEN "0123456789abcdef"
#define OTHER "fedcba9876543210"

static const char *path;

static void setup(void)
{
    path = tk_text("%s/tokens", tk_dir());
}

static void write_tokens(const char *text, mode_t mode)
{
    if (access(path, F_OK) == 0)
        ck_assert_int_eq(unlink(path), 0);
    tk_write_file(path, text);
    ck_assert_int_eq(chmod(path, mode), 0);
}

static struct daemon_auth *opened(void)
{
    struct tars_error error;
    struct daemon_auth *auth = daemon_auth_new("test", path, &error);
    ck_assert_msg(auth != NULL, "%s", error.text);
    return auth;
}

static void refused(const char *why)
{
    struct tars_error error;
    ck_assert_ptr_null(daemon_auth_new("test", path, &error));
    ck_assert_int_eq(error.code, DAEMON_USAGE);
    ck_assert_msg(strstr(error.text, why), "'%s' does not say '%s'", error.text, why);
    ck_assert_msg(strstr(error.text, path), "'%s' does not name the file", error.text);
    ck_assert_msg(!strstr(error.text, "secret"), "'%s' tells a token", error.text);
}

static bool allows(struct daemon_auth *auth, const char *token)
{
    return daemon_auth_allows(auth, tars_str(token));
}

START_TEST(every_token_of_the_file_is_good_and_nothing_else)
{
    write_tokens("# of the nodes\n" TOKEN "\n\n  \t" OTHER " \r\n#" TOKEN "-commented", 0600);
    struct daemon_auth *auth = opened();
    ck_assert(allows(auth, TOKEN));
    ck_assert(allows(auth, OTHER));
    ck_assert(!allows(auth, ""));
    ck_assert(!daemon_auth_allows(auth, (struct tars_str){NULL, 0}));
    ck_assert(!allows(auth, "0123456789abcde"));
    ck_assert(!allows(auth, TOKEN "0"));
    ck_assert(!allows(auth, TOKEN "-commented"));
    ck_assert(!allows(auth, "# of the nodes"));
    ck_assert(!daemon_auth_allows(auth, tars_str_n(TOKEN "\0x", 18)));
    daemon_auth_free(auth);
}
END_TEST

START_TEST(last_line_may_end_without_a_newline_and_the_file_may_be_read_only)
{
    write_tokens(TOKEN, 0400);
    struct daemon_auth *auth = opened();
    ck_assert(allows(auth, TOKEN));
    daemon_auth_free(auth);
}
END_TEST

START_TEST(without_a_file_everybody_may)
{
    ck_assert(allows(NULL, ""));
    ck_assert(allows(NULL, TOKEN));
}
END_TEST

START_TEST(file_that_others_may_read_is_refused_with_what_to_do)
{
    static const mode_t modes[] = {0644, 0640, 0604, 0660, 0700, 0200, 0601};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        write_tokens(TOKEN "\n", modes[i]);
        refused(getuid() == 0 || modes[i] & 0400 ? "chmod 0600" : "denied");
    }
}
END_TEST

START_TEST(what_is_no_token_is_refused_by_its_line_without_being_told)
{
    write_tokens("# first\nsecret\n", 0600);
    refused("line 2 is shorter than 16 characters");
    write_tokens(TOKEN "\nsecret secret secret\n", 0600);
    refused("line 2 holds a blank");
    write_tokens("secretsecretsecret\xc3\xa4\n", 0600);
    refused("line 1 holds a blank or what is not printable");
    char text[1100] = "secret";
    memset(text + 6, 'x', 1050);
    write_tokens(text, 0600);
    refused("longer than 1024");
    write_tokens("# nothing\n\n", 0600);
    refused("there is no token in it");
    write_tokens("", 0600);
    refused("there is no token in it");
}
END_TEST

START_TEST(missing_file_and_what_is_no_file_are_refused)
{
    refused("No such file");
    ck_assert_int_eq(mkdir(path, 0700), 0);
    refused("it is not a file");
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    refused("it is not a file");
}
END_TEST

START_TEST(changed_file_counts_within_a_second_or_so)
{
    write_tokens(TOKEN "\n", 0600);
    struct daemon_auth *auth = opened();
    ck_assert(allows(auth, TOKEN));
    write_tokens(OTHER "\n", 0600);
    ck_assert(tk_eventually(allows(auth, OTHER), 5000));
    ck_assert(!allows(auth, TOKEN));
    daemon_auth_free(auth);
}
END_TEST

START_TEST(file_that_became_unusable_leaves_the_known_tokens_in_force)
{
    write_tokens(TOKEN "\n", 0600);
    struct daemon_auth *auth = opened();
    write_tokens(OTHER "\n", 0644);
    tk_sleep(1200);
    ck_assert(allows(auth, TOKEN));
    ck_assert(!allows(auth, OTHER));
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert(tk_eventually(allows(auth, OTHER), 5000));
    ck_assert(!allows(auth, TOKEN));
    daemon_auth_free(auth);
}
END_TEST

START_TEST(private_addresses_are_those_of_this_machine)
{
    static const char *const private[] = {"127.0.0.1", "127.9.8.7", "::1",
                                          "localhost", "LocalHost", "/run/tars.sock"};
    static const char *const public[] = {"0.0.0.0",   "::",         "10.0.0.1", "",
                                         "128.0.0.1", "registry-0", "fe80::1",  "127.0.0.1.evil"};
    for (size_t i = 0; i < sizeof private / sizeof *private; i++)
        ck_assert_msg(daemon_auth_is_private(private[i]), "%s", private[i]);
    for (size_t i = 0; i < sizeof public / sizeof *public; i++)
        ck_assert_msg(!daemon_auth_is_private(public[i]), "%s", public[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("daemon_auth");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, every_token_of_the_file_is_good_and_nothing_else);
    tcase_add_test(tc, last_line_may_end_without_a_newline_and_the_file_may_be_read_only);
    tcase_add_test(tc, without_a_file_everybody_may);
    tcase_add_test(tc, file_that_others_may_read_is_refused_with_what_to_do);
    tcase_add_test(tc, what_is_no_token_is_refused_by_its_line_without_being_told);
    tcase_add_test(tc, missing_file_and_what_is_no_file_are_refused);
    tcase_add_test(tc, changed_file_counts_within_a_second_or_so);
    tcase_add_test(tc, file_that_became_unusable_leaves_the_known_tokens_in_force);
    tcase_add_test(tc, private_addresses_are_those_of_this_machine);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
