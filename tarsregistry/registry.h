/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registry's state and the one thread that changes it. Servants run on the server's workers:
 * lookups read the published snapshot there; everything that changes something is handed to the
 * registry's loop, where the table, the store and the clock of liveness live.
 */
#ifndef TARSREGISTRY_REGISTRY_H
#define TARSREGISTRY_REGISTRY_H

#include <stdatomic.h>

#include "daemon/auth.h"
#include "es/writer.h"
#include "liveness.h"
#include "loop/loop.h"
#include "probe.h"
#include "purge.h"
#include "rules.h"
#include "snapshot.h"
#include "store.h"
#include "table.h"

/* What the configuration says; strings live as long as the daemon. */
struct settings {
    struct store_options store;
    struct liveness_rules liveness;
    struct probe_rules probe;
    const char *snapshot_file; /* NULL: none is kept */
    const char *locator;       /* "host:port" of our QueryObj: our name towards other registries */
    const char *query_endpoint, *registry_endpoint; /* as others reach us */
    int32_t write_behind_ms;                        /* node heartbeats are stored this often */
    int32_t heartbeat_ms, heartbeat_timeout_ms;     /* of registries towards each other */
    int32_t instance_limit;                         /* more are not taken */
    int64_t tombstone_ms, forget_registry_ms;       /* how long they stay stored, at least */
    int32_t metrics_silence_s; /* instances inactive this long are no longer scraped; 0: all are */
    bool trust_node_name;      /* callers may say where they are (context node_name) */
    struct daemon_auth *auth;  /* of calls that change something; NULL: everybody's */
    unsigned workers;
};

/* Counted on any thread. */
struct counters {
    _Atomic uint64_t unauthorized, registrations, refused_registrations, failed_registrations;
    _Atomic uint64_t removals, keep_alives, unknown_keep_alives, restored;
    _Atomic uint64_t expired, held_rounds, conflicts, rejected_documents;
    _Atomic uint64_t purged;
    _Atomic uint64_t snapshot_writes, failed_snapshot_writes;
    _Atomic uint64_t instances, objects, endpoints, unsaved_states;
    _Atomic int64_t store_looked_at; /* clock_ms(); 0: never */
    _Atomic uint64_t spared;         /* silent instances that are kept for their object's sake */
    _Atomic bool store_here, stale, serving, held;
    struct probe_counters probe;
};

struct registry {
    struct settings settings;
    struct loop *loop;
    struct table *table;
    struct rules *rules;
    struct snapshots *snapshots;
    struct liveness liveness;
    struct prober *prober;
    struct store *store;
    struct es_writer *heartbeats; /* of nodes */
    struct purge *purge;
    struct turns *changes; /* of instances, one at a time each */
    struct turns *nodes;   /* the part of them that is about the node */
    struct counters counters;
    struct tars_str name;   /* settings.locator, interned */
    int64_t load_began;     /* monotonic; 0: no full load is running */
    bool changed;           /* since the snapshot file was written */
    int64_t file_written;   /* monotonic */
    int64_t next_heartbeat; /* monotonic */
    bool stopping;
    struct loop_timer tick;
    struct loop_timer release;
};

/* Opens the snapshot file, begins to follow the store. NULL with the reason. */
struct registry *registry_new(const struct settings *settings, struct tars_error *error);
/* Saves what there is to save (at most a few seconds) and ends the thread. */
void registry_stop(struct registry *registry);
void registry_free(struct registry *registry);

/* There is something to answer from: a snapshot file, or a first full load. Any thread. */
bool registry_can_serve(const struct registry *registry);
/* False with the reason for people while it cannot serve. Any thread. */
bool registry_ready(struct registry *registry, char *why, size_t size);

/* ---- on the loop's thread ---- */

/* Publishes what changed in the table. */
void registry_publish(struct registry *registry);
/* Can the store be written to now? */
bool registry_store_here(const struct registry *registry);

#endif
