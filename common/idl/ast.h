/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a .tars file says, after it has been read and checked: modules, structs, enums, constants
 * and interfaces. Everything lives in the arena of the `struct idl` that read it and is not
 * changed afterwards.
 */
#ifndef IDL_AST_H
#define IDL_AST_H

#include <tars/types.h>

struct idl_file;
struct idl_decl;

/* A place in a source, for messages. Lines and columns count from 1. */
struct idl_pos {
    const struct idl_file *file;
    int line, column;
};

enum idl_kind {
    IDL_VOID,
    IDL_BOOL,
    IDL_INT8,
    IDL_UINT8,
    IDL_INT16,
    IDL_UINT16,
    IDL_INT32,
    IDL_UINT32,
    IDL_INT64,
    IDL_FLOAT,
    IDL_DOUBLE,
    IDL_STRING,
    IDL_BYTES, /* vector<byte> */
    IDL_LIST,
    IDL_MAP,
    IDL_STRUCT,
    IDL_ENUM,
    IDL_NAMED /* not looked up yet; never seen after the check */
};

struct idl_type {
    enum idl_kind kind;
    struct idl_pos pos;
    const struct idl_type *key;   /* IDL_MAP */
    const struct idl_type *value; /* IDL_LIST: element; IDL_MAP: value */
    const struct idl_decl *decl;  /* IDL_STRUCT, IDL_ENUM */
    const char *name;             /* IDL_NAMED: as written */
    size_t max;                   /* most elements of a fixed array "type name[max]"; 0: any */
};

/* A literal, or the name of a constant or enum member, which the check replaces by its value. */
enum idl_value_kind {
    IDL_VALUE_NONE,
    IDL_VALUE_INT,
    IDL_VALUE_FLOAT,
    IDL_VALUE_STRING,
    IDL_VALUE_BOOL,
    IDL_VALUE_NAME
};

struct idl_value {
    enum idl_value_kind kind;
    struct idl_pos pos;
    int64_t integer;      /* IDL_VALUE_INT, IDL_VALUE_BOOL */
    double real;          /* IDL_VALUE_FLOAT */
    struct tars_str text; /* the string; the name; a number as it was written */
};

/* A struct's member, an enum's member or a function's parameter. */
struct idl_member {
    const char *name;
    const struct idl_type *type; /* NULL for an enum's member */
    uint8_t tag;                 /* of a struct's member; of a parameter: 1..n */
    bool required;               /* struct */
    bool out;                    /* parameter */
    struct idl_value value;      /* struct: default; enum: value (IDL_VALUE_INT after the check) */
    const char *comment;         /* text without comment marks, or NULL */
    struct idl_pos pos;
    struct idl_member *next; /* as declared */
};

struct idl_function {
    const char *name;
    const struct idl_type *ret; /* IDL_VOID for void */
    struct idl_member *params;
    size_t param_count;
    const char *comment;
    struct idl_pos pos;
    struct idl_function *next;
};

enum idl_decl_kind { IDL_DECL_STRUCT, IDL_DECL_ENUM, IDL_DECL_CONST, IDL_DECL_INTERFACE };

struct idl_decl {
    enum idl_decl_kind kind;
    const char *module;
    const char *name;
    const char *comment;
    struct idl_pos pos;
    const struct idl_file *file;
    struct idl_decl *next;      /* in the file, as declared */
    struct idl_decl *same_name; /* in another file, which does not see this one */

    struct idl_member *members; /* struct, enum; as declared */
    size_t member_count;
    struct idl_member **by_tag; /* struct: ascending tags */
    struct idl_member **key;    /* struct: members of key[...], in its order */
    size_t key_count;
    int depth;                   /* struct: structs inside each other by value, itself counted */
    bool has_defaults;           /* struct: a fresh value is not all zero bytes */
    const struct idl_type *type; /* const */
    struct idl_value value;      /* const */
    struct idl_function *functions;
    size_t function_count;
};

struct idl_include {
    const struct idl_file *file;
    const char *name; /* as written */
    struct idl_pos pos;
    struct idl_include *next;
};

struct idl_file {
    const char *path;     /* as opened; "<stdin>" */
    struct tars_str text; /* the source */
    const char *comment;  /* what stands above the first line of code */
    struct idl_include *includes;
    const struct idl_file **seen; /* itself and all that it includes, however far */
    size_t seen_count;
    struct idl_decl *decls; /* as declared, all modules */
    struct idl_file *next;  /* in the order in which reading ended: included files first */
};

/* "int32" for basic types, for messages: as the language writes it ("unsigned int", "vector"). */
const char *idl_kind_name(enum idl_kind kind);
/* The type as the language writes it, into the arena. */
const char *idl_type_text(struct tars_arena *arena, const struct idl_type *type);
/* True for bool, the integers, floats and enums: what a call passes as a plain number. */
bool idl_is_number(const struct idl_type *type);
/* The same without float and double. */
bool idl_is_integer(const struct idl_type *type);

#endif
