/* SPDX-License-Identifier: BSD-3-Clause */
/* How sources lie in the data file: together in blocks, each found by its number, damage noticed.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xmalloc.h"
#include "tarselasticsearch/catalog_file.h"
#include "tarselasticsearch/catalog_indices.h"
#include "tarselasticsearch/source.h"
#include "testkit.h"

static struct db *db;
static struct catalog *catalog;
static struct index *kept_in;

static void setup(void)
{
    struct failure failure;
    db = db_open(":memory:", true, NULL);
    catalog = catalog_open(db, NULL);
    kept_in = catalog_create(catalog, db, tars_str("x"), NULL, &failure);
    ck_assert_ptr_nonnull(kept_in);
}

static void teardown(void)
{
    catalog_free(catalog);
    db_close(db);
}

static char *document(int i)
{
    return xasprintf("{\"slave_name\":\"Demo.HelloServer\",\"interface_name\":\"sayHello\","
                     "\"slave_ip\":\"10.1.2.3\",\"succ_count\":%d,\"total_time\":%d}",
                     i, i * 7);
}

/* As a document of the index: with its row. */
static void add(int i)
{
    char *source = document(i);
    char *sql = xasprintf("INSERT INTO d%lld(seq,id,version,hash) VALUES(%d,'%d',1,0)",
                          (long long)kept_in->id, i, i);
    ck_assert(db_exec(db, sql));
    ck_assert(source_add(db, kept_in, i, tars_str(source)));
    free(sql);
    free(source);
}

static void drop(int i)
{
    char *sql = xasprintf("DELETE FROM d%lld WHERE seq=%d", (long long)kept_in->id, i);
    ck_assert(db_exec(db, sql));
    ck_assert(source_remove(db, kept_in, i));
    free(sql);
}

static void ck_there(int i)
{
    char *source = document(i);
    struct text back = {0};
    ck_assert_int_eq(source_read(db, kept_in->id, i, &back), SOURCE_GOOD);
    ck_assert_str_eq(back.at, source);
    text_free(&back);
    free(source);
}

static void ck_lost(int i)
{
    struct text back = {0};
    ck_assert_int_eq(source_read(db, kept_in->id, i, &back), SOURCE_LOST);
    text_free(&back);
}

static int number(const char *what)
{
    char *sql = xasprintf("SELECT %s FROM s%lld", what, (long long)kept_in->id);
    sqlite3_stmt *s = db_prepare(db, tars_str(sql));
    ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
    int value = sqlite3_column_int(s, 0);
    sqlite3_reset(s);
    free(sql);
    return value;
}

START_TEST(sources_come_back_as_they_were_and_are_short)
{
    for (int i = 0; i < 1000; i++)
        add(i);
    ck_assert(source_flush(db));
    for (int i = 999; i >= 0; i -= 7)
        ck_there(i);
    ck_assert_int_eq(number("count(*)"), (1000 + SOURCE_COUNT - 1) / SOURCE_COUNT);
    ck_assert_int_lt(number("sum(length(source))"), 1000 * 20);
}
END_TEST

START_TEST(a_lone_source_is_packed_against_the_first_one)
{
    add(0);
    ck_assert(source_flush(db));
    add(1);
    ck_assert(source_flush(db));
    ck_there(0);
    ck_there(1);
    ck_assert_int_lt(number("min(length(source))"),
                     (int)strlen("{\"slave_name\":\"Demo.HelloServer\""));
}
END_TEST

START_TEST(what_is_not_in_the_file_yet_is_read_and_removed)
{
    for (int i = 0; i < 10; i++)
        add(i);
    ck_there(3);
    for (int i = 10; i < 20; i++)
        add(i);
    drop(15);
    drop(4);
    ck_there(14);
    ck_assert(source_flush(db));
    ck_there(19);
}
END_TEST

START_TEST(what_was_rolled_back_is_forgotten)
{
    ck_assert(db_exec(db, "BEGIN"));
    add(0);
    ck_there(0);
    add(1);
    ck_assert(db_exec(db, "ROLLBACK"));
    source_forget(db);
    ck_assert(source_flush(db));
    ck_lost(0);
    ck_lost(1);
}
END_TEST

START_TEST(a_block_goes_with_its_last_document)
{
    for (int i = 0; i < 40; i++)
        add(i);
    ck_assert(source_flush(db));
    for (int i = 0; i < 40; i++) {
        drop((i * 7 + 3) % 40);
        if (i < 39)
            ck_assert_int_eq(number("count(*)"), 1);
    }
    ck_assert_int_eq(number("count(*)"), 0);
}
END_TEST

