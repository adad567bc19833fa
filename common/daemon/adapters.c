/* SPDX-License-Identifier: BSD-3-Clause */
/* Tars protocol: the start-up file. */
#include "daemon/adapters.h"

#include <tars/endpoint.h>

#include <stdlib.h>

#include "base/xmalloc.h"
#include "daemon/auth.h"

#define SERVER "/tars/application/server"
#define CLIENT "/tars/application/client"

enum { REGISTRY_PORT = 17890 };

static bool set(struct tars_conf *conf, const char *domain, const char *key, const char *value)
{
    char path[1024];
    int len = snprintf(path, sizeof path, "%s<%s>", domain, key);
    return (size_t)len < sizeof path && tars_conf_set(conf, path, value);
}

static const char *get(const struct tars_conf *conf, const char *domain, const char *key)
{
    char path[1024];
    snprintf(path, sizeof path, "%s<%s>", domain, key);
    return tars_conf_get(conf, path, NULL);
}

static void set_missing(struct tars_conf *conf, const char *domain, const char *key,
                        const char *value)
{
    const char *there = get(conf, domain, key);
    if (!there || !*there)
        set(conf, domain, key, value);
}

/* ---- the offset
 * ------------------------------------------------------------------------------------- */

static bool move_port(const char *what, int64_t offset, uint16_t *port, struct tars_error *error)
{
    int64_t to = *port + offset;
    if (to < 1 || to > UINT16_MAX)
        return tars_fail(error, DAEMON_USAGE,
                         "port offset %lld moves port %u of %s to %lld, out of 1 to 65535",
                         (long long)offset, *port, what, (long long)to);
    *port = (uint16_t)to;
    return true;
}

/* Checks the endpoint under `key` of a domain and moves it. An endpoint without a port stays. */
static bool move_endpoint(struct tars_conf *conf, const char *domain, const char *key,
                          int64_t offset, struct tars_error *error)
{
    char text[TARS_ENDPOINT_TEXT + 8];
    struct tars_endpoint e;
    const char *value = get(conf, domain, key);
    if (!value || !*value)
        return true;
    if (!tars_endpoint_parse(tars_str(value), &e, error)) {
        error->code = DAEMON_USAGE;
        return tars_fail_prefix(error, "%s<%s>: ", domain, key);
    }
    if (!e.port || !offset)
        return true;
    if (!move_port(domain, offset, &e.port, error))
        return false;
    size_t len = tars_endpoint_print(&e, text, sizeof text);
    if (e.timeout_ms == 0) /* the text form leaves it out, and a reader would take the default */
        snprintf(text + len, sizeof text - len, " -t 0");
    return set(conf, domain, key, text);
}

static bool move_all(struct tars_conf *conf, int64_t offset, struct tars_error *error)
{
    const char *name;
    if (!move_endpoint(conf, SERVER, "local", offset, error))
        return false;
    for (size_t i = 0; (name = tars_conf_domain(conf, SERVER, i)) != NULL; i++) {
        char *domain = xasprintf(SERVER "/%s", name);
        bool ok = move_endpoint(conf, domain, "endpoint", offset, error);
        free(domain);
        if (!ok)
            return false;
    }
    return true;
}

/* ---- what is missing
 * ----------------------------------------------------------------------------------- */

static bool has_adapter(const struct tars_conf *conf, const char *servant)
{
    const char *name;
    bool found = false;
    for (size_t i = 0; !found && (name = tars_conf_domain(conf, SERVER, i)) != NULL; i++) {
        char *domain = xasprintf(SERVER "/%s", name);
        const char *served = get(conf, domain, "servant");
        found = served && strcmp(served, servant) == 0;
        free(domain);
    }
    return found;
}

