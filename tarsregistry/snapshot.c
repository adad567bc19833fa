/* SPDX-License-Identifier: BSD-3-Clause */
#include "snapshot.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/xmalloc.h"

enum { FIRST_BUCKETS = 64, CROWDED = 4 /* objects a bucket, on average */, CACHE_LINE = 64 };

struct bucket {
    uint64_t number; /* the snapshot it was made for: the coming one may still change it */
    size_t len;
    struct entry {
        uint64_t hash;
        struct object *object;
    } at[];
};

struct snapshot {
    struct groups *groups;
    struct object *nothing; /* what is found for an unknown name */
    uint64_t seed;
    size_t mask;
    struct bucket *buckets[]; /* NULL: empty */
};

/* The number of the newest snapshot when the worker went in; 0 while it is outside. */
struct reader {
    _Atomic uint64_t since;
    char apart[CACHE_LINE - sizeof(uint64_t)]; /* workers do not share a cache line */
};

/* Replaced while snapshot `last` was the newest: in nobody's hands once all came in later. */
struct garbage {
    void *what;
    void (*release)(void *);
    uint64_t last;
};

struct snapshots {
    _Atomic(struct snapshot *) current;
    _Atomic uint64_t number; /* of `current`, from 1 */
    unsigned workers;
    struct reader *readers;
    struct snapshot *next; /* being prepared, or NULL */
    struct garbage *garbage;
    size_t garbage_len, garbage_cap;
    size_t objects, endpoints;
};

/* ---- readers
 * ------------------------------------------------------------------------------------- */

const struct snapshot *snapshot_enter(struct snapshots *s, unsigned worker)
{
    /* The order of these makes the publisher see us, or us see what it published. */
    atomic_store(&s->readers[worker].since, atomic_load(&s->number));
    return atomic_load(&s->current);
}

void snapshot_leave(struct snapshots *s, unsigned worker)
{
    atomic_store_explicit(&s->readers[worker].since, 0, memory_order_release);
}

static struct entry *bucket_find(struct bucket *bucket, uint64_t hash, struct tars_str name)
{
    for (size_t i = 0; bucket && i < bucket->len; i++)
        if (bucket->at[i].hash == hash && tars_str_equal(object_name(bucket->at[i].object), name))
            return &bucket->at[i];
    return NULL;
}

const struct object *snapshot_find(const struct snapshot *snapshot, struct tars_str name)
{
    uint64_t hash = hash_bytes(name.at, name.len, snapshot->seed);
    struct entry *entry = bucket_find(snapshot->buckets[hash & snapshot->mask], hash, name);
    return entry ? entry->object : snapshot->nothing;
}

const struct groups *snapshot_groups(const struct snapshot *snapshot)
{
    return snapshot->groups;
}

/* ---- releasing
 * ------------------------------------------------------------------------------------- */

static void discard(struct snapshots *s, void *what, void (*release)(void *))
{
    if (!what)
        return;
    if (s->garbage_len == s->garbage_cap) {
        s->garbage_cap = s->garbage_cap ? s->garbage_cap * 2 : 64;
        s->garbage = xrealloc(s->garbage, s->garbage_cap * sizeof *s->garbage);
    }
    s->garbage[s->garbage_len++] = (struct garbage){what, release, atomic_load(&s->number)};
}

static void release_object(void *object)
{
    object_free(object);
}

static void release_groups(void *groups)
{
    groups_free(groups);
}

static bool read_by_anyone(const struct snapshots *s, uint64_t last)
{
    for (unsigned i = 0; i < s->workers; i++) {
        uint64_t since = atomic_load(&s->readers[i].since);
        if (since && since <= last)
            return true;
    }
    return false;
}

size_t snapshots_release(struct snapshots *s)
{
    size_t done = 0;
    /* In order of age: what is still read ends it. What the coming snapshot replaces stays. */
    uint64_t checked = 0;
    while (done < s->garbage_len && s->garbage[done].last < atomic_load(&s->number)) {
        const struct garbage *g = &s->garbage[done];
        if (g->last != checked && read_by_anyone(s, g->last))
            break;
        checked = g->last;
        g->release(g->what);
        done++;
    }
    if (done)
        memmove(s->garbage, s->garbage + done, (s->garbage_len - done) * sizeof *s->garbage);
    return s->garbage_len -= done;
}

/* ---- publishing
 * -------------------------------------------------------------------------------------- */

static struct snapshot *snapshot_new(size_t buckets)
{
    struct snapshot *n = xcalloc(1, sizeof *n + buckets * sizeof n->buckets[0]);
    n->mask = buckets - 1;
    return n;
}

static size_t snapshot_bytes(const struct snapshot *n)
{
    return sizeof *n + (n->mask + 1) * sizeof n->buckets[0];
}

struct snapshots *snapshots_new(unsigned workers)
{
    struct snapshots *s = xcalloc(1, sizeof *s);
    s->workers = workers ? workers : 1;
    s->readers = xcalloc(s->workers, sizeof *s->readers);
    struct snapshot *first = snapshot_new(FIRST_BUCKETS);
    struct groups *groups = groups_new(NULL, 0, NULL, 0);
    first->groups = groups;
    first->nothing = object_new(tars_str(""), NULL, 0, groups);
    first->seed = hash_seed();
    atomic_init(&s->current, first);
    atomic_init(&s->number, 1);
    return s;
}

