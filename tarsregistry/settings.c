/* SPDX-License-Identifier: BSD-3-Clause */
#include "settings.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>

#include <tars/endpoint.h>
#include <tars/server.h>

enum { QUERY_PORT = 17890, REGISTRY_PORT = 17891, STORE_PORT = 9200, MAX_WORKERS = 256 };

static const char elk[] = "/tars/elk";

#define MS_(name_, fallback_, min_, max_, help_)                                                   \
    {                                                                                              \
        .name = name_, .kind = DAEMON_INT, .fallback = fallback_, .min = min_, .max = max_,        \
        .help = help_                                                                              \
    }

const struct daemon_key settings_keys[] = {
    MS_("poll-interval", "2000", 100, 30000, "ms between two looks for changes in the store"),
    MS_("reload-interval", "300000", 1000, 86400000, "ms between two full loads"),
    MS_("poll-overlap", "30000", 1000, 600000, "ms a look reaches back: refresh and clock skew"),
    MS_("liveness-minimum", "10000", 100, 3600000, "ms of silence that may never mean anything"),
    MS_("liveness-unknown", "90000", 100, 3600000,
        "ms of silence allowed before an instance has shown its interval"),
    MS_("protect-share", "30", 1, 100,
        "percent of all instances falling silent at once that is not believed"),
    MS_("protect-count", "10", 1, 1000000, "fewer falling silent at once are always believed"),
    MS_("protect-object-share", "50", 1, 100,
        "percent of an object's instances that may fall silent at once; one alone always may"),
    MS_("protect-window", "90000", 1000, 3600000, "ms that count as at once"),
    {.name = "probe",
     .kind = DAEMON_FLAG,
     .fallback = "y",
     .help = "connect to instances whose reports are late"},
    MS_("probe-after", "4000", 100, 3600000, "ms of silence that make a report late"),
    MS_("probe-interval", "3000", 100, 3600000, "ms between two connections to a late instance"),
    MS_("probe-timeout", "1200", 50, 60000, "ms in which it has to accept"),
    MS_("probe-patience", "10000", 100, 3600000,
        "ms of silence before one that accepts no more is set inactive"),
    MS_("probe-limit", "256", 1, 10000, "such connections at once"),
    MS_("write-behind", "30000", 100, 600000, "ms between two stored heartbeats of a node"),
    MS_("heartbeat", "10000", 100, 600000, "ms between two signs of life to other registries"),
    MS_("heartbeat-timeout", "30000", 300, 3600000, "ms after which another registry is gone"),
    MS_("tombstones", "3600000", 1000, 31536000000,
        "ms that what was removed stays stored, and three full loads at least"),
    MS_("forget-registries", "604800000", 1000, 31536000000,
        "ms after which a registry that is gone is no longer listed"),
    MS_("metrics-silence", "3600", 0, 31536000,
        "s inactive after which an instance is no longer scraped; 0: never"),
    {.name = "instance-limit",
     .kind = DAEMON_INT,
     .fallback = "200000",
     .min = 1,
     .max = 10000000,
     .help = "instances that may be registered"},
    {.name = "trust-node-name",
     .kind = DAEMON_FLAG,
     .fallback = "y",
     .help = "route callers by the node name they give; n: by their address"},
    {.name = "advertise",
     .fallback = "",
     .help = "host under which others reach this registry; empty: the adapter's"},
    {.name = "nodes",
     .kind = DAEMON_TEXT,
     .fallback = "",
     .help = "host:port of the store's nodes; empty: see store",
     .domain = elk},
    {.name = "store",
     .fallback = "127.0.0.1:$PORT",
     .port = STORE_PORT,
     .help = "host:port of the embedded store, used without nodes"},
    {.name = "protocol",
     .kind = DAEMON_CHOICE,
     .fallback = "http",
     .choices = "http|https",
     .help = "how to speak to the store",
     .domain = elk},
    {.name = "user", .fallback = "", .help = "name for basic authentication", .domain = elk},
    {.name = "password", .fallback = "", .help = "its password", .domain = elk},
    {.name = "api-key", .fallback = "", .help = "API key, instead of a user", .domain = elk},
    {.name = "ca-file", .fallback = "", .help = "PEM file of the authority", .domain = elk},
    {.name = "ca-fingerprint",
     .fallback = "",
     .help = "SHA-256 of the authority's certificate, instead of its file",
     .domain = elk},
    {.name = "registry",
     .fallback = "tars_registry_",
     .help = "prefix of the registry's indices",
     .domain = "/tars/elk/indexpre"},
};
const size_t settings_key_count = sizeof settings_keys / sizeof *settings_keys;

