/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the queries share while they become SQL: each kind of query is a function that appends a
 * condition on the row `d`, or fails. query.c: bool and the rest that holds others; query_field.c:
 * on one field; query_text.c: match and phrases; query_string.c: the language of query_string.
 */
#ifndef STORE_QUERY_COMPILE_H
#define STORE_QUERY_COMPILE_H

#include "conditions.h"
#include "query.h"

struct compiler {
    struct query *q;
    const struct index *index;
    const struct field *scope; /* the nested field whose rows `d` are; NULL: documents */
    int depth, clauses;
};

typedef bool compile_run(struct compiler *c, const struct json *json);

/* Any query: {"kind": {…}}. */
compile_run compile_query;
compile_run compile_term, compile_terms, compile_range, compile_exists, compile_ids, compile_prefix,
    compile_wildcard, compile_regexp; /* query_field.c */
compile_run compile_match, compile_match_phrase, compile_match_phrase_prefix,
    compile_multi_match;                 /* query_text.c */
compile_run compile_query_string;        /* query_string.c */
compile_run compile_simple_query_string; /* query_simple.c */

/* As a request that cannot be read, and as one that an index cannot answer. */
bool compile_refuse(struct compiler *c, const char *format, ...) TARS_PRINTF(2, 3);
bool compile_refuse_shard(struct compiler *c, const char *format, ...) TARS_PRINTF(2, 3);
bool compile_nothing(struct compiler *c);

/* On the column, and for fields with several values also on the side table. */
bool compile_condition(struct compiler *c, const struct field *f, const struct condition *cond);
/* The field to compare; NULL without a failure: nothing can match; NULL with one: refused. */
const struct field *compile_field(struct compiler *c, struct tars_str path, bool *refused);
/* One value: an equality, for dates the time from its start to its end ("2026-01" is a month). */
bool compile_equal(struct compiler *c, const struct field *f, const struct json *json);
/* {"field": value} or {"field": {"<key>": value, …}}; other options that are in `known` (blanks
 * between) are left to the caller. */
bool compile_field_value(struct compiler *c, const struct json *json, const char *query,
                         const char *key, const char *known, const struct json **value);
/* A true or false of the query's object; false with the failure. */
bool compile_flag(struct compiler *c, const struct json *object, const char *name, bool *to);
/* "2", "-1", "75%", "-25%" of the clauses. */
bool compile_least(struct compiler *c, const struct json *json, int64_t clauses, int64_t *least);
/* A pattern's, a prefix's or an expression's condition on a keyword or a text. */
enum pattern_kind { PATTERN_WILDCARD, PATTERN_PREFIX, PATTERN_REGEX };
bool compile_pattern(struct compiler *c, const struct field *f, enum pattern_kind kind,
                     struct tars_str pattern, bool fold);
/* A word in a text's column: as it is. */
bool compile_word(struct compiler *c, const struct field *f, struct tars_str word, bool prefix);

#endif
