/* SPDX-License-Identifier: BSD-3-Clause */
#include "document.h"

#include "catalog.h"
#include "catalog_indices.h"
#include "row.h"

#include <stdio.h>
#include <sys/random.h>

const char *const doc_action_names[4] = {"index", "create", "update", "delete"};

/* ---- conflicts
 * --------------------------------------------------------------------------------------- */

static bool conflict(const struct index *index, struct failure *failure)
{
    snprintf(failure->index, sizeof failure->index, "%s", index->name);
    snprintf(failure->uuid, sizeof failure->uuid, "%s", index->uuid);
    return false;
}

static bool check_expected(const struct doc_write *w, const struct index *index, struct tars_str id,
                           const struct doc *old, struct failure *failure)
{
    static const char type[] = "version_conflict_engine_exception";
    if (w->action == DOC_CREATE && old->found) {
        failure_set(failure, 409, type,
                    "[%" TARS_STR_FMT
                    "]: version conflict, document already exists (current version [%lld])",
                    TARS_STR_ARG(id), (long long)old->version);
        return conflict(index, failure);
    }
    if (w->external && old->found &&
        (w->or_equal ? w->version < old->version : w->version <= old->version)) {
        failure_set(failure, 409, type,
                    "[%" TARS_STR_FMT
                    "]: version conflict, current version [%lld] is higher%s the one provided "
                    "[%lld]",
                    TARS_STR_ARG(id), (long long)old->version,
                    w->or_equal ? " than" : " or equal to", (long long)w->version);
        return conflict(index, failure);
    }
    if (w->if_seq_no < 0)
        return true;
    if (!old->found) {
        failure_set(failure, 409, type,
                    "[%" TARS_STR_FMT
                    "]: version conflict, required seqNo [%lld], primary term [%lld]. but no "
                    "document was found",
                    TARS_STR_ARG(id), (long long)w->if_seq_no, (long long)w->if_primary_term);
        return conflict(index, failure);
    }
    if (old->seq_no == w->if_seq_no && index->term == w->if_primary_term)
        return true;
    failure_set(failure, 409, type,
                "[%" TARS_STR_FMT
                "]: version conflict, required seqNo [%lld], primary term [%lld]. current "
                "document has seqNo [%lld] and primary term [%lld]",
                TARS_STR_ARG(id), (long long)w->if_seq_no, (long long)w->if_primary_term,
                (long long)old->seq_no, (long long)index->term);
    return conflict(index, failure);
}

/* ---- the four actions
 * --------------------------------------------------------------------------------- */

struct job {
    struct catalog *catalog;
    struct db *db;
    const struct doc_write *write;
    struct index *index;
    struct tars_str id;
    struct tars_arena *arena;
    struct doc_result *result;
    bool may_grow, must_grow, broken;
};

static bool broken(struct job *job)
{
    job->broken = true;
    return failure_set(&job->result->failure, 500, "engine_exception", "the data file: %s",
                       db_problem(job->db));
}

static void done(struct job *job, const char *what, int status, int64_t version, int64_t seq)
{
    struct doc_result *r = job->result;
    r->ok = true;
    r->result = what;
    r->status = status;
    r->version = version;
    r->seq_no = seq;
    r->term = job->index->term;
}

static int64_t take_seq(struct job *job)
{
    job->index->seq_changed = true;
    return job->index->next_seq++;
}

static int64_t next_version(const struct job *job, const struct doc *old)
{
    return job->write->external ? job->write->version : old->found ? old->version + 1 : 1;
}

/* Writes `source` over what stands there. */
static bool put(struct job *job, const struct json *json, struct tars_str source,
                const struct doc *old)
{
    struct row row = {.index = job->index,
                      .db = job->db,
                      .mapping = job->index->mapping,
                      .arena = job->arena,
                      .id = job->id,
                      .may_grow = job->may_grow,
                      .failure = &job->result->failure};
    bool ok = row_read(&row, json);
    job->must_grow |= row.must_grow;
    if (!ok) {
        if (row.grew)
            mapping_free(row.mapping);
        return row.broken && broken(job);
    }
    if (row.grew && !catalog_set_mapping(job->catalog, job->db, job->index, row.mapping))
        return broken(job);
    if (old->found && !row_remove(job->db, job->index, old->seq_no))
        return broken(job);
    int64_t seq = take_seq(job), version = next_version(job, old);
    if (!row_insert(job->db, &row, seq, version, source))
        return broken(job);
    done(job, old->found ? "updated" : "created", old->found ? 200 : 201, version, seq);
    return true;
}

