/* SPDX-License-Identifier: BSD-3-Clause */
#include "registry.h"

#include <stdlib.h>

#include "K8stars.h"
#include "Notify.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "k8stars/file.h"
#include "k8stars/lookup.h"
#include "loop/loop.h"

enum {
    TIMEOUT_MS = 1000,
    TELL_PAUSE_MS = 3000,
    TELL_PATIENCE_MS = 100000,
    TOLD_MAX = 16, /* messages that wait for a notify service */
};

static const char registry_object[] = "tars.tarsregistry.Registry";

struct call;

struct registry {
    struct loop *loop;
    const struct environment *environment;
    const struct meta *meta;
    struct tars_client *client;
    struct lookup *where, *notify;
    char *token;
    struct call *calls; /* under way */
    struct message *messages;
    size_t message_count;
};

/* ---- calls -------------------------------------------------------------------------------------
 */

/* One call on its way: it is found out where to, then made. */
struct call {
    struct call *next, **at;
    struct registry *registry; /* NULL: nobody waits any more */
    void (*make)(struct call *call, struct tars_proxy *proxy);
    const char *state;
    registry_done *done;
    void *user;
    bool sent; /* on the wire: the client answers it at its end */
};

static void finish(struct call *call, enum registry_outcome outcome, const char *text)
{
    if (call->registry) {
        *call->at = call->next;
        if (call->next)
            call->next->at = call->at;
        call->done(call->user, outcome, text);
    }
    free(call);
}

static void on_result(void *user, const struct tars_result *result)
{
    bool unknown = result->error == 1 && strstr(result->message, "not registered");

    finish(user,
           result->error == 0 ? REGISTRY_OK
           : unknown          ? REGISTRY_UNKNOWN
                              : REGISTRY_FAILED,
           result->message);
}

static void on_found(void *user, struct tars_proxy *proxy, const char *reason)
{
    struct call *call = user;

    if (!proxy) {
        finish(call, REGISTRY_AWAY, reason);
        return;
    }
    call->sent = true;
    call->make(call, proxy);
}

static void start(struct registry *r, void (*make)(struct call *call, struct tars_proxy *proxy),
                  const char *state, registry_done *done, void *user)
{
    struct call *call = xcalloc(1, sizeof *call);

    *call = (struct call){r->calls, &r->calls, r, make, state, done, user, false};
    if (call->next)
        call->next->at = &call->next;
    r->calls = call;
    lookup_ask(r->where, on_found, call);
}

enum { CONTEXT_MAX = 3 };

/* The token, that we register again when told to, and the type, which no request has a field for.
 */
static struct tars_call_options options_of(const struct registry *r,
                                           struct tars_str_pair pairs[CONTEXT_MAX],
                                           struct tars_str_map *context)
{
    *context = (struct tars_str_map){1, pairs};
    pairs[0] = (struct tars_str_pair){tars_str("reregister"), tars_str("1")};
    if (*r->meta->server_type)
        pairs[context->len++] = (struct tars_str_pair){tars_str("server_type"),
                                                       tars_str(r->meta->server_type)};
    if (r->token)
        pairs[context->len++] = (struct tars_str_pair){tars_str("tars_token"), tars_str(r->token)};
    return (struct tars_call_options){.timeout_ms = TIMEOUT_MS, .context = context};
}

static void fill_adapters(const struct meta *meta, struct tars_arena *arena,
                          struct k8stars_adapter_conf_list *list)
{
    list->len = meta->adapter_count;
    list->at = tars_arena_alloc(arena, (list->len + 1) * sizeof *list->at);
    for (size_t i = 0; i < list->len; i++) {
        const struct meta_adapter *from = &meta->adapters[i];

        list->at[i] = (struct k8stars_adapter_conf){
            .servant = tars_str(tars_arena_printf(arena, "%s.%s.%s", meta->application,
                                                  meta->server, from->object)),
            .endpoint = tars_str(from->endpoint),
            .protocol = tars_str(from->protocol),
            .max_conns = from->maxconns,
            .thread_num = from->threads,
            .queue_cap = from->queuecap,
            .queue_timeout = from->queuetimeout,
        };
    }
}

static void make_startup(struct call *call, struct tars_proxy *proxy)
{
    const struct registry *r = call->registry;
    struct tars_arena *arena = tars_arena_new(0);
    struct tars_str_pair pairs[CONTEXT_MAX];
    struct tars_str_map context;
    struct tars_call_options options = options_of(r, pairs, &context);
    struct k8stars_on_startup_req req;

    k8stars_on_startup_req_init(&req);
    req.node_name = tars_str(r->meta->local_ip);
    req.application = tars_str(r->meta->application);
    req.server = tars_str(r->meta->server);
    req.set_id = tars_str(r->meta->set_id);
    req.disable_flow = r->environment->disable_flow != NULL;
    req.state = tars_str(call->state);
    req.version = tars_str(r->environment->version);
    fill_adapters(r->meta, arena, &req.adapters);
    k8stars_tarsregistry_on_startup_async_with(proxy, &options, &req, on_result, call);
    tars_arena_free(arena);
}

static void make_keep_alive(struct call *call, struct tars_proxy *proxy)
{
    const struct meta *meta = call->registry->meta;
    struct tars_str_pair pairs[CONTEXT_MAX];
    struct tars_str_map context;
    struct tars_call_options options = options_of(call->registry, pairs, &context);
    struct k8stars_keep_alive_req req;

    k8stars_keep_alive_req_init(&req);
    req.node_name = tars_str(meta->local_ip);
    req.state = tars_str(call->state);
    req.application = tars_str(meta->application);
    req.server = tars_str(meta->server);
    k8stars_tarsregistry_keep_alive_async_with(proxy, &options, &req, on_result, call);
}

