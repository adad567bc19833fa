/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Host names to addresses without holding up the loop: the system's resolver is asked on a helper
 * thread, which is made at the first name that is not a numeric address. All functions belong to
 * the loop's thread. common/dns has the same functions without thread and system resolver: a
 * program that links it gets those.
 */
#ifndef RPC_RESOLVER_H
#define RPC_RESOLVER_H

#include <sys/socket.h>
#include <sys/un.h>

#include <tars/endpoint.h>

struct event_base;
struct rpc_resolver;
struct rpc_lookup;

enum { RPC_ADDRESSES_MAX = 8 };

struct rpc_address {
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
        struct sockaddr_un local;
    };
    socklen_t len;
};

struct rpc_addresses {
    size_t count;
    struct rpc_address at[RPC_ADDRESSES_MAX];
};

/* The address of an endpoint with a numeric host or a unix socket; false when it needs a look-up,
 * or, with `error` filled (may be NULL), when it cannot be an address at all. */
bool rpc_address_numeric(const struct tars_endpoint *endpoint, struct rpc_addresses *addresses,
                         struct tars_error *error);

bool rpc_address_same(const struct rpc_address *a, const struct rpc_address *b);

struct rpc_resolver *rpc_resolver_new(struct event_base *base);
/* Look-ups under way end without their callback. Does not wait for the helper thread. */
void rpc_resolver_free(struct rpc_resolver *resolver);

/* `error` is NULL on success, else the reason in words. The lookup is gone when it is called. */
typedef void rpc_resolved(void *user, const struct rpc_addresses *addresses, const char *error);

struct rpc_lookup *rpc_resolver_lookup(struct rpc_resolver *resolver, const char *host,
                                       uint16_t port, rpc_resolved *done, void *user);
/* Its callback will not be called. */
void rpc_lookup_cancel(struct rpc_lookup *lookup);

#endif
