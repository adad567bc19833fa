/* SPDX-License-Identifier: BSD-3-Clause */
#include "suitekit.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "QueryF.h"
#include "base/xmalloc.h"
#include "rpc/packet.h"

enum {
    WAIT_MS = 30000,
    TRIES = 20,
    PAUSE_MS = 5,
    STORE_EVERY = 20,
    ANSWER_MS = 20000,
    FURTHER_CALLS = 10
};

/* ---- both daemons ------------------------------------------------------------------------------
 */

static struct suite_ports free_ports(void)
{
    return (struct suite_ports){
        .query = tk_free_port(),
        .registry = tk_free_port(),
        .admin = tk_free_port(),
        .http = tk_free_port(),
        .store = tk_free_port(),
        .store_http = tk_free_port(),
    };
}

static struct tk_process *start_store(const struct suite_ports *p, const char *variable)
{
    const char *const argv[] = {tk_program("tarselasticsearch"), NULL};
    const char *const env[] = {tk_text("TARS_ELASTICSEARCH_DATA=%s", tk_dir()),
                               tk_text("TARS_ELASTICSEARCH_PORT=%u", p->store),
                               tk_text("TARS_ELASTICSEARCH_HTTP_PORT=%u", p->store_http), variable,
                               NULL};
    return tk_spawn(argv, env, NULL);
}

static struct tk_process *start_registry(const struct suite_ports *p, const char *settings)
{
    const char *data = tk_dir(), *path = tk_text("%s/tarsregistry.conf", data);
    tk_write_file(path,
                  tk_text("<tars>\n<application>\n<server>\napp=tars\nserver=tarsregistry\n"
                          "local=tcp -h 127.0.0.1 -p %u -t 600000\nworkers=2\n"
                          "<QueryAdapter>\nservant=tars.tarsregistry.QueryObj\nmaxconns=100000\n"
                          "endpoint=tcp -h 127.0.0.1 -p %u -t 600000\n</QueryAdapter>\n"
                          "<RegistryAdapter>\nservant=tars.tarsregistry.Registry\nmaxconns=100000\n"
                          "endpoint=tcp -h 127.0.0.1 -p %u -t 600000\n</RegistryAdapter>\n"
                          "</server>\n</application>\n"
                          "<registry>\nhttp-port=%u\npoll-interval=200\n%s</registry>\n"
                          "<elk>\n<nodes>\n127.0.0.1:%u\n</nodes>\n</elk>\n</tars>\n",
                          p->admin, p->query, p->registry, p->http, settings, p->store));
    const char *const argv[] = {tk_program("tarsregistry"), tk_text("--config=%s", path), "--data",
                                data, NULL};
    return tk_spawn(argv, NULL, NULL);
}

static bool is_up(const struct suite *s)
{
    return tk_output_has(s->store, "started, version") &&
           tk_output_has(s->registry, "started, version") &&
           tk_http(s->ports.http, "GET", "/readyz", NULL, NULL) == 200;
}

/* A port that was free may be somebody's outgoing one for a moment: then other ports. */
struct suite *suite_start(const char *settings, const char *store_env)
{
    struct suite *s = xcalloc(1, sizeof *s);
    for (int tries = 0; tries < TRIES; tries++) {
        s->ports = free_ports();
        s->store = start_store(&s->ports, store_env);
        s->registry = start_registry(&s->ports, settings);
        for (int64_t end = tk_ms() + WAIT_MS; tk_ms() < end; tk_sleep(20)) {
            if (tk_wait(s->store, 0) || tk_wait(s->registry, 0))
                break;
            if (is_up(s))
                return s;
        }
        tk_kill(s->store);
        tk_kill(s->registry);
    }
    ck_abort_msg("the suite does not start: %s", tk_output(s->registry));
    return NULL;
}

void suite_stop(struct suite *s)
{
    ck_assert_msg(!tk_wait(s->registry, 0), "the registry has ended: %s", tk_output(s->registry));
    ck_assert_msg(!tk_wait(s->store, 0), "the store has ended: %s", tk_output(s->store));
    ck_assert_int_eq(tk_stop(s->registry, WAIT_MS), 0);
    ck_assert_int_eq(tk_stop(s->store, WAIT_MS), 0);
    free(s);
}