const struct daemon_adapter settings_adapters[] = {{"QueryObj", QUERY_PORT, false},
                                                   {"Registry", REGISTRY_PORT, true}};
const size_t settings_adapter_count = sizeof settings_adapters / sizeof *settings_adapters;

/* ---- where others reach us
 * -------------------------------------------------------------------------- */

/* The first address that is not loopback; "127.0.0.1" on a machine without one. */
static void own_address(char *text, size_t size)
{
    struct ifaddrs *list = NULL;
    snprintf(text, size, "127.0.0.1");
    if (getifaddrs(&list) != 0)
        return;
    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || i->ifa_flags & IFF_LOOPBACK)
            continue;
        const struct sockaddr_in *in = (const void *)i->ifa_addr;
        inet_ntop(AF_INET, &in->sin_addr, text, (socklen_t)size);
        break;
    }
    freeifaddrs(list);
}

static const char *adapter_endpoint(const struct tars_conf *conf, const char *servant,
                                    struct tars_arena *arena)
{
    static const char server[] = "/tars/application/server";
    const char *domain;
    for (size_t i = 0; (domain = tars_conf_domain(conf, server, i)); i++) {
        const char *path = tars_arena_printf(arena, "%s/%s<servant>", server, domain);
        if (strcmp(tars_conf_get(conf, path, ""), servant) == 0)
            return tars_conf_get(conf, tars_arena_printf(arena, "%s/%s<endpoint>", server, domain),
                                 NULL);
    }
    return NULL;
}

static bool is_anywhere(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0 || strcmp(host, "*") == 0;
}

/* "host:port" of this machine alone: then its instances are here too. */
static bool is_loopback(const char *locator)
{
    return strncmp(locator, "127.", 4) == 0 || strncmp(locator, "::1:", 4) == 0;
}

/* The endpoint of a servant with a host that others can use. */
static bool reachable(const struct daemon *daemon, const char *servant, struct tars_arena *arena,
                      struct tars_endpoint *endpoint, struct tars_error *error)
{
    const struct tars_conf *conf = daemon_conf(daemon);
    const char *text = adapter_endpoint(conf, servant, arena);
    if (!text)
        return tars_fail(error, DAEMON_USAGE, "no adapter for %s is configured", servant);
    if (!tars_endpoint_parse(tars_str(text), endpoint, error))
        return tars_fail_prefix(error, "endpoint of %s: ", servant);
    const char *advertised = daemon_text(daemon, "advertise");
    const char *local = tars_conf_get(conf, "/tars/application/server<localip>", "");
    if (*advertised)
        snprintf(endpoint->host, sizeof endpoint->host, "%s", advertised);
    else if (is_anywhere(endpoint->host) && *local)
        snprintf(endpoint->host, sizeof endpoint->host, "%s", local);
    else if (is_anywhere(endpoint->host))
        own_address(endpoint->host, sizeof endpoint->host);
    return true;
}

static bool read_endpoints(const struct daemon *daemon, struct tars_arena *arena,
                           struct settings *settings, struct tars_error *error)
{
    struct tars_endpoint query, registry;
    if (!reachable(daemon, "tars.tarsregistry.QueryObj", arena, &query, error) ||
        !reachable(daemon, "tars.tarsregistry.Registry", arena, &registry, error))
        return false;
    char text[TARS_ENDPOINT_TEXT];
    tars_endpoint_print(&query, text, sizeof text);
    settings->query_endpoint = tars_arena_copy(arena, tars_str(text)).at;
    tars_endpoint_print(&registry, text, sizeof text);
    settings->registry_endpoint = tars_arena_copy(arena, tars_str(text)).at;
    settings->locator = tars_arena_printf(arena, "%s:%u", query.host, query.port);
    return true;
}

/* ---- the store
 * --------------------------------------------------------------------------------------- */

