/* SPDX-License-Identifier: BSD-3-Clause */
/* One question to the registry: where is this object? Loop thread. */
#ifndef RPC_REGISTRY_QUERY_H
#define RPC_REGISTRY_QUERY_H

#include <tars/client.h>

struct rpc_registry_query;

/* `error` is NULL on success; the endpoints are the active ones, valid during the call. The query
 * is gone when it is called. */
typedef void rpc_registry_answer(void *user, const char *error,
                                 const struct tars_endpoint *endpoints, size_t count);

/* `set` NULL: those of the caller's group. Never answers before it returns. */
struct rpc_registry_query *rpc_registry_ask(struct tars_proxy *registry, const char *object,
                                            const char *set, int32_t timeout_ms,
                                            rpc_registry_answer *answer, void *user);
/* It will not answer any more; NULL is fine. */
void rpc_registry_forget(struct rpc_registry_query *query);

#endif
