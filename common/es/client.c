/* SPDX-License-Identifier: BSD-3-Clause */
#include "es/client.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "http/pin.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    PENDING_LIMIT = 10000,
    BACK_OFF_MS = 100,
    BACK_OFF_LIMIT_MS = 5000,
    NODE_DOWN_MS = 500,
    NODE_DOWN_LIMIT_MS = 10000,
    ATTEMPT_LEAST_MS = 1000
};

static void send_call(struct es_call *call);

const char *es_status_name(enum es_status status)
{
    static const char *const names[] = {"ok", "conflict", "missing", "refused", "unreachable"};
    return names[status];
}

unsigned client_random(unsigned limit)
{
    unsigned number = 0;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != (ssize_t)sizeof number)
        number = (unsigned)clock_us();
    return number % limit;
}

char *print_json(cJSON *json)
{
    char *text = json ? cJSON_PrintUnformatted(json) : NULL;
    cJSON_Delete(json);
    return text;
}

/* ---- figures
 * ----------------------------------------------------------------------------------------- */

static void count(struct es_client *client, uint64_t *counter)
{
    pthread_mutex_lock(&client->mutex);
    ++*counter;
    pthread_mutex_unlock(&client->mutex);
}

void client_problem(struct es_client *client, const char *text)
{
    pthread_mutex_lock(&client->mutex);
    snprintf(client->stats.last_problem, sizeof client->stats.last_problem, "%.*s",
             (int)sizeof client->stats.last_problem - 1, text);
    pthread_mutex_unlock(&client->mutex);
}

void es_client_stats(struct es_client *client, struct es_stats *stats)
{
    pthread_mutex_lock(&client->mutex);
    *stats = client->stats;
    pthread_mutex_unlock(&client->mutex);
    stats->pending = atomic_load(&client->refs) - 1;
}

/* ---- the end of a call
 * --------------------------------------------------------------------------------- */

static void client_release(struct es_client *client)
{
    if (atomic_fetch_sub(&client->refs, 1) != 1)
        return;
    for (size_t i = 0; i < client->node_count; i++)
        free(client->nodes[i].url);
    for (size_t i = 0; i < client->options.index_count; i++)
        free(client->aliases[i]);
    free(client->nodes);
    free(client->aliases);
    free(client->prefix);
    pthread_mutex_destroy(&client->mutex);
    free(client);
}

static void end_call(struct es_call *call, struct es_result *result)
{
    struct es_client *client = call->client;
    uint64_t *counters[] = {NULL, &client->stats.conflicts, NULL, &client->stats.refused,
                            &client->stats.unreachable};
    result->error.code = (int)result->status;
    if (counters[result->status])
        count(client, counters[result->status]);
    if (call->at) {
        *call->at = call->next;
        if (call->next)
            call->next->at = call->at;
    }
    loop_timer_clear(client->loop, &call->timer);
    if (call->running)
        http_cancel(call->running);
    call->end(call, result);
    free(call->method);
    free(call->path);
    free(call->body);
    free(call);
    client_release(client);
}

static void turn_away(struct es_call *call, enum es_status status, int http, int retry_after_ms,
                      const char *why)
{
    struct es_result result = {.status = status, .http = http, .retry_after_ms = retry_after_ms};
    tars_fail(&result.error, (int)status, "%s %s: %s", call->method, call->path ? call->path : "",
              why);
    client_problem(call->client, result.error.text);
    end_call(call, &result);
}

static void fail_call(struct es_call *call, enum es_status status, int http, const char *why)
{
    turn_away(call, status, http, 0, why);
}

/* ---- waiting
 * --------------------------------------------------------------------------------------------- */

static void on_deadline(struct loop_timer *timer)
{
    struct es_call *call = loop_container(timer, struct es_call, timer);
    char why[400];
    struct es_stats stats;
    es_client_stats(call->client, &stats);
    snprintf(why, sizeof why, "not sent, the store is not ready: %s",
             stats.last_problem[0] ? stats.last_problem : "no answer yet");
    fail_call(call, ES_UNREACHABLE, 0, why);
}

