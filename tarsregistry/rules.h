/* SPDX-License-Identifier: BSD-3-Clause */
/* The stored documents of group rules and priorities, from which struct groups is made. */
#ifndef TARSREGISTRY_RULES_H
#define TARSREGISTRY_RULES_H

#include "document.h"

struct rules;

struct rules *rules_new(void);
void rules_free(struct rules *rules);

/* Keeps a copy, or forgets a deleted one; true when that changed something. */
bool rules_put(struct rules *rules, enum document_kind kind, const char *id, const cJSON *source);
/* A full load: those that are not put until rules_sweep are forgotten; true when some were. */
void rules_unsee(struct rules *rules);
bool rules_sweep(struct rules *rules);

struct groups *rules_groups(const struct rules *rules);

/* Walks all documents. */
bool rules_next(const struct rules *rules, size_t *at, enum document_kind *kind,
                struct tars_str *id, const cJSON **source);

#endif
