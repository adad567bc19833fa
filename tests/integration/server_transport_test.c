/* SPDX-License-Identifier: BSD-3-Clause */
/* The ways in: UDP, TLS, unix sockets, IPv6; who is let in: allow lists and authentication. */
#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "rpc/auth.h"
#include "rpc/tls.h"
#include "serverkit.h"
#include "testkit.h"

static struct tars_server *server;

static void close_server(void)
{
    tars_server_stop(server, 1000);
    tars_server_free(server);
}

static void expect_call_works(int fd)
{
    struct rpc_request q = sk_request("add");
    q.body = sk_add_body(1, 2);
    ck_assert_int_eq(sk_call(fd, &q), 0);
}

/* ---- UDP ---------------------------------------------------------------------------------------
 */

static int udp_socket(void)
{
    struct timeval patience = {5, 0};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(tars_server_port(server, "DatagramObj"))};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ck_assert(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    return fd;
}

static struct rpc_request datagram_request(const char *function)
{
    struct rpc_request q = sk_request(function);
    q.servant = tars_str("Demo.ShapeServer.DatagramObj");
    return q;
}

static int32_t udp_answer(int fd, int32_t *id)
{
    static char packet[65536];
    struct rpc_response a;
    ssize_t n = recv(fd, packet, sizeof packet, 0);
    ck_assert_int_gt(n, 4);
    struct tars_arena *arena = tars_arena_new(0);
    ck_assert(rpc_response_read(tars_str_n(packet, (size_t)n), arena, &a, NULL));
    *id = a.id;
    tars_arena_free(arena);
    return a.ret;
}

START_TEST(datagrams_are_answered_one_by_one_and_bad_ones_dropped)
{
    int fd = udp_socket();
    int32_t id;
    ck_assert(tk_send(fd, "junk", 4));
    ck_assert(tk_send(fd, "\x00\x00\x00\x50\x10\x01", 6)); /* longer than the datagram */
    struct rpc_request q = datagram_request("add");
    q.body = sk_add_body(1, 2);
    q.id = 5;
    ck_assert(sk_send(fd, &q));
    ck_assert_int_eq(udp_answer(fd, &id), 0);
    ck_assert_int_eq(id, 5);
    q = datagram_request("sleep");
    q.id = 6;
    q.body = sk_int_body(30);
    ck_assert(sk_send(fd, &q));
    ck_assert_int_eq(udp_answer(fd, &id), 0);
    ck_assert_int_eq(id, 6);
    q = datagram_request("nothing");
    ck_assert(sk_send(fd, &q));
    ck_assert_int_eq(udp_answer(fd, &id), TARS_RET_NO_FUNCTION);
    q = datagram_request("big");
    q.body = sk_int_body(65000);
    ck_assert(sk_send(fd, &q));
    ck_assert_int_eq(udp_answer(fd, &id), 0);
    q.body = sk_int_body(65500); /* with what surrounds it no datagram any more */
    ck_assert(sk_send(fd, &q));
    ck_assert_int_eq(udp_answer(fd, &id), TARS_RET_ENCODE);
    ck_assert_double_eq(sk_metric(server, "tars_bad_datagrams_total", "Datagram"), 2);
    close(fd);
}
END_TEST

static void open_server(void)
{
    server = sk_server("", "");
}

/* ---- unix socket, IPv6 -------------------------------------------------------------------------
 */

static const char *socket_path;

static void open_local_server(void)
{
    socket_path = tk_text("%s/shapes.sock", tk_dir());
    server = sk_server_on(tk_text("tcp -h %s -p 0", socket_path), "deny=*", "");
}

START_TEST(port_zero_with_a_path_is_a_unix_socket_that_goes_with_the_server)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(to.sun_path, sizeof to.sun_path, "%s", socket_path);
    ck_assert(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    expect_call_works(fd);
    tars_server_stop(server, 100);
    ck_assert_int_ne(access(socket_path, F_OK), 0);
    close(fd);
}
END_TEST

static void open_v6_server(void)
{
    server = sk_server_on(tk_text("tcp -h ::1 -p %u", tk_free_port()), "allow=::1", "");
}

