/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kill -9 of the program that has a spool and of the store it ships to, at moments of chance, and
 * all nodes away while it goes on. A ledger of what was acknowledged proves that all of it is
 * stored once, in the order of each id.
 *
 *   SPOOL_KILLS=N           how many, else 12
 *   SPOOL_ELASTICSEARCH=1   a real Elasticsearch (tests/store/real) as the store
 *   SPOOL_SEED=N            the same moments again
 *   NODES_AWAY_SECONDS=N    how long all nodes are away under load, else 4
 */
#include "es/spool.h"

#include <cjson/cJSON.h>
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/map.h"
#include "es/es.h"
#include "loop/loop.h"
#include "testkit.h"

enum { IDS = 8, RUN = 1000000, PAGE = 5000, OUTSTANDING = 400 };

/* ---- the program that is killed
 * -------------------------------------------------------------------- */

struct sent {
    char line[64]; /* for the ledger */
    struct client *client;
};

struct client {
    struct loop *loop;
    struct es_client *es;
    struct es_spool *spool;
    int ledger;
    _Atomic int outstanding;
};

static void on_kept(void *user, const struct tars_error *error)
{
    struct sent *sent = user;
    if (!error && write(sent->client->ledger, sent->line, strlen(sent->line)) < 0)
        _exit(3);
    atomic_fetch_sub(&sent->client->outstanding, 1);
    free(sent);
}

/* Every fourth record has an id, whose value only grows. */
static void append(struct client *c, long run, long n)
{
    char id[16] = "", source[80];
    struct sent *sent = calloc(1, sizeof *sent);
    sent->client = c;
    if (n % 4 == 0) {
        snprintf(id, sizeof id, "id%ld", n / 4 % IDS);
        snprintf(source, sizeof source, "{\"n\":%ld}", run * RUN + n);
        snprintf(sent->line, sizeof sent->line, "%s %ld\n", id, run * RUN + n);
    } else {
        snprintf(source, sizeof source, "{\"k\":\"%ld-%ld\"}", run, n);
        snprintf(sent->line, sizeof sent->line, "k %ld-%ld\n", run, n);
    }
    struct es_record record = {*id ? ES_ACTION_INDEX : ES_ACTION_CREATE, tars_str("t_kill"),
                               tars_str(id), tars_str(source)};
    atomic_fetch_add(&c->outstanding, 1);
    if (es_spool_append(c->spool, &record, on_kept, sent, NULL) != ES_SPOOL_TAKEN)
        _exit(4);
}

static void on_answer(void *user, const struct es_result *result)
{
    (void)user;
    (void)result;
}

/* `press`: more slowly, with requests beside it that nobody waits for. */
static _Noreturn void append_on(struct client *c, long run, bool press)
{
    for (long n = 1;; n++) {
        append(c, run, n);
        for (int i = 0; press && n % 8 == 0 && i < 8; i++)
            es_get(c->es, "t_kill", "id0", 3000, on_answer, NULL);
        while (n % 8 == 0 &&
               (tk_sleep(press ? 8 : 2), atomic_load(&c->outstanding) > OUTSTANDING)) {}
    }
}

/* client PORT FOLDER LEDGER RUN [MORE-NODES]: appends until it is killed; RUN 0: ships what is
 * there. */
static int be_client(char **argv)
{
    struct tars_error error;
    struct client c = {.loop = loop_new("es")};
    long run = strtol(argv[3], NULL, 10);
    char nodes[100];
    snprintf(nodes, sizeof nodes, "%s 127.0.0.1:%s", argv[4] ? argv[4] : "", argv[0]);
    struct es_options es = {.nodes = nodes, .prefix = "t_", .pending_limit = 1000};
    c.es = es_client_new(c.loop, &es, &error);
    struct es_spool_options options = {.dir = argv[1],
                                       .client = c.es,
                                       .segment_bytes = 64 << 10,
                                       .bulk_bytes = 16 << 10,
                                       .timeout_ms = 5000,
                                       .back_off_limit_ms = 300};
    c.ledger = open(argv[2], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (!c.es || c.ledger < 0 || !loop_start(c.loop, &error) ||
        !(c.spool = es_spool_open(&options, &error))) {
        fprintf(stderr, "%s\n", error.text);
        return 2;
    }
    if (run)
        append_on(&c, run, argv[4] != NULL);
    struct es_spool_stats stats;
    do {
        tk_sleep(20);
        es_spool_get_stats(c.spool, &stats);
    } while (stats.waiting_bytes);
    return stats.dead || stats.dropped || stats.broken_segments;
}

/* ---- the store
 * ------------------------------------------------------------------------------------------ */

static struct {
    uint16_t port;
    const char *data, *spool, *ledger;
    struct tk_process *store, *client;
    long run;
    bool real;
} house;

static void start_store(void)
{
    const char *real[] = {"tests/store/real",        "run",      "elasticsearch-8.19.21",
                          tk_text("%u", house.port), house.data, NULL};
    const char *own[] = {tk_program("tarselasticsearch"), "--data", house.data, NULL};
    const char *env[] = {tk_text("TARS_ELASTICSEARCH_PORT=%u", house.port),
                         "TARS_ELASTICSEARCH_HTTP_PORT=0", NULL};
    house.store = tk_spawn(house.real ? real : own, env, NULL);
    ck_assert(tk_wait_port(house.port, house.real ? 120000 : 20000));
}

/* The children first: Elasticsearch's starter would end its server in order. */
static void kill_store(void)
{
    char path[80];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)house.store->pid,
             (int)house.store->pid);
    char *children = tk_read_file(path), *at = children;
    for (long pid = 1; at && (pid = strtol(at, &at, 10)) > 1;)
        kill((pid_t)pid, SIGKILL);
    free(children);
    tk_kill(house.store);
}

