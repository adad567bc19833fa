/* SPDX-License-Identifier: BSD-3-Clause */
#include "access.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"
#include "loop/loop.h"

enum { TIMEOUT_MS = 30000, SECRET_SIZE = 4096 };

struct access {
    struct loop *loop;
    struct es_client *client;
    char *nodes;
    char server[400];
    int timeout_ms;
};

const char access_usage[] =
    "  --nodes \"HOST:PORT ...\"  where Elasticsearch is; else $TARS_ELK_NODES, else the embedded\n"
    "                     store of a suite on this machine, 127.0.0.1:9200\n"
    "  --https            instead of http; $TARS_ELK_PROTOCOL\n"
    "  --user NAME        basic authentication; $TARS_ELK_USER\n"
    "  --password-file F  its password is the first line of F; else $TARS_ELK_PASSWORD\n"
    "  --api-key-file F   an API key instead; else $TARS_ELK_API_KEY\n"
    "  --ca-file PEM      the authority that signed the nodes; $TARS_ELK_CA_FILE\n"
    "  --ca-fingerprint HEX  instead of its file the SHA-256 of its certificate, as Elasticsearch\n"
    "                     prints it at its first start; $TARS_ELK_CA_FINGERPRINT\n"
    "  --timeout MS       of one request; 30000\n";

bool access_option(struct access_options *o, int option, const char *value)
{
    char *end = NULL;
    switch (option) {
    case ACCESS_NODES:
        o->nodes = value;
        return true;
    case ACCESS_HTTPS:
        o->https = true;
        return true;
    case ACCESS_USER:
        o->user = value;
        return true;
    case ACCESS_PASSWORD_FILE:
        o->password_file = value;
        return true;
    case ACCESS_API_KEY_FILE:
        o->api_key_file = value;
        return true;
    case ACCESS_CA_FILE:
        o->ca_file = value;
        return true;
    case ACCESS_CA_FINGERPRINT:
        o->ca_fingerprint = value;
        return true;
    default:
        o->timeout_ms = (int)strtol(value, &end, 10);
        return *value && !*end && o->timeout_ms >= 1 && o->timeout_ms <= 3600000;
    }
}

static const char *from_environment(const char *value, const char *name)
{
    const char *other = value ? value : getenv(name);
    return other && *other ? other : NULL;
}

/* The first line of a file, else the variable; false when the file cannot be read. */
static bool read_secret(const char *file, const char *name, char to[SECRET_SIZE],
                        struct tars_error *error)
{
    const char *value = getenv(name);
    if (!file) {
        snprintf(to, SECRET_SIZE, "%s", value ? value : "");
        return true;
    }
    FILE *in = fopen(file, "re");
    bool ok = in && fgets(to, SECRET_SIZE, in);
    int why = errno;
    if (in)
        fclose(in);
    if (!ok)
        return tars_fail(error, -1, "cannot read a secret from %s: %s", file,
                         in ? "it is empty" : strerror(why));
    to[strcspn(to, "\r\n")] = '\0';
    return true;
}

static struct es_client *connect_to(struct access *a, const struct access_options *o,
                                    struct tars_error *error)
{
    char password[SECRET_SIZE], key[SECRET_SIZE];
    const char *protocol = from_environment(NULL, "TARS_ELK_PROTOCOL");
    struct es_options es = {
        .nodes = a->nodes,
        .https = o->https || (protocol && strcmp(protocol, "https") == 0),
        .user = from_environment(o->user, "TARS_ELK_USER"),
        .password = password,
        .api_key = key,
        .ca_file = o->ca_fingerprint ? o->ca_file
                                     : from_environment(o->ca_file, "TARS_ELK_CA_FILE"),
        .ca_fingerprint = o->ca_file
                              ? o->ca_fingerprint
                              : from_environment(o->ca_fingerprint, "TARS_ELK_CA_FINGERPRINT"),
    };
    struct es_client *client = NULL;
    if (read_secret(o->password_file, "TARS_ELK_PASSWORD", password, error) &&
        read_secret(o->api_key_file, "TARS_ELK_API_KEY", key, error))
        client = es_client_new(a->loop, &es, error);
    explicit_bzero(password, sizeof password);
    explicit_bzero(key, sizeof key);
    return client;
}

