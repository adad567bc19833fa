/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The node's side of heartbeats, tars.tarsnode.ServerObj on a loopback port: what every Tars
 * runtime reports to when its configuration names a node. On the supervisor's loop; it never waits
 * for anybody.
 */
#ifndef K8STARS_HEARTBEATS_H
#define K8STARS_HEARTBEATS_H

#include <tars/types.h>

struct heartbeats;
struct loop;

enum { HEARTBEATS_PEERS_MAX = 32, HEARTBEATS_FRAME_MAX = 16 * 1024 };

struct heartbeats_owner {
    const char *application, *server; /* others' reports are refused; copied */
    /* It lives; `adapter` is empty when it speaks for all. False: it is not one of ours. */
    bool (*alive)(void *user, struct tars_str adapter, int32_t pid);
    /* It says that it is still starting. */
    bool (*starting)(void *user, int32_t pid);
    void *user;
};

/* Listens on 127.0.0.1; port 0 takes any. NULL with the reason. */
struct heartbeats *heartbeats_new(struct loop *loop, uint16_t port,
                                  const struct heartbeats_owner *owner, struct tars_error *error);
void heartbeats_free(struct heartbeats *heartbeats);
uint16_t heartbeats_port(const struct heartbeats *heartbeats);

#endif
