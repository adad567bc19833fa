/* SPDX-License-Identifier: BSD-3-Clause */
/* The node's side of heartbeats: what runtimes send, and what strangers send. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <tars/server.h>

#include "ServerF.h"
#include "loop/loop.h"
#include "rpc/packet.h"
#include "k8stars/heartbeats.h"
#include "testkit.h"

enum { SOON_MS = 5000, NO_ANSWER = INT32_MIN };

static struct loop *loop;
static struct heartbeats *heartbeats;
static char said[65536]; /* "alive ADAPTER PID\n" … */

static bool on_alive(void *user, struct tars_str adapter, int32_t pid)
{
    size_t len = strlen(said);
    (void)user;
    snprintf(said + len, sizeof said - len, "alive %" TARS_STR_FMT " %d\n", TARS_STR_ARG(adapter),
             (int)pid);
    return pid != 13;
}

static bool on_starting(void *user, int32_t pid)
{
    size_t len = strlen(said);
    (void)user;
    snprintf(said + len, sizeof said - len, "starting %d\n", (int)pid);
    return true;
}

static void setup(void)
{
    const struct heartbeats_owner owner = {
        .application = "Demo", .server = "Hello", .alive = on_alive, .starting = on_starting};
    struct tars_error error;
    *said = '\0';
    loop = loop_new("heartbeats");
    heartbeats = heartbeats_new(loop, 0, &owner, &error);
    ck_assert_msg(heartbeats != NULL, "%s", error.text);
    ck_assert(loop_start(loop, &error));
}

static void close_it(void *arg)
{
    (void)arg;
    heartbeats_free(heartbeats);
}

static void teardown(void)
{
    loop_call_wait(loop, close_it, NULL);
    loop_free(loop);
}

static int open_peer(void)
{
    int fd = tk_connect(heartbeats_port(heartbeats));
    ck_assert_int_ge(fd, 0);
    return fd;
}

static struct rpc_request request_of(const char *function, struct tars_str body)
{
    return (struct rpc_request){.version = RPC_TARS,
                                .id = 7,
                                .servant = tars_str("tars.tarsnode.ServerObj"),
                                .function = tars_str(function),
                                .body = body};
}

static bool send_request(int fd, const struct rpc_request *request)
{
    struct tars_writer w;
    tars_writer_init(&w);
    rpc_request_write(&w, request);
    bool sent = tk_send(fd, w.at, w.len);
    tars_writer_free(&w);
    return sent;
}

/* The code of the protocol, and the function's return value in *value. */
static int32_t receive(int fd, int32_t *value)
{
    size_t len;
    uint8_t *frame = tk_read_frame(fd, SOON_MS, &len);
    if (!frame)
        return NO_ANSWER;
    struct tars_arena *arena = tars_arena_new(0);
    struct rpc_response response;
    struct tars_error error;
    struct tars_reader reader;
    ck_assert(rpc_response_read(tars_str_n((char *)frame, len), arena, &response, &error));
    ck_assert_int_eq(response.id, 7);
    int32_t ret = response.ret;
    *value = 0;
    tars_reader_init(&reader, response.body.at, response.body.len, arena);
    ck_assert(tars_read_int32(&reader, 0, false, value));
    tars_arena_free(arena);
    free(frame);
    return ret;
}

static int32_t call(int fd, const char *function, struct tars_str body, int32_t *value)
{
    struct rpc_request request = request_of(function, body);
    ck_assert(send_request(fd, &request));
    return receive(fd, value);
}

/* In a buffer that the next one overwrites. */
static struct tars_str info(const char *application, const char *server, int32_t pid,
                            const char *adapter)
{
    static char buffer[4096];
    struct tars_writer w;
    struct tarsf_server_info v;
    tarsf_server_info_init(&v);
    v.application = tars_str(application);
    v.server_name = tars_str(server);
    v.pid = pid;
    v.adapter = tars_str(adapter);
    tars_writer_init(&w);
    tarsf_server_info_write(&w, 1, &v);
    ck_assert_uint_le(w.len, sizeof buffer);
    memcpy(buffer, w.at, w.len);
    struct tars_str text = tars_str_n(buffer, w.len);
    tars_writer_free(&w);
    return text;
}

