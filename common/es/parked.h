/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records that Elasticsearch keeps turning away, set aside by a shipper so that the others go on.
 * Only their places are kept: they are read from their segments again for each try. Records of one
 * index and id stand in the order in which they came. On the shipper's thread.
 */
#ifndef ES_PARKED_H
#define ES_PARKED_H

#include "es/journal.h"

struct map;

struct parked_record {
    struct journal_place place;
    size_t size;         /* in the segment */
    struct tars_str key; /* of its index and id; empty: it has no id of its own */
    bool gone;           /* stored or in the dead letters: parked_sweep takes it off */
};

struct parked {
    struct parked_record *list;
    size_t count, room, limit;
    struct map *ids; /* keys that stand in the list, with how often */
};

void parked_init(struct parked *p, size_t limit);
void parked_clear(struct parked *p);

bool parked_full(const struct parked *p);
/* True when a record of that index and id is set aside: later ones must not pass it. */
bool parked_has(const struct parked *p, struct tars_str key);
/* Sets a record aside behind the others; beyond the limit too. Copies the key. */
void parked_add(struct parked *p, const struct parked_record *record);
/* Takes off those that are gone; indices into the list change. */
void parked_sweep(struct parked *p);
/* The lower of the given place and the first place in the list. */
struct journal_place parked_bound(const struct parked *p, struct journal_place place);

#endif
