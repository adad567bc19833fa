/* SPDX-License-Identifier: BSD-3-Clause */
/* Hostile and broken peers: the server closes, refuses or waits, keeps its memory bounded and
 * serves everybody else as before. */
#include <check.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "serverkit.h"
#include "testkit.h"

static struct tars_server *server;

static void close_server(void)
{
    tars_server_stop(server, 1000);
    tars_server_free(server);
}

static void open_server(void)
{
    server = sk_server("", "");
}

static void expect_others_are_served(void)
{
    int fd = sk_connect(server);
    struct rpc_request q = sk_request("add");
    q.body = sk_add_body(1, 2);
    ck_assert_int_eq(sk_call(fd, &q), 0);
    close(fd);
}

static void send_and_expect_close(const void *bytes, size_t len)
{
    int fd = sk_connect(server);
    ck_assert(tk_send(fd, bytes, len));
    ck_assert_msg(tk_closed(fd, 3000), "not closed after %zu bytes", len);
    close(fd);
}

/* ---- malformed packets -------------------------------------------------------------------------
 */

START_TEST(lengths_below_five_and_over_the_limit_close_without_an_answer)
{
    static const uint8_t lengths[][4] = {
        {0, 0, 0, 0},    {0, 0, 0, 1},
        {0, 0, 0, 2},    {0, 0, 0, 3},
        {0, 0, 0, 4},    {0, 0xa0, 0, 1},
        {6, 0x40, 0, 1}, {0x7f, 0xff, 0xff, 0xff},
        {0x80, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff},
    };
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        send_and_expect_close(lengths[i], 4);
    expect_others_are_served();
    ck_assert_double_eq(sk_metric(server, "tars_bad_frames_total", "Shapes"), 10);
}
END_TEST

/* A frame around these bytes. */
static void send_body_and_expect_close(const char *bytes, size_t len)
{
    uint8_t frame[512] = {0, 0, (uint8_t)((len + 4) >> 8), (uint8_t)(len + 4)};
    memcpy(frame + 4, bytes, len);
    send_and_expect_close(frame, len + 4);
}

#define BODY(text_) text_, sizeof(text_) - 1

START_TEST(a_frame_that_is_no_request_closes_without_an_answer)
{
    send_body_and_expect_close(BODY("x"));
    send_body_and_expect_close(BODY("GET / HTTP/1.1\r\n\r\n"));
    send_body_and_expect_close(BODY("\x10\x01"));                     /* fields missing */
    send_body_and_expect_close(BODY("\x10\x01\x2c\x3c\x4c\x5c"));     /* wrong wire type */
    send_body_and_expect_close(BODY("\x10\x01\x2c\x3c\x4c\x56\xff")); /* text cut off */
    send_body_and_expect_close(BODY("\x10\x01\x2c\x3c\x4c\x57\x7f\xff\xff\xff")); /* huge text */
    send_body_and_expect_close(BODY("\x10\x01\x2c\x3c\x4c\x57\xff\xff\xff\xff")); /* negative */
    send_body_and_expect_close(
        BODY("\x10\x01\x2c\x3c\x40\x01\x56\x00\x66\x00\x7d\x00\x02\x7f\xff\xff\xff"));
    send_body_and_expect_close(/* a map of 2^31-1 entries */
                               BODY("\x10\x01\x2c\x3c\x40\x01\x56\x00\x66\x00\x7d\x00\x0c\x8c\x98"
                                    "\x02\x7f\xff\xff\xff"));
    send_body_and_expect_close(BODY("\x10\x01\x2e\x3f\x4e")); /* wire types that do not exist */
    expect_others_are_served();
}
END_TEST

START_TEST(nesting_of_100000_levels_does_not_harm)
{
    enum { DEPTH = 100000 };
    char *bytes = malloc(DEPTH + 4);
    memset(bytes, 0x0a, DEPTH + 4);
    memcpy(bytes, "\x00\x01\x86\xa4", 4);
    send_and_expect_close(bytes, DEPTH + 4);
    free(bytes);
    expect_others_are_served();
}
END_TEST

