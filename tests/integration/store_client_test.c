/* SPDX-License-Identifier: BSD-3-Clause */
/* The Elasticsearch client on the embedded store, and the store against hostile callers. */
#include "es/bulk.h"
#include "es/es.h"
#include "es/query.h"
#include "es/writer.h"

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop/loop.h"
#include "testkit.h"

/* ---- a store and a client
 * ------------------------------------------------------------------------- */

static const struct es_index indices[] = {
    {.name = "server",
     .mappings =
         "{\"dynamic\":\"strict\",\"properties\":{\"key\":{\"type\":\"keyword\"},"
         "\"n\":{\"type\":\"long\"},\"at\":{\"type\":\"date\",\"format\":\"epoch_millis\"}}}"}};

struct setting {
    uint16_t port;
    const char *data;
    struct tk_process *store;
    struct loop *loop;
    struct es_client *client;
};

static void start_store(struct setting *s, const char *more)
{
    const char *argv[] = {tk_program("tarselasticsearch"), "--data", s->data, NULL};
    const char *env[] = {tk_text("TARS_ELASTICSEARCH_PORT=%u", s->port),
                         "TARS_ELASTICSEARCH_HTTP_PORT=0", more, NULL};
    s->store = tk_spawn(argv, env, NULL);
    ck_assert(tk_wait_port(s->port, 10000));
}

static void start(struct setting *s, const char *more)
{
    struct tars_error error;
    *s = (struct setting){.port = tk_free_port(), .data = tk_text("%s/data", tk_dir())};
    start_store(s, more);
    s->loop = loop_new("es");
    ck_assert(loop_start(s->loop, &error));
    struct es_options options = {.nodes = tk_text("127.0.0.1:%u", s->port),
                                 .prefix = "tars_",
                                 .indices = indices,
                                 .index_count = 1};
    s->client = es_client_new(s->loop, &options, &error);
    ck_assert_msg(s->client != NULL, "%s", error.text);
}

static void free_client(void *arg)
{
    es_client_free(((struct setting *)arg)->client);
}

static void stop(struct setting *s)
{
    loop_call_wait(s->loop, free_client, s);
    loop_free(s->loop);
    ck_assert_int_eq(tk_stop(s->store, 10000), 0);
}

struct outcome {
    _Atomic bool came;
    enum es_status status;
    struct es_version version;
    int64_t n;
    char text[512];
};

static void on_result(void *user, const struct es_result *r)
{
    struct outcome *o = user;
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(r->doc.source, "n");
    o->status = r->status;
    o->version = r->doc.version;
    o->n = n ? (int64_t)n->valuedouble : -1;
    snprintf(o->text, sizeof o->text, "%s", r->error.text);
    atomic_store(&o->came, true);
}

static enum es_status wait_for(struct outcome *o)
{
    ck_assert(tk_eventually(atomic_load(&o->came), 30000));
    atomic_store(&o->came, false);
    return o->status;
}

/* ---- the client
 * --------------------------------------------------------------------------------------- */

START_TEST(compare_and_set_goes_by_the_version_that_was_read)
{
    struct setting s;
    struct outcome o = {.came = false};
    start(&s, NULL);
    es_create(s.client, "tars_server", "a|b/c", cJSON_Parse("{\"n\":1}"), 10000, on_result, &o);
    ck_assert_msg(wait_for(&o) == ES_OK, "%s", o.text);
    struct es_version first = o.version;
    es_create(s.client, "tars_server", "a|b/c", cJSON_Parse("{\"n\":2}"), 5000, on_result, &o);
    ck_assert_int_eq(wait_for(&o), ES_CONFLICT);
    es_put(s.client, "tars_server", "a|b/c", cJSON_Parse("{\"n\":3}"), &first, 5000, on_result, &o);
    ck_assert_int_eq(wait_for(&o), ES_OK);
    es_put(s.client, "tars_server", "a|b/c", cJSON_Parse("{\"n\":4}"), &first, 5000, on_result, &o);
    ck_assert_int_eq(wait_for(&o), ES_CONFLICT);
    es_get(s.client, "tars_server", "a|b/c", 5000, on_result, &o);
    ck_assert_int_eq(wait_for(&o), ES_OK);
    ck_assert_int_eq(o.n, 3);
    es_delete(s.client, "tars_server", "a|b/c", NULL, 5000, on_result, &o);
    ck_assert_int_eq(wait_for(&o), ES_OK);
    es_get(s.client, "tars_server", "a|b/c", 5000, on_result, &o);
    ck_assert_int_eq(wait_for(&o), ES_MISSING);
    es_put(s.client, "tars_server", "x", cJSON_Parse("{\"unknown\":4}"), NULL, 5000, on_result, &o);
    ck_assert_int_eq(wait_for(&o), ES_REFUSED);
    stop(&s);
}
END_TEST

