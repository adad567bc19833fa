/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/property.h"

#include "base/decimal.h"
#include "base/map.h"
#include "base/xmalloc.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { POLICIES = 6, ENVELOPE_BYTES = 6 };

static const struct {
    unsigned policy;
    const char *name;
} policy_names[POLICIES] = {{TARS_PROPERTY_SUM, "Sum"},     {TARS_PROPERTY_AVG, "Avg"},
                            {TARS_PROPERTY_MAX, "Max"},     {TARS_PROPERTY_MIN, "Min"},
                            {TARS_PROPERTY_COUNT, "Count"}, {TARS_PROPERTY_DISTR, "Distr"}};

/* What the values of an interval come to. */
struct values {
    int64_t sum, count, max, min; /* max and min mean something when count > 0 */
    int64_t *ranges;              /* one more than there are bounds: the last for larger values */
};

struct shard {
    pthread_mutex_t lock;
    struct values now;
};

struct report_property {
    struct report_property *next;
    char *name;
    unsigned policies;
    int32_t *bounds;
    size_t bound_count;
    bool had_value; /* in any interval; flushing thread only */
    struct shard shards[];
};

struct report_properties {
    size_t shard_count;
    size_t max_names;
    pthread_rwlock_t lock; /* guards names and first; what they hold stays */
    struct map *names;
    struct report_property *first, **last; /* in order of creation */
    atomic_uint_fast64_t dropped;
};

struct report_properties *report_properties_new(size_t shards, size_t max_names)
{
    struct report_properties *set = xcalloc(1, sizeof(*set));

    set->shard_count = shards;
    set->max_names = max_names;
    pthread_rwlock_init(&set->lock, NULL);
    set->names = map_new(NULL);
    set->last = &set->first;
    return set;
}

static void property_free(struct report_property *p, size_t shards)
{
    for (size_t i = 0; i < shards; i++) {
        pthread_mutex_destroy(&p->shards[i].lock);
        free(p->shards[i].now.ranges);
    }
    free(p->bounds);
    free(p->name);
    free(p);
}

void report_properties_free(struct report_properties *set)
{
    struct report_property *next;

    if (!set)
        return;
    for (struct report_property *p = set->first; p; p = next) {
        next = p->next;
        property_free(p, set->shard_count);
    }
    map_free(set->names);
    pthread_rwlock_destroy(&set->lock);
    free(set);
}

static struct report_property *property_new(const struct report_properties *set, const char *name,
                                            unsigned policies, const int32_t *ranges, size_t count)
{
    struct report_property *p = xcalloc(1, sizeof(*p) + set->shard_count * sizeof(struct shard));

    p->name = xstrdup(name);
    p->policies = policies;
    p->bound_count = policies & TARS_PROPERTY_DISTR ? count : 0;
    p->bounds = xcalloc(p->bound_count + 1, sizeof(*p->bounds));
    for (size_t i = 0; i < p->bound_count; i++)
        p->bounds[i] = ranges[i];
    for (size_t i = 0; i < set->shard_count; i++) {
        pthread_mutex_init(&p->shards[i].lock, NULL);
        p->shards[i].now.ranges = xcalloc(p->bound_count + 1, sizeof(int64_t));
    }
    return p;
}

struct report_property *report_property_create(struct report_properties *set, const char *name,
                                               unsigned policies, const int32_t *ranges,
                                               size_t count)
{
    struct report_property *p;

    pthread_rwlock_wrlock(&set->lock);
    p = map_get(set->names, tars_str(name));
    if (!p && map_len(set->names) < set->max_names) {
        p = property_new(set, name, policies, ranges, count);
        map_put(set->names, tars_str(p->name), p);
        *set->last = p;
        set->last = &p->next;
    }
    pthread_rwlock_unlock(&set->lock);
    return p;
}

struct report_property *report_property_get(struct report_properties *set, const char *name)
{
    struct report_property *p;

    pthread_rwlock_rdlock(&set->lock);
    p = map_get(set->names, tars_str(name));
    pthread_rwlock_unlock(&set->lock);
    if (p)
        return p;
    return report_property_create(set, name,
                                  TARS_PROPERTY_SUM | TARS_PROPERTY_AVG | TARS_PROPERTY_MAX |
                                      TARS_PROPERTY_MIN | TARS_PROPERTY_COUNT,
                                  NULL, 0);
}

