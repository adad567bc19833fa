/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes the C of one .tars file: the header and the source, each into a stream. */
#ifndef TARS2C_EMIT_H
#define TARS2C_EMIT_H

#include <stdio.h>

#include "types.h"

struct emit {
    FILE *out;
    const struct names *names;
    struct types types;
    struct tars_arena *arena;
    const struct idl_file *file;
    const char *base; /* "QueryF" */
};

void emit_header(struct emit *e);
void emit_source(struct emit *e);

/* The parts: data (enums, constants, structs, lists, maps) and calls (interfaces). */
void emit_data_header(struct emit *e);
void emit_data_source(struct emit *e);
void emit_calls_header(struct emit *e);
void emit_calls_source(struct emit *e);

/* A comment of the source, indented; nothing when there is none. */
void emit_comment(struct emit *e, const char *indent, const char *comment);
#define e_printf(e, ...) fprintf((e)->out, __VA_ARGS__)

#endif
