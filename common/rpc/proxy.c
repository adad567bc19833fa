/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/proxy.h"

#include <stdio.h>
#include <stdlib.h>

#include <tars/server.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "rpc/hooks.h"

static void route(struct tars_proxy *p, struct rpc_call *call, int32_t code, const char *reason);

/* ---- the end of a call ---------------------------------------------------------------------- */

static const char *code_text(int32_t code)
{
    static const struct {
        int32_t code;
        const char *text;
    } texts[] = {
        {TARS_RET_DECODE, "the server could not read the request"},
        {TARS_RET_ENCODE, "the server could not write its answer"},
        {TARS_RET_NO_FUNCTION, "the server does not know the function"},
        {TARS_RET_NO_SERVANT, "the server does not know the servant"},
        {TARS_RET_QUEUE_TIMEOUT, "the call waited in the server's queue for too long"},
        {TARS_RET_OVERLOAD, "the server is overloaded"},
        {TARS_RET_INVALID_SET, "the server does not serve callers of this set"},
        {TARS_RET_UNKNOWN, "the servant failed"},
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i].code == code)
            return texts[i].text;
    }
    return "the servant returned an error";
}

/* "calling App.Server.Obj add at tcp -h 10.0.0.1 -p 1: no answer within 3000 ms" */
static void describe(const struct rpc_call *call, int32_t code, struct tars_str reason,
                     struct tars_result *result)
{
    char place[TARS_ENDPOINT_TEXT] = "";

    if (call->node)
        tars_endpoint_print(rpc_node_endpoint(call->node), place, sizeof place);
    snprintf(result->message, sizeof result->message,
             "calling %s %" TARS_STR_FMT "%s%.120s: %" TARS_STR_FMT " (code %d)",
             call->proxy->object, TARS_STR_ARG(call->function), *place ? " at " : "", place,
             TARS_STR_ARG(reason), (int)code);
}

static void count_end(struct rpc_client_counters *counters, int32_t code)
{
    rpc_count(&counters->calls, 1);
    if (code != 0)
        rpc_count(&counters->failed, 1);
    if (code == TARS_RET_TIMEOUT)
        rpc_count(&counters->timeouts, 1);
}

static void report_end(const struct rpc_call *call, int32_t code)
{
    void *report = call->proxy->client->report;
    const struct tars_endpoint *endpoint = call->node ? rpc_node_endpoint(call->node) : NULL;

    if (!report || !rpc_hooks.client_call)
        return;
    rpc_hooks.client_call(
        report, &(struct rpc_client_call){
                    .object = tars_str(call->proxy->object),
                    .function = call->function,
                    .set = tars_str(endpoint && *endpoint->set ? endpoint->set : call->proxy->set),
                    .endpoint = endpoint,
                    .ret = code,
                    .elapsed_ms = (int32_t)((clock_us() - call->started_us) / 1000),
                    .one_way = call->one_way,
                });
}

static void leave_place(struct rpc_call *call)
{
    loop_timer_clear(call->proxy->client->loop, &call->timer);
    if (call->place == RPC_CALL_WAITING)
        TAILQ_REMOVE(&call->proxy->waiting, call, link);
    else if (call->place != RPC_CALL_NOWHERE)
        rpc_connection_forget(call->connection, call);
    call->place = RPC_CALL_NOWHERE;
}

/* Every call ends here, once. */
static void end(struct rpc_call *call, int32_t code, const char *reason,
                const struct rpc_response *response)
{
    struct tars_client *client = call->proxy->client;
    struct tars_result result = {0};
    struct tars_str why = tars_str(reason);
    int32_t given;

    result.error = response ? response->ret : code;
    if (response && result.error)
        why = response->description.len ? response->description : tars_str(code_text(result.error));
    if (result.error)
        describe(call, result.error, why, &result);
    if (response) {
        result.context = &response->context;
        result.status = &response->status;
    }
    given = call->finish(call, &result, response);
    count_end(&client->counters, given);
    report_end(call, given);
    if (call->as_asynchronous)
        atomic_fetch_sub_explicit(&client->under_way, 1, memory_order_relaxed);
    leave_place(call);
    call->release(call);
}

