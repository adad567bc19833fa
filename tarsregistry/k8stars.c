/* SPDX-License-Identifier: BSD-3-Clause */
#include "k8stars.h"

#include <stdlib.h>

#include <tars/server.h>

#include "K8stars.h"
#include "base/log.h"
#include "registrations.h"
#include "reports.h"
#include "scrape.h"

/* The protocol has one code for all failures; the text says which. */
enum { FAILED = 1, TOLD_STRANGERS = 10 /* lines about calls without a token, then no more */ };
enum { DEFAULT_METRICS_PORT = 9325, DEFAULT_TIMEOUT_MS = 3000, LIMIT_MS = 60 * 1000 };

/* A call on its way through the registry's loop; lies in the call's own memory. */
struct errand {
    struct loop_job job;
    struct registry *registry;
    struct tars_later *later;
    void (*reply)(struct tars_later *later); /* of the call's function: done */
    int timeout_ms;
    struct registration registration;
    struct keep_alive report;
    int32_t metrics_port;
};

static void answer(struct errand *errand, const struct tars_error *error)
{
    if (error)
        tars_reply_error(errand->later, FAILED, "%s", error->text);
    else
        errand->reply(errand->later);
}

static void on_done(void *user, const struct tars_error *error)
{
    answer(user, error);
}

/* NULL, and the call has failed, when it is larger than calls may be. */
static struct errand *errand_new(struct tars_call *call)
{
    struct errand *errand = tars_call_alloc(call, sizeof *errand);
    if (!errand) {
        tars_call_fail(call, FAILED, "the request is too large");
        return NULL;
    }
    int32_t deadline = tars_call_deadline_ms(call);
    errand->registry = tars_call_self(call);
    errand->timeout_ms = deadline <= 0 || deadline > LIMIT_MS ? DEFAULT_TIMEOUT_MS : deadline;
    return errand;
}

static void errand_send(struct tars_call *call, struct errand *errand,
                        void (*run)(struct loop_job *job), void (*reply)(struct tars_later *later))
{
    errand->later = tars_call_later(call);
    errand->reply = reply;
    errand->job.run = run;
    loop_post(errand->registry->loop, &errand->job);
}

/* False, and the call has failed, when its caller may not change anything. */
static bool authorized(struct tars_call *call, struct registry *r, const char *what)
{
    struct tars_str token = tars_call_context(call, "tars_token"), peer = tars_call_peer(call);
    if (daemon_auth_allows(r->settings.auth, token))
        return true;
    if (atomic_fetch_add(&r->counters.unauthorized, 1) < TOLD_STRANGERS)
        log_warn("registry", "%s of %" TARS_STR_FMT " is refused: it has no valid token", what,
                 TARS_STR_ARG(peer));
    tars_call_fail(call, FAILED, "%s error: %s", what,
                   token.len ? "the context tars_token is none of this registry's tokens"
                             : "this registry wants one of its tokens as context tars_token");
    return false;
}

/* ---- onStartup
 * ---------------------------------------------------------------------------------------- */

static bool is_gone(const void *user)
{
    return tars_later_expired(((const struct errand *)user)->later);
}

static void run_startup(struct loop_job *job)
{
    struct errand *e = loop_container(job, struct errand, job);
    registrations_add(e->registry, &e->registration, on_done, e);
}

/* K8STARS: exactly three parts, empty ones counting, make a set; anything else means none. */
static void fill_set(struct record *record, struct tars_str set_id)
{
    struct tars_str *parts[] = {&record->set_name, &record->set_area, &record->set_group};
    struct tars_str found[3] = {{0}};
    size_t count = 1;
    const char *begin = set_id.at;
    for (size_t i = 0; i < set_id.len; i++) {
        if (set_id.at[i] != '.')
            continue;
        if (count < 3)
            found[count - 1] = tars_str_n(begin, (size_t)(set_id.at + i - begin));
        begin = set_id.at + i + 1;
        count++;
    }
    bool good = set_id.len && count == 3;
    if (good)
        found[2] = tars_str_n(begin, (size_t)(set_id.at + set_id.len - begin));
    for (size_t i = 0; i < 3; i++)
        *parts[i] = good ? found[i] : tars_str("");
    record->enable_set = tars_str(good ? "Y" : "N");
}