START_TEST(ipv6_endpoints_serve)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6,
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                              .sin6_port = htons(sk_port(server))};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    ck_assert(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    expect_call_works(fd);
    close(fd);
}
END_TEST

static void open_named_server(void)
{
    server = sk_server_on(tk_text("tcp -h localhost -p %u", tk_free_port()), "", "");
}

/* Also where /etc/hosts has ::1 for it. */
START_TEST(localhost_is_127_0_0_1)
{
    int fd = tk_connect(sk_port(server));
    ck_assert_int_ge(fd, 0);
    expect_call_works(fd);
    close(fd);
}
END_TEST

/* ---- allow lists -------------------------------------------------------------------------------
 */

static void open_server_for_others(void)
{
    server = sk_server("allow=10.*;192.168.0.0/16", "");
}

START_TEST(an_address_outside_the_allow_list_is_closed_at_once)
{
    int fd = sk_connect(server);
    ck_assert(tk_closed(fd, 3000));
    ck_assert_double_eq(sk_metric(server, "tars_connections_refused_address_total", "Shapes"), 1);
    close(fd);
}
END_TEST

/* ---- TLS ---------------------------------------------------------------------------------------
 */

static const char *pem;

static void make_certificate(void)
{
    const char *dir = tk_dir();
    char *output = NULL;
    pem = tk_text("%s/all.pem", dir);
    const char *argv[] = {"openssl",
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
                          "/CN=localhost",
                          "-addext",
                          "subjectAltName=IP:127.0.0.1",
                          "-keyout",
                          pem,
                          "-out",
                          tk_text("%s/cert.pem", dir),
                          NULL};
    ck_assert_msg(tk_run(argv, NULL, 20000, &output) == 0, "%s", output);
    free(output);
    char *cert = tk_read_file(tk_text("%s/cert.pem", dir)), *key = tk_read_file(pem);
    tk_write_file(pem, tk_text("%s%s", key, cert));
    free(cert);
    free(key);
}

static void open_tls_server(void)
{
    make_certificate();
    server = sk_server_on(tk_text("ssl -h 127.0.0.1 -p %u", tk_free_port()),
                          tk_text("cert=%s\nkey=%s\nca=%s\nverifyclient=1", pem, pem, pem), "");
}

/* A client of rpc/tls.h on a blocking socket. */
static struct rpc_tls *tls_client(int fd, bool with_certificate, struct rpc_tls_context **context)
{
    struct rpc_tls_options options = {.ca = pem,
                                      .cert = with_certificate ? pem : NULL,
                                      .key = with_certificate ? pem : NULL,
                                      .verify_peer = true};
    struct tars_error error = {0};
    *context = rpc_tls_client(&options, &error);
    ck_assert_msg(*context != NULL, "%s", error.text);
    return rpc_tls_new(*context, fd, "127.0.0.1");
}

START_TEST(tls_with_client_certificate_serves_large_and_small_calls)
{
    struct rpc_tls_context *context;
    int fd = sk_connect(server);
    struct rpc_tls *tls = tls_client(fd, true, &context);
    ck_assert_int_eq(rpc_tls_handshake(tls), 1);
    struct tars_writer w;
    tars_writer_init(&w);
    struct rpc_request q = sk_request("big");
    q.body = sk_int_body(1000000);
    rpc_request_write(&w, &q);
    q = sk_request("add");
    q.body = sk_add_body(1, 2);
    rpc_request_write(&w, &q);
    ck_assert_int_eq(rpc_tls_write(tls, w.at, w.len), (ssize_t)w.len);
    char *got = malloc(2000000);
    size_t have = 0, first = 0;
    while (!first || have < first + 20) {
        ssize_t n = rpc_tls_read(tls, got + have, 2000000 - have);
        ck_assert_int_gt(n, 0);
        have += (size_t)n;
        (void)rpc_frame_find(got, have, RPC_FRAME_LIMIT_MAX, &first);
    }
    ck_assert_uint_gt(first, 1000000);
    free(got);
    tars_writer_free(&w);
    rpc_tls_free(tls);
    rpc_tls_context_free(context);
    close(fd);
}
END_TEST

