/* SPDX-License-Identifier: BSD-3-Clause */
/* Asking late instances whether they still accept: dead ones, silent ones, hostile ones, many. */
#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "tarsregistry/probe.h"
#include "testkit.h"

enum {
    AFTER_MS = 150,
    INTERVAL_MS = 50,
    TIMEOUT_MS = 150,
    TICK_MS = 10,
    LIMIT = 16,
    LONG_MS = 600 * 1000, /* the patience of all: nothing here expires by it */
    SOON_MS = 8000,
    BACKLOG_MAX = 64,
};

static struct loop *loop;
static struct table *table;
static struct liveness liveness;
static struct prober *prober;
static struct probe_counters counters;
static struct loop_timer tick, turn;
static uint64_t most_open;

static void on_tick(struct loop_timer *timer)
{
    uint64_t open = atomic_load(&counters.open);
    most_open = open > most_open ? open : most_open;
    prober_tick(prober, clock_ms());
    loop_timer_set(loop, timer, TICK_MS, on_tick);
}

static void on_turn(struct loop_timer *timer)
{
    (void)timer;
    loop_stop(loop);
}

static void run_for(int ms)
{
    loop_timer_set(loop, &turn, ms, on_turn);
    loop_run(loop);
}

#define becomes(condition_)                                                                        \
    ({                                                                                             \
        int64_t end_ = tk_ms() + SOON_MS;                                                          \
        bool true_;                                                                                \
        while (!(true_ = (condition_)) && tk_ms() < end_)                                          \
            run_for(TICK_MS);                                                                      \
        true_;                                                                                     \
    })

static void open_prober(struct probe_rules rules)
{
    const struct liveness_rules patience = {.minimum_ms = LONG_MS,
                                            .unknown_ms = LONG_MS,
                                            .protect_share = 100,
                                            .protect_count = 1000000,
                                            .object_share = 100,
                                            .window_ms = LONG_MS};
    loop = loop_new("probe");
    table = table_new();
    counters = (struct probe_counters){.connects = 0};
    most_open = 0;
    liveness_init(&liveness, &patience, clock_ms() - LONG_MS);
    prober = prober_new(loop, &rules, table, &liveness, &counters);
    tick = turn = (struct loop_timer){.fire = NULL};
    loop_timer_set(loop, &tick, 1, on_tick);
}

static const struct probe_rules usual = {.on = true,
                                         .loopback = true,
                                         .after_ms = AFTER_MS,
                                         .interval_ms = INTERVAL_MS,
                                         .timeout_ms = TIMEOUT_MS,
                                         .limit = LIMIT};

static void setup(void)
{
    open_prober(usual);
}

static void teardown(void)
{
    prober_free(prober);
    ck_assert_uint_eq(atomic_load(&counters.open), 0);
    loop_free(loop);
    table_free(table);
}

/* ---- instances and what they listen on
 * ------------------------------------------------------------ */

static struct instance *add_at(const char *id, const char *endpoint)
{
    struct adapter adapter = {.servant = tars_str("App.Server.Obj"),
                              .endpoint = tars_str(endpoint)};
    struct record record = {.application = tars_str("App"),
                            .server_name = tars_str("Server"),
                            .node_name = tars_str(id),
                            .setting_state = tars_str("active"),
                            .adapter_count = 1,
                            .adapters = &adapter};
    struct instance *i = table_add(table, tars_str(id), INSTANCE_SERVER);
    table_set_record(table, i, record_copy(&record));
    table_set_present(table, i, STATE_ACTIVE, 1);
    liveness_report(&liveness, i, false, clock_ms());
    return i;
}

static struct instance *add(const char *id, uint16_t port)
{
    return add_at(id, tk_text("tcp -h 127.0.0.1 -p %u -t 3000", port));
}

static void report(struct instance *i)
{
    liveness_report(&liveness, i, true, clock_ms());
}

static int listen_at(uint16_t port, int backlog)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(fd, backlog), 0);
    return fd;
}

/* A place that answers no SYN: its queue is full and nobody accepts. */
struct hole {
    int listener, callers[BACKLOG_MAX];
    size_t len;
};

static void fill(struct hole *hole, uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (bool full = false; !full && hole->len < BACKLOG_MAX;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        (void)connect(fd, (struct sockaddr *)&at, sizeof at);
        full = poll(&ready, 1, 100) == 0;
        hole->callers[hole->len++] = fd;
    }
}

static void close_hole(struct hole *hole)
{
    while (hole->len)
        close(hole->callers[--hole->len]);
    close(hole->listener);
}

