/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/stat.h"

#include "base/map.h"
#include "base/xmalloc.h"

#include <pthread.h>
#include <stdlib.h>

/* What a message holds besides its entries: the map's head and count, the flag behind it. */
enum { ENVELOPE_BYTES = 8 };
enum { NAME_MAX_BYTES = 127, ADDRESS_MAX_BYTES = 50, BUCKETS = 9, TEXTS = 8 };
enum { KEY_MAX_BYTES = TEXTS * (NAME_MAX_BYTES + 1) + 2 * (int)sizeof(int32_t) };

/* Tars protocol: upper bounds of the latency histogram, ms; a call counts under the first that is
 * larger than its time, all are always sent. */
static const int32_t bucket_bounds[BUCKETS] = {5, 10, 50, 100, 200, 500, 1000, 2000, 3000};

struct series {
    int32_t succeeded, timed_out, failed;
    int32_t buckets[BUCKETS];
    int64_t total_ms;
    int32_t max_ms, min_ms; /* min: smallest time above 0, as other clients send it */
};

struct shard {
    pthread_mutex_t lock;
    struct map *series; /* packed key -> struct series */
    uint64_t overflowed;
};

struct report_stat {
    size_t max_series;
    size_t shard_count;
    struct shard shards[];
};

struct report_stat *report_stat_new(size_t shards, size_t max_series)
{
    struct report_stat *stat = xcalloc(1, sizeof(*stat) + shards * sizeof(struct shard));

    stat->max_series = max_series;
    stat->shard_count = shards;
    for (size_t i = 0; i < shards; i++) {
        pthread_mutex_init(&stat->shards[i].lock, NULL);
        stat->shards[i].series = map_new(free);
    }
    return stat;
}

void report_stat_free(struct report_stat *stat)
{
    if (!stat)
        return;
    for (size_t i = 0; i < stat->shard_count; i++) {
        map_free(stat->shards[i].series);
        pthread_mutex_destroy(&stat->shards[i].lock);
    }
    free(stat);
}

/* ---- packed keys --------------------------------------------------------------------------------
 * Eight texts, each a length byte and its bytes, then port and return code. */

static struct tars_str trimmed(struct tars_str s, size_t max)
{
    while (s.len > 0 && (s.at[0] == '\r' || s.at[0] == '\t')) {
        s.at++;
        s.len--;
    }
    while (s.len > 0 && (s.at[s.len - 1] == '\r' || s.at[s.len - 1] == '\t'))
        s.len--;
    if (s.len > max)
        s.len = max;
    return s;
}

static char *pack_text(char *at, struct tars_str s, size_t max)
{
    s = trimmed(s, max);
    *at++ = (char)s.len;
    if (s.len > 0)
        memcpy(at, s.at, s.len);
    return at + s.len;
}

static struct tars_str pack_key(char buffer[KEY_MAX_BYTES], const struct report_stat_key *key)
{
    char *at = buffer;

    at = pack_text(at, key->master, NAME_MAX_BYTES);
    at = pack_text(at, key->slave, NAME_MAX_BYTES);
    at = pack_text(at, key->function, NAME_MAX_BYTES);
    at = pack_text(at, key->master_ip, ADDRESS_MAX_BYTES);
    at = pack_text(at, key->slave_ip, ADDRESS_MAX_BYTES);
    for (size_t i = 0; i < 3; i++)
        at = pack_text(at, key->set[i], NAME_MAX_BYTES);
    memcpy(at, &key->slave_port, sizeof(int32_t));
    memcpy(at + sizeof(int32_t), &key->ret, sizeof(int32_t));
    return tars_str_n(buffer, (size_t)(at - buffer) + 2 * sizeof(int32_t));
}

static const char *unpack_text(const char *at, struct tars_str *s)
{
    s->len = (size_t)(unsigned char)*at;
    s->at = at + 1;
    return at + 1 + s->len;
}

