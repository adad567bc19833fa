/* SPDX-License-Identifier: BSD-3-Clause */
#include "failover.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "k8stars/relay.h"
#include "loop/loop.h"
#include "rpc/registry_query.h"

enum {
    QUERY_MS = 1000,
    REFRESH_MS = 5000,
    FLOWS_MAX = 1024,
    FILES_LEFT = 64, /* for all that is not a connection that is passed on */
    FILES_EACH = 3,
};

/* The place of one servant. */
struct post {
    struct post *next;
    struct failover *failover;
    char *object;
    struct tars_endpoint endpoint;
    struct rpc_address at, home; /* where it listens; where it is reached from here */
    struct relay *relay;
    struct rpc_registry_query *query;
    bool passes; /* others have been found */
    bool wanted; /* in failover_begin */
};

struct failover {
    struct loop *loop;
    const struct environment *environment;
    struct tars_proxy *locator;
    char *set;
    struct post *posts;
    struct loop_timer refresh, waited;
    int64_t since; /* 0: the server has been well since the last time */
    void (*changed)(void *user);
    void *user;
};

/* ---- one servant -------------------------------------------------------------------------------
 */

static void post_free(struct post *p)
{
    rpc_registry_forget(p->query);
    relay_free(p->relay);
    free(p->object);
    free(p);
}

static void shut(struct post *p)
{
    rpc_registry_forget(p->query);
    p->query = NULL;
    relay_shut(p->relay);
}

/* Nobody takes over: callers are to see that at once. */
static void give_up(struct post *p, const char *why)
{
    log_info("failover", "calls of %s are not passed on: %s", p->object, why);
    shut(p);
    relay_end(p->relay, false);
    p->passes = false;
    p->failover->changed(p->failover->user);
}

static void on_waited(struct loop_timer *timer)
{
    const struct failover *f = loop_container(timer, struct failover, waited);

    f->changed(f->user);
}

/* Others have been found. */
static void begin_to_pass(struct post *p, size_t count)
{
    struct failover *f = p->failover;
    int64_t left = FAILOVER_LEAST_MS - (clock_ms() - f->since);

    log_info("failover", "calls of %s go to other instances until the server is back (%zu)",
             p->object, count);
    p->passes = true;
    if (left > 0)
        loop_timer_set(f->loop, &f->waited, left, on_waited);
    f->changed(f->user);
}

static void on_none(void *user)
{
    struct post *p = user;

    if (relay_is_open(p->relay))
        give_up(p, "no other instance answers");
}

static void on_found(void *user, const char *error, const struct tars_endpoint *endpoints,
                     size_t count)
{
    struct rpc_address targets[RELAY_TARGETS_MAX];
    struct post *p = user;
    struct rpc_addresses numeric;
    size_t found = 0;

    p->query = NULL;
    if (error) { /* who has been found goes on */
        if (!p->passes)
            give_up(p, error);
        return;
    }
    for (size_t i = 0; i < count && found < RELAY_TARGETS_MAX; i++)
        if (endpoints[i].transport == TARS_TCP && endpoints[i].port && !endpoints[i].auth &&
            !tars_endpoint_same_place(&endpoints[i], &p->endpoint) &&
            rpc_address_numeric(&endpoints[i], &numeric, NULL))
            targets[found++] = numeric.at[0];
    if (!found) {
        give_up(p, "the registry knows no other active instance");
        return;
    }
    if (!p->passes)
        begin_to_pass(p, found);
    relay_aim(p->relay, targets, found);
}

static void ask(struct post *p)
{
    const char *set = p->failover->set;

    if (!p->query)
        p->query = rpc_registry_ask(p->failover->locator, p->object, *set ? set : NULL, QUERY_MS,
                                    on_found, p);
}

/* Takes the servant's place unless it has it, or somebody else does. */
static void open_post(struct post *p)
{
    struct tars_error error = {0};

    if (relay_is_open(p->relay))
        return;
    if (relay_open(p->relay, &p->at, &error)) {
        p->passes = false;
        ask(p);
    } else if (error.code != EADDRINUSE) { /* what the server left behind may still be ending */
        log_info("failover", "%s", error.text);
    }
}

/* ---- all of them -------------------------------------------------------------------------------
 */

static bool is_open(const struct failover *f)
{
    for (const struct post *p = f->posts; p; p = p->next)
        if (relay_is_open(p->relay))
            return true;
    return false;
}

/* Others come and go. */
static void refresh(struct loop_timer *timer)
{
    struct failover *f = loop_container(timer, struct failover, refresh);
    bool over = clock_ms() - f->since > FAILOVER_LAST_MS;

    for (struct post *p = f->posts; p; p = p->next) {
        if (over) {
            shut(p);
            relay_end(p->relay, true);
        } else if (relay_is_open(p->relay)) {
            ask(p);
        }
    }
    if (is_open(f))
        loop_timer_set(f->loop, &f->refresh, REFRESH_MS, refresh);
}

/* Connections of one servant that the files a process may open have room for. */
static size_t flows_of_each(size_t posts)
{
    struct rlimit files;
    rlim_t room = FLOWS_MAX;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY) {
        rlim_t most = files.rlim_cur > FILES_LEFT ? (files.rlim_cur - FILES_LEFT) / FILES_EACH : 0;

        room = most < room ? most : room;
    }
    return (size_t)room / posts;
}