static cJSON *count_up(void *user, const cJSON *source)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(source, "n");
    cJSON *next = cJSON_CreateObject();
    (void)user;
    cJSON_AddNumberToObject(next, "n", n ? n->valuedouble + 1 : 1);
    return next;
}

START_TEST(changes_side_by_side_lose_none)
{
    struct setting s;
    struct outcome o[4] = {{.came = false}};
    int done = 0;
    start(&s, NULL);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 4; i++)
            es_change(s.client, "tars_server", "counter", count_up, 10000, on_result, &o[i]);
        for (int i = 0; i < 4; i++)
            done += wait_for(&o[i]) == ES_OK;
    }
    es_get(s.client, "tars_server", "counter", 5000, on_result, &o[0]);
    ck_assert_int_eq(wait_for(&o[0]), ES_OK);
    ck_assert_int_eq(o[0].n, done);
    ck_assert_int_ge(done, 30);
    stop(&s);
}
END_TEST

struct walk {
    struct outcome outcome; /* of the end */
    size_t count, pages;
    int64_t last;
    bool ordered;
};

static bool on_page(void *user, const struct es_doc *docs, size_t count)
{
    struct walk *w = user;
    w->pages++;
    w->count += count;
    for (size_t i = 0; i < count; i++) {
        int64_t n = (int64_t)cJSON_GetObjectItemCaseSensitive(docs[i].source, "n")->valuedouble;
        w->ordered = w->ordered && n > w->last;
        w->last = n;
        ck_assert_int_ge(docs[i].version.seq_no, 0);
        ck_assert_str_eq(docs[i].index, "tars_server_v1");
    }
    return true;
}

static void on_bulk(void *user, const struct es_result *r, const struct es_item *items,
                    size_t count)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(items[i].status, ES_OK);
    on_result(user, r);
}

static void fill(struct setting *s, int count)
{
    struct outcome o = {.came = false};
    struct es_bulk *bulk = es_bulk_new();
    for (int i = 0; i < count; i++) {
        cJSON *source = cJSON_CreateObject();
        cJSON_AddNumberToObject(source, "n", i);
        cJSON_AddStringToObject(source, "key", tk_text("k%d", i));
        es_bulk_create(bulk, "tars_server", tk_text("k%d", i), source);
        cJSON_Delete(source);
    }
    es_bulk_send(s->client, bulk, true, 20000, on_bulk, &o);
    ck_assert_msg(wait_for(&o) == ES_OK, "%s", o.text);
}

START_TEST(all_pages_come_in_order_and_once)
{
    struct setting s;
    struct walk walk = {.last = -1, .ordered = true}, scroll = {.last = -1, .ordered = true};
    start(&s, NULL);
    fill(&s, 2500);
    cJSON *sort = es_sort();
    es_sort_add(sort, "n", true);
    es_sort_add(sort, "key", true);
    es_search_all(s.client, "tars_server", es_range("n", "gte", 100), sort, 700, 10000, on_page,
                  on_result, &walk);
    ck_assert_int_eq(wait_for(&walk.outcome), ES_OK);
    es_scroll_all(s.client, "tars_server", es_match_all(), 700, 10000, on_page, on_result, &scroll);
    ck_assert_int_eq(wait_for(&scroll.outcome), ES_OK);
    ck_assert_uint_eq(walk.count, 2400);
    ck_assert_uint_eq(walk.pages, 4);
    ck_assert(walk.ordered);
    ck_assert_uint_eq(scroll.count, 2500);
    stop(&s);
}
END_TEST

