/* SPDX-License-Identifier: BSD-3-Clause */
#include <tars/interface.h>

#include <stdint.h>

struct head {
    uint8_t tag;
    uint8_t type;
    uint8_t size; /* bytes of the head itself */
};

void tars_reader_init(struct tars_reader *r, const void *bytes, size_t len,
                      struct tars_arena *arena)
{
    *r = (struct tars_reader){.at = bytes, .begin = bytes, .arena = arena};
    r->end = len ? r->at + len : r->at;
}

bool tars_reader_fail(struct tars_reader *r, enum tars_wire_error error, uint8_t tag)
{
    if (r->error == TARS_WIRE_OK) {
        r->error = (uint8_t)error;
        r->error_tag = tag;
    }
    return false;
}

bool tars_reader_explain(const struct tars_reader *r, struct tars_error *error)
{
    static const char *const texts[] = {
        [TARS_WIRE_OK] = "no error",
        [TARS_WIRE_MISSING] = "a required field is missing",
        [TARS_WIRE_BAD_TYPE] = "the field has another type than expected",
        [TARS_WIRE_TRUNCATED] = "the data are cut off",
        [TARS_WIRE_BAD_SIZE] = "a size is negative or larger than the data that follow",
        [TARS_WIRE_RANGE] = "the number does not fit its type",
        [TARS_WIRE_TOO_DEEP] = "the data are nested too deeply",
        [TARS_WIRE_MEMORY] = "decoding needs more memory than is allowed",
    };
    return tars_fail(error, r->error, "tag %u at byte %zu: %s", r->error_tag,
                     (size_t)(r->at - r->begin), texts[r->error]);
}

static inline size_t left(const struct tars_reader *r)
{
    return (size_t)(r->end - r->at);
}

static void no_head(struct tars_reader *r)
{
    tars_reader_fail(r, TARS_WIRE_TRUNCATED, 0);
}

/* The head at the cursor, which stays where it is. */
static inline bool peek_head(struct tars_reader *r, struct head *h)
{
    if (left(r) < 1) {
        no_head(r);
        return false; /* here, where compilers see it */
    }
    uint8_t first = *r->at;
    h->type = first & 0x0f;
    h->tag = first >> 4;
    h->size = 1;
    if (h->tag < 15)
        return true;
    if (left(r) < 2) {
        no_head(r);
        return false;
    }
    h->tag = r->at[1];
    h->size = 2;
    return true;
}

/* Compilers make one load of each of these. */
static inline uint32_t get_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t get_be64(const uint8_t *p)
{
    return (uint64_t)get_be32(p) << 32 | get_be32(p + 4);
}

/* Bytes of an integer's payload, or -1 for a type that is no integer. */
static inline int integer_size(uint8_t type)
{
    static const int8_t sizes[16] = {1, 2, 4, 8, -1, -1, -1, -1, -1, -1, -1, -1, 0, -1, -1, -1};
    return sizes[type];
}

static inline int64_t get_integer(const uint8_t *p, int bytes)
{
    switch (bytes) {
    case 0:
        return 0;
    case 1:
        return (int8_t)p[0];
    case 2:
        return (int16_t)(p[0] << 8 | p[1]);
    case 4:
        return (int32_t)get_be32(p);
    default:
        return (int64_t)get_be64(p);
    }
}

/* An integer payload of the given type behind its head. */
static inline bool take_integer(struct tars_reader *r, uint8_t tag, uint8_t type, int max_bytes,
                                int64_t *v)
{
    int bytes = integer_size(type);
    if (bytes < 0 || bytes > max_bytes)
        return tars_reader_fail(r, TARS_WIRE_BAD_TYPE, tag);
    if (left(r) < (size_t)bytes)
        return tars_reader_fail(r, TARS_WIRE_TRUNCATED, tag);
    *v = get_integer(r->at, bytes);
    r->at += bytes;
    return true;
}

/* A count or size: an integer field, not negative and not more than what is left. */
static bool take_count(struct tars_reader *r, uint8_t tag, size_t *count)
{
    struct head h;
    int64_t v = 0;
    if (!peek_head(r, &h))
        return false;
    r->at += h.size;
    if (!take_integer(r, tag, h.type, 8, &v))
        return false;
    if (v < 0 || (uint64_t)v > left(r))
        return tars_reader_fail(r, TARS_WIRE_BAD_SIZE, tag);
    *count = (size_t)v;
    return true;
}

