/* SPDX-License-Identifier: BSD-3-Clause */
/* Durations as K8STARS writes them: "30s", "500ms", "0". */
#ifndef K8STARS_DURATION_H
#define K8STARS_DURATION_H

#include <tars/types.h>

/* "" and "0" are zero; else a whole number, maybe with a sign, and one unit of ns us ms s m h d.
 * Parts of a millisecond count as a whole one. False with the reason for anything else. */
bool duration_parse(const char *text, int64_t *ms, struct tars_error *error) TARS_MUSTCHECK;

#endif
