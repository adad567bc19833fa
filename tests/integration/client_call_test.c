/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls of a client over real sockets, against peers that behave and peers that do not. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>
#include <tars/client.h>
#include <tars/server.h>

#include "peer.h"
#include "rpc/client.h"
#include "testkit.h"

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

static struct tars_result call(struct tars_proxy *proxy, const char *body, struct tars_str *answer,
                               int32_t timeout_ms)
{
    const struct tars_call_options options = {.timeout_ms = timeout_ms};

    return tars_proxy_call_raw_blocking(proxy, "echo", tars_str(body), arena, answer, &options);
}

static double metric_value;
static const char *metric_name;

static void on_metric(void *user, const char *name, const char *labels, double value)
{
    (void)user;
    (void)labels;
    if (strcmp(name, metric_name) == 0)
        metric_value = value;
}

static double metric(const char *name)
{
    metric_name = name;
    metric_value = -1;
    tars_client_metrics(client, on_metric, NULL);
    return metric_value;
}

/* ---- plain calls ---------------------------------------------------------------------------- */

START_TEST(a_blocking_call_brings_the_answer)
{
    struct peer *peer = peer_start(peer_echo, NULL);
    struct tars_proxy *proxy = tars_proxy_get(client, peer_object(peer, "Demo.Echo.EchoObj"));
    struct tars_str answer;
    struct tars_result r = call(proxy, "hello", &answer, 0);

    ck_assert_msg(r.error == 0, "%s", r.message);
    ck_assert(tars_str_is(answer, "hello"));
    ck_assert_str_eq(r.message, "");
    peer_stop(peer);
}
END_TEST

struct seen {
    _Atomic int32_t last_id, timeout_ms, version, packet_type, requests;
    char servant[64], function[64];
};

static void note_and_echo(void *user, int fd, unsigned nth)
{
    struct seen *seen = user;
    struct tars_arena *a = tars_arena_new(0);
    struct rpc_request q;
    uint8_t *frame;

    (void)nth;
    while (peer_read(fd, a, &frame, &q)) {
        seen->timeout_ms = q.timeout_ms;
        seen->version = q.version;
        seen->packet_type = q.packet_type;
        snprintf(seen->servant, sizeof seen->servant, "%" TARS_STR_FMT, TARS_STR_ARG(q.servant));
        snprintf(seen->function, sizeof seen->function, "%" TARS_STR_FMT, TARS_STR_ARG(q.function));
        seen->last_id = q.id;
        seen->requests++;
        if (q.packet_type == RPC_NORMAL)
            peer_answer(fd, q.id, 0, q.body.at, q.body.len, NULL);
        free(frame);
    }
    free(frame);
    tars_arena_free(a);
}

START_TEST(requests_are_numbered_from_one_and_carry_name_and_timeout)
{
    struct seen seen = {0};
    struct peer *peer = peer_start(note_and_echo, &seen);
    struct tars_proxy *proxy = tars_proxy_get(client, peer_object(peer, "Demo.Echo.EchoObj#7"));
    char *text = strdup(peer_object(peer, "Demo.Echo.EchoObj#7"));

    for (int32_t id = 1; id <= 40; id++) {
        ck_assert_int_eq(call(proxy, "x", NULL, 1234).error, 0);
        ck_assert_int_eq(seen.last_id, id);
    }
    ck_assert_int_eq(seen.timeout_ms, 1234);
    ck_assert_int_eq(seen.version, 1);
    ck_assert_str_eq(seen.servant, "Demo.Echo.EchoObj"); /* without the hash */
    ck_assert_str_eq(seen.function, "echo");
    ck_assert_uint_eq(peer_connections(peer), 1);
    ck_assert_ptr_eq(tars_proxy_get(client, text), proxy);
    free(text);
    peer_stop(peer);
}
END_TEST

struct many {
    struct tars_proxy *proxy;
    _Atomic int good;
};

