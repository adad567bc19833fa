/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls over real sockets: answers in each version, return codes, what a caller may rely on. */
#include <check.h>
#include <stdlib.h>

#include "serverkit.h"
#include "testkit.h"

static struct tars_server *server;
static int fd;

static void open_server(void)
{
    server = sk_server("", "");
    fd = sk_connect(server);
}

static void close_server(void)
{
    close(fd);
    tars_server_stop(server, 1000);
    tars_server_free(server);
    sk_answer_never(); /* an answer after its server is gone harms nobody */
}

START_TEST(call_is_answered_with_its_id_version_and_message_type)
{
    struct rpc_request q = sk_request("add");
    q.body = sk_add_body(1, 300);
    q.id = 77;
    q.message_type = RPC_MESSAGE_DYED;
    ck_assert(sk_send(fd, &q));
    struct sk_answer a = sk_receive(fd, 5000);
    ck_assert(a.came);
    ck_assert_int_eq(a.packet.version, 1);
    ck_assert_int_eq(a.packet.packet_type, 0);
    ck_assert_int_eq(a.packet.id, 77);
    ck_assert_int_eq(a.packet.message_type, RPC_MESSAGE_DYED);
    ck_assert_int_eq(a.packet.ret, 0);
    ck_assert(tars_str_equal(a.packet.body, tars_str_n("\x00\x07\x31\x01\x2d", 5)));
    ck_assert_uint_eq(a.packet.description.len, 0);
    sk_free(&a);
}
END_TEST

static int32_t code_of(struct rpc_request q, const char *in_text)
{
    ck_assert(sk_send(fd, &q));
    struct sk_answer a = sk_receive(fd, 5000);
    ck_assert(a.came);
    ck_assert_msg(a.packet.ret == 0 || a.packet.description.len > 0, "code without description");
    ck_assert(a.packet.ret == 0 || a.packet.body.len == 0);
    if (in_text) {
        char *text = strndup(a.packet.description.at, a.packet.description.len);
        ck_assert_msg(strstr(text, in_text) != NULL, "\"%s\" lacks \"%s\"", text, in_text);
        free(text);
    }
    int32_t ret = a.packet.ret;
    sk_free(&a);
    return ret;
}

START_TEST(every_refusal_has_its_code_and_a_description)
{
    struct rpc_request q = sk_request("nothing");
    ck_assert_int_eq(code_of(q, "nothing"), TARS_RET_NO_FUNCTION);
    q = sk_request("gone"); /* known, but without a handler */
    ck_assert_int_eq(code_of(q, "gone"), TARS_RET_NO_FUNCTION);
    q = sk_request("add");
    q.servant = tars_str("Demo.ShapeServer.Other");
    ck_assert_int_eq(code_of(q, "Other"), TARS_RET_NO_SERVANT);
    q = sk_request("add");
    q.body = sk_int_body(1);
    ck_assert_int_eq(code_of(q, "add"), TARS_RET_DECODE);
    q = sk_request("fail");
    q.body = sk_int_body(4711);
    ck_assert_int_eq(code_of(q, "failing as asked"), 4711);
    q.body = sk_int_body(-500); /* below -99 a caller would drop the connection */
    ck_assert_int_eq(code_of(q, "failing as asked"), TARS_RET_UNKNOWN);
}
END_TEST

START_TEST(unknown_versions_get_decode_error_with_the_version_echoed)
{
    static const int16_t versions[] = {0, 4, 6, 99, -1};
    for (size_t i = 0; i < 2 * (sizeof versions / sizeof *versions); i++) {
        struct rpc_request q = sk_request(i % 2 ? "tars_ping" : "add");
        q.version = versions[i / 2];
        q.body = sk_add_body(1, 2);
        ck_assert(sk_send(fd, &q));
        struct sk_answer a = sk_receive(fd, 5000);
        ck_assert_int_eq(a.packet.version, versions[i / 2]);
        ck_assert_int_eq(a.packet.ret, TARS_RET_DECODE);
        ck_assert_uint_gt(a.packet.description.len, 0);
        sk_free(&a);
    }
}
END_TEST

