/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections that are passed on: whole frames, to one target after another, whatever the pieces.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "k8stars/relay.h"
#include "k8stars/relay_question.h"
#include "loop/loop.h"
#include "testkit.h"

enum { SOON_MS = 5000, FLOWS_MAX = 8 };

static struct loop *loop;
static struct relay *relay;
static struct rpc_address place;
static uint16_t port;
static atomic_int none;

/* ---- the relay, on its own thread
 * -----------------------------------------------------------------
 */

static void on_none(void *user)
{
    (void)user;
    none++;
}

static struct rpc_address address_of(uint16_t number)
{
    struct rpc_address a = {.len = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)&a.storage;
    in->sin_family = AF_INET;
    in->sin_port = htons(number);
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static void open_it(void *arg)
{
    struct tars_error error;
    ck_assert_msg(relay_open(arg, &place, &error), "%s", error.text);
}

static void setup(void)
{
    const struct relay_setup with = {
        .servant = "App.Server.Obj", .flows_max = FLOWS_MAX, .none = on_none};
    struct relay_setup setup = with;
    struct tars_error error;
    none = 0;
    port = tk_free_port();
    place = address_of(port);
    loop = loop_new("relay");
    setup.loop = loop;
    relay = relay_new(&setup);
    ck_assert(loop_start(loop, &error));
    loop_call_wait(loop, open_it, relay);
}

static void free_it(void *arg)
{
    relay_free(arg);
}

static void teardown(void)
{
    loop_call_wait(loop, free_it, relay);
    loop_free(loop);
}

struct order {
    struct rpc_address to[RELAY_TARGETS_MAX];
    size_t count;
    bool home;
};

static void give_order(void *arg)
{
    const struct order *o = arg;
    if (o->home)
        relay_home(relay, &o->to[0]);
    else
        relay_aim(relay, o->to, o->count);
}

static void aim(uint16_t first, uint16_t second)
{
    struct order o = {.to = {address_of(first), address_of(second)}, .count = second ? 2 : 1};
    loop_call_wait(loop, give_order, &o);
}

static void go_home(uint16_t number)
{
    struct order o = {.to = {address_of(number)}, .home = true};
    loop_call_wait(loop, give_order, &o);
}

static void shut_it(void *arg)
{
    relay_shut(arg);
}

static void end_waiting(void *arg)
{
    relay_end(arg, false);
}

static void count_flows(void *arg)
{
    *(size_t *)arg = relay_flows(relay);
}

static size_t flows(void)
{
    size_t n;
    loop_call_wait(loop, count_flows, &n);
    return n;
}

/* ---- targets -----------------------------------------------------------------------------------
 */

static int listen_on(uint16_t number)
{
    struct rpc_address a = address_of(number);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    ck_assert_int_eq(bind(fd, &a.any, a.len), 0);
    ck_assert_int_eq(listen(fd, 16), 0);
    return fd;
}

static int take(int listener)
{
    struct pollfd wait = {.fd = listener, .events = POLLIN};
    ck_assert_int_eq(poll(&wait, 1, SOON_MS), 1);
    return accept(listener, NULL, NULL);
}

/* The relay's question comes and is answered. */
static void say_yes(int listener)
{
    int fd = take(listener);
    size_t len;
    uint8_t *frame = tk_read_frame(fd, SOON_MS, &len);
    ck_assert_ptr_nonnull(frame);
    ck_assert(relay_is_question(tars_str_n((char *)frame, len)));
    ck_assert(tk_send(fd, "\0\0\0\5!", 5));
    free(frame);
    close(fd);
}

/* A target on a port of its own that is known to be one. */
static int target(uint16_t *number)
{
    int fd = listen_on(*number = tk_free_port());
    aim(*number, 0);
    say_yes(fd);
    return fd;
}

static void send_text(int fd, const char *text)
{
    uint8_t frame[256];
    uint32_t len = htonl((uint32_t)(strlen(text) + 4));
    memcpy(frame, &len, 4);
    memcpy(frame + 4, text, strlen(text));
    ck_assert(tk_send(fd, frame, strlen(text) + 4));
}

static void expect_text(int fd, const char *text)
{
    size_t len;
    uint8_t *frame = tk_read_frame(fd, SOON_MS, &len);
    ck_assert_msg(frame != NULL, "no frame for '%s'", text);
    ck_assert_uint_eq(len, strlen(text) + 4);
    ck_assert_mem_eq(frame + 4, text, strlen(text));
    free(frame);
}

static bool is_silent(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, 100) == 0;
}

