/* SPDX-License-Identifier: BSD-3-Clause */
/* Listens with one certificate. Another certificate means another one on the same socket. */
#ifndef STORE_LISTENER_H
#define STORE_LISTENER_H

#include "call.h"
#include "certificate.h"

#include <sys/socket.h>

struct listener {
    struct entrance entrance;
    struct MHD_Daemon *daemon;
    struct certificate *certificate; /* NULL: plain HTTP */
    int fd;                          /* to be closed behind MHD; -1: MHD closes it */
};

/* False when the address is no IPv4 or IPv6 address. */
bool listener_make_address(const char *address, uint16_t port, struct sockaddr_storage *to);
/* Takes the certificate (NULL: plain HTTP) also when it fails. `fd` is a socket that listens, or
 * -1: opens one of its own. NULL when it cannot listen, or not with that certificate. */
struct listener *listener_new(struct calls *calls, struct certificate *certificate, int fd);
/* Another one on the socket of `l`, which goes on under another number. */
struct listener *listener_new_beside(struct listener *l, struct certificate *certificate);
/* Takes no more calls, waits for those that work, closes all connections. */
void listener_free(struct listener *l);
/* No call is with the store's threads. */
bool listener_is_idle(struct listener *l);
/* 0 of NULL. */
unsigned listener_connections(const struct listener *l);

#endif