static void free_writer(void *writer)
{
    es_writer_free(writer);
}

static void flush(void *arg)
{
    void **args = arg;
    es_writer_flush(args[0], 5000, on_result, args[1]);
}

START_TEST(values_written_behind_arrive_as_the_last_ones)
{
    struct setting s;
    struct outcome o = {.came = false};
    struct es_writer_stats stats;
    start(&s, NULL);
    struct es_writer *writer = es_writer_new(s.client, "tars_server", 60000, 2);
    for (int i = 1; i <= 50; i++) {
        cJSON *fields = cJSON_CreateObject();
        cJSON_AddNumberToObject(fields, "n", i);
        ck_assert(es_writer_update(writer, "a", fields, true));
    }
    ck_assert(es_writer_update(writer, "b", cJSON_Parse("{\"at\":5}"), false));
    ck_assert(!es_writer_update(writer, "c", cJSON_Parse("{\"at\":5}"), false));
    void *args[] = {writer, &o};
    loop_call_wait(s.loop, flush, args);
    ck_assert_int_eq(wait_for(&o), ES_OK);
    es_get(s.client, "tars_server", "a", 5000, on_result, &o);
    ck_assert_int_eq(wait_for(&o), ES_OK);
    ck_assert_int_eq(o.n, 50);
    es_writer_get_stats(writer, &stats);
    ck_assert_uint_eq(stats.waiting, 0);
    ck_assert_uint_eq(stats.written, 1);
    ck_assert_uint_eq(stats.missing, 1);
    ck_assert_uint_eq(stats.dropped, 1);
    ck_assert_uint_eq(stats.merged, 49);
    loop_call_wait(s.loop, free_writer, writer);
    stop(&s);
}
END_TEST

START_TEST(values_written_behind_survive_an_outage_of_the_store)
{
    struct setting s;
    struct outcome o = {.came = false};
    start(&s, NULL);
    fill(&s, 1);
    struct es_writer *writer = es_writer_new(s.client, "tars_server", 300, 100);
    tk_kill(s.store);
    ck_assert(es_writer_update(writer, "k0", cJSON_Parse("{\"n\":77}"), false));
    tk_sleep(700);
    start_store(&s, NULL);
    bool arrived = tk_eventually(({
                                     es_get(s.client, "tars_server", "k0", 5000, on_result, &o);
                                     wait_for(&o) == ES_OK &&o.n == 77;
                                 }),
                                 20000);
    ck_assert(arrived);
    loop_call_wait(s.loop, free_writer, writer);
    stop(&s);
}
END_TEST

/* ---- the store's limits
 * ------------------------------------------------------------------------------------ */

static int post(uint16_t port, const char *path, const char *body)
{
    return tk_http(port, "POST", path, body, NULL);
}

START_TEST(deep_json_and_large_bodies_are_refused_and_others_served)
{
    struct setting s;
    start(&s, "TARS_ELASTICSEARCH_BODY_LIMIT_MB=1");
    size_t deep = 400000, large = 2000000;
    char *body = malloc(large + 1);
    memset(body, '[', deep);
    body[deep] = '\0';
    ck_assert_int_eq(post(s.port, "/x/_search", body), 400);
    ck_assert_int_eq(tk_http(s.port, "PUT", "/x/_doc/1", body, NULL), 400);
    memset(body, ' ', large);
    body[large] = '\0';
    ck_assert_int_eq(post(s.port, "/x/_search", body), 413);
    strcpy(body, "{\"query\":");
    for (int i = 0; i < 2000; i++)
        strcat(body, "{\"bool\":{\"must\":");
    ck_assert_int_eq(post(s.port, "/_search", body), 400);
    free(body);
    ck_assert_int_eq(tk_http(s.port, "PUT", "/x/_doc/1", "{\"n\":1}", NULL), 201);
    stop(&s);
}
END_TEST

