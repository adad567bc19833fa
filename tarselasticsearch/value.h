/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON values as a field's column holds them: integers, reals and texts that SQLite compares. */
#ifndef STORE_VALUE_H
#define STORE_VALUE_H

#include "mapping.h"
#include "zone.h"

#include <sqlite3.h>

enum value_kind { VALUE_NONE, VALUE_INT, VALUE_REAL, VALUE_TEXT };

struct value {
    enum value_kind kind;
    int64_t i; /* also of booleans (0, 1) and dates (ms) */
    double r;
    struct tars_str s;
};

/* The text of a scalar, of true and false as well. */
struct tars_str value_scalar(const struct json *json);

/* What a document's value becomes. False with the words for people when the field cannot hold it;
 * VALUE_NONE for null and for a keyword that is too long. Texts are slices of the JSON or in the
 * arena. Addresses are texts of 32 hexadecimal digits; value_print_ip shows them. */
bool value_index(const struct field *f, const struct json *json, struct tars_arena *arena,
                 struct value *v, char why[128]);
bool value_is_text(enum field_type type);
void value_print_ip(struct tars_str hex, struct text *to);

/* What a query compares with. `up`: a date's missing parts, and what a network leaves open, count
 * as their end. For whole-numbered
 * fields a fraction or a number out of range stays VALUE_REAL, which compares as it should. */
bool value_query(const struct field *f, const struct json *json, bool up, struct tars_arena *arena,
                 struct value *v, char why[128]);
/* A date as queries write it, with date maths, in a zone. */
bool value_date(const struct field *f, const struct json *json, bool up, const struct zone *zone,
                struct value *v, char why[128]);

void value_bind(sqlite3_stmt *statement, int at, const struct value *v);

#endif
