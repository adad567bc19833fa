/* SPDX-License-Identifier: BSD-3-Clause */
/* Index templates: what a new index gets whose name one of their patterns matches. */
#ifndef STORE_TEMPLATE_H
#define STORE_TEMPLATE_H

#include "failure.h"
#include "json.h"

struct template
{
    char *name;
    struct tars_arena *arena;
    struct json *body;
    int64_t priority;
};

/* Sorted by name. Zero it before the first use. */
struct templates {
    struct template **at;
    size_t count;
};

void templates_clear(struct templates *all);
/* Reads the body and puts the template in, in the place of one of the same name; false when the
 * body is no JSON. */
bool templates_add(struct templates *all, struct tars_str name, struct tars_str body);
/* The place of the one of that name; false when there is none. */
bool templates_find(const struct templates *all, struct tars_str name, size_t *at);
void templates_remove(struct templates *all, size_t at);
/* The template of highest priority whose patterns match; NULL when none does. */
const struct template *templates_for(const struct templates *all, struct tars_str name);
/* Fails when another template of the same priority could match the same names. */
bool templates_check_overlap(const struct templates *all, struct tars_str name,
                             const struct json *body, struct failure *failure);
/* Appends {…}. */
void template_print(const struct template *t, struct text *to);

#endif
