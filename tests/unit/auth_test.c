/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <stdlib.h>

#include "rpc/auth.h"
#include "testkit.h"

static const char object[] = "App.Calc.AuthObj";

/* The signature of secret key "SK1" at this time, as another implementation computed it. */
enum { SIGNED_AT = 1700000000 };
static const uint8_t signature[RPC_AUTH_SIGNATURE] = {
    0x95, 0xb2, 0x8b, 0x87, 0x3b, 0xa9, 0x57, 0xba, 0x23, 0xfc, 0x02, 0xde, 0x7f, 0x6a, 0x08, 0x05,
    0x1c, 0x8d, 0x82, 0x48, 0xdf, 0x42, 0x51, 0x49, 0x5b, 0x2b, 0xb5, 0x9f, 0xe4, 0x44, 0xae, 0x15,
    0x3f, 0x42, 0xbe, 0x72, 0x7d, 0x90, 0x0b, 0x02, 0xc0, 0xa9, 0x50, 0x45, 0x50, 0x67, 0x51, 0x23};

static struct rpc_auth_key key_of(const char *name, const char *access, const char *secret)
{
    return (struct rpc_auth_key){tars_str(name), tars_str(access), tars_str(secret)};
}

START_TEST(signature_equals_the_reference)
{
    struct rpc_auth_key key = key_of(object, "AK1", "SK1");
    uint8_t ours[RPC_AUTH_SIGNATURE];
    ck_assert(rpc_auth_sign(&key, SIGNED_AT, ours));
    ck_assert_mem_eq(ours, signature, sizeof signature);
}
END_TEST

/* Checks a body signed with `signer` at SIGNED_AT against AK1/SK1 at `now_s`; 0 or the code. */
static int checked(struct rpc_auth_key signer, int64_t now_s)
{
    struct rpc_auth_key key = key_of(object, "AK1", "SK1");
    struct tars_writer body;
    struct tars_error error = {0};
    tars_writer_init(&body);
    ck_assert(rpc_auth_write(&signer, SIGNED_AT, &body));
    bool ok = rpc_auth_check(&key, tars_str_n(body.at, body.len), now_s, &error);
    tars_writer_free(&body);
    ck_assert(ok == (error.code == 0));
    return error.code;
}

START_TEST(only_object_keys_and_time_of_the_hour_together_pass)
{
    struct rpc_auth_key good = key_of(object, "AK1", "SK1");
    ck_assert_int_eq(checked(good, SIGNED_AT), 0);
    ck_assert_int_eq(checked(good, SIGNED_AT + 3600), 0);
    ck_assert_int_eq(checked(good, SIGNED_AT - 3600), 0);
    ck_assert_int_eq(checked(good, SIGNED_AT + 3601), -103);
    ck_assert_int_eq(checked(good, SIGNED_AT - 3601), -103);
    ck_assert_int_eq(checked(key_of("App.Calc.Other", "AK1", "SK1"), SIGNED_AT), -101);
    ck_assert_int_eq(checked(key_of(object, "AK2", "SK1"), SIGNED_AT), -102);
    ck_assert_int_eq(checked(key_of(object, "AK1", "SK2"), SIGNED_AT), -106);
}
END_TEST

static int check_fields(int64_t time_s, const char *method, struct tars_str proof)
{
    struct rpc_auth_key key = key_of(object, "AK1", "SK1");
    struct tars_writer body;
    struct tars_error error = {0};
    tars_writer_init(&body);
    tars_write_str(&body, 1, key.object);
    tars_write_str(&body, 2, key.access_key);
    tars_write_int64(&body, 3, time_s);
    if (method)
        tars_write_str(&body, 4, tars_str(method));
    tars_write_str(&body, 5, proof);
    if (rpc_auth_check(&key, tars_str_n(body.at, body.len), SIGNED_AT, &error))
        ck_assert_int_eq(error.code, 0);
    tars_writer_free(&body);
    return error.code;
}

START_TEST(short_empty_and_foreign_signatures_are_refused)
{
    struct tars_str whole = tars_str_n(signature, sizeof signature);
    ck_assert_int_eq(check_fields(SIGNED_AT, "sha1", whole), 0);
    ck_assert_int_eq(check_fields(SIGNED_AT, NULL, whole), 0);
    ck_assert_int_eq(check_fields(SIGNED_AT, "sha256", whole), -104);
    ck_assert_int_eq(check_fields(SIGNED_AT, NULL, tars_str_n(signature, 47)), -106);
    ck_assert_int_eq(check_fields(SIGNED_AT, NULL, tars_str("")), -106);
    ck_assert_int_eq(check_fields(INT64_MAX, NULL, whole), -103);
    ck_assert_int_eq(check_fields(INT64_MIN, NULL, whole), -103);
}
END_TEST

START_TEST(a_body_that_is_no_authentication_is_refused)
{
    struct rpc_auth_key key = key_of(object, "AK1", "SK1");
    struct tars_error error = {0};
    ck_assert(!rpc_auth_check(&key, tars_str(""), SIGNED_AT, &error));
    ck_assert(!rpc_auth_check(&key, tars_str("\x16\x7f short"), SIGNED_AT, &error));
}
END_TEST

START_TEST(only_the_whole_text_counts_as_accepted)
{
    ck_assert(rpc_auth_accepted(0, tars_str("AUTH_SUCC")));
    ck_assert(!rpc_auth_accepted(0, tars_str("")));
    ck_assert(!rpc_auth_accepted(0, tars_str("AUTH_SUC")));
    ck_assert(!rpc_auth_accepted(-1, tars_str("AUTH_SUCC")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("auth");
    TCase *t = tcase_create("auth");
    tcase_add_test(t, signature_equals_the_reference);
    tcase_add_test(t, only_object_keys_and_time_of_the_hour_together_pass);
    tcase_add_test(t, short_empty_and_foreign_signatures_are_refused);
    tcase_add_test(t, a_body_that_is_no_authentication_is_refused);
    tcase_add_test(t, only_the_whole_text_counts_as_accepted);
    suite_add_tcase(suite, t);
    return tk_main(suite);
}
