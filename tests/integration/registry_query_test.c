/* SPDX-License-Identifier: BSD-3-Clause */
/* QueryObj over real sockets, from a table made by the test: no store, no daemon. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <tars/server.h>

#include "QueryF.h"
#include "rpc/packet.h"
#include "tarsregistry/query.h"
#include "testkit.h"

/* ---- counting allocations: every one of another thread than the test's
 * ---------------------------- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTING 0
#else
#define COUNTING 1
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static _Atomic size_t allocations;
static _Thread_local bool is_test_thread;

void *malloc(size_t size)
{
    if (!is_test_thread)
        atomic_fetch_add(&allocations, 1);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    if (!is_test_thread)
        atomic_fetch_add(&allocations, 1);
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    if (!is_test_thread)
        atomic_fetch_add(&allocations, 1);
    return __libc_realloc(old, size);
}
#endif

/* ---- a server
 * ---------------------------------------------------------------------------------------- */

static struct registry registry;
static struct tars_server *server;
static struct query *query;
static struct tars_arena *arena;
static uint16_t port;
static int fd = -1;

static void add(const char *servant, const char *host, int n, const char *set, const char *grouped,
                enum present_state present)
{
    char id[128], endpoint[128];
    snprintf(id, sizeof id, "App|Server|%s-%d", host, n);
    snprintf(endpoint, sizeof endpoint, "tcp -h %s -p %d -t 3000", host, n);
    struct adapter adapter = {.servant = tars_str(servant), .endpoint = tars_str(endpoint)};
    struct record record = {.application = tars_str("App"),
                            .server_name = tars_str("Server"),
                            .node_name = tars_str(host),
                            .setting_state = tars_str("active"),
                            .enable_group = tars_str(grouped),
                            .enable_set = tars_str(set ? "Y" : "N"),
                            .set_name = tars_str("n"),
                            .set_area = tars_str("a"),
                            .set_group = tars_str(set),
                            .adapter_count = 1,
                            .adapters = &adapter};
    struct instance *i = table_add(registry.table, tars_str(id), INSTANCE_SERVER);
    table_set_record(registry.table, i, record_copy(&record));
    table_set_present(registry.table, i, present, 1);
}

static void fill(void)
{
    struct tars_str one[] = {tars_str("10.0.1.*")}, two[] = {tars_str("127.0.0.1")};
    int32_t first[] = {1};
    struct group_rule rules[] = {{.name = tars_str("one"), .id = 1, .allow = {1, one}},
                                 {.name = tars_str("two"), .id = 2, .allow = {1, two}}};
    struct group_priority priority = {.station = tars_str("east"), .groups = {1, first}};
    table_set_groups(registry.table, registry.snapshots, groups_new(rules, 2, &priority, 1));
    for (int n = 1; n <= 10; n++)
        add("App.Server.TenObj", "10.0.9.9", n, NULL, "N", STATE_ACTIVE);
    add("App.Server.MixObj", "10.0.1.1", 1, NULL, "Y", STATE_ACTIVE);
    add("App.Server.MixObj", "127.0.0.1", 2, NULL, "Y", STATE_ACTIVE);
    add("App.Server.MixObj", "10.0.7.7", 3, NULL, "N", STATE_INACTIVE);
    add("App.Server.SetObj", "10.0.8.1", 1, "1", "N", STATE_ACTIVE);
    add("App.Server.SetObj", "10.0.8.1", 2, "2", "N", STATE_ACTIVE);
    table_publish(registry.table, registry.snapshots);
}

static void setup(void)
{
    struct tars_error error;
#if COUNTING
    is_test_thread = true;
#endif
    arena = tars_arena_new(0);
    struct tars_conf *conf = tars_conf_parse(
        tars_str("<tars>\n<application>\n<server>\napp=tars\nserver=tarsregistry\n"
                 "<QueryAdapter>\nservant=tars.tarsregistry.QueryObj\n"
                 "endpoint=tcp -h 127.0.0.1 -p 0 -t 10000\nthreads=2\n</QueryAdapter>\n"
                 "</server>\n</application>\n</tars>\n"),
        &error);
    ck_assert_msg(conf != NULL, "%s", error.text);
    server = tars_server_new_conf(conf);
    tars_conf_free(conf);
    registry.settings.trust_node_name = true;
    registry.settings.workers = tars_server_workers(server);
    registry.table = table_new();
    registry.snapshots = snapshots_new(registry.settings.workers);
    fill();
    query = query_serve(server, &registry);
    ck_assert_msg(tars_server_start(server, &error), "%s", error.text);
    port = tars_server_port(server, "tars.tarsregistry.QueryObj");
    fd = tk_connect(port);
}

