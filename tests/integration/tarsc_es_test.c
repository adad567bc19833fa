/* SPDX-License-Identifier: BSD-3-Clause */
/* tarsc es and tarsc spool against the embedded store. With REGISTRY_STORE=PORT in the environment
 * the server that listens there is the store, and only those tests run that need none of their own.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "es/dead.h"
#include "es/es.h"
#include "es/spool.h"
#include "loop/loop.h"
#include "testkit.h"

static uint16_t port;
static const char *nodes; /* as an environment variable */
static struct tk_process *store;

static void start_store(void)
{
    const char *argv[] = {tk_program("tarselasticsearch"), "--data", tk_dir(), NULL};
    port = tk_free_port();
    const char *env[] = {tk_text("TARS_ELASTICSEARCH_PORT=%u", port),
                         "TARS_ELASTICSEARCH_HTTP_PORT=0", NULL};
    nodes = tk_text("TARS_ELK_NODES=127.0.0.1:%u", port);
    store = tk_spawn(argv, env, NULL);
    ck_assert(tk_wait_port(port, 20000));
}

static void must(const char *method, const char *path, const char *body);

/* The store that is there, without what a test before has left. */
static void use_store(void)
{
    port = (uint16_t)strtoul(getenv("REGISTRY_STORE"), NULL, 10);
    nodes = tk_text("TARS_ELK_NODES=127.0.0.1:%u", port);
    must("DELETE", "/t_a20260101,t_b20260101,t_r,t_dead?ignore_unavailable=true", NULL);
}

static void stop_store(void)
{
    ck_assert_int_eq(tk_stop(store, 10000), 0);
}

/* tarsc with these arguments: its status, what it printed in *output. */
static int tarsc(char **output, const char *const arguments[])
{
    const char *argv[16] = {tk_program("tarsc")};
    const char *env[] = {nodes, NULL};
    for (size_t i = 0; arguments[i]; i++)
        argv[i + 1] = arguments[i];
    return tk_run(argv, env, 30000, output);
}

#define expect(status_, text_, ...)                                                                \
    do {                                                                                           \
        char *output_;                                                                             \
        int got_ = tarsc(&output_, (const char *const[]){__VA_ARGS__, NULL});                      \
        ck_assert_msg(got_ == (status_) && strstr(output_, text_), "status %d: %s", got_,          \
                      output_);                                                                    \
        free(output_);                                                                             \
    } while (0)

static void must(const char *method, const char *path, const char *body)
{
    char *text = NULL;
    int status = tk_http(port, method, path, body, &text);
    ck_assert_msg(status >= 200 && status < 300, "%s %s: %d %s", method, path, status, text);
    free(text);
}

/* The answer to a GET has this in it. */
static void has(const char *path, const char *wanted)
{
    char *text = NULL;
    tk_http(port, "GET", path, NULL, &text);
    ck_assert_msg(text && strstr(text, wanted), "%s: %s", path, text ? text : "no answer");
    free(text);
}

START_TEST(health_and_indices_are_told)
{
    must("PUT", "/t_a20260101/_doc/1?refresh=true", "{\"n\":1}");
    expect(0, "green", "es", "health");
    expect(0, "t_a20260101", "es", "indices", "t_a*");
    expect(1, "cannot", "es", "health", "--password-file", "/no/such/file");
    expect(2, "wants a folder", "es", "export", "x");
    expect(2, "--help", "es", "drop");
    tk_stop(store, 10000);
    expect(1, "asking for health", "es", "health", "--timeout", "300");
    store = NULL;
}
END_TEST

/* Documents whose ids and sources need care, the first with a line end in its source. */
static void put_many(int count)
{
    char *bulk = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&bulk, &size);
    for (int i = 1; i < count; i++)
        fprintf(out,
                "{\"index\":{\"_id\":\"id %d\\\"/\"}}\n"
                "{\"big\":9007199254740993, \"s\":\"a\\\"b%d\"}\n",
                i, i);
    fclose(out);
    must("POST", "/t_a20260101/_bulk", bulk);
    free(bulk);
    must("PUT", "/t_a20260101/_doc/id%200%22%2F",
         "{\"big\":9007199254740993,\n \"s\":\"a\\\"b0\"}");
}

