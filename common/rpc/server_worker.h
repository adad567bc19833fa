/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker: a thread with its loop, its own sockets on every adapter's port, its connections and
 * everything they need. Workers share nothing on the path of a request.
 *
 * All functions here belong to the worker's thread unless they say otherwise.
 */
#ifndef RPC_SERVER_WORKER_H
#define RPC_SERVER_WORKER_H

#include <event2/event_struct.h>

#include "rpc/server.h"
#include "rpc/server_chunk.h"
#include "rpc/server_counters.h"
#include "rpc/server_mailbox.h"

struct tars_call;
struct tars_connection;

/* One adapter's socket in one worker. */
struct server_listener {
    struct server_worker *worker;
    struct server_adapter *adapter;
    int fd; /* -1: not open */
    struct event event;
    struct loop_timer pause; /* runs while the process is out of file descriptors */
};

struct server_worker {
    struct tars_server *server;
    unsigned index;
    struct loop *loop;
    struct server_listener *listeners; /* one per adapter, in their order */
    struct server_counters *counters;  /* one per adapter, in their order */
    struct server_mailbox *mailbox;    /* what other threads send here */

    struct tars_connection *connections; /* a list */
    size_t connection_count;
    struct tars_connection *serving; /* the one whose requests are being worked on; or NULL */
    struct tars_connection *dirty;   /* got answers from outside and must be flushed */

    struct server_chunk_pool chunks;
    struct server_chunk *chunk; /* what is read into */
    bool is_running;
    bool draining;             /* connections finish as soon as they have nothing to do */
    size_t output_bytes;       /* unsent, in all connections */
    struct tars_writer out;    /* answers to the requests that arrived together */
    struct tars_writer body;   /* of the answer being encoded */
    struct tars_call *calls;   /* spare ones … */
    unsigned spare_calls;      /* … and their number */
    size_t parked_bytes;       /* decoded parameters of the calls answered later */
    struct tars_call *parked;  /* a list of those answered later */
    int64_t now_us;            /* the clock when the current call began */
    int64_t now_ms;            /* the clock when the current event began */
    int64_t tick;              /* clock_tick() when now_us was last read after a raw answer */
    struct loop_timer janitor; /* see server_janitor.c */
    unsigned rounds;           /* of the janitor */
    _Atomic int64_t beat_ms;   /* when the loop last turned */
    _Atomic int64_t memory;    /* bytes in buffers, as the janitor last saw it */
};

/* Made and freed on the main thread. */
struct server_worker *server_worker_new(struct tars_server *server, unsigned index);
void server_worker_free(struct server_worker *worker);

/* Main thread: hands over a bound socket of the adapter before the worker starts. */
void server_worker_give_socket(struct server_worker *worker, const struct server_adapter *adapter,
                               int fd);
bool server_worker_start(struct server_worker *worker, struct tars_error *error) TARS_MUSTCHECK;
/* The rest is for the main thread too. No more connections; those with nothing to do finish. */
void server_worker_drain(struct server_worker *worker);
/* True once nothing runs, waits or is unsent any more; gives up on requests cut in half. */
bool server_worker_is_quiet(struct server_worker *worker);
/* Tells the callers of all parked calls that their time is up. */
void server_worker_expire(struct server_worker *worker);
/* True once the last peer has closed its end. */
bool server_worker_is_empty(struct server_worker *worker);
/* Closes what is left and ends the thread. */
void server_worker_stop(struct server_worker *worker);

static inline struct server_counters *server_worker_counters(struct server_worker *worker,
                                                             const struct server_adapter *adapter)
{
    return &worker->counters[adapter->index];
}

/* Bytes that wait in this worker's buffers; its share of the server's limit. */
size_t server_worker_memory(const struct server_worker *worker);
size_t server_worker_memory_limit(const struct server_worker *worker);

/* The janitor's round: see server_janitor.c. */
void server_janitor_start(struct server_worker *worker);

/* A datagram or connection waits on the listener's socket; see server_listener.c. */
void server_listener_open(struct server_listener *listener);
/* Takes what is still in the system's queue, then no more; a datagram socket stays open for the
 * answers that come later. */
void server_listener_drain(struct server_listener *listener);
void server_listener_close(struct server_listener *listener);

#endif