static void on_ended(struct rpc_call *call, int32_t code, const char *reason,
                     const struct rpc_response *response)
{
    int32_t ret = response ? response->ret : code;
    char text[160];

    snprintf(text, sizeof text, "%s", reason ? reason : code_text(ret));
    rpc_node_ended(call->node, call, ret, text, clock_ms());
    end(call, code, reason, response);
}

/* No byte of it left, so it may go to another endpoint; not for ever, though. */
static void on_unsent(struct rpc_call *call, int32_t code, const char *reason)
{
    struct tars_proxy *p = call->proxy;

    if (p->stopped || call->attempts++ > p->count + 1) {
        end(call, code, reason, NULL);
        return;
    }
    rpc_count(&p->client->counters.retried, 1);
    route(p, call, code, reason);
}

static const struct rpc_call_events call_events = {.ended = on_ended, .unsent = on_unsent};

static void on_timeout(struct loop_timer *timer)
{
    struct rpc_call *call = loop_container(timer, struct rpc_call, timer);
    char reason[200];

    if (call->place == RPC_CALL_WAITING)
        snprintf(reason, sizeof reason, "no endpoint became known within %d ms: %.120s",
                 (int)call->timeout_ms, rpc_discovery_problem(call->proxy->discovery));
    else if (call->place == RPC_CALL_QUEUED)
        snprintf(reason, sizeof reason, "could not be sent within %d ms", (int)call->timeout_ms);
    else
        snprintf(reason, sizeof reason, "no answer within %d ms", (int)call->timeout_ms);
    if (call->node)
        rpc_node_ended(call->node, call, TARS_RET_TIMEOUT, reason, clock_ms());
    end(call, TARS_RET_TIMEOUT, reason, NULL);
}

/* ---- choosing an endpoint ------------------------------------------------------------------- */

struct choice {
    const struct tars_proxy *proxy;
    int64_t now_ms;
};

static bool is_usable(const void *user, size_t position)
{
    const struct choice *choice = user;

    return rpc_node_usable(choice->proxy->nodes[position], choice->now_ms);
}

static bool is_reachable(const void *user, size_t position)
{
    const struct choice *choice = user;

    return rpc_node_reachable(choice->proxy->nodes[position], choice->now_ms);
}

static void explain_none(const struct tars_proxy *p, char *text, size_t size)
{
    size_t len = (size_t)snprintf(text, size, "no usable endpoint:");

    for (size_t i = 0; i < p->count && len + 1 < size; i++) {
        char one[400];

        rpc_node_explain(p->nodes[i], one, sizeof one);
        len += (size_t)snprintf(text + len, size - len, "%s %s", i ? ";" : "", one);
    }
}

/*
 * Chooses and sends. When all endpoints are put aside, one that can be reached is tried all the
 * same: there is nothing to lose. `code` and `reason` are why it comes here again, or 0.
 */
static void route(struct tars_proxy *p, struct rpc_call *call, int32_t code, const char *reason)
{
    struct choice choice = {p, clock_ms()};
    char none[640];
    int position = rpc_balance_pick(p->balance, call->routing, call->hash, is_usable, &choice);

    if (position == RPC_BALANCE_NONE)
        position = rpc_balance_pick(p->balance, call->routing, call->hash, is_reachable, &choice);
    if (position == RPC_BALANCE_NONE && code) {
        end(call, code, reason, NULL);
        return;
    }
    if (position == RPC_BALANCE_NONE) {
        explain_none(p, none, sizeof none);
        end(call, TARS_RET_NO_ENDPOINT, none, NULL);
        return;
    }
    if (!rpc_node_send(p->nodes[position], call, choice.now_ms))
        end(call, TARS_RET_SEND, "too many calls wait to be sent to it already", NULL);
}