START_TEST(parameters_nested_too_deep_are_a_decode_error)
{
    char nested[1000];
    int fd = sk_connect(server);
    struct rpc_request q = sk_request("add");
    memset(nested, 0x0a, sizeof nested);
    q.body = tars_str_n(nested, sizeof nested);
    ck_assert_int_eq(sk_call(fd, &q), TARS_RET_DECODE);
    q.body = sk_add_body(1, 1);
    ck_assert_int_eq(sk_call(fd, &q), 0); /* the connection goes on */
    close(fd);
}
END_TEST

/* A request and its frame's bytes, to be freed with tars_writer_free. */
static struct tars_writer frame_of(const char *function, struct tars_str body)
{
    struct tars_writer w;
    struct rpc_request q = sk_request(function);
    q.timeout_ms = 60000; /* none expires while the test takes its time */
    q.body = body;
    tars_writer_init(&w);
    rpc_request_write(&w, &q);
    return w;
}

START_TEST(a_request_that_comes_byte_by_byte_is_answered)
{
    struct tars_writer w = frame_of("add", sk_add_body(20, 22));
    int fd = sk_connect(server);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < w.len; i++) {
            ck_assert(tk_send(fd, w.at + i, 1));
            if (i % 16 == 0)
                tk_sleep(1);
        }
        struct sk_answer a = sk_receive(fd, 5000);
        ck_assert(a.came);
        ck_assert_int_eq(a.packet.ret, 0);
        sk_free(&a);
    }
    tars_writer_free(&w);
    close(fd);
}
END_TEST

START_TEST(long_and_short_requests_cut_anywhere_are_all_answered)
{
    struct tars_writer all;
    enum { REQUESTS = 40 };
    int fd = sk_connect(server);
    char *text = malloc(300001);
    memset(text, 'y', 300000);
    text[300000] = '\0';
    tars_writer_init(&all);
    srand(11);
    for (int i = 0; i < REQUESTS; i++) {
        struct rpc_request q = sk_request("echo");
        text[i * 300000 / REQUESTS] = 'z';
        struct tars_str part = sk_text_body(text + (i % 3 == 0 ? 0 : 299990 - rand() % 6000));
        q.id = i + 1;
        q.body = part;
        rpc_request_write(&all, &q);
    }
    size_t sent = 0;
    int answered = 0;
    while (answered < REQUESTS) {
        if (sent < all.len) {
            size_t n = 1 + (size_t)rand() % 50000;
            n = n < all.len - sent ? n : all.len - sent;
            ck_assert(tk_send(fd, all.at + sent, n));
            sent += n;
        }
        for (;;) {
            struct sk_answer a = sk_receive(fd, sent < all.len ? 2 : 5000);
            if (!a.came)
                break;
            ck_assert_int_eq(a.packet.id, ++answered);
            ck_assert_int_eq(a.packet.ret, 0);
            sk_free(&a);
            if (answered == REQUESTS)
                break;
        }
        ck_assert(sent < all.len || answered == REQUESTS);
    }
    tars_writer_free(&all);
    free(text);
    close(fd);
}
END_TEST

START_TEST(announced_length_alone_takes_no_memory)
{
    enum { PEERS = 50 };
    int fds[PEERS];
    for (int i = 0; i < PEERS; i++) {
        fds[i] = sk_connect(server);
        ck_assert(tk_send(fds[i], "\x00\x9f\xff\xff\x10\x01", 6)); /* almost 10 MiB */
    }
    tk_sleep(2300); /* the gauge follows every two seconds */
    ck_assert_double_le(sk_metric(server, "tars_worker_buffer_bytes", ""), 1024.0 * 1024);
    expect_others_are_served();
    for (int i = 0; i < PEERS; i++)
        close(fds[i]);
}
END_TEST

/* ---- readers -----------------------------------------------------------------------------------
 */

START_TEST(a_reader_that_never_reads_costs_bounded_memory)
{
    int fd = sk_connect(server);
    struct tars_writer w = frame_of("big", sk_int_body(50000));
    int sent = 0;
    /* 100 MB of answers would come, if somebody took them */
    while (sent < 2000 && send(fd, w.at, w.len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)w.len)
        sent++;
    tk_sleep(2500);
    ck_assert_double_le(sk_metric(server, "tars_worker_buffer_bytes", ""), 4.0 * 1024 * 1024);
    expect_others_are_served();
    int answers = 0; /* and when it reads at last, nothing is lost */
    while (answers < sent) {
        struct sk_answer a = sk_receive(fd, 5000);
        ck_assert(a.came);
        ck_assert_int_eq(a.packet.ret, 0);
        sk_free(&a);
        answers++;
    }
    tars_writer_free(&w);
    close(fd);
}
END_TEST

