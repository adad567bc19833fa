/* SPDX-License-Identifier: BSD-3-Clause */
#include "es/composite.h"

#include "base/xmalloc.h"
#include "es/client.h"

#include <stdlib.h>

static const char name[] = "groups";

struct es_composite {
    struct es_client *client;
    char *index;
    cJSON *query, *sources, *aggs;
    int page_size, timeout_ms;
    bool cancelled;
    es_on_buckets page;
    es_done done;
    void *user;
};

static cJSON *group(const char *called, const char *kind, cJSON *how)
{
    cJSON *source = cJSON_CreateObject();
    cJSON_AddItemToObject(cJSON_AddObjectToObject(source, called), kind, how);
    return source;
}

cJSON *es_group_terms(const char *called, const char *field)
{
    cJSON *how = cJSON_CreateObject();
    cJSON_AddStringToObject(how, "field", field);
    return group(called, "terms", how);
}

cJSON *es_group_dates(const char *called, const char *field, const char *fixed)
{
    cJSON *how = cJSON_CreateObject();
    cJSON_AddStringToObject(how, "field", field);
    cJSON_AddStringToObject(how, "fixed_interval", fixed);
    return group(called, "date_histogram", how);
}

static void end(struct es_composite *c, const struct es_result *r)
{
    c->done(c->user, r);
    cJSON_Delete(c->query);
    cJSON_Delete(c->sources);
    cJSON_Delete(c->aggs);
    free(c->index);
    free(c);
}

static void end_with(struct es_composite *c, const struct es_result *r, enum es_status status,
                     const char *why)
{
    struct es_result changed = *r;
    changed.status = status;
    tars_fail(&changed.error, (int)status, "grouping %s: %s", c->index, why);
    end(c, &changed);
}

/* False where a pattern matched no index: then there are no groups in the answer. */
static bool asked_shards(const cJSON *body)
{
    const cJSON *shards = cJSON_GetObjectItemCaseSensitive(body, "_shards");
    const cJSON *total = cJSON_GetObjectItemCaseSensitive(shards, "total");
    return !total || total->valueint > 0;
}

static void ask(struct es_composite *c, const cJSON *after);

static void on_page(void *user, const struct es_result *r)
{
    struct es_composite *c = user;
    const cJSON *groups = cJSON_GetObjectItemCaseSensitive(
        cJSON_GetObjectItemCaseSensitive(r->body, "aggregations"), name);
    const cJSON *buckets = cJSON_GetObjectItemCaseSensitive(groups, "buckets");
    const cJSON *after = cJSON_GetObjectItemCaseSensitive(groups, "after_key");
    int count = cJSON_GetArraySize(buckets);
    if (c->cancelled)
        end_with(c, r, ES_REFUSED, "cancelled");
    else if (r->status != ES_OK)
        end(c, r);
    else if (!search_is_whole(r->body) || (!buckets && asked_shards(r->body)))
        end_with(c, r, ES_UNREACHABLE, "only a part of the index answered");
    else if (count && !c->page(c->user, buckets))
        end(c, r);
    else if (c->cancelled) /* from within the page */
        end_with(c, r, ES_REFUSED, "cancelled");
    else if (count && after)
        ask(c, after);
    else
        end(c, r);
}

static void ask(struct es_composite *c, const cJSON *after)
{
    cJSON *body = cJSON_CreateObject();
    cJSON_AddNumberToObject(body, "size", 0);
    cJSON_AddFalseToObject(body, "track_total_hits");
    cJSON_AddItemToObject(body, "query", cJSON_Duplicate(c->query, true));
    cJSON *groups = cJSON_AddObjectToObject(cJSON_AddObjectToObject(body, "aggs"), name);
    cJSON *how = cJSON_AddObjectToObject(groups, "composite");
    cJSON_AddNumberToObject(how, "size", c->page_size);
    cJSON_AddItemToObject(how, "sources", cJSON_Duplicate(c->sources, true));
    if (after)
        cJSON_AddItemToObject(how, "after", cJSON_Duplicate(after, true));
    if (c->aggs)
        cJSON_AddItemToObject(groups, "aggs", cJSON_Duplicate(c->aggs, true));
    es_search(c->client, c->index, body, c->timeout_ms, on_page, c);
}

struct es_composite *es_composite_all(struct es_client *client, const char *index, cJSON *query,
                                      cJSON *sources, cJSON *aggs, int page_size, int timeout_ms,
                                      es_on_buckets page, es_done done, void *user)
{
    struct es_composite *c = xcalloc(1, sizeof *c);
    *c = (struct es_composite){.client = client,
                               .index = xstrdup(index),
                               .query = query,
                               .sources = sources,
                               .aggs = aggs,
                               .page_size = page_size,
                               .timeout_ms = timeout_ms,
                               .page = page,
                               .done = done,
                               .user = user};
    ask(c, NULL);
    return c;
}

void es_composite_cancel(struct es_composite *c)
{
    c->cancelled = true;
}
