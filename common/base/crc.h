/* SPDX-License-Identifier: BSD-3-Clause */
/* CRC32C (Castagnoli): finds torn and rotten bytes on disk; no protection against people. */
#ifndef BASE_CRC_H
#define BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* The sum of `len` bytes behind those that `before` is the sum of; 0 to begin with. */
uint32_t crc32c(uint32_t before, const void *bytes, size_t len);
/* The same without the processor's own instruction; for tests. */
uint32_t crc32c_by_table(uint32_t before, const void *bytes, size_t len);

#endif
