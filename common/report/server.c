/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/server.h"

#include "base/clock.h"
#include "base/xmalloc.h"
#include "report/commands.h"
#include "report/log.h"
#include "report/notify.h"
#include "report/trace.h"

#include <stdlib.h>
#include <strings.h>

#define SERVER "/tars/application/server"
#define CLIENT "/tars/application/client"

enum {
    MAX_PROPERTIES = 4096,
    SAMPLE_MS = 10000, /* between two looks at connections and queues */
    FAILED_MS = 500,   /* how long a start that failed waits for its last words to leave */
    TRACE_KB_MAX = 10240
};

static const struct report_remote_log_limits remote_limits = {
    .lines = 100000, .bytes = 32 * 1024 * 1024, .names = 1000};

struct report_server *report_server_of(const struct tars_server *server)
{
    return rpc_server_report(server);
}

/* ---- making ---------------------------------------------------------------------------------- */

/* The proxy of the object under that key, NULL when there is none. Makes the client when needed. */
static struct tars_proxy *proxy_of(struct report_server *report, const struct tars_conf *conf,
                                   const char *path)
{
    const char *object = tars_conf_get(conf, path, "");

    if (!*object)
        return NULL;
    if (!report->client) {
        report->client = tars_server_client(report->server);
        report->loop = rpc_client_loop(report->client);
    }
    return tars_proxy_get(report->client, object);
}

static void spill(void *user, struct tars_str name, struct tars_str line)
{
    struct report_server *report = user;

    /* What goes to the file anyway stands there already. */
    if (!(report_day_places(report->days, name) & REPORT_DAY_LOCAL))
        report_local_log_day(report->files, name, line);
}

static void make_remote_log(struct report_server *report, const struct tars_conf *conf)
{
    struct tars_proxy *proxy = proxy_of(report, conf, SERVER "<log>");

    if (!proxy)
        return;
    report->remote = report_remote_log_new(report->loop, proxy, &report->id, &remote_limits, spill,
                                           report);
    /* Tars protocol: trace lines are for the service alone. */
    report_day_switch_set(report->days, tars_str(REPORT_TRACE_LOG), REPORT_DAY_LOCAL, false);
    report_day_switch_set(report->days, tars_str(REPORT_DYEING_LOG), REPORT_DAY_LOCAL, false);
}

static void say_config(void *user, bool failed, const char *text)
{
    report_notify(user, failed ? TARS_NOTIFY_WARN : TARS_NOTIFY_NORMAL, text);
}

static void make_statistics(struct report_server *report, const struct tars_conf *conf)
{
    /* The workers do not run yet; one shard each keeps them apart, one is for other threads. */
    size_t shards = (size_t)tars_server_workers(report->server) + 1;

    report->stat_proxy = proxy_of(report, conf, CLIENT "<stat>");
    report->property_proxy = proxy_of(report, conf, CLIENT "<property>");
    if (report->stat_proxy)
        report->stat = report_stat_new(shards, report->rhythm.max_series);
    if (report->property_proxy)
        report->properties = report_properties_new(shards, MAX_PROPERTIES);
    if (report->stat || report->properties)
        report->served = report_served_new(report->server, &report->id, report->stat,
                                           report->properties);
}

static size_t trace_kb(const struct tars_conf *conf)
{
    int64_t kb;

    if (!tars_conf_int(conf, CLIENT "<trace_param_max_len>", 0, TRACE_KB_MAX, 1, &kb, NULL))
        return 1;
    return (size_t)kb;
}

