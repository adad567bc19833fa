/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/sender.h"

#include <time.h>

void report_sender_init(struct report_sender *sender, int32_t timeout_ms)
{
    pthread_condattr_t attributes;

    sender->options = (struct tars_call_options){.timeout_ms = timeout_ms, .one_way = true};
    sender->under_way = 0;
    pthread_mutex_init(&sender->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&sender->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

void report_sender_destroy(struct report_sender *sender)
{
    pthread_cond_destroy(&sender->changed);
    pthread_mutex_destroy(&sender->lock);
}

void *report_sender_begin(struct report_sender *sender)
{
    pthread_mutex_lock(&sender->lock);
    sender->under_way++;
    pthread_mutex_unlock(&sender->lock);
    return sender;
}

void report_sender_done(void *user, const struct tars_result *result)
{
    struct report_sender *sender = user;

    (void)result; /* a report that could not leave is lost, as the protocol has it */
    pthread_mutex_lock(&sender->lock);
    sender->under_way--;
    pthread_cond_broadcast(&sender->changed);
    pthread_mutex_unlock(&sender->lock);
}

size_t report_sender_under_way(struct report_sender *sender)
{
    pthread_mutex_lock(&sender->lock);
    size_t under_way = sender->under_way;
    pthread_mutex_unlock(&sender->lock);
    return under_way;
}

bool report_sender_wait(struct report_sender *sender, int wait_ms)
{
    struct timespec until;
    int waited = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&sender->lock);
    while (sender->under_way > 0 && waited == 0)
        waited = pthread_cond_timedwait(&sender->changed, &sender->lock, &until);
    bool all_left = sender->under_way == 0;
    pthread_mutex_unlock(&sender->lock);
    return all_left;
}
