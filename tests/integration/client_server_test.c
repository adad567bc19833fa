/* SPDX-License-Identifier: BSD-3-Clause */
/* Our client and our server with each other: all versions, transports and ways to fail. */
#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <tars/client.h>
#include <tars/server.h>

#include "rpc/packet.h"
#include "serverkit.h"
#include "testkit.h"

#define OBJECT "Demo.ShapeServer.ShapesObj"

struct add_args {
    int32_t ret, a, b, sum;
};

#define ADD(member_) offsetof(struct add_args, member_)
static const struct tars_param add_params[] = {
    {"", 0, true, ADD(ret), &tars_type_int32},
    {"a", 1, false, ADD(a), &tars_type_int32},
    {"b", 2, false, ADD(b), &tars_type_int32},
    {"sum", 3, true, ADD(sum), &tars_type_int32},
};
static const struct tars_function add = {
    .name = "add", .args_size = sizeof(struct add_args), .params = add_params, .param_count = 4};

static struct tars_client *client;
static struct tars_arena *arena;

static void setup(void)
{
    client = tars_client_new(NULL);
    arena = tars_arena_new(0);
}

static void teardown(void)
{
    tars_client_free(client);
    tars_arena_free(arena);
}

static const char *object_on(const struct tars_server *server, const char *transport,
                             const char *host, const char *more)
{
    return tk_text(OBJECT "@%s -h %s -p %u%s", transport, host, (unsigned)sk_port(server), more);
}

static void stop(struct tars_server *server)
{
    tars_server_stop(server, 1000);
    tars_server_free(server);
}

static struct tars_result call_add(struct tars_client *c, const char *object, int version)
{
    struct add_args args = {.a = 40, .b = 2};
    const struct tars_call_options options = {.version = version, .timeout_ms = 3000};
    struct tars_result r = tars_proxy_call(tars_proxy_get(c, object), &add, &args, arena, &options);

    if (r.error == 0) {
        ck_assert_int_eq(args.sum, 42);
        ck_assert_int_eq(r.ret, 7);
    }
    return r;
}

static void call_add_in_all_versions(struct tars_client *c, const char *object)
{
    static const int versions[] = {1, 2, 3, 5};

    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        struct tars_result r = call_add(c, object, versions[i]);

        ck_assert_msg(r.error == 0, "version %d: %s", versions[i], r.message);
    }
}

START_TEST(all_versions_over_tcp)
{
    struct tars_server *server = sk_server("", "");

    call_add_in_all_versions(client, object_on(server, "tcp", "127.0.0.1", ""));
    stop(server);
}
END_TEST

START_TEST(all_versions_over_udp)
{
    struct tars_server *server = sk_server("", "");
    const char *object = tk_text(
        "Demo.ShapeServer.DatagramObj@udp -h 127.0.0.1 -p %u",
        (unsigned)tars_server_port(server, "Demo.ShapeServer.DatagramObj"));

    call_add_in_all_versions(client, object);
    stop(server);
}
END_TEST

START_TEST(errors_carry_code_and_text_in_all_versions)
{
    static const int versions[] = {1, 2, 3, 5};
    struct tars_server *server = sk_server("", "");
    const char *object = object_on(server, "tcp", "127.0.0.1", "");

    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        const struct tars_call_options options = {.version = versions[i]};
        struct tars_result r = tars_proxy_call_raw_blocking(
            tars_proxy_get(client, object), "nothing", tars_str(NULL), arena, NULL, &options);

        ck_assert_int_eq(r.error, TARS_RET_NO_FUNCTION);
        ck_assert_ptr_nonnull(strstr(r.message, "nothing"));
    }
    stop(server);
}
END_TEST

START_TEST(a_wrong_servant_name_is_an_error_with_its_code)
{
    struct tars_server *server = sk_server("", "");
    const char *object = tk_text("Demo.ShapeServer.OtherObj@tcp -h 127.0.0.1 -p %u",
                                 (unsigned)sk_port(server));

    ck_assert_int_eq(call_add(client, object, 1).error, TARS_RET_NO_SERVANT);
    stop(server);
}
END_TEST

START_TEST(context_of_the_answer_lies_in_the_callers_arena)
{
    struct tars_server *server = sk_server("", "");
    struct tars_proxy *proxy = tars_proxy_get(client, object_on(server, "tcp", "127.0.0.1", ""));
    struct tars_result r = tars_proxy_call_raw_blocking(proxy, "sleep", sk_int_body(20), arena,
                                                        NULL, NULL);

    ck_assert_msg(r.error == 0, "%s", r.message);
    ck_assert_ptr_nonnull(r.context);
    ck_assert_ptr_nonnull(tars_str_map_get(r.context, "napped"));
    ck_assert(tars_str_is(*tars_str_map_get(r.context, "napped"), "yes"));
    stop(server);
}
END_TEST

