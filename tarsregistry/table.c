/* SPDX-License-Identifier: BSD-3-Clause */
#include "table.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/xmalloc.h"

/* What shares a node or a servant. */
struct members {
    struct tars_str name;
    struct instance **at;
    size_t len, cap;
    bool dirty;
    struct expiries expiries; /* of a servant */
};

struct table {
    struct map *instances; /* id -> struct instance */
    struct map *nodes;     /* node_name -> struct members */
    struct map *servants;  /* servant -> struct members */
    struct map *texts;     /* interned */
    struct members **dirty;
    size_t dirty_len, dirty_cap;
};

static void instance_free(void *instance)
{
    struct instance *i = instance;
    free(i->record);
    free(i->id);
    free(i);
}

static void members_free(void *members)
{
    struct members *m = members;
    free((char *)(uintptr_t)m->name.at);
    free(m->at);
    free(m);
}

struct table *table_new(void)
{
    struct table *t = xcalloc(1, sizeof *t);
    t->instances = map_new(instance_free);
    t->nodes = map_new(members_free);
    t->servants = map_new(members_free);
    t->texts = map_new(free);
    return t;
}

void table_free(struct table *t)
{
    if (!t)
        return;
    map_free(t->instances);
    map_free(t->nodes);
    map_free(t->servants);
    map_free(t->texts);
    free(t->dirty);
    free(t);
}

struct tars_str table_intern(struct table *t, struct tars_str text)
{
    char *kept = map_get(t->texts, text);
    if (!kept) {
        kept = xstrndup(text.at ? text.at : "", text.len);
        map_put(t->texts, text, kept);
    }
    return tars_str_n(kept, text.len);
}

/* ---- instances
 * ------------------------------------------------------------------------------------ */

struct instance *table_find(const struct table *t, struct tars_str id)
{
    return map_get(t->instances, id);
}

struct instance *table_add(struct table *t, struct tars_str id, enum instance_kind kind)
{
    struct instance *i = table_find(t, id);
    if (i)
        return i;
    i = xcalloc(1, sizeof *i);
    i->id = xstrndup(id.at, id.len);
    i->kind = kind;
    map_put(t->instances, id, i);
    return i;
}

void table_reserve(struct table *t, size_t count)
{
    map_reserve(t->instances, count);
    map_reserve(t->nodes, count);
}

void table_remove(struct table *t, struct instance *i)
{
    table_set_record(t, i, NULL);
    map_remove(t->instances, tars_str(i->id));
}

size_t table_len(const struct table *t)
{
    return map_len(t->instances);
}

bool table_next(const struct table *t, size_t *at, struct instance **instance)
{
    struct tars_str key;
    void *value;
    if (!map_next(t->instances, at, &key, &value))
        return false;
    *instance = value;
    return true;
}

/* ---- members
 * -------------------------------------------------------------------------------------- */

static struct members *members_of(struct map *map, struct tars_str name)
{
    struct members *m = map_get(map, name);
    if (m)
        return m;
    m = xcalloc(1, sizeof *m);
    m->name = tars_str_n(xstrndup(name.at, name.len), name.len);
    map_put(map, name, m);
    return m;
}

static void members_add(struct members *m, struct instance *i)
{
    for (size_t k = 0; k < m->len; k++)
        if (m->at[k] == i)
            return;
    if (m->len == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 2;
        m->at = xrealloc(m->at, m->cap * sizeof *m->at);
    }
    m->at[m->len++] = i;
}

static void members_remove(struct members *m, const struct instance *i)
{
    for (size_t k = 0; k < m->len; k++) {
        if (m->at[k] != i)
            continue;
        m->at[k] = m->at[--m->len];
        return;
    }
}

static void mark(struct table *t, struct members *servant)
{
    if (servant->dirty)
        return;
    if (t->dirty_len == t->dirty_cap) {
        t->dirty_cap = t->dirty_cap ? t->dirty_cap * 2 : 16;
        t->dirty = xrealloc(t->dirty, t->dirty_cap * sizeof(struct members *));
    }
    servant->dirty = true;
    t->dirty[t->dirty_len++] = servant;
}

struct instance_list table_of_node(const struct table *t, struct tars_str node)
{
    const struct members *m = map_get(t->nodes, node);
    return m ? (struct instance_list){m->len, m->at} : (struct instance_list){0, NULL};
}

