/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How other threads hand a worker what it shall send: answers that come later and pushes. The
 * mailbox outlives its worker, because an answer may come after the server has stopped; then the
 * mail is dropped.
 */
#ifndef RPC_SERVER_MAILBOX_H
#define RPC_SERVER_MAILBOX_H

#include "loop/loop.h"

struct rpc_worker;

/* Lies inside what is sent. */
struct rpc_mail {
    struct rpc_mail *next;
    void (*deliver)(struct rpc_worker *worker, struct rpc_mail *mail); /* worker's thread */
    void (*drop)(struct rpc_mail *mail); /* the worker is gone; any thread */
};

struct rpc_mailbox;

struct rpc_mailbox *rpc_mailbox_new(struct rpc_worker *worker, struct loop *loop);
/* References: the worker's and one for everybody who may still send. */
void rpc_mailbox_hold(struct rpc_mailbox *box);
void rpc_mailbox_release(struct rpc_mailbox *box);

/* Any thread. A burst of mail wakes the worker once. */
void rpc_mailbox_send(struct rpc_mailbox *box, struct rpc_mail *mail);
/* From now on mail is dropped, also what has not been delivered. Before the worker is freed. */
void rpc_mailbox_close(struct rpc_mailbox *box);

#endif