struct access *access_open(const struct access_options *o, struct tars_error *error)
{
    struct access *a = xcalloc(1, sizeof *a);
    const char *nodes = from_environment(o->nodes, "TARS_ELK_NODES");
    a->nodes = xstrdup(nodes ? nodes : "127.0.0.1:9200");
    a->timeout_ms = o->timeout_ms ? o->timeout_ms : TIMEOUT_MS;
    a->loop = loop_new("es");
    a->client = connect_to(a, o, error);
    if (a->client && loop_start(a->loop, error))
        return a;
    access_close(a);
    return NULL;
}

static void close_client(void *arg)
{
    es_client_free(arg);
}

void access_close(struct access *a)
{
    if (!a)
        return;
    if (a->client)
        loop_call_wait(a->loop, close_client, a->client);
    loop_free(a->loop);
    free(a->nodes);
    free(a);
}

const char *access_nodes(const struct access *a)
{
    return a->nodes;
}

const char *access_server(struct access *a)
{
    struct es_stats stats;
    es_client_stats(a->client, &stats);
    snprintf(a->server, sizeof a->server, "%s at %s", stats.server[0] ? stats.server : "a server",
             a->nodes);
    return a->server;
}

/* ---- one request
 * --------------------------------------------------------------------------------------- */

struct wait {
    sem_t done;
    struct access_answer *answer;
    struct access_item *items;
    size_t count;
};

void access_answer_free(struct access_answer *answer)
{
    cJSON_Delete(answer->body);
    free(answer->text);
    *answer = (struct access_answer){0};
}

static void on_answer(void *user, const struct es_result *r)
{
    struct wait *w = user;
    *w->answer = (struct access_answer){.status = r->status,
                                        .http = r->http,
                                        .body = cJSON_Duplicate(r->body, true),
                                        .error = r->error};
    if (r->text.len) {
        w->answer->text = xstrndup(r->text.at, r->text.len);
        w->answer->len = r->text.len;
    }
    sem_post(&w->done);
}

static void wait_for(struct wait *w)
{
    while (sem_wait(&w->done) != 0) {}
    sem_destroy(&w->done);
}

bool access_ask(struct access *a, const char *method, char *path, cJSON *body,
                struct access_answer *answer)
{
    struct wait w = {.answer = answer};
    bool repeatable = strstr(path, "/_search/scroll") == NULL;
    sem_init(&w.done, 0, 0);
    es_request(a->client, method, path, body, repeatable, a->timeout_ms, on_answer, &w);
    wait_for(&w);
    free(path);
    return answer->status == ES_OK;
}

static void on_bulk(void *user, const struct es_result *r, const struct es_item *items,
                    size_t count)
{
    struct wait *w = user;
    *w->answer = (struct access_answer){.status = r->status, .http = r->http, .error = r->error};
    w->count = count;
    for (size_t i = 0; i < count; i++) {
        w->items[i].http = items[i].http;
        snprintf(w->items[i].error, sizeof w->items[i].error, "%s: %s",
                 items[i].error_type ? items[i].error_type : "error",
                 items[i].error_reason ? items[i].error_reason : "no reason given");
    }
    sem_post(&w->done);
}

bool access_bulk(struct access *a, struct es_bulk *bulk, struct access_item *items,
                 struct tars_error *error)
{
    struct access_answer answer = {0};
    struct wait w = {.answer = &answer, .items = items};
    sem_init(&w.done, 0, 0);
    es_bulk_send(a->client, bulk, true, a->timeout_ms, on_bulk, &w);
    wait_for(&w);
    *error = answer.error;
    return answer.status == ES_OK;
}
