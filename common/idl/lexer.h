/* SPDX-License-Identifier: BSD-3-Clause */
/* Cuts the text of a .tars file into tokens and keeps the comments that stand before each. */
#ifndef IDL_LEXER_H
#define IDL_LEXER_H

#include <idl/idl.h>

enum idl_token_kind {
    IDL_TOKEN_END,
    IDL_TOKEN_NAME, /* also "Module::Name" */
    IDL_TOKEN_INT,
    IDL_TOKEN_FLOAT,
    IDL_TOKEN_STRING,
    IDL_TOKEN_INCLUDE, /* "#include" */
    IDL_TOKEN_PUNCT    /* one character, in `punct` */
};

struct idl_token {
    enum idl_token_kind kind;
    struct idl_pos pos;
    int end_line; /* the line its last character is on */
    char punct;
    struct tars_str text; /* as written; of a string: its value */
    int64_t integer;
    double real;
    const char *trailing; /* comment on the line where the token before this one ended */
    const char *leading;  /* comments on lines of their own before this token */
};

struct idl_lexer {
    struct idl *idl;
    const struct idl_file *file;
    const char *at, *end, *line_start;
    int line;
    int last_line; /* where the token before ended */
};

void idl_lexer_init(struct idl_lexer *lexer, struct idl *idl, const struct idl_file *file);
/* The next token; characters that belong nowhere are reported and passed over. */
void idl_lexer_next(struct idl_lexer *lexer, struct idl_token *token);

#endif
