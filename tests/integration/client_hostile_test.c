/* SPDX-License-Identifier: BSD-3-Clause */
/* A client against peers that break the rules, push, say goodbye, or speak other transports. */
#include <arpa/inet.h>
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <tars/client.h>
#include <tars/server.h>

#include "base/xmalloc.h"
#include "peer.h"
#include "rpc/auth.h"
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

static struct tars_proxy *proxy_of(struct peer *peer)
{
    return tars_proxy_get(client, peer_object(peer, "Demo.Echo.EchoObj"));
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

/* ---- answers that are not what was asked for ------------------------------------------------ */

/* A good answer between wrong ones: unknown ids, the same answer twice, a late one. */
static void answer_with_noise(void *user, int fd, unsigned nth)
{
    struct tars_arena *a = tars_arena_new(0);
    struct rpc_request q;
    uint8_t *frame;

    (void)user;
    (void)nth;
    while (peer_read(fd, a, &frame, &q)) {
        peer_answer(fd, q.id + 1000, 0, "wrong", 5, NULL);
        peer_answer(fd, -q.id, 0, "wrong", 5, NULL);
        peer_answer(fd, INT32_MAX, 0, "wrong", 5, NULL);
        peer_answer(fd, q.id, 0, "right", 5, NULL);
        peer_answer(fd, q.id, 0, "again", 5, NULL);
        free(frame);
    }
    free(frame);
    tars_arena_free(a);
}

START_TEST(answers_with_unknown_ids_are_counted_and_ignored)
{
    struct peer *peer = peer_start(answer_with_noise, NULL);

    for (int i = 0; i < 10; i++) {
        struct tars_str answer;

        ck_assert_int_eq(call(proxy_of(peer), "x", &answer, 2000).error, 0);
        ck_assert(tars_str_is(answer, "right"));
    }
    ck_assert(tk_eventually(metric("tars_client_answers_unknown_total") >= 40 - 1, 2000));
    ck_assert_uint_eq(peer_connections(peer), 1);
    peer_stop(peer);
}
END_TEST

static void answer_late(void *user, int fd, unsigned nth)
{
    struct tars_arena *a = tars_arena_new(0);
    struct rpc_request q;
    uint8_t *frame;

    (void)user;
    (void)nth;
    while (peer_read(fd, a, &frame, &q)) {
        if (tars_str_is(q.body, "slow"))
            tk_sleep(250);
        peer_answer(fd, q.id, 0, q.body.at, q.body.len, NULL);
        free(frame);
    }
    free(frame);
    tars_arena_free(a);
}

START_TEST(a_late_answer_does_not_reach_another_call)
{
    struct peer *peer = peer_start(answer_late, NULL);
    struct tars_str answer;

    ck_assert_int_eq(call(proxy_of(peer), "warm", &answer, 1000).error, 0);
    ck_assert_int_eq(call(proxy_of(peer), "slow", &answer, 60).error, TARS_RET_TIMEOUT);
    ck_assert_int_eq(call(proxy_of(peer), "next", &answer, 2000).error, 0);
    ck_assert(tars_str_is(answer, "next"));
    peer_stop(peer);
}
END_TEST

/* One answer a byte at a time, the next two in one piece with half of a third. */
static void answer_in_pieces(void *user, int fd, unsigned nth)
{
    struct tars_arena *a = tars_arena_new(0);
    struct tars_writer w;
    struct rpc_request q;
    uint8_t *frame;

    (void)user;
    (void)nth;
    tars_writer_init(&w);
    while (peer_read(fd, a, &frame, &q)) {
        const struct rpc_response response = {.version = 1, .id = q.id, .body = q.body};

        tars_writer_reset(&w);
        rpc_response_write(&w, &response);
        for (size_t i = 0; i < w.len; i++) {
            tk_send(fd, w.at + i, 1);
            if (i % 8 == 0)
                tk_sleep(1);
        }
        free(frame);
    }
    free(frame);
    tars_writer_free(&w);
    tars_arena_free(a);
}

START_TEST(an_answer_may_come_a_byte_at_a_time)
{
    struct peer *peer = peer_start(answer_in_pieces, NULL);
    struct tars_str answer;

    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(call(proxy_of(peer), "pieces", &answer, 3000).error, 0);
        ck_assert(tars_str_is(answer, "pieces"));
    }
    peer_stop(peer);
}
END_TEST