static bool take_bytes(struct tars_reader *r, uint8_t tag, size_t len)
{
    if (left(r) < len)
        return tars_reader_fail(r, TARS_WIRE_TRUNCATED, tag);
    r->at += len;
    return true;
}

/* The length of a string payload; the cursor goes to its first byte. */
static bool take_string_len(struct tars_reader *r, uint8_t tag, uint8_t type, size_t *len)
{
    size_t bytes = type == TARS_WIRE_STRING1 ? 1 : 4;
    if (left(r) < bytes)
        return tars_reader_fail(r, TARS_WIRE_TRUNCATED, tag);
    *len = bytes == 1 ? *r->at : get_be32(r->at);
    r->at += bytes;
    if (*len > TARS_WIRE_MAX_STRING || *len > left(r))
        return tars_reader_fail(r, TARS_WIRE_BAD_SIZE, tag);
    return true;
}

/* Behind the head of a simple list: checks the inner head, gives the size. */
static bool take_simple_list(struct tars_reader *r, uint8_t tag, size_t *len)
{
    struct head inner;
    if (!peek_head(r, &inner))
        return false;
    r->at += inner.size;
    if (inner.type != TARS_WIRE_INT1)
        return tars_reader_fail(r, TARS_WIRE_BAD_TYPE, tag);
    return take_count(r, tag, len);
}

static bool deeper(struct tars_reader *r, uint8_t tag)
{
    if (r->depth >= TARS_WIRE_MAX_DEPTH)
        return tars_reader_fail(r, TARS_WIRE_TOO_DEEP, tag);
    r->depth++;
    return true;
}

static bool skip_field(struct tars_reader *r);

static bool skip_fields(struct tars_reader *r, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!skip_field(r))
            return false;
    return true;
}

static bool skip_to_struct_end(struct tars_reader *r)
{
    struct head h;
    for (;;) {
        if (!peek_head(r, &h))
            return false;
        if (h.type == TARS_WIRE_STRUCT_END) {
            r->at += h.size;
            return true;
        }
        if (!skip_field(r))
            return false;
    }
}

static bool skip_container(struct tars_reader *r, const struct head *h)
{
    size_t count = 0;
    bool ok;
    if (!deeper(r, h->tag))
        return false;
    if (h->type == TARS_WIRE_STRUCT_BEGIN)
        ok = skip_to_struct_end(r);
    else
        ok = take_count(r, h->tag, &count) &&
             skip_fields(r, h->type == TARS_WIRE_MAP ? count * 2 : count);
    r->depth--;
    return ok;
}

/* Steps over a whole field. The depth limit bounds the recursion. */
static bool skip_field(struct tars_reader *r)
{
    struct head h;
    size_t len = 0;
    if (!peek_head(r, &h))
        return false;
    r->at += h.size;
    switch (h.type) {
    case TARS_WIRE_INT1:
    case TARS_WIRE_INT2:
    case TARS_WIRE_INT4:
    case TARS_WIRE_INT8:
        return take_bytes(r, h.tag, (size_t)integer_size(h.type));
    case TARS_WIRE_FLOAT:
        return take_bytes(r, h.tag, 4);
    case TARS_WIRE_DOUBLE:
        return take_bytes(r, h.tag, 8);
    case TARS_WIRE_STRING1:
    case TARS_WIRE_STRING4:
        return take_string_len(r, h.tag, h.type, &len) && take_bytes(r, h.tag, len);
    case TARS_WIRE_SIMPLE_LIST:
        return take_simple_list(r, h.tag, &len) && take_bytes(r, h.tag, len);
    case TARS_WIRE_MAP:
    case TARS_WIRE_LIST:
    case TARS_WIRE_STRUCT_BEGIN:
        return skip_container(r, &h);
    case TARS_WIRE_ZERO:
    case TARS_WIRE_STRUCT_END:
        return true;
    default:
        return tars_reader_fail(r, TARS_WIRE_BAD_TYPE, h.tag);
    }
}

