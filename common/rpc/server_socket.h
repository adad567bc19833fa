/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets that a server listens on, and the text of addresses. */
#ifndef RPC_SERVER_SOCKET_H
#define RPC_SERVER_SOCKET_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <tars/endpoint.h>

union server_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
};

enum { SERVER_ADDRESS_TEXT = 46 };

/*
 * A non-blocking socket bound to the endpoint, or -1 with the reason. `*port` 0 lets the system
 * choose and gets the choice. With `shared` several sockets may stand on the port side by side,
 * and the system spreads connections over them; one bound without fails when any other listens
 * there, which is how a port in use is noticed.
 */
int server_socket_bind(const struct tars_endpoint *endpoint, bool shared, uint16_t *port,
                       struct tars_error *error) TARS_MUSTCHECK;
/* Stream sockets: lets connections come. */
bool server_socket_listen(int fd, struct tars_error *error) TARS_MUSTCHECK;

/* True for the endpoints whose socket lies in the file system. */
bool server_socket_is_local(const struct tars_endpoint *endpoint);

/* The address without port: IPv4 (also inside IPv6) dotted; "" for a unix socket. Its length. */
size_t server_address_print(const union server_address *address, char text[SERVER_ADDRESS_TEXT]);
uint16_t server_address_port(const union server_address *address);

#endif