struct bytes {
    const void *at;
    size_t len;
};

static void send_bytes(void *user, int fd, unsigned nth)
{
    const struct bytes *bytes = user;
    size_t len;

    (void)nth;
    free(tk_read_frame(fd, 10000, &len));
    tk_send(fd, bytes->at, bytes->len);
    tk_closed(fd, 10000);
}

START_TEST(what_is_no_answer_closes_the_connection_and_fails_the_call)
{
    static const struct bytes garbage[] = {
        {"\0\0\0\0", 4},                                            /* a length of nothing */
        {"\0\0\0\4", 4},                                            /* below the smallest */
        {"\xff\xff\xff\xff", 4},                                    /* negative, or 4 GiB */
        {"\x06\x40\0\1", 4},                                        /* above 100 MiB */
        {"\0\0\0\5\xff", 5},                                        /* a type that does not exist */
        {"\0\0\0\6\x10\x01", 6},                                    /* fields are missing */
        {"HTTP/1.1 400 Bad Request\r\n\r\n", 28},                   /* another protocol */
        {"\0\0\0\x10\x10\x01\x2c\x32\0\0\0\1\x4c\x5c\x7d\x00", 16}, /* cut off inside */
        {"\0\0\0\x0e\x10\x01\x2c\x30\1\x4c\x5c\x6a\x0a\x0a", 14},   /* a struct as body */
    };

    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        struct bytes bytes = garbage[i];
        struct peer *peer = peer_start(send_bytes, &bytes);
        int64_t begin = tk_ms();
        struct tars_result r = call(proxy_of(peer), "x", NULL, 5000);

        ck_assert_msg(r.error == TARS_RET_CLIENT_DECODE, "%zu: %d %s", i, r.error, r.message);
        ck_assert_int_lt(tk_ms() - begin, 2000);
        peer_stop(peer);
    }
}
END_TEST

/* Announces 100 MiB and sends little. */
static void announce_much(void *user, int fd, unsigned nth)
{
    size_t len;

    (void)user;
    (void)nth;
    free(tk_read_frame(fd, 10000, &len));
    tk_send(fd, "\x06\x40\0\0some", 8);
    tk_closed(fd, 10000);
}

static long resident_kb(void)
{
    char *text = tk_read_file("/proc/self/status");
    long kb = atol(strstr(text, "VmRSS:") + 6);

    free(text);
    return kb;
}

START_TEST(memory_grows_with_what_arrives_not_with_what_is_announced)
{
    struct peer *peer = peer_start(announce_much, NULL);
    long before = resident_kb();

    ck_assert_int_eq(call(proxy_of(peer), "x", NULL, 300).error, TARS_RET_TIMEOUT);
    ck_assert_int_lt(resident_kb() - before, 20000);
    peer_stop(peer);
}
END_TEST

START_TEST(the_limit_for_answers_holds)
{
    struct peer *peer = peer_start(peer_echo, NULL);
    struct rpc_client_conf settings;
    struct tars_client *small;
    char *body = xcalloc(1, 5001);
    struct tars_proxy *proxy;

    rpc_client_conf_init(&settings, NULL);
    settings.response_limit = 4096;
    small = rpc_client_new(&settings, NULL, NULL);
    proxy = tars_proxy_get(small, peer_object(peer, "Demo.Echo.EchoObj"));
    memset(body, 'x', 5000);
    ck_assert_int_eq(call(proxy, "x", NULL, 1000).error, 0);
    ck_assert_int_eq(call(proxy, body, NULL, 1000).error, TARS_RET_CLIENT_DECODE);
    free(body);
    tars_client_free(small);
    peer_stop(peer);
}
END_TEST

/* ---- closing -------------------------------------------------------------------------------- */

static void close_first(void *user, int fd, unsigned nth)
{
    size_t len;

    if (nth == 1)
        free(tk_read_frame(fd, 10000, &len));
    else
        peer_echo(user, fd, nth);
}

