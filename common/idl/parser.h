/* SPDX-License-Identifier: BSD-3-Clause */
/* Turns the tokens of one file into declarations; names of types are looked up by the check. */
#ifndef IDL_PARSER_H
#define IDL_PARSER_H

#include <idl/idl.h>

/* Gives the file that `from` includes under that name, or NULL with the error reported. */
typedef const struct idl_file *idl_include_fn(struct idl *idl, const struct idl_file *from,
                                              const char *name, struct idl_pos pos);

/*
 * Fills `file` from its text; `include` is called for each #include, in order. False when one of
 * them gave no file: the mistakes of the rest have been reported, the names in it are not known.
 */
bool idl_parse(struct idl *idl, struct idl_file *file, idl_include_fn *include);

#endif
