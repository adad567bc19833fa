/* SPDX-License-Identifier: BSD-3-Clause */
/* The routes about the store itself, its indices, mappings, settings, aliases and templates. */
#include "catalog_aliases.h"
#include "catalog_file.h"
#include "catalog_indices.h"
#include "catalog_templates.h"
#include "mapping_merge.h"
#include "mapping_print.h"
#include "pattern.h"
#include "request.h"

#include <stdio.h>

/* The version whose answers are given; what official clients look at. */
#define SPEAKS_AS "8.19.21"

static bool resolve(struct store_context *c, const struct request *r, bool aliases,
                    struct index_list *list, struct failure *f)
{
    bool lenient;
    return request_flag(r, "ignore_unavailable", false, &lenient, f) &&
           catalog_resolve(c->catalog, r->index, aliases, lenient, list, f);
}

/* ---- the store
 * ------------------------------------------------------------------------------------------ */

void rest_info(struct store_context *c, struct request *r)
{
    (void)c;
    r->status = 200;
    text_addf(
        &r->answer,
        "{\"name\":\"tarselasticsearch\",\"cluster_name\":\"tars\",\"cluster_uuid\":\"embedded\","
        "\"version\":{\"number\":\"%s\","
        "\"build_flavor\":\"default\",\"build_type\":\"embedded\",\"build_hash\":\"%s\",\"build_"
        "snapshot\":false,"
        "\"lucene_version\":\"9.12.2\",\"minimum_wire_compatibility_version\":\"7.17.0\","
        "\"minimum_index_compatibility_version\":\"7.0.0\"},\"tagline\":\"You Know, for Search\"}",
        SPEAKS_AS, TARSC_VERSION);
}

/* ---- _cat/indices
 * ------------------------------------------------------------------------------------------ */

struct cat_row {
    const struct index *index;
    int64_t docs;
};

static void cat_health(const struct cat_row *row, char *to, size_t size)
{
    (void)row;
    snprintf(to, size, "green");
}

static void cat_status(const struct cat_row *row, char *to, size_t size)
{
    (void)row;
    snprintf(to, size, "open");
}

static void cat_name(const struct cat_row *row, char *to, size_t size)
{
    snprintf(to, size, "%s", row->index->name);
}

static void cat_uuid(const struct cat_row *row, char *to, size_t size)
{
    snprintf(to, size, "%s", row->index->uuid);
}

static void cat_one(const struct cat_row *row, char *to, size_t size)
{
    (void)row;
    snprintf(to, size, "1");
}

static void cat_zero(const struct cat_row *row, char *to, size_t size)
{
    (void)row;
    snprintf(to, size, "0");
}

static void cat_docs(const struct cat_row *row, char *to, size_t size)
{
    snprintf(to, size, "%lld", (long long)row->docs);
}