static struct json *parse(struct job *job, struct tars_str text)
{
    struct tars_error error = {0};
    struct json *json = json_parse(text, job->arena, &error);
    if (!json)
        failure_set(&job->result->failure, 400, "document_parsing_exception", "failed to parse: %s",
                    error.text);
    return json;
}

static bool write_whole(struct job *job, const struct doc *old)
{
    struct json *json = parse(job, job->write->body);
    return json && put(job, json, job->write->body, old);
}

/* Objects are merged member by member, all else replaced. True in `changed` when something did. */
static bool merge(struct json *into, const struct json *from, struct tars_arena *arena,
                  bool *changed)
{
    for (const struct json *m = from->child; m; m = m->next) {
        struct json *old = json_get_n(into, m->name);
        if (old && old->type == JSON_OBJECT && m->type == JSON_OBJECT) {
            if (!merge(old, m, arena, changed))
                return false;
            continue;
        }
        if (old && json_equal(old, m))
            continue;
        struct json *copy = json_copy(m, arena);
        if (!copy)
            return false;
        json_set(into, copy->name, copy);
        *changed = true;
    }
    return true;
}

struct update {
    const struct json *doc, *upsert;
    bool doc_as_upsert, detect_noop;
};

static bool read_update(const struct json *body, struct update *u, struct failure *failure)
{
    bool ok = true;
    *u = (struct update){.detect_noop = true};
    if (body->type != JSON_OBJECT)
        return failure_set(failure, 400, "x_content_parse_exception",
                           "[UpdateRequest] an object was expected");
    for (const struct json *p = body->child; p; p = p->next) {
        if (tars_str_is(p->name, "doc") && p->type == JSON_OBJECT)
            u->doc = p;
        else if (tars_str_is(p->name, "upsert") && p->type == JSON_OBJECT)
            u->upsert = p;
        else if (tars_str_is(p->name, "doc_as_upsert"))
            u->doc_as_upsert = json_as_bool(p, &ok);
        else if (tars_str_is(p->name, "detect_noop"))
            u->detect_noop = json_as_bool(p, &ok);
        else if (!tars_str_is(p->name, "_source")) /* for the answer: see documents.c */
            ok = false;
        if (!ok)
            return failure_set(failure, 400, "x_content_parse_exception",
                               "[UpdateRequest] unknown field [%" TARS_STR_FMT
                               "] or a value of the wrong type",
                               TARS_STR_ARG(p->name));
    }
    if (u->doc_as_upsert && !u->upsert)
        u->upsert = u->doc;
    return u->doc || failure_set(failure, 400, "action_request_validation_exception",
                                 "Validation Failed: 1: script or doc is missing;");
}

static bool write_update(struct job *job, const struct doc *old)
{
    struct failure *failure = &job->result->failure;
    struct json *body = parse(job, job->write->body), *source;
    struct update u;
    struct doc full;
    struct text text = {0};
    bool changed = false;
    if (!body || !read_update(body, &u, failure))
        return false;
    if (!old->found && !u.upsert) {
        failure_set(failure, 404, "document_missing_exception",
                    "[%" TARS_STR_FMT "]: document missing", TARS_STR_ARG(job->id));
        return conflict(job->index, failure);
    }
    if (!old->found) {
        source = (struct json *)u.upsert;
    } else {
        if (!doc_read(job->db, job->index, job->id, job->arena, &full) || !full.found)
            return broken(job);
        source = parse(job, full.source);
        if (!source)
            return false;
        if (!merge(source, u.doc, job->arena, &changed))
            return failure_set(failure, 413, "circuit_breaking_exception",
                               "the document needs more memory than one request may use");
        if (!changed && u.detect_noop) {
            done(job, "noop", 200, old->version, old->seq_no);
            return true;
        }
    }
    json_print(source, &text);
    bool ok = put(job, source, text_str(&text), old);
    text_free(&text);
    return ok;
}

static bool write_delete(struct job *job, const struct doc *old)
{
    int64_t seq = take_seq(job);
    if (old->found && !row_remove(job->db, job->index, old->seq_no))
        return broken(job);
    done(job, old->found ? "deleted" : "not_found", old->found ? 200 : 404, next_version(job, old),
         seq);
    return true;
}

