/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <stdlib.h>

#include "rpc/acl.h"
#include "testkit.h"

static bool allows(const char *allow, const char *deny, const char *order, const char *address)
{
    struct rpc_acl acl;
    struct tars_error error = {0};
    ck_assert_msg(rpc_acl_init(&acl, allow, deny, order, &error), "%s", error.text);
    bool yes = rpc_acl_allows(&acl, tars_str(address));
    rpc_acl_free(&acl);
    return yes;
}

START_TEST(without_lists_everybody_may_connect)
{
    ck_assert(allows("", "", "allow,deny", "8.8.8.8"));
    ck_assert(allows("", "", "deny,allow", "::1"));
}
END_TEST

START_TEST(patterns_and_networks_match_addresses)
{
    ck_assert(allows("192.168.*", "", "allow,deny", "192.168.3.4"));
    ck_assert(!allows("192.168.*", "", "allow,deny", "192.169.3.4"));
    ck_assert(allows("10.*.0.1;1.2.3.4", "", "allow,deny", "10.77.0.1"));
    ck_assert(allows("9.9.9.9, 1.2.3.4", "", "allow,deny", "1.2.3.4"));
    ck_assert(allows("10.0.0.0/8", "", "allow,deny", "10.255.1.2"));
    ck_assert(!allows("10.0.0.0/8", "", "allow,deny", "11.0.0.1"));
    ck_assert(allows("172.16.0.0/12", "", "allow,deny", "172.31.255.255"));
    ck_assert(!allows("172.16.0.0/12", "", "allow,deny", "172.32.0.0"));
    ck_assert(allows("fd00::/8", "", "allow,deny", "fdab::1"));
    ck_assert(!allows("fd00::/8", "", "allow,deny", "fe80::1"));
    ck_assert(allows("0.0.0.0/0", "", "allow,deny", "1.2.3.4"));
    ck_assert(!allows("0.0.0.0/0", "", "allow,deny", "::1"));
    ck_assert(allows("*", "", "allow,deny", "::1"));
}
END_TEST

START_TEST(the_order_decides_for_who_stands_in_both_lists)
{
    ck_assert(allows("1.1.1.1", "1.1.1.*", "allow,deny", "1.1.1.1"));
    ck_assert(!allows("1.1.1.1", "1.1.1.*", "deny,allow", "1.1.1.1"));
    ck_assert(!allows("1.1.1.1", "1.1.1.*", "allow,deny", "1.1.1.2"));
}
END_TEST

START_TEST(who_stands_in_no_list_may_connect_only_without_an_allow_list)
{
    ck_assert(allows("", "1.1.1.1", "allow,deny", "2.2.2.2"));
    ck_assert(!allows("1.1.1.1", "", "allow,deny", "2.2.2.2"));
    ck_assert(!allows("1.1.1.1", "3.3.3.3", "deny,allow", "2.2.2.2"));
}
END_TEST

START_TEST(entries_that_mean_nothing_are_refused_by_name)
{
    static const char *const bad[] = {"localhost", "10.0.0.0/33", "10.0.0/8x", "::1/129",
                                      "1.1.1.1/"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct rpc_acl acl;
        struct tars_error error = {0};
        ck_assert_msg(!rpc_acl_init(&acl, "", bad[i], "allow,deny", &error), "%s", bad[i]);
        ck_assert_ptr_nonnull(strstr(error.text, bad[i]));
        rpc_acl_free(&acl);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("acl");
    TCase *t = tcase_create("acl");
    tcase_add_test(t, without_lists_everybody_may_connect);
    tcase_add_test(t, patterns_and_networks_match_addresses);
    tcase_add_test(t, the_order_decides_for_who_stands_in_both_lists);
    tcase_add_test(t, who_stands_in_no_list_may_connect_only_without_an_allow_list);
    tcase_add_test(t, entries_that_mean_nothing_are_refused_by_name);
    suite_add_tcase(suite, t);
    return tk_main(suite);
}
