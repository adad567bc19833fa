/* SPDX-License-Identifier: BSD-3-Clause */
#include "es/spool.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "es/client.h"
#include "es/dead.h"
#include "es/shipper.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { FAILING_MS = 500, KEEP_BUFFER = 1 << 20 };

struct waiter {
    es_spool_done done;
    void *user;
};

/* Records that are written and synced together. */
struct group {
    char *bytes;
    size_t len, size;
    struct waiter *waiters;
    size_t count, room;
};

struct es_spool {
    struct es_spool_options options;
    struct journal journal;
    struct shipper *shipper;  /* NULL without a client */
    struct dead_letters dead; /* of the writer */
    pthread_t writer;
    bool started;
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t work;
    struct group fill;
    size_t writing; /* bytes that the writer has taken */
    struct spool_task *tasks, **last_task;
    struct journal_place confirm;
    bool confirming, stop;
    int64_t failing_until_ms;
    struct tars_error failure;
    struct es_spool_stats stats;
};

const char *es_action_name(enum es_action action)
{
    static const char *const names[] = {"", "create", "index", "update", "delete"};
    return names[action];
}

static void tell(struct es_spool *s, enum es_spool_event event, const char *text)
{
    if (event == ES_SPOOL_RECOVERED)
        log_info("spool", "%s", text);
    else
        log_error("spool", "%s", text);
    if (s->options.notify)
        s->options.notify(s->options.user, event, text);
}

/* ---- appending
 * ------------------------------------------------------------------------------------ */

static void add_record(struct group *g, const struct es_record *record, size_t size,
                       struct waiter waiter)
{
    if (g->size - g->len < size) {
        g->size = (g->len + size) * 2;
        g->bytes = xrealloc(g->bytes, g->size);
    }
    if (g->count == g->room) {
        g->room = g->room ? g->room * 2 : 64;
        g->waiters = xrealloc(g->waiters, g->room * sizeof *g->waiters);
    }
    segment_write_record(g->bytes + g->len, record);
    g->len += size;
    g->waiters[g->count++] = waiter;
}

/* Under the lock. */
static enum es_spool_answer may_append(const struct es_spool *s, size_t size,
                                       struct tars_error *error)
{
    if (s->failing_until_ms > clock_ms()) {
        tars_fail(error, -1, "%s", s->failure.text);
        return ES_SPOOL_REFUSES_WRITES;
    }
    if (s->fill.len + s->writing + size > s->options.pending_bytes) {
        tars_fail(error, -1,
                  "the spool %s is full: %zu bytes wait for the disk, which is slower than the "
                  "callers; try again later",
                  s->options.dir, s->fill.len + s->writing);
        return ES_SPOOL_FULL;
    }
    return ES_SPOOL_TAKEN;
}

enum es_spool_answer es_spool_append(struct es_spool *s, const struct es_record *record,
                                     es_spool_done done, void *user, struct tars_error *error)
{
    size_t size = segment_record_size(record);
    if (size == 0) {
        tars_fail(error, -1,
                  "a record for index \"%.*s\" (%zu bytes) cannot be spooled: a plain index name "
                  "and one JSON object in one line of at most 16 MiB were expected",
                  (int)(record->index.len < 64 ? record->index.len : 64),
                  record->index.len ? record->index.at : "", record->source.len);
        return ES_SPOOL_BAD;
    }
    if (size > s->options.pending_bytes) {
        tars_fail(error, -1,
                  "a record of %zu bytes is too large for the spool %s, which takes %zu bytes at "
                  "once; give it a larger cap",
                  size, s->options.dir, s->options.pending_bytes);
        return ES_SPOOL_BAD;
    }
    pthread_mutex_lock(&s->mutex);
    enum es_spool_answer answer = may_append(s, size, error);
    if (answer == ES_SPOOL_TAKEN) {
        bool first = s->fill.count == 0;
        add_record(&s->fill, record, size, (struct waiter){done, user});
        if (first)
            pthread_cond_signal(&s->work);
    } else {
        s->stats.refused++;
    }
    pthread_mutex_unlock(&s->mutex);
    return answer;
}

void spool_post(struct es_spool *s, struct spool_task *task)
{
    pthread_mutex_lock(&s->mutex);
    task->next = NULL;
    *s->last_task = task;
    s->last_task = &task->next;
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->mutex);
}

void spool_confirm(struct es_spool *s, struct journal_place place)
{
    pthread_mutex_lock(&s->mutex);
    s->confirm = place;
    s->confirming = true;
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->mutex);
}

void spool_note(struct es_spool *s, const struct spool_shipped *shipped)
{
    pthread_mutex_lock(&s->mutex);
    s->stats.stored += shipped->stored;
    s->stats.retried += shipped->retried;
    s->stats.flight_bytes = shipped->flight_bytes;
    s->stats.parked = shipped->parked;
    if (shipped->problem)
        snprintf(s->stats.last_problem, sizeof s->stats.last_problem, "%s", shipped->problem);
    pthread_mutex_unlock(&s->mutex);
}

