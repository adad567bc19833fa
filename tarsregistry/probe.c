/* SPDX-License-Identifier: BSD-3-Clause */
#include "probe.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/connected.h"
#include "base/hash.h"
#include "base/xmalloc.h"
#include "loop/loop.h"
#include "rpc/resolver.h"

enum {
    QUEUE_MAX = 4096, /* that wait; others are due again with the next tick */
    LEARN_TRIES = 3,  /* of an endpoint that never accepted */
    LEARN_PAUSE_MS = 30 * 1000,
    AGAIN_MS = 300, /* before the second attempt: one lost packet is no death */
    ATTEMPTS = 2,
};

/* An instance that waits to be asked, or is; found again by its id. */
struct probe {
    struct probe *next, **at; /* of the queue, or of those under way */
    struct prober *prober;
    char *id;
    struct sockaddr_storage address;
    socklen_t len;
    int fd; /* -1: none */
    int attempts;
    struct event *event;
    struct loop_timer timer; /* the time-out, or the pause before the second attempt */
};

struct prober {
    struct loop *loop;
    struct probe_rules rules;
    struct table *table;
    const struct liveness *liveness;
    struct probe_counters *counters;
    struct probe *queue, **queue_end, *running;
    size_t queued, running_count;
    bool starting;
    uint64_t rolls; /* of the dice */
};

static int64_t jitter(struct prober *p, int64_t most)
{
    p->rolls++;
    return (int64_t)(hash_bytes(&p->rolls, sizeof p->rolls, hash_seed()) % (uint64_t)(most + 1));
}

/* ---- addresses
 * ------------------------------------------------------------------------------------ */

static bool may_ask_v4(uint32_t address, bool loopback)
{
    uint32_t first = address >> 24;
    if (first == 127)
        return loopback;
    return first != 0 && first < 224 && address >> 16 != (169U << 8 | 254);
}

static bool may_ask_v6(const struct in6_addr *address, bool loopback)
{
    if (IN6_IS_ADDR_LOOPBACK(address))
        return loopback;
    return !IN6_IS_ADDR_UNSPECIFIED(address) && !IN6_IS_ADDR_MULTICAST(address) &&
           !IN6_IS_ADDR_LINKLOCAL(address) && !IN6_IS_ADDR_V4MAPPED(address) &&
           !IN6_IS_ADDR_V4COMPAT(address);
}

static bool may_ask(const struct rpc_address *address, bool loopback)
{
    const struct sockaddr_in *v4 = (const void *)&address->storage;
    const struct sockaddr_in6 *v6 = (const void *)&address->storage;
    if (address->any.sa_family == AF_INET)
        return may_ask_v4(ntohl(v4->sin_addr.s_addr), loopback);
    return address->any.sa_family == AF_INET6 && may_ask_v6(&v6->sin6_addr, loopback);
}

bool probe_address(const struct record *record, bool loopback, struct sockaddr_storage *address,
                   socklen_t *len)
{
    for (size_t k = 0; k < record->adapter_count; k++) {
        struct tars_endpoint endpoint;
        struct tars_error ignored;
        struct rpc_addresses found;
        if (!tars_endpoint_parse(record->adapters[k].endpoint, &endpoint, &ignored) ||
            endpoint.transport == TARS_UDP)
            continue;
        if (!rpc_address_numeric(&endpoint, &found, &ignored) || !may_ask(&found.at[0], loopback))
            return false;
        *address = found.at[0].storage;
        *len = found.at[0].len;
        return true;
    }
    return false;
}

/* ---- lists
 * ---------------------------------------------------------------------------------------- */

static void enqueue(struct prober *p, struct instance *i)
{
    struct probe *probe = xcalloc(1, sizeof *probe);
    probe->prober = p;
    probe->id = xstrdup(i->id);
    probe->fd = -1;
    i->probed.waiting = true;
    *p->queue_end = probe;
    p->queue_end = &probe->next;
    p->queued++;
}

static struct probe *dequeue(struct prober *p)
{
    struct probe *probe = p->queue;
    p->queue = probe->next;
    if (!p->queue)
        p->queue_end = &p->queue;
    p->queued--;
    return probe;
}

static void link_running(struct prober *p, struct probe *probe)
{
    probe->next = p->running;
    if (probe->next)
        probe->next->at = &probe->next;
    probe->at = &p->running;
    p->running = probe;
    p->running_count++;
}

static void hang_up(struct probe *probe)
{
    loop_timer_clear(probe->prober->loop, &probe->timer);
    if (probe->event)
        event_free(probe->event);
    probe->event = NULL;
    if (probe->fd >= 0) {
        close(probe->fd);
        atomic_fetch_sub(&probe->prober->counters->open, 1);
    }
    probe->fd = -1;
}

static void probe_free(struct probe *probe)
{
    struct prober *p = probe->prober;
    hang_up(probe);
    if (probe->at) {
        *probe->at = probe->next;
        if (probe->next)
            probe->next->at = probe->at;
        p->running_count--;
    }
    free(probe->id);
    free(probe);
}

/* ---- verdicts
 * ------------------------------------------------------------------------------------- */

enum outcome { ACCEPTED, DEAD, NOT_KNOWN /* the fault is this machine's */ };

/* The instance, if it is still what was asked. */
static struct instance *asked(const struct probe *probe)
{
    struct instance *i = table_find(probe->prober->table, tars_str(probe->id));
    struct sockaddr_storage address;
    socklen_t len;
    if (!i)
        return NULL;
    i->probed.waiting = false;
    bool same = liveness_watched(i) && i->present == STATE_ACTIVE &&
                probe_address(i->record, probe->prober->rules.loopback, &address, &len) &&
                len == probe->len && memcmp(&address, &probe->address, len) == 0;
    return same ? i : NULL;
}

