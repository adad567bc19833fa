/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the Elasticsearch client: a call on its way through waiting, sending, retries and
 * fail-over to its answer. All on the loop's thread except call_new and call_start.
 */
#ifndef ES_CLIENT_H
#define ES_CLIENT_H

#include "es/es.h"
#include "http/http.h"
#include "loop/loop.h"

#include <pthread.h>
#include <stdatomic.h>

struct es_call;

struct es_node {
    char *url; /* "http://host:port" */
    int64_t down_until_ms;
    int failures; /* in a row */
};

struct es_client {
    struct loop *loop;
    struct http_client *http;
    struct es_node *nodes;
    size_t node_count, next_node;
    char *prefix, *api_key;
    char **aliases; /* of options.indices, with the prefix */
    struct es_options options;
    struct es_call *calls; /* begun and not ended */
    _Atomic size_t refs;   /* calls that were made and have not ended, and the client itself */
    bool closed, ready;
    struct es_install *install;
    pthread_mutex_t mutex; /* of stats */
    struct es_stats stats;
};

struct es_call {
    struct loop_job job;
    struct es_client *client;
    struct es_call *next, **at; /* among the client's, once begun */
    char *method, *path, *body;
    size_t body_len;
    const char *content_type;
    bool repeatable;  /* harmless when the server does it twice */
    bool first;       /* belongs to the installation: does not wait for it */
    bool reinstalled; /* the indices were made anew once for it */
    int64_t deadline_ms;
    int attempts;
    int delay_ms; /* before the first attempt */
    struct es_node *node;
    struct http_call *running;
    struct loop_timer timer; /* for the next attempt, or while waiting the deadline */
    bool waiting;            /* for the installation */
    /* Gets the result and frees what `user` holds for it; the call itself is freed by its owner. */
    void (*end)(struct es_call *call, struct es_result *result);
    es_done done;
    void *user;
};

/* A call with the deadline from now; `path` and `body` (may be NULL) are taken. */
struct es_call *call_new(struct es_client *client, const char *method, char *path, char *body,
                         int timeout_ms, es_done done, void *user);
/* Hands it to the loop; from any thread. */
void call_start(struct es_call *call);

/* Goes on with the calls that waited. */
void client_ready(struct es_client *client);
/* Starts (again) asking for the version and making the indices. */
void install_start(struct es_client *client);
void install_free(struct es_install *install);

/* Of indices that name none of their own. */
extern const char es_default_settings[];

void client_problem(struct es_client *client, const char *text);
/* True for an alias that the client has made: writes to it carry require_alias. */
bool client_owns(const struct es_client *client, const char *index);
/* A number from 0 to limit - 1. */
unsigned client_random(unsigned limit);

/* Reads _index, _id, _seq_no, _primary_term and _source of a hit or an answer. */
void doc_read_json(struct es_doc *doc, const cJSON *json);
/* True when all shards answered a search. */
bool search_is_whole(const cJSON *body);
/* A cJSON tree printed and deleted; NULL stays NULL. */
char *print_json(cJSON *json);

#endif
