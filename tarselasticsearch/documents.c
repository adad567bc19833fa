/* SPDX-License-Identifier: BSD-3-Clause */
/* The routes that read and write documents. */
#include "document.h"
#include "request.h"
#include "source_filter.h"

#include <stdio.h>

/* ---- one write
 * ------------------------------------------------------------------------------------------ */

/* Writes, with the catalogue locked when it turns out that it has to change. */
static void write_one(struct store_context *c, const struct doc_write *write,
                      struct doc_result *result)
{
    bool must_grow = false;
    bool kept = doc_write(c->catalog, c->db, write, c->may_grow, &must_grow, c->arena, result);
    if (must_grow) {
        store_grow(c);
        kept = doc_write(c->catalog, c->db, write, true, &must_grow, c->arena, result);
    }
    c->broken |= !kept;
}

static bool refreshes(const struct request *r, bool *forced, struct failure *f)
{
    struct tars_str refresh = request_param(r, "refresh");
    *forced = refresh.at && (refresh.len == 0 || tars_str_is(refresh, "true"));
    if (!refresh.at || *forced || tars_str_is(refresh, "false") || tars_str_is(refresh, "wait_for"))
        return true;
    return failure_set(f, 400, "illegal_argument_exception",
                       "Unknown value for refresh: [%" TARS_STR_FMT "].", TARS_STR_ARG(refresh));
}

/* What the parameters say of the source. */
static bool url_source(const struct request *r, struct tars_arena *arena, struct source_filter *s,
                       struct failure *f)
{
    struct tars_str all = request_param(r, "_source"),
                    includes = request_param(r, "_source_includes"),
                    excludes = request_param(r, "_source_excludes");
    *s = (struct source_filter){.none = tars_str_is(all, "false")};
    if (all.at && !s->none && !tars_str_is(all, "true") && !includes.at)
        includes = all;
    if (includes.at && !(s->includes = source_filter_list(includes, arena)))
        return failure_set(f, 429, "circuit_breaking_exception", "the request is too large");
    if (excludes.at && !(s->excludes = source_filter_list(excludes, arena)))
        return failure_set(f, 429, "circuit_breaking_exception", "the request is too large");
    s->none = s->none && !includes.at && !excludes.at;
    return true;
}

static bool check_cas(const struct doc_write *w, struct failure *f)
{
    bool seq = w->if_seq_no >= 0, term = w->if_primary_term > 0;
    if (seq != term)
        return failure_set(f, 400, "action_request_validation_exception",
                           "Validation Failed: 1: %s;",
                           seq ? "ifSeqNo is set, but primary term is [0]"
                               : "ifSeqNo is unassigned, but primary term is set");
    if (seq && w->action == DOC_CREATE)
        return failure_set(f, 400, "action_request_validation_exception",
                           "Validation Failed: 1: create operations do not support compare and "
                           "set. use index instead;");
    return true;
}

/* "version" goes with "version_type": only numbers of an external system can be given. */
static bool read_version(struct doc_write *w, struct tars_str version, struct tars_str type,
                         struct failure *f)
{
    struct json number = {.type = JSON_STRING, .text = version};
    w->or_equal = tars_str_is(type, "external_gte");
    w->external = w->or_equal || tars_str_is(type, "external");
    if (type.at && !w->external && !tars_str_is(type, "internal"))
        return failure_set(f, 400, "illegal_argument_exception",
                           "No version type match [%" TARS_STR_FMT "]", TARS_STR_ARG(type));
    if (version.at && (!json_as_int(&number, &w->version) || w->version < 0))
        return failure_set(f, 400, "action_request_validation_exception",
                           "Validation Failed: 1: illegal version value [%" TARS_STR_FMT
                           "] for version type [%s];",
                           TARS_STR_ARG(version), w->external ? "EXTERNAL" : "INTERNAL");
    if (version.at && !w->external)
        return failure_set(f, 400, "action_request_validation_exception",
                           "Validation Failed: 1: internal versioning can not be used for "
                           "optimistic concurrency control. Please use `if_seq_no` and "
                           "`if_primary_term` instead;");
    if (w->external && (!version.at || w->action == DOC_CREATE))
        return failure_set(
            f, 400, "action_request_validation_exception", "Validation Failed: 1: %s;",
            version.at ? "create operations only support internal versioning. use index "
                         "instead"
                       : "illegal version value [-3] for version type [EXTERNAL]");
    return true;
}