static size_t range_of(const struct report_property *p, int64_t value)
{
    size_t i = 0;

    while (i < p->bound_count && value >= p->bounds[i])
        i++;
    return i;
}

void report_property_add(struct report_properties *set, struct report_property *property,
                         unsigned shard, int64_t value)
{
    if (!property) {
        atomic_fetch_add_explicit(&set->dropped, 1, memory_order_relaxed);
        return;
    }

    struct shard *sh = &property->shards[shard % set->shard_count];

    pthread_mutex_lock(&sh->lock);
    struct values *v = &sh->now;
    if (v->count == 0 || value > v->max)
        v->max = value;
    if (v->count == 0 || value < v->min)
        v->min = value;
    /* Unsigned: a sum that overflows wraps instead of being undefined. */
    v->sum = (int64_t)((uint64_t)v->sum + (uint64_t)value);
    v->count++;
    v->ranges[range_of(property, value)]++;
    pthread_mutex_unlock(&sh->lock);
}

uint64_t report_property_dropped(const struct report_properties *set)
{
    return atomic_load(&set->dropped);
}

/* ---- text forms ------------------------------------------------------------------------------ */

/* Adds up the shards' values and lets them begin anew. */
static void take_values(const struct report_properties *set, struct report_property *p,
                        struct values *all)
{
    for (size_t i = 0; i < set->shard_count; i++) {
        struct shard *sh = &p->shards[i];

        pthread_mutex_lock(&sh->lock);
        struct values *v = &sh->now;
        if (v->count > 0) {
            if (all->count == 0 || v->max > all->max)
                all->max = v->max;
            if (all->count == 0 || v->min < all->min)
                all->min = v->min;
            all->sum = (int64_t)((uint64_t)all->sum + (uint64_t)v->sum);
            all->count += v->count;
        }
        for (size_t k = 0; k <= p->bound_count; k++) {
            all->ranges[k] += v->ranges[k];
            v->ranges[k] = 0;
        }
        v->sum = v->count = 0;
        pthread_mutex_unlock(&sh->lock);
    }
}

/* "16.473684", "16.5", "13": six decimals without the zeros at their end. */
static struct tars_str average_text(struct tars_arena *arena, const struct values *v)
{
    char text[64];
    int len;

    if (v->count == 0)
        return tars_str("0");
    len = decimal_print(text, sizeof(text), "%.6f", (double)v->sum / (double)v->count);
    while (text[len - 1] == '0')
        len--;
    if (text[len - 1] == '.')
        len--;
    return tars_arena_copy(arena, tars_str_n(text, (size_t)len));
}

static struct tars_str number_text(struct tars_arena *arena, int64_t v)
{
    return tars_str(tars_arena_printf(arena, "%" PRId64, v));
}

/* "5|0,10|7,max|1" */
static struct tars_str distribution_text(struct tars_arena *arena, const struct report_property *p,
                                         const struct values *v)
{
    char *text = tars_arena_alloc(arena, (p->bound_count + 1) * 40);
    size_t at = 0;

    for (size_t i = 0; i < p->bound_count; i++)
        at += (size_t)sprintf(text + at, "%" PRId32 "|%" PRId64 ",", p->bounds[i], v->ranges[i]);
    at += (size_t)sprintf(text + at, "max|%" PRId64, v->ranges[p->bound_count]);
    return tars_str_n(text, at);
}

/*
 * What a policy shows; false when it has nothing to show. Tars protocol: a maximum stands at
 * -9999999 until the first value ever, at 0 in later intervals without one; a minimum is left out.
 */
static bool policy_text(const struct report_property *p, unsigned policy, const struct values *v,
                        struct tars_arena *arena, struct tars_str *text)
{
    switch (policy) {
    case TARS_PROPERTY_SUM:
        *text = number_text(arena, v->sum);
        return true;
    case TARS_PROPERTY_AVG:
        *text = average_text(arena, v);
        return true;
    case TARS_PROPERTY_MAX:
        *text = v->count > 0   ? number_text(arena, v->max)
                : p->had_value ? tars_str("0")
                               : tars_str("-9999999");
        return true;
    case TARS_PROPERTY_MIN:
        *text = number_text(arena, v->min);
        return v->count > 0;
    case TARS_PROPERTY_COUNT:
        *text = number_text(arena, v->count);
        return true;
    default:
        *text = distribution_text(arena, p, v);
        return true;
    }
}