static bool known(struct instance *i)
{
    report(i);
    return i->probed.accepted;
}

/* ---- what is asked, and what comes of it
 * ---------------------------------------------------------- */

START_TEST(late_instance_that_accepts_no_more_is_found_dead)
{
    uint16_t port = tk_free_port();
    int listener = listen_at(port, 10);
    struct instance *i = add("a", port);
    ck_assert(becomes(known(i)));
    close(listener);
    report(i);
    int64_t last = clock_ms();
    ck_assert(becomes(i->probed.dead));
    ck_assert_int_ge(i->probed.dead - last, AFTER_MS);
    ck_assert(liveness_silent(&liveness, i, clock_ms()));
    ck_assert_uint_eq(atomic_load(&counters.dead), 1);
}
END_TEST

/* Its patience ends before two further questions could be asked: one is enough. */
START_TEST(instance_that_reports_often_is_asked_as_well_when_it_is_late)
{
    enum { RARE_MS = 2000, PATIENCE_MS = AFTER_MS + 2 * RARE_MS };
    teardown();
    struct probe_rules rules = usual;
    rules.interval_ms = RARE_MS;
    open_prober(rules);
    liveness.rules.minimum_ms = liveness.rules.unknown_ms = PATIENCE_MS;
    uint16_t port = tk_free_port();
    int listener = listen_at(port, 10);
    struct instance *i = add("a", port);
    ck_assert(becomes(known(i)));
    ck_assert(becomes((report(i), clock_ms() > i->probed.next)));
    close(listener);
    report(i);
    int64_t last = clock_ms();
    ck_assert(becomes(i->probed.dead));
    ck_assert_int_lt(i->probed.dead - last, PATIENCE_MS);
}
END_TEST

/* Its machine is there and its port is open: the reports decide. */
START_TEST(instance_that_accepts_and_never_answers_is_left_to_its_deadline)
{
    uint16_t port = tk_free_port();
    int listener = listen_at(port, 1000);
    struct instance *i = add("a", port);
    ck_assert(becomes(known(i)));
    uint64_t before = atomic_load(&counters.connects);
    ck_assert(becomes(atomic_load(&counters.connects) >= before + 5));
    ck_assert(!liveness_silent(&liveness, i, clock_ms()));
    ck_assert_int_eq(liveness_patience(&liveness, i), LONG_MS);
    ck_assert(liveness_silent(&liveness, i, clock_ms() + LONG_MS + 1));
    close(listener);
}
END_TEST

START_TEST(black_hole_is_found_dead_after_two_attempts)
{
    uint16_t port = tk_free_port();
    struct hole hole = {.listener = listen_at(port, 0)};
    struct instance *i = add("a", port);
    ck_assert(becomes(known(i)));
    fill(&hole, port);
    report(i);
    int64_t last = clock_ms();
    ck_assert(becomes(i->probed.dead));
    ck_assert_int_ge(i->probed.dead - last, AFTER_MS + 2 * TIMEOUT_MS);
    close_hole(&hole);
}
END_TEST

START_TEST(what_never_accepted_is_never_found_dead)
{
    uint16_t port = tk_free_port();
    struct instance *i = add("a", port);
    for (int64_t end = tk_ms() + 3 * AFTER_MS; tk_ms() < end; report(i))
        run_for(TICK_MS); /* it reports, so it is asked, in vain */
    ck_assert(becomes(i->probed.misses == 1));
    uint64_t asked = atomic_load(&counters.connects);
    run_for(AFTER_MS + 10 * INTERVAL_MS);
    ck_assert_uint_eq(atomic_load(&counters.connects), asked);
    ck_assert(!i->probed.dead);
    ck_assert(!liveness_silent(&liveness, i, clock_ms()));
}
END_TEST

START_TEST(punctual_instance_is_asked_once_and_then_left_in_peace)
{
    uint16_t port = tk_free_port();
    int listener = listen_at(port, 10);
    struct instance *i = add("a", port);
    ck_assert(becomes(known(i)));
    for (int64_t end = tk_ms() + 10 * INTERVAL_MS; tk_ms() < end; report(i))
        run_for(TICK_MS);
    ck_assert_uint_eq(atomic_load(&counters.connects), 1);
    close(listener);
}
END_TEST

