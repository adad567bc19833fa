/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum { JSON_VERSION = 5, ARENA_BYTES = 16 * 1024 * 1024, LARGEST_KB = 10240 };

/* Tars protocol: the trace id begins with a hexadecimal digit of these bits, which say where
 * parameters are logged, and with ".K" for their size in KB. */
enum place { CLIENT_SENDS = 1, CLIENT_RECEIVES = 2, SERVER_RECEIVES = 4, SERVER_SENDS = 8 };

struct trace {
    struct tars_str id, span, parent; /* parent: empty when the key has two parts */
    unsigned places;
    size_t max_bytes;
};

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse(struct tars_str key, size_t max_kb, struct trace *trace)
{
    const char *bar = key.len ? memchr(key.at, '|', key.len) : NULL;
    size_t kb = 0;

    if (!bar || hex_digit(key.at[0]) < 0)
        return false;
    trace->id = tars_str_n(key.at, (size_t)(bar - key.at));
    trace->span = tars_str_n(bar + 1, key.len - trace->id.len - 1);
    trace->parent = tars_str("");
    bar = trace->span.len ? memchr(trace->span.at, '|', trace->span.len) : NULL;
    if (bar) {
        size_t len = (size_t)(bar - trace->span.at);

        trace->parent = tars_str_n(bar + 1, trace->span.len - len - 1);
        trace->span.len = len;
    }
    trace->places = (unsigned)hex_digit(key.at[0]);
    if (trace->id.len > 2 && trace->id.at[1] == '.') {
        for (size_t i = 2; i < trace->id.len && trace->id.at[i] >= '0' && trace->id.at[i] <= '9' &&
                           kb < LARGEST_KB;
             i++)
            kb = kb * 10 + (size_t)(trace->id.at[i] - '0');
    }
    trace->max_bytes = (kb > max_kb ? kb > LARGEST_KB ? LARGEST_KB : kb : max_kb) * 1024;
    return true;
}

static void append(struct tars_writer *w, struct tars_str s)
{
    if (s.len > 0)
        tars_writer_append(w, s.at, s.len);
}

/* A field of the line: nothing in it may look like the field's or the line's end. */
static void append_field(struct tars_writer *w, struct tars_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i] == '|' || (unsigned char)s.at[i] < ' ' ? '_' : s.at[i];
        tars_writer_append(w, &c, 1);
    }
    tars_writer_append(w, "|", 1);
}

static void append_base64(struct tars_writer *w, const uint8_t *at, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < len; i += 3) {
        uint32_t v = (uint32_t)at[i] << 16 | (i + 1 < len ? (uint32_t)at[i + 1] << 8 : 0) |
                     (i + 2 < len ? at[i + 2] : 0);
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], digits[v >> 6 & 63], digits[v & 63]};

        for (size_t missing = i + 3 > len ? i + 3 - len : 0; missing > 0; missing--)
            four[4 - missing] = '=';
        tars_writer_append(w, four, 4);
    }
}

/* One line, but for its parameters. */
struct line {
    const char *annotation; /* "cs", "cr", "sr", "ss" */
    enum place place;       /* the trace's bit for it */
    struct tars_str parent, client, server, function;
    int64_t at_ms;
    int32_t ret;
};

static void append_head(struct tars_writer *w, const struct trace *trace, const struct line *line)
{
    time_t seconds = (time_t)(line->at_ms / 1000);
    char text[64];
    struct tm tm;

    localtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S|", &tm);
    append(w, tars_str(text));
    append_field(w, trace->id);
    append_field(w, trace->span);
    append_field(w, line->parent);
    append_field(w, tars_str(line->annotation));
    append_field(w, line->client);
    append_field(w, line->server);
    append_field(w, line->function);
    snprintf(text, sizeof(text), "%" PRId64 "|%" PRId32 "|", line->at_ms, line->ret);
    append(w, tars_str(text));
}

/* The parameters, and the end of the line. `encoded` is their size on the wire: those that are too
 * long are not even looked at. */
