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
    struct tars_str id, parent; /* the caller's span is our parent */
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
    trace->parent = tars_str_n(bar + 1, key.len - trace->id.len - 1);
    /* Of a key in three parts, the second is the span. */
    bar = trace->parent.len ? memchr(trace->parent.at, '|', trace->parent.len) : NULL;
    if (bar)
        trace->parent.len = (size_t)(bar - trace->parent.at);
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

/* The parameters as JSON; false when they cannot be had. */
static bool as_json(const struct rpc_server_call *call, bool answer, struct tars_writer *json)
{
    const struct tars_function *f = call->function;
    int version = tars_call_version(call->call);
    struct tars_str body = tars_call_body(call->call);
    struct tars_arena *arena = f ? tars_arena_new(ARENA_BYTES) : NULL;
    void *args = arena ? tars_arena_alloc(arena, f->args_size) : NULL;
    bool had = false;

    if (args && answer && tars_args_read_response(f, version, call->answer, arena, args, NULL)) {
        tars_args_write_response(f, JSON_VERSION, tars_str(""), args, json);
        had = true;
    } else if (args && !answer && tars_args_read_request(f, version, body, arena, args, NULL)) {
        tars_args_write_request(f, JSON_VERSION, args, json);
        had = true;
    }
    if (arena)
        tars_arena_free(arena);
    return had;
}

static void append_parameters(struct tars_writer *w, const struct trace *trace,
                              const struct rpc_server_call *call, bool answer)
{
    static const char too_long[] = "{\"trace_param_over_max_len\":true}";
    struct tars_str body = answer ? call->answer : tars_call_body(call->call);
    struct tars_writer json;

    if (!(trace->places & (answer ? SERVER_SENDS : SERVER_RECEIVES)) ||
        (answer && call->ret != TARS_RET_OK))
        return;
    tars_writer_init(&json);
    /* A body that is too long is not even looked at. */
    if (body.len > trace->max_bytes ||
        (as_json(call, answer, &json) && json.len > trace->max_bytes)) {
        tars_writer_reset(&json);
        append(&json, tars_str(too_long));
    }
    append_base64(w, json.at, json.len);
    tars_writer_free(&json);
}

static void append_line(struct tars_writer *w, const struct trace *trace,
                        const struct rpc_server_call *call, const char *us, bool answer,
                        int64_t at_ms)
{
    time_t seconds = (time_t)(at_ms / 1000);
    char text[64];
    struct tm tm;

    localtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S|", &tm);
    append(w, tars_str(text));
    append_field(w, trace->id);
    append_field(w, trace->parent);
    append(w, tars_str(answer ? "*|ss||" : "*|sr||"));
    append_field(w, tars_str(us));
    append_field(w, tars_call_function(call->call));
    snprintf(text, sizeof(text), "%" PRId64 "|%" PRId32 "|", at_ms, answer ? call->ret : 0);
    append(w, tars_str(text));
    append_parameters(w, trace, call, answer);
    append(w, tars_str("|\n"));
}

void report_trace_lines(const struct rpc_server_call *call, struct tars_str key, const char *us,
                        size_t max_kb, int64_t now_ms, struct tars_writer *lines)
{
    struct trace trace;

    if (!parse(key, max_kb, &trace))
        return;
    append_line(lines, &trace, call, us, false, now_ms - call->handle_ms - call->wait_ms);
    append_line(lines, &trace, call, us, true, now_ms);
}
