/* SPDX-License-Identifier: BSD-3-Clause */
/* Weakness 21: any peer could change states. Ours asks for a token, and for care without one. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "registrykit.h"

#define TOKEN "0123456789abcdef-of-the-nodes"

static struct rk_suite suite;
static const char *tokens;

static void write_tokens(const char *text)
{
    const char *fresh = tk_text("%s.new", tokens);
    tk_write_file(fresh, text);
    ck_assert_int_eq(chmod(fresh, 0600), 0);
    ck_assert_int_eq(rename(fresh, tokens), 0);
}

static void setup(void)
{
    tokens = tk_text("%s/tokens", tk_dir());
    write_tokens(TOKEN "\n");
    setenv("TARS_AUTH_TOKENS", tokens, 1);
    rk_open(&suite, "");
}

static void teardown(void)
{
    unsetenv("TARS_AUTH_TOKENS");
    rk_close(&suite);
}

static struct tars_str_pair pair;
static struct tars_str_map context = {1, &pair};
static const struct tars_call_options options = {.context = &context};

static const struct tars_call_options *with(const char *token)
{
    pair = (struct tars_str_pair){tars_str("tars_token"), tars_str(token)};
    return &options;
}

static struct tars_result startup(const char *token)
{
    struct k8stars_on_startup_req req = rk_startup_of(&suite, "10.0.0.1", 80);
    return k8stars_tarsregistry_on_startup_with(suite.at[0].registry, with(token), &req);
}

static struct tars_result prestop(const char *token)
{
    struct k8stars_on_prestop_req req = {.node_name = tars_str("10.0.0.1"),
                                         .application = tars_str("App"),
                                         .server = tars_str("Server")};
    return k8stars_tarsregistry_on_prestop_with(suite.at[0].registry, with(token), &req);
}

static struct tars_result keep_alive(const char *token)
{
    struct k8stars_keep_alive_req req = {.node_name = tars_str("10.0.0.1"),
                                         .state = tars_str("inactive"),
                                         .application = tars_str("App"),
                                         .server = tars_str("Server")};
    return k8stars_tarsregistry_keep_alive_with(suite.at[0].registry, with(token), &req);
}

static struct tars_result metrics(const char *token)
{
    struct k8stars_register_metrics_req req = {.node_name = tars_str("10.0.0.1"),
                                               .application = tars_str("App"),
                                               .server = tars_str("Server"),
                                               .metrics_port = 9};
    return k8stars_tarsregistry_register_metrics_with(suite.at[0].registry, with(token), &req);
}

static struct tars_result (*const changes[])(const char *token) = {startup, keep_alive, metrics,
                                                                   prestop};
enum { CHANGES = sizeof changes / sizeof *changes };

START_TEST(nothing_is_changed_without_a_token_and_lookups_go_on)
{
    RK_OK(startup(TOKEN));
    for (size_t i = 0; i < CHANGES; i++) {
        RK_FAILS(changes[i]("0123456789abcdef-of-the-thief"), "none of this registry's tokens");
        RK_FAILS(changes[i](""), "context tars_token");
    }
    RK_FAILS(rk_keep_alive(&suite, 0, "10.0.0.1", "inactive"), "context tars_token");
    ck_assert_str_eq(rk_list(&suite, 0), "10.0.0.1/");
    ck_assert(rk_metric(&suite, 0, "tars_registry_unauthorized_total") == 2 * CHANGES + 1);
    struct k8stars_get_metrics_adapters_req req;
    struct k8stars_metrics_adapter_info_list list;
    k8stars_get_metrics_adapters_req_init(&req);
    RK_OK(
        k8stars_tarsregistry_get_metrics_adapters(suite.at[0].registry, &req, &list, suite.arena));
}
END_TEST

START_TEST(with_a_token_everything_goes_as_before)
{
    for (size_t i = 0; i < CHANGES; i++)
        RK_OK(changes[i](TOKEN));
    ck_assert_str_eq(rk_list(&suite, 0), "/");
    ck_assert(rk_metric(&suite, 0, "tars_registry_unauthorized_total") == 0);
}
END_TEST

START_TEST(tokens_change_without_a_restart)
{
    RK_OK(startup(TOKEN));
    write_tokens("# rotated\nfedcba9876543210\n");
    ck_assert(tk_eventually(startup("fedcba9876543210").error == 0, 5000));
    RK_FAILS(startup(TOKEN), "none of this registry's tokens");
}
END_TEST

START_TEST(tokens_are_never_logged)
{
    RK_OK(startup(TOKEN));
    RK_FAILS(startup("0123456789abcdef-of-the-thief"), "tokens");
    ck_assert(tk_output_has(suite.at[0].process, "it has no valid token"));
    ck_assert(!tk_output_has(suite.at[0].process, "0123456789abcdef"));
}
END_TEST

START_TEST(operator_calls_with_the_token_as_context)
{
    const char *object = tk_text("tars.tarsregistry.Registry@tcp -h 127.0.0.1 -p %u",
                                 suite.at[0].registry_port);
    const char *json = "{\"req\":{\"nodeName\":\"10.0.0.1\",\"application\":\"App\","
                       "\"server\":\"Server\",\"state\":\"active\"}}";
    const char *const bare[] = {tk_program("tarsc"), "call", object, "keepAlive", json, NULL};
    const char *const good[] = {
        tk_program("tarsc"), "call", "--context", "tars_token=" TOKEN, object,
        "keepAlive",         json,   NULL};
    char *output;
    ck_assert_int_ne(tk_run(bare, NULL, 10000, &output), 0);
    ck_assert_msg(strstr(output, "tars_token"), "%s", output);
    free(output);
    int status = tk_run(good, NULL, 10000, &output);
    ck_assert_msg(status == 0, "%s", output);
    free(output);
}
END_TEST

/* ---- the start, without a store
 * ------------------------------------------------------------------- */