/* What "_source" of an update asks for: the document as it is now. */
static void print_updated(struct store_context *c, const struct request *r,
                          const struct doc_result *result)
{
    struct source_filter source;
    struct failure ignored = {0};
    struct text *to = &((struct request *)r)->answer;
    struct doc doc;
    struct index *index = catalog_index(c->catalog, tars_str(result->index));
    bool asked = request_param(r, "_source").at || request_param(r, "_source_includes").at ||
                 request_param(r, "_source_excludes").at;
    struct tars_error error = {0};
    const struct json *wish = json_get(json_parse(r->body, c->arena, &error), "_source");
    bool read = asked ? url_source(r, c->arena, &source, &ignored)
                      : wish && source_filter_read(&source, wish, c->arena, &ignored);
    if (!read || !index || source.none ||
        !doc_read(c->db, index, tars_str(result->id), c->arena, &doc) || !doc.found)
        return;
    text_addf(to, ",\"get\":{\"_seq_no\":%lld,\"_primary_term\":%lld,\"found\":true,\"_source\":",
              (long long)doc.seq_no, (long long)doc.term);
    if (source_filter_whole(&source) || !source_filter_print(&source, doc.source, c->arena, to))
        text_add(to, doc.source.at, doc.source.len);
    text_adds(to, "}");
}

static void run_write(struct store_context *c, struct request *r, enum doc_action action)
{
    struct doc_write w = {.action = action, .index = r->index, .id = r->id, .body = r->body};
    struct doc_result result;
    struct failure f = {0};
    bool forced;
    if (!request_int(r, "if_seq_no", -1, &w.if_seq_no, &f) ||
        !request_int(r, "if_primary_term", 0, &w.if_primary_term, &f) ||
        !request_flag(r, "require_alias", false, &w.require_alias, &f) ||
        !refreshes(r, &forced, &f) || !check_cas(&w, &f) ||
        !read_version(&w, request_param(r, "version"), request_param(r, "version_type"), &f) ||
        (action != DOC_DELETE && r->body.len == 0 &&
         !failure_set(&f, 400, "parse_exception", "request body is required"))) {
        request_fail(r, &f);
        return;
    }
    write_one(c, &w, &result);
    if (!result.ok) {
        request_fail(r, &result.failure);
        return;
    }
    r->status = result.status;
    text_adds(&r->answer, "{");
    doc_print_result(&result, forced, &r->answer);
    if (action == DOC_UPDATE)
        print_updated(c, r, &result);
    text_adds(&r->answer, "}");
}

static void put_or_create(struct store_context *c, struct request *r)
{
    struct tars_str type = request_param(r, "op_type");
    struct failure f;
    if (type.at && !tars_str_is(type, "index") && !tars_str_is(type, "create")) {
        failure_set(&f, 400, "illegal_argument_exception",
                    "opType must be 'create' or 'index', found: [%" TARS_STR_FMT "]",
                    TARS_STR_ARG(type));
        request_fail(r, &f);
        return;
    }
    run_write(c, r, tars_str_is(type, "create") ? DOC_CREATE : DOC_INDEX);
}

void rest_put_doc(struct store_context *c, struct request *r)
{
    put_or_create(c, r);
}

void rest_post_doc(struct store_context *c, struct request *r)
{
    put_or_create(c, r);
}

void rest_create_doc(struct store_context *c, struct request *r)
{
    run_write(c, r, DOC_CREATE);
}

void rest_update_doc(struct store_context *c, struct request *r)
{
    struct failure f;
    if (request_param(r, "retry_on_conflict").at && request_param(r, "if_seq_no").at) {
        failure_set(&f, 400, "action_request_validation_exception",
                    "Validation Failed: 1: compare and write operations can not be retried;");
        request_fail(r, &f);
        return;
    }
    run_write(c, r, DOC_UPDATE);
}

void rest_delete_doc(struct store_context *c, struct request *r)
{
    run_write(c, r, DOC_DELETE);
}

/* ---- reading by id
 * ----------------------------------------------------------------------------------------- */

/* The one index behind a name. */
static struct index *read_index(struct catalog *catalog, struct tars_str name, struct failure *f)
{
    struct index_list list;
    struct index *index = NULL;
    if (!catalog_resolve(catalog, name, true, false, &list, f))
        return NULL;
    if (list.len == 1)
        index = list.at[0];
    else
        failure_set(f, 400, "illegal_argument_exception",
                    "alias [%" TARS_STR_FMT
                    "] has more than one index associated with it, can't execute a single index op",
                    TARS_STR_ARG(name));
    index_list_free(&list);
    return index;
}