struct expiries *table_expiries(const struct table *t, struct tars_str servant)
{
    struct members *m = map_get(t->servants, servant);
    return m && m->len ? &m->expiries : NULL;
}

size_t table_active(const struct table *t, struct tars_str servant)
{
    const struct members *m = map_get(t->servants, servant);
    size_t count = 0;
    for (size_t i = 0; m && i < m->len; i++)
        count += m->at[i]->present == STATE_ACTIVE;
    return count;
}

/* ---- changes
 * -------------------------------------------------------------------------------------- */

static void leave(struct table *t, struct instance *i)
{
    if (i->kind == INSTANCE_SERVER) {
        struct members *node = members_of(t->nodes, i->record->node_name);
        members_remove(node, i);
        if (!node->len)
            map_remove(t->nodes, i->record->node_name);
    }
    for (size_t k = 0; k < i->record->adapter_count; k++) {
        struct members *servant = members_of(t->servants, i->record->adapters[k].servant);
        members_remove(servant, i);
        mark(t, servant);
    }
}

static void join(struct table *t, struct instance *i)
{
    if (i->kind == INSTANCE_SERVER)
        members_add(members_of(t->nodes, i->record->node_name), i);
    for (size_t k = 0; k < i->record->adapter_count; k++) {
        struct members *servant = members_of(t->servants, i->record->adapters[k].servant);
        members_add(servant, i);
        mark(t, servant);
    }
}

/* Another endpoint is asked no sooner than the one before would have been. */
static void forget_probed(struct probed *probed)
{
    int64_t next = probed->next == INT64_MAX ? 0 : probed->next;
    *probed = (struct probed){.next = next, .waiting = probed->waiting};
}

void table_set_record(struct table *t, struct instance *i, struct record *record)
{
    if (i->record && record && record_equal(i->record, record)) {
        free(record);
        return;
    }
    struct record *old = i->record;
    if (old)
        leave(t, i);
    i->record = record;
    forget_probed(&i->probed);
    if (record)
        join(t, i);
    free(old);
}

void table_set_present(struct table *t, struct instance *i, enum present_state present,
                       int64_t since)
{
    i->present_since = since;
    if (i->present == present)
        return;
    i->present = present;
    for (size_t k = 0; i->record && k < i->record->adapter_count; k++)
        mark(t, members_of(t->servants, i->record->adapters[k].servant));
}

/* ---- publishing
 * ----------------------------------------------------------------------------------- */

void table_set_groups(struct table *t, struct snapshots *snapshots, struct groups *groups)
{
    size_t at = 0;
    struct tars_str name;
    void *servant;
    while (map_next(t->servants, &at, &name, &servant))
        mark(t, servant);
    snapshots_set_groups(snapshots, groups);
}

static size_t collect(const struct members *servant, const struct groups *groups,
                      struct tars_arena *arena, struct row *rows)
{
    size_t count = 0;
    for (size_t i = 0; i < servant->len; i++) {
        const struct instance *instance = servant->at[i];
        const struct record *record = instance->record;
        for (size_t k = 0; k < record->adapter_count; k++)
            if (tars_str_equal(record->adapters[k].servant, servant->name))
                count += row_make(record, &record->adapters[k], instance->present, groups, arena,
                                  &rows[count]);
    }
    return rows_settle(rows, count);
}

static size_t adapters_of(const struct members *servant)
{
    size_t count = 0;
    for (size_t i = 0; i < servant->len; i++)
        count += servant->at[i]->record->adapter_count;
    return count;
}

static void build(const struct members *servant, struct snapshots *snapshots)
{
    struct tars_arena *arena = tars_arena_new(0);
    const struct groups *groups = snapshots_groups(snapshots);
    struct row *rows = xmalloc((adapters_of(servant) + 1) * sizeof *rows);
    size_t count = collect(servant, groups, arena, rows);
    snapshots_put(snapshots, object_new(servant->name, rows, count, groups));
    free(rows);
    tars_arena_free(arena);
}

bool table_publish(struct table *t, struct snapshots *snapshots)
{
    for (size_t i = 0; i < t->dirty_len; i++) {
        struct members *servant = t->dirty[i];
        servant->dirty = false;
        if (servant->len) {
            build(servant, snapshots);
        } else {
            snapshots_drop(snapshots, servant->name);
            map_remove(t->servants, servant->name);
        }
    }
    bool changed = t->dirty_len > 0;
    t->dirty_len = 0;
    snapshots_publish(snapshots);
    return changed;
}