/* ---- the writer
 * ----------------------------------------------------------------------------------- */

static void tell_dropped(struct es_spool *s, const struct journal_dropped *dropped)
{
    char text[400];
    if (dropped->segments == 0)
        return;
    snprintf(text, sizeof text,
             "the spool %s is over its cap of %llu bytes: dropped the oldest %llu records (%llu "
             "bytes) that Elasticsearch had not confirmed",
             s->options.dir, (unsigned long long)s->options.cap_bytes,
             (unsigned long long)dropped->records, (unsigned long long)dropped->bytes);
    pthread_mutex_lock(&s->mutex);
    s->stats.dropped += dropped->records;
    s->stats.dropped_segments += dropped->segments;
    pthread_mutex_unlock(&s->mutex);
    tell(s, ES_SPOOL_DROPPED, text);
}

static void note_write(struct es_spool *s, const struct group *g, bool ok,
                       const struct tars_error *error)
{
    char text[700];
    pthread_mutex_lock(&s->mutex);
    bool was_failing = s->stats.failing;
    s->stats.failing = !ok;
    s->stats.syncs += ok;
    s->stats.appended += ok ? g->count : 0;
    s->stats.refused += ok ? 0 : g->count;
    s->failing_until_ms = ok ? 0 : clock_ms() + FAILING_MS;
    if (!ok)
        s->failure = *error;
    pthread_mutex_unlock(&s->mutex);
    if (!ok && !was_failing) {
        snprintf(text, sizeof text, "%s; what is sent to it is refused until it can write again",
                 error->text);
        tell(s, ES_SPOOL_FAILING, text);
    } else if (ok && was_failing) {
        snprintf(text, sizeof text, "the spool %s can write again", s->options.dir);
        tell(s, ES_SPOOL_RECOVERED, text);
    }
}

static void write_group(struct es_spool *s, struct group *g)
{
    struct journal_dropped dropped = {0};
    struct tars_error error = {0};
    bool ok = journal_write(&s->journal, g->bytes, g->len, &dropped, &error);
    tell_dropped(s, &dropped);
    note_write(s, g, ok, &error);
    for (size_t i = 0; i < g->count; i++)
        if (g->waiters[i].done)
            g->waiters[i].done(g->waiters[i].user, ok ? NULL : &error);
    if (ok && s->shipper)
        shipper_wake(s->shipper);
    g->len = g->count = 0;
    if (g->size > KEEP_BUFFER) {
        free(g->bytes);
        g->bytes = NULL;
        g->size = 0;
    }
}

static void write_dead(struct es_spool *s, struct spool_task *task)
{
    struct tars_error error = {0};
    uint64_t dropped = 0;
    size_t written = 0;
    char text[700];
    task->ok = dead_append(&s->dead, task->segment, task->lines, task->len, &written, &dropped,
                           &error);
    if (!task->ok) {
        tell(s, ES_SPOOL_FAILING, error.text);
        return;
    }
    if (written == 0)
        return; /* an earlier process had written them and not come to confirming */
    pthread_mutex_lock(&s->mutex);
    s->stats.dead += written;
    pthread_mutex_unlock(&s->mutex);
    snprintf(text, sizeof text,
             "Elasticsearch refused %zu records for good, they are in %s/dead, the first: %.400s",
             written, s->journal.dir, task->lines);
    text[strcspn(text, "\n")] = '\0';
    tell(s, ES_SPOOL_DEAD, text);
    if (dropped) {
        snprintf(text, sizeof text, "%s/dead is over its cap: the oldest %llu files were dropped",
                 s->journal.dir, (unsigned long long)dropped);
        tell(s, ES_SPOOL_DROPPED, text);
    }
}

static void set_aside(struct es_spool *s, const struct spool_task *task)
{
    char text[400];
    journal_set_aside(&s->journal, task->segment);
    pthread_mutex_lock(&s->mutex);
    s->stats.broken_segments++;
    pthread_mutex_unlock(&s->mutex);
    snprintf(text, sizeof text, "segment %016llx of the spool %s does not check: its rest is lost",
             (unsigned long long)task->segment, s->options.dir);
    tell(s, ES_SPOOL_BROKEN, text);
}

static void run_tasks(struct es_spool *s, struct spool_task *task)
{
    while (task) {
        struct spool_task *next = task->next;
        if (task->broken)
            set_aside(s, task);
        else
            write_dead(s, task);
        loop_post(s->options.client->loop, &task->job);
        task = next;
    }
}

static void save_place(struct es_spool *s, struct journal_place place)
{
    struct tars_error error = {0};
    if (!journal_confirm(&s->journal, place, &error))
        log_warn("spool", "%s; after a restart more is sent again", error.text);
}

