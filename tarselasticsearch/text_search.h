/* SPDX-License-Identifier: BSD-3-Clause */
/* SQL functions that look for words in a text's column (words.h) and match regular expressions. */
#ifndef STORE_TEXT_SEARCH_H
#define STORE_TEXT_SEARCH_H

#include <sqlite3.h>
#include <tars/types.h>

enum { PHRASE_MAX = 64 }; /* words of a phrase with slop */

/*
 * has_words(column, words)         the bytes of a word or a phrase, each word between WORD_MARKs
 * near_words(column, words, slop)  the words, moved by at most `slop` places
 * word_wild(column, pattern, fold), word_regex(column, pattern, fold)   some word matches
 * regex(text, pattern, fold)       the text matches
 */
bool text_search_install(sqlite3 *sql);

#endif
