/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/discovery.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/xmalloc.h"
#include "rpc/client.h"
#include "rpc/registry_query.h"

enum {
    FAILURES_TOLERATED = 3,
    HURRY_MS = 200,       /* for the last question of a program that ends */
    CACHE_AFTER_MS = 1000 /* a registry that has not answered by then: begin with the cache file */
};

struct rpc_discovery {
    struct tars_client *client;
    char *object, *set;
    const struct rpc_discovery_events *events;
    void *user;

    struct rpc_registry_query *query; /* under way; NULL: none */
    struct loop_timer next;           /* the next question */
    struct loop_timer cache_due;
    size_t registries; /* of the locator */
    size_t tried;      /* of them, in this round */
    int32_t failures;  /* rounds in a row */
    bool have_list;
    bool hurry; /* nobody waits for a second answer */
    char problem[256];
};

static void ask(struct rpc_discovery *d);

static void on_next(struct loop_timer *timer)
{
    ask(loop_container(timer, struct rpc_discovery, next));
}

static void ask_in(struct rpc_discovery *d, int32_t ms)
{
    loop_timer_set(d->client->loop, &d->next, ms, on_next);
}

/* What an earlier run of the program has learnt: better than nothing. */
static void use_cache(struct rpc_discovery *d)
{
    struct tars_endpoint *endpoints;
    size_t count;

    if (d->have_list || !d->client->cache)
        return;
    endpoints = rpc_endpoint_cache_get(d->client->cache, d->object, d->set, &count);
    if (!endpoints)
        return;
    log_warn("client", "%s: the registry has not told its endpoints; using %zu of the cache file",
             d->object, count);
    d->have_list = true;
    d->events->changed(d->user, endpoints, count);
    free(endpoints);
}

static void on_cache_due(struct loop_timer *timer)
{
    use_cache(loop_container(timer, struct rpc_discovery, cache_due));
}

bool rpc_discovery_is_hopeless(const struct rpc_discovery *d)
{
    return !d->have_list &&
           (!d->client->locator || d->failures > (d->hurry ? 0 : FAILURES_TOLERATED));
}

static void on_failure(struct rpc_discovery *d, const char *reason)
{
    const struct rpc_client_conf *conf = &d->client->conf;

    snprintf(d->problem, sizeof d->problem, "the registry does not tell them: %.200s", reason);
    rpc_count(&d->client->counters.refresh_failures, 1);
    use_cache(d);
    if (!d->have_list && ++d->tried < d->registries) {
        ask(d);
        return;
    }
    d->tried = 0;
    d->failures++;
    ask_in(d,
           d->failures > FAILURES_TOLERATED ? conf->refresh_failing_ms : conf->refresh_failed_ms);
    if (rpc_discovery_is_hopeless(d))
        d->events->hopeless(d->user, d->problem);
}

static void on_list(struct rpc_discovery *d, const struct tars_endpoint *endpoints, size_t count)
{
    d->tried = 0;
    d->failures = count == 0 && d->hurry;
    if (count == 0) {
        snprintf(d->problem, sizeof d->problem, "the registry knows no active endpoint");
        use_cache(d);
        ask_in(d, d->client->conf.refresh_empty_ms);
        if (rpc_discovery_is_hopeless(d))
            d->events->hopeless(d->user, d->problem);
        return;
    }
    d->have_list = true;
    if (d->client->cache)
        rpc_endpoint_cache_put(d->client->cache, d->object, d->set, endpoints, count);
    ask_in(d, d->client->conf.refresh_ms);
    d->events->changed(d->user, endpoints, count);
}

static void on_answer(void *user, const char *error, const struct tars_endpoint *endpoints,
                      size_t count)
{
    struct rpc_discovery *d = user;

    d->query = NULL;
    loop_timer_clear(d->client->loop, &d->cache_due);
    if (error)
        on_failure(d, error);
    else
        on_list(d, endpoints, count);
}

/* While there is no list, the time for one answer is shared among the registries, so that a dead
 * first one does not use up the time of the calls that wait. */
static int32_t time_for_answer(const struct rpc_discovery *d)
{
    int32_t ms = d->hurry ? HURRY_MS : d->client->conf.refresh_timeout_ms;

    return d->have_list || d->registries < 2 ? ms : ms / (int32_t)d->registries;
}

static void ask(struct rpc_discovery *d)
{
    rpc_count(&d->client->counters.refreshes, 1);
    d->query = rpc_registry_ask(d->client->locator, d->object, d->set, time_for_answer(d),
                                on_answer, d);
}

static size_t count_registries(const struct tars_client *client)
{
    return client->locator ? tars_proxy_endpoints(client->locator, NULL, 0) : 0;
}

struct rpc_discovery *rpc_discovery_new(struct tars_client *client, const char *object,
                                        const char *set, const struct rpc_discovery_events *events,
                                        void *user)
{
    struct rpc_discovery *d = xcalloc(1, sizeof *d);
    const char *own_set = set ? set : client->conf.set;

    d->client = client;
    d->object = xstrdup(object);
    d->set = own_set ? xstrdup(own_set) : NULL;
    d->events = events;
    d->user = user;
    d->registries = count_registries(client);
    if (!client->locator) {
        snprintf(d->problem, sizeof d->problem,
                 "the object carries no endpoints and the client has no locator to ask");
        use_cache(d);
        return d;
    }
    snprintf(d->problem, sizeof d->problem, "the registry has not answered yet");
    if (client->cache)
        loop_timer_set(client->loop, &d->cache_due, CACHE_AFTER_MS, on_cache_due);
    ask(d);
    return d;
}

void rpc_discovery_ask_anew(struct rpc_discovery *d)
{
    rpc_registry_forget(d->query);
    d->query = NULL;
    loop_timer_clear(d->client->loop, &d->next);
    d->registries = count_registries(d->client);
    d->tried = 0;
    d->failures = 0;
    if (d->client->locator)
        ask(d);
}

void rpc_discovery_hurry(struct rpc_discovery *d)
{
    if (d->hurry || d->have_list)
        return;
    d->hurry = true;
    rpc_discovery_ask_anew(d);
}

void rpc_discovery_free(struct rpc_discovery *d)
{
    if (!d)
        return;
    rpc_registry_forget(d->query);
    loop_timer_clear(d->client->loop, &d->next);
    loop_timer_clear(d->client->loop, &d->cache_due);
    free(d->object);
    free(d->set);
    free(d);
}

const char *rpc_discovery_problem(const struct rpc_discovery *d)
{
    return d->problem;
}