static void on_retry(struct loop_timer *timer)
{
    send_call(loop_container(timer, struct es_call, timer));
}

static int64_t left_ms(const struct es_call *call)
{
    return call->deadline_ms - clock_ms();
}

static void wait_for_install(struct es_call *call)
{
    call->waiting = true;
    loop_timer_set(call->client->loop, &call->timer, left_ms(call) > 0 ? left_ms(call) : 0,
                   on_deadline);
    install_start(call->client);
}

/* Grows from try to try, half of it by chance, so that many callers do not come back together. */
static void retry_later(struct es_call *call, int at_least_ms, enum es_status status, int http,
                        const char *why)
{
    int shift = call->attempts < 6 ? call->attempts : 6;
    int64_t wait = (int64_t)BACK_OFF_MS << shift;
    wait = wait > BACK_OFF_LIMIT_MS ? BACK_OFF_LIMIT_MS : wait;
    wait = wait / 2 + client_random((unsigned)wait / 2 + 1);
    wait = wait < at_least_ms ? at_least_ms : wait;
    if (wait >= left_ms(call)) {
        turn_away(call, status, http, at_least_ms, why);
        return;
    }
    client_problem(call->client, why);
    count(call->client, &call->client->stats.retries);
    loop_timer_set(call->client->loop, &call->timer, wait, on_retry);
}

/* ---- answers
 * ------------------------------------------------------------------------------------------------
 */

/* {"error":{"type":…,"reason":…}} or {"error":"text"}. */
static void error_text(const cJSON *body, char *to, size_t size)
{
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(body, "error");
    const cJSON *cause = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(error, "root_cause"),
                                            0);
    const cJSON *from = cause ? cause : error;
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(from, "type"));
    const char *reason = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(from, "reason"));
    if (type || reason)
        snprintf(to, size, "%s: %s", type ? type : "error", reason ? reason : "no reason given");
    else
        snprintf(to, size, "%s",
                 cJSON_GetStringValue(error) ? cJSON_GetStringValue(error) : "no reason given");
}

static bool index_is_missing(const cJSON *body)
{
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(body, "error");
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(error, "type"));
    return type && strcmp(type, "index_not_found_exception") == 0;
}

static enum es_status status_of(int http)
{
    return http < 300 ? ES_OK : http == 404 ? ES_MISSING : http == 409 ? ES_CONFLICT : ES_REFUSED;
}

void doc_read_json(struct es_doc *doc, const cJSON *json)
{
    const cJSON *seq = cJSON_GetObjectItemCaseSensitive(json, "_seq_no");
    const cJSON *term = cJSON_GetObjectItemCaseSensitive(json, "_primary_term");
    doc->index = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "_index"));
    doc->id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "_id"));
    doc->version.seq_no = seq ? (int64_t)seq->valuedouble : -1;
    doc->version.primary_term = term ? (int64_t)term->valuedouble : 0;
    doc->source = cJSON_GetObjectItemCaseSensitive(json, "_source");
}

static const char *advice(int http)
{
    return http == 401   ? "; check user and password, or the API key"
           : http == 403 ? "; the user or API key needs this privilege, or somebody blocked it"
                         : "";
}

/* The node said something that ends the call. */
static void conclude(struct es_call *call, const struct http_answer *answer, cJSON *body)
{
    int http = answer->status;
    struct es_result result = {
        .status = status_of(http), .http = http, .body = body, .text = answer->body};
    char why[400];
    if (result.status == ES_OK) {
        doc_read_json(&result.doc, body);
    } else {
        error_text(body, why, sizeof why);
        tars_fail(&result.error, (int)result.status, "%s %s: %s (HTTP %d)%s", call->method,
                  call->path, why, http, advice(http));
    }
    end_call(call, &result);
    cJSON_Delete(body);
}

