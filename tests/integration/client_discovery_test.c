/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding endpoints through a registry that answers, lies, stalls and dies; and fail-over. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <tars/client.h>
#include <tars/server.h>

#include "base/xmalloc.h"
#include "peer.h"
#include "rpc/client.h"
#include "testkit.h"

/* ---- a registry by script ---------------------------------------------------------------------
 */

enum { LIST_MAX = 8 };

struct registry {
    pthread_mutex_t lock;
    uint16_t ports[LIST_MAX]; /* of the active endpoints */
    int weights[LIST_MAX];    /* 0: none */
    size_t count;
    int32_t ret;
    bool silent;
    _Atomic int asked;
    char function[64], object[64], set[64], node_name[64];
};

static void write_endpoint(struct tars_writer *w, uint16_t port, int weight)
{
    tars_write_struct_begin(w, 0);
    tars_write_str(w, 0, tars_str("127.0.0.1"));
    tars_write_int32(w, 1, port);
    tars_write_int32(w, 2, 60000);
    tars_write_int32(w, 3, 1);
    tars_write_int32(w, 4, 0);
    tars_write_int32(w, 11, weight);
    tars_write_int32(w, 12, weight > 0);
    tars_write_struct_end(w);
}

static void keep(char *to, struct tars_str text)
{
    snprintf(to, 64, "%" TARS_STR_FMT, TARS_STR_ARG(text));
}

static void note(struct registry *r, const struct rpc_request *q, bool in_set)
{
    const struct tars_str *node = tars_str_map_get(&q->context, "node_name");
    struct tars_str object = {0}, set = {0};
    struct tars_reader reader;

    tars_reader_init(&reader, q->body.at, q->body.len, NULL);
    if (!tars_read_str(&reader, 1, TARS_REQUIRE, &object) ||
        !tars_read_str(&reader, 2, in_set, &set))
        abort();
    keep(r->function, q->function);
    keep(r->object, object);
    keep(r->set, set);
    keep(r->node_name, node ? *node : tars_str("-"));
    r->asked++;
}

static void serve_registry(void *user, int fd, unsigned nth)
{
    struct registry *r = user;
    struct tars_arena *a = tars_arena_new(0);
    struct tars_writer body;
    struct rpc_request q;
    uint8_t *frame;

    (void)nth;
    tars_writer_init(&body);
    while (peer_read(fd, a, &frame, &q)) {
        bool in_set = tars_str_is(q.function, "findObjectByIdInSameSet"), silent;

        pthread_mutex_lock(&r->lock);
        note(r, &q, in_set);
        silent = r->silent;
        tars_writer_reset(&body);
        tars_write_int32(&body, 0, r->ret);
        tars_write_list(&body, in_set ? 3 : 2, r->count);
        for (size_t i = 0; i < r->count; i++)
            write_endpoint(&body, r->ports[i], r->weights[i]);
        tars_write_list(&body, in_set ? 4 : 3, 0);
        pthread_mutex_unlock(&r->lock);
        if (!silent)
            peer_answer(fd, q.id, 0, body.at, body.len, NULL);
        free(frame);
    }
    free(frame);
    tars_writer_free(&body);
    tars_arena_free(a);
}

static struct registry registry;

static void list(const struct peer *const *peers, size_t count)
{
    pthread_mutex_lock(&registry.lock);
    for (size_t i = 0; i < count; i++)
        registry.ports[i] = peer_port(peers[i]);
    registry.count = count;
    pthread_mutex_unlock(&registry.lock);
}

static void behave(int32_t ret, bool silent)
{
    pthread_mutex_lock(&registry.lock);
    registry.ret = ret;
    registry.silent = silent;
    pthread_mutex_unlock(&registry.lock);
}

/* ---- servers that say which one they are --------------------------------------------------------
 */

static _Atomic bool node_name_seen, set_seen;

static void note_call(const struct rpc_request *q)
{
    const struct tars_str *set = tars_str_map_get(&q->status, RPC_STATUS_SETNAME);

    node_name_seen = tars_str_map_get(&q->context, "node_name") != NULL;
    set_seen = set && tars_str_is(*set, "a.b.c") && (q->message_type & RPC_MESSAGE_SET);
}