START_TEST(a_server_is_known_by_its_health)
{
    expect(0, tk_text("at 127.0.0.1:%u", port), "es", "health");
}
END_TEST

START_TEST(documents_go_to_files_and_back_as_they_were)
{
    const char *dir = tk_text("%s/out", tk_dir());
    struct stat about;
    must(
        "PUT", "/t_a20260101",
        "{\"mappings\":{\"properties\":{\"big\":{\"type\":\"long\"},\"s\":{\"type\":\"keyword\"}}},"
        "\"aliases\":{\"t_a\":{}}}");
    must("PUT", "/t_b20260101/_doc/b", "{\"n\":1}");
    put_many(1200);
    must("POST", "/t_*/_refresh", NULL);
    expect(0, "t_a20260101: 1200 documents exported", "es", "export", dir, "t_a*");
    ck_assert_int_ne(stat(tk_text("%s/t_b20260101.ndjson.gz", dir), &about), 0);
    expect(0, "is there already", "es", "export", dir, "t_a");
    must("DELETE", "/t_a20260101", NULL);
    expect(0, "1200 documents written, 0 were there", "es", "import", dir);
    must("POST", "/t_*/_refresh", NULL);
    has("/t_a/_count", "\"count\":1200");
    has("/t_a20260101/_mapping", "\"keyword\"");
    has("/t_a20260101/_source/id%207%22%2F", "9007199254740993");
    has("/t_a20260101/_source/id%207%22%2F", "a\\\"b7");
    /* what was imported is not sent again; in another place all of it is */
    expect(0, "0 documents written, 0 were there", "es", "import", dir);
    ck_assert_int_eq(unlink(tk_text("%s/t_a20260101.imported", dir)), 0);
    must("PUT", "/t_a20260101/_doc/id%207%22%2F", "{\"s\":\"newer\"}");
    must("DELETE", "/t_a20260101/_doc/id%208%22%2F", NULL);
    expect(0, "1 documents written, 1199 were there", "es", "import", dir);
    has("/t_a20260101/_source/id%207%22%2F", "newer");
    ck_assert_int_eq(unlink(tk_text("%s/t_a20260101.imported", dir)), 0);
    expect(0, "1200 documents written", "es", "import", "--overwrite", dir, "t_a20260101");
    has("/t_a20260101/_source/id%207%22%2F", "a\\\"b7");
    tk_write_file(tk_text("%s/t_a20260101.ndjson.gz", dir), "{\"_id\":\"1\",\"_source\":{}}\n");
    expect(1, "has 1 lines, and", "es", "import", dir);
}
END_TEST

START_TEST(an_export_that_ended_early_is_made_anew)
{
    const char *dir = tk_text("%s/out", tk_dir());
    must("PUT", "/t_a20260101/_doc/1?refresh=true", "{\"n\":1}");
    mkdir(dir, 0700);
    tk_write_file(tk_text("%s/t_a20260101.ndjson.gz.part", dir), "half");
    expect(0, "1 documents exported", "es", "export", dir, "t_a20260101");
    expect(1, "no such index", "es", "export", dir, "t_none");
    tk_write_file(tk_text("%s/t_a20260101.ndjson.gz", dir),
                  "{\"_id\":\"1\",\"_source\":{}}\n{\"_id");
    expect(1, "ends within a line", "es", "import", dir);
    tk_write_file(tk_text("%s/t_a20260101.ndjson.gz", dir), "{\"_id\":\"1\",\"_source\":[]}\n");
    expect(1, "line 1 is no document", "es", "import", dir);
    expect(1, "no plain index name", "es", "import", dir, "../x");
    expect(1, "no plain index name", "es", "import", dir, "t_*");
}
END_TEST

