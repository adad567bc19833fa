/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Patterns of the wildcard query: "*" any text, "?" one character, "\" takes the next as it is.
 * Matching takes at most pattern times text, whatever the pattern.
 */
#ifndef STORE_WILDCARD_H
#define STORE_WILDCARD_H

#include <sqlite3.h>
#include <tars/types.h>

enum { WILDCARD_MAX = 1024 };

/* `fold`: letters of ASCII are the same in both cases. */
bool wildcard_matches(struct tars_str pattern, struct tars_str text, bool fold);
/* The SQL functions wild(text, pattern) and wildi(text, pattern), which folds. */
bool wildcard_install(sqlite3 *sql);

#endif
