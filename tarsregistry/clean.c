/* SPDX-License-Identifier: BSD-3-Clause */
#include "clean.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "es/query.h"
#include "intake.h"

enum {
    PAGE = 200,
    NODES_MAX = 1000, /* of one command; the next one goes on */
    TIMEOUT_MS = 5000,
    DAY_MS = 24 * 60 * 60 * 1000
};

const char clean_usage[] = "usage: clean [n] [date]\n"
                           "n: delete, else only list; date: 2026-11-26 or 2026-11-26T18:30:00, "
                           "not in the future (default: a day ago)";

struct clean {
    struct registry *registry;
    struct clean_rules rules;
    struct tars_writer nodes, instances; /* lines */
    size_t found, failed;
    size_t waiting; /* answers that are still to come */
    bool more;      /* than NODES_MAX */
    struct tars_error error;
    pthread_mutex_t lock; /* of `done` */
    pthread_cond_t ended;
    bool done;
};

/* A node on its way out, or one of its instances. */
struct farewell {
    struct clean *clean;
    struct farewell *node; /* of an instance; NULL: it is the node */
    char *id, *node_name;
    size_t instances; /* of a node: that are still to go */
    bool kept;        /* of a node: something of it came back or could not be deleted */
    cJSON *written;
};

/* ---- the argument
 * ------------------------------------------------------------------------------------ */

static bool parse_date(const char *text, int64_t *ms)
{
    struct tm at = {.tm_isdst = -1};
    const char *end = strptime(text, "%Y-%m-%d", &at);
    if (end && *end == 'T')
        end = strptime(end, "T%H:%M:%S", &at);
    if (!end || *end)
        return false;
    time_t seconds = mktime(&at);
    *ms = (int64_t)seconds * 1000;
    return seconds > 0;
}

bool clean_parse(struct tars_str argument, int64_t now, struct clean_rules *rules)
{
    char text[64];
    *rules = (struct clean_rules){false, now - DAY_MS};
    if (argument.len >= sizeof text || memchr(argument.at ? argument.at : "", 0, argument.len))
        return false;
    snprintf(text, sizeof text, "%" TARS_STR_FMT, TARS_STR_ARG(argument));
    const char *rest = text + strspn(text, " ");
    if (*rest && strchr("nNyY", *rest) && (!rest[1] || rest[1] == ' ')) {
        rules->perform = *rest == 'n' || *rest == 'N';
        rest++;
    }
    rest += strspn(rest, " ");
    return !*rest || (parse_date(rest, &rules->before) && rules->before <= now);
}

/* ---- what goes
 * --------------------------------------------------------------------------------------- */

static void add_line(struct tars_writer *lines, const char *text)
{
    tars_writer_append(lines, text, strlen(text));
    tars_writer_append(lines, "\n", 1);
}

static bool is_inactive(const struct instance *i)
{
    return i->present == STATE_INACTIVE || i->present == STATE_DESTROYED;
}

static bool has_active(const struct registry *r, const char *node_name)
{
    struct instance_list list = table_of_node(r->table, tars_str(node_name));
    for (size_t k = 0; k < list.len; k++)
        if (list.at[k]->record && !is_inactive(list.at[k]))
            return true;
    return false;
}

static bool has_instances(const struct registry *r, const char *node_name)
{
    struct instance_list list = table_of_node(r->table, tars_str(node_name));
    for (size_t k = 0; k < list.len; k++)
        if (list.at[k]->record)
            return true;
    return false;
}

static void answered(struct clean *c)
{
    if (--c->waiting)
        return;
    pthread_mutex_lock(&c->lock);
    c->done = true;
    pthread_cond_signal(&c->ended);
    pthread_mutex_unlock(&c->lock);
}

static struct farewell *farewell_new(struct clean *c, struct farewell *node, const char *id,
                                     const char *node_name)
{
    struct farewell *f = xcalloc(1, sizeof *f);
    *f = (struct farewell){
        .clean = c, .node = node, .id = xstrdup(id), .node_name = xstrdup(node_name)};
    c->waiting++;
    return f;
}

