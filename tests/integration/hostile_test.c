/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The installed daemons among hostile peers: every kind of malformed packet, connections that hold
 * on, flood, trickle or vanish. All the time somebody else's calls are answered, memory stays
 * within a bound, and what was refused can be seen in the metrics.
 *
 * HOSTILE_ROUNDS (default 1) makes everything longer; `make soak` sets it.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/xmalloc.h"
#include "rpc/packet.h"
#include "serverkit.h"
#include "suitekit.h"

enum {
    SERVED_MS = 3000,  /* nobody else waits longer for an answer */
    CLOSED_MS = 10000, /* a connection that broke the rules is closed within */
    BOUND_KB = 64 * 1024,
    LEFT_KB = 32 * 1024,  /* and when a crowd is gone, … */
    GIVEN_BACK_MS = 20000 /* … soon */
};

static struct suite *suite;

static int rounds(void)
{
    const char *text = getenv("HOSTILE_ROUNDS");
    int n = text ? atoi(text) : 1;
    return n > 0 ? n : 1;
}

static void open_suite(void)
{
    suite = suite_start("", NULL);
}

static void close_suite(void)
{
    suite_stop(suite);
}

/* ---- three servants, and frames for them -------------------------------------------------------
 */

struct target {
    const char *servant, *function;
    uint16_t port;
};

enum { TARGETS = 3 };

static void find_targets(struct target targets[TARGETS])
{
    const struct suite_ports *p = &suite->ports;
    targets[0] = (struct target){"tars.tarsregistry.QueryObj", "findObjectById4Any", p->query};
    targets[1] = (struct target){"tars.tarsregistry.Registry", "onStartup", p->registry};
    targets[2] = (struct target){"tars.tarsregistry.AdminObj", "notify", p->admin};
}

static struct tars_writer frame_with(const struct target *t, struct tars_str body)
{
    struct tars_writer w;
    struct rpc_request q = {.version = RPC_TARS,
                            .id = 1,
                            .servant = tars_str(t->servant),
                            .function = tars_str(t->function),
                            .body = body,
                            .timeout_ms = 5000};
    tars_writer_init(&w);
    rpc_request_write(&w, &q);
    return w;
}

static int connect_to(uint16_t port)
{
    int fd = tk_connect(port);
    ck_assert_msg(fd >= 0, "connecting: %s", strerror(errno));
    return fd;
}

/* The code of the next answer; INT32_MIN when the connection is closed instead. */
static int32_t answer_code(int fd)
{
    struct rpc_response answer;
    size_t len;
    uint8_t *frame = tk_read_frame(fd, CLOSED_MS, &len);
    if (!frame)
        return INT32_MIN;
    struct tars_arena *arena = tars_arena_new(0);
    ck_assert(rpc_response_read(tars_str_n(frame, len), arena, &answer, NULL));
    ck_assert(answer.ret == 0 || answer.description.len > 0);
    int32_t ret = answer.ret;
    tars_arena_free(arena);
    free(frame);
    return ret;
}

static int32_t answer_to(const struct target *t, struct tars_str body)
{
    int fd = connect_to(t->port);
    struct tars_writer w = frame_with(t, body);
    ck_assert(tk_send(fd, w.at, w.len));
    int32_t ret = answer_code(fd);
    tars_writer_free(&w);
    close(fd);
    return ret;
}

static void ping(int fd, const struct target *t)
{
    struct target p = *t;
    p.function = "tars_ping";
    struct tars_writer w = frame_with(&p, tars_str(NULL));
    ck_assert(tk_send(fd, w.at, w.len));
    ck_assert_int_eq(answer_code(fd), 0);
    tars_writer_free(&w);
}

static void expect_close(uint16_t port, const void *bytes, size_t len, const char *what)
{
    int fd = connect_to(port);
    tk_send(fd, bytes, len);
    ck_assert_msg(tk_closed(fd, CLOSED_MS), "%s: not closed", what);
    close(fd);
}

/* ---- malformed packets -------------------------------------------------------------------------
 */

struct bytes {
    const char *what, *at;
    size_t len;
};

#define BYTES(what_, bytes_)                                                                       \
    {                                                                                              \
        what_, bytes_, sizeof(bytes_) - 1                                                          \
    }

