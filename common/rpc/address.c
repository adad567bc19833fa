/* SPDX-License-Identifier: BSD-3-Clause */
/* Numeric hosts. Apart from resolver.c, so that a program may bring another resolver. */
#include <arpa/inet.h>

#include "rpc/resolver.h"

bool rpc_address_numeric(const struct tars_endpoint *endpoint, struct rpc_addresses *addresses,
                         struct tars_error *error)
{
    struct rpc_address *a = &addresses->at[0];
    struct sockaddr_in *v4 = (struct sockaddr_in *)&a->storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a->storage;

    memset(addresses, 0, sizeof *addresses);
    addresses->count = 1;
    if (endpoint->port == 0) {
        if (strlen(endpoint->host) >= sizeof a->local.sun_path)
            return tars_fail(error, 1, "the socket path %s is too long", endpoint->host);
        a->local.sun_family = AF_UNIX;
        memcpy(a->local.sun_path, endpoint->host, strlen(endpoint->host) + 1);
        a->len = sizeof a->local;
        return true;
    }
    if (inet_pton(AF_INET, endpoint->host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(endpoint->port);
        a->len = sizeof *v4;
        return true;
    }
    if (inet_pton(AF_INET6, endpoint->host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(endpoint->port);
        a->len = sizeof *v6;
        return true;
    }
    addresses->count = 0;
    return false;
}

bool rpc_address_same(const struct rpc_address *a, const struct rpc_address *b)
{
    return a->len == b->len && memcmp(&a->storage, &b->storage, a->len) == 0;
}