static bool fill_adapters(struct tars_call *call, struct record *record,
                          const struct k8stars_adapter_conf_list *list)
{
    record->adapters = tars_call_alloc(call, (list->len + 1) * sizeof *record->adapters);
    for (size_t i = 0; record->adapters && i < list->len; i++) {
        const struct k8stars_adapter_conf *conf = &list->at[i];
        const char *name = tars_arena_printf(tars_call_arena(call), "%" TARS_STR_FMT "Adapter",
                                             TARS_STR_ARG(conf->servant));
        record->adapters[record->adapter_count++] = (struct adapter){
            .adapter_name = tars_str(name),
            .servant = conf->servant,
            .endpoint = conf->endpoint,
            .protocol = conf->protocol.len ? conf->protocol : tars_str("tars"),
            .thread_num = conf->thread_num,
            .max_connections = conf->max_conns,
            .queuecap = conf->queue_cap,
            .queuetimeout = conf->queue_timeout,
        };
    }
    return record->adapters != NULL;
}

static void refuse(struct tars_call *call, struct registry *r, const char *what,
                   const struct tars_error *error)
{
    atomic_fetch_add(&r->counters.refused_registrations, 1);
    tars_call_fail(call, FAILED, "%s error: %s", what, error->text);
}

/* "" is active, as callers leave it out. */
static bool read_state(struct tars_str word, enum present_state *state, struct tars_error *error)
{
    if (!word.len)
        word = tars_str("active");
    return state_parse(word, state) ||
           tars_fail(error, 1,
                     "state \"%" TARS_STR_FMT "\" is none of active, inactive, activating, "
                     "deactivating, destroyed",
                     TARS_STR_ARG(word));
}

static void on_startup(struct tars_call *call, const struct k8stars_on_startup_req *req)
{
    struct tars_error error = {0};
    struct errand *e = errand_new(call);
    if (!e || !authorized(call, e->registry, "RegisterServer"))
        return;
    struct record *record = &e->registration.record;
    *record = (struct record){
        .application = req->application,
        .server_name = req->server,
        .node_name = req->node_name,
        .patch_version = req->version,
        .setting_state = tars_str("active"),
        .flow_state = tars_str(req->disable_flow ? "inactive" : "active"),
    };
    e->registration.server_type = tars_call_context(call, "server_type");
    e->registration.timeout_ms = e->timeout_ms;
    e->registration.gone = is_gone;
    fill_set(record, req->set_id);
    if (!fill_adapters(call, record, &req->adapters))
        tars_fail(&error, 1, "too many adapters");
    else if (read_state(req->state, &e->registration.state, &error))
        registration_check(&e->registration, &error);
    if (*error.text)
        refuse(call, e->registry, "RegisterServer", &error);
    else
        errand_send(call, e, run_startup, k8stars_tarsregistry_on_startup_reply);
}

/* ---- onPrestop
 * ---------------------------------------------------------------------------------------- */

static void run_prestop(struct loop_job *job)
{
    struct errand *e = loop_container(job, struct errand, job);
    const struct record *who = &e->registration.record;
    if (!who->application.len)
        registrations_remove_node(e->registry, who->node_name, e->timeout_ms, on_done, e);
    else
        registrations_remove(e->registry, who->application, who->server_name, who->node_name,
                             e->timeout_ms, on_done, e);
}

/* Both names or neither: with one of them nothing could be found, and nobody would notice. */
static bool check_names(struct tars_str node_name, struct tars_str application,
                        struct tars_str server, struct tars_error *error)
{
    if (!application.len != !server.len)
        return tars_fail(error, 1, "%s is given without %s: give both, or neither for the node",
                         application.len ? "application" : "server",
                         application.len ? "server" : "application");
    return application.len ? registration_check_names(application, server, node_name, error)
                           : registration_check_node(node_name, error);
}

static void on_prestop(struct tars_call *call, const struct k8stars_on_prestop_req *req)
{
    struct tars_error error = {0};
    struct errand *e = errand_new(call);
    if (!e || !authorized(call, e->registry, "RemoveServer"))
        return;
    if (!check_names(req->node_name, req->application, req->server, &error))
        return refuse(call, e->registry, "RemoveServer", &error);
    e->registration.record = (struct record){
        .application = req->application, .server_name = req->server, .node_name = req->node_name};
    errand_send(call, e, run_prestop, k8stars_tarsregistry_on_prestop_reply);
}

/* ---- keepAlive
 * ---------------------------------------------------------------------------------------- */

static void on_kept(void *user, bool known)
{
    struct errand *e = user;
    struct tars_error error;
    tars_fail(&error, 1, "not registered");
    answer(e, known ? NULL : &error);
}