START_TEST(a_connection_that_dies_fails_its_calls_at_once)
{
    struct peer *peer = peer_start(close_first, NULL);
    int64_t begin = tk_ms();
    struct tars_result r = call(proxy_of(peer), "x", NULL, 5000);

    ck_assert_int_eq(r.error, TARS_RET_CONNECT);
    ck_assert_ptr_nonnull(strstr(r.message, "closed the connection"));
    ck_assert_int_lt(tk_ms() - begin, 2000);
    ck_assert_int_eq(call(proxy_of(peer), "x", NULL, 5000).error, 0); /* there is no other */
    peer_stop(peer);
}
END_TEST

/* Answers once and closes, as a server does with an idle connection. */
static void answer_once(void *user, int fd, unsigned nth)
{
    struct tars_arena *a = tars_arena_new(0);
    struct rpc_request q;
    uint8_t *frame;

    (void)user;
    (void)nth;
    if (peer_read(fd, a, &frame, &q))
        peer_answer(fd, q.id, 0, "", 0, NULL);
    free(frame);
    tars_arena_free(a);
}

START_TEST(an_idle_connection_that_is_closed_is_replaced_in_silence)
{
    struct peer *peer = peer_start(answer_once, NULL);

    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(call(proxy_of(peer), "x", NULL, 2000).error, 0);
        tk_sleep(20); /* the close arrives */
    }
    ck_assert(metric("tars_client_endpoints_put_aside_total") == 0);
    ck_assert_uint_eq(peer_connections(peer), 20);
    peer_stop(peer);
}
END_TEST

/* Tars protocol: a notice with id 0 asks for a new connection; the old one finishes its calls. */
static void say_goodbye(void *user, int fd, unsigned nth)
{
    struct tars_arena *a = tars_arena_new(0);
    struct rpc_request q;
    uint8_t *frame;

    if (nth > 1) {
        peer_echo(user, fd, nth);
    } else if (peer_read(fd, a, &frame, &q)) {
        peer_answer(fd, 0, 0, "", 0, "_reconnect_");
        tk_sleep(200);
        peer_answer(fd, q.id, 0, "old", 3, NULL);
        free(frame);
        *(_Atomic bool *)user = tk_closed(fd, 3000);
    }
    tars_arena_free(a);
}

struct answer {
    _Atomic int count;
    char text[64];
    _Atomic int32_t error;
};

static void keep_answer(void *user, const struct tars_result *r, struct tars_str body)
{
    struct answer *answer = user;

    snprintf(answer->text, sizeof answer->text, "%" TARS_STR_FMT, TARS_STR_ARG(body));
    answer->error = r->error;
    answer->count++;
}

START_TEST(a_reconnect_notice_moves_new_calls_and_lets_old_ones_finish)
{
    _Atomic bool closed = false;
    struct peer *peer = peer_start(say_goodbye, &closed);
    struct answer old = {0};
    struct tars_str answer;

    tars_proxy_call_raw(proxy_of(peer), "echo", tars_str("x"), NULL, keep_answer, &old);
    ck_assert(tk_eventually(metric("tars_client_reconnect_notices_total") == 1, 2000));
    ck_assert_int_eq(call(proxy_of(peer), "new", &answer, 1000).error, 0);
    ck_assert(tars_str_is(answer, "new"));
    ck_assert_int_eq(old.count, 0);
    ck_assert(tk_eventually(old.count == 1, 2000));
    ck_assert_str_eq(old.text, "old");
    ck_assert(tk_eventually(closed, 2000)); /* we close it when it has nothing left */
    ck_assert_uint_eq(peer_connections(peer), 2);
    peer_stop(peer);
}
END_TEST

/* A server that stops may leave its port open and answer nobody there (TarsGo). */
START_TEST(after_a_reconnect_notice_new_calls_go_to_other_endpoints)
{
    _Atomic bool closed = false;
    struct peer *leaving = peer_start(say_goodbye, &closed), *other = peer_start(peer_echo, NULL);
    struct tars_proxy *both = tars_proxy_get(
        client, tk_text("%s:tcp -h 127.0.0.1 -p %u", peer_object(leaving, "Demo.Echo.EchoObj"),
                        (unsigned)peer_port(other)));
    struct answer old = {0};

    for (int i = 0; i < 2; i++) /* one for each; the other one's answer comes at once */
        tars_proxy_call_raw(both, "echo", tars_str("x"), NULL, keep_answer, &old);
    ck_assert(tk_eventually(metric("tars_client_reconnect_notices_total") == 1, 2000));
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(call(both, "new", NULL, 1000).error, 0);
    ck_assert(tk_eventually(old.count == 2 && closed, 2000));
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(call(both, "new", NULL, 1000).error, 0);
    ck_assert_uint_eq(peer_connections(leaving), 1);
    peer_stop(leaving);
    peer_stop(other);
}
END_TEST