START_TEST(reports_are_taken_and_answered)
{
    int fd = open_peer();
    int32_t value;
    ck_assert_int_eq(call(fd, "keepActiving", info("Demo", "Hello", 5, ""), &value), 0);
    ck_assert_int_eq(call(fd, "getLatestKeepAliveTime", tars_str(""), &value), 0);
    ck_assert_int_gt(value, 0);
    ck_assert_int_eq(call(fd, "reportVersion", tars_str(""), &value), 0);
    ck_assert_int_eq(call(fd, "keepAlive", info("Demo", "Hello", 5, ""), &value), 0);
    ck_assert_int_eq(value, 0);
    ck_assert_int_eq(call(fd, "keepAlive", info("Demo", "Hello", 5, "Demo.Hello.OAdapter"), &value),
                     0);
    ck_assert_int_eq(call(fd, "tars_ping", tars_str(""), &value), 0);
    ck_assert_str_eq(said, "starting 5\nalive  5\nalive Demo.Hello.OAdapter 5\n");
    close(fd);
}
END_TEST

START_TEST(one_way_reports_get_no_answer)
{
    int fd = open_peer();
    int32_t value;
    struct rpc_request request = request_of("keepAlive", info("Demo", "Hello", 5, ""));
    request.packet_type = RPC_ONE_WAY;
    for (int n = 0; n < 100; n++)
        ck_assert(send_request(fd, &request));
    ck_assert_int_eq(call(fd, "tars_ping", tars_str(""), &value), 0); /* the next answer is its */
    close(fd);
}
END_TEST

START_TEST(what_is_not_of_our_server_does_not_count)
{
    int fd = open_peer();
    int32_t value;
    ck_assert_int_eq(call(fd, "keepAlive", info("Demo", "Other", 5, ""), &value), 0);
    ck_assert_int_eq(value, -1);
    ck_assert_int_eq(call(fd, "keepAlive", info("Dem", "oHello", 5, ""), &value), 0);
    ck_assert_int_eq(value, -1);
    ck_assert_int_eq(call(fd, "keepAlive", info("Demo", "Hello", -1, ""), &value), 0);
    ck_assert_int_eq(value, -1);
    ck_assert_str_eq(said, "");
    ck_assert_int_eq(call(fd, "keepAlive", info("Demo", "Hello", 13, ""), &value), 0);
    ck_assert_int_eq(value, -1); /* the supervisor's word */
    ck_assert_int_eq(call(fd, "getLatestKeepAliveTime", tars_str(""), &value), 0);
    ck_assert_int_eq(value, 0);
    close(fd);
}
END_TEST

START_TEST(calls_that_it_does_not_know_fail_by_the_protocol)
{
    int fd = open_peer();
    int32_t value;
    ck_assert_int_eq(call(fd, "destroyServer", tars_str(""), &value), TARS_RET_NO_FUNCTION);
    ck_assert_int_eq(call(fd, "keepAlive", tars_str(""), &value), TARS_RET_DECODE);
    ck_assert_int_eq(call(fd, "keepAlive", tars_str("\xff\xff\xff"), &value), TARS_RET_DECODE);
    struct rpc_request request = request_of("tars_ping", tars_str(""));
    request.servant = tars_str("tars.tarsnode.NodeObj");
    ck_assert(send_request(fd, &request));
    ck_assert_int_eq(receive(fd, &value), TARS_RET_NO_SERVANT);
    request = request_of("tars_ping", tars_str(""));
    request.version = RPC_TUP;
    ck_assert(send_request(fd, &request));
    ck_assert(tk_closed(fd, SOON_MS));
    close(fd);
}
END_TEST

START_TEST(what_is_no_frame_closes_the_connection)
{
    static const char *const bad[] = {"GET / HTTP/1.0\r\n\r\n", "\x7f\xff\xff\xff",
                                      "\xff\xff\xff\xff", "\0\0\0\0",
                                      "\0\0\0\x09\xff\xff\xff\xff\xff"};
    static const size_t lens[] = {18, 4, 4, 4, 9};
    int32_t value;
    for (size_t k = 0; k < sizeof lens / sizeof *lens; k++) {
        int fd = open_peer();
        ck_assert(tk_send(fd, bad[k], lens[k]));
        ck_assert_msg(tk_closed(fd, SOON_MS), "number %zu is not closed", k);
        close(fd);
    }
    int fd = open_peer();
    ck_assert_int_eq(call(fd, "tars_ping", tars_str(""), &value), 0);
    close(fd);
}
END_TEST