static const struct {
    const char *name, *alias;
    void (*print)(const struct cat_row *row, char *to, size_t size);
} columns[] = {
    {"health", "h", cat_health},    {"status", "s", cat_status},
    {"index", "i", cat_name},       {"uuid", "id", cat_uuid},
    {"pri", "p", cat_one},          {"rep", "r", cat_zero},
    {"docs.count", "dc", cat_docs}, {"docs.deleted", "dd", cat_zero},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

/* The columns that "h" names, in its order; what it names and is not known is left out. */
static int choose_columns(struct tars_str h, int chosen[COLUMNS])
{
    int count = 0;
    for (int i = 0; !h.at && i < COLUMNS; i++)
        chosen[count++] = i;
    while (h.len) {
        const char *comma = memchr(h.at, ',', h.len);
        struct tars_str one = tars_str_n(h.at, comma ? (size_t)(comma - h.at) : h.len);
        for (int i = 0; i < COLUMNS && count < COLUMNS; i++)
            if (tars_str_is(one, columns[i].name) || tars_str_is(one, columns[i].alias))
                chosen[count++] = i;
        h = comma ? tars_str_n(comma + 1, h.len - one.len - 1) : tars_str("");
    }
    return count;
}

static int64_t count_docs(struct db *db, const struct index *index)
{
    char sql[64];
    int len = snprintf(sql, sizeof sql, "SELECT count(*) FROM d%lld", (long long)index->id);
    sqlite3_stmt *s = db_prepare(db, tars_str_n(sql, (size_t)len));
    int64_t count = s && sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    if (s)
        sqlite3_reset(s);
    return count;
}

static void cat_line(const struct cat_row *row, const int *chosen, int count, bool json,
                     struct text *to)
{
    char value[300];
    for (int i = 0; i < count; i++) {
        columns[chosen[i]].print(row, value, sizeof value);
        if (json) {
            text_addf(to, "%s\"%s\":", i ? "," : "{", columns[chosen[i]].name);
            text_add_json(to, tars_str(value));
        } else {
            text_addf(to, "%s%s", i ? " " : "", value);
        }
    }
    text_adds(to, json ? "}" : "\n");
}

void rest_cat_indices(struct store_context *c, struct request *r)
{
    struct failure f = {0};
    struct index_list list = {0};
    int chosen[COLUMNS], count = choose_columns(request_param(r, "h"), chosen);
    bool json = tars_str_is(request_param(r, "format"), "json"), titles;
    bool ok = request_flag(r, "v", false, &titles, &f);
    if (request_param(r, "s").at && !tars_str_is(request_param(r, "s"), "index"))
        ok = failure_set(&f, 400, "illegal_argument_exception",
                         "[s]: this store only sorts by index");
    catalog_read(c->catalog);
    ok = ok && resolve(c, r, true, &list, &f);
    r->plain = !json;
    text_adds(&r->answer, json ? "[" : "");
    for (int i = 0; ok && titles && !json && i < count; i++)
        text_addf(&r->answer, "%s%s", columns[chosen[i]].name, i + 1 < count ? " " : "\n");
    for (size_t i = 0; ok && i < list.len; i++) {
        struct cat_row row = {list.at[i], count_docs(c->db, list.at[i])};
        text_adds(&r->answer, json && i ? "," : "");
        cat_line(&row, chosen, count, json, &r->answer);
    }
    catalog_read_end(c->catalog);
    text_adds(&r->answer, json ? "]" : "");
    r->status = 200;
    if (!ok)
        request_fail(r, &f);
    index_list_free(&list);
}

/* ---- indices
 * ------------------------------------------------------------------------------------------------
 */

void rest_create_index(struct store_context *c, struct request *r)
{
    struct failure f = {0};
    bool failed;
    const struct json *body = request_json(r, c->arena, false, &failed, &f);
    if (!failed && body && body->type != JSON_OBJECT)
        failed = !failure_set(&f, 400, "parse_exception", "an object was expected");
    if (!failed) {
        store_grow(c);
        failed = !catalog_create(c->catalog, c->db, r->index, body, &f);
        c->broken |= failed && f.status == 500;
    }
    if (failed) {
        request_fail(r, &f);
        return;
    }
    r->status = 200;
    text_adds(&r->answer, "{\"acknowledged\":true,\"shards_acknowledged\":true,\"index\":");
    text_add_json(&r->answer, r->index);
    text_adds(&r->answer, "}");
}

void rest_delete_index(struct store_context *c, struct request *r)
{
    struct failure f = {0};
    struct index_list list = {0};
    bool ok = true;
    if (memchr(r->index.at, '*', r->index.len) || tars_str_is(r->index, "_all"))
        ok = failure_set(&f, 400, "illegal_argument_exception",
                         "Wildcard expressions or all indices are not allowed");
    if (!ok || !resolve(c, r, false, &list, &f)) {
        request_fail(r, &f);
        return;
    }
    store_grow(c);
    for (size_t i = 0; i < list.len; i++)
        c->broken |= !catalog_delete(c->catalog, c->db, list.at[i]);
    index_list_free(&list);
    request_acknowledge(r);
}

enum show { SHOW_ALIASES = 1, SHOW_MAPPINGS = 2, SHOW_SETTINGS = 4 };

/* {"<index>":{…}} with what is asked of each. */
static void show_indices(struct store_context *c, struct request *r, unsigned what)
{
    struct failure f = {0};
    struct index_list list = {0};
    catalog_read(c->catalog);
    bool ok = resolve(c, r, true, &list, &f);
    text_adds(&r->answer, "{");
    for (size_t i = 0; i < list.len; i++) {
        text_adds(&r->answer, i ? "," : "");
        text_add_json(&r->answer, tars_str(list.at[i]->name));
        text_adds(&r->answer, ":{");
        if (what & SHOW_ALIASES) {
            text_adds(&r->answer, "\"aliases\":");
            index_print_aliases(list.at[i], tars_str(""), &r->answer);
        }
        if (what & SHOW_MAPPINGS) {
            text_adds(&r->answer, what & SHOW_ALIASES ? ",\"mappings\":" : "\"mappings\":");
            mapping_print(list.at[i]->mapping, &r->answer);
        }
        if (what & SHOW_SETTINGS) {
            text_adds(&r->answer, what & SHOW_ALIASES ? ",\"settings\":" : "\"settings\":");
            index_print_settings(list.at[i], &r->answer);
        }
        text_adds(&r->answer, "}");
    }
    text_adds(&r->answer, "}");
    catalog_read_end(c->catalog);
    index_list_free(&list);
    r->status = 200;
    if (!ok)
        request_fail(r, &f);
}

void rest_get_index(struct store_context *c, struct request *r)
{
    show_indices(c, r, SHOW_ALIASES | SHOW_MAPPINGS | SHOW_SETTINGS);
}

void rest_get_mapping(struct store_context *c, struct request *r)
{
    show_indices(c, r, SHOW_MAPPINGS);
}

void rest_get_settings(struct store_context *c, struct request *r)
{
    show_indices(c, r, SHOW_SETTINGS);
}

/* Calls `change` for every index that is named, with the body. */
static void change_indices(struct store_context *c, struct request *r,
                           bool (*change)(struct store_context *, struct index *,
                                          const struct json *, struct failure *))
{
    struct failure f = {0};
    struct index_list list = {0};
    bool failed;
    const struct json *body = request_json(r, c->arena, true, &failed, &f);
    bool ok = !failed && resolve(c, r, true, &list, &f);
    if (ok)
        store_grow(c);
    for (size_t i = 0; ok && i < list.len; i++)
        ok = change(c, list.at[i], body, &f);
    c->broken |= f.status == 500;
    index_list_free(&list);
    if (ok)
        request_acknowledge(r);
    else
        request_fail(r, &f);
}

static bool change_mapping(struct store_context *c, struct index *index, const struct json *body,
                           struct failure *f)
{
    struct mapping *mapping = mapping_copy(index->mapping);
    if (!mapping_merge(mapping, body, f)) {
        mapping_free(mapping);
        return false;
    }
    return catalog_set_mapping(c->catalog, c->db, index, mapping) ||
           failure_set(f, 500, "engine_exception", "the data file: %s", db_problem(c->db));
}

void rest_put_mapping(struct store_context *c, struct request *r)
{
    change_indices(c, r, change_mapping);
}

static bool change_settings(struct store_context *c, struct index *index, const struct json *body,
                            struct failure *f)
{
    return catalog_put_settings(c->catalog, c->db, index, body, f);
}

void rest_put_settings(struct store_context *c, struct request *r)
{
    change_indices(c, r, change_settings);
}

/* ---- aliases
 * --------------------------------------------------------------------------------------------------
 */

static bool shows_alias(const struct index *index, struct tars_str pattern)
{
    for (size_t i = 0; i < index->alias_count; i++)
        if (pattern_matches(pattern, tars_str(index->aliases[i].name)))
            return true;
    return false;
}

void rest_get_alias(struct store_context *c, struct request *r)
{
    struct failure f = {0};
    struct index_list list = {0};
    size_t shown = 0;
    catalog_read(c->catalog);
    bool ok = resolve(c, r, true, &list, &f);
    text_adds(&r->answer, "{");
    for (size_t i = 0; i < list.len; i++) {
        if (r->name.len && !shows_alias(list.at[i], r->name))
            continue;
        text_adds(&r->answer, shown++ ? "," : "");
        text_add_json(&r->answer, tars_str(list.at[i]->name));
        text_adds(&r->answer, ":{\"aliases\":");
        index_print_aliases(list.at[i], r->name, &r->answer);
        text_adds(&r->answer, "}");
    }
    text_adds(&r->answer, "}");
    catalog_read_end(c->catalog);
    index_list_free(&list);
    r->status = 200;
    if (!ok) {
        request_fail(r, &f);
    } else if (!shown && r->name.len && !memchr(r->name.at, '*', r->name.len)) {
        text_cut(&r->answer, 0);
        struct text reason = {0};
        text_addf(&reason, "alias [%" TARS_STR_FMT "] missing", TARS_STR_ARG(r->name));
        text_adds(&r->answer, "{\"error\":");
        text_add_json(&r->answer, text_str(&reason));
        text_adds(&r->answer, ",\"status\":404}");
        text_free(&reason);
        r->status = 404;
    }
}

/* One action on one index. `remove`, or add. */
static bool apply_alias(struct store_context *c, struct index *index, struct tars_str name,
                        bool remove, int is_write, struct failure *f)
{
    if (!remove) {
        if (!catalog_check_alias(c->catalog, name, f))
            return false;
        index_add_alias(index, name, is_write);
    } else if (!index_remove_alias(index, name)) {
        return failure_set(f, 404, "aliases_not_found_exception",
                           "aliases [%" TARS_STR_FMT "] missing", TARS_STR_ARG(name));
    }
    return catalog_save(c->db, index) ||
           failure_set(f, 500, "engine_exception", "the data file: %s", db_problem(c->db));
}

static void alias_route(struct store_context *c, struct request *r, bool remove)
{
    struct failure f = {0};
    struct index_list list = {0};
    bool ok = r->body.len < 3 ||
              failure_set(&f, 400, "illegal_argument_exception",
                          "an alias with options is put through _aliases in this store");
    ok = ok && resolve(c, r, false, &list, &f);
    if (ok)
        store_grow(c);
    for (size_t i = 0; ok && i < list.len; i++)
        ok = apply_alias(c, list.at[i], r->name, remove, -1, &f);
    index_list_free(&list);
    c->broken |= f.status == 500;
    if (ok)
        request_acknowledge(r);
    else
        request_fail(r, &f);
}

void rest_put_alias(struct store_context *c, struct request *r)
{
    alias_route(c, r, false);
}

void rest_delete_alias(struct store_context *c, struct request *r)
{
    alias_route(c, r, true);
}

struct alias_action {
    struct tars_str index, alias;
    bool remove, remove_index;
    int is_write;
};

static bool read_alias_action(const struct json *json, struct alias_action *a, struct failure *f)
{
    const struct json *head = json->type == JSON_OBJECT && json->count == 1 ? json->child : NULL;
    bool ok = true;
    *a = (struct alias_action){.is_write = -1};
    if (!head || head->type != JSON_OBJECT)
        return failure_set(f, 400, "x_content_parse_exception",
                           "[aliases] failed to parse field [actions]");
    a->remove = tars_str_is(head->name, "remove");
    a->remove_index = tars_str_is(head->name, "remove_index");
    if (!a->remove && !a->remove_index && !tars_str_is(head->name, "add"))
        return failure_set(f, 400, "x_content_parse_exception",
                           "[alias_action] unknown field [%" TARS_STR_FMT "]",
                           TARS_STR_ARG(head->name));
    for (const struct json *p = head->child; p && ok; p = p->next) {
        if (tars_str_is(p->name, "index") && p->type == JSON_STRING)
            a->index = p->text;
        else if (tars_str_is(p->name, "alias") && p->type == JSON_STRING)
            a->alias = p->text;
        else if (tars_str_is(p->name, "is_write_index") && !a->remove)
            a->is_write = json_as_bool(p, &ok);
        else
            ok = false;
        if (!ok)
            failure_set(f, 400, "x_content_parse_exception",
                        "[%" TARS_STR_FMT "] unknown field [%" TARS_STR_FMT "]",
                        TARS_STR_ARG(head->name), TARS_STR_ARG(p->name));
    }
    if (ok && (!a->index.len || (!a->alias.len && !a->remove_index)))
        ok = failure_set(f, 400, "illegal_argument_exception",
                         "One of [index] or [indices] and of [alias] or [aliases] is required");
    return ok;
}

/* First everything is looked at, then everything is done: an action that cannot be stops them all.
 */
static bool check_actions(struct store_context *c, const struct json *actions, struct failure *f)
{
    struct alias_action a;
    for (const struct json *j = actions->child; j; j = j->next) {
        struct index_list list = {0};
        if (!read_alias_action(j, &a, f) ||
            !catalog_resolve(c->catalog, a.index, false, false, &list, f))
            return false;
        bool ok = true;
        for (size_t i = 0; ok && a.remove && i < list.len; i++)
            ok = index_has_alias(list.at[i], a.alias) ||
                 failure_set(f, 404, "aliases_not_found_exception",
                             "aliases [%" TARS_STR_FMT "] missing", TARS_STR_ARG(a.alias));
        index_list_free(&list);
        if (!ok || (!a.remove && !a.remove_index && !catalog_check_alias(c->catalog, a.alias, f)))
            return false;
    }
    return true;
}

static bool run_action(struct store_context *c, const struct alias_action *a, struct failure *f)
{
    struct index_list list = {0};
    bool ok = catalog_resolve(c->catalog, a->index, false, true, &list, f);
    for (size_t i = 0; ok && i < list.len; i++) {
        if (a->remove_index)
            c->broken |= !catalog_delete(c->catalog, c->db, list.at[i]);
        else
            ok = apply_alias(c, list.at[i], a->alias, a->remove, a->is_write, f);
    }
    index_list_free(&list);
    return ok;
}

void rest_aliases(struct store_context *c, struct request *r)
{
    struct failure f = {0};
    struct alias_action a;
    bool failed;
    const struct json *body = request_json(r, c->arena, true, &failed, &f),
                      *actions = json_get(body, "actions");
    bool ok = !failed &&
              ((actions && actions->type == JSON_ARRAY && actions->count && body->count == 1) ||
               failure_set(&f, 400, "illegal_argument_exception", "No action specified"));
    ok = ok && check_actions(c, actions, &f);
    if (ok)
        store_grow(c);
    for (const struct json *j = ok ? actions->child : NULL; ok && j; j = j->next)
        ok = read_alias_action(j, &a, &f) && run_action(c, &a, &f);
    c->broken |= f.status == 500;
    if (ok)
        request_acknowledge(r);
    else
        request_fail(r, &f);
}

/* ---- templates
 * --------------------------------------------------------------------------------------------------
 */

void rest_put_template(struct store_context *c, struct request *r)
{
    struct failure f = {0};
    bool failed;
    const struct json *body = request_json(r, c->arena, true, &failed, &f);
    if (!failed && body->type != JSON_OBJECT)
        failed = !failure_set(&f, 400, "parse_exception", "an object was expected");
    if (!failed) {
        store_grow(c);
        failed = !catalog_put_template(c->catalog, c->db, r->name, body, &f);
        c->broken |= failed && f.status == 500;
    }
    if (failed)
        request_fail(r, &f);
    else
        request_acknowledge(r);
}

void rest_get_template(struct store_context *c, struct request *r)
{
    struct failure f;
    size_t shown = 0;
    text_adds(&r->answer, "{\"index_templates\":[");
    catalog_read(c->catalog);
    for (size_t i = 0; i < catalog_template_count(c->catalog); i++) {
        const struct template *t = catalog_template(c->catalog, i);
        if (r->name.len && !pattern_matches(r->name, tars_str(t->name)))
            continue;
        text_adds(&r->answer, shown++ ? ",{\"name\":" : "{\"name\":");
        text_add_json(&r->answer, tars_str(t->name));
        text_adds(&r->answer, ",\"index_template\":");
        template_print(t, &r->answer);
        text_adds(&r->answer, "}");
    }
    catalog_read_end(c->catalog);
    text_adds(&r->answer, "]}");
    r->status = 200;
    if (!shown && r->name.len && !memchr(r->name.at, '*', r->name.len)) {
        failure_set(&f, 404, "resource_not_found_exception",
                    "index template matching [%" TARS_STR_FMT "] not found", TARS_STR_ARG(r->name));
        request_fail(r, &f);
    }
}

void rest_delete_template(struct store_context *c, struct request *r)
{
    struct failure f;
    store_grow(c);
    if (catalog_delete_template(c->catalog, c->db, r->name)) {
        request_acknowledge(r);
        return;
    }
    failure_set(&f, 404, "index_template_missing_exception",
                "index_template [%" TARS_STR_FMT "] missing", TARS_STR_ARG(r->name));
    request_fail(r, &f);
}
