/* SPDX-License-Identifier: BSD-3-Clause */
#include "registrations.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "es/bulk.h"
#include "intake.h"
#include "reports.h"
#include "turns.h"

enum { ANSWER_MARGIN_MS = 50, CHANGES_AT_ONCE = 64 /* twice the connections to the store */ };

/* ---- one change of the store, in steps
 * ------------------------------------------------------------ */

struct change {
    struct turn turn;      /* at its instance, with those that want the same */
    struct turn node_turn; /* at its node's document, with all that do */
    struct registry *registry;
    struct registration registration;
    void (*run)(struct change *change);
    const char *what; /* is done, for messages: "RegisterServer" */
    char *id, *node_id;
    int64_t deadline; /* monotonic */
    cJSON *server;    /* the document as it was written last */
    cJSON *state;
    struct es_version server_at;
    int32_t metrics_port;
    registration_done done;
    void *user;
};

static struct change *change_of(const struct turn *turn)
{
    return loop_container(turn, struct change, turn);
}

static struct change *change_new(struct registry *r, const struct registration *registration,
                                 const char *what, void (*run)(struct change *change),
                                 registration_done done, void *user)
{
    struct change *c = xcalloc(1, sizeof *c);
    const struct record *record = &registration->record;
    c->registry = r;
    c->registration = *registration;
    c->what = what;
    c->run = run;
    c->id = document_server_id(record->application, record->server_name, record->node_name);
    c->node_id = document_node_id(record->node_name);
    c->deadline = clock_ms() + registration->timeout_ms - ANSWER_MARGIN_MS;
    c->done = done;
    c->user = user;
    return c;
}

static int time_left(const struct change *c)
{
    int64_t left = c->deadline - clock_ms();
    return left > 1 ? (int)left : 1;
}

static void change_free(struct change *c)
{
    cJSON_Delete(c->server);
    cJSON_Delete(c->state);
    free(c->id);
    free(c->node_id);
    free(c);
}

static void change_answer(struct change *c, _Atomic uint64_t *counter,
                          const struct tars_error *error)
{
    if (error)
        counter = &c->registry->counters.failed_registrations;
    if (counter)
        atomic_fetch_add(counter, 1);
    c->done(c->user, error);
}

/* All that shared the turn have the same answer; `counter` (may be NULL) is that of success. */
static void change_end(struct change *c, _Atomic uint64_t *counter, const struct tars_error *error)
{
    struct turns *turns = c->registry->changes;
    for (struct turn *shared = c->turn.shared; shared;) {
        struct change *other = change_of(shared);
        shared = shared->next;
        change_answer(other, counter, error);
        change_free(other);
    }
    change_answer(c, counter, error);
    turns_end(turns, &c->turn);
    change_free(c);
}

/* ---- one change of an instance at a time
 * ------------------------------------------------------------ */

/* As long as any of those waits for whom it acts. */
static void extend_deadline(struct change *c, const struct change *other)
{
    if (other->deadline > c->deadline)
        c->deadline = other->deadline;
}

static void on_turn(struct turn *turn)
{
    struct change *c = change_of(turn);
    for (const struct turn *other = turn->shared; other; other = other->next)
        extend_deadline(c, change_of(other));
    c->run(c);
}

static void fail_late(const struct change *c, struct tars_error *error)
{
    tars_fail(error, ES_UNREACHABLE, "%s error: %s is not stored: %s; repeat", c->what, c->id,
              c->registry->stopping ? "the registry stops" : "no time was left when its turn came");
}

static bool is_late(const struct change *c)
{
    return c->registry->stopping || clock_ms() > c->deadline;
}

static void on_dropped(struct turn *turn)
{
    struct change *c = change_of(turn);
    struct tars_error error;
    fail_late(c, &error);
    change_answer(c, NULL, &error);
    change_free(c);
}

/* Who leaves may be gone before it is done; a registration is for somebody who is there. */
static bool is_unwanted(const struct turn *turn)
{
    const struct change *c = change_of(turn);
    const struct registration *registration = &c->registration;
    return is_late(c) || (registration->gone && registration->gone(c->user));
}

