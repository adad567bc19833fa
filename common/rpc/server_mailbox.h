/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How other threads hand a worker what it shall send: answers that come later and pushes. The
 * mailbox outlives its worker, because an answer may come after the server has stopped; then the
 * mail is dropped.
 */
#ifndef RPC_SERVER_MAILBOX_H
#define RPC_SERVER_MAILBOX_H

#include "loop/loop.h"

struct server_worker;

/* Lies inside what is sent. */
struct server_mail {
    struct server_mail *next;
    void (*deliver)(struct server_worker *worker, struct server_mail *mail); /* worker's thread */
    void (*drop)(struct server_mail *mail); /* the worker is gone; any thread */
};

struct server_mailbox;

struct server_mailbox *server_mailbox_new(struct server_worker *worker, struct loop *loop);
/* References: the worker's and one for everybody who may still send. */
void server_mailbox_hold(struct server_mailbox *box);
void server_mailbox_release(struct server_mailbox *box);

/* Any thread. A burst of mail wakes the worker once. */
void server_mailbox_send(struct server_mailbox *box, struct server_mail *mail);
/* Mail that was not delivered yet. Any thread. */
size_t server_mailbox_waiting(struct server_mailbox *box);
/* From now on mail is dropped, also what has not been delivered. Before the worker is freed. */
void server_mailbox_close(struct server_mailbox *box);

#endif
