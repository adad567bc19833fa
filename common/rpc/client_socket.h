/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client's socket with its events on the loop: TCP, UDP or unix, plain or under TLS. Everything
 * returns at once. Loop thread.
 */
#ifndef RPC_CLIENT_SOCKET_H
#define RPC_CLIENT_SOCKET_H

#include <event2/util.h>

#include "rpc/resolver.h"
#include "rpc/tls.h"

struct event;

/* Zero with fd -1 is a socket that is not open. */
struct rpc_socket {
    int fd;
    bool datagrams;
    struct event *readable, *writable; /* EV_READ persistent, EV_WRITE once; not added */
    struct rpc_tls *tls;               /* NULL: plain */
};

typedef void rpc_socket_event(evutil_socket_t fd, short what, void *user);

/* Opens and begins to connect; false with errno set. */
bool rpc_socket_open(struct rpc_socket *s, struct event_base *base,
                     const struct rpc_address *address, bool datagrams, rpc_socket_event *readable,
                     rpc_socket_event *writable, void *user) TARS_MUSTCHECK;
void rpc_socket_close(struct rpc_socket *s);

/* 0 when it is connected, else the errno of why not. */
int rpc_socket_connect_error(const struct rpc_socket *s);

/* Bytes moved (0 at the end when reading), RPC_TLS_WANT_READ, RPC_TLS_WANT_WRITE or
 * RPC_TLS_FAILED, for which rpc_socket_explain has words: "what: why". */
ssize_t rpc_socket_read(struct rpc_socket *s, void *bytes, size_t size);
ssize_t rpc_socket_write(struct rpc_socket *s, const void *bytes, size_t len);
void rpc_socket_explain(const struct rpc_socket *s, const char *what, char *text, size_t size);

#endif
