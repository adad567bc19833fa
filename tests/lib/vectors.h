/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/vectors.tsv: its rows, the values in its JSON column, and those values encoded. */
#ifndef TESTS_VECTORS_H
#define TESTS_VECTORS_H

#include <tars/json.h>
#include <tars/wire.h>

/* One row; the bytes of its last column. Valid during the check. */
struct vector_row {
    char *name, *kind;
    char *value; /* the JSON column as it stands in the file */
    uint8_t *bytes;
    size_t len;
};

/* What the JSON column of a single field says. */
struct vector_spec {
    int tag;
    bool required, error, has_value, absent;
    struct tars_str type;
    struct tars_json_reader value; /* stands on the value */
    struct tars_str repeat;
    int64_t times;
};

/* The arena that all values of a test live in; reset after each row. */
extern struct tars_arena *vectors_arena;

/* Calls `check` for each row of that kind and returns how many there were. */
size_t vectors_each(const char *kind, void (*check)(const struct vector_row *row));
struct vector_spec vectors_parse(const struct vector_row *row);
/* The member `name` of the JSON column: a reader that stands on its value. */
bool vectors_member(const struct vector_row *row, const char *name, struct tars_json_reader *value);

/* Encodes the value that the reader stands on as a field; `fields`: [[tag, type, value], …] bare.
 */
void vectors_encode(struct tars_writer *w, uint8_t tag, struct tars_str type,
                    struct tars_json_reader *r);
void vectors_encode_fields(struct tars_writer *w, struct tars_json_reader *r);

bool vectors_begins(struct tars_str s, const char *with);
void vectors_inner_types(struct tars_str type, struct tars_str *first, struct tars_str *second);
/* Owned by the caller. */
uint8_t *vectors_unhex(const char *hex, size_t *len);

#endif
