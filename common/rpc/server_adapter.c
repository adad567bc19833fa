/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/server_adapter.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/xmalloc.h"

enum { QUEUE_TIMEOUT_MIN_MS = 3000, PATH_SIZE = 512 };

struct adapter_domain {
    const struct tars_conf *conf;
    const char *name;
    char path[PATH_SIZE]; /* of the key asked for last */
};

static const char *key_path(struct adapter_domain *d, const char *key)
{
    snprintf(d->path, sizeof d->path, "/tars/application/server/%s<%s>", d->name, key);
    return d->path;
}

static const char *text(struct adapter_domain *d, const char *key, const char *fallback)
{
    return tars_conf_get(d->conf, key_path(d, key), fallback);
}

/* The adapter's own value, else the server's. */
static const char *inherited(struct adapter_domain *d, const char *key)
{
    const char *own = text(d, key, "");
    if (*own)
        return own;
    snprintf(d->path, sizeof d->path, "/tars/application/server<%s>", key);
    return tars_conf_get(d->conf, d->path, "");
}

static bool number(struct adapter_domain *d, const char *key, int64_t min, int64_t max,
                   int64_t fallback, int64_t *value, struct tars_error *error)
{
    return tars_conf_int(d->conf, key_path(d, key), min, max, fallback, value, error);
}

static bool read_endpoint(struct server_adapter *a, const char *endpoint, struct tars_error *error)
{
    return tars_endpoint_parse(tars_str(endpoint), &a->endpoint, error);
}

static bool read_tls(struct server_adapter *a, struct adapter_domain *d, struct tars_error *error)
{
    if (a->endpoint.transport != TARS_SSL)
        return true;
    const char *verify = inherited(d, "verifyclient");
    struct rpc_tls_options options = {
        .ca = inherited(d, "ca"),
        .cert = inherited(d, "cert"),
        .key = inherited(d, "key"),
        .ciphers = inherited(d, "ciphers"),
        .verify_peer = strcmp(verify, "1") == 0,
    };
    a->tls = rpc_tls_server(&options, error);
    return a->tls != NULL;
}

static bool read_auth(struct server_adapter *a, struct adapter_domain *d, struct tars_error *error)
{
    a->access_key = xstrdup(text(d, "accesskey", ""));
    a->secret_key = xstrdup(text(d, "secretkey", ""));
    if (a->endpoint.auth && (!*a->access_key || !*a->secret_key))
        return tars_fail(error, -1, "\"-e 1\" needs the keys \"accesskey\" and \"secretkey\"");
    if (a->endpoint.auth && a->endpoint.transport == TARS_UDP)
        return tars_fail(error, -1, "\"-e 1\" needs a connection: tcp or ssl, not udp");
    return true;
}

static bool read_domain(struct server_adapter *a, struct adapter_domain *d,
                        struct tars_error *error)
{
    const char *protocol = text(d, "protocol", "");
    a->servant_name = xstrdup(text(d, "servant", ""));
    if (!*a->servant_name)
        return tars_fail(error, -1, "the key \"servant\" is missing: which object is served here?");
    if (*protocol && strcmp(protocol, "tars") != 0)
        return tars_fail(error, -1, "protocol \"%s\" is not served, only \"tars\"", protocol);
    if (!read_endpoint(a, text(d, "endpoint", ""), error) || !read_auth(a, d, error) ||
        !read_tls(a, d, error) ||
        !number(d, "maxconns", 1, 10000000, 1024, &a->max_connections, error) ||
        !number(d, "queuecap", 1, 100000000, 10000, &a->queue_cap, error) ||
        !number(d, "queuetimeout", 0, INT32_MAX, 10000, &a->queue_timeout_ms, error))
        return false;
    if (a->queue_timeout_ms < QUEUE_TIMEOUT_MIN_MS)
        a->queue_timeout_ms = QUEUE_TIMEOUT_MIN_MS;
    return rpc_acl_init(&a->acl, text(d, "allow", ""), text(d, "deny", ""),
                        text(d, "order", "allow,deny"), error);
}

struct server_adapter *server_adapter_new(const struct tars_conf *conf, const char *name,
                                          struct tars_error *error)
{
    struct server_adapter *a = xcalloc(1, sizeof *a);
    struct adapter_domain domain = {.conf = conf, .name = name};
    a->name = xstrdup(name);
    if (read_domain(a, &domain, error))
        return a;
    tars_fail_prefix(error, "adapter %s: ", name);
    server_adapter_free(a);
    return NULL;
}

struct server_adapter *server_adapter_new_admin(const char *endpoint, struct tars_error *error)
{
    struct server_adapter *a = xcalloc(1, sizeof *a);
    a->name = xstrdup("AdminAdapter");
    a->servant_name = xstrdup("AdminObj");
    a->admin = true;
    a->max_connections = 1024;
    a->queue_cap = 10240;
    a->queue_timeout_ms = 10000;
    if (read_endpoint(a, endpoint, error))
        return a;
    tars_fail_prefix(error, "the admin port /tars/application/server<local>: ");
    server_adapter_free(a);
    return NULL;
}

void server_adapter_free(struct server_adapter *a)
{
    if (!a)
        return;
    rpc_acl_free(&a->acl);
    rpc_tls_context_free(a->tls);
    free(a->name);
    free(a->servant_name);
    free(a->access_key);
    free(a->secret_key);
    free(a);
}

bool server_adapter_serves(const struct server_adapter *a, struct tars_str servant)
{
    static const char admin[] = ".AdminObj";
    const size_t tail = sizeof admin - 1;
    if (tars_str_is(servant, a->servant_name))
        return true;
    return a->admin && servant.len > tail &&
           memcmp(servant.at + servant.len - tail, admin, tail) == 0;
}