/* ---- one write
 * ---------------------------------------------------------------------------------------- */

static void make_id(char id[21])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char random[20] = {0};
    if (getrandom(random, sizeof random, 0) < 0)
        memcpy(random, &(void *){id}, sizeof(void *));
    for (int i = 0; i < 20; i++)
        id[i] = letters[random[i] & 63];
    id[20] = '\0';
}

/* The index to write to; makes one that is missing, as Elasticsearch does. */
static struct index *target(struct job *job)
{
    const struct doc_write *w = job->write;
    struct failure *failure = &job->result->failure;
    bool missing;
    struct index *index = catalog_write_index(job->catalog, w->index, w->require_alias, &missing,
                                              failure);
    if (index || !missing)
        return index;
    if (w->require_alias || w->action == DOC_DELETE) {
        failure_no_index(failure, w->index);
        if (w->require_alias)
            snprintf(failure->reason, sizeof failure->reason,
                     "no such index [%" TARS_STR_FMT
                     "] and [require_alias] request flag is [true] and [%" TARS_STR_FMT
                     "] is not an alias",
                     TARS_STR_ARG(w->index), TARS_STR_ARG(w->index));
        return NULL;
    }
    if (!job->may_grow) {
        job->must_grow = true;
        return NULL;
    }
    return catalog_create(job->catalog, job->db, w->index, NULL, failure);
}

static bool check_id(struct job *job, char made[21])
{
    job->id = job->write->id;
    if (job->id.len == 0 && job->write->action <= DOC_CREATE) {
        make_id(made);
        job->id = tars_str_n(made, 20);
    }
    if (job->id.len > 512)
        return failure_set(&job->result->failure, 400, "action_request_validation_exception",
                           "Validation Failed: 1: id [%.40s...] is too long, must be no longer "
                           "than 512 bytes but was: %zu;",
                           job->id.at, job->id.len);
    return true;
}

bool doc_write(struct catalog *c, struct db *db, const struct doc_write *write, bool may_grow,
               bool *must_grow, struct tars_arena *arena, struct doc_result *result)
{
    static bool (*const actions[])(struct job *, const struct doc *) = {write_whole, write_whole,
                                                                        write_update, write_delete};
    struct job job = {.catalog = c,
                      .db = db,
                      .write = write,
                      .arena = arena,
                      .result = result,
                      .may_grow = may_grow};
    struct doc old;
    char made[21];
    db_settle(db);
    *result = (struct doc_result){0};
    snprintf(result->index, sizeof result->index, "%" TARS_STR_FMT, TARS_STR_ARG(write->index));
    if (check_id(&job, made)) {
        snprintf(result->id, sizeof result->id, "%" TARS_STR_FMT, TARS_STR_ARG(job.id));
        job.index = target(&job);
    }
    if (job.index) {
        snprintf(result->index, sizeof result->index, "%s", job.index->name);
        if (!row_find(db, job.index, job.id, &old))
            broken(&job);
        else if (check_expected(write, job.index, job.id, &old, &result->failure))
            actions[write->action](&job, &old);
    }
    if (!result->ok)
        result->status = result->failure.status;
    *must_grow = job.must_grow;
    return !job.broken && (result->ok || job.must_grow || result->status != 500);
}

void doc_print_result(const struct doc_result *r, bool forced_refresh, struct text *to)
{
    bool wrote = strcmp(r->result, "noop") != 0;
    text_adds(to, "\"_index\":");
    text_add_json(to, tars_str(r->index));
    text_adds(to, ",\"_id\":");
    text_add_json(to, tars_str(r->id));
    text_adds(to, ",\"_version\":");
    text_add_int(to, r->version);
    text_adds(to, ",\"result\":\"");
    text_adds(to, r->result);
    text_adds(to, forced_refresh && wrote ? "\",\"forced_refresh\":true" : "\"");
    text_adds(to, wrote ? ",\"_shards\":{\"total\":1,\"successful\":1,\"failed\":0}"
                        : ",\"_shards\":{\"total\":0,\"successful\":0,\"failed\":0}");
    text_adds(to, ",\"_seq_no\":");
    text_add_int(to, r->seq_no);
    text_adds(to, ",\"_primary_term\":");
    text_add_int(to, r->term);
}