static void print_doc(const struct index *index, struct tars_str id, const struct doc *doc,
                      const struct source_filter *source, struct tars_arena *arena, struct text *to)
{
    text_adds(to, "{\"_index\":");
    text_add_json(to, tars_str(index->name));
    text_adds(to, ",\"_id\":");
    text_add_json(to, id);
    if (doc->found)
        text_addf(to, ",\"_version\":%lld,\"_seq_no\":%lld,\"_primary_term\":%lld",
                  (long long)doc->version, (long long)doc->seq_no, (long long)doc->term);
    text_addf(to, ",\"found\":%s", doc->found ? "true" : "false");
    if (doc->found && !source->none) {
        text_adds(to, ",\"_source\":");
        if (source_filter_whole(source) || !source_filter_print(source, doc->source, arena, to))
            text_add(to, doc->source.at, doc->source.len);
    }
    text_adds(to, "}");
}

static bool read_doc(struct store_context *c, struct index *index, struct tars_str id,
                     struct doc *doc, struct failure *f)
{
    return doc_read(c->db, index, id, c->arena, doc) ||
           failure_set(f, 500, "engine_exception", "the data file: %s", db_problem(c->db));
}

void rest_get_doc(struct store_context *c, struct request *r)
{
    struct failure f = {0};
    struct doc doc;
    struct source_filter source;
    bool sound = url_source(r, c->arena, &source, &f);
    catalog_read(c->catalog);
    struct index *index = sound ? read_index(c->catalog, r->index, &f) : NULL;
    if (!index || !read_doc(c, index, r->id, &doc, &f)) {
        request_fail(r, &f);
    } else {
        r->status = doc.found ? 200 : 404;
        print_doc(index, r->id, &doc, &source, c->arena, &r->answer);
    }
    catalog_read_end(c->catalog);
}

void rest_get_source(struct store_context *c, struct request *r)
{
    struct failure f = {0};
    struct doc doc = {0};
    struct source_filter source;
    bool sound = url_source(r, c->arena, &source, &f);
    catalog_read(c->catalog);
    struct index *index = sound ? read_index(c->catalog, r->index, &f) : NULL;
    bool ok = index && read_doc(c, index, r->id, &doc, &f);
    if (ok && !doc.found)
        ok = failure_set(&f, 404, "resource_not_found_exception",
                         "Document not found [%" TARS_STR_FMT "]/[%" TARS_STR_FMT "]",
                         TARS_STR_ARG(r->index), TARS_STR_ARG(r->id));
    if (ok) {
        r->status = 200;
        if (source_filter_whole(&source) ||
            !source_filter_print(&source, doc.source, c->arena, &r->answer))
            text_add(&r->answer, doc.source.at, doc.source.len);
    } else {
        request_fail(r, &f);
    }
    catalog_read_end(c->catalog);
}

/* ---- many by id
 * ---------------------------------------------------------------------------------------------- */

static void mget_one(struct store_context *c, struct request *r, struct tars_str name,
                     struct tars_str id, const struct source_filter *source)
{
    struct failure f = {0};
    struct doc doc;
    struct index *index = read_index(c->catalog, name, &f);
    if (index && read_doc(c, index, id, &doc, &f)) {
        print_doc(index, id, &doc, source, c->arena, &r->answer);
        return;
    }
    text_adds(&r->answer, "{\"_index\":");
    text_add_json(&r->answer, name);
    text_adds(&r->answer, ",\"_id\":");
    text_add_json(&r->answer, id);
    text_adds(&r->answer, ",\"error\":{\"root_cause\":[");
    failure_print(&f, &r->answer);
    text_adds(&r->answer, "],");
    struct text one = {0};
    failure_print(&f, &one);
    text_add(&r->answer, one.at + 1, one.len - 1);
    text_free(&one);
    text_adds(&r->answer, "}");
}

