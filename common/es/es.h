/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Elasticsearch for daemons: documents, compare-and-set and searches over REST, asynchronous on one
 * event loop. The same requests go to the embedded store and to any Elasticsearch 7.10 to 9 or
 * OpenSearch 1 to 3.
 *
 * A request may be made from any thread; its callback comes exactly once, on the loop's thread,
 * never from within the call that made the request. Before the first request leaves, the client
 * asks for the server's version and installs the indices of `es_options.indices`; requests that
 * come earlier wait for that, within their time. cJSON trees that are passed in belong to the
 * client from then on; everything in a result lives until the callback returns.
 */
#ifndef ES_ES_H
#define ES_ES_H

#include <cjson/cJSON.h>
#include <tars/types.h>

struct loop;
struct es_client;

/* ---- the client ----------------------------------------------------------------------------- */

/* An index that the client makes before the first write: <prefix><name>_v1 behind the alias. */
struct es_index {
    const char *name;     /* the alias without the prefix: "server" */
    const char *mappings; /* JSON: {"dynamic":"strict","properties":{…}} */
    const char *settings; /* JSON or NULL: 1 shard, auto_expand_replicas 0-1, refresh 1s */
};

struct es_options {
    const char *nodes;              /* "host:port host:port …", blanks or commas between them */
    bool https;                     /* else http */
    const char *user, *password;    /* basic auth, or NULL */
    const char *api_key;            /* the encoded key, or NULL; goes before basic auth */
    const char *ca_file;            /* PEM of the authority that signed the nodes, or NULL */
    const char *ca_fingerprint;     /* instead: SHA-256 of its certificate, hexadecimal; or NULL */
    const char *prefix;             /* of all own indices, lower case: "tars_registry_" */
    const struct es_index *indices; /* `index_count` of them; must outlive the client */
    size_t index_count;
    int connect_timeout_ms; /* 0: 2000 */
    size_t answer_limit;    /* bytes of one answer, 0: 64 MiB */
    size_t pending_limit;   /* requests waiting or running, 0: 10000; more are refused */
};

/* Copies the options; fails when a node or the prefix cannot be read. Connects to nothing yet. */
struct es_client *es_client_new(struct loop *loop, const struct es_options *options,
                                struct tars_error *error);
/* On the loop's thread. What is still running ends with ES_UNREACHABLE, its callbacks called. */
void es_client_free(struct es_client *client);

/* The alias of an index of es_options.indices with its prefix; NULL when there is none. */
const char *es_index_name(const struct es_client *client, const char *name);

struct es_stats {
    uint64_t requests, retries, conflicts, refused, unreachable;
    size_t pending;         /* waiting or running now */
    bool ready;             /* version known and indices installed */
    char server[32];        /* "Elasticsearch 8.19.21"; empty before it is known */
    char last_problem[256]; /* of the last failed attempt; empty when the last one went well */
};
/* From any thread. */
void es_client_stats(struct es_client *client, struct es_stats *stats);

/* ---- results --------------------------------------------------------------------------------- */

enum es_status {
    ES_OK,
    ES_CONFLICT, /* compare-and-set lost, or the id of a create exists: nothing was written */
    ES_MISSING,  /* no such document, or no such index */
    ES_REFUSED,  /* the server understood and said no (400, 401, 403, …): repeating is useless */
    ES_UNREACHABLE /* no answer in time. A write may or may not have happened */
};
const char *es_status_name(enum es_status status);

/* Where a document stands in the history of its index; what a compare-and-set compares. */
struct es_version {
    int64_t seq_no;
    int64_t primary_term;
};

struct es_doc {
    const char *index; /* the concrete one, not the alias */
    const char *id;
    struct es_version version;
    const cJSON *source; /* NULL in the result of a write */
};

struct es_result {
    enum es_status status;
    int http;             /* status of the last answer, 0 without one */
    int retry_after_ms;   /* that the server asked for when it turned the last try away, else 0 */
    struct es_doc doc;    /* of es_get and of writes that went well, else zeroes */
    const cJSON *body;    /* the whole answer, or NULL */
    struct tars_str text; /* as it came; cJSON rounds integers beyond 2^53 */
    struct tars_error error; /* for people; code is the es_status */
};
typedef void (*es_done)(void *user, const struct es_result *result);