static void run_keep_alive(struct loop_job *job)
{
    struct errand *e = loop_container(job, struct errand, job);
    reports_keep_alive(e->registry, &e->report, on_kept, e);
}

/* K8STARS: with either name empty the report is one of the whole node. */
static void keep_alive(struct tars_call *call, const struct k8stars_keep_alive_req *req)
{
    struct tars_error error = {0};
    struct errand *e = errand_new(call);
    bool whole_node = !req->application.len || !req->server.len;
    struct tars_str application = whole_node ? tars_str("") : req->application;
    struct tars_str server = whole_node ? tars_str("") : req->server;
    if (!e || !authorized(call, e->registry, "KeepAlive"))
        return;
    if (!check_names(req->node_name, application, server, &error) ||
        !read_state(req->state, &e->report.state, &error))
        return refuse(call, e->registry, "KeepAlive", &error);
    e->report.node_name = req->node_name;
    e->report.application = application;
    e->report.server_name = server;
    e->report.wants_to_register = tars_str_is(tars_call_context(call, "reregister"), "1");
    errand_send(call, e, run_keep_alive, k8stars_tarsregistry_keep_alive_reply);
}

/* ---- metrics
 * ------------------------------------------------------------------------------------------ */

static void run_register_metrics(struct loop_job *job)
{
    struct errand *e = loop_container(job, struct errand, job);
    const struct record *who = &e->registration.record;
    registrations_set_metrics(e->registry, who->application, who->server_name, who->node_name,
                              e->metrics_port, e->timeout_ms, on_done, e);
}

static void register_metrics(struct tars_call *call, const struct k8stars_register_metrics_req *req)
{
    struct tars_error error = {0};
    struct errand *e = errand_new(call);
    if (!e || !authorized(call, e->registry, "RegisterMetrics"))
        return;
    if (req->metrics_port < 0 || req->metrics_port > 65535)
        tars_fail(&error, 1, "metricsPort %d is not a port", req->metrics_port);
    else
        registration_check_names(req->application, req->server, req->node_name, &error);
    if (*error.text)
        return refuse(call, e->registry, "RegisterMetrics", &error);
    e->metrics_port = req->metrics_port ? req->metrics_port : DEFAULT_METRICS_PORT;
    e->registration.record = (struct record){
        .application = req->application, .server_name = req->server, .node_name = req->node_name};
    errand_send(call, e, run_register_metrics, k8stars_tarsregistry_register_metrics_reply);
}

static struct tars_str_map labels_of(const struct scrape_group *group, struct tars_arena *arena)
{
    struct tars_str_map labels = {3, tars_arena_alloc(arena, 3 * sizeof(struct tars_str_pair))};
    if (!labels.at)
        return (struct tars_str_map){0, NULL};
    labels.at[0] = (struct tars_str_pair){tars_str("application"), group->application};
    labels.at[1] = (struct tars_str_pair){tars_str("server"), group->server};
    labels.at[2] = (struct tars_str_pair){tars_str("set"), group->set};
    return labels;
}

static void run_get_metrics(struct loop_job *job)
{
    struct errand *e = loop_container(job, struct errand, job);
    struct tars_arena *arena = tars_arena_new(0);
    struct scrape_list found = scrape_collect(e->registry, arena);
    struct k8stars_metrics_adapter_info_list rsp = {0, NULL};
    rsp.at = tars_arena_alloc(arena, (found.len + 1) * sizeof *rsp.at);
    for (size_t i = 0; rsp.at && i < found.len; i++) {
        rsp.at[rsp.len].targets = found.at[i].targets;
        rsp.at[rsp.len++].labels = labels_of(&found.at[i], arena);
    }
    k8stars_tarsregistry_get_metrics_adapters_reply(e->later, &rsp);
    tars_arena_free(arena);
}

static void get_metrics_adapters(struct tars_call *call,
                                 const struct k8stars_get_metrics_adapters_req *req,
                                 struct k8stars_metrics_adapter_info_list *rsp)
{
    (void)req; /* Tars: the filter has no effect */
    (void)rsp;
    struct errand *e = errand_new(call);
    if (e)
        errand_send(call, e, run_get_metrics, NULL);
}

static const struct k8stars_tarsregistry handlers = {
    .on_startup = on_startup,
    .on_prestop = on_prestop,
    .keep_alive = keep_alive,
    .register_metrics = register_metrics,
    .get_metrics_adapters = get_metrics_adapters,
};

void k8stars_serve(struct tars_server *server, struct registry *registry)
{
    k8stars_tarsregistry_serve(server, "Registry", &handlers, registry);
}
