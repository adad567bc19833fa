/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Properties: values that a program measures, computed per report interval by up to six policies.
 * A property is split in shards with a lock each, so that workers add values without waiting.
 */
#ifndef REPORT_PROPERTY_H
#define REPORT_PROPERTY_H

#include <tars/report.h>

#include "PropertyF.h"

struct report_properties;
struct report_property;

struct report_properties *report_properties_new(size_t shards, size_t max_names);
void report_properties_free(struct report_properties *set);

/*
 * Makes a property of these policies (or-ed enum tars_property_policy); `ranges` are the ascending
 * upper bounds of the distribution. A name that is there already stays as it is. NULL when there
 * are `max_names` already. What is returned lives as long as the set.
 */
struct report_property *report_property_create(struct report_properties *set, const char *name,
                                               unsigned policies, const int32_t *ranges,
                                               size_t count);
/* The property of that name, made with SUM, AVG, MAX, MIN and COUNT when it is not there. */
struct report_property *report_property_get(struct report_properties *set, const char *name);
/* Adds a value; any thread. `property` may be NULL: the value is counted as dropped. */
void report_property_add(struct report_properties *set, struct report_property *property,
                         unsigned shard, int64_t value);
uint64_t report_property_dropped(const struct report_properties *set);

/*
 * Takes the interval's values of every property and hands them to `send` in messages whose encoded
 * form has at most `max_bytes` (a single property may be larger). `head` gives all members but the
 * name. The message is valid during `send`.
 */
void report_properties_flush(
    struct report_properties *set, const struct tarsf_stat_prop_msg_head *head, size_t max_bytes,
    void (*send)(void *user, const struct tarsf_stat_prop_msg_head_stat_prop_msg_body_map *msg),
    void *user);

#endif
