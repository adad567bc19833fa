/* SPDX-License-Identifier: BSD-3-Clause */
/* Aggregations answer from packed columns as they do from the documents, and never from stale ones.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xmalloc.h"
#include "tarselasticsearch/answers.h"
#include "tarselasticsearch/catalog_file.h"
#include "tarselasticsearch/catalog_indices.h"
#include "tarselasticsearch/columns.h"
#include "tarselasticsearch/document.h"
#include "tarselasticsearch/search.h"
#include "tarselasticsearch/source.h"
#include "testkit.h"

enum { DOCUMENTS = 2 * BLOCK_ROWS + 2000 };

static struct db *db;
static struct catalog *catalog;
static struct index *all;
static struct tars_arena *arena;

static const char mappings[] =
    "{\"mappings\":{\"properties\":{\"service\":{\"type\":\"keyword\"},\"host\":{\"type\":"
    "\"keyword\"},\"calls\":{\"type\":\"long\"},\"share\":{\"type\":\"double\"},\"at\":{\"type\":"
    "\"date\"},\"ok\":{\"type\":\"boolean\"},\"from\":{\"type\":\"ip\"},\"wide\":{\"type\":"
    "\"long\"},"
    "\"tags\":{\"type\":\"keyword\"}}}}";

/* Some members are missing in some documents, and one column does not fit. */
static char *document(int i)
{
    char *calls = i % 13 ? xasprintf(",\"calls\":%d", i * 37 % 901 - 40) : xstrdup("");
    char *share = i % 17 ? xasprintf(",\"share\":%.3f", i % 101 / 8.0) : xstrdup("");
    char *text = xasprintf(
        "{\"service\":\"Shop.Back%dServer\",\"host\":\"host-%d\",\"at\":%lld,\"ok\":"
        "%s,\"from\":\"10.0.%d.7\",\"wide\":%s%s%s}",
        i % 23, i * 31 % 5000, 1767312000000 + i * 5000LL, i % 3 ? "true" : "false", i % 5,
        i % 2 ? "-9000000000000000000" : "9000000000000000000", calls, share);
    free(calls);
    free(share);
    return text;
}

static void write_text(enum doc_action action, const char *id, const char *body)
{
    struct doc_result result;
    bool must_grow;
    struct doc_write write = {.action = action,
                              .index = tars_str("x"),
                              .id = tars_str(id),
                              .body = tars_str(body),
                              .if_seq_no = -1};
    tars_arena_reset(arena);
    ck_assert(doc_write(catalog, db, &write, true, &must_grow, arena, &result));
    ck_assert_msg(result.ok, "%s", result.failure.reason);
}

/* As the writer does before it commits. */
static void write_and_save(enum doc_action action, const char *id, const char *body)
{
    write_text(action, id, body);
    ck_assert(source_flush(db) && catalog_save(db, all));
    catalog_kept(catalog);
}

static void setup(void)
{
    struct failure failure;
    struct tars_error error;
    arena = tars_arena_new(64 << 20);
    db = db_open(":memory:", true, NULL);
    catalog = catalog_open(db, NULL);
    all = catalog_create(catalog, db, tars_str("x"), json_parse(tars_str(mappings), arena, &error),
                         &failure);
    ck_assert_ptr_nonnull(all);
    ck_assert(db_exec(db, "BEGIN"));
    for (int i = 0; i < DOCUMENTS; i++) {
        char *body = document(i), *id = xasprintf("%d", i);
        write_text(DOC_INDEX, id, body);
        free(body);
        free(id);
    }
    ck_assert(source_flush(db) && catalog_save(db, all) && db_exec(db, "COMMIT"));
    catalog_kept(catalog);
}

static void teardown(void)
{
    catalog_free(catalog);
    db_close(db);
    tars_arena_free(arena);
}

