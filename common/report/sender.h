/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One-way reports and whether they have left: each is sent with `options` and ends in
 * report_sender_done, so that the end of a program can wait for those under way.
 */
#ifndef REPORT_SENDER_H
#define REPORT_SENDER_H

#include <tars/client.h>

#include <pthread.h>

struct report_sender {
    struct tars_call_options options;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t under_way;
};

void report_sender_init(struct report_sender *sender, int32_t timeout_ms);
void report_sender_destroy(struct report_sender *sender);

/* Before a call: counts it and returns what is to be its `user`. */
void *report_sender_begin(struct report_sender *sender);
/* The callback of the call. */
void report_sender_done(void *user, const struct tars_result *result);
size_t report_sender_under_way(struct report_sender *sender);
/* Waits until nothing is under way, at most `wait_ms`; not on the loop's thread. */
bool report_sender_wait(struct report_sender *sender, int wait_ms);

#endif