START_TEST(report_takes_the_verdict_back_and_it_must_accept_again_first)
{
    uint16_t port = tk_free_port();
    int listener = listen_at(port, 10);
    struct instance *i = add("a", port);
    ck_assert(becomes(known(i)));
    close(listener);
    ck_assert(becomes(i->probed.dead));
    report(i);
    ck_assert(!liveness_silent(&liveness, i, clock_ms()));
    ck_assert(!i->probed.accepted);
    run_for(AFTER_MS + 5 * INTERVAL_MS);
    ck_assert_uint_eq(atomic_load(&counters.dead), 1);
}
END_TEST

START_TEST(verdict_of_the_time_before_we_were_away_does_not_count)
{
    uint16_t port = tk_free_port();
    int listener = listen_at(port, 10);
    struct instance *i = add("a", port);
    ck_assert(becomes(known(i)));
    close(listener);
    ck_assert(becomes(i->probed.dead));
    liveness_away(&liveness, clock_ms());
    ck_assert(!liveness_silent(&liveness, i, clock_ms()));
}
END_TEST

START_TEST(other_endpoint_must_accept_first)
{
    uint16_t port = tk_free_port();
    int listener = listen_at(port, 10);
    struct instance *i = add("a", port);
    ck_assert(becomes(known(i)));
    add("a", tk_free_port());
    ck_assert(!i->probed.accepted);
    run_for(AFTER_MS + 10 * INTERVAL_MS);
    ck_assert(!i->probed.dead);
    close(listener);
}
END_TEST

START_TEST(instance_of_another_registry_is_not_asked)
{
    uint16_t port = tk_free_port();
    int listener = listen_at(port, 10);
    add("a", port)->reports.ours = false;
    run_for(10 * INTERVAL_MS);
    ck_assert_uint_eq(atomic_load(&counters.connects), 0);
    close(listener);
}
END_TEST

START_TEST(nobody_is_asked_when_it_is_switched_off)
{
    teardown();
    open_prober((struct probe_rules){.after_ms = AFTER_MS, .limit = LIMIT});
    uint16_t port = tk_free_port();
    int listener = listen_at(port, 10);
    add("a", port);
    run_for(10 * INTERVAL_MS);
    ck_assert_uint_eq(atomic_load(&counters.connects), 0);
    close(listener);
}
END_TEST

START_TEST(nothing_is_sent)
{
    uint16_t port = tk_free_port();
    int listener = listen_at(port, 10);
    struct instance *i = add("a", port);
    ck_assert(becomes(known(i)));
    int fd = accept(listener, NULL, NULL);
    char byte;
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
    close(fd);
    close(listener);
}
END_TEST

/* ---- many, and too little
 * ------------------------------------------------------------------------- */

START_TEST(thousands_late_at_once_hold_few_connections)
{
    enum { MANY = 3000 };
    uint16_t port = tk_free_port();
    struct hole hole = {.listener = listen_at(port, 0)};
    for (int n = 0; n < MANY; n++)
        add(tk_text("i%d", n), port)->probed.accepted = true;
    fill(&hole, port);
    size_t at = 0, dead = 0;
    ck_assert(becomes(atomic_load(&counters.dead) >= (uint64_t)2 * LIMIT));
    for (struct instance *i; table_next(table, &at, &i);)
        dead += i->probed.dead != 0;
    ck_assert_uint_eq(dead, atomic_load(&counters.dead));
    ck_assert_uint_eq(most_open, LIMIT);
    close_hole(&hole);
}
END_TEST

START_TEST(one_instance_is_asked_no_oftener_than_the_interval_says)
{
    uint16_t port = tk_free_port();
    int listener = listen_at(port, 1000);
    struct instance *i = add("a", port);
    ck_assert(becomes(known(i)));
    int64_t began = tk_ms();
    uint64_t before = atomic_load(&counters.connects);
    ck_assert(becomes(atomic_load(&counters.connects) >= before + 8));
    ck_assert_int_ge(tk_ms() - began, 7 * INTERVAL_MS);
    close(listener);
}
END_TEST

/* Registrations come from the network: nobody makes the registry look for open ports. */
START_TEST(instance_that_changes_its_endpoint_all_the_time_is_not_asked_oftener)
{
    struct instance *i = add("a", tk_free_port());
    for (int64_t end = tk_ms() + SOON_MS; !i->probed.misses && tk_ms() < end; report(i))
        run_for(TICK_MS);
    uint64_t asked = atomic_load(&counters.connects);
    ck_assert_uint_eq(asked, 2); /* both attempts */
    for (uint16_t port = 20000; port < 20050; port++) {
        add("a", port);
        run_for(TICK_MS);
    }
    ck_assert_uint_eq(atomic_load(&counters.connects), asked);
}
END_TEST

