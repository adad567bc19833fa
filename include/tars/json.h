/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON as Tars uses it (version 5 calls, `…_to_json`, `tarsc call`): a writer into a growing text
 * and a reader that walks a text without building a tree. 64-bit integers stay exact and strings
 * may hold NUL bytes, which is why this is not a general JSON library.
 */
#ifndef TARS_JSON_H
#define TARS_JSON_H

#include <tars/types.h>
#include <tars/wire.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- writer -------------------------------------------------------------------------------- */

struct tars_json_writer {
    struct tars_writer out; /* the text; no NUL behind it */
    uint32_t depth;
    bool comma; /* a value stands before the next one */
};

void tars_json_writer_init(struct tars_json_writer *w);
void tars_json_writer_free(struct tars_json_writer *w);
static inline struct tars_str tars_json_text(const struct tars_json_writer *w)
{
    return tars_str_n(w->out.at, w->out.len);
}

void tars_json_object_begin(struct tars_json_writer *w);
void tars_json_object_end(struct tars_json_writer *w);
void tars_json_array_begin(struct tars_json_writer *w);
void tars_json_array_end(struct tars_json_writer *w);
/* A member's name; its value is written next. */
void tars_json_name(struct tars_json_writer *w, struct tars_str name);
void tars_json_bool(struct tars_json_writer *w, bool v);
void tars_json_int64(struct tars_json_writer *w, int64_t v);
/* Shortest text that reads back to the same value; NaN and infinities as "NaN", "Infinity". */
void tars_json_float(struct tars_json_writer *w, float v);
void tars_json_double(struct tars_json_writer *w, double v);
void tars_json_str(struct tars_json_writer *w, struct tars_str v);
/* vector<byte>: an array of numbers -128..127 */
void tars_json_bytes(struct tars_json_writer *w, struct tars_str v);
void tars_json_null(struct tars_json_writer *w);

/* ---- reader -------------------------------------------------------------------------------- */

enum { TARS_JSON_MAX_DEPTH = 100 };

/*
 * Strings without escapes are slices into the text; others are decoded into the arena. The first
 * error sticks; its text names the member it happened in ("corners[2].x: 300 does not fit ...").
 */
struct tars_json_reader {
    const char *at;
    const char *end;
    const char *begin;
    struct tars_arena *arena;
    uint32_t depth;
    struct {
        struct tars_str name; /* of the member being read; at == NULL in an array */
        size_t index;         /* of the element being read */
    } path[TARS_JSON_MAX_DEPTH + 1];
    struct tars_error error;
};

void tars_json_reader_init(struct tars_json_reader *r, struct tars_str text,
                           struct tars_arena *arena);

/* Records the first error with the path in front; always false. */
bool tars_json_fail(struct tars_json_reader *r, const char *format, ...) TARS_PRINTF(2, 3);

/* Objects and arrays: begin, then next until TARS_ABSENT (closed) or TARS_FOUND_ERROR. */
bool tars_json_read_object(struct tars_json_reader *r) TARS_MUSTCHECK;
enum tars_found tars_json_next_member(struct tars_json_reader *r,
                                      struct tars_str *name) TARS_MUSTCHECK;
bool tars_json_read_array(struct tars_json_reader *r) TARS_MUSTCHECK;
enum tars_found tars_json_next_element(struct tars_json_reader *r) TARS_MUSTCHECK;

bool tars_json_read_bool(struct tars_json_reader *r, bool *v) TARS_MUSTCHECK;
/* An integer within min..max; a fraction, a larger number or another type is an error. */
bool tars_json_read_integer(struct tars_json_reader *r, int64_t min, int64_t max,
                            int64_t *v) TARS_MUSTCHECK;
bool tars_json_read_float(struct tars_json_reader *r, float *v) TARS_MUSTCHECK;
bool tars_json_read_double(struct tars_json_reader *r, double *v) TARS_MUSTCHECK;
bool tars_json_read_str(struct tars_json_reader *r, struct tars_str *v) TARS_MUSTCHECK;
/* An array of numbers -128..255 */
bool tars_json_read_bytes(struct tars_json_reader *r, struct tars_str *v) TARS_MUSTCHECK;
/* True when the next value is null, which is then consumed. */
bool tars_json_read_null(struct tars_json_reader *r);
/* Steps over the next value, whatever it is. */
bool tars_json_skip(struct tars_json_reader *r) TARS_MUSTCHECK;
/* Nothing but white space is left. */
bool tars_json_read_end(struct tars_json_reader *r) TARS_MUSTCHECK;
/* `size` zeroed bytes times `count` from the reader's arena; NULL and an error over its limit. */
void *tars_json_alloc(struct tars_json_reader *r, size_t count, size_t size) TARS_MUSTCHECK;

#ifdef __cplusplus
}
#endif
#endif
