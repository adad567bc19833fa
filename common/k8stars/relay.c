/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "k8stars/relay_flow.h"
#include "loop/loop.h"

enum { BACKLOG = 512, TICK_MS = 1000 };

struct relay {
    struct relay_setup setup;
    char *servant;
    int fd; /* -1: shut */
    struct event *event;
    struct loop_timer tick;
    struct relay_flows flows;
};

/* ---- listening ---------------------------------------------------------------------------------
 */

static void tick(struct loop_timer *timer)
{
    struct relay *relay = loop_container(timer, struct relay, tick);

    relay_flows_look(&relay->flows);
    if (relay->flows.count)
        loop_timer_set(relay->setup.loop, &relay->tick, TICK_MS, tick);
}

static void take(struct relay *relay, int fd)
{
    if (relay->flows.count >= relay->setup.flows_max) {
        close(fd);
        return;
    }
    relay_flows_begin(&relay->flows, fd);
    if (!loop_timer_is_set(&relay->tick))
        loop_timer_set(relay->setup.loop, &relay->tick, TICK_MS, tick);
}

static void accept_all(struct relay *relay)
{
    for (int i = 0, fd; i < BACKLOG; i++) {
        fd = accept4(relay->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            take(relay, fd);
        else if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    accept_all(arg);
}

bool relay_open(struct relay *relay, const struct rpc_address *at, struct tars_error *error)
{
    int one = 1, fd;

    if (relay->fd >= 0)
        return true;
    fd = socket(at->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, &at->any, at->len) != 0 || listen(fd, BACKLOG) != 0) {
        int reason = errno;

        if (fd >= 0)
            close(fd);
        return tars_fail(error, reason, "cannot listen in place of %s: %s", relay->servant,
                         strerror(reason));
    }
    relay->fd = fd;
    relay->event = event_new(loop_base(relay->setup.loop), fd, EV_READ | EV_PERSIST, on_accept,
                             relay);
    event_add(relay->event, NULL);
    relay_targets_set(relay->flows.targets, NULL, 0, false); /* what was found out is old */
    return true;
}

void relay_shut(struct relay *relay)
{
    if (relay->fd < 0)
        return;
    accept_all(relay); /* who has been let in by the kernel */
    event_free(relay->event);
    close(relay->fd);
    relay->event = NULL;
    relay->fd = -1;
}

bool relay_is_open(const struct relay *relay)
{
    return relay->fd >= 0;
}

/* ---- targets -----------------------------------------------------------------------------------
 */

static void on_changed(void *user)
{
    struct relay *relay = user;

    relay_flows_settle(&relay->flows);
}

static void on_none(void *user)
{
    const struct relay *relay = user;

    if (relay->setup.none)
        relay->setup.none(relay->setup.user);
}

void relay_aim(struct relay *relay, const struct rpc_address *targets, size_t count)
{
    relay_targets_set(relay->flows.targets, targets, count, false);
}

void relay_home(struct relay *relay, const struct rpc_address *home)
{
    relay_targets_set(relay->flows.targets, home, 1, true);
}

void relay_end(struct relay *relay, bool all)
{
    relay_flows_end(&relay->flows, all);
}

size_t relay_flows(const struct relay *relay)
{
    return relay->flows.count;
}

/* ---- life --------------------------------------------------------------------------------------
 */

struct relay *relay_new(const struct relay_setup *setup)
{
    struct relay *relay = xcalloc(1, sizeof *relay);
    const struct relay_targets_owner owner = {
        .servant = setup->servant, .changed = on_changed, .none = on_none, .user = relay};

    relay->setup = *setup;
    relay->servant = xstrdup(setup->servant);
    relay->fd = -1;
    relay->flows.loop = setup->loop;
    relay->flows.targets = relay_targets_new(setup->loop, &owner);
    return relay;
}

void relay_free(struct relay *relay)
{
    if (!relay)
        return;
    relay_shut(relay);
    relay_end(relay, true);
    relay_targets_free(relay->flows.targets);
    loop_timer_clear(relay->setup.loop, &relay->tick);
    free(relay->servant);
    free(relay);
}
