/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the two query languages for people (query_string, simple_query_string) are read into:
 * clauses that must, should or must not match, over queries on fields. Everything lies in the
 * request's arena.
 */
#ifndef STORE_QUERY_TREE_H
#define STORE_QUERY_TREE_H

#include "query_compile.h"

enum occur { OCCUR_SHOULD, OCCUR_MUST, OCCUR_NOT };

struct clause {
    enum occur occur;
    struct json *leaf; /* a query; NULL: the clauses below */
    bool lenient;      /* a leaf that cannot be asked matches nothing */
    struct clause *first, *last, *next;
};

/* Where words are looked for that name no field, and how. */
struct tree {
    struct compiler *c;
    const struct json *fields; /* an array of names; NULL: all fields */
    struct json *every;        /* ["*"] */
    bool all, lenient;
    const struct json *least, *slop, *zone;
    struct tars_str query;
    int clauses, depth;
};

enum { TREE_CLAUSES = 1000, TREE_DEPTH = 50 };

/* NULL with the failure, also in the following. `list` becomes an array of names. */
bool tree_init(struct tree *t, struct compiler *c, const struct json *body, const char *name,
               const char *known);
struct clause *tree_group(struct tree *t);
bool tree_add(struct tree *t, struct clause *group, enum occur occur, struct clause *clause);
/* All documents, or none. */
struct clause *tree_constant(struct tree *t, bool all);
/* Words, a phrase (slop -1: the usual one); field.at == NULL: the fields of the tree. */
struct clause *tree_words(struct tree *t, struct tars_str field, struct tars_str text, bool phrase,
                          int64_t slop);
struct clause *tree_pattern(struct tree *t, struct tars_str field, enum pattern_kind kind,
                            struct tars_str text);
struct clause *tree_exists(struct tree *t, struct tars_str field);
/* Bounds with at == NULL are open. */
struct clause *tree_range(struct tree *t, struct tars_str field, struct tars_str low,
                          struct tars_str high, bool with_low, bool with_high);
/* Appends the condition; the tree's minimum_should_match is that of the uppermost clauses. */
bool tree_compile(struct tree *t, const struct clause *clause, bool top);
/* As a query that cannot be understood. */
bool tree_refuse(struct tree *t);

#endif