static bool mget_item(struct request *r, const struct json *item, struct tars_arena *arena,
                      struct tars_str *name, struct tars_str *id, struct source_filter *source,
                      struct failure *f)
{
    if (!url_source(r, arena, source, f))
        return false;
    *name = r->index;
    *id = item->text;
    if (item->type == JSON_STRING || item->type == JSON_NUMBER)
        return true;
    *id = (struct tars_str){0};
    for (const struct json *p = item->child; p; p = p->next) {
        if (tars_str_is(p->name, "_index"))
            *name = p->text;
        else if (tars_str_is(p->name, "_id"))
            *id = p->text;
        else if (tars_str_is(p->name, "_source")) {
            if (!source_filter_read(source, p, arena, f))
                return false;
        } else
            return failure_set(f, 400, "parsing_exception",
                               "[mget] unknown field [%" TARS_STR_FMT "] of a document",
                               TARS_STR_ARG(p->name));
    }
    if (!id->len)
        return failure_set(f, 400, "action_request_validation_exception",
                           "Validation Failed: 1: id is missing for doc 0;");
    return name->len || failure_set(f, 400, "action_request_validation_exception",
                                    "Validation Failed: 1: index is missing for doc 0;");
}

void rest_mget(struct store_context *c, struct request *r)
{
    struct failure f = {0};
    bool failed;
    struct tars_str name, id;
    struct source_filter source;
    const struct json *body = request_json(r, c->arena, true, &failed, &f);
    const struct json *docs = json_get(body, "docs") ? json_get(body, "docs")
                                                     : json_get(body, "ids");
    if (!failed && (!docs || docs->type != JSON_ARRAY || !docs->count || body->count != 1))
        failed = !failure_set(&f, 400, "action_request_validation_exception",
                              "Validation Failed: 1: no documents to get;");
    for (const struct json *d = failed ? NULL : docs->child; d && !failed; d = d->next)
        failed = !mget_item(r, d, c->arena, &name, &id, &source, &f);
    if (failed) {
        request_fail(r, &f);
        return;
    }
    r->status = 200;
    text_adds(&r->answer, "{\"docs\":[");
    catalog_read(c->catalog);
    for (const struct json *d = docs->child; d; d = d->next) {
        mget_item(r, d, c->arena, &name, &id, &source, &f);
        mget_one(c, r, name, id, &source);
        text_adds(&r->answer, d->next ? "," : "");
    }
    catalog_read_end(c->catalog);
    text_adds(&r->answer, "]}");
}

/* ---- bulk
 * ------------------------------------------------------------------------------------------------------
 */

static bool read_action_param(struct doc_write *w, const struct json *p, int line,
                              struct tars_str *version, struct tars_str *type, struct failure *f)
{
    bool ok = true;
    if (tars_str_is(p->name, "_index"))
        w->index = p->text;
    else if (tars_str_is(p->name, "_id"))
        w->id = p->text;
    else if (tars_str_is(p->name, "if_seq_no"))
        ok = json_as_int(p, &w->if_seq_no);
    else if (tars_str_is(p->name, "if_primary_term"))
        ok = json_as_int(p, &w->if_primary_term);
    else if (tars_str_is(p->name, "require_alias"))
        w->require_alias = json_as_bool(p, &ok);
    else if (tars_str_is(p->name, "version") && p->type == JSON_NUMBER)
        *version = p->text;
    else if (tars_str_is(p->name, "version_type") && p->type == JSON_STRING)
        *type = p->text;
    else if (!tars_str_is(p->name, "retry_on_conflict"))
        ok = false;
    return ok || failure_set(
                     f, 400, "illegal_argument_exception",
                     "Action/metadata line [%d] contains an unknown parameter [%" TARS_STR_FMT "]",
                     line, TARS_STR_ARG(p->name));
}

static bool read_action(struct doc_write *w, const struct json *json, int line, struct failure *f)
{
    const struct json *head = json && json->type == JSON_OBJECT && json->count == 1 ? json->child
                                                                                    : NULL;
    if (!head || head->type != JSON_OBJECT)
        return failure_set(
            f, 400, "illegal_argument_exception",
            "Malformed action/metadata line [%d], expected an object with one action", line);
    int action = 0;
    while (action < 4 && !tars_str_is(head->name, doc_action_names[action]))
        action++;
    if (action == 4)
        return failure_set(f, 400, "illegal_argument_exception",
                           "Malformed action/metadata line [%d], expected field [create], "
                           "[delete], [index] or [update] but found [%" TARS_STR_FMT "]",
                           line, TARS_STR_ARG(head->name));
    w->action = (enum doc_action)action;
    struct tars_str version = {0}, type = {0};
    for (const struct json *p = head->child; p; p = p->next)
        if (!read_action_param(w, p, line, &version, &type, f))
            return false;
    if (!read_version(w, version, type, f))
        return false;
    if (!w->index.len)
        return failure_set(f, 400, "action_request_validation_exception",
                           "Validation Failed: 1: index is missing;");
    if (!w->id.len && action != DOC_INDEX && action != DOC_CREATE)
        return failure_set(f, 400, "action_request_validation_exception",
                           "Validation Failed: 1: id is missing;");
    return true;
}