static const struct bytes bad_lengths[] = {
    BYTES("length 0", "\0\0\0\0"),         BYTES("length 1", "\0\0\0\1"),
    BYTES("length 2", "\0\0\0\2"),         BYTES("length 3", "\0\0\0\3"),
    BYTES("length 4", "\0\0\0\4"),         BYTES("over 10 MiB", "\x00\xa0\x00\x01"),
    BYTES("100 MiB", "\x06\x40\x00\x00"),  BYTES("over 100 MiB", "\x06\x40\x00\x01"),
    BYTES("2^31 - 1", "\x7f\xff\xff\xff"), BYTES("-2^31", "\x80\x00\x00\x00"),
    BYTES("-1", "\xff\xff\xff\xff"),
};

#define HEAD "\x10\x01\x2c\x3c\x40\x01" /* version 1, type, message type, id 1 */

/* What stands in a frame and is no request. */
static const struct bytes no_requests[] = {
    BYTES("one byte", "x"),
    BYTES("another protocol", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    BYTES("fields missing", "\x10\x01\x2c"),
    BYTES("a text as version", "\x16\x01\x31\x2c\x3c\x4c\x56\x00\x66\x00\x7d\x00\x0c\x8c\x98\x0c"),
    BYTES("an integer as name", HEAD "\x50\x01\x66\x00\x7d\x00\x0c\x8c\x98\x0c\xa8\x0c"),
    BYTES("a short text cut off", HEAD "\x56\xff\x41"),
    BYTES("a long text cut off", HEAD "\x57\x00\x00\x01\x00\x41"),
    BYTES("a text of 100 MiB + 1", HEAD "\x57\x06\x40\x00\x01\x41"),
    BYTES("a text of -1", HEAD "\x57\xff\xff\xff\xff\x41"),
    BYTES("a body beyond the frame", HEAD "\x56\x00\x66\x00\x7d\x00\x02\x7f\xff\xff\xff"),
    BYTES("a body of -1", HEAD "\x56\x00\x66\x00\x7d\x00\x00\xff"),
    BYTES("a body whose size is a LONG over 2^31",
          HEAD "\x56\x00\x66\x00\x7d\x00\x03\x00\x00\x00\x01\x00\x00\x00\x02\x01\xff\x8c\x98\x0c"),
    BYTES("a body of something else than bytes", HEAD "\x56\x00\x66\x00\x7d\x01\x0c\x8c"),
    BYTES("a map of 2^31 - 1", HEAD "\x56\x00\x66\x00\x7d\x00\x0c\x8c\x98\x02\x7f\xff\xff\xff"),
    BYTES("a map of -1", HEAD "\x56\x00\x66\x00\x7d\x00\x0c\x8c\x98\x00\xff"),
    BYTES("a map of more than is there", HEAD "\x56\x00\x66\x00\x7d\x00\x0c\x8c\x98\x00\x02\x06"),
    BYTES("wire type 14", "\x10\x01\x2e\x3c\x4c"),
    BYTES("wire type 15", "\x10\x01\x2f\x3c\x4c"),
    BYTES("an unknown field of wire type 15", "\x0f\x10\x01\x2c\x3c\x4c"),
    BYTES("a struct without an end", HEAD "\x56\x00\x66\x00\x7d\x00\x0c\x8c\x98\x0c\xa8\x0c\xba"),
};

static void send_bad_packets(const struct target *t)
{
    for (size_t i = 0; i < sizeof bad_lengths / sizeof *bad_lengths; i++)
        expect_close(t->port, bad_lengths[i].at, bad_lengths[i].len, bad_lengths[i].what);
    for (size_t i = 0; i + 1 < sizeof no_requests / sizeof *no_requests; i++) {
        const struct bytes *b = &no_requests[i];
        uint8_t frame[256] = {0, 0, 0, (uint8_t)(b->len + 4)};
        memcpy(frame + 4, b->at, b->len);
        expect_close(t->port, frame, b->len + 4, b->what);
    }
}

START_TEST(packets_that_break_the_rules_close_their_connection_only_and_are_counted)
{
    struct target targets[TARGETS];
    size_t each = sizeof bad_lengths / sizeof *bad_lengths +
                  sizeof no_requests / sizeof *no_requests - 1;
    find_targets(targets);
    double before = suite_metric(suite, "tars_bad_frames_total");
    suite_watch(suite);
    for (int i = 0; i < TARGETS; i++)
        send_bad_packets(&targets[i]);
    suite_expect_served(suite, SERVED_MS);
    ck_assert_double_eq(suite_metric(suite, "tars_bad_frames_total") - before,
                        (double)(each * TARGETS));
}
END_TEST

/* Parameters that no function can read; the packet around them is good. */
static const struct bytes bad_parameters[] = {
    BYTES("nothing", ""),
    BYTES("another type", "\x1c"),
    BYTES("a text cut off", "\x16\x05\x41"),
    BYTES("a text of 100 MiB + 1", "\x17\x06\x40\x00\x01"),
    BYTES("a text of -1", "\x17\xff\xff\xff\xff"),
    BYTES("wire type 14", "\x1e"),
    BYTES("wire type 15", "\x1f"),
    BYTES("an unknown list of 2^31 - 1 before it", "\x09\x02\x7f\xff\xff\xff\x16\x01\x41"),
    BYTES("an unknown map of -1 before it", "\x08\x00\xff\x16\x01\x41"),
    BYTES("unknown bytes, size a LONG over 2^31, before it",
          "\x0d\x00\x03\x00\x00\x00\x01\x00\x00\x00\x02\x01\xff\x16\x01\x41"),
    BYTES("an unknown struct without an end before it", "\x0a\x01\x01"),
    BYTES("a struct in place of it that ends", "\x1a\x0b"),
    BYTES("a list of 2^31 - 1 adapters",
          "\x1a\x06\x01\x6e\x16\x01\x61\x26\x01\x73\x49\x02\x7f\xff\xff\xff\x0b"),
    BYTES("a list of -1 adapters", "\x1a\x06\x01\x6e\x16\x01\x61\x26\x01\x73\x49\x00\xff\x0b"),
};

START_TEST(parameters_that_cannot_be_read_are_a_decoding_error_and_the_connection_goes_on)
{
    struct target targets[TARGETS];
    find_targets(targets);
    suite_watch(suite);
    for (int i = 0; i < TARGETS; i++) {
        int fd = connect_to(targets[i].port);
        for (size_t k = 0; k < sizeof bad_parameters / sizeof *bad_parameters; k++) {
            const struct bytes *b = &bad_parameters[k];
            struct tars_writer w = frame_with(&targets[i], tars_str_n(b->at, b->len));
            ck_assert(tk_send(fd, w.at, w.len));
            int32_t ret = answer_code(fd);
            ck_assert_msg(ret == TARS_RET_DECODE, "%s: %s: %d", targets[i].function, b->what, ret);
            tars_writer_free(&w);
        }
        ping(fd, &targets[i]);
        close(fd);
    }
    suite_expect_served(suite, SERVED_MS);
}
END_TEST

START_TEST(nesting_without_end_is_refused_before_it_costs_anything)
{
    enum { DEEP = 1000000 };
    struct target targets[TARGETS];
    char *deep = xmalloc(DEEP);
    find_targets(targets);
    long before = suite_rss_kb(suite);
    suite_watch(suite);
    for (int i = 0; i < TARGETS; i++) {
        memset(deep, 0x0a, DEEP); /* structs in structs */
        ck_assert_int_eq(answer_to(&targets[i], tars_str_n(deep, DEEP)), TARS_RET_DECODE);
        for (size_t k = 0; k + 3 <= DEEP; k += 3)
            memcpy(deep + k, "\x09\x00\x01", 3); /* lists in lists */
        ck_assert_int_eq(answer_to(&targets[i], tars_str_n(deep, DEEP)), TARS_RET_DECODE);
        memset(deep, 0x0a, DEEP);
        memcpy(deep, "\x00\x0f\x42\x40", 4); /* the packet itself */
        expect_close(targets[i].port, deep, DEEP, "a nested packet");
    }
    suite_expect_served(suite, SERVED_MS);
    ck_assert_int_lt(suite_rss_kb(suite) - before, suite_kb(BOUND_KB));
    free(deep);
}
END_TEST

/* A whole onStartup that would register something. */
static struct tars_writer good_startup(void)
{
    static const char body[] = "\x1a\x06\x04node\x16\x03"
                               "App\x26\x06Server\x49\x00\x01"
                               "\x0a\x06\x0e"
                               "App.Server.Obj\x16\x19tcp -h 127.0.0.1 -p 10000\x0b\x0b";
    const struct target t = {"tars.tarsregistry.Registry", "onStartup", 0};
    return frame_with(&t, tars_str_n(body, sizeof body - 1));
}

/* Says another port than good_startup. */
static struct tars_writer other_startup(void)
{
    struct tars_writer w = good_startup();
    uint8_t *port = memmem(w.at, w.len, "10000", 5);
    ck_assert_ptr_nonnull(port);
    port[4] = '1';
    return w;
}

static void set_length(uint8_t *frame, size_t len)
{
    for (int i = 0; i < 4; i++)
        frame[i] = (uint8_t)(len >> (24 - 8 * i));
}

START_TEST(a_request_cut_anywhere_does_nothing)
{
    struct tars_writer w = good_startup();
    double before = suite_metric(suite, "tars_registry_registrations_total");
    suite_watch(suite);
    for (size_t len = 5; len < w.len; len++) {
        uint8_t *frame = xmalloc(len);
        memcpy(frame, w.at, len);
        set_length(frame, len);
        expect_close(suite->ports.registry, frame, len, "a packet cut off"); /* which says so */
        free(frame);
        int fd = connect_to(suite->ports.registry);
        tk_send(fd, w.at, len); /* which says it is longer, and then the peer is gone */
        close(fd);
    }
    suite_expect_served(suite, SERVED_MS);
    ck_assert_double_eq(suite_metric(suite, "tars_registry_registrations_total"), before);
    tars_writer_free(&w);
}
END_TEST

/* Answered in whatever way, or closed. */
START_TEST(damaged_requests_harm_nobody)
{
    struct tars_writer w = good_startup();
    unsigned seed = (unsigned)tk_ms();
    long before = suite_rss_kb(suite);
    printf("seed %u\n", seed);
    suite_watch(suite);
    for (int round = 0; round < 2000 * rounds(); round++) {
        uint8_t *frame = xmalloc(w.len);
        struct target targets[TARGETS];
        find_targets(targets);
        memcpy(frame, w.at, w.len);
        for (int n = rand_r(&seed) % 8; n >= 0; n--)
            frame[4 + (size_t)rand_r(&seed) % (w.len - 4)] = (uint8_t)rand_r(&seed);
        int fd = connect_to(targets[rand_r(&seed) % TARGETS].port);
        tk_send(fd, frame, w.len);
        if (round % 4 == 0)
            shutdown(fd, SHUT_WR);
        close(fd);
        free(frame);
    }
    suite_expect_served(suite, SERVED_MS);
    ck_assert_int_lt(suite_rss_kb(suite) - before, suite_kb(BOUND_KB));
    tars_writer_free(&w);
}
END_TEST

START_TEST(a_request_may_come_a_byte_at_a_time)
{
    struct target targets[TARGETS];
    find_targets(targets);
    targets[1].function = "getMetricsAdapters";
    suite_watch(suite);
    for (int i = 0; i < TARGETS; i++) {
        const char *body = i == 1 ? "\x1a\x0b" : "\x16\x01\x41";
        struct tars_writer w = frame_with(&targets[i], tars_str(body));
        int fd = connect_to(targets[i].port);
        for (size_t k = 0; k < w.len; k++) {
            ck_assert(tk_send(fd, w.at + k, 1));
            tk_sleep(k % 8 == 0);
        }
        ck_assert_int_eq(answer_code(fd), 0);
        tars_writer_free(&w);
        close(fd);
    }
    suite_expect_served(suite, SERVED_MS);
}
END_TEST

/* ---- many and large ----------------------------------------------------------------------------
 */

START_TEST(maps_of_any_size_cost_no_more_than_their_packet)
{
    enum { ENTRIES = 100000 };
    struct target targets[TARGETS];
    struct tars_str_pair *pairs = xcalloc(ENTRIES, sizeof *pairs);
    char *names = xmalloc(ENTRIES * 8), *large = xmalloc(9 << 20);
    find_targets(targets);
    long before = suite_rss_kb(suite);
    suite_watch(suite);
    for (size_t i = 0; i < ENTRIES; i++) {
        snprintf(names + i * 8, 8, "%zu", i);
        pairs[i] = (struct tars_str_pair){tars_str(names + i * 8), tars_str("x")};
    }
    memset(large, 'x', 9 << 20);
    struct tars_str_pair node = {tars_str("node_name"), tars_str_n(large, 9 << 20)};
    const struct tars_str_map maps[] = {{ENTRIES, pairs}, {1, &node}};
    for (int i = 0; i < 4 * TARGETS; i++) {
        const struct target *t = &targets[i % TARGETS];
        struct tars_writer w;
        struct rpc_request q = {.version = RPC_TARS,
                                .id = 1,
                                .servant = tars_str(t->servant),
                                .function = tars_str("tars_ping"),
                                .context = maps[i / TARGETS % 2],
                                .status = i >= 2 * TARGETS ? maps[0] : (struct tars_str_map){0}};
        tars_writer_init(&w);
        rpc_request_write(&w, &q);
        int fd = connect_to(t->port);
        bool sent = tk_send(fd, w.at, w.len);
        if (w.len <= RPC_FRAME_LIMIT)
            ck_assert(sent && answer_code(fd) == 0);
        else
            ck_assert(tk_closed(fd, CLOSED_MS));
        tars_writer_free(&w);
        close(fd);
    }
    suite_expect_served(suite, SERVED_MS);
    ck_assert_int_lt(suite_rss_kb(suite) - before, suite_kb(BOUND_KB));
    free(pairs);
    free(names);
    free(large);
}
END_TEST

START_TEST(thousands_of_small_requests_in_one_write_are_all_answered)
{
    enum { FRAMES = 5000 };
    struct target targets[TARGETS];
    find_targets(targets);
    suite_watch(suite);
    for (int i = 0; i < TARGETS; i++) {
        struct target t = targets[i];
        t.function = "tars_ping";
        struct tars_writer one = frame_with(&t, tars_str(NULL)), all;
        tars_writer_init(&all);
        for (int k = 0; k < FRAMES; k++)
            tars_writer_append(&all, one.at, one.len);
        int fd = connect_to(t.port);
        ck_assert(tk_send(fd, all.at, all.len));
        for (int k = 0; k < FRAMES; k++)
            ck_assert_int_eq(answer_code(fd), 0);
        close(fd);
        tars_writer_free(&one);
        tars_writer_free(&all);
    }
    suite_expect_served(suite, SERVED_MS);
}
END_TEST

/* False when this machine forbids it. */
static bool may_open(rlim_t files)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < files)
        return false;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

