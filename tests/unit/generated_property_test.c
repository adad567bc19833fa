/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What holds for any value of any type: random values of tests/unit/Property.tars go through the
 * generated code, its JSON form, the bodies of calls in every version and the codec that reads the
 * .tars file at run time. PROPERTY_SEED repeats a run, PROPERTY_ROUNDS makes it longer.
 */
#include <check.h>
#include <idl/dynamic.h>
#include <idl/idl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "Property.h"
#include "testkit.h"

enum { MAX_DEPTH = 5, MAX_COUNT = 4, MAX_STRING = 300 };

static struct idl *idl;
static const struct idl_file *file;
static struct tars_arena *arena;
static uint64_t seed, state;
static unsigned long rounds;

/* What Property.tars calls a type, and what generated code does with it. */
static const struct subject {
    const char *name;
    const struct tars_type *type;
} subjects[] = {
    {"Key", &property_key_type},         {"Tree", &property_tree_type},
    {"Plain", &property_plain_type},     {"Usual", &property_usual_type},
    {"Lists", &property_lists_type},     {"Maps", &property_maps_type},
    {"Routes", &property_routes_type},   {"Everything", &property_everything_type},
    {"Nothing", &property_nothing_type}, {"Words", &property_words_type},
};

/* ---- random values, written field by field by what the .tars file says ------------------------
 */

static uint64_t draw(void)
{
    state = state * 6364136223846793005U + 1442695040888963407U;
    uint64_t x = state;
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdU;
    return x ^ x >> 29;
}

static size_t below(size_t n)
{
    return (size_t)(draw() % n);
}

/* Edges more often than chance would have them. */
static int64_t draw_integer(int64_t min, int64_t max)
{
    static const int64_t edges[] = {0,      1,     -1,    127,       128,       -128,
                                    -129,   255,   256,   32767,     32768,     -32768,
                                    -32769, 65535, 65536, INT32_MAX, INT32_MIN, UINT32_MAX};
    int64_t v = edges[below(sizeof edges / sizeof *edges)];
    uint64_t span = (uint64_t)max - (uint64_t)min;
    switch (below(4)) {
    case 0:
        return min;
    case 1:
        return max;
    case 2:
        return v >= min && v <= max ? v : 0;
    default:
        return (int64_t)((uint64_t)min + (span == UINT64_MAX ? draw() : draw() % (span + 1)));
    }
}

static double draw_real(void)
{
    static const double edges[] = {0,
                                   -0.0,
                                   1,
                                   -1,
                                   0.1,
                                   1e-310,
                                   1e300,
                                   1.5,
                                   NAN,
                                   INFINITY,
                                   -INFINITY,
                                   0x1p53,
                                   3.4028234663852886e38};
    double v;
    uint64_t bits = draw();
    if (below(2))
        return edges[below(sizeof edges / sizeof *edges)];
    memcpy(&v, &bits, sizeof v);
    return isnan(v) ? (double)NAN : v;
}

/* Any bytes where no text is wanted; text is UTF-8, with NUL and what JSON has to escape. */
static struct tars_str draw_string(bool text)
{
    static const char *const pieces[] = {
        "a", "\"", "\\", "/", "\n", "\x01", "\x7f", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
        "z"};
    size_t len = 0, wanted = below(4) ? below(12) : below(MAX_STRING + 1);
    char *at = tars_arena_alloc(arena, wanted + 8);
    while (len < wanted) {
        const char *piece = pieces[below(sizeof pieces / sizeof *pieces)];
        if (!text)
            at[len++] = (char)draw();
        else if (below(8) == 0)
            at[len++] = '\0';
        else
            for (; *piece; piece++)
                at[len++] = *piece;
    }
    return tars_str_n(at, len);
}

static void random_field(struct tars_writer *w, uint8_t tag, const struct idl_type *type,
                         int depth);

static void random_members(struct tars_writer *w, const struct idl_decl *decl, int depth)
{
    for (size_t i = 0; i < decl->member_count; i++) {
        const struct idl_member *m = decl->by_tag[i];
        if (m->required || below(2))
            random_field(w, m->tag, m->type, depth + 1);
    }
}

