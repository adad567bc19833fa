/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Elasticsearch's query language as SQL over one index's table, which stands as `d`. Values of the
 * caller are bound, never written into the SQL.
 */
#ifndef STORE_QUERY_H
#define STORE_QUERY_H

#include "index.h"
#include "value.h"

struct highlight;
struct conditions;

struct query {
    struct text sql;
    struct value *values; /* of the '?' in their order; texts are slices of the request's JSON */
    size_t count, size;
    struct tars_arena *arena; /* the request's */
    struct failure *failure;
    struct highlight *highlight;   /* marks what conditions look for; or NULL */
    struct conditions *conditions; /* notes them: see conditions.h; or NULL */
    /* The columns, from 1 on, for which an index would help; 0: none. See query_wish. */
    int wanted, wanted_with;
    bool wanted_exact;
};

enum { QUERY_MAX_DEPTH = 30, QUERY_MAX_CLAUSES = 500, QUERY_MAX_TERMS = 65536 };

void query_free(struct query *q);
void query_add_value(struct query *q, const struct value *v);
/* Binds all values from parameter 1 on. */
void query_bind(const struct query *q, sqlite3_stmt *statement);

/* Appends the condition of `json` (NULL: everything). */
bool query_where(struct query *q, const struct index *index, const struct json *json);
/* The same over the rows of a nested field (NULL: documents). */
bool query_where_in(struct query *q, const struct index *index, const struct field *scope,
                    const struct json *json);
/* Appends an expression for the score: how many scoring clauses match. */
bool query_score(struct query *q, const struct index *index, const struct json *json);
/* A condition on the field stands in the query, which an index would help with; `exact`: an
 * equality. The first equality without an index is wished one for, with the next condition's field
 * in it. */
void query_wish(struct query *q, const struct field *f, bool exact);
/* After a statement on `index` is through: wishes for an index when it had to look at many rows. */
void query_note_scan(const struct query *q, struct index *index, sqlite3_stmt *statement);
/* A field's value as a sort key: of several the smallest, or with `largest` the largest. */
void query_add_key(struct query *q, const struct index *index, const struct field *f, bool largest);

#endif
