/* SPDX-License-Identifier: BSD-3-Clause */
#include "supervise/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/connected.h"
#include "base/xmalloc.h"

struct sup_knock {
    struct loop *loop;
    enum sup_check_kind kind;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    socklen_t address_len;
    int fd;
    struct event *event;
    SSL_CTX *context;
    SSL *tls;
    struct loop_timer timer; /* the time-out, or the delay of an answer that is known already */
    bool answered, ok;
    char reason[200];
    void (*done)(void *user, bool ok, const char *reason);
    void *user;
};

static void release(struct sup_knock *k)
{
    loop_timer_clear(k->loop, &k->timer);
    if (k->event)
        event_free(k->event);
    SSL_free(k->tls);
    SSL_CTX_free(k->context);
    if (k->fd >= 0)
        close(k->fd);
    free(k);
}

static void tell(struct sup_knock *k)
{
    void (*done)(void *user, bool ok, const char *reason) = k->done;
    void *user = k->user;
    bool ok = k->ok;
    char reason[sizeof k->reason];
    memcpy(reason, k->reason, sizeof reason);
    release(k);
    done(user, ok, reason);
}

static void on_timer(struct loop_timer *timer)
{
    struct sup_knock *k = loop_container(timer, struct sup_knock, timer);
    if (!k->answered)
        snprintf(k->reason, sizeof k->reason, "no answer in time");
    tell(k);
}

/* The answer, given from the loop a moment later. */
static void answer(struct sup_knock *k, bool ok, const char *reason)
{
    k->answered = true;
    k->ok = ok;
    snprintf(k->reason, sizeof k->reason, "%s", ok ? "" : reason);
    if (k->event)
        event_del(k->event);
    loop_timer_set(k->loop, &k->timer, 0, on_timer);
}

/* ---- TCP and TLS
 * ---------------------------------------------------------------------------------- */

static void on_ready(evutil_socket_t fd, short what, void *arg);

static void wait_for(struct sup_knock *k, short what)
{
    if (k->event)
        event_free(k->event);
    k->event = event_new(loop_base(k->loop), k->fd, what, on_ready, k);
    event_add(k->event, NULL);
}

static void shake_hands(struct sup_knock *k)
{
    ERR_clear_error();
    int got = SSL_connect(k->tls), problem = SSL_get_error(k->tls, got);
    unsigned long code = ERR_peek_error();
    if (got == 1)
        answer(k, true, NULL);
    else if (problem == SSL_ERROR_WANT_READ)
        wait_for(k, EV_READ);
    else if (problem == SSL_ERROR_WANT_WRITE)
        wait_for(k, EV_WRITE);
    else if (problem == SSL_ERROR_SSL && ERR_GET_REASON(code) > SSL_AD_REASON_OFFSET)
        answer(k, true,
               NULL); /* an alert: it wants a certificate or another version, but is well */
    else
        answer(k, false, "accepts but does not speak TLS");
}

static void begin_tls(struct sup_knock *k)
{
    k->context = SSL_CTX_new(TLS_client_method());
    k->tls = k->context ? SSL_new(k->context) : NULL;
    if (!k->tls || SSL_set_fd(k->tls, k->fd) != 1) {
        answer(k, false, "TLS is not available");
        return;
    }
    SSL_set_verify(k->tls, SSL_VERIFY_NONE, NULL);
    shake_hands(k);
}

static void connected(struct sup_knock *k)
{
    int failed = connected_error(k->fd);
    if (failed)
        answer(k, false, strerror(failed));
    else if (k->kind == SUP_CHECK_TLS)
        begin_tls(k);
    else
        answer(k, true, NULL);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct sup_knock *k = arg;
    (void)fd;
    (void)what;
    if (k->answered)
        return;
    if (k->tls)
        shake_hands(k);
    else
        connected(k);
}