START_TEST(ten_thousand_idle_connections_cost_little_and_keep_nobody_out)
{
    enum { IDLE = 10000, EACH_BYTES = 2048 };
    struct target targets[TARGETS];
    static int fds[IDLE];
    if (!may_open(IDLE + 200)) {
        printf("NOT RUN: the hard limit of open files forbids %d connections\n", IDLE);
        return;
    }
    find_targets(targets);
    long before = suite_rss_kb(suite);
    suite_watch(suite);
    for (int i = 0; i < IDLE; i++) {
        fds[i] = connect_to(targets[0].port);
        ping(fds[i], &targets[0]);
    }
    ck_assert(tk_eventually(suite_metric(suite, "tars_connections") >= IDLE, 5000));
    tk_sleep(6000 * rounds()); /* longer than connections that say nothing are left alone */
    ck_assert_double_ge(suite_metric(suite, "tars_connections"), IDLE);
    suite_expect_served(suite, SERVED_MS);
    long grown = suite_rss_kb(suite) - before;
    printf("%d idle connections: %ld KiB\n", IDLE, grown);
    ck_assert_int_lt(grown, suite_kb(IDLE * EACH_BYTES / 1024));
    ping(fds[IDLE - 1], &targets[0]);
    for (int i = 0; i < IDLE; i++)
        close(fds[i]);
    ck_assert(tk_eventually(suite_metric(suite, "tars_connections") < 100, CLOSED_MS));
}
END_TEST

