/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows of tests/vectors.tsv whose value is an object of texts and numbers: config, endpoints. */
#ifndef TESTS_ROWS_H
#define TESTS_ROWS_H

#include <cjson/cJSON.h>

#include <tars/types.h>

struct row {
    char *name;
    char *kind;
    cJSON *value; /* its strings end at a NUL; rows with "\u0000" need a reader of their own */
    char *text;   /* the value as it stands in the file */
    char *hex;    /* may be empty */
};

/* Calls `each` with every row of one kind; returns how many there were. Aborts without the file. */
size_t rows_each(const char *kind, void (*each)(const struct row *row));

/* Members of the row's value: NULL, or `fallback`, when missing. */
const char *row_text(const struct row *row, const char *member);
double row_number(const struct row *row, const char *member, double fallback);

#endif
