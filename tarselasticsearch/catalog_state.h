/* SPDX-License-Identifier: BSD-3-Clause */
/* The catalogue's state, for the files that read it from the data file and change it. */
#ifndef STORE_CATALOG_STATE_H
#define STORE_CATALOG_STATE_H

#include "catalog.h"
#include "template.h"

#include <pthread.h>

struct catalog {
    pthread_rwlock_t lock;
    uint64_t seed;
    struct vocabulary *vocabulary;
    struct index **indices; /* sorted by name */
    size_t count;
    struct templates templates;
};

/* An empty one; it takes the vocabulary. */
struct catalog *catalog_new(uint64_t seed, struct vocabulary *vocabulary);
/* Frees all indices and templates. */
void catalog_clear(struct catalog *c);
/* An index that belongs to the caller, until catalog_insert gives it to the catalogue. */
struct index *catalog_new_index(const struct catalog *c, struct tars_str name);
void catalog_insert(struct catalog *c, struct index *index);
/* Takes it out and frees it. */
void catalog_remove(struct catalog *c, struct index *index);

#endif