void rpc_proxy_take(struct rpc_call *call)
{
    struct tars_proxy *p = call->proxy;
    int64_t waited_ms = (clock_us() - call->started_us) / 1000;

    call->events = &call_events;
    if (call->early_code) {
        end(call, call->early_code, call->early_reason, NULL);
        return;
    }
    if (p->stopped) {
        end(call, TARS_RET_CONNECT, "the client is being closed", NULL);
        return;
    }
    loop_timer_set(p->client->loop, &call->timer, call->timeout_ms - waited_ms, on_timeout);
    if (p->balance) {
        route(p, call, 0, NULL);
        return;
    }
    if (rpc_discovery_is_hopeless(p->discovery)) {
        end(call, TARS_RET_NO_ENDPOINT, rpc_discovery_problem(p->discovery), NULL);
        return;
    }
    call->place = RPC_CALL_WAITING;
    TAILQ_INSERT_TAIL(&p->waiting, call, link);
}

/* ---- endpoints ------------------------------------------------------------------------------ */

static void make_tls(struct tars_proxy *p)
{
    const struct tars_client *client = p->client;
    const char *verify = rpc_client_object_setting(client, p->object, "verifyserver");
    const struct rpc_tls_options options = {
        .ca = rpc_client_object_setting(client, p->object, "ca"),
        .cert = rpc_client_object_setting(client, p->object, "cert"),
        .key = rpc_client_object_setting(client, p->object, "key"),
        .ciphers = rpc_client_object_setting(client, p->object, "ciphers"),
        .verify_peer = *verify ? strcmp(verify, "0") != 0 : true,
    };
    struct tars_error error = {0};

    if (p->setup.connection.tls)
        return;
    p->setup.connection.tls = rpc_tls_client(&options, &error);
    snprintf(p->tls_error, sizeof p->tls_error, "TLS is not set up: %.280s", error.text);
}

static struct rpc_node *find_node(const struct tars_proxy *p, const struct tars_endpoint *endpoint)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct tars_endpoint *known = p->nodes[i] ? rpc_node_endpoint(p->nodes[i]) : NULL;

        if (known && known->auth == endpoint->auth && tars_endpoint_same_place(known, endpoint))
            return p->nodes[i];
    }
    return NULL;
}

/* The node that is there already, taken out of the old list, or a new one. */
static struct rpc_node *keep_or_make(struct tars_proxy *p, const struct tars_endpoint *endpoint)
{
    struct rpc_node *node = find_node(p, endpoint);

    if (!node)
        return rpc_node_new(&p->setup, endpoint);
    rpc_node_update(node, endpoint);
    for (size_t i = 0; i < p->count; i++) {
        if (p->nodes[i] == node)
            p->nodes[i] = NULL;
    }
    return node;
}

static void publish(struct tars_proxy *p, const struct tars_endpoint *endpoints, size_t count)
{
    struct tars_endpoint *copy = xcalloc(count + 1, sizeof *copy);

    memcpy(copy, endpoints, count * sizeof *copy);
    pthread_mutex_lock(&p->lock);
    free(p->endpoints);
    p->endpoints = copy;
    p->endpoint_count = count;
    pthread_mutex_unlock(&p->lock);
}

static void replace_nodes(struct tars_proxy *p, const struct tars_endpoint *endpoints, size_t count)
{
    struct rpc_node **nodes = xcalloc(count + 1, sizeof(struct rpc_node *));
    struct rpc_node **old = p->nodes;
    size_t old_count = p->count;

    for (size_t i = 0; i < count; i++) {
        if (endpoints[i].transport == TARS_SSL)
            make_tls(p);
        nodes[i] = keep_or_make(p, &endpoints[i]);
    }
    p->nodes = nodes;
    p->count = count;
    rpc_balance_free(p->balance);
    p->balance = rpc_balance_new(endpoints, count, (uint32_t)hash_seed() ^ (uint32_t)clock_us());
    for (size_t i = 0; i < old_count; i++) {
        if (old[i])
            rpc_node_retire(old[i]);
    }
    free(old);
}