static void open_server_with_small_output(void)
{
    server = sk_server("", "backpacketlimit=1000000");
}

START_TEST(unsent_bytes_over_the_limit_close_the_connection)
{
    int fd = sk_connect(server), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    struct rpc_request q = sk_request("big");
    q.body = sk_int_body(10000000); /* more than sockets hold, and the limit */
    ck_assert(sk_send(fd, &q));
    ck_assert(
        tk_eventually(sk_metric(server, "tars_connections_closed_slow_total", "") == 1, 8000));
    expect_others_are_served();
    close(fd);
}
END_TEST

static void open_server_with_small_memory(void)
{
    server = sk_server("", "memorylimit=4000000\nmaxPackageLength=104857600");
}

START_TEST(requests_that_pass_the_memory_limit_close_their_connection)
{
    enum { LEN = 8000000 };
    char *bytes = calloc(1, LEN);
    int fd = sk_connect(server);
    memcpy(bytes, "\x00\x7a\x12\x00", 4);
    (void)tk_send(fd, bytes, LEN);
    ck_assert(tk_closed(fd, 3000));
    ck_assert_double_eq(sk_metric(server, "tars_connections_closed_memory_total", ""), 1);
    expect_others_are_served();
    free(bytes);
    close(fd);
}
END_TEST

/* Sends calls that wait so long; how many were refused, the others having been answered. */
static int overloads(int fd, struct rpc_request *q, int ms)
{
    enum { CALLS = 20 };
    int refused = 0, good = 0;
    q->body = sk_int_body(ms);
    for (q->id = 1; q->id <= CALLS; q->id++)
        ck_assert(sk_send(fd, q));
    for (int i = 0; i < CALLS; i++) {
        struct sk_answer a = sk_receive(fd, 30000);
        refused += a.packet.ret == TARS_RET_OVERLOAD && a.packet.description.len > 0;
        good += a.packet.ret == 0;
        sk_free(&a);
    }
    ck_assert_int_gt(good, 0);
    ck_assert_int_eq(good + refused, CALLS);
    return refused;
}

START_TEST(calls_that_wait_are_refused_once_their_parameters_fill_the_memory)
{
    enum { PAIRS = 20000, LONGEST_MS = 8000 };
    struct tars_str_pair *pairs = calloc(PAIRS, sizeof *pairs);
    struct rpc_request q = sk_request("sleep");
    int fd = sk_connect(server), ms = 500;
    for (size_t i = 0; i < PAIRS; i++)
        pairs[i] = (struct tars_str_pair){tars_str(tk_text("%zu", i)), tars_str("")};
    q.context = (struct tars_str_map){PAIRS, pairs};
    q.timeout_ms = 60000;
    while (overloads(fd, &q, ms) == 0) { /* the first ones had left before the last was read */
        ms *= 2;
        ck_assert_int_le(ms, LONGEST_MS);
    }
    q.body = sk_int_body(1);
    ck_assert_int_eq(sk_call(fd, &q), 0); /* they are done, their memory is free again */
    free(pairs);
    close(fd);
}
END_TEST

/* ---- numbers of connections and calls ----------------------------------------------------------
 */

static void open_server_for_three(void)
{
    server = sk_server("maxconns=3\nqueuecap=5", "");
}

START_TEST(connections_over_the_adapters_limit_are_closed_at_once)
{
    int fds[3];
    struct rpc_request q = sk_request("tars_ping");
    for (int i = 0; i < 3; i++) {
        fds[i] = sk_connect(server);
        ck_assert_int_eq(sk_call(fds[i], &q), 0);
    }
    int fourth = sk_connect(server);
    ck_assert(tk_closed(fourth, 3000));
    ck_assert_double_eq(sk_metric(server, "tars_connections_refused_full_total", "Shapes"), 1);
    close(fourth);
    close(fds[0]);
    ck_assert(tk_eventually(sk_metric(server, "tars_connections", "Shapes") == 2, 2000));
    expect_others_are_served();
    close(fds[1]);
    close(fds[2]);
}
END_TEST