static void free_buckets(struct snapshot *n, bool objects)
{
    for (size_t i = 0; i <= n->mask; i++) {
        struct bucket *bucket = n->buckets[i];
        for (size_t k = 0; objects && bucket && k < bucket->len; k++)
            object_free(bucket->at[k].object);
        free(bucket);
    }
}

void snapshots_free(struct snapshots *s)
{
    if (!s)
        return;
    snapshots_publish(s);
    for (size_t i = 0; i < s->garbage_len; i++)
        s->garbage[i].release(s->garbage[i].what);
    struct snapshot *last = atomic_load(&s->current);
    free_buckets(last, true);
    object_free(last->nothing);
    groups_free(last->groups);
    free(last);
    free(s->garbage);
    free(s->readers);
    free(s);
}

static size_t bucket_bytes(size_t len)
{
    return sizeof(struct bucket) + len * sizeof(struct entry);
}

/* The bucket of a hash as one that may be changed; NULL when it is empty. */
static struct bucket *bucket_own(struct snapshots *s, struct snapshot *n, uint64_t hash)
{
    struct bucket **at = &n->buckets[hash & n->mask], *old = *at;
    uint64_t coming = atomic_load(&s->number) + 1;
    if (!old || old->number == coming)
        return old;
    *at = xmalloc(bucket_bytes(old->len));
    memcpy(*at, old, bucket_bytes(old->len));
    (*at)->number = coming;
    discard(s, old, free);
    return *at;
}

static void bucket_add(struct snapshots *s, struct snapshot *n, struct entry entry)
{
    struct bucket *bucket = bucket_own(s, n, entry.hash);
    size_t len = bucket ? bucket->len : 0;
    bucket = xrealloc(bucket, bucket_bytes(len + 1));
    bucket->number = atomic_load(&s->number) + 1;
    bucket->at[len] = entry;
    bucket->len = len + 1;
    n->buckets[entry.hash & n->mask] = bucket;
}

/* Twice as many buckets, all of them new; entries know their hash. */
static void spread(struct snapshots *s)
{
    struct snapshot *old = s->next, *n = snapshot_new((old->mask + 1) * 2);
    n->groups = old->groups;
    n->nothing = old->nothing;
    n->seed = old->seed;
    for (size_t i = 0; i <= old->mask; i++) {
        const struct bucket *bucket = old->buckets[i];
        for (size_t k = 0; bucket && k < bucket->len; k++)
            bucket_add(s, n, bucket->at[k]);
        discard(s, old->buckets[i], free);
    }
    free(old); /* nobody has seen it */
    s->next = n;
}

static struct snapshot *prepare(struct snapshots *s)
{
    if (s->next)
        return s->next;
    const struct snapshot *current = atomic_load(&s->current);
    s->next = xmalloc(snapshot_bytes(current));
    memcpy(s->next, current, snapshot_bytes(current));
    return s->next;
}

void snapshots_put(struct snapshots *s, struct object *object)
{
    struct snapshot *n = prepare(s);
    struct tars_str name = object_name(object);
    uint64_t hash = hash_bytes(name.at, name.len, n->seed);
    struct entry *entry = bucket_find(bucket_own(s, n, hash), hash, name);
    s->endpoints += object_endpoints(object);
    if (entry) {
        s->endpoints -= object_endpoints(entry->object);
        discard(s, entry->object, release_object);
        entry->object = object;
        return;
    }
    if (++s->objects > (n->mask + 1) * CROWDED) {
        spread(s);
        n = s->next;
    }
    bucket_add(s, n, (struct entry){hash, object});
}

void snapshots_drop(struct snapshots *s, struct tars_str name)
{
    struct snapshot *n = prepare(s);
    uint64_t hash = hash_bytes(name.at, name.len, n->seed);
    struct bucket *bucket = bucket_own(s, n, hash);
    struct entry *entry = bucket_find(bucket, hash, name);
    if (!entry)
        return;
    s->objects--;
    s->endpoints -= object_endpoints(entry->object);
    discard(s, entry->object, release_object);
    *entry = bucket->at[--bucket->len];
}

void snapshots_set_groups(struct snapshots *s, struct groups *groups)
{
    struct snapshot *n = prepare(s);
    discard(s, n->groups, release_groups);
    discard(s, n->nothing, release_object);
    n->groups = groups;
    n->nothing = object_new(tars_str(""), NULL, 0, groups);
}

const struct groups *snapshots_groups(const struct snapshots *s)
{
    return s->next ? s->next->groups : atomic_load(&s->current)->groups;
}

void snapshots_publish(struct snapshots *s)
{
    if (!s->next)
        return;
    discard(s, atomic_exchange(&s->current, s->next), free);
    s->next = NULL;
    atomic_fetch_add(&s->number, 1);
    snapshots_release(s);
}

size_t snapshots_objects(const struct snapshots *s)
{
    return s->objects;
}

size_t snapshots_endpoints(const struct snapshots *s)
{
    return s->endpoints;
}