bool tars_reader_skip(struct tars_reader *r)
{
    return r->error == TARS_WIRE_OK && skip_field(r);
}

enum tars_found tars_reader_peek(struct tars_reader *r, uint8_t *tag, enum tars_wire_type *type)
{
    struct head h;
    if (r->error != TARS_WIRE_OK)
        return TARS_FOUND_ERROR;
    if (r->at == r->end)
        return TARS_ABSENT;
    if (!peek_head(r, &h))
        return TARS_FOUND_ERROR;
    if (h.type == TARS_WIRE_STRUCT_END)
        return TARS_ABSENT;
    *tag = h.tag;
    *type = (enum tars_wire_type)h.type;
    return TARS_FOUND;
}

static enum tars_found absent(struct tars_reader *r, uint8_t tag, bool required)
{
    if (!required)
        return TARS_ABSENT;
    tars_reader_fail(r, TARS_WIRE_MISSING, tag);
    return TARS_FOUND_ERROR;
}

/* Tars protocol: fields stand in ascending tag order. */
static enum tars_found search(struct tars_reader *r, uint8_t tag, bool required, uint8_t *type)
{
    struct head h;
    if (r->error != TARS_WIRE_OK)
        return TARS_FOUND_ERROR;
    while (r->at < r->end) {
        if (!peek_head(r, &h))
            return TARS_FOUND_ERROR;
        if (h.type == TARS_WIRE_STRUCT_END || h.tag > tag)
            break;
        if (h.tag == tag) {
            r->at += h.size;
            *type = h.type;
            return TARS_FOUND;
        }
        if (!skip_field(r))
            return TARS_FOUND_ERROR;
    }
    return absent(r, tag, required);
}

/* Finds the field and consumes its head. Most often it is the very next, with a head of one byte.
 */
static inline enum tars_found find(struct tars_reader *r, uint8_t tag, bool required, uint8_t *type)
{
    uint8_t head = r->at < r->end ? *r->at : TARS_WIRE_STRUCT_END;
    *type = head & 0x0f;
    if (head >> 4 != tag || tag == 15 || *type == TARS_WIRE_STRUCT_END || r->error != TARS_WIRE_OK)
        return search(r, tag, required, type);
    r->at++;
    return TARS_FOUND;
}

/* An integer field of at most `max_bytes`; *v is left alone when it is absent. */
static inline enum tars_found read_integer(struct tars_reader *r, uint8_t tag, bool required,
                                           int max_bytes, int64_t *v)
{
    uint8_t type;
    enum tars_found found = find(r, tag, required, &type);
    if (found == TARS_FOUND && !take_integer(r, tag, type, max_bytes, v))
        return TARS_FOUND_ERROR;
    return found;
}

/*
 * Unsigned types travel as the next wider signed one. A negative value that came in a type no wider
 * than our own is that type's bit pattern, as other implementations write it.
 */
static enum tars_found read_unsigned(struct tars_reader *r, uint8_t tag, bool required,
                                     int own_bytes, int64_t *v)
{
    uint8_t type;
    enum tars_found found = find(r, tag, required, &type);
    if (found != TARS_FOUND)
        return found;
    if (!take_integer(r, tag, type, own_bytes * 2, v))
        return TARS_FOUND_ERROR;
    int64_t limit = (int64_t)1 << (own_bytes * 8);
    if (*v < 0 && integer_size(type) <= own_bytes)
        *v += limit;
    if (*v >= 0 && *v < limit)
        return TARS_FOUND;
    tars_reader_fail(r, TARS_WIRE_RANGE, tag);
    return TARS_FOUND_ERROR;
}

#define INTEGER_READER(name, type, how, bytes)                                                     \
    bool tars_read_##name(struct tars_reader *r, uint8_t tag, bool required, type *v)              \
    {                                                                                              \
        int64_t wide = 0;                                                                          \
        enum tars_found found = how(r, tag, required, bytes, &wide);                               \
        if (found == TARS_FOUND)                                                                   \
            *v = (type)wide;                                                                       \
        return found != TARS_FOUND_ERROR;                                                          \
    }

