/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests about one document, and paths and ids. */
#include "es/client.h"

#include "base/clock.h"
#include "base/xmalloc.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

enum { ID_LIMIT = 480, CHANGE_TRIES = 5, CHANGE_LEAST_MS = 20, CHANGE_SPREAD_MS = 181 };

/* ---- paths and ids
 * ------------------------------------------------------------------------------------- */

char *es_path(const char *first, ...)
{
    va_list args;
    size_t len = 0;
    char *path = xstrdup("");
    va_start(args, first);
    for (const char *part = first; part; part = va_arg(args, const char *)) {
        size_t more = http_encode(NULL, 0, tars_str(part));
        path = xrealloc(path, len + more + 2);
        path[len++] = '/';
        http_encode(path + len, more + 1, tars_str(part));
        len += more;
    }
    va_end(args);
    return path;
}

static size_t put_part(char *to, struct tars_str part)
{
    static const char hex[] = "0123456789ABCDEF";
    char *begin = to;
    for (size_t i = 0; i < part.len; i++) {
        unsigned char c = (unsigned char)part.at[i];
        if (c > 0x20 && c != 0x7f && c != '%' && c != '|') {
            *to++ = (char)c;
            continue;
        }
        *to++ = '%';
        *to++ = hex[c >> 4];
        *to++ = hex[c & 15];
    }
    return (size_t)(to - begin);
}

char *es_id(const struct tars_str *parts, size_t count)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    size_t size = count + 1, len = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].len * 3;
    char *id = xmalloc(size < 80 ? 80 : size);
    for (size_t i = 0; i < count; i++) {
        if (i)
            id[len++] = '|';
        len += put_part(id + len, parts[i]);
    }
    id[len] = '\0';
    if (len <= ID_LIMIT)
        return id;
    SHA256((const unsigned char *)id, len, digest);
    len = (size_t)snprintf(id, size, "h|");
    for (size_t i = 0; i < sizeof digest; i++, len += 2)
        snprintf(id + len, 3, "%02x", digest[i]);
    return id;
}

