/* SPDX-License-Identifier: BSD-3-Clause */
/* Patterns of names (of indices, aliases, fields), in which "*" stands for any text. */
#ifndef STORE_PATTERN_H
#define STORE_PATTERN_H

#include <tars/types.h>

/* "a*b" against a name, in time that grows with the lengths only. */
bool pattern_matches(struct tars_str pattern, struct tars_str name);

#endif
