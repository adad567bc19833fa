/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Tars encoding: one writer and one reader, used by generated code, by the RPC layer and by
 * tools that know an interface only at run time. A value is a head (tag and wire type) and a
 * payload; numbers are big-endian and written in the smallest type that holds them.
 */
#ifndef TARS_WIRE_H
#define TARS_WIRE_H

#include <tars/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Wire types: the low four bits of a head. */
enum tars_wire_type {
    TARS_WIRE_INT1 = 0,
    TARS_WIRE_INT2 = 1,
    TARS_WIRE_INT4 = 2,
    TARS_WIRE_INT8 = 3,
    TARS_WIRE_FLOAT = 4,
    TARS_WIRE_DOUBLE = 5,
    TARS_WIRE_STRING1 = 6,
    TARS_WIRE_STRING4 = 7,
    TARS_WIRE_MAP = 8,
    TARS_WIRE_LIST = 9,
    TARS_WIRE_STRUCT_BEGIN = 10,
    TARS_WIRE_STRUCT_END = 11,
    TARS_WIRE_ZERO = 12,
    TARS_WIRE_SIMPLE_LIST = 13
};

enum {
    TARS_WIRE_MAX_DEPTH = 100,               /* nested structs, lists and maps */
    TARS_WIRE_MAX_STRING = 100 * 1024 * 1024 /* bytes in one string or byte vector */
};

/* ---- writer -------------------------------------------------------------------------------- */

/*
 * A buffer that grows. All writing functions are for one thread; none can fail but for want of
 * memory, which ends the process. Fields must be written in ascending tag order.
 */
struct tars_writer {
    uint8_t *at; /* owned; NULL before the first byte */
    size_t len;
    size_t cap;
};

void tars_writer_init(struct tars_writer *w);
/* Releases the buffer. */
void tars_writer_free(struct tars_writer *w);
/* Forgets the content and keeps the buffer. */
static inline void tars_writer_reset(struct tars_writer *w)
{
    w->len = 0;
}
/* Room for `more` bytes behind the content; returns where they go. Does not change `len`. */
uint8_t *tars_writer_reserve(struct tars_writer *w, size_t more);
/* Raw bytes, no head. */
void tars_writer_append(struct tars_writer *w, const void *bytes, size_t len);

void tars_write_bool(struct tars_writer *w, uint8_t tag, bool v);
void tars_write_int8(struct tars_writer *w, uint8_t tag, int8_t v);
void tars_write_uint8(struct tars_writer *w, uint8_t tag, uint8_t v);
void tars_write_int16(struct tars_writer *w, uint8_t tag, int16_t v);
void tars_write_uint16(struct tars_writer *w, uint8_t tag, uint16_t v);
void tars_write_int32(struct tars_writer *w, uint8_t tag, int32_t v);
void tars_write_uint32(struct tars_writer *w, uint8_t tag, uint32_t v);
void tars_write_int64(struct tars_writer *w, uint8_t tag, int64_t v);
void tars_write_float(struct tars_writer *w, uint8_t tag, float v);
void tars_write_double(struct tars_writer *w, uint8_t tag, double v);
void tars_write_str(struct tars_writer *w, uint8_t tag, struct tars_str v);
/* vector<byte> as a simple list */
void tars_write_bytes(struct tars_writer *w, uint8_t tag, struct tars_str v);
/* The head of a list of `count` elements; each element follows with tag 0. */
void tars_write_list(struct tars_writer *w, uint8_t tag, size_t count);
/* The head of a map of `count` entries; each follows as key with tag 0 and value with tag 1. */
void tars_write_map(struct tars_writer *w, uint8_t tag, size_t count);
void tars_write_struct_begin(struct tars_writer *w, uint8_t tag);
void tars_write_struct_end(struct tars_writer *w);
/* map<string,string>, keys in byte order as the canonical form wants it */
void tars_write_str_map(struct tars_writer *w, uint8_t tag, const struct tars_str_map *v);

/* ---- reader -------------------------------------------------------------------------------- */

enum tars_wire_error {
    TARS_WIRE_OK = 0,
    TARS_WIRE_MISSING,   /* a required field is not there */
    TARS_WIRE_BAD_TYPE,  /* the field has a wire type that cannot be read as wanted */
    TARS_WIRE_TRUNCATED, /* a head, payload or struct end is cut off */
    TARS_WIRE_BAD_SIZE,  /* a count or size is negative or larger than what is left */
    TARS_WIRE_RANGE,     /* the number does not fit the unsigned type wanted */
    TARS_WIRE_TOO_DEEP,  /* more than TARS_WIRE_MAX_DEPTH levels */
    TARS_WIRE_MEMORY     /* the arena's limit is reached */
};

/* What a function that opens a list, map or struct found. */
enum tars_found { TARS_FOUND_ERROR = -1, TARS_ABSENT = 0, TARS_FOUND = 1 };