/* From "hits" on: without the time that it took. free it. */
static char *ask(const char *body)
{
    struct index_list list = {&all, 1};
    struct failure failure = {0};
    struct tars_error error;
    struct text to = {0};
    tars_arena_reset(arena);
    struct search search = {.indices = &list,
                            .body = json_parse(tars_str(body), arena, &error),
                            .from = -1,
                            .size = -1,
                            .arena = arena};
    ck_assert_ptr_nonnull(search.body);
    if (!search_run(db, &search, &to, &failure)) {
        text_cut(&to, 0);
        text_addf(&to, "%d %s: %s", failure.status, failure.type, failure.reason);
        return to.at;
    }
    char *answer = xstrdup(strstr(to.at, "\"hits\""));
    text_free(&to);
    return answer;
}

static int64_t number(const char *sql)
{
    sqlite3_stmt *s = db_prepare(db, tars_str(sql));
    ck_assert(s && sqlite3_step(s) == SQLITE_ROW);
    int64_t found = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return found;
}

static void build(void)
{
    while (columns_build(db, all))
        ;
}

#define ALL "{\"size\":0,\"track_total_hits\":false,"
static const char *const asked[] = {
    ALL "\"aggs\":{\"a\":{\"terms\":{\"field\":\"service\",\"size\":50},\"aggs\":{\"s\":{\"sum\":{"
        "\"field\":\"calls\"}},\"m\":{\"max\":{\"field\":\"share\"}}}}}}",
    ALL
    "\"query\":{\"bool\":{\"filter\":[{\"term\":{\"service\":\"Shop.Back3Server\"}},{\"range\":{"
    "\"at\":{\"gte\":1767312600000,\"lt\":1767390000000}}}]}},\"aggs\":{\"h\":{\"date_histogram\":{"
    "\"field\":\"at\",\"fixed_interval\":\"10m\"},\"aggs\":{\"s\":{\"stats\":{\"field\":\"calls\"}}"
    ","
    "\"e\":{\"extended_stats\":{\"field\":\"share\"}}}}}}",
    ALL
    "\"aggs\":{\"h\":{\"histogram\":{\"field\":\"calls\",\"interval\":50,\"missing\":7}},\"c\":{"
    "\"value_count\":{\"field\":\"calls\"}},\"n\":{\"avg\":{\"field\":\"calls\",\"missing\":1}},"
    "\"d\":{\"cardinality\":{\"field\":\"host\"}},\"p\":{\"percentiles\":{\"field\":\"calls\"}},"
    "\"w\":{\"missing\":{\"field\":\"calls\"}},\"u\":{\"min\":{\"field\":\"nowhere\"}}}}",
    ALL
    "\"query\":{\"terms\":{\"host\":[\"host-1\",\"host-31\",\"host-62\",\"host-9999\"]}},\"aggs\":{"
    "\"a\":{\"terms\":{\"field\":\"from\"}},\"o\":{\"terms\":{\"field\":\"ok\"}}}}",
    ALL
    "\"query\":{\"bool\":{\"must\":[{\"prefix\":{\"host\":\"host-4\"}},{\"wildcard\":{\"service\":"
    "\"*k1?Serv*\"}},{\"regexp\":{\"host\":\"host-[0-9]+7\"}}]}},\"aggs\":{\"a\":{\"terms\":{"
    "\"field\":\"host\",\"size\":20,\"include\":\"host-4.*\"}}}}",
    ALL
    "\"query\":{\"range\":{\"calls\":{\"gt\":10.5,\"lte\":99}}},\"aggs\":{\"f\":{\"filter\":{"
    "\"range\":{"
    "\"share\":{\"gt\":0}}},\"aggs\":{\"m\":{\"min\":{\"field\":\"share\"}}}},\"g\":{\"filters\":{"
    "\"filters\":{\"a\":{\"term\":{\"ok\":true}},\"b\":{\"match_all\":{}}},\"other_bucket\":true}},"
    "\"r\":{\"range\":{\"field\":\"calls\",\"ranges\":[{\"to\":50},{\"from\":50}]},\"aggs\":{\"s\":"
    "{"
    "\"sum\":{\"field\":\"calls\"}}}}}}",
    ALL
    "\"aggs\":{\"g\":{\"composite\":{\"size\":100,\"sources\":[{\"a\":{\"terms\":{\"field\":"
    "\"service\"}}},{\"b\":{\"terms\":{\"field\":\"ok\",\"order\":\"desc\"}}},{\"c\":{\"terms\":{"
    "\"field\":\"calls\",\"missing_bucket\":true}}}]},\"aggs\":{\"s\":{\"sum\":{\"field\":"
    "\"share\"}}}}}}",
    ALL
    "\"aggs\":{\"g\":{\"composite\":{\"size\":70,\"after\":{\"a\":\"host-2\",\"b\":1767380000000},"
    "\"sources\":[{\"a\":{\"terms\":{\"field\":\"host\"}}},{\"b\":{\"date_histogram\":{\"field\":"
    "\"at\",\"fixed_interval\":\"1h\"}}}]},\"aggs\":{\"t\":{\"terms\":{\"field\":\"ok\"},\"aggs\":{"
    "\"s\":{\"max\":{\"field\":\"calls\"}}}}}}}}",
    ALL "\"aggs\":{\"g\":{\"composite\":{\"size\":5,\"sources\":[{\"a\":{\"terms\":{\"field\":"
        "\"service\"}}},"
        "{\"b\":{\"terms\":{\"field\":\"ok\"}}},{\"c\":{\"terms\":{\"field\":\"from\"}}},{\"d\":{"
        "\"histogram\":{"
        "\"field\":\"calls\",\"interval\":100}}},{\"e\":{\"terms\":{\"field\":\"share\"}}}]}}}}",
    ALL "\"query\":{\"range\":{\"calls\":{}}},\"aggs\":{\"w\":{\"sum\":{\"field\":\"wide\"}}}}",
    ALL "\"query\":{\"term\":{\"from\":\"10.0.2.0/"
        "24\"}},\"aggs\":{\"s\":{\"sum\":{\"field\":\"calls\"}}}}",
    ALL
    "\"query\":{\"bool\":{\"must_not\":{\"term\":{\"ok\":true}},\"should\":[{\"match_all\":{}}]}},"
    "\"aggs\":{\"s\":{\"sum\":{\"field\":\"calls\"}}}}",
    ALL "\"aggs\":{\"s\":{\"sum\":{\"field\":\"service\"}}}}",
    ALL "\"aggs\":{\"t\":{\"top_hits\":{\"size\":2,\"sort\":[{\"calls\":\"desc\"}],\"_source\":"
        "false}}}}",
    ALL
    "\"query\":{\"term\":{\"service\":\"none\"}},\"aggs\":{\"t\":{\"terms\":{\"field\":\"host\","
    "\"min_doc_count\":0,\"size\":3}}}}",
};
enum { ASKED = sizeof asked / sizeof *asked };

