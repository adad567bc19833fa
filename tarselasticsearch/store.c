/* SPDX-License-Identifier: BSD-3-Clause */
#include "store.h"

#include "answers.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "catalog_file.h"
#include "catalog_indices.h"
#include "scrolls.h"
#include "source.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BATCH_LIMIT = 256, STACK_BYTES = 512 * 1024, IDLE_TURNS = 5 };

struct queue {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct store_job *first, **last;
    size_t len;
    bool closed;
};

struct store {
    struct store_options options;
    char *path;
    struct catalog *catalog;
    struct scrolls *scrolls;
    struct answers *answers;
    struct queue writes, reads;
    struct store_context writer, *readers;
    pthread_t writer_thread, *reader_threads;
    int started;
    bool writer_started;
    struct store_stats stats;
};

/* ---- queues
 * -------------------------------------------------------------------------------------- */

static void queue_init(struct queue *q)
{
    *q = (struct queue){.last = &q->first};
    pthread_mutex_init(&q->mutex, NULL);
    pthread_cond_init(&q->filled, NULL);
}

static bool queue_put(struct queue *q, struct store_job *job, size_t limit)
{
    pthread_mutex_lock(&q->mutex);
    bool fits = !q->closed && q->len < limit;
    if (fits) {
        job->next = NULL;
        *q->last = job;
        q->last = &job->next;
        q->len++;
        pthread_cond_signal(&q->filled);
    }
    pthread_mutex_unlock(&q->mutex);
    return fits;
}

/* Up to `max` jobs as a list; NULL after `seconds` without any, or when the queue was closed. */
static struct store_job *queue_take(struct queue *q, size_t max, int seconds, bool *closed)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += seconds;
    pthread_mutex_lock(&q->mutex);
    while (!q->first && !q->closed)
        if (pthread_cond_timedwait(&q->filled, &q->mutex, &until))
            break;
    struct store_job *list = q->first, **end = &list;
    for (; *end && max > 0; end = &(*end)->next, max--)
        q->len--;
    q->first = *end;
    if (!q->first)
        q->last = &q->first;
    *end = NULL;
    *closed = q->closed && !list;
    pthread_mutex_unlock(&q->mutex);
    return list;
}

static void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->mutex);
    q->closed = true;
    pthread_cond_broadcast(&q->filled);
    pthread_mutex_unlock(&q->mutex);
}

/* ---- the writer
 * ------------------------------------------------------------------------------------ */

void store_grow(struct store_context *context)
{
    if (!context->may_grow)
        catalog_lock(context->catalog);
    context->may_grow = true;
}

static bool save_sequences(struct store_context *c)
{
    struct index_list all;
    struct failure ignored;
    bool ok = catalog_resolve(c->catalog, tars_str("*"), false, true, &all, &ignored);
    for (size_t i = 0; i < all.len && ok; i++) {
        struct index *index = all.at[i];
        if (!index->seq_changed)
            continue;
        sqlite3_stmt *s = db_prepare(c->db, tars_str("UPDATE indices SET next_seq=? WHERE id=?"));
        if (s) {
            sqlite3_bind_int64(s, 1, index->next_seq);
            sqlite3_bind_int64(s, 2, index->id);
        }
        ok = db_run(s);
        index->seq_changed = false;
    }
    index_list_free(&all);
    return ok;
}

/* What was done in memory is forgotten: the catalogue is read from the file again. */
static void roll_back(struct store_context *c)
{
    struct tars_error error = {0};
    bool full = db_is_full(c->db), was = atomic_exchange(&c->store->stats.full, full);
    if (!full || !was) /* once, not for each write that is tried meanwhile */
        log_error("store", "a group of writes was rolled back: %s%s", db_problem(c->db),
                  full ? ": the disk is full; writes are refused until there is room, reads go on"
                       : "");
    c->store->stats.rollbacks++;
    db_exec(c->db, "ROLLBACK");
    source_forget(c->db);
    db_forget(c->db);
    store_grow(c);
    if (!catalog_reload(c->catalog, c->db, &error))
        log_error("store", "reading the catalogue again: %s", error.text);
}

static void run_batch(struct store_context *c, struct store_job *list)
{
    c->may_grow = c->broken = c->tidy = false;
    bool ok = db_exec(c->db, "BEGIN IMMEDIATE");
    for (struct store_job *job = list; job && ok; job = job->next) {
        tars_arena_reset(c->arena);
        db_settle(c->db);
        job->run(c, job);
        ok = !c->broken;
    }
    ok = ok && source_flush(c->db) && save_sequences(c) && db_exec(c->db, "COMMIT");
    if (!ok)
        roll_back(c);
    if (c->may_grow)
        catalog_unlock(c->catalog);
    c->may_grow = false;
    if (ok && atomic_exchange(&c->store->stats.full, false))
        log_info("store", "the disk has room again: writes are taken");
    c->store->stats.commits += ok;
    if (ok)
        catalog_kept(c->catalog);
    if (ok && c->tidy)
        db_tidy(c->db);
    while (list) {
        struct store_job *job = list;
        list = job->next;
        c->store->stats.writes += ok;
        job->done(job, ok);
    }
}