/* With a reset instead of an orderly end. */
static void vanish(int fd)
{
    struct linger hard = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
}

START_TEST(thousands_of_connections_that_come_and_vanish_leave_nothing_behind)
{
    struct target targets[TARGETS];
    struct tars_writer w;
    find_targets(targets);
    long before = suite_rss_kb(suite);
    w = good_startup();
    suite_watch(suite);
    for (int i = 0; i < 6000 * rounds(); i++) {
        int fd = connect_to(targets[i % TARGETS].port);
        if (i % 4 == 1)
            tk_send(fd, w.at, w.len / 2);
        else if (i % 4 == 2)
            tk_send(fd, w.at, w.len); /* and does not wait for the answer */
        vanish(fd);
    }
    suite_expect_served(suite, SERVED_MS);
    ck_assert(tk_eventually(suite_metric(suite, "tars_connections") < 10, CLOSED_MS));
    ck_assert(tk_eventually(suite_metric(suite, "tars_calls_waiting") == 0, CLOSED_MS));
    ck_assert(tk_eventually(suite_rss_kb(suite) - before < suite_kb(LEFT_KB), GIVEN_BACK_MS));
    tars_writer_free(&w);
}
END_TEST

static struct tars_writer same_startup(int i)
{
    (void)i;
    return good_startup();
}

