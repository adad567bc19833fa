/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/server_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

bool server_socket_is_local(const struct tars_endpoint *endpoint)
{
    return endpoint->port == 0 && strchr(endpoint->host, '/');
}

/* A name that has both kinds of addresses, as localhost often has, means IPv4: that is what callers
 * of other languages look up. */
static const struct addrinfo *ipv4_first(const struct addrinfo *list)
{
    for (const struct addrinfo *one = list; one; one = one->ai_next)
        if (one->ai_family == AF_INET)
            return one;
    return list;
}

static bool resolve(const struct tars_endpoint *e, uint16_t port, union server_address *address,
                    socklen_t *len, struct tars_error *error)
{
    char service[8];
    struct addrinfo *list = NULL;
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    snprintf(service, sizeof service, "%u", port);
    int failed = getaddrinfo(e->host, service, &hints, &list);
    if (failed)
        return tars_fail(error, -1, "the host \"%s\": %s", e->host, gai_strerror(failed));
    const struct addrinfo *found = ipv4_first(list);
    *len = found->ai_addrlen;
    memcpy(address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(list);
    return true;
}

static bool make_local(const struct tars_endpoint *e, union server_address *address, socklen_t *len,
                       struct tars_error *error)
{
    size_t path_len = strlen(e->host);
    memset(address, 0, sizeof *address);
    address->local.sun_family = AF_UNIX;
    if (path_len >= sizeof address->local.sun_path)
        return tars_fail(error, -1, "the path of the socket is too long: %s", e->host);
    memcpy(address->local.sun_path, e->host, path_len);
    *len = sizeof address->local;
    return true;
}

/* Removes a socket that a killed server left behind; one that answers stays, and binding fails. */
static void remove_stale(const union server_address *address, socklen_t len)
{
    struct stat st;
    if (lstat(address->local.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, &address->any, len) < 0 && errno == ECONNREFUSED)
        unlink(address->local.sun_path);
    if (fd >= 0)
        close(fd);
}

static int bind_socket(const union server_address *address, socklen_t len, int type, bool shared)
{
    const int one = 1;
    int fd = socket(address->any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (type == SOCK_STREAM)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (bind(fd, &address->any, len) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

int server_socket_bind(const struct tars_endpoint *e, bool shared, uint16_t *port,
                       struct tars_error *error)
{
    union server_address address;
    socklen_t len;
    bool local = server_socket_is_local(e);
    if (local ? !make_local(e, &address, &len, error) : !resolve(e, *port, &address, &len, error))
        return -1;
    if (local)
        remove_stale(&address, len);
    int fd = bind_socket(&address, len, e->transport == TARS_UDP ? SOCK_DGRAM : SOCK_STREAM,
                         shared && !local);
    if (fd < 0) {
        tars_fail(error, errno, "listening on %s port %u: %s", e->host, *port, strerror(errno));
        return -1;
    }
    len = sizeof address;
    if (!local && getsockname(fd, &address.any, &len) == 0)
        *port = server_address_port(&address);
    return fd;
}

bool server_socket_listen(int fd, struct tars_error *error)
{
    return listen(fd, BACKLOG) == 0 || tars_fail(error, errno, "listening: %s", strerror(errno));
}

size_t server_address_print(const union server_address *address, char text[SERVER_ADDRESS_TEXT])
{
    text[0] = '\0';
    if (address->any.sa_family == AF_INET)
        inet_ntop(AF_INET, &address->v4.sin_addr, text, SERVER_ADDRESS_TEXT);
    else if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr))
        inet_ntop(AF_INET, &address->v6.sin6_addr.s6_addr[12], text, SERVER_ADDRESS_TEXT);
    else if (address->any.sa_family == AF_INET6)
        inet_ntop(AF_INET6, &address->v6.sin6_addr, text, SERVER_ADDRESS_TEXT);
    return strlen(text);
}

uint16_t server_address_port(const union server_address *address)
{
    if (address->any.sa_family == AF_INET)
        return ntohs(address->v4.sin_port);
    if (address->any.sa_family == AF_INET6)
        return ntohs(address->v6.sin6_port);
    return 0;
}