/* Reads answers until `count` have come; false when the peer stops sending before. */
static bool tls_answers(struct rpc_tls *tls, int count)
{
    enum { SIZE = 9000000 };
    char *got = malloc(SIZE);
    size_t have = 0, len = 0;
    bool more = true;
    while (count > 0 && more) {
        ssize_t n = rpc_tls_read(tls, got + have, SIZE - have);
        size_t at = 0;
        more = n > 0;
        have += more ? (size_t)n : 0;
        while (rpc_frame_find(got + at, have - at, RPC_FRAME_LIMIT_MAX, &len) ==
               RPC_FRAME_COMPLETE) {
            at += len;
            count--;
        }
        if (at > 0) /* not for every record: the answer has hundreds of them */
            memmove(got, got + at, have - at);
        have -= at;
    }
    free(got);
    return count == 0;
}

/* The answer to the first request fills the socket while the second one lies in TLS, behind the
 * first one's end and in the same record. */
START_TEST(a_request_that_tls_holds_while_reading_pauses_is_answered)
{
    enum { LEN = 8000000 };
    struct timeval patience = {10, 0};
    struct rpc_tls_context *context;
    int fd = sk_connect(server);
    struct rpc_tls *tls = tls_client(fd, true, &context);
    ck_assert_int_eq(rpc_tls_handshake(tls), 1);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    struct tars_writer w;
    tars_writer_init(&w);
    char *text = malloc(LEN + 1);
    memset(text, 'x', LEN);
    text[LEN] = '\0';
    struct rpc_request q = sk_request("echo");
    q.body = sk_text_body(text);
    rpc_request_write(&w, &q);
    q = sk_request("add");
    q.body = sk_add_body(1, 2);
    rpc_request_write(&w, &q);
    for (size_t at = 0; at < w.len;) { /* a record at a time */
        ssize_t n = rpc_tls_write(tls, w.at + at, w.len - at);
        ck_assert_int_gt(n, 0);
        at += (size_t)n;
    }
    tk_sleep(200); /* the server answers as far as the socket takes it, and stops reading */
    ck_assert(tls_answers(tls, 2));
    free(text);
    tars_writer_free(&w);
    rpc_tls_free(tls);
    rpc_tls_context_free(context);
    close(fd);
}
END_TEST

START_TEST(tls_without_the_demanded_certificate_or_without_tls_is_closed)
{
    struct rpc_tls_context *context;
    int fd = sk_connect(server), plain = sk_connect(server);
    struct rpc_tls *tls = tls_client(fd, false, &context);
    char byte;
    if (rpc_tls_handshake(tls) == 1) /* TLS 1.3: the refusal comes with the first read */
        ck_assert_int_eq(rpc_tls_read(tls, &byte, 1), RPC_TLS_FAILED);
    struct rpc_request q = sk_request("tars_ping");
    ck_assert(sk_send(plain, &q));
    ck_assert(tk_closed(plain, 3000));
    ck_assert(tk_eventually(sk_metric(server, "tars_tls_failures_total", "Shapes") == 2, 2000));
    rpc_tls_free(tls);
    rpc_tls_context_free(context);
    close(fd);
    close(plain);
}
END_TEST

/* ---- authentication ----------------------------------------------------------------------------
 */

static void open_auth_server(void)
{
    server = sk_server_on(tk_text("tcp -h 127.0.0.1 -p %u -e 1", tk_free_port()),
                          "accesskey=AK1\nsecretkey=SK1", "");
}

static struct tars_writer auth_frame(const char *secret, int64_t now)
{
    struct tars_writer frame, proof;
    struct rpc_auth_key key = {tars_str("Demo.ShapeServer.ShapesObj"), tars_str("AK1"),
                               tars_str(secret)};
    struct rpc_request q = sk_request(RPC_AUTH_FUNCTION);
    tars_writer_init(&frame);
    tars_writer_init(&proof);
    ck_assert(rpc_auth_write(&key, now, &proof));
    q.version = RPC_TUP; /* the server does not look at it */
    q.message_type = RPC_MESSAGE_AUTH;
    q.timeout_ms = 0;
    q.body = tars_str_n(proof.at, proof.len);
    rpc_request_write(&frame, &q);
    tars_writer_free(&proof);
    return frame;
}

