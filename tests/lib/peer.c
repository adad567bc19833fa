/* SPDX-License-Identifier: BSD-3-Clause */
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "testkit.h"

enum { CONNECTIONS_MAX = 512 };

struct visit {
    struct peer *peer;
    pthread_t thread;
    int fd;
    unsigned nth;
};

struct peer {
    peer_script *script;
    void *user;
    int listener;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock;
    struct visit visits[CONNECTIONS_MAX];
    _Atomic unsigned count;
};

static void *visit_main(void *arg)
{
    struct visit *v = arg;

    v->peer->script(v->peer->user, v->fd, v->nth);
    shutdown(v->fd, SHUT_RDWR);
    return NULL;
}

static void *peer_main(void *arg)
{
    struct peer *p = arg;

    for (;;) {
        int fd = accept(p->listener, NULL, NULL);
        struct visit *v;

        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0 || p->count == CONNECTIONS_MAX)
            return NULL;
        pthread_mutex_lock(&p->lock);
        v = &p->visits[p->count];
        *v = (struct visit){.peer = p, .fd = fd, .nth = p->count + 1};
        pthread_create(&v->thread, NULL, visit_main, v);
        p->count++;
        pthread_mutex_unlock(&p->lock);
    }
}

struct peer *peer_start_on(uint16_t port, peer_script *script, void *user)
{
    struct peer *p = xcalloc(1, sizeof *p);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t len = sizeof at;
    const int on = 1;

    p->script = script;
    p->user = user;
    pthread_mutex_init(&p->lock, NULL);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(p->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(p->listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(p->listener, 128) < 0)
        abort();
    getsockname(p->listener, (struct sockaddr *)&at, &len);
    p->port = ntohs(at.sin_port);
    pthread_create(&p->thread, NULL, peer_main, p);
    return p;
}

struct peer *peer_start(peer_script *script, void *user)
{
    return peer_start_on(0, script, user);
}

void peer_stop(struct peer *p)
{
    shutdown(p->listener, SHUT_RDWR);
    pthread_join(p->thread, NULL);
    close(p->listener);
    for (unsigned i = 0; i < p->count; i++) {
        shutdown(p->visits[i].fd, SHUT_RDWR);
        pthread_join(p->visits[i].thread, NULL);
        close(p->visits[i].fd);
    }
    pthread_mutex_destroy(&p->lock);
    free(p);
}

uint16_t peer_port(const struct peer *p)
{
    return p->port;
}

unsigned peer_connections(const struct peer *p)
{
    return p->count;
}

const char *peer_object(const struct peer *p, const char *name)
{
    return tk_text("%s@tcp -h 127.0.0.1 -p %u", name, (unsigned)p->port);
}

bool peer_read(int fd, struct tars_arena *arena, uint8_t **frame, struct rpc_request *request)
{
    size_t len;

    *frame = tk_read_frame(fd, 10000, &len);
    return *frame && rpc_request_read(tars_str_n(*frame, len), arena, request, NULL);
}

void peer_answer(int fd, int32_t id, int32_t ret, const void *body, size_t len,
                 const char *description)
{
    struct tars_writer w;
    const struct rpc_response response = {
        .version = RPC_TARS,
        .id = id,
        .ret = ret,
        .body = tars_str_n(body, len),
        .description = tars_str(description),
    };

    tars_writer_init(&w);
    rpc_response_write(&w, &response);
    tk_send(fd, w.at, w.len);
    tars_writer_free(&w);
}

void peer_echo(void *user, int fd, unsigned nth)
{
    struct tars_arena *arena = tars_arena_new(0);
    struct rpc_request request;
    uint8_t *frame;

    (void)user;
    (void)nth;
    while (peer_read(fd, arena, &frame, &request)) {
        if (request.packet_type == RPC_NORMAL)
            peer_answer(fd, request.id, 0, request.body.at, request.body.len, NULL);
        free(frame);
        tars_arena_reset(arena);
    }
    free(frame);
    tars_arena_free(arena);
}
