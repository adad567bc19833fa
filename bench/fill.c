/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fill LOCATOR SERVERS: registers that many servers of ten instances each, as K8STARS does, writes
 * "ready" when all are acknowledged and active, then reports the ten of the first server every
 * second until SIGTERM. The first server's object is Bench.TenServer.TenObj.
 */
#include <stdio.h>
#include <stdlib.h>

#include <tars/client.h>

#include <event2/event.h>

#include "K8stars.h"

enum { INSTANCES = 10, UNDER_WAY = 64, REPORT_S = 1, CALL_MS = 20000 };

struct fill {
    struct tars_client *client;
    struct tars_proxy *registry;
    struct event_base *base;
    struct event *tick;
    unsigned wanted;
    unsigned started;
    unsigned done;
    int status;
};

struct names {
    char node[32];
    char server[32];
    char servant[64];
    char endpoint[64];
};

static struct names name_instance(unsigned i)
{
    struct names n;
    unsigned server = i / INSTANCES, node = i % INSTANCES;

    snprintf(n.node, sizeof(n.node), "10.%u.%u.%u", server / 256, server % 256, node + 1);
    if (server == 0)
        snprintf(n.server, sizeof(n.server), "TenServer");
    else
        snprintf(n.server, sizeof(n.server), "Server%04u", server);
    snprintf(n.servant, sizeof(n.servant), "Bench.%s.TenObj", n.server);
    snprintf(n.endpoint, sizeof(n.endpoint), "tcp -h 127.0.0.%u -p %u -t 60000", node + 1,
             20000 + node);
    return n;
}

static void fail(struct fill *f, const char *step, const struct tars_result *r)
{
    fprintf(stderr, "fill: %s: %s\n", step, r->message);
    f->status = 1;
    event_base_loopbreak(f->base);
}

/* ---- registering -------------------------------------------------------------------------------
 */

static void start_next(struct fill *f);

static void on_active(void *user, const struct tars_result *r)
{
    struct fill *f = user;

    if (r->error) {
        fail(f, "keepAlive", r);
        return;
    }
    if (++f->done == f->wanted) {
        printf("ready\n");
        fflush(stdout);
    }
    start_next(f);
}

static void keep_alive(struct fill *f, unsigned i,
                       void (*callback)(void *user, const struct tars_result *result))
{
    const struct tars_call_options options = {.timeout_ms = CALL_MS};
    struct k8stars_keep_alive_req req;
    struct names n = name_instance(i);

    k8stars_keep_alive_req_init(&req);
    req.node_name = tars_str(n.node);
    req.state = tars_str("active");
    req.application = tars_str("Bench");
    req.server = tars_str(n.server);
    k8stars_tarsregistry_keep_alive_async_with(f->registry, &options, &req, callback, f);
}

struct started {
    struct fill *fill;
    unsigned instance;
};

static void on_started(void *user, const struct tars_result *r)
{
    struct started *s = user;

    if (r->error)
        fail(s->fill, "onStartup", r);
    else
        keep_alive(s->fill, s->instance, on_active);
    free(s);
}

static void start(struct fill *f, unsigned i)
{
    const struct tars_call_options options = {.timeout_ms = CALL_MS};
    struct started *s = malloc(sizeof(*s));
    struct k8stars_adapter_conf adapter;
    struct k8stars_on_startup_req req;
    struct names n = name_instance(i);

    if (!s)
        abort();
    *s = (struct started){f, i};
    k8stars_adapter_conf_init(&adapter);
    adapter.servant = tars_str(n.servant);
    adapter.endpoint = tars_str(n.endpoint);
    adapter.protocol = tars_str("tars");
    k8stars_on_startup_req_init(&req);
    req.node_name = tars_str(n.node);
    req.application = tars_str("Bench");
    req.server = tars_str(n.server);
    req.adapters.at = &adapter;
    req.adapters.len = 1;
    k8stars_tarsregistry_on_startup_async_with(f->registry, &options, &req, on_started, s);
}

static void start_next(struct fill *f)
{
    if (f->started < f->wanted)
        start(f, f->started++);
}

/* ---- staying -----------------------------------------------------------------------------------
 */

/* A report that fails while the registry is being restarted is made up for by the next. */
static void on_report(void *user, const struct tars_result *r)
{
    (void)user;
    (void)r;
}

static void on_tick(evutil_socket_t fd, short what, void *user)
{
    struct fill *f = user;

    (void)fd;
    (void)what;
    for (unsigned i = 0; f->done == f->wanted && i < INSTANCES; i++)
        keep_alive(f, i, on_report);
}

int main(int argc, char **argv)
{
    struct fill f = {0};
    const struct timeval second = {.tv_sec = REPORT_S};

    if (argc != 3 || atoi(argv[2]) < 1) {
        fprintf(stderr, "usage: fill LOCATOR SERVERS\n");
        return 2;
    }
    f.wanted = (unsigned)atoi(argv[2]) * INSTANCES;
    f.base = event_base_new();
    f.client = tars_client_new_on(f.base, argv[1]);
    f.registry = tars_proxy_get(f.client, "tars.tarsregistry.Registry");
    for (int i = 0; i < UNDER_WAY; i++)
        start_next(&f);
    f.tick = event_new(f.base, -1, EV_PERSIST, on_tick, &f);
    event_add(f.tick, &second);
    event_base_dispatch(f.base); /* SIGTERM ends the process */
    event_free(f.tick);
    tars_client_free(f.client);
    event_base_free(f.base);
    return f.status;
}
