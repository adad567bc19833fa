/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows of tests/vectors.tsv: what a value of a kind must look like as bytes or text. */
#ifndef TESTS_VECTORS_H
#define TESTS_VECTORS_H

#include <cjson/cJSON.h>

#include <tars/types.h>

struct vector {
    char *name;
    char *kind;
    cJSON *value; /* its strings end at a NUL; rows with "\u0000" need a reader of their own */
    char *text;   /* the value as it stands in the file */
    char *hex;    /* may be empty */
};

/* Calls `each` with every row of one kind; returns how many there were. Aborts without the file. */
size_t vectors_each(const char *kind, void (*each)(const struct vector *row));

/* Members of the row's value: NULL, or `fallback`, when missing. */
const char *vector_text(const struct vector *row, const char *member);
double vector_number(const struct vector *row, const char *member, double fallback);

#endif
