/* SPDX-License-Identifier: BSD-3-Clause */
/* A client in words, for administrators: its settings, its objects and their endpoints. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "rpc/client.h"
#include "rpc/hooks.h"
#include "rpc/proxy.h"

struct description {
    struct tars_client *client;
    struct tars_writer *text;
};

static void put(struct tars_writer *text, const char *format, ...) TARS_PRINTF(2, 3);

static void put(struct tars_writer *text, const char *format, ...)
{
    char line[2048];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (len > 0)
        tars_writer_append(text, line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1);
}

static void describe_settings(void *arg)
{
    const struct description *d = arg;
    const struct rpc_client_conf *conf = &d->client->conf;

    put(d->text, "locator: %s\nset: %s\n", conf->locator ? conf->locator : "",
        conf->set ? conf->set : "");
    put(d->text,
        "sync-invoke-timeout: %" PRId32 "\nasync-invoke-timeout: %" PRId32
        "\nconnect-timeout: %" PRId32 "\nrefresh-endpoint-interval: %" PRId32
        "\nkeep-alive-interval: %" PRId32 "\nasyncqueuecap: %" PRId32 "\nsendqueuelimit: %" PRId32
        "\n",
        conf->sync_timeout_ms, conf->async_timeout_ms, conf->connect_timeout_ms, conf->refresh_ms,
        conf->keep_alive_ms, conf->async_queue_cap, conf->send_queue_limit);
}

void rpc_client_describe_settings(struct tars_client *client, struct tars_writer *text)
{
    loop_call_wait(client->loop, describe_settings, &(struct description){client, text});
}

static void describe_object(const struct tars_proxy *p, struct tars_writer *text)
{
    char endpoint[TARS_ENDPOINT_TEXT], why[400];

    put(text, "obj name: %s\n", p->object);
    for (size_t i = 0; i < p->count; i++) {
        tars_endpoint_print(rpc_node_endpoint(p->nodes[i]), endpoint, sizeof endpoint);
        rpc_node_explain(p->nodes[i], why, sizeof why);
        put(text, "    adapter: %s%s%s\n", endpoint, *why ? ", " : "", why);
    }
    if (p->count == 0 && p->discovery)
        put(text, "    %s\n", rpc_discovery_problem(p->discovery));
}

static void describe_objects(void *arg)
{
    const struct description *d = arg;
    struct tars_proxy **proxies;
    size_t count = rpc_client_proxies(d->client, &proxies);

    put(d->text, "obj num: %zu\n", count);
    for (size_t i = 0; i < count; i++)
        describe_object(proxies[i], d->text);
    put(d->text, "calls under way: %zu\n", rpc_client_under_way(d->client));
    free(proxies);
}

void rpc_client_describe_objects(struct tars_client *client, struct tars_writer *text)
{
    loop_call_wait(client->loop, describe_objects, &(struct description){client, text});
}
