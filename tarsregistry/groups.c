/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/xmalloc.h"

struct groups {
    struct tars_arena *arena;
    struct group_rule *rules; /* by id */
    size_t rule_count;
    struct map *by_address; /* allowed address or wildcard -> the rule that wins */
    struct tars_int32_list ids;
    struct group_priority *priorities; /* by order */
    size_t priority_count;
};

static void *keep(struct groups *g, const void *bytes, size_t len)
{
    if (!len)
        return NULL;
    void *copy = tars_arena_alloc(g->arena, len);
    return copy ? memcpy(copy, bytes, len) : NULL;
}

static struct tars_str_list keep_list(struct groups *g, struct tars_str_list list)
{
    list.at = keep(g, list.at, list.len * sizeof *list.at);
    for (size_t i = 0; i < list.len; i++)
        list.at[i] = tars_arena_copy(g->arena, list.at[i]);
    return list;
}

static int rule_order(const void *a, const void *b)
{
    const struct group_rule *x = a, *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return tars_str_compare(x->name, y->name);
}

static int priority_order(const void *a, const void *b)
{
    const struct group_priority *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return tars_str_compare(x->station, y->station);
}

static void add_rules(struct groups *g, const struct group_rule *rules, size_t count)
{
    g->rules = keep(g, rules, count * sizeof *rules);
    g->rule_count = count;
    g->ids.at = tars_arena_alloc(g->arena, (count + 1) * sizeof *g->ids.at);
    if (count)
        qsort(g->rules, count, sizeof *g->rules, rule_order);
    for (size_t i = 0; i < count; i++) {
        struct group_rule *rule = &g->rules[i];
        rule->name = tars_arena_copy(g->arena, rule->name);
        rule->allow = keep_list(g, rule->allow);
        rule->deny = keep_list(g, rule->deny);
        for (size_t k = 0; k < rule->allow.len; k++)
            if (rule->allow.at[k].len)
                map_put(g->by_address, rule->allow.at[k], rule);
        if (!g->ids.len || g->ids.at[g->ids.len - 1] != rule->id)
            g->ids.at[g->ids.len++] = rule->id;
    }
}

static void add_priorities(struct groups *g, const struct group_priority *priorities, size_t count)
{
    g->priorities = keep(g, priorities, count * sizeof *priorities);
    g->priority_count = count;
    if (count)
        qsort(g->priorities, count, sizeof *g->priorities, priority_order);
    for (size_t i = 0; i < count; i++) {
        struct group_priority *p = &g->priorities[i];
        p->station = tars_arena_copy(g->arena, p->station);
        p->groups.at = keep(g, p->groups.at, p->groups.len * sizeof *p->groups.at);
    }
}

struct groups *groups_new(const struct group_rule *rules, size_t rule_count,
                          const struct group_priority *priorities, size_t priority_count)
{
    struct groups *g = xcalloc(1, sizeof *g);
    g->arena = tars_arena_new(0);
    g->by_address = map_new(NULL);
    add_rules(g, rules, rule_count);
    add_priorities(g, priorities, priority_count);
    return g;
}

void groups_free(struct groups *g)
{
    if (!g)
        return;
    map_free(g->by_address);
    tars_arena_free(g->arena);
    free(g);
}

/* "1.2.3.4" -> "1.2.3.*" in `wildcard`; empty for everything else. */
static struct tars_str wildcard_of(struct tars_str address, char wildcard[16])
{
    int part = 0, digits = 0, value = 0;
    size_t prefix = 0;
    for (size_t i = 0; i < address.len; i++) {
        char c = address.at[i];
        if (c >= '0' && c <= '9' && digits < 3) {
            value = value * 10 + (c - '0');
            digits++;
        } else if (c == '.' && digits && value <= 255 && part < 3) {
            part++;
            digits = value = 0;
            prefix = i + 1;
        } else {
            return tars_str(NULL);
        }
    }
    if (part != 3 || !digits || value > 255)
        return tars_str(NULL);
    memcpy(wildcard, address.at, prefix);
    wildcard[prefix] = '*';
    return tars_str_n(wildcard, prefix + 1);
}

static bool list_has(struct tars_str_list list, struct tars_str address)
{
    for (size_t i = 0; address.len && i < list.len; i++)
        if (tars_str_equal(list.at[i], address))
            return true;
    return false;
}

int32_t groups_of_address(const struct groups *g, struct tars_str address)
{
    char buffer[16];
    struct tars_str wildcard = wildcard_of(address, buffer);
    const struct tars_str keys[] = {address, wildcard};
    for (size_t i = 0; i < 2; i++) {
        const struct group_rule *rule = keys[i].len ? map_get(g->by_address, keys[i]) : NULL;
        if (!rule)
            continue;
        bool denied = list_has(rule->deny, address) || list_has(rule->deny, wildcard);
        if (!denied || !rule->deny_decides)
            return rule->id;
    }
    return GROUP_NONE;
}

int32_t groups_by_name(const struct groups *g, struct tars_str name)
{
    for (size_t i = 0; i < g->rule_count; i++)
        if (tars_str_equal(g->rules[i].name, name))
            return g->rules[i].id;
    return GROUP_NONE;
}

struct tars_int32_list groups_ids(const struct groups *g)
{
    return g->ids;
}

size_t groups_priority_count(const struct groups *g)
{
    return g->priority_count;
}

const struct group_priority *groups_priority_at(const struct groups *g, size_t i)
{
    return &g->priorities[i];
}

bool group_priority_has(const struct group_priority *priority, int32_t group)
{
    for (size_t i = 0; i < priority->groups.len; i++)
        if (priority->groups.at[i] == group)
            return true;
    return false;
}

int groups_station(const struct groups *g, struct tars_str station)
{
    for (size_t i = 0; station.len && i < g->priority_count; i++)
        if (tars_str_equal(g->priorities[i].station, station))
            return (int)i;
    return -1;
}
