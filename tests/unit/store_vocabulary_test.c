/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers for the words of keyword columns: who has one, and what a roll back leaves. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xmalloc.h"
#include "tarselasticsearch/vocabulary.h"
#include "testkit.h"

static struct db *db;
static struct vocabulary *words;

static void open_words(void)
{
    words = vocabulary_open(db, NULL);
    ck_assert_ptr_nonnull(words);
}

static void setup(void)
{
    db = db_open(":memory:", true, NULL);
    ck_assert(db_exec(db, "CREATE TABLE words(number INTEGER PRIMARY KEY, word TEXT NOT NULL)"));
    open_words();
}

static void teardown(void)
{
    db_close(db);
    vocabulary_free(words);
}

static int64_t add(const char *word)
{
    int64_t number;
    bool fresh;
    ck_assert(vocabulary_add(words, db, tars_str(word), &number, &fresh));
    return number;
}

static int64_t find(const char *word)
{
    return vocabulary_find(words, tars_str(word));
}

/* What word(x) makes of an expression; "error" when it refuses. */
static void ck_sql(const char *expression, const char *is)
{
    char *sql = xasprintf("SELECT word(%s)", expression);
    sqlite3_stmt *s = db_prepare(db, tars_str(sql));
    int rc = sqlite3_step(s);
    ck_assert_str_eq(rc == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : "error", is);
    sqlite3_reset(s);
    free(sql);
}

START_TEST(a_word_has_one_number_for_good)
{
    int64_t number = add("Demo.HelloServer");
    ck_assert_int_eq(number, 1);
    ck_assert_int_eq(add("Demo.OtherServer"), 2);
    ck_assert_int_eq(add("Demo.HelloServer"), number);
    vocabulary_keep(words);
    vocabulary_free(words);
    open_words();
    ck_assert_int_eq(find("Demo.HelloServer"), number);
    ck_assert_int_eq(add("another"), 3);
    ck_sql("1", "Demo.HelloServer");
    ck_sql("'a text'", "a text");
}
END_TEST

START_TEST(what_is_short_or_long_stays_a_text)
{
    char longest[VOCABULARY_LONGEST + 2];
    memset(longest, 'x', sizeof longest);
    longest[VOCABULARY_LONGEST + 1] = '\0';
    ck_assert_int_eq(add("short"), 0);
    ck_assert_int_eq(add(""), 0);
    ck_assert_int_eq(add(longest), 0);
    longest[VOCABULARY_LONGEST] = '\0';
    ck_assert_int_eq(add(longest), 1);
}
END_TEST

START_TEST(searches_know_only_what_is_committed)
{
    add("committed");
    ck_assert_int_eq(find("committed"), 0);
    vocabulary_keep(words);
    ck_assert_int_eq(find("committed"), 1);
    add("underway");
    ck_assert_int_eq(find("underway"), 0);
}
END_TEST

START_TEST(a_roll_back_takes_words_away)
{
    add("committed");
    vocabulary_keep(words);
    ck_assert(db_exec(db, "BEGIN"));
    ck_assert_int_eq(add("rolled back"), 2);
    ck_assert_int_eq(add("as is this"), 3);
    ck_assert(db_exec(db, "ROLLBACK"));
    vocabulary_forget(words);
    ck_assert_int_eq(find("rolled back"), 0);
    ck_assert_int_eq(add("as is this"), 2);
    ck_assert_int_eq(add("rolled back"), 3);
    ck_sql("2", "as is this");
}
END_TEST

START_TEST(a_full_vocabulary_takes_no_more)
{
    char word[32];
    ck_assert(db_exec(db, "BEGIN"));
    for (int i = 1; i < VOCABULARY_SIZE; i++) {
        snprintf(word, sizeof word, "word number %d", i);
        ck_assert_int_eq(add(word), i);
    }
    ck_assert_int_eq(add("one too many"), 0);
    ck_assert_int_eq(add("word number 77"), 77);
    ck_assert(db_exec(db, "COMMIT"));
    vocabulary_keep(words);
    vocabulary_free(words);
    open_words();
    ck_assert_int_eq(find("word number 65535"), 65535);
    ck_assert_int_eq(add("one too many"), 0);
}
END_TEST

START_TEST(a_number_without_a_word_is_an_error)
{
    add("something");
    ck_sql("2", "error");
    ck_sql("0", "error");
    ck_sql("-1", "error");
    ck_sql("9223372036854775807", "error");
    ck_assert(db_exec(db, "DELETE FROM words; INSERT INTO words VALUES(5,'out of place')"));
    ck_assert_ptr_null(vocabulary_open(db, NULL));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_vocabulary");
    TCase *tc = tcase_create("vocabulary");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_word_has_one_number_for_good);
    tcase_add_test(tc, what_is_short_or_long_stays_a_text);
    tcase_add_test(tc, searches_know_only_what_is_committed);
    tcase_add_test(tc, a_roll_back_takes_words_away);
    tcase_add_test(tc, a_full_vocabulary_takes_no_more);
    tcase_add_test(tc, a_number_without_a_word_is_an_error);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
