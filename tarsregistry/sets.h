/* SPDX-License-Identifier: BSD-3-Clause */
/* Set ids "name.area.group" as callers ask for them; area and name are exact, group may be "*". */
#ifndef TARSREGISTRY_SETS_H
#define TARSREGISTRY_SETS_H

#include <tars/types.h>

struct set_id {
    struct tars_str part[3]; /* name, area, group */
};

/*
 * Splits on "." with empty parts dropped. False when there are not exactly three parts, or name or
 * area is "*": nobody can be meant by that.
 */
bool set_parse(struct tars_str text, struct set_id *id);

/*
 * Compares a key, which is 1 to 3 parts joined by ".", with the first `count` parts of an id: byte
 * order, <0, 0 or >0.
 */
int set_compare(struct tars_str key, const struct set_id *id, size_t count);

#endif
