/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All buckets of a composite aggregation, page by page to the end: the groups of a report, however
 * many there are. On the loop's thread.
 */
#ifndef ES_COMPOSITE_H
#define ES_COMPOSITE_H

#include "es/es.h"

struct es_composite;

/* One source of the groups, {"name":{"terms":{"field":…}}}; to be put into an array of them. */
cJSON *es_group_terms(const char *name, const char *field);
/* By date, in parts of `fixed` ("1m"). */
cJSON *es_group_dates(const char *name, const char *field, const char *fixed);

/* A page of buckets, {"key":{…},"doc_count":n,…}; false: no more are wanted. */
typedef bool (*es_on_buckets)(void *user, const cJSON *buckets);

/*
 * Groups the documents that `query` finds by `sources`, with the metrics `aggs` (NULL: none) in
 * each group. The three are taken. `done` comes once, after the last page or a failure; a page that
 * only some shards answered is one (ES_UNREACHABLE). `timeout_ms` is for each page. What is
 * returned is valid until `done`.
 */
struct es_composite *es_composite_all(struct es_client *client, const char *index, cJSON *query,
                                      cJSON *sources, cJSON *aggs, int page_size, int timeout_ms,
                                      es_on_buckets page, es_done done, void *user);

/* No page comes any more; `done` comes once what is under way is answered, as ES_REFUSED. */
void es_composite_cancel(struct es_composite *composite);

#endif
