/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Call statistics: counts and times of one report interval, one series per caller, callee,
 * function, addresses and return code. The table is split in shards with a lock each, so that
 * workers count without waiting for each other.
 */
#ifndef REPORT_STAT_H
#define REPORT_STAT_H

#include <tars/types.h>

#include "StatF.h"

struct report_stat;

/* Names a series; slices are copied, cut to what the protocol's own clients send. */
struct report_stat_key {
    struct tars_str master, slave, function;
    struct tars_str master_ip, slave_ip;
    struct tars_str set[3]; /* the callee's set: name, area, group */
    int32_t slave_port;
    int32_t ret;
};

enum report_outcome { REPORT_SUCCEEDED, REPORT_TIMED_OUT, REPORT_FAILED };

/* Names on the wire come from strangers: beyond `max_series` all further ones of an interval are
 * counted under the function name "overflow". */
struct report_stat *report_stat_new(size_t shards, size_t max_series);
void report_stat_free(struct report_stat *stat);

/* Counts a call; any thread, `shard` modulo their number. Times matter for successful calls. */
void report_stat_add(struct report_stat *stat, unsigned shard, const struct report_stat_key *key,
                     enum report_outcome outcome, int32_t elapsed_ms);

/*
 * Takes what was counted since the last time and hands it to `send` in messages whose encoded form
 * has at most `max_bytes` (a single series may be larger). Nothing counted: no message. The message
 * is valid during `send`.
 */
void report_stat_flush(
    struct report_stat *stat, size_t max_bytes,
    void (*send)(void *user, const struct tarsf_stat_mic_msg_head_stat_mic_msg_body_map *msg),
    void *user);

/* Calls that were counted under "overflow", ever. */
uint64_t report_stat_overflowed(const struct report_stat *stat);

#endif
