/* SPDX-License-Identifier: BSD-3-Clause */
/* Hashing of byte strings for tables; not for secrets. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <tars/types.h>

/*
 * Eight bytes at a time; `seed` makes tables that strangers fill unpredictable. Machines of another
 * byte order get other values.
 */
uint64_t hash_bytes(const void *bytes, size_t len, uint64_t seed);

/* A seed that differs from process to process. */
uint64_t hash_seed(void);

#endif
