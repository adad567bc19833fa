/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which endpoint a call goes to: an order over a list of endpoints, made once per list. It knows
 * positions in that list only; whether an endpoint may be used now is asked of the caller.
 * One thread.
 */
#ifndef RPC_BALANCE_H
#define RPC_BALANCE_H

#include <tars/client.h>
#include <tars/endpoint.h>

struct rpc_balance;

enum { RPC_BALANCE_NONE = -1 };

/* `seed` shifts where the first turn begins, so that not all clients begin at the same server. */
struct rpc_balance *rpc_balance_new(const struct tars_endpoint *endpoints, size_t count,
                                    uint32_t seed);
void rpc_balance_free(struct rpc_balance *balance);

/* Whether the endpoint at that position may be used now. */
typedef bool rpc_balance_usable(const void *user, size_t position);

/*
 * The position to use, or RPC_BALANCE_NONE when none is usable.
 *
 * In turn: smooth weighted round robin when all endpoints have weight type 1 (those with weight
 * <= 0 are left out), else round robin. By hash: the hash modulo the number of endpoints in sorted
 * order; when that one is not usable, modulo the number of usable ones. Consistent hash: the next
 * usable one on a ring, so that a lost endpoint moves only its own share.
 */
int rpc_balance_pick(struct rpc_balance *balance, enum tars_routing routing, uint32_t hash,
                     rpc_balance_usable *usable, const void *user);

#endif
