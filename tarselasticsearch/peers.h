/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connections of an HTTP port and since when each is at what, so that none can hold its place,
 * or memory, by being slow. The port's thread reports; any thread may close.
 */
#ifndef STORE_PEERS_H
#define STORE_PEERS_H

#include <stdint.h>

struct peers;
struct peer;

/* What takes as long as the peer likes: nothing sent yet, sending a request, reading an answer.
 * Working is the store's own time and is not limited here. */
enum peer_phase { PEER_QUIET, PEER_SENDING, PEER_WORKING, PEER_READING };

struct peers *peers_new(void);
/* All have left. */
void peers_free(struct peers *p);

/* It stays the socket's owner's, who says so before it is closed. */
struct peer *peer_enter(struct peers *p, int fd);
void peer_leave(struct peers *p, struct peer *peer);
void peer_is(struct peers *p, struct peer *peer, enum peer_phase phase);

/* Shuts down who has been quiet, or sending or reading, for longer (ms). How many. */
unsigned peers_close_slow(struct peers *p, int64_t quiet, int64_t transfer);

#endif
