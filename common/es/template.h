/* SPDX-License-Identifier: BSD-3-Clause */
/* Index templates that operators may have changed: what we need is added, what they said stays. */
#ifndef ES_TEMPLATE_H
#define ES_TEMPLATE_H

#include <cjson/cJSON.h>

/* The index_template in the answer to GET _index_template/NAME; NULL when there is none in it. */
const cJSON *es_template_of(const cJSON *answer);

/*
 * `stored` is an index_template as the server shows it (NULL: there is none), `wanted` the body
 * that we would put. Returns the body to put, or NULL when the stored one has all that is wanted.
 *
 * Patterns, aliases and settings are only added, the priority only grows. Fields are added too, and
 * where one is mapped otherwise ours counts: new indices would refuse our documents.
 */
cJSON *es_template_merge(const cJSON *stored, const cJSON *wanted);

#endif
