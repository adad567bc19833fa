/* SPDX-License-Identifier: BSD-3-Clause */
#include "intake.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"

/* A full load shows what searches could see when it began: not yet what was written just before. */
enum { SEARCH_LAG_MS = 5000, ROUNDING_MS = 1 };

static bool later(struct position a, struct es_version b)
{
    return b.primary_term != a.primary_term ? b.primary_term > a.primary_term : b.seq_no > a.seq_no;
}

static bool own_and_recent(const struct registry *r, int64_t written)
{
    return written && written > r->load_began - SEARCH_LAG_MS;
}

/*
 * Is what arrives newer than what is held? A full load replaces even what looks newer (an index
 * made anew counts from the start), but not our own write that it could not see.
 */
static bool newer(const struct registry *r, struct position held, int64_t written,
                  struct es_version version)
{
    if (!held.primary_term && !held.seq_no)
        return true;
    return later(held, version) || (r->load_began && !own_and_recent(r, written));
}

static void rejected(struct registry *r, const char *id, const struct tars_error *error)
{
    if (atomic_fetch_add(&r->counters.rejected_documents, 1) < 10)
        log_warn("store", "document %s is not used: %s", id, error->text);
}

typedef bool reader(const cJSON *source, struct tars_arena *arena, struct record *record,
                    struct tars_error *error);

static void take_record(struct registry *r, struct instance *i, const cJSON *source, reader *read)
{
    struct record record;
    struct tars_error error;
    struct tars_arena *arena = tars_arena_new(0);
    if (document_deleted(source)) {
        table_set_record(r->table, i, NULL);
        table_set_present(r->table, i, STATE_INACTIVE, 0);
        i->state_dirty = false;
        i->reports = (struct reports){.last = 0};
    } else if (read(source, arena, &record, &error)) {
        table_set_record(r->table, i, record_copy(&record));
    } else {
        rejected(r, i->id, &error);
    }
    tars_arena_free(arena);
}

static void take_server(struct registry *r, const char *id, const cJSON *source,
                        struct es_version version)
{
    struct instance *i = table_add(r->table, tars_str(id), INSTANCE_SERVER);
    i->seen = true;
    if (!newer(r, i->record_at, i->record_written, version))
        return;
    i->record_at = (struct position){version.primary_term, version.seq_no};
    take_record(r, i, source, document_read_server);
}

/* Another registry's word about a state, from before we were told another one ourselves. Who is
 * told the same state again does not write it, so that nothing else would put this right. */
static bool overtaken(const struct registry *r, const struct instance *i, const cJSON *source,
                      const struct state_document *state)
{
    if (!i->record || !i->reports.heard || state->present == i->present || !state->reported ||
        tars_str_equal(state->reported_to, r->name))
        return false;
    /* The registry's own write says when it was told; anybody else's counts as of its writing. */
    bool own = tars_str_equal(document_text(source, "updated_by"), state->reported_to);
    int64_t heard = clock_wall_ms() - (clock_ms() - i->reports.heard);
    return document_number(source, own ? "reported_at" : "updated_at", heard) < heard - ROUNDING_MS;
}

static void take_state(struct registry *r, const char *id, const cJSON *source,
                       struct es_version version)
{
    struct state_document state;
    struct instance *i = table_add(r->table, tars_str(id), INSTANCE_SERVER);
    if (i->state_dirty || !newer(r, i->state_at, i->state_written, version))
        return; /* what the instance told us itself is on its way */
    i->state_at = (struct position){version.primary_term, version.seq_no};
    if (document_deleted(source) || !document_read_state(source, &state))
        return table_set_present(r->table, i, STATE_INACTIVE, 0);
    if (overtaken(r, i, source, &state)) {
        i->state_edits++;
        i->state_dirty = true; /* the next tick writes ours */
        return;
    }
    table_set_present(r->table, i, state.present, state.since);
    i->reporter = table_intern(r->table, state.reported_to);
    i->reports.expected = state.reported;
    if (state.interval)
        i->reports.stored_interval = state.interval;
    bool ours = tars_str_equal(i->reporter, r->name);
    if (ours && !i->reports.ours)
        i->reports.last = clock_ms();
    i->reports.ours = ours;
}

