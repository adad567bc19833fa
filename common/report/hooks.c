/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/hooks.h"

#include "report/client.h"
#include "report/log.h"
#include "report/notify.h"
#include "report/server.h"

const struct rpc_hooks rpc_hooks = {
    .client_new = report_client_new,
    .client_call = report_client_call,
    .client_closing = report_client_closing,
    .client_free = report_client_free,
    .server_new = report_server_new,
    .server_starting = report_server_starting,
    .server_ready = report_server_ready,
    .server_failed = report_server_failed,
    .server_stopping = report_server_stopping,
    .server_stopped = report_server_stopped,
    .server_free = report_server_free,
    .server_call = report_server_call,
    .dyeing_key = report_server_dyeing_key,
    .client_trace = report_log_traced_call,
    .server_command = report_notify_command,
    .server_metrics = report_server_metrics,
};