static void add_adapter(struct tars_conf *conf, const char *servant, const char *address,
                        uint16_t port)
{
    char endpoint[TARS_ENDPOINT_TEXT];
    char *domain = xasprintf(SERVER "/%sAdapter", servant);
    snprintf(endpoint, sizeof endpoint, "tcp -h %.255s -p %u -t 60000", address, port);
    const char *const rows[][2] = {
        {"allow", ""},        {"endpoint", endpoint}, {"maxconns", "100000"},
        {"protocol", "tars"}, {"queuecap", "100000"}, {"queuetimeout", "60000"},
        {"servant", servant},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        set(conf, domain, rows[i][0], rows[i][1]);
    free(domain);
}

static bool add_missing_adapters(struct tars_conf *conf, const struct daemon_info *info,
                                 const char *address, int64_t offset, struct tars_error *error)
{
    const char *app = get(conf, SERVER, "app"), *server = get(conf, SERVER, "server");
    bool ok = true;
    for (size_t i = 0; ok && i < info->adapter_count; i++) {
        const struct daemon_adapter *adapter = &info->adapters[i];
        char *servant = xasprintf("%s.%s.%s", app, server, adapter->servant);
        uint16_t port = adapter->port;
        if (!has_adapter(conf, servant)) {
            ok = move_port(adapter->servant, offset, &port, error);
            if (ok)
                add_adapter(conf, servant, address, port);
        }
        free(servant);
    }
    return ok;
}

static bool add_missing_local(struct tars_conf *conf, const struct daemon_info *info,
                              int64_t offset, struct tars_error *error)
{
    char endpoint[64];
    uint16_t port = info->admin_port;
    const char *local = get(conf, SERVER, "local");
    if ((local && *local) || !info->admin_port)
        return true;
    if (!move_port("AdminObj", offset, &port, error))
        return false;
    snprintf(endpoint, sizeof endpoint, "tcp -h 127.0.0.1 -p %u -t 10000", port);
    return set(conf, SERVER, "local", endpoint);
}

static bool add_missing_locator(struct tars_conf *conf, int64_t offset, struct tars_error *error)
{
    char locator[100];
    uint16_t port = REGISTRY_PORT;
    if (!move_port("tars.tarsregistry.QueryObj", offset, &port, error))
        return false;
    snprintf(locator, sizeof locator, "tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p %u -t 60000",
             port);
    set_missing(conf, CLIENT, "locator", locator);
    return true;
}

bool daemon_adapters_complete(struct tars_conf *conf, const struct daemon_info *info,
                              const char *address, int64_t offset, struct tars_error *error)
{
    if (!move_all(conf, offset, error))
        return false;
    set_missing(conf, SERVER, "app", info->app);
    set_missing(conf, SERVER, "server", info->name);
    return add_missing_local(conf, info, offset, error) &&
           add_missing_adapters(conf, info, address, offset, error) &&
           add_missing_locator(conf, offset, error);
}

static bool changes_something(const struct daemon_info *info, const char *servant)
{
    const char *dot = strrchr(servant, '.');
    const char *name = dot ? dot + 1 : servant;
    for (size_t i = 0; i < info->adapter_count; i++)
        if (info->adapters[i].changes && strcmp(info->adapters[i].servant, name) == 0)
            return true;
    return false;
}

static bool check_one_private(const struct daemon_info *info, const char *servant,
                              const char *endpoint, struct tars_error *error)
{
    struct tars_endpoint e;
    if (!tars_endpoint_parse(tars_str(endpoint), &e, error))
        return tars_fail_prefix(error, "endpoint of %s: ", servant);
    if (daemon_auth_is_private(e.host))
        return true;
    return tars_fail(error, DAEMON_USAGE,
                     "%s listens on %s, where other machines could change what it keeps: name a "
                     "token file (/tars/auth<tokens> or TARS_AUTH_TOKENS), listen on 127.0.0.1, or "
                     "let everybody with auth=off (%s<auth>)",
                     servant, e.host, info->domain);
}

bool daemon_adapters_check_private(const struct tars_conf *conf, const struct daemon_info *info,
                                   struct tars_error *error)
{
    const char *name;
    bool ok = true;
    for (size_t i = 0; ok && (name = tars_conf_domain(conf, SERVER, i)) != NULL; i++) {
        char *domain = xasprintf(SERVER "/%s", name);
        const char *servant = get(conf, domain, "servant"), *at = get(conf, domain, "endpoint");
        if (servant && at && *at && changes_something(info, servant))
            ok = check_one_private(info, servant, at, error);
        free(domain);
    }
    return ok;
}

void daemon_adapters_print(const struct tars_conf *conf, FILE *out)
{
    const char *name, *local = get(conf, SERVER, "local");
    for (size_t i = 0; (name = tars_conf_domain(conf, SERVER, i)) != NULL; i++) {
        char *domain = xasprintf(SERVER "/%s", name);
        const char *servant = get(conf, domain, "servant"), *at = get(conf, domain, "endpoint");
        if (servant && at)
            fprintf(out, "%s\t%s\n", servant, at);
        free(domain);
    }
    if (local && *local)
        fprintf(out, "AdminObj\t%s\n", local);
}
