/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/notify.h"

#include "base/xmalloc.h"
#include "report/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "Notify.h"

enum { UNDER_WAY_MAX = 1000 }; /* beyond, messages are dropped: a flood helps nobody */

void report_notify(struct report_server *report, enum tars_notify_level level, const char *text)
{
    struct tarsf_report_info info;
    char thread[24];

    if (!report->notify_proxy || report_sender_under_way(&report->sender) >= UNDER_WAY_MAX)
        return;
    snprintf(thread, sizeof(thread), "%ld", (long)getpid());
    tarsf_report_info_init(&info);
    info.e_type = TARSF_REPORT_TYPE_REPORT;
    info.s_app = tars_str(report->id.app);
    info.s_set = tars_str(report->id.division);
    info.s_container = tars_str(report->id.container);
    info.s_server = tars_str(report->id.server);
    info.s_message = tars_str(text);
    info.s_thread_id = tars_str(thread);
    info.e_level = (int32_t)level;
    info.s_node_name = tars_str(report->id.node_name);
    tarsf_notify_report_notify_info_async_with(report->notify_proxy, &report->sender.options, &info,
                                               report_sender_done,
                                               report_sender_begin(&report->sender));
}

void report_notify_command(void *arg, struct tars_str command)
{
    char *text = xasprintf("AdminServant::notify:%" TARS_STR_FMT, TARS_STR_ARG(command));

    report_notify(arg, TARS_NOTIFY_NORMAL, text);
    free(text);
}

void tars_notify(struct tars_server *server, enum tars_notify_level level, const char *format, ...)
{
    struct report_server *report = report_server_of(server);
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    if (report && vasprintf(&text, format, arguments) >= 0)
        report_notify(report, level, text);
    va_end(arguments);
    free(text);
}
