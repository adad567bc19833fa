/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Regular expressions as Lucene writes them, against whole texts: . ? * + {n,m} | ( ) [ ] "…" @ #
 * and \d \w \s. All states go on side by side: the time is at most states times characters.
 */
#ifndef STORE_REGEX_H
#define STORE_REGEX_H

#include <tars/types.h>

enum { REGEX_MAX = 1000, REGEX_STATES = 4000, REGEX_DEPTH = 100 };

struct regex;

/* NULL with the reason. `fold`: letters of ASCII are the same in both cases. */
struct regex *regex_new(struct tars_str pattern, bool fold, char why[128]);
void regex_free(void *regex);
/* One thread at a time. */
bool regex_matches(struct regex *r, struct tars_str text);

#endif
