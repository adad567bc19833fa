/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kill -9 of the registry and of the store, in turn, while instances register and leave: what was
 * acknowledged is there afterwards, and what was removed does not come back. REGISTRY_KILLS says
 * how often.
 */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <tars/client.h>

#include "K8stars.h"
#include "QueryF.h"
#include "testkit.h"

enum { KILLS = 30, LOADERS = 2, INSTANCES = 4000, WAIT_MS = 20000, CALL_MS = 1500 };

/* What may be said about an instance after all. */
enum fate { UNKNOWN, REGISTERED, REMOVED };

static uint16_t store_port, query_port, registry_port, http_port;
static const char *store_data, *registry_data, *config;
static struct tk_process *store, *registry;
static struct tars_client *client;
static struct tars_proxy *proxy;
static _Atomic bool over;
static _Atomic int acknowledged, loading;
static struct loader {
    pthread_t thread;
    int number;
    enum fate fates[INSTANCES];
} loaders[LOADERS];

/* ---- the suite
 * ----------------------------------------------------------------------------------- */

static void start_store(void)
{
    const char *const argv[] = {tk_program("tarselasticsearch"), NULL};
    const char *const env[] = {tk_text("TARS_ELASTICSEARCH_DATA=%s", store_data),
                               tk_text("TARS_ELASTICSEARCH_PORT=%u", store_port),
                               "TARS_ELASTICSEARCH_HTTP_PORT=0", NULL};
    store = tk_spawn(argv, env, "/dev/null");
}

static void start_registry(void)
{
    const char *const argv[] = {tk_program("tarsregistry"), tk_text("--config=%s", config),
                                "--data", registry_data, NULL};
    registry = tk_spawn(argv, NULL, "/dev/null");
}

static void write_config(void)
{
    config = tk_text("%s/tarsregistry.conf", tk_dir());
    tk_write_file(
        config, tk_text("<tars>\n<application>\n<server>\napp=tars\nserver=tarsregistry\n"
                        "local=tcp -h 127.0.0.1 -p %u -t 10000\n"
                        "<QueryAdapter>\nservant=tars.tarsregistry.QueryObj\n"
                        "endpoint=tcp -h 127.0.0.1 -p %u -t 10000\nthreads=1\n</QueryAdapter>\n"
                        "<RegistryAdapter>\nservant=tars.tarsregistry.Registry\n"
                        "endpoint=tcp -h 127.0.0.1 -p %u -t 10000\nthreads=1\n</RegistryAdapter>\n"
                        "</server>\n</application>\n<registry>\nhttp-port=%u\npoll-interval=200\n"
                        "poll-overlap=5000\n</registry>\n"
                        "<elk>\n<nodes>\n127.0.0.1:%u\n</nodes>\n</elk>\n</tars>\n",
                        tk_free_port(), query_port, registry_port, http_port, store_port));
}

static bool is_caught_up(void)
{
    char *text = NULL;
    bool good = tk_http(http_port, "GET", "/readyz", NULL, NULL) == 200 &&
                tk_http(http_port, "GET", "/metrics", NULL, &text) == 200 &&
                strstr(text, "\ntars_registry_stale 0") &&
                strstr(text, "\ntars_registry_store_up 1");
    free(text);
    return good;
}

/* ---- load
 * ----------------------------------------------------------------------------------------- */

static bool add(const struct loader *l, int n)
{
    char node[32], endpoint[64];
    struct k8stars_on_startup_req req;
    struct tars_call_options options = {.timeout_ms = CALL_MS};
    k8stars_on_startup_req_init(&req);
    snprintf(node, sizeof node, "node-%d-%d", l->number, n);
    snprintf(endpoint, sizeof endpoint, "tcp -h %s -p 1 -t 3000", node);
    struct k8stars_adapter_conf adapter = {.servant = tars_str("App.Server.Obj"),
                                           .endpoint = tars_str(endpoint)};
    req.node_name = tars_str(node);
    req.application = tars_str("App");
    req.server = tars_str("Server");
    req.adapters = (struct k8stars_adapter_conf_list){1, &adapter};
    return k8stars_tarsregistry_on_startup_with(proxy, &options, &req).error == 0;
}

static bool take_out(const struct loader *l, int n)
{
    char node[32];
    struct tars_call_options options = {.timeout_ms = CALL_MS};
    snprintf(node, sizeof node, "node-%d-%d", l->number, n);
    struct k8stars_on_prestop_req req = {
        .node_name = tars_str(node), .application = tars_str("App"), .server = tars_str("Server")};
    return k8stars_tarsregistry_on_prestop_with(proxy, &options, &req).error == 0;
}

