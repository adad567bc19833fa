/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The functions of rpc/resolver.h for programs without the system's resolver (fully static ones):
 * /etc/hosts is read, then the name servers of /etc/resolv.conf are asked, all on the loop. A
 * program that links this room's object before libtars has it instead of rpc/resolver.c.
 */
#ifndef DNS_RESOLVER_H
#define DNS_RESOLVER_H

#include "rpc/resolver.h"

/* rpc_resolver_new with other files, which are read at look-ups; the paths must live as long. */
struct rpc_resolver *dns_resolver_new(struct event_base *base, const char *resolv_conf,
                                      const char *hosts);

#endif
