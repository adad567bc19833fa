/* SPDX-License-Identifier: BSD-3-Clause */
#include "block.h"

#include "base/xmalloc.h"

#include <math.h>
#include <stdlib.h>

/*
 * kind, bits of a code, 1 when some have no value, 0, number of rows and of entries in 4 bytes
 * each, the base in 8. Then the entries: reals in 8 bytes each; of texts first the end of each in 4
 * bytes, then all bytes. Then the codes, from the lowest bit on, and 8 bytes of 0. Numbers lie as
 * the machine has them: a data file stays on its machine.
 */
enum { HEAD = 20, TAIL = 8, MOST_BITS = 56 };

static unsigned bits_of(uint64_t largest)
{
    unsigned bits = 0;
    for (; largest; largest >>= 1)
        bits++;
    return bits;
}

/* ---- packing
 * ------------------------------------------------------------------------------------------- */

static int compare_entries(const void *x, const void *y)
{
    const struct value *a = x, *b = y;
    if (a->kind == VALUE_TEXT)
        return tars_str_compare(a->s, b->s);
    int order = (a->r > b->r) - (a->r < b->r);
    return order ? order : !!signbit(b->r) - !!signbit(a->r); /* -0.0 before 0.0 */
}

static bool has_gaps(const uint64_t *codes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!codes[i])
            return true;
    return false;
}

static void put_head(struct text *to, enum value_kind kind, unsigned bits, bool gaps, size_t rows,
                     size_t entries, int64_t base)
{
    uint32_t numbers[2] = {(uint32_t)rows, (uint32_t)entries};
    char head[4] = {(char)kind, (char)bits, gaps, 0};
    text_add(to, head, sizeof head);
    text_add(to, numbers, sizeof numbers);
    text_add(to, &base, sizeof base);
}

static void put_codes(const uint64_t *codes, size_t count, unsigned bits, struct text *to)
{
    size_t size = (count * bits + 7) / 8 + TAIL;
    unsigned char *at = (unsigned char *)text_reserve(to, size);
    memset(at, 0, size);
    for (size_t i = 0; i < count && bits; i++) {
        size_t bit = i * bits;
        uint64_t word;
        memcpy(&word, at + bit / 8, sizeof word);
        word |= codes[i] << (bit % 8);
        memcpy(at + bit / 8, &word, sizeof word);
    }
    text_cut(to, to->len + size);
}

static bool pack_numbers(const struct value *values, size_t count, struct text *to)
{
    uint64_t codes[BLOCK_ROWS], largest = 0;
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (size_t i = 0; i < count; i++) {
        if (values[i].kind == VALUE_NONE)
            continue;
        low = values[i].i < low ? values[i].i : low;
        high = values[i].i > high ? values[i].i : high;
    }
    if (low <= high)
        largest = (uint64_t)high - (uint64_t)low + 1;
    if (bits_of(largest) > MOST_BITS || (low <= high && largest == 0))
        return false;
    for (size_t i = 0; i < count; i++)
        codes[i] = values[i].kind == VALUE_NONE ? 0 : (uint64_t)values[i].i - (uint64_t)low + 1;
    put_head(to, VALUE_INT, bits_of(largest), has_gaps(codes, count), count, 0, low);
    put_codes(codes, count, bits_of(largest), to);
    return true;
}

static void put_entries(const struct value *entries, size_t count, struct text *to)
{
    uint32_t end = 0;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].kind == VALUE_REAL) {
            text_add(to, &entries[i].r, sizeof entries[i].r);
            continue;
        }
        end += (uint32_t)entries[i].s.len;
        text_add(to, &end, sizeof end);
    }
    for (size_t i = 0; i < count; i++)
        if (entries[i].kind == VALUE_TEXT)
            text_add(to, entries[i].s.at, entries[i].s.len);
}

/* The different ones in their order; how many. */
static size_t list_entries(const struct value *values, size_t count, struct value *entries,
                           size_t *bytes)
{
    size_t all = 0, different = 0;
    for (size_t i = 0; i < count; i++)
        if (values[i].kind != VALUE_NONE)
            entries[all++] = values[i];
    qsort(entries, all, sizeof *entries, compare_entries);
    *bytes = 0;
    for (size_t i = 0; i < all; i++) {
        if (different && compare_entries(&entries[different - 1], &entries[i]) == 0)
            continue;
        entries[different++] = entries[i];
        *bytes += entries[i].kind == VALUE_TEXT ? entries[i].s.len : 8;
    }
    return different;
}

