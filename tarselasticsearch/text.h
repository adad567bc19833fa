/* SPDX-License-Identifier: BSD-3-Clause */
/* A growing text: answers, SQL, printed JSON. */
#ifndef STORE_TEXT_H
#define STORE_TEXT_H

#include <tars/types.h>

/* Zero it before the first use; `at` is NUL-terminated whenever something was added. */
struct text {
    char *at;
    size_t len, size;
};

void text_free(struct text *t);
/* Room for `more` bytes behind what is there; text_cut then takes them in. */
char *text_reserve(struct text *t, size_t more);
void text_add(struct text *t, const void *bytes, size_t len);
void text_adds(struct text *t, const char *s);
void text_addf(struct text *t, const char *format, ...) TARS_PRINTF(2, 3);
void text_add_int(struct text *t, int64_t v);
/* A JSON string with its quotes. */
void text_add_json(struct text *t, struct tars_str s);
/* A JSON number that reads back to the same double ("Infinity" and the like as strings). */
void text_add_double(struct text *t, double v);
/* Shortens it. */
void text_cut(struct text *t, size_t len);

static inline struct tars_str text_str(const struct text *t)
{
    return tars_str_n(t->at, t->len);
}

#endif
