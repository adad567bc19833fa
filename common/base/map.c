/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/map.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/xmalloc.h"

/* key == NULL: never used; key == GONE: removed, a probe goes on behind it */
struct slot {
    uint64_t hash;
    char *key;
    size_t len;
    void *value;
};

struct map {
    struct slot *slots;
    size_t cap;  /* a power of two */
    size_t len;  /* entries */
    size_t full; /* entries and removed ones: at most 3/4 of cap */
    uint64_t seed;
    void (*free_value)(void *);
};

static char gone_mark;
#define GONE (&gone_mark)

struct map *map_new(void (*free_value)(void *))
{
    struct map *m = xcalloc(1, sizeof *m);
    m->free_value = free_value;
    m->seed = hash_seed();
    return m;
}

static void drop(struct map *m, void *value)
{
    if (m->free_value)
        m->free_value(value);
}

void map_clear(struct map *m)
{
    for (size_t i = 0; i < m->cap; i++) {
        if (!m->slots[i].key || m->slots[i].key == GONE)
            continue;
        free(m->slots[i].key);
        drop(m, m->slots[i].value);
    }
    free(m->slots);
    m->slots = NULL;
    m->cap = m->len = m->full = 0;
}

void map_free(struct map *m)
{
    if (!m)
        return;
    map_clear(m);
    free(m);
}

/* The slot with the key, or the one where it would go (NULL key or GONE). */
static struct slot *find(const struct map *m, struct tars_str key, uint64_t hash)
{
    struct slot *reuse = NULL;
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct slot *s = &m->slots[i];
        if (!s->key)
            return reuse ? reuse : s;
        if (s->key == GONE)
            reuse = reuse ? reuse : s;
        else if (s->hash == hash && s->len == key.len &&
                 (key.len == 0 || memcmp(s->key, key.at, key.len) == 0))
            return s;
    }
}

static bool occupied(const struct slot *s)
{
    return s->key && s->key != GONE;
}

/* As many slots as twice `len`. */
static void grow(struct map *m, size_t len)
{
    struct map bigger = *m;
    bigger.cap = m->len * 2 < 8 ? 16 : m->cap;
    while (bigger.cap < len * 2)
        bigger.cap *= 2;
    bigger.slots = xcalloc(bigger.cap, sizeof *bigger.slots);
    for (size_t i = 0; i < m->cap; i++)
        if (occupied(&m->slots[i]))
            *find(&bigger, tars_str_n(m->slots[i].key, m->slots[i].len),
                  m->slots[i].hash) = m->slots[i];
    bigger.full = m->len;
    free(m->slots);
    *m = bigger;
}

void map_reserve(struct map *m, size_t count)
{
    if (count > m->cap / 4 * 3)
        grow(m, count / 3 * 2 + 2); /* three quarters may be full */
}

void *map_get(const struct map *m, struct tars_str key)
{
    if (!m->len)
        return NULL;
    struct slot *s = find(m, key, hash_bytes(key.at, key.len, m->seed));
    return occupied(s) ? s->value : NULL;
}

void map_put(struct map *m, struct tars_str key, void *value)
{
    if (m->full + 1 > m->cap / 4 * 3)
        grow(m, m->len + 1);
    uint64_t hash = hash_bytes(key.at, key.len, m->seed);
    struct slot *s = find(m, key, hash);
    if (occupied(s)) {
        void *old = s->value;
        s->value = value;
        drop(m, old);
        return;
    }
    if (!s->key)
        m->full++;
    m->len++;
    *s = (struct slot){hash, xstrndup(key.at, key.len), key.len, value};
}

void *map_take(struct map *m, struct tars_str key)
{
    if (!m->len)
        return NULL;
    struct slot *s = find(m, key, hash_bytes(key.at, key.len, m->seed));
    if (!occupied(s))
        return NULL;
    void *value = s->value;
    free(s->key);
    s->key = GONE;
    s->value = NULL;
    m->len--;
    return value;
}

bool map_remove(struct map *m, struct tars_str key)
{
    size_t before = m->len;
    void *value = map_take(m, key);
    if (m->len == before)
        return false;
    drop(m, value);
    return true;
}

size_t map_len(const struct map *m)
{
    return m->len;
}

bool map_next(const struct map *m, size_t *at, struct tars_str *key, void **value)
{
    for (; *at < m->cap; (*at)++) {
        const struct slot *s = &m->slots[*at];
        if (!occupied(s))
            continue;
        *key = tars_str_n(s->key, s->len);
        *value = s->value;
        (*at)++;
        return true;
    }
    return false;
}
