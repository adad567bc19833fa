/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many writes in one request. Not a transaction: each item succeeds or fails by itself, and the
 * callback gets each item's result in the order in which the items were added.
 */
#ifndef ES_BULK_H
#define ES_BULK_H

#include "es/es.h"

struct es_bulk;

struct es_bulk *es_bulk_new(void);
void es_bulk_free(struct es_bulk *bulk);

/* Sources are not taken: they are printed into the bulk at once. `expected` may be NULL. */
void es_bulk_put(struct es_bulk *bulk, const char *index, const char *id, const cJSON *source,
                 const struct es_version *expected);
void es_bulk_create(struct es_bulk *bulk, const char *index, const char *id, const cJSON *source);
void es_bulk_update(struct es_bulk *bulk, const char *index, const char *id, const cJSON *fields,
                    bool upsert);
void es_bulk_delete(struct es_bulk *bulk, const char *index, const char *id,
                    const struct es_version *expected);

/* As above with a source that is text already: one JSON object in one line, not looked at. `action`
 * is "create", "index", "delete" (the source is left out) or "update" (an upsert of these fields).
 */
void es_bulk_raw(struct es_bulk *bulk, const char *action, struct tars_str index,
                 struct tars_str id, struct tars_str source);

size_t es_bulk_len(const struct es_bulk *bulk);
size_t es_bulk_bytes(const struct es_bulk *bulk);

struct es_item {
    enum es_status status;
    int http;
    const char *id;
    struct es_version version;
    const char *error_type, *error_reason; /* NULL when it went well */
};
/* `count` is 0 when the request as a whole failed: `result` says why, nothing is known of items. */
typedef void (*es_bulk_done)(void *user, const struct es_result *result,
                             const struct es_item *items, size_t count);

/*
 * Sends and frees the bulk. Sent again after a lost answer only when `repeatable`: with ids that
 * make a second time harmless, a create that answers ES_CONFLICT counting as done.
 */
void es_bulk_send(struct es_client *client, struct es_bulk *bulk, bool repeatable, int timeout_ms,
                  es_bulk_done done, void *user);

#endif