START_TEST(lack_of_descriptors_is_nobodys_death)
{
    uint16_t port = tk_free_port();
    int listener = listen_at(port, 100);
    struct rlimit before, none;
    struct instance *i = add("a", port);
    ck_assert(becomes(known(i)));
    close(listener);
    getrlimit(RLIMIT_NOFILE, &before);
    none = (struct rlimit){0, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    run_for(AFTER_MS + 10 * INTERVAL_MS);
    setrlimit(RLIMIT_NOFILE, &before);
    ck_assert(!i->probed.dead);
    ck_assert(becomes(i->probed.dead));
}
END_TEST

START_TEST(instance_that_vanishes_while_it_is_asked_is_harmless)
{
    uint16_t port = tk_free_port();
    struct hole hole = {.listener = listen_at(port, 0)};
    struct instance *i = add("a", port);
    i->probed.accepted = true;
    fill(&hole, port);
    ck_assert(becomes(atomic_load(&counters.open) == 1));
    table_remove(table, i);
    ck_assert(becomes(atomic_load(&counters.open) == 0));
    ck_assert_uint_eq(atomic_load(&counters.dead), 0);
    close_hole(&hole);
}
END_TEST

/* ---- addresses
 * ------------------------------------------------------------------------------------ */

static bool asks(const char *endpoint, bool loopback)
{
    struct adapter adapters[] = {{.endpoint = tars_str("udp -h 10.0.0.9 -p 9")},
                                 {.endpoint = tars_str(endpoint)}};
    struct record record = {.adapter_count = 2, .adapters = adapters};
    struct sockaddr_storage address;
    socklen_t len;
    return probe_address(&record, loopback, &address, &len);
}

START_TEST(only_addresses_of_other_machines_are_asked)
{
    static const char *const never[] = {
        "tcp -h 0.0.0.0 -p 80",    "tcp -h 169.254.169.254 -p 80",
        "tcp -h 224.0.0.1 -p 80",  "tcp -h 255.255.255.255 -p 80",
        "tcp -h :: -p 80",         "tcp -h fe80::1 -p 80",
        "tcp -h ff02::1 -p 80",    "tcp -h ::ffff:127.0.0.1 -p 80",
        "tcp -h a.host -p 80",     "udp -h 10.0.0.1 -p 80",
        "tcp -h /run/socket -p 0", "nonsense",
    };
    for (size_t k = 0; k < sizeof never / sizeof *never; k++)
        ck_assert_msg(!asks(never[k], true), "%s is asked", never[k]);
    ck_assert(asks("tcp -h 10.0.0.1 -p 80", false));
    ck_assert(asks("ssl -h 2001:db8::1 -p 443", false));
    ck_assert(!asks("tcp -h 127.0.0.1 -p 80", false));
    ck_assert(!asks("tcp -h ::1 -p 80", false));
    ck_assert(asks("tcp -h 127.0.0.1 -p 80", true));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("registry_probe");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, late_instance_that_accepts_no_more_is_found_dead);
    tcase_add_test(tc, instance_that_reports_often_is_asked_as_well_when_it_is_late);
    tcase_add_test(tc, instance_that_accepts_and_never_answers_is_left_to_its_deadline);
    tcase_add_test(tc, black_hole_is_found_dead_after_two_attempts);
    tcase_add_test(tc, what_never_accepted_is_never_found_dead);
    tcase_add_test(tc, punctual_instance_is_asked_once_and_then_left_in_peace);
    tcase_add_test(tc, report_takes_the_verdict_back_and_it_must_accept_again_first);
    tcase_add_test(tc, verdict_of_the_time_before_we_were_away_does_not_count);
    tcase_add_test(tc, other_endpoint_must_accept_first);
    tcase_add_test(tc, instance_of_another_registry_is_not_asked);
    tcase_add_test(tc, nobody_is_asked_when_it_is_switched_off);
    tcase_add_test(tc, nothing_is_sent);
    tcase_add_test(tc, thousands_late_at_once_hold_few_connections);
    tcase_add_test(tc, one_instance_is_asked_no_oftener_than_the_interval_says);
    tcase_add_test(tc, instance_that_changes_its_endpoint_all_the_time_is_not_asked_oftener);
    tcase_add_test(tc, lack_of_descriptors_is_nobodys_death);
    tcase_add_test(tc, instance_that_vanishes_while_it_is_asked_is_harmless);
    tcase_add_test(tc, only_addresses_of_other_machines_are_asked);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