/* The texts are slices into the packed key. */
static void unpack_key(struct tars_str packed, struct tarsf_stat_mic_msg_head *head)
{
    const char *at = packed.at;

    at = unpack_text(at, &head->master_name);
    at = unpack_text(at, &head->slave_name);
    at = unpack_text(at, &head->interface_name);
    at = unpack_text(at, &head->master_ip);
    at = unpack_text(at, &head->slave_ip);
    at = unpack_text(at, &head->slave_set_name);
    at = unpack_text(at, &head->slave_set_area);
    at = unpack_text(at, &head->slave_set_id);
    memcpy(&head->slave_port, at, sizeof(int32_t));
    memcpy(&head->return_value, at + sizeof(int32_t), sizeof(int32_t));
    head->tars_version = tars_str("");
}

/* ---- counting -------------------------------------------------------------------------------- */

static void count_success(struct series *s, int32_t elapsed_ms)
{
    if (elapsed_ms < 0)
        elapsed_ms = 0;
    s->succeeded++;
    s->total_ms += elapsed_ms;
    if (elapsed_ms > s->max_ms)
        s->max_ms = elapsed_ms;
    if (elapsed_ms > 0 && (s->min_ms == 0 || elapsed_ms < s->min_ms))
        s->min_ms = elapsed_ms;
    for (size_t i = 0; i < BUCKETS; i++) {
        if (elapsed_ms < bucket_bounds[i]) {
            s->buckets[i]++;
            return;
        }
    }
}

static struct series *series_make(struct map *table, struct tars_str key)
{
    struct series *s = map_get(table, key);

    if (!s) {
        s = xcalloc(1, sizeof(*s));
        map_put(table, key, s);
    }
    return s;
}

/*
 * The series of that key, or the one that counts all further ones: function names come from the
 * wire, so their number has to be bounded.
 */
static struct series *series_within(struct map *table, size_t max, struct tars_str key,
                                    struct tars_str master, bool *overflowed)
{
    struct series *s = map_get(table, key);
    struct report_stat_key rest = {
        .master = master, .slave = tars_str("overflow"), .function = tars_str("overflow")};
    char buffer[KEY_MAX_BYTES];

    *overflowed = !s && map_len(table) >= max;
    return *overflowed ? series_make(table, pack_key(buffer, &rest))
           : s         ? s
                       : series_make(table, key);
}

void report_stat_add(struct report_stat *stat, unsigned shard, const struct report_stat_key *key,
                     enum report_outcome outcome, int32_t elapsed_ms)
{
    struct shard *sh = &stat->shards[shard % stat->shard_count];
    char buffer[KEY_MAX_BYTES];
    struct tars_str packed = pack_key(buffer, key);
    bool overflowed;

    pthread_mutex_lock(&sh->lock);
    struct series *s = series_within(sh->series, stat->max_series, packed, key->master,
                                     &overflowed);
    sh->overflowed += overflowed;
    if (outcome == REPORT_SUCCEEDED)
        count_success(s, elapsed_ms);
    else if (outcome == REPORT_TIMED_OUT)
        s->timed_out++;
    else
        s->failed++;
    pthread_mutex_unlock(&sh->lock);
}

uint64_t report_stat_overflowed(const struct report_stat *stat)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < stat->shard_count; i++) {
        struct shard *sh = (struct shard *)&stat->shards[i];
        pthread_mutex_lock(&sh->lock);
        sum += sh->overflowed;
        pthread_mutex_unlock(&sh->lock);
    }
    return sum;
}

/* ---- reporting ------------------------------------------------------------------------------- */

