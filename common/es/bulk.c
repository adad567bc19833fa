/* SPDX-License-Identifier: BSD-3-Clause */
#include "es/bulk.h"

#include "base/xmalloc.h"
#include "es/client.h"

#include <stdio.h>
#include <stdlib.h>

struct es_bulk {
    char *text; /* NDJSON; NULL while it is empty */
    size_t len, size, count;
};

struct es_bulk *es_bulk_new(void)
{
    return xcalloc(1, sizeof(struct es_bulk));
}

void es_bulk_free(struct es_bulk *bulk)
{
    if (!bulk)
        return;
    free(bulk->text);
    free(bulk);
}

size_t es_bulk_len(const struct es_bulk *bulk)
{
    return bulk->count;
}

size_t es_bulk_bytes(const struct es_bulk *bulk)
{
    return bulk->len;
}

/* Room for `len` bytes and the NUL behind them. */
static char *more_room(struct es_bulk *bulk, size_t len)
{
    if (bulk->size - bulk->len < len + 1) {
        bulk->size = (bulk->len + len + 1) * 2;
        bulk->text = xrealloc(bulk->text, bulk->size);
    }
    return bulk->text + bulk->len;
}

static void add_text(struct es_bulk *bulk, const char *text, size_t len)
{
    memcpy(more_room(bulk, len), text, len);
    bulk->len += len;
    bulk->text[bulk->len] = '\0';
}

static void add_line(struct es_bulk *bulk, const cJSON *json)
{
    char *line = cJSON_PrintUnformatted(json);
    add_text(bulk, line, strlen(line));
    add_text(bulk, "\n", 1);
    cJSON_free(line);
}

static cJSON *add_action(cJSON *line, const char *action, const char *index, const char *id,
                         const struct es_version *expected)
{
    cJSON *head = cJSON_AddObjectToObject(line, action);
    cJSON_AddStringToObject(head, "_index", index);
    cJSON_AddStringToObject(head, "_id", id);
    if (expected) {
        cJSON_AddNumberToObject(head, "if_seq_no", (double)expected->seq_no);
        cJSON_AddNumberToObject(head, "if_primary_term", (double)expected->primary_term);
    }
    return head;
}

static void add_item(struct es_bulk *bulk, const char *action, const char *index, const char *id,
                     const struct es_version *expected, const cJSON *body)
{
    cJSON *line = cJSON_CreateObject(), *head = add_action(line, action, index, id, expected);
    if (strcmp(action, "update") == 0)
        cJSON_AddNumberToObject(head, "retry_on_conflict", 3);
    add_line(bulk, line);
    cJSON_Delete(line);
    if (body)
        add_line(bulk, body);
    bulk->count++;
}

void es_bulk_put(struct es_bulk *bulk, const char *index, const char *id, const cJSON *source,
                 const struct es_version *expected)
{
    add_item(bulk, "index", index, id, expected, source);
}

void es_bulk_create(struct es_bulk *bulk, const char *index, const char *id, const cJSON *source)
{
    add_item(bulk, "create", index, id, NULL, source);
}

void es_bulk_update(struct es_bulk *bulk, const char *index, const char *id, const cJSON *fields,
                    bool upsert)
{
    cJSON *body = cJSON_CreateObject();
    cJSON_AddItemReferenceToObject(body, "doc", (cJSON *)fields);
    if (upsert)
        cJSON_AddTrueToObject(body, "doc_as_upsert");
    add_item(bulk, "update", index, id, NULL, body);
    cJSON_Delete(body);
}

void es_bulk_delete(struct es_bulk *bulk, const char *index, const char *id,
                    const struct es_version *expected)
{
    add_item(bulk, "delete", index, id, expected, NULL);
}

