/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads .tars files: a file and all that it includes become one checked tree (idl/ast.h). Several
 * mistakes are reported in one run. Not thread-safe.
 */
#ifndef IDL_IDL_H
#define IDL_IDL_H

#include <idl/ast.h>
#include <stdio.h>

struct idl;

/* A .tars file that is part of the program: found when no file of that name is. */
struct idl_builtin {
    const char *name; /* "QueryF.tars" */
    const char *text;
    size_t len;
};

struct idl *idl_new(void);
void idl_free(struct idl *idl);

/* A folder where included files are looked for, after the folder of the including file. */
void idl_add_path(struct idl *idl, const char *folder);
/* `builtins` must outlive `idl`. */
void idl_add_builtins(struct idl *idl, const struct idl_builtin *builtins, size_t count);

/*
 * Reads and checks a file; "-" is standard input. NULL when it or an included file cannot be read
 * (`error` says why); mistakes in the text do not make it NULL but are counted by idl_errors.
 */
const struct idl_file *idl_read(struct idl *idl, const char *path, struct tars_error *error);
/* The same from memory; `text` is copied. */
const struct idl_file *idl_read_text(struct idl *idl, const char *name, struct tars_str text,
                                     struct tars_error *error);

/* All files in an order in which included ones stand before those that include them. */
const struct idl_file *idl_files(const struct idl *idl);
/* The declaration of that name in that module, in any file read so far, or NULL. */
const struct idl_decl *idl_find(const struct idl *idl, const char *module, const char *name);
/* The same among the files that `from` may use: itself and what it includes, however far. */
const struct idl_decl *idl_find_from(const struct idl *idl, const struct idl_file *from,
                                     const char *module, const char *name);
bool idl_sees(const struct idl_file *from, const struct idl_file *file);
const struct idl_function *idl_find_function(const struct idl_decl *interface, const char *name);

size_t idl_errors(const struct idl *idl);
size_t idl_warnings(const struct idl *idl);
/* "file:line:column: error: …", the line itself and a caret below the place, as they were found;
 * at most 100. */
void idl_print(const struct idl *idl, FILE *to);

/* For programs that check more than the language does: adds an error or a warning. */
void idl_error(struct idl *idl, struct idl_pos pos, const char *format, ...) TARS_PRINTF(3, 4);
void idl_warn(struct idl *idl, struct idl_pos pos, const char *format, ...) TARS_PRINTF(3, 4);
/* A line below the last error or warning: "file:line:column: note: …". */
void idl_note(struct idl *idl, struct idl_pos pos, const char *format, ...) TARS_PRINTF(3, 4);
/* From now on idl_warn does nothing. */
void idl_hide_warnings(struct idl *idl);
/* Where all of the tree lives. */
struct tars_arena *idl_arena(const struct idl *idl);

#endif
