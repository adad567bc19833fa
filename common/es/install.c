/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens before the first request: the server's version is asked for, the index template of
 * our prefix is put, and each index is made behind its alias, or, when it is there, gets the fields
 * that it lacks. Repeated until it succeeds.
 */
#include "es/client.h"

#include "base/log.h"
#include "base/xmalloc.h"
#include "es/template.h"

#include <stdio.h>
#include <stdlib.h>

enum { STEP_TIMEOUT_MS = 10000, AGAIN_MS = 500, AGAIN_LIMIT_MS = 10000, TEMPLATE_PRIORITY = 200 };

const char es_default_settings[] =
    "{\"number_of_shards\":1,\"auto_expand_replicas\":\"0-1\",\"refresh_interval\":\"1s\"}";

enum step {
    STEP_VERSION,
    STEP_READ_TEMPLATE,
    STEP_TEMPLATE,
    STEP_CREATE,
    STEP_MAPPING,
    STEP_ALIAS,
    STEP_ADD_ALIAS,
    STEP_DONE
};

struct es_install {
    struct es_client *client;
    struct loop_timer again;
    enum step step;
    cJSON *template; /* to be put */
    size_t index;
    int failures;
    bool running;
};

static void take_step(struct es_install *in);

void install_free(struct es_install *in)
{
    if (!in)
        return;
    loop_timer_clear(in->client->loop, &in->again);
    cJSON_Delete(in->template);
    free(in);
}

static void on_again(struct loop_timer *timer)
{
    struct es_install *in = loop_container(timer, struct es_install, again);
    in->step = STEP_VERSION;
    in->index = 0;
    take_step(in);
}

static void fail_step(struct es_install *in, const char *why)
{
    int64_t wait = (int64_t)AGAIN_MS << (in->failures < 5 ? in->failures : 5);
    wait = wait > AGAIN_LIMIT_MS ? AGAIN_LIMIT_MS : wait;
    if (in->failures++ == 0)
        log_warn("es", "the store is not ready, trying again: %s", why);
    client_problem(in->client, why);
    loop_timer_set(in->client->loop, &in->again, wait / 2 + client_random((unsigned)wait / 2),
                   on_again);
}

/* "8.19.21" of Elasticsearch 7.10 to 9, or of OpenSearch 1 to 3. */
static bool check_version(struct es_client *client, const cJSON *body, char *why, size_t size)
{
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(body, "version");
    const char *number = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(version, "number"));
    const char *kind = cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(version, "distribution"));
    bool open = kind && strcmp(kind, "opensearch") == 0;
    int major = 0, minor = 0;
    if (!number || sscanf(number, "%d.%d", &major, &minor) != 2) {
        snprintf(why, size, "the server does not say its version: it is no Elasticsearch");
        return false;
    }
    pthread_mutex_lock(&client->mutex);
    snprintf(client->stats.server, sizeof client->stats.server, "%s %.16s",
             open ? "OpenSearch" : "Elasticsearch", number);
    pthread_mutex_unlock(&client->mutex);
    if (open ? major >= 1 && major <= 3 : (major == 7 && minor >= 10) || major == 8 || major == 9)
        return true;
    snprintf(why, size,
             "%s %s is not supported: Elasticsearch 7.10 to 9 or OpenSearch 1 to 3 was expected",
             open ? "OpenSearch" : "Elasticsearch", number);
    return false;
}

static bool says(const struct es_result *r, const char *type)
{
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(r->body, "error");
    const char *found = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(error, "type"));
    return found && strcmp(found, type) == 0;
}

static void next_index(struct es_install *in)
{
    in->index++;
    in->step = in->index < in->client->options.index_count ? STEP_CREATE : STEP_DONE;
}

static cJSON *template_body(const struct es_client *client)
{
    cJSON *body = cJSON_CreateObject(), *inner = cJSON_CreateObject();
    char *pattern = xasprintf("%s*", client->prefix);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(body, "index_patterns"),
                         cJSON_CreateString(pattern));
    free(pattern);
    cJSON_AddNumberToObject(body, "priority", TEMPLATE_PRIORITY);
    cJSON_AddItemToObject(inner, "settings", cJSON_Parse(es_default_settings));
    cJSON_AddItemToObject(body, "template", inner);
    return body;
}

/* What has to be put; NULL when the one that is there has it all. */
static cJSON *merge_template(const struct es_client *client, const cJSON *answer)
{
    cJSON *wanted = template_body(client),
          *body = es_template_merge(es_template_of(answer), wanted);
    cJSON_Delete(wanted);
    return body;
}

