/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines of the trace log for calls that carry a trace key: one for a request's arrival, one for its
 * answer. "2026-01-31 12:00:00|f.1-abc|p1|*|sr||Demo.ShapeServer|area|1795305236280|0|eyJ..|"
 */
#ifndef REPORT_TRACE_H
#define REPORT_TRACE_H

#include "rpc/hooks.h"

#define REPORT_TRACE_LOG "_t_trace_"

/*
 * Appends both lines, each with its newline. `key` is what the caller sent ("trace|span"), `us` is
 * "App.Server", `max_kb` the process' own limit for logged parameters (the trace may ask for more).
 */
void report_trace_lines(const struct rpc_server_call *call, struct tars_str key, const char *us,
                        size_t max_kb, int64_t now_ms, struct tars_writer *lines);

#endif
