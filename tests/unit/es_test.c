/* SPDX-License-Identifier: BSD-3-Clause */
/* The Elasticsearch client against a scripted server that does what real ones do on bad days. */
#include "es/bulk.h"
#include "es/es.h"
#include "es/query.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "loop/loop.h"
#include "peer.h"
#include "testkit.h"

/* ---- the scripted server
 * ---------------------------------------------------------------------------- */

/* What is done with one request: a status and body; or 0 (close), -1 (half an answer), -2 (hang).
 */
struct reply {
    int status;
    const char *headers, *body;
};

struct script {
    const struct reply *replies; /* for documents and searches, in turn; the last one stays */
    size_t count;
    const char *greeting; /* of GET / */
    _Atomic unsigned asked;
    char log[8192]; /* "METHOD path\n" of every request */
    pthread_mutex_t mutex;
};

static const char hello[] = "{\"version\":{\"number\":\"8.19.21\"}}";

static bool read_request(int fd, char *buffer, size_t size)
{
    size_t len = 0, need = 0;
    while (len + 1 < size) {
        ssize_t got = recv(fd, buffer + len, size - len - 1, 0);
        if (got <= 0)
            return false;
        len += (size_t)got;
        buffer[len] = '\0';
        const char *end = strstr(buffer, "\r\n\r\n"),
                   *length = strcasestr(buffer, "content-length:");
        if (!end)
            continue;
        need = (size_t)(end - buffer) + 4 +
               (length && length < end ? strtoul(length + 15, NULL, 10) : 0);
        if (len >= need)
            return true;
    }
    return false;
}

static struct reply choose(struct script *s, const char *request)
{
    if (strncmp(request, "GET / ", 6) == 0)
        return (struct reply){200, "", s->greeting ? s->greeting : hello};
    if (strstr(request, "/_doc/") || strstr(request, "/_create/") || strstr(request, "_bulk") ||
        strstr(request, "_search")) {
        unsigned n = atomic_fetch_add(&s->asked, 1);
        return s->replies[n < s->count ? n : s->count - 1];
    }
    return (struct reply){200, "", "{\"acknowledged\":true}"};
}

static void serve(void *user, int fd, unsigned nth)
{
    struct script *s = user;
    char request[16384];
    (void)nth;
    while (read_request(fd, request, sizeof request)) {
        pthread_mutex_lock(&s->mutex);
        size_t len = strlen(s->log);
        snprintf(s->log + len, sizeof s->log - len, "%.*s\n", (int)strcspn(request, "\r"), request);
        pthread_mutex_unlock(&s->mutex);
        struct reply reply = choose(s, request);
        if (reply.status == 0)
            return;
        if (reply.status == -2)
            tk_sleep(1500);
        char *answer = NULL;
        int size = asprintf(
            &answer,
            "HTTP/1.1 %d X\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n%s",
            reply.status < 0 ? 200 : reply.status, reply.headers ? reply.headers : "",
            strlen(reply.body), reply.body);
        tk_send(fd, answer, (size_t)(reply.status == -1 ? size - 5 : size));
        free(answer);
        if (reply.status == -1)
            return;
    }
}

/* ---- one client, one result
 * ----------------------------------------------------------------------------- */

static const struct es_index indices[] = {
    {.name = "server",
     .mappings = "{\"dynamic\":\"strict\",\"properties\":{\"n\":{\"type\":\"long\"}}}"}};

struct outcome {
    _Atomic bool came;
    enum es_status status;
    int http;
    int64_t seq_no;
    char text[512];
    size_t items, items_ok;
};

static void on_result(void *user, const struct es_result *r)
{
    struct outcome *o = user;
    ck_assert(!o->came);
    o->status = r->status;
    o->http = r->http;
    o->seq_no = r->doc.version.seq_no;
    snprintf(o->text, sizeof o->text, "%s", r->error.text);
    atomic_store(&o->came, true);
}

struct setting {
    struct loop *loop;
    struct es_client *client;
    struct script script;
    struct peer *peer;
};

static void free_client(void *arg)
{
    struct setting *s = arg;
    es_client_free(s->client);
    s->client = NULL;
}