static void ask_all(char *answers[ASKED])
{
    for (int i = 0; i < ASKED; i++)
        answers[i] = ask(asked[i]);
}

static void same_as(char *answers[ASKED])
{
    for (int i = 0; i < ASKED; i++) {
        char *now = ask(asked[i]);
        size_t at = 0;
        while (now[at] && now[at] == answers[i][at])
            at++;
        size_t from = at < 100 ? 0 : at - 100;
        ck_assert_msg(now[at] == answers[i][at], "%s\nat %zu was %.300s\nis  %.300s", asked[i], at,
                      answers[i] + from, now + from);
        free(now);
        free(answers[i]);
    }
}

START_TEST(both_ways_have_the_same_answers)
{
    char *answers[ASKED];
    ck_assert(!atomic_load(&all->has_columns));
    ask_all(answers);
    build();
    ck_assert(atomic_load(&all->has_columns));
    ck_assert_int_eq(number("SELECT count(*)%2 FROM c1"), 0); /* of both full blocks */
    ck_assert_int_ge(number("SELECT count(*) FROM c1"), 14);
    ck_assert_int_eq(number("SELECT count(*) FROM c1 WHERE length(bytes)=0"), 2); /* wide */
    same_as(answers);
    /* Half of the columns of one block: that block is read from the documents. */
    ask_all(answers);
    ck_assert(db_exec(db, "DELETE FROM c1 WHERE key<4096 AND key%2=0"));
    same_as(answers);
    ask_all(answers);
    ck_assert(db_exec(db, "UPDATE c1 SET bytes=substr(bytes,1,length(bytes)/2) WHERE key%3=0"));
    same_as(answers);
}
END_TEST