START_TEST(calls_over_four_fifths_of_the_queue_are_refused_as_overload)
{
    int fd = sk_connect(server);
    struct rpc_request q = sk_request("sleep");
    q.body = sk_int_body(300);
    for (q.id = 1; q.id <= 6; q.id++)
        ck_assert(sk_send(fd, &q));
    int overloads = 0, good = 0;
    for (int i = 0; i < 6; i++) {
        struct sk_answer a = sk_receive(fd, 5000);
        overloads += a.packet.ret == TARS_RET_OVERLOAD && a.packet.description.len > 0;
        good += a.packet.ret == 0;
        sk_free(&a);
    }
    ck_assert_int_eq(good, 4);
    ck_assert_int_eq(overloads, 2);
    ck_assert_int_eq(sk_call(fd, &q), 0); /* and over with the load */
    close(fd);
}
END_TEST

static void open_server_for_two_in_all(void)
{
    server = sk_server("", "connectionlimit=2");
}

START_TEST(connections_over_the_servers_limit_are_closed_at_once)
{
    int a = sk_connect(server), b = sk_connect(server);
    struct rpc_request q = sk_request("tars_ping");
    ck_assert_int_eq(sk_call(a, &q), 0);
    ck_assert_int_eq(sk_call(b, &q), 0);
    int c = tk_connect(tars_server_port(server, "AdminObj"));
    ck_assert(tk_closed(c, 3000));
    close(a);
    close(b);
    close(c);
}
END_TEST

/* How many calls were served when for so long no more were. */
static int served_until_it_stops(int ms)
{
    int served = 0, before;
    do {
        before = served;
        tk_sleep(ms);
        served = (int)sk_metric(server, "tars_calls_total", "Shapes");
    } while (!served || served != before);
    return served;
}

START_TEST(a_call_that_waits_behind_answers_nobody_reads_is_not_run_after_its_time)
{
    enum { ANSWERS = 40, ANSWER_BYTES = 1024 * 1024 }; /* more than sockets hold */
    struct tars_writer all;
    struct rpc_request large = sk_request("big"), q = sk_request("add");
    int fd = sk_connect(server), in_time = 0;
    tars_writer_init(&all);
    large.timeout_ms = 0;
    q.id = 2;
    q.timeout_ms = 200;
    for (int i = 0; i < ANSWERS; i++) {
        large.body = sk_int_body(ANSWER_BYTES);
        rpc_request_write(&all, &large);
        q.body = sk_add_body(1, 2);
        rpc_request_write(&all, &q);
    }
    ck_assert(tk_send(fd, all.at, all.len));
    int served = served_until_it_stops(400); /* longer than the caller waits */
    for (int i = 0; i < 2 * ANSWERS; i++) {
        struct sk_answer a = sk_receive(fd, 10000);
        ck_assert(a.came);
        in_time += a.packet.id == 2 && a.packet.ret == 0;
        sk_free(&a);
    }
    ck_assert_int_lt(served, 2 * ANSWERS);
    ck_assert_int_le(in_time, served / 2);
    tars_writer_free(&all);
    close(fd);
}
END_TEST

START_TEST(a_call_that_waits_longer_than_its_caller_does_is_not_run)
{
    /* the first call holds the worker for longer than the second one's patience */
    struct tars_writer both;
    struct rpc_request q = sk_request("block");
    int fd = sk_connect(server);
    tars_writer_init(&both);
    q.body = sk_int_body(120);
    rpc_request_write(&both, &q);
    q = sk_request("add");
    q.id = 2;
    q.timeout_ms = 50;
    q.body = sk_add_body(1, 2);
    rpc_request_write(&both, &q);
    ck_assert(tk_send(fd, both.at, both.len));
    struct sk_answer first = sk_receive(fd, 5000), second = sk_receive(fd, 5000);
    ck_assert_int_eq(first.packet.ret, 0);
    ck_assert_int_eq(second.packet.ret, TARS_RET_QUEUE_TIMEOUT);
    ck_assert_uint_gt(second.packet.description.len, 0);
    sk_free(&first);
    sk_free(&second);
    tars_writer_free(&both);
    close(fd);
}
END_TEST

