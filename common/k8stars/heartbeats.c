/* SPDX-License-Identifier: BSD-3-Clause */
#include "heartbeats.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <tars/server.h>
#include <unistd.h>

#include "ServerF.h"
#include "base/clock.h"
#include "base/xmalloc.h"
#include "loop/loop.h"
#include "rpc/packet.h"

enum { BACKLOG = 64 };

struct peer {
    struct peer *next, **at;
    struct heartbeats *heartbeats;
    int fd;
    struct event *event;
    size_t len;
    uint8_t bytes[HEARTBEATS_FRAME_MAX];
};

struct heartbeats {
    struct loop *loop;
    struct heartbeats_owner owner;
    char *application, *server; /* the owner's names, ours */
    int fd;
    struct event *event;
    struct peer *peers;
    size_t peer_count;
    uint32_t latest; /* seconds since 1970 */
};

static void peer_free(struct peer *p)
{
    *p->at = p->next;
    if (p->next)
        p->next->at = p->at;
    p->heartbeats->peer_count--;
    event_free(p->event);
    close(p->fd);
    free(p);
}

/* ---- calls
 * ---------------------------------------------------------------------------------------- */

static bool is_ours(const struct heartbeats *h, const struct tarsf_server_info *info)
{
    return tars_str_is(info->application, h->application) &&
           tars_str_is(info->server_name, h->server);
}

/* 0, or -1 for a report that does not count; false when it cannot be read. */
static bool take_report(struct heartbeats *h, struct tars_reader *body, bool starting, int32_t *ret)
{
    const struct heartbeats_owner *o = &h->owner;
    struct tarsf_server_info info;
    bool counts;

    tarsf_server_info_init(&info);
    if (!tarsf_server_info_read(body, 1, true, &info))
        return false;
    counts = is_ours(h, &info) && info.pid >= 0 &&
             (starting ? o->starting(o->user, info.pid)
                       : o->alive(o->user, info.adapter, info.pid));
    if (counts)
        h->latest = (uint32_t)(clock_wall_ms() / 1000);
    *ret = counts ? 0 : -1;
    return true;
}

/* The code of the protocol; on 0 the answer's body has been written. */
static int32_t call(struct heartbeats *h, const struct rpc_request *request,
                    struct tars_arena *arena, struct tars_writer *body)
{
    struct tars_str f = request->function;
    struct tars_reader reader;
    int32_t ret = 0;

    if (!tars_str_is(request->servant, "tars.tarsnode.ServerObj"))
        return TARS_RET_NO_SERVANT;
    if (tars_str_is(f, "tars_ping"))
        return 0;
    if (tars_str_is(f, "getLatestKeepAliveTime")) {
        tars_write_uint32(body, 0, h->latest);
        return 0;
    }
    tars_reader_init(&reader, request->body.at, request->body.len, arena);
    if (tars_str_is(f, "keepAlive") || tars_str_is(f, "keepActiving")) {
        if (!take_report(h, &reader, tars_str_is(f, "keepActiving"), &ret))
            return TARS_RET_DECODE;
    } else if (!tars_str_is(f, "reportVersion")) {
        return TARS_RET_NO_FUNCTION;
    }
    tars_write_int32(body, 0, ret);
    return 0;
}

/* ---- connections
 * ---------------------------------------------------------------------------------- */

/* False: who does not take a few bytes at once is not waited for. */
static bool answer(struct peer *p, const struct rpc_request *request, int32_t ret,
                   struct tars_str body)
{
    struct rpc_response response = {
        .version = request->version, .id = request->id, .ret = ret, .body = body};
    struct tars_writer w;
    bool sent;

    tars_writer_init(&w);
    rpc_response_write(&w, &response);
    sent = send(p->fd, w.at, w.len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)w.len;
    tars_writer_free(&w);
    return sent;
}

/* False for what is no call of the usual kind: then the connection is closed. */
static bool serve(struct peer *p, struct tars_str frame)
{
    struct tars_arena *arena = tars_arena_new(0);
    struct rpc_request request;
    struct tars_error ignored;
    struct tars_writer body;
    bool ok = rpc_request_read(frame, arena, &request, &ignored) && request.version == RPC_TARS;

    if (ok) {
        tars_writer_init(&body);
        int32_t ret = call(p->heartbeats, &request, arena, &body);
        if (request.packet_type != RPC_ONE_WAY)
            ok = answer(p, &request, ret, tars_str_n(body.at, body.len));
        tars_writer_free(&body);
    }
    tars_arena_free(arena);
    return ok;
}

/* Serves the whole frames that have come; false when the connection is of no use. */
static bool serve_all(struct peer *p)
{
    size_t done = 0, len;
    enum rpc_frame found;

    while ((found = rpc_frame_find(p->bytes + done, p->len - done, HEARTBEATS_FRAME_MAX, &len)) ==
           RPC_FRAME_COMPLETE) {
        if (!serve(p, tars_str_n((const char *)p->bytes + done, len)))
            return false;
        done += len;
    }
    memmove(p->bytes, p->bytes + done, p->len - done);
    p->len -= done;
    return found == RPC_FRAME_PARTIAL;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct peer *p = arg;
    ssize_t got = recv(fd, p->bytes + p->len, sizeof p->bytes - p->len, MSG_DONTWAIT);

    (void)what;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0)
        p->len += (size_t)got;
    if (got <= 0 || !serve_all(p))
        peer_free(p);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct heartbeats *h = arg;
    struct peer *p;
    int taken = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)what;
    if (taken < 0)
        return;
    if (h->peer_count >= HEARTBEATS_PEERS_MAX) {
        close(taken);
        return;
    }
    p = xcalloc(1, sizeof *p);
    p->heartbeats = h;
    p->fd = taken;
    p->event = event_new(loop_base(h->loop), taken, EV_READ | EV_PERSIST, on_readable, p);
    event_add(p->event, NULL);
    p->next = h->peers;
    p->at = &h->peers;
    if (p->next)
        p->next->at = &p->next;
    h->peers = p;
    h->peer_count++;
}

/* ---- life
 * ------------------------------------------------------------------------------------------ */

static int listen_on(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        bind(fd, (const struct sockaddr *)&at, sizeof at) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

struct heartbeats *heartbeats_new(struct loop *loop, uint16_t port,
                                  const struct heartbeats_owner *owner, struct tars_error *error)
{
    struct heartbeats *h;
    int fd = listen_on(port), reason = errno;

    if (fd < 0) {
        tars_fail(error, reason, "cannot listen for heartbeats on 127.0.0.1:%u: %s", (unsigned)port,
                  strerror(reason));
        return NULL;
    }
    h = xcalloc(1, sizeof *h);
    h->loop = loop;
    h->owner = *owner;
    h->application = xstrdup(owner->application);
    h->server = xstrdup(owner->server);
    h->fd = fd;
    h->event = event_new(loop_base(loop), fd, EV_READ | EV_PERSIST, on_accept, h);
    event_add(h->event, NULL);
    return h;
}

void heartbeats_free(struct heartbeats *h)
{
    if (!h)
        return;
    while (h->peers)
        peer_free(h->peers);
    event_free(h->event);
    close(h->fd);
    free(h->application);
    free(h->server);
    free(h);
}

uint16_t heartbeats_port(const struct heartbeats *h)
{
    struct sockaddr_in at = {0};
    socklen_t len = sizeof at;

    return getsockname(h->fd, (struct sockaddr *)&at, &len) == 0 ? ntohs(at.sin_port) : 0;
}
