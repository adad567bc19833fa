/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines of the trace log for calls that carry a trace key: for a call that was served, one for the
 * request's arrival ("sr") and one for its answer ("ss"); for a call that was made, one when it is
 * sent ("cs") and one when it has ended ("cr").
 *
 *   2026-01-31 12:00:00|f.1-abc|p1|*|sr||Demo.ShapeServer|area|1795305236280|0|eyJ..|
 */
#ifndef REPORT_TRACE_H
#define REPORT_TRACE_H

#include "rpc/hooks.h"

#define REPORT_TRACE_LOG  "_t_trace_"
#define REPORT_DYEING_LOG "dyeing" /* on disk; the service keeps that of all servers together */

/* Who writes lines, and when. */
struct report_tracer {
    const char *us; /* "App.Server" */
    size_t max_kb;  /* our own limit for logged parameters; a trace may ask for more */
    int64_t now_ms;
};

/* Both lines of a call that was served, each with its newline. `key` is what the caller sent
 * ("trace|span"). Nothing for a key that is none. */
void report_trace_served(const struct report_tracer *tracer, const struct rpc_server_call *call,
                         struct tars_str key, struct tars_writer *lines);
/* The line of one end of a call that was made. */
void report_trace_called(const struct report_tracer *tracer, const struct rpc_traced_call *call,
                         struct tars_writer *line);

#endif
