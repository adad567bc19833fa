/* SPDX-License-Identifier: BSD-3-Clause */
#include "service.h"

#include <stdio.h>
#include <stdlib.h>

#include <tars/server.h>

#include "base/clock.h"
#include "base/xmalloc.h"
#include "clean.h"
#include "k8stars.h"
#include "query.h"
#include "settings.h"

struct service {
    struct tars_arena *arena; /* of the settings' texts */
    struct registry *registry;
    struct query *query;
};

/* ---- an operator's commands
 * ---------------------------------------------------------------------- */

static void confirm(void *registry)
{
    ((struct registry *)registry)->liveness.confirmed = true;
}

/* "registry.expire": those who fell silent all at once are really gone. */
static void command_expire(void *self, struct tars_str argument, struct tars_writer *answer)
{
    struct service *s = self;
    (void)argument;
    loop_call(s->registry->loop, confirm, s->registry);
    static const char text[] = "silent instances become inactive with the next round";
    tars_writer_append(answer, text, sizeof text - 1);
}

/* "clean [n] [date]": what has been silent for long. */
static void command_clean(void *self, struct tars_str argument, struct tars_writer *answer)
{
    struct service *s = self;
    struct clean_rules rules;
    if (clean_parse(argument, clock_wall_ms(), &rules))
        clean_run(s->registry, &rules, answer);
    else
        tars_writer_append(answer, clean_usage, strlen(clean_usage));
}

/* ---- life
 * ---------------------------------------------------------------------------------------- */

bool service_open(struct daemon *daemon, void **self, struct tars_error *error)
{
    struct settings settings;
    struct service *s = xcalloc(1, sizeof *s);
    struct tars_server *server = daemon_server(daemon);
    s->arena = tars_arena_new(0);
    if (settings_read(daemon, s->arena, &settings, error))
        s->registry = registry_new(&settings, error);
    if (!s->registry) {
        tars_arena_free(s->arena);
        free(s);
        return false;
    }
    s->query = query_serve(server, s->registry);
    k8stars_serve(server, s->registry);
    tars_server_command(server, "registry.expire", command_expire, s);
    tars_server_command(server, "clean", command_clean, s);
    *self = s;
    return true;
}

bool service_may_serve(void *self)
{
    struct service *s = self;
    return registry_can_serve(s->registry);
}

void service_close(void *self)
{
    struct service *s = self;
    registry_stop(s->registry);
    registry_free(s->registry);
    query_free(s->query);
    tars_arena_free(s->arena);
    free(s);
}

bool service_ready(void *self, char *why, size_t size)
{
    struct service *s = self;
    return registry_ready(s->registry, why, size);
}

/* ---- metrics
 * ------------------------------------------------------------------------------------- */

#define COUNTER_(function_, member_)                                                               \
    static double function_(void *self)                                                            \
    {                                                                                              \
        struct service *s = self;                                                                  \
        return (double)atomic_load(&s->registry->counters.member_);                                \
    }

COUNTER_(unauthorized, unauthorized)
COUNTER_(registrations, registrations)
COUNTER_(refused, refused_registrations)
COUNTER_(failed, failed_registrations)
COUNTER_(removals, removals)
COUNTER_(keep_alives, keep_alives)
COUNTER_(unknown, unknown_keep_alives)
COUNTER_(restored, restored)
COUNTER_(expired, expired)
COUNTER_(held_rounds, held_rounds)
COUNTER_(spared, spared)
COUNTER_(probes, probe.connects)
COUNTER_(found_dead, probe.dead)
COUNTER_(probes_open, probe.open)
COUNTER_(conflicts, conflicts)
COUNTER_(rejected, rejected_documents)
COUNTER_(purged, purged)
COUNTER_(files, snapshot_writes)
COUNTER_(failed_files, failed_snapshot_writes)
COUNTER_(instances, instances)
COUNTER_(objects, objects)
COUNTER_(endpoints, endpoints)
COUNTER_(unsaved, unsaved_states)
COUNTER_(here, store_here)
COUNTER_(stale, stale)

static double store_age(void *self)
{
    struct service *s = self;
    int64_t looked = atomic_load(&s->registry->counters.store_looked_at);
    return looked ? (double)(clock_ms() - looked) / 1000 : -1;
}

const struct daemon_metric service_metric_table[] = {
    {"tars_registry_registrations_total", "onStartup calls stored and acknowledged", registrations},
    {"tars_registry_refused_total", "calls refused for what they contain", refused},
    {"tars_registry_unauthorized_total", "changes refused for want of a token", unauthorized},
    {"tars_registry_failed_total", "changes the store did not take in time", failed},
    {"tars_registry_removals_total", "onPrestop calls stored and acknowledged", removals},
    {"tars_registry_keep_alives_total", "keepAlive calls", keep_alives},
    {"tars_registry_unknown_keep_alives_total", "of instances that were not known", unknown},
    {"tars_registry_restored_total", "instances restored or made by a keepAlive", restored},
    {"tars_registry_expired_total", "instances inactive because of their silence", expired},
    {"tars_registry_held_rounds_total", "rounds in which too many were silent at once",
     held_rounds},
    {"tars_registry_spared_instances", "silent ones that stay active for their object's sake",
     spared},
    {"tars_registry_probes_total", "connections to instances", probes},
    {"tars_registry_found_dead_total", "late instances that accepted no more", found_dead},
    {"tars_registry_open_probes", "connections to instances under way", probes_open},
    {"tars_registry_conflicts_total", "changes given up after repeated conflicts", conflicts},
    {"tars_registry_rejected_documents_total", "stored documents that cannot be used", rejected},
    {"tars_registry_purged_total", "old tombstones taken out of the store", purged},
    {"tars_registry_snapshot_files_total", "snapshot files written", files},
    {"tars_registry_failed_snapshot_files_total", "snapshot files that could not be", failed_files},
    {"tars_registry_instances", "instances known", instances},
    {"tars_registry_objects", "objects that can be looked up", objects},
    {"tars_registry_endpoints", "endpoints of all objects", endpoints},
    {"tars_registry_unsaved_states", "states that wait to be stored", unsaved},
    {"tars_registry_store_up", "1 while the store answers", here},
    {"tars_registry_stale", "1 while answers come from the snapshot file", stale},
    {"tars_registry_store_age_seconds", "since the store was last followed; -1: never", store_age},
};
const size_t service_metric_count = sizeof service_metric_table / sizeof *service_metric_table;

struct emit {
    daemon_emit *each;
    void *user;
};

static void emit_lookups(void *user, const char *function, uint64_t calls)
{
    struct emit *emit = user;
    char labels[64];
    snprintf(labels, sizeof labels, "function=\"%s\"", function);
    emit->each(emit->user, "tars_registry_lookups_total", labels, (double)calls);
}

void service_metrics(void *self, daemon_emit *each, void *user)
{
    struct service *s = self;
    struct emit emit = {each, user};
    query_counts(s->query, emit_lookups, &emit);
}