static double sum_of(const char *text, const char *name)
{
    double sum = 0;
    size_t len = strlen(name);
    for (const char *at = text; (at = strstr(at, name)); at += len) {
        bool begins = at == text || at[-1] == '\n', ends = at[len] == ' ' || at[len] == '{';
        const char *value = strchr(at, ' '), *line = strchr(at, '\n');
        if (begins && ends && value && (!line || value < line))
            sum += atof(value);
    }
    return sum;
}

double suite_metric(const struct suite *s, const char *name)
{
    char *text = NULL;
    if (tk_http(s->ports.http, "GET", "/metrics", NULL, &text) != 200)
        return -1;
    double value = sum_of(text, name);
    free(text);
    return value;
}

long suite_rss_kb(const struct suite *s)
{
    return tk_rss_kb(s->registry) + tk_rss_kb(s->store);
}

long suite_kb(long kb)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return kb * 8;
#else
    return kb;
#endif
}

/* ---- somebody who wants to be served -----------------------------------------------------------
 */

struct witness {
    pthread_t thread;
    struct suite_ports ports;
    _Atomic bool enough;
    _Atomic int calls;
    int failures;
    int64_t slowest;
    char what[200]; /* the first failure */
};

static void note(struct witness *w, int64_t began, bool ok, const char *what)
{
    int64_t took = tk_ms() - began;
    w->calls++;
    if (took > w->slowest)
        w->slowest = took;
    if (!ok && !w->failures++)
        snprintf(w->what, sizeof w->what, "%s after %d calls, %d ms", what, w->calls, (int)took);
}

static bool look_up(int fd, const struct tars_writer *request)
{
    struct rpc_response answer;
    size_t len;
    if (!tk_send(fd, request->at, request->len))
        return false;
    uint8_t *frame = tk_read_frame(fd, ANSWER_MS, &len);
    struct tars_arena *arena = tars_arena_new(0);
    bool ok = frame && rpc_response_read(tars_str_n(frame, len), arena, &answer, NULL) &&
              answer.ret == 0 && answer.id == 7;
    tars_arena_free(arena);
    free(frame);
    return ok;
}

static void write_request(struct tars_writer *w)
{
    struct tars_writer body;
    tars_writer_init(&body);
    tars_write_str(&body, 1, tars_str("App.Server.Obj"));
    struct rpc_request q = {.version = RPC_TARS,
                            .id = 7,
                            .servant = tars_str("tars.tarsregistry.QueryObj"),
                            .function = tars_str("findObjectById4Any"),
                            .body = tars_str_n(body.at, body.len),
                            .timeout_ms = ANSWER_MS};
    tars_writer_init(w);
    rpc_request_write(w, &q);
    tars_writer_free(&body);
}

static void *watch(void *arg)
{
    struct witness *w = arg;
    struct tars_writer request;
    write_request(&request);
    int fd = tk_connect(w->ports.query);
    for (int i = 0; !atomic_load(&w->enough); i++) {
        int64_t began = tk_ms();
        note(w, began, look_up(fd, &request), "a lookup on a standing connection failed");
        if (i % STORE_EVERY == 0) {
            began = tk_ms();
            int other = tk_connect(w->ports.query);
            note(w, began, look_up(other, &request), "a lookup on a new connection failed");
            close(other);
            began = tk_ms();
            int status = tk_http(w->ports.store, "PUT", "/witness/_doc/1", "{\"n\":1}", NULL);
            note(w, began, status == 200 || status == 201, "storing a document failed");
        }
        tk_sleep(PAUSE_MS);
    }
    close(fd);
    tars_writer_free(&request);
    return NULL;
}

void suite_watch(struct suite *s)
{
    s->witness = xcalloc(1, sizeof *s->witness);
    s->witness->ports = s->ports;
    ck_assert_int_eq(pthread_create(&s->witness->thread, NULL, watch, s->witness), 0);
}

void suite_expect_served(struct suite *s, int ms)
{
    struct witness *w = s->witness;
    int so_far = atomic_load(&w->calls);
    tk_eventually(atomic_load(&w->calls) >= so_far + FURTHER_CALLS, ms);
    atomic_store(&w->enough, true);
    pthread_join(w->thread, NULL);
    printf("others: %d calls, slowest %d ms\n", w->calls, (int)w->slowest);
    ck_assert_msg(w->failures == 0, "%d of %d calls failed: %s", w->failures, w->calls, w->what);
    ck_assert_int_ge(w->calls, FURTHER_CALLS);
    ck_assert_int_le(w->slowest, ms);
    free(w);
    s->witness = NULL;
}
