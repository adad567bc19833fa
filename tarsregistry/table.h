/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The instances this registry knows, by id, by node and by servant. A change marks the servants it
 * touches; table_publish builds their objects anew and no others. One thread.
 */
#ifndef TARSREGISTRY_TABLE_H
#define TARSREGISTRY_TABLE_H

#include "record.h"
#include "snapshot.h"

/* Where the state of knowledge about a stored document stands: a later one is higher. */
struct position {
    int64_t primary_term, seq_no; /* both 0: nothing known */
};

enum instance_kind { INSTANCE_SERVER, INSTANCE_REGISTRY /* a registry's own servant */ };

enum { REPORT_GAPS = 3 };

/* When an instance reported; see liveness.h. Times in ms of the monotonic clock. */
struct reports {
    bool expected; /* its state comes from its own reports, so silence means something */
    bool ours;     /* this registry got the last one */
    int64_t last;  /* since when it is silent: a report, or when we took it over */
    int64_t heard; /* the last report that came to us; 0: none */
    int32_t gaps[REPORT_GAPS]; /* between the last reports of an unchanged state; 0: none yet */
    int32_t stored_interval;   /* what was known before a restart */
};

/* What connecting to an instance has shown; see probe.h. */
struct probed {
    int64_t next; /* not before, ms of the monotonic clock; 0: not planned yet */
    int64_t
        dead; /* when it was found to accept no more, though it did and is late; 0: it was not */
    uint8_t misses; /* attempts in vain before it ever accepted */
    bool waiting;   /* in the queue or under way */
    bool accepted;  /* it can be reached from here */
};

struct instance {
    char *id;
    enum instance_kind kind;
    struct record *record; /* NULL: only its state is known, or it is gone */
    enum present_state present;
    int64_t present_since;    /* wall clock, ms */
    struct tars_str reporter; /* the registry that got its last report, by name; interned */
    struct reports reports;
    struct probed probed; /* forgotten when the record changes */
    struct position record_at, state_at;
    int64_t record_written, state_written; /* own writes: monotonic ms of the acknowledgement */
    bool state_dirty;                      /* the state waits to be written */
    bool state_sending;
    uint32_t state_edits; /* what is written is what was known at this count */
    bool seen;            /* found by the full load that is running */
};

struct table;

struct table *table_new(void);
void table_free(struct table *table);

struct instance *table_find(const struct table *table, struct tars_str id);
/* The one that is there, or a new one that nothing is known about. */
struct instance *table_add(struct table *table, struct tars_str id, enum instance_kind kind);
/* Makes room for so many instances before they are added. */
void table_reserve(struct table *table, size_t count);
void table_remove(struct table *table, struct instance *instance);
size_t table_len(const struct table *table);
/* Walks in no particular order: `at` starts at 0. Instances may be changed, not added or removed.
 */
bool table_next(const struct table *table, size_t *at, struct instance **instance);

/* How many instances of a servant were lately set inactive for their silence. */
struct expiries {
    int64_t began;   /* of the window, ms */
    size_t count;    /* in it */
    size_t active;   /* instances that are active, … */
    int64_t counted; /* … counted at this time; 0: never */
};

struct instance_list {
    size_t len;
    struct instance **at; /* the table's, until its next change */
};
struct instance_list table_of_node(const struct table *table, struct tars_str node);

/* A servant's; NULL when no instance has it. The table's, until its next change. */
struct expiries *table_expiries(const struct table *table, struct tars_str servant);
/* Instances of the servant that are active. */
size_t table_active(const struct table *table, struct tars_str servant);

/* Takes the record; NULL: the instance is no longer configured. */
void table_set_record(struct table *table, struct instance *instance, struct record *record);
void table_set_present(struct table *table, struct instance *instance, enum present_state present,
                       int64_t since);
/* A text that lives as long as the table, the same one for the same text. */
struct tars_str table_intern(struct table *table, struct tars_str text);

/* New group rules (taken): every object is built anew by the next table_publish. */
void table_set_groups(struct table *table, struct snapshots *snapshots, struct groups *groups);
/* Publishes what changed; false when nothing did. */
bool table_publish(struct table *table, struct snapshots *snapshots);

#endif