static void random_map(struct tars_writer *w, uint8_t tag, const struct idl_type *type, int depth)
{
    size_t count = depth > MAX_DEPTH ? 0 : below(MAX_COUNT);
    tars_write_map(w, tag, count);
    for (size_t i = 0; i < count; i++) {
        random_field(w, 0, type->key, depth + 1);
        random_field(w, 1, type->value, depth + 1);
    }
}

static void random_list(struct tars_writer *w, uint8_t tag, const struct idl_type *type, int depth)
{
    size_t count = depth > MAX_DEPTH ? 0 : below(MAX_COUNT);
    tars_write_list(w, tag, count);
    for (size_t i = 0; i < count; i++)
        random_field(w, 0, type->value, depth + 1);
}

static void random_integer(struct tars_writer *w, uint8_t tag, enum idl_kind kind)
{
    static const struct {
        int64_t min, max;
    } ranges[] = {
        [IDL_BOOL] = {0, 1},
        [IDL_INT8] = {INT8_MIN, INT8_MAX},
        [IDL_UINT8] = {0, UINT8_MAX},
        [IDL_INT16] = {INT16_MIN, INT16_MAX},
        [IDL_UINT16] = {0, UINT16_MAX},
        [IDL_INT32] = {INT32_MIN, INT32_MAX},
        [IDL_UINT32] = {0, UINT32_MAX},
        [IDL_INT64] = {INT64_MIN, INT64_MAX},
        [IDL_ENUM] = {INT32_MIN, INT32_MAX},
    };
    tars_write_int64(w, tag, draw_integer(ranges[kind].min, ranges[kind].max));
}

static void random_field(struct tars_writer *w, uint8_t tag, const struct idl_type *type, int depth)
{
    switch (type->kind) {
    case IDL_STRUCT:
        tars_write_struct_begin(w, tag);
        random_members(w, type->decl, depth);
        tars_write_struct_end(w);
        break;
    case IDL_LIST:
        random_list(w, tag, type, depth);
        break;
    case IDL_MAP:
        random_map(w, tag, type, depth);
        break;
    case IDL_STRING:
        tars_write_str(w, tag, draw_string(true));
        break;
    case IDL_BYTES:
        tars_write_bytes(w, tag, draw_string(false));
        break;
    case IDL_FLOAT:
        tars_write_float(w, tag, (float)draw_real());
        break;
    case IDL_DOUBLE:
        tars_write_double(w, tag, draw_real());
        break;
    default:
        random_integer(w, tag, type->kind);
    }
}

/* ---- asking generated code ---------------------------------------------------------------------
 */

static const char *place(const struct subject *s)
{
    return tars_arena_printf(arena, "%s, PROPERTY_SEED=%llu", s->name, (unsigned long long)seed);
}

static struct idl_type *declared(const char *name)
{
    struct idl_type *type = tars_arena_alloc(arena, sizeof *type);
    type->kind = IDL_STRUCT;
    type->decl = idl_find(idl, "Property", name);
    ck_assert_ptr_nonnull(type->decl);
    return type;
}

/* A copy in the arena; `w` is empty afterwards. */
static struct tars_str taken(struct tars_writer *w)
{
    struct tars_str bytes = tars_arena_copy(arena, tars_str_n(w->at, w->len));
    tars_writer_free(w);
    tars_writer_init(w);
    return bytes;
}

static struct tars_str random_bytes(const struct subject *s)
{
    struct tars_writer w;
    tars_writer_init(&w);
    random_field(&w, 0, declared(s->name), 0);
    return taken(&w);
}

static void *decoded(const struct subject *s, struct tars_str bytes)
{
    struct tars_reader r;
    struct tars_error error = {.code = 0};
    void *value = tars_arena_alloc(arena, s->type->size);
    tars_reader_init(&r, bytes.at, bytes.len, arena);
    if (!s->type->read(&r, 0, TARS_REQUIRE, value))
        tars_reader_explain(&r, &error);
    ck_assert_msg(!error.code && r.at == r.end, "%s: %s", place(s), error.text);
    return value;
}

static struct tars_str encoded(const struct subject *s, const void *value)
{
    struct tars_writer w;
    tars_writer_init(&w);
    s->type->write(&w, 0, value);
    return taken(&w);
}