#define TARS_REQUIRE  true
#define TARS_OPTIONAL false

/*
 * Reads fields in ascending tag order from bytes that it does not own. Strings are slices into
 * those bytes; lists and maps are allocated from the arena. The first error sticks: every later
 * call returns false. Unknown fields are skipped.
 */
struct tars_reader {
    const uint8_t *at;
    const uint8_t *end;
    const uint8_t *begin;
    struct tars_arena *arena;
    uint32_t depth;
    uint8_t error; /* enum tars_wire_error */
    uint8_t error_tag;
};

/* `arena` may be NULL when only numbers, strings, bytes (as simple list) and structs are read. */
void tars_reader_init(struct tars_reader *r, const void *bytes, size_t len,
                      struct tars_arena *arena);

/* Records the first error; always false. For generated code and hand-written readers. */
bool tars_reader_fail(struct tars_reader *r, enum tars_wire_error error, uint8_t tag);
/* "tag 3 at byte 17: a required field is missing": into `error`; always false. */
bool tars_reader_explain(const struct tars_reader *r, struct tars_error *error);

/*
 * All of these: true when the field was read, or is absent and not required (then *v is left
 * alone); false on an error.
 */
bool tars_read_bool(struct tars_reader *r, uint8_t tag, bool required, bool *v) TARS_MUSTCHECK;
bool tars_read_int8(struct tars_reader *r, uint8_t tag, bool required, int8_t *v) TARS_MUSTCHECK;
bool tars_read_uint8(struct tars_reader *r, uint8_t tag, bool required, uint8_t *v) TARS_MUSTCHECK;
bool tars_read_int16(struct tars_reader *r, uint8_t tag, bool required, int16_t *v) TARS_MUSTCHECK;
bool tars_read_uint16(struct tars_reader *r, uint8_t tag, bool required,
                      uint16_t *v) TARS_MUSTCHECK;
bool tars_read_int32(struct tars_reader *r, uint8_t tag, bool required, int32_t *v) TARS_MUSTCHECK;
bool tars_read_uint32(struct tars_reader *r, uint8_t tag, bool required,
                      uint32_t *v) TARS_MUSTCHECK;
bool tars_read_int64(struct tars_reader *r, uint8_t tag, bool required, int64_t *v) TARS_MUSTCHECK;
bool tars_read_float(struct tars_reader *r, uint8_t tag, bool required, float *v) TARS_MUSTCHECK;
bool tars_read_double(struct tars_reader *r, uint8_t tag, bool required, double *v) TARS_MUSTCHECK;
bool tars_read_str(struct tars_reader *r, uint8_t tag, bool required,
                   struct tars_str *v) TARS_MUSTCHECK;
/* vector<byte>: a simple list is a slice into the packet, a plain list is copied to the arena. */
bool tars_read_bytes(struct tars_reader *r, uint8_t tag, bool required,
                     struct tars_str *v) TARS_MUSTCHECK;
bool tars_read_str_map(struct tars_reader *r, uint8_t tag, bool required,
                       struct tars_str_map *v) TARS_MUSTCHECK;

/*
 * Opens a list (map) and gives its number of elements (entries), which has been checked against
 * the bytes that are left: an element takes at least `min_bytes` of them, an entry likewise. The
 * elements are then read with tag 0 (key 0, value 1), and tars_read_end closes it.
 */
enum tars_found tars_read_list(struct tars_reader *r, uint8_t tag, bool required, size_t min_bytes,
                               size_t *count) TARS_MUSTCHECK;
enum tars_found tars_read_map(struct tars_reader *r, uint8_t tag, bool required, size_t min_bytes,
                              size_t *count) TARS_MUSTCHECK;
static inline void tars_read_end(struct tars_reader *r)
{
    r->depth--;
}

/* Opens a struct; its members are read next; tars_read_struct_end skips what is left of it. */
enum tars_found tars_read_struct_begin(struct tars_reader *r, uint8_t tag,
                                       bool required) TARS_MUSTCHECK;
bool tars_read_struct_end(struct tars_reader *r) TARS_MUSTCHECK;

/* `count` zeroed elements from the reader's arena; NULL and an error when its limit is reached. */
void *tars_reader_alloc(struct tars_reader *r, size_t count, size_t size) TARS_MUSTCHECK;

/*
 * For readers without an interface at hand: the next field's tag and type without consuming it
 * (TARS_ABSENT at the end or at a struct end), and a step over the whole field.
 */
enum tars_found tars_reader_peek(struct tars_reader *r, uint8_t *tag,
                                 enum tars_wire_type *type) TARS_MUSTCHECK;
bool tars_reader_skip(struct tars_reader *r) TARS_MUSTCHECK;

#ifdef __cplusplus
}
#endif
#endif
