/* SPDX-License-Identifier: BSD-3-Clause */
#include "reports.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "intake.h"
#include "registrations.h"

enum { WRITE_TIMEOUT_MS = 5000, LOOKUP_TIMEOUT_MS = 800 };

static const struct tars_str registry_servant = {"tars.tarsregistry.Registry", 26};

/* ---- writing states
 * ------------------------------------------------------------------------------- */

/* A write that is under way; the instance is found again by its id. */
struct state_write {
    struct registry *registry;
    char *id;
    struct tars_str reporter; /* expiry: whose report it must still be */
    uint32_t edits;
};

static struct state_write *state_write_new(struct registry *r, struct instance *i)
{
    struct state_write *w = xcalloc(1, sizeof *w);
    *w = (struct state_write){r, xstrdup(i->id), i->reporter, i->state_edits};
    i->state_sending = true;
    return w;
}

static void state_write_end(struct state_write *w, const struct es_result *result)
{
    struct registry *r = w->registry;
    struct instance *i = table_find(r->table, tars_str(w->id));
    if (i) {
        i->state_sending = false;
        if (result->status == ES_OK) {
            i->state_dirty = i->state_edits != w->edits;
            i->state_written = clock_ms();
            i->state_at = (struct position){result->doc.version.primary_term,
                                            result->doc.version.seq_no};
        }
    }
    if (result->status == ES_REFUSED)
        log_error("reports", "state of %s cannot be stored: %s", w->id, result->error.text);
    free(w->id);
    free(w);
}

static void on_state_written(void *user, const struct es_result *result)
{
    state_write_end(user, result);
}

cJSON *reports_state_fields(struct registry *r, const struct instance *i)
{
    int64_t now = clock_wall_ms(), heard = i->reports.heard;
    struct state_document state = {
        .present = i->present,
        .since = i->present_since,
        .reported = i->reports.expected,
        .reported_to = i->reporter,
        .interval = liveness_interval(i),
    };
    cJSON *fields = cJSON_CreateObject();
    document_stamp(fields, i->id, r->name, now);
    document_write_state(fields, &state, heard ? now - (clock_ms() - heard) : now);
    return fields;
}

static void write_state(struct registry *r, struct instance *i)
{
    if (i->state_sending)
        return; /* the tick writes again what changes meanwhile */
    es_update(store_client(r->store), store_index(r->store, DOCUMENT_STATE), i->id,
              reports_state_fields(r, i), true, WRITE_TIMEOUT_MS, on_state_written,
              state_write_new(r, i));
}

void reports_set_state(struct registry *r, struct instance *i, enum present_state state)
{
    table_set_present(r->table, i, state, clock_wall_ms());
    i->state_edits++;
    i->state_dirty = true;
    r->changed = true;
    if (registry_store_here(r))
        write_state(r, i);
}

/* ---- reports
 * -------------------------------------------------------------------------------------- */

/* The node's own heartbeat; a document that is not there stays away. */
static void node_heard(struct registry *r, struct tars_str node_name)
{
    char *id = document_node_id(node_name);
    cJSON *fields = cJSON_CreateObject();
    int64_t now = clock_wall_ms();
    document_set_text(fields, "present_state", tars_str("active"));
    document_set_number(fields, "last_heartbeat", now);
    document_set_number(fields, "updated_at", now);
    document_set_text(fields, "updated_by", r->name);
    es_writer_update(r->heartbeats, id, fields, false);
    free(id);
}

void reports_heard(struct registry *r, struct instance *i, enum present_state state)
{
    bool steady = i->present == state, moved = !tars_str_equal(i->reporter, r->name);
    bool first = !i->reports.expected;
    int32_t interval = liveness_interval(i);
    liveness_report(&r->liveness, i, steady, clock_ms());
    i->reporter = r->name;
    bool settled = !interval && liveness_interval(i); /* worth remembering over a restart */
    if (!steady || moved || first || settled)
        reports_set_state(r, i, state);
}

static void heard_and_published(struct registry *r, struct instance *i, enum present_state state)
{
    reports_heard(r, i, state);
    registry_publish(r);
}

/* ---- reports of instances that are not known
 * ----------------------------------------------------- */

struct lookup {
    struct registry *registry;
    struct keep_alive report;
    struct record record;
    char *id;
    cJSON *written;
    bool removed_itself;
    reports_done done;
    void *user;
};

