/* SPDX-License-Identifier: BSD-3-Clause */
#include "serverkit.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xmalloc.h"
#include "testkit.h"

/* ---- servant -----------------------------------------------------------------------------------
 */

struct shapes_args {
    int32_t ret;
    int32_t a, b, sum;
    struct tars_str text;
};

#define PARAM(name_, tag_, out_, member_, type_)                                                   \
    {                                                                                              \
        name_, tag_, out_, offsetof(struct shapes_args, member_), &tars_type_##type_               \
    }

static const struct tars_param add_params[] = {
    PARAM("", 0, true, ret, int32), PARAM("a", 1, false, a, int32), PARAM("b", 2, false, b, int32),
    PARAM("sum", 3, true, sum, int32)};
static const struct tars_param echo_params[] = {PARAM("", 0, true, text, str),
                                                PARAM("text", 1, false, text, str)};
static const struct tars_param int_params[] = {PARAM("", 0, true, ret, int32),
                                               PARAM("a", 1, false, a, int32)};
static const struct tars_param big_params[] = {PARAM("a", 1, false, a, int32),
                                               PARAM("text", 2, true, text, str)};

static void add(struct tars_call *call, const void *handlers, void *args)
{
    struct shapes_args *x = args;
    (void)call;
    (void)handlers;
    x->ret = 7;
    x->sum = x->a + x->b;
}

static void echo(struct tars_call *call, const void *handlers, void *args)
{
    (void)call;
    (void)handlers;
    (void)args;
}

/* What a handler must not do: the whole worker waits. */
static void block(struct tars_call *call, const void *handlers, void *args)
{
    struct shapes_args *x = args;
    (void)call;
    (void)handlers;
    tk_sleep(x->a);
}

static void fail_as_asked(struct tars_call *call, const void *handlers, void *args)
{
    struct shapes_args *x = args;
    (void)handlers;
    tars_call_fail(call, x->a, "failing as asked");
}

static _Atomic(struct tars_later *) unanswered;

static void never(struct tars_call *call, const void *handlers, void *args)
{
    (void)handlers;
    (void)args;
    unanswered = tars_call_later(call);
}

bool sk_answer_never(void)
{
    struct tars_later *later = unanswered;
    unanswered = NULL;
    bool expired = later && tars_later_expired(later);
    if (later)
        tars_reply_error(later, 1, "too late");
    return expired;
}

static const struct tars_function functions[];
enum { ADD, BIG, BLOCK, ECHO, FAIL, GONE, NEVER, PUSH, SLEEP, TWICE, FUNCTIONS };

struct nap {
    struct tars_later *later;
    int ms;
};

static void *answer_after_nap(void *arg)
{
    struct nap nap = *(struct nap *)arg;
    struct shapes_args args = {.ret = nap.ms};
    free(arg);
    tk_sleep(nap.ms);
    tars_reply_context(tars_later_call(nap.later), "napped", tars_str("yes"));
    tars_reply(nap.later, &functions[SLEEP], &args);
    return NULL;
}

static void sleep_ms(struct tars_call *call, const void *handlers, void *args)
{
    struct shapes_args *x = args;
    pthread_t thread;
    struct nap *nap = xmalloc(sizeof *nap);
    (void)handlers;
    *nap = (struct nap){tars_call_later(call), x->a};
    ck_assert(pthread_create(&thread, NULL, answer_after_nap, nap) == 0);
    pthread_detach(thread);
}

static void answer_twice(struct tars_call *call, const void *handlers, void *args)
{
    struct tars_later *later = tars_call_later(call);
    (void)handlers;
    tars_reply(later, &functions[TWICE], args);
    tars_reply_error(later, 7, "the second answer");
}

static void push(struct tars_call *call, const void *handlers, void *args)
{
    struct shapes_args *x = args;
    (void)handlers;
    struct tars_connection *connection = tars_call_connection(call);
    for (int i = 0; i < x->a; i++)
        x->ret += tars_connection_push(connection, "onPush", tars_str("pushed"));
    tars_connection_release(connection);
}