static struct tars_str as_json(const struct subject *s, const void *value)
{
    struct tars_json_writer w;
    tars_json_writer_init(&w);
    s->type->to_json(&w, value);
    return taken(&w.out);
}

static void *from_json(const struct subject *s, struct tars_str json)
{
    struct tars_json_reader r;
    void *value = tars_arena_alloc(arena, s->type->size);
    tars_json_reader_init(&r, json, arena);
    ck_assert_msg(s->type->from_json(&r, value) && tars_json_read_end(&r), "%s: %s", place(s),
                  r.error.text);
    return value;
}

static void same(const struct subject *s, const char *what, struct tars_str a, struct tars_str b)
{
    ck_assert_msg(tars_str_equal(a, b), "%s: %s: %zu bytes, %zu bytes", place(s), what, a.len,
                  b.len);
}

static void each_value(void (*check)(const struct subject *s, struct tars_str bytes))
{
    for (unsigned long i = 0; i < rounds; i++) {
        const struct subject *s = &subjects[i % (sizeof subjects / sizeof *subjects)];
        struct tars_arena *kept = arena;
        arena = tars_arena_new(0);
        check(s, random_bytes(s));
        tars_arena_free(arena);
        arena = kept;
    }
}

/* ---- values ------------------------------------------------------------------------------------
 */

static void bytes_stay(const struct subject *s, struct tars_str bytes)
{
    struct tars_str canonical = encoded(s, decoded(s, bytes));
    same(s, "decoded and encoded again", encoded(s, decoded(s, canonical)), canonical);
}

START_TEST(a_decoded_value_encodes_to_the_same_bytes)
{
    each_value(bytes_stay);
}
END_TEST

static void json_stays(const struct subject *s, struct tars_str bytes)
{
    void *value = decoded(s, bytes);
    struct tars_str json = as_json(s, value);
    void *back = from_json(s, json);
    same(s, "bytes of what went through JSON", encoded(s, back), encoded(s, value));
    same(s, "JSON of what went through JSON", as_json(s, back), json);
}

START_TEST(a_value_comes_back_from_json_unchanged)
{
    each_value(json_stays);
}
END_TEST

static void dynamic_agrees(const struct subject *s, struct tars_str bytes)
{
    struct tars_str canonical = encoded(s, decoded(s, bytes));
    struct tars_str json = as_json(s, decoded(s, canonical));
    struct tars_json_reader in;
    struct tars_reader r;
    struct tars_writer w;
    struct tars_json_writer out;
    tars_writer_init(&w);
    tars_json_reader_init(&in, json, arena);
    ck_assert_msg(idl_write_value(&w, 0, declared(s->name), &in), "%s: %s", place(s),
                  in.error.text);
    same(s, "bytes that the dynamic codec makes of JSON", taken(&w), canonical);
    tars_json_writer_init(&out);
    tars_reader_init(&r, canonical.at, canonical.len, arena);
    ck_assert_msg(idl_read_value(&r, 0, declared(s->name), &out), "%s", place(s));
    same(s, "JSON that the dynamic codec makes of bytes", taken(&out.out), json);
}

START_TEST(the_codec_without_generated_code_gives_the_same_bytes_and_json)
{
    each_value(dynamic_agrees);
}
END_TEST

/* Entries of maps in another order: the JSON of a value that was decoded as it came. */
static void dynamic_orders(const struct subject *s, struct tars_str bytes)
{
    struct tars_json_reader in;
    struct tars_writer w;
    void *value = decoded(s, bytes);
    tars_writer_init(&w);
    tars_json_reader_init(&in, as_json(s, value), arena);
    ck_assert_msg(idl_write_value(&w, 0, declared(s->name), &in), "%s: %s", place(s),
                  in.error.text);
    same(s, "bytes in canonical order", taken(&w), encoded(s, value));
}

START_TEST(maps_are_written_in_the_order_of_their_keys_by_both)
{
    each_value(dynamic_orders);
}
END_TEST