static void series_merge(struct series *into, const struct series *from)
{
    into->succeeded += from->succeeded;
    into->timed_out += from->timed_out;
    into->failed += from->failed;
    into->total_ms += from->total_ms;
    for (size_t i = 0; i < BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
    if (from->max_ms > into->max_ms)
        into->max_ms = from->max_ms;
    if (from->min_ms > 0 && (into->min_ms == 0 || from->min_ms < into->min_ms))
        into->min_ms = from->min_ms;
}

/* All shards' series in one table; the shards begin anew. */
static struct map *take_series(struct report_stat *stat)
{
    struct map *all = map_new(free);

    for (size_t i = 0; i < stat->shard_count; i++) {
        struct shard *sh = &stat->shards[i];
        struct map *fresh = map_new(free), *taken;
        struct tars_str key, master;
        void *value;
        bool overflowed;

        pthread_mutex_lock(&sh->lock);
        taken = sh->series;
        sh->series = fresh;
        pthread_mutex_unlock(&sh->lock);
        for (size_t at = 0; map_next(taken, &at, &key, &value);) {
            unpack_text(key.at, &master);
            series_merge(series_within(all, stat->max_series, key, master, &overflowed), value);
        }
        map_free(taken);
    }
    return all;
}

/* The key's texts stay in the table, the buckets go to the arena. */
static void fill_pair(struct tarsf_stat_mic_msg_head_stat_mic_msg_body_pair *pair,
                      struct tars_str key, const struct series *s, struct tars_arena *arena)
{
    struct tars_int32_int32_pair *buckets = tars_arena_alloc(arena, BUCKETS * sizeof(*buckets));

    tarsf_stat_mic_msg_head_init(&pair->key);
    tarsf_stat_mic_msg_body_init(&pair->value);
    unpack_key(key, &pair->key);
    for (size_t i = 0; i < BUCKETS; i++)
        buckets[i] = (struct tars_int32_int32_pair){bucket_bounds[i], s->buckets[i]};
    pair->value.count = s->succeeded;
    pair->value.timeout_count = s->timed_out;
    pair->value.exec_count = s->failed;
    pair->value.interval_count.at = buckets;
    pair->value.interval_count.len = BUCKETS;
    pair->value.total_rsp_time = s->total_ms;
    pair->value.max_rsp_time = s->max_ms;
    pair->value.min_rsp_time = s->min_ms;
}

static size_t pair_bytes(const struct tarsf_stat_mic_msg_head_stat_mic_msg_body_pair *pair,
                         struct tars_writer *scratch)
{
    tars_writer_reset(scratch);
    tarsf_stat_mic_msg_head_write(scratch, 0, &pair->key);
    tarsf_stat_mic_msg_body_write(scratch, 1, &pair->value);
    return scratch->len;
}

/* Sends as many pairs together as fit. */
static void send_split(
    struct tarsf_stat_mic_msg_head_stat_mic_msg_body_pair *pairs, size_t count, size_t max_bytes,
    void (*send)(void *user, const struct tarsf_stat_mic_msg_head_stat_mic_msg_body_map *msg),
    void *user)
{
    struct tarsf_stat_mic_msg_head_stat_mic_msg_body_map msg = {.at = pairs};
    struct tars_writer scratch;
    size_t bytes = 0;

    tars_writer_init(&scratch);
    for (size_t i = 0; i < count; i++) {
        size_t more = pair_bytes(&pairs[i], &scratch);

        if (msg.len > 0 && ENVELOPE_BYTES + bytes + more > max_bytes) {
            send(user, &msg);
            msg = (struct tarsf_stat_mic_msg_head_stat_mic_msg_body_map){.at = &pairs[i]};
            bytes = 0;
        }
        msg.len++;
        bytes += more;
    }
    if (msg.len > 0)
        send(user, &msg);
    tars_writer_free(&scratch);
}

void report_stat_flush(
    struct report_stat *stat, size_t max_bytes,
    void (*send)(void *user, const struct tarsf_stat_mic_msg_head_stat_mic_msg_body_map *msg),
    void *user)
{
    struct map *all = take_series(stat);
    struct tars_arena *arena = tars_arena_new(0);
    struct tarsf_stat_mic_msg_head_stat_mic_msg_body_pair *pairs = tars_arena_alloc(
        arena, (map_len(all) + 1) * sizeof(*pairs));
    struct tars_str key;
    void *value;
    size_t count = 0;

    for (size_t at = 0; map_next(all, &at, &key, &value); count++)
        fill_pair(&pairs[count], key, value, arena);
    send_split(pairs, count, max_bytes, send, user);
    tars_arena_free(arena);
    map_free(all);
}