/* ---- what goes through -------------------------------------------------------------------------
 */

START_TEST(frames_go_to_a_target_and_answers_come_back)
{
    uint16_t there;
    int listener = target(&there), client = tk_connect(port), server;
    send_text(client, "one");
    server = take(listener);
    expect_text(server, "one");
    send_text(client, "two");
    expect_text(server, "two");
    send_text(server, "1");
    send_text(server, "2");
    expect_text(client, "1");
    expect_text(client, "2");
    close(client);
    ck_assert(tk_closed(server, SOON_MS));
    close(server);
    ck_assert(tk_eventually(flows() == 0, SOON_MS));
    close(listener);
}
END_TEST

START_TEST(who_comes_before_a_target_is_known_waits_for_it)
{
    int client = tk_connect(port), server, listener;
    uint16_t there;
    send_text(client, "early");
    ck_assert(is_silent(client));
    listener = target(&there);
    server = take(listener);
    expect_text(server, "early");
    send_text(server, "answer");
    expect_text(client, "answer");
    close(client);
    close(server);
    close(listener);
}
END_TEST

START_TEST(a_target_changes_between_two_frames_and_the_one_before_still_answers)
{
    uint16_t first, second = tk_free_port();
    int one = target(&first), two = listen_on(second), client = tk_connect(port), a, b;
    send_text(client, "first");
    a = take(one);
    expect_text(a, "first");
    ck_assert(tk_send(client, "\0\0\0\10ha", 6));
    tk_sleep(50);
    go_home(second);
    ck_assert(tk_send(client, "lf", 2));
    expect_text(a, "half"); /* began there */
    send_text(client, "next");
    b = take(two);
    expect_text(b, "next");
    ck_assert(tk_send(a, "\0\0\0\7A", 5)); /* an answer in pieces, another one meanwhile */
    ck_assert(tk_eventually(!is_silent(client), SOON_MS));
    send_text(b, "B");
    tk_sleep(50);
    ck_assert(tk_send(a, "aa", 2));
    expect_text(client, "Aaa");
    expect_text(client, "B");
    ck_assert(tk_send(b, "\0\0\0\7B", 5)); /* it says its last word while another one speaks */
    ck_assert(tk_eventually(!is_silent(client), SOON_MS));
    send_text(a, "last");
    close(a);
    tk_sleep(50);
    ck_assert(tk_send(b, "bb", 2));
    expect_text(client, "Bbb");
    expect_text(client, "last");
    send_text(client, "more");
    expect_text(b, "more");
    send_text(b, "done");
    expect_text(client, "done");
    close(client);
    close(b);
    close(one);
    close(two);
}
END_TEST

START_TEST(idle_connection_comes_home_at_once)
{
    uint16_t first, second = tk_free_port();
    int one = target(&first), two = listen_on(second), client = tk_connect(port), a, b;
    send_text(client, "x");
    a = take(one);
    expect_text(a, "x");
    go_home(second);
    b = take(two);
    close(a);
    send_text(client, "y");
    expect_text(b, "y");
    close(client);
    close(b);
    close(one);
    close(two);
}
END_TEST

START_TEST(targets_are_taken_in_turn)
{
    uint16_t old, first = tk_free_port(), second = tk_free_port();
    int before = target(&old), one = listen_on(first), two = listen_on(second), clients[4],
        taken[4];
    for (int i = 0; i < 4; i++) {
        clients[i] = tk_connect(port);
        send_text(clients[i], "hello");
        taken[i] = take(before);
        expect_text(taken[i], "hello");
    }
    aim(first, second);
    say_yes(one); /* and does not get all of them for being first */
    say_yes(two);
    for (int i = 0; i < 2; i++) {
        close(take(one));
        close(take(two));
    }
    for (int i = 0; i < 4; i++) {
        ck_assert(tk_closed(clients[i], SOON_MS));
        close(clients[i]);
        close(taken[i]);
    }
    close(before);
    close(one);
    close(two);
}
END_TEST