static void big(struct tars_call *call, const void *handlers, void *args)
{
    struct shapes_args *x = args;
    (void)handlers;
    char *text = tars_call_alloc(call, (size_t)x->a);
    ck_assert_ptr_nonnull(text);
    memset(text, 'x', (size_t)x->a);
    x->text = tars_str_n(text, (size_t)x->a);
}

#define FUNCTION(name_, params_, handler_, serve_)                                                 \
    {                                                                                              \
        name_, sizeof(struct shapes_args), params_, sizeof params_ / sizeof *params_,              \
            handler_ * sizeof(void (*)(void)), serve_, NULL                                        \
    }

static const struct tars_function functions[] = {
    [ADD] = FUNCTION("add", add_params, ADD, add),
    [BIG] = FUNCTION("big", big_params, BIG, big),
    [BLOCK] = FUNCTION("block", int_params, BLOCK, block),
    [ECHO] = FUNCTION("echo", echo_params, ECHO, echo),
    [FAIL] = FUNCTION("fail", int_params, FAIL, fail_as_asked),
    [GONE] = FUNCTION("gone", int_params, GONE, NULL),
    [NEVER] = {"never", sizeof(struct shapes_args), NULL, 0, NEVER * sizeof(void (*)(void)), never,
               NULL},
    [PUSH] = FUNCTION("push", int_params, PUSH, push),
    [SLEEP] = FUNCTION("sleep", int_params, SLEEP, sleep_ms),
    [TWICE] = FUNCTION("twice", int_params, TWICE, answer_twice),
};
static const struct tars_interface shapes = {"Demo.Shapes", functions, FUNCTIONS};
static void (*const handlers_table[FUNCTIONS])(void) = {
    [ADD] = abort,   [BIG] = abort,  [BLOCK] = abort, [ECHO] = abort,  [FAIL] = abort,
    [NEVER] = abort, [PUSH] = abort, [SLEEP] = abort, [TWICE] = abort,
    /* GONE has none */
};

/* ---- server ------------------------------------------------------------------------------------
 */

struct tars_conf *sk_conf(const char *endpoint, const char *adapter, const char *server)
{
    struct tars_error error = {0};
    const char *folder = tk_dir();
    char *text = xasprintf(
        "<tars>\n<application>\n<server>\n"
        "app=Demo\nserver=ShapeServer\nworkers=2\nbasepath=%s\ndatapath=%s\nlogpath=%s\n"
        "local=tcp -h 127.0.0.1 -p %u -t 10000\n%s\n"
        "<Demo.ShapeServer.ShapesObjAdapter>\nservant=Demo.ShapeServer.ShapesObj\n"
        "endpoint=%s\n%s\n</Demo.ShapeServer.ShapesObjAdapter>\n"
        "<Demo.ShapeServer.DatagramObjAdapter>\n"
        "servant=Demo.ShapeServer.DatagramObj\nendpoint=udp -h 127.0.0.1 -p %u\n"
        "</Demo.ShapeServer.DatagramObjAdapter>\n"
        "</server>\n</application>\n</tars>\n",
        folder, folder, folder, tk_free_port(), server, endpoint, adapter, tk_free_port());
    struct tars_conf *conf = tars_conf_parse(tars_str(text), &error);
    free(text);
    ck_assert_msg(conf != NULL, "%s", error.text);
    return conf;
}

void sk_serve(struct tars_server *server)
{
    tars_server_serve(server, "ShapesObj", &shapes, handlers_table, NULL);
    tars_server_serve(server, "DatagramObj", &shapes, handlers_table, NULL);
}

struct tars_server *sk_server_on(const char *endpoint, const char *adapter, const char *lines)
{
    struct tars_error error = {0};
    struct tars_conf *conf = sk_conf(endpoint, adapter, lines);
    struct tars_server *server = tars_server_new_conf(conf);
    tars_conf_free(conf);
    sk_serve(server);
    ck_assert_msg(tars_server_start(server, &error), "%s", error.text);
    return server;
}

