/* SPDX-License-Identifier: BSD-3-Clause */
/* What finding words needs to know of characters. */
#ifndef STORE_UNICODE_H
#define STORE_UNICODE_H

#include <stdint.h>
#include <tars/types.h>

enum unicode_class {
    UNICODE_OTHER,
    UNICODE_LETTER,
    UNICODE_HEBREW,
    UNICODE_HANGUL,
    UNICODE_NUMERIC,
    UNICODE_KATAKANA,
    UNICODE_HIRAGANA,
    UNICODE_HAN,
    UNICODE_COMPLEX,      /* written without blanks: Thai, Khmer, … */
    UNICODE_COMPLEX_MARK, /* extends a character, of any script */
    UNICODE_CONNECTOR,
    UNICODE_MID_LETTER,
    UNICODE_MID_NUMBER,
    UNICODE_MID_BOTH,
    UNICODE_SINGLE_QUOTE,
    UNICODE_DOUBLE_QUOTE,
    UNICODE_EXTEND,
    UNICODE_JOINER,
    UNICODE_REGIONAL,
    UNICODE_EMOJI
};

enum unicode_class unicode_class(uint32_t c);
uint32_t unicode_lower(uint32_t c);

/* ---- UTF-8 (unicode_text.c) ---------------------------------------------------------------- */

enum { UNICODE_BROKEN = 0xfffd };
/* The character at `at` < s.len and how many bytes it has; for what is no UTF-8 one byte and
 * UNICODE_BROKEN. */
uint32_t unicode_read(struct tars_str s, size_t at, size_t *len);
/* Writes up to 4 bytes; how many. */
size_t unicode_write(uint32_t c, char *to);
/* The text in small letters, in the arena; at == NULL when it is full. */
struct tars_str unicode_lower_text(struct tars_str s, struct tars_arena *arena);

#endif
