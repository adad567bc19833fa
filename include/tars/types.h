/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The plain types that everything in libtars shares: strings that are slices, the arena that holds
 * what one call needs, lists of the basic types, and errors for people.
 */
#ifndef TARS_TYPES_H
#define TARS_TYPES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TARS_PRINTF(fmt_, first_) __attribute__((format(printf, fmt_, first_)))
#define TARS_MUSTCHECK            __attribute__((warn_unused_result))
#else
#define TARS_PRINTF(fmt_, first_)
#define TARS_MUSTCHECK
#endif

/* ---- strings ------------------------------------------------------------------------------- */

/*
 * A string or byte sequence: a slice into memory that somebody else owns (a received packet, an
 * arena, a literal). It may contain NUL bytes and does not end in one. `at` may be NULL when
 * `len` is 0.
 */
struct tars_str {
    const char *at;
    size_t len;
};

/* For printf: printf("%" TARS_STR_FMT, TARS_STR_ARG(s)). */
#define TARS_STR_FMT    ".*s"
#define TARS_STR_ARG(s) (int)(s).len, (s).at ? (s).at : ""

#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow" /* C++ sees a constructor in a function of that name */
#endif
/* A slice over a NUL-terminated text; NULL gives the empty slice. The text must outlive it. */
static inline struct tars_str tars_str(const char *text)
{
    struct tars_str s = {text, text ? strlen(text) : 0};
    return s;
}
#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

/* A slice over `len` bytes. */
static inline struct tars_str tars_str_n(const void *at, size_t len)
{
    struct tars_str s = {(const char *)at, len};
    return s;
}

static inline bool tars_str_equal(struct tars_str a, struct tars_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool tars_str_is(struct tars_str a, const char *text)
{
    return tars_str_equal(a, tars_str(text));
}

/* Byte order, the shorter first when one begins with the other: <0, 0 or >0. */
int tars_str_compare(struct tars_str a, struct tars_str b);

/* ---- arena --------------------------------------------------------------------------------- */

/*
 * Memory that is given back in one go. Blocks grow by doubling; tars_arena_reset keeps the largest
 * one, so that an arena which is used again and again stops calling malloc. Not thread-safe.
 */
struct tars_arena;

/* A new arena that refuses to hold more than `limit` bytes (0: no limit). Never NULL. */
struct tars_arena *tars_arena_new(size_t limit);
void tars_arena_free(struct tars_arena *arena);

/* Forgets everything that was allocated and keeps one block for the next use. */
void tars_arena_reset(struct tars_arena *arena);

/* `size` zeroed bytes, aligned for any type, or NULL when the limit would be passed. */
void *tars_arena_alloc(struct tars_arena *arena, size_t size) TARS_MUSTCHECK;

/* Copies of a slice (with a NUL behind it) and printf into the arena; NULL `at` over the limit. */
struct tars_str tars_arena_copy(struct tars_arena *arena, struct tars_str s);
char *tars_arena_printf(struct tars_arena *arena, const char *format, ...) TARS_PRINTF(2, 3);

/* Bytes handed out since the last reset. */
size_t tars_arena_used(const struct tars_arena *arena);

/* ---- errors -------------------------------------------------------------------------------- */

/*
 * What went wrong, in words for people: what was attempted, on what, why it failed. `code` is 0
 * when there is no error; its values are those of the function that filled it.
 */
struct tars_error {
    int code;
    char text[508];
};

/* Fills `error` (may be NULL) and returns false, so that `return tars_fail(...)` reads well. */
bool tars_fail(struct tars_error *error, int code, const char *format, ...) TARS_PRINTF(3, 4);

/* Puts text in front of the error that is already there: "reading a.conf: line 3: ...". */
bool tars_fail_prefix(struct tars_error *error, const char *format, ...) TARS_PRINTF(2, 3);

/* ---- lists and maps of the basic types ------------------------------------------------------ */

/* Every Tars vector is `{ size_t len; T *at; }`; every map an array of pairs in the same shape. */
#ifndef __cplusplus
/* A list from initialisers, with no allocation: TARS_LIST(struct tars_int32_list, int32_t, 1, 2).
 * It lives as long as the block that it stands in. */
#define TARS_LIST(list_, element_, ...)                                                            \
    ((list_){sizeof((element_[]){__VA_ARGS__}) / sizeof(element_), (element_[]){__VA_ARGS__}})
#endif
struct tars_bool_list {
    size_t len;
    bool *at;
};
struct tars_int8_list {
    size_t len;
    int8_t *at;
};
struct tars_uint8_list {
    size_t len;
    uint8_t *at;
};
struct tars_int16_list {
    size_t len;
    int16_t *at;
};
struct tars_uint16_list {
    size_t len;
    uint16_t *at;
};
struct tars_int32_list {
    size_t len;
    int32_t *at;
};
struct tars_uint32_list {
    size_t len;
    uint32_t *at;
};
struct tars_int64_list {
    size_t len;
    int64_t *at;
};
struct tars_float_list {
    size_t len;
    float *at;
};
struct tars_double_list {
    size_t len;
    double *at;
};
/* vector<string>, and vector<vector<byte>>: a slice each */
struct tars_str_list {
    size_t len;
    struct tars_str *at;
};

/* map<string,string>: contexts and status maps. In arrival order when read; any order to write. */
struct tars_str_pair {
    struct tars_str key;
    struct tars_str value;
};
struct tars_str_map {
    size_t len;
    struct tars_str_pair *at;
};

/* The value under `key`, or NULL. The last one wins when a key stands twice. */
const struct tars_str *tars_str_map_get(const struct tars_str_map *map, const char *key);

#ifdef __cplusplus
}
#endif
#endif
