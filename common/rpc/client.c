/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/client.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include <tars/server.h>

#include "base/log.h"
#include "base/xmalloc.h"
#include "rpc/hooks.h"
#include "rpc/proxy.h"

enum {
    KEEP_ALIVE_CHECK_MS = 2000,
    /* memory that a decoded answer may take: so much, and more per byte of the answers' limit */
    VALUES_FIRST = 1024 * 1024,
    VALUES_PER_BYTE = 8
};

/* ---- calls reach the loop ------------------------------------------------------------------- */

static void run_call(struct loop_job *job)
{
    rpc_proxy_take(loop_container(job, struct rpc_call, job));
}

static void take_made_here(struct tars_client *client)
{
    struct rpc_call_list list = TAILQ_HEAD_INITIALIZER(list);
    struct rpc_call *call;

    TAILQ_CONCAT(&list, &client->made_here, link);
    while ((call = TAILQ_FIRST(&list))) {
        TAILQ_REMOVE(&list, call, link);
        rpc_proxy_take(call);
    }
}

static void on_made_here(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    take_made_here(arg);
}

/* A call made in a callback waits for the callback to end, but needs no wake-up. */
static void post_here(struct tars_client *client, struct rpc_call *call)
{
    if (TAILQ_EMPTY(&client->made_here))
        event_active(client->made_here_event, EV_TIMEOUT, 0);
    TAILQ_INSERT_TAIL(&client->made_here, call, link);
}

/* What callbacks of a client that has ended all its calls still ask for is dropped. */
void rpc_client_post(struct tars_client *client, struct rpc_call *call)
{
    if (client->life == RPC_CLIENT_CLOSED) {
        call->release(call);
        return;
    }
    if (loop_here(client->loop)) {
        post_here(client, call);
        return;
    }
    call->job.run = run_call;
    loop_post(client->loop, &call->job);
}

/* ---- proxies -------------------------------------------------------------------------------- */

struct tars_proxy *tars_proxy_get(struct tars_client *client, const char *object)
{
    struct tars_str key = tars_str(object ? object : "");
    struct tars_proxy *proxy;
    bool start_here = false;

    pthread_mutex_lock(&client->lock);
    proxy = map_get(client->proxies, key);
    if (!proxy) {
        proxy = rpc_proxy_new(client, object ? object : "");
        map_put(client->proxies, key, proxy);
        /* Posted under the lock: no call of another thread may come before it. */
        start_here = loop_here(client->loop);
        if (!start_here)
            loop_post(client->loop, &proxy->start_job);
    }
    pthread_mutex_unlock(&client->lock);
    if (start_here)
        rpc_proxy_start(&proxy->start_job);
    return proxy;
}

size_t rpc_client_proxies(struct tars_client *client, struct tars_proxy ***list)
{
    size_t at = 0, count = 0;
    struct tars_str key;
    void *value;

    pthread_mutex_lock(&client->lock);
    *list = xcalloc(map_len(client->proxies) + 1, sizeof(struct tars_proxy *));
    while (map_next(client->proxies, &at, &key, &value))
        (*list)[count++] = value;
    pthread_mutex_unlock(&client->lock);
    return count;
}

void rpc_client_hurry(struct tars_client *client)
{
    struct tars_proxy **proxies;
    size_t count = rpc_client_proxies(client, &proxies);

    for (size_t i = 0; i < count; i++)
        rpc_proxy_hurry(proxies[i]);
    free(proxies);
}

static void on_keep_alive(struct loop_timer *timer)
{
    struct tars_client *client = loop_container(timer, struct tars_client, keep_alive);
    struct tars_proxy **proxies;
    size_t count = rpc_client_proxies(client, &proxies);

    for (size_t i = 0; i < count; i++)
        rpc_proxy_keep_alive(proxies[i], client->conf.keep_alive_ms);
    free(proxies);
    loop_timer_set(client->loop, timer, KEEP_ALIVE_CHECK_MS, on_keep_alive);
}

const char *rpc_client_object_setting(const struct tars_client *client, const char *object,
                                      const char *key)
{
    char path[600];
    const char *value;

    if (!client->settings)
        return "";
    snprintf(path, sizeof path, "/tars/application/client/%s<%s>", object, key);
    value = tars_conf_get(client->settings, path, NULL);
    if (value)
        return value;
    snprintf(path, sizeof path, "/tars/application/client<%s>", key);
    return tars_conf_get(client->settings, path, "");
}

/* ---- life ----------------------------------------------------------------------------------- */

static void begin(void *arg)
{
    struct tars_client *client = arg;
    struct event_base *base = loop_base(client->loop);
    size_t limit = VALUES_FIRST + VALUES_PER_BYTE * (size_t)client->conf.response_limit;

    client->resolver = rpc_resolver_new(base);
    client->scratch = tars_arena_new(limit);
    client->values = tars_arena_new(limit);
    client->made_here_event = event_new(base, -1, 0, on_made_here, client);
    if (client->conf.cache_file)
        client->cache = rpc_endpoint_cache_new(client->conf.cache_file);
}

static void begin_keep_alive(void *arg)
{
    struct tars_client *client = arg;

    loop_timer_set(client->loop, &client->keep_alive, KEEP_ALIVE_CHECK_MS, on_keep_alive);
}

static struct tars_conf *copy_conf(const struct tars_conf *conf)
{
    struct tars_conf *copy = conf ? tars_conf_new() : NULL;

    if (copy)
        tars_conf_join(copy, conf, true);
    return copy;
}

static void start_loop(struct tars_client *client)
{
    struct tars_error error = {0};

    if (client->own_loop && !loop_start(client->loop, &error))
        log_error("client", "%s; calls will fail", error.text);
}