static struct post *find_post(const struct failover *f, const char *object,
                              const struct tars_endpoint *endpoint)
{
    struct post *p = f->posts;

    while (p &&
           (strcmp(p->object, object) != 0 || !tars_endpoint_same_place(&p->endpoint, endpoint)))
        p = p->next;
    return p;
}

/* Can it be passed on? Not what is encrypted, proves who it is, or has no frames of Tars. */
static bool is_fit(const struct meta_adapter *adapter, struct tars_endpoint *endpoint,
                   struct rpc_addresses *at)
{
    return strcmp(adapter->protocol, "tars") == 0 &&
           tars_endpoint_parse(tars_str(adapter->endpoint), endpoint, NULL) &&
           endpoint->transport == TARS_TCP && endpoint->port && !endpoint->auth &&
           rpc_address_numeric(endpoint, at, NULL);
}

static struct rpc_address home_of(const struct tars_endpoint *endpoint,
                                  const struct rpc_address *at)
{
    struct tars_endpoint here = *endpoint;
    struct rpc_addresses numeric;
    bool any4 = strcmp(endpoint->host, "0.0.0.0") == 0, any6 = strcmp(endpoint->host, "::") == 0;

    if (any4 || any6)
        memcpy(here.host, any4 ? "127.0.0.1" : "::1", any4 ? sizeof "127.0.0.1" : sizeof "::1");
    return rpc_address_numeric(&here, &numeric, NULL) ? numeric.at[0] : *at;
}

static void want_post(struct failover *f, const struct meta *meta,
                      const struct meta_adapter *adapter)
{
    struct tars_endpoint endpoint;
    struct rpc_addresses at;
    struct post *p;
    char *object;

    if (!is_fit(adapter, &endpoint, &at))
        return;
    object = xasprintf("%s.%s.%s", meta->application, meta->server, adapter->object);
    p = find_post(f, object, &endpoint);
    if (p) {
        free(object);
    } else {
        struct relay_setup setup = {.loop = f->loop,
                                    .servant = object,
                                    .flows_max = flows_of_each(meta->adapter_count),
                                    .none = on_none};

        p = xcalloc(1, sizeof *p);
        setup.user = p;
        *p = (struct post){.next = f->posts,
                           .failover = f,
                           .object = object,
                           .endpoint = endpoint,
                           .at = at.at[0],
                           .home = home_of(&endpoint, &at.at[0]),
                           .relay = relay_new(&setup)};
        f->posts = p;
    }
    p->wanted = true;
}

/* Servants that are no more, or have another port. */
static void drop_unwanted(struct failover *f)
{
    for (struct post **at = &f->posts, *p; (p = *at);) {
        if (p->wanted) {
            p->wanted = false;
            at = &p->next;
        } else {
            *at = p->next;
            post_free(p);
        }
    }
}

void failover_begin(struct failover *f, const struct meta *meta)
{
    if (!environment_wants_failover(f->environment))
        return;
    if (!f->since)
        f->since = clock_ms();
    if (clock_ms() - f->since > FAILOVER_LAST_MS)
        return;
    free(f->set);
    f->set = xstrdup(meta->set_id);
    for (size_t i = 0; i < meta->adapter_count; i++)
        want_post(f, meta, &meta->adapters[i]);
    drop_unwanted(f);
    for (struct post *p = f->posts; p; p = p->next)
        open_post(p);
    if (is_open(f))
        loop_timer_set(f->loop, &f->refresh, REFRESH_MS, refresh);
}

bool failover_waits(const struct failover *f)
{
    if (!f->since || clock_ms() - f->since >= FAILOVER_LEAST_MS)
        return false;
    for (const struct post *p = f->posts; p; p = p->next)
        if (p->passes && relay_is_open(p->relay))
            return true;
    return false;
}

void failover_yield(struct failover *f)
{
    for (struct post *p = f->posts; p; p = p->next)
        shut(p);
}

void failover_home(struct failover *f)
{
    f->since = 0;
    loop_timer_clear(f->loop, &f->refresh);
    loop_timer_clear(f->loop, &f->waited);
    for (struct post *p = f->posts; p; p = p->next) {
        shut(p);
        if (relay_flows(p->relay))
            log_info("failover", "%zu connections with %s come home to the server",
                     relay_flows(p->relay), p->object);
        relay_home(p->relay, &p->home);
    }
}

/* ---- life --------------------------------------------------------------------------------------
 */

struct failover *failover_new(struct loop *loop, const struct environment *environment,
                              struct registry *registry, void (*changed)(void *user), void *user)
{
    struct failover *f = xcalloc(1, sizeof *f);

    f->loop = loop;
    f->environment = environment;
    f->locator = registry_locator(registry);
    f->set = xstrdup("");
    f->changed = changed;
    f->user = user;
    return f;
}

void failover_free(struct failover *f)
{
    if (!f)
        return;
    loop_timer_clear(f->loop, &f->refresh);
    loop_timer_clear(f->loop, &f->waited);
    drop_unwanted(f);
    free(f->set);
    free(f);
}
