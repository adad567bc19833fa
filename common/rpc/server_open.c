/* SPDX-License-Identifier: BSD-3-Clause */
/* From the start-up file to open ports: the adapters of a server and their sockets. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "rpc/server_socket.h"
#include "rpc/server_worker.h"

/* ---- configuration -----------------------------------------------------------------------------
 */

static void add_adapter(struct tars_server *s, struct server_adapter *adapter)
{
    adapter->index = s->adapter_count;
    s->adapters = xrealloc(s->adapters, (s->adapter_count + 1) * sizeof *s->adapters);
    s->adapters[s->adapter_count++] = adapter;
}

/* A domain of the server that names a servant or an endpoint is an adapter; others are somebody
 * else's. */
static bool is_adapter(const struct tars_conf *conf, const char *domain)
{
    char path[512];
    snprintf(path, sizeof path, "/tars/application/server/%s<servant>", domain);
    if (tars_conf_has(conf, path))
        return true;
    snprintf(path, sizeof path, "/tars/application/server/%s<endpoint>", domain);
    return tars_conf_has(conf, path);
}

static bool read_adapters(struct tars_server *s, struct tars_error *error)
{
    const char *name;
    for (size_t i = 0; (name = tars_conf_domain(s->conf, "/tars/application/server", i)); i++) {
        if (!is_adapter(s->conf, name))
            continue;
        struct server_adapter *adapter = server_adapter_new(s->conf, name, error);
        if (!adapter)
            return false;
        add_adapter(s, adapter);
    }
    const char *local = tars_conf_get(s->conf, "/tars/application/server<local>", "");
    if (!*local)
        return true;
    struct server_adapter *admin = server_adapter_new_admin(local, error);
    if (admin)
        add_adapter(s, admin);
    return admin != NULL;
}

void server_configure(struct tars_server *s)
{
    s->app = xstrdup(tars_conf_get(s->conf, "/tars/application/server<app>", "UNKNOWN"));
    s->name = xstrdup(
        tars_conf_get(s->conf, "/tars/application/server<server>", program_invocation_short_name));
    if (server_options_read(&s->options, s->conf, &s->problem) && read_adapters(s, &s->problem))
        return;
    if (!s->problem.code)
        s->problem.code = -1;
}

/* ---- sockets -----------------------------------------------------------------------------------
 */

/* One worker is enough for the admin port and has to be for a socket in the file system, which
 * cannot be bound twice. */
static bool is_single(const struct server_adapter *adapter, const struct tars_server *s)
{
    return adapter->admin || s->worker_count == 1 || server_socket_is_local(&adapter->endpoint);
}

static bool open_socket(struct tars_server *s, struct server_adapter *adapter, unsigned worker,
                        bool shared, struct tars_error *error)
{
    int fd = server_socket_bind(&adapter->endpoint, shared, &adapter->port, error);
    if (fd < 0)
        return tars_fail_prefix(error, "adapter %s: ", adapter->name);
    if (adapter->endpoint.transport != TARS_UDP && !server_socket_listen(fd, error)) {
        close(fd);
        return tars_fail_prefix(error, "adapter %s: ", adapter->name);
    }
    server_worker_give_socket(s->workers[worker], adapter, fd);
    return true;
}

/* Every worker listens for itself on the same port. Binding it once without sharing finds out
 * whether another process listens there, which sharing would hide. */
static bool open_sockets(struct tars_server *s, struct server_adapter *adapter,
                         struct tars_error *error)
{
    adapter->port = adapter->endpoint.port;
    if (is_single(adapter, s))
        return open_socket(s, adapter, 0, false, error);
    int probe = server_socket_bind(&adapter->endpoint, false, &adapter->port, error);
    if (probe < 0)
        return tars_fail_prefix(error, "adapter %s: ", adapter->name);
    close(probe);
    for (unsigned i = 0; i < s->worker_count; i++)
        if (!open_socket(s, adapter, i, true, error))
            return false;
    return true;
}

static void close_workers(struct tars_server *s)
{
    for (unsigned i = 0; i < s->worker_count; i++)
        server_worker_free(s->workers[i]);
    free(s->workers);
    s->workers = NULL;
    s->worker_count = 0;
}

bool server_open(struct tars_server *s, struct tars_error *error)
{
    struct tars_error unwanted;
    if (!error)
        error = &unwanted;
    s->worker_count = (unsigned)s->options.workers;
    s->workers = xcalloc(s->worker_count, sizeof *s->workers);
    for (unsigned i = 0; i < s->worker_count; i++)
        s->workers[i] = server_worker_new(s, i);
    bool ok = true;
    for (size_t i = 0; i < s->adapter_count && ok; i++)
        ok = open_sockets(s, s->adapters[i], error);
    for (unsigned i = 0; i < s->worker_count && ok; i++)
        ok = server_worker_start(s->workers[i], error);
    if (!ok)
        close_workers(s);
    return ok;
}