struct tars_client *rpc_client_new(struct rpc_client_conf *settings, struct event_base *base,
                                   const struct tars_conf *conf)
{
    struct tars_client *client = xcalloc(1, sizeof *client);

    client->conf = *settings;
    memset(settings, 0, sizeof *settings);
    client->settings = copy_conf(conf);
    client->own_loop = base == NULL;
    client->loop = base ? loop_new_on(base, "tars-client") : loop_new("tars-client");
    client->proxies = map_new(NULL);
    pthread_mutex_init(&client->lock, NULL);
    TAILQ_INIT(&client->made_here);
    begin(client);
    start_loop(client);
    if (client->conf.locator && *client->conf.locator)
        client->locator = tars_proxy_get(client, client->conf.locator);
    if (client->conf.keep_alive_ms > 0)
        loop_call(client->loop, begin_keep_alive, client);
    if (conf && rpc_hooks.client_new)
        client->report = rpc_hooks.client_new(client, conf);
    return client;
}

static struct tars_client *new_with_locator(struct event_base *base, const char *locator)
{
    struct rpc_client_conf settings;

    rpc_client_conf_init(&settings, NULL);
    settings.locator = locator ? xstrdup(locator) : NULL;
    return rpc_client_new(&settings, base, NULL);
}

struct tars_client *tars_client_new(const char *locator)
{
    return new_with_locator(NULL, locator);
}

struct tars_client *tars_client_new_on(struct event_base *base, const char *locator)
{
    return new_with_locator(base, locator);
}

struct tars_client *tars_client_new_conf(const struct tars_conf *conf)
{
    struct rpc_client_conf settings;

    rpc_client_conf_init(&settings, conf);
    return rpc_client_new(&settings, NULL, conf);
}

/* The registry's proxy last: the others' look-ups end with them. */
static void stop_proxies(struct tars_client *client)
{
    struct tars_proxy **proxies;
    size_t count = rpc_client_proxies(client, &proxies);

    for (size_t i = 0; i < count; i++) {
        if (proxies[i] != client->locator)
            rpc_proxy_stop(proxies[i]);
    }
    if (client->locator)
        rpc_proxy_stop(client->locator);
    free(proxies);
}

/* Ends all calls. Callbacks may make calls, which fail too; what those ask for is dropped. */
static void end(void *arg)
{
    struct tars_client *client = arg;

    loop_run_pending(client->loop);
    take_made_here(client);
    client->life = RPC_CLIENT_CLOSING;
    loop_timer_clear(client->loop, &client->keep_alive);
    stop_proxies(client);
    client->life = RPC_CLIENT_CLOSED;
    take_made_here(client);
    loop_run_pending(client->loop);
    rpc_resolver_free(client->resolver);
    event_free(client->made_here_event);
}

static void free_proxies(struct tars_client *client)
{
    struct tars_proxy **proxies;
    size_t count = rpc_client_proxies(client, &proxies);

    for (size_t i = 0; i < count; i++)
        rpc_proxy_free(proxies[i]);
    free(proxies);
    map_free(client->proxies);
}

void tars_client_free(struct tars_client *client)
{
    if (!client)
        return;
    if (client->report && rpc_hooks.client_closing)
        rpc_hooks.client_closing(client->report);
    if (client->own_loop)
        loop_call_wait(client->loop, end, client);
    else
        end(client);
    if (client->report && rpc_hooks.client_free)
        rpc_hooks.client_free(client->report);
    loop_free(client->loop);
    free_proxies(client);
    rpc_endpoint_cache_free(client->cache);
    tars_arena_free(client->scratch);
    tars_arena_free(client->values);
    tars_conf_free(client->settings);
    rpc_client_conf_clear(&client->conf);
    pthread_mutex_destroy(&client->lock);
    free(client);
}

struct event_base *tars_client_base(struct tars_client *client)
{
    return loop_base(client->loop);
}

void *rpc_client_report(const struct tars_client *client)
{
    return client->report;
}

struct loop *rpc_client_loop(const struct tars_client *client)
{
    return client->loop;
}

struct relocation {
    struct tars_client *client;
    const char *locator;
};

static void relocate(void *arg)
{
    const struct relocation *r = arg;
    struct tars_client *client = r->client;
    struct tars_proxy **proxies;
    size_t count;

    if (client->life != RPC_CLIENT_OPEN)
        return;
    free(client->conf.locator);
    client->conf.locator = xstrdup(r->locator);
    client->locator = tars_proxy_get(client, r->locator);
    count = rpc_client_proxies(client, &proxies);
    for (size_t i = 0; i < count; i++)
        rpc_proxy_ask_anew(proxies[i]);
    free(proxies);
}

void rpc_client_use_locator(struct tars_client *client, const char *locator)
{
    loop_call_wait(client->loop, relocate, &(struct relocation){client, locator});
}

size_t rpc_client_under_way(const struct tars_client *client)
{
    int32_t calls = atomic_load_explicit(&client->under_way, memory_order_relaxed);

    return calls > 0 ? (size_t)calls : 0;
}

void tars_client_metrics(struct tars_client *client,
                         void (*each)(void *user, const char *name, const char *labels,
                                      double value),
                         void *user)
{
#define READ_COUNTER(member_, name_)                                                               \
    each(user, name_, "",                                                                          \
         (double)atomic_load_explicit(&client->counters.member_, memory_order_relaxed));
    RPC_CLIENT_COUNTERS(READ_COUNTER)
#undef READ_COUNTER
    each(user, "tars_client_calls_under_way", "",
         (double)atomic_load_explicit(&client->under_way, memory_order_relaxed));
}