/* ---- pushes --------------------------------------------------------------------------------- */

static void push_and_echo(void *user, int fd, unsigned nth)
{
    struct tars_str_pair pair = {tars_str("TARS_FUNC"), tars_str("onNews")};
    const struct rpc_response push = {.version = 1, .body = tars_str("news"), .status = {1, &pair}};
    struct tars_writer w;

    tars_writer_init(&w);
    rpc_response_write(&w, &push);
    tk_send(fd, w.at, w.len);
    tars_writer_free(&w);
    peer_echo(user, fd, nth);
}

static void on_push(void *user, struct tars_str function, struct tars_str body)
{
    struct answer *answer = user;

    snprintf(answer->text, sizeof answer->text, "%" TARS_STR_FMT "=%" TARS_STR_FMT,
             TARS_STR_ARG(function), TARS_STR_ARG(body));
    answer->count++;
}

START_TEST(pushes_reach_their_callback)
{
    struct peer *peer = peer_start(push_and_echo, NULL);
    struct answer news = {0};

    tars_proxy_on_push(proxy_of(peer), on_push, &news);
    ck_assert_int_eq(call(proxy_of(peer), "x", NULL, 2000).error, 0);
    ck_assert(tk_eventually(news.count == 1, 2000));
    ck_assert_str_eq(news.text, "onNews=news");
    peer_stop(peer);
}
END_TEST

/* Tars protocol, weakness of the reference: it drops the connection, running calls time out. */
START_TEST(pushes_without_a_callback_are_ignored)
{
    struct peer *peer = peer_start(push_and_echo, NULL);

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(call(proxy_of(peer), "x", NULL, 2000).error, 0);
    ck_assert(tk_eventually(peer_connections(peer) == 1, 1000)); /* it counts when it can */
    peer_stop(peer);
}
END_TEST

/* ---- limits --------------------------------------------------------------------------------- */

static void never_accepts_data(void *user, int fd, unsigned nth)
{
    (void)nth;
    while (!*(_Atomic bool *)user)
        tk_sleep(20);
    (void)fd;
}

START_TEST(a_full_send_queue_refuses_calls_with_the_send_code)
{
    _Atomic bool stop = false;
    struct peer *peer = peer_start(never_accepts_data, &stop);
    struct rpc_client_conf settings;
    struct tars_client *limited;
    struct answer answer = {0};
    char *body = xcalloc(1, 64 * 1024);
    const struct tars_call_options options = {.timeout_ms = 2000};
    struct tars_proxy *proxy;

    rpc_client_conf_init(&settings, NULL);
    settings.send_queue_limit = 50;
    limited = rpc_client_new(&settings, NULL, NULL);
    proxy = tars_proxy_get(limited, peer_object(peer, "Demo.Echo.EchoObj"));
    for (int i = 0; i < 400 && answer.error != TARS_RET_SEND; i++) {
        tars_proxy_call_raw(proxy, "echo", tars_str_n(body, 64 * 1024), &options, keep_answer,
                            &answer);
        tk_sleep(1);
    }
    ck_assert_int_eq(answer.error, TARS_RET_SEND);
    tars_client_free(limited);
    stop = true;
    free(body);
    peer_stop(peer);
}
END_TEST

START_TEST(too_many_asynchronous_calls_are_refused_as_overload)
{
    _Atomic bool stop = false;
    struct peer *peer = peer_start(never_accepts_data, &stop);
    struct rpc_client_conf settings;
    struct tars_client *limited;
    struct answer first = {0}, refused = {0};
    struct tars_proxy *proxy;

    rpc_client_conf_init(&settings, NULL);
    settings.async_queue_cap = 10;
    limited = rpc_client_new(&settings, NULL, NULL);
    proxy = tars_proxy_get(limited, peer_object(peer, "Demo.Echo.EchoObj"));
    for (int i = 0; i < 10; i++)
        tars_proxy_call_raw(proxy, "echo", tars_str("x"), NULL, keep_answer, &first);
    tars_proxy_call_raw(proxy, "echo", tars_str("x"), NULL, keep_answer, &refused);
    ck_assert(tk_eventually(refused.count == 1, 1000));
    ck_assert_int_eq(refused.error, TARS_RET_OVERLOAD);
    ck_assert_int_eq(first.count, 0);
    tars_client_free(limited);
    ck_assert_int_eq(first.count, 10);
    stop = true;
    peer_stop(peer);
}
END_TEST

