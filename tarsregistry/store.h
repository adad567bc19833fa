/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The store as the registry follows it: everything once, then every few seconds what was written
 * since, everything again from time to time and whenever the store was away. All on one loop.
 */
#ifndef TARSREGISTRY_STORE_H
#define TARSREGISTRY_STORE_H

#include "document.h"

struct loop;
struct store;

struct store_options {
    struct es_options es; /* its indices are filled in by store_new */
    int poll_ms;          /* between two looks for changes */
    int reload_ms;        /* between two full loads */
    int overlap_ms;       /* how far a look reaches back behind the newest change known */
};

/* What the store has to say, all on the loop's thread. */
struct store_listener {
    void *user;
    /* A document as it stands, deleted ones included. */
    void (*document)(void *user, enum document_kind kind, const struct es_doc *doc);
    /* Between a page of documents and the next. */
    void (*page_end)(void *user);
    /* A full load: what `document` did not bring until `loaded` is not there any more. */
    void (*loading)(void *user);
    void (*loaded)(void *user);
    /* The store stopped answering, and answers again (a full load follows). */
    void (*away)(void *user, const char *why);
};

struct store *store_new(struct loop *loop, const struct store_options *options,
                        const struct store_listener *listener, struct tars_error *error);
/* Begins with a full load. */
void store_start(struct store *store);
void store_free(struct store *store);

struct es_client *store_client(struct store *store);
const char *store_index(const struct store *store, enum document_kind kind);

/* A full load has been done and the last request went well. */
bool store_here(const struct store *store);
/* Ms since a look for changes last went well; -1: never. */
int64_t store_age_ms(const struct store *store);
/* Why it is not here, for people; empty when it is. */
const char *store_problem(const struct store *store);
uint64_t store_loads(const struct store *store);

#endif