START_TEST(idle_and_slow_connections_do_not_keep_others_out)
{
    struct setting s;
    enum { IDLE = 1000 };
    int fds[IDLE];
    start(&s, "TARS_ELASTICSEARCH_CONNECTIONS=1200");
    for (int i = 0; i < IDLE; i++) {
        fds[i] = tk_connect(s.port);
        ck_assert_int_ge(fds[i], 0);
        if (i % 2)
            tk_send(fds[i], "PUT /x/_doc/1 HTTP/1.1\r\nContent-Le", 34);
    }
    int64_t began = tk_ms();
    ck_assert_int_eq(tk_http(s.port, "PUT", "/x/_doc/1", "{\"n\":1}", NULL), 201);
    ck_assert_int_lt(tk_ms() - began, 3000);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    ck_assert_int_lt(tk_rss_kb(s.store), 80 * 1024);
#endif
    for (int i = 0; i < IDLE; i++)
        close(fds[i]);
    stop(&s);
}
END_TEST

START_TEST(a_silent_connection_is_closed)
{
    struct setting s;
    start(&s, "TARS_ELASTICSEARCH_IDLE_SECONDS=1");
    int fd = tk_connect(s.port);
    ck_assert(tk_closed(fd, 6000));
    close(fd);
    stop(&s);
}
END_TEST

START_TEST(without_the_right_credentials_nothing_is_answered)
{
    struct setting s;
    struct outcome o = {.came = false};
    start(&s, "TARS_ELASTICSEARCH_API_KEY=c2VjcmV0");
    ck_assert_int_eq(tk_http(s.port, "GET", "/", NULL, NULL), 401);
    ck_assert_int_eq(tk_http(s.port, "PUT", "/x/_doc/1", "{\"n\":1}", NULL), 401);
    es_get(s.client, "tars_server", "x", 1000, on_result, &o);
    ck_assert_int_eq(wait_for(&o), ES_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(o.text, "security_exception"));
    stop(&s);
}
END_TEST

START_TEST(a_public_address_needs_credentials)
{
    const char *argv[] = {tk_program("tarselasticsearch"), "--data", tk_text("%s/data", tk_dir()),
                          NULL};
    const char *env[] = {tk_text("TARS_ELASTICSEARCH_PORT=%u", tk_free_port()),
                         "TARS_ELASTICSEARCH_HTTP_PORT=0", "TARS_ELASTICSEARCH_ADDRESS=0.0.0.0",
                         NULL};
    char *output;
    ck_assert_int_eq(tk_run(argv, env, 10000, &output), 2);
    ck_assert_msg(strstr(output, "neither a user nor an API key"), "%s", output);
    free(output);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_client");
    TCase *tc = tcase_create("store_client");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, compare_and_set_goes_by_the_version_that_was_read);
    tcase_add_test(tc, changes_side_by_side_lose_none);
    tcase_add_test(tc, all_pages_come_in_order_and_once);
    tcase_add_test(tc, values_written_behind_arrive_as_the_last_ones);
    tcase_add_test(tc, values_written_behind_survive_an_outage_of_the_store);
    tcase_add_test(tc, deep_json_and_large_bodies_are_refused_and_others_served);
    tcase_add_test(tc, idle_and_slow_connections_do_not_keep_others_out);
    tcase_add_test(tc, a_silent_connection_is_closed);
    tcase_add_test(tc, without_the_right_credentials_nothing_is_answered);
    tcase_add_test(tc, a_public_address_needs_credentials);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