START_TEST(entries_in_any_order_and_keys_that_come_again_are_written_alike_by_both)
{
    static const struct subject maps = {"Maps", &property_maps_type};
    static const char json[] = "{\"c\":{\"3\":\"x\",\"-1\":\"y\",\"3\":\"z\"},\"h\":{},\"e\":{"
                               "\"{\\\"name\\\":\\\"b\\\",\\\"number\\\":2}\":1,"
                               "\"{\\\"name\\\":\\\"a\\\",\\\"number\\\":2}\":2,"
                               "\"{\\\"name\\\":\\\"z\\\",\\\"number\\\":-5}\":3,"
                               "\"{\\\"name\\\":\\\"b\\\",\\\"number\\\":2}\":4}}";
    struct tars_json_reader in;
    struct tars_writer w;
    struct property_maps *value = from_json(&maps, tars_str(json));
    ck_assert_uint_eq(value->c.len, 2);
    ck_assert_uint_eq(value->e.len, 3);
    tars_writer_init(&w);
    tars_json_reader_init(&in, tars_str(json), arena);
    ck_assert_msg(idl_write_value(&w, 0, declared("Maps"), &in), "%s", in.error.text);
    same(&maps, "bytes of both", taken(&w), encoded(&maps, value));
}
END_TEST

START_TEST(keys_that_differ_only_in_a_list_are_two_keys)
{
    static const struct subject routes = {"Routes", &property_routes_type};
    static const char json[] = "{\"a\":{\"{\\\"steps\\\":[2]}\":1,\"{\\\"steps\\\":[1]}\":2,"
                               "\"{\\\"steps\\\":[2],\\\"other\\\":9}\":3},"
                               "\"b\":{\"{\\\"keys\\\":[]}\":\"x\","
                               "\"{\\\"keys\\\":[{\\\"name\\\":\\\"b\\\",\\\"number\\\":2}]}\":"
                               "\"y\"}}";
    struct tars_json_reader in;
    struct tars_writer w;
    struct property_routes *value = from_json(&routes, tars_str(json));
    ck_assert_uint_eq(value->a.len, 2);
    ck_assert_uint_eq(value->b.len, 2);
    tars_writer_init(&w);
    tars_json_reader_init(&in, tars_str(json), arena);
    ck_assert_msg(idl_write_value(&w, 0, declared("Routes"), &in), "%s", in.error.text);
    same(&routes, "bytes of both", taken(&w), encoded(&routes, value));
}
END_TEST

START_TEST(of_a_key_that_a_program_puts_twice_the_last_is_written)
{
    static const struct subject maps = {"Maps", &property_maps_type};
    struct tars_int32_str_pair twice[] = {
        {2, {"a", 1}}, {1, {"b", 1}}, {2, {"c", 1}}, {2, {"d", 1}}};
    struct tars_int32_str_pair once[] = {{1, {"b", 1}}, {2, {"d", 1}}};
    struct tars_str_pair words[] = {{{"x", 1}, {"1", 1}}, {{"x", 1}, {"2", 1}}};
    struct property_maps v, w;
    property_maps_init(&v);
    property_maps_init(&w);
    v.c = (struct tars_int32_str_map){4, twice};
    v.a = (struct tars_str_map){2, words};
    w.c = (struct tars_int32_str_map){2, once};
    w.a = (struct tars_str_map){1, words + 1};
    same(&maps, "bytes", encoded(&maps, &v), encoded(&maps, &w));
    same(&maps, "JSON", as_json(&maps, &v), as_json(&maps, &w));
    ck_assert(property_maps_equal(&v, &w));
    ck_assert_uint_eq(property_maps_hash(0, &v), property_maps_hash(0, &w));
}
END_TEST

START_TEST(a_map_gives_the_value_under_a_key)
{
    static const struct subject maps = {"Maps", &property_maps_type};
    static const char json[] = "{\"b\":{\"x\":1,\"y\":2},\"c\":{\"-3\":\"z\"},\"h\":{},"
                               "\"e\":{\"{\\\"name\\\":\\\"k\\\",\\\"number\\\":5}\":7}}";
    struct property_maps *value = from_json(&maps, tars_str(json));
    struct property_key key = {.name = tars_str("k"), .number = 5, .flag = true};
    ck_assert_int_eq(*tars_str_int32_map_get(&value->b, tars_str("y")), 2);
    ck_assert_ptr_null(tars_str_int32_map_get(&value->b, tars_str("z")));
    ck_assert(tars_str_is(*tars_int32_str_map_get(&value->c, -3), "z"));
    ck_assert_int_eq(*property_key_int32_map_get(&value->e, &key), 7); /* flag is no part of it */
    ck_assert_ptr_null(tars_int8_bool_map_get(&value->h, 0));
}
END_TEST