/* An instance that nobody ever registered: known, but with nothing to call. */
static cJSON *make_bare(const struct lookup *l)
{
    struct record record = {
        .application = l->report.application,
        .server_name = l->report.server_name,
        .node_name = l->report.node_name,
        .setting_state = tars_str("inactive"),
        .flow_state = tars_str("active"),
        .enable_group = tars_str("N"),
        .enable_set = tars_str("N"),
    };
    cJSON *doc = cJSON_CreateObject();
    document_write_server(doc, &record);
    document_set_text(doc, "origin", tars_str("tarscli"));
    document_set_number(doc, "created_at", clock_wall_ms());
    return doc;
}

static cJSON *restore(void *user, const cJSON *source)
{
    struct lookup *l = user;
    cJSON_Delete(l->written);
    l->written = NULL;
    l->removed_itself = source && tars_str_is(document_buried_by(source), "prestop");
    if (l->removed_itself || l->report.wants_to_register || (source && !document_deleted(source)))
        return NULL;
    cJSON *doc = source ? cJSON_Duplicate(source, true) : make_bare(l);
    document_stamp(doc, l->id, l->registry->name, clock_wall_ms());
    l->written = cJSON_Duplicate(doc, true);
    return doc;
}

static void on_restored(void *user, const struct es_result *result)
{
    struct lookup *l = user;
    struct registry *r = l->registry;
    const cJSON *source = l->written ? l->written : result->doc.source;
    bool living = result->status == ES_OK && source && !document_deleted(source);
    if (living) {
        intake_written(r, DOCUMENT_SERVER, l->id, source, result->doc.version);
        struct instance *i = table_find(r->table, tars_str(l->id));
        if (i && i->record)
            heard_and_published(r, i, l->report.state);
    }
    if (living && l->written) {
        atomic_fetch_add(&r->counters.restored, 1);
        log_warn("reports", "keepAlive of an instance that was not registered: %s is %s", l->id,
                 cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(l->written, "adapters"))
                     ? "restored"
                     : "listed without adapters until its onStartup");
    }
    bool answered = result->status == ES_OK || result->status == ES_MISSING;
    l->done(l->user, living || !answered || !l->report.wants_to_register);
    cJSON_Delete(l->written);
    free(l->id);
    free(l);
}

static void look_up(struct registry *r, const struct keep_alive *report, char *id,
                    reports_done done, void *user)
{
    atomic_fetch_add(&r->counters.unknown_keep_alives, 1);
    if (!registry_store_here(r) || registrations_are_full(r)) {
        free(id);
        return done(user, true); /* its next report may find the store back, or room */
    }
    struct lookup *l = xcalloc(1, sizeof *l);
    l->registry = r;
    l->report = *report;
    l->id = id;
    l->done = done;
    l->user = user;
    es_change(store_client(r->store), store_index(r->store, DOCUMENT_SERVER), id, restore,
              LOOKUP_TIMEOUT_MS, on_restored, l);
}

void reports_keep_alive(struct registry *r, const struct keep_alive *report, reports_done done,
                        void *user)
{
    atomic_fetch_add(&r->counters.keep_alives, 1);
    if (table_of_node(r->table, report->node_name).len)
        node_heard(r, report->node_name); /* names that strangers make up are not kept */
    if (!report->application.len && !report->server_name.len) {
        struct instance_list list = table_of_node(r->table, report->node_name);
        for (size_t k = 0; k < list.len; k++)
            reports_heard(r, list.at[k], report->state);
        registry_publish(r);
        return done(user, true);
    }
    char *id = document_server_id(report->application, report->server_name, report->node_name);
    struct instance *i = table_find(r->table, tars_str(id));
    if (!i || !i->record)
        return look_up(r, report, id, done, user);
    free(id);
    heard_and_published(r, i, report->state);
    done(user, true);
}

/* ---- silence
 * -------------------------------------------------------------------------------------- */

/* Somebody else may have heard of it meanwhile: then his word stands. */
static cJSON *expire(void *user, const cJSON *source)
{
    struct state_write *w = user;
    if (!source || !tars_str_equal(document_text(source, "reported_to"), w->reporter))
        return NULL;
    cJSON *doc = cJSON_Duplicate(source, true);
    int64_t now = clock_wall_ms();
    document_stamp(doc, w->id, w->registry->name, now);
    document_set_text(doc, "present_state", tars_str("inactive"));
    document_set_number(doc, "state_since", now);
    document_set_text(doc, "reporter", tars_str("reaper"));
    return doc;
}