START_TEST(ping_is_answered_empty_for_every_servant)
{
    struct rpc_request q = sk_request("tars_ping");
    ck_assert(sk_send(fd, &q));
    struct sk_answer a = sk_receive(fd, 5000);
    ck_assert(a.came);
    ck_assert_int_eq(a.packet.ret, 0);
    ck_assert_uint_eq(a.packet.body.len, 0);
    sk_free(&a);
}
END_TEST

/* Sends a one-way request and a ping behind it: the ping's answer has to be the first. */
static void expect_silence(struct rpc_request q)
{
    struct rpc_request ping = sk_request("tars_ping");
    q.packet_type = RPC_ONE_WAY;
    ping.id = 1000;
    ck_assert(sk_send(fd, &q));
    ck_assert(sk_send(fd, &ping));
    struct sk_answer a = sk_receive(fd, 5000);
    ck_assert_int_eq(a.packet.id, 1000);
    sk_free(&a);
}

START_TEST(one_way_calls_get_nothing_also_on_errors)
{
    struct rpc_request q = sk_request("add");
    q.body = sk_add_body(1, 2);
    expect_silence(q);
    expect_silence(sk_request("nothing"));
    expect_silence(sk_request("add")); /* cannot be decoded */
    q = sk_request("add");
    q.servant = tars_str("Other");
    expect_silence(q);
    expect_silence(sk_request("tars_ping"));
    q = sk_request("sleep");
    q.body = sk_int_body(1);
    expect_silence(q);
    tk_sleep(50);
    expect_silence(sk_request("tars_ping"));
}
END_TEST

static void check_tup(int16_t version, struct tars_str body, struct tars_str expected)
{
    struct rpc_request q = sk_request("add");
    q.version = version;
    q.body = body;
    ck_assert(sk_send(fd, &q));
    size_t len;
    uint8_t *frame = tk_read_frame(fd, 5000, &len);
    struct tars_arena *arena = tars_arena_new(0);
    struct rpc_request a; /* TUP answers are request packets */
    ck_assert(rpc_request_read(tars_str_n(frame, len), arena, &a, NULL));
    ck_assert_int_eq(a.version, version);
    ck_assert_int_eq(a.id, 1);
    ck_assert_int_eq(a.packet_type, 0);
    ck_assert(tars_str_equal(a.servant, q.servant));
    ck_assert(tars_str_equal(a.function, q.function));
    const struct tars_str *code = tars_str_map_get(&a.status, "STATUS_RESULT_CODE");
    const struct tars_str *text = tars_str_map_get(&a.status, "STATUS_RESULT_DESC");
    ck_assert(code && text);
    if (expected.at) {
        ck_assert(tars_str_is(*code, "0"));
        ck_assert_uint_eq(text->len, 0);
        ck_assert_uint_gt(a.body.len, expected.len);
        ck_assert_ptr_nonnull(memmem(a.body.at, a.body.len, expected.at, expected.len));
    } else {
        ck_assert(tars_str_is(*code, "-1"));
        ck_assert_uint_gt(text->len, 0);
        ck_assert(tars_str_equal(a.body, tars_str_n("\x08\x0c", 2)));
    }
    free(frame);
    tars_arena_free(arena);
}

START_TEST(tup_is_answered_with_a_request_packet_and_both_result_keys)
{
    static const char simple[] = "\x08\x00\x02"
                                 "\x06\x01"
                                 "a\x1d\x00\x00\x02\x00\x05"
                                 "\x06\x01"
                                 "b\x1d\x00\x00\x02\x00\x06";
    static const char empty_out[] = "\x08\x00\x03"
                                    "\x06\x01"
                                    "a\x1d\x00\x00\x02\x00\x05"
                                    "\x06\x01"
                                    "b\x1d\x00\x00\x02\x00\x06"
                                    "\x06\x03"
                                    "sum\x1d\x00\x0c";
    check_tup(RPC_TUP, tars_str_n(simple, sizeof simple - 1), tars_str("sum"));
    check_tup(RPC_TUP, tars_str_n(empty_out, sizeof empty_out - 1), tars_str("sum"));
    check_tup(RPC_TUP, tars_str_n("\x08\x0c", 2), tars_str(NULL));
    check_tup(RPC_TUP_COMPLEX, tars_str_n("\x08\x0c", 2), tars_str(NULL));
}
END_TEST