static bool is_late(const struct prober *p, const struct instance *i, int64_t now)
{
    return liveness_silence(p->liveness, i, now) > p->rules.after_ms;
}

static void judge(struct prober *p, struct instance *i, enum outcome outcome)
{
    int64_t now = clock_ms(), interval = p->rules.interval_ms;
    struct probed *probed = &i->probed;
    probed->next = now + interval + jitter(p, interval / 4);
    if (outcome == ACCEPTED) {
        probed->accepted = true;
        probed->dead = 0;
    } else if (outcome == DEAD && !probed->accepted) {
        probed->misses++;
        probed->next = now + ((int64_t)LEARN_PAUSE_MS << probed->misses);
    } else if (outcome == DEAD && !probed->dead && is_late(p, i, now)) {
        probed->dead = now;
        atomic_fetch_add(&p->counters->dead, 1);
    }
}

static void start_waiting(struct prober *p);

static void end(struct probe *probe, enum outcome outcome)
{
    struct prober *p = probe->prober;
    struct instance *i = asked(probe);
    if (i)
        judge(p, i, outcome);
    probe_free(probe);
    start_waiting(p);
}

/* ---- connections
 * ---------------------------------------------------------------------------------- */

static enum outcome outcome_of(int error)
{
    switch (error) {
    case 0:
        return ACCEPTED;
    case ECONNREFUSED:
    case ECONNRESET:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case EHOSTDOWN:
        return DEAD;
    default:
        return NOT_KNOWN;
    }
}

static void knock(struct probe *probe);

static void on_again(struct loop_timer *timer)
{
    knock(loop_container(timer, struct probe, timer));
}

static void attempt_ended(struct probe *probe, int error)
{
    enum outcome outcome = outcome_of(error);
    hang_up(probe);
    if (outcome == DEAD && probe->attempts < ATTEMPTS)
        loop_timer_set(probe->prober->loop, &probe->timer, AGAIN_MS, on_again);
    else
        end(probe, outcome);
}

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    attempt_ended(arg, connected_error(fd));
}

/* A process that was stopped finds the time over and the connection made. */
static void on_timeout(struct loop_timer *timer)
{
    struct probe *probe = loop_container(timer, struct probe, timer);
    struct pollfd ready = {.fd = probe->fd, .events = POLLOUT};
    if (poll(&ready, 1, 0) == 1)
        on_connected(probe->fd, 0, probe);
    else
        attempt_ended(probe, ETIMEDOUT);
}

static void knock(struct probe *probe)
{
    struct prober *p = probe->prober;
    probe->attempts++;
    probe->fd = socket(probe->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe->fd < 0)
        return attempt_ended(probe, errno);
    atomic_fetch_add(&p->counters->open, 1);
    atomic_fetch_add(&p->counters->connects, 1);
    if (connect(probe->fd, (const struct sockaddr *)&probe->address, probe->len) != 0 &&
        errno != EINPROGRESS)
        return attempt_ended(probe, errno);
    probe->event = event_new(loop_base(p->loop), probe->fd, EV_WRITE, on_connected, probe);
    event_add(probe->event, NULL);
    loop_timer_set(p->loop, &probe->timer, p->rules.timeout_ms, on_timeout);
}

static void start(struct prober *p, struct probe *probe)
{
    struct instance *i = table_find(p->table, tars_str(probe->id));
    bool wanted = i && liveness_watched(i) && i->present == STATE_ACTIVE;
    if (wanted && probe_address(i->record, p->rules.loopback, &probe->address, &probe->len)) {
        link_running(p, probe);
        return knock(probe);
    }
    if (i)
        i->probed.waiting = false;
    if (wanted)
        i->probed.next = INT64_MAX; /* until its record changes */
    probe_free(probe);
}

static void start_waiting(struct prober *p)
{
    if (p->starting)
        return; /* an attempt that failed at once: the loop below goes on */
    p->starting = true;
    while (p->queue && p->running_count < (size_t)p->rules.limit)
        start(p, dequeue(p));
    p->starting = false;
}

/* ---- life
 * ------------------------------------------------------------------------------------------ */

struct prober *prober_new(struct loop *loop, const struct probe_rules *rules, struct table *table,
                          const struct liveness *liveness, struct probe_counters *counters)
{
    struct prober *p = xcalloc(1, sizeof *p);
    p->loop = loop;
    p->rules = *rules;
    p->table = table;
    p->liveness = liveness;
    p->counters = counters;
    p->queue_end = &p->queue;
    return p;
}

void prober_free(struct prober *p)
{
    if (!p)
        return;
    while (p->running)
        probe_free(p->running);
    while (p->queue)
        probe_free(dequeue(p));
    free(p);
}

/* Late ones that can be reached; and, while they are well, those of which that is not known. */
static bool is_due(struct prober *p, struct instance *i, int64_t now)
{
    if (i->kind != INSTANCE_SERVER || i->probed.waiting || now < i->probed.next ||
        !liveness_watched(i) || i->present != STATE_ACTIVE)
        return false;
    if (i->probed.accepted)
        return is_late(p, i, now);
    if (i->probed.misses >= LEARN_TRIES || is_late(p, i, now))
        return false;
    if (i->probed.next)
        return true;
    i->probed.next = now + jitter(p, p->rules.interval_ms / 2);
    return false;
}

void prober_tick(struct prober *p, int64_t now)
{
    size_t at = 0;
    if (!p->rules.on)
        return;
    for (struct instance *i; p->queued < QUEUE_MAX && table_next(p->table, &at, &i);)
        if (is_due(p, i, now))
            enqueue(p, i);
    start_waiting(p);
}
