/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules that route by group: which address belongs to which group, which groups stand in for
 * each other and which form a station. Built once, then only read, from any thread.
 */
#ifndef TARSREGISTRY_GROUPS_H
#define TARSREGISTRY_GROUPS_H

#include <tars/types.h>

enum { GROUP_NONE = -1 };

/* Addresses are exact ones or "a.b.c.*". */
struct group_rule {
    struct tars_str name;
    int32_t id;
    bool deny_decides; /* ip_order "allow_denny": the deny list is looked at last and wins */
    struct tars_str_list allow, deny;
};

struct group_priority {
    struct tars_str station; /* may be empty */
    int32_t order;
    struct tars_int32_list groups;
};

struct groups;

/* Copies everything. Rules with a higher id win for the same address; priorities are tried by
 * ascending order. */
struct groups *groups_new(const struct group_rule *rules, size_t rule_count,
                          const struct group_priority *priorities, size_t priority_count);
void groups_free(struct groups *groups);

/*
 * The group of an address: an exact rule, else "a.b.c.*" when it is a dotted quad (a host name or
 * IPv6 address never matches a wildcard). GROUP_NONE when there is none.
 */
int32_t groups_of_address(const struct groups *groups, struct tars_str address);
int32_t groups_by_name(const struct groups *groups, struct tars_str name);

/* The ids of all rules, ascending, each once. */
struct tars_int32_list groups_ids(const struct groups *groups);

size_t groups_priority_count(const struct groups *groups);
const struct group_priority *groups_priority_at(const struct groups *groups, size_t i);
bool group_priority_has(const struct group_priority *priority, int32_t group);
/* The index of the first priority with this station; -1 when it is unknown. */
int groups_station(const struct groups *groups, struct tars_str station);

#endif
