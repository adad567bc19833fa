/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Takes what nobody needs any more out of the store: tombstones that every registry has long seen,
 * and the rows of registries that have been gone for days. Every registry does it: a removal is
 * compare-and-set on the very tombstone that was found, so that doing it twice or late does
 * nothing, and what came back meanwhile stays.
 */
#ifndef TARSREGISTRY_PURGE_H
#define TARSREGISTRY_PURGE_H

struct purge;
struct registry;

struct purge *purge_new(struct registry *registry);
void purge_free(struct purge *purge);

/* Begins a round when one is due. On the loop's thread, every second. */
void purge_tick(struct purge *purge);

#endif