struct tars_server *sk_server(const char *adapter, const char *lines)
{
    return sk_server_on(tk_text("tcp -h 127.0.0.1 -p %u -t 60000", tk_free_port()), adapter, lines);
}

uint16_t sk_port(const struct tars_server *server)
{
    return tars_server_port(server, "ShapesObj");
}

struct wanted {
    const char *name, *label;
    double sum;
};

static void add_up(void *user, const char *name, const char *labels, double value)
{
    struct wanted *w = user;
    if (strcmp(name, w->name) == 0 && strstr(labels, w->label))
        w->sum += value;
}

double sk_metric(struct tars_server *server, const char *name, const char *label)
{
    struct wanted w = {name, label, 0};
    tars_server_metrics(server, add_up, &w);
    return w.sum;
}

/* ---- peer --------------------------------------------------------------------------------------
 */

struct rpc_request sk_request(const char *function)
{
    return (struct rpc_request){.version = RPC_TARS,
                                .id = 1,
                                .servant = tars_str("Demo.ShapeServer.ShapesObj"),
                                .function = tars_str(function),
                                .timeout_ms = 3000};
}

static _Thread_local struct tars_writer body;

static struct tars_str body_text(void)
{
    return tars_str_n(body.at, body.len);
}

struct tars_str sk_add_body(int32_t a, int32_t b)
{
    tars_writer_reset(&body);
    tars_write_int32(&body, 1, a);
    tars_write_int32(&body, 2, b);
    return body_text();
}

struct tars_str sk_int_body(int32_t n)
{
    tars_writer_reset(&body);
    tars_write_int32(&body, 1, n);
    return body_text();
}

struct tars_str sk_text_body(const char *text)
{
    tars_writer_reset(&body);
    tars_write_str(&body, 1, tars_str(text));
    return body_text();
}

int sk_connect(const struct tars_server *server)
{
    int fd = tk_connect(sk_port(server));
    ck_assert_int_ge(fd, 0);
    return fd;
}

bool sk_send(int fd, const struct rpc_request *request)
{
    struct tars_writer w;
    tars_writer_init(&w);
    rpc_request_write(&w, request);
    bool ok = tk_send(fd, w.at, w.len);
    tars_writer_free(&w);
    return ok;
}

static struct sk_answer receive(int fd, int ms, bool tup)
{
    struct tars_error error = {0};
    struct sk_answer a = {0};
    size_t len;
    a.frame = tk_read_frame(fd, ms, &len);
    a.came = a.frame != NULL;
    if (!a.came)
        return a;
    a.arena = tars_arena_new(0);
    struct tars_str frame = tars_str_n(a.frame, len);
    ck_assert_msg(tup ? rpc_tup_response_read(frame, a.arena, &a.packet, &error)
                      : rpc_response_read(frame, a.arena, &a.packet, &error),
                  "%s", error.text);
    return a;
}

struct sk_answer sk_receive(int fd, int ms)
{
    return receive(fd, ms, false);
}

struct sk_answer sk_receive_tup(int fd, int ms)
{
    return receive(fd, ms, true);
}

void sk_free(struct sk_answer *a)
{
    free(a->frame);
    tars_arena_free(a->arena);
}

int32_t sk_call(int fd, const struct rpc_request *request)
{
    if (!sk_send(fd, request))
        return INT32_MIN;
    struct sk_answer a = sk_receive(fd, 5000);
    int32_t ret = a.came ? a.packet.ret : INT32_MIN;
    sk_free(&a);
    return ret;
}

int32_t sk_ret(const struct sk_answer *a)
{
    struct tars_reader r;
    int32_t ret = 0;
    tars_reader_init(&r, a->packet.body.at, a->packet.body.len, NULL);
    ck_assert(tars_read_int32(&r, 0, TARS_REQUIRE, &ret));
    return ret;
}