/* Waits for work and takes it; false when there is none and will be none. */
static bool take_work(struct es_spool *s, struct group *g, struct spool_task **tasks,
                      struct journal_place *place, bool *confirming)
{
    pthread_mutex_lock(&s->mutex);
    s->writing = 0;
    while (!s->stop && !s->fill.count && !s->tasks && !s->confirming)
        pthread_cond_wait(&s->work, &s->mutex);
    struct group empty = *g;
    *g = s->fill;
    s->fill = empty;
    s->writing = g->len;
    *tasks = s->tasks;
    s->tasks = NULL;
    s->last_task = &s->tasks;
    *place = s->confirm;
    *confirming = s->confirming;
    s->confirming = false;
    pthread_mutex_unlock(&s->mutex);
    return g->count || *tasks || *confirming;
}

static void *run_writer(void *arg)
{
    struct es_spool *s = arg;
    struct group group = {0};
    struct spool_task *tasks;
    struct journal_place place;
    bool confirming;
    while (take_work(s, &group, &tasks, &place, &confirming)) {
        if (group.count)
            write_group(s, &group);
        run_tasks(s, tasks);
        if (confirming)
            save_place(s, place);
    }
    free(group.bytes);
    free(group.waiters);
    return NULL;
}

/* ---- life
 * ----------------------------------------------------------------------------------------- */

static void set_defaults(struct es_spool_options *o)
{
    o->cap_bytes = !o->cap_bytes            ? (uint64_t)2 << 30
                   : o->cap_bytes < 1 << 20 ? 1 << 20
                                            : o->cap_bytes;
    o->segment_bytes = o->segment_bytes ? o->segment_bytes : 64 << 20;
    if (o->segment_bytes > o->cap_bytes / 8)
        o->segment_bytes = o->cap_bytes / 8;
    o->pending_bytes = o->pending_bytes ? o->pending_bytes : SEGMENT_PAYLOAD_LIMIT + (64 << 10);
    if (o->pending_bytes > o->cap_bytes / 4)
        o->pending_bytes = (size_t)(o->cap_bytes / 4);
    o->bulk_bytes = o->bulk_bytes ? o->bulk_bytes : 2 << 20;
    o->flight_bytes = o->flight_bytes ? o->flight_bytes : 8 << 20;
    o->dead_bytes = o->dead_bytes ? o->dead_bytes : 256 << 20;
    o->park_records = o->park_records ? o->park_records : 16384;
    o->park_ms = o->park_ms ? o->park_ms : 300000;
    o->timeout_ms = o->timeout_ms ? o->timeout_ms : 30000;
    o->back_off_limit_ms = o->back_off_limit_ms ? o->back_off_limit_ms : 10000;
}

static bool start_writer(struct es_spool *s, struct tars_error *error)
{
    sigset_t all, before;
    sigfillset(&all); /* a full disk must be an error of write(), not a SIGXFSZ */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&s->writer, NULL, run_writer, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    s->started = !failed;
    return s->started ||
           tars_fail(error, -1, "cannot start the spool's thread: %s", strerror(failed));
}

struct es_spool *es_spool_open(const struct es_spool_options *options, struct tars_error *error)
{
    struct es_spool *s = xcalloc(1, sizeof *s);
    uint64_t cut;
    s->options = *options;
    s->options.dir = xstrdup(options->dir);
    set_defaults(&s->options);
    s->last_task = &s->tasks;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->work, NULL);
    if (!journal_open(&s->journal, s->options.dir, s->options.cap_bytes, s->options.segment_bytes,
                      &cut, error)) {
        pthread_cond_destroy(&s->work);
        pthread_mutex_destroy(&s->mutex);
        free((char *)s->options.dir);
        free(s);
        return NULL;
    }
    if (cut)
        log_warn("spool", "%s: cut %llu bytes that a write had left unfinished", s->options.dir,
                 (unsigned long long)cut);
    dead_open(&s->dead, s->journal.dir, s->options.dead_bytes, s->journal.next);
    if (options->client)
        s->shipper = shipper_new(s, &s->journal, &s->options);
    if (start_writer(s, error)) {
        if (s->shipper)
            shipper_wake(s->shipper);
        return s;
    }
    es_spool_close(s);
    return NULL;
}

void es_spool_close(struct es_spool *s)
{
    if (!s)
        return;
    if (s->shipper)
        shipper_stop(s->shipper);
    pthread_mutex_lock(&s->mutex);
    s->stop = true;
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->mutex);
    if (s->started)
        pthread_join(s->writer, NULL);
    if (s->shipper) {
        struct journal_place place = shipper_confirmed(s->shipper);
        shipper_free(s->shipper);
        save_place(s, place);
    }
    free(s->fill.bytes);
    free(s->fill.waiters);
    dead_close(&s->dead);
    journal_close(&s->journal);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->mutex);
    free((char *)s->options.dir);
    free(s);
}

void es_spool_get_stats(struct es_spool *s, struct es_spool_stats *stats)
{
    pthread_mutex_lock(&s->mutex);
    *stats = s->stats;
    stats->pending_bytes = s->fill.len + s->writing;
    pthread_mutex_unlock(&s->mutex);
    stats->waiting_bytes = journal_waiting(&s->journal);
    pthread_mutex_lock(&s->journal.mutex);
    stats->disk_bytes = s->journal.bytes;
    stats->segments = s->journal.count;
    pthread_mutex_unlock(&s->journal.mutex);
}
