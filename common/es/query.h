/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Builds the JSON of searches. A caller's value only ever becomes a JSON value, never syntax; field
 * names are the program's own. Every function returns a new tree, and trees passed in are taken.
 */
#ifndef ES_QUERY_H
#define ES_QUERY_H

#include <cjson/cJSON.h>
#include <tars/types.h>

cJSON *es_match_all(void);
cJSON *es_term(const char *field, const char *value);
cJSON *es_term_int(const char *field, int64_t value);
cJSON *es_term_bool(const char *field, bool value);
cJSON *es_terms(const char *field, const struct tars_str *values, size_t count);
cJSON *es_ids(const struct tars_str *ids, size_t count);
cJSON *es_exists(const char *field);
cJSON *es_prefix(const char *field, const char *value);
/* As SQL's LIKE, upper and lower case differing: `%` is any text, `_` one character, `\` takes the
 * next one as it is. Becomes a term, a prefix or a wildcard, whichever asks for least. */
cJSON *es_like(const char *field, struct tars_str pattern);
/* `operation` is "gte", "gt", "lte" or "lt". */
cJSON *es_range(const char *field, const char *operation, int64_t value);

/* {"bool":{}}, filled with es_bool_add; `clause` is "must", "filter", "should" or "must_not". */
cJSON *es_bool(void);
void es_bool_add(cJSON *query, const char *clause, cJSON *part);

/* An empty order, filled with es_sort_add. */
cJSON *es_sort(void);
void es_sort_add(cJSON *sort, const char *field, bool ascending);

/* The body of a search; `sort` may be NULL. Versions of the hits are asked for. */
cJSON *es_search_body(cJSON *query, cJSON *sort, int size);

#endif