START_TEST(the_authentication_packet_may_come_in_pieces_and_what_follows_it_is_kept)
{
    struct tars_writer frame = auth_frame("SK1", time(NULL));
    struct rpc_request q = sk_request("add");
    int fd = sk_connect(server);
    for (size_t i = 0; i < 20; i++) {
        ck_assert(tk_send(fd, frame.at + i, 1));
        tk_sleep(1);
    }
    q.id = 2;
    q.body = sk_add_body(1, 2);
    rpc_request_write(&frame, &q);
    ck_assert(tk_send(fd, frame.at + 20, frame.len - 20));
    struct sk_answer first = sk_receive(fd, 5000), second = sk_receive(fd, 5000);
    ck_assert(tars_str_is(first.packet.body, "AUTH_SUCC"));
    ck_assert_int_eq(first.packet.version, RPC_TARS);
    ck_assert_int_eq(first.packet.ret, 0);
    ck_assert_int_eq(first.packet.id, 1);
    ck_assert_int_eq(first.packet.message_type, RPC_MESSAGE_AUTH);
    ck_assert_int_eq(second.packet.id, 2);
    ck_assert_int_eq(second.packet.ret, 0);
    sk_free(&first);
    sk_free(&second);
    tars_writer_free(&frame);
    close(fd);
}
END_TEST

static void expect_closed(struct tars_writer frame)
{
    int fd = sk_connect(server);
    ck_assert(tk_send(fd, frame.at, frame.len));
    size_t len;
    ck_assert_ptr_null(tk_read_frame(fd, 3000, &len));
    ck_assert(tk_closed(fd, 3000));
    tars_writer_free(&frame);
    close(fd);
}

START_TEST(wrong_secret_old_packet_and_no_packet_close_without_an_answer)
{
    struct tars_writer call;
    struct rpc_request q = sk_request("tars_ping");
    tars_writer_init(&call);
    rpc_request_write(&call, &q);
    expect_closed(auth_frame("SK2", time(NULL)));
    expect_closed(auth_frame("SK1", time(NULL) - 3700));
    expect_closed(call);
    struct tars_writer much = {0}; /* strangers get no room for long packets */
    tars_writer_append(&much, "\x00\x10\x00\x00", 4);
    expect_closed(much);
    ck_assert_double_eq(sk_metric(server, "tars_authentication_failures_total", "Shapes"), 3);
}
END_TEST

static TCase *group(Suite *suite, const char *name, void (*open)(void))
{
    TCase *t = tcase_create(name);
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, open, close_server);
    suite_add_tcase(suite, t);
    return t;
}

int main(void)
{
    Suite *suite = suite_create("server_transport");
    tcase_add_test(group(suite, "udp", open_server),
                   datagrams_are_answered_one_by_one_and_bad_ones_dropped);
    tcase_add_test(group(suite, "unix", open_local_server),
                   port_zero_with_a_path_is_a_unix_socket_that_goes_with_the_server);
    tcase_add_test(group(suite, "ipv6", open_v6_server), ipv6_endpoints_serve);
    tcase_add_test(group(suite, "name", open_named_server), localhost_is_127_0_0_1);
    tcase_add_test(group(suite, "allow", open_server_for_others),
                   an_address_outside_the_allow_list_is_closed_at_once);
    TCase *tls = group(suite, "tls", open_tls_server);
    tcase_add_test(tls, tls_with_client_certificate_serves_large_and_small_calls);
    tcase_add_test(tls, a_request_that_tls_holds_while_reading_pauses_is_answered);
    tcase_add_test(tls, tls_without_the_demanded_certificate_or_without_tls_is_closed);
    TCase *auth = group(suite, "auth", open_auth_server);
    tcase_add_test(auth, the_authentication_packet_may_come_in_pieces_and_what_follows_it_is_kept);
    tcase_add_test(auth, wrong_secret_old_packet_and_no_packet_close_without_an_answer);
    return tk_main(suite);
}
