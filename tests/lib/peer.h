/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A peer for tests of the client: listens on a loopback port and runs a script, given as a
 * function, for each connection on a thread of its own. What a real server would never do, a
 * script can: answer late, twice, in halves, with garbage.
 */
#ifndef TESTS_PEER_H
#define TESTS_PEER_H

#include "rpc/packet.h"

struct peer;

/* `nth` counts connections from 1. The connection is closed when the script returns. */
typedef void peer_script(void *user, int fd, unsigned nth);

struct peer *peer_start(peer_script *script, void *user);
/* On a port of the caller's choice. */
struct peer *peer_start_on(uint16_t port, peer_script *script, void *user);
/* Closes everything and joins the threads. */
void peer_stop(struct peer *peer);
uint16_t peer_port(const struct peer *peer);
unsigned peer_connections(const struct peer *peer);
/* "App.Server.Obj@tcp -h 127.0.0.1 -p PORT"; lives until the process exits. */
const char *peer_object(const struct peer *peer, const char *name);

/* The next request; false when the client has closed (or nothing came for 10 s). `frame` is to be
 * freed; the request's slices lie in it. */
bool peer_read(int fd, struct tars_arena *arena, uint8_t **frame, struct rpc_request *request);
/* A version 1 answer. */
void peer_answer(int fd, int32_t id, int32_t ret, const void *body, size_t len,
                 const char *description);

/* A script: answers every request with its own body. */
void peer_echo(void *user, int fd, unsigned nth);

#endif