static void take_registry(struct registry *r, const char *id, const cJSON *source,
                          struct es_version version)
{
    struct instance *i = table_add(r->table, tars_str(id), INSTANCE_REGISTRY);
    i->seen = true;
    if (tars_str_equal(document_text(source, "locator_id"), r->name))
        return; /* we know ourselves better */
    if (!newer(r, i->record_at, i->record_written, version))
        return;
    bool heard = !i->record || i->record_at.seq_no != version.seq_no;
    i->record_at = (struct position){version.primary_term, version.seq_no};
    take_record(r, i, source, document_read_registry);
    if (!i->record)
        return;
    struct state_document state;
    bool alive = document_read_state(source, &state) && state.present == STATE_ACTIVE;
    table_set_present(r->table, i, alive ? STATE_ACTIVE : STATE_INACTIVE, clock_wall_ms());
    if (heard)
        i->reports.last = clock_ms();
}

static void take_rule(struct registry *r, enum document_kind kind, const char *id,
                      const cJSON *source)
{
    if (!rules_put(r->rules, kind, id, source))
        return;
    r->changed = true;
    table_set_groups(r->table, r->snapshots, rules_groups(r->rules));
}

static void take(struct registry *r, enum document_kind kind, const char *id, const cJSON *source,
                 struct es_version version)
{
    if (!source)
        return;
    switch (kind) {
    case DOCUMENT_SERVER:
        return take_server(r, id, source, version);
    case DOCUMENT_STATE:
        return take_state(r, id, source, version);
    case DOCUMENT_REGISTRY:
        return take_registry(r, id, source, version);
    case DOCUMENT_GROUP:
    case DOCUMENT_PRIORITY:
        return take_rule(r, kind, id, source);
    default:
        return;
    }
}

/* ---- the listener
 * -------------------------------------------------------------------------------- */

static void on_document(void *user, enum document_kind kind, const struct es_doc *doc)
{
    take(user, kind, doc->id, doc->source, doc->version);
}

static void on_page_end(void *user)
{
    registry_publish(user);
}

static void on_loading(void *user)
{
    struct registry *r = user;
    r->load_began = clock_ms();
    rules_unsee(r->rules);
    size_t at = 0;
    for (struct instance *i; table_next(r->table, &at, &i);)
        i->seen = false;
}

/* Not found, though the load would have shown it. */
static bool lost(const struct registry *r, const struct instance *i)
{
    if (i->kind == INSTANCE_REGISTRY && i->record && tars_str_equal(i->reporter, r->name))
        return false; /* ourselves */
    return !i->seen && !own_and_recent(r, i->record_written);
}

static void remove_lost(struct registry *r)
{
    struct instance **gone = xmalloc((table_len(r->table) + 1) * sizeof(struct instance *));
    size_t count = 0, at = 0;
    for (struct instance *i; table_next(r->table, &at, &i);)
        if (lost(r, i))
            gone[count++] = i;
    for (size_t k = 0; k < count; k++)
        table_remove(r->table, gone[k]);
    r->changed |= count > 0;
    free(gone);
}

static void on_loaded(void *user)
{
    struct registry *r = user;
    remove_lost(r);
    if (rules_sweep(r->rules))
        table_set_groups(r->table, r->snapshots, rules_groups(r->rules));
    if (!atomic_load(&r->counters.store_here))
        liveness_away(&r->liveness, clock_ms());
    r->load_began = 0;
    atomic_store(&r->counters.store_here, true);
    atomic_store(&r->counters.stale, false);
    registry_publish(r);
    atomic_store(&r->counters.serving, true);
}

static void on_away(void *user, const char *why)
{
    struct registry *r = user;
    (void)why;
    r->load_began = 0;
    atomic_store(&r->counters.store_here, false);
}

struct store_listener intake_listener(struct registry *registry)
{
    return (struct store_listener){registry,   on_document, on_page_end,
                                   on_loading, on_loaded,   on_away};
}

/* ---- own writes
 * ---------------------------------------------------------------------------------- */

void intake_written(struct registry *r, enum document_kind kind, const char *id,
                    const cJSON *source, struct es_version version)
{
    int64_t now = clock_ms();
    take(r, kind, id, source, version);
    struct instance *i = table_find(r->table, tars_str(id));
    if (!i)
        return;
    if (kind == DOCUMENT_STATE)
        i->state_written = now;
    else
        i->record_written = now;
    registry_publish(r);
}
