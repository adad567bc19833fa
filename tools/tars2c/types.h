/* SPDX-License-Identifier: BSD-3-Clause */
/* How types of the language look in C. All texts live in the arena of the `struct idl`. */
#ifndef TARS2C_TYPES_H
#define TARS2C_TYPES_H

#include "names.h"

struct types {
    struct tars_arena *arena;
    const struct names *names;
};

/* "int32_t", "struct tars_str", "struct demo_point_list". */
const char *types_c(const struct types *t, const struct idl_type *type);
/* "demo_point_list": the tag of a list or map without "struct"; the pair of a map's entries. */
const char *types_tag(const struct types *t, const struct idl_type *type);
const char *types_pair_tag(const struct types *t, const struct idl_type *map);
/* Distinguishes what the tag does not: map<string, vector<byte>> is a "str_bytes_map" here. */
const char *types_id(const struct types *t, const struct idl_type *type);
/* "&tars_type_int32": the type's description for tables. */
const char *types_description(const struct types *t, const struct idl_type *type);
/* "list<Demo.Point>", as TUP version 2 names it. */
const char *types_tup(const struct types *t, const struct idl_type *type);

/* Lists of basic types and map<string, string> are part of libtars, others are generated. */
bool types_is_generated(const struct idl_type *type);
/* Passed by value: numbers, enums and strings; others by const pointer. */
bool types_by_value(const struct idl_type *type);
/* The ending of tars_read_… and tars_write_… for numbers and strings. */
const char *types_basic(enum idl_kind kind);
/* The fewest bytes that a value with that tag takes on the wire. */
size_t types_min_wire(const struct idl_type *type, int tag);
/* True when a fresh value of the type is not all zero bytes. */
bool types_has_init(const struct idl_type *type);

#endif