/* `nodes`: more of them, or NULL. */
static void start_client_with(long run, const char *nodes)
{
    const char *argv[] = {"/proc/self/exe",
                          "client",
                          tk_text("%u", house.port),
                          house.spool,
                          house.ledger,
                          tk_text("%ld", run),
                          nodes,
                          NULL};
    house.client = tk_spawn(argv, NULL, NULL);
}

static void start_client(long run)
{
    start_client_with(run, NULL);
}

static cJSON *ask(const char *method, const char *path, const char *body)
{
    char *text = NULL;
    int status = tk_http(house.port, method, path, body, &text);
    ck_assert_msg(status == 200, "%s %s: %d %s", method, path, status, text ? text : "");
    cJSON *json = cJSON_Parse(text);
    free(text);
    return json;
}

static const char *text_of(const cJSON *json, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));
}

/* ---- the ledger
 * ------------------------------------------------------------------------------------------ */

/* All records without an id of their own that are stored, each once. */
static struct map *read_stored(void)
{
    struct map *stored = map_new(NULL);
    char after[120] = "";
    cJSON_Delete(ask("POST", "/t_kill/_refresh", NULL));
    for (int count = PAGE; count == PAGE;) {
        cJSON *answer = ask("POST", "/t_kill/_search",
                            tk_text("{\"size\":%d,\"query\":{\"exists\":{\"field\":\"k\"}},"
                                    "\"sort\":[{\"k\":\"asc\"}]%s}",
                                    PAGE, after)),
              *hits = cJSON_GetObjectItem(cJSON_GetObjectItem(answer, "hits"), "hits"), *hit;
        cJSON_ArrayForEach(hit, hits)
        {
            const char *k = text_of(cJSON_GetObjectItem(hit, "_source"), "k");
            ck_assert_msg(!map_get(stored, tars_str(k)), "%s is stored twice", k);
            map_put(stored, tars_str(k), stored);
            snprintf(after, sizeof after, ",\"search_after\":[\"%s\"]", k);
        }
        count = cJSON_GetArraySize(hits);
        cJSON_Delete(answer);
    }
    return stored;
}

static void check_ids(const long kept[IDS])
{
    for (int i = 0; i < IDS; i++) {
        if (!kept[i])
            continue;
        cJSON *doc = ask("GET", tk_text("/t_kill/_doc/id%d", i), NULL),
              *n = cJSON_GetObjectItem(cJSON_GetObjectItem(doc, "_source"), "n");
        ck_assert_msg(n && (long)n->valuedouble >= kept[i], "id%d: %ld after %ld was acknowledged",
                      i, n ? (long)n->valuedouble : -1, kept[i]);
        cJSON_Delete(doc);
    }
}