static void teardown(void)
{
    close(fd);
    tars_server_stop(server, 1000);
    tars_server_free(server);
    query_free(query);
    snapshots_free(registry.snapshots);
    table_free(registry.table);
    tars_arena_free(arena);
}

/* ---- asking
 * ------------------------------------------------------------------------------------------ */

static struct rpc_request request_of(const char *function, struct tars_str body)
{
    return (struct rpc_request){.version = RPC_TARS,
                                .id = 7,
                                .servant = tars_str("tars.tarsregistry.QueryObj"),
                                .function = tars_str(function),
                                .body = body,
                                .timeout_ms = 3000};
}

static struct tars_str body_of(const char *id, const char *argument)
{
    struct tars_writer w;
    tars_writer_init(&w);
    tars_write_str(&w, 1, tars_str(id));
    if (argument)
        tars_write_str(&w, 2, tars_str(argument));
    struct tars_str body = tars_arena_copy(arena, tars_str_n(w.at, w.len));
    tars_writer_free(&w);
    return body;
}

static struct rpc_response ask_with(const struct rpc_request *request)
{
    struct rpc_response response = {0};
    struct tars_error error;
    struct tars_writer w;
    size_t len;
    tars_writer_init(&w);
    rpc_request_write(&w, request);
    ck_assert(tk_send(fd, w.at, w.len));
    uint8_t *frame = tk_read_frame(fd, 5000, &len);
    ck_assert_ptr_nonnull(frame);
    struct tars_str kept = tars_arena_copy(arena, tars_str_n(frame, len));
    free(frame);
    bool good = rpc_version_is_tup(request->version)
                    ? rpc_tup_response_read(kept, arena, &response, &error)
                    : rpc_response_read(kept, arena, &response, &error);
    ck_assert_msg(good, "%s", error.text);
    tars_writer_free(&w);
    return response;
}

static struct rpc_response ask(const char *function, const char *id, const char *argument)
{
    struct rpc_request request = request_of(function, body_of(id, argument));
    return ask_with(&request);
}

static bool read_list(struct tars_reader *r, uint8_t tag, struct tarsf_endpoint_f_list *list)
{
    size_t count;
    if (tars_read_list(r, tag, TARS_REQUIRE, 2, &count) != TARS_FOUND)
        return false;
    list->at = tars_reader_alloc(r, count + 1, sizeof *list->at);
    list->len = count;
    for (size_t i = 0; i < count; i++)
        if (!tarsf_endpoint_f_read(r, 0, TARS_REQUIRE, &list->at[i]))
            return false;
    tars_read_end(r);
    return true;
}

/* "0:1,2/3" from the body of an answer whose lists begin with `tag`. */
static const char *text_of(const struct rpc_response *response, uint8_t tag)
{
    struct tars_reader r;
    struct tarsf_endpoint_f_list list = {0, NULL};
    int32_t ret = 0;
    ck_assert_int_eq(response->ret, 0);
    tars_reader_init(&r, response->body.at, response->body.len, arena);
    ck_assert(tars_read_int32(&r, 0, TARS_REQUIRE, &ret));
    char *text = tars_arena_printf(arena, "%d:", ret);
    for (uint8_t k = 0; k < 2; k++) {
        ck_assert(read_list(&r, (uint8_t)(tag + k), &list));
        for (size_t i = 0; i < list.len; i++)
            text = tars_arena_printf(arena, "%s%s%d", text, i ? "," : "", list.at[i].port);
        text = tars_arena_printf(arena, "%s%s", text, k ? "" : "/");
    }
    ck_assert_ptr_eq(r.at, r.end);
    return text;
}

#define ASK(tag_, ...) text_of(&(struct rpc_response[]){ask(__VA_ARGS__)}[0], tag_)

START_TEST(every_find_function_answers)
{
    ck_assert_str_eq(ASK(2, "findObjectById4Any", "App.Server.MixObj", NULL), "0:1,2/3");
    ck_assert_str_eq(ASK(2, "findObjectById4All", "App.Server.MixObj", NULL), "0:2/");
    ck_assert_str_eq(ASK(2, "findObjectByIdInSameGroup", "App.Server.MixObj", NULL), "0:2/");
    ck_assert_str_eq(ASK(3, "findObjectByIdInSameStation", "App.Server.MixObj", "east"), "0:1/");
    ck_assert_str_eq(ASK(3, "findObjectByIdInSameSet", "App.Server.SetObj", "n.a.2"), "0:2/");
    struct rpc_response list = ask("findObjectById", "App.Server.TenObj", NULL);
    struct tarsf_endpoint_f_list active;
    struct tars_reader r;
    tars_reader_init(&r, list.body.at, list.body.len, arena);
    ck_assert(read_list(&r, 0, &active));
    ck_assert_uint_eq(active.len, 10);
}
END_TEST