static void say_name(void *user, int fd, unsigned nth)
{
    struct tars_arena *a = tars_arena_new(0);
    struct rpc_request q;
    uint8_t *frame;

    (void)nth;
    while (peer_read(fd, a, &frame, &q)) {
        note_call(&q);
        if (!tars_str_is(q.body, "hang"))
            peer_answer(fd, q.id, 0, user, 1, NULL);
        free(frame);
        tars_arena_reset(a);
    }
    free(frame);
    tars_arena_free(a);
}

static char name_a[] = "a", name_b[] = "b", name_s[] = "s", zero[] = "\x2c";
static struct peer *registry_peer, *a, *b;
static struct tars_client *client;
static struct rpc_client_conf settings;
static struct tars_arena *arena;

static void setup(void)
{
    memset(&registry, 0, sizeof registry);
    pthread_mutex_init(&registry.lock, NULL);
    registry_peer = peer_start(serve_registry, &registry);
    a = peer_start(say_name, name_a);
    b = peer_start(say_name, name_b);
    list((const struct peer *const[]){a, b}, 2);
    arena = tars_arena_new(0);
    client = NULL;
    rpc_client_conf_init(&settings, NULL);
    settings.locator = xstrdup(peer_object(registry_peer, "tars.tarsregistry.QueryObj"));
    settings.refresh_ms = 100;
    settings.refresh_failed_ms = 40;
    settings.refresh_failing_ms = 200;
    settings.refresh_empty_ms = 60;
    settings.refresh_timeout_ms = 400;
    settings.connect_retry_ms = 10;
    settings.connect_retry_max_ms = 50;
    settings.breaker.try_time_interval_ms = 300;
}

static void begin(void)
{
    client = rpc_client_new(&settings, NULL, NULL);
}

static void teardown(void)
{
    tars_client_free(client);
    rpc_client_conf_clear(&settings);
    peer_stop(registry_peer);
    if (a)
        peer_stop(a);
    if (b)
        peer_stop(b);
    tars_arena_free(arena);
    pthread_mutex_destroy(&registry.lock);
}

static struct tars_proxy *proxy(void)
{
    return tars_proxy_get(client, "Demo.Name.NameObj");
}

/* The name of the server that answered, or '!' (then `last` says why). */
static struct tars_result last;

static char ask(const char *body, int32_t timeout_ms)
{
    const struct tars_call_options options = {.timeout_ms = timeout_ms};
    struct tars_str answer;

    tars_arena_reset(arena);
    last = tars_proxy_call_raw_blocking(proxy(), "name", tars_str(body), arena, &answer, &options);
    return last.error == 0 && answer.len == 1 ? *answer.at : '!';
}

/* ---- lists ---------------------------------------------------------------------------------- */

START_TEST(an_object_is_found_by_name_and_calls_spread)
{
    int seen[256] = {0};

    begin();
    for (int i = 0; i < 100; i++)
        seen[(unsigned char)ask("x", 2000)]++;
    ck_assert_msg(seen['a'] == 50 && seen['b'] == 50, "%s", last.message);
    ck_assert_str_eq(registry.function, "findObjectByIdInSameGroup");
    ck_assert_str_eq(registry.object, "Demo.Name.NameObj");
}
END_TEST

START_TEST(framework_calls_carry_the_node_name_and_others_do_not)
{
    settings.node_name = xstrdup("node-7");
    begin();
    ck_assert_int_ne(ask("x", 2000), '!');
    ck_assert_str_eq(registry.node_name, "node-7");
    ck_assert(!node_name_seen);
    ck_assert(!set_seen);
}
END_TEST

START_TEST(a_client_in_a_set_asks_for_its_set_and_says_so_in_its_calls)
{
    settings.set = xstrdup("a.b.c");
    begin();
    ck_assert_int_ne(ask("x", 2000), '!');
    ck_assert_str_eq(registry.function, "findObjectByIdInSameSet");
    ck_assert_str_eq(registry.set, "a.b.c");
    ck_assert(set_seen);
}
END_TEST