static bool want_the_same(const struct turn *a, const struct turn *b)
{
    const struct change *one = change_of(a), *other = change_of(b);
    return one->run == other->run && one->metrics_port == other->metrics_port &&
           one->registration.state == other->registration.state &&
           tars_str_equal(one->registration.server_type, other->registration.server_type) &&
           record_equal(&one->registration.record, &other->registration.record);
}

struct turns *registrations_turns_new(struct registry *r)
{
    static const struct turn_rules rules = {CHANGES_AT_ONCE, on_turn, on_dropped, is_unwanted,
                                            want_the_same};
    return turns_new(r->loop, &rules);
}

static void change_begin(struct change *c)
{
    turns_take(c->registry->changes, tars_str(c->id), &c->turn);
}

/* False when the step failed; then the change has ended. */
static bool step_went_well(struct change *c, const char *what, const struct es_result *result)
{
    struct tars_error error = result->error;
    if (result->status == ES_OK || result->status == ES_MISSING)
        return true;
    if (result->status == ES_CONFLICT)
        atomic_fetch_add(&c->registry->counters.conflicts, 1);
    tars_fail_prefix(&error, "%s error: %s is not stored: ", what, c->id);
    change_end(c, NULL, &error);
    return false;
}

/* False when the store is known to be away: the caller need not wait for that. */
static bool store_is_here(struct change *c, const char *what)
{
    struct tars_error error;
    if (registry_store_here(c->registry))
        return true;
    tars_fail(&error, ES_UNREACHABLE, "%s error: %s is not stored: the store is away (%s); repeat",
              what, c->id, store_problem(c->registry->store));
    change_end(c, NULL, &error);
    return false;
}

static const char *index_of(const struct change *c, enum document_kind kind)
{
    return store_index(c->registry->store, kind);
}

/* ---- onStartup: node, then configuration, then state
 * ----------------------------------------------- */

