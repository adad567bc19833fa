/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/crc.h"

#include <string.h>

/* What half a byte adds, for the reflected polynomial 0x82F63B78. */
static const uint32_t half[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};

uint32_t crc32c_by_table(uint32_t before, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    uint32_t sum = ~before;
    for (size_t i = 0; i < len; i++) {
        sum ^= at[i];
        sum = sum >> 4 ^ half[sum & 15];
        sum = sum >> 4 ^ half[sum & 15];
    }
    return ~sum;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t by_processor(uint32_t before, const void *bytes,
                                                               size_t len)
{
    const unsigned char *at = bytes;
    uint64_t sum = (uint32_t)~before, word;
    for (; len >= sizeof word; len -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        sum = __builtin_ia32_crc32di(sum, word);
    }
    for (; len; len--, at++)
        sum = __builtin_ia32_crc32qi((uint32_t)sum, *at);
    return ~(uint32_t)sum;
}

uint32_t crc32c(uint32_t before, const void *bytes, size_t len)
{
    return __builtin_cpu_supports("sse4.2") ? by_processor(before, bytes, len)
                                            : crc32c_by_table(before, bytes, len);
}
#else
uint32_t crc32c(uint32_t before, const void *bytes, size_t len)
{
    return crc32c_by_table(before, bytes, len);
}
#endif
