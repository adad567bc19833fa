/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bare PORT FRAME: the least a server can do. Two threads, each with an epoll of its own and a
 * listener on the same port, answer every frame with the frame in the file FRAME, the request's id
 * patched in. What a framework adds to this is its cost.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"

enum { THREADS = 2, BUFFER = 256 * 1024, MAX_EVENTS = 64 };

struct reply {
    char at[64 * 1024];
    size_t len;
};

struct worker {
    pthread_t thread;
    const struct reply *reply;
    uint16_t port;
};

struct connection {
    int fd;
    size_t in_len;
    size_t out_at;
    size_t out_len;
    char in[BUFFER];
    char out[4 * BUFFER];
};

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 1024) != 0) {
        perror("bare: listening");
        exit(1);
    }
    return fd;
}

static void watch(int epoll, int op, int fd, uint32_t events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};

    epoll_ctl(epoll, op, fd, &event);
}

static void accept_one(int epoll, int listener)
{
    int on = 1;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    struct connection *c;

    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c = calloc(1, sizeof(*c));
    if (!c)
        abort();
    c->fd = fd;
    watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, c);
}

/* Answers the whole frames of the input as far as the output has room. */
static void answer(struct connection *c, const struct reply *reply)
{
    size_t at = 0;

    while (c->in_len - at >= FRAME_REQUEST_ID + 4) {
        uint32_t len = frame_get32(c->in + at);

        if (len > c->in_len - at || c->out_len + reply->len > sizeof(c->out))
            break;
        memcpy(c->out + c->out_len, reply->at, reply->len);
        memcpy(c->out + c->out_len + FRAME_ANSWER_ID, c->in + at + FRAME_REQUEST_ID, 4);
        c->out_len += reply->len;
        at += len;
    }
    memmove(c->in, c->in + at, c->in_len - at);
    c->in_len -= at;
}

/* False when the connection is gone. */
static bool flush(struct connection *c)
{
    while (c->out_at < c->out_len) {
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);

        if (n < 0)
            return errno == EAGAIN;
        c->out_at += (size_t)n;
    }
    c->out_at = c->out_len = 0;
    return true;
}

static bool serve(int epoll, struct connection *c, const struct reply *reply)
{
    ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);

    if (n == 0 || (n < 0 && errno != EAGAIN))
        return false;
    if (n > 0)
        c->in_len += (size_t)n;
    answer(c, reply);
    if (!flush(c))
        return false;
    watch(epoll, EPOLL_CTL_MOD, c->fd, EPOLLIN | (c->out_len > 0 ? (uint32_t)EPOLLOUT : 0), c);
    return true;
}

static void *work(void *argument)
{
    struct worker *w = argument;
    struct epoll_event events[MAX_EVENTS];
    int listener = listen_on(w->port);
    int epoll = epoll_create1(0);

    watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
    for (;;) {
        int n = epoll_wait(epoll, events, MAX_EVENTS, -1);

        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;

            if (!c) {
                accept_one(epoll, listener);
            } else if (!serve(epoll, c, w->reply)) {
                close(c->fd);
                free(c);
            }
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static struct reply reply;
    struct worker workers[THREADS];
    FILE *file;

    if (argc != 3 || !(file = fopen(argv[2], "rb"))) {
        fprintf(stderr, "usage: bare PORT FRAME\n");
        return 2;
    }
    reply.len = fread(reply.at, 1, sizeof(reply.at), file);
    fclose(file);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.reply = &reply, .port = (uint16_t)atoi(argv[1])};
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    }
    pthread_join(workers[0].thread, NULL);
    return 0;
}