START_TEST(who_finds_nothing_among_many_wishes_for_columns_too)
{
    free(ask(ALL "\"query\":{\"term\":{\"calls\":12345678}},\"aggs\":{\"s\":{\"sum\":{\"field\":"
                 "\"calls\"}}}}"));
    build();
    ck_assert_int_eq(number("SELECT count(*) FROM c1"), 2);
}
END_TEST

START_TEST(columns_are_what_is_read)
{
    char *before[1] = {ask(asked[0])};
    build();
    ck_assert(db_exec(db, "UPDATE d1 SET f0='changed behind the columns'"));
    ck_assert(db_exec(db, "DELETE FROM d1 WHERE seq<8192"));
    char *after = ask(asked[0]);
    ck_assert(strstr(after, "\"Shop.Back0Server\",\"doc_count\":713"));
    ck_assert(strstr(after, "behind the columns\",\"doc_count\":2000"));
    free(before[0]);
    free(after);
}
END_TEST

START_TEST(a_document_that_goes_takes_its_block_along)
{
    static const char sum[] = ALL
        "\"aggs\":{\"c\":{\"value_count\":{\"field\":\"service\"}},\"s\":{\"sum\":{"
        "\"field\":\"calls\"}}}}";
    free(ask(sum));
    build();
    int64_t columns = number("SELECT count(*) FROM c1");
    ck_assert_int_ge(columns, 4);
    write_and_save(DOC_DELETE, "5", "");
    ck_assert_int_eq(number("SELECT count(*) FROM c1"), columns / 2);
    write_and_save(DOC_INDEX, "9000", "{\"service\":\"other\",\"calls\":1000000}");
    ck_assert_int_eq(number("SELECT count(*) FROM c1"), 0);
    char *rows = ask(sum);
    build();
    ck_assert_int_eq(number("SELECT count(*) FROM c1"), columns);
    char *blocks = ask(sum);
    ck_assert_str_eq(rows, blocks);
    ck_assert(strstr(blocks, "\"c\":{\"value\":18383}"));
    free(rows);
    free(blocks);
}
END_TEST

START_TEST(a_field_that_gets_several_values_is_read_from_the_documents)
{
    static const char tags[] = ALL
        "\"aggs\":{\"t\":{\"terms\":{\"field\":\"service\",\"size\":2,\"order\":{"
        "\"_key\":\"desc\"}}}}}";
    free(ask(tags));
    build();
    write_and_save(DOC_INDEX, "many", "{\"service\":[\"z1\",\"z2\"]}");
    char *answer = ask(tags);
    ck_assert_ptr_nonnull(
        strstr(answer, "\"z2\",\"doc_count\":1},{\"key\":\"z1\",\"doc_count\":1}"));
    free(answer);
}
END_TEST

START_TEST(a_field_that_came_later_has_columns_without_values)
{
    static const char later[] = ALL
        "\"aggs\":{\"t\":{\"terms\":{\"field\":\"later\"}},\"m\":{\"missing\":{"
        "\"field\":\"later\"}}}}";
    write_and_save(DOC_INDEX, "late", "{\"later\":7}");
    char *rows = ask(later);
    build();
    char *blocks = ask(later);
    ck_assert_str_eq(rows, blocks);
    ck_assert_ptr_nonnull(strstr(blocks, "{\"key\":7,\"doc_count\":1}"));
    free(rows);
    free(blocks);
}
END_TEST

