/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/server_mailbox.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/xmalloc.h"
#include "rpc/server_connection.h"

struct server_mailbox {
    struct loop_job job; /* posted whenever the first mail comes in */
    _Atomic unsigned refs;
    struct server_worker *worker;
    struct loop *loop;
    pthread_mutex_t lock; /* over what follows */
    struct server_mail *first, **last;
    size_t waiting;
    bool closed;
};

static struct server_mail *take_all(struct server_mailbox *box)
{
    struct server_mail *first = box->first;
    box->first = NULL;
    box->waiting = 0;
    box->last = &box->first;
    return first;
}

static void deliver_all(struct loop_job *job)
{
    struct server_mailbox *box = loop_container(job, struct server_mailbox, job);
    pthread_mutex_lock(&box->lock);
    struct server_mail *mail = take_all(box);
    pthread_mutex_unlock(&box->lock);
    while (mail) {
        struct server_mail *next = mail->next;
        mail->deliver(box->worker, mail);
        mail = next;
    }
    server_connections_flush(box->worker);
}

struct server_mailbox *server_mailbox_new(struct server_worker *worker, struct loop *loop)
{
    struct server_mailbox *box = xcalloc(1, sizeof *box);
    box->job.run = deliver_all;
    atomic_init(&box->refs, 1);
    box->worker = worker;
    box->loop = loop;
    box->last = &box->first;
    pthread_mutex_init(&box->lock, NULL);
    return box;
}

void server_mailbox_hold(struct server_mailbox *box)
{
    atomic_fetch_add_explicit(&box->refs, 1, memory_order_relaxed);
}

void server_mailbox_release(struct server_mailbox *box)
{
    if (atomic_fetch_sub_explicit(&box->refs, 1, memory_order_acq_rel) > 1)
        return;
    pthread_mutex_destroy(&box->lock);
    free(box);
}

/* Posting under the lock keeps the loop from being freed in between. */
void server_mailbox_send(struct server_mailbox *box, struct server_mail *mail)
{
    pthread_mutex_lock(&box->lock);
    bool closed = box->closed, first = !box->first;
    if (!closed) {
        mail->next = NULL;
        *box->last = mail;
        box->last = &mail->next;
        box->waiting++;
        if (first)
            loop_post(box->loop, &box->job);
    }
    pthread_mutex_unlock(&box->lock);
    if (closed)
        mail->drop(mail);
}

size_t server_mailbox_waiting(struct server_mailbox *box)
{
    pthread_mutex_lock(&box->lock);
    size_t waiting = box->waiting;
    pthread_mutex_unlock(&box->lock);
    return waiting;
}

void server_mailbox_close(struct server_mailbox *box)
{
    pthread_mutex_lock(&box->lock);
    box->closed = true;
    struct server_mail *mail = take_all(box);
    pthread_mutex_unlock(&box->lock);
    while (mail) {
        struct server_mail *next = mail->next;
        mail->drop(mail);
        mail = next;
    }
}