static struct tars_writer one_of_two_startups(int i)
{
    return i % 2 ? other_startup() : good_startup();
}

/* Of a server of its own on the same node. */
static struct tars_writer own_startup(int i)
{
    struct tars_writer w = good_startup();
    char name[8];
    snprintf(name, sizeof name, "S%05d", i % 100000);
    for (uint8_t *at; (at = memmem(w.at, w.len, "Server", 6));)
        memcpy(at, name, 6);
    return w;
}

/* They stay and wait, and every one is told that it is registered. */
static void expect_crowd_registered(const char *what, int crowd, struct tars_writer startup(int i))
{
    double before = suite_metric(suite, "tars_registry_registrations_total");
    int *fds = xcalloc((size_t)crowd, sizeof *fds);
    int64_t begin = tk_ms();
    for (int i = 0; i < crowd; i++) {
        struct tars_writer w = startup(i);
        fds[i] = connect_to(suite->ports.registry);
        ck_assert(tk_send(fds[i], w.at, w.len));
        tars_writer_free(&w);
    }
    for (int i = 0; i < crowd; i++) {
        ck_assert_int_eq(answer_code(fds[i]), 0);
        close(fds[i]);
    }
    printf("%d registrations of %s: %d ms\n", crowd, what, (int)(tk_ms() - begin));
    ck_assert_double_ge(suite_metric(suite, "tars_registry_registrations_total"), before + crowd);
    free(fds);
}