/* An alias that is gone (the store was emptied): the indices are made again, once for each call. */
static bool make_indices_again(struct es_call *call, int http, const cJSON *body)
{
    struct es_client *client = call->client;
    if (http != 404 || call->first || call->reinstalled || !client->options.index_count ||
        !index_is_missing(body))
        return false;
    call->reinstalled = true;
    client->ready = false;
    wait_for_install(call);
    return true;
}

static void on_answer(struct es_call *call, const struct http_answer *answer)
{
    char why[200];
    bool busy = answer->status == 429 || answer->status == 503;
    cJSON *body = answer->body.len ? cJSON_ParseWithLength(answer->body.at, answer->body.len)
                                   : NULL;
    call->node->failures = 0;
    call->node->down_until_ms = 0;
    if (answer->status < 300 && !body && strcmp(call->method, "HEAD") != 0) {
        if (call->repeatable)
            retry_later(call, 0, ES_UNREACHABLE, answer->status, "the answer is not JSON");
        else
            fail_call(call, ES_UNREACHABLE, answer->status,
                      "the answer is not JSON; it may have been done");
        return;
    }
    if (busy || answer->status >= 500) {
        error_text(body, why, sizeof why);
        cJSON_Delete(body);
        if (busy || call->repeatable)
            retry_later(call, answer->retry_after_s > 0 ? answer->retry_after_s * 1000 : 0,
                        ES_UNREACHABLE, answer->status, why);
        else
            fail_call(call, ES_UNREACHABLE, answer->status, why);
        return;
    }
    if (make_indices_again(call, answer->status, body))
        cJSON_Delete(body);
    else
        conclude(call, answer, body);
}

static void mark_down(struct es_node *node)
{
    int shift = node->failures < 5 ? node->failures : 5;
    int64_t down = (int64_t)NODE_DOWN_MS << shift;
    node->failures++;
    node->down_until_ms = clock_ms() + (down > NODE_DOWN_LIMIT_MS ? NODE_DOWN_LIMIT_MS : down);
}

static void on_http(void *user, const struct http_answer *answer)
{
    struct es_call *call = user;
    char why[400];
    call->running = NULL;
    call->attempts++;
    if (answer->failure == HTTP_ANSWERED) {
        on_answer(call, answer);
        return;
    }
    snprintf(why, sizeof why, "%s: %s", call->node->url, answer->problem);
    if (answer->failure == HTTP_TOO_LARGE) {
        fail_call(call, ES_REFUSED, 0, why);
        return;
    }
    mark_down(call->node);
    if (answer->failure == HTTP_NOT_SENT || call->repeatable)
        retry_later(call, 0, ES_UNREACHABLE, 0, why);
    else
        fail_call(call, ES_UNREACHABLE, 0, why);
}

/* ---- sending
 * --------------------------------------------------------------------------------------------------
 */

/* In turn; nodes that failed are left alone for a while, unless all have. */
static struct es_node *choose_node(struct es_client *client)
{
    int64_t now = clock_ms();
    size_t best = client->next_node;
    for (size_t i = 0; i < client->node_count; i++) {
        size_t n = (client->next_node + i) % client->node_count;
        if (client->nodes[n].down_until_ms < client->nodes[best].down_until_ms)
            best = n;
        if (client->nodes[n].down_until_ms <= now)
            break;
    }
    client->next_node = best + 1 < client->node_count ? best + 1 : 0;
    return &client->nodes[best];
}

static void send_call(struct es_call *call)
{
    struct es_client *client = call->client;
    int64_t left = left_ms(call);
    if (left <= 0) {
        fail_call(call, ES_UNREACHABLE, 0, "no time is left");
        return;
    }
    /* Time for another node when this one hangs. */
    if (call->repeatable && client->node_count > 1 && left > 2 * ATTEMPT_LEAST_MS)
        left /= 2;
    call->waiting = false;
    call->node = choose_node(client);
    char *url = xasprintf("%s%s", call->node->url, call->path);
    struct http_request request = {
        .method = call->method,
        .url = url,
        .content_type = call->content_type,
        .body = tars_str_n(call->body, call->body_len),
        .gzip = call->body_len > 1024,
        .timeout_ms = (int)left,
    };
    count(client, &client->stats.requests);
    call->running = http_send(client->http, &request, on_http, call);
    free(url);
}

