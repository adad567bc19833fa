/* SPDX-License-Identifier: BSD-3-Clause */
/* Hashing of byte strings for tables; not for secrets. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <tars/types.h>

/* FNV-1a, 64 bits, mixed at the end; `seed` makes tables that strangers fill unpredictable. */
uint64_t hash_bytes(const void *bytes, size_t len, uint64_t seed);

/* A seed that differs from process to process. */
uint64_t hash_seed(void);

#endif