START_TEST(documents_that_are_refused_are_named_and_the_others_written)
{
    const char *dir = tk_dir();
    tk_write_file(tk_text("%s/t_r.json", dir),
                  "{\"mappings\":{\"properties\":{\"n\":{\"type\":\"long\"}}}}");
    tk_write_file(
        tk_text("%s/t_r.ndjson.gz", dir),
        "{\"_id\":\"1\",\"_source\":{\"n\":1}}\n{\"_id\":\"2\",\"_source\":{\"n\":\"x\"}}\n"
        "{\"_id\":\"3\",\"_source\":{\"n\":3}}\n");
    expect(1, "line 2 was refused", "es", "import", dir);
    has("/t_r/_doc/3", "\"found\":true");
}
END_TEST

/* ---- killed
 * ---------------------------------------------------------------------------------------------- */

enum { DOCUMENTS = 12000 };

static void write_documents(const char *dir)
{
    FILE *out = fopen(tk_text("%s/t_k.ndjson.gz", dir), "we"); /* plain, which is read as well */
    for (int i = 1; i <= DOCUMENTS; i++)
        fprintf(out, "{\"_id\":\"id%d\",\"_source\":{\"n\":%d}}\n", i, i);
    fclose(out);
    tk_write_file(tk_text("%s/t_k.json", dir),
                  "{\"mappings\":{\"properties\":{\"n\":{\"type\":\"long\"}}}}");
}

static double number_at(const cJSON *json, const char *one, const char *two)
{
    const cJSON *at = cJSON_GetObjectItem(json, one);
    return cJSON_GetNumberValue(two ? cJSON_GetObjectItem(at, two) : at);
}

static void each_is_there_once(void)
{
    char *text = NULL;
    must("POST", "/t_k/_refresh", NULL);
    tk_http(port, "POST", "/t_k/_search",
            "{\"size\":0,\"track_total_hits\":true,\"aggs\":{\"sum\":{\"sum\":{\"field\":\"n\"}}}}",
            &text);
    cJSON *answer = cJSON_Parse(text);
    const cJSON *total = cJSON_GetObjectItem(cJSON_GetObjectItem(answer, "hits"), "total");
    ck_assert_double_eq(number_at(total, "value", NULL), DOCUMENTS);
    ck_assert_double_eq(number_at(cJSON_GetObjectItem(answer, "aggregations"), "sum", "value"),
                        DOCUMENTS / 2.0 * (DOCUMENTS + 1));
    cJSON_Delete(answer);
    free(text);
}

/* An import that is killed after so many ms; true when it was through before. */
static bool import_for(const char *dir, int ms)
{
    const char *argv[] = {tk_program("tarsc"), "es", "import", dir, NULL};
    const char *env[] = {nodes, NULL};
    struct tk_process *import = tk_spawn(argv, env, NULL);
    if (!tk_wait(import, ms)) {
        tk_kill(import);
        return false;
    }
    ck_assert_int_eq(import->status, 0);
    return true;
}

START_TEST(an_import_that_is_killed_goes_on_without_gaps)
{
    const char *dir = tk_text("%s/in", tk_dir());
    mkdir(dir, 0700);
    write_documents(dir);
    srand((unsigned)getpid());
    for (int round = 0; round < 3; round++) { /* from the second on an old position lies there */
        int kills = 0;
        while (kills < 6 && !import_for(dir, 1 + rand() % (10 << kills)))
            kills++;
        expect(0, " 0 refused", "es", "import", dir);
        each_is_there_once();
        must("DELETE", "/t_k", NULL);
    }
}
END_TEST

/* An import of an index that went away meanwhile was killed when it had made it anew. */
START_TEST(an_old_position_does_not_count_for_an_index_that_is_made_anew)
{
    const char *dir = tk_text("%s/in", tk_dir());
    mkdir(dir, 0700);
    write_documents(dir);
    expect(0, "12000 documents written", "es", "import", dir);
    must("DELETE", "/t_k", NULL);
    tk_write_file(tk_text("%s/t_k.ndjson.gz", dir), "{\"_id\":\"1\"\n"); /* as if killed here */
    expect(1, "line 1 is no document", "es", "import", dir);
    write_documents(dir);
    expect(0, "12000 documents written", "es", "import", dir);
    each_is_there_once();
}
END_TEST

