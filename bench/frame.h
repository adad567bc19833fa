/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames as the benchmark makes and expects them: request ids are large enough to take four bytes
 * always, so they stand at a fixed place (Tars protocol: RequestPacket, ResponsePacket).
 */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#include <stdbool.h>
#include <stdint.h>

enum {
    FRAME_REQUEST_ID = 9, /* length 4, version 2, packet type 1, message type 1, head 1 */
    FRAME_ANSWER_ID = 8,  /* length 4, version 2, packet type 1, head 1 */
    FRAME_FIRST_ID = 0x01000000
};

static inline uint32_t frame_get32(const char *at)
{
    const uint8_t *b = (const uint8_t *)at;

    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline void frame_put32(char *at, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(v >> (24 - 8 * i));
}

#endif
