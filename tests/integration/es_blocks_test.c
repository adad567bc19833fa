/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters, groups and LIKE on the embedded store. */
#include <check.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "es/composite.h"
#include "es/counter.h"
#include "es/query.h"
#include "loop/loop.h"
#include "testkit.h"

enum { SOON_MS = 20000 };

static const struct es_index indices[] = {
    {.name = "counter", .mappings = ES_COUNTER_MAPPINGS},
    {.name = "doc",
     .mappings = "{\"dynamic\":\"strict\",\"properties\":{\"k\":{\"type\":\"keyword\"},"
                 "\"n\":{\"type\":\"long\"},\"t\":{\"type\":\"date\"}}}"},
};

struct process {
    struct loop *loop;
    struct es_client *client;
    struct es_counter *counter;
};

static struct tk_process *store;
static uint16_t port;
static const char *data;
static struct process one, two;

static void start_store(void)
{
    const char *argv[] = {tk_program("tarselasticsearch"), "--data", data, NULL};
    const char *env[] = {tk_text("TARS_ELASTICSEARCH_PORT=%u", port),
                         "TARS_ELASTICSEARCH_HTTP_PORT=0", NULL};
    store = tk_spawn(argv, env, NULL);
    ck_assert(tk_wait_port(port, 10000));
}

static void make_counter(void *arg)
{
    struct process *p = arg;
    p->counter = es_counter_new(p->client, es_index_name(p->client, "counter"), "ids", 7);
}

static void open_process(struct process *p)
{
    struct tars_error error;
    struct es_options options = {.nodes = tk_text("127.0.0.1:%u", port),
                                 .prefix = "t_",
                                 .indices = indices,
                                 .index_count = 2};
    p->loop = loop_new("es");
    p->client = es_client_new(p->loop, &options, &error);
    ck_assert(p->client && loop_start(p->loop, &error));
    loop_call_wait(p->loop, make_counter, p);
}

static void close_on_loop(void *arg)
{
    struct process *p = arg;
    es_counter_free(p->counter);
    es_client_free(p->client);
}

static void close_process(struct process *p)
{
    loop_call_wait(p->loop, close_on_loop, p);
    loop_free(p->loop);
}

static void set_up(void)
{
    port = tk_free_port();
    data = tk_dir();
    start_store();
    open_process(&one);
    open_process(&two);
}

static void tear_down(void)
{
    close_process(&one);
    close_process(&two);
    tk_kill(store);
}

/* ---- counters
 * ------------------------------------------------------------------------------------------ */

enum { NUMBERS = 5000 };
static _Atomic unsigned char taken[NUMBERS + 1];
static _Atomic int got, failed;
static int wanted;

static void on_number(void *user, int64_t number, const struct es_result *result)
{
    (void)user;
    if (result) {
        ck_assert_int_eq(number, 0);
        atomic_fetch_add(&failed, 1);
        return;
    }
    ck_assert(number >= 1 && number <= NUMBERS);
    ck_assert_int_eq(atomic_fetch_add(&taken[number], 1), 0);
    atomic_fetch_add(&got, 1);
}

static void take_some(void *arg)
{
    struct process *p = arg;
    for (int i = 0; i < wanted; i++)
        es_counter_take(p->counter, 5000, on_number, NULL);
}

static void take(int count)
{
    wanted = count;
    loop_call_wait(one.loop, take_some, &one);
    loop_call_wait(two.loop, take_some, &two);
}

START_TEST(no_number_is_given_twice_whatever_becomes_of_the_store)
{
    int asked = 0;
    take(150);
    ck_assert(tk_eventually(got == 300, SOON_MS));
    for (int round = 0; round < 3; round++, asked += 200) {
        take(100);
        tk_kill(store);
        start_store();
    }
    ck_assert(tk_eventually(got + failed == 300 + asked, SOON_MS));
    int before = got;
    take(10);
    ck_assert(tk_eventually(got == before + 20, SOON_MS));
}
END_TEST

