/* SPDX-License-Identifier: BSD-3-Clause */
#include "own.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/xmalloc.h"
#include "es/bulk.h"

enum { WRITE_TIMEOUT_MS = 3000, OWN_SERVANTS = 2 };

struct own_servant {
    struct tars_str servant, endpoint;
};

static void own_servants(const struct registry *r, struct own_servant own[OWN_SERVANTS])
{
    own[0] = (struct own_servant){tars_str("tars.tarsregistry.QueryObj"),
                                  tars_str(r->settings.query_endpoint)};
    own[1] = (struct own_servant){tars_str("tars.tarsregistry.Registry"),
                                  tars_str(r->settings.registry_endpoint)};
}

static struct tars_str host_of(struct tars_str locator)
{
    const char *colon = memrchr(locator.at, ':', locator.len);
    return colon ? tars_str_n(locator.at, (size_t)(colon - locator.at)) : locator;
}

static void list_one(struct registry *r, const struct own_servant *own)
{
    char *id = document_registry_id(r->name, own->servant);
    struct adapter adapter = {.servant = own->servant, .endpoint = own->endpoint};
    struct record record = {
        .application = tars_str("tars"),
        .server_name = tars_str("tarsregistry"),
        .node_name = host_of(r->name),
        .setting_state = tars_str("active"),
        .adapter_count = 1,
        .adapters = &adapter,
    };
    struct instance *i = table_add(r->table, tars_str(id), INSTANCE_REGISTRY);
    i->reporter = r->name;
    table_set_record(r->table, i, record_copy(&record));
    table_set_present(r->table, i, STATE_ACTIVE, clock_wall_ms());
    free(id);
}

void own_list(struct registry *r)
{
    struct own_servant own[OWN_SERVANTS];
    own_servants(r, own);
    for (int k = 0; k < OWN_SERVANTS; k++)
        list_one(r, &own[k]);
}

static cJSON *row(const struct registry *r, const struct own_servant *own, const char *id,
                  enum present_state present)
{
    int64_t now = clock_wall_ms();
    cJSON *doc = cJSON_CreateObject();
    document_stamp(doc, id, r->name, now);
    document_set_text(doc, "locator_id", r->name);
    document_set_text(doc, "servant", own->servant);
    document_set_text(doc, "endpoint", own->endpoint);
    document_set_text(doc, "present_state", tars_str(state_word(present)));
    document_set_text(doc, "tars_version", tars_str(TARSC_VERSION));
    document_set_text(doc, "enable_group", tars_str("N"));
    document_set_number(doc, "last_heartbeat", now);
    return doc;
}

struct heartbeat {
    void (*done)(void *user);
    void *user;
};

static void on_written(void *user, const struct es_result *result, const struct es_item *items,
                       size_t count)
{
    struct heartbeat *heartbeat = user;
    (void)result; /* a heartbeat that is lost is followed by the next */
    (void)items;
    (void)count;
    if (heartbeat->done)
        heartbeat->done(heartbeat->user);
    free(heartbeat);
}

static void write_rows(struct registry *r, enum present_state present, void (*done)(void *user),
                       void *user)
{
    struct own_servant own[OWN_SERVANTS];
    struct es_bulk *bulk = es_bulk_new();
    struct heartbeat *heartbeat = xcalloc(1, sizeof *heartbeat);
    *heartbeat = (struct heartbeat){done, user};
    own_servants(r, own);
    for (int k = 0; k < OWN_SERVANTS; k++) {
        char *id = document_registry_id(r->name, own[k].servant);
        cJSON *doc = row(r, &own[k], id, present);
        es_bulk_put(bulk, store_index(r->store, DOCUMENT_REGISTRY), id, doc, NULL);
        cJSON_Delete(doc);
        free(id);
    }
    es_bulk_send(store_client(r->store), bulk, true, WRITE_TIMEOUT_MS, on_written, heartbeat);
}

void own_tick(struct registry *r)
{
    if (!registry_store_here(r) || clock_ms() < r->next_heartbeat)
        return;
    r->next_heartbeat = clock_ms() + r->settings.heartbeat_ms;
    write_rows(r, STATE_ACTIVE, NULL, NULL);
}

void own_leave(struct registry *r, void (*done)(void *user), void *user)
{
    if (!registry_store_here(r))
        return done(user);
    write_rows(r, STATE_INACTIVE, done, user);
}
