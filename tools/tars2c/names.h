/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The C names of everything in a .tars file (docs/idl.md states the rule). A name depends only on
 * its own file, the files that one includes and the prefixes, so that every file which includes it
 * comes to the same name.
 */
#ifndef TARS2C_NAMES_H
#define TARS2C_NAMES_H

#include <idl/idl.h>

struct names;

struct names *names_new(struct idl *idl);
void names_free(struct names *names);

/* "Module=cprefix" of the command line; false when it has another form. */
bool names_add_prefix(struct names *names, const char *rule);
/* Gives every declaration its name; clashes that no rule resolves become errors of `idl`. */
void names_assign(struct names *names);

/* "demo" for module Demo. */
const char *names_prefix(const struct names *names, const char *module);
/* "demo_point"; of a constant "DEMO_LIMIT". */
const char *names_decl(const struct names *names, const struct idl_decl *decl);
/* A struct's member "x", a parameter "corners", an enum's member "DEMO_COLOR_RED". */
const char *names_member(const struct names *names, const struct idl_member *member);
/* "demo_shapes_area", and "area" in the table of handlers. */
const char *names_function(const struct names *names, const struct idl_function *function);
const char *names_handler(const struct names *names, const struct idl_function *function);

/* True when a declaration has that C name; lists and maps then take another one. */
bool names_is_declared(const struct names *names, const char *name);

/* The macro that goes with a C name: "DEMO_POINT"; a name that has capitals stays as it is. */
const char *names_macro(struct tars_arena *arena, const char *name);
/* "DEMO_POINT_LIST" of "demo_point", "demo_Point_LIST" of "demo_Point". */
const char *names_list_macro(struct tars_arena *arena, const char *name);

/* "find_object_by_id4_any", "FIND_OBJECT_BY_ID4_ANY"; into the arena. */
const char *names_snake(struct tars_arena *arena, const char *name);
const char *names_upper(struct tars_arena *arena, const char *name);

#endif
