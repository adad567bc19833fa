/* SPDX-License-Identifier: BSD-3-Clause */
/* Keeps generated lines within 100 columns. */
#ifndef TARS2C_WRAP_H
#define TARS2C_WRAP_H

#include <stdio.h>

/*
 * Copies C text, lines that are too long broken behind a comma or bracket and gone on with
 * below the bracket. Preprocessor lines and comments stay as they are.
 */
void wrap_lines(FILE *out, const char *text, size_t len);

#endif