static void on_expired(void *user, const struct es_result *result)
{
    struct state_write *w = user;
    if (result->status == ES_OK && result->doc.source) {
        struct instance *i = table_find(w->registry->table, tars_str(w->id));
        if (i)
            i->state_dirty = false;
        intake_written(w->registry, DOCUMENT_STATE, w->id, result->doc.source, result->doc.version);
    }
    state_write_end(w, result);
}

static void gone(void *user, struct instance *i)
{
    struct registry *r = user;
    int64_t silence = liveness_silence(&r->liveness, i, clock_ms());
    log_info("reports", "%s %s silent for %lld ms: inactive", i->id,
             i->probed.dead ? "accepts no more connections and is" : "is", (long long)silence);
    if (i->probed.dead) /* when it comes back it has to accept again first */
        i->probed = (struct probed){.waiting = i->probed.waiting};
    atomic_fetch_add(&r->counters.expired, 1);
    table_set_present(r->table, i, STATE_INACTIVE, clock_wall_ms());
    i->state_edits++;
    i->state_dirty = true;
    r->changed = true;
    if (!i->state_sending)
        es_change(store_client(r->store), store_index(r->store, DOCUMENT_STATE), i->id, expire,
                  WRITE_TIMEOUT_MS, on_expired, state_write_new(r, i));
}

static bool registry_alive(struct registry *r, struct tars_str name)
{
    char *id = document_registry_id(name, registry_servant);
    const struct instance *i = table_find(r->table, tars_str(id));
    free(id);
    return i && i->record && i->present == STATE_ACTIVE;
}

/* Other registries are alive while their rows move. */
static void watch_registries(struct registry *r, int64_t now)
{
    size_t at = 0;
    for (struct instance *i; table_next(r->table, &at, &i);) {
        if (i->kind != INSTANCE_REGISTRY || !i->record || tars_str_equal(i->reporter, r->name))
            continue;
        int64_t last = i->reports.last > r->liveness.back ? i->reports.last : r->liveness.back;
        if (i->present == STATE_ACTIVE && now - last > r->settings.heartbeat_timeout_ms)
            table_set_present(r->table, i, STATE_INACTIVE, clock_wall_ms());
    }
}

/* Instances whose registry is gone become ours, with all their patience before them; those of one
 * that was only late are its own again: it hears them and need not write that. */
static void take_over(struct registry *r, int64_t now)
{
    size_t at = 0;
    for (struct instance *i; table_next(r->table, &at, &i);) {
        if (!i->reports.expected || i->kind != INSTANCE_SERVER)
            continue;
        bool own = tars_str_equal(i->reporter, r->name) || !registry_alive(r, i->reporter);
        if (own && !i->reports.ours)
            i->reports.last = now;
        i->reports.ours = own;
    }
}

static void write_dirty(struct registry *r)
{
    size_t dirty = 0, at = 0;
    for (struct instance *i; table_next(r->table, &at, &i);) {
        dirty += i->state_dirty;
        if (i->state_dirty && i->record)
            write_state(r, i);
    }
    atomic_store(&r->counters.unsaved_states, dirty);
}

static void tell_held(struct registry *r)
{
    bool held = r->liveness.holding;
    if (held && !atomic_exchange(&r->counters.held, true))
        log_error("reports", "so many instances fell silent at once that none is set inactive; "
                             "if they are really gone: AdminObj notify \"registry.expire\"");
    if (held)
        atomic_fetch_add(&r->counters.held_rounds, 1);
    else
        atomic_store(&r->counters.held, false);
}

static void tell_spared(struct registry *r)
{
    const struct liveness *l = &r->liveness;
    if (l->spared && !atomic_load(&r->counters.spared))
        log_warn("reports",
                 "%zu silent instances stay active for now: %" TARS_STR_FMT " has lost its share "
                 "(protect-object-share) within protect-window; if they are really gone: AdminObj "
                 "notify \"registry.expire\"",
                 l->spared, TARS_STR_ARG(l->spared_object));
    atomic_store(&r->counters.spared, l->spared);
}

int64_t reports_tick(struct registry *r)
{
    if (!registry_store_here(r))
        return LIVENESS_ROUND_MS; /* while the store is away nobody is declared dead */
    int64_t now = clock_ms();
    watch_registries(r, now);
    take_over(r, now);
    liveness_round(&r->liveness, r->table, now, gone, r);
    prober_tick(r->prober, now);
    tell_held(r);
    tell_spared(r);
    write_dirty(r);
    registry_publish(r);
    return r->liveness.due_ms;
}