static void start(struct setting *s, const struct reply *replies, size_t count, const char *nodes)
{
    struct tars_error error;
    memset(s, 0, sizeof *s);
    s->script.replies = replies;
    s->script.count = count;
    pthread_mutex_init(&s->script.mutex, NULL);
    s->peer = peer_start(serve, &s->script);
    s->loop = loop_new("es");
    ck_assert(loop_start(s->loop, &error));
    const char *own = tk_text("%s 127.0.0.1:%u", nodes, peer_port(s->peer));
    struct es_options options = {
        .nodes = own, .prefix = "t_", .indices = indices, .index_count = 1};
    s->client = es_client_new(s->loop, &options, &error);
    ck_assert_msg(s->client != NULL, "%s", error.text);
}

static void stop(struct setting *s)
{
    loop_call_wait(s->loop, free_client, s);
    loop_free(s->loop);
    peer_stop(s->peer);
}

static void wait_for(struct outcome *o)
{
    ck_assert(tk_eventually(atomic_load(&o->came), 20000));
}

#define WRITTEN                                                                                    \
    "{\"_index\":\"t_server_v1\",\"_id\":\"1\",\"result\":\"created\",\"_seq_no\":7,\"_primary_"   \
    "term\":1}"
#define FOUND                                                                                      \
    "{\"_index\":\"t_server_v1\",\"_id\":\"1\",\"found\":true,\"_seq_no\":7,\"_primary_term\":1,"  \
    "\"_source\":{\"n\":1}}"
#define ERROR(type_)  "{\"error\":{\"type\":\"" type_ "\",\"reason\":\"because\"},\"status\":0}"
#define COUNT(array_) (sizeof(array_) / sizeof *(array_))

static struct outcome get_once(const struct reply *replies, size_t count, int timeout_ms,
                               unsigned *asked)
{
    struct setting s;
    struct outcome o = {.came = false};
    start(&s, replies, count, "");
    es_get(s.client, "t_server", "1", timeout_ms, on_result, &o);
    wait_for(&o);
    stop(&s);
    if (asked)
        *asked = s.script.asked;
    return o;
}

static struct outcome put_once(const struct reply *replies, size_t count,
                               const struct es_version *expected, unsigned *asked)
{
    struct setting s;
    struct outcome o = {.came = false};
    start(&s, replies, count, "");
    es_put(s.client, "t_server", "1", cJSON_Parse("{\"n\":1}"), expected, 5000, on_result, &o);
    wait_for(&o);
    stop(&s);
    *asked = s.script.asked;
    return o;
}

/* ---- tests
 * -------------------------------------------------------------------------------------------------
 */

START_TEST(template_and_indices_are_there_before_the_first_write)
{
    static const struct reply replies[] = {{201, "", WRITTEN}};
    struct setting s;
    struct outcome o = {.came = false};
    start(&s, replies, 1, "");
    es_put(s.client, es_index_name(s.client, "server"), "a|b/c", cJSON_Parse("{\"n\":1}"), NULL,
           5000, on_result, &o);
    wait_for(&o);
    ck_assert_int_eq(o.status, ES_OK);
    ck_assert_int_eq(o.seq_no, 7);
    ck_assert_str_eq(s.script.log,
                     "GET / HTTP/1.1\nGET /_index_template/t_indices HTTP/1.1\nPUT "
                     "/_index_template/t_indices HTTP/1.1\nPUT /t_server_v1 HTTP/1.1\n"
                     "PUT /t_server/_doc/a%7Cb%2Fc?require_alias=true HTTP/1.1\n");
    stop(&s);
}
END_TEST

START_TEST(results_are_told_apart)
{
    static const struct {
        struct reply reply;
        enum es_status status;
    } rows[] = {
        {{200, "", FOUND}, ES_OK},
        {{404, "", "{\"found\":false}"}, ES_MISSING},
        {{409, "", ERROR("version_conflict_engine_exception")}, ES_CONFLICT},
        {{400, "", ERROR("document_parsing_exception")}, ES_REFUSED},
        {{401, "", ERROR("security_exception")}, ES_REFUSED},
        {{403, "", ERROR("security_exception")}, ES_REFUSED},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct outcome o = get_once(&rows[i].reply, 1, 5000, NULL);
        ck_assert_int_eq(o.status, rows[i].status);
        ck_assert_int_eq(o.http, rows[i].reply.status);
        ck_assert_int_eq(o.text[0] == '\0', rows[i].status == ES_OK);
    }
}
END_TEST