START_TEST(frame_may_come_byte_by_byte_and_several_at_once)
{
    int fd = open_peer();
    int32_t value;
    struct rpc_request request = request_of("keepAlive", info("Demo", "Hello", 5, ""));
    struct tars_writer w;
    tars_writer_init(&w);
    rpc_request_write(&w, &request);
    size_t one = w.len;
    for (size_t i = 0; i < one; i++)
        ck_assert(tk_send(fd, w.at + i, 1));
    ck_assert_int_eq(receive(fd, &value), 0);
    rpc_request_write(&w, &request);
    rpc_request_write(&w, &request);
    ck_assert(tk_send(fd, w.at, w.len - 3));
    ck_assert_int_eq(receive(fd, &value), 0);
    ck_assert_int_eq(receive(fd, &value), 0);
    ck_assert(tk_send(fd, w.at + w.len - 3, 3));
    ck_assert_int_eq(receive(fd, &value), 0);
    tars_writer_free(&w);
    close(fd);
}
END_TEST

START_TEST(too_many_connections_are_closed_and_those_that_are_there_go_on)
{
    int fds[HEARTBEATS_PEERS_MAX], last;
    int32_t value;
    for (int n = 0; n < HEARTBEATS_PEERS_MAX; n++) {
        fds[n] = open_peer();
        ck_assert_int_eq(call(fds[n], "tars_ping", tars_str(""), &value), 0);
    }
    last = open_peer();
    ck_assert(tk_closed(last, SOON_MS));
    close(last);
    ck_assert_int_eq(call(fds[0], "tars_ping", tars_str(""), &value), 0);
    for (int n = 0; n < HEARTBEATS_PEERS_MAX; n++)
        close(fds[n]);
}
END_TEST

/* It asks and asks and reads nothing: its connection ends, nobody waits for it. */
START_TEST(reader_that_never_reads_is_dropped)
{
    int fd = open_peer(), other;
    int32_t value;
    struct rpc_request request = request_of("tars_ping", tars_str(""));
    struct tars_writer w;
    tars_writer_init(&w);
    for (int n = 0; n < 1000; n++)
        rpc_request_write(&w, &request);
    bool open = true;
    for (int64_t end = tk_ms() + 10000; open && tk_ms() < end;) {
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        open = poll(&ready, 1, 100) < 1 ||
               (!(ready.revents & (POLLERR | POLLHUP)) &&
                (send(fd, w.at, w.len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 || errno == EAGAIN));
    }
    tars_writer_free(&w);
    ck_assert(!open);
    close(fd);
    other = open_peer();
    ck_assert_int_eq(call(other, "tars_ping", tars_str(""), &value), 0);
    close(other);
}
END_TEST

START_TEST(port_that_is_taken_is_told)
{
    const struct heartbeats_owner owner = {.application = "Demo", .server = "Hello"};
    struct tars_error error;
    ck_assert_ptr_null(heartbeats_new(loop, heartbeats_port(heartbeats), &owner, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "cannot listen for heartbeats on 127.0.0.1:"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tarscli_heartbeat");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, reports_are_taken_and_answered);
    tcase_add_test(tc, one_way_reports_get_no_answer);
    tcase_add_test(tc, what_is_not_of_our_server_does_not_count);
    tcase_add_test(tc, calls_that_it_does_not_know_fail_by_the_protocol);
    tcase_add_test(tc, what_is_no_frame_closes_the_connection);
    tcase_add_test(tc, frame_may_come_byte_by_byte_and_several_at_once);
    tcase_add_test(tc, too_many_connections_are_closed_and_those_that_are_there_go_on);
    tcase_add_test(tc, reader_that_never_reads_is_dropped);
    tcase_add_test(tc, port_that_is_taken_is_told);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