/* ---- versions and typed calls --------------------------------------------------------------- */

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

static void deliver_add(void (*callback)(void), void *user, const struct tars_result *result,
                        void *args)
{
    ((void (*)(void *, const struct tars_result *, int32_t))callback)(
        user, result, ((struct add_args *)args)->sum);
}

static const struct tars_function add = {
    .name = "add",
    .args_size = sizeof(struct add_args),
    .params = add_params,
    .param_count = 4,
    .deliver = deliver_add,
};

/* Serves add() in whatever version it is asked. */
static void serve_add(void *user, int fd, unsigned nth)
{
    struct tars_arena *a = tars_arena_new(0);
    struct tars_writer body, w;
    struct rpc_request q;
    uint8_t *frame;

    (void)user;
    (void)nth;
    tars_writer_init(&body);
    tars_writer_init(&w);
    while (peer_read(fd, a, &frame, &q)) {
        struct rpc_response response = {.version = q.version, .id = q.id};
        struct add_args args;
        struct tars_error error;

        tars_writer_reset(&body);
        tars_writer_reset(&w);
        if (!tars_args_read_request(&add, q.version, q.body, a, &args, &error))
            abort();
        args.ret = 7;
        args.sum = args.a + args.b;
        if (args.a != 666)
            tars_args_write_response(&add, q.version, q.body, &args, &body);
        response.body = tars_str_n(body.at, body.len);
        if (rpc_version_is_tup(q.version))
            rpc_tup_response_write(&w, &response, &q);
        else
            rpc_response_write(&w, &response);
        tk_send(fd, w.at, w.len);
        free(frame);
    }
    free(frame);
    tars_writer_free(&body);
    tars_writer_free(&w);
    tars_arena_free(a);
}

START_TEST(all_four_versions_carry_a_typed_call)
{
    static const int versions[] = {0, 1, 2, 3, 5};
    struct peer *peer = peer_start(serve_add, NULL);

    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        struct add_args args = {.a = 2, .b = 40};
        const struct tars_call_options options = {.version = versions[i]};
        struct tars_result r = tars_proxy_call(proxy_of(peer), &add, &args, arena, &options);

        ck_assert_msg(r.error == 0, "version %d: %s", versions[i], r.message);
        ck_assert_int_eq(r.ret, 7);
        ck_assert_int_eq(args.sum, 42);
    }
    peer_stop(peer);
}
END_TEST

START_TEST(an_unknown_version_is_refused_before_it_is_sent)
{
    struct peer *peer = peer_start(serve_add, NULL);
    struct add_args args = {.a = 2, .b = 40};
    const struct tars_call_options options = {.version = 4};

    ck_assert_int_ne(tars_proxy_call(proxy_of(peer), &add, &args, arena, &options).error, 0);
    peer_stop(peer);
}
END_TEST

struct sum {
    _Atomic int count;
    int32_t sum, error;
    int64_t ret;
};

static void on_sum(void *user, const struct tars_result *r, int32_t value)
{
    struct sum *s = user;

    s->sum = value;
    s->error = r->error;
    s->ret = r->ret;
    s->count++;
}

START_TEST(a_typed_callback_gets_the_values_or_defaults_with_an_error)
{
    struct peer *peer = peer_start(serve_add, NULL);
    struct add_args args = {.a = 1, .b = 2};
    struct sum s = {0};

    tars_proxy_call_async(proxy_of(peer), &add, &args, NULL, (void (*)(void))on_sum, &s);
    ck_assert(tk_eventually(s.count == 1, 2000));
    ck_assert_int_eq(s.error, 0);
    ck_assert_int_eq(s.sum, 3);
    ck_assert_int_eq(s.ret, 7);
    args.a = 666; /* the peer leaves the body empty */
    tars_proxy_call_async(proxy_of(peer), &add, &args, NULL, (void (*)(void))on_sum, &s);
    ck_assert(tk_eventually(s.count == 2, 2000));
    ck_assert_int_eq(s.error, TARS_RET_CLIENT_DECODE);
    ck_assert_int_eq(s.sum, 0);
    peer_stop(peer);
}
END_TEST