START_TEST(a_busy_server_is_asked_again_when_it_says)
{
    static const struct reply replies[] = {
        {429, "Retry-After: 1\r\n", ERROR("es_rejected_execution_exception")},
        {503, "", ERROR("unavailable_shards_exception")},
        {200, "", FOUND}};
    unsigned asked;
    int64_t began = tk_ms();
    struct outcome o = get_once(replies, 3, 10000, &asked);
    ck_assert_int_eq(o.status, ES_OK);
    ck_assert_uint_eq(asked, 3);
    ck_assert_int_ge(tk_ms() - began, 1000);
}
END_TEST

START_TEST(a_busy_server_is_given_up_on_in_time)
{
    static const struct reply replies[] = {
        {429, "Retry-After: 60\r\n", ERROR("es_rejected_execution_exception")}};
    int64_t began = tk_ms();
    struct outcome o = get_once(replies, 1, 1000, NULL);
    ck_assert_int_eq(o.status, ES_UNREACHABLE);
    ck_assert_int_eq(o.http, 429);
    ck_assert_int_lt(tk_ms() - began, 3000);
}
END_TEST

START_TEST(a_plain_write_whose_answer_is_lost_is_sent_again)
{
    static const struct reply replies[] = {{0, NULL, NULL}, {-1, "", WRITTEN}, {200, "", WRITTEN}};
    unsigned asked;
    struct outcome o = put_once(replies, 3, NULL, &asked);
    ck_assert_int_eq(o.status, ES_OK);
    ck_assert_uint_eq(asked, 3);
}
END_TEST

START_TEST(a_compare_and_set_whose_answer_is_lost_is_neither_repeated_nor_believed)
{
    static const struct reply lost[] = {{-1, "", WRITTEN}, {200, "", WRITTEN}};
    static const struct es_version expected = {7, 1};
    unsigned asked;
    struct outcome o = put_once(lost, 2, &expected, &asked);
    ck_assert_int_eq(o.status, ES_UNREACHABLE);
    ck_assert_uint_eq(asked, 1);
}
END_TEST

START_TEST(a_compare_and_set_that_was_turned_away_is_repeated)
{
    static const struct reply replies[] = {{503, "", ERROR("unavailable_shards_exception")},
                                           {200, "", WRITTEN}};
    static const struct es_version expected = {7, 1};
    unsigned asked;
    struct outcome o = put_once(replies, 2, &expected, &asked);
    ck_assert_int_eq(o.status, ES_OK);
    ck_assert_uint_eq(asked, 2);
}
END_TEST

START_TEST(an_answer_that_never_comes_ends_with_the_time)
{
    static const struct reply replies[] = {{-2, "", FOUND}};
    int64_t began = tk_ms();
    struct outcome o = get_once(replies, 1, 500, NULL);
    ck_assert_int_eq(o.status, ES_UNREACHABLE);
    ck_assert_int_lt(tk_ms() - began, 4000);
}
END_TEST

START_TEST(an_answer_that_is_not_json_is_no_success)
{
    static const struct reply replies[] = {{200, "", "<html>welcome</html>"}};
    struct outcome o = get_once(replies, 1, 700, NULL);
    ck_assert_int_eq(o.status, ES_UNREACHABLE);
}
END_TEST

START_TEST(another_node_answers_when_one_is_down)
{
    static const struct reply replies[] = {{200, "", FOUND}};
    struct setting s;
    start(&s, replies, 1, tk_text("127.0.0.1:%u,", tk_free_port()));
    for (int i = 0; i < 4; i++) {
        struct outcome o = {.came = false};
        es_get(s.client, "t_server", "1", 10000, on_result, &o);
        wait_for(&o);
        ck_assert_int_eq(o.status, ES_OK);
    }
    stop(&s);
}
END_TEST

START_TEST(with_no_node_requests_fail_in_their_time_and_say_why)
{
    struct loop *loop = loop_new("es");
    struct tars_error error;
    struct setting s = {.loop = loop};
    struct outcome o = {.came = false};
    struct es_options options = {.nodes = tk_text("127.0.0.1:%u", tk_free_port()), .prefix = "t_"};
    ck_assert(loop_start(loop, &error));
    s.client = es_client_new(loop, &options, &error);
    int64_t began = tk_ms();
    es_get(s.client, "t_server", "1", 700, on_result, &o);
    wait_for(&o);
    ck_assert_int_eq(o.status, ES_UNREACHABLE);
    ck_assert_int_lt(tk_ms() - began, 3000);
    ck_assert_ptr_nonnull(strstr(o.text, "t_server"));
    loop_call_wait(loop, free_client, &s);
    loop_free(loop);
}
END_TEST