START_TEST(json_is_answered_with_json)
{
    struct rpc_request q = sk_request("add");
    q.version = RPC_JSON;
    q.body = tars_str("{\"a\": 40, \"b\": 2}");
    ck_assert(sk_send(fd, &q));
    struct sk_answer a = sk_receive(fd, 5000);
    ck_assert_int_eq(a.packet.version, RPC_JSON);
    ck_assert_int_eq(a.packet.ret, 0);
    ck_assert(tars_str_is(a.packet.body, "{\"tars_ret\":7,\"sum\":42}"));
    sk_free(&a);
    q.body = tars_str("{\"a\": 40}");
    ck_assert_int_eq(code_of(q, "b"), TARS_RET_DECODE);
    q.body = tars_str(NULL);
    ck_assert_int_eq(code_of(q, "parameter a is missing"), TARS_RET_DECODE);
}
END_TEST

START_TEST(node_name_of_the_request_comes_back_in_the_context)
{
    struct tars_str_pair pairs[] = {{tars_str("other"), tars_str("x")},
                                    {tars_str("node_name"), tars_str("node-7")}};
    struct rpc_request q = sk_request("tars_ping");
    q.context = (struct tars_str_map){2, pairs};
    ck_assert(sk_send(fd, &q));
    struct sk_answer a = sk_receive(fd, 5000);
    ck_assert_uint_eq(a.packet.context.len, 1);
    ck_assert(tars_str_is(*tars_str_map_get(&a.packet.context, "node_name"), "node-7"));
    sk_free(&a);
}
END_TEST

START_TEST(later_answers_come_from_another_thread_in_any_order)
{
    struct rpc_request q = sk_request("sleep");
    q.id = 1;
    q.body = sk_int_body(120);
    ck_assert(sk_send(fd, &q));
    q.id = 2;
    q.body = sk_int_body(10);
    ck_assert(sk_send(fd, &q));
    struct sk_answer a = sk_receive(fd, 5000), b = sk_receive(fd, 5000);
    ck_assert_int_eq(a.packet.id, 2);
    ck_assert_int_eq(sk_ret(&a), 10);
    ck_assert(tars_str_is(*tars_str_map_get(&a.packet.context, "napped"), "yes"));
    ck_assert_int_eq(b.packet.id, 1);
    ck_assert_int_eq(sk_ret(&b), 120);
    sk_free(&a);
    sk_free(&b);
}
END_TEST

START_TEST(a_call_nobody_answers_ends_with_the_callers_timeout)
{
    struct rpc_request q = sk_request("never");
    q.timeout_ms = 100;
    int64_t begin = tk_ms();
    ck_assert(sk_send(fd, &q));
    struct sk_answer a = sk_receive(fd, 5000);
    ck_assert_int_eq(a.packet.ret, TARS_RET_QUEUE_TIMEOUT);
    ck_assert_uint_gt(a.packet.description.len, 0);
    ck_assert_int_ge(tk_ms() - begin, 100);
    ck_assert_int_lt(tk_ms() - begin, 2000);
    sk_free(&a);
}
END_TEST

START_TEST(a_second_answer_to_a_call_is_ignored)
{
    struct rpc_request q = sk_request("twice");
    for (q.id = 1; q.id <= 3; q.id++) {
        q.body = sk_int_body(5);
        ck_assert(sk_send(fd, &q));
        struct sk_answer a = sk_receive(fd, 5000);
        ck_assert_int_eq(a.packet.id, q.id);
        ck_assert_int_eq(a.packet.ret, 0);
        sk_free(&a);
    }
    ck_assert(tk_eventually(sk_metric(server, "tars_calls_waiting", "") == 0, 1000));
}
END_TEST

START_TEST(an_answer_after_the_timeout_is_thrown_away)
{
    struct rpc_request q = sk_request("sleep");
    q.timeout_ms = 30;
    q.body = sk_int_body(150);
    ck_assert_int_eq(sk_call(fd, &q), TARS_RET_QUEUE_TIMEOUT);
    tk_sleep(200);
    q = sk_request("tars_ping");
    q.id = 9;
    ck_assert(sk_send(fd, &q));
    struct sk_answer a = sk_receive(fd, 5000);
    ck_assert_int_eq(a.packet.id, 9);
    sk_free(&a);
    ck_assert(tk_eventually(sk_metric(server, "tars_calls_waiting", "") == 0, 1000));
    ck_assert_double_eq(sk_metric(server, "tars_answers_discarded_total", "Shapes"), 1);
}
END_TEST

