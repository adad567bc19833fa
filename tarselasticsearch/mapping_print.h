/* SPDX-License-Identifier: BSD-3-Clause */
/* A mapping as JSON, as it is shown and kept. */
#ifndef STORE_MAPPING_PRINT_H
#define STORE_MAPPING_PRINT_H

#include "mapping.h"

/* Appends {"dynamic":…,"properties":{…}}. */
void mapping_print(const struct mapping *m, struct text *to);

#endif
