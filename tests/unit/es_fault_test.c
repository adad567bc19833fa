/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Elasticsearch client while names do not resolve, credentials are wrong and answers are cut or
 * stop in the middle. This program's getaddrinfo answers for hosts under .invalid.
 */
#include "es/es.h"
#include "es/spool.h"

#include <check.h>
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <zlib.h>

#include "loop/loop.h"
#include "peer.h"
#include "testkit.h"

/* ---- names
 * ------------------------------------------------------------------------------------------------
 */

static _Atomic int asking; /* how many wait for a name server */
static _Atomic bool silent;

/* nowhere.invalid is not known; the name server of slow.invalid says nothing while `silent`. */
int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (name && strstr(name, ".invalid")) {
        atomic_fetch_add(&asking, 1);
        while (strncmp(name, "slow", 4) == 0 && atomic_load(&silent))
            tk_sleep(5);
        atomic_fetch_sub(&asking, 1);
        return EAI_NONAME;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(name, service, hints, found);
}

/* ---- the server
 * ------------------------------------------------------------------------------------------- */

enum mood {
    FINE,
    UNKNOWN_USER,   /* 401 to everything */
    NO_PRIVILEGE,   /* 403 */
    CUT,            /* the connection ends within the answer */
    CUT_CHUNKS,     /* the same, of an answer in chunks */
    CUT_GZIP,       /* whole by its length, but what is packed in it is not */
    CUT_JSON,       /* whole by its length, and no JSON */
    SILENT_IN_HEAD, /* the rest never comes */
    SILENT_IN_BODY
};

struct server {
    _Atomic enum mood mood;
    _Atomic unsigned requests, stored;
    _Atomic bool over;
    pthread_mutex_t mutex;
    char ids[400][40];
};

static bool read_request(int fd, char *buffer, size_t size)
{
    size_t len = 0;
    while (len + 1 < size) {
        ssize_t got = recv(fd, buffer + len, size - len - 1, 0);
        if (got <= 0)
            return false;
        len += (size_t)got;
        buffer[len] = '\0';
        const char *end = strstr(buffer, "\r\n\r\n"),
                   *length = strcasestr(buffer, "content-length:");
        if (end && len >= (size_t)(end - buffer) + 4 +
                              (length && length < end ? strtoul(length + 15, NULL, 10) : 0))
            return true;
    }
    return false;
}

/* The body as text, to be freed. */
static char *body_of(const char *request)
{
    const char *at = strstr(request, "\r\n\r\n") + 4,
               *length = strcasestr(request, "content-length:");
    if (!strcasestr(request, "content-encoding: gzip"))
        return strdup(at);
    size_t size = 1 << 20;
    char *body = calloc(1, size);
    z_stream z = {.next_in = (unsigned char *)at, .next_out = (unsigned char *)body};
    z.avail_in = (unsigned)strtoul(length + 15, NULL, 10);
    z.avail_out = (unsigned)size - 1;
    ck_assert_int_eq(inflateInit2(&z, 15 + 16), Z_OK);
    ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
    inflateEnd(&z);
    return body;
}

/* Notes the ids of a bulk of creates. */
static char *do_bulk(struct server *s, const char *request)
{
    char *body = body_of(request);
    char *answer = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&answer, &size);
    const char *comma = "";
    fputs("{\"items\":[", out);
    pthread_mutex_lock(&s->mutex);
    for (const char *at = body; (at = strstr(at, "\"_id\":\"")); comma = ",") {
        char id[40];
        unsigned i = 0, count = s->stored;
        at += 7;
        snprintf(id, sizeof id, "%.*s", (int)strcspn(at, "\""), at);
        while (i < count && strcmp(s->ids[i], id) != 0)
            i++;
        if (i == count && count < 400) {
            memcpy(s->ids[count], id, sizeof id);
            s->stored++;
        }
        fprintf(out, "%s{\"create\":{\"status\":%d}}", comma, i == count ? 201 : 409);
    }
    pthread_mutex_unlock(&s->mutex);
    fputs("]}", out);
    fclose(out);
    free(body);
    return answer;
}

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

