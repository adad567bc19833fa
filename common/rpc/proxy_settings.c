/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program sets on a proxy and asks of it, from any thread. */
#include <stdlib.h>

#include "base/xmalloc.h"
#include "rpc/proxy.h"

void tars_proxy_timeout_ms(struct tars_proxy *p, int32_t timeout_ms)
{
    atomic_store_explicit(&p->timeout_ms, timeout_ms, memory_order_relaxed);
}

void tars_proxy_one_way(struct tars_proxy *p, bool one_way)
{
    atomic_store_explicit(&p->one_way, one_way, memory_order_relaxed);
}

void tars_proxy_version(struct tars_proxy *p, int version)
{
    atomic_store_explicit(&p->version, version, memory_order_relaxed);
}

static void set_routing(struct tars_proxy *p, enum tars_routing routing, uint32_t hash)
{
    atomic_store_explicit(&p->hash, hash, memory_order_relaxed);
    atomic_store_explicit(&p->routing, (int)routing, memory_order_relaxed);
}

void tars_proxy_hash(struct tars_proxy *p, uint32_t hash)
{
    set_routing(p, TARS_ROUTE_HASH, hash);
}

void tars_proxy_consistent_hash(struct tars_proxy *p, uint32_t hash)
{
    set_routing(p, TARS_ROUTE_CONSISTENT_HASH, hash);
}

struct set_job {
    struct loop_job job;
    struct tars_proxy *proxy;
    char *set;
    void (*on_push)(void *user, struct tars_str function, struct tars_str body);
    void *push_user;
};

/* On the loop's own thread at once, so that it comes before the calls that follow. */
static void hand_over(struct set_job *j)
{
    struct loop *loop = j->proxy->client->loop;

    if (loop_here(loop))
        j->job.run(&j->job);
    else
        loop_post(loop, &j->job);
}

static void run_set(struct loop_job *job)
{
    struct set_job *j = loop_container(job, struct set_job, job);

    rpc_proxy_use_set(j->proxy, j->set);
    free(j);
}

void tars_proxy_set(struct tars_proxy *p, const char *set)
{
    struct set_job *j = xcalloc(1, sizeof *j);

    j->job.run = run_set;
    j->proxy = p;
    j->set = set && *set ? xstrdup(set) : NULL;
    hand_over(j);
}

static void run_on_push(struct loop_job *job)
{
    struct set_job *j = loop_container(job, struct set_job, job);

    j->proxy->on_push = j->on_push;
    j->proxy->push_user = j->push_user;
    free(j);
}

void tars_proxy_on_push(struct tars_proxy *p,
                        void (*on_push)(void *user, struct tars_str function, struct tars_str body),
                        void *user)
{
    struct set_job *j = xcalloc(1, sizeof *j);

    j->job.run = run_on_push;
    j->proxy = p;
    j->on_push = on_push;
    j->push_user = user;
    hand_over(j);
}

size_t tars_proxy_endpoints(struct tars_proxy *p, struct tars_endpoint *active, size_t max)
{
    size_t count;

    pthread_mutex_lock(&p->lock);
    count = p->endpoint_count;
    if (max && count)
        memcpy(active, p->endpoints, (count < max ? count : max) * sizeof *active);
    pthread_mutex_unlock(&p->lock);
    return count;
}