static int check(const char *endpoint, const char *const env[], char **output)
{
    const char *path = tk_text("%s/tarsregistry.conf", tk_dir());
    tk_write_file(path, tk_text("<tars>\n<application>\n<server>\n<R>\n"
                                "servant=tars.tarsregistry.Registry\nendpoint=%s\n</R>\n"
                                "</server>\n</application>\n</tars>\n",
                                endpoint));
    const char *const argv[] = {tk_program("tarsregistry"), tk_text("--config=%s", path), "--check",
                                NULL};
    return tk_run(argv, env, 10000, output);
}

static void check_says(const char *endpoint, const char *const env[], int status, const char *text)
{
    char *output;
    int got = check(endpoint, env, &output);
    ck_assert_msg(got == status && strstr(output, text), "%d, not %d '%s': %s", got, status, text,
                  output);
    free(output);
}

START_TEST(public_address_needs_tokens_or_a_clear_word)
{
    static const char *const off[] = {"TARS_REGISTRY_AUTH=off", NULL};
    static const char *const public[] = {"tcp -h 0.0.0.0 -p 17891", "tcp -h :: -p 17891",
                                         "tcp -h 10.1.2.3 -p 17891", "tcp -p 17891"};
    static const char *const private[] = {"tcp -h 127.0.0.1 -p 17891", "tcp -h ::1 -p 17891",
                                          "tcp -h localhost -p 17891"};
    for (size_t i = 0; i < sizeof public / sizeof *public; i++) {
        check_says(public[i], NULL, 2, "/tars/auth<tokens>");
        check_says(public[i], NULL, 2, "auth=off");
        check_says(public[i], off, 0, "is good");
    }
    for (size_t i = 0; i < sizeof private / sizeof *private; i++)
        check_says(private[i], NULL, 0, "is good");
}
END_TEST

START_TEST(token_file_makes_a_public_address_good_and_is_checked_at_the_start)
{
    tokens = tk_text("%s/tokens", tk_dir());
    write_tokens(TOKEN "\n");
    const char *const env[] = {tk_text("TARS_AUTH_TOKENS=%s", tokens), NULL};
    check_says("tcp -h 0.0.0.0 -p 17891", env, 0, "is good");
    ck_assert_int_eq(chmod(tokens, 0644), 0);
    check_says("tcp -h 0.0.0.0 -p 17891", env, 2, "chmod 0600");
    ck_assert_int_eq(unlink(tokens), 0);
    check_says("tcp -h 127.0.0.1 -p 17891", env, 2, "No such file");
}
END_TEST

int main(void)
{
    Suite *all = suite_create("registry_auth");
    TCase *tc = tcase_create("served"), *started = tcase_create("started");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_set_timeout(started, 60);
    tcase_add_test(tc, nothing_is_changed_without_a_token_and_lookups_go_on);
    tcase_add_test(tc, with_a_token_everything_goes_as_before);
    tcase_add_test(tc, tokens_change_without_a_restart);
    tcase_add_test(tc, tokens_are_never_logged);
    tcase_add_test(tc, operator_calls_with_the_token_as_context);
    tcase_add_test(started, public_address_needs_tokens_or_a_clear_word);
    tcase_add_test(started, token_file_makes_a_public_address_good_and_is_checked_at_the_start);
    suite_add_tcase(all, tc);
    suite_add_tcase(all, started);
    return tk_main(all);
}