START_TEST(a_proxy_can_ask_for_another_set)
{
    begin();
    ck_assert_int_ne(ask("x", 2000), '!');
    tars_proxy_set(proxy(), "x.y.z");
    ck_assert_int_ne(ask("x", 2000), '!');
    ck_assert_str_eq(registry.function, "findObjectByIdInSameSet");
    ck_assert_str_eq(registry.set, "x.y.z");
}
END_TEST

START_TEST(a_list_replaces_the_old_one)
{
    struct tars_endpoint known[4];

    begin();
    ck_assert_int_ne(ask("x", 2000), '!');
    ck_assert_uint_eq(tars_proxy_endpoints(proxy(), known, 4), 2);
    ck_assert_uint_eq(known[0].port, peer_port(a));
    list((const struct peer *const[]){b}, 1);
    ck_assert(tk_eventually(tars_proxy_endpoints(proxy(), known, 4) == 1, 2000));
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(ask("x", 2000), 'b');
}
END_TEST

static _Atomic int hung_error;
static _Atomic int hung_count;

static void on_hung(void *user, const struct tars_result *r, struct tars_str body)
{
    (void)user;
    (void)body;
    hung_error = r->error;
    hung_count++;
}

static void answer_slowly(void *user, int fd, unsigned nth)
{
    struct tars_arena *own = tars_arena_new(0);
    struct rpc_request q;
    uint8_t *frame;

    (void)nth;
    while (peer_read(fd, own, &frame, &q)) {
        tk_sleep(500);
        peer_answer(fd, q.id, 0, user, 1, NULL);
        free(frame);
    }
    free(frame);
    tars_arena_free(own);
}

START_TEST(an_endpoint_that_leaves_the_list_finishes_its_calls)
{
    struct peer *slow = peer_start(answer_slowly, name_s);

    list((const struct peer *const[]){slow}, 1);
    begin();
    hung_count = 0;
    hung_error = 99;
    tars_proxy_call_raw(proxy(), "name", tars_str("x"), NULL, on_hung, NULL);
    tk_sleep(100);
    list((const struct peer *const[]){b}, 1);
    ck_assert(tk_eventually(ask("x", 300) == 'b', 2000));
    ck_assert(tk_eventually(hung_count == 1, 2000));
    ck_assert_int_eq(hung_error, 0);
    peer_stop(slow);
}
END_TEST

START_TEST(the_old_list_stays_when_the_registry_answers_empty_fails_or_dies)
{
    int before;

    begin();
    ck_assert_int_ne(ask("x", 2000), '!');
    list(NULL, 0);
    before = registry.asked;
    ck_assert(tk_eventually(registry.asked > before + 2, 2000));
    ck_assert_int_ne(ask("x", 2000), '!');
    behave(-1, false);
    before = registry.asked;
    ck_assert(tk_eventually(registry.asked > before + 2, 2000));
    ck_assert_int_ne(ask("x", 2000), '!');
    behave(0, true);
    tk_sleep(600);
    ck_assert_int_ne(ask("x", 2000), '!');
    peer_stop(registry_peer);
    tk_sleep(300);
    ck_assert_int_ne(ask("x", 2000), '!');
    registry_peer = peer_start(serve_registry, &registry);
}
END_TEST

START_TEST(calls_wait_for_the_first_list_and_time_out_when_there_is_none)
{
    int64_t start;

    list(NULL, 0);
    begin();
    start = tk_ms();
    ck_assert_int_eq(ask("x", 300), '!');
    ck_assert_int_eq(last.error, TARS_RET_TIMEOUT);
    ck_assert_int_ge(tk_ms() - start, 295);
    ck_assert_ptr_nonnull(strstr(last.message, "no active endpoint"));
    list((const struct peer *const[]){a}, 1);
    ck_assert_int_eq(ask("x", 2000), 'a');
}
END_TEST

START_TEST(after_more_than_three_failures_calls_fail_at_once_until_it_recovers)
{
    int64_t start;

    behave(-1, false);
    begin();
    ck_assert_int_eq(ask("x", 5000), '!');
    ck_assert_int_eq(last.error, TARS_RET_NO_ENDPOINT);
    start = tk_ms();
    ck_assert_int_eq(ask("x", 5000), '!');
    ck_assert_int_eq(last.error, TARS_RET_NO_ENDPOINT);
    ck_assert_ptr_nonnull(strstr(last.message, "Demo.Name.NameObj"));
    ck_assert_int_lt(tk_ms() - start, 2000); /* not the call's own 5 s */
    behave(0, false);
    ck_assert(tk_eventually(ask("x", 1000) != '!', 3000));
}
END_TEST