START_TEST(an_index_that_goes_takes_its_columns_along)
{
    free(ask(asked[0]));
    build();
    ck_assert(catalog_delete(catalog, db, all));
    ck_assert_int_eq(number("SELECT count(*) FROM sqlite_schema WHERE name='c1'"), 0);
}
END_TEST

START_TEST(kept_answers_hold_until_a_write)
{
    static const char sum[] = ALL "\"aggs\":{\"c\":{\"value_count\":{\"field\":\"service\"}}}}";
    static const char timed[] = ALL
        "\"query\":{\"range\":{\"at\":{\"lt\":\"now\"}}},\"aggs\":{\"c\":{"
        "\"value_count\":{\"field\":\"service\"}}}}";
    static const char hits[] = "{\"aggs\":{\"c\":{\"value_count\":{\"field\":\"service\"}}}}";
    db->answers = answers_new();
    free(ask(timed));
    free(ask(hits));
    ck_assert_uint_eq(answers_bytes(db->answers), 0);
    char *first = ask(sum);
    ck_assert_uint_gt(answers_bytes(db->answers), 0);
    ck_assert(db_exec(db, "UPDATE d1 SET f0=NULL WHERE seq=3")); /* behind the store's back */
    char *second = ask(sum);
    ck_assert_str_eq(first, second);
    write_and_save(DOC_DELETE, "5", "");
    char *third = ask(sum);
    ck_assert_str_ne(first, third);
    free(first);
    free(second);
    free(third);
    answers_free(db->answers);
}
END_TEST

START_TEST(kept_answers_are_bounded)
{
    struct answers *a = answers_new();
    struct text big = {0}, found = {0};
    memset(text_reserve(&big, 100000), 'x', 100000);
    text_cut(&big, 100000);
    for (int i = 0; i < 500; i++) {
        char key[24];
        snprintf(key, sizeof key, "key %d", i);
        answers_put(a, tars_str(key), text_str(&big));
        answers_put(a, tars_str(key), text_str(&big));
        ck_assert_uint_le(answers_bytes(a), ANSWERS_BYTES);
        ck_assert(answers_get(a, tars_str("key 0"), &found)); /* is asked for all the time */
        text_cut(&found, 0);
    }
    ck_assert(answers_get(a, tars_str("key 499"), &found));
    ck_assert_uint_eq(found.len, 100000);
    ck_assert(!answers_get(a, tars_str("key 1"), &found));
    struct text huge = {0};
    text_reserve(&huge, ANSWERS_BYTES);
    memset(huge.at, 'y', ANSWERS_BYTES);
    text_cut(&huge, ANSWERS_BYTES);
    answers_put(a, tars_str("huge"), text_str(&huge));
    ck_assert(!answers_get(a, tars_str("huge"), &found));
    text_free(&huge);
    text_free(&big);
    text_free(&found);
    answers_free(a);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_columns");
    TCase *tc = tcase_create("columns"), *plain = tcase_create("answers");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, both_ways_have_the_same_answers);
    tcase_add_test(tc, who_finds_nothing_among_many_wishes_for_columns_too);
    tcase_add_test(tc, columns_are_what_is_read);
    tcase_add_test(tc, a_document_that_goes_takes_its_block_along);
    tcase_add_test(tc, a_field_that_gets_several_values_is_read_from_the_documents);
    tcase_add_test(tc, a_field_that_came_later_has_columns_without_values);
    tcase_add_test(tc, an_index_that_goes_takes_its_columns_along);
    tcase_add_test(tc, kept_answers_hold_until_a_write);
    tcase_add_test(plain, kept_answers_are_bounded);
    suite_add_tcase(suite, tc);
    suite_add_tcase(suite, plain);
    return tk_main(suite);
}