START_TEST(what_a_leaving_client_has_sent_arrives_whole)
{
    enum { BODY = 3 << 20 };
    uint16_t there;
    int listener = target(&there), client = tk_connect(port), server;
    uint8_t *frame = malloc(BODY + 4);
    size_t len;
    uint32_t announced = htonl(BODY + 4);
    memset(frame, 'z', BODY + 4);
    memcpy(frame, &announced, 4);
    server = take(listener); /* a server that is slow to read */
    pid_t sender = fork();
    if (sender == 0) {
        tk_send(client, frame, BODY + 4);
        close(client);
        _exit(0);
    }
    close(client);
    tk_sleep(200);
    free(frame);
    frame = tk_read_frame(server, SOON_MS, &len);
    ck_assert_ptr_nonnull(frame);
    ck_assert_uint_eq(len, BODY + 4);
    ck_assert(tk_closed(server, SOON_MS));
    free(frame);
    close(server);
    close(listener);
}
END_TEST

START_TEST(slow_client_holds_its_target_back)
{
    enum { BODY = 16 << 20 };
    uint16_t there;
    int listener = target(&there), client = tk_connect(port), server;
    uint8_t *frame = calloc(1, BODY + 4);
    uint32_t announced = htonl(BODY + 4);
    size_t sent = 0, len;
    memcpy(frame, &announced, 4);
    send_text(client, "big");
    server = take(listener);
    expect_text(server, "big");
    for (int quiet = 0; sent < BODY + 4 && quiet < 20;) {
        ssize_t n = send(server, frame + sent, BODY + 4 - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        quiet = n > 0 ? 0 : quiet + 1;
        tk_sleep(n > 0 ? 0 : 10);
    }
    ck_assert_uint_lt(sent, BODY); /* what the kernel's buffers take, and little more */
    pid_t sender = fork();
    if (sender == 0) {
        tk_send(server, frame + sent, BODY + 4 - sent);
        _exit(0);
    }
    free(frame);
    frame = tk_read_frame(client, 2 * SOON_MS, &len);
    ck_assert_ptr_nonnull(frame);
    ck_assert_uint_eq(len, BODY + 4);
    free(frame);
    close(client);
    close(server);
    close(listener);
}
END_TEST

/* ---- targets that are none ----------------------------------------------------------------------
 */

START_TEST(target_that_went_is_passed_over)
{
    uint16_t first = tk_free_port(), second = tk_free_port();
    int one = listen_on(first), two = listen_on(second);
    aim(first, second);
    say_yes(one);
    say_yes(two);
    close(one);
    for (int i = 0; i < 4; i++) {
        int client = tk_connect(port), server;
        send_text(client, "hello");
        server = take(two);
        expect_text(server, "hello");
        close(client);
        close(server);
    }
    close(two);
}
END_TEST

START_TEST(connection_ends_when_its_target_does)
{
    uint16_t there;
    int listener = target(&there), client = tk_connect(port), server;
    send_text(client, "call");
    server = take(listener);
    expect_text(server, "call");
    send_text(server, "whole");
    ck_assert(tk_send(server, "\0\0\0\11ha", 6));
    close(server);
    expect_text(client, "whole");
    ck_assert(tk_closed(client, SOON_MS));
    close(client);
    close(listener);
}
END_TEST

START_TEST(who_waits_in_vain_is_let_go)
{
    int client = tk_connect(port), silent;
    uint16_t first = tk_free_port();
    silent = listen_on(first);
    aim(first, tk_free_port()); /* one says nothing, one refuses */
    ck_assert(tk_eventually(none > 0, SOON_MS));
    ck_assert(is_silent(client));
    loop_call_wait(loop, end_waiting, relay);
    ck_assert(tk_closed(client, SOON_MS));
    close(client);
    client = tk_connect(port); /* nobody ends it */
    ck_assert(tk_closed(client, 2 * SOON_MS));
    close(client);
    close(silent);
}
END_TEST

static struct relay *second_relay;

static void make_second(void *arg)
{
    struct relay_setup setup = {
        .loop = loop, .servant = "App.Server.Obj", .flows_max = 8, .none = on_none};
    struct tars_error error;
    second_relay = relay_new(&setup);
    ck_assert(relay_open(second_relay, arg, &error));
    relay_aim(second_relay, &place, 1);
}

START_TEST(relays_do_not_pass_on_to_each_other)
{
    uint16_t other = tk_free_port();
    struct rpc_address there = address_of(other);
    loop_call_wait(loop, make_second, &there);
    aim(other, 0);
    ck_assert(tk_eventually(none == 2, SOON_MS));
    int client = tk_connect(port);
    send_text(client, "lost");
    ck_assert(tk_closed(client, 2 * SOON_MS));
    close(client);
    ck_assert(tk_eventually(flows() == 0, SOON_MS));
    loop_call_wait(loop, free_it, second_relay);
}
END_TEST

/* ---- strangers ---------------------------------------------------------------------------------
 */

START_TEST(lengths_that_no_frame_has_end_the_connection)
{
    static const char *const heads[] = {"\0\0\0\0xx", "\0\0\0\3xx", "\377\377\377\377xx",
                                        "\177\0\0\0xx", "GET / HTTP/1.1\r\n\r\n"};
    uint16_t there;
    int listener = target(&there);
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        int client = tk_connect(port), server;
        ck_assert(tk_send(client, heads[i], i < 4 ? 6 : strlen(heads[i])));
        server = take(listener);
        ck_assert(tk_closed(client, SOON_MS));
        ck_assert(tk_closed(server, SOON_MS));
        close(server);
        close(client);
    }
    int client = tk_connect(port), server = take(listener); /* a server that has gone mad */
    send_text(client, "call");
    expect_text(server, "call");
    ck_assert(tk_send(server, "\0\0\0\1", 4));
    ck_assert(tk_closed(client, SOON_MS));
    close(server);
    close(client);
    close(listener);
}
END_TEST

