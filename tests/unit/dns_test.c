/* SPDX-License-Identifier: BSD-3-Clause */
/* Host names through /etc/hosts and name servers, against a small name server on a thread. */
#include <arpa/inet.h>
#include <check.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "dns/resolver.h"
#include "testkit.h"

/* ---- the name server
 * --------------------------------------------------------------------------------- */

enum { HEAD = 12, TYPE_A = 1, TYPE_AAAA = 28, NO_SUCH_NAME = 3 };

/* "both.test" has two addresses of each kind, "four.test" only IPv4 and no answer to the other
 * question, "broken.test" answers that cannot be read, anything else does not exist. */
struct name_server {
    int fd;
    uint16_t port;
    pthread_t thread;
};

static size_t question_end(const uint8_t *packet, size_t len)
{
    size_t at = HEAD;
    while (at < len && packet[at])
        at += packet[at] + 1U;
    return at + 5;
}

static bool asks(const uint8_t *packet, const char *first)
{
    return packet[HEAD] == strlen(first) &&
           strncasecmp((const char *)packet + HEAD + 1, first, strlen(first)) == 0 &&
           strncasecmp((const char *)packet + HEAD + 1 + strlen(first), "\4test", 5) == 0;
}

static size_t add_record(uint8_t *packet, size_t at, int type, const char *address)
{
    uint8_t head[12] = {0xc0, HEAD, 0, (uint8_t)type,          0, 1, 0, 0,
                        0,    60,   0, type == TYPE_A ? 4 : 16};
    memcpy(packet + at, head, sizeof head);
    inet_pton(type == TYPE_A ? AF_INET : AF_INET6, address, packet + at + sizeof head);
    packet[7]++;
    return at + sizeof head + head[11];
}

/* 0: no answer at all. */
static size_t make_answer(uint8_t *packet, size_t len)
{
    size_t at = question_end(packet, len);
    int type = packet[at - 3];
    packet[2] = 0x81;
    packet[3] = 0x80;
    packet[11] = 0;
    if (asks(packet, "both")) {
        at = add_record(packet, at, type, type == TYPE_A ? "10.0.0.1" : "fd00::1");
        return add_record(packet, at, type, type == TYPE_A ? "10.0.0.2" : "fd00::2");
    }
    if (asks(packet, "four"))
        return type == TYPE_A ? add_record(packet, at, type, "10.0.0.4") : 0;
    if (asks(packet, "broken")) {
        packet[7] = 200;
        return at + 3;
    }
    packet[3] |= NO_SUCH_NAME;
    return at;
}

static void *serve(void *arg)
{
    struct name_server *s = arg;
    uint8_t packet[1024] = {0};
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t len;
    while ((len = recvfrom(s->fd, packet, 512, 0, (struct sockaddr *)&from, &size)) > 4) {
        size_t answer = make_answer(packet, (size_t)len);
        if (answer)
            sendto(s->fd, packet, answer, 0, (struct sockaddr *)&from, size);
        memset(packet, 0, sizeof packet);
    }
    return NULL;
}

static struct name_server server;

static void open_server(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof here;
    server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(server.fd, (struct sockaddr *)&here, sizeof here), 0);
    getsockname(server.fd, (struct sockaddr *)&here, &size);
    server.port = ntohs(here.sin_port);
    ck_assert_int_eq(pthread_create(&server.thread, NULL, serve, &server), 0);
}

static void close_server(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET,
                               .sin_port = htons(server.port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sendto(fd, "end", 3, 0, (struct sockaddr *)&here, sizeof here);
    pthread_join(server.thread, NULL);
    close(fd);
    close(server.fd);
}

/* ---- look-ups
 * ------------------------------------------------------------------------------------------ */

struct answer {
    struct event_base *base;
    struct rpc_resolver *resolver;
    unsigned came;
    char text[512]; /* "10.0.0.1:80 …" */
    char error[256];
};

static void on_resolved(void *user, const struct rpc_addresses *addresses, const char *error)
{
    struct answer *a = user;
    a->came++;
    snprintf(a->error, sizeof a->error, "%s", error ? error : "");
    *a->text = '\0';
    for (size_t i = 0; i < addresses->count; i++) {
        const struct sockaddr_in *v4 = (const void *)&addresses->at[i].storage;
        const struct sockaddr_in6 *v6 = (const void *)&addresses->at[i].storage;
        char ip[INET6_ADDRSTRLEN];
        bool is_v4 = addresses->at[i].any.sa_family == AF_INET;
        inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? (const void *)&v4->sin_addr : &v6->sin6_addr,
                  ip, sizeof ip);
        snprintf(a->text + strlen(a->text), sizeof a->text - strlen(a->text), "%s%s:%d",
                 i ? " " : "", ip, ntohs(is_v4 ? v4->sin_port : v6->sin6_port));
    }
    event_base_loopbreak(a->base);
}