static void begin_call(struct loop_job *job)
{
    struct es_call *call = loop_container(job, struct es_call, job);
    struct es_client *client = call->client;
    if (client->closed) {
        fail_call(call, ES_UNREACHABLE, 0, "the client was closed");
        return;
    }
    call->next = client->calls;
    call->at = &client->calls;
    if (call->next)
        call->next->at = &call->next;
    client->calls = call;
    if (!call->path)
        fail_call(call, ES_REFUSED, 0, "nothing to send, or an id that is empty, \".\" or \"..\"");
    else if (atomic_load(&client->refs) - 1 > client->options.pending_limit)
        fail_call(call, ES_REFUSED, 0, "too many requests wait");
    else if (call->delay_ms && client->ready)
        loop_timer_set(client->loop, &call->timer, call->delay_ms, on_retry);
    else if (client->ready || call->first)
        send_call(call);
    else
        wait_for_install(call);
}

static void end_plain(struct es_call *call, struct es_result *result)
{
    call->done(call->user, result);
}

struct es_call *call_new(struct es_client *client, const char *method, char *path, char *body,
                         int timeout_ms, es_done done, void *user)
{
    struct es_call *call = xcalloc(1, sizeof *call);
    atomic_fetch_add(&client->refs, 1);
    call->job.run = begin_call;
    call->client = client;
    call->method = xstrdup(method);
    call->path = path;
    call->body = body;
    call->body_len = body ? strlen(body) : 0;
    call->content_type = "application/json";
    call->deadline_ms = clock_ms() + timeout_ms;
    call->end = end_plain;
    call->done = done;
    call->user = user;
    return call;
}

void call_start(struct es_call *call)
{
    loop_post(call->client->loop, &call->job);
}

void client_ready(struct es_client *client)
{
    client->ready = true;
    pthread_mutex_lock(&client->mutex);
    client->stats.ready = true;
    client->stats.last_problem[0] = '\0';
    pthread_mutex_unlock(&client->mutex);
    /* Sending may end a call at once and change the list, so it is searched anew. */
    for (struct es_call *call = client->calls; call;) {
        if (!call->waiting) {
            call = call->next;
            continue;
        }
        loop_timer_clear(client->loop, &call->timer);
        send_call(call);
        call = client->calls;
    }
}

void es_request(struct es_client *client, const char *method, const char *path, cJSON *body,
                bool repeatable, int timeout_ms, es_done done, void *user)
{
    struct es_call *call = call_new(client, method, xstrdup(path), print_json(body), timeout_ms,
                                    done, user);
    call->repeatable = repeatable;
    call_start(call);
}

/* ---- the client
 * -------------------------------------------------------------------------------------------------
 */

static bool add_node(struct es_client *client, const char *at, size_t len, struct tars_error *error)
{
    const char *colon = memrchr(at, ':', len);
    int port = 0;
    for (const char *p = colon ? colon + 1 : at; colon && p < at + len; p++)
        port = *p >= '0' && *p <= '9' && port < 100000 ? port * 10 + (*p - '0') : 1000000;
    size_t host = colon ? (size_t)(colon - at) : 0;
    bool clean = host > 0;
    for (size_t i = 0; i < host; i++)
        clean = clean && !strchr("/@?#\\%\"'<> ", at[i]) && (unsigned char)at[i] > ' ';
    if (!clean || port < 1 || port > 65535)
        return tars_fail(
            error, 1, "Elasticsearch node \"%.*s\": host:port was expected, such as 127.0.0.1:9200",
            (int)len, at);
    client->nodes = xrealloc(client->nodes, (client->node_count + 1) * sizeof *client->nodes);
    client->nodes[client->node_count++] = (struct es_node){
        .url = xasprintf("%s://%.*s", client->options.https ? "https" : "http", (int)len, at)};
    return true;
}

