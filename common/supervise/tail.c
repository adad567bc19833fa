/* SPDX-License-Identifier: BSD-3-Clause */
#include "supervise/tail.h"

#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"

enum { FIRST_SIZE = 1024 };

/* Makes room for `len` more as far as `most` allows. */
static void grow(struct sup_ring *ring, size_t len)
{
    size_t size = ring->size ? ring->size : FIRST_SIZE, kept;
    if (ring->size - ring->len >= len || ring->size == ring->most)
        return;
    while (size < ring->len + len && size < ring->most)
        size *= 2;
    if (size > ring->most)
        size = ring->most;
    char *bytes = xmalloc(size + 1), *old = sup_ring_copy(ring, &kept);
    memcpy(bytes, old, kept);
    free(old);
    free(ring->bytes);
    ring->bytes = bytes;
    ring->size = size;
    ring->begin = 0;
}

void sup_ring_add(struct sup_ring *ring, const char *bytes, size_t len)
{
    if (len > ring->most) {
        bytes += len - ring->most;
        len = ring->most;
    }
    grow(ring, len);
    if (!ring->size)
        return;
    for (size_t done = 0; done < len;) {
        size_t at = (ring->begin + ring->len) % ring->size, part = ring->size - at;
        if (part > len - done)
            part = len - done;
        memcpy(ring->bytes + at, bytes + done, part);
        done += part;
        ring->len += part;
        if (ring->len > ring->size) {
            ring->begin = (ring->begin + ring->len - ring->size) % ring->size;
            ring->len = ring->size;
        }
    }
}

char *sup_ring_copy(const struct sup_ring *ring, size_t *len)
{
    char *copy = xmalloc(ring->len + 1);
    size_t first = ring->size - ring->begin < ring->len ? ring->size - ring->begin : ring->len;
    if (ring->len) {
        memcpy(copy, ring->bytes + ring->begin, first);
        memcpy(copy + first, ring->bytes, ring->len - first);
    }
    copy[ring->len] = '\0';
    *len = ring->len;
    return copy;
}

void sup_ring_clear(struct sup_ring *ring)
{
    free(ring->bytes);
    *ring = (struct sup_ring){.most = ring->most};
}
