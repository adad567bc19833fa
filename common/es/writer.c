/* SPDX-License-Identifier: BSD-3-Clause */
#include "es/writer.h"

#include "base/map.h"
#include "base/xmalloc.h"
#include "es/bulk.h"
#include "es/client.h"

#include <stdlib.h>

enum { BULK_ITEMS = 1000, BULK_BYTES = 4 * 1024 * 1024, TIMEOUT_MS = 30000 };

struct waiting {
    cJSON *fields;
    bool upsert;
};

struct es_writer {
    struct es_client *client;
    char *index;
    int interval_ms;
    size_t limit;
    pthread_mutex_t mutex;
    struct map *waiting; /* by id */
    struct es_writer_stats stats;
    struct loop_timer timer;
    struct flush *flush; /* the one that is under way */
};

/* What is on its way: kept until it is confirmed, to be put back when it was not. */
struct flush {
    struct es_writer *writer; /* NULL: freed meanwhile */
    struct map *sent;
    size_t parts;
    es_done done;
    void *user;
    struct es_result worst;
};

static void waiting_free(void *value)
{
    struct waiting *w = value;
    cJSON_Delete(w->fields);
    free(w);
}

/* ---- what waits
 * ---------------------------------------------------------------------------------------- */

static void merge(cJSON *into, cJSON *newer)
{
    while (newer->child) {
        cJSON *field = cJSON_DetachItemViaPointer(newer, newer->child);
        char *name = xstrdup(field->string); /* cJSON frees the item's own before it copies */
        cJSON_DeleteItemFromObjectCaseSensitive(into, name);
        cJSON_AddItemToObject(into, name, field);
        free(name);
    }
    cJSON_Delete(newer);
}

/* Under the lock. `newer` takes part of what is there, or is what is there already the newer one.
 */
static bool put_waiting(struct es_writer *w, struct tars_str id, cJSON *fields, bool upsert,
                        bool older)
{
    struct waiting *there = map_get(w->waiting, id);
    if (!there && map_len(w->waiting) >= w->limit) {
        w->stats.dropped++;
        cJSON_Delete(fields);
        return false;
    }
    if (!there) {
        there = xcalloc(1, sizeof *there);
        there->fields = fields;
        map_put(w->waiting, id, there);
    } else if (older) {
        cJSON *newer = there->fields;
        there->fields = fields;
        merge(there->fields, newer);
    } else {
        w->stats.merged++;
        merge(there->fields, fields);
    }
    there->upsert |= upsert;
    return true;
}

bool es_writer_update(struct es_writer *w, const char *id, cJSON *fields, bool upsert)
{
    pthread_mutex_lock(&w->mutex);
    bool kept = put_waiting(w, tars_str(id), fields, upsert, false);
    pthread_mutex_unlock(&w->mutex);
    return kept;
}

void es_writer_forget(struct es_writer *w, const char *id)
{
    pthread_mutex_lock(&w->mutex);
    map_remove(w->waiting, tars_str(id));
    if (w->flush)
        map_remove(w->flush->sent, tars_str(id));
    pthread_mutex_unlock(&w->mutex);
}

void es_writer_get_stats(struct es_writer *w, struct es_writer_stats *stats)
{
    pthread_mutex_lock(&w->mutex);
    *stats = w->stats;
    stats->waiting = map_len(w->waiting);
    pthread_mutex_unlock(&w->mutex);
}

/* ---- flushing
 * -------------------------------------------------------------------------------------------- */

static void flush_end(struct flush *f)
{
    struct es_writer *w = f->writer;
    if (w) {
        pthread_mutex_lock(&w->mutex);
        w->flush = NULL;
        pthread_mutex_unlock(&w->mutex);
    }
    if (f->done)
        f->done(f->user, &f->worst);
    map_free(f->sent);
    free(f);
}

/* Back to what waits, under anything newer that came meanwhile. Under the lock. */
static void put_back(struct flush *f, const char *id)
{
    struct waiting *w = map_take(f->sent, tars_str(id));
    if (!w)
        return;
    put_waiting(f->writer, tars_str(id), w->fields, w->upsert, true);
    free(w);
}

static void put_all_back(struct flush *f)
{
    struct tars_str id;
    void *value;
    size_t at = 0;
    while (map_next(f->sent, &at, &id, &value)) {
        struct waiting *w = value;
        put_waiting(f->writer, id, cJSON_Duplicate(w->fields, true), w->upsert, true);
    }
    map_clear(f->sent);
}