START_TEST(unknown_object_is_no_error_in_any_function)
{
    ck_assert_str_eq(ASK(2, "findObjectById4Any", "No.Such.Obj", NULL), "0:/");
    ck_assert_str_eq(ASK(2, "findObjectById4All", "No.Such.Obj", NULL), "0:/");
    ck_assert_str_eq(ASK(2, "findObjectByIdInSameGroup", "No.Such.Obj", NULL), "0:/");
    ck_assert_str_eq(ASK(3, "findObjectByIdInSameStation", "No.Such.Obj", "east"), "0:/");
    ck_assert_str_eq(ASK(3, "findObjectByIdInSameSet", "No.Such.Obj", "n.a.1"), "0:/");
}
END_TEST

START_TEST(unknown_station_and_impossible_set_are_refused)
{
    ck_assert_str_eq(ASK(3, "findObjectByIdInSameStation", "App.Server.MixObj", "west"), "-1:/");
    ck_assert_str_eq(ASK(3, "findObjectByIdInSameStation", "No.Such.Obj", "west"), "-1:/");
    ck_assert_str_eq(ASK(3, "findObjectByIdInSameSet", "App.Server.SetObj", "n.a"), "-1:/");
    ck_assert_str_eq(ASK(3, "findObjectByIdInSameSet", "App.Server.SetObj", "n.b.1"), "-1:/");
}
END_TEST

START_TEST(caller_is_where_its_context_says_else_where_it_comes_from)
{
    struct tars_str_pair pair = {tars_str("node_name"), tars_str("10.0.1.77")};
    struct rpc_request request = request_of("findObjectByIdInSameGroup",
                                            body_of("App.Server.MixObj", NULL));
    request.context = (struct tars_str_map){1, &pair};
    struct rpc_response response = ask_with(&request);
    ck_assert_str_eq(text_of(&response, 2), "0:1/");
    const struct tars_str *echoed = tars_str_map_get(&response.context, "node_name");
    ck_assert(echoed && tars_str_is(*echoed, "10.0.1.77"));
    pair.value = tars_str("");
    response = ask_with(&request);
    ck_assert_str_eq(text_of(&response, 2), "0:2/");
}
END_TEST

/* Weakness 10: the caller's word about itself can be left out of account. */
START_TEST(callers_word_can_be_distrusted)
{
    struct tars_str_pair pair = {tars_str("node_name"), tars_str("10.0.1.77")};
    struct rpc_request request = request_of("findObjectByIdInSameGroup",
                                            body_of("App.Server.MixObj", NULL));
    request.context = (struct tars_str_map){1, &pair};
    registry.settings.trust_node_name = false;
    struct rpc_response response = ask_with(&request);
    registry.settings.trust_node_name = true;
    ck_assert_str_eq(text_of(&response, 2), "0:2/");
}
END_TEST

START_TEST(malformed_request_is_a_decoding_error)
{
    struct rpc_request request = request_of("findObjectById4Any", tars_str_n("\x16\x7f", 2));
    ck_assert_int_eq(ask_with(&request).ret, TARS_RET_DECODE);
    request = request_of("findObjectById4Any", tars_str(NULL));
    ck_assert_int_eq(ask_with(&request).ret, TARS_RET_DECODE);
    request = request_of("noSuchFunction", tars_str(NULL));
    ck_assert_int_eq(ask_with(&request).ret, TARS_RET_NO_FUNCTION);
}
END_TEST