static void begin_connect(struct sup_knock *k)
{
    k->fd = socket(k->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (k->fd < 0 ||
        (connect(k->fd, &k->address.any, k->address_len) != 0 && errno != EINPROGRESS)) {
        answer(k, false, strerror(errno));
        return;
    }
    wait_for(k, EV_WRITE);
}

/* ---- UDP: a datagram would disturb the server, so the kernel is asked
 * ----------------------------- */

static bool address_fits(const char *hex, const unsigned char *address, size_t len)
{
    bool same = true, any = true;
    for (size_t word = 0; word < len; word += 4) {
        unsigned value = 0, wanted;
        if (sscanf(hex + word * 2, "%8x", &value) != 1)
            return false;
        memcpy(&wanted, address + word, sizeof wanted);
        same = same && value == wanted;
        any = any && value == 0;
    }
    return same || any;
}

/* ::ffff:a.b.c.d and :: serve IPv4 as well. */
static bool line_fits(const char *hex, size_t hex_len, const void *address, size_t len)
{
    unsigned char mapped[16] = {[10] = 0xff, [11] = 0xff};
    if (hex_len == len * 2)
        return address_fits(hex, address, len);
    if (hex_len != 32 || len != 4)
        return false;
    memcpy(mapped + 12, address, 4);
    return address_fits(hex, mapped, 16);
}

bool sup_udp_is_bound(const char *text, const void *address, size_t len, uint16_t port)
{
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        char hex[33];
        unsigned found;
        line += *line == '\n';
        if (sscanf(line, " %*d: %32[0-9A-Fa-f]:%4x", hex, &found) == 2 && found == port &&
            line_fits(hex, strlen(hex), address, len))
            return true;
    }
    return false;
}

static char *read_table(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    if (file && getdelim(&text, &size, '\0', file) < 0) {
        free(text);
        text = NULL;
    }
    if (file)
        fclose(file);
    return text;
}

static void look_for_udp(struct sup_knock *k)
{
    bool v4 = k->address.any.sa_family == AF_INET;
    const void *address = v4 ? (const void *)&k->address.v4.sin_addr : &k->address.v6.sin6_addr;
    uint16_t port = ntohs(v4 ? k->address.v4.sin_port : k->address.v6.sin6_port);
    char *table = read_table("/proc/net/udp"), *table6 = read_table("/proc/net/udp6");
    bool ok = (table && sup_udp_is_bound(table, address, v4 ? 4 : 16, port)) ||
              (table6 && sup_udp_is_bound(table6, address, v4 ? 4 : 16, port));
    answer(k, ok, table ? "no UDP socket is bound to it" : "cannot read /proc/net/udp");
    free(table);
    free(table6);
}

/* ---- public
 * --------------------------------------------------------------------------------------- */

static bool set_address(struct sup_knock *k, const char *host, uint16_t port)
{
    if (host && inet_pton(AF_INET, host, &k->address.v4.sin_addr) == 1) {
        k->address.v4.sin_family = AF_INET;
        k->address.v4.sin_port = htons(port);
        k->address_len = sizeof k->address.v4;
        return true;
    }
    k->address.v6.sin6_family = AF_INET6;
    k->address.v6.sin6_port = htons(port);
    k->address_len = sizeof k->address.v6;
    return host && inet_pton(AF_INET6, host, &k->address.v6.sin6_addr) == 1;
}

struct sup_knock *sup_knock_start(struct loop *loop, enum sup_check_kind kind, const char *host,
                                  uint16_t port, int64_t timeout_ms,
                                  void (*done)(void *user, bool ok, const char *reason), void *user)
{
    struct sup_knock *k = xcalloc(1, sizeof *k);
    k->loop = loop;
    k->kind = kind;
    k->fd = -1;
    k->done = done;
    k->user = user;
    loop_timer_set(loop, &k->timer, timeout_ms, on_timer);
    if (!set_address(k, host, port))
        answer(k, false, "not a numeric address");
    else if (kind == SUP_CHECK_UDP)
        look_for_udp(k);
    else
        begin_connect(k);
    return k;
}

void sup_knock_cancel(struct sup_knock *knock)
{
    if (knock)
        release(knock);
}