static _Atomic int pushes;

static void on_push(void *user, struct tars_str function, struct tars_str body)
{
    (void)user;
    (void)body;
    pushes += tars_str_is(function, "onPush");
}

START_TEST(pushes_arrive_before_the_answer)
{
    struct tars_server *server = sk_server("", "");
    struct tars_proxy *proxy = tars_proxy_get(client, object_on(server, "tcp", "127.0.0.1", ""));

    pushes = 0;
    tars_proxy_on_push(proxy, on_push, NULL);
    ck_assert_int_eq(
        tars_proxy_call_raw_blocking(proxy, "push", sk_int_body(5), arena, NULL, NULL).error, 0);
    ck_assert(tk_eventually(pushes == 5, 2000));
    stop(server);
}
END_TEST

START_TEST(authentication_of_both_sides_fits)
{
    struct tars_server *server = sk_server_on("tcp -h 127.0.0.1 -p 0 -t 60000 -e 1",
                                              "accesskey=AK\nsecretkey=SK\n", "");
    struct tars_conf *conf = tars_conf_new();
    const char *object = object_on(server, "tcp", "127.0.0.1", " -e 1");
    struct tars_client *knows;

    tars_conf_set(conf, "/tars/application/client/" OBJECT "<accesskey>", "AK");
    tars_conf_set(conf, "/tars/application/client/" OBJECT "<secretkey>", "SK");
    knows = tars_client_new_conf(conf);
    call_add_in_all_versions(knows, object);
    ck_assert_int_eq(call_add(client, object, 1).error, TARS_RET_CONNECT);
    tars_client_free(knows);
    tars_conf_free(conf);
    stop(server);
}
END_TEST

/* ---- TLS ------------------------------------------------------------------------------------ */

static const char *make_certificate(const char *dir, const char *name, const char *alternative)
{
    const char *pem = tk_text("%s/%s.pem", dir, name);
    const char *const argv[] = {"openssl",
                                "req",
                                "-x509",
                                "-newkey",
                                "ec",
                                "-pkeyopt",
                                "ec_paramgen_curve:prime256v1",
                                "-nodes",
                                "-days",
                                "2",
                                "-subj",
                                "/CN=test",
                                "-addext",
                                alternative,
                                "-keyout",
                                tk_text("%s/%s.key", dir, name),
                                "-out",
                                pem,
                                NULL};
    char *output;

    ck_assert_msg(tk_run(argv, NULL, 20000, &output) == 0, "%s", output);
    free(output);
    return pem;
}

static struct tars_client *client_trusting(const char *ca)
{
    struct tars_conf *conf = tars_conf_new();
    struct tars_client *c;

    tars_conf_set(conf, "/tars/application/client/" OBJECT "<ca>", ca);
    c = tars_client_new_conf(conf);
    tars_conf_free(conf);
    return c;
}

static struct tars_server *tls_server(const char *dir, const char *pem)
{
    return sk_server_on("ssl -h 127.0.0.1 -p 0 -t 60000",
                        tk_text("cert=%s\nkey=%s/server.key\n", pem, dir), "");
}

START_TEST(all_versions_over_tls_with_a_checked_certificate)
{
    const char *dir = tk_dir();
    const char *pem = make_certificate(dir, "server", "subjectAltName=IP:127.0.0.1");
    struct tars_server *server = tls_server(dir, pem);
    struct tars_client *trusting = client_trusting(pem);
    const char *object = object_on(server, "ssl", "127.0.0.1", "");
    struct tars_str answer;
    struct tars_result r;
    size_t len = 3000000;
    char *large = malloc(len);
    struct tars_writer body;

    call_add_in_all_versions(trusting, object);
    memset(large, 'x', len);
    tars_writer_init(&body);
    tars_write_str(&body, 1, tars_str_n(large, len));
    r = tars_proxy_call_raw_blocking(tars_proxy_get(trusting, object), "echo",
                                     tars_str_n(body.at, body.len), arena, &answer, NULL);
    ck_assert_msg(r.error == 0, "%s", r.message);
    ck_assert_uint_gt(answer.len, len);
    tars_writer_free(&body);
    free(large);
    tars_client_free(trusting);
    stop(server);
}
END_TEST

START_TEST(a_certificate_that_is_not_trusted_is_refused_with_the_reason)
{
    const char *dir = tk_dir();
    const char *pem = make_certificate(dir, "server", "subjectAltName=IP:127.0.0.1");
    const char *other = make_certificate(dir, "other", "subjectAltName=IP:127.0.0.1");
    struct tars_server *server = tls_server(dir, pem);
    struct tars_client *distrusting = client_trusting(other);
    struct tars_result r = call_add(distrusting, object_on(server, "ssl", "127.0.0.1", ""), 1);

    ck_assert_int_eq(r.error, TARS_RET_CONNECT);
    ck_assert_ptr_nonnull(strstr(r.message, "certificate"));
    tars_client_free(distrusting);
    stop(server);
}
END_TEST

