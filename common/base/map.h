/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hash table from byte strings to pointers. Open addressing, one array; keys are copied into the
 * table. Look-up is one hash and on average one to two compares. Not thread-safe; readers of an
 * unchanging map may share it.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <tars/types.h>

struct map;

/* `free_value` is called for values that leave the map (may be NULL). */
struct map *map_new(void (*free_value)(void *));
void map_free(struct map *m);

/* NULL when there is none. */
void *map_get(const struct map *m, struct tars_str key);
/* Makes room for `count` entries in all at once, so that putting them moves nothing. */
void map_reserve(struct map *m, size_t count);
/* Puts a value; one that stood there is given to free_value. */
void map_put(struct map *m, struct tars_str key, void *value);
/* Takes the value out and returns it without freeing it; NULL when there is none. */
void *map_take(struct map *m, struct tars_str key);
/* Removes and frees the value; false when there is none. */
bool map_remove(struct map *m, struct tars_str key);
void map_clear(struct map *m);
size_t map_len(const struct map *m);

/* Walks in no particular order: `at` starts at 0; false at the end. No change while walking. */
bool map_next(const struct map *m, size_t *at, struct tars_str *key, void **value);

#endif