START_TEST(enterprise_functions_are_known_and_say_no)
{
    static const char *const names[] = {"findObjectNodeName", "registerChange", "registerQuery",
                                        "getLocker"};
    for (size_t k = 0; k < 4; k++) {
        const struct tars_function *f = tars_interface_find(&tarsf_query_f_interface,
                                                            tars_str(names[k]));
        struct tars_writer w;
        struct tars_error error;
        tars_writer_init(&w);
        void *args = tars_arena_alloc(arena, f->args_size);
        tars_args_write_request(f, 1, args, &w);
        struct rpc_request request = request_of(names[k], tars_str_n(w.at, w.len));
        struct rpc_response response = ask_with(&request);
        ck_assert_int_eq(response.ret, 0);
        ck_assert_msg(tars_args_read_response(f, 1, response.body, arena, args, &error), "%s",
                      error.text);
        struct tars_reader r;
        int32_t ret = 0;
        tars_reader_init(&r, response.body.at, response.body.len, arena);
        ck_assert(tars_read_int32(&r, 0, TARS_REQUIRE, &ret));
        ck_assert_int_eq(ret, -1);
        tars_writer_free(&w);
    }
}
END_TEST

/* TUP and JSON callers get the same lists through the generated code. */
START_TEST(other_body_forms_get_the_same_answers)
{
    struct rpc_response one = ask("findObjectById4Any", "App.Server.MixObj", NULL);
    const struct tars_function *f = tars_interface_find(&tarsf_query_f_interface,
                                                        tars_str("findObjectById4Any"));
    static const int versions[] = {3, 5};
    for (size_t k = 0; k < 2; k++) {
        struct tars_error error;
        struct tars_writer w, again;
        void *args = tars_arena_alloc(arena, f->args_size);
        tars_writer_init(&w);
        tars_writer_init(&again);
        ck_assert(
            tars_args_read_request(f, 1, body_of("App.Server.MixObj", NULL), arena, args, &error));
        tars_args_write_request(f, versions[k], args, &w);
        struct rpc_request request = request_of("findObjectById4Any", tars_str_n(w.at, w.len));
        request.version = (int16_t)versions[k];
        struct rpc_response response = ask_with(&request);
        ck_assert_msg(tars_args_read_response(f, versions[k], response.body, arena, args, &error),
                      "version %d: %s", versions[k], error.text);
        tars_args_write_response(f, 1, tars_str(NULL), args, &again);
        ck_assert_uint_eq(again.len, one.body.len);
        ck_assert_mem_eq(again.at, one.body.at, again.len);
        tars_writer_free(&w);
        tars_writer_free(&again);
    }
}
END_TEST

static void count_into(void *user, const char *function, uint64_t calls)
{
    uint64_t *all = user;
    (void)function;
    *all += calls;
}

START_TEST(lookups_are_counted)
{
    uint64_t all = 0;
    for (int k = 0; k < 5; k++)
        ask("findObjectById4Any", "App.Server.TenObj", NULL);
    query_counts(query, count_into, &all);
    ck_assert_uint_eq(all, 5);
}
END_TEST

#if COUNTING
START_TEST(lookup_allocates_nothing)
{
    struct rpc_request requests[] = {
        request_of("findObjectById4Any", body_of("App.Server.TenObj", NULL)),
        request_of("findObjectById", body_of("App.Server.TenObj", NULL)),
        request_of("findObjectByIdInSameGroup", body_of("App.Server.MixObj", NULL)),
        request_of("findObjectByIdInSameSet", body_of("App.Server.SetObj", "n.a.1"))};
    for (int k = 0; k < 100; k++)
        ask_with(&requests[k % 4]); /* buffers grow to their size */
    size_t before = atomic_load(&allocations);
    for (int k = 0; k < 1000; k++) {
        ask_with(&requests[k % 4]);
        tars_arena_reset(arena);
        for (int q = 0; q < 4; q++)
            requests[q].body = q < 2    ? body_of("App.Server.TenObj", NULL)
                               : q == 2 ? body_of("App.Server.MixObj", NULL)
                                        : body_of("App.Server.SetObj", "n.a.1");
    }
    ck_assert_uint_eq(atomic_load(&allocations) - before, 0);
}
END_TEST
#endif

int main(void)
{
    Suite *suite = suite_create("registry_query");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, every_find_function_answers);
    tcase_add_test(tc, unknown_object_is_no_error_in_any_function);
    tcase_add_test(tc, unknown_station_and_impossible_set_are_refused);
    tcase_add_test(tc, caller_is_where_its_context_says_else_where_it_comes_from);
    tcase_add_test(tc, callers_word_can_be_distrusted);
    tcase_add_test(tc, malformed_request_is_a_decoding_error);
    tcase_add_test(tc, enterprise_functions_are_known_and_say_no);
    tcase_add_test(tc, other_body_forms_get_the_same_answers);
    tcase_add_test(tc, lookups_are_counted);
#if COUNTING
    tcase_add_test(tc, lookup_allocates_nothing);
#endif
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
