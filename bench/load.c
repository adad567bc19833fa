/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load [-c CONNECTIONS] [-d DEPTH] [-s SECONDS] [-w WARMUP] [-i ID] [-r SECONDS] [-k FILE] PORT
 *
 * Calls findObjectById4Any on 127.0.0.1:PORT over that many connections with that many calls under
 * way on each, from one thread, and prints one line:
 *   calls/s  median µs  p99 µs  share of a processor it took itself  answers, warm-up included
 * Every answer is matched with its request by its id, and all must have one size. -r goes on trying
 * to connect for so long, -k keeps one answer in FILE and ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "frame.h"

enum { IN = 1 << 20, MAX_DEPTH = 4096, MAX_CONNECTIONS = 4096 };

/* Latencies by size: 256 steps in each power of two, so a value is kept within 0.4 %. */
enum { STEPS = 256, POWERS = 32 };

struct histogram {
    uint64_t count[POWERS * STEPS];
    uint64_t total;
};

struct options {
    int connections;
    int depth;
    double seconds;
    double warmup;
    double retry;
    const char *id;
    const char *keep;
    uint16_t port;
};

struct connection {
    int fd;
    uint32_t number;
    char *in;
    size_t in_len;
    char *out;
    size_t out_at;
    size_t out_len;
    uint64_t *sent; /* when the call of each slot was made, ns; 0: none under way */
};

struct load {
    struct options options;
    char request[1024];
    size_t request_len;
    int epoll;
    bool stopping;
    uint64_t measuring_from;
    uint64_t under_way;
    uint64_t answers; /* all of them */
    uint64_t calls;   /* those that count */
    size_t answer_len;
    struct connection *connections;
    struct histogram latency;
};

static void die(const char *what)
{
    fprintf(stderr, "load: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- histogram ---------------------------------------------------------------------------------
 */

static void histogram_add(struct histogram *h, uint64_t v)
{
    unsigned power = v < STEPS ? 0 : (unsigned)(63 - __builtin_clzll(v)) - 7;
    size_t at = power == 0 ? v : power * (STEPS / 2) + (v >> power);

    h->count[at < POWERS * STEPS ? at : POWERS * STEPS - 1]++;
    h->total++;
}

static double histogram_at(const struct histogram *h, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)h->total);
    uint64_t seen = 0;

    for (size_t at = 0; at < POWERS * STEPS; at++) {
        seen += h->count[at];
        if (seen > wanted) {
            size_t power = at < STEPS ? 0 : at / (STEPS / 2) - 1;

            return power == 0 ? (double)at
                              : (double)((uint64_t)(at - power * (STEPS / 2)) << power);
        }
    }
    return 0;
}

/* ---- the request -------------------------------------------------------------------------------
 */

static void put(struct load *l, const void *bytes, size_t len)
{
    if (l->request_len + len > sizeof(l->request))
        die("the object's name is too long");
    memcpy(l->request + l->request_len, bytes, len);
    l->request_len += len;
}

static void put_string(struct load *l, uint8_t tag, const char *text)
{
    uint8_t head[2] = {(uint8_t)(tag << 4 | 6), (uint8_t)strlen(text)};

    put(l, head, sizeof(head));
    put(l, text, head[1]);
}

/* A RequestPacket of version 1; the body is the id with tag 1. */
static void make_request(struct load *l)
{
    const char *id = l->options.id;
    const uint8_t start[] = {0, 0, 0, 0, 0x10, 1, 0x2c, 0x3c, 0x42, 1, 0, 0, 0};
    const uint8_t body[] = {0x7d, 0, 0, (uint8_t)(strlen(id) + 2)};
    const uint8_t end[] = {0x81, 0x0b, 0xb8, 0x98, 0x0c, 0xa8, 0x0c};

    put(l, start, sizeof(start));
    put_string(l, 5, "tars.tarsregistry.QueryObj");
    put_string(l, 6, "findObjectById4Any");
    put(l, body, sizeof(body));
    put_string(l, 1, id);
    put(l, end, sizeof(end));
    frame_put32(l->request, (uint32_t)l->request_len);
}

/* ---- connections -------------------------------------------------------------------------------
 */

static void watch(struct load *l, struct connection *c, int op)
{
    bool writing = c->out_at < c->out_len;
    struct epoll_event event = {.events = EPOLLIN | (writing ? (uint32_t)EPOLLOUT : 0),
                                .data.ptr = c};

    if (epoll_ctl(l->epoll, op, c->fd, &event) != 0)
        die("epoll_ctl");
}

/* A new socket for each try: one that was refused is spent. */
static int connect_to(uint16_t port, double retry_s)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint64_t until = now_ns() + (uint64_t)(retry_s * 1e9);

    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
            return fd;
        if (now_ns() >= until)
            die("connecting");
        close(fd);
        usleep(500);
    }
}

static void open_connection(struct load *l, struct connection *c, uint32_t number)
{
    int on = 1;

    c->number = number;
    c->fd = connect_to(l->options.port, l->options.retry);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c->in = malloc(IN);
    c->out = malloc(l->request_len * (size_t)l->options.depth);
    c->sent = calloc((size_t)l->options.depth, sizeof(*c->sent));
    if (!c->in || !c->out || !c->sent)
        die("memory");
    watch(l, c, EPOLL_CTL_ADD);
}

static void send_call(struct load *l, struct connection *c, uint32_t slot, uint64_t now)
{
    char *at = c->out + c->out_len;

    memcpy(at, l->request, l->request_len);
    frame_put32(at + FRAME_REQUEST_ID, FRAME_FIRST_ID | c->number << 12 | slot);
    c->out_len += l->request_len;
    c->sent[slot] = now;
    l->under_way++;
}