START_TEST(null_is_an_optional_member_that_is_not_there)
{
    static const struct subject usual = {"Usual", &property_usual_type};
    struct tars_json_reader in;
    struct property_usual *value = from_json(&usual,
                                             tars_str("{\"b\":null,\"l\":null,\"n\":null}"));
    struct property_usual fresh;
    struct property_key key;
    property_usual_init(&fresh);
    ck_assert(property_usual_equal(value, &fresh));
    tars_json_reader_init(&in, tars_str("{\"name\":null,\"number\":1}"), arena);
    ck_assert(!property_key_from_json(&in, &key));
}
END_TEST

static void ends_anywhere(const struct subject *s, struct tars_str bytes)
{
    struct tars_json_writer out;
    for (size_t len = 0; len < bytes.len; len += bytes.len < 200 ? 1 : 1 + below(40)) {
        struct tars_reader r;
        char *cut = malloc(len + 1); /* so that a step over the end is seen by the sanitizer */
        void *value = tars_arena_alloc(arena, s->type->size);
        memcpy(cut, bytes.at, len);
        tars_reader_init(&r, cut, len, arena);
        ck_assert_msg(!s->type->read(&r, 0, TARS_REQUIRE, value), "%s", place(s));
        tars_reader_init(&r, cut, len, arena);
        tars_json_writer_init(&out);
        ck_assert_msg(!idl_read_value(&r, 0, declared(s->name), &out), "%s", place(s));
        tars_json_writer_free(&out);
        free(cut);
    }
}

START_TEST(bytes_that_end_anywhere_are_refused)
{
    each_value(ends_anywhere);
}
END_TEST

static void damaged(const struct subject *s, struct tars_str bytes)
{
    char *copy = tars_arena_alloc(arena, bytes.len);
    struct tars_json_writer out;
    struct tars_reader r;
    void *value = tars_arena_alloc(arena, s->type->size);
    memcpy(copy, bytes.at, bytes.len);
    for (size_t i = 0; i < 3; i++)
        copy[below(bytes.len)] = (char)draw();
    tars_reader_init(&r, copy, bytes.len, arena);
    bool typed = s->type->read(&r, 0, TARS_REQUIRE, value);
    tars_reader_init(&r, copy, bytes.len, arena);
    tars_json_writer_init(&out);
    bool dynamic = idl_read_value(&r, 0, declared(s->name), &out);
    tars_json_writer_free(&out);
    ck_assert_msg(typed == dynamic, "%s: one codec takes what the other refuses", place(s));
}

START_TEST(both_codecs_refuse_the_same_damaged_bytes)
{
    each_value(damaged);
}
END_TEST

/* ---- equality and hash -------------------------------------------------------------------------
 */

START_TEST(equal_values_have_equal_hashes_and_others_differ)
{
    static const struct subject lists = {"Lists", &property_lists_type};
    static const struct subject maps = {"Maps", &property_maps_type};
    for (unsigned long i = 0; i < rounds / 4; i++) {
        struct tars_str one = random_bytes(&maps), other = random_bytes(&maps);
        struct property_maps *a = decoded(&maps, one), *b = decoded(&maps, encoded(&maps, a)),
                             *c = decoded(&maps, other);
        ck_assert_msg(property_maps_equal(a, b) && property_maps_equal(b, a), "%s", place(&maps));
        ck_assert_uint_eq(property_maps_hash(0, a), property_maps_hash(0, b));
        ck_assert_int_eq(property_maps_equal(a, c),
                         tars_str_equal(encoded(&maps, a), encoded(&maps, c)));
        struct property_lists *x = decoded(&lists, random_bytes(&lists));
        x->i.len = x->j.len = 0; /* NaN is not equal to itself */
        struct property_lists *y = decoded(&lists, encoded(&lists, x));
        ck_assert_msg(property_lists_equal(x, y), "%s", place(&lists));
        ck_assert_uint_eq(property_lists_hash(1, x), property_lists_hash(1, y));
        tars_arena_reset(arena);
    }
}
END_TEST

