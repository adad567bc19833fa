/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading mappings: fields and parameters that a request adds to those of an index. */
#ifndef STORE_MAPPING_MERGE_H
#define STORE_MAPPING_MERGE_H

#include "mapping.h"

/* Adds what `json` ({"dynamic":…,"properties":{…}}) says; nothing of it is done on a failure when
 * the caller throws the mapping away (work on a copy). */
bool mapping_merge(struct mapping *m, const struct json *json, struct failure *failure);

#endif