START_TEST(an_answer_for_a_closed_connection_is_thrown_away)
{
    struct rpc_request q = sk_request("sleep");
    q.body = sk_int_body(60);
    int other = sk_connect(server);
    ck_assert(sk_send(other, &q));
    tk_sleep(20);
    close(other);
    ck_assert(
        tk_eventually(sk_metric(server, "tars_answers_discarded_total", "Shapes") == 1, 2000));
}
END_TEST

START_TEST(requests_that_arrive_together_are_answered_with_one_write)
{
    enum { REQUESTS = 50 };
    struct tars_writer all;
    tars_writer_init(&all);
    for (int i = 1; i <= REQUESTS; i++) {
        struct rpc_request q = sk_request("add");
        q.id = i;
        q.body = sk_add_body(i, i);
        rpc_request_write(&all, &q);
    }
    double before = sk_metric(server, "tars_writes_total", "Shapes");
    ck_assert(tk_send(fd, all.at, all.len));
    for (int i = 1; i <= REQUESTS; i++) {
        struct sk_answer a = sk_receive(fd, 5000);
        ck_assert_int_eq(a.packet.id, i);
        sk_free(&a);
    }
    /* counted when the write has returned */
    ck_assert(tk_eventually(sk_metric(server, "tars_writes_total", "Shapes") > before, 1000));
    ck_assert_double_eq(sk_metric(server, "tars_writes_total", "Shapes") - before, 1);
    tars_writer_free(&all);
}
END_TEST

START_TEST(pushes_carry_id_zero_and_their_function)
{
    struct rpc_request q = sk_request("push");
    q.body = sk_int_body(2);
    ck_assert(sk_send(fd, &q));
    int pushes = 0, answers = 0;
    for (int i = 0; i < 3; i++) {
        struct sk_answer a = sk_receive(fd, 5000);
        ck_assert(a.came);
        if (a.packet.id == 0) {
            ck_assert(tars_str_is(*tars_str_map_get(&a.packet.status, "TARS_FUNC"), "onPush"));
            ck_assert(tars_str_is(a.packet.body, "pushed"));
            ck_assert_int_eq(a.packet.ret, 0);
            pushes++;
        } else {
            ck_assert_int_eq(sk_ret(&a), 2);
            answers++;
        }
        sk_free(&a);
    }
    ck_assert_int_eq(pushes, 2);
    ck_assert_int_eq(answers, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("server_call");
    TCase *t = tcase_create("call");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, open_server, close_server);
    tcase_add_test(t, call_is_answered_with_its_id_version_and_message_type);
    tcase_add_test(t, every_refusal_has_its_code_and_a_description);
    tcase_add_test(t, unknown_versions_get_decode_error_with_the_version_echoed);
    tcase_add_test(t, ping_is_answered_empty_for_every_servant);
    tcase_add_test(t, one_way_calls_get_nothing_also_on_errors);
    tcase_add_test(t, tup_is_answered_with_a_request_packet_and_both_result_keys);
    tcase_add_test(t, json_is_answered_with_json);
    tcase_add_test(t, node_name_of_the_request_comes_back_in_the_context);
    tcase_add_test(t, later_answers_come_from_another_thread_in_any_order);
    tcase_add_test(t, a_call_nobody_answers_ends_with_the_callers_timeout);
    tcase_add_test(t, a_second_answer_to_a_call_is_ignored);
    tcase_add_test(t, an_answer_after_the_timeout_is_thrown_away);
    tcase_add_test(t, an_answer_for_a_closed_connection_is_thrown_away);
    tcase_add_test(t, requests_that_arrive_together_are_answered_with_one_write);
    tcase_add_test(t, pushes_carry_id_zero_and_their_function);
    suite_add_tcase(suite, t);
    return tk_main(suite);
}
