/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing one document: index, create, update, delete with compare-and-set. On the writer's thread,
 * inside its transaction; reading by id with any connection.
 */
#ifndef STORE_DOCUMENT_H
#define STORE_DOCUMENT_H

#include "index.h"

struct catalog;

enum doc_action { DOC_INDEX, DOC_CREATE, DOC_UPDATE, DOC_DELETE };
extern const char *const doc_action_names[4];

struct doc_write {
    enum doc_action action;
    struct tars_str index, id;          /* an empty id is made up */
    struct tars_str body;               /* the document, or the update's body */
    int64_t if_seq_no, if_primary_term; /* -1, 0: not asked */
    bool require_alias;
    int64_t version; /* of an external system, with `external`; stored when it is the higher one */
    bool external, or_equal;
};

struct doc_result {
    bool ok;
    const char *result; /* "created", "updated", "deleted", "not_found", "noop" */
    int status;
    char index[256];
    char id[513];
    int64_t version, seq_no, term;
    struct failure failure;
};

/*
 * False when the data file refused (disk full, broken): then the transaction must be rolled back.
 * Otherwise result->ok says how it went, and nothing was written when it is false. What needs the
 * catalogue to change (a new index, a new field) is only done with `may_grow`, for which the caller
 * holds the catalogue's lock; without it nothing is done then and *must_grow is true.
 */
bool doc_write(struct catalog *c, struct db *db, const struct doc_write *write, bool may_grow,
               bool *must_grow, struct tars_arena *arena, struct doc_result *result);

struct doc {
    bool found;
    int64_t version, seq_no, term;
    struct tars_str source; /* in the arena */
};
bool doc_read(struct db *db, const struct index *index, struct tars_str id,
              struct tars_arena *arena, struct doc *doc);

/* {"_index":…,"_id":…,"_version":…,"result":…,…} without the braces. */
void doc_print_result(const struct doc_result *result, bool forced_refresh, struct text *to);

#endif