START_TEST(zeros_of_both_signs_are_equal_and_a_nan_is_not)
{
    struct property_usual a, b;
    property_usual_init(&a);
    property_usual_init(&b);
    a.zero = 0.0;
    b.zero = -0.0;
    ck_assert(property_usual_equal(&a, &b));
    ck_assert_uint_eq(property_usual_hash(0, &a), property_usual_hash(0, &b));
    a.zero = b.zero = (double)NAN;
    ck_assert(!property_usual_equal(&a, &b));
}
END_TEST

/* ---- defaults ----------------------------------------------------------------------------------
 */

/* Others compare with a tolerance and lose the difference. */
START_TEST(a_number_a_hair_from_its_default_is_written)
{
    struct property_usual v, back;
    struct tars_writer w;
    struct tars_reader r;
    struct tars_arena *memory = tars_arena_new(0);
    tars_writer_init(&w);
    property_usual_init(&v);
    v.i = nextafterf(v.i, 1);
    v.j = nextafter(v.j, 0);
    v.zero = 1e-12;
    property_usual_write_fields(&w, &v);
    tars_reader_init(&r, w.at, w.len, memory);
    ck_assert(property_usual_read_fields(&r, &back));
    ck_assert(property_usual_equal(&v, &back));
    tars_writer_free(&w);
    tars_arena_free(memory);
}
END_TEST

START_TEST(a_fresh_value_has_the_defaults_of_the_interface_file)
{
    struct property_usual v;
    property_usual_init(&v);
    ck_assert(v.a);
    ck_assert_int_eq(v.b, INT8_MIN);
    ck_assert_int_eq(v.c, INT16_MIN);
    ck_assert_int_eq(v.d, INT32_MIN);
    ck_assert_int_eq(v.e, INT64_MIN);
    ck_assert_uint_eq(v.f, UINT8_MAX);
    ck_assert_uint_eq(v.g, UINT16_MAX);
    ck_assert_uint_eq(v.h, UINT32_MAX);
    ck_assert_float_eq(v.i, 0.1F);
    ck_assert_double_eq(v.j, -1e300);
    ck_assert(tars_str_is(v.k, "a \"quote\", a \\ and ?"
                               "?/"));
    ck_assert_int_eq(v.m, PROPERTY_MOOD_LATE);
    ck_assert_int_eq(v.first, PROPERTY_MOOD_CALM);
    ck_assert_int_eq(v.answer, 42);
    ck_assert(!signbit(v.zero) && signbit(v.minus));
    ck_assert(tars_str_is(v.greeting, "hello"));
}
END_TEST

START_TEST(a_value_at_its_defaults_writes_only_what_the_protocol_always_writes)
{
    /* Tars protocol: bool, enum and struct members are written at their defaults too. */
    static const struct subject usual = {"Usual", &property_usual_type};
    struct property_usual v;
    struct tars_reader r;
    uint8_t tag;
    enum tars_wire_type type;
    property_usual_init(&v);
    struct tars_writer w;
    tars_writer_init(&w);
    property_usual_write_fields(&w, &v);
    tars_reader_init(&r, w.at, w.len, arena);
    static const uint8_t want[] = {0, 12, 13, 14};
    for (size_t i = 0; i < sizeof want; i++) {
        ck_assert_int_eq(tars_reader_peek(&r, &tag, &type), TARS_FOUND);
        ck_assert_uint_eq(tag, want[i]);
        ck_assert(tars_reader_skip(&r));
    }
    ck_assert(r.at == r.end);
    tars_writer_free(&w);
    struct property_usual *back = decoded(&usual, encoded(&usual, &v));
    ck_assert(property_usual_equal(back, &v));
}
END_TEST

