/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The words of a text as Elasticsearch's standard analyzer finds them: the word boundaries of
 * Unicode, every Chinese character and every Hiragana a word of its own, all in small letters.
 */
#ifndef STORE_WORDS_H
#define STORE_WORDS_H

#include "text.h"

enum { WORD_MAX = 255 }; /* in UTF-16 units; what is longer is cut */

struct words {
    struct tars_str text;
    size_t at;
    size_t offset; /* the same in UTF-16 units */
};

struct word {
    struct tars_str text; /* as it was written */
    const char *type;     /* "<ALPHANUM>" */
    size_t start, end;    /* UTF-16 units */
};

/* The next one; begin with {.text = …}. */
bool words_next(struct words *w, struct word *word);
/* Appends it in small letters. */
void word_add_lower(const struct word *word, struct text *to);

/*
 * How a text lies in its column: WORD_MARK before and behind each word, so that a word or a phrase
 * is found by looking for its bytes; WORDS_GAP between the values of a list.
 */
enum { WORD_MARK = 0x1f, WORDS_GAP = 0x1e };
/* Appends one value; `to` is empty before the first one. */
void words_add(struct tars_str value, struct text *to);

#endif
