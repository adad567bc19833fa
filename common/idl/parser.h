/* SPDX-License-Identifier: BSD-3-Clause */
/* Turns the tokens of one file into declarations; names of types are looked up by the check. */
#ifndef IDL_PARSER_H
#define IDL_PARSER_H

#include <idl/idl.h>

/*
 * Fills `file` from its text. `include` is called for each #include, in order, and gives the file
 * (NULL when there is none: reading ends at once with the error it left).
 */
bool idl_parse(struct idl *idl, struct idl_file *file,
               const struct idl_file *(*include)(struct idl *idl, const struct idl_file *from,
                                                 const char *name, struct idl_pos pos));

#endif
