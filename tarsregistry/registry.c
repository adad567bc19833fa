/* SPDX-License-Identifier: BSD-3-Clause */
#include "registry.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "diskfile.h"
#include "intake.h"
#include "own.h"
#include "registrations.h"
#include "reports.h"
#include "turns.h"

enum {
    TICK_MS = LIVENESS_ROUND_MS,
    RELEASE_MS = 20,
    FILE_PAUSE_MS = 10 * 1000,
    HEARTBEAT_LIMIT = 200 * 1000,
    STOP_MS = 4000
};

/* ---- snapshot and snapshot file
 * ------------------------------------------------------------------ */

static void release_later(struct loop_timer *timer)
{
    struct registry *r = loop_container(timer, struct registry, release);
    if (snapshots_release(r->snapshots))
        loop_timer_set(r->loop, &r->release, RELEASE_MS, release_later);
}

void registry_publish(struct registry *r)
{
    r->changed |= table_publish(r->table, r->snapshots);
    if (snapshots_release(r->snapshots) && !loop_timer_is_set(&r->release))
        loop_timer_set(r->loop, &r->release, RELEASE_MS, release_later);
    atomic_store(&r->counters.instances, table_len(r->table));
    atomic_store(&r->counters.objects, snapshots_objects(r->snapshots));
    atomic_store(&r->counters.endpoints, snapshots_endpoints(r->snapshots));
}

static void read_file(struct registry *r)
{
    struct tars_error error;
    int64_t written_at = 0;
    if (!r->settings.snapshot_file)
        return;
    enum diskfile_found found = diskfile_read(r->settings.snapshot_file, r->table, r->rules,
                                              &written_at, &error);
    if (found == DISKFILE_BAD)
        log_error("registry", "%s", error.text);
    if (found != DISKFILE_READ)
        return;
    size_t at = 0;
    for (struct instance *i; table_next(r->table, &at, &i);)
        i->reports.ours = i->reports.expected && tars_str_equal(i->reporter, r->name);
    table_set_groups(r->table, r->snapshots, rules_groups(r->rules));
    atomic_store(&r->counters.stale, true);
    atomic_store(&r->counters.serving, true);
    log_info("registry",
             "serving %zu instances from the snapshot file, %lld s old, until the "
             "store has been read",
             table_len(r->table), (long long)((clock_wall_ms() - written_at) / 1000));
}

static void write_file(struct registry *r)
{
    struct tars_error error;
    r->file_written = clock_ms();
    r->changed = false;
    if (diskfile_write(r->settings.snapshot_file, r->table, r->rules, &error)) {
        atomic_fetch_add(&r->counters.snapshot_writes, 1);
        return;
    }
    r->changed = true;
    if (atomic_fetch_add(&r->counters.failed_snapshot_writes, 1) < 10)
        log_error("registry", "%s", error.text);
}

/* What has not been loaded yet must not replace what is on disk. */
static bool worth_writing(const struct registry *r)
{
    return r->settings.snapshot_file && r->changed && atomic_load(&r->counters.serving);
}

/* ---- life
 * ---------------------------------------------------------------------------------------- */

bool registry_store_here(const struct registry *r)
{
    return atomic_load(&r->counters.store_here) && store_here(r->store);
}

static void on_tick(struct loop_timer *timer)
{
    struct registry *r = loop_container(timer, struct registry, tick);
    int64_t age = store_age_ms(r->store);
    atomic_store(&r->counters.store_looked_at, age < 0 ? 0 : clock_ms() - age);
    own_tick(r);
    loop_timer_set(r->loop, &r->tick, reports_tick(r), on_tick);
    purge_tick(r->purge);
    if (worth_writing(r) && clock_ms() - r->file_written >= FILE_PAUSE_MS)
        write_file(r);
}

static void begin(void *registry)
{
    struct registry *r = registry;
    store_start(r->store);
    loop_timer_set(r->loop, &r->tick, TICK_MS, on_tick);
}

