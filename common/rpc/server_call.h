/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A call: from a whole request to its answer. Calls of a worker are recycled with their arena and
 * buffers, so that a call which is answered at once allocates nothing.
 */
#ifndef RPC_SERVER_CALL_H
#define RPC_SERVER_CALL_H

#include "rpc/packet.h"
#include "rpc/server_socket.h"
#include "rpc/server_worker.h"

enum server_call_state { SERVER_CALL_RUNNING, SERVER_CALL_ANSWERED, SERVER_CALL_PARKED };

/* The part of a call that the handler's side uses from any thread. */
struct tars_later {
    struct server_mail mail;
    struct loop_timer deadline; /* worker's thread */
    _Atomic bool expired;       /* the caller has been told that time is up */
    _Atomic bool ended;         /* the handler has answered: a second answer is ignored */
    int32_t code;               /* 0: `body` answers, else an error with `text` */
    struct tars_writer body;
    char text[256];
};

struct tars_call {
    struct server_worker *worker;
    struct server_mailbox *mailbox; /* held while parked */
    struct server_adapter *adapter;
    struct tars_connection *connection; /* NULL: came as a datagram … */
    struct server_listener *listener;   /* … through this socket … */
    union server_address datagram_peer; /* … from here */
    char datagram_peer_text[SERVER_ADDRESS_TEXT];
    struct server_chunk *chunk; /* that the request lies in; held while parked */

    struct rpc_request request;
    struct tars_arena *arena;
    enum server_call_state state;
    int64_t arrived_us, begun_us;
    const struct tars_function *function; /* NULL: none was found, or a raw servant answered */
    struct tars_str answer;               /* the body that was sent, for reports */
    int32_t fail_code;                    /* tars_call_fail */
    struct tars_str fail_text;
    struct tars_str_map reply_context, reply_status;

    struct tars_later later;
    size_t parked_bytes;          /* counted in the worker's */
    struct tars_call *next, **at; /* among the worker's parked or spare calls */
};

/* Serves one whole frame of a connection. False: the connection must be closed. */
bool server_call_serve(struct tars_connection *connection, struct server_chunk *chunk,
                       struct tars_str frame) TARS_MUSTCHECK;
/* The call whose handler runs on this thread; NULL: none. */
const struct tars_call *server_call_current(void);

/* Serves one datagram; what is no request is dropped. */
void server_call_serve_datagram(struct server_listener *listener, struct server_chunk *chunk,
                                struct tars_str frame, const union server_address *peer);

/* Ends every parked call as if its time were up. */
void server_calls_expire(struct server_worker *worker, const char *why);
/* Gives the spare calls back. */
void server_calls_clear(struct server_worker *worker);

/* ---- for server_later.c --------------------------------------------------------------------- */

/* Writes the answer; `ret` not 0: an error with `text` in place of `body`. */
void server_call_answer(struct tars_call *call, int32_t ret, struct tars_str body,
                        struct tars_str text);
/* Tells the caller of a parked call that time is up, without touching what its handler may be
 * working on in another thread. */
void server_call_answer_timeout(struct tars_call *call, const char *why);
/* Forgets the call: gives back what it holds and keeps the rest for the next one. */
void server_call_recycle(struct tars_call *call);
/* The same when the worker is gone; any thread. */
void server_call_free(struct tars_call *call);
/* After the answer: counts and reports it. */
void server_call_finished(struct tars_call *call, int32_t ret);

#endif