static void free_counter(void *arg)
{
    struct process *p = arg;
    es_counter_free(p->counter);
    p->counter = NULL;
}

START_TEST(who_waits_for_a_counter_that_is_closed_is_told)
{
    tk_signal(store, SIGSTOP);
    take(5);
    loop_call_wait(one.loop, free_counter, &one);
    loop_call_wait(two.loop, free_counter, &two);
    ck_assert_int_eq(failed, 10);
    tk_signal(store, SIGCONT);
}
END_TEST

/* ---- groups
 * -------------------------------------------------------------------------------------------- */

static void fill(int docs, int groups)
{
    size_t size = (size_t)docs * 120, len = 0;
    char *bulk = malloc(size);
    for (int i = 0; i < docs; i++)
        len += (size_t)snprintf(
            bulk + len, size - len,
            "{\"index\":{\"_id\":\"%d\"}}\n{\"k\":\"g%d\",\"n\":%d,\"t\":%lld}\n", i, i % groups, i,
            1795790040000LL + i * 1000);
    ck_assert_int_eq(tk_http(port, "POST", "/t_doc_v1/_bulk?refresh=true", bulk, NULL), 200);
    free(bulk);
}

struct groups {
    struct es_composite *composite;
    int pages, buckets, cancel_at;
    double docs, sum;
    _Atomic int status; /* 1 + that of the end */
};

static bool on_buckets(void *user, const cJSON *buckets)
{
    struct groups *g = user;
    const cJSON *bucket;
    g->pages++;
    cJSON_ArrayForEach(bucket, buckets)
    {
        g->buckets++;
        g->docs += cJSON_GetObjectItem(bucket, "doc_count")->valuedouble;
        g->sum += cJSON_GetObjectItem(cJSON_GetObjectItem(bucket, "sum"), "value")->valuedouble;
    }
    if (g->pages == g->cancel_at)
        es_composite_cancel(g->composite);
    return g->pages != -g->cancel_at;
}

static void on_end(void *user, const struct es_result *r)
{
    atomic_store(&((struct groups *)user)->status, 1 + (int)r->status);
}

static void group(void *arg)
{
    struct groups *g = arg;
    cJSON *sources = cJSON_CreateArray();
    cJSON_AddItemToArray(sources, es_group_terms("k", "k"));
    cJSON_AddItemToArray(sources, es_group_dates("t", "t", "1m"));
    g->composite = es_composite_all(one.client, "t_doc", es_match_all(), sources,
                                    cJSON_Parse("{\"sum\":{\"sum\":{\"field\":\"n\"}}}"), 40, 10000,
                                    on_buckets, on_end, g);
}

static struct groups groups_of(int cancel_at)
{
    struct groups g = {.cancel_at = cancel_at};
    loop_call_wait(one.loop, group, &g);
    ck_assert(tk_eventually(g.status != 0, SOON_MS));
    return g;
}

START_TEST(all_groups_come_page_by_page_and_can_be_given_up)
{
    struct groups g = groups_of(0); /* makes the index; nothing is in it */
    ck_assert_int_eq(g.status, 1 + ES_OK);
    ck_assert_int_eq(g.buckets, 0);
    fill(3000, 37); /* 37 keys in each of 50 minutes */
    g = groups_of(0);
    ck_assert_int_eq(g.status, 1 + ES_OK);
    ck_assert_int_eq(g.buckets, 37 * 50);
    ck_assert_int_eq(g.pages, (37 * 50 + 39) / 40);
    ck_assert(g.docs == 3000 && g.sum == 2999 * 1500.0);
    g = groups_of(2);
    ck_assert_int_eq(g.status, 1 + ES_REFUSED);
    ck_assert_int_eq(g.pages, 2);
    g = groups_of(-3);
    ck_assert_int_eq(g.status, 1 + ES_OK);
    ck_assert_int_eq(g.pages, 3);
}
END_TEST

/* ---- LIKE
 * ---------------------------------------------------------------------------------------------- */

