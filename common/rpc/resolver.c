/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/resolver.h"

#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/xmalloc.h"

struct rpc_lookup {
    struct rpc_lookup *next;
    char host[sizeof((struct tars_endpoint *)0)->host];
    uint16_t port;
    rpc_resolved *done;
    void *user;
    bool cancelled; /* loop thread only */
    struct rpc_addresses addresses;
    char error[160]; /* "" on success */
};

/* Between the loop and the helper thread; the last of the two frees it, because a look-up that
 * hangs must not hold up the end of the client. */
struct rpc_resolver {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct rpc_lookup *wanted, **wanted_end;
    struct rpc_lookup *ready;
    int bell; /* eventfd: something is ready */
    bool closed;
    bool helper; /* the helper thread runs and holds a share of this struct */

    struct event *bell_event; /* loop thread only */
};

/* ---- helper thread -------------------------------------------------------------------------- */

static void ask_system(struct rpc_lookup *lookup)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port[8];
    int status;

    snprintf(port, sizeof port, "%u", (unsigned)lookup->port);
    status = getaddrinfo(lookup->host, port, &hints, &found);
    for (struct addrinfo *at = found; at && lookup->addresses.count < RPC_ADDRESSES_MAX;
         at = at->ai_next) {
        struct rpc_address *a = &lookup->addresses.at[lookup->addresses.count];

        if (at->ai_addrlen > sizeof a->storage)
            continue;
        memcpy(&a->storage, at->ai_addr, at->ai_addrlen);
        a->len = at->ai_addrlen;
        lookup->addresses.count++;
    }
    if (lookup->addresses.count == 0)
        snprintf(lookup->error, sizeof lookup->error, "cannot resolve the host name: %s",
                 status ? gai_strerror(status) : "it has no address");
    if (found)
        freeaddrinfo(found);
}

static struct rpc_lookup *next_wanted(struct rpc_resolver *r)
{
    struct rpc_lookup *lookup;

    pthread_mutex_lock(&r->lock);
    while (!r->wanted && !r->closed)
        pthread_cond_wait(&r->more, &r->lock);
    lookup = r->closed ? NULL : r->wanted;
    if (lookup) {
        r->wanted = lookup->next;
        if (!r->wanted)
            r->wanted_end = &r->wanted;
    }
    pthread_mutex_unlock(&r->lock);
    return lookup;
}

static void destroy(struct rpc_resolver *r)
{
    close(r->bell);
    pthread_cond_destroy(&r->more);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static void hand_over(struct rpc_resolver *r, struct rpc_lookup *lookup)
{
    const uint64_t one = 1;
    bool closed;

    pthread_mutex_lock(&r->lock);
    closed = r->closed;
    if (!closed) {
        lookup->next = r->ready;
        r->ready = lookup;
        while (write(r->bell, &one, sizeof one) < 0 && errno == EINTR)
            ;
    }
    pthread_mutex_unlock(&r->lock);
    if (closed)
        free(lookup);
}

static void *helper(void *arg)
{
    struct rpc_resolver *r = arg;
    struct rpc_lookup *lookup;

    while ((lookup = next_wanted(r))) {
        ask_system(lookup);
        hand_over(r, lookup);
    }
    destroy(r);
    return NULL;
}

/* ---- loop thread ---------------------------------------------------------------------------- */

static void finish(struct rpc_lookup *lookup)
{
    if (!lookup->cancelled)
        lookup->done(lookup->user, &lookup->addresses, lookup->error[0] ? lookup->error : NULL);
    free(lookup);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct rpc_resolver *r = arg;
    struct rpc_lookup *ready;
    uint64_t count;
    ssize_t ignored = read(fd, &count, sizeof count);

    (void)ignored;
    (void)what;
    pthread_mutex_lock(&r->lock);
    ready = r->ready;
    r->ready = NULL;
    pthread_mutex_unlock(&r->lock);
    while (ready) {
        struct rpc_lookup *next = ready->next;

        finish(ready);
        ready = next;
    }
}

struct rpc_resolver *rpc_resolver_new(struct event_base *base)
{
    struct rpc_resolver *r = xcalloc(1, sizeof *r);

    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->more, NULL);
    r->wanted_end = &r->wanted;
    r->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    r->bell_event = event_new(base, r->bell, EV_READ | EV_PERSIST, on_ready, r);
    event_add(r->bell_event, NULL);
    return r;
}

static void free_all(struct rpc_lookup *list)
{
    while (list) {
        struct rpc_lookup *next = list->next;

        free(list);
        list = next;
    }
}

void rpc_resolver_free(struct rpc_resolver *r)
{
    bool last;

    if (!r)
        return;
    event_free(r->bell_event);
    pthread_mutex_lock(&r->lock);
    r->closed = true;
    free_all(r->wanted);
    free_all(r->ready);
    r->wanted = r->ready = NULL;
    last = !r->helper;
    pthread_cond_signal(&r->more);
    pthread_mutex_unlock(&r->lock);
    if (last)
        destroy(r);
}

static bool start_helper(struct rpc_resolver *r)
{
    pthread_t thread;

    if (r->helper)
        return true;
    if (pthread_create(&thread, NULL, helper, r) != 0)
        return false;
    pthread_detach(thread);
    return r->helper = true;
}

struct rpc_lookup *rpc_resolver_lookup(struct rpc_resolver *r, const char *host, uint16_t port,
                                       rpc_resolved *done, void *user)
{
    struct rpc_lookup *lookup = xcalloc(1, sizeof *lookup);
    const uint64_t one = 1;

    snprintf(lookup->host, sizeof lookup->host, "%s", host);
    lookup->port = port;
    lookup->done = done;
    lookup->user = user;
    pthread_mutex_lock(&r->lock);
    if (start_helper(r)) {
        *r->wanted_end = lookup;
        r->wanted_end = &lookup->next;
        pthread_cond_signal(&r->more);
    } else {
        snprintf(lookup->error, sizeof lookup->error,
                 "cannot start the thread that resolves names");
        lookup->next = r->ready;
        r->ready = lookup;
        while (write(r->bell, &one, sizeof one) < 0 && errno == EINTR)
            ;
    }
    pthread_mutex_unlock(&r->lock);
    return lookup;
}

void rpc_lookup_cancel(struct rpc_lookup *lookup)
{
    if (lookup)
        lookup->cancelled = true;
}
