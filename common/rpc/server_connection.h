/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stream connection of a worker. An idle one holds no buffers: bytes are read into the worker's
 * chunk and answers gathered in the worker's buffer; only what is left over (half a request, an
 * answer that the peer does not take) becomes the connection's own.
 */
#ifndef RPC_SERVER_CONNECTION_H
#define RPC_SERVER_CONNECTION_H

#include "rpc/server_socket.h"
#include "rpc/server_worker.h"

struct tars_connection {
    /* any thread */
    _Atomic unsigned refs; /* the worker's, one for each parked call and each public handle */
    _Atomic bool alive;
    _Atomic size_t backlog; /* unsent bytes, for those who push */
    struct server_mailbox *mailbox;
    struct server_adapter *adapter;
    size_t output_limit;
    char peer[SERVER_ADDRESS_TEXT];
    uint8_t peer_len;
    uint16_t peer_port;

    /* worker's thread */
    struct server_worker *worker;
    struct server_counters *counters;
    struct tars_connection *next, **at; /* in the worker's list */
    struct tars_connection *next_dirty;
    int fd; /* -1 when closed */
    struct rpc_tls *tls;
    struct event readable, writable;
    struct server_chunk *in; /* bytes that are no whole request yet; NULL: none */
    size_t in_len;
    int64_t received_us;    /* when the last bytes came */
    struct tars_writer out; /* answers that the peer has not taken yet … */
    size_t out_sent;        /* … and how many bytes at its front it has */
    unsigned parked;        /* calls that are answered later */
    bool is_dirty;
    bool is_writing;    /* `writable` is waited for */
    bool stalled;       /* too much unsent: nothing is read or served until it is taken */
    bool authenticated; /* or no authentication is wanted */
    bool had_request;
    bool lingering; /* our end is closed; what still comes is thrown away */

    /* the janitor's */
    int64_t opened_ms, active_ms;
    int64_t begun_ms; /* when the request that lies in `in` began to come */
    uint64_t taken;   /* bytes sent since its last look */
    size_t last_backlog;
    unsigned slow_rounds, growing_rounds;
};

/* A connection that was accepted; takes `fd`. */
void server_connection_open(struct server_listener *listener, int fd,
                            const union server_address *peer);
/* Ends it at once. The memory goes with the last reference. */
void server_connection_close(struct tars_connection *connection);
/* Closes our end once nothing runs and everything is sent, then waits for the peer's end, so that
 * the last answers arrive. */
void server_connection_finish(struct tars_connection *connection);
/* Reads and serves as if bytes had been announced; when the worker drains, a connection with
 * nothing left to do then finishes. */
void server_connection_look(struct tars_connection *connection);

void server_connection_hold(struct tars_connection *connection);
void server_connection_release(struct tars_connection *connection);

/* Where the connection's next answer is written; call …_written behind it. */
struct tars_writer *server_connection_output(struct tars_connection *connection);
void server_connection_written(struct tars_connection *connection);
/* Sends what came from outside the connection's own events. */
void server_connections_flush(struct server_worker *worker);
size_t server_connection_unsent(const struct tars_connection *connection);

#endif
