/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include <tars/client.h>
#include <tars/server.h>

#include "base/xmalloc.h"
#include "daemon/adapters.h"
#include "daemon/carrier.h"

enum { MONITOR_MS = 3000 };

struct tars_carrier {
    struct tars_server *server; /* NULL once tars_server_run has released it */
};

static void *carrier_new(struct daemon *daemon)
{
    struct tars_carrier *c = xcalloc(1, sizeof *c);
    c->server = tars_server_new_conf(daemon_conf(daemon));
    return c;
}

static bool monitor(const struct tars_conf *conf, struct tars_error *error)
{
    const char *local = tars_conf_get(conf, "/tars/application/server<local>", "");
    if (!*local)
        return tars_fail(error, 1, "--monitor: /tars/application/server<local> names no endpoint");
    char *object = xasprintf("AdminObj@%s", local);
    struct tars_client *client = tars_client_new(NULL);
    struct tars_proxy *admin = tars_proxy_get(client, object);
    struct tars_result result = tars_proxy_ping(admin, MONITOR_MS);
    if (result.error)
        tars_fail(error, 1, "%s does not answer: %s", object, result.message);
    tars_client_free(client);
    free(object);
    return result.error == 0;
}

static int run(void *carrier, struct daemon *daemon)
{
    struct tars_carrier *c = carrier;
    struct tars_server *server = c->server;
    tars_server_on_start(server, daemon_started, daemon);
    tars_server_on_stop(server, daemon_stopping, daemon);
    int status = tars_server_run(server);
    c->server = NULL;
    return status;
}

static void stop(void *carrier)
{
    struct tars_carrier *c = carrier;
    tars_server_shutdown(c->server);
}

static struct event_base *base(void *carrier)
{
    struct tars_carrier *c = carrier;
    return tars_server_base(c->server);
}

static void metrics(void *carrier, daemon_emit *each, void *user)
{
    struct tars_carrier *c = carrier;
    tars_server_metrics(c->server, each, user);
    tars_client_metrics(tars_server_client(c->server), each, user);
}

static void carrier_free(void *carrier)
{
    struct tars_carrier *c = carrier;
    if (c->server)
        tars_server_free(c->server);
    free(c);
}

static const struct daemon_carrier tars_carrier = {.complete = daemon_adapters_complete,
                                                   .check_private = daemon_adapters_check_private,
                                                   .print_addresses = daemon_adapters_print,
                                                   .monitor = monitor,
                                                   .new = carrier_new,
                                                   .run = run,
                                                   .stop = stop,
                                                   .base = base,
                                                   .metrics = metrics,
                                                   .free = carrier_free};

int daemon_tars_main(int argc, char **argv, const struct daemon_info *info)
{
    return daemon_main_on(&tars_carrier, argc, argv, info);
}

struct tars_server *daemon_server(struct daemon *daemon)
{
    struct tars_carrier *c = daemon_carried_by(daemon);
    return c->server;
}
