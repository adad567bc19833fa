/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stored documents: index mappings, ids, and the way from JSON to records and back. Unknown
 * fields of a document that is rewritten stay as they are. Nothing here speaks to the store.
 */
#ifndef TARSREGISTRY_DOCUMENT_H
#define TARSREGISTRY_DOCUMENT_H

#include <cjson/cJSON.h>

#include "es/es.h"
#include "groups.h"
#include "record.h"

enum document_kind {
    DOCUMENT_SERVER,   /* configuration of an instance with its adapters */
    DOCUMENT_STATE,    /* its state, under the same id */
    DOCUMENT_REGISTRY, /* one servant of one registry */
    DOCUMENT_GROUP,
    DOCUMENT_PRIORITY,
    DOCUMENT_POLLED, /* those before it are read again and again */
    DOCUMENT_NODE = DOCUMENT_POLLED,
    DOCUMENT_META,
    DOCUMENT_KINDS
};

/* For es_options: all indices, in the order of enum document_kind. */
extern const struct es_index document_indices[DOCUMENT_KINDS];

/* "application|server_name|node_name" and "locator|servant"; freed by the caller. */
char *document_server_id(struct tars_str application, struct tars_str server_name,
                         struct tars_str node_name);
char *document_registry_id(struct tars_str locator, struct tars_str servant);
char *document_node_id(struct tars_str node_name);

/* ---- reading; strings point into the JSON ---- */

bool document_deleted(const cJSON *source);
struct tars_str document_text(const cJSON *source, const char *field);
int64_t document_number(const cJSON *source, const char *field, int64_t fallback);

/* False with the reason when the document is not what its mapping says. Arrays are the arena's. */
bool document_read_server(const cJSON *source, struct tars_arena *arena, struct record *record,
                          struct tars_error *error);
/* A registry's row as an instance with one adapter. */
bool document_read_registry(const cJSON *source, struct tars_arena *arena, struct record *record,
                            struct tars_error *error);
bool document_read_group(const cJSON *source, struct tars_arena *arena, struct group_rule *rule);
bool document_read_priority(const cJSON *source, struct tars_arena *arena,
                            struct group_priority *priority);

struct state_document {
    enum present_state present;
    int64_t since;               /* ms since 1970 */
    bool reported;               /* by the instance itself rather than a node or an operator */
    struct tars_str reported_to; /* the registry that got the report */
    int32_t interval;            /* between its reports, ms; 0: not known */
};
bool document_read_state(const cJSON *source, struct state_document *state);

/* ---- writing ---- */

/* Sets or replaces one field. */
void document_set_text(cJSON *doc, const char *field, struct tars_str value);
void document_set_number(cJSON *doc, const char *field, int64_t value);

/* What every write carries: key, updated_at, updated_by, rev + 1, deleted false. */
void document_stamp(cJSON *doc, const char *id, struct tars_str by, int64_t now);
/* The same with deleted true and why ("prestop", "operator"). */
void document_bury(cJSON *doc, const char *id, struct tars_str by, const char *why, int64_t now);
/* The reason of document_bury; empty for a document that is not deleted. */
struct tars_str document_buried_by(const cJSON *source);

/* Puts every field of the record into the document, the adapters as a whole. */
void document_write_server(cJSON *doc, const struct record *record);
void document_write_state(cJSON *doc, const struct state_document *state, int64_t reported_at);

#endif