START_TEST(a_server_of_another_kind_or_age_gets_nothing)
{
    static const struct reply replies[] = {{200, "", FOUND}};
    struct setting s;
    struct outcome o = {.came = false};
    start(&s, replies, 1, "");
    s.script.greeting = "{\"version\":{\"number\":\"6.8.0\"}}";
    es_get(s.client, "t_server", "1", 800, on_result, &o);
    wait_for(&o);
    ck_assert_int_eq(o.status, ES_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(o.text, "not supported"));
    ck_assert_uint_eq(s.script.asked, 0);
    stop(&s);
}
END_TEST

START_TEST(an_index_that_is_gone_is_made_again)
{
    static const struct reply replies[] = {{404, "", ERROR("index_not_found_exception")},
                                           {201, "", WRITTEN}};
    unsigned asked;
    struct outcome o = put_once(replies, 2, NULL, &asked);
    ck_assert_int_eq(o.status, ES_OK);
    ck_assert_uint_eq(asked, 2);
}
END_TEST

START_TEST(ids_that_are_no_path_are_refused_without_asking)
{
    static const char *const ids[] = {"", ".", ".."};
    static const struct reply replies[] = {{200, "", FOUND}};
    struct setting s;
    start(&s, replies, 1, "");
    for (size_t i = 0; i < COUNT(ids); i++) {
        struct outcome o = {.came = false};
        es_get(s.client, "t_server", ids[i], 1000, on_result, &o);
        wait_for(&o);
        ck_assert_int_eq(o.status, ES_REFUSED);
    }
    ck_assert_uint_eq(s.script.asked, 0);
    stop(&s);
}
END_TEST

static void on_bulk(void *user, const struct es_result *r, const struct es_item *items,
                    size_t count)
{
    struct outcome *o = user;
    for (size_t i = 0; i < count; i++)
        o->items_ok += items[i].status == ES_OK;
    o->items = count;
    on_result(user, r);
}

START_TEST(a_bulk_tells_of_each_item_and_of_none_when_items_are_missing)
{
    static const struct reply whole[] = {
        {200, "",
         "{\"errors\":true,\"items\":[{\"index\":{\"_id\":\"1\",\"status\":201}},{\"create\":{\"_"
         "id\":\"2\",\"status\":409,\"error\":{}}},"
         "{\"update\":{\"_id\":\"3\",\"status\":400,\"error\":{\"type\":\"x\"}}}]}"}};
    static const struct reply half[] = {
        {200, "", "{\"errors\":false,\"items\":[{\"index\":{\"_id\":\"1\",\"status\":201}}]}"}};
    const struct reply *both[] = {whole, half};
    for (int i = 0; i < 2; i++) {
        struct setting s;
        struct outcome o = {.came = false};
        struct es_bulk *bulk = es_bulk_new();
        cJSON *source = cJSON_Parse("{\"n\":1}");
        start(&s, both[i], 1, "");
        es_bulk_put(bulk, "t_server", "1", source, NULL);
        es_bulk_create(bulk, "t_server", "2", source);
        es_bulk_update(bulk, "t_server", "3", source, true);
        cJSON_Delete(source);
        es_bulk_send(s.client, bulk, true, 5000, on_bulk, &o);
        wait_for(&o);
        ck_assert_int_eq(o.status, i ? ES_UNREACHABLE : ES_OK);
        ck_assert_uint_eq(o.items, i ? 0 : 3);
        ck_assert_uint_eq(o.items_ok, i ? 0 : 2);
        stop(&s);
    }
}
END_TEST

START_TEST(closing_the_client_ends_what_runs)
{
    static const struct reply replies[] = {{-2, "", FOUND}};
    struct setting s;
    struct outcome o = {.came = false};
    start(&s, replies, 1, "");
    es_get(s.client, "t_server", "1", 10000, on_result, &o);
    ck_assert(tk_eventually(s.script.asked > 0, 5000));
    stop(&s);
    ck_assert(o.came);
    ck_assert_int_eq(o.status, ES_UNREACHABLE);
}
END_TEST

struct last_words {
    struct setting setting;
    struct outcome outcome;
};

/* The loop has no turn between the request and the end, and none after it. */
static void ask_and_free(void *arg)
{
    struct last_words *w = arg;
    es_get(w->setting.client, "t_server", "1", 10000, on_result, &w->outcome);
    free_client(&w->setting);
    loop_stop(w->setting.loop);
}