/* "/index/_doc/id?…"; NULL for an id that cannot stand in a path. */
static char *doc_path(const struct es_client *client, const char *index, const char *kind,
                      const char *id, const struct es_version *expected, const char *more,
                      bool write)
{
    char version[80] = "";
    if (!*id || strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
        return NULL;
    if (expected)
        snprintf(version, sizeof version, "&if_seq_no=%lld&if_primary_term=%lld",
                 (long long)expected->seq_no, (long long)expected->primary_term);
    char *plain = es_path(index, kind, id, NULL);
    bool alias = write && client_owns(client, index);
    char *path = xasprintf("%s?%s%s%s", plain, alias ? "require_alias=true" : "timeout=30s",
                           version, more);
    if (!write)
        path[strlen(plain)] = '\0';
    free(plain);
    return path;
}

/* ---- single requests
 * ------------------------------------------------------------------------------------- */

void es_get(struct es_client *client, const char *index, const char *id, int timeout_ms,
            es_done done, void *user)
{
    char *path = doc_path(client, index, "_doc", id, NULL, "", false);
    struct es_call *call = call_new(client, "GET", path, NULL, timeout_ms, done, user);
    call->repeatable = true;
    call_start(call);
}

static void write_doc(struct es_client *client, const char *method, char *path, cJSON *body,
                      bool repeatable, int timeout_ms, es_done done, void *user)
{
    struct es_call *call = call_new(client, method, path, print_json(body), timeout_ms, done, user);
    call->repeatable = repeatable;
    call_start(call);
}

void es_put(struct es_client *client, const char *index, const char *id, cJSON *source,
            const struct es_version *expected, int timeout_ms, es_done done, void *user)
{
    write_doc(client, "PUT", doc_path(client, index, "_doc", id, expected, "", true), source,
              !expected, timeout_ms, done, user);
}

void es_create(struct es_client *client, const char *index, const char *id, cJSON *source,
               int timeout_ms, es_done done, void *user)
{
    write_doc(client, "PUT", doc_path(client, index, "_create", id, NULL, "", true), source, false,
              timeout_ms, done, user);
}

void es_update(struct es_client *client, const char *index, const char *id, cJSON *fields,
               bool upsert, int timeout_ms, es_done done, void *user)
{
    cJSON *body = cJSON_CreateObject();
    cJSON_AddItemToObject(body, "doc", fields);
    if (upsert)
        cJSON_AddTrueToObject(body, "doc_as_upsert");
    write_doc(client, "POST",
              doc_path(client, index, "_update", id, NULL, "&retry_on_conflict=3", true), body,
              true, timeout_ms, done, user);
}

void es_delete(struct es_client *client, const char *index, const char *id,
               const struct es_version *expected, int timeout_ms, es_done done, void *user)
{
    /* Elasticsearch knows no require_alias for a delete: it makes no index. */
    char *path = doc_path(client, index, "_doc", id, expected, "", true);
    char *alias = path ? strstr(path, "?require_alias=true") : NULL;
    if (alias)
        memmove(alias, alias[19] ? alias + 19 : "", strlen(alias + 19) + 1);
    if (alias && *alias == '&')
        *alias = '?';
    write_doc(client, "DELETE", path, NULL, !expected, timeout_ms, done, user);
}

/* ---- read, modify, compare-and-set
 * -------------------------------------------------------------------------- */

struct change {
    struct es_client *client;
    char *index, *id;
    es_modify modify;
    int64_t deadline_ms;
    int tries;
    es_done done;
    void *user;
};

static void read_for_change(struct change *c, int delay_ms);

static void end_change(struct change *c, const struct es_result *r)
{
    c->done(c->user, r);
    free(c->index);
    free(c->id);
    free(c);
}

static void on_changed(void *user, const struct es_result *r)
{
    struct change *c = user;
    if (r->status == ES_CONFLICT && c->tries < CHANGE_TRIES)
        read_for_change(c, CHANGE_LEAST_MS + (int)client_random(CHANGE_SPREAD_MS));
    else
        end_change(c, r);
}

static int left_for(const struct change *c)
{
    int64_t left = c->deadline_ms - clock_ms();
    return left > 0 ? (int)left : 0;
}

static void on_read_for_change(void *user, const struct es_result *r)
{
    struct change *c = user;
    bool there = r->status == ES_OK;
    bool absent = r->status == ES_MISSING &&
                  cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(r->body, "found"));
    if (!there && !absent) {
        end_change(c, r);
        return;
    }
    cJSON *source = c->modify(c->user, there ? r->doc.source : NULL);
    if (!source) {
        struct es_result unchanged = *r;
        unchanged.status = ES_OK;
        unchanged.error.code = 0;
        end_change(c, &unchanged);
    } else if (there) {
        es_put(c->client, c->index, c->id, source, &r->doc.version, left_for(c), on_changed, c);
    } else {
        es_create(c->client, c->index, c->id, source, left_for(c), on_changed, c);
    }
}

static void read_for_change(struct change *c, int delay_ms)
{
    struct es_call *call = call_new(c->client, "GET",
                                    doc_path(c->client, c->index, "_doc", c->id, NULL, "", false),
                                    NULL, left_for(c), on_read_for_change, c);
    c->tries++;
    call->repeatable = true;
    call->delay_ms = delay_ms;
    call_start(call);
}

void es_change(struct es_client *client, const char *index, const char *id, es_modify modify,
               int timeout_ms, es_done done, void *user)
{
    struct change *c = xcalloc(1, sizeof *c);
    c->client = client;
    c->index = xstrdup(index);
    c->id = xstrdup(id);
    c->modify = modify;
    c->deadline_ms = clock_ms() + timeout_ms;
    c->done = done;
    c->user = user;
    read_for_change(c, 0);
}