START_TEST(more_connections_than_allowed_are_closed)
{
    uint16_t there;
    int listener = target(&there), clients[FLOWS_MAX + 2];
    for (int i = 0; i < FLOWS_MAX + 2; i++)
        clients[i] = tk_connect(port);
    ck_assert(tk_closed(clients[FLOWS_MAX], SOON_MS));
    ck_assert(tk_closed(clients[FLOWS_MAX + 1], SOON_MS));
    ck_assert_uint_eq(flows(), FLOWS_MAX);
    for (int i = 0; i < FLOWS_MAX + 2; i++)
        close(clients[i]);
    ck_assert(tk_eventually(flows() == 0, SOON_MS));
    int client = tk_connect(port);
    send_text(client, "again");
    ck_assert(tk_eventually(flows() == 1, SOON_MS));
    close(client);
    close(listener);
}
END_TEST

START_TEST(address_is_free_after_shutting_and_connections_go_on)
{
    uint16_t there;
    int listener = target(&there), client = tk_connect(port), server, own;
    send_text(client, "a");
    server = take(listener);
    expect_text(server, "a");
    loop_call_wait(loop, shut_it, relay);
    own = listen_on(port); /* the server is back */
    send_text(server, "b");
    expect_text(client, "b");
    go_home(port);
    send_text(client, "c");
    int home = take(own);
    expect_text(home, "c");
    close(client);
    close(home);
    close(server);
    close(own);
    close(listener);
}
END_TEST

/* ---- pieces ------------------------------------------------------------------------------------
 */

struct echo {
    int listener;
    atomic_bool stop;
    pthread_t thread;
};

/* Gives back what comes, some bytes at a time: of the question too, and any answer is a yes. */
static void *echo_run(void *arg)
{
    struct echo *e = arg;
    struct pollfd fds[32] = {{.fd = e->listener, .events = POLLIN}};
    nfds_t count = 1;
    unsigned seed = (unsigned)e->listener;
    while (!e->stop) {
        if (poll(fds, count, 20) <= 0)
            continue;
        for (nfds_t i = 1; i < count; i++) {
            char bytes[5000];
            ssize_t n = fds[i].revents
                            ? recv(fds[i].fd, bytes, 1 + (unsigned)rand_r(&seed) % sizeof bytes, 0)
                            : -2;
            if (n == -2)
                continue;
            for (ssize_t done = 0, part; done < n; done += part) {
                part = 1 + rand_r(&seed) % (int)(n - done);
                if (send(fds[i].fd, bytes + done, (size_t)part, MSG_NOSIGNAL) != part)
                    break;
            }
            if (n <= 0) {
                close(fds[i].fd);
                fds[i--] = fds[--count];
            }
        }
        if (fds[0].revents && count < 32)
            fds[count++] = (struct pollfd){.fd = accept(e->listener, NULL, NULL), .events = POLLIN};
    }
    for (nfds_t i = 0; i < count; i++)
        close(fds[i].fd);
    return NULL;
}

