/* SPDX-License-Identifier: BSD-3-Clause */
/* How sources lie in the data file: packed against the index's first document, damage noticed. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xmalloc.h"
#include "tarselasticsearch/source.h"

static struct db *db;
static struct catalog *catalog;
static struct index *packed_in;

static void setup(void)
{
    struct failure failure;
    db = db_open(":memory:", true, NULL);
    catalog = catalog_open(db, NULL);
    packed_in = catalog_create(catalog, db, tars_str("x"), NULL, &failure);
    ck_assert_ptr_nonnull(packed_in);
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

START_TEST(sources_come_back_as_they_were_and_are_short)
{
    for (int i = 0; i < 100; i++) {
        char *source = document(i);
        struct text back = {0};
        struct tars_str stored;
        ck_assert(source_pack(db, packed_in, tars_str(source), &stored));
        ck_assert_uint_lt(stored.len, strlen(source) / 2);
        ck_assert(source_unpack(db, packed_in->id, stored, &back));
        ck_assert_str_eq(back.at, source);
        text_free(&back);
        free(source);
    }
}
END_TEST

START_TEST(short_sources_lie_as_they_are)
{
    struct tars_str stored;
    struct text back = {0};
    ck_assert(source_pack(db, packed_in, tars_str("{}"), &stored));
    ck_assert(tars_str_is(stored, "{}"));
    ck_assert(source_unpack(db, packed_in->id, stored, &back));
    ck_assert_str_eq(back.at, "{}");
    text_free(&back);
}
END_TEST

START_TEST(damaged_sources_are_refused)
{
    char *source = document(1);
    struct tars_str stored;
    ck_assert(source_pack(db, packed_in, tars_str(source), &stored));
    for (size_t at = 1; at < stored.len; at++) {
        struct text back = {0};
        char *damaged = xmalloc(stored.len);
        memcpy(damaged, stored.at, stored.len);
        damaged[at] = (char)(damaged[at] ^ 0x55);
        source_unpack(db, packed_in->id, tars_str_n(damaged, stored.len), &back);
        source_unpack(db, packed_in->id, tars_str_n(damaged, at), &back);
        ck_assert(!source_unpack(db, packed_in->id, tars_str_n(stored.at, at), &back));
        text_free(&back);
        free(damaged);
    }
    free(source);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_source");
    TCase *tc = tcase_create("source");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, sources_come_back_as_they_were_and_are_short);
    tcase_add_test(tc, short_sources_lie_as_they_are);
    tcase_add_test(tc, damaged_sources_are_refused);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
