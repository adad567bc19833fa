/* SPDX-License-Identifier: BSD-3-Clause */
/* The store's connection to its data file, and the functions that its SQL calls. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "testkit.h"

#include "tarselasticsearch/db.h"
#include "tarselasticsearch/wildcard.h"

START_TEST(a_statement_that_is_held_survives_many_others)
{
    struct db *db = db_open(":memory:", true, NULL);
    ck_assert_ptr_nonnull(db);
    sqlite3_stmt *rows = db_prepare(db, tars_str("VALUES(1),(2),(3)"));
    sqlite3_stmt *later = db_prepare(db, tars_str("VALUES(4)"));
    ck_assert_int_eq(sqlite3_step(rows), SQLITE_ROW);
    for (int i = 0; i < 600; i++) {
        char sql[40];
        int len = snprintf(sql, sizeof sql, "SELECT %d", i);
        ck_assert(db_run(db_prepare(db, tars_str_n(sql, (size_t)len))));
    }
    ck_assert_int_eq(sqlite3_step(rows), SQLITE_ROW);
    ck_assert_int_eq(sqlite3_column_int(rows, 0), 2);
    ck_assert_int_eq(sqlite3_step(later), SQLITE_ROW);
    ck_assert_int_eq(sqlite3_column_int(later, 0), 4);
    sqlite3_reset(rows);
    db_close(db);
}
END_TEST

START_TEST(many_statements_are_dropped_when_nobody_holds_one)
{
    struct db *db = db_open(":memory:", true, NULL);
    ck_assert_ptr_nonnull(db);
    uint64_t dropped = db->dropped;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 200; i++) {
            char sql[40];
            int len = snprintf(sql, sizeof sql, "SELECT %d,%d", round, i);
            ck_assert(db_run(db_prepare(db, tars_str_n(sql, (size_t)len))));
        }
        db_settle(db);
        ck_assert_uint_eq(db->dropped, dropped + (uint64_t)round);
    }
    ck_assert_ptr_null(sqlite3_next_stmt(db->sql, NULL));
    db_close(db);
}
END_TEST

static bool matches(const char *pattern, const char *text)
{
    return wildcard_matches(tars_str(pattern), tars_str(text), false);
}

START_TEST(wildcards_match_whole_texts_by_characters)
{
    ck_assert(matches("", "") && matches("*", "") && !matches("?", ""));
    ck_assert(matches("a*c", "abbc") && !matches("a*c", "abbcd"));
    ck_assert(matches("?", "中") && matches("??", "中文") && !matches("?", "中文"));
    ck_assert(matches("a\\*", "a*") && !matches("a\\*", "ab"));
    ck_assert(wildcard_matches(tars_str("DEMO.*"), tars_str("demo.x"), true));
}
END_TEST

START_TEST(no_wildcard_stalls_the_store)
{
    char pattern[WILDCARD_MAX + 1], text[32767];
    for (size_t i = 0; i < sizeof pattern - 1; i++)
        pattern[i] = "*a"[i % 2];
    pattern[sizeof pattern - 2] = 'b';
    pattern[sizeof pattern - 1] = '\0';
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    int64_t begin = tk_ms();
    ck_assert(!matches(pattern, text));
    ck_assert_int_lt(tk_ms() - begin, 2000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_db");
    TCase *tc = tcase_create("db");
    tcase_add_test(tc, a_statement_that_is_held_survives_many_others);
    tcase_add_test(tc, many_statements_are_dropped_when_nobody_holds_one);
    tcase_add_test(tc, wildcards_match_whole_texts_by_characters);
    tcase_add_test(tc, no_wildcard_stalls_the_store);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