/* ---- authentication, UDP, unix sockets ------------------------------------------------------ */

static void want_auth(void *user, int fd, unsigned nth)
{
    struct tars_arena *a = tars_arena_new(0);
    const struct rpc_auth_key key = {tars_str("Demo.Echo.EchoObj"), tars_str("AK"), tars_str("SK")};
    struct rpc_request q;
    uint8_t *frame;
    bool ok = peer_read(fd, a, &frame, &q);

    ok = ok && tars_str_is(q.function, RPC_AUTH_FUNCTION) && q.id == 1 &&
         q.message_type == RPC_MESSAGE_AUTH && rpc_auth_check(&key, q.body, time(NULL), NULL);
    if (ok) {
        const char *reply = user ? user : RPC_AUTH_SUCCESS;

        peer_answer(fd, q.id, 0, reply, strlen(reply), NULL);
        peer_echo(NULL, fd, nth);
    }
    free(frame);
    tars_arena_free(a);
}

static struct tars_client *client_with_key(const char *secret)
{
    struct tars_conf *conf = tars_conf_new();
    struct tars_client *own;

    tars_conf_set(conf, "/tars/application/client/Demo.Echo.EchoObj<accesskey>", "AK");
    tars_conf_set(conf, "/tars/application/client/Demo.Echo.EchoObj<secretkey>", secret);
    own = tars_client_new_conf(conf);
    tars_conf_free(conf);
    return own;
}

static const char *auth_object(struct peer *peer)
{
    return tk_text("%s -e 1", peer_object(peer, "Demo.Echo.EchoObj"));
}

START_TEST(an_endpoint_with_authentication_gets_the_key_first)
{
    struct peer *peer = peer_start(want_auth, NULL);
    struct tars_client *good = client_with_key("SK"), *bad = client_with_key("wrong");
    struct tars_result r = call(tars_proxy_get(good, auth_object(peer)), "x", NULL, 2000);

    ck_assert_msg(r.error == 0, "%s", r.message);
    ck_assert_int_ne(call(tars_proxy_get(bad, auth_object(peer)), "x", NULL, 2000).error, 0);
    r = call(tars_proxy_get(client, auth_object(peer)), "x", NULL, 2000);
    ck_assert_int_eq(r.error, TARS_RET_CONNECT);
    ck_assert_ptr_nonnull(strstr(r.message, "accesskey"));
    tars_client_free(good);
    tars_client_free(bad);
    peer_stop(peer);
}
END_TEST

/* Tars protocol, weakness of the reference: an empty answer passes for success. */
START_TEST(an_empty_or_shortened_success_does_not_authenticate)
{
    static const char *const replies[] = {"", "AUTH", "auth_fail"};

    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        char *reply = xstrdup(replies[i]);
        struct peer *peer = peer_start(want_auth, reply);
        struct tars_client *good = client_with_key("SK");

        ck_assert_int_eq(call(tars_proxy_get(good, auth_object(peer)), "x", NULL, 2000).error,
                         TARS_RET_CONNECT);
        tars_client_free(good);
        peer_stop(peer);
        free(reply);
    }
}
END_TEST

struct datagrams {
    int fd;
    _Atomic bool stop;
};

static void *serve_datagrams(void *arg)
{
    struct datagrams *d = arg;
    static char buffer[70000];
    struct tars_arena *a = tars_arena_new(0);

    while (!d->stop) {
        struct sockaddr_in from;
        socklen_t len = sizeof from;
        ssize_t n = recvfrom(d->fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &len);
        struct rpc_request q;
        struct tars_writer w;

        if (n <= 0 || !rpc_request_read(tars_str_n(buffer, (size_t)n), a, &q, NULL))
            continue;
        tars_writer_init(&w);
        rpc_response_write(&w, &(struct rpc_response){.version = 1, .id = q.id, .body = q.body});
        sendto(d->fd, "junk", 4, 0, (struct sockaddr *)&from, len);
        sendto(d->fd, w.at, w.len, 0, (struct sockaddr *)&from, len);
        tars_writer_free(&w);
    }
    tars_arena_free(a);
    return NULL;
}