/* Frames of all sizes, each with its number; what comes back is each of them once. */
START_TEST(frames_come_once_and_whole_whatever_the_pieces)
{
    enum { FRAMES = 2000, SIZE_MAX_ = 6000, WINDOW = 20 };
    struct echo echoes[2];
    uint16_t ports[2];
    unsigned seed = 7;
    bool *seen = calloc(FRAMES, 1);
    uint8_t *frame = malloc(SIZE_MAX_);
    for (int i = 0; i < 2; i++) {
        echoes[i] = (struct echo){.listener = listen_on(ports[i] = tk_free_port())};
        ck_assert_int_eq(pthread_create(&echoes[i].thread, NULL, echo_run, &echoes[i]), 0);
    }
    go_home(ports[0]);
    int client = tk_connect(port);
    for (uint32_t n = 0, back = 0; back < FRAMES;) {
        if (n < FRAMES && n < back + WINDOW) {
            uint32_t size = 8 + (uint32_t)rand_r(&seed) % (SIZE_MAX_ - 8), len = htonl(size);
            memset(frame, (int)n, size);
            memcpy(frame, &len, 4);
            memcpy(frame + 4, &n, 4);
            for (uint32_t done = 0, part; done < size; done += part) {
                part = 1 + (uint32_t)rand_r(&seed) % (size - done);
                ck_assert(tk_send(client, frame + done, part));
            }
            if (++n % 13 == 0)
                go_home(ports[(n / 13) % 2]);
            continue;
        }
        size_t len;
        uint8_t *answer = tk_read_frame(client, SOON_MS, &len);
        uint32_t number;
        ck_assert_ptr_nonnull(answer);
        memcpy(&number, answer + 4, 4);
        ck_assert_uint_lt(number, FRAMES);
        ck_assert(!seen[number]);
        seen[number] = true;
        bool whole = true;
        for (size_t i = 8; i < len; i++)
            whole = whole && answer[i] == (number & 0xff);
        ck_assert(whole);
        free(answer);
        back++;
    }
    close(client);
    for (int i = 0; i < 2; i++) {
        echoes[i].stop = true;
        pthread_join(echoes[i].thread, NULL);
    }
    free(frame);
    free(seen);
}
END_TEST

static Suite *relay_suite(void)
{
    Suite *s = suite_create("relay");
    TCase *tc = tcase_create("relay");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, frames_go_to_a_target_and_answers_come_back);
    tcase_add_test(tc, who_comes_before_a_target_is_known_waits_for_it);
    tcase_add_test(tc, a_target_changes_between_two_frames_and_the_one_before_still_answers);
    tcase_add_test(tc, idle_connection_comes_home_at_once);
    tcase_add_test(tc, targets_are_taken_in_turn);
    tcase_add_test(tc, what_a_leaving_client_has_sent_arrives_whole);
    tcase_add_test(tc, slow_client_holds_its_target_back);
    tcase_add_test(tc, target_that_went_is_passed_over);
    tcase_add_test(tc, connection_ends_when_its_target_does);
    tcase_add_test(tc, who_waits_in_vain_is_let_go);
    tcase_add_test(tc, relays_do_not_pass_on_to_each_other);
    tcase_add_test(tc, lengths_that_no_frame_has_end_the_connection);
    tcase_add_test(tc, more_connections_than_allowed_are_closed);
    tcase_add_test(tc, address_is_free_after_shutting_and_connections_go_on);
    tcase_add_test(tc, frames_come_once_and_whole_whatever_the_pieces);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tk_main(relay_suite());
}