static void add_string(struct es_bulk *bulk, struct tars_str s)
{
    char *to = more_room(bulk, s.len * 6 + 2), *begin = to;
    *to++ = '"';
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (c < 0x20) {
            to += sprintf(to, "\\u%04x", c);
            continue;
        }
        if (c == '"' || c == '\\')
            *to++ = '\\';
        *to++ = (char)c;
    }
    *to++ = '"';
    bulk->len += (size_t)(to - begin);
    bulk->text[bulk->len] = '\0';
}

static void add_word(struct es_bulk *bulk, const char *word)
{
    add_text(bulk, word, strlen(word));
}

void es_bulk_raw(struct es_bulk *bulk, const char *action, struct tars_str index,
                 struct tars_str id, struct tars_str source)
{
    bool update = strcmp(action, "update") == 0;
    add_word(bulk, "{\"");
    add_word(bulk, action);
    add_word(bulk, "\":{\"_index\":");
    add_string(bulk, index);
    add_word(bulk, ",\"_id\":");
    add_string(bulk, id);
    add_word(bulk, update ? ",\"retry_on_conflict\":3}}\n" : "}}\n");
    bulk->count++;
    if (strcmp(action, "delete") == 0)
        return;
    add_word(bulk, update ? "{\"doc\":" : "");
    add_text(bulk, source.at, source.len);
    add_word(bulk, update ? ",\"doc_as_upsert\":true}\n" : "\n");
}

/* ---- sending
 * --------------------------------------------------------------------------------------------- */

struct send {
    es_bulk_done done;
    void *user;
    size_t count;
    bool repeatable;
};

static enum es_status item_status(int http, bool create, bool repeatable)
{
    if (http < 300 || (http == 409 && create && repeatable))
        return ES_OK;
    return http == 404                  ? ES_MISSING
           : http == 409                ? ES_CONFLICT
           : http == 429 || http >= 500 ? ES_UNREACHABLE
                                        : ES_REFUSED;
}

static void read_item(struct es_item *item, const cJSON *json, bool repeatable)
{
    const cJSON *inner = json ? json->child : NULL;
    const cJSON *status = cJSON_GetObjectItemCaseSensitive(inner, "status");
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(inner, "error");
    struct es_doc doc = {0};
    doc_read_json(&doc, inner);
    item->http = status ? status->valueint : 500;
    item->status = item_status(
        item->http, inner && inner->string && strcmp(inner->string, "create") == 0, repeatable);
    item->id = doc.id;
    item->version = doc.version;
    item->error_type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(error, "type"));
    item->error_reason = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(error, "reason"));
}

static void on_bulk(void *user, const struct es_result *r)
{
    struct send *send = user;
    struct es_result result = *r;
    cJSON *items = cJSON_GetObjectItemCaseSensitive(r->body, "items"), *json;
    struct es_item *list = NULL;
    size_t count = 0;
    if (r->status == ES_OK && (size_t)cJSON_GetArraySize(items) != send->count) {
        result.status = ES_UNREACHABLE;
        tars_fail(&result.error, ES_UNREACHABLE, "a bulk of %zu items was answered with %d results",
                  send->count, cJSON_GetArraySize(items));
    } else if (r->status == ES_OK) {
        list = xcalloc(send->count, sizeof *list);
        cJSON_ArrayForEach(json, items) read_item(&list[count++], json, send->repeatable);
    }
    send->done(send->user, &result, list, count);
    free(list);
    free(send);
}

void es_bulk_send(struct es_client *client, struct es_bulk *bulk, bool repeatable, int timeout_ms,
                  es_bulk_done done, void *user)
{
    struct send *send = xcalloc(1, sizeof *send);
    *send = (struct send){done, user, bulk->count, repeatable};
    struct es_call *call = call_new(client, "POST", bulk->count ? xstrdup("/_bulk") : NULL,
                                    bulk->text, timeout_ms, on_bulk, send);
    call->content_type = "application/x-ndjson";
    call->repeatable = repeatable;
    bulk->text = NULL;
    es_bulk_free(bulk);
    call_start(call);
}