static void *many_calls(void *arg)
{
    struct many *m = arg;
    struct tars_arena *own = tars_arena_new(0);

    for (int i = 0; i < 200; i++) {
        char text[32];
        struct tars_str answer;
        struct tars_result r;

        snprintf(text, sizeof text, "%d-%p", i, (void *)own);
        r = tars_proxy_call_raw_blocking(m->proxy, "echo", tars_str(text), own, &answer, NULL);
        if (r.error == 0 && tars_str_is(answer, text))
            m->good++;
        tars_arena_reset(own);
    }
    tars_arena_free(own);
    return NULL;
}

START_TEST(many_threads_share_one_connection)
{
    struct peer *peer = peer_start(peer_echo, NULL);
    struct many m = {.proxy = tars_proxy_get(client, peer_object(peer, "Demo.Echo.EchoObj"))};
    pthread_t threads[8];

    for (size_t i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, many_calls, &m);
    for (size_t i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(m.good, 1600);
    ck_assert_uint_eq(peer_connections(peer), 1);
    peer_stop(peer);
}
END_TEST

START_TEST(a_large_body_goes_and_comes_whole)
{
    struct peer *peer = peer_start(peer_echo, NULL);
    struct tars_proxy *proxy = tars_proxy_get(client, peer_object(peer, "Demo.Echo.EchoObj"));
    size_t len = 5 * 1024 * 1024 + 17;
    char *body = malloc(len);
    struct tars_str answer;
    struct tars_result r;

    for (size_t i = 0; i < len; i++)
        body[i] = (char)(i * 31);
    r = tars_proxy_call_raw_blocking(proxy, "echo", tars_str_n(body, len), arena, &answer, NULL);
    ck_assert_msg(r.error == 0, "%s", r.message);
    ck_assert(tars_str_equal(answer, tars_str_n(body, len)));
    free(body);
    peer_stop(peer);
}
END_TEST

START_TEST(a_one_way_call_is_sent_and_does_not_wait)
{
    struct seen seen = {0};
    struct peer *peer = peer_start(note_and_echo, &seen);
    struct tars_proxy *proxy = tars_proxy_get(client, peer_object(peer, "Demo.Echo.EchoObj"));
    const struct tars_call_options options = {.one_way = true};
    struct tars_result r = tars_proxy_call_raw_blocking(proxy, "note", tars_str("x"), NULL, NULL,
                                                        &options);

    ck_assert_msg(r.error == 0, "%s", r.message);
    ck_assert(tk_eventually(seen.requests == 1, 2000));
    ck_assert_int_eq(seen.packet_type, RPC_ONE_WAY);
    ck_assert_int_ne(seen.last_id, 0);
    peer_stop(peer);
}
END_TEST

/* ---- callbacks ------------------------------------------------------------------------------ */

struct ends {
    _Atomic int count, good;
    struct tars_proxy *proxy;
    int again;
};

static void on_end(void *user, const struct tars_result *r, struct tars_str body)
{
    struct ends *e = user;

    (void)body;
    e->good += r->error == 0;
    e->count++;
    if (e->again-- > 0)
        tars_proxy_call_raw(e->proxy, "echo", tars_str("again"), NULL, on_end, e);
}

START_TEST(a_callback_may_make_the_next_call)
{
    struct peer *peer = peer_start(peer_echo, NULL);
    struct tars_proxy *proxy = tars_proxy_get(client, peer_object(peer, "Demo.Echo.EchoObj"));
    struct ends e = {.proxy = proxy, .again = 99};

    tars_proxy_call_raw(proxy, "echo", tars_str("first"), NULL, on_end, &e);
    ck_assert(tk_eventually(e.count == 100, 5000));
    ck_assert_int_eq(e.good, 100);
    peer_stop(peer);
}
END_TEST

static struct tars_result inner;

static void block_inside(void *user, const struct tars_result *r, struct tars_str body)
{
    struct ends *e = user;

    (void)r;
    (void)body;
    inner = tars_proxy_ping(e->proxy, 1000);
    e->count++;
}

START_TEST(a_blocking_call_on_the_loop_thread_fails_at_once)
{
    struct peer *peer = peer_start(peer_echo, NULL);
    struct tars_proxy *proxy = tars_proxy_get(client, peer_object(peer, "Demo.Echo.EchoObj"));
    struct ends e = {.proxy = proxy};
    int64_t begin = tk_ms();

    tars_proxy_call_raw(proxy, "echo", tars_str("x"), NULL, block_inside, &e);
    ck_assert(tk_eventually(e.count == 1, 2000));
    ck_assert_int_lt(tk_ms() - begin, 900);
    ck_assert_int_eq(inner.error, TARS_RET_SEND);
    ck_assert_ptr_nonnull(strstr(inner.message, "loop thread"));
    peer_stop(peer);
}
END_TEST

/* Answers a few, then cuts the connection. */
static void answer_some_and_cut(void *user, int fd, unsigned nth)
{
    struct tars_arena *a = tars_arena_new(0);
    struct rpc_request q;
    uint8_t *frame;

    (void)user;
    for (unsigned i = 0; i < 20 + nth % 7; i++) {
        if (!peer_read(fd, a, &frame, &q)) {
            free(frame);
            break;
        }
        if (i % 3 != 2)
            peer_answer(fd, q.id, 0, "", 0, NULL);
        free(frame);
    }
    tars_arena_free(a);
}

START_TEST(every_callback_comes_once_while_connections_are_cut)
{
    struct peer *peer = peer_start(answer_some_and_cut, NULL);
    struct tars_proxy *proxy = tars_proxy_get(client, peer_object(peer, "Demo.Echo.EchoObj"));
    struct ends e = {0};
    const struct tars_call_options options = {.timeout_ms = 1000};

    for (int i = 0; i < 3000; i++) {
        tars_proxy_call_raw(proxy, "echo", tars_str("x"), &options, on_end, &e);
        if (i % 100 == 0)
            tk_sleep(5);
    }
    ck_assert(tk_eventually(e.count == 3000, 15000));
    tk_sleep(50);
    ck_assert_int_eq(e.count, 3000);
    ck_assert_int_gt(e.good, 0);
    peer_stop(peer);
}
END_TEST

static void read_only(void *user, int fd, unsigned nth)
{
    (void)user;
    (void)nth;
    tk_closed(fd, 10000);
}

START_TEST(freeing_the_client_ends_every_call_once)
{
    struct peer *peer = peer_start(read_only, NULL);
    struct tars_client *own = tars_client_new(NULL);
    struct tars_proxy *proxy = tars_proxy_get(own, peer_object(peer, "Demo.Echo.EchoObj"));
    struct tars_proxy *nowhere = tars_proxy_get(
        own, "Demo.Echo.EchoObj@tcp -h 192.0.2.1 -p 9"); /* never connects */
    struct ends e = {0};

    for (int i = 0; i < 500; i++) {
        tars_proxy_call_raw(proxy, "echo", tars_str("x"), NULL, on_end, &e);
        tars_proxy_call_raw(nowhere, "echo", tars_str("x"), NULL, on_end, &e);
    }
    tars_client_free(own);
    ck_assert_int_eq(e.count, 1000);
    peer_stop(peer);
}
END_TEST

START_TEST(calls_made_by_callbacks_of_a_closing_client_end_too)
{
    struct peer *peer = peer_start(read_only, NULL);
    struct tars_client *own = tars_client_new(NULL);
    struct tars_proxy *proxy = tars_proxy_get(own, peer_object(peer, "Demo.Echo.EchoObj"));
    struct ends e = {.proxy = proxy, .again = 1};

    tars_proxy_call_raw(proxy, "echo", tars_str("x"), NULL, on_end, &e);
    tk_sleep(50);
    tars_client_free(own);
    ck_assert_int_eq(e.count, 2);
    ck_assert_int_eq(e.good, 0);
    peer_stop(peer);
}
END_TEST

START_TEST(a_client_works_on_the_programs_own_loop)
{
    struct peer *peer = peer_start(peer_echo, NULL);
    struct event_base *base = event_base_new();
    struct tars_client *own = tars_client_new_on(base, NULL);
    struct tars_proxy *proxy = tars_proxy_get(own, peer_object(peer, "Demo.Echo.EchoObj"));
    struct ends e = {.proxy = proxy, .again = 3};

    tars_proxy_call_raw(proxy, "echo", tars_str("x"), NULL, on_end, &e);
    while (e.count < 4)
        event_base_loop(base, EVLOOP_ONCE);
    ck_assert_int_eq(e.good, 4);
    e.again = 0;
    tars_proxy_call_raw(proxy, "echo", tars_str("x"), NULL, on_end, &e); /* never gets its loop */
    tars_client_free(own);
    ck_assert_int_eq(e.count, 5);
    event_base_free(base);
    peer_stop(peer);
}
END_TEST

static void *turn_twice(void *base)
{
    event_base_loop(base, EVLOOP_ONCE);
    event_base_loop(base, EVLOOP_ONCE);
    return NULL;
}

START_TEST(a_loop_whose_thread_has_ended_does_not_hold_up_the_free)
{
    struct peer *peer = peer_start(read_only, NULL);
    struct event_base *base = event_base_new();
    struct tars_client *own = tars_client_new_on(base, NULL);
    struct tars_proxy *proxy = tars_proxy_get(own, peer_object(peer, "Demo.Echo.EchoObj"));
    struct ends e = {.proxy = proxy, .again = 1};
    pthread_t thread;

    tars_proxy_call_raw(proxy, "echo", tars_str("x"), NULL, on_end, &e);
    pthread_create(&thread, NULL, turn_twice, base);
    pthread_join(thread, NULL);
    tars_client_free(own);
    ck_assert_int_eq(e.count, 2);
    event_base_free(base);
    peer_stop(peer);
}
END_TEST

START_TEST(idle_connections_are_pinged_when_that_is_configured)
{
    struct seen seen = {0};
    struct peer *peer = peer_start(note_and_echo, &seen);
    struct rpc_client_conf settings;
    struct tars_client *own;
    struct tars_proxy *proxy;

    rpc_client_conf_init(&settings, NULL);
    settings.keep_alive_ms = 100;
    own = rpc_client_new(&settings, NULL, NULL);
    proxy = tars_proxy_get(own, peer_object(peer, "Demo.Echo.EchoObj"));
    ck_assert_int_eq(tars_proxy_ping(proxy, 1000).error, 0);
    ck_assert(tk_eventually(seen.requests >= 2, 5000));
    ck_assert_str_eq(seen.function, "tars_ping");
    ck_assert_int_eq(seen.packet_type, RPC_NORMAL);
    tars_client_free(own);
    peer_stop(peer);
}
END_TEST

START_TEST(freeing_the_client_does_not_wait_for_a_name_to_be_looked_up)
{
    struct tars_client *own = tars_client_new(NULL);
    struct tars_proxy *proxy = tars_proxy_get(own,
                                              "Demo.Echo.EchoObj@tcp -h no-such-host.invalid -p 9");
    struct ends e = {0};
    int64_t begin = tk_ms();

    for (int i = 0; i < 10; i++)
        tars_proxy_call_raw(proxy, "echo", tars_str("x"), NULL, on_end, &e);
    tars_client_free(own);
    ck_assert_int_eq(e.count, 10);
    ck_assert_int_lt(tk_ms() - begin, 1000);
}
END_TEST

static bool many_in(struct peer *peer, struct tars_client *own, int calls)
{
    struct tars_proxy *proxy = tars_proxy_get(own, peer_object(peer, "Demo.Echo.EchoObj"));
    struct ends e = {0};

    for (int i = 0; i < calls; i++)
        tars_proxy_call_raw(proxy, "echo", tars_str("x"), NULL, on_end, &e);
    return tk_eventually(e.count == calls, 5000) && e.good == calls;
}

START_TEST(several_connections_to_one_endpoint_share_the_calls)
{
    struct peer *peer = peer_start(peer_echo, NULL);
    struct rpc_client_conf settings;
    struct tars_client *own;

    rpc_client_conf_init(&settings, NULL);
    settings.connections = 4;
    own = rpc_client_new(&settings, NULL, NULL);
    ck_assert(many_in(peer, own, 400));
    ck_assert_uint_eq(peer_connections(peer), 4);
    tars_client_free(own);
    peer_stop(peer);
}
END_TEST

/* ---- failures ------------------------------------------------------------------------------- */

static void answer_code(void *user, int fd, unsigned nth)
{
    struct tars_arena *a = tars_arena_new(0);
    struct rpc_request q;
    uint8_t *frame;

    (void)nth;
    while (peer_read(fd, a, &frame, &q)) {
        bool named = tars_str_is(q.body, "named");

        peer_answer(fd, q.id, *(const int32_t *)user, "", 0, named ? "no stock left" : NULL);
        free(frame);
    }
    free(frame);
    tars_arena_free(a);
}

START_TEST(a_code_of_the_server_is_the_result_with_its_text)
{
    int32_t code = 5;
    struct peer *peer = peer_start(answer_code, &code);
    struct tars_proxy *proxy = tars_proxy_get(client, peer_object(peer, "Demo.Echo.EchoObj"));
    struct tars_result r = call(proxy, "named", NULL, 0);

    ck_assert_int_eq(r.error, 5);
    ck_assert_ptr_nonnull(strstr(r.message, "Demo.Echo.EchoObj"));
    ck_assert_ptr_nonnull(strstr(r.message, "no stock left"));
    code = TARS_RET_NO_FUNCTION;
    r = call(proxy, "", NULL, 0);
    ck_assert_int_eq(r.error, TARS_RET_NO_FUNCTION);
    ck_assert_ptr_nonnull(strstr(r.message, "does not know the function"));
    peer_stop(peer);
}
END_TEST

/* Tars protocol, weakness of the reference: one answer with an error code shuts out the server. */
START_TEST(a_servants_own_code_does_not_put_the_endpoint_aside)
{
    int32_t code = -99;
    struct peer *peer = peer_start(answer_code, &code);
    struct tars_proxy *proxy = tars_proxy_get(client, peer_object(peer, "Demo.Echo.EchoObj"));

    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(call(proxy, "x", NULL, 0).error, -99);
    ck_assert(metric("tars_client_endpoints_put_aside_total") == 0);
    ck_assert_uint_eq(peer_connections(peer), 1);
    peer_stop(peer);
}
END_TEST

START_TEST(a_call_without_answer_times_out_in_time)
{
    struct peer *peer = peer_start(read_only, NULL);
    struct tars_proxy *proxy = tars_proxy_get(client, peer_object(peer, "Demo.Echo.EchoObj"));
    int64_t begin = tk_ms();
    struct tars_result r = call(proxy, "x", NULL, 200);
    int64_t took = tk_ms() - begin;

    ck_assert_int_eq(r.error, TARS_RET_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(r.message, "no answer within 200 ms"));
    ck_assert_int_ge(took, 195);
    ck_assert_int_lt(took, 1000);
    peer_stop(peer);
}
END_TEST

START_TEST(a_refused_connection_fails_at_once_and_names_the_place)
{
    uint16_t port = tk_free_port();
    struct tars_proxy *proxy = tars_proxy_get(
        client, tk_text("Demo.Echo.EchoObj@tcp -h 127.0.0.1 -p %u", port));
    int64_t begin = tk_ms();
    struct tars_result r = call(proxy, "x", NULL, 3000);

    ck_assert_int_eq(r.error, TARS_RET_CONNECT);
    ck_assert_ptr_nonnull(strstr(r.message, tk_text("-p %u", port)));
    ck_assert_ptr_nonnull(strstr(r.message, "refused"));
    ck_assert_int_lt(tk_ms() - begin, 1000);
    r = call(proxy, "x", NULL, 3000); /* the pause before the next try */
    ck_assert_int_eq(r.error, TARS_RET_NO_ENDPOINT);
    ck_assert_ptr_nonnull(strstr(r.message, "refused"));
}
END_TEST

START_TEST(a_connection_to_oneself_is_refused)
{
    enum { PORT = 40000 };
    if (!tk_network_of_one_port(PORT))
        return;
    struct tars_client *inside = tars_client_new(NULL); /* its thread is in that network */
    struct tars_proxy *proxy = tars_proxy_get(
        inside, tk_text("Demo.Echo.EchoObj@tcp -h 127.0.0.1 -p %d", PORT));
    struct tars_result r = call(proxy, "x", NULL, 3000);

    ck_assert_int_eq(r.error, TARS_RET_CONNECT);
    ck_assert_ptr_nonnull(strstr(r.message, "refused"));
    tars_client_free(inside);
}
END_TEST

START_TEST(a_server_that_comes_back_is_found_again)
{
    uint16_t port = tk_free_port();
    struct tars_proxy *proxy = tars_proxy_get(
        client, tk_text("Demo.Echo.EchoObj@tcp -h 127.0.0.1 -p %u", port));
    struct peer *peer;

    ck_assert_int_ne(call(proxy, "x", NULL, 500).error, 0);
    peer = peer_start_on(port, peer_echo, NULL);
    ck_assert(tk_eventually(call(proxy, "x", NULL, 500).error == 0, 3000));
    peer_stop(peer);
    ck_assert_int_ne(call(proxy, "x", NULL, 500).error, 0);
    peer = peer_start_on(port, peer_echo, NULL);
    ck_assert(tk_eventually(call(proxy, "x", NULL, 500).error == 0, 3000));
    peer_stop(peer);
}
END_TEST

START_TEST(names_that_are_no_names_fail_with_the_reason)
{
    static const char *const names[] = {"", "@tcp -h 127.0.0.1 -p 1", "Demo.Echo.EchoObj@tcp -p x",
                                        "Demo.Echo.EchoObj@"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct tars_result r = call(tars_proxy_get(client, names[i]), "x", NULL, 100);

        ck_assert_int_ne(r.error, 0);
        ck_assert_str_ne(r.message, "");
    }
}
END_TEST

START_TEST(an_object_without_endpoints_needs_a_locator)
{
    struct tars_result r = call(tars_proxy_get(client, "Demo.Echo.EchoObj"), "x", NULL, 3000);

    ck_assert_int_eq(r.error, TARS_RET_NO_ENDPOINT);
    ck_assert_ptr_nonnull(strstr(r.message, "locator"));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("client_call");
    TCase *t = tcase_create("calls");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_blocking_call_brings_the_answer);
    tcase_add_test(t, requests_are_numbered_from_one_and_carry_name_and_timeout);
    tcase_add_test(t, many_threads_share_one_connection);
    tcase_add_test(t, a_large_body_goes_and_comes_whole);
    tcase_add_test(t, a_one_way_call_is_sent_and_does_not_wait);
    tcase_add_test(t, a_callback_may_make_the_next_call);
    tcase_add_test(t, a_blocking_call_on_the_loop_thread_fails_at_once);
    tcase_add_test(t, every_callback_comes_once_while_connections_are_cut);
    tcase_add_test(t, freeing_the_client_ends_every_call_once);
    tcase_add_test(t, calls_made_by_callbacks_of_a_closing_client_end_too);
    tcase_add_test(t, a_client_works_on_the_programs_own_loop);
    tcase_add_test(t, a_loop_whose_thread_has_ended_does_not_hold_up_the_free);
    tcase_add_test(t, idle_connections_are_pinged_when_that_is_configured);
    tcase_add_test(t, freeing_the_client_does_not_wait_for_a_name_to_be_looked_up);
    tcase_add_test(t, several_connections_to_one_endpoint_share_the_calls);
    tcase_add_test(t, a_code_of_the_server_is_the_result_with_its_text);
    tcase_add_test(t, a_servants_own_code_does_not_put_the_endpoint_aside);
    tcase_add_test(t, a_call_without_answer_times_out_in_time);
    tcase_add_test(t, a_refused_connection_fails_at_once_and_names_the_place);
    tcase_add_test(t, a_connection_to_oneself_is_refused);
    tcase_add_test(t, a_server_that_comes_back_is_found_again);
    tcase_add_test(t, names_that_are_no_names_fail_with_the_reason);
    tcase_add_test(t, an_object_without_endpoints_needs_a_locator);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