static bool like(const char *p, const char *end, const char *v)
{
    if (p == end)
        return *v == '\0';
    if (*p == '%')
        return like(p + 1, end, v) || (*v && like(p, end, v + 1));
    if (*p == '_')
        return *v && like(p + 1, end, v + 1);
    if (*p == '\\' && p + 1 < end)
        p++;
    return *v == *p && like(p + 1, end, v + 1);
}

static const char *query_text(const char *pattern, size_t len)
{
    cJSON *query = es_like("k", tars_str_n(pattern, len));
    char *text = cJSON_PrintUnformatted(query);
    const char *kept = tk_text("%s", text);
    cJSON_Delete(query);
    cJSON_free(text);
    return kept;
}

START_TEST(like_asks_for_the_least_that_says_it)
{
    const struct {
        const char *pattern, *query;
    } rows[] = {
        {"", "{\"term\":{\"k\":\"\"}}"},
        {"abc", "{\"term\":{\"k\":\"abc\"}}"},
        {"a*\"?", "{\"term\":{\"k\":\"a*\\\"?\"}}"},
        {"a\\%b", "{\"term\":{\"k\":\"a%b\"}}"},
        {"abc%", "{\"prefix\":{\"k\":\"abc\"}}"},
        {"a\\_%%", "{\"prefix\":{\"k\":\"a_\"}}"},
        {"%", "{\"exists\":{\"field\":\"k\"}}"},
        {"%%b*_\\", "{\"wildcard\":{\"k\":{\"value\":\"*b\\\\*?\\\\\\\\\"}}}"},
        {"a%b", "{\"wildcard\":{\"k\":{\"value\":\"a*b\"}}}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_str_eq(query_text(rows[i].pattern, strlen(rows[i].pattern)), rows[i].query);
    ck_assert_str_eq(query_text("a\0%", 3), "{\"match_none\":{}}");
}
END_TEST

START_TEST(like_finds_what_it_means)
{
    static const char letters[] = "aB%_\\*?";
    static const char *values[200];
    char text[12];
    srand(7);
    struct groups ready = groups_of(0);
    (void)ready;
    for (int i = 0; i < 200; i++) {
        int len = 1 + rand() % 5;
        for (int k = 0; k < len; k++)
            text[k] = letters[rand() % 7];
        text[len] = '\0';
        values[i] = tk_text("%s", text);
        cJSON *doc = cJSON_CreateObject();
        cJSON_AddStringToObject(doc, "k", text);
        char *body = cJSON_PrintUnformatted(doc);
        ck_assert_int_eq(tk_http(port, "PUT", tk_text("/t_doc_v1/_doc/%d", i), body, NULL), 201);
        cJSON_free(body);
        cJSON_Delete(doc);
    }
    ck_assert_int_eq(tk_http(port, "POST", "/t_doc/_refresh", NULL, NULL), 200);
    for (int i = 0; i < 150; i++) {
        int len = rand() % 6, count = 0;
        for (int k = 0; k < len; k++)
            text[k] = letters[rand() % 7];
        for (int v = 0; v < 200; v++)
            count += like(text, text + len, values[v]);
        char *answer = NULL;
        const char *query = query_text(text, (size_t)len);
        tk_http(port, "POST", "/t_doc/_count", tk_text("{\"query\":%s}", query), &answer);
        ck_assert_msg(answer && strstr(answer, tk_text("\"count\":%d,", count)), "%.*s %s: %d, %s",
                      len, text, query, count, answer);
        free(answer);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("es_blocks");
    TCase *tc = tcase_create("es_blocks");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, no_number_is_given_twice_whatever_becomes_of_the_store);
    tcase_add_test(tc, who_waits_for_a_counter_that_is_closed_is_told);
    tcase_add_test(tc, all_groups_come_page_by_page_and_can_be_given_up);
    tcase_add_test(tc, like_asks_for_the_least_that_says_it);
    tcase_add_test(tc, like_finds_what_it_means);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
