/* SPDX-License-Identifier: BSD-3-Clause */
#include "peers.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/xmalloc.h"

struct peer {
    struct peer *next, **place;
    int fd;
    enum peer_phase phase;
    bool closed;
    int64_t since; /* ms of the clock */
};

struct peers {
    pthread_mutex_t lock;
    struct peer *first;
};

struct peers *peers_new(void)
{
    struct peers *p = xcalloc(1, sizeof *p);
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

void peers_free(struct peers *p)
{
    if (!p)
        return;
    pthread_mutex_destroy(&p->lock);
    free(p);
}

struct peer *peer_enter(struct peers *p, int fd)
{
    struct peer *peer = xcalloc(1, sizeof *peer);
    peer->fd = fd;
    peer->since = clock_ms();
    pthread_mutex_lock(&p->lock);
    peer->next = p->first;
    peer->place = &p->first;
    if (p->first)
        p->first->place = &peer->next;
    p->first = peer;
    pthread_mutex_unlock(&p->lock);
    return peer;
}

void peer_leave(struct peers *p, struct peer *peer)
{
    pthread_mutex_lock(&p->lock);
    *peer->place = peer->next;
    if (peer->next)
        peer->next->place = peer->place;
    pthread_mutex_unlock(&p->lock);
    free(peer);
}

void peer_is(struct peers *p, struct peer *peer, enum peer_phase phase)
{
    int64_t now = clock_ms();
    pthread_mutex_lock(&p->lock);
    peer->phase = phase;
    peer->since = now;
    pthread_mutex_unlock(&p->lock);
}

unsigned peers_close_slow(struct peers *p, int64_t quiet, int64_t transfer)
{
    unsigned closed = 0;
    int64_t now = clock_ms();
    pthread_mutex_lock(&p->lock);
    for (struct peer *peer = p->first; peer; peer = peer->next) {
        int64_t limit = peer->phase == PEER_QUIET ? quiet : transfer;
        if (peer->closed || peer->phase == PEER_WORKING || now - peer->since <= limit)
            continue;
        peer->closed = true;
        shutdown(peer->fd, SHUT_RDWR);
        closed++;
    }
    pthread_mutex_unlock(&p->lock);
    return closed;
}
