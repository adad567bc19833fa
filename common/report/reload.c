/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/reload.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define SERVER "/tars/application/server"
#define CLIENT "/tars/application/client"

static void put(struct tars_writer *answer, const char *format, ...) TARS_PRINTF(2, 3);

static void put(struct tars_writer *answer, const char *format, ...)
{
    char line[4096];
    va_list arguments;

    va_start(arguments, format);
    int len = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (len > 0)
        tars_writer_append(answer, line,
                           (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1);
}

/* ---- objects --------------------------------------------------------------------------------- */

/* The proxy of one in force, and how another takes its place; on the client's loop. */
struct object {
    const char *name, *path;
    struct tars_proxy *(*used)(const struct report_server *report);
    void (*use)(struct report_server *report, struct tars_proxy *proxy);
};

static struct tars_proxy *used_stat(const struct report_server *report)
{
    return report->stat_proxy;
}

static void use_stat(struct report_server *report, struct tars_proxy *proxy)
{
    report->stat_proxy = proxy;
    report_client_use_stat(rpc_client_report(report->client), proxy);
}

static struct tars_proxy *used_property(const struct report_server *report)
{
    return report->property_proxy;
}

static void use_property(struct report_server *report, struct tars_proxy *proxy)
{
    report->property_proxy = proxy;
    report_client_use_property(rpc_client_report(report->client), proxy);
}

static struct tars_proxy *used_log(const struct report_server *report)
{
    return report->remote ? report_remote_log_proxy(report->remote) : NULL;
}

static void use_log(struct report_server *report, struct tars_proxy *proxy)
{
    report_remote_log_use(report->remote, proxy);
}

static struct tars_proxy *used_config(const struct report_server *report)
{
    return report_config_proxy(report->config);
}

static void use_config(struct report_server *report, struct tars_proxy *proxy)
{
    report_config_use(report->config, proxy);
}

static struct tars_proxy *used_notify(const struct report_server *report)
{
    return report->notify_proxy;
}

static void use_notify(struct report_server *report, struct tars_proxy *proxy)
{
    report->notify_proxy = proxy;
}

static const struct object objects[] = {
    {"stat", CLIENT "<stat>", used_stat, use_stat},
    {"property", CLIENT "<property>", used_property, use_property},
    {"log", SERVER "<log>", used_log, use_log},
    {"config", SERVER "<config>", used_config, use_config},
    {"notify", SERVER "<notify>", used_notify, use_notify},
};
enum { OBJECTS = sizeof(objects) / sizeof(*objects), CLIENT_OBJECTS = 2 };

/* ---- taking effect --------------------------------------------------------------------------- */

struct reload {
    struct report_server *report;
    const struct tars_conf *conf;
};

static void take_effect(void *arg)
{
    const struct reload *reload = arg;
    struct report_server *report = reload->report;

    for (size_t i = 0; i < OBJECTS; i++) {
        const char *reference = tars_conf_get(reload->conf, objects[i].path, "");

        if (*reference && objects[i].used(report))
            objects[i].use(report, tars_proxy_get(report->client, reference));
    }
    report_rhythm_read_again(&report->rhythm, reload->conf);
    report_client_use_rhythm(rpc_client_report(report->client), &report->rhythm);
}

static void use_locator(const struct report_server *report, const char *locator)
{
    struct tars_client *client = tars_server_client(report->server);

    rpc_client_use_locator(client, locator);
    report_client_use_locator(rpc_client_report(client), locator);
}

/* NULL with the reason in the answer. */
static struct tars_conf *read_file(const struct report_server *report, struct tars_writer *answer)
{
    const char *path = rpc_server_config_file(report->server);
    struct tars_error error = {0};
    struct tars_conf *conf = path ? tars_conf_load(path, &error) : NULL;

    if (!path)
        put(answer, "load config  error:the server was not started from a file");
    else if (!conf)
        put(answer, "load config %s error:%s", path, error.text);
    return conf;
}

static void put_object(const struct report_server *report, const struct object *object,
                       struct tars_writer *answer)
{
    const struct tars_proxy *proxy = object->used(report);

    put(answer, "%s=%s\r\n", object->name, proxy ? rpc_proxy_reference(proxy) : "");
}

/* Tars protocol: the names of what was loaded, as they now are. */
static void put_loaded(const struct report_server *report, const char *locator,
                       struct tars_writer *answer)
{
    put(answer, "loaded config items:\r\nlocator=%s\r\n", locator);
    for (size_t i = 0; i < CLIENT_OBJECTS; i++)
        put_object(report, &objects[i], answer);
    put(answer, "SetDivision=%s\r\nreport-interval=%" PRId64 "\r\nreport-timeout=%" PRId32 "\r\n",
        report->id.division, report->rhythm.interval_ms, report->rhythm.timeout_ms);
    for (size_t i = CLIENT_OBJECTS; i < OBJECTS; i++)
        put_object(report, &objects[i], answer);
}

void report_reload_properties(struct report_server *report, struct tars_writer *answer)
{
    struct tars_conf *conf = read_file(report, answer);
    const char *locator;

    if (!conf)
        return;
    locator = tars_conf_get(conf, CLIENT "<locator>", "");
    if (*locator)
        use_locator(report, locator);
    if (report->client)
        loop_call_wait(report->loop, take_effect, &(struct reload){report, conf});
    put_loaded(report, locator, answer);
    tars_conf_free(conf);
}

void report_reload_locator(struct report_server *report, struct tars_str argument,
                           struct tars_writer *answer)
{
    struct tars_conf *conf;
    const char *locator;

    if (!tars_str_is(argument, "reload")) {
        put(answer, "please input right paras.");
        return;
    }
    conf = read_file(report, answer);
    if (!conf)
        return;
    locator = tars_conf_get(conf, CLIENT "<locator>", "");
    if (*locator) {
        use_locator(report, locator);
        put(answer, "%s set succ.", locator);
    } else {
        put(answer, "locator info is null.");
    }
    tars_conf_free(conf);
}