/* ---- dead letters
 * ---------------------------------------------------------------------------------- */

/* A folder with letters as a spool leaves them. */
static const char *folder_with_letters(void)
{
    const char *dir = tk_text("%s/spool", tk_dir());
    const struct {
        enum es_action action;
        const char *place, *id, *source;
    } letters[] = {{ES_ACTION_CREATE, "ab-1-20", "ab-1-20", "{\"n\":1}"},
                   {ES_ACTION_INDEX, "ab-1-60", "old", "{\"n\":2}"},
                   {ES_ACTION_INDEX, "ab-1-90", "new", "{\"n\":3}"},
                   {ES_ACTION_CREATE, "ab-1-c0", "ab-1-c0", "{\"n\":\"never\"}"}};
    struct dead_letters dead;
    uint64_t dropped = 0;
    size_t written;
    struct tars_error error;
    mkdir(dir, 0700);
    dead_open(&dead, dir, 1 << 20, 0);
    for (size_t i = 0; i < 4; i++) {
        struct es_record record = {letters[i].action, tars_str("t_dead"), tars_str(letters[i].id),
                                   tars_str(letters[i].source)};
        char *line = dead_line(&record, tars_str(letters[i].place), 400, "mapper", "why");
        ck_assert(dead_append(&dead, 1, line, strlen(line), &written, &dropped, &error));
        free(line);
    }
    dead_close(&dead);
    return dir;
}

START_TEST(dead_letters_are_listed_shown_and_sent_once_more)
{
    const char *dir = folder_with_letters();
    must("PUT", "/t_dead", "{\"mappings\":{\"properties\":{\"n\":{\"type\":\"long\"}}}}");
    must("PUT", "/t_dead/_doc/new", "{\"n\":30}");
    expect(0, "not in use  waiting 0 bytes in 0 segments  dead letters 4", "spool", "list", dir);
    expect(0, "create t_dead/ab-1-20\n  400 mapper: why\n  {\"n\":1}", "spool", "show", dir);
    expect(0, "ab-1-c0", "spool", "show", dir, "ab-1-c0");
    expect(0, "1 dead letters stored", "spool", "retry", dir, "ab-1-20");
    expect(1, "1 dead letters stored", "spool", "retry", dir);
    has("/t_dead/_source/ab-1-20", "1");
    has("/t_dead/_source/old", "2");
    has("/t_dead/_source/new", "30"); /* later than the letter */
    expect(0, "dead letters 2", "spool", "list", dir);
    expect(1, "1 dead letters stored", "spool", "retry", "--overwrite", dir);
    has("/t_dead/_source/new", "3");
    expect(0, "dead letters 1", "spool", "list", dir);
    expect(1, "there is no folder", "spool", "list", "/no/such/folder");
    expect(2, "wanted", "spool", "show");
}
END_TEST

/* What a power cut leaves of a line: zeros in front of what was appended later. */
START_TEST(a_line_that_is_no_letter_stays_as_it_is)
{
    const char *dir = folder_with_letters();
    char torn[] = "\0\0\0\n{\"place\":\"ab-1-f0\",\"action\":\"none\"}\n", left[4096];
    struct dead_letters dead;
    uint64_t dropped = 0;
    size_t written;
    struct tars_error error;
    dead_open(&dead, dir, 1 << 20, 0);
    ck_assert(dead_append(&dead, 1, torn, sizeof torn - 1, &written, &dropped, &error));
    dead_close(&dead);
    must("PUT", "/t_dead", "{}");
    expect(0, "1 dead letters stored in", "spool", "retry", dir, "ab-1-20");
    expect(0, "0 dead letters stored in", "spool", "retry", dir, "ab-1-f0");
    FILE *file = fopen(tk_text("%s/dead/0000000000000001.ndjson", dir), "re");
    ck_assert_ptr_nonnull(file);
    size_t len = fread(left, 1, sizeof left, file);
    fclose(file);
    ck_assert_uint_gt(len, sizeof torn - 1);
    ck_assert_int_eq(memcmp(left + len - (sizeof torn - 1), torn, sizeof torn - 1), 0);
}
END_TEST

