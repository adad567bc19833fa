/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/client.h"

#include "base/xmalloc.h"
#include "loop/loop.h"
#include "report/stat.h"

#include <stdlib.h>

#define CLIENT "/tars/application/client"

enum { LAST_MS = 500 }; /* how long a client that closes waits for its last reports to leave */

struct report_client {
    struct tars_client *client;
    struct loop *loop;
    struct tars_proxy *stat_proxy;
    struct report_identity id;
    struct report_rhythm rhythm;
    struct report_sender sender;
    struct report_stat *stat;
    struct loop_timer timer;
    char *master;    /* "Demo.Client@0.1.0" */
    char *stat_name; /* objects whose calls are not counted: reports about reports never end */
    char *property_name;
    char *locator_name;
};

/* A number within its range; the nearest end for one outside, the fallback for no number. */
static int64_t number(const struct tars_conf *conf, const char *path, int64_t min, int64_t max,
                      int64_t fallback)
{
    int64_t value;

    if (!tars_conf_int(conf, path, INT32_MIN, INT32_MAX, fallback, &value, NULL))
        return fallback;
    return value < min ? min : value > max ? max : value;
}

void report_rhythm_read(struct report_rhythm *rhythm, const struct tars_conf *conf)
{
    rhythm->interval_ms = number(conf, CLIENT "<report-interval>", 10000, 86400000, 60000);
    rhythm->timeout_ms = (int32_t)number(conf, CLIENT "<report-timeout>", 5000, 600000, 5000);
    rhythm->max_bytes = (size_t)number(conf, CLIENT "<max-report-size>", 500, 1400, 1400);
    rhythm->max_series = (size_t)number(conf, CLIENT "<max-stat-series>", 16, 1000000, 4096);
}

void report_rhythm_read_again(struct report_rhythm *rhythm, const struct tars_conf *conf)
{
    struct report_rhythm fresh;

    report_rhythm_read(&fresh, conf);
    rhythm->interval_ms = fresh.interval_ms;
    rhythm->max_bytes = fresh.max_bytes;
}

/* "App.Server.Obj" of "App.Server.Obj@tcp -h ..." */
static char *object_name(const char *reference)
{
    struct tars_object object;

    if (!tars_object_parse(tars_str(reference), &object, NULL))
        return xstrdup(reference);
    return xstrndup(object.name.at, object.name.len);
}

static void send(void *arg, const struct tarsf_stat_mic_msg_head_stat_mic_msg_body_map *msg)
{
    struct report_client *report = arg;

    tarsf_stat_f_report_mic_msg_async_with(report->stat_proxy, &report->sender.options, msg, true,
                                           report_sender_done,
                                           report_sender_begin(&report->sender));
}

static void on_timer(struct loop_timer *timer)
{
    struct report_client *report = loop_container(timer, struct report_client, timer);

    report_stat_flush(report->stat, report->rhythm.max_bytes, send, report);
    loop_timer_set(report->loop, &report->timer, report->rhythm.interval_ms, on_timer);
}

static void start_timer(void *arg)
{
    struct report_client *report = arg;

    loop_timer_set(report->loop, &report->timer, report->rhythm.interval_ms, on_timer);
}

static void send_last(void *arg)
{
    struct report_client *report = arg;

    loop_timer_clear(report->loop, &report->timer);
    report_stat_flush(report->stat, report->rhythm.max_bytes, send, report);
    rpc_client_hurry(report->client); /* what cannot leave does not hold up the end */
}

void *report_client_new(struct tars_client *client, const struct tars_conf *conf)
{
    const char *stat = tars_conf_get(conf, CLIENT "<stat>", "");
    struct report_client *report;

    if (!*stat)
        return NULL;
    report = xcalloc(1, sizeof(*report));
    report->client = client;
    report->loop = rpc_client_loop(client);
    report->stat_proxy = tars_proxy_get(client, stat);
    report_identity_init(&report->id, conf);
    report_rhythm_read(&report->rhythm, conf);
    report_sender_init(&report->sender, report->rhythm.timeout_ms);
    report->stat = report_stat_new(1, report->rhythm.max_series);
    report->master = xasprintf("%s@%s", report->id.qualified, TARSC_VERSION);
    report->stat_name = object_name(stat);
    report->property_name = object_name(tars_conf_get(conf, CLIENT "<property>", ""));
    report->locator_name = object_name(tars_conf_get(conf, CLIENT "<locator>", ""));
    loop_call(report->loop, start_timer, report);
    return report;
}

