/* SPDX-License-Identifier: BSD-3-Clause */
/* What the store says, put into the registry's tables. On the registry's loop. */
#ifndef TARSREGISTRY_INTAKE_H
#define TARSREGISTRY_INTAKE_H

#include "registry.h"

struct store_listener intake_listener(struct registry *registry);

/*
 * A document as it stands after a write of ours or as read for a decision: goes into the tables at
 * once, whatever the next look at the store brings. `source` as in the document.
 */
void intake_written(struct registry *registry, enum document_kind kind, const char *id,
                    const cJSON *source, struct es_version version);

#endif
