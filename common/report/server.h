/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a server reports, in one place: its statistics, properties, logs, notifications, heartbeats
 * and the configuration files it fetched. Made by the hook of a new server and found again by the
 * functions of include/tars/report.h.
 */
#ifndef REPORT_SERVER_H
#define REPORT_SERVER_H

#include <tars/report.h>

#include "loop/loop.h"
#include "report/client.h"
#include "report/config.h"
#include "report/day_switch.h"
#include "report/dyeing.h"
#include "report/identity.h"
#include "report/local_log.h"
#include "report/node.h"
#include "report/property.h"
#include "report/remote_log.h"
#include "report/sender.h"
#include "report/served.h"
#include "report/stat.h"

#include <stdatomic.h>

/* Tars protocol: bits of a packet's message type. */
enum { MESSAGE_DYED = 0x04, MESSAGE_TRACE = 0x100 };

struct report_server {
    struct tars_server *server;
    struct report_identity id;
    struct report_rhythm rhythm;
    char *level_path; /* the log level that an administrator chose stands here */
    atomic_int level; /* enum tars_log_level */
    struct report_local_log *files;
    struct report_day_switch *days;
    struct report_config *config;
    struct report_dyeing *dyeing;
    size_t trace_kb; /* of parameters in trace lines */

    /* Only when an object to report to is configured, else NULL. */
    struct tars_client *client; /* the server's */
    struct loop *loop;          /* the client's */
    struct report_sender sender;
    _Atomic(struct tars_proxy *) stat_proxy, property_proxy, notify_proxy;
    struct report_stat *stat;
    struct report_properties *properties;
    struct report_served *served;
    struct report_remote_log *remote;
    struct report_node *node;
    struct loop_timer timer, sample_timer;
};

/* The reports of a server; NULL for one that cannot start (bad arguments or configuration). */
struct report_server *report_server_of(const struct tars_server *server);

/* For the table of hooks. */
void *report_server_new(struct tars_server *server);
void report_server_starting(void *report);
void report_server_ready(void *report);
void report_server_failed(void *report, const char *reason);
void report_server_stopping(void *report);
void report_server_stopped(void *report, int flush_ms);
void report_server_free(void *report);
void report_server_metrics(void *report,
                           void (*each)(void *user, const char *name, const char *labels,
                                        double value),
                           void *user);
void report_server_call(void *report, const struct rpc_server_call *call);
struct tars_str report_server_dyeing_key(void *report, const struct tars_call *call);

#endif