static void add_defaults(cJSON *doc)
{
    static const struct {
        const char *field, *value;
    } texts[] = {{"server_type", "tars_cpp"}, {"origin", "tarscli"}, {"enable_group", "N"},
                 {"ip_group_name", ""},       {"template_name", ""}, {"run_type", ""}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        document_set_text(doc, texts[i].field, tars_str(texts[i].value));
    document_set_number(doc, "bak_flag", 0);
    document_set_number(doc, "metrics_port", 0);
    document_set_number(doc, "created_at", clock_wall_ms());
}

/* What the instance does not know about itself (groups, backup, port of metrics) stays stored. */
static cJSON *modify_server(void *user, const cJSON *source)
{
    struct change *c = user;
    struct record record = c->registration.record;
    cJSON *doc = source ? cJSON_Duplicate(source, true) : cJSON_CreateObject();
    int64_t now = clock_wall_ms();
    if (!source)
        add_defaults(doc);
    if (c->registration.server_type.len)
        document_set_text(doc, "server_type", c->registration.server_type);
    record.setting_state = tars_str("active");
    record.enable_group = document_text(doc, "enable_group");
    record.ip_group_name = document_text(doc, "ip_group_name");
    record.bak_flag = (int32_t)document_number(doc, "bak_flag", 0);
    record.metrics_port = (int32_t)document_number(doc, "metrics_port", 0);
    /* the record's slices point into the document that is being changed */
    struct record *copy = record_copy(&record);
    document_write_server(doc, copy);
    free(copy);
    document_set_number(doc, "patch_time", now);
    document_set_number(doc, "posttime", now);
    document_stamp(doc, c->id, c->registry->name, now);
    cJSON_Delete(c->server);
    c->server = cJSON_Duplicate(doc, true);
    return doc;
}

static cJSON *modify_node(void *user, const cJSON *source)
{
    struct change *c = user;
    struct tars_str node = c->registration.record.node_name;
    int64_t now = clock_wall_ms();
    cJSON *doc = source ? cJSON_Duplicate(source, true) : cJSON_CreateObject();
    if (!source) {
        char *object = xasprintf("tars.tarsnode.NodeObj@tcp -h %" TARS_STR_FMT " -p 0",
                                 TARS_STR_ARG(node));
        document_set_text(doc, "node_name", node);
        document_set_text(doc, "node_obj", tars_str(object));
        document_set_text(doc, "endpoint_ip", node);
        document_set_number(doc, "endpoint_port", 0);
        document_set_text(doc, "kind", tars_str("tarscli"));
        document_set_text(doc, "setting_state", tars_str("active"));
        document_set_number(doc, "last_reg_time", now);
        free(object);
    }
    document_set_text(doc, "present_state", tars_str("active"));
    document_set_number(doc, "last_heartbeat", now);
    document_stamp(doc, c->node_id, c->registry->name, now);
    return doc;
}

static void on_state_added(void *user, const struct es_result *result)
{
    struct change *c = user;
    struct registry *r = c->registry;
    if (!step_went_well(c, "RegisterServer", result))
        return;
    struct es_version state_at = result->doc.version;
    intake_written(r, DOCUMENT_SERVER, c->id, c->server, c->server_at);
    struct instance *i = table_find(r->table, tars_str(c->id));
    if (i && i->record) {
        i->state_dirty = false;
        i->reports = (struct reports){
            .expected = true, .ours = true, .last = clock_ms(), .heard = clock_ms()};
        i->reporter = r->name;
        intake_written(r, DOCUMENT_STATE, c->id, c->state, state_at);
    }
    r->changed = true;
    change_end(c, &r->counters.registrations, NULL);
}

static void on_server_added(void *user, const struct es_result *result)
{
    struct change *c = user;
    if (!step_went_well(c, "RegisterServer", result))
        return;
    int64_t now = clock_wall_ms();
    struct state_document state = {.present = c->registration.state,
                                   .since = now,
                                   .reported = true,
                                   .reported_to = c->registry->name};
    c->server_at = result->doc.version;
    c->state = cJSON_CreateObject();
    document_stamp(c->state, c->id, c->registry->name, now);
    document_write_state(c->state, &state, now);
    es_update(store_client(c->registry->store), index_of(c, DOCUMENT_STATE), c->id,
              cJSON_Duplicate(c->state, true), true, time_left(c), on_state_added, c);
}

static void node_added(struct change *c, const struct es_result *result)
{
    if (step_went_well(c, "RegisterNode", result))
        es_change(store_client(c->registry->store), index_of(c, DOCUMENT_SERVER), c->id,
                  modify_server, time_left(c), on_server_added, c);
}

/* All servers of a host may register at once: one write says for all of them that it is there. */
static struct change *change_of_node(const struct turn *turn)
{
    return loop_container(turn, struct change, node_turn);
}

static void on_node_added(void *user, const struct es_result *result)
{
    struct change *c = user;
    for (struct turn *shared = c->node_turn.shared; shared;) {
        struct change *other = change_of_node(shared);
        shared = shared->next;
        node_added(other, result);
    }
    turns_end(c->registry->nodes, &c->node_turn);
    node_added(c, result);
}

static void on_node_turn(struct turn *turn)
{
    struct change *c = change_of_node(turn);
    for (const struct turn *other = turn->shared; other; other = other->next)
        extend_deadline(c, change_of_node(other));
    es_change(store_client(c->registry->store), index_of(c, DOCUMENT_NODE), c->node_id, modify_node,
              time_left(c), on_node_added, c);
}

static void on_node_dropped(struct turn *turn)
{
    struct change *c = change_of_node(turn);
    struct tars_error error;
    fail_late(c, &error);
    change_end(c, NULL, &error);
}

static bool node_is_unwanted(const struct turn *turn)
{
    return is_late(change_of_node(turn));
}

static bool say_the_same(const struct turn *a, const struct turn *b)
{
    (void)a;
    (void)b;
    return true; /* of one line, so of one node */
}

struct turns *registrations_node_turns_new(struct registry *r)
{
    static const struct turn_rules rules = {CHANGES_AT_ONCE, on_node_turn, on_node_dropped,
                                            node_is_unwanted, say_the_same};
    return turns_new(r->loop, &rules);
}

bool registrations_are_full(const struct registry *r)
{
    return table_len(r->table) >= (size_t)r->settings.instance_limit;
}

/* False when it would be one instance too many. */
static bool there_is_room(struct change *c)
{
    struct registry *r = c->registry;
    struct tars_error error;
    const struct instance *i = table_find(r->table, tars_str(c->id));
    if ((i && i->record) || !registrations_are_full(r))
        return true;
    tars_fail(&error, 1,
              "RegisterServer error: %s is not stored: there are %d instances already, as many as "
              "instance-limit allows",
              c->id, r->settings.instance_limit);
    change_end(c, NULL, &error);
    return false;
}

static void run_add(struct change *c)
{
    if (there_is_room(c) && store_is_here(c, "RegisterNode"))
        turns_take(c->registry->nodes, tars_str(c->node_id), &c->node_turn);
}

void registrations_add(struct registry *r, const struct registration *registration,
                       registration_done done, void *user)
{
    change_begin(change_new(r, registration, "RegisterServer", run_add, done, user));
}

/* ---- onPrestop: state, then the configuration's tombstone
 * ------------------------------------------ */

static cJSON *bury_server(void *user, const cJSON *source)
{
    struct change *c = user;
    cJSON_Delete(c->server);
    c->server = NULL;
    if (!source || tars_str_is(document_buried_by(source), "prestop"))
        return NULL;
    cJSON *doc = cJSON_Duplicate(source, true);
    document_bury(doc, c->id, c->registry->name, "prestop", clock_wall_ms());
    c->server = cJSON_Duplicate(doc, true);
    return doc;
}

static void on_buried(void *user, const struct es_result *result)
{
    struct change *c = user;
    struct registry *r = c->registry;
    if (!step_went_well(c, "RemoveServer", result))
        return;
    const cJSON *source = c->server ? c->server : result->doc.source;
    if (source)
        intake_written(r, DOCUMENT_SERVER, c->id, source, result->doc.version);
    r->changed = true;
    change_end(c, &r->counters.removals, NULL);
}

static void on_removed_state(void *user, const struct es_result *result)
{
    struct change *c = user;
    if (step_went_well(c, "RemoveServer", result))
        es_change(store_client(c->registry->store), index_of(c, DOCUMENT_SERVER), c->id,
                  bury_server, time_left(c), on_buried, c);
}

static void run_remove(struct change *c)
{
    struct registry *r = c->registry;
    if (!store_is_here(c, "RemoveServer"))
        return;
    cJSON *fields = cJSON_CreateObject();
    int64_t now = clock_wall_ms();
    document_set_text(fields, "present_state", tars_str(state_word(STATE_INACTIVE)));
    document_set_number(fields, "state_since", now);
    document_set_number(fields, "reported_at", now);
    document_set_number(fields, "updated_at", now);
    document_set_text(fields, "updated_by", r->name);
    es_update(store_client(r->store), index_of(c, DOCUMENT_STATE), c->id, fields, false,
              time_left(c), on_removed_state, c);
}

void registrations_remove(struct registry *r, struct tars_str application,
                          struct tars_str server_name, struct tars_str node_name, int timeout_ms,
                          registration_done done, void *user)
{
    struct registration who = {
        .record = {.application = application, .server_name = server_name, .node_name = node_name},
        .timeout_ms = timeout_ms};
    struct change *c = change_new(r, &who, "RemoveServer", run_remove, done, user);
    struct instance *i = table_find(r->table, tars_str(c->id));
    /* Whatever becomes of the removal, it said itself that it takes no more calls. */
    if (i && i->record && i->present != STATE_INACTIVE) {
        table_set_present(r->table, i, STATE_INACTIVE, clock_wall_ms());
        i->reports.heard = clock_ms();
        i->state_edits++;
        i->state_dirty = true;
        registry_publish(r);
    }
    change_begin(c);
}

static void on_node_removed(void *user, const struct es_result *result, const struct es_item *items,
                            size_t count)
{
    struct es_result whole = *result;
    for (size_t k = 0; k < count; k++) {
        if (items[k].status == ES_OK || items[k].status == ES_MISSING)
            continue;
        whole.status = items[k].status;
        tars_fail(&whole.error, (int)items[k].status, "%s: %s", items[k].id,
                  items[k].error_reason ? items[k].error_reason : "refused");
    }
    struct change *c = user;
    if (!step_went_well(c, "RemoveNode", &whole))
        return;
    change_end(c, &c->registry->counters.removals, NULL);
}

static void run_remove_node(struct change *c)
{
    struct registry *r = c->registry;
    if (!store_is_here(c, "RemoveNode"))
        return;
    struct instance_list list = table_of_node(r->table, c->registration.record.node_name);
    struct es_bulk *bulk = es_bulk_new();
    for (size_t k = 0; k < list.len; k++) {
        cJSON *fields = reports_state_fields(r, list.at[k]);
        es_bulk_update(bulk, index_of(c, DOCUMENT_STATE), list.at[k]->id, fields, true);
        cJSON_Delete(fields);
    }
    cJSON *fields = cJSON_CreateObject();
    document_set_text(fields, "present_state", tars_str("inactive"));
    document_set_number(fields, "updated_at", clock_wall_ms());
    document_set_text(fields, "updated_by", r->name);
    es_bulk_update(bulk, index_of(c, DOCUMENT_NODE), c->node_id, fields, false);
    cJSON_Delete(fields);
    es_bulk_send(store_client(r->store), bulk, true, time_left(c), on_node_removed, c);
}

void registrations_remove_node(struct registry *r, struct tars_str node_name, int timeout_ms,
                               registration_done done, void *user)
{
    struct registration who = {.record = {.node_name = node_name}, .timeout_ms = timeout_ms};
    struct instance_list list = table_of_node(r->table, node_name);
    for (size_t k = 0; k < list.len; k++) {
        struct instance *i = list.at[k];
        table_set_present(r->table, i, STATE_DESTROYED, clock_wall_ms());
        i->reports.heard = clock_ms();
        i->state_edits++;
        i->state_dirty = true;
    }
    r->changed = true;
    registry_publish(r);
    change_begin(change_new(r, &who, "RemoveNode", run_remove_node, done, user));
}

/* ---- registerMetrics
 * ---------------------------------------------------------------------------------- */

static cJSON *modify_metrics(void *user, const cJSON *source)
{
    struct change *c = user;
    cJSON_Delete(c->server);
    c->server = NULL;
    if (!source || document_deleted(source) ||
        document_number(source, "metrics_port", 0) == c->metrics_port)
        return NULL;
    cJSON *doc = cJSON_Duplicate(source, true);
    document_set_number(doc, "metrics_port", c->metrics_port);
    document_stamp(doc, c->id, c->registry->name, clock_wall_ms());
    c->server = cJSON_Duplicate(doc, true);
    return doc;
}

static void on_metrics_set(void *user, const struct es_result *result)
{
    struct change *c = user;
    if (!step_went_well(c, "RegisterMetrics", result))
        return;
    const cJSON *source = c->server ? c->server : result->doc.source;
    if (source && !document_deleted(source))
        intake_written(c->registry, DOCUMENT_SERVER, c->id, source, result->doc.version);
    else
        log_warn("registry", "registerMetrics of %s, which is not registered, has no effect",
                 c->id);
    c->registry->changed = true;
    change_end(c, NULL, NULL);
}

static void run_set_metrics(struct change *c)
{
    if (store_is_here(c, "RegisterMetrics"))
        es_change(store_client(c->registry->store), index_of(c, DOCUMENT_SERVER), c->id,
                  modify_metrics, time_left(c), on_metrics_set, c);
}

void registrations_set_metrics(struct registry *r, struct tars_str application,
                               struct tars_str server_name, struct tars_str node_name, int32_t port,
                               int timeout_ms, registration_done done, void *user)
{
    struct registration who = {
        .record = {.application = application, .server_name = server_name, .node_name = node_name},
        .timeout_ms = timeout_ms};
    struct change *c = change_new(r, &who, "RegisterMetrics", run_set_metrics, done, user);
    c->metrics_port = port;
    change_begin(c);
}