INTEGER_READER(int8, int8_t, read_integer, 1)
INTEGER_READER(int16, int16_t, read_integer, 2)
INTEGER_READER(int32, int32_t, read_integer, 4)
INTEGER_READER(int64, int64_t, read_integer, 8)
INTEGER_READER(uint8, uint8_t, read_unsigned, 1)
INTEGER_READER(uint16, uint16_t, read_unsigned, 2)
INTEGER_READER(uint32, uint32_t, read_unsigned, 4)

bool tars_read_bool(struct tars_reader *r, uint8_t tag, bool required, bool *v)
{
    int64_t wide;
    enum tars_found found = read_integer(r, tag, required, 1, &wide);
    if (found == TARS_FOUND)
        *v = wide != 0;
    return found != TARS_FOUND_ERROR;
}

static bool take_float(struct tars_reader *r, uint8_t tag, float *v)
{
    if (left(r) < 4)
        return tars_reader_fail(r, TARS_WIRE_TRUNCATED, tag);
    uint32_t bits = get_be32(r->at);
    memcpy(v, &bits, sizeof *v);
    r->at += 4;
    return true;
}

static bool take_double(struct tars_reader *r, uint8_t tag, double *v)
{
    if (left(r) < 8)
        return tars_reader_fail(r, TARS_WIRE_TRUNCATED, tag);
    uint64_t bits = get_be64(r->at);
    memcpy(v, &bits, sizeof *v);
    r->at += 8;
    return true;
}

bool tars_read_float(struct tars_reader *r, uint8_t tag, bool required, float *v)
{
    uint8_t type;
    enum tars_found found = find(r, tag, required, &type);
    if (found != TARS_FOUND)
        return found == TARS_ABSENT;
    if (type == TARS_WIRE_FLOAT)
        return take_float(r, tag, v);
    if (type != TARS_WIRE_ZERO)
        return tars_reader_fail(r, TARS_WIRE_BAD_TYPE, tag);
    *v = 0;
    return true;
}

bool tars_read_double(struct tars_reader *r, uint8_t tag, bool required, double *v)
{
    uint8_t type;
    float narrow;
    enum tars_found found = find(r, tag, required, &type);
    if (found != TARS_FOUND)
        return found == TARS_ABSENT;
    if (type == TARS_WIRE_DOUBLE)
        return take_double(r, tag, v);
    if (type == TARS_WIRE_FLOAT) {
        if (!take_float(r, tag, &narrow))
            return false;
        *v = (double)narrow;
        return true;
    }
    if (type != TARS_WIRE_ZERO)
        return tars_reader_fail(r, TARS_WIRE_BAD_TYPE, tag);
    *v = 0;
    return true;
}

static bool take_slice(struct tars_reader *r, size_t len, struct tars_str *v)
{
    *v = tars_str_n(r->at, len);
    r->at += len;
    return true;
}

bool tars_read_str(struct tars_reader *r, uint8_t tag, bool required, struct tars_str *v)
{
    uint8_t type;
    size_t len;
    enum tars_found found = find(r, tag, required, &type);
    if (found != TARS_FOUND)
        return found == TARS_ABSENT;
    if (type != TARS_WIRE_STRING1 && type != TARS_WIRE_STRING4)
        return tars_reader_fail(r, TARS_WIRE_BAD_TYPE, tag);
    return take_string_len(r, tag, type, &len) && take_slice(r, len, v);
}

void *tars_reader_alloc(struct tars_reader *r, size_t count, size_t size)
{
    void *p = NULL;
    if (r->arena && (count == 0 || size <= SIZE_MAX / count))
        p = tars_arena_alloc(r->arena, count * size);
    if (!p)
        tars_reader_fail(r, TARS_WIRE_MEMORY, 0);
    return p;
}

/* vector<byte> written as a list of bytes, which readers accept too. */
static bool take_byte_list(struct tars_reader *r, uint8_t tag, struct tars_str *v)
{
    size_t count;
    if (!take_count(r, tag, &count))
        return false;
    int8_t *bytes = tars_reader_alloc(r, count, 1);
    if (!bytes)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!tars_read_int8(r, 0, TARS_REQUIRE, &bytes[i]))
            return false;
    *v = tars_str_n(bytes, count);
    return true;
}

