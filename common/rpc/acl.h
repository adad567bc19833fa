/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may connect to an adapter: its "allow" and "deny" lists and their "order". */
#ifndef RPC_ACL_H
#define RPC_ACL_H

#include <tars/types.h>

struct rpc_acl {
    struct tars_str_list allow, deny;
    bool deny_first;
    struct tars_arena *arena; /* what the lists lie in; NULL: nothing was configured */
};

/*
 * Lists are separated by ";" or ","; an entry is an address in which "*" stands for any text
 * ("192.168.*"), or a network ("10.0.0.0/8", "fd00::/8"). False with the entry that is neither.
 */
bool rpc_acl_init(struct rpc_acl *acl, const char *allow, const char *deny, const char *order,
                  struct tars_error *error) TARS_MUSTCHECK;
void rpc_acl_free(struct rpc_acl *acl);

/* Tars protocol: the list named first in the order decides; who stands in neither may connect
 * only when there is no allow list. */
bool rpc_acl_allows(const struct rpc_acl *acl, struct tars_str address);

#endif
