/* SPDX-License-Identifier: BSD-3-Clause */
/* The settings of an index: those that steer a cluster are kept and shown, normalizers are used. */
#ifndef STORE_SETTINGS_H
#define STORE_SETTINGS_H

#include "failure.h"
#include "json.h"

enum { SETTINGS = 6, NUMBER_OF_REPLICAS = 2, NUMBER_OF_SHARDS = 3 };

/* Zero it before the first use. */
struct settings {
    char *values[SETTINGS];
    char *analysis;    /* as JSON */
    char *normalizers; /* the names that it defines, blanks between */
};

void settings_free(struct settings *s);
/* Adds what `json` (NULL: nothing) says, with or without "index" around it. */
bool settings_merge(struct settings *s, const struct json *json, struct failure *failure);
bool settings_check(const struct settings *s, struct failure *failure);
/* Appends {…}. */
void settings_print(const struct settings *s, struct text *to);

#endif
