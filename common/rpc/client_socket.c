/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/client_socket.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "base/connected.h"

static int open_socket(const struct rpc_address *address, bool datagrams)
{
    const int on = 1;
    int type = datagrams ? SOCK_DGRAM : SOCK_STREAM;
    int fd = socket(address->any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && !datagrams && address->any.sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

bool rpc_socket_open(struct rpc_socket *s, struct event_base *base,
                     const struct rpc_address *address, bool datagrams, rpc_socket_event *readable,
                     rpc_socket_event *writable, void *user)
{
    int number;

    s->datagrams = datagrams;
    s->fd = open_socket(address, datagrams);
    if (s->fd < 0)
        return false;
    if (connect(s->fd, &address->any, address->len) == 0 || errno == EINPROGRESS) {
        s->readable = event_new(base, s->fd, EV_READ | EV_PERSIST, readable, user);
        s->writable = event_new(base, s->fd, EV_WRITE, writable, user);
        return true;
    }
    number = errno;
    rpc_socket_close(s);
    errno = number;
    return false;
}

void rpc_socket_close(struct rpc_socket *s)
{
    if (s->readable)
        event_free(s->readable);
    if (s->writable)
        event_free(s->writable);
    s->readable = s->writable = NULL;
    if (s->tls)
        rpc_tls_free(s->tls);
    s->tls = NULL;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

int rpc_socket_connect_error(const struct rpc_socket *s)
{
    return connected_error(s->fd);
}

ssize_t rpc_socket_read(struct rpc_socket *s, void *bytes, size_t size)
{
    ssize_t n;

    if (s->tls)
        return rpc_tls_read(s->tls, bytes, size);
    do
        n = recv(s->fd, bytes, size, 0);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    return errno == EAGAIN ? RPC_TLS_WANT_READ : RPC_TLS_FAILED;
}

ssize_t rpc_socket_write(struct rpc_socket *s, const void *bytes, size_t len)
{
    ssize_t n;

    if (s->tls)
        return rpc_tls_write(s->tls, bytes, len);
    do
        n = send(s->fd, bytes, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == ENOBUFS ? RPC_TLS_WANT_WRITE : RPC_TLS_FAILED;
}

void rpc_socket_explain(const struct rpc_socket *s, const char *what, char *text, size_t size)
{
    struct tars_error error = {0};
    int number = errno;

    if (s->tls)
        rpc_tls_explain(s->tls, &error);
    snprintf(text, size, "%s: %.180s", what, s->tls ? error.text : strerror(number));
}