static void flush(struct load *l, struct connection *c)
{
    bool was_writing = c->out_at > 0;
    ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at,
                     MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && errno != EAGAIN)
        die("sending");
    if (n > 0)
        c->out_at += (size_t)n;
    if (c->out_at == c->out_len)
        c->out_at = c->out_len = 0;
    if (was_writing || c->out_len > 0)
        watch(l, c, EPOLL_CTL_MOD);
}

static void keep_answer(struct load *l, const char *frame, size_t len)
{
    FILE *file = fopen(l->options.keep, "wb");

    if (!file || fwrite(frame, 1, len, file) != len || fclose(file) != 0)
        die(l->options.keep);
    exit(0);
}

static void take_answer(struct load *l, struct connection *c, const char *frame, size_t len,
                        uint64_t now)
{
    static const uint8_t start[] = {0x10, 1, 0x2c, 0x32};
    uint32_t id = frame_get32(frame + FRAME_ANSWER_ID);
    uint32_t slot = id & 0xfff;

    errno = 0;
    if (memcmp(frame + 4, start, sizeof(start)) != 0)
        die("an answer has another form than that of a call with a large id");
    if ((id & ~0xfffu) != (FRAME_FIRST_ID | c->number << 12) ||
        slot >= (uint32_t)l->options.depth || c->sent[slot] == 0)
        die("an answer to no call");
    if (l->answer_len != 0 && l->answer_len != len)
        die("answers of different sizes");
    if (l->options.keep)
        keep_answer(l, frame, len);
    l->answer_len = len;
    l->answers++;
    if (now >= l->measuring_from)
        l->calls++;
    if (c->sent[slot] >= l->measuring_from)
        histogram_add(&l->latency, now - c->sent[slot]);
    c->sent[slot] = 0;
    l->under_way--;
    if (!l->stopping)
        send_call(l, c, slot, now);
}

static void receive(struct load *l, struct connection *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_len, IN - c->in_len, MSG_DONTWAIT);
    uint64_t now = now_ns();
    size_t at = 0;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        die("the server closed the connection");
    c->in_len += (size_t)n;
    while (c->in_len - at >= FRAME_ANSWER_ID + 4) {
        uint32_t len = frame_get32(c->in + at);

        if (len > c->in_len - at)
            break;
        take_answer(l, c, c->in + at, len, now);
        at += len;
    }
    memmove(c->in, c->in + at, c->in_len - at);
    c->in_len -= at;
    if (c->out_len > 0)
        flush(l, c);
}

/* ---- a run -------------------------------------------------------------------------------------
 */

static void poll_once(struct load *l)
{
    struct epoll_event events[256];
    int n = epoll_wait(l->epoll, events, 256, 2000);

    errno = 0;
    if (n == 0)
        die("no answer for 2 s");
    for (int i = 0; i < n; i++) {
        struct connection *c = events[i].data.ptr;

        if (events[i].events & EPOLLOUT)
            flush(l, c);
        if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
            receive(l, c);
    }
}

static double own_cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run(struct load *l)
{
    const struct options *o = &l->options;
    uint64_t begin = now_ns();
    uint64_t end = begin + (uint64_t)((o->warmup + o->seconds) * 1e9);
    double busy;

    l->measuring_from = begin + (uint64_t)(o->warmup * 1e9);
    for (int i = 0; i < o->connections; i++) {
        for (int slot = 0; slot < o->depth; slot++)
            send_call(l, &l->connections[i], (uint32_t)slot, now_ns());
        flush(l, &l->connections[i]);
    }
    while (now_ns() < end)
        poll_once(l);
    busy = own_cpu_seconds() / ((double)(now_ns() - begin) / 1e9);
    l->stopping = true;
    printf("%.0f %.2f %.2f %.2f ", (double)l->calls / o->seconds,
           histogram_at(&l->latency, 0.5) / 1e3, histogram_at(&l->latency, 0.99) / 1e3, busy);
    while (l->under_way > 0)
        poll_once(l);
    printf("%llu\n", (unsigned long long)l->answers);
}

static void read_options(struct options *o, int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "c:d:s:w:i:r:k:")) != -1) {
        switch (c) {
        case 'c':
            o->connections = atoi(optarg);
            break;
        case 'd':
            o->depth = atoi(optarg);
            break;
        case 's':
            o->seconds = atof(optarg);
            break;
        case 'w':
            o->warmup = atof(optarg);
            break;
        case 'i':
            o->id = optarg;
            break;
        case 'r':
            o->retry = atof(optarg);
            break;
        case 'k':
            o->keep = optarg;
            break;
        default:
            exit(2);
        }
    }
    errno = 0;
    if (optind + 1 != argc || o->connections < 1 || o->connections > MAX_CONNECTIONS ||
        o->depth < 1 || o->depth > MAX_DEPTH || strlen(o->id) > 120)
        die("usage: load [-c CONNECTIONS] [-d DEPTH] [-s SECONDS] [-w WARMUP] [-i ID] [-r SECONDS] "
            "[-k FILE] PORT");
    o->port = (uint16_t)atoi(argv[optind]);
}

int main(int argc, char **argv)
{
    static struct load l = {.options = {.connections = 1,
                                        .depth = 1,
                                        .seconds = 2,
                                        .warmup = 0.5,
                                        .id = "Bench.TenServer.TenObj"}};

    read_options(&l.options, argc, argv);
    make_request(&l);
    l.epoll = epoll_create1(0);
    l.connections = calloc((size_t)l.options.connections, sizeof(*l.connections));
    if (!l.connections)
        die("memory");
    for (int i = 0; i < l.options.connections; i++)
        open_connection(&l, &l.connections[i], (uint32_t)i);
    run(&l);
    return 0;
}
