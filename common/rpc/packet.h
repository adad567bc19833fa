/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames: a length of four bytes that counts itself, then the fields of a request or a response.
 * Reading never copies: texts and bodies are slices into the frame.
 */
#ifndef RPC_PACKET_H
#define RPC_PACKET_H

#include <tars/wire.h>

enum {
    RPC_FRAME_HEAD = 4,
    RPC_FRAME_MIN = 5,
    RPC_FRAME_LIMIT = 10 * 1024 * 1024,     /* default for requests */
    RPC_FRAME_LIMIT_MAX = 100 * 1024 * 1024 /* nothing in Tars is longer; limit for answers */
};

enum rpc_version { RPC_TARS = 1, RPC_TUP_COMPLEX = 2, RPC_TUP = 3, RPC_JSON = 5 };
enum rpc_packet_type { RPC_NORMAL = 0, RPC_ONE_WAY = 1 };
/* Bits of the message type. */
enum {
    RPC_MESSAGE_HASH = 0x01,
    RPC_MESSAGE_DYED = 0x04,
    RPC_MESSAGE_AUTH = 0x40,
    RPC_MESSAGE_SET = 0x80,
    RPC_MESSAGE_TRACE = 0x100
};

#define RPC_STATUS_RESULT_CODE "STATUS_RESULT_CODE"
#define RPC_STATUS_RESULT_DESC "STATUS_RESULT_DESC"
#define RPC_STATUS_DYED_KEY    "STATUS_DYED_KEY"
#define RPC_STATUS_SETNAME     "STATUS_SETNAME_VALUE"
#define RPC_STATUS_TRACE_KEY   "STATUS_TRACE_KEY"
#define RPC_STATUS_PUSH_FUNC   "TARS_FUNC"

struct rpc_request {
    int16_t version;
    int8_t packet_type;
    int32_t message_type;
    int32_t id;
    struct tars_str servant;
    struct tars_str function;
    struct tars_str body;
    int32_t timeout_ms; /* 0: the caller did not say */
    struct tars_str_map context;
    struct tars_str_map status;
};

struct rpc_response {
    int16_t version;
    int8_t packet_type;
    int32_t id;
    int32_t message_type;
    int32_t ret;
    struct tars_str body;
    struct tars_str_map status;
    struct tars_str description; /* of the result; empty when `ret` is 0 */
    struct tars_str_map context;
};

/* What the first bytes of a stream hold. */
enum rpc_frame {
    RPC_FRAME_BAD = -1,     /* a length outside RPC_FRAME_MIN..limit: close the connection */
    RPC_FRAME_PARTIAL = 0,  /* more bytes must come */
    RPC_FRAME_COMPLETE = 1, /* a whole frame of *len bytes, its length included */
};

/* *len is the frame's length as soon as four bytes are there, else 0. */
enum rpc_frame rpc_frame_find(const void *at, size_t have, size_t limit, size_t *len);

/* Both read a whole frame (with its length in front); maps live in the arena. */
bool rpc_request_read(struct tars_str frame, struct tars_arena *arena, struct rpc_request *request,
                      struct tars_error *error) TARS_MUSTCHECK;
bool rpc_response_read(struct tars_str frame, struct tars_arena *arena,
                       struct rpc_response *response, struct tars_error *error) TARS_MUSTCHECK;

/* Append a whole frame. */
void rpc_request_write(struct tars_writer *w, const struct rpc_request *request);
void rpc_response_write(struct tars_writer *w, const struct rpc_response *response);

/*
 * A request in two steps, for a sender that learns the id last: first what stands behind the id,
 * on any thread; then the frame made of the fields before it and that tail.
 */
void rpc_request_write_tail(struct tars_writer *tail, const struct rpc_request *request);
void rpc_request_write_frame(struct tars_writer *w, const struct rpc_request *head,
                             struct tars_str tail);

/*
 * The answer of the TUP versions: a request packet whose status carries result code and
 * description. `names` is the request that is answered; `response->status` and `->context` go
 * along.
 */
void rpc_tup_response_write(struct tars_writer *w, const struct rpc_response *response,
                            const struct rpc_request *names);
/* For TUP clients: the frame is a request packet; result code and description come from its
 * status. */
bool rpc_tup_response_read(struct tars_str frame, struct tars_arena *arena,
                           struct rpc_response *response, struct tars_error *error) TARS_MUSTCHECK;

static inline bool rpc_version_is_tup(int version)
{
    return version == RPC_TUP || version == RPC_TUP_COMPLEX;
}

#endif
