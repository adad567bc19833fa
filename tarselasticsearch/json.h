/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON trees in an arena. Unlike the general libraries it keeps numbers as they were written
 * (64-bit integers stay exact), knows where each value stood in the text, and refuses what
 * Elasticsearch refuses: duplicate names, bad UTF-8, nesting beyond JSON_MAX_DEPTH.
 */
#ifndef STORE_JSON_H
#define STORE_JSON_H

#include <tars/types.h>

#include "text.h"

enum { JSON_MAX_DEPTH = 200 };

enum json_type {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json {
    enum json_type type;
    size_t count;         /* of children */
    struct tars_str name; /* of a member, unescaped */
    struct tars_str text; /* unescaped string, or a number as written */
    struct json *child, *last, *next;
};

/* One value and nothing behind it; NULL with the error's text, in which bytes are counted from 1.
 */
struct json *json_parse(struct tars_str text, struct tars_arena *arena, struct tars_error *error);

struct json *json_new(struct tars_arena *arena, enum json_type type);
struct json *json_new_str(struct tars_arena *arena, struct tars_str value);
/* NULL when there is no such member, or `object` is none (or NULL). */
struct json *json_get(const struct json *object, const char *name);
struct json *json_get_n(const struct json *object, struct tars_str name);
/* Adds a member or replaces the one of that name; the name is not copied. */
void json_set(struct json *object, struct tars_str name, struct json *value);
void json_add(struct json *array, struct json *value);
void json_remove(struct json *object, struct tars_str name);
/* A copy without the text's memory; NULL when the arena is full. */
struct json *json_copy(const struct json *value, struct tars_arena *arena);

bool json_is_str(const struct json *value, const char *text);
/* True for true and "true", false for false and "false"; else `ok` becomes false. */
bool json_as_bool(const struct json *value, bool *ok);
/* An integer written without fraction, or one in a string; else false. */
bool json_as_int(const struct json *value, int64_t *v);
bool json_equal(const struct json *a, const struct json *b);

void json_print(const struct json *value, struct text *to);

#endif
