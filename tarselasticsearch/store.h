/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data folder and the threads that use it: one writer, which commits the writes of many callers
 * together, and some readers. A write's `done` is called when the disk has it.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "catalog.h"

#include <stdatomic.h>

struct store;
struct scrolls;

struct store_options {
    const char *path;      /* of the data file; made when it is missing */
    int readers;           /* threads */
    size_t queue_limit;    /* jobs waiting for readers, and for the writer */
    size_t request_memory; /* bytes that working on one request may take */
    int scroll_limit;      /* scrolls open at once */
};

/* What a job works with; valid while it runs. */
struct store_context {
    struct store *store;
    struct db *db;
    struct catalog *catalog;
    struct tars_arena *arena;
    bool may_grow; /* the catalogue is locked: its changes are allowed */
    bool broken;   /* set by a job: the data file refused, the transaction must go */
    bool tidy;     /* set by a job: the log is brought into the file before it is answered */
};

struct store_job {
    struct store_job *next;
    bool write;
    void (*run)(struct store_context *context, struct store_job *job);
    /* Afterwards, on the same thread. `kept` false: the commit failed, nothing was written. */
    void (*done)(struct store_job *job, bool kept);
};

struct store *store_open(const struct store_options *options, struct tars_error *error);
/* Finishes what was submitted. */
void store_close(struct store *s);

/* From any thread; false when too many wait already. */
bool store_submit(struct store *s, struct store_job *job);

/* For a job of the writer that has to change the catalogue: locks it until the commit. */
void store_grow(struct store_context *context);

struct scrolls *store_scrolls(struct store *s);
const char *store_path(const struct store *s);

struct store_stats {
    _Atomic uint64_t commits, writes, reads, refused, rollbacks;
    _Atomic bool full; /* the last write found no room on the disk */
};
struct store_stats *store_stats(struct store *s);
size_t store_waiting(struct store *s);

#endif
