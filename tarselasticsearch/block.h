/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One column of a block of documents, packed: whole numbers by their distance from the smallest,
 * texts and reals as places in a sorted list of the different ones, all in as few bits as the
 * largest needs. A code of 0 is no value.
 */
#ifndef STORE_BLOCK_H
#define STORE_BLOCK_H

#include "text.h"
#include "value.h"

#ifndef STORE_BLOCK_ROWS
#define STORE_BLOCK_ROWS 8192
#endif

enum { BLOCK_ROWS = STORE_BLOCK_ROWS, BLOCK_TEXTS = 256 * 1024 };

/* Zero it before the first use. */
struct block {
    enum value_kind kind; /* of all values; VALUE_NONE: there is none */
    size_t rows, entries;
    int64_t base;        /* whole numbers: that of code 1 */
    struct value *entry; /* texts and reals: that of code 1 first, ascending */
    bool gaps;           /* some rows have no value */
    unsigned bits;       /* of a code */
    const char *codes;
    struct text bytes; /* as they were packed: texts and codes stay in there */
    size_t entry_room;
};

/* Appends the packed form; false and nothing when the values do not fit into one: of several kinds,
 * spread too far, or texts of more than BLOCK_TEXTS bytes. Sorts what it likes; at most BLOCK_ROWS.
 */
bool block_pack(const struct value *values, size_t count, struct text *to);
/* Memory of `b` is used again. False when the bytes are no packed column. */
bool block_unpack(struct block *b, struct tars_str bytes);
void block_free(struct block *b);

/* The code of a row; a damaged one is 0. */
static inline uint64_t block_code(const struct block *b, size_t row)
{
    size_t bit = row * b->bits;
    uint64_t code;
    memcpy(&code, b->codes + bit / 8, sizeof code);
    code = code >> (bit % 8) & (((uint64_t)1 << b->bits) - 1);
    return b->kind == VALUE_INT || code <= b->entries ? code : 0;
}

/* The value of a code above 0. */
static inline struct value block_value(const struct block *b, uint64_t code)
{
    if (b->kind == VALUE_INT)
        return (struct value){.kind = VALUE_INT, .i = (int64_t)((uint64_t)b->base + code - 1)};
    return b->entry[code - 1];
}

#endif
