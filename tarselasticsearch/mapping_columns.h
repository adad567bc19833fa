/* SPDX-License-Identifier: BSD-3-Clause */
/* The columns of a mapping as the catalogue keeps them: their numbers and marks (many values,
 * numbers of words) by path. */
#ifndef STORE_MAPPING_COLUMNS_H
#define STORE_MAPPING_COLUMNS_H

#include "mapping.h"

/* Appends {"path":[column,marks],…}. */
void mapping_print_columns(const struct mapping *m, struct text *to);
/* Puts them back into a mapping that was read anew; what is no such pair is passed over. */
void mapping_restore_columns(struct mapping *m, const struct json *json);

#endif
