/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/utf8.h"

/* First bytes, how many follow, and what the second one may be (RFC 3629, section 4). */
static const struct {
    unsigned char first, last, more, low, high;
} forms[] = {
    {0x00, 0x7f, 0, 0, 0},       {0xc2, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf},
    {0xe1, 0xec, 2, 0x80, 0xbf}, {0xed, 0xed, 2, 0x80, 0x9f}, {0xee, 0xef, 2, 0x80, 0xbf},
    {0xf0, 0xf0, 3, 0x90, 0xbf}, {0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
};

/* Bytes of the character at the front; 0: it is none. */
static size_t character(const unsigned char *at, size_t left)
{
    size_t f = 0;
    while (f < sizeof forms / sizeof *forms && (at[0] < forms[f].first || at[0] > forms[f].last))
        f++;
    if (f == sizeof forms / sizeof *forms || left <= forms[f].more)
        return 0;
    if (forms[f].more && (at[1] < forms[f].low || at[1] > forms[f].high))
        return 0;
    for (size_t i = 2; i <= forms[f].more; i++)
        if (at[i] < 0x80 || at[i] > 0xbf)
            return 0;
    return (size_t)forms[f].more + 1;
}

bool utf8_is_valid(struct tars_str text)
{
    const unsigned char *at = (const unsigned char *)text.at;
    for (size_t i = 0, n; i < text.len; i += n)
        if (!(n = character(at + i, text.len - i)))
            return false;
    return true;
}
