/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/hash.h"

#include <stdatomic.h>
#include <sys/random.h>
#include <time.h>

uint64_t hash_bytes(const void *bytes, size_t len, uint64_t seed)
{
    const uint8_t *p = bytes;
    uint64_t h = 0xcbf29ce484222325u ^ seed;
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
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