START_TEST(a_block_of_which_little_is_needed_is_packed_anew)
{
    char *big = xmalloc(401);
    for (int i = 0; i < 40; i++) {
        for (int k = 0; k < 400; k++)
            big[k] = (char)('a' + rand() % 26);
        big[0] = '"', big[399] = '"', big[400] = '\0';
        char *sql = xasprintf("INSERT INTO d%lld(seq,id,version,hash) VALUES(%d,'%d',1,0)",
                              (long long)kept_in->id, i, i);
        ck_assert(db_exec(db, sql));
        ck_assert(source_add(db, kept_in, i, tars_str(big)));
        free(sql);
    }
    ck_assert(source_flush(db));
    int whole = number("sum(length(source))");
    for (int i = 1; i < 40; i++)
        drop(i == 39 ? 38 : i == 38 ? 39 : i);
    struct text back = {0};
    ck_assert_int_eq(source_read(db, kept_in->id, 0, &back), SOURCE_GOOD);
    ck_assert_uint_eq(back.len, 400);
    text_free(&back);
    free(big);
    ck_assert_int_lt(number("sum(length(source))"), whole / 20);
}
END_TEST

START_TEST(short_and_empty_and_huge_sources_come_back)
{
    char *huge = xmalloc(1 << 20);
    struct text back = {0};
    memset(huge, 'x', 1 << 20);
    ck_assert(source_add(db, kept_in, 1, tars_str("{}")));
    ck_assert(source_add(db, kept_in, 2, tars_str_n(huge, 1 << 20)));
    ck_assert(source_add(db, kept_in, 3, tars_str("")));
    ck_assert(source_flush(db));
    ck_assert_int_eq(source_read(db, kept_in->id, 2, &back), SOURCE_GOOD);
    ck_assert_uint_eq(back.len, 1 << 20);
    ck_assert_int_eq(source_read(db, kept_in->id, 3, &back), SOURCE_GOOD);
    ck_assert_int_eq(source_read(db, kept_in->id, 1, &back), SOURCE_GOOD);
    ck_assert_uint_eq(back.len, (1 << 20) + 2);
    text_free(&back);
    free(huge);
}
END_TEST

static void put_block(const unsigned char *bytes, size_t len)
{
    char *sql = xasprintf("UPDATE s%lld SET source=?", (long long)kept_in->id);
    sqlite3_stmt *s = db_prepare(db, tars_str(sql));
    sqlite3_bind_blob(s, 1, bytes, (int)len, SQLITE_TRANSIENT);
    ck_assert(db_run(s));
    source_forget(db); /* as another connection sees it */
    free(sql);
}

START_TEST(damaged_blocks_are_refused)
{
    for (int i = 0; i < 3; i++)
        add(i);
    ck_assert(source_flush(db));
    char *sql = xasprintf("SELECT source FROM s%lld", (long long)kept_in->id);
    sqlite3_stmt *s = db_prepare(db, tars_str(sql));
    ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
    size_t len = (size_t)sqlite3_column_bytes(s, 0);
    unsigned char *bytes = xmalloc(len);
    memcpy(bytes, sqlite3_column_blob(s, 0), len);
    sqlite3_reset(s);
    free(sql);
    for (size_t at = 0; at < len; at++) {
        struct text back = {0};
        bytes[at] ^= 0x55;
        put_block(bytes, len);
        ck_assert_int_ne(source_read(db, kept_in->id, 1, &back), SOURCE_GOOD);
        bytes[at] ^= 0x55;
        put_block(bytes, at);
        ck_assert_int_ne(source_read(db, kept_in->id, 1, &back), SOURCE_GOOD);
        text_free(&back);
    }
    put_block(bytes, len);
    ck_there(1);
    free(bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_source");
    TCase *tc = tcase_create("source");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, sources_come_back_as_they_were_and_are_short);
    tcase_add_test(tc, a_lone_source_is_packed_against_the_first_one);
    tcase_add_test(tc, what_is_not_in_the_file_yet_is_read_and_removed);
    tcase_add_test(tc, what_was_rolled_back_is_forgotten);
    tcase_add_test(tc, a_block_goes_with_its_last_document);
    tcase_add_test(tc, a_block_of_which_little_is_needed_is_packed_anew);
    tcase_add_test(tc, short_and_empty_and_huge_sources_come_back);
    tcase_add_test(tc, damaged_blocks_are_refused);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