START_TEST(an_answer_that_is_no_list_counts_as_a_failure)
{
    struct peer *liar = peer_start(say_name, zero);

    free(settings.locator);
    settings.locator = xstrdup(peer_object(liar, "tars.tarsregistry.QueryObj"));
    begin();
    ck_assert_int_eq(ask("x", 3000), '!');
    ck_assert_int_eq(last.error, TARS_RET_NO_ENDPOINT);
    peer_stop(liar);
}
END_TEST

/* ---- several registries --------------------------------------------------------------------- */

static void use_two(const char *first)
{
    char *both = xasprintf("tars.tarsregistry.QueryObj@%s:tcp -h 127.0.0.1 -p %u", first,
                           (unsigned)peer_port(registry_peer));

    free(settings.locator);
    settings.locator = both;
}

START_TEST(a_registry_that_is_down_is_passed_over)
{
    use_two(tk_text("tcp -h 127.0.0.1 -p %u", (unsigned)tk_free_port()));
    for (int i = 0; i < 4; i++) { /* whichever is asked first */
        struct rpc_client_conf copy = settings;

        copy.locator = xstrdup(settings.locator);
        client = rpc_client_new(&copy, NULL, NULL);
        ck_assert_msg(ask("x", 2000) != '!', "%s", last.message);
        tars_client_free(client);
        client = NULL;
    }
}
END_TEST

START_TEST(a_registry_that_hangs_does_not_use_up_the_callers_time)
{
    static struct registry hanging;
    struct peer *hung;

    pthread_mutex_init(&hanging.lock, NULL);
    hanging.silent = true;
    hung = peer_start(serve_registry, &hanging);
    use_two(tk_text("tcp -h 127.0.0.1 -p %u", (unsigned)peer_port(hung)));
    for (int i = 0; i < 4; i++) {
        struct rpc_client_conf copy = settings;

        copy.locator = xstrdup(settings.locator);
        client = rpc_client_new(&copy, NULL, NULL);
        ck_assert_msg(ask("x", 2000) != '!', "%s", last.message);
        tars_client_free(client);
        client = NULL;
    }
    peer_stop(hung);
}
END_TEST

/* ---- the cache file ------------------------------------------------------------------------- */

START_TEST(a_program_starts_from_its_cache_file_while_every_registry_is_down)
{
    const char *path = tk_text("%s/Demo.Client.endpoints", tk_dir());
    struct rpc_client_conf second = settings;
    struct tars_endpoint known[4];

    second.locator = xstrdup(settings.locator);
    second.cache_file = xstrdup(path);
    settings.cache_file = xstrdup(path);
    begin();
    ck_assert_int_ne(ask("x", 2000), '!');
    tars_client_free(client);
    peer_stop(registry_peer);
    client = rpc_client_new(&second, NULL, NULL);
    ck_assert_msg(ask("x", 2000) != '!', "%s", last.message);
    ck_assert_uint_eq(tars_proxy_endpoints(proxy(), known, 4), 2);
    registry_peer = peer_start(serve_registry, &registry);
}
END_TEST

/* ---- fail-over ------------------------------------------------------------------------------ */

START_TEST(a_server_that_dies_costs_no_call_that_was_not_sent_to_it)
{
    int failed = 0, seen[256] = {0};

    begin();
    for (int i = 0; i < 10; i++)
        ask("x", 2000);
    peer_stop(a);
    a = NULL;
    for (int i = 0; i < 100; i++) {
        char who = ask("x", 2000);

        failed += who == '!';
        seen[(unsigned char)who]++;
        tk_sleep(2);
    }
    ck_assert_int_eq(failed, 0);
    ck_assert_int_eq(seen['b'], 100);
}
END_TEST

