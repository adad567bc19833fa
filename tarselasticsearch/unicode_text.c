/* SPDX-License-Identifier: BSD-3-Clause */
#include "unicode.h"

uint32_t unicode_read(struct tars_str s, size_t at, size_t *len)
{
    const unsigned char *p = (const unsigned char *)s.at + at;
    size_t size = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 1;
    *len = 1;
    if (p[0] < 0x80)
        return p[0];
    if (size == 1 || size > s.len - at)
        return UNICODE_BROKEN;
    uint32_t c = p[0] & (0x7fU >> size);
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return UNICODE_BROKEN;
        c = c << 6 | (p[i] & 0x3fU);
    }
    *len = size;
    return c;
}

size_t unicode_write(uint32_t c, char *to)
{
    static const unsigned char heads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = size; i-- > 1; c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)(heads[size] | c);
    return size;
}

struct tars_str unicode_lower_text(struct tars_str s, struct tars_arena *arena)
{
    /* Small letters may take a byte more than their capital. */
    char *at = tars_arena_alloc(arena, s.len * 3 / 2 + 4), *to = at;
    if (!at)
        return (struct tars_str){0};
    for (size_t i = 0, len; i < s.len; i += len) {
        uint32_t c = unicode_read(s, i, &len), low = unicode_lower(c);
        if (c == low || c == UNICODE_BROKEN) {
            memcpy(to, s.at + i, len);
            to += len;
        } else {
            to += unicode_write(low, to);
        }
    }
    return tars_str_n(at, (size_t)(to - at));
}