static void *run_writer(void *arg)
{
    struct store *s = arg;
    bool closed = false, more = false;
    int idle = 0; /* turns without work, of a second */
    while (!closed) {
        struct store_job *list = queue_take(&s->writes, BATCH_LIMIT, !more, &closed);
        idle = list || more ? 0 : idle + 1;
        if (list)
            run_batch(&s->writer, list);
        else if (idle == IDLE_TURNS)
            db_tidy(s->writer.db);
        more = false;
        if (!closed && !atomic_load(&s->stats.full))
            more = catalog_build_wanted(s->catalog, s->writer.db);
    }
    return NULL;
}

static void *run_reader(void *arg)
{
    struct store_context *c = arg;
    struct store *s = c->store;
    bool closed = false;
    while (!closed) {
        struct store_job *job = queue_take(&s->reads, 1, 1, &closed);
        scrolls_sweep(s->scrolls);
        if (!job)
            continue;
        tars_arena_reset(c->arena);
        db_settle(c->db);
        job->run(c, job);
        s->stats.reads++;
        job->done(job, true);
    }
    return NULL;
}

/* ---- life
 * ------------------------------------------------------------------------------------------ */

static bool context_open(struct store *s, struct store_context *c, bool writer,
                         struct tars_error *error)
{
    c->store = s;
    c->arena = tars_arena_new(s->options.request_memory);
    c->db = db_open(s->path, writer, error);
    if (c->db)
        c->db->answers = s->answers;
    return c->db != NULL;
}

static void context_close(struct store_context *c)
{
    tars_arena_free(c->arena);
    db_close(c->db);
}

static bool start_threads(struct store *s, struct tars_error *error)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    bool ok = s->writer_started = pthread_create(&s->writer_thread, &attr, run_writer, s) == 0;
    for (int i = 0; i < s->options.readers && ok; i++) {
        ok = pthread_create(&s->reader_threads[i], &attr, run_reader, &s->readers[i]) == 0;
        s->started += ok;
    }
    pthread_attr_destroy(&attr);
    return ok || tars_fail(error, 1, "starting threads failed");
}

struct store *store_open(const struct store_options *options, struct tars_error *error)
{
    struct store *s = xcalloc(1, sizeof *s);
    s->options = *options;
    s->path = xstrdup(options->path);
    s->readers = xcalloc((size_t)options->readers, sizeof *s->readers);
    s->reader_threads = xcalloc((size_t)options->readers, sizeof *s->reader_threads);
    s->scrolls = scrolls_new(options->scroll_limit);
    s->answers = answers_new();
    queue_init(&s->writes);
    queue_init(&s->reads);
    bool ok = context_open(s, &s->writer, true, error) &&
              (s->catalog = catalog_open(s->writer.db, error)) != NULL;
    s->writer.catalog = s->catalog;
    for (int i = 0; i < options->readers && ok; i++) {
        ok = context_open(s, &s->readers[i], false, error) &&
             (catalog_attach(s->catalog, s->readers[i].db) ||
              tars_fail(error, 1, "preparing %s: %s", s->path, db_problem(s->readers[i].db)));
        s->readers[i].catalog = s->catalog;
    }
    if (ok && start_threads(s, error))
        return s;
    store_close(s);
    return NULL;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    queue_close(&s->writes);
    queue_close(&s->reads);
    if (s->writer_started)
        pthread_join(s->writer_thread, NULL);
    for (int i = 0; i < s->started; i++)
        pthread_join(s->reader_threads[i], NULL);
    scrolls_free(s->scrolls);
    for (int i = 0; i < s->options.readers; i++)
        context_close(&s->readers[i]);
    context_close(&s->writer);
    catalog_free(s->catalog);
    answers_free(s->answers);
    free(s->readers);
    free(s->reader_threads);
    free(s->path);
    free(s);
}

bool store_submit(struct store *s, struct store_job *job)
{
    if (queue_put(job->write ? &s->writes : &s->reads, job, s->options.queue_limit))
        return true;
    s->stats.refused++;
    return false;
}

struct scrolls *store_scrolls(struct store *s)
{
    return s->scrolls;
}

const char *store_path(const struct store *s)
{
    return s->path;
}

struct store_stats *store_stats(struct store *s)
{
    return &s->stats;
}

size_t store_waiting(struct store *s)
{
    pthread_mutex_lock(&s->writes.mutex);
    size_t waiting = s->writes.len;
    pthread_mutex_unlock(&s->writes.mutex);
    pthread_mutex_lock(&s->reads.mutex);
    waiting += s->reads.len;
    pthread_mutex_unlock(&s->reads.mutex);
    return waiting;
}
