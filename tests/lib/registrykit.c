/* SPDX-License-Identifier: BSD-3-Clause */
#include "registrykit.h"

#include <stdlib.h>
#include <time.h>

/* ---- processes
 * ------------------------------------------------------------------------------------ */

bool rk_has_own_store(void)
{
    return getenv("REGISTRY_STORE") == NULL;
}

/* It has all its ports: who answers there is it and nobody else. */
static bool is_started(struct tk_process *process)
{
    return tk_output_has(process, "started, version") && !tk_wait(process, 0);
}

void rk_start_store(struct rk_suite *s)
{
    const char *const argv[] = {tk_program("tarselasticsearch"), NULL};
    const char *const env[] = {tk_text("TARS_ELASTICSEARCH_DATA=%s", s->store_data),
                               tk_text("TARS_ELASTICSEARCH_PORT=%u", s->store_port),
                               tk_text("TARS_ELASTICSEARCH_HTTP_PORT=%u", s->store_http), NULL};
    /* A port that was free may be somebody's outgoing one for a moment: then once more. */
    for (int64_t end = tk_ms() + RK_WAIT_MS; tk_ms() < end; tk_sleep(200)) {
        s->store = tk_spawn(argv, env, NULL);
        while (!is_started(s->store) && !tk_wait(s->store, 20) && tk_ms() < end)
            ;
        if (is_started(s->store))
            return;
    }
    char *output = tk_output(s->store);
    ck_abort_msg("the store does not start: %s", output);
}

static const char *config_of(const struct rk_suite *s, const struct rk_registry *r)
{
    const char *path = tk_text("%s/tarsregistry.conf", r->data);
    tk_write_file(path,
                  tk_text("<tars>\n<application>\n<server>\napp=tars\nserver=tarsregistry\n"
                          "local=tcp -h 127.0.0.1 -p %u -t 10000\n"
                          "<QueryAdapter>\nservant=tars.tarsregistry.QueryObj\n"
                          "endpoint=tcp -h 127.0.0.1 -p %u -t 10000\nthreads=2\n</QueryAdapter>\n"
                          "<RegistryAdapter>\nservant=tars.tarsregistry.Registry\n"
                          "endpoint=tcp -h %s -p %u -t 10000\nthreads=1\n</RegistryAdapter>\n"
                          "</server>\n</application>\n"
                          "<registry>\nhttp-port=%u\npoll-interval=200\npoll-overlap=5000\n"
                          "liveness-minimum=1500\nliveness-unknown=3000\nheartbeat=500\n"
                          "heartbeat-timeout=2000\nprobe=n\n%s</registry>\n"
                          "<elk>\n<indexpre>\nregistry=%s\n</indexpre>\n"
                          "<nodes>\n127.0.0.1:%u\n</nodes>\n</elk>\n</tars>\n",
                          r->admin_port, r->query_port, r->address, r->registry_port, r->http_port,
                          s->settings, s->prefix, s->store_port));
    return path;
}

void rk_start(struct rk_suite *s, int n)
{
    struct rk_registry *r = &s->at[n];
    const char *const argv[] = {tk_program("tarsregistry"), tk_text("--config=%s", config_of(s, r)),
                                "--data", r->data, NULL};
    r->process = tk_spawn(argv, NULL, NULL);
}

static bool is_ready(const struct rk_registry *r)
{
    return is_started(r->process) && tk_http(r->http_port, "GET", "/readyz", NULL, NULL) == 200;
}

void rk_wait_ready(struct rk_suite *s, int n)
{
    const struct rk_registry *r = &s->at[n];
    /* A real server that has little of a busy machine needs its time for the first answers. */
    int64_t end = tk_ms() + (rk_has_own_store() ? 1 : 3) * RK_WAIT_MS;
    bool ready = false;
    /* A port that was free may be somebody's outgoing one for a moment: then once more. */
    for (; !ready && tk_ms() < end; tk_sleep(10)) {
        if (tk_wait(r->process, 0) && r->process->status == 3)
            rk_start(s, n);
        ready = is_ready(r);
    }
    char *output = tk_output(r->process);
    ck_assert_msg(ready, "registry %d is not ready: %s", n, output);
    free(output);
}

void rk_prepare(struct rk_suite *s, int n)
{
    struct rk_registry *r = &s->at[n];
    r->query_port = tk_free_port();
    r->registry_port = tk_free_port();
    r->http_port = tk_free_port();
    r->admin_port = tk_free_port();
    r->address = "127.0.0.1";
    r->data = tk_dir();
    r->query = tars_proxy_get(
        s->client, tk_text("tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p %u", r->query_port));
    r->registry = tars_proxy_get(
        s->client, tk_text("tars.tarsregistry.Registry@tcp -h 127.0.0.1 -p %u", r->registry_port));
}