static void append_parameters(struct tars_writer *w, const struct trace *trace, enum place place,
                              size_t encoded, struct tars_writer *json)
{
    static const char too_long[] = "{\"trace_param_over_max_len\":true}";

    if (trace->places & place) {
        if (encoded > trace->max_bytes || json->len > trace->max_bytes) {
            tars_writer_reset(json);
            append(json, tars_str(too_long));
        }
        append_base64(w, json->at, json->len);
    }
    append(w, tars_str("|\n"));
    tars_writer_free(json);
}

static bool shows(const struct trace *trace, enum place place, size_t encoded)
{
    return (trace->places & place) && encoded <= trace->max_bytes;
}

/* ---- a call that was served ------------------------------------------------------------------ */

/* Nothing when they cannot be read. */
static void served_json(const struct rpc_server_call *call, bool answer, struct tars_writer *json)
{
    const struct tars_function *f = call->function;
    int version = tars_call_version(call->call);
    struct tars_str body = tars_call_body(call->call);
    struct tars_arena *arena = f ? tars_arena_new(ARENA_BYTES) : NULL;
    void *args = arena ? tars_arena_alloc(arena, f->args_size) : NULL;

    if (args && answer && tars_args_read_response(f, version, call->answer, arena, args, NULL))
        tars_args_write_response(f, JSON_VERSION, tars_str(""), args, json);
    else if (args && !answer && tars_args_read_request(f, version, body, arena, args, NULL))
        tars_args_write_request(f, JSON_VERSION, args, json);
    if (arena)
        tars_arena_free(arena);
}

static void append_served(struct tars_writer *w, const struct trace *trace,
                          const struct rpc_server_call *call, const struct line *line, bool answer)
{
    size_t encoded = answer ? call->answer.len : tars_call_body(call->call).len;
    struct tars_writer json;

    append_head(w, trace, line);
    tars_writer_init(&json);
    if (shows(trace, line->place, encoded) && (!answer || call->ret == TARS_RET_OK))
        served_json(call, answer, &json);
    append_parameters(w, trace, line->place, encoded, &json);
}

/* Tars protocol: the server's own span is "*", the caller's stands before it. */
void report_trace_served(const struct report_tracer *tracer, const struct rpc_server_call *call,
                         struct tars_str key, struct tars_writer *lines)
{
    struct line line = {.annotation = "sr",
                        .place = SERVER_RECEIVES,
                        .parent = tars_str("*"),
                        .server = tars_str(tracer->us),
                        .function = tars_call_function(call->call),
                        .at_ms = tracer->now_ms - call->handle_ms - call->wait_ms};
    struct trace trace;

    if (!parse(key, tracer->max_kb, &trace))
        return;
    append_served(lines, &trace, call, &line, false);
    line.annotation = "ss";
    line.place = SERVER_SENDS;
    line.at_ms = tracer->now_ms;
    line.ret = call->ret;
    append_served(lines, &trace, call, &line, true);
}

/* ---- a call that was made -------------------------------------------------------------------- */

void report_trace_called(const struct report_tracer *tracer, const struct rpc_traced_call *call,
                         struct tars_writer *w)
{
    struct line line = {.annotation = call->ended ? "cr" : "cs",
                        .place = call->ended ? CLIENT_RECEIVES : CLIENT_SENDS,
                        .client = tars_str(tracer->us),
                        .server = call->object,
                        .function = call->name,
                        .at_ms = tracer->now_ms,
                        .ret = call->ret};
    struct tars_writer json;
    struct trace trace;

    if (!parse(tars_str(call->key), tracer->max_kb, &trace))
        return;
    line.parent = trace.parent;
    append_head(w, &trace, &line);
    tars_writer_init(&json);
    if (call->function && shows(&trace, line.place, call->body_bytes)) {
        if (call->ended)
            tars_args_write_response(call->function, JSON_VERSION, tars_str(""), call->args, &json);
        else
            tars_args_write_request(call->function, JSON_VERSION, call->args, &json);
    }
    append_parameters(w, &trace, line.place, call->body_bytes, &json);
}
