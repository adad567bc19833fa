/* SPDX-License-Identifier: BSD-3-Clause */
#include <tars/interface.h>
#include <tars/wire.h>

#include <stdlib.h>

#include "base/xmalloc.h"

enum { FIRST_CAPACITY = 256, HEAD_MAX = 2 };

void tars_writer_init(struct tars_writer *w)
{
    *w = (struct tars_writer){NULL, 0, 0};
}

void tars_writer_free(struct tars_writer *w)
{
    free(w->at);
    tars_writer_init(w);
}

static void grow(struct tars_writer *w, size_t more)
{
    size_t cap = w->cap ? w->cap : FIRST_CAPACITY;
    while (cap - w->len < more)
        cap *= 2;
    w->at = xrealloc(w->at, cap);
    w->cap = cap;
}

static inline uint8_t *reserve(struct tars_writer *w, size_t more)
{
    if (w->cap - w->len < more)
        grow(w, more);
    return w->at + w->len;
}

uint8_t *tars_writer_reserve(struct tars_writer *w, size_t more)
{
    return reserve(w, more);
}

void tars_writer_append(struct tars_writer *w, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    memcpy(reserve(w, len), bytes, len);
    w->len += len;
}

/* Tags below 15 share a byte with the type; larger ones follow it. */
static inline uint8_t *put_head(uint8_t *p, uint8_t tag, enum tars_wire_type type)
{
    if (tag < 15) {
        *p++ = (uint8_t)((unsigned)tag << 4 | (unsigned)type);
        return p;
    }
    *p++ = (uint8_t)(0xf0u | (unsigned)type);
    *p++ = tag;
    return p;
}

/* Compilers make one store of each of these. */
static inline uint8_t *put_be8(uint8_t *p, uint64_t v)
{
    p[0] = (uint8_t)v;
    return p + 1;
}

static inline uint8_t *put_be16(uint8_t *p, uint64_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}

static inline uint8_t *put_be32(uint8_t *p, uint64_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
    return p + 4;
}

static inline uint8_t *put_be64(uint8_t *p, uint64_t v)
{
    return put_be32(put_be32(p, v >> 32), v);
}

/* The smallest type that holds the value: Tars protocol, canonical encoding. */
static uint8_t *put_integer(uint8_t *p, uint8_t tag, int64_t v)
{
    if (v == 0)
        return put_head(p, tag, TARS_WIRE_ZERO);
    if (v >= INT8_MIN && v <= INT8_MAX)
        return put_be8(put_head(p, tag, TARS_WIRE_INT1), (uint64_t)v);
    if (v >= INT16_MIN && v <= INT16_MAX)
        return put_be16(put_head(p, tag, TARS_WIRE_INT2), (uint64_t)v);
    if (v >= INT32_MIN && v <= INT32_MAX)
        return put_be32(put_head(p, tag, TARS_WIRE_INT4), (uint64_t)v);
    return put_be64(put_head(p, tag, TARS_WIRE_INT8), (uint64_t)v);
}

void tars_write_int64(struct tars_writer *w, uint8_t tag, int64_t v)
{
    uint8_t *p = reserve(w, HEAD_MAX + 8);
    w->len += (size_t)(put_integer(p, tag, v) - p);
}

void tars_write_bool(struct tars_writer *w, uint8_t tag, bool v)
{
    tars_write_int64(w, tag, v);
}

void tars_write_int8(struct tars_writer *w, uint8_t tag, int8_t v)
{
    tars_write_int64(w, tag, v);
}

void tars_write_uint8(struct tars_writer *w, uint8_t tag, uint8_t v)
{
    tars_write_int64(w, tag, v);
}

void tars_write_int16(struct tars_writer *w, uint8_t tag, int16_t v)
{
    tars_write_int64(w, tag, v);
}

void tars_write_uint16(struct tars_writer *w, uint8_t tag, uint16_t v)
{
    tars_write_int64(w, tag, v);
}

void tars_write_int32(struct tars_writer *w, uint8_t tag, int32_t v)
{
    tars_write_int64(w, tag, v);
}

void tars_write_uint32(struct tars_writer *w, uint8_t tag, uint32_t v)
{
    tars_write_int64(w, tag, v);
}

void tars_write_float(struct tars_writer *w, uint8_t tag, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    uint8_t *p = reserve(w, HEAD_MAX + sizeof bits);
    w->len += (size_t)(put_be32(put_head(p, tag, TARS_WIRE_FLOAT), bits) - p);
}

void tars_write_double(struct tars_writer *w, uint8_t tag, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    uint8_t *p = reserve(w, HEAD_MAX + sizeof bits);
    w->len += (size_t)(put_be64(put_head(p, tag, TARS_WIRE_DOUBLE), bits) - p);
}

void tars_write_str(struct tars_writer *w, uint8_t tag, struct tars_str v)
{
    uint8_t *p = reserve(w, HEAD_MAX + 4 + v.len);
    uint8_t *at = p;
    if (v.len <= UINT8_MAX)
        at = put_be8(put_head(at, tag, TARS_WIRE_STRING1), v.len);
    else
        at = put_be32(put_head(at, tag, TARS_WIRE_STRING4), v.len);
    if (v.len)
        memcpy(at, v.at, v.len);
    w->len += (size_t)(at - p) + v.len;
}

void tars_write_bytes(struct tars_writer *w, uint8_t tag, struct tars_str v)
{
    uint8_t *p = reserve(w, HEAD_MAX + 1 + 9 + v.len);
    uint8_t *at = put_head(p, tag, TARS_WIRE_SIMPLE_LIST);
    at = put_head(at, 0, TARS_WIRE_INT1);
    at = put_integer(at, 0, (int64_t)v.len);
    if (v.len)
        memcpy(at, v.at, v.len);
    w->len += (size_t)(at - p) + v.len;
}

static void put_container(struct tars_writer *w, uint8_t tag, enum tars_wire_type type,
                          size_t count)
{
    uint8_t *p = reserve(w, HEAD_MAX + 9);
    w->len += (size_t)(put_integer(put_head(p, tag, type), 0, (int64_t)count) - p);
}

void tars_write_list(struct tars_writer *w, uint8_t tag, size_t count)
{
    put_container(w, tag, TARS_WIRE_LIST, count);
}

void tars_write_map(struct tars_writer *w, uint8_t tag, size_t count)
{
    put_container(w, tag, TARS_WIRE_MAP, count);
}

void tars_write_struct_begin(struct tars_writer *w, uint8_t tag)
{
    uint8_t *p = reserve(w, HEAD_MAX);
    w->len += (size_t)(put_head(p, tag, TARS_WIRE_STRUCT_BEGIN) - p);
}

void tars_write_struct_end(struct tars_writer *w)
{
    *reserve(w, 1) = TARS_WIRE_STRUCT_END;
    w->len++;
}

static int by_key(const void *a, const void *b)
{
    const struct tars_str_pair *x = a, *y = b;
    return tars_str_compare(x->key, y->key);
}

void tars_write_str_map(struct tars_writer *w, uint8_t tag, const struct tars_str_map *v)
{
    size_t len = v->len;
    size_t *order = tars_map_order(v->at, &len, sizeof *v->at, by_key);
    tars_write_map(w, tag, len);
    for (size_t i = 0; i < len; i++) {
        const struct tars_str_pair *pair = &v->at[order ? order[i] : i];
        tars_write_str(w, 0, pair->key);
        tars_write_str(w, 1, pair->value);
    }
    free(order);
}
