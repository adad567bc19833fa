/* SPDX-License-Identifier: BSD-3-Clause */
#include "checks.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/xmalloc.h"
#include "rpc/resolver.h"

enum { RETRY_MS = 1000, CONNECT_MS = 1000, PING_MS = 2000, LEAST_BEATS_MS = 30000 };

/* The address to connect to: what listens everywhere listens here, and what has a name is ours. */
static const char *address_of(const struct meta *meta, const struct tars_endpoint *endpoint)
{
    struct rpc_addresses numeric;

    if (strcmp(endpoint->host, "0.0.0.0") == 0 || strcmp(endpoint->host, "localhost") == 0)
        return "127.0.0.1";
    if (strcmp(endpoint->host, "::") == 0)
        return "::1";
    if (rpc_address_numeric(endpoint, &numeric, NULL))
        return tars_arena_copy(meta->arena, tars_str(endpoint->host)).at;
    return meta->local_ip;
}

/* How many attempts in a row may fail in that time. */
static int fall_of(const struct environment *environment)
{
    int64_t retries = environment->check_retry / RETRY_MS;

    return retries < INT32_MAX ? 1 + (int)retries : INT32_MAX;
}

static bool make(const struct environment *environment, const struct meta *meta, const char *text,
                 struct sup_check *check, struct tars_error *error)
{
    static const enum sup_check_kind kinds[] = {
        [TARS_UDP] = SUP_CHECK_UDP, [TARS_TCP] = SUP_CHECK_TCP, [TARS_SSL] = SUP_CHECK_TLS};
    struct tars_endpoint endpoint;

    if (!tars_endpoint_parse(tars_str(text), &endpoint, error))
        return false;
    *check = (struct sup_check){
        .kind = kinds[endpoint.transport],
        .host = address_of(meta, &endpoint),
        .port = endpoint.port,
        .interval_ms = environment->check_interval,
        .retry_ms = RETRY_MS,
        .timeout_ms = CONNECT_MS,
        .fall = fall_of(environment),
    };
    return true;
}

static struct sup_check beat_of(const struct environment *environment, struct meta *meta,
                                const char *name)
{
    const char **keys = tars_arena_alloc(meta->arena, 2 * sizeof *keys);

    keys[0] = name;
    keys[1] = NULL;
    return (struct sup_check){
        .kind = SUP_CHECK_HEARTBEAT,
        .name = tars_arena_printf(meta->arena, "heartbeat of %s", name),
        .keys = keys,
        .timeout_ms = environment->heartbeat_timeout,
        .optional = true,
        .restart = true,
    };
}

/* Not every runtime names its adapters, and some never name those of other protocols: each counts
 * for itself. Returns their number. */
static size_t add_beats(const struct environment *environment, struct meta *meta,
                        struct sup_check *list)
{
    size_t count = 0;

    list[count++] = beat_of(environment, meta, CHECKS_ANY_BEAT);
    list[count++] = beat_of(environment, meta, "AdminAdapter");
    for (size_t i = 0; i < meta->adapter_count; i++)
        list[count++] = beat_of(environment, meta,
                                tars_arena_printf(meta->arena, "%s.%s.%sAdapter", meta->application,
                                                  meta->server, meta->adapters[i].object));
    return count;
}

bool checks_make(const struct environment *environment, struct meta *meta,
                 void (*ping)(void *user, struct sup_server *server, struct sup_probe *probe),
                 const struct sup_check **checks, size_t *count, struct tars_error *error)
{
    struct sup_check *list = tars_arena_alloc(meta->arena,
                                              (2 * meta->adapter_count + 4) * sizeof *list);

    *count = 0;
    for (size_t i = 0; i < meta->adapter_count; i++)
        if (!make(environment, meta, meta->adapters[i].endpoint, &list[(*count)++], error))
            return false;
    if (!make(environment, meta, meta->local, &list[*count], error))
        return false;
    list[(*count)++].optional = meta->adapter_count > 0; /* Tars.js alone does not open it */
    if (environment->ping)
        list[(*count)++] = (struct sup_check){
            .kind = SUP_CHECK_CALL,
            .name = "tars_ping",
            .call = ping,
            .interval_ms = environment->check_interval,
            .retry_ms = RETRY_MS,
            .timeout_ms = 2 * PING_MS,
            .fall = fall_of(environment),
        };
    if (meta->heartbeat_port)
        *count += add_beats(environment, meta, list + *count);
    *checks = list;
    return true;
}

/* ---- tars_ping
 * ----------------------------------------------------------------------------------- */

struct pings {
    struct sup_probe *probe;
    size_t left;
    char reason[256]; /* of the first that failed */
};

static void answered(struct pings *pings)
{
    if (--pings->left)
        return;
    sup_probe_done(pings->probe, !*pings->reason, *pings->reason ? pings->reason : NULL);
    free(pings);
}

static void on_ping(void *user, const struct tars_result *result, struct tars_str body)
{
    struct pings *pings = user;

    (void)body;
    if (result->error && !*pings->reason)
        snprintf(pings->reason, sizeof pings->reason, "%s", result->message);
    answered(pings);
}

void checks_ping(struct registry *registry, const struct meta *meta, struct sup_probe *probe)
{
    const struct tars_call_options options = {.timeout_ms = PING_MS};
    struct pings *pings = xcalloc(1, sizeof *pings);

    pings->probe = probe;
    pings->left = 1; /* until all are asked */
    for (size_t i = 0; i < meta->adapter_count; i++) {
        const struct meta_adapter *a = &meta->adapters[i];
        char *object;

        if (strcmp(a->protocol, "tars") != 0)
            continue;
        object = xasprintf("%s.%s.%s@%s", meta->application, meta->server, a->object, a->endpoint);
        pings->left++;
        tars_proxy_call_raw(tars_proxy_get(registry_client(registry), object), "tars_ping",
                            tars_str(""), &options, on_ping, pings);
        free(object);
    }
    answered(pings);
}

/* ---- heartbeats
 * ----------------------------------------------------------------------------------- */

static bool on_alive(void *user, struct tars_str adapter, int32_t pid)
{
    struct sup_server *server = user;
    char *name = xstrndup(adapter.at ? adapter.at : "", adapter.len);
    bool ok = sup_heartbeat(server, CHECKS_ANY_BEAT, pid);

    if (ok && *name && strlen(name) == adapter.len && strcmp(name, CHECKS_ANY_BEAT) != 0)
        ok = sup_heartbeat(server, name, 0); /* a name that is none is counted there */
    free(name);
    return ok;
}

static bool on_starting(void *user, int32_t pid)
{
    return sup_activating(user, pid);
}

struct heartbeats *checks_listen(struct loop *loop, const struct environment *environment,
                                 const struct meta *meta, struct sup_server *server)
{
    const struct heartbeats_owner owner = {.application = meta->application,
                                           .server = meta->server,
                                           .alive = on_alive,
                                           .starting = on_starting,
                                           .user = server};
    struct heartbeats *heartbeats;
    struct tars_error error;

    if (!meta->heartbeat_port)
        return NULL;
    if (environment->heartbeat_timeout < LEAST_BEATS_MS)
        log_warn("supervisor",
                 "TARS_HEARTBEAT_TIMEOUT is short: runtimes send a heartbeat every 10 s");
    heartbeats = heartbeats_new(loop, (uint16_t)meta->heartbeat_port, &owner, &error);
    if (!heartbeats)
        log_warn("supervisor", "%s; the ports alone decide", error.text);
    return heartbeats;
}