static struct answer setup(const char *resolv_conf, const char *hosts)
{
    const char *folder = tk_dir();
    const char *conf = tk_text("%s/resolv.conf", folder), *list = tk_text("%s/hosts", folder);
    struct answer a = {.base = event_base_new()};
    if (resolv_conf)
        tk_write_file(conf, resolv_conf);
    tk_write_file(list, hosts);
    a.resolver = dns_resolver_new(a.base, conf, list);
    return a;
}

static const char *our_server(void)
{
    return tk_text("nameserver 127.0.0.1:%u\nsearch test\noptions timeout:1 attempts:2\n",
                   server.port);
}

static void teardown(struct answer *a)
{
    rpc_resolver_free(a->resolver);
    event_base_loop(a->base, EVLOOP_NONBLOCK);
    event_base_free(a->base);
}

static void look_up(struct answer *a, const char *host)
{
    a->came = 0;
    rpc_resolver_lookup(a->resolver, host, 80, on_resolved, a);
    ck_assert_uint_eq(a->came, 0);
    const struct timeval limit = {10, 0};
    event_base_loopexit(a->base, &limit);
    while (!a->came && !event_base_got_exit(a->base))
        event_base_loop(a->base, EVLOOP_ONCE);
    ck_assert_uint_eq(a->came, 1);
}

static bool has(const struct answer *a, const char *part)
{
    return strstr(a->text, part) != NULL;
}

START_TEST(all_addresses_of_both_families_come)
{
    struct answer a = setup(our_server(), "");
    look_up(&a, "both.test");
    ck_assert_str_eq(a.error, "");
    ck_assert(has(&a, "10.0.0.1:80") && has(&a, "10.0.0.2:80") && has(&a, "fd00::1:80"));
    teardown(&a);
}
END_TEST

START_TEST(short_names_are_searched_for_in_the_domains)
{
    struct answer a = setup(our_server(), "");
    look_up(&a, "both");
    ck_assert(has(&a, "10.0.0.1:80"));
    teardown(&a);
}
END_TEST

START_TEST(a_family_that_is_not_answered_does_not_hold_up_the_other)
{
    struct answer a = setup(our_server(), "");
    int64_t began = tk_ms();
    look_up(&a, "four.test");
    ck_assert_str_eq(a.text, "10.0.0.4:80");
    ck_assert_int_lt(tk_ms() - began, 3000);
    teardown(&a);
}
END_TEST

START_TEST(what_does_not_exist_is_told)
{
    struct answer a = setup(our_server(), "");
    look_up(&a, "nobody.test");
    ck_assert_str_eq(a.error, "cannot resolve the host name: name does not exist");
    ck_assert_str_eq(a.text, "");
    teardown(&a);
}
END_TEST

START_TEST(broken_answers_end_in_an_error)
{
    struct answer a = setup(our_server(), "");
    look_up(&a, "broken.test");
    ck_assert_ptr_nonnull(strstr(a.error, "cannot resolve the host name"));
    teardown(&a);
}
END_TEST

START_TEST(hosts_file_goes_before_name_servers)
{
    struct answer a = setup(our_server(),
                            "# both.test\n1.2.3.4 other both.test # x\n::5 BOTH.TEST\n"
                            "nonsense both.test\n");
    look_up(&a, "both.test");
    ck_assert_str_eq(a.text, "1.2.3.4:80 ::5:80");
    look_up(&a, "localhost");
    ck_assert_str_eq(a.text, "127.0.0.1:80");
    teardown(&a);
}
END_TEST

START_TEST(without_name_servers_the_reason_names_the_file)
{
    struct answer a = setup(NULL, "");
    look_up(&a, "both.test");
    ck_assert_ptr_nonnull(strstr(a.error, "/resolv.conf"));
    teardown(&a);
}
END_TEST

START_TEST(what_is_cancelled_or_freed_never_answers)
{
    struct answer a = setup(our_server(), "1.2.3.4 known\n");
    rpc_lookup_cancel(rpc_resolver_lookup(a.resolver, "known", 1, on_resolved, &a));
    rpc_lookup_cancel(rpc_resolver_lookup(a.resolver, "both.test", 1, on_resolved, &a));
    rpc_resolver_lookup(a.resolver, "four.test", 1, on_resolved, &a);
    rpc_resolver_lookup(a.resolver, "known", 1, on_resolved, &a);
    rpc_resolver_free(a.resolver);
    a.resolver = NULL;
    for (int i = 0; i < 5; i++)
        event_base_loop(a.base, EVLOOP_NONBLOCK);
    ck_assert_uint_eq(a.came, 0);
    event_base_free(a.base);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dns");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, open_server, close_server);
    tcase_add_test(tc, all_addresses_of_both_families_come);
    tcase_add_test(tc, short_names_are_searched_for_in_the_domains);
    tcase_add_test(tc, a_family_that_is_not_answered_does_not_hold_up_the_other);
    tcase_add_test(tc, what_does_not_exist_is_told);
    tcase_add_test(tc, broken_answers_end_in_an_error);
    tcase_add_test(tc, hosts_file_goes_before_name_servers);
    tcase_add_test(tc, without_name_servers_the_reason_names_the_file);
    tcase_add_test(tc, what_is_cancelled_or_freed_never_answers);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