START_TEST(udp_carries_one_frame_per_datagram_and_drops_bad_ones)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    struct timeval wait = {0, 50000};
    struct datagrams d = {.fd = socket(AF_INET, SOCK_DGRAM, 0)};
    char *large = xcalloc(1, 66000);
    pthread_t thread;
    struct tars_proxy *proxy;
    struct tars_str answer;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(d.fd, (struct sockaddr *)&at, sizeof at), 0);
    getsockname(d.fd, (struct sockaddr *)&at, &len);
    setsockopt(d.fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    pthread_create(&thread, NULL, serve_datagrams, &d);
    proxy = tars_proxy_get(
        client, tk_text("Demo.Echo.EchoObj@udp -h 127.0.0.1 -p %u", (unsigned)ntohs(at.sin_port)));
    for (int i = 0; i < 50; i++) {
        ck_assert_int_eq(call(proxy, "datagram", &answer, 2000).error, 0);
        ck_assert(tars_str_is(answer, "datagram"));
    }
    memset(large, 'x', 65999);
    ck_assert_int_eq(call(proxy, large, NULL, 500).error, TARS_RET_SEND);
    ck_assert_int_eq(call(proxy, "after", &answer, 2000).error, 0);
    ck_assert(metric("tars_client_bad_frames_total") > 0);
    d.stop = true;
    pthread_join(thread, NULL);
    close(d.fd);
    free(large);
}
END_TEST

START_TEST(a_host_name_is_looked_up_without_holding_up_the_loop)
{
    struct peer *peer = peer_start(peer_echo, NULL);
    struct tars_proxy *named = tars_proxy_get(
        client, tk_text("Demo.Echo.EchoObj@tcp -h localhost -p %u", (unsigned)peer_port(peer)));
    struct tars_result r = call(named, "x", NULL, 3000);
    struct tars_proxy *unknown = tars_proxy_get(
        client, "Demo.Echo.EchoObj@tcp -h no-such-host.invalid -p 1");

    ck_assert_msg(r.error == 0, "%s", r.message);
    r = call(unknown, "x", NULL, 3000);
    ck_assert_int_ne(r.error, 0);
    peer_stop(peer);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("client_hostile");
    TCase *t = tcase_create("peers");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, answers_with_unknown_ids_are_counted_and_ignored);
    tcase_add_test(t, a_late_answer_does_not_reach_another_call);
    tcase_add_test(t, an_answer_may_come_a_byte_at_a_time);
    tcase_add_test(t, what_is_no_answer_closes_the_connection_and_fails_the_call);
    tcase_add_test(t, memory_grows_with_what_arrives_not_with_what_is_announced);
    tcase_add_test(t, the_limit_for_answers_holds);
    tcase_add_test(t, a_connection_that_dies_fails_its_calls_at_once);
    tcase_add_test(t, an_idle_connection_that_is_closed_is_replaced_in_silence);
    tcase_add_test(t, a_reconnect_notice_moves_new_calls_and_lets_old_ones_finish);
    tcase_add_test(t, after_a_reconnect_notice_new_calls_go_to_other_endpoints);
    tcase_add_test(t, pushes_reach_their_callback);
    tcase_add_test(t, pushes_without_a_callback_are_ignored);
    tcase_add_test(t, a_full_send_queue_refuses_calls_with_the_send_code);
    tcase_add_test(t, too_many_asynchronous_calls_are_refused_as_overload);
    tcase_add_test(t, all_four_versions_carry_a_typed_call);
    tcase_add_test(t, an_unknown_version_is_refused_before_it_is_sent);
    tcase_add_test(t, a_typed_callback_gets_the_values_or_defaults_with_an_error);
    tcase_add_test(t, an_endpoint_with_authentication_gets_the_key_first);
    tcase_add_test(t, an_empty_or_shortened_success_does_not_authenticate);
    tcase_add_test(t, udp_carries_one_frame_per_datagram_and_drops_bad_ones);
    tcase_add_test(t, a_host_name_is_looked_up_without_holding_up_the_loop);
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