static void open_store(struct rk_suite *s)
{
    if (rk_has_own_store()) {
        s->prefix = "tars_registry_";
        s->store_port = tk_free_port();
        s->store_http = tk_free_port();
        s->store_data = tk_dir();
        rk_start_store(s);
    } else {
        s->prefix = tk_text("r%lld_%d_", (long long)time(NULL), (int)getpid());
        s->store_port = (uint16_t)atoi(getenv("REGISTRY_STORE"));
    }
}

void rk_open(struct rk_suite *s, const char *settings)
{
    *s = (struct rk_suite){.settings = settings};
    s->arena = tars_arena_new(0);
    s->client = tars_client_new(NULL);
    rk_prepare(s, 0);
    open_store(s);
    rk_start(s, 0);
    rk_wait_ready(s, 0);
}

void rk_close(struct rk_suite *s)
{
    for (int n = 0; n < RK_REGISTRIES; n++)
        if (s->at[n].process)
            tk_kill(s->at[n].process);
    if (s->store)
        tk_kill(s->store);
    tars_client_free(s->client);
    tars_arena_free(s->arena);
}

/* ---- calls
 * ---------------------------------------------------------------------------------------- */

struct k8stars_on_startup_req rk_startup_of(struct rk_suite *s, const char *node, int port)
{
    struct k8stars_on_startup_req req;
    k8stars_on_startup_req_init(&req);
    req.node_name = tars_str(node);
    req.application = tars_str("App");
    req.server = tars_str("Server");
    req.version = tars_str("1.0");
    struct k8stars_adapter_conf *adapter = tars_arena_alloc(s->arena, sizeof *adapter);
    k8stars_adapter_conf_init(adapter);
    adapter->servant = tars_str("App.Server.Obj");
    adapter->endpoint = tars_str(
        tars_arena_printf(s->arena, "tcp -h %s -p %d -t 30000", node, port));
    req.adapters = (struct k8stars_adapter_conf_list){1, adapter};
    return req;
}

struct tars_result rk_on_startup(struct rk_suite *s, int n, const char *node, int port,
                                 const char *state)
{
    struct k8stars_on_startup_req req = rk_startup_of(s, node, port);
    req.state = tars_str(state);
    return k8stars_tarsregistry_on_startup(s->at[n].registry, &req);
}

struct tars_result rk_keep_alive(struct rk_suite *s, int n, const char *node, const char *state)
{
    struct k8stars_keep_alive_req req = {.node_name = tars_str(node),
                                         .state = tars_str(state),
                                         .application = tars_str("App"),
                                         .server = tars_str("Server")};
    return k8stars_tarsregistry_keep_alive(s->at[n].registry, &req);
}

struct tars_result rk_on_prestop(struct rk_suite *s, int n, const char *node)
{
    struct k8stars_on_prestop_req req = {
        .node_name = tars_str(node), .application = tars_str("App"), .server = tars_str("Server")};
    return k8stars_tarsregistry_on_prestop(s->at[n].registry, &req);
}

const char *rk_hosts(struct rk_suite *s, const struct tarsf_endpoint_f_list *list)
{
    char *text = tars_arena_printf(s->arena, "%s", "");
    for (size_t i = 0; i < list->len; i++)
        text = tars_arena_printf(s->arena, "%s%s%" TARS_STR_FMT, text, i ? "," : "",
                                 TARS_STR_ARG(list->at[i].host));
    return text;
}

const char *rk_find(struct rk_suite *s, int n, const char *object)
{
    struct tarsf_endpoint_f_list active, inactive;
    struct tars_result r = tarsf_query_f_find_object_by_id4_any(s->at[n].query, tars_str(object),
                                                                &active, &inactive, s->arena);
    if (r.error || r.ret)
        return "?";
    return tars_arena_printf(s->arena, "%s/%s", rk_hosts(s, &active), rk_hosts(s, &inactive));
}

const char *rk_list(struct rk_suite *s, int n)
{
    return rk_find(s, n, "App.Server.Obj");
}

/* ---- what can be seen from outside
 * ---------------------------------------------------------------- */

double rk_metric(const struct rk_suite *s, int n, const char *name)
{
    char *text = NULL;
    double value = -1;
    if (tk_http(s->at[n].http_port, "GET", "/metrics", NULL, &text) == 200) {
        const char *at = strstr(text, tk_text("\n%s ", name));
        if (at)
            value = atof(at + strlen(name) + 2);
    }
    free(text);
    return value;
}

int rk_document(const struct rk_suite *s, const char *method, const char *kind, const char *verb,
                const char *id, const char *body, char **answer)
{
    return tk_http(s->store_port, method, tk_text("/%s%s/%s/%s", s->prefix, kind, verb, id), body,
                   answer);
}
