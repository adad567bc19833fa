/* SPDX-License-Identifier: BSD-3-Clause */
/* The last bytes of a stream: a ring that takes memory only as far as there is something to keep.
 */
#ifndef SUPERVISE_TAIL_H
#define SUPERVISE_TAIL_H

#include <stddef.h>

struct sup_ring {
    char *bytes;
    size_t size, len, begin; /* allocated, used, where the oldest byte stands */
    size_t most;
};

void sup_ring_add(struct sup_ring *ring, const char *bytes, size_t len);
/* In one piece with a NUL behind it, to be freed. */
char *sup_ring_copy(const struct sup_ring *ring, size_t *len);
/* Empty again; the memory is given back. */
void sup_ring_clear(struct sup_ring *ring);

#endif