/* As the framework's templates have it: bare "host:port" lines in /tars/elk/nodes. */
static const char *store_nodes(const struct daemon *daemon, struct tars_arena *arena)
{
    const char *given = daemon_text(daemon, "nodes"), *line;
    char *nodes = tars_arena_printf(arena, "%s", "");
    for (size_t i = 0; (line = tars_conf_line(daemon_conf(daemon), "/tars/elk/nodes", i)); i++)
        nodes = tars_arena_printf(arena, "%s %s", nodes, line);
    if (*given)
        return given;
    return *nodes ? nodes : daemon_text(daemon, "store");
}

static const char *unless_empty(const char *text)
{
    return *text ? text : NULL;
}

static void read_store(const struct daemon *daemon, struct tars_arena *arena,
                       struct store_options *store)
{
    store->es.nodes = store_nodes(daemon, arena);
    store->es.https = strcmp(daemon_text(daemon, "protocol"), "https") == 0;
    store->es.user = unless_empty(daemon_text(daemon, "user"));
    store->es.password = unless_empty(daemon_text(daemon, "password"));
    store->es.api_key = unless_empty(daemon_text(daemon, "api-key"));
    store->es.ca_file = unless_empty(daemon_text(daemon, "ca-file"));
    store->es.ca_fingerprint = unless_empty(daemon_text(daemon, "ca-fingerprint"));
    store->es.prefix = daemon_text(daemon, "registry");
    store->poll_ms = (int)daemon_int(daemon, "poll-interval");
    store->reload_ms = (int)daemon_int(daemon, "reload-interval");
    store->overlap_ms = (int)daemon_int(daemon, "poll-overlap");
}

bool settings_read(const struct daemon *daemon, struct tars_arena *arena, struct settings *settings,
                   struct tars_error *error)
{
    *settings = (struct settings){.workers = MAX_WORKERS};
    read_store(daemon, arena, &settings->store);
    settings->liveness = (struct liveness_rules){
        .minimum_ms = (int32_t)daemon_int(daemon, "liveness-minimum"),
        .dead_ms = (int32_t)daemon_int(daemon, "probe-patience"),
        .unknown_ms = (int32_t)daemon_int(daemon, "liveness-unknown"),
        .protect_share = (int32_t)daemon_int(daemon, "protect-share"),
        .protect_count = (int32_t)daemon_int(daemon, "protect-count"),
        .object_share = (int32_t)daemon_int(daemon, "protect-object-share"),
        .window_ms = (int32_t)daemon_int(daemon, "protect-window"),
    };
    settings->probe = (struct probe_rules){
        .on = daemon_flag(daemon, "probe"),
        .after_ms = (int32_t)daemon_int(daemon, "probe-after"),
        .interval_ms = (int32_t)daemon_int(daemon, "probe-interval"),
        .timeout_ms = (int32_t)daemon_int(daemon, "probe-timeout"),
        .limit = (int32_t)daemon_int(daemon, "probe-limit"),
    };
    settings->write_behind_ms = (int32_t)daemon_int(daemon, "write-behind");
    settings->heartbeat_ms = (int32_t)daemon_int(daemon, "heartbeat");
    settings->heartbeat_timeout_ms = (int32_t)daemon_int(daemon, "heartbeat-timeout");
    settings->tombstone_ms = daemon_int(daemon, "tombstones");
    settings->forget_registry_ms = daemon_int(daemon, "forget-registries");
    settings->metrics_silence_s = (int32_t)daemon_int(daemon, "metrics-silence");
    settings->auth = daemon_auth(daemon);
    settings->instance_limit = (int32_t)daemon_int(daemon, "instance-limit");
    settings->trust_node_name = daemon_flag(daemon, "trust-node-name");
    settings->snapshot_file = tars_arena_printf(arena, "%s/registry.snapshot", daemon_data(daemon));
    if (settings->heartbeat_timeout_ms <= settings->heartbeat_ms)
        return tars_fail(error, DAEMON_USAGE,
                         "heartbeat-timeout (%d ms) must be longer than heartbeat (%d ms)",
                         settings->heartbeat_timeout_ms, settings->heartbeat_ms);
    if (settings->forget_registry_ms <= settings->heartbeat_timeout_ms)
        return tars_fail(
            error, DAEMON_USAGE,
            "forget-registries (%lld ms) must be longer than heartbeat-timeout (%d ms)",
            (long long)settings->forget_registry_ms, settings->heartbeat_timeout_ms);
    if (!read_endpoints(daemon, arena, settings, error))
        return false;
    settings->probe.loopback = is_loopback(settings->locator);
    return true;
}