START_TEST(a_hanging_server_is_put_aside_and_comes_back)
{
    int timeouts = 0, seen[256] = {0};

    begin();
    for (int i = 0; i < 4; i++)
        ask("x", 1000);
    for (int i = 0; i < 2 && timeouts == 0; i++) /* reaches one of them */
        timeouts += ask("hang", 100) == '!';
    ck_assert_int_eq(timeouts, 1);
    for (int i = 0; i < 20; i++)
        seen[(unsigned char)ask("x", 1000)]++;
    ck_assert_int_eq(seen['a'] == 20 || seen['b'] == 20, 1); /* only the other one */
    tk_sleep(350);
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < 20; i++)
        seen[(unsigned char)ask("x", 1000)]++;
    ck_assert_int_ge(seen['a'], 9);
    ck_assert_int_ge(seen['b'], 9);
}
END_TEST

START_TEST(static_weights_of_the_registry_decide_the_shares)
{
    int seen[256] = {0};

    registry.weights[0] = 75;
    registry.weights[1] = 25;
    begin();
    for (int i = 0; i < 100; i++)
        seen[(unsigned char)ask("x", 2000)]++;
    ck_assert_int_eq(seen['a'], 75);
    ck_assert_int_eq(seen['b'], 25);
}
END_TEST

START_TEST(a_hash_goes_to_the_same_server_each_time)
{
    begin();
    for (uint32_t hash = 0; hash < 20; hash++) {
        char first;

        tars_proxy_consistent_hash(proxy(), hash);
        first = ask("x", 2000);
        for (int i = 0; i < 5; i++)
            ck_assert_int_eq(ask("x", 2000), first);
    }
    tars_proxy_hash(proxy(), 4);
    ck_assert_int_ne(ask("x", 2000), '!');
}
END_TEST

START_TEST(without_any_usable_endpoint_the_message_names_object_places_and_reasons)
{
    uint16_t dead_a = peer_port(a), dead_b = peer_port(b);

    settings.connect_retry_ms = 2000;
    settings.connect_retry_max_ms = 2000;
    begin();
    ck_assert_int_ne(ask("x", 2000), '!');
    peer_stop(a);
    peer_stop(b);
    a = b = NULL;
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(ask("x", 1000), '!');
    ck_assert_int_eq(last.error, TARS_RET_NO_ENDPOINT);
    ck_assert_ptr_nonnull(strstr(last.message, "Demo.Name.NameObj"));
    ck_assert_ptr_nonnull(strstr(last.message, tk_text("-p %u", (unsigned)dead_a)));
    ck_assert_ptr_nonnull(strstr(last.message, tk_text("-p %u", (unsigned)dead_b)));
    ck_assert_ptr_nonnull(strstr(last.message, "refused"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client_discovery");
    TCase *t = tcase_create("registry");
    SRunner *runner;
    int failed;

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, an_object_is_found_by_name_and_calls_spread);
    tcase_add_test(t, framework_calls_carry_the_node_name_and_others_do_not);
    tcase_add_test(t, a_client_in_a_set_asks_for_its_set_and_says_so_in_its_calls);
    tcase_add_test(t, a_proxy_can_ask_for_another_set);
    tcase_add_test(t, a_list_replaces_the_old_one);
    tcase_add_test(t, an_endpoint_that_leaves_the_list_finishes_its_calls);
    tcase_add_test(t, the_old_list_stays_when_the_registry_answers_empty_fails_or_dies);
    tcase_add_test(t, calls_wait_for_the_first_list_and_time_out_when_there_is_none);
    tcase_add_test(t, after_more_than_three_failures_calls_fail_at_once_until_it_recovers);
    tcase_add_test(t, an_answer_that_is_no_list_counts_as_a_failure);
    tcase_add_test(t, a_registry_that_is_down_is_passed_over);
    tcase_add_test(t, a_registry_that_hangs_does_not_use_up_the_callers_time);
    tcase_add_test(t, a_program_starts_from_its_cache_file_while_every_registry_is_down);
    tcase_add_test(t, a_server_that_dies_costs_no_call_that_was_not_sent_to_it);
    tcase_add_test(t, a_hanging_server_is_put_aside_and_comes_back);
    tcase_add_test(t, static_weights_of_the_registry_decide_the_shares);
    tcase_add_test(t, a_hash_goes_to_the_same_server_each_time);
    tcase_add_test(t, without_any_usable_endpoint_the_message_names_object_places_and_reasons);
    suite_add_tcase(s, t);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