static void note_item(struct flush *f, const struct es_item *item)
{
    struct es_writer *w = f->writer;
    w->stats.written += item->status == ES_OK;
    w->stats.missing += item->status == ES_MISSING;
    w->stats.refused += item->status == ES_REFUSED;
    if (item->status == ES_UNREACHABLE || item->status == ES_CONFLICT)
        put_back(f, item->id ? item->id : "");
    else if (item->id)
        map_remove(f->sent, tars_str(item->id));
}

static void on_flushed(void *user, const struct es_result *r, const struct es_item *items,
                       size_t count)
{
    struct flush *f = user;
    if (r->status != ES_OK && f->worst.status == ES_OK)
        f->worst = (struct es_result){.status = r->status, .http = r->http, .error = r->error};
    if (f->writer) {
        pthread_mutex_lock(&f->writer->mutex);
        for (size_t i = 0; i < count; i++)
            note_item(f, &items[i]);
        f->writer->stats.failed_flushes += r->status != ES_OK;
        if (--f->parts == 0)
            put_all_back(f);
        pthread_mutex_unlock(&f->writer->mutex);
    } else {
        f->parts--;
    }
    if (f->parts == 0)
        flush_end(f);
}

static void send_part(struct flush *f, struct es_bulk *bulk, int timeout_ms)
{
    f->parts++;
    es_bulk_send(f->writer->client, bulk, true, timeout_ms, on_flushed, f);
}

static void send_all(struct flush *f, int timeout_ms)
{
    struct es_bulk *bulk = es_bulk_new();
    struct tars_str id;
    void *value;
    size_t at = 0;
    while (map_next(f->sent, &at, &id, &value)) {
        const struct waiting *w = value;
        char *name = xstrndup(id.at, id.len);
        es_bulk_update(bulk, f->writer->index, name, w->fields, w->upsert);
        free(name);
        if (es_bulk_len(bulk) < BULK_ITEMS && es_bulk_bytes(bulk) < BULK_BYTES)
            continue;
        send_part(f, bulk, timeout_ms);
        bulk = es_bulk_new();
    }
    if (es_bulk_len(bulk))
        send_part(f, bulk, timeout_ms);
    else
        es_bulk_free(bulk);
}

void es_writer_flush(struct es_writer *w, int timeout_ms, es_done done, void *user)
{
    struct es_result nothing = {.status = ES_OK};
    pthread_mutex_lock(&w->mutex);
    bool busy = w->flush != NULL, empty = map_len(w->waiting) == 0;
    if (busy || empty) {
        pthread_mutex_unlock(&w->mutex);
        if (busy && !empty) {
            nothing.status = ES_UNREACHABLE;
            tars_fail(&nothing.error, ES_UNREACHABLE, "flushing %s: another flush is under way",
                      w->index);
        }
        if (done)
            done(user, &nothing);
        return;
    }
    struct flush *f = w->flush = xcalloc(1, sizeof *f);
    f->writer = w;
    f->sent = w->waiting;
    w->waiting = map_new(waiting_free);
    f->done = done;
    f->user = user;
    send_all(f, timeout_ms);
    pthread_mutex_unlock(&w->mutex);
}

static void on_interval(struct loop_timer *timer)
{
    struct es_writer *w = loop_container(timer, struct es_writer, timer);
    es_writer_flush(w, TIMEOUT_MS, NULL, NULL);
    loop_timer_set(w->client->loop, &w->timer, w->interval_ms, on_interval);
}

/* ---- life
 * --------------------------------------------------------------------------------------------------
 */

static void start_timer(void *arg)
{
    struct es_writer *w = arg;
    loop_timer_set(w->client->loop, &w->timer, w->interval_ms, on_interval);
}

struct es_writer *es_writer_new(struct es_client *client, const char *index, int interval_ms,
                                size_t limit)
{
    struct es_writer *w = xcalloc(1, sizeof *w);
    w->client = client;
    w->index = xstrdup(index);
    w->interval_ms = interval_ms;
    w->limit = limit;
    w->waiting = map_new(waiting_free);
    pthread_mutex_init(&w->mutex, NULL);
    loop_call_wait(client->loop, start_timer, w);
    return w;
}

void es_writer_free(struct es_writer *w)
{
    if (!w)
        return;
    loop_timer_clear(w->client->loop, &w->timer);
    if (w->flush)
        w->flush->writer = NULL;
    map_free(w->waiting);
    pthread_mutex_destroy(&w->mutex);
    free(w->index);
    free(w);
}
