/* SPDX-License-Identifier: BSD-3-Clause */
/* Asks once whether an address is served: TCP, TLS, UDP. */
#ifndef SUPERVISE_PROBE_H
#define SUPERVISE_PROBE_H

#include "loop/loop.h"
#include "supervise/supervise.h"

struct sup_knock;

/* `done` is called once, later (never from within), with the reason when it is not served. */
struct sup_knock *sup_knock_start(struct loop *loop, enum sup_check_kind kind, const char *host,
                                  uint16_t port, int64_t timeout_ms,
                                  void (*done)(void *user, bool ok, const char *reason),
                                  void *user);
void sup_knock_cancel(struct sup_knock *knock);

/* True when a line of /proc/net/udp or udp6 (text) is of a socket bound to that address: 4 or 16
 * bytes in network order, or to any address. */
bool sup_udp_is_bound(const char *text, const void *address, size_t len, uint16_t port);

#endif
