/* SPDX-License-Identifier: BSD-3-Clause */
/* A call that is answered at once allocates nothing once its worker is warm: every malloc of the
 * process is counted. */
#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "serverkit.h"
#include "testkit.h"

/* glibc's own, under the names that remain when a program brings its malloc. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static _Atomic long allocations;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTS 1
void *malloc(size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_realloc(old, size);
}
#else
#define COUNTS 0
#endif

enum { WARM_UP = 200, CALLS = 2000, TOGETHER = 32 };

static struct tars_server *server;
static char ready[800];

static bool answer_ready(struct tars_call *call, void *self)
{
    (void)self;
    if (!tars_str_is(tars_call_function(call), "lookup"))
        return false;
    tars_call_reply_body(call, tars_str_n(ready, sizeof ready));
    return true;
}

static void open_server(void)
{
    struct tars_error error = {0};
    struct tars_conf *conf = sk_conf(tk_text("tcp -h 127.0.0.1 -p %u -t 60000", tk_free_port()), "",
                                     "");
    server = tars_server_new_conf(conf);
    tars_conf_free(conf);
    sk_serve(server);
    tars_server_serve_raw(server, "ShapesObj", answer_ready, NULL);
    ck_assert_msg(tars_server_start(server, &error), "%s", error.text);
}

static void close_server(void)
{
    tars_server_free(server);
}

/* Without Check's assertions, which allocate. */
static bool exchange(int fd, const struct tars_writer *requests, char *answers, size_t len)
{
    if (send(fd, requests->at, requests->len, 0) != (ssize_t)requests->len)
        return false;
    while (len) {
        ssize_t n = recv(fd, answers, len, 0);
        if (n <= 0)
            return false;
        len -= (size_t)n;
    }
    return true;
}

/* The allocations of CALLS calls after WARM_UP of them, TOGETHER at a time. */
static long allocations_of(const struct rpc_request *q)
{
    struct tars_writer w;
    static char answers[TOGETHER * 1024];
    int fd = sk_connect(server);
    tars_writer_init(&w);
    ck_assert(sk_send(fd, q));
    struct sk_answer a = sk_receive(fd, 5000);
    ck_assert(a.came);
    ck_assert_int_eq(a.packet.ret, 0);
    size_t len = ((size_t)a.frame[2] << 8) + a.frame[3];
    sk_free(&a);
    for (int i = 0; i < TOGETHER; i++)
        rpc_request_write(&w, q);
    long before = 0;
    bool ok = true;
    for (int i = 0; i < WARM_UP + CALLS; i += TOGETHER) {
        if (i >= WARM_UP && !before)
            before = allocations;
        ok = ok && exchange(fd, &w, answers, TOGETHER * len);
    }
    long after = allocations;
    ck_assert(ok);
    tars_writer_free(&w);
    close(fd);
    return after - before;
}

START_TEST(a_raw_servant_answers_without_an_allocation)
{
    struct rpc_request q = sk_request("lookup");
    q.body = sk_text_body("Demo.ShapeServer.ShapesObj");
    ck_assert_int_eq(allocations_of(&q), 0);
}
END_TEST

START_TEST(a_handler_that_answers_at_once_does_too)
{
    struct rpc_request q = sk_request("add");
    q.body = sk_add_body(70000, 2);
    ck_assert_int_eq(allocations_of(&q), 0);
}
END_TEST

START_TEST(a_context_with_a_node_name_does_not_change_that)
{
    struct tars_str_pair pair = {tars_str("node_name"), tars_str("10.0.0.1")};
    struct rpc_request q = sk_request("lookup");
    q.context = (struct tars_str_map){1, &pair};
    ck_assert_int_eq(allocations_of(&q), 0);
}
END_TEST

START_TEST(counting_works)
{
    long before = allocations;
    void *volatile some = malloc(10);
    free(some);
    ck_assert(!COUNTS || allocations > before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("server_allocation");
    TCase *t = tcase_create("allocation");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, open_server, close_server);
    tcase_add_test(t, a_raw_servant_answers_without_an_allocation);
    tcase_add_test(t, a_handler_that_answers_at_once_does_too);
    tcase_add_test(t, a_context_with_a_node_name_does_not_change_that);
    tcase_add_test(t, counting_works);
    suite_add_tcase(suite, t);
    return tk_main(suite);
}