START_TEST(words_of_c_are_names_with_an_underscore)
{
    struct property_words v;
    property_words_init(&v);
    v.class_ = 1;
    v.default_ = 2;
    v.new_ = 3;
    v.register_ = 4;
    v.errno_ = 6;
    v.aName = 7;
    v.a_name = 8;
    static const struct subject words = {"Words", &property_words_type};
    same(&words, "JSON", as_json(&words, &v),
         tars_str("{\"class\":1,\"default\":2,\"new\":3,\"register\":4,\"NULL\":0,\"errno\":6,"
                  "\"aName\":7,\"a_name\":8}"));
}
END_TEST

/* ---- bodies of calls ---------------------------------------------------------------------------
 */

/* The body of a Tars request or answer with random values. */
static struct tars_str random_body(const struct idl_function *f, bool answer)
{
    struct tars_writer w;
    tars_writer_init(&w);
    if (answer && f->ret->kind != IDL_VOID)
        random_field(&w, 0, f->ret, 1);
    for (const struct idl_member *p = f->params; p; p = p->next)
        if (p->out == answer)
            random_field(&w, p->tag, p->type, 1);
    return taken(&w);
}

static void *read_body(const struct tars_function *f, int version, struct tars_str body,
                       bool answer)
{
    struct tars_error error = {.code = 0};
    void *args = tars_arena_alloc(arena, f->args_size);
    bool ok = answer ? tars_args_read_response(f, version, body, arena, args, &error)
                     : tars_args_read_request(f, version, body, arena, args, &error);
    ck_assert_msg(ok, "%s version %d: %s, PROPERTY_SEED=%llu", f->name, version, error.text,
                  (unsigned long long)seed);
    return args;
}

static struct tars_str write_body(const struct tars_function *f, int version, const void *args,
                                  bool answer)
{
    struct tars_writer w;
    tars_writer_init(&w);
    if (answer)
        tars_args_write_response(f, version, tars_str(""), args, &w);
    else
        tars_args_write_request(f, version, args, &w);
    return taken(&w);
}

static void body_stays(const struct tars_function *f, int version, struct tars_str canonical,
                       bool answer)
{
    struct subject s = {f->name, NULL};
    void *args = read_body(f, 1, canonical, answer);
    struct tars_str body = write_body(f, version, args, answer);
    void *back = read_body(f, version, body, answer);
    same(&s, "body written again", write_body(f, version, back, answer), body);
    same(&s, "values that went through the body", write_body(f, 1, back, answer), canonical);
}

static void dynamic_request_agrees(const struct idl_function *f, const struct tars_function *g,
                                   int version, const void *args)
{
    struct subject s = {f->name, NULL};
    struct tars_error error;
    struct tars_writer w;
    tars_writer_init(&w);
    ck_assert_msg(
        idl_request_from_json(f, version, write_body(g, 5, args, false), arena, &w, &error),
        "%s: %s", f->name, error.text);
    same(&s, "request of the dynamic codec", taken(&w), write_body(g, version, args, false));
}

static void dynamic_answer_agrees(const struct idl_function *f, const struct tars_function *g,
                                  int version, const void *args)
{
    struct subject s = {f->name, NULL};
    struct tars_error error;
    struct tars_json_writer json;
    tars_json_writer_init(&json);
    ck_assert_msg(
        idl_response_to_json(f, version, write_body(g, version, args, true), arena, &json, &error),
        "%s: %s", f->name, error.text);
    same(&s, "answer of the dynamic codec", taken(&json.out), write_body(g, 5, args, true));
}

static void call_stays(const struct idl_function *f)
{
    static const int versions[] = {1, 2, 3, 5};
    const struct tars_function *g = tars_interface_find(&property_calls_interface,
                                                        tars_str(f->name));
    ck_assert_ptr_nonnull(g);
    for (int answer = 0; answer < 2; answer++) {
        void *args = read_body(g, 1, random_body(f, answer), answer);
        struct tars_str canonical = write_body(g, 1, args, answer);
        args = read_body(g, 1, canonical, answer);
        for (size_t i = 0; i < 4; i++) {
            body_stays(g, versions[i], canonical, answer);
            if (versions[i] == 2)
                continue;
            if (answer)
                dynamic_answer_agrees(f, g, versions[i], args);
            else
                dynamic_request_agrees(f, g, versions[i], args);
        }
    }
}