/* ---- reporting ------------------------------------------------------------------------------- */

static void fill_pair(struct tarsf_stat_prop_msg_head_stat_prop_msg_body_pair *pair,
                      const struct tarsf_stat_prop_msg_head *head, struct report_property *p,
                      const struct values *v, struct tars_arena *arena)
{
    struct tarsf_stat_prop_info *infos = tars_arena_alloc(arena, POLICIES * sizeof(*infos));
    size_t count = 0;

    for (size_t i = 0; i < POLICIES; i++) {
        struct tars_str text;

        if (!(p->policies & policy_names[i].policy) ||
            !policy_text(p, policy_names[i].policy, v, arena, &text))
            continue;
        infos[count++] = (struct tarsf_stat_prop_info){.policy = tars_str(policy_names[i].name),
                                                       .value = text};
    }
    pair->key = *head;
    pair->key.property_name = tars_str(p->name);
    pair->value.v_info.at = infos;
    pair->value.v_info.len = count;
    p->had_value = p->had_value || v->count > 0;
}

/* Tars protocol, weaknesses: sizes are counted as they are on the wire, not estimated. */
static size_t pair_bytes(const struct tarsf_stat_prop_msg_head_stat_prop_msg_body_pair *pair,
                         struct tars_writer *scratch)
{
    tars_writer_reset(scratch);
    tarsf_stat_prop_msg_head_write(scratch, 0, &pair->key);
    tarsf_stat_prop_msg_body_write(scratch, 1, &pair->value);
    return scratch->len;
}

static void send_split(
    struct tarsf_stat_prop_msg_head_stat_prop_msg_body_pair *pairs, size_t count, size_t max_bytes,
    void (*send)(void *user, const struct tarsf_stat_prop_msg_head_stat_prop_msg_body_map *msg),
    void *user)
{
    struct tarsf_stat_prop_msg_head_stat_prop_msg_body_map msg = {.at = pairs};
    struct tars_writer scratch;
    size_t bytes = 0;

    tars_writer_init(&scratch);
    for (size_t i = 0; i < count; i++) {
        size_t more = pair_bytes(&pairs[i], &scratch);

        if (msg.len > 0 && ENVELOPE_BYTES + bytes + more > max_bytes) {
            send(user, &msg);
            msg = (struct tarsf_stat_prop_msg_head_stat_prop_msg_body_map){.at = &pairs[i]};
            bytes = 0;
        }
        msg.len++;
        bytes += more;
    }
    if (msg.len > 0)
        send(user, &msg);
    tars_writer_free(&scratch);
}

void report_properties_flush(
    struct report_properties *set, const struct tarsf_stat_prop_msg_head *head, size_t max_bytes,
    void (*send)(void *user, const struct tarsf_stat_prop_msg_head_stat_prop_msg_body_map *msg),
    void *user)
{
    struct tars_arena *arena = tars_arena_new(0);
    struct report_property *p;
    size_t count, filled = 0;

    pthread_rwlock_rdlock(&set->lock);
    p = set->first;
    count = map_len(set->names);
    pthread_rwlock_unlock(&set->lock);

    struct tarsf_stat_prop_msg_head_stat_prop_msg_body_pair *pairs = tars_arena_alloc(
        arena, (count + 1) * sizeof(*pairs));
    for (; filled < count; filled++) {
        struct values v = {
            .ranges = tars_arena_alloc(arena, (p->bound_count + 1) * sizeof(int64_t))};

        take_values(set, p, &v);
        fill_pair(&pairs[filled], head, p, &v, arena);
        /* Properties are only ever added, behind those that were counted. */
        if (filled + 1 < count)
            p = p->next;
    }
    send_split(pairs, count, max_bytes, send, user);
    tars_arena_free(arena);
}
