/* SPDX-License-Identifier: BSD-3-Clause */
/* Searches: one, page by page with search_after, and with a scroll. */
#include "es/client.h"
#include "es/query.h"

#include "base/xmalloc.h"

#include <stdlib.h>

static const char scroll_time[] = "2m";

void es_search(struct es_client *client, const char *index, cJSON *body, int timeout_ms,
               es_done done, void *user)
{
    struct es_call *call = call_new(client, "POST", es_path(index, "_search", NULL),
                                    print_json(body), timeout_ms, done, user);
    call->repeatable = true;
    call_start(call);
}

struct walk {
    struct es_client *client;
    char *index;
    cJSON *query, *sort; /* of es_search_all */
    char *scroll_id;
    int page_size, timeout_ms;
    es_on_page page;
    es_done done;
    void *user;
};

static void end_walk(struct walk *w, const struct es_result *r)
{
    w->done(w->user, r);
    cJSON_Delete(w->query);
    cJSON_Delete(w->sort);
    free(w->scroll_id);
    free(w->index);
    free(w);
}

static cJSON *hits_of(const cJSON *body)
{
    return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(body, "hits"), "hits");
}

/* A search that only some shards answered is not whole: it must not pass for the truth. */
bool search_is_whole(const cJSON *body)
{
    const cJSON *shards = cJSON_GetObjectItemCaseSensitive(body, "_shards");
    const cJSON *failed = cJSON_GetObjectItemCaseSensitive(shards, "failed");
    return cJSON_IsArray(hits_of(body)) && (!failed || failed->valueint == 0) &&
           !cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(body, "timed_out"));
}

/* Hands a page over; true when there is more to ask for. Ends the walk on a failure. */
static bool take_page(struct walk *w, const struct es_result *r, bool *ended)
{
    struct es_result part = *r;
    cJSON *hits = hits_of(r->body), *hit;
    int count = cJSON_GetArraySize(hits), i = 0;
    *ended = r->status != ES_OK || !search_is_whole(r->body);
    if (r->status == ES_OK && *ended) {
        part.status = ES_UNREACHABLE;
        tars_fail(&part.error, ES_UNREACHABLE, "searching %s: only a part of the index answered",
                  w->index);
    }
    if (*ended) {
        end_walk(w, &part);
        return false;
    }
    struct es_doc *docs = xcalloc((size_t)count + 1, sizeof *docs);
    cJSON_ArrayForEach(hit, hits) doc_read_json(&docs[i++], hit);
    bool more = count > 0 && w->page(w->user, docs, (size_t)count);
    free(docs);
    return more;
}

/* ---- search_after
 * --------------------------------------------------------------------------------------- */

static void ask_page(struct walk *w, const cJSON *after);

static void on_page(void *user, const struct es_result *r)
{
    struct walk *w = user;
    bool ended, more = take_page(w, r, &ended);
    const cJSON *hits = ended ? NULL : hits_of(r->body);
    int count = cJSON_GetArraySize(hits);
    const cJSON *after = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(hits, count - 1),
                                                          "sort");
    if (ended)
        return;
    if (more && count >= w->page_size && after)
        ask_page(w, after);
    else
        end_walk(w, r);
}

static void ask_page(struct walk *w, const cJSON *after)
{
    cJSON *body = es_search_body(cJSON_Duplicate(w->query, true), cJSON_Duplicate(w->sort, true),
                                 w->page_size);
    cJSON_AddFalseToObject(body, "track_total_hits");
    if (after)
        cJSON_AddItemToObject(body, "search_after", cJSON_Duplicate(after, true));
    es_search(w->client, w->index, body, w->timeout_ms, on_page, w);
}

static struct walk *walk_new(struct es_client *client, const char *index, cJSON *query,
                             int page_size, int timeout_ms, es_on_page page, es_done done,
                             void *user)
{
    struct walk *w = xcalloc(1, sizeof *w);
    w->client = client;
    w->index = xstrdup(index);
    w->query = query;
    w->page_size = page_size;
    w->timeout_ms = timeout_ms;
    w->page = page;
    w->done = done;
    w->user = user;
    return w;
}

void es_search_all(struct es_client *client, const char *index, cJSON *query, cJSON *sort,
                   int page_size, int timeout_ms, es_on_page page, es_done done, void *user)
{
    struct walk *w = walk_new(client, index, query, page_size, timeout_ms, page, done, user);
    w->sort = sort;
    ask_page(w, NULL);
}

/* ---- scroll
 * -----------------------------------------------------------------------------------------------
 */

static void ignore(void *user, const struct es_result *r)
{
    (void)user;
    (void)r;
}

static void end_scroll(struct walk *w, const struct es_result *r)
{
    if (w->scroll_id && !w->client->closed) {
        cJSON *body = cJSON_CreateObject();
        cJSON_AddStringToObject(body, "scroll_id", w->scroll_id);
        es_request(w->client, "DELETE", "/_search/scroll", body, true, w->timeout_ms, ignore, NULL);
    }
    end_walk(w, r);
}

static void on_scroll(void *user, const struct es_result *r)
{
    struct walk *w = user;
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(r->body, "_scroll_id"));
    bool ended;
    if (id) {
        free(w->scroll_id);
        w->scroll_id = xstrdup(id);
    }
    bool more = take_page(w, r, &ended);
    if (ended)
        return;
    if (!more || !w->scroll_id) {
        end_scroll(w, r);
        return;
    }
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "scroll", scroll_time);
    cJSON_AddStringToObject(body, "scroll_id", w->scroll_id);
    /* Not repeatable: a page whose answer was lost would be skipped. */
    es_request(w->client, "POST", "/_search/scroll", body, false, w->timeout_ms, on_scroll, w);
}

void es_scroll_all(struct es_client *client, const char *index, cJSON *query, int page_size,
                   int timeout_ms, es_on_page page, es_done done, void *user)
{
    struct walk *w = walk_new(client, index, NULL, page_size, timeout_ms, page, done, user);
    cJSON *sort = es_sort();
    cJSON_AddItemToArray(sort, cJSON_CreateString("_doc"));
    char *plain = es_path(index, "_search", NULL),
         *path = xasprintf("%s?scroll=%s", plain, scroll_time);
    es_request(client, "POST", path, es_search_body(query, sort, page_size), true, timeout_ms,
               on_scroll, w);
    free(plain);
    free(path);
}

/* ---- the rest
 * -----------------------------------------------------------------------------------------------
 */

void es_refresh(struct es_client *client, const char *index, int timeout_ms, es_done done,
                void *user)
{
    char *path = es_path(index, "_refresh", NULL);
    es_request(client, "POST", path, NULL, true, timeout_ms, done, user);
    free(path);
}

void es_health(struct es_client *client, int timeout_ms, es_done done, void *user)
{
    es_request(client, "GET", "/_cluster/health?wait_for_status=yellow&timeout=1s", NULL, true,
               timeout_ms, done, user);
}