/* Registers one after the other; every third leaves again. Nobody knows what became of a failed
 * call. */
static void *load(void *arg)
{
    struct loader *l = arg;
    for (int n = 0; n < INSTANCES && !atomic_load(&over); n++) {
        if (!add(l, n)) {
            tk_sleep(20);
            continue;
        }
        l->fates[n] = REGISTERED;
        atomic_fetch_add(&acknowledged, 1);
        if (n % 3 == 0)
            l->fates[n] = take_out(l, n) ? REMOVED : UNKNOWN;
        tk_sleep(5);
    }
    atomic_fetch_sub(&loading, 1);
    return NULL;
}

/* ---- the test
 * --------------------------------------------------------------------------------------- */

static int kills_wanted(void)
{
    const char *text = getenv("REGISTRY_KILLS");
    return text && atoi(text) > 0 ? atoi(text) : KILLS;
}

static bool goes_on(int so_far)
{
    return atomic_load(&acknowledged) > so_far || atomic_load(&loading) == 0;
}

/* Most come when the suite works again, which takes as long as the machine needs; each fourth comes
 * whatever it does. */
static void kill_in_turn(int kills)
{
    unsigned seed = 7;
    for (int k = 0; k < kills; k++) {
        int so_far = atomic_load(&acknowledged);
        tk_sleep(150 + rand_r(&seed) % 400);
        if (k % 4 != 3)
            ck_assert(tk_eventually(goes_on(so_far), WAIT_MS));
        if (k % 2) {
            tk_kill(store);
            start_store();
        } else {
            tk_kill(registry);
            start_registry();
        }
    }
}

static bool listed(const struct tarsf_endpoint_f_list *list, const char *host)
{
    for (size_t i = 0; i < list->len; i++)
        if (tars_str_is(list->at[i].host, host))
            return true;
    return false;
}

/* How many acknowledged changes the answer contradicts. */
static int contradictions(bool print)
{
    int wrong = 0;
    struct tarsf_endpoint_f_list active, inactive;
    struct tars_arena *arena = tars_arena_new(0);
    struct tars_proxy *query = tars_proxy_get(
        client, tk_text("tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p %u", query_port));
    struct tars_result r = tarsf_query_f_find_object_by_id4_any(query, tars_str("App.Server.Obj"),
                                                                &active, &inactive, arena);
    for (int k = 0; k < LOADERS; k++)
        for (int n = 0; n < INSTANCES; n++) {
            char host[32];
            snprintf(host, sizeof host, "node-%d-%d", k, n);
            enum fate fate = loaders[k].fates[n];
            bool there = listed(&active, host) || listed(&inactive, host);
            if (fate == UNKNOWN || there == (fate == REGISTERED))
                continue;
            wrong++;
            if (print)
                printf("%s was %s\n", host, fate == REGISTERED ? "lost" : "resurrected");
        }
    tars_arena_free(arena);
    return r.error ? -1 : wrong;
}

START_TEST(every_acknowledged_registration_survives_and_no_removed_one_returns)
{
    int kills = kills_wanted();
    store_port = tk_free_port();
    query_port = tk_free_port();
    registry_port = tk_free_port();
    http_port = tk_free_port();
    store_data = tk_dir();
    registry_data = tk_dir();
    write_config();
    start_store();
    start_registry();
    ck_assert(tk_eventually(is_caught_up(), WAIT_MS));
    client = tars_client_new(NULL);
    proxy = tars_proxy_get(
        client, tk_text("tars.tarsregistry.Registry@tcp -h 127.0.0.1 -p %u", registry_port));
    for (int k = 0; k < LOADERS; k++) {
        loaders[k].number = k;
        atomic_fetch_add(&loading, 1);
        ck_assert_int_eq(pthread_create(&loaders[k].thread, NULL, load, &loaders[k]), 0);
    }
    kill_in_turn(kills);
    atomic_store(&over, true);
    for (int k = 0; k < LOADERS; k++)
        pthread_join(loaders[k].thread, NULL);
    ck_assert(tk_eventually(is_caught_up(), WAIT_MS));
    if (!tk_eventually(contradictions(false) == 0, 10000))
        ck_assert_int_eq(contradictions(true), 0);
    tk_sleep(1000);
    ck_assert_int_eq(contradictions(true), 0);
    printf("%d kills, %d acknowledged registrations\n", kills, atomic_load(&acknowledged));
    ck_assert_int_gt(atomic_load(&acknowledged), kills / 2);
    tk_kill(registry);
    tk_kill(store);
    tars_client_free(client);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("registry_kill");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 3000);
    tcase_add_test(tc, every_acknowledged_registration_survives_and_no_removed_one_returns);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