/* One item's lines; false at the end or on a failure of the whole request. */
static bool read_item(struct tars_str *rest, const struct request *r, struct tars_arena *arena,
                      bool require_alias, struct doc_write *w, int *line, struct failure *f)
{
    struct tars_str text;
    struct tars_error error = {0};
    do {
        if (!request_next_line(rest, &text))
            return false;
        ++*line;
    } while (text.len == 0);
    *w = (struct doc_write){.index = r->index, .if_seq_no = -1, .require_alias = require_alias};
    struct json *json = json_parse(text, arena, &error);
    if (!json)
        return failure_set(f, 400, "illegal_argument_exception",
                           "Malformed action/metadata line [%d]: %s", *line, error.text);
    if (!read_action(w, json, *line, f))
        return false;
    if (w->action == DOC_DELETE)
        return true;
    ++*line;
    return request_next_line(rest, &w->body) ||
           failure_set(f, 400, "illegal_argument_exception",
                       "Malformed bulk request: the last action has no document");
}

/* Reads all action lines once before anything is written: what is malformed writes nothing. */
static bool check_bulk(struct store_context *c, const struct request *r, bool require_alias,
                       struct failure *f)
{
    struct tars_str rest = r->body;
    struct doc_write w;
    int line = 0;
    size_t count = 0;
    if (rest.len && rest.at[rest.len - 1] != '\n')
        return failure_set(f, 400, "illegal_argument_exception",
                           "The bulk request must be terminated by a newline [\\n]");
    while (read_item(&rest, r, c->arena, require_alias, &w, &line, f)) {
        count++;
        tars_arena_reset(c->arena);
    }
    if (f->status)
        return false;
    return count ||
           failure_set(f, 400,
                       r->body.len ? "action_request_validation_exception" : "parse_exception",
                       r->body.len ? "Validation Failed: 1: no requests added;"
                                   : "request body is required");
}

static void print_item(const struct doc_write *w, const struct doc_result *result, bool forced,
                       struct text *to)
{
    text_adds(to, "{\"");
    text_adds(to, doc_action_names[w->action]);
    text_adds(to, "\":{");
    if (result->ok) {
        doc_print_result(result, forced, to);
        text_adds(to, ",\"status\":");
        text_add_int(to, result->status);
        text_adds(to, "}}");
        return;
    }
    text_adds(to, "\"_index\":");
    text_add_json(to, tars_str(result->index));
    text_adds(to, ",\"_id\":");
    text_add_json(to, w->id);
    text_addf(to, ",\"status\":%d,\"error\":", result->status);
    failure_print(&result->failure, to);
    text_adds(to, "}}");
}

static void run_items(struct store_context *c, struct request *r, bool require_alias, bool forced)
{
    struct tars_str rest = r->body;
    struct doc_write w;
    struct failure f = {0};
    struct text items = {0};
    bool errors = false;
    int line = 0;
    while (!c->broken && read_item(&rest, r, c->arena, require_alias, &w, &line, &f)) {
        struct doc_result result = {0};
        if (!check_cas(&w, &result.failure)) {
            result.status = 400;
            snprintf(result.index, sizeof result.index, "%" TARS_STR_FMT, TARS_STR_ARG(w.index));
        } else {
            write_one(c, &w, &result);
        }
        errors |= !result.ok;
        text_adds(&items, items.len ? "," : "");
        print_item(&w, &result, forced, &items);
        tars_arena_reset(c->arena);
    }
    text_addf(&r->answer, "{\"errors\":%s,\"took\":0,\"items\":[%s]}", errors ? "true" : "false",
              items.at ? items.at : "");
    text_free(&items);
    r->status = 200;
}

void rest_bulk(struct store_context *c, struct request *r)
{
    struct failure f = {0};
    bool forced, require_alias;
    if (refreshes(r, &forced, &f) && request_flag(r, "require_alias", false, &require_alias, &f) &&
        check_bulk(c, r, require_alias, &f))
        run_items(c, r, require_alias, forced);
    else
        request_fail(r, &f);
}
