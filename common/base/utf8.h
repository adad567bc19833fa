/* SPDX-License-Identifier: BSD-3-Clause */
/* Is a text UTF-8? */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <tars/types.h>

/* True when every character is well formed: shortest form, no surrogates, at most U+10FFFF. */
bool utf8_is_valid(struct tars_str text);

#endif