START_TEST(a_body_without_a_byte_says_nothing_in_every_version)
{
    static const int versions[] = {1, 2, 3, 5};
    const struct idl_function *f = idl_find_function(idl_find(idl, "Property", "Calls"), "nothing");
    const struct tars_function *nothing = tars_interface_find(&property_calls_interface,
                                                              tars_str("nothing"));
    const struct tars_function *usual = tars_interface_find(&property_calls_interface,
                                                            tars_str("usual"));
    struct tars_error error = {0};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        struct tars_json_writer json;
        void *args = tars_arena_alloc(arena, usual->args_size);
        ck_assert(tars_args_read_response(nothing, versions[i], tars_str(""), arena, args, &error));
        ck_assert(!tars_args_read_response(usual, versions[i], tars_str(""), arena, args, &error));
        if (versions[i] == 2)
            continue; /* not spoken without generated code */
        tars_json_writer_init(&json);
        ck_assert_msg(idl_response_to_json(f, versions[i], tars_str(""), arena, &json, &error),
                      "%s", error.text);
        ck_assert(tars_str_is(tars_json_text(&json), "{}"));
        tars_json_writer_free(&json);
    }
}
END_TEST

START_TEST(bodies_of_calls_come_back_unchanged_in_every_version)
{
    const struct idl_decl *calls = idl_find(idl, "Property", "Calls");
    for (unsigned long i = 0; i < rounds / 10; i++) {
        for (const struct idl_function *f = calls->functions; f; f = f->next)
            call_stays(f);
        tars_arena_reset(arena);
    }
}
END_TEST

/* ---- frame -------------------------------------------------------------------------------------
 */

static void set_up(void)
{
    struct tars_error error;
    idl = idl_new();
    arena = tars_arena_new(0);
    file = idl_read(idl, "tests/unit/Property.tars", &error);
    ck_assert_msg(file && !idl_errors(idl), "run from the project's root");
    state = seed;
}

static void tear_down(void)
{
    tars_arena_free(arena);
    idl_free(idl);
}

int main(void)
{
    const char *wanted = getenv("PROPERTY_SEED"), *many = getenv("PROPERTY_ROUNDS");
    seed = wanted ? strtoull(wanted, NULL, 10) : (uint64_t)time(NULL);
    rounds = many ? strtoul(many, NULL, 10) : 900;
    printf("PROPERTY_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    Suite *suite = suite_create("generated_property");
    TCase *tests = tcase_create("property");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_decoded_value_encodes_to_the_same_bytes);
    tcase_add_test(tests, a_value_comes_back_from_json_unchanged);
    tcase_add_test(tests, the_codec_without_generated_code_gives_the_same_bytes_and_json);
    tcase_add_test(tests, maps_are_written_in_the_order_of_their_keys_by_both);
    tcase_add_test(tests, entries_in_any_order_and_keys_that_come_again_are_written_alike_by_both);
    tcase_add_test(tests, keys_that_differ_only_in_a_list_are_two_keys);
    tcase_add_test(tests, null_is_an_optional_member_that_is_not_there);
    tcase_add_test(tests, a_map_gives_the_value_under_a_key);
    tcase_add_test(tests, of_a_key_that_a_program_puts_twice_the_last_is_written);
    tcase_add_test(tests, bytes_that_end_anywhere_are_refused);
    tcase_add_test(tests, both_codecs_refuse_the_same_damaged_bytes);
    tcase_add_test(tests, equal_values_have_equal_hashes_and_others_differ);
    tcase_add_test(tests, zeros_of_both_signs_are_equal_and_a_nan_is_not);
    tcase_add_test(tests, a_number_a_hair_from_its_default_is_written);
    tcase_add_test(tests, a_fresh_value_has_the_defaults_of_the_interface_file);
    tcase_add_test(tests, a_value_at_its_defaults_writes_only_what_the_protocol_always_writes);
    tcase_add_test(tests, words_of_c_are_names_with_an_underscore);
    tcase_add_test(tests, a_body_without_a_byte_says_nothing_in_every_version);
    tcase_add_test(tests, bodies_of_calls_come_back_unchanged_in_every_version);
    suite_add_tcase(suite, tests);
    return tk_main(suite);
}