static void take_waiting(struct tars_proxy *p)
{
    struct rpc_call *call;

    while (p->balance && (call = TAILQ_FIRST(&p->waiting))) {
        TAILQ_REMOVE(&p->waiting, call, link);
        call->place = RPC_CALL_NOWHERE;
        route(p, call, 0, NULL);
    }
}

/* The same endpoint twice would be two nodes: only the first counts. */
static size_t without_doubles(struct tars_endpoint *list, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        bool seen = false;

        for (size_t k = 0; k < kept && !seen; k++)
            seen = tars_endpoint_same_place(&list[k], &list[i]);
        if (!seen)
            list[kept++] = list[i];
    }
    return kept;
}

/* Most refreshes bring no news; turns and weights then go on where they are. */
static bool is_known(const struct tars_proxy *p, const struct tars_endpoint *list, size_t count)
{
    return count == p->endpoint_count && memcmp(list, p->endpoints, count * sizeof *list) == 0;
}

static void on_endpoints(void *user, const struct tars_endpoint *endpoints, size_t count)
{
    struct tars_proxy *p = user;
    struct tars_endpoint *list = xcalloc(count + 1, sizeof *list);

    if (count)
        memcpy(list, endpoints, count * sizeof *list);
    count = without_doubles(list, count);
    if (!p->balance || !is_known(p, list, count)) {
        replace_nodes(p, list, count);
        publish(p, list, count);
    }
    free(list);
    take_waiting(p);
}

static void end_waiting(struct tars_proxy *p, int32_t code, const char *reason)
{
    struct rpc_call *call;

    while ((call = TAILQ_FIRST(&p->waiting)))
        end(call, code, reason, NULL);
}

static void on_hopeless(void *user, const char *reason)
{
    end_waiting(user, TARS_RET_NO_ENDPOINT, reason);
}

static const struct rpc_discovery_events discovery_events = {
    .changed = on_endpoints,
    .hopeless = on_hopeless,
};

/* ---- pushes --------------------------------------------------------------------------------- */

/* Tars protocol: the status of a push names its function. */
static void on_pushed(void *user, const struct rpc_response *push)
{
    const struct tars_proxy *p = user;
    const struct tars_str *function = tars_str_map_get(&push->status, RPC_STATUS_PUSH_FUNC);

    if (p->on_push)
        p->on_push(p->push_user, function ? *function : tars_str(NULL), push->body);
}

/* ---- life ----------------------------------------------------------------------------------- */

static bool parse_name(struct tars_proxy *p, struct tars_error *error)
{
    struct tars_object object;

    if (!tars_object_parse(tars_str(p->text), &object, error)) {
        p->object = xstrdup(p->text);
        return false;
    }
    p->object = xstrndup(object.name.at, object.name.len);
    p->direct = object.endpoints.len > 0;
    p->framework = strncmp(p->object, "tars.", 5) == 0 &&
                   strncmp(p->object, "tars.tarsnode.", 14) != 0;
    return true;
}

struct tars_proxy *rpc_proxy_new(struct tars_client *client, const char *text)
{
    struct tars_proxy *p = xcalloc(1, sizeof *p);

    p->client = client;
    p->text = xstrdup(text);
    p->start_job.run = rpc_proxy_start;
    TAILQ_INIT(&p->waiting);
    LIST_INIT(&p->setup.all);
    pthread_mutex_init(&p->lock, NULL);
    parse_name(p, &p->invalid);
    return p;
}

void rpc_proxy_free(struct tars_proxy *p)
{
    rpc_balance_free(p->balance);
    rpc_tls_context_free(p->setup.connection.tls);
    pthread_mutex_destroy(&p->lock);
    free(p->nodes);
    free(p->endpoints);
    free(p->set);
    free(p->object);
    free(p->text);
    free(p);
}

