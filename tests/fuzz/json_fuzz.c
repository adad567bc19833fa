/* SPDX-License-Identifier: BSD-3-Clause */
/* The JSON reader: what it accepts is written again, and must then read back to the same text. */
#include <tars/json.h>

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool copy(struct tars_json_reader *r, struct tars_json_writer *w);

static bool copy_object(struct tars_json_reader *r, struct tars_json_writer *w)
{
    struct tars_str name;
    enum tars_found found;
    tars_json_object_begin(w);
    while ((found = tars_json_next_member(r, &name)) == TARS_FOUND) {
        tars_json_name(w, name);
        if (!copy(r, w))
            return false;
    }
    tars_json_object_end(w);
    return found == TARS_ABSENT;
}

static bool copy_array(struct tars_json_reader *r, struct tars_json_writer *w)
{
    enum tars_found found;
    tars_json_array_begin(w);
    while ((found = tars_json_next_element(r)) == TARS_FOUND)
        if (!copy(r, w))
            return false;
    tars_json_array_end(w);
    return found == TARS_ABSENT;
}

/* Tries one kind of value after the other on copies of the reader. */
static bool copy(struct tars_json_reader *r, struct tars_json_writer *w)
{
    struct tars_json_reader probe = *r;
    int64_t number;
    double real;
    bool flag;
    struct tars_str text;
    if (tars_json_read_object(&probe)) {
        *r = probe;
        return copy_object(r, w);
    }
    probe = *r;
    if (tars_json_read_array(&probe)) {
        *r = probe;
        return copy_array(r, w);
    }
    probe = *r;
    if (tars_json_read_str(&probe, &text))
        tars_json_str(w, text);
    else if (probe = *r, tars_json_read_integer(&probe, INT64_MIN, INT64_MAX, &number))
        tars_json_int64(w, number);
    else if (probe = *r, tars_json_read_double(&probe, &real))
        tars_json_double(w, real);
    else if (probe = *r, tars_json_read_bool(&probe, &flag))
        tars_json_bool(w, flag);
    else if (probe = *r, tars_json_read_null(&probe))
        tars_json_null(w);
    else
        return false;
    *r = probe;
    return true;
}

static bool rewrite(struct tars_str text, struct tars_arena *arena, struct tars_json_writer *w)
{
    struct tars_json_reader r;
    tars_json_reader_init(&r, text, arena);
    return copy(&r, w) && tars_json_read_end(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tars_arena *arena = tars_arena_new(1 << 22);
    struct tars_json_writer once, twice;
    tars_json_writer_init(&once);
    tars_json_writer_init(&twice);
    if (size < 4096 && rewrite(tars_str_n(data, size), arena, &once)) {
        if (!rewrite(tars_json_text(&once), arena, &twice) ||
            !tars_str_equal(tars_json_text(&once), tars_json_text(&twice)))
            abort();
    }
    tars_json_writer_free(&once);
    tars_json_writer_free(&twice);
    tars_arena_free(arena);
    return 0;
}