static bool read_nodes(struct es_client *client, const char *text, struct tars_error *error)
{
    static const char between[] = " ,;\t\n";
    for (text += strspn(text, between); *text; text += strspn(text, between)) {
        size_t len = strcspn(text, between);
        if (!add_node(client, text, len, error))
            return false;
        text += len;
    }
    return client->node_count || tars_fail(error, 1, "Elasticsearch: no node is given");
}

static bool read_prefix(const char *prefix, struct tars_error *error)
{
    if (!prefix[0] ||
        (strspn(prefix, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == strlen(prefix) &&
         !strchr("_-.", prefix[0]) && strlen(prefix) <= 200))
        return true;
    return tars_fail(error, 1,
                     "Elasticsearch: index prefix \"%s\": lower-case letters, digits, \"_\", \"-\" "
                     "and \".\" were expected, a letter or digit first",
                     prefix);
}

static bool read_fingerprint(const struct es_options *options, unsigned char pin[PIN_SIZE],
                             struct tars_error *error)
{
    const char *text = options->ca_fingerprint;
    if (!text || !*text)
        return true;
    if (!pin_read(text, pin))
        return tars_fail(error, 1,
                         "Elasticsearch: fingerprint \"%.100s\": the 64 hexadecimal digits of a "
                         "SHA-256 were expected, as Elasticsearch prints them at its first start",
                         text);
    if (options->ca_file && *options->ca_file)
        return tars_fail(error, 1,
                         "Elasticsearch: both a file and a fingerprint of the authority are given; "
                         "take one of them away");
    return options->https ||
           tars_fail(error, 1,
                     "Elasticsearch: a fingerprint of the authority protects nothing over http; "
                     "set the protocol to https");
}

struct es_client *es_client_new(struct loop *loop, const struct es_options *options,
                                struct tars_error *error)
{
    unsigned char pin[PIN_SIZE];
    struct es_client *client = xcalloc(1, sizeof *client);
    client->loop = loop;
    client->options = *options;
    client->prefix = xstrdup(options->prefix ? options->prefix : "");
    atomic_store(&client->refs, 1);
    pthread_mutex_init(&client->mutex, NULL);
    if (!client->options.pending_limit)
        client->options.pending_limit = PENDING_LIMIT;
    client->aliases = xcalloc(options->index_count + 1, sizeof *client->aliases);
    for (size_t i = 0; i < options->index_count; i++)
        client->aliases[i] = xasprintf("%s%s", client->prefix, options->indices[i].name);
    if (!read_nodes(client, options->nodes ? options->nodes : "", error) ||
        !read_prefix(client->prefix, error) || !read_fingerprint(options, pin, error)) {
        client_release(client);
        return NULL;
    }
    char *key = options->api_key && *options->api_key ? xasprintf("ApiKey %s", options->api_key)
                                                      : NULL;
    struct http_options http = {
        .user = options->user,
        .password = options->password,
        .authorization = key,
        .ca_file = options->ca_file,
        .ca_pin = options->ca_fingerprint && *options->ca_fingerprint ? pin : NULL,
        .connect_timeout_ms = options->connect_timeout_ms,
        .answer_limit = options->answer_limit,
    };
    client->http = http_client_new(loop, &http);
    free(key);
    return client;
}

void es_client_free(struct es_client *client)
{
    if (!client)
        return;
    client->closed = true;
    loop_run_pending(client->loop); /* posted calls end here: the loop may never run again */
    while (client->calls)
        fail_call(client->calls, ES_UNREACHABLE, 0, "the client was closed");
    loop_run_pending(client->loop); /* and those that the callbacks made */
    install_free(client->install);
    http_client_free(client->http);
    client_release(client);
}

bool client_owns(const struct es_client *client, const char *index)
{
    for (size_t i = 0; i < client->options.index_count; i++)
        if (strcmp(client->aliases[i], index) == 0)
            return true;
    return false;
}

const char *es_index_name(const struct es_client *client, const char *name)
{
    for (size_t i = 0; i < client->options.index_count; i++)
        if (strcmp(client->options.indices[i].name, name) == 0)
            return client->aliases[i];
    return NULL;
}
