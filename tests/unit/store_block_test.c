/* SPDX-License-Identifier: BSD-3-Clause */
/* Packed columns: what goes in comes out, what does not fit is left alone, damage is noticed. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xmalloc.h"
#include "tarselasticsearch/block.h"
#include "testkit.h"

static struct value values[BLOCK_ROWS];
static char texts[BLOCK_ROWS][24];

static struct value whole(int64_t i)
{
    return (struct value){.kind = VALUE_INT, .i = i};
}

static struct value real(double r)
{
    return (struct value){.kind = VALUE_REAL, .r = r};
}

static struct value text(size_t at, int number)
{
    int len = snprintf(texts[at], sizeof texts[at], "value %d", number);
    return (struct value){.kind = VALUE_TEXT, .s = {texts[at], (size_t)len}};
}

static void same(const struct value *a, const struct value *b)
{
    ck_assert_int_eq(a->kind, b->kind);
    ck_assert(a->kind != VALUE_INT || a->i == b->i);
    ck_assert(a->kind != VALUE_REAL || memcmp(&a->r, &b->r, sizeof a->r) == 0);
    ck_assert(a->kind != VALUE_TEXT || tars_str_equal(a->s, b->s));
}

/* Returns the packed length. */
static size_t comes_back(size_t count)
{
    struct text packed = {0};
    struct block b = {0};
    ck_assert(block_pack(values, count, &packed));
    for (int again = 0; again < 2; again++) {
        ck_assert(block_unpack(&b, text_str(&packed)));
        ck_assert_uint_eq(b.rows, count);
        bool gaps = false;
        for (size_t i = 0; i < count; i++) {
            uint64_t code = block_code(&b, i);
            struct value v = code ? block_value(&b, code) : (struct value){0};
            same(&values[i], &v);
            gaps |= !code;
        }
        ck_assert_int_eq(b.gaps, gaps);
    }
    size_t len = packed.len;
    text_free(&packed);
    block_free(&b);
    return len;
}

START_TEST(whole_numbers_come_back_in_as_few_bits_as_they_need)
{
    for (int i = 0; i < BLOCK_ROWS; i++)
        values[i] = whole(1700000000000 + i % 7);
    ck_assert_uint_lt(comes_back(BLOCK_ROWS), BLOCK_ROWS * 3 / 8 + 64);
    for (int i = 0; i < BLOCK_ROWS; i++)
        values[i] = i % 3 ? whole(-i) : (struct value){0};
    comes_back(BLOCK_ROWS);
    values[0] = whole(INT64_MIN);
    values[1] = whole(INT64_MIN + 5);
    comes_back(2);
    values[0] = whole(INT64_MAX);
    comes_back(1);
}
END_TEST

START_TEST(texts_and_reals_come_back)
{
    for (int i = 0; i < BLOCK_ROWS; i++)
        values[i] = i % 11 ? text((size_t)i, i % 40) : (struct value){0};
    ck_assert_uint_lt(comes_back(BLOCK_ROWS), BLOCK_ROWS);
    for (int i = 0; i < BLOCK_ROWS; i++)
        values[i] = text((size_t)i, i);
    comes_back(BLOCK_ROWS);
    values[0] = (struct value){.kind = VALUE_TEXT, .s = tars_str("")};
    values[1] = (struct value){.kind = VALUE_TEXT, .s = tars_str_n("a\0b", 3)};
    comes_back(2);
    for (int i = 0; i < BLOCK_ROWS; i++)
        values[i] = real(i / 7.0);
    comes_back(BLOCK_ROWS);
    values[0] = real(0.0);
    values[1] = real(-0.0);
    values[2] = real(INFINITY);
    comes_back(3);
}
END_TEST

START_TEST(nothing_comes_back_as_nothing)
{
    comes_back(0);
    memset(values, 0, sizeof values);
    ck_assert_uint_lt(comes_back(BLOCK_ROWS), 64);
}
END_TEST

static void stays_out(size_t count)
{
    struct text packed = {0};
    ck_assert(!block_pack(values, count, &packed));
    ck_assert_uint_eq(packed.len, 0);
    text_free(&packed);
}

START_TEST(what_does_not_fit_stays_out)
{
    values[0] = whole(1);
    values[1] = real(1);
    stays_out(2);
    values[0] = whole(INT64_MIN);
    values[1] = whole(INT64_MAX);
    stays_out(2);
    char *long_text = xmalloc(BLOCK_TEXTS + 1);
    memset(long_text, 'x', BLOCK_TEXTS + 1);
    values[0] = (struct value){.kind = VALUE_TEXT, .s = {long_text, BLOCK_TEXTS + 1}};
    stays_out(1);
    free(long_text);
}
END_TEST

/* Reading all of it stays inside, whatever it says. */
static void read_damaged(struct tars_str bytes)
{
    char *exact = xmalloc(bytes.len ? bytes.len : 1);
    struct block b = {0};
    memcpy(exact, bytes.at, bytes.len);
    if (block_unpack(&b, tars_str_n(exact, bytes.len)))
        for (size_t i = 0; i < b.rows; i++) {
            uint64_t code = block_code(&b, i);
            struct value v = code ? block_value(&b, code) : (struct value){0};
            for (size_t k = 0; v.kind == VALUE_TEXT && k < v.s.len; k++)
                ck_assert(v.s.at[k] || true);
        }
    block_free(&b);
    free(exact);
}

START_TEST(damage_is_noticed_or_stays_inside)
{
    struct text packed = {0};
    for (int i = 0; i < 50; i++)
        values[i] = text((size_t)i, i % 9);
    ck_assert(block_pack(values, 50, &packed));
    for (size_t at = 0; at < packed.len; at++)
        for (int bit = 0; bit < 8; bit++) {
            packed.at[at] = (char)(packed.at[at] ^ 1 << bit);
            read_damaged(text_str(&packed));
            packed.at[at] = (char)(packed.at[at] ^ 1 << bit);
        }
    struct block b = {0};
    for (size_t len = 0; len < packed.len; len++)
        ck_assert(!block_unpack(&b, tars_str_n(packed.at, len)));
    block_free(&b);
    text_free(&packed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_block");
    TCase *tc = tcase_create("block");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, whole_numbers_come_back_in_as_few_bits_as_they_need);
    tcase_add_test(tc, texts_and_reals_come_back);
    tcase_add_test(tc, nothing_comes_back_as_nothing);
    tcase_add_test(tc, what_does_not_fit_stays_out);
    tcase_add_test(tc, damage_is_noticed_or_stays_inside);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
