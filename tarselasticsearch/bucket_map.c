/* SPDX-License-Identifier: BSD-3-Clause */
#include "bucket_map.h"

uint64_t value_hash(const struct value *v)
{
    uint64_t h = 0xcbf29ce484222325U;
    const unsigned char *at = (const unsigned char *)(v->kind == VALUE_TEXT  ? v->s.at
                                                      : v->kind == VALUE_INT ? (const char *)&v->i
                                                                             : (const char *)&v->r);
    size_t len = v->kind == VALUE_TEXT ? v->s.len : 8;
    for (size_t i = 0; i < len; i++)
        h = (h ^ at[i]) * 0x100000001b3U;
    return h ^ (h >> 29);
}

int value_order(const struct value *a, const struct value *b)
{
    if (a->kind == VALUE_NONE || b->kind == VALUE_NONE)
        return (a->kind != VALUE_NONE) - (b->kind != VALUE_NONE);
    if (a->kind == VALUE_TEXT || b->kind == VALUE_TEXT)
        return a->kind == b->kind ? tars_str_compare(a->s, b->s)
                                  : (a->kind == VALUE_TEXT) - (b->kind == VALUE_TEXT);
    if (a->kind == VALUE_INT && b->kind == VALUE_INT)
        return (a->i > b->i) - (a->i < b->i);
    double x = agg_double(a), y = agg_double(b);
    return (x > y) - (x < y);
}

static bool map_grow(struct aggs *all, struct bucket_map *m)
{
    size_t size = m->size ? m->size * 2 : 8;
    struct bucket **slots = agg_alloc(all, size * sizeof *slots),
                  **list = slots ? agg_alloc(all, size / 2 * sizeof *list) : NULL;
    if (!list)
        return false;
    if (m->count)
        memcpy(list, m->list, m->count * sizeof *list);
    for (size_t i = 0; i < m->count; i++) {
        size_t at = value_hash(&list[i]->key) & (size - 1);
        while (slots[at])
            at = (at + 1) & (size - 1);
        slots[at] = list[i];
    }
    *m = (struct bucket_map){slots, list, size, m->count, size / 2};
    return true;
}

void bucket_map_clear(struct bucket_map *m)
{
    if (m->size)
        memset(m->slots, 0, m->size * sizeof *m->slots);
    m->count = 0;
}

void bucket_map_put(struct bucket_map *m, struct bucket *b)
{
    size_t at = value_hash(&b->key) & (m->size - 1);
    while (m->slots[at])
        at = (at + 1) & (m->size - 1);
    m->slots[at] = m->list[m->count++] = b;
}

struct bucket *bucket_map_get(struct aggs *all, const struct agg *a, struct bucket_map *m,
                              const struct value *key)
{
    size_t at = 0;
    if (m->count == m->room && !map_grow(all, m))
        return NULL;
    for (at = value_hash(key) & (m->size - 1); m->slots[at]; at = (at + 1) & (m->size - 1))
        if (m->slots[at]->key.kind == key->kind && value_order(&m->slots[at]->key, key) == 0)
            return m->slots[at];
    struct bucket *b = agg_bucket(all, a);
    if (!b)
        return NULL;
    b->key = *key;
    if (key->kind == VALUE_TEXT && !(b->key.s = tars_arena_copy(all->arena, key->s)).at) {
        agg_alloc(all, SIZE_MAX / 2);
        return NULL;
    }
    m->slots[at] = m->list[m->count++] = b;
    return b;
}
