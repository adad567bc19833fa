/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/hash.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* A bijection of the state for every word, so that only what follows can bring two together. */
static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

uint64_t hash_bytes(const void *bytes, size_t len, uint64_t seed)
{
    const uint8_t *p = bytes;
    uint64_t h = 0xcbf29ce484222325u ^ seed ^ len, word = 0;
    for (; len >= sizeof word; len -= sizeof word, p += sizeof word) {
        memcpy(&word, p, sizeof word);
        h = mix(h, word);
    }
    word = 0;
    for (size_t i = 0; i < len; i++)
        word = word << 8 | p[i];
    return mix(mix(h, word), 0);
}

uint64_t hash_seed(void)
{
    static _Atomic uint64_t seed;
    uint64_t s = atomic_load(&seed);
    if (s)
        return s;
    uint64_t fresh = 0;
    if (getrandom(&fresh, sizeof fresh, 0) != (ssize_t)sizeof fresh || fresh == 0)
        fresh = (uint64_t)time(NULL) | 1;
    return atomic_compare_exchange_strong(&seed, &s, fresh) ? fresh : s;
}