void *report_server_new(struct tars_server *server)
{
    const struct tars_conf *conf = tars_server_conf(server);
    struct report_server *report = xcalloc(1, sizeof(*report));
    struct tars_proxy *node;

    report->server = server;
    report_identity_init(&report->id, conf);
    report_rhythm_read(&report->rhythm, conf);
    report_sender_init(&report->sender, report->rhythm.timeout_ms);
    report->dyeing = report_dyeing_new();
    report->days = report_day_switch_new();
    report->trace_kb = trace_kb(conf);
    report_log_open(report, conf);
    make_remote_log(report, conf);
    make_statistics(report, conf);
    report->notify_proxy = proxy_of(report, conf, SERVER "<notify>");
    report->config = report_config_new(proxy_of(report, conf, SERVER "<config>"), &report->id,
                                       tars_conf_get(conf, SERVER "<basepath>", "."), say_config,
                                       report);
    node = proxy_of(report, conf, SERVER "<node>");
    if (node)
        report->node = report_node_new(report->loop, node, server, &report->id);
    report_commands_add(report);
    return report;
}

void report_server_free(void *arg)
{
    struct report_server *report = arg;

    report_remote_log_free(report->remote); /* its lines go to the files */
    report_local_log_free(report->files);
    report_day_switch_free(report->days);
    report_node_free(report->node);
    report_config_free(report->config);
    report_served_free(report->served);
    report_properties_free(report->properties);
    report_stat_free(report->stat);
    report_dyeing_free(report->dyeing);
    report_sender_destroy(&report->sender);
    report_identity_free(&report->id);
    free(report->level_path);
    free(report);
}

/* ---- statistics and properties, on the client's loop ----------------------------------------- */

static void send_stat(void *arg, const struct tarsf_stat_mic_msg_head_stat_mic_msg_body_map *msg)
{
    struct report_server *report = arg;

    tarsf_stat_f_report_mic_msg_async_with(report->stat_proxy, &report->sender.options, msg, false,
                                           report_sender_done,
                                           report_sender_begin(&report->sender));
}

static void send_properties(void *arg,
                            const struct tarsf_stat_prop_msg_head_stat_prop_msg_body_map *msg)
{
    struct report_server *report = arg;

    tarsf_property_f_report_prop_msg_async_with(report->property_proxy, &report->sender.options,
                                                msg, report_sender_done,
                                                report_sender_begin(&report->sender));
}

static void flush_properties(struct report_server *report)
{
    struct tarsf_stat_prop_msg_head head;

    /* Tars protocol: the ip stays empty, the service takes the caller's address. */
    tarsf_stat_prop_msg_head_init(&head);
    head.module_name = tars_str(report->id.qualified);
    head.set_name = tars_str(report->id.set[0]);
    head.set_area = tars_str(report->id.set[1]);
    head.set_id = tars_str(report->id.set[2]);
    head.s_container = tars_str(report->id.container);
    head.i_property_ver = 2;
    report_served_sample(report->served);
    report_properties_flush(report->properties, &head, report->rhythm.max_bytes, send_properties,
                            report);
}

static void flush(struct report_server *report)
{
    if (report->stat)
        report_stat_flush(report->stat, report->rhythm.max_bytes, send_stat, report);
    if (report->properties)
        flush_properties(report);
}

static void on_timer(struct loop_timer *timer)
{
    struct report_server *report = loop_container(timer, struct report_server, timer);

    flush(report);
    loop_timer_set(report->loop, &report->timer, report->rhythm.interval_ms, on_timer);
}

/* Tars protocol: an average over an interval is one of a look every 10 s. */
static void on_sample(struct loop_timer *timer)
{
    struct report_server *report = loop_container(timer, struct report_server, sample_timer);

    report_served_sample(report->served);
    loop_timer_set(report->loop, &report->sample_timer, SAMPLE_MS, on_sample);
}

/* ---- the server's life ----------------------------------------------------------------------- */

static void on_starting(void *arg)
{
    struct report_server *report = arg;

    if (report->node)
        report_node_starting(report->node);
}

static void on_ready(void *arg)
{
    struct report_server *report = arg;

    if (report->node)
        report_node_ready(report->node);
    if (!report->served)
        return;
    loop_timer_set(report->loop, &report->timer, report->rhythm.interval_ms, on_timer);
    loop_timer_set(report->loop, &report->sample_timer, SAMPLE_MS, on_sample);
}