/* ---- silent peers ------------------------------------------------------------------------------
 */

static void open_server_that_idles_a_second(void)
{
    server = sk_server_on(tk_text("tcp -h 127.0.0.1 -p %u -t 1000", tk_free_port()), "", "");
}

/* The answer counts as life too: the janitor's next round, 0.3 s after it, is not yet the end. */
START_TEST(idle_connections_close_after_the_endpoints_time_but_not_while_a_call_runs)
{
    int idle = sk_connect(server), busy = sk_connect(server);
    struct rpc_request q = sk_request("tars_ping");
    ck_assert_int_eq(sk_call(idle, &q), 0);
    q = sk_request("sleep");
    q.timeout_ms = 10000;
    q.body = sk_int_body(3700);
    ck_assert(sk_send(busy, &q));
    ck_assert(tk_closed(idle, 5000));
    struct sk_answer a = sk_receive(busy, 6000);
    int64_t answered = tk_ms();
    ck_assert(a.came);
    sk_free(&a);
    ck_assert(tk_closed(busy, 6000));
    ck_assert_int_ge(tk_ms() - answered, 700);
    close(idle);
    close(busy);
}
END_TEST

START_TEST(a_connection_that_never_sends_a_request_is_closed)
{
    int silent = sk_connect(server), half = sk_connect(server);
    int64_t begin = tk_ms();
    ck_assert(tk_send(half, "\x00\x00\x00\x50\x10", 5));
    ck_assert(tk_closed(silent, 9000));
    ck_assert(tk_closed(half, 9000));
    ck_assert_int_ge(tk_ms() - begin, 5000);
    ck_assert_double_eq(sk_metric(server, "tars_connections_closed_empty_total", "Shapes"), 2);
    close(silent);
    close(half);
}
END_TEST

static TCase *group(Suite *suite, const char *name, void (*open)(void))
{
    TCase *t = tcase_create(name);
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, open, close_server);
    suite_add_tcase(suite, t);
    return t;
}

int main(void)
{
    Suite *suite = suite_create("server_limits");
    TCase *t = group(suite, "usual limits", open_server);
    tcase_add_test(t, lengths_below_five_and_over_the_limit_close_without_an_answer);
    tcase_add_test(t, a_frame_that_is_no_request_closes_without_an_answer);
    tcase_add_test(t, nesting_of_100000_levels_does_not_harm);
    tcase_add_test(t, parameters_nested_too_deep_are_a_decode_error);
    tcase_add_test(t, a_request_that_comes_byte_by_byte_is_answered);
    tcase_add_test(t, long_and_short_requests_cut_anywhere_are_all_answered);
    tcase_add_test(t, announced_length_alone_takes_no_memory);
    tcase_add_test(t, a_reader_that_never_reads_costs_bounded_memory);
    tcase_add_test(t, a_call_that_waits_longer_than_its_caller_does_is_not_run);
    tcase_add_test(t, a_call_that_waits_behind_answers_nobody_reads_is_not_run_after_its_time);
    tcase_add_test(t, a_connection_that_never_sends_a_request_is_closed);
    t = group(suite, "small output", open_server_with_small_output);
    tcase_add_test(t, unsent_bytes_over_the_limit_close_the_connection);
    t = group(suite, "small memory", open_server_with_small_memory);
    tcase_add_test(t, requests_that_pass_the_memory_limit_close_their_connection);
    tcase_add_test(t, calls_that_wait_are_refused_once_their_parameters_fill_the_memory);
    t = group(suite, "three connections", open_server_for_three);
    tcase_add_test(t, connections_over_the_adapters_limit_are_closed_at_once);
    tcase_add_test(t, calls_over_four_fifths_of_the_queue_are_refused_as_overload);
    t = group(suite, "two connections", open_server_for_two_in_all);
    tcase_add_test(t, connections_over_the_servers_limit_are_closed_at_once);
    t = group(suite, "one second", open_server_that_idles_a_second);
    tcase_add_test(t, idle_connections_close_after_the_endpoints_time_but_not_while_a_call_runs);
    return tk_main(suite);
}