static void farewell_end(struct farewell *f)
{
    struct clean *c = f->clean;
    cJSON_Delete(f->written);
    free(f->id);
    free(f->node_name);
    free(f);
    answered(c);
}

static void bury_in(struct farewell *f, enum document_kind kind, es_modify modify, es_done done)
{
    struct store *store = f->clean->registry->store;
    es_change(store_client(store), store_index(store, kind), f->id, modify, TIMEOUT_MS, done, f);
}

static bool went_well(struct clean *c, const struct es_result *result)
{
    if (result->status == ES_OK || result->status == ES_MISSING)
        return true;
    c->failed++;
    c->error = result->error;
    return false;
}

static cJSON *bury(struct farewell *f, const cJSON *source)
{
    cJSON *doc = cJSON_Duplicate(source, true);
    document_bury(doc, f->id, f->clean->registry->name, "operator", clock_wall_ms());
    cJSON_Delete(f->written);
    f->written = cJSON_Duplicate(doc, true);
    return doc;
}

/* ---- nodes, once their instances are gone */

static cJSON *bury_node(void *user, const cJSON *source)
{
    struct farewell *f = user;
    const struct clean *c = f->clean;
    if (!source || document_deleted(source) || has_instances(c->registry, f->node_name) ||
        document_number(source, "last_heartbeat", c->rules.before) >= c->rules.before)
        return NULL;
    return bury(f, source);
}

static void on_node_buried(void *user, const struct es_result *result)
{
    struct farewell *f = user;
    if (went_well(f->clean, result) && f->written)
        add_line(&f->clean->nodes, f->node_name);
    farewell_end(f);
}

static void node_goes(struct farewell *node)
{
    if (node->kept)
        farewell_end(node);
    else
        bury_in(node, DOCUMENT_NODE, bury_node, on_node_buried);
}

/* ---- instances */

/* Somebody may have registered or reported it meanwhile. */
static cJSON *bury_server(void *user, const cJSON *source)
{
    struct farewell *f = user;
    const struct clean *c = f->clean;
    const struct instance *i = table_find(c->registry->table, tars_str(f->id));
    cJSON_Delete(f->written);
    f->written = NULL;
    if (!source || document_deleted(source) || !i || !is_inactive(i) ||
        document_number(source, "updated_at", c->rules.before) >= c->rules.before)
        return NULL;
    return bury(f, source);
}

static void add_instance(struct clean *c, const struct record *r)
{
    char *line = xasprintf("%" TARS_STR_FMT ".%" TARS_STR_FMT ".%" TARS_STR_FMT,
                           TARS_STR_ARG(r->node_name), TARS_STR_ARG(r->application),
                           TARS_STR_ARG(r->server_name));
    add_line(&c->instances, line);
    free(line);
}

static void on_server_buried(void *user, const struct es_result *result)
{
    struct farewell *f = user, *node = f->node;
    struct registry *r = f->clean->registry;
    const struct instance *i = table_find(r->table, tars_str(f->id));
    bool gone = went_well(f->clean, result) && f->written;
    if (gone && i && i->record)
        add_instance(f->clean, i->record);
    if (gone && !r->stopping) {
        intake_written(r, DOCUMENT_SERVER, f->id, f->written, result->doc.version);
        r->changed = true;
        registry_publish(r);
    }
    node->kept |= !gone || r->stopping;
    if (--node->instances == 0)
        node_goes(node);
    farewell_end(f);
}

/* Ids first: an answer that comes at once may change the table. */
static void instances_go(struct farewell *node)
{
    struct registry *r = node->clean->registry;
    struct instance_list list = table_of_node(r->table, tars_str(node->node_name));
    struct farewell **leaving = xcalloc(list.len + 1, sizeof(struct farewell *));
    for (size_t k = 0; k < list.len; k++)
        if (list.at[k]->record)
            leaving[node->instances++] = farewell_new(node->clean, node, list.at[k]->id,
                                                      node->node_name);
    for (size_t k = 0, count = node->instances; k < count; k++)
        bury_in(leaving[k], DOCUMENT_SERVER, bury_server, on_server_buried);
    if (!*leaving)
        node_goes(node);
    free(leaving);
}

