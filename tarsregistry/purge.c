/* SPDX-License-Identifier: BSD-3-Clause */
#include "purge.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "es/query.h"
#include "registry.h"

enum {
    BATCH = 200, /* documents of one index in one round */
    TIMEOUT_MS = 5000,
    RELOADS = 3, /* a registry that missed a tombstone has loaded everything by then */
    ROUNDS = 6,  /* in the age of a tombstone */
    ROUND_MIN_MS = 1000,
    ROUND_MAX_MS = 10 * 60 * 1000
};

/* What a round looks for, one after the other. */
enum step { STEP_REGISTRIES, STEP_TOMBSTONES, STEP_END = STEP_TOMBSTONES + DOCUMENT_META };

struct purge {
    struct registry *registry;
    int64_t due;    /* monotonic: when the next round begins */
    bool running;   /* a round is */
    int step;       /* of enum step; tombstones are the kind's number further */
    int64_t before; /* wall clock: what was written last before it is old enough */
    size_t waiting; /* answers that this step still waits for, its search included */
    size_t removed; /* in this round */
    bool more;      /* a step found a full batch */
};

/* One document on its way out. */
struct removal {
    struct purge *purge;
    enum document_kind kind;
    char *id;
    struct es_version version; /* of the tombstone that was found */
    bool state_gone;
};

static void next_step(struct purge *p);

static int64_t age_of(const struct settings *settings)
{
    int64_t reloads = (int64_t)settings->store.reload_ms * RELOADS;
    return settings->tombstone_ms > reloads ? settings->tombstone_ms : reloads;
}

/* Spread, so that registries which were started together do not search together. */
static int64_t pause_of(const struct settings *settings)
{
    int64_t pause = age_of(settings) / ROUNDS;
    pause = pause < ROUND_MIN_MS ? ROUND_MIN_MS : pause > ROUND_MAX_MS ? ROUND_MAX_MS : pause;
    return pause + (int64_t)(hash_seed() % (uint64_t)(pause / 4));
}

struct purge *purge_new(struct registry *registry)
{
    struct purge *p = xcalloc(1, sizeof *p);
    p->registry = registry;
    p->due = clock_ms() + pause_of(&registry->settings);
    return p;
}

void purge_free(struct purge *p)
{
    free(p);
}

/* ---- one document
 * ------------------------------------------------------------------------------------ */

static struct es_client *client_of(const struct purge *p)
{
    return store_client(p->registry->store);
}

static const char *index_of(const struct purge *p, enum document_kind kind)
{
    return store_index(p->registry->store, kind);
}

/* One answer came; the step ends with the last one. */
static void answered(struct purge *p)
{
    if (--p->waiting == 0 && !p->registry->stopping)
        next_step(p);
}

static void removal_end(struct removal *m)
{
    struct purge *p = m->purge;
    free(m->id);
    free(m);
    answered(p);
}

static void on_deleted(void *user, const struct es_result *result)
{
    struct removal *m = user;
    if (result->status == ES_OK) {
        m->purge->removed++;
        atomic_fetch_add(&m->purge->registry->counters.purged, 1);
    }
    removal_end(m);
}

static void delete_tombstone(struct removal *m)
{
    es_delete(client_of(m->purge), index_of(m->purge, m->kind), m->id, &m->version, TIMEOUT_MS,
              on_deleted, m);
}

static bool is_old(const struct purge *p, const cJSON *source)
{
    return document_number(source, "updated_at", p->before) < p->before;
}

/* The state of an instance whose configuration is a tombstone becomes one too; not when somebody
 * wrote it since: a registration that is under way writes it last. */
static cJSON *bury_state(void *user, const cJSON *source)
{
    struct removal *m = user;
    m->state_gone = !source || document_deleted(source) || is_old(m->purge, source);
    if (!m->state_gone || !source || document_deleted(source))
        return NULL;
    cJSON *doc = cJSON_Duplicate(source, true);
    document_bury(doc, m->id, m->purge->registry->name, "purge", clock_wall_ms());
    return doc;
}

static void on_state_buried(void *user, const struct es_result *result)
{
    struct removal *m = user;
    bool gone = result->status == ES_OK && m->state_gone;
    if (gone && !m->purge->registry->stopping)
        delete_tombstone(m);
    else
        removal_end(m);
}

/* ---- rows of registries
 * ------------------------------------------------------------------------------ */

