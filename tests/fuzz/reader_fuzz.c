/* SPDX-License-Identifier: BSD-3-Clause */
/* The Tars reader: walks the fields of any bytes, reading each as what it claims to be, then
 * skipping. */
#include <tars/wire.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_any(struct tars_reader *r, uint8_t tag, enum tars_wire_type type, unsigned depth);

static void walk(struct tars_reader *r, unsigned depth)
{
    uint8_t tag;
    enum tars_wire_type type;
    while (tars_reader_peek(r, &tag, &type) == TARS_FOUND)
        read_any(r, tag, type, depth);
}

static void read_struct(struct tars_reader *r, uint8_t tag, unsigned depth)
{
    if (tars_read_struct_begin(r, tag, TARS_REQUIRE) != TARS_FOUND)
        return;
    walk(r, depth + 1);
    if (!tars_read_struct_end(r))
        return;
}

static void read_list(struct tars_reader *r, uint8_t tag)
{
    size_t count;
    struct tars_str element;
    if (tars_read_list(r, tag, TARS_REQUIRE, 2, &count) != TARS_FOUND)
        return;
    struct tars_str *at = tars_reader_alloc(r, count, sizeof *at);
    for (size_t i = 0; at && i < count; i++) {
        if (!tars_read_str(r, 0, TARS_REQUIRE, &element))
            return;
        at[i] = element;
    }
    tars_read_end(r);
}

static void read_any(struct tars_reader *r, uint8_t tag, enum tars_wire_type type, unsigned depth)
{
    int64_t number;
    uint16_t narrow;
    double real;
    struct tars_str text;
    struct tars_str_map map;
    bool ok;
    switch (type) {
    case TARS_WIRE_FLOAT:
    case TARS_WIRE_DOUBLE:
        ok = tars_read_double(r, tag, TARS_REQUIRE, &real);
        break;
    case TARS_WIRE_STRING1:
    case TARS_WIRE_STRING4:
        ok = tars_read_str(r, tag, TARS_REQUIRE, &text);
        break;
    case TARS_WIRE_SIMPLE_LIST:
        ok = tars_read_bytes(r, tag, TARS_REQUIRE, &text);
        break;
    case TARS_WIRE_MAP:
        ok = tars_read_str_map(r, tag, TARS_REQUIRE, &map);
        break;
    case TARS_WIRE_LIST:
        read_list(r, tag);
        return;
    case TARS_WIRE_STRUCT_BEGIN:
        read_struct(r, tag, depth);
        return;
    case TARS_WIRE_INT1:
        ok = tars_read_uint16(r, tag, TARS_REQUIRE, &narrow);
        break;
    default:
        ok = tars_read_int64(r, tag, TARS_REQUIRE, &number);
    }
    (void)ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tars_arena *arena = tars_arena_new(1 << 20);
    struct tars_reader r;
    struct tars_error error;
    tars_reader_init(&r, data, size, arena);
    walk(&r, 0);
    tars_reader_explain(&r, &error);

    tars_reader_init(&r, data, size, arena);
    while (r.at < r.end && tars_reader_skip(&r))
        ;
    tars_arena_free(arena);
    return 0;
}