static void replace_name(char **name, const char *reference)
{
    free(*name);
    *name = object_name(reference);
}

void report_client_use_stat(void *arg, struct tars_proxy *proxy)
{
    struct report_client *report = arg;

    if (!report)
        return;
    report->stat_proxy = proxy;
    replace_name(&report->stat_name, rpc_proxy_reference(proxy));
}

void report_client_use_property(void *arg, struct tars_proxy *proxy)
{
    struct report_client *report = arg;

    if (report)
        replace_name(&report->property_name, rpc_proxy_reference(proxy));
}

void report_client_use_rhythm(void *arg, const struct report_rhythm *rhythm)
{
    struct report_client *report = arg;

    if (!report)
        return;
    report->rhythm.interval_ms = rhythm->interval_ms;
    report->rhythm.max_bytes = rhythm->max_bytes;
}

struct locator_name {
    struct report_client *report;
    const char *locator;
};

static void replace_locator_name(void *arg)
{
    const struct locator_name *name = arg;

    replace_name(&name->report->locator_name, name->locator);
}

void report_client_use_locator(void *report, const char *locator)
{
    if (report)
        loop_call_wait(((struct report_client *)report)->loop, replace_locator_name,
                       &(struct locator_name){report, locator});
}

void report_client_closing(void *arg)
{
    struct report_client *report = arg;

    loop_call_wait(report->loop, send_last, report);
    (void)report_sender_wait(&report->sender, LAST_MS);
}

void report_client_free(void *arg)
{
    struct report_client *report = arg;

    report_stat_free(report->stat);
    report_sender_destroy(&report->sender);
    report_identity_free(&report->id);
    free(report->master);
    free(report->stat_name);
    free(report->property_name);
    free(report->locator_name);
    free(report);
}

/* ---- counting -------------------------------------------------------------------------------- */

static enum report_outcome outcome(int32_t ret)
{
    return ret == TARS_RET_OK                                         ? REPORT_SUCCEEDED
           : ret == TARS_RET_TIMEOUT || ret == TARS_RET_QUEUE_TIMEOUT ? REPORT_TIMED_OUT
                                                                      : REPORT_FAILED;
}

/* "App.Server" of "App.Server.Obj", with the callee's set "App.Server.<name><area><group>". */
static struct tars_str slave_name(const struct rpc_client_call *call, char *text, size_t size)
{
    size_t len = 0, dots = 0;

    while (len < call->object.len && (call->object.at[len] != '.' || dots++ == 0))
        len++;
    if (len >= size)
        len = size - 1;
    memcpy(text, call->object.at, len);
    if (call->set.len > 0 && len + 1 < size) {
        text[len++] = '.';
        for (size_t i = 0; i < call->set.len && len < size; i++) {
            if (call->set.at[i] != '.')
                text[len++] = call->set.at[i];
        }
    }
    return tars_str_n(text, len);
}

static void split_set(struct tars_str set, struct tars_str parts[3])
{
    for (size_t i = 0; i < 3; i++) {
        const char *dot = i < 2 && set.len > 0 ? memchr(set.at, '.', set.len) : NULL;
        size_t len = dot ? (size_t)(dot - set.at) : set.len;

        parts[i] = tars_str_n(set.at, len);
        set = dot ? tars_str_n(dot + 1, set.len - len - 1) : tars_str("");
    }
}

void report_client_call(void *arg, const struct rpc_client_call *call)
{
    struct report_client *report = arg;
    char slave[256];
    struct report_stat_key key = {
        .master = tars_str(report->master), .function = call->function, .ret = call->ret};

    /* Nobody learns how a one-way call ended; what the reports cost is no business traffic. */
    if (call->one_way || tars_str_is(call->object, report->stat_name) ||
        tars_str_is(call->object, report->property_name))
        return;
    key.slave = slave_name(call, slave, sizeof(slave));
    split_set(call->set, key.set);
    /* Tars protocol: no caller's address in calls to the registry. */
    if (!tars_str_is(call->object, report->locator_name))
        key.master_ip = tars_str(report->id.node_name);
    if (call->endpoint) {
        key.slave_ip = tars_str(call->endpoint->host);
        key.slave_port = call->endpoint->port;
    }
    report_stat_add(report->stat, 0, &key, outcome(call->ret), call->elapsed_ms);
}