static bool pack_entries(enum value_kind kind, const struct value *values, size_t count,
                         struct text *to)
{
    uint64_t codes[BLOCK_ROWS];
    size_t bytes, room = count ? count : 1;
    struct value *entries = xcalloc(room, sizeof *entries);
    size_t different = list_entries(values, count, entries, &bytes);
    bool ok = bytes <= BLOCK_TEXTS;
    for (size_t i = 0; ok && i < count; i++) {
        const struct value *found = values[i].kind == VALUE_NONE
                                        ? NULL
                                        : bsearch(&values[i], entries, different, sizeof *entries,
                                                  compare_entries);
        codes[i] = found ? (uint64_t)(found - entries) + 1 : 0;
    }
    if (ok) {
        put_head(to, kind, bits_of(different), has_gaps(codes, count), count, different, 0);
        put_entries(entries, different, to);
        put_codes(codes, count, bits_of(different), to);
    }
    free(entries);
    return ok;
}

bool block_pack(const struct value *values, size_t count, struct text *to)
{
    enum value_kind kind = VALUE_NONE;
    for (size_t i = 0; i < count; i++) {
        if (values[i].kind == VALUE_NONE)
            continue;
        if (kind != VALUE_NONE && values[i].kind != kind)
            return false;
        kind = values[i].kind;
    }
    return kind == VALUE_TEXT || kind == VALUE_REAL ? pack_entries(kind, values, count, to)
                                                    : pack_numbers(values, count, to);
}

/* ---- unpacking
 * ----------------------------------------------------------------------------------------- */

static bool take_texts(struct block *b, const char *ends, const char *texts, size_t len)
{
    uint32_t begin = 0, end;
    for (size_t i = 0; i < b->entries; i++, begin = end) {
        memcpy(&end, ends + i * sizeof end, sizeof end);
        if (end < begin || end > len)
            return false;
        b->entry[i] = (struct value){.kind = VALUE_TEXT, .s = {texts + begin, end - begin}};
    }
    return true;
}

/* The length of what the entries take; SIZE_MAX when it is wrong. */
static size_t take_entries(struct block *b, const char *at, size_t len)
{
    size_t each = b->kind == VALUE_TEXT ? sizeof(uint32_t) : sizeof(double);
    uint32_t end = 0;
    if (b->kind == VALUE_INT)
        return b->entries ? SIZE_MAX : 0;
    if (b->entries > BLOCK_ROWS || b->entries * each > len)
        return SIZE_MAX;
    if (b->entry_room < b->entries) {
        b->entry_room = b->entries;
        b->entry = xrealloc(b->entry, b->entry_room * sizeof *b->entry);
    }
    if (b->kind == VALUE_TEXT) {
        if (b->entries)
            memcpy(&end, at + (b->entries - 1) * each, sizeof end);
        size_t texts = b->entries * each;
        return end <= len - texts && take_texts(b, at, at + texts, end) ? texts + end : SIZE_MAX;
    }
    for (size_t i = 0; i < b->entries; i++) {
        b->entry[i] = (struct value){.kind = VALUE_REAL};
        memcpy(&b->entry[i].r, at + i * each, each);
    }
    return b->entries * each;
}

bool block_unpack(struct block *b, struct tars_str bytes)
{
    uint32_t numbers[2];
    if (bytes.len < HEAD + TAIL || (unsigned char)bytes.at[0] > VALUE_TEXT || bytes.at[0] == 0)
        return false;
    text_cut(&b->bytes, 0);
    text_add(&b->bytes, bytes.at, bytes.len);
    const char *at = b->bytes.at;
    b->kind = (enum value_kind)at[0];
    memcpy(numbers, at + 4, sizeof numbers);
    memcpy(&b->base, at + 12, sizeof b->base);
    b->rows = numbers[0];
    b->entries = numbers[1];
    if (b->rows > BLOCK_ROWS)
        return false;
    b->bits = (unsigned char)at[1];
    b->gaps = at[2] != 0;
    size_t len = bytes.len - HEAD, used = take_entries(b, at + HEAD, len);
    if (used >= len)
        return false;
    b->codes = at + HEAD + used;
    return b->bits <= MOST_BITS && len - used == (b->rows * b->bits + 7) / 8 + TAIL;
}

void block_free(struct block *b)
{
    free(b->entry);
    text_free(&b->bytes);
    *b = (struct block){0};
}