/* ---- documents ------------------------------------------------------------------------------- */

/*
 * `index` is an alias or index as the server knows it. `timeout_ms` bounds the whole, with waiting,
 * retries and fail-over. Empty ids, "." and ".." are ES_REFUSED without being sent. Reads, plain
 * writes and compare-and-set writes are repeated on another node where that cannot do harm; a
 * create or compare-and-set whose answer was lost is not: it ends as ES_UNREACHABLE.
 */

/* Real-time read by id. A document that is not there is ES_MISSING. */
void es_get(struct es_client *client, const char *index, const char *id, int timeout_ms,
            es_done done, void *user);

/* Writes the whole document. `expected` NULL: whatever was there; else only over that version. */
void es_put(struct es_client *client, const char *index, const char *id, cJSON *source,
            const struct es_version *expected, int timeout_ms, es_done done, void *user);

/* Writes a document that must not exist yet; ES_CONFLICT when it does. */
void es_create(struct es_client *client, const char *index, const char *id, cJSON *source,
               int timeout_ms, es_done done, void *user);

/* Merges `fields` into a document; `upsert`: makes it from `fields` when it is missing. */
void es_update(struct es_client *client, const char *index, const char *id, cJSON *fields,
               bool upsert, int timeout_ms, es_done done, void *user);

void es_delete(struct es_client *client, const char *index, const char *id,
               const struct es_version *expected, int timeout_ms, es_done done, void *user);

/*
 * Read, modify, compare-and-set, again on a conflict: up to 5 times with 20 to 200 ms between.
 * `modify` gets the document's source (NULL: there is none) on the loop's thread and returns what
 * to write, or NULL to leave it (then ES_OK with the document as read); it may be called several
 * times.
 */
typedef cJSON *(*es_modify)(void *user, const cJSON *source);
void es_change(struct es_client *client, const char *index, const char *id, es_modify modify,
               int timeout_ms, es_done done, void *user);

/* ---- searches -------------------------------------------------------------------------------- */

/* One search; `body` as in query.h or made by hand. The hits are in result->body. */
void es_search(struct es_client *client, const char *index, cJSON *body, int timeout_ms,
               es_done done, void *user);

/* A page of hits. Return false to stop: `done` then comes with ES_OK. */
typedef bool (*es_on_page)(void *user, const struct es_doc *docs, size_t count);

/*
 * All hits of `query` in the order of `sort` (query.h; it must end in a unique key), page by page
 * with search_after, then `done`. `timeout_ms` is for each page. Sees what is refreshed; a document
 * that moves in the order while paging may be seen twice or not at all.
 */
void es_search_all(struct es_client *client, const char *index, cJSON *query, cJSON *sort,
                   int page_size, int timeout_ms, es_on_page page, es_done done, void *user);

/* As es_search_all, as the index stood at the first page, in no useful order (scroll). */
void es_scroll_all(struct es_client *client, const char *index, cJSON *query, int page_size,
                   int timeout_ms, es_on_page page, es_done done, void *user);

/* ---- the rest -------------------------------------------------------------------------------- */

/* Makes what was written findable by searches now. For tests and operators' commands. */
void es_refresh(struct es_client *client, const char *index, int timeout_ms, es_done done,
                void *user);

/* GET _cluster/health: ES_OK when a node answers and is not red. */
void es_health(struct es_client *client, int timeout_ms, es_done done, void *user);

/*
 * Any other request. `path` starts with '/' and is percent-encoded (es_path below); `body` may be
 * NULL. `repeatable`: it does no harm when the server does it twice.
 */
void es_request(struct es_client *client, const char *method, const char *path, cJSON *body,
                bool repeatable, int timeout_ms, es_done done, void *user);

/* "/part/part…" with every part percent-encoded; the list ends with NULL; freed by the caller. */
char *es_path(const char *first, ...) __attribute__((sentinel));

/*
 * A document id from parts: joined by '|', with '%', '|', blanks and control characters inside a
 * part percent-encoded; longer than 480 bytes: "h|" and the SHA-256 in hex. Freed by the caller.
 */
char *es_id(const struct tars_str *parts, size_t count);

#endif