START_TEST(crowds_that_register_at_once_are_registered)
{
    suite_watch(suite);
    for (int i = 0; i < rounds(); i++) {
        expect_crowd_registered("one instance", 700, same_startup);
        expect_crowd_registered("one instance, each unlike the one before", 100,
                                one_of_two_startups);
        expect_crowd_registered("one node", 700, own_startup);
    }
    suite_expect_served(suite, SERVED_MS);
}
END_TEST

/* ---- holding on --------------------------------------------------------------------------------
 */

/* Somebody who asks and asks and reads nothing. */
struct deaf {
    int fd;
    size_t at; /* in its request */
    struct tars_writer request;
};

static void deaf_open(struct deaf *d, const struct target *t)
{
    const int small = 4096;
    char name[8000]; /* the answer says it */
    struct target long_name = *t;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    long_name.function = name;
    *d = (struct deaf){.fd = connect_to(t->port),
                       .request = frame_with(&long_name, tars_str(NULL))};
    setsockopt(d->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
}

/* Until nothing more can be sent now. */
static void deaf_ask(struct deaf *d)
{
    ssize_t n;
    while ((n = send(d->fd, d->request.at + d->at, d->request.len - d->at,
                     MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
        d->at = (d->at + (size_t)n) % d->request.len;
}

START_TEST(those_who_do_not_read_or_trickle_or_never_ask_are_closed_and_cost_little)
{
    enum { EACH = 40 };
    static const char *const why[] = {"tars_connections_closed_empty_total",
                                      "tars_connections_closed_trickling_total",
                                      "tars_connections_closed_slow_total"};
    double counted[3];
    int mute[EACH], slow[EACH];
    struct deaf deaf[EACH];
    struct target targets[TARGETS];
    struct tars_writer w = good_startup();
    find_targets(targets);
    long before = suite_rss_kb(suite), most = before;
    for (size_t i = 0; i < sizeof why / sizeof *why; i++)
        counted[i] = suite_metric(suite, why[i]);
    suite_watch(suite);
    for (int i = 0; i < EACH; i++) {
        mute[i] = connect_to(targets[i % TARGETS].port);
        deaf_open(&deaf[i], &targets[i % TARGETS]);
        slow[i] = connect_to(targets[1].port);
        ping(slow[i], &targets[1]);
    }
    int64_t end = tk_ms() + 40000;
    for (size_t k = 0; k + 1 < w.len && tk_ms() < end; k++) {
        for (int i = 0; i < EACH; i++) {
            send(slow[i], w.at + k, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
            deaf_ask(&deaf[i]);
        }
        long now = suite_rss_kb(suite);
        most = now > most ? now : most;
        if (suite_metric(suite, "tars_connections") <= 2)
            break;
        tk_sleep(1000);
    }
    suite_expect_served(suite, SERVED_MS);
    printf("%d of each kind: %ld KiB, %.0f connections left\n", EACH, most - before,
           suite_metric(suite, "tars_connections"));
    for (int i = 0; i < EACH; i++) {
        ck_assert(tk_closed(mute[i], CLOSED_MS));
        ck_assert(tk_closed(slow[i], CLOSED_MS));
        ck_assert(tk_closed(deaf[i].fd, CLOSED_MS));
        close(mute[i]);
        close(slow[i]);
        close(deaf[i].fd);
        tars_writer_free(&deaf[i].request);
    }
    for (size_t i = 0; i < sizeof why / sizeof *why; i++)
        ck_assert_double_eq(suite_metric(suite, why[i]) - counted[i], EACH);
    ck_assert_int_lt(most - before, suite_kb(BOUND_KB));
    tars_writer_free(&w);
}
END_TEST

/* Frames as large as allowed that never get whole: memory follows what has come, up to the limit.
 */
START_TEST(large_requests_that_never_end_take_what_they_sent_and_no_more)
{
    enum { MANY = 30, SENT = 1 << 20 };
    int fds[MANY];
    char *bytes = xcalloc(1, SENT);
    struct target targets[TARGETS];
    find_targets(targets);
    set_length((uint8_t *)bytes, RPC_FRAME_LIMIT);
    long before = suite_rss_kb(suite);
    suite_watch(suite);
    for (int i = 0; i < MANY; i++) {
        fds[i] = connect_to(targets[i % TARGETS].port);
        ck_assert(tk_send(fds[i], bytes, SENT));
    }
    tk_sleep(500);
    long grown = suite_rss_kb(suite) - before;
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    suite_expect_served(suite, SERVED_MS);
    printf("%d times 1 MiB of 10: %ld KiB\n", MANY, grown);
    ck_assert_int_lt(grown, suite_kb(MANY * SENT / 1024 * 2 + BOUND_KB / 4));
    free(bytes);
}
END_TEST

/* ---- datagrams ---------------------------------------------------------------------------------
 */

START_TEST(garbage_in_datagrams_is_dropped_and_counted)
{
    enum { GARBAGE = 5000 };
    struct tars_server *server = sk_server("", "");
    struct rpc_request q = sk_request("add");
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(tars_server_port(server, "DatagramObj"))};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    unsigned seed = 1;
    char bytes[1400];
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    for (int i = 0; i < GARBAGE * rounds(); i++) {
        size_t len = (size_t)rand_r(&seed) % sizeof bytes;
        for (size_t k = 0; k < len; k++)
            bytes[k] = (char)rand_r(&seed);
        if (i % 2 && len > 4)
            set_length((uint8_t *)bytes, len);
        send(fd, bytes, len, 0);
        if (i % 32 == 0)
            tk_sleep(1);
    }
    q.servant = tars_str("Demo.ShapeServer.DatagramObj");
    q.body = sk_add_body(1, 2);
    struct timeval wait = {.tv_sec = 2};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    ck_assert(sk_send(fd, &q));
    ck_assert_int_gt(recv(fd, bytes, sizeof bytes, 0), 4);
    ck_assert_double_gt(sk_metric(server, "tars_bad_datagrams_total", "Datagram"), GARBAGE / 2);
    close(fd);
    tars_server_stop(server, 1000);
    tars_server_free(server);
}
END_TEST

/* ---- the store ---------------------------------------------------------------------------------
 */

#define JSON_HEAD "POST /x/_doc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

static const struct bytes bad_http[] = {
    BYTES("no HTTP", "\x00\x00\x00\x05\x0a\x00\xff\xfe\r\n\r\n"),
    BYTES("a Tars frame", "\x00\x00\x00\x0a\x10\x01\x2c\x3c\x4c\x5c\r\n\r\n"),
    BYTES("no such version", "GET / HTTP/9.9\r\n\r\n"),
    BYTES("a negative length", JSON_HEAD "Content-Length: -1\r\n\r\n{}"),
    BYTES("an endless length", JSON_HEAD "Content-Length: 99999999999999999999999\r\n\r\n{}"),
    BYTES("two lengths", JSON_HEAD "Content-Length: 2\r\nContent-Length: 4\r\n\r\n{}"),
    BYTES("a chunk that is none", JSON_HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n"),
    BYTES("an endless chunk",
          JSON_HEAD "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n"),
    BYTES("not gzip", JSON_HEAD "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
    BYTES("no JSON", JSON_HEAD "Content-Length: 8\r\n\r\n{\"a\":\xff\xfe}"),
    BYTES("a name that climbs", "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n"),
    BYTES("an escape cut off", "GET /x/_doc/%f HTTP/1.1\r\nHost: x\r\n\r\n"),
    BYTES("a NUL in a name", "GET /x/_doc/%00 HTTP/1.1\r\nHost: x\r\n\r\n"),
};

/* Never a 2xx for something that was no request. */
static void send_bad_http(const struct bytes *b)
{
    char answer[512] = "";
    int fd = connect_to(suite->ports.store);
    tk_send(fd, b->at, b->len);
    shutdown(fd, SHUT_WR);
    ssize_t n = recv(fd, answer, sizeof answer - 1, 0);
    ck_assert_msg(n <= 0 || strncmp(answer, "HTTP/1.1 2", 10) != 0, "%s: %s", b->what, answer);
    close(fd);
}

START_TEST(the_store_refuses_what_is_no_request_and_goes_on)
{
    char *large = xmalloc(1 << 20);
    long before = suite_rss_kb(suite);
    suite_watch(suite);
    for (size_t i = 0; i < sizeof bad_http / sizeof *bad_http; i++)
        send_bad_http(&bad_http[i]);
    memset(large, 'x', 1 << 20);
    memcpy(large, "GET /", 5);
    send_bad_http(&(struct bytes){"a line without end", large, 1 << 20});
    memcpy(large, "GET / HTTP/1.1\r\nx: ", 19);
    send_bad_http(&(struct bytes){"a header without end", large, 1 << 20});
    for (int i = 0; i < 3000 * rounds(); i++) {
        int fd = connect_to(suite->ports.store);
        tk_send(fd, JSON_HEAD, (size_t)i % (sizeof JSON_HEAD));
        vanish(fd);
    }
    suite_expect_served(suite, SERVED_MS);
    ck_assert_int_lt(suite_rss_kb(suite) - before, suite_kb(BOUND_KB));
    free(large);
}
END_TEST

START_TEST(half_open_connections_to_the_store_leave_room_for_others)
{
    enum { HALF = 500 };
    int fds[HALF];
    long before = suite_rss_kb(suite);
    suite_watch(suite);
    for (int i = 0; i < HALF; i++) {
        fds[i] = connect_to(suite->ports.store);
        tk_send(fds[i], JSON_HEAD "Content-Length: 1000000\r\n\r\n{", sizeof JSON_HEAD + 28);
    }
    tk_sleep(1000);
    suite_expect_served(suite, SERVED_MS);
    ck_assert_int_lt(suite_rss_kb(suite) - before, suite_kb(BOUND_KB));
    for (int i = 0; i < HALF; i++)
        close(fds[i]);
}
END_TEST

int main(void)
{
    Suite *all = suite_create("hostile");
    TCase *tc = tcase_create("hostile");
    tcase_set_timeout(tc, 100 * rounds());
    tcase_add_unchecked_fixture(tc, open_suite, close_suite); /* one suite takes it all */
    tcase_add_test(tc, packets_that_break_the_rules_close_their_connection_only_and_are_counted);
    tcase_add_test(tc,
                   parameters_that_cannot_be_read_are_a_decoding_error_and_the_connection_goes_on);
    tcase_add_test(tc, nesting_without_end_is_refused_before_it_costs_anything);
    tcase_add_test(tc, a_request_cut_anywhere_does_nothing);
    tcase_add_test(tc, damaged_requests_harm_nobody);
    tcase_add_test(tc, a_request_may_come_a_byte_at_a_time);
    tcase_add_test(tc, maps_of_any_size_cost_no_more_than_their_packet);
    tcase_add_test(tc, thousands_of_small_requests_in_one_write_are_all_answered);
    tcase_add_test(tc, ten_thousand_idle_connections_cost_little_and_keep_nobody_out);
    tcase_add_test(tc, thousands_of_connections_that_come_and_vanish_leave_nothing_behind);
    tcase_add_test(tc, crowds_that_register_at_once_are_registered);
    tcase_add_test(tc, those_who_do_not_read_or_trickle_or_never_ask_are_closed_and_cost_little);
    tcase_add_test(tc, large_requests_that_never_end_take_what_they_sent_and_no_more);
    tcase_add_test(tc, the_store_refuses_what_is_no_request_and_goes_on);
    tcase_add_test(tc, half_open_connections_to_the_store_leave_room_for_others);
    suite_add_tcase(all, tc);
    tc = tcase_create("datagrams");
    tcase_set_timeout(tc, 60 * rounds());
    tcase_add_test(tc, garbage_in_datagrams_is_dropped_and_counted);
    suite_add_tcase(all, tc);
    return tk_main(all);
}