/* Where to go from an answer; false when it is a failure. */
static bool advance(struct es_install *in, const struct es_result *r, char *why, size_t size)
{
    bool ok = r->status == ES_OK;
    snprintf(why, size, "%s", r->error.text);
    switch (in->step) {
    case STEP_VERSION:
        in->step = in->client->options.index_count ? STEP_READ_TEMPLATE : STEP_DONE;
        return ok && check_version(in->client, r->body, why, size);
    case STEP_READ_TEMPLATE:
        cJSON_Delete(in->template);
        in->template = merge_template(in->client, ok ? r->body : NULL);
        in->step = in->template ? STEP_TEMPLATE : STEP_CREATE;
        return ok || r->status == ES_MISSING;
    case STEP_TEMPLATE:
        in->step = STEP_CREATE;
        return ok;
    case STEP_CREATE:
        if (ok)
            next_index(in);
        else
            in->step = STEP_MAPPING;
        return ok || says(r, "resource_already_exists_exception");
    case STEP_MAPPING:
        if (!ok)
            log_warn("es", "the fields of an index could not be brought up to date: %s", why);
        in->step = STEP_ALIAS;
        return ok || r->status == ES_REFUSED;
    case STEP_ALIAS:
        if (ok)
            next_index(in);
        else
            in->step = STEP_ADD_ALIAS;
        return ok || r->status == ES_MISSING;
    default:
        next_index(in);
        return ok;
    }
}

static void on_step(void *user, const struct es_result *r)
{
    struct es_install *in = user;
    char why[512];
    in->running = false;
    if (in->client->closed)
        return;
    if (advance(in, r, why, sizeof why))
        take_step(in);
    else
        fail_step(in, why);
}

/* ---- the requests
 * ---------------------------------------------------------------------------------------- */

static cJSON *settings_of(const struct es_index *index)
{
    return cJSON_Parse(index->settings ? index->settings : es_default_settings);
}

static cJSON *index_body(const struct es_client *client, size_t at)
{
    const struct es_index *index = &client->options.indices[at];
    cJSON *body = cJSON_CreateObject();
    cJSON_AddItemToObject(body, "settings", settings_of(index));
    cJSON_AddItemToObject(body, "mappings", cJSON_Parse(index->mappings));
    cJSON_AddItemToObject(cJSON_AddObjectToObject(body, "aliases"), client->aliases[at],
                          cJSON_CreateObject());
    return body;
}

static cJSON *alias_body(const struct es_client *client, size_t at, const char *concrete)
{
    cJSON *body = cJSON_CreateObject(), *action = cJSON_CreateObject(), *add;
    cJSON_AddItemToArray(cJSON_AddArrayToObject(body, "actions"), action);
    add = cJSON_AddObjectToObject(action, "add");
    cJSON_AddStringToObject(add, "index", concrete);
    cJSON_AddStringToObject(add, "alias", client->aliases[at]);
    return body;
}

static void ask(struct es_install *in, const char *method, char *path, cJSON *body)
{
    struct es_call *call = call_new(in->client, method, path, print_json(body), STEP_TIMEOUT_MS,
                                    on_step, in);
    call->first = true;
    call->repeatable = true;
    in->running = true;
    call_start(call);
}

static void ask_of_index(struct es_install *in)
{
    struct es_client *client = in->client;
    const char *alias = client->aliases[in->index];
    char *concrete = xasprintf("%s_v1", alias);
    if (in->step == STEP_CREATE)
        ask(in, "PUT", es_path(concrete, NULL), index_body(client, in->index));
    else if (in->step == STEP_MAPPING)
        ask(in, "PUT", es_path(concrete, "_mapping", NULL),
            cJSON_Parse(client->options.indices[in->index].mappings));
    else if (in->step == STEP_ALIAS)
        ask(in, "GET", es_path("_alias", alias, NULL), NULL);
    else
        ask(in, "POST", xstrdup("/_aliases"), alias_body(client, in->index, concrete));
    free(concrete);
}

static void take_step(struct es_install *in)
{
    struct es_client *client = in->client;
    if (in->step == STEP_VERSION) {
        ask(in, "GET", xstrdup("/"), NULL);
    } else if (in->step == STEP_READ_TEMPLATE || in->step == STEP_TEMPLATE) {
        bool put = in->step == STEP_TEMPLATE;
        char *name = xasprintf("%sindices", client->prefix);
        cJSON *body = put ? in->template : NULL;
        in->template = put ? NULL : in->template;
        ask(in, put ? "PUT" : "GET", es_path("_index_template", name, NULL), body);
        free(name);
    } else if (in->step != STEP_DONE) {
        ask_of_index(in);
    } else {
        if (in->failures)
            log_info("es", "the store is ready");
        in->failures = 0;
        client_ready(client);
    }
}

void install_start(struct es_client *client)
{
    struct es_install *in = client->install;
    if (!in) {
        in = client->install = xcalloc(1, sizeof *in);
        in->client = client;
    }
    if (in->running || loop_timer_is_set(&in->again) || client->ready)
        return;
    in->step = STEP_VERSION;
    in->index = 0;
    take_step(in);
}
