/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What lookups read: objects by name and the group rules, published as a whole. One thread
 * publishes; any number of workers read without a lock and without waiting.
 *
 * A snapshot is an array of small buckets of objects. Publishing copies the array of pointers and
 * the buckets of the objects that changed; everything else is shared with the snapshot before.
 * What was replaced is released when no worker can still be looking at it.
 */
#ifndef TARSREGISTRY_SNAPSHOT_H
#define TARSREGISTRY_SNAPSHOT_H

#include "groups.h"
#include "object.h"

struct snapshot;
struct snapshots; /* the place they are published in */

/* `workers` readers, numbered from 0. Starts with an empty snapshot. */
struct snapshots *snapshots_new(unsigned workers);
void snapshots_free(struct snapshots *snapshots);

/* ---- readers: what is found is valid until snapshot_leave; no nesting ---- */

const struct snapshot *snapshot_enter(struct snapshots *snapshots, unsigned worker);
void snapshot_leave(struct snapshots *snapshots, unsigned worker);

/* Never NULL: an unknown name gives an object without endpoints. */
const struct object *snapshot_find(const struct snapshot *snapshot, struct tars_str name);
const struct groups *snapshot_groups(const struct snapshot *snapshot);

/* ---- the publisher ---- */

/* Collects changes; nothing is seen before snapshots_publish. Both take what they are given. */
void snapshots_put(struct snapshots *snapshots, struct object *object);
void snapshots_drop(struct snapshots *snapshots, struct tars_str name);
/* New rules; every object must be put again before publishing. */
void snapshots_set_groups(struct snapshots *snapshots, struct groups *groups);
const struct groups *snapshots_groups(const struct snapshots *snapshots);
void snapshots_publish(struct snapshots *snapshots);
/* Releases what nobody reads any more; returns how many pieces are still waiting. */
size_t snapshots_release(struct snapshots *snapshots);

/* Objects and endpoints in the newest snapshot. Publisher's thread. */
size_t snapshots_objects(const struct snapshots *snapshots);
size_t snapshots_endpoints(const struct snapshots *snapshots);

#endif