static bool open_store(struct registry *r, struct tars_error *error)
{
    struct store_listener listener = intake_listener(r);
    r->store = store_new(r->loop, &r->settings.store, &listener, error);
    if (!r->store)
        return false;
    r->heartbeats = es_writer_new(store_client(r->store), store_index(r->store, DOCUMENT_NODE),
                                  r->settings.write_behind_ms, HEARTBEAT_LIMIT);
    return true;
}

struct registry *registry_new(const struct settings *settings, struct tars_error *error)
{
    struct registry *r = xcalloc(1, sizeof *r);
    r->settings = *settings;
    r->loop = loop_new("registry");
    r->table = table_new();
    r->rules = rules_new();
    r->snapshots = snapshots_new(settings->workers);
    r->purge = purge_new(r);
    r->changes = registrations_turns_new(r);
    r->nodes = registrations_node_turns_new(r);
    r->name = table_intern(r->table, tars_str(settings->locator));
    r->file_written = clock_ms() - FILE_PAUSE_MS;
    liveness_init(&r->liveness, &settings->liveness, clock_ms());
    r->prober = prober_new(r->loop, &settings->probe, r->table, &r->liveness, &r->counters.probe);
    read_file(r);
    own_list(r);
    registry_publish(r);
    r->changed = false;
    if (!open_store(r, error) || !loop_start(r->loop, error)) {
        registry_free(r);
        return NULL;
    }
    loop_call(r->loop, begin, r);
    return r;
}

struct stop {
    struct registry *registry;
    struct loop_timer limit;
    int waiting; /* writes under way; the limit ends them all */
    bool over;
};

static void stop_over(struct stop *stop)
{
    if (stop->over)
        return;
    stop->over = true;
    loop_timer_clear(stop->registry->loop, &stop->limit);
    loop_stop(stop->registry->loop);
}

static void stop_one_done(void *user)
{
    struct stop *stop = user;
    if (--stop->waiting == 0)
        stop_over(stop);
}

static void stop_flushed(void *user, const struct es_result *result)
{
    (void)result;
    stop_one_done(user);
}

static void stop_late(struct loop_timer *timer)
{
    stop_over(loop_container(timer, struct stop, limit));
}

static void stop_begin(void *user)
{
    struct stop *stop = user;
    struct registry *r = stop->registry;
    r->stopping = true;
    if (worth_writing(r))
        write_file(r);
    loop_timer_clear(r->loop, &r->tick);
    loop_timer_set(r->loop, &stop->limit, STOP_MS, stop_late);
    stop->waiting = 2;
    own_leave(r, stop_one_done, stop);
    if (registry_store_here(r))
        es_writer_flush(r->heartbeats, STOP_MS, stop_flushed, stop);
    else
        stop_one_done(stop);
}

void registry_stop(struct registry *r)
{
    if (r->stopping)
        return;
    struct stop *stop = xcalloc(1, sizeof *stop);
    stop->registry = r;
    loop_call(r->loop, stop_begin, stop);
    loop_join(r->loop);
    /* What still waits for an answer of the store is told off while `stop` can be reached. */
    es_writer_free(r->heartbeats);
    store_free(r->store);
    r->heartbeats = NULL;
    r->store = NULL;
    free(stop);
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    if (r->heartbeats)
        es_writer_free(r->heartbeats);
    store_free(r->store);
    turns_free(r->nodes);
    turns_free(r->changes);
    purge_free(r->purge);
    prober_free(r->prober);
    loop_free(r->loop);
    snapshots_free(r->snapshots);
    rules_free(r->rules);
    table_free(r->table);
    free(r);
}

/* ---- for other threads
 * ------------------------------------------------------------------------------ */

bool registry_can_serve(const struct registry *r)
{
    return atomic_load(&r->counters.serving);
}

bool registry_ready(struct registry *r, char *why, size_t size)
{
    if (registry_can_serve(r))
        return true;
    struct es_stats stats;
    es_client_stats(store_client(r->store), &stats);
    snprintf(why, size, "no snapshot file, and the store has not been read yet: %s",
             stats.last_problem[0] ? stats.last_problem : "it is being read");
    return false;
}