/* Returns how many records were acknowledged. */
static long check_ledger(void)
{
    char *ledger = tk_read_file(house.ledger), *save = NULL;
    struct map *stored = read_stored();
    long kept[IDS] = {0}, count = 0;
    ck_assert_ptr_nonnull(ledger);
    char *end = strrchr(ledger, '\n'); /* the last line may have been cut by a kill */
    if (end)
        *end = '\0';
    for (char *line = strtok_r(ledger, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        const char *value = strchr(line, ' ') + 1;
        if (line[0] == 'k')
            ck_assert_msg(map_get(stored, tars_str(value)) != NULL, "%s was lost", value);
        else if (strtol(value, NULL, 10) > kept[line[2] - '0'])
            kept[line[2] - '0'] = strtol(value, NULL, 10);
        count++;
    }
    check_ids(kept);
    map_free(stored);
    free(ledger);
    return count;
}

/* ---- the test
 * ------------------------------------------------------------------------------------------- */

static long number_of(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtol(text, NULL, 10) : otherwise;
}

/* Kills one of them or both, or lets the store hang for a while. Returns how many it killed. */
static int strike(void)
{
    int what = rand() % 8;
    tk_sleep(20 + rand() % 280);
    if (what == 0) {
        tk_signal(house.store, SIGSTOP);
        tk_sleep(rand() % 400);
        tk_signal(house.store, SIGCONT);
        return 0;
    }
    bool client = what <= 5, store = house.real ? what == 5 : what >= 4;
    if (client)
        tk_kill(house.client);
    if (store)
        kill_store();
    bool early = client && store && rand() % 2; /* it starts while there is no store */
    if (early)
        start_client(++house.run);
    if (store)
        start_store();
    if (client && !early)
        start_client(++house.run);
    return client + store;
}

static void drain(void)
{
    tk_kill(house.client);
    start_client(0);
    bool ended = tk_wait(house.client, 120000);
    char *output = tk_output(house.client);
    ck_assert_msg(ended && house.client->status == 0, "shipping the rest: %s", output);
    free(output);
}

static void begin(void)
{
    house.real = number_of("SPOOL_ELASTICSEARCH", 0) != 0;
    house.port = tk_free_port();
    const char *folder = tk_dir();
    house.data = tk_text("%s/store", folder);
    if (house.real) /* which does not run as root */
        chmod(folder, 0755);
    house.spool = tk_text("%s/spool", tk_dir());
    house.ledger = tk_text("%s/ledger", tk_dir());
    start_store();
    cJSON_Delete(ask("PUT", "/t_kill",
                     "{\"settings\":{\"number_of_shards\":1,\"number_of_replicas\":0},"
                     "\"mappings\":{\"properties\":{\"k\":{\"type\":\"keyword\"},"
                     "\"n\":{\"type\":\"long\"}}}}"));
}

START_TEST(each_acknowledged_record_is_stored_once_whoever_is_killed)
{
    long kills = number_of("SPOOL_KILLS", 12), seed = number_of("SPOOL_SEED", getpid());
    int done = 0;
    srand((unsigned)seed);
    begin();
    start_client(++house.run);
    while (done < kills) {
        done += strike();
        ck_assert_msg(!tk_wait(house.client, 0), "the client ended by itself: %d",
                      house.client->status);
        if (done % 50 == 49) {
            drain();
            printf("seed %ld: %d kills, %ld records kept\n", seed, done, check_ledger());
            fflush(stdout);
            start_client(++house.run);
        }
    }
    drain();
    long kept = check_ledger();
    printf("seed %ld: %d kills, %ld records kept\n", seed, done, kept);
    ck_assert_int_gt(kept, kills * 20);
    kill_store();
}
END_TEST

static long stored_now(void)
{
    cJSON_Delete(ask("POST", "/t_kill/_refresh", NULL));
    cJSON *answer = ask("GET", "/t_kill/_count", NULL);
    long count = (long)cJSON_GetNumberValue(cJSON_GetObjectItem(answer, "count"));
    cJSON_Delete(answer);
    return count;
}

/* The most memory that the client has within the time, KiB. */
static long most_memory(long ms)
{
    long most = 0;
    for (int64_t until = tk_ms() + ms; tk_ms() < until; tk_sleep(50)) {
        long now = tk_rss_kb(house.client);
        most = now > most ? now : most;
        ck_assert_msg(!tk_wait(house.client, 0), "the client ended by itself: %d",
                      house.client->status);
    }
    return most;
}

/* First the last node hangs, then nobody listens any more; the load goes on all the time. */
START_TEST(all_nodes_are_away_under_load)
{
    long ms = number_of("NODES_AWAY_SECONDS", 4) * 1000, bound = 48L << 10;
    begin();
    start_client_with(++house.run,
                      tk_text("127.0.0.1:%u,127.0.0.1:%u", tk_free_port(), tk_free_port()));
    ck_assert(tk_eventually(stored_now() > 500, 20000));
    long before = most_memory(500);
    tk_signal(house.store, SIGSTOP);
    long hanging = most_memory(ms / 2);
    kill_store();
    long gone = most_memory(ms / 2), after;
    start_store();
    long stored = stored_now();
    ck_assert(tk_eventually(stored_now() > stored + 1000, 60000));
    after = most_memory(500);
    drain();
    long kept = check_ledger();
    printf("away %ld s: %ld records kept, memory %ld, %ld, %ld, %ld KiB\n", ms / 1000, kept, before,
           hanging, gone, after);
    ck_assert_int_gt(kept, ms / 10);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    ck_assert_int_lt(hanging - before, bound);
    ck_assert_int_lt(gone - before, bound);
    ck_assert_int_lt(after - before, bound);
#else
    (void)bound;
#endif
    kill_store();
}
END_TEST

int main(int argc, char **argv)
{
    if (argc >= 6 && strcmp(argv[1], "client") == 0)
        return be_client(argv + 2);
    Suite *suite = suite_create("spool_kill");
    TCase *tc = tcase_create("kill");
    tcase_set_timeout(tc, 7200);
    tcase_add_test(tc, each_acknowledged_record_is_stored_once_whoever_is_killed);
    tcase_add_test(tc, all_nodes_are_away_under_load);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