static int64_t forgotten_before(const struct purge *p)
{
    return clock_wall_ms() - p->registry->settings.forget_registry_ms;
}

static cJSON *bury_registry(void *user, const cJSON *source)
{
    struct removal *m = user;
    int64_t limit = forgotten_before(m->purge);
    if (!source || document_deleted(source) ||
        document_number(source, "last_heartbeat", limit) >= limit)
        return NULL;
    cJSON *doc = cJSON_Duplicate(source, true);
    document_bury(doc, m->id, m->purge->registry->name, "purge", clock_wall_ms());
    return doc;
}

static void on_registry_buried(void *user, const struct es_result *result)
{
    struct removal *m = user;
    if (result->status == ES_OK)
        log_info("purge", "registry row %s has not moved for long and is forgotten", m->id);
    removal_end(m);
}

/* ---- a round
 * ---------------------------------------------------------------------------------------- */

static enum document_kind kind_of(const struct purge *p)
{
    return p->step == STEP_REGISTRIES ? DOCUMENT_REGISTRY
                                      : (enum document_kind)(p->step - STEP_TOMBSTONES);
}

static void take_out(struct purge *p, const struct es_doc *doc)
{
    bool tombstone = document_deleted(doc->source);
    if (tombstone != (p->step != STEP_REGISTRIES) || (tombstone && !is_old(p, doc->source)))
        return;
    struct removal *m = xcalloc(1, sizeof *m);
    *m = (struct removal){p, kind_of(p), xstrdup(doc->id), doc->version, false};
    p->waiting++;
    if (!tombstone)
        es_change(client_of(p), index_of(p, DOCUMENT_REGISTRY), m->id, bury_registry, TIMEOUT_MS,
                  on_registry_buried, m);
    else if (m->kind == DOCUMENT_SERVER)
        es_change(client_of(p), index_of(p, DOCUMENT_STATE), m->id, bury_state, TIMEOUT_MS,
                  on_state_buried, m);
    else
        delete_tombstone(m);
}

static bool on_page(void *user, const struct es_doc *docs, size_t count)
{
    struct purge *p = user;
    for (size_t i = 0; i < count && !p->registry->stopping; i++)
        take_out(p, &docs[i]);
    p->more |= count == BATCH;
    return false; /* the rest is for the next round */
}

static void on_searched(void *user, const struct es_result *result)
{
    struct purge *p = user;
    if (result->status != ES_OK && result->status != ES_MISSING)
        log_debug("purge", "looking for what is old: %s", result->error.text);
    answered(p);
}

static cJSON *old_tombstones(const struct purge *p)
{
    cJSON *query = es_bool();
    es_bool_add(query, "filter", es_term_bool("deleted", true));
    es_bool_add(query, "filter", es_range("updated_at", "lt", p->before));
    return query;
}

static cJSON *forgotten_registries(const struct purge *p)
{
    cJSON *query = es_bool();
    es_bool_add(query, "must_not", es_term_bool("deleted", true));
    es_bool_add(query, "filter", es_range("last_heartbeat", "lt", forgotten_before(p)));
    return query;
}

static void search(struct purge *p)
{
    cJSON *sort = es_sort();
    es_sort_add(sort, "updated_at", true);
    es_sort_add(sort, "key", true);
    p->waiting = 1;
    es_search_all(client_of(p), index_of(p, kind_of(p)),
                  p->step == STEP_REGISTRIES ? forgotten_registries(p) : old_tombstones(p), sort,
                  BATCH, TIMEOUT_MS, on_page, on_searched, p);
}

static void end_round(struct purge *p)
{
    if (p->removed)
        log_info("purge", "%zu old tombstones are removed", p->removed);
    p->running = false;
    p->due = clock_ms() + (p->more ? ROUND_MIN_MS : pause_of(&p->registry->settings));
}

static void next_step(struct purge *p)
{
    if (++p->step < STEP_END && registry_store_here(p->registry))
        search(p);
    else
        end_round(p);
}

void purge_tick(struct purge *p)
{
    if (p->running || clock_ms() < p->due || !registry_store_here(p->registry))
        return;
    p->running = true;
    p->step = STEP_REGISTRIES;
    p->before = clock_wall_ms() - age_of(&p->registry->settings);
    p->removed = 0;
    p->more = false;
    search(p);
}