static void make_setup(struct tars_proxy *p)
{
    struct tars_client *client = p->client;

    p->setup.conf = &client->conf;
    p->setup.object = p->object;
    p->setup.pushed = on_pushed;
    p->setup.user = p;
    p->setup.connection = (struct rpc_connection_setup){
        .loop = client->loop,
        .resolver = client->resolver,
        .scratch = client->scratch,
        .counters = &client->counters,
        .connect_timeout_ms = client->conf.connect_timeout_ms,
        .send_queue_limit = client->conf.send_queue_limit,
        .response_limit = (size_t)client->conf.response_limit,
        .tls_error = p->tls_error,
        .auth =
            {
                .object = tars_str(p->object),
                .access_key = tars_str(rpc_client_object_setting(client, p->object, "accesskey")),
                .secret_key = tars_str(rpc_client_object_setting(client, p->object, "secretkey")),
            },
    };
}

static void start_direct(struct tars_proxy *p)
{
    struct tars_str list = tars_str(strchr(p->text, '@') + 1), one;
    struct tars_endpoint *endpoints = NULL;
    size_t count = 0;

    while (tars_endpoint_next(&list, &one)) {
        endpoints = xrealloc(endpoints, (count + 1) * sizeof *endpoints);
        if (tars_endpoint_parse(one, &endpoints[count], NULL))
            count++;
    }
    on_endpoints(p, endpoints, count);
    free(endpoints);
}

void rpc_proxy_start(struct loop_job *job)
{
    struct tars_proxy *p = loop_container(job, struct tars_proxy, start_job);

    if (p->invalid.code || p->client->life != RPC_CLIENT_OPEN) {
        p->stopped = p->client->life != RPC_CLIENT_OPEN;
        return;
    }
    make_setup(p);
    if (p->direct)
        start_direct(p);
    else
        p->discovery = rpc_discovery_new(p->client, p->object, p->set, &discovery_events, p);
}

void rpc_proxy_stop(struct tars_proxy *p)
{
    struct rpc_node *node;

    p->stopped = true;
    rpc_discovery_free(p->discovery);
    p->discovery = NULL;
    end_waiting(p, TARS_RET_CONNECT, "the client is being closed");
    while ((node = LIST_FIRST(&p->setup.all)))
        rpc_node_free(node, "the client is being closed");
    p->count = 0;
}

/* ---- keeping connections alive -------------------------------------------------------------- */

static void on_ping(void *user, const struct tars_result *result, struct tars_str body)
{
    struct tars_proxy *p = user;

    (void)body;
    if (result->error == TARS_RET_NO_FUNCTION || result->error == TARS_RET_NO_SERVANT)
        p->no_ping = true;
}

/* Tars protocol: a ping is an ordinary call of tars_ping; a server that does not know it is left
 * alone, and so is the framework. */
void rpc_proxy_keep_alive(struct tars_proxy *p, int32_t idle_ms)
{
    static const struct tars_call_options options = {.timeout_ms = 5000};
    int64_t now = clock_us();

    if (p->no_ping || p->stopped || strncmp(p->object, "tars.", 5) == 0)
        return;
    for (size_t i = 0; i < p->count; i++) {
        if (rpc_node_idle(p->nodes[i], now, (int64_t)idle_ms * 1000))
            tars_proxy_call_raw(p, "tars_ping", tars_str(NULL), &options, on_ping, p);
    }
}

/* ---- another set ---------------------------------------------------------------------------- */

void rpc_proxy_use_set(struct tars_proxy *p, char *set)
{
    free(p->set);
    p->set = set;
    if (!p->discovery || p->stopped)
        return;
    rpc_discovery_free(p->discovery);
    for (size_t i = 0; i < p->count; i++)
        rpc_node_retire(p->nodes[i]);
    p->count = 0;
    rpc_balance_free(p->balance);
    p->balance = NULL;
    p->discovery = rpc_discovery_new(p->client, p->object, p->set, &discovery_events, p);
}

void rpc_proxy_ask_anew(struct tars_proxy *p)
{
    if (p->discovery && !p->stopped)
        rpc_discovery_ask_anew(p->discovery);
}

void rpc_proxy_hurry(struct tars_proxy *p)
{
    if (p->discovery && !p->stopped)
        rpc_discovery_hurry(p->discovery);
}

const char *rpc_proxy_reference(const struct tars_proxy *p)
{
    return p->text;
}