/* ---- looking for them
 * -------------------------------------------------------------------------------- */

static void list_node(struct clean *c, const char *node_name)
{
    struct instance_list list = table_of_node(c->registry->table, tars_str(node_name));
    for (size_t k = 0; k < list.len; k++)
        if (list.at[k]->record)
            add_instance(c, list.at[k]->record);
    add_line(&c->nodes, node_name);
}

static bool on_page(void *user, const struct es_doc *docs, size_t count)
{
    struct clean *c = user;
    for (size_t k = 0; k < count && !c->registry->stopping && !c->more; k++) {
        struct tars_str name = document_text(docs[k].source, "node_name");
        char *node_name = xstrndup(name.len ? name.at : "", name.len);
        bool goes = name.len && !has_active(c->registry, node_name);
        c->more = goes && c->found == NODES_MAX;
        goes &= !c->more;
        c->found += goes;
        if (goes && c->rules.perform)
            instances_go(farewell_new(c, NULL, docs[k].id, node_name));
        else if (goes)
            list_node(c, node_name);
        free(node_name);
    }
    return !c->more && !c->registry->stopping;
}

static void on_searched(void *user, const struct es_result *result)
{
    struct clean *c = user;
    (void)went_well(c, result);
    answered(c);
}

static void search(void *arg)
{
    struct clean *c = arg;
    struct store *store = c->registry->store;
    c->waiting = 1;
    if (!registry_store_here(c->registry)) {
        c->failed = 1;
        tars_fail(&c->error, ES_UNREACHABLE, "the store is away (%s)",
                  store ? store_problem(store) : "the registry stops");
        return answered(c);
    }
    cJSON *query = es_bool(), *sort = es_sort();
    es_bool_add(query, "must_not", es_term_bool("deleted", true));
    es_bool_add(query, "filter", es_range("last_heartbeat", "lt", c->rules.before));
    es_sort_add(sort, "key", true);
    es_search_all(store_client(store), store_index(store, DOCUMENT_NODE), query, sort, PAGE,
                  TIMEOUT_MS, on_page, on_searched, c);
}

/* ---- the command
 * ------------------------------------------------------------------------------------- */

static void tell(const struct clean *c, struct tars_writer *answer)
{
    char *end = c->failed ? xasprintf("%zu steps failed, repeat: %s", c->failed, c->error.text)
                          : xstrdup(c->rules.perform ? "Deleted" : "Dry run.");
    tars_writer_append(answer, c->instances.at ? (const char *)c->instances.at : "",
                       c->instances.len);
    tars_writer_append(answer, c->nodes.at ? (const char *)c->nodes.at : "", c->nodes.len);
    if (c->more)
        add_line(answer, "There are more: repeat.");
    tars_writer_append(answer, end, strlen(end));
    free(end);
}

void clean_run(struct registry *r, const struct clean_rules *rules, struct tars_writer *answer)
{
    struct clean c = {.registry = r, .rules = *rules};
    tars_writer_init(&c.nodes);
    tars_writer_init(&c.instances);
    pthread_mutex_init(&c.lock, NULL);
    pthread_cond_init(&c.ended, NULL);
    loop_call(r->loop, search, &c);
    pthread_mutex_lock(&c.lock);
    while (!c.done)
        pthread_cond_wait(&c.ended, &c.lock);
    pthread_mutex_unlock(&c.lock);
    if (rules->perform)
        log_info("clean",
                 "an operator's clean took out of the store what was silent: %zu nodes "
                 "found, %zu steps failed",
                 c.found, c.failed);
    tell(&c, answer);
    pthread_cond_destroy(&c.ended);
    pthread_mutex_destroy(&c.lock);
    tars_writer_free(&c.nodes);
    tars_writer_free(&c.instances);
}
