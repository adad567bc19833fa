/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay_flow.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/connected.h"
#include "base/xmalloc.h"
#include "k8stars/relay_question.h"
#include "loop/loop.h"
#include "rpc/packet.h"

enum {
    CONNECT_MS = 1000,
    WAIT_MS = 3000,     /* longest without a target */
    FAREWELL_MS = 5000, /* for what is still to be sent when one side has gone */
    IDLE_MS = 60000,
    OWED_MS = 30000, /* a target that was left closes, or says no more for so long */
};

/* One of the sockets of a connection that is passed on. */
struct side {
    struct flow *flow;
    struct bufferevent *socket; /* NULL: none */
    size_t left;                /* bytes that are to come of the frame that passes */
    bool connected;
};

/* A client, the target it is with, and the one it was with before, which may owe it answers. */
struct flow {
    struct flow *next, **at;
    struct relay_flows *flows;
    struct side client, up, old;
    struct rpc_address target;    /* of `up` */
    size_t tried;                 /* targets that did not take it */
    bool known;                   /* its first frame has been looked at */
    bool client_gone, up_gone;    /* what the other side gets is sent, then all ends */
    bool old_gone;                /* what has come of it is still passed on */
    int64_t touched, old_touched; /* the last byte; the last one of `old` */
    int64_t began;                /* since when it waits, connects or says farewell */
};

/* ---- frames ----------------------------------------------------------------------------
 */

static void side_close(struct side *side)
{
    if (side->socket)
        bufferevent_free(side->socket);
    *side = (struct side){.flow = side->flow};
}

static void flow_end(struct flow *f)
{
    side_close(&f->client);
    side_close(&f->up);
    side_close(&f->old);
    *f->at = f->next;
    if (f->next)
        f->next->at = f->at;
    f->flows->count--;
    free(f);
}

static bool is_full(struct side *side)
{
    return evbuffer_get_length(bufferevent_get_output(side->socket)) >= RELAY_HELD_BYTES;
}

enum passed { PASSED_SOME, PASSED_NONE, PASSED_BAD };

/* What has come of one frame goes on; PASSED_BAD for a length that no frame has. */
static enum passed pass_frame(struct side *from, struct side *to, struct evbuffer *in)
{
    struct evbuffer *out = bufferevent_get_output(to->socket);
    size_t have = evbuffer_get_length(in);
    uint8_t head[RPC_FRAME_HEAD];
    int moved;

    if (from->left == 0) {
        if (have < sizeof head)
            return PASSED_NONE;
        evbuffer_copyout(in, head, sizeof head);
        if (rpc_frame_find(head, sizeof head, RPC_FRAME_LIMIT_MAX, &from->left) == RPC_FRAME_BAD)
            return PASSED_BAD;
    }
    moved = evbuffer_remove_buffer(in, out, from->left < have ? from->left : have);
    from->left -= moved > 0 ? (size_t)moved : 0;
    return moved >= 0 ? PASSED_SOME : PASSED_BAD;
}

/* The answers of one target; false when the connection is of no use any more. */
static bool pass_answers(struct flow *f, struct side *from, const struct side *other)
{
    struct evbuffer *in = from->socket ? bufferevent_get_input(from->socket) : NULL;

    while (in && evbuffer_get_length(in) && other->left == 0) {
        enum passed passed;

        if (is_full(&f->client))
            return true;
        passed = pass_frame(from, &f->client, in);
        if (passed == PASSED_BAD)
            return false;
        if (passed == PASSED_NONE)
            break;
    }
    return true;
}

/* Is the first frame the question of another relay? *wait: it may be, when all of it has come. */
static bool is_question(struct flow *f, struct evbuffer *in, bool *wait)
{
    size_t len = 0;
    uint8_t bytes[RELAY_QUESTION_BYTES];
    ssize_t got = evbuffer_copyout(in, bytes, sizeof bytes);
    enum rpc_frame found = got > 0 ? rpc_frame_find(bytes, (size_t)got, RPC_FRAME_LIMIT_MAX, &len)
                                   : RPC_FRAME_PARTIAL;

    *wait = found == RPC_FRAME_PARTIAL && len <= sizeof bytes && !f->client_gone;
    f->known = !*wait;
    return found == RPC_FRAME_COMPLETE && relay_is_question(tars_str_n((char *)bytes, len));
}

