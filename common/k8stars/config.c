/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include <tars/conf.h>

#include "base/xmalloc.h"

struct printing {
    struct tars_conf *conf;
    struct meta *meta;
    const char *domain;
};

static void put(struct printing *p, const char *key, const char *value)
{
    tars_conf_set(p->conf, tars_arena_printf(p->meta->arena, "%s<%s>", p->domain, key), value);
}

static void put_number(struct printing *p, const char *key, int32_t value)
{
    put(p, key, tars_arena_printf(p->meta->arena, "%d", (int)value));
}

static void put_client(struct printing *p)
{
    struct meta *m = p->meta;

    p->domain = "/tars/application/client";
    put(p, "locator", m->locator);
    put_number(p, "sync-invoke-timeout", m->sync_timeout);
    put_number(p, "async-invoke-timeout", m->async_timeout);
    put_number(p, "refresh-endpoint-interval", m->endpoint_refresh);
    put(p, "stat", m->stat);
    put(p, "property", m->property);
    put_number(p, "report-interval", m->report_interval);
    put_number(p, "sample-rate", m->sample_rate);
    put_number(p, "max-sample-count", m->max_sample_count);
    put_number(p, "asyncthread", m->async_threads);
    put(p, "modulename", tars_arena_printf(m->arena, "%s.%s", m->application, m->server));
}

static void put_adapter(struct printing *p, const struct meta_adapter *a)
{
    struct meta *m = p->meta;
    const char *servant = tars_arena_printf(m->arena, "%s.%s.%s", m->application, m->server,
                                            a->object);
    const char *name = tars_arena_printf(m->arena, "%sAdapter", servant);

    p->domain = tars_arena_printf(m->arena, "/tars/application/server/%s", name);
    put(p, "allow", "");
    put(p, "handlegroup", name);
    put(p, "servant", servant);
    put(p, "endpoint", a->endpoint);
    put_number(p, "maxconns", a->maxconns);
    put(p, "protocol", a->protocol);
    put_number(p, "queuecap", a->queuecap);
    put_number(p, "queuetimeout", a->queuetimeout);
    put_number(p, "threads", a->threads);
}

static void put_server(struct printing *p)
{
    struct meta *m = p->meta;

    p->domain = "/tars/application/server";
    put(p, "app", m->application);
    put(p, "server", m->server);
    put(p, "localip", m->local_ip);
    put(p, "local", m->local);
    if (*m->node)
        put(p, "node", m->node);
    for (size_t i = 0; i < m->adapter_count; i++)
        put_adapter(p, &m->adapters[i]);
    p->domain = "/tars/application/server";
    put(p, "basepath", tars_arena_printf(m->arena, "%s/bin/", m->tars_path));
    put(p, "datapath", tars_arena_printf(m->arena, "%s/data/", m->tars_path));
    put(p, "logpath", tars_arena_printf(m->arena, "%s/log/", m->tars_path));
    put(p, "logLevel", m->log_level);
    put(p, "loglevel", m->log_level); /* the one that TarsJava reads, and it will not do without */
    put(p, "logsize", m->log_size);
    put_number(p, "lognum", m->log_count);
    put(p, "config", m->config);
    put(p, "notify", m->notify);
    put(p, "log", m->log);
    put_number(p, "deactivating-timeout", m->deactivating_timeout);
}

bool config_print(struct meta *meta, struct tars_str *text, struct tars_error *error)
{
    struct printing p = {.conf = tars_conf_new(), .meta = meta, .domain = "/tars/application"};
    bool ok;

    put(&p, "enableset", *meta->set_id ? "y" : "n");
    put(&p, "setdivision", meta->set_id);
    put_client(&p);
    put_server(&p);
    ok = tars_conf_print(p.conf, meta->arena, text, error);
    tars_conf_free(p.conf);
    return ok;
}
