/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/packet.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "RequestF.h"

enum { TUP_STATUS_MAX = 66 }; /* a servant's status keys and the two of the result */

enum rpc_frame rpc_frame_find(const void *at, size_t have, size_t limit, size_t *len)
{
    const uint8_t *b = at;
    *len = 0;
    if (have < RPC_FRAME_HEAD)
        return RPC_FRAME_PARTIAL;
    uint32_t n = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    if (n < RPC_FRAME_MIN || n > limit)
        return RPC_FRAME_BAD;
    *len = n;
    return have < n ? RPC_FRAME_PARTIAL : RPC_FRAME_COMPLETE;
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static void open_frame(struct tars_reader *r, struct tars_str frame, struct tars_arena *arena)
{
    tars_reader_init(r, frame.at + RPC_FRAME_HEAD, frame.len - RPC_FRAME_HEAD, arena);
}

bool rpc_request_read(struct tars_str frame, struct tars_arena *arena, struct rpc_request *q,
                      struct tars_error *error)
{
    struct tars_reader r;
    struct tarsf_request_packet p;
    open_frame(&r, frame, arena);
    if (!tarsf_request_packet_read_fields(&r, &p)) {
        tars_reader_explain(&r, error);
        return tars_fail_prefix(error, "request packet");
    }
    *q = (struct rpc_request){.version = p.i_version,
                              .packet_type = p.c_packet_type,
                              .message_type = p.i_message_type,
                              .id = p.i_request_id,
                              .servant = p.s_servant_name,
                              .function = p.s_func_name,
                              .body = p.s_buffer,
                              .timeout_ms = p.i_timeout,
                              .context = p.context,
                              .status = p.status};
    return true;
}

bool rpc_response_read(struct tars_str frame, struct tars_arena *arena, struct rpc_response *a,
                       struct tars_error *error)
{
    struct tars_reader r;
    struct tarsf_response_packet p;
    open_frame(&r, frame, arena);
    if (!tarsf_response_packet_read_fields(&r, &p)) {
        tars_reader_explain(&r, error);
        return tars_fail_prefix(error, "response packet");
    }
    *a = (struct rpc_response){.version = p.i_version,
                               .packet_type = p.c_packet_type,
                               .id = p.i_request_id,
                               .message_type = p.i_message_type,
                               .ret = p.i_ret,
                               .body = p.s_buffer,
                               .status = p.status,
                               .description = p.s_result_desc,
                               .context = p.context};
    return true;
}

/* A decimal status value; anything else counts as "unknown error". */
static int32_t result_code(struct tars_str text)
{
    char copy[16], *end;
    if (text.len == 0 || text.len >= sizeof copy)
        return -99;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    long code = strtol(copy, &end, 10);
    return *end || code < INT32_MIN || code > INT32_MAX ? -99 : (int32_t)code;
}

bool rpc_tup_response_read(struct tars_str frame, struct tars_arena *arena, struct rpc_response *a,
                           struct tars_error *error)
{
    struct rpc_request q;
    if (!rpc_request_read(frame, arena, &q, error))
        return false;
    const struct tars_str *code = tars_str_map_get(&q.status, RPC_STATUS_RESULT_CODE);
    const struct tars_str *text = tars_str_map_get(&q.status, RPC_STATUS_RESULT_DESC);
    *a = (struct rpc_response){
        .version = q.version,
        .packet_type = q.packet_type,
        .id = q.id,
        .message_type = q.message_type,
        .ret = code ? result_code(*code) : 0,
        .body = q.body,
        .status = q.status,
        .description = text ? *text : tars_str(NULL),
        .context = q.context,
    };
    return true;
}

/* ---- writing -----------------------------------------------------------------------------------
 */

static size_t frame_begin(struct tars_writer *w)
{
    size_t begin = w->len;
    tars_writer_append(w, "\0\0\0\0", RPC_FRAME_HEAD);
    return begin;
}

static void frame_end(struct tars_writer *w, size_t begin)
{
    uint32_t len = (uint32_t)(w->len - begin);
    uint8_t *at = w->at + begin;
    at[0] = (uint8_t)(len >> 24);
    at[1] = (uint8_t)(len >> 16);
    at[2] = (uint8_t)(len >> 8);
    at[3] = (uint8_t)len;
}

/* A request is written in two halves, because a client knows its id only when it is sent; this is
 * the order of fields of RequestPacket. */
void rpc_request_write_tail(struct tars_writer *w, const struct rpc_request *q)
{
    tars_write_str(w, 5, q->servant);
    tars_write_str(w, 6, q->function);
    tars_write_bytes(w, 7, q->body);
    tars_write_int32(w, 8, q->timeout_ms);
    tars_write_str_map(w, 9, &q->context);
    tars_write_str_map(w, 10, &q->status);
}

static size_t request_begin(struct tars_writer *w, const struct rpc_request *q)
{
    size_t begin = frame_begin(w);
    tars_write_int16(w, 1, q->version);
    tars_write_int8(w, 2, q->packet_type);
    tars_write_int32(w, 3, q->message_type);
    tars_write_int32(w, 4, q->id);
    return begin;
}

void rpc_request_write(struct tars_writer *w, const struct rpc_request *q)
{
    size_t begin = request_begin(w, q);
    rpc_request_write_tail(w, q);
    frame_end(w, begin);
}

void rpc_request_write_frame(struct tars_writer *w, const struct rpc_request *head,
                             struct tars_str tail)
{
    size_t begin = request_begin(w, head);
    tars_writer_append(w, tail.at, tail.len);
    frame_end(w, begin);
}

void rpc_response_write(struct tars_writer *w, const struct rpc_response *a)
{
    size_t begin = frame_begin(w);
    struct tarsf_response_packet p = {.i_version = a->version,
                                      .c_packet_type = a->packet_type,
                                      .i_request_id = a->id,
                                      .i_message_type = a->message_type,
                                      .i_ret = a->ret,
                                      .s_buffer = a->body,
                                      .status = a->status,
                                      .s_result_desc = a->description,
                                      .context = a->context};
    tarsf_response_packet_write_fields(w, &p);
    frame_end(w, begin);
}

/*
 * Tars protocol: some servers leave the result keys away, or send an empty body with an error, and
 * clients stumble over both. Ours always writes both keys; the body is the caller's matter.
 */
void rpc_tup_response_write(struct tars_writer *w, const struct rpc_response *a,
                            const struct rpc_request *names)
{
    char code[16];
    struct tars_str_pair pairs[TUP_STATUS_MAX];
    size_t n = a->status.len < TUP_STATUS_MAX - 2 ? a->status.len : TUP_STATUS_MAX - 2;
    if (n)
        memcpy(pairs, a->status.at, n * sizeof *pairs);
    int len = snprintf(code, sizeof code, "%d", (int)a->ret);
    pairs[n++] = (struct tars_str_pair){tars_str(RPC_STATUS_RESULT_CODE),
                                        tars_str_n(code, (size_t)len)};
    pairs[n++] = (struct tars_str_pair){tars_str(RPC_STATUS_RESULT_DESC), a->description};
    rpc_request_write(w, &(struct rpc_request){
                             .version = a->version,
                             .packet_type = a->packet_type,
                             .message_type = a->message_type,
                             .id = a->id,
                             .servant = names->servant,
                             .function = names->function,
                             .body = a->body,
                             .context = a->context,
                             .status = {n, pairs},
                         });
}