/* Between two frames, with a target that is none any more, and free to take another one. */
static bool wants_other_target(const struct flow *f)
{
    return f->up.connected && f->client.left == 0 && !f->old.socket && !f->up_gone &&
           !f->client_gone && relay_targets_any(f->flows->targets) &&
           !relay_targets_has(f->flows->targets, &f->target);
}

static void on_ready(struct bufferevent *socket, void *arg);
static void on_change(struct bufferevent *socket, short what, void *arg);
static void take_target(struct flow *f);

static void change_target(struct flow *f)
{
    f->old = f->up;
    f->old_touched = clock_ms();
    bufferevent_setcb(f->old.socket, on_ready, on_ready, on_change, &f->old);
    f->up = (struct side){.flow = f};
    f->tried = 0;
    take_target(f);
}

/* The requests that have come; false when the connection is of no use any more. */
static bool pass_requests(struct flow *f)
{
    struct evbuffer *in = bufferevent_get_input(f->client.socket);
    bool wait = false;

    if (!f->known && evbuffer_get_length(in) && is_question(f, in, &wait))
        return false;
    while (!wait && evbuffer_get_length(in) && !f->up_gone) {
        enum passed passed;

        if (wants_other_target(f))
            change_target(f);
        if (!f->up.connected || is_full(&f->up))
            return true;
        passed = pass_frame(&f->client, &f->up, in);
        if (passed == PASSED_BAD)
            return false;
        if (passed == PASSED_NONE)
            return true;
    }
    return true;
}

/* When one side has gone and the other one has got all: false, it ends. */
static bool go_on(struct flow *f)
{
    struct evbuffer *in = bufferevent_get_input(f->client.socket);

    if (f->up_gone)
        return evbuffer_get_length(bufferevent_get_output(f->client.socket)) > 0;
    if (!f->client_gone)
        return true;
    if (!f->up.socket)
        return false;
    if (f->up.connected && evbuffer_get_length(in) == 0 &&
        evbuffer_get_length(bufferevent_get_output(f->up.socket)) == 0)
        shutdown(bufferevent_getfd(f->up.socket), SHUT_WR);
    return true;
}

/* False when the target before has gone in the middle of an answer: half an answer is none. */
static bool part_from_old(struct flow *f)
{
    bool whole = f->old.left == 0;

    if (!f->old_gone || evbuffer_get_length(bufferevent_get_input(f->old.socket)))
        return true;
    side_close(&f->old);
    f->old_gone = false;
    return whole;
}

static void pump(struct flow *f)
{
    f->touched = clock_ms();
    if (!pass_requests(f) || !pass_answers(f, &f->up, &f->old) ||
        !pass_answers(f, &f->old, &f->up) || !pass_answers(f, &f->up, &f->old) ||
        !part_from_old(f) || !go_on(f))
        flow_end(f);
}

/* ---- sockets -----------------------------------------------------------------------------------
 */

/* There is something to read, or room to write to. */
static void on_ready(struct bufferevent *socket, void *arg)
{
    const struct side *side = arg;
    struct flow *f = side->flow;

    (void)socket;
    if (side == &f->old)
        f->old_touched = clock_ms();
    pump(f);
}

static void target_gone(struct flow *f, struct side *side)
{
    if (side == &f->old) {
        f->old_gone = true;
        pump(f);
    } else if (!side->connected) {
        side_close(side);
        f->tried++;
        take_target(f);
    } else {
        pass_answers(f, side, &f->old);
        f->up_gone = true;
        f->began = clock_ms();
        pump(f);
    }
}

