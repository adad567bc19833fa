/* SPDX-License-Identifier: BSD-3-Clause */
/* The reports of a client: statistics of the calls it made, once per report interval. */
#ifndef REPORT_CLIENT_H
#define REPORT_CLIENT_H

#include "report/identity.h"
#include "report/sender.h"
#include "rpc/hooks.h"

/* Times and sizes of stat and property reports, from /tars/application/client. */
struct report_rhythm {
    int64_t interval_ms; /* <report-interval>: 60000, at least 10000 */
    int32_t timeout_ms;  /* <report-timeout>: 5000, at least 5000 */
    size_t max_bytes;    /* <max-report-size>: 1400, 500 to 1400 */
    size_t max_series;   /* <max-stat-series>: 4096, at least 16 */
};
void report_rhythm_read(struct report_rhythm *rhythm, const struct tars_conf *conf);
/* What may change while reports are under way: interval and size. */
void report_rhythm_read_again(struct report_rhythm *rhythm, const struct tars_conf *conf);

/* For the table of hooks. */
void *report_client_new(struct tars_client *client, const struct tars_conf *conf);
void report_client_call(void *report, const struct rpc_client_call *call);
/* New settings; on the client's loop. `report` may be NULL: a client that reports nothing. */
void report_client_use_stat(void *report, struct tars_proxy *proxy);
void report_client_use_property(void *report, struct tars_proxy *proxy);
void report_client_use_rhythm(void *report, const struct report_rhythm *rhythm);
/* The same for the registry's name; on any other thread. */
void report_client_use_locator(void *report, const char *locator);
void report_client_closing(void *report);
void report_client_free(void *report);

#endif
