/* SPDX-License-Identifier: BSD-3-Clause */
#include "catalog_indices.h"

#include "base/clock.h"
#include "base/xmalloc.h"
#include "catalog_aliases.h"
#include "catalog_file.h"
#include "catalog_state.h"
#include "column_index.h"
#include "columns.h"
#include "index_tables.h"
#include "mapping_merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { INDEX_LIMIT = 1000 }; /* as Elasticsearch's cluster.max_shards_per_node */

/* ---- making ---------------------------------------------------------------------------------- */

static bool check_name(struct tars_str name, struct failure *failure)
{
    const char *why = NULL;
    struct tars_str n = name;
    if (n.len == 0 || tars_str_is(n, ".") || tars_str_is(n, ".."))
        why = ", must not be '.' or '..'";
    else if (strchr("_-+", n.at[0]))
        why = ", must not start with '_', '-', or '+'";
    else if (n.len > 255)
        why = ", index name is too long, (over 255)";
    for (size_t i = 0; i < n.len && !why; i++) {
        if (n.at[i] >= 'A' && n.at[i] <= 'Z')
            why = ", must be lowercase";
        else if (n.at[i] == '\0' || strchr("\\/*?\"<>| ,#:", n.at[i]))
            why = ", must not contain the following characters "
                  "['\\','/','*','?','\"','<','>','|',' ',',']";
    }
    if (!why)
        return true;
    failure_set(failure, 400, "invalid_index_name_exception",
                "Invalid index name [%" TARS_STR_FMT "]%s", TARS_STR_ARG(name), why);
    snprintf(failure->index, sizeof failure->index, "%" TARS_STR_FMT, TARS_STR_ARG(name));
    snprintf(failure->uuid, sizeof failure->uuid, "_na_");
    return false;
}

/* Whether the catalogue has room for an index of that name. */
static bool check_place(struct catalog *c, struct tars_str name, struct failure *failure)
{
    struct index *old = catalog_index(c, name);
    if (old) {
        failure_set(failure, 400, "resource_already_exists_exception",
                    "index [%s/%s] already exists", old->name, old->uuid);
        snprintf(failure->index, sizeof failure->index, "%s", old->name);
        snprintf(failure->uuid, sizeof failure->uuid, "%s", old->uuid);
        return false;
    }
    if (catalog_has_alias(c, name))
        return failure_set(failure, 400, "invalid_index_name_exception",
                           "Invalid index name [%" TARS_STR_FMT "], already exists as alias",
                           TARS_STR_ARG(name));
    return c->count < INDEX_LIMIT ||
           failure_set(failure, 400, "validation_exception",
                       "Validation Failed: 1: this action would add [1] shards, but this store has "
                       "[%zu]/[%d] maximum open;",
                       c->count, INDEX_LIMIT);
}

static void make_uuid(char uuid[24])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char random[22] = {0};
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        memcpy(random, &(int64_t){clock_us()}, sizeof(int64_t));
    for (int i = 0; i < 22; i++)
        uuid[i] = letters[random[i] & 63];
    uuid[22] = '\0';
}

bool catalog_apply_body(struct catalog *c, struct index *index, const struct json *body,
                        struct failure *failure)
{
    /* Mappings name what settings define. */
    if (!settings_merge(&index->settings, json_get(body, "settings"), failure))
        return false;
    index_name_normalizers(index);
    for (const struct json *p = body ? body->child : NULL; p; p = p->next) {
        bool ok = tars_str_is(p->name, "settings")   ? true
                  : tars_str_is(p->name, "mappings") ? mapping_merge(index->mapping, p, failure)
                  : tars_str_is(p->name, "aliases")
                      ? catalog_read_aliases(c, index, p, failure)
                      : failure_set(failure, 400, "parse_exception",
                                    "unknown key [%" TARS_STR_FMT "] for create index",
                                    TARS_STR_ARG(p->name));
        if (!ok)
            return false;
    }
    return true;
}

/* What nobody said: one shard, one copy of it, or none where they follow the number of nodes. */
static void fill_settings(struct settings *s)
{
    if (!s->values[NUMBER_OF_SHARDS])
        s->values[NUMBER_OF_SHARDS] = xstrdup("1");
    if (!s->values[NUMBER_OF_REPLICAS] || s->values[0]) {
        free(s->values[NUMBER_OF_REPLICAS]);
        s->values[NUMBER_OF_REPLICAS] = xstrdup(s->values[0] ? "0" : "1");
    }
}

struct index *catalog_create(struct catalog *c, struct db *db, struct tars_str name,
                             const struct json *body, struct failure *failure)
{
    if (!check_name(name, failure) || !check_place(c, name, failure))
        return NULL;
    struct index *index = catalog_new_index(c, name);
    make_uuid(index->uuid);
    index->created_ms = clock_wall_ms();
    index->term = 1;
    const struct template *t = templates_for(&c->templates, name);
    bool ok = catalog_apply_body(c, index, t ? json_get(t->body, "template") : NULL, failure) &&
              catalog_apply_body(c, index, body, failure) &&
              settings_check(&index->settings, failure);
    if (ok)
        fill_settings(&index->settings);
    if (ok && !(catalog_save(db, index) && index_tables_make(db, index)))
        ok = failure_set(failure, 500, "engine_exception", "making the index: %s", db_problem(db));
    if (!ok) {
        index_free(index);
        return NULL;
    }
    catalog_insert(c, index);
    return index;
}

/* ---- changing -------------------------------------------------------------------------------- */

bool catalog_delete(struct catalog *c, struct db *db, struct index *index)
{
    bool ok = index_tables_drop(db, index);
    catalog_remove(c, index);
    return ok;
}

bool catalog_set_mapping(struct catalog *c, struct db *db, struct index *index,
                         struct mapping *mapping)
{
    (void)c;
    struct mapping *old = index->mapping;
    index->mapping = mapping;
    bool ok = index_tables_extend(db, index, old) && catalog_save(db, index);
    mapping_free(old);
    return ok;
}

bool catalog_put_settings(struct catalog *c, struct db *db, struct index *index,
                          const struct json *body, struct failure *failure)
{
    (void)c;
    if (json_get(body, "number_of_shards") || json_get(body, "index.number_of_shards") ||
        json_get(json_get(body, "index"), "number_of_shards"))
        return failure_set(failure, 400, "illegal_argument_exception",
                           "Can't update non dynamic settings [[index.number_of_shards]] for open "
                           "indices [[%s/%s]]",
                           index->name, index->uuid);
    return settings_merge(&index->settings, body, failure) &&
           settings_check(&index->settings, failure) &&
           (catalog_save(db, index) ||
            failure_set(failure, 500, "engine_exception", "saving the index: %s", db_problem(db)));
}

static void build_index(struct catalog *c, struct db *db, struct index *index, int column, int with)
{
    struct field *f = column_index_make(db, index, column, with);
    if (!f)
        return;
    catalog_lock(c);
    f->indexed = true;
    catalog_unlock(c);
}

bool catalog_build_wanted(struct catalog *c, struct db *db)
{
    bool any = false;
    for (size_t i = 0; i < c->count; i++) {
        int wanted = atomic_exchange(&c->indices[i]->wanted, 0);
        if (wanted)
            build_index(c, db, c->indices[i], wanted % INDEX_WANTED_WITH - 1,
                        wanted / INDEX_WANTED_WITH - 1);
        any |= columns_build(db, c->indices[i]) || wanted;
    }
    return any;
}
