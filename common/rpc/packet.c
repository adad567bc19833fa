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

/*
 * The head of a request, read at a glance. Nearly every request comes in the same shape: fields 1
 * to 8 in order with nothing unknown between them and short strings. What has that shape is read
 * in one pass; for anything else, damage included, the glance says no and the generated reader
 * decides.
 */

struct glance {
    const uint8_t *at, *end;
};

static inline bool glance_has(const struct glance *g, size_t bytes)
{
    return (size_t)(g->end - g->at) >= bytes;
}

/* An integer of at most `size` bytes under a tag below 15. */
static inline bool glance_int(struct glance *g, uint8_t tag, unsigned size, int32_t *v)
{
    if (!glance_has(g, 5) || g->at[0] >> 4 != tag)
        return false;
    const uint8_t *b = g->at + 1;
    switch (g->at[0] & 15) {
    case TARS_WIRE_ZERO:
        *v = 0;
        g->at += 1;
        return true;
    case TARS_WIRE_INT1:
        *v = (int8_t)b[0]; /* NOLINT(bugprone-signed-char-misuse,cert-str34-c): it is signed */
        g->at += 2;
        return true;
    case TARS_WIRE_INT2:
        *v = (int16_t)(b[0] << 8 | b[1]);
        g->at += 3;
        return size >= 2;
    case TARS_WIRE_INT4:
        *v = (int32_t)((uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]);
        g->at += 5;
        return size >= 4;
    default:
        return false;
    }
}

static inline bool glance_slice(struct glance *g, size_t len, struct tars_str *v)
{
    if (!glance_has(g, len))
        return false;
    *v = tars_str_n(g->at, len);
    g->at += len;
    return true;
}

static inline bool glance_str(struct glance *g, uint8_t tag, struct tars_str *v)
{
    if (!glance_has(g, 2) || g->at[0] != (tag << 4 | TARS_WIRE_STRING1))
        return false;
    size_t len = g->at[1];
    g->at += 2;
    return glance_slice(g, len, v);
}

static inline bool glance_bytes(struct glance *g, uint8_t tag, struct tars_str *v)
{
    int32_t len;
    if (!glance_has(g, 2) || g->at[0] != (tag << 4 | TARS_WIRE_SIMPLE_LIST) || g->at[1] != 0)
        return false;
    g->at += 2;
    return glance_int(g, 0, 4, &len) && len >= 0 && glance_slice(g, (size_t)len, v);
}

static bool glance_maps(struct glance *g, struct tars_arena *arena, struct rpc_request *q)
{
    static const uint8_t empty[] = {0x98, 0x0c, 0xa8, 0x0c};
    struct tars_reader r;
    q->context = q->status = (struct tars_str_map){0, NULL};
    if (glance_has(g, sizeof empty) && memcmp(g->at, empty, sizeof empty) == 0)
        return true;
    tars_reader_init(&r, g->at, (size_t)(g->end - g->at), arena);
    return tars_read_str_map(&r, 9, TARS_REQUIRE, &q->context) &&
           tars_read_str_map(&r, 10, TARS_REQUIRE, &q->status);
}

static bool read_at_a_glance(struct tars_str frame, struct tars_arena *arena, struct rpc_request *q)
{
    const uint8_t *bytes = (const uint8_t *)frame.at;
    struct glance g = {bytes + RPC_FRAME_HEAD, bytes + frame.len};
    int32_t version, type;
    if (!glance_int(&g, 1, 2, &version) || !glance_int(&g, 2, 1, &type) ||
        !glance_int(&g, 3, 4, &q->message_type) || !glance_int(&g, 4, 4, &q->id) ||
        !glance_str(&g, 5, &q->servant) || !glance_str(&g, 6, &q->function) ||
        !glance_bytes(&g, 7, &q->body) || !glance_int(&g, 8, 4, &q->timeout_ms))
        return false;
    q->version = (int16_t)version;
    q->packet_type = (int8_t)type;
    return glance_maps(&g, arena, q);
}

bool rpc_request_read(struct tars_str frame, struct tars_arena *arena, struct rpc_request *q,
                      struct tars_error *error)
{
    struct tars_reader r;
    struct tarsf_request_packet p;
    if (read_at_a_glance(frame, arena, q))
        return true;
    open_frame(&r, frame, arena);
    if (!tarsf_request_packet_read_fields(&r, &p)) {
        tars_reader_explain(&r, error);
        return tars_fail_prefix(error, "request packet: ");
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

/*
 * Tars protocol: body and status are required in an answer, and every server but one sends them.
 * TarsJava leaves out what it has not set, the status of a ping for example: what is missing is
 * empty.
 */
static bool read_response_fields(struct tars_reader *r, struct tarsf_response_packet *p)
{
    tarsf_response_packet_init(p);
    return tars_read_int16(r, 1, TARS_REQUIRE, &p->i_version) &&
           tars_read_int8(r, 2, TARS_REQUIRE, &p->c_packet_type) &&
           tars_read_int32(r, 3, TARS_REQUIRE, &p->i_request_id) &&
           tars_read_int32(r, 4, TARS_REQUIRE, &p->i_message_type) &&
           tars_read_int32(r, 5, TARS_REQUIRE, &p->i_ret) &&
           tars_read_bytes(r, 6, TARS_OPTIONAL, &p->s_buffer) &&
           tars_read_str_map(r, 7, TARS_OPTIONAL, &p->status) &&
           tars_read_str(r, 8, TARS_OPTIONAL, &p->s_result_desc) &&
           tars_read_str_map(r, 9, TARS_OPTIONAL, &p->context);
}

bool rpc_response_read(struct tars_str frame, struct tars_arena *arena, struct rpc_response *a,
                       struct tars_error *error)
{
    struct tars_reader r;
    struct tarsf_response_packet p;
    open_frame(&r, frame, arena);
    if (!read_response_fields(&r, &p)) {
        tars_reader_explain(&r, error);
        return tars_fail_prefix(error, "response packet: ");
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

static bool is_result_key(struct tars_str key)
{
    return tars_str_is(key, RPC_STATUS_RESULT_CODE) || tars_str_is(key, RPC_STATUS_RESULT_DESC);
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
    size_t n = 0;
    for (size_t i = 0; i < a->status.len && n < TUP_STATUS_MAX - 2; i++)
        if (!is_result_key(a->status.at[i].key))
            pairs[n++] = a->status.at[i];
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