static void on_change(struct bufferevent *socket, short what, void *arg)
{
    struct side *side = arg;
    struct flow *f = side->flow;

    if ((what & BEV_EVENT_CONNECTED) && connected_error(bufferevent_getfd(socket)) == 0) {
        side->connected = true;
        f->tried = 0;
        pump(f);
    } else if (side == &f->client) {
        bufferevent_disable(side->socket, EV_READ);
        if (!f->client_gone)
            f->began = clock_ms();
        f->client_gone = true;
        pump(f);
    } else {
        target_gone(f, side);
    }
}

static bool side_open(struct side *side, struct flow *f, int fd)
{
    int one = 1;

    *side = (struct side){.flow = f};
    side->socket = bufferevent_socket_new(loop_base(f->flows->loop), fd, BEV_OPT_CLOSE_ON_FREE);
    if (!side->socket) {
        close(fd);
        return false;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    bufferevent_setwatermark(side->socket, EV_READ, 0, RELAY_HELD_BYTES);
    bufferevent_setcb(side->socket, on_ready, on_ready, on_change, side);
    return true;
}

/* Connects to the next target; without one it waits. When all have been tried it is over. */
static void take_target(struct flow *f)
{
    struct relay_targets *targets = f->flows->targets;
    const struct rpc_address *at;

    f->began = clock_ms();
    for (; f->tried < relay_targets_count(targets) && (at = relay_targets_next(targets));
         f->tried++) {
        int fd = socket(at->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (fd < 0 || !side_open(&f->up, f, fd))
            continue;
        f->target = *at;
        bufferevent_enable(f->up.socket, EV_READ | EV_WRITE);
        if (bufferevent_socket_connect(f->up.socket, &at->any, (int)at->len) == 0)
            return;
        side_close(&f->up);
    }
}

/* ---- time --------------------------------------------------------------------------------------
 */

static bool is_over(const struct flow *f, int64_t now)
{
    if (f->client_gone || f->up_gone)
        return now - f->began > FAREWELL_MS;
    if (!f->up.socket)
        return now - f->began > WAIT_MS ||
               (f->tried && f->tried >= relay_targets_count(f->flows->targets));
    return now - f->touched > IDLE_MS;
}

/* What takes too long. */
static void look_at(struct flow *f, int64_t now)
{
    if (f->old.socket && f->old.left == 0 && now - f->old_touched > OWED_MS) {
        side_close(&f->old);
        f->old_gone = false;
    }
    if (f->up.socket && !f->up.connected && now - f->began > CONNECT_MS) {
        side_close(&f->up);
        f->tried++;
        take_target(f);
    }
    if (is_over(f, now))
        flow_end(f);
}

/* ---- all of them -------------------------------------------------------------------------------
 */

void relay_flows_begin(struct relay_flows *flows, int fd)
{
    struct flow *f = xcalloc(1, sizeof *f);

    f->flows = flows;
    f->up.flow = f->old.flow = f;
    f->touched = f->began = clock_ms();
    if (!side_open(&f->client, f, fd)) {
        free(f);
        return;
    }
    f->client.connected = true;
    f->next = flows->first;
    f->at = &flows->first;
    if (f->next)
        f->next->at = &f->next;
    flows->first = f;
    flows->count++;
    bufferevent_enable(f->client.socket, EV_READ | EV_WRITE);
    take_target(f);
}

void relay_flows_settle(struct relay_flows *flows)
{
    for (struct flow *f = flows->first; f; f = f->next) {
        if (!f->up.socket) {
            f->tried = 0;
            take_target(f);
        } else if (wants_other_target(f)) {
            change_target(f);
        }
    }
}

void relay_flows_look(struct relay_flows *flows)
{
    int64_t now = clock_ms();

    for (struct flow *f = flows->first, *next; f; f = next) {
        next = f->next;
        look_at(f, now);
    }
}

void relay_flows_end(struct relay_flows *flows, bool all)
{
    for (struct flow *f = flows->first, *next; f; f = next) {
        next = f->next;
        if (all || !f->up.socket)
            flow_end(f);
    }
}
