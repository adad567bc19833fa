/* SPDX-License-Identifier: BSD-3-Clause */
#include "rules.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/xmalloc.h"

struct rule {
    enum document_kind kind;
    bool seen;
    char *id;
    cJSON *source;
};

struct rules {
    struct map *by_key; /* "0:id" -> struct rule */
};

static void rule_free(void *rule)
{
    struct rule *r = rule;
    cJSON_Delete(r->source);
    free(r->id);
    free(r);
}

struct rules *rules_new(void)
{
    struct rules *rules = xcalloc(1, sizeof *rules);
    rules->by_key = map_new(rule_free);
    return rules;
}

void rules_free(struct rules *rules)
{
    if (!rules)
        return;
    map_free(rules->by_key);
    free(rules);
}

bool rules_put(struct rules *rules, enum document_kind kind, const char *id, const cJSON *source)
{
    char *key = xasprintf("%d:%s", (int)kind, id);
    struct rule *old = map_get(rules->by_key, tars_str(key));
    bool changed;
    if (document_deleted(source)) {
        changed = map_remove(rules->by_key, tars_str(key));
    } else if (old && cJSON_Compare(old->source, source, true)) {
        old->seen = true;
        changed = false;
    } else {
        struct rule *rule = xcalloc(1, sizeof *rule);
        *rule = (struct rule){kind, true, xstrdup(id), cJSON_Duplicate(source, true)};
        map_put(rules->by_key, tars_str(key), rule);
        changed = true;
    }
    free(key);
    return changed;
}

static struct rule *next(const struct rules *rules, size_t *at, struct tars_str *key)
{
    void *rule = NULL;
    return map_next(rules->by_key, at, key, &rule) ? rule : NULL;
}

void rules_unsee(struct rules *rules)
{
    size_t at = 0;
    struct tars_str key;
    for (struct rule *rule; (rule = next(rules, &at, &key));)
        rule->seen = false;
}

bool rules_sweep(struct rules *rules)
{
    bool changed = false;
    size_t at = 0;
    struct tars_str key;
    for (struct rule *rule; (rule = next(rules, &at, &key));) {
        if (rule->seen)
            continue;
        map_remove(rules->by_key, key);
        changed = true;
        at = 0;
    }
    return changed;
}

struct groups *rules_groups(const struct rules *rules)
{
    struct tars_arena *arena = tars_arena_new(0);
    size_t max = map_len(rules->by_key) + 1, group_count = 0, priority_count = 0, at = 0;
    struct group_rule *group = tars_arena_alloc(arena, max * sizeof *group);
    struct group_priority *priority = tars_arena_alloc(arena, max * sizeof *priority);
    struct tars_str key;
    for (struct rule *rule; (rule = next(rules, &at, &key));) {
        if (rule->kind == DOCUMENT_GROUP)
            group_count += document_read_group(rule->source, arena, &group[group_count]);
        else
            priority_count += document_read_priority(rule->source, arena,
                                                     &priority[priority_count]);
    }
    struct groups *groups = groups_new(group, group_count, priority, priority_count);
    tars_arena_free(arena);
    return groups;
}

bool rules_next(const struct rules *rules, size_t *at, enum document_kind *kind,
                struct tars_str *id, const cJSON **source)
{
    struct tars_str key;
    const struct rule *rule = next(rules, at, &key);
    if (!rule)
        return false;
    *kind = rule->kind;
    *id = tars_str(rule->id);
    *source = rule->source;
    return true;
}