START_TEST(closing_the_client_ends_what_was_just_asked)
{
    static const struct reply replies[] = {{200, "", FOUND}};
    struct last_words w = {.outcome = {.came = false}};
    start(&w.setting, replies, 1, "");
    loop_call_wait(w.setting.loop, ask_and_free, &w);
    loop_free(w.setting.loop);
    peer_stop(w.setting.peer);
    ck_assert(w.outcome.came);
    ck_assert_int_eq(w.outcome.status, ES_UNREACHABLE);
}
END_TEST

START_TEST(options_that_cannot_be_read_are_refused)
{
    static const char *const nodes[] = {"",       "localhost",    "a:0", "a:99999",
                                        "a/b:80", "user@host:80", ":80"};
    struct loop *loop = loop_new("es");
    struct tars_error error;
    for (size_t i = 0; i < COUNT(nodes); i++) {
        struct es_options options = {.nodes = nodes[i]};
        ck_assert_msg(!es_client_new(loop, &options, &error), "%s", nodes[i]);
    }
    struct es_options options = {.nodes = "a:80", .prefix = "Upper"};
    ck_assert(!es_client_new(loop, &options, &error));
    loop_free(loop);
}
END_TEST

START_TEST(ids_are_joined_from_encoded_parts)
{
    struct tars_str parts[] = {tars_str("App"), tars_str("a|b %"), tars_str("n\x01")};
    char *id = es_id(parts, 3), *path = es_path("t_server", "_doc", id, NULL);
    ck_assert_str_eq(id, "App|a%7Cb%20%25|n%01");
    ck_assert_str_eq(path, "/t_server/_doc/App%7Ca%257Cb%2520%2525%7Cn%2501");
    free(id);
    free(path);
    char longer[600];
    memset(longer, 'x', sizeof longer);
    struct tars_str one = tars_str_n(longer, sizeof longer);
    id = es_id(&one, 1);
    ck_assert_uint_eq(strlen(id), 66);
    ck_assert_int_eq(memcmp(id, "h|", 2), 0);
    free(id);
}
END_TEST

START_TEST(values_of_callers_stay_values)
{
    cJSON *query = es_bool();
    es_bool_add(query, "filter", es_term("name", "\"},{\"match_all\":{}"));
    es_bool_add(query, "filter", es_range("at", "gte", 5));
    cJSON *body = es_search_body(query, NULL, 10);
    char *text = cJSON_PrintUnformatted(body);
    ck_assert_str_eq(
        text, "{\"query\":{\"bool\":{\"filter\":[{\"term\":{\"name\":\"\\\"},{\\\"match_all\\\":{}"
              "\"}},{\"range\":{\"at\":{\"gte\":5}}}]}},\"size\":10,\"seq_no_primary_term\":true}");
    cJSON_free(text);
    cJSON_Delete(body);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("es");
    TCase *tc = tcase_create("es");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, template_and_indices_are_there_before_the_first_write);
    tcase_add_test(tc, results_are_told_apart);
    tcase_add_test(tc, a_busy_server_is_asked_again_when_it_says);
    tcase_add_test(tc, a_busy_server_is_given_up_on_in_time);
    tcase_add_test(tc, a_plain_write_whose_answer_is_lost_is_sent_again);
    tcase_add_test(tc, a_compare_and_set_whose_answer_is_lost_is_neither_repeated_nor_believed);
    tcase_add_test(tc, a_compare_and_set_that_was_turned_away_is_repeated);
    tcase_add_test(tc, an_answer_that_never_comes_ends_with_the_time);
    tcase_add_test(tc, an_answer_that_is_not_json_is_no_success);
    tcase_add_test(tc, another_node_answers_when_one_is_down);
    tcase_add_test(tc, with_no_node_requests_fail_in_their_time_and_say_why);
    tcase_add_test(tc, a_server_of_another_kind_or_age_gets_nothing);
    tcase_add_test(tc, an_index_that_is_gone_is_made_again);
    tcase_add_test(tc, ids_that_are_no_path_are_refused_without_asking);
    tcase_add_test(tc, a_bulk_tells_of_each_item_and_of_none_when_items_are_missing);
    tcase_add_test(tc, closing_the_client_ends_what_runs);
    tcase_add_test(tc, closing_the_client_ends_what_was_just_asked);
    tcase_add_test(tc, options_that_cannot_be_read_are_refused);
    tcase_add_test(tc, ids_are_joined_from_encoded_parts);
    tcase_add_test(tc, values_of_callers_stay_values);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