static const char *denial(enum mood mood)
{
    const char *body =
        mood == UNKNOWN_USER
            ? "{\"error\":{\"type\":\"security_exception\",\"reason\":\"unable to authenticate "
              "user [tars]\"},\"status\":401}"
            : "{\"error\":{\"type\":\"security_exception\",\"reason\":\"action [x] is unauthorized "
              "for user [tars]\"},\"status\":403}";
    return tk_text(
        "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
        mood == UNKNOWN_USER ? 401 : 403, strlen(body), body);
}

/* False: the connection ends. */
static bool answer(struct server *s, int fd, const char *body)
{
    static const char packed[] = HEAD "Content-Encoding: gzip\r\nContent-Length: 12\r\n\r\n"
                                      "\x1f\x8b\x08\0\0\0\0\0\0\0\xab\x56";
    enum mood mood = s->mood;
    const char *text = tk_text(HEAD "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
    size_t len = strlen(text);
    if (mood == UNKNOWN_USER || mood == NO_PRIVILEGE)
        text = denial(mood), len = strlen(text);
    else if (mood == CUT_CHUNKS)
        text = HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n", len = strlen(text);
    else if (mood == CUT_GZIP)
        text = packed, len = sizeof packed - 1;
    else if (mood == CUT_JSON)
        text = HEAD "Content-Length: 5\r\n\r\n{\"a\":", len = strlen(text);
    else if (mood == SILENT_IN_HEAD)
        len = strlen(HEAD) - 9;
    else if (mood == CUT || mood == SILENT_IN_BODY)
        len -= 4;
    tk_send(fd, text, len);
    if (mood < SILENT_IN_HEAD)
        return mood != CUT && mood != CUT_CHUNKS;
    while (!s->over && s->mood == mood)
        tk_sleep(5);
    return false;
}

static void serve(void *user, int fd, unsigned nth)
{
    static const char hello[] = "{\"version\":{\"number\":\"8.19.21\"}}";
    struct server *s = user;
    size_t size = 1 << 20;
    char *request = malloc(size), *body = NULL;
    bool going = true;
    (void)nth;
    while (going && read_request(fd, request, size)) {
        bool bulk = strncmp(request, "POST /_bulk", 11) == 0 && s->mood != UNKNOWN_USER &&
                    s->mood != NO_PRIVILEGE;
        s->requests++;
        body = bulk ? do_bulk(s, request) : strdup(hello);
        going = answer(s, fd, body);
        free(body);
    }
    free(request);
}

/* ---- the client
 * ------------------------------------------------------------------------------------------- */

struct setting {
    struct server server;
    struct peer *peer;
    struct loop *loop;
    struct es_client *client;
    struct es_spool *spool;
};

/* `nodes` before the server's own. */
static void start(struct setting *s, enum mood mood, const char *nodes)
{
    struct tars_error error;
    memset(s, 0, sizeof *s);
    s->server.mood = mood;
    pthread_mutex_init(&s->server.mutex, NULL);
    s->peer = peer_start(serve, &s->server);
    s->loop = loop_new("es");
    struct es_options options = {
        .nodes = tk_text("%s 127.0.0.1:%u", nodes, peer_port(s->peer)),
        .user = "tars",
        .password = "nobody-may-read-this",
    };
    s->client = es_client_new(s->loop, &options, &error);
    ck_assert_msg(s->client != NULL, "%s", error.text);
    ck_assert(loop_start(s->loop, &error));
}

static void close_all(void *arg)
{
    struct setting *s = arg;
    if (s->spool)
        es_spool_close(s->spool);
    es_client_free(s->client);
}

static void stop(struct setting *s)
{
    s->server.over = true;
    loop_call_wait(s->loop, close_all, s);
    loop_free(s->loop);
    peer_stop(s->peer);
}

static struct es_stats stats_of(struct setting *s)
{
    struct es_stats stats;
    es_client_stats(s->client, &stats);
    return stats;
}

struct outcome {
    _Atomic bool came;
    enum es_status status;
    char text[512];
};

static void on_result(void *user, const struct es_result *r)
{
    struct outcome *o = user;
    o->status = r->status;
    snprintf(o->text, sizeof o->text, "%s", r->error.text);
    atomic_store(&o->came, true);
}

static struct outcome get(struct setting *s, int timeout_ms)
{
    struct outcome o = {.came = false};
    es_request(s->client, "GET", "/_nodes", NULL, true, timeout_ms, on_result, &o);
    ck_assert(tk_eventually(atomic_load(&o.came), 30000));
    return o;
}

static void nothing(void *arg)
{
    (void)arg;
}

#define says(text_, wanted_)                                                                       \
    ck_assert_msg(strstr(text_, wanted_), "'%s' does not say '%s'", text_, wanted_)

/* ---- tests
 * ------------------------------------------------------------------------------------------------
 */

START_TEST(a_name_that_does_not_resolve_is_told_and_other_nodes_answer)
{
    struct setting s;
    struct tars_error error;
    struct es_options options = {.nodes = "nowhere.invalid:9200"};
    start(&s, FINE, "nowhere.invalid:9200");
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(get(&s, 10000).status, ES_OK);
    stop(&s);
    start(&s, FINE, "");
    struct es_client *other = s.client;
    s.client = es_client_new(s.loop, &options, &error);
    struct outcome o = get(&s, 1000);
    ck_assert_int_eq(o.status, ES_UNREACHABLE);
    says(o.text, "nowhere.invalid:9200");
    says(o.text, "resolve");
    ck_assert_uint_le(stats_of(&s).requests, 12);
    struct setting both = {.client = other};
    loop_call_wait(s.loop, close_all, &both);
    stop(&s);
}
END_TEST

/* Neither what else runs on the loop nor the client's end waits for it. */
START_TEST(a_name_server_that_says_nothing_holds_nobody_up)
{
    struct setting s;
    atomic_store(&silent, true);
    start(&s, FINE, "slow.invalid:9200");
    struct outcome o = {.came = false};
    es_request(s.client, "GET", "/_nodes", NULL, true, 30000, on_result, &o);
    int64_t most = 0, began = tk_ms();
    while (!o.came && tk_ms() - began < 20000) {
        int64_t at = tk_ms();
        loop_call_wait(s.loop, nothing, NULL);
        most = tk_ms() - at > most ? tk_ms() - at : most;
        tk_sleep(5);
    }
    ck_assert_int_eq(o.status, ES_OK); /* from the other node */
    ck_assert_int_lt(most, 1000);
    loop_call_wait(s.loop, nothing, NULL);
    began = tk_ms();
    stop(&s);
    ck_assert_int_lt(tk_ms() - began, 1500);
    ck_assert_int_gt(asking, 0);
    atomic_store(&silent, false);
    ck_assert(tk_eventually(atomic_load(&asking) == 0, 10000));
}
END_TEST

START_TEST(wrong_credentials_are_told_and_asked_with_rarely)
{
    struct setting s;
    start(&s, UNKNOWN_USER, "");
    struct outcome o = get(&s, 800);
    ck_assert_int_eq(o.status, ES_UNREACHABLE);
    says(o.text, "unable to authenticate user [tars]");
    says(o.text, "HTTP 401");
    says(o.text, "check user and password");
    ck_assert_ptr_null(strstr(o.text, "nobody-may-read"));
    ck_assert_uint_le(s.server.requests, 8);
    s.server.mood = FINE; /* the operator has mended it */
    ck_assert_int_eq(get(&s, 20000).status, ES_OK);
    unsigned before = s.server.requests;
    s.server.mood = NO_PRIVILEGE;
    o = get(&s, 20000);
    ck_assert_int_eq(o.status, ES_REFUSED);
    says(o.text, "is unauthorized for user [tars]");
    says(o.text, "privilege");
    ck_assert_uint_eq(s.server.requests - before, 1);
    stop(&s);
}
END_TEST

static _Atomic int kept;

static void on_kept(void *user, const struct tars_error *error)
{
    (void)user;
    if (!error)
        atomic_fetch_add(&kept, 1);
}

static struct es_spool_stats spool_of(struct setting *s)
{
    struct es_spool_stats stats;
    es_spool_get_stats(s->spool, &stats);
    return stats;
}

START_TEST(the_spool_keeps_all_until_credentials_are_right)
{
    struct setting s;
    struct tars_error error;
    start(&s, FINE, "");
    struct es_spool_options options = {
        .dir = tk_dir(), .client = s.client, .bulk_bytes = 4096, .flight_bytes = 16384};
    s.spool = es_spool_open(&options, &error);
    ck_assert(tk_eventually(stats_of(&s).ready || get(&s, 5000).status == ES_OK, 20000));
    s.server.mood = _i ? NO_PRIVILEGE : UNKNOWN_USER;
    s.server.requests = 0;
    atomic_store(&kept, 0);
    for (int i = 0; i < 300; i++) {
        const char *source = tk_text("{\"n\":%d}", i);
        struct es_record record = {ES_ACTION_CREATE, tars_str("t_x"), tars_str(""),
                                   tars_str(source)};
        ck_assert_int_eq(es_spool_append(s.spool, &record, on_kept, NULL, NULL), ES_SPOOL_TAKEN);
    }
    ck_assert(tk_eventually(atomic_load(&kept) == 300, 20000));
    int64_t until = tk_ms() + 700;
    while (tk_ms() < until) {
        ck_assert_uint_eq(spool_of(&s).dead + spool_of(&s).dropped, 0);
        tk_sleep(50);
    }
    says(spool_of(&s).last_problem, _i ? "HTTP 403" : "HTTP 401");
    /* a bulk that is under way when the first one fails comes back too */
    ck_assert_uint_le(s.server.requests, 30);
    s.server.mood = FINE;
    ck_assert(tk_eventually(spool_of(&s).waiting_bytes == 0, 30000));
    ck_assert_uint_eq(s.server.stored, 300);
    ck_assert_uint_eq(spool_of(&s).dead + spool_of(&s).dropped, 0);
    stop(&s);
}
END_TEST

START_TEST(an_answer_that_is_cut_or_stops_is_none)
{
    static const enum mood moods[] = {CUT,      CUT_CHUNKS,     CUT_GZIP,
                                      CUT_JSON, SILENT_IN_HEAD, SILENT_IN_BODY};
    struct setting s;
    start(&s, FINE, "");
    ck_assert_int_eq(get(&s, 20000).status, ES_OK);
    s.server.mood = moods[_i];
    int64_t began = tk_ms();
    struct outcome o = get(&s, 400);
    ck_assert_int_eq(o.status, ES_UNREACHABLE);
    ck_assert_int_lt(tk_ms() - began, 3000);
    ck_assert_int_gt((int)strlen(o.text), 20);
    s.server.mood = FINE;
    o = get(&s, 20000);
    ck_assert_msg(o.status == ES_OK, "%s", o.text);
    stop(&s);
}
END_TEST

START_TEST(another_node_answers_when_one_stops_in_its_answer)
{
    struct setting s, other;
    start(&other, FINE, "");
    start(&s, FINE, tk_text("127.0.0.1:%u", peer_port(other.peer)));
    ck_assert_int_eq(get(&s, 20000).status, ES_OK);
    other.server.mood = SILENT_IN_BODY;
    for (int i = 0; i < 2; i++) { /* one of them is the turn of the silent one */
        struct outcome o = get(&s, 2400);
        ck_assert_msg(o.status == ES_OK, "%s", o.text);
    }
    stop(&s);
    stop(&other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("es_fault");
    TCase *tc = tcase_create("es_fault");
    tcase_add_test(tc, a_name_that_does_not_resolve_is_told_and_other_nodes_answer);
    tcase_add_test(tc, a_name_server_that_says_nothing_holds_nobody_up);
    tcase_add_test(tc, wrong_credentials_are_told_and_asked_with_rarely);
    tcase_add_loop_test(tc, the_spool_keeps_all_until_credentials_are_right, 0, 2);
    tcase_add_loop_test(tc, an_answer_that_is_cut_or_stops_is_none, 0, 6);
    tcase_add_test(tc, another_node_answers_when_one_stops_in_its_answer);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