static void make_prestop(struct call *call, struct tars_proxy *proxy)
{
    const struct meta *meta = call->registry->meta;
    struct tars_str_pair pairs[CONTEXT_MAX];
    struct tars_str_map context;
    struct tars_call_options options = options_of(call->registry, pairs, &context);
    struct k8stars_on_prestop_req req;

    k8stars_on_prestop_req_init(&req);
    req.node_name = tars_str(meta->local_ip);
    req.application = tars_str(meta->application);
    req.server = tars_str(meta->server);
    k8stars_tarsregistry_on_prestop_async_with(proxy, &options, &req, on_result, call);
}

void registry_startup(struct registry *r, const char *state, registry_done *done, void *user)
{
    start(r, make_startup, state, done, user);
}

void registry_keep_alive(struct registry *r, const char *state, registry_done *done, void *user)
{
    start(r, make_keep_alive, state, done, user);
}

void registry_prestop(struct registry *r, registry_done *done, void *user)
{
    start(r, make_prestop, "", done, user);
}

/* ---- messages ----------------------------------------------------------------------------------
 */

struct message {
    struct message *next, **at;
    struct registry *registry; /* NULL: given up */
    struct loop_timer pause;
    int64_t born;
    char *text;
    bool sent;
};

static void message_free(struct message *m)
{
    struct registry *r = m->registry;

    if (r) {
        *m->at = m->next;
        if (m->next)
            m->next->at = m->at;
        r->message_count--;
        loop_timer_clear(r->loop, &m->pause);
    }
    free(m->text);
    free(m);
}

static void send_message(struct loop_timer *timer);

static void on_told(void *user, const struct tars_result *result)
{
    struct message *m = user;

    m->sent = false;
    if (result->error && m->registry && clock_ms() - m->born < TELL_PATIENCE_MS)
        loop_timer_set(m->registry->loop, &m->pause, TELL_PAUSE_MS, send_message);
    else
        message_free(m);
}

static void on_notify_found(void *user, struct tars_proxy *proxy, const char *reason)
{
    struct message *m = user;
    struct tars_call_options options = {.timeout_ms = TIMEOUT_MS};
    struct tarsf_report_info info;

    (void)reason;
    if (!proxy) { /* a suite without notify service */
        message_free(m);
        return;
    }
    tarsf_report_info_init(&info);
    info.e_type = TARSF_REPORT_TYPE_REPORT;
    info.s_app = tars_str(m->registry->meta->application);
    info.s_server = tars_str(m->registry->meta->server);
    info.s_set = tars_str(m->registry->meta->set_id);
    info.s_message = tars_str(m->text);
    info.e_level = TARSF_NOTIFYLEVEL_NOTIFYERROR;
    m->sent = true;
    tarsf_notify_report_notify_info_async_with(proxy, &options, &info, on_told, m);
}

static void send_message(struct loop_timer *timer)
{
    struct message *m = loop_container(timer, struct message, pause);

    lookup_ask(m->registry->notify, on_notify_found, m);
}

void registry_tell(struct registry *r, const char *text)
{
    struct message *m;

    if (r->message_count == TOLD_MAX)
        return;
    m = xcalloc(1, sizeof *m);
    m->next = r->messages;
    m->at = &r->messages;
    m->registry = r;
    m->born = clock_ms();
    m->text = xstrdup(text);
    if (m->next)
        m->next->at = &m->next;
    r->messages = m;
    r->message_count++;
    send_message(&m->pause);
}

/* ---- life ---------------------------------------------------------------------------------------
 */

/* The first line of the file. */
static bool read_token(struct registry *r, const char *path, struct tars_error *error)
{
    size_t len;

    if (!path)
        return true;
    r->token = file_read(path, &len, error);
    if (!r->token)
        return tars_fail_prefix(error, "TARS_REGISTRY_TOKEN_FILE: ");
    r->token[strcspn(r->token, "\r\n")] = '\0';
    return *r->token ||
           tars_fail(error, 1, "TARS_REGISTRY_TOKEN_FILE: %s begins with an empty line", path);
}

struct registry *registry_new(struct loop *loop, const struct environment *environment,
                              const struct meta *meta, struct tars_error *error)
{
    struct registry *r = xcalloc(1, sizeof *r);

    r->loop = loop;
    r->environment = environment;
    r->meta = meta;
    if (!read_token(r, environment->token_file, error)) {
        free(r->token);
        free(r);
        return NULL;
    }
    r->client = tars_client_new_on(loop_base(loop), meta->locator);
    r->where = lookup_new(loop, r->client, environment, meta->locator, registry_object);
    r->notify = lookup_new(loop, r->client, environment, meta->locator, meta->notify);
    return r;
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    for (struct message *m = r->messages, *next; m; m = next) {
        next = m->next;
        if (m->sent)
            m->registry = NULL;
        else
            message_free(m);
    }
    for (struct call *c = r->calls, *next; c; c = next) {
        next = c->next;
        c->registry = NULL;
        if (!c->sent)
            free(c);
    }
    lookup_free(r->where);
    lookup_free(r->notify);
    tars_client_free(r->client);
    free(r->token);
    free(r);
}

void registry_update(struct registry *r, const struct meta *meta)
{
    r->meta = meta;
}

struct tars_proxy *registry_admin(struct registry *r)
{
    char *object = xasprintf("AdminObj@%s", r->meta->local);
    struct tars_proxy *proxy = tars_proxy_get(r->client, object);

    free(object);
    return proxy;
}

struct tars_client *registry_client(struct registry *r)
{
    return r->client;
}

struct tars_proxy *registry_locator(struct registry *r)
{
    return tars_proxy_get(r->client, r->meta->locator);
}