/* ---- with the daemon running
 * -------------------------------------------------------------------------- */

struct running {
    struct loop *loop;
    struct es_client *client;
    struct es_spool *spool;
};

static void close_running(void *arg)
{
    struct running *r = arg;
    es_spool_close(r->spool);
    es_client_free(r->client);
}

static bool append(struct running *r, const char *source)
{
    struct es_record record = {ES_ACTION_CREATE, tars_str("t_live"), tars_str(""),
                               tars_str(source)};
    return es_spool_append(r->spool, &record, NULL, NULL, NULL) == ES_SPOOL_TAKEN;
}

static uint64_t dead_of(struct running *r)
{
    struct es_spool_stats stats;
    es_spool_get_stats(r->spool, &stats);
    return stats.waiting_bytes ? 0 : stats.dead;
}

START_TEST(letters_are_sent_while_the_daemon_goes_on_writing_some)
{
    struct tars_error error;
    struct running r = {.loop = loop_new("es")};
    const char *dir = tk_text("%s/spool", tk_dir());
    struct es_options es = {.nodes = strchr(nodes, '=') + 1, .prefix = "t_"};
    must("PUT", "/t_live", "{\"mappings\":{\"properties\":{\"n\":{\"type\":\"long\"}}}}");
    r.client = es_client_new(r.loop, &es, &error);
    ck_assert(loop_start(r.loop, &error));
    struct es_spool_options options = {.dir = dir, .client = r.client};
    r.spool = es_spool_open(&options, &error);
    ck_assert(append(&r, "{\"n\":\"never\"}") && append(&r, "{\"n\":\"neither\"}"));
    ck_assert(tk_eventually(dead_of(&r) == 2, 20000));
    expect(0, "  in use  waiting 0 bytes in 1 segments  dead letters 2", "spool", "list", dir);
    must("DELETE", "/t_live", NULL);
    must("PUT", "/t_live", "{\"mappings\":{\"properties\":{\"n\":{\"type\":\"keyword\"}}}}");
    expect(0, "2 dead letters stored", "spool", "retry", dir);
    ck_assert(append(&r, "{\"n\":{}}")); /* a new file of letters begins */
    ck_assert(tk_eventually(dead_of(&r) == 3, 20000));
    expect(0, "dead letters 1", "spool", "list", dir);
    loop_call_wait(r.loop, close_running, &r);
    loop_free(r.loop);
}
END_TEST

static void stop_if_running(void)
{
    if (store)
        stop_store();
}

static void add_case(Suite *suite, const char *name, const TTest *const tests[], bool own)
{
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, own ? start_store : use_store, stop_if_running);
    for (size_t i = 0; tests[i]; i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(suite, tc);
}

int main(void)
{
    const TTest *const on_any[] = {a_server_is_known_by_its_health,
                                   documents_go_to_files_and_back_as_they_were,
                                   documents_that_are_refused_are_named_and_the_others_written,
                                   dead_letters_are_listed_shown_and_sent_once_more, NULL};
    const TTest *const on_own[] = {health_and_indices_are_told,
                                   an_export_that_ended_early_is_made_anew,
                                   an_import_that_is_killed_goes_on_without_gaps,
                                   an_old_position_does_not_count_for_an_index_that_is_made_anew,
                                   a_line_that_is_no_letter_stays_as_it_is,
                                   letters_are_sent_while_the_daemon_goes_on_writing_some,
                                   NULL};
    bool own = !getenv("REGISTRY_STORE");
    Suite *suite = suite_create("tarsc_es");
    add_case(suite, "on_any", on_any, own);
    if (own)
        add_case(suite, "on_own", on_own, true);
    return tk_main(suite);
}