bool tars_read_bytes(struct tars_reader *r, uint8_t tag, bool required, struct tars_str *v)
{
    uint8_t type;
    size_t len;
    enum tars_found found = find(r, tag, required, &type);
    if (found != TARS_FOUND)
        return found == TARS_ABSENT;
    if (type == TARS_WIRE_LIST)
        return take_byte_list(r, tag, v);
    if (type != TARS_WIRE_SIMPLE_LIST)
        return tars_reader_fail(r, TARS_WIRE_BAD_TYPE, tag);
    return take_simple_list(r, tag, &len) && take_slice(r, len, v);
}

static enum tars_found open_counted(struct tars_reader *r, uint8_t tag, bool required,
                                    enum tars_wire_type wanted, size_t min_bytes, size_t *count)
{
    uint8_t type;
    enum tars_found found = find(r, tag, required, &type);
    if (found != TARS_FOUND)
        return found;
    if (type != wanted) {
        tars_reader_fail(r, TARS_WIRE_BAD_TYPE, tag);
        return TARS_FOUND_ERROR;
    }
    if (!deeper(r, tag) || !take_count(r, tag, count))
        return TARS_FOUND_ERROR;
    if (*count > left(r) / min_bytes) {
        tars_reader_fail(r, TARS_WIRE_BAD_SIZE, tag);
        return TARS_FOUND_ERROR;
    }
    return TARS_FOUND;
}

enum tars_found tars_read_list(struct tars_reader *r, uint8_t tag, bool required, size_t min_bytes,
                               size_t *count)
{
    return open_counted(r, tag, required, TARS_WIRE_LIST, min_bytes ? min_bytes : 1, count);
}

enum tars_found tars_read_map(struct tars_reader *r, uint8_t tag, bool required, size_t min_bytes,
                              size_t *count)
{
    return open_counted(r, tag, required, TARS_WIRE_MAP, min_bytes > 2 ? min_bytes : 2, count);
}

enum tars_found tars_read_struct_begin(struct tars_reader *r, uint8_t tag, bool required)
{
    uint8_t type;
    enum tars_found found = find(r, tag, required, &type);
    if (found != TARS_FOUND)
        return found;
    if (type != TARS_WIRE_STRUCT_BEGIN) {
        tars_reader_fail(r, TARS_WIRE_BAD_TYPE, tag);
        return TARS_FOUND_ERROR;
    }
    return deeper(r, tag) ? TARS_FOUND : TARS_FOUND_ERROR;
}

bool tars_read_struct_end(struct tars_reader *r)
{
    if (r->error != TARS_WIRE_OK || !skip_to_struct_end(r))
        return false;
    r->depth--;
    return true;
}

enum { FEW = 16 }; /* entries that are compared each with each, which allocates nothing */

/* A key that comes again replaces the earlier value, so that the last one counts. */
static void put_last(struct tars_str_map *map, struct tars_str key, struct tars_str value)
{
    for (size_t i = 0; map->len <= FEW && i < map->len; i++) {
        if (!tars_str_equal(map->at[i].key, key))
            continue;
        map->at[i].value = value;
        return;
    }
    map->at[map->len++] = (struct tars_str_pair){key, value};
}

static int compare_pairs(const void *a, const void *b)
{
    const struct tars_str_pair *x = a, *y = b;
    return tars_str_compare(x->key, y->key);
}

bool tars_read_str_map(struct tars_reader *r, uint8_t tag, bool required, struct tars_str_map *v)
{
    size_t count = 0;
    enum tars_found found = tars_read_map(r, tag, required, 4, &count);
    if (found != TARS_FOUND)
        return found == TARS_ABSENT;
    struct tars_str_map map = {0, NULL};
    if (count) {
        map.at = tars_reader_alloc(r, count, sizeof *map.at);
        if (!map.at)
            return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct tars_str key = {NULL, 0}, value = {NULL, 0};
        if (!tars_read_str(r, 0, TARS_REQUIRE, &key) || !tars_read_str(r, 1, TARS_REQUIRE, &value))
            return false;
        put_last(&map, key, value);
    }
    if (map.len > FEW)
        map.len = tars_map_unique(map.at, map.len, sizeof *map.at, compare_pairs);
    tars_read_end(r);
    *v = map;
    return true;
}
