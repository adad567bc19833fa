/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay_question.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/connected.h"
#include "base/xmalloc.h"
#include "loop/loop.h"
#include "rpc/packet.h"

static const char mark[] = "tars_failover";

struct relay_question {
    struct loop *loop;
    char *servant;
    int fd;
    bool sent, yes;
    struct event *event;
    struct loop_timer timer; /* the time-out, or the delay of an answer that is known already */
    void (*answered)(void *user, bool yes);
    void *user;
};

/* ---- asking ------------------------------------------------------------------------------------
 */

static void on_timer(struct loop_timer *timer)
{
    struct relay_question *q = loop_container(timer, struct relay_question, timer);
    void (*answered)(void *user, bool yes) = q->answered;
    void *user = q->user;
    bool yes = q->yes;

    relay_forget(q);
    answered(user, yes);
}

static void answer(struct relay_question *q, bool yes)
{
    q->yes = yes;
    if (q->event)
        event_del(q->event);
    loop_timer_set(q->loop, &q->timer, 0, on_timer);
}

static bool send_question(const struct relay_question *q)
{
    struct tars_str_pair pair = {tars_str(mark), tars_str("asks")};
    struct rpc_request request = {.version = RPC_TARS,
                                  .id = 1,
                                  .servant = tars_str(q->servant),
                                  .function = tars_str("tars_ping"),
                                  .timeout_ms = 1000,
                                  .context = {1, &pair}};
    struct tars_writer w;
    bool sent;

    tars_writer_init(&w);
    rpc_request_write(&w, &request);
    sent = send(q->fd, w.at, w.len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)w.len;
    tars_writer_free(&w);
    return sent;
}

static void on_ready(evutil_socket_t fd, short what, void *arg);

static void wait_for(struct relay_question *q, short what)
{
    if (q->event)
        event_free(q->event);
    q->event = event_new(loop_base(q->loop), q->fd, what, on_ready, q);
    event_add(q->event, NULL);
}

/* Whatever it answers, it is a server that answers. */
static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct relay_question *q = arg;
    uint8_t bytes[RPC_FRAME_HEAD];

    (void)what;
    if (q->sent) {
        answer(q, recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0);
    } else if (connected_error(fd) == 0 && send_question(q)) {
        q->sent = true;
        wait_for(q, EV_READ);
    } else {
        answer(q, false);
    }
}

struct relay_question *relay_ask(struct loop *loop, const struct rpc_address *whom,
                                 const char *servant, int64_t timeout_ms,
                                 void (*answered)(void *user, bool yes), void *user)
{
    struct relay_question *q = xcalloc(1, sizeof *q);

    q->loop = loop;
    q->servant = xstrdup(servant);
    q->answered = answered;
    q->user = user;
    loop_timer_set(loop, &q->timer, timeout_ms, on_timer);
    q->fd = socket(whom->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (q->fd < 0 || (connect(q->fd, &whom->any, whom->len) != 0 && errno != EINPROGRESS))
        answer(q, false);
    else
        wait_for(q, EV_WRITE);
    return q;
}

void relay_forget(struct relay_question *q)
{
    if (!q)
        return;
    loop_timer_clear(q->loop, &q->timer);
    if (q->event)
        event_free(q->event);
    if (q->fd >= 0)
        close(q->fd);
    free(q->servant);
    free(q);
}

/* ---- being asked -------------------------------------------------------------------------------
 */

bool relay_is_question(struct tars_str frame)
{
    struct tars_arena *arena = tars_arena_new(0);
    struct rpc_request request;
    struct tars_error ignored;
    bool is = rpc_request_read(frame, arena, &request, &ignored) &&
              tars_str_is(request.function, "tars_ping") &&
              tars_str_map_get(&request.context, mark) != NULL;

    tars_arena_free(arena);
    return is;
}