START_TEST(a_certificate_of_another_host_is_refused)
{
    const char *dir = tk_dir();
    const char *pem = make_certificate(dir, "server", "subjectAltName=DNS:other.example");
    struct tars_server *server = tls_server(dir, pem);
    struct tars_client *trusting = client_trusting(pem);

    ck_assert_int_eq(call_add(trusting, object_on(server, "ssl", "127.0.0.1", ""), 1).error,
                     TARS_RET_CONNECT);
    tars_client_free(trusting);
    stop(server);
}
END_TEST

START_TEST(a_certificate_file_that_is_not_there_fails_the_call_with_its_name)
{
    struct tars_client *c = client_trusting("/nonexistent/ca.pem");
    struct tars_server *server = sk_server("", "");
    struct tars_result r = call_add(c, object_on(server, "ssl", "127.0.0.1", ""), 1);

    ck_assert_int_eq(r.error, TARS_RET_CONNECT);
    ck_assert_ptr_nonnull(strstr(r.message, "ca.pem"));
    tars_client_free(c);
    stop(server);
}
END_TEST

START_TEST(a_plain_server_behind_an_ssl_endpoint_fails_in_time)
{
    struct tars_server *server = sk_server("", "");
    int64_t begin = tk_ms();

    ck_assert_int_ne(call_add(client, object_on(server, "ssl", "127.0.0.1", ""), 1).error, 0);
    ck_assert_int_lt(tk_ms() - begin, 3500);
    stop(server);
}
END_TEST

/* ---- restart and speed ---------------------------------------------------------------------- */

START_TEST(a_restarted_server_is_called_again_without_a_new_client)
{
    struct tars_server *server = sk_server("", "");
    uint16_t port = sk_port(server);
    const char *object = object_on(server, "tcp", "127.0.0.1", "");

    ck_assert_int_eq(call_add(client, object, 1).error, 0);
    stop(server);
    ck_assert_int_ne(call_add(client, object, 1).error, 0);
    server = sk_server_on(tk_text("tcp -h 127.0.0.1 -p %u -t 60000", (unsigned)port), "", "");
    ck_assert(tk_eventually(call_add(client, object, 1).error == 0, 5000));
    stop(server);
}
END_TEST

static int compare_times(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

START_TEST(a_call_on_a_standing_connection_takes_well_under_a_millisecond)
{
    enum { CALLS = 500 };
    struct tars_server *server = sk_server("", "");
    const char *object = object_on(server, "tcp", "127.0.0.1", "");
    static int64_t times[CALLS];

    for (int i = 0; i < CALLS; i++) {
        struct timespec from, to;

        clock_gettime(CLOCK_MONOTONIC, &from);
        ck_assert_int_eq(call_add(client, object, 1).error, 0);
        clock_gettime(CLOCK_MONOTONIC, &to);
        times[i] = (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000;
    }
    qsort(times, CALLS, sizeof *times, compare_times);
    printf("median %d us, p99 %d us\n", (int)times[CALLS / 2], (int)times[CALLS * 99 / 100]);
    ck_assert_int_lt(times[CALLS / 2], 5000); /* far from a timer's or a delayed ACK's wait */
    stop(server);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client_server");
    TCase *t = tcase_create("both");
    SRunner *runner;
    int failed;

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, all_versions_over_tcp);
    tcase_add_test(t, all_versions_over_udp);
    tcase_add_test(t, errors_carry_code_and_text_in_all_versions);
    tcase_add_test(t, a_wrong_servant_name_is_an_error_with_its_code);
    tcase_add_test(t, context_of_the_answer_lies_in_the_callers_arena);
    tcase_add_test(t, pushes_arrive_before_the_answer);
    tcase_add_test(t, authentication_of_both_sides_fits);
    tcase_add_test(t, all_versions_over_tls_with_a_checked_certificate);
    tcase_add_test(t, a_certificate_that_is_not_trusted_is_refused_with_the_reason);
    tcase_add_test(t, a_certificate_of_another_host_is_refused);
    tcase_add_test(t, a_certificate_file_that_is_not_there_fails_the_call_with_its_name);
    tcase_add_test(t, a_plain_server_behind_an_ssl_endpoint_fails_in_time);
    tcase_add_test(t, a_restarted_server_is_called_again_without_a_new_client);
    tcase_add_test(t, a_call_on_a_standing_connection_takes_well_under_a_millisecond);
    suite_add_tcase(s, t);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
