/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole decimal numbers as configuration and endpoint texts write them. */
#ifndef CONF_NUMBER_H
#define CONF_NUMBER_H

#include <tars/types.h>

/*
 * Reads all of `text` as a decimal number ("80", "080", "+80", "-5") within min..max; false, with
 * *value untouched, for anything else: empty text, other characters, overflow.
 */
bool conf_number(struct tars_str text, int64_t min, int64_t max, int64_t *value) TARS_MUSTCHECK;

#endif