static void on_stopped(void *arg)
{
    struct report_server *report = arg;

    loop_timer_clear(report->loop, &report->timer);
    loop_timer_clear(report->loop, &report->sample_timer);
    if (report->node)
        report_node_stop(report->node);
    flush(report);
    rpc_client_hurry(report->client); /* what cannot leave does not hold up the end */
}

void report_server_starting(void *arg)
{
    struct report_server *report = arg;

    if (report->loop)
        loop_call(report->loop, on_starting, report);
}

void report_server_ready(void *arg)
{
    struct report_server *report = arg;

    if (report->served)
        report_served_adapters(report->served);
    if (report->loop)
        loop_call(report->loop, on_ready, report);
    report_notify(report, TARS_NOTIFY_NORMAL, "restart");
}

void report_server_failed(void *arg, const char *reason)
{
    struct report_server *report = arg;
    char *text = xasprintf("exit: %s", reason);

    report_notify(report, TARS_NOTIFY_ERROR, text);
    free(text);
    (void)report_sender_wait(&report->sender, FAILED_MS);
}

void report_server_stopping(void *arg)
{
    report_notify(arg, TARS_NOTIFY_NORMAL, "stop");
}

void report_server_stopped(void *arg, int flush_ms)
{
    struct report_server *report = arg;
    int64_t until = clock_ms() + flush_ms;

    if (!report->loop)
        return;
    loop_call_wait(report->loop, on_stopped, report);
    if (report->remote) {
        (void)report_remote_log_flush(report->remote, flush_ms);
        report_remote_log_close(report->remote);
    }
    int64_t left = until - clock_ms();
    (void)report_sender_wait(&report->sender, left > 0 ? (int)left : 0);
}

/* What was lost or put off, so that somebody can see it. */
void report_server_metrics(void *arg,
                           void (*each)(void *user, const char *name, const char *labels,
                                        double value),
                           void *user)
{
    struct report_server *report = arg;

    each(user, "tars_report_log_dropped_total", "",
         (double)report_local_log_dropped(report->files));
    if (report->remote) {
        each(user, "tars_report_remote_log_waiting", "",
             (double)report_remote_log_waiting(report->remote));
        each(user, "tars_report_remote_log_spilled_total", "",
             (double)report_remote_log_spilled(report->remote));
    }
    if (report->stat)
        each(user, "tars_report_stat_overflow_total", "",
             (double)report_stat_overflowed(report->stat));
    if (report->properties)
        each(user, "tars_report_property_dropped_total", "",
             (double)report_property_dropped(report->properties));
}

/* ---- a call that was served ------------------------------------------------------------------ */

/* Tars protocol: a dyed call carries its key; one that an administrator chose is found by the
 * routing key that it carries. */
struct tars_str report_server_dyeing_key(void *arg, const struct tars_call *call)
{
    struct report_server *report = arg;
    struct tars_str key;

    if (tars_call_message_type(call) & MESSAGE_DYED) {
        key = tars_call_status(call, "STATUS_DYED_KEY");
        if (key.len > 0)
            return key;
    }
    key = tars_call_status(call, "STATUS_GRID_KEY");
    return report_dyeing_is(report->dyeing, key, tars_call_servant(call), tars_call_function(call))
               ? key
               : tars_str("");
}

void report_server_call(void *arg, const struct rpc_server_call *call)
{
    struct report_server *report = arg;
    struct tars_str key;

    if (report->served)
        report_served_call(report->served, call);
    if (tars_call_message_type(call->call) & MESSAGE_TRACE) {
        key = tars_call_status(call->call, "STATUS_TRACE_KEY");
        if (key.len > 0)
            report_log_trace(report, call, key);
    }
    key = report_server_dyeing_key(report, call->call);
    if (key.len > 0)
        report_log_dyed(report, call, key);
}
