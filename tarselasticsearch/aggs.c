/* SPDX-License-Identifier: BSD-3-Clause */
#include "agg.h"

#include "date.h"
#include "hits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const struct agg_kind *const families[] = {
    agg_metric_kinds, agg_terms_kinds,     agg_histogram_kinds, agg_range_kinds,
    agg_filter_kinds, agg_composite_kinds, agg_top_hits_kinds,  agg_nested_kinds};

/* ---- reading
 * ----------------------------------------------------------------------------------------- */

bool agg_refuse(struct aggs *all, const char *type, const char *format, ...)
{
    char reason[512];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return failure_set(all->failure, 400, type, "%s", reason);
}

bool agg_refuse_shard(struct aggs *all, const char *format, ...)
{
    char reason[512];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    agg_refuse(all, "illegal_argument_exception", "%s", reason);
    all->failure->shard = true;
    if (all->index) {
        snprintf(all->failure->index, sizeof all->failure->index, "%s", all->index->name);
        snprintf(all->failure->uuid, sizeof all->failure->uuid, "%s", all->index->uuid);
    }
    return false;
}

bool agg_unknown(struct aggs *all, const struct agg *a, const struct json *p)
{
    return agg_refuse(all, "x_content_parse_exception",
                      "[%s] unknown field [%" TARS_STR_FMT "] or a value of the wrong type",
                      a->kind->name, TARS_STR_ARG(p->name));
}

void *agg_alloc(struct aggs *all, size_t size)
{
    void *p = tars_arena_alloc(all->arena, size);
    if (!p)
        failure_set(all->failure, 429, "circuit_breaking_exception",
                    "[request] Data too large: the aggregations need more memory than one request "
                    "may use");
    return p;
}

struct agg_slot *agg_add_slot(struct aggs *all, struct tars_str field, const struct json *filter)
{
    for (size_t i = 0; !filter && i < all->slot_count; i++)
        if (!all->slots[i]->filter && tars_str_equal(all->slots[i]->field, field) &&
            tars_str_equal(all->slots[i]->scope, all->scope))
            return all->slots[i];
    if (all->slot_count == AGGS_MAX_SLOTS) {
        agg_refuse(all, "illegal_argument_exception", "more than %d fields and filters",
                   AGGS_MAX_SLOTS);
        return NULL;
    }
    if (all->slot_count == all->slot_size) {
        size_t size = all->slot_size ? all->slot_size * 2 : 8;
        struct agg_slot **slots = agg_alloc(all, size * sizeof *slots);
        if (!slots)
            return NULL;
        if (all->slot_count)
            memcpy(slots, all->slots, all->slot_count * sizeof *slots);
        all->slots = slots;
        all->slot_size = size;
    }
    struct agg_slot *slot = agg_alloc(all, sizeof *slot);
    if (!slot)
        return NULL;
    *slot = (struct agg_slot){.field = field, .filter = filter, .scope = all->scope};
    all->slots[all->slot_count++] = slot;
    return slot;
}

bool agg_number(struct aggs *all, const struct json *p, double *to)
{
    char number[64], *end;
    size_t len = p->text.len < sizeof number ? p->text.len : 0;
    memcpy(number, len ? p->text.at : "", len);
    number[len] = '\0';
    *to = strtod(number, &end);
    return ((p->type == JSON_NUMBER || p->type == JSON_STRING) && len && *end == '\0' &&
            strspn(number, "0123456789+-.eE") == len) ||
           agg_refuse(all, "x_content_parse_exception", "[%" TARS_STR_FMT "] must be a number",
                      TARS_STR_ARG(p->name));
}

bool agg_flag(struct aggs *all, const struct json *p, bool *to)
{
    bool ok = true;
    *to = json_as_bool(p, &ok);
    return ok || agg_refuse(all, "x_content_parse_exception",
                            "[%" TARS_STR_FMT "] must be true or false", TARS_STR_ARG(p->name));
}

bool agg_common(struct aggs *all, struct agg *a, const struct json *p, bool *taken)
{
    *taken = true;
    if (tars_str_is(p->name, "field") && p->type == JSON_STRING)
        return (a->slot = agg_add_slot(all, p->text, NULL)) != NULL;
    *taken = tars_str_is(p->name, "missing") && p->type >= JSON_FALSE && p->type <= JSON_STRING;
    if (!*taken)
        return true;
    a->has_missing = true;
    a->missing.kind = VALUE_TEXT;
    a->missing.s = p->type == JSON_TRUE    ? tars_str("true")
                   : p->type == JSON_FALSE ? tars_str("false")
                                           : p->text;
    return true;
}

bool agg_need_field(struct aggs *all, const struct agg *a)
{
    return a->slot ||
           agg_refuse(all, "illegal_argument_exception",
                      "Required one of fields [field, script], but none were specified. ");
}

static bool parse_list(struct aggs *all, const struct json *json, int depth, struct agg **to,
                       size_t *states);

static const struct agg_kind *find_kind(struct tars_str name)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        for (const struct agg_kind *k = families[i]; k->name; k++)
            if (tars_str_is(name, k->name))
                return k;
    return NULL;
}

static bool is_sub(const struct json *p)
{
    return tars_str_is(p->name, "aggs") || tars_str_is(p->name, "aggregations");
}

static bool parse_part(struct aggs *all, struct agg *a, const struct json *p)
{
    if (tars_str_is(p->name, "meta") && p->type == JSON_OBJECT) {
        a->meta = p;
        return true;
    }
    if (is_sub(p))
        return a->sub
                   ? agg_refuse(all, "parsing_exception", "Found two sub aggregation definitions")
                   : parse_list(all, p, a->depth + 1, &a->sub, &a->states);
    if (a->kind)
        return agg_refuse(all, "parsing_exception",
                          "Found two aggregation type definitions in [%" TARS_STR_FMT
                          "]: [%s] and [%" TARS_STR_FMT "]",
                          TARS_STR_ARG(a->name), a->kind->name, TARS_STR_ARG(p->name));
    a->kind = find_kind(p->name);
    if (!a->kind)
        return agg_refuse(all, "parsing_exception", "Unknown aggregation type [%" TARS_STR_FMT "]",
                          TARS_STR_ARG(p->name));
    return p->type == JSON_OBJECT ? a->kind->parse(all, a, p)
                                  : agg_refuse(all, "parsing_exception",
                                               "Expected [START_OBJECT] under [%s]", a->kind->name);
}

static bool parse_one(struct aggs *all, const struct json *json, struct agg *a)
{
    if (memchr(json->name.at, '[', json->name.len) || memchr(json->name.at, ']', json->name.len) ||
        memchr(json->name.at, '>', json->name.len) || json->name.len == 0)
        return agg_refuse(all, "parsing_exception",
                          "Invalid aggregation name [%" TARS_STR_FMT
                          "]. Aggregation names can contain any character except '[', ']', and '>'",
                          TARS_STR_ARG(json->name));
    if (json->type != JSON_OBJECT)
        return agg_refuse(all, "parsing_exception",
                          "Aggregation definition for [%" TARS_STR_FMT "] must be an object",
                          TARS_STR_ARG(json->name));
    if (++all->count > AGGS_MAX_COUNT)
        return agg_refuse(all, "illegal_argument_exception", "more than %d aggregations",
                          AGGS_MAX_COUNT);
    /* The kind first: it says in which scope the ones below are read. */
    struct tars_str outer = all->scope;
    for (const struct json *p = json->child; p; p = p->next)
        if (!is_sub(p) && !parse_part(all, a, p))
            return false;
    all->scope = a->scope.len ? a->scope : outer;
    for (const struct json *p = json->child; p; p = p->next)
        if (is_sub(p) && !parse_part(all, a, p))
            return false;
    all->scope = outer;
    if (!a->kind)
        return agg_refuse(all, "parsing_exception",
                          "Missing definition for aggregation [%" TARS_STR_FMT "]",
                          TARS_STR_ARG(json->name));
    return !a->sub || a->kind->holds_buckets ||
           agg_refuse(all, "illegal_argument_exception",
                      "Aggregator [%" TARS_STR_FMT "] of type [%s] cannot accept sub-aggregations",
                      TARS_STR_ARG(a->name), a->kind->name);
}

static bool parse_list(struct aggs *all, const struct json *json, int depth, struct agg **to,
                       size_t *states)
{
    if (json->type != JSON_OBJECT)
        return agg_refuse(all, "parsing_exception", "Expected [START_OBJECT] under [aggs]");
    if (depth > AGGS_MAX_DEPTH)
        return agg_refuse(all, "illegal_argument_exception",
                          "aggregations are nested deeper than %d levels", AGGS_MAX_DEPTH);
    for (const struct json *p = json->child; p; p = p->next) {
        struct agg *a = agg_alloc(all, sizeof *a);
        if (!a)
            return false;
        a->name = p->name;
        a->depth = depth;
        if (!parse_one(all, p, a))
            return false;
        a->offset = *states;
        *states += (a->kind->state + 7) & ~(size_t)7;
        *to = a;
        to = &a->next;
    }
    return true;
}

struct aggs *aggs_parse(const struct json *json, struct tars_arena *arena, struct failure *failure)
{
    struct aggs first = {.arena = arena, .failure = failure}, *all = agg_alloc(&first, sizeof *all);
    if (!all)
        return NULL;
    *all = first;
    if (parse_list(all, json, 1, &all->top, &all->states))
        return all;
    aggs_end(all);
    return NULL;
}

bool aggs_own(struct aggs *all, void *what, void (*end)(void *))
{
    struct agg_owned *owned = agg_alloc(all, sizeof *owned);
    if (!owned) {
        end(what);
        return false;
    }
    *owned = (struct agg_owned){what, end, all->owned};
    all->owned = owned;
    return true;
}

void aggs_end(struct aggs *all)
{
    for (struct agg_owned *o = all ? all->owned : NULL; o; o = o->next)
        o->end(o->what);
    if (all)
        all->owned = NULL;
}

/* ---- collecting
 * -------------------------------------------------------------------------------------- */

double agg_double(const struct value *v)
{
    return v->kind == VALUE_INT ? (double)v->i : v->r;
}

/* "missing" is written as JSON and becomes a value when the field's type is known. */
static bool read_missing(struct aggs *all, const struct agg *a, struct value *v)
{
    struct field f = {.type = a->slot->seen ? a->slot->type : FIELD_KEYWORD, .ignore_above = -1};
    struct json json = {.type = JSON_STRING, .text = a->missing.s};
    char why[128];
    return value_index(&f, &json, all->arena, v, why) && v->kind != VALUE_NONE;
}

const struct value *agg_values(struct aggs *all, const struct agg *a, size_t *count)
{
    struct agg_slot *slot = a->slot;
    *count = slot->count;
    if (slot->count || !a->has_missing)
        return slot->values;
    struct value *v = &((struct agg *)a)->missing;
    if (v->kind == VALUE_TEXT && slot->seen && slot->type != FIELD_KEYWORD &&
        !read_missing(all, a, v))
        agg_refuse(all, "illegal_argument_exception",
                   "[missing]: \"%" TARS_STR_FMT "\" is no value of the field",
                   TARS_STR_ARG(a->missing.s));
    *count = 1;
    return v;
}

struct bucket *agg_bucket(struct aggs *all, const struct agg *a)
{
    return agg_alloc(all, sizeof(struct bucket) + a->states);
}

static bool collect_list(struct aggs *all, const struct agg *list, char *states)
{
    for (const struct agg *a = list; a; a = a->next)
        if (!a->kind->collect(all, a, states + a->offset))
            return false;
    return true;
}

bool agg_enter(struct aggs *all, const struct agg *a, struct bucket *b)
{
    b->docs++;
    return collect_list(all, a->sub, b->states);
}

/* ---- one pass over an index
 * ------------------------------------------------------------------------------- */

static bool find_slot(struct aggs *all, struct agg_slot *slot)
{
    char reason[400];
    const struct field *f = mapping_search(all->index->mapping, slot->field);
    slot->at = f && f->type != FIELD_OBJECT ? f : NULL;
    if (!slot->at)
        return true;
    if (f->type == FIELD_TEXT || !f->doc_values) {
        snprintf(reason, sizeof reason,
                 f->type == FIELD_TEXT
                     ? "Fielddata is disabled on [%s] in [%s]. Text fields are not optimised for "
                       "operations that require per-document field data like aggregations and "
                       "sorting."
                     : "Can't load fielddata on [%s] of [%s] because fielddata is unsupported on "
                       "this field. Use doc values instead.",
                 f->path, all->index->name);
        return agg_refuse_shard(all, "%s", reason);
    }
    if (slot->seen && value_is_text(f->type) != value_is_text(slot->type))
        return agg_refuse_shard(all,
                                "the indices disagree about the type of an aggregation's field");
    if (!slot->seen) {
        slot->seen = true;
        slot->type = f->type;
        slot->format = f->format;
    }
    return true;
}

bool agg_select_slots(struct aggs *all, struct query *q, struct tars_str scope,
                      const struct field *nested)
{
    char column[FIELD_SQL];
    for (size_t i = 0; i < all->slot_count; i++) {
        struct agg_slot *slot = all->slots[i];
        if (!tars_str_equal(slot->scope, scope))
            continue;
        text_adds(&q->sql, ",");
        if (slot->filter) {
            text_adds(&q->sql, "((");
            if (!query_where_in(q, all->index, nested, slot->filter))
                return false;
            text_adds(&q->sql, ") IS TRUE)");
        } else if (!find_slot(all, slot)) {
            return false;
        } else if (slot->at && mapping_nested(all->index->mapping, slot->at->path) == nested) {
            text_adds(&q->sql, field_sql(slot->at, "d.", column));
        } else {
            slot->at = NULL;
            text_adds(&q->sql, "NULL");
        }
    }
    return true;
}

bool agg_slot_room(struct aggs *all, struct agg_slot *slot)
{
    if (slot->count < slot->size)
        return true;
    size_t size = slot->size ? slot->size * 2 : 4;
    struct value *values = agg_alloc(all, size * sizeof *values);
    if (!values)
        return false;
    if (slot->count)
        memcpy(values, slot->values, slot->count * sizeof *values);
    slot->values = values;
    slot->size = size;
    return true;
}

/* The values of a document that has several of one field. */
static bool read_many(struct aggs *all, struct agg_slot *slot)
{
    char sql[120];
    int len = snprintf(sql, sizeof sql,
                       "SELECT value,n FROM m%lld WHERE seq=? AND field=? ORDER BY value",
                       (long long)all->index->id);
    sqlite3_stmt *s = db_prepare(all->db, tars_str_n(sql, (size_t)len));
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, all->seq);
    sqlite3_bind_int(s, 2, slot->at->column);
    bool ok = true;
    while (ok && sqlite3_step(s) == SQLITE_ROW) {
        struct value v;
        value_from_column(s, 0, &v);
        int64_t times = v.kind == VALUE_TEXT ? 1 : sqlite3_column_int64(s, 1);
        if (v.kind == VALUE_TEXT && !(v.s = tars_arena_copy(all->arena, v.s)).at)
            ok = agg_alloc(all, SIZE_MAX / 2) != NULL;
        for (; ok && times > 0; times--) {
            ok = agg_slot_room(all, slot);
            if (ok)
                slot->values[slot->count++] = v;
        }
    }
    sqlite3_reset(s);
    return ok;
}

bool agg_read_slots(struct aggs *all, struct tars_str scope, sqlite3_stmt *s, int first)
{
    for (size_t i = 0; i < all->slot_count; i++) {
        struct agg_slot *slot = all->slots[i];
        if (!tars_str_equal(slot->scope, scope))
            continue;
        slot->count = 0;
        if (!agg_slot_room(all, slot))
            return false;
        value_from_column(s, first++, &slot->values[0]);
        slot->count = slot->values[0].kind != VALUE_NONE;
        if (!slot->count && slot->at && slot->at->many && !read_many(all, slot))
            return false;
    }
    return true;
}

static bool read_row(struct aggs *all, sqlite3_stmt *s)
{
    all->seq = sqlite3_column_int64(s, 0);
    all->score = all->scored ? sqlite3_column_double(s, 1) : 0;
    return agg_read_slots(all, (struct tars_str){0}, s, 1 + all->scored);
}

/* The statement over an index's documents. */
struct pass {
    struct query query;
    sqlite3_stmt *statement;
    bool parts; /* takes the first and the last document */
    int64_t rows;
};

static bool run_documents(struct aggs *all, void *user, int64_t from, int64_t to)
{
    struct pass *pass = user;
    sqlite3_stmt *s = pass->statement;
    bool ok = true;
    int rc = SQLITE_ERROR;
    query_bind(&pass->query, s);
    if (pass->parts) {
        sqlite3_bind_int64(s, (int)pass->query.count + 1, from);
        sqlite3_bind_int64(s, (int)pass->query.count + 2, to);
    }
    for (; ok && (rc = sqlite3_step(s)) == SQLITE_ROW; pass->rows++)
        ok = read_row(all, s) && collect_list(all, all->top, all->top_states) &&
             !all->failure->status;
    sqlite3_reset(s);
    if (ok && rc != SQLITE_DONE)
        ok = failure_set(all->failure, 500, "engine_exception", "aggregating: %s",
                         db_problem(all->db));
    return ok;
}

static bool prepare_pass(struct aggs *all, struct pass *pass, const struct json *query)
{
    struct query *q = &pass->query;
    text_adds(&q->sql, all->scored ? "SELECT d.seq," : "SELECT d.seq");
    if ((all->scored && !query_score(q, all->index, query)) ||
        !agg_select_slots(all, q, (struct tars_str){0}, NULL))
        return false;
    text_addf(&q->sql, " FROM d%lld d WHERE ", (long long)all->index->id);
    if (!query_where(q, all->index, query))
        return false;
    pass->parts = agg_fits_blocks(all, query);
    text_adds(&q->sql, pass->parts ? " AND d.seq BETWEEN ? AND ?" : "");
    pass->statement = db_prepare(all->db, text_str(&q->sql));
    return pass->statement || failure_set(all->failure, 500, "engine_exception", "aggregating: %s",
                                          db_problem(all->db));
}

/* Wishes for packed columns where many documents were read, or only looked at, for want of them. */
static void wish(struct aggs *all, const struct pass *pass, struct index *index)
{
    enum { STEPS_A_ROW = 8 };
    int64_t read = pass->rows +
                   sqlite3_stmt_status(pass->statement, SQLITE_STMTSTATUS_VM_STEP, 1) / STEPS_A_ROW;
    if (all->lacking && read >= BLOCK_ROWS / 2)
        agg_wish_columns(all, index);
}

static bool run_index(struct aggs *all, struct index *index, const struct json *query)
{
    struct pass pass = {.query = {.arena = all->arena, .failure = all->failure}};
    bool ok = prepare_pass(all, &pass, query);
    if (ok)
        ok = pass.parts ? agg_run_blocks(all, run_documents, &pass)
                        : run_documents(all, &pass, 0, INT64_MAX);
    if (pass.statement) {
        if (pass.parts)
            wish(all, &pass, index);
        query_note_scan(&pass.query, index, pass.statement);
        sqlite3_clear_bindings(pass.statement);
    }
    query_free(&pass.query);
    return ok;
}

/* ---- printing
 * ---------------------------------------------------------------------------------------- */

static bool print_list(struct aggs *all, const struct agg *list, char *states, struct text *to)
{
    for (const struct agg *a = list; a; a = a->next) {
        text_add_json(to, a->name);
        text_adds(to, ":{");
        if (a->meta) {
            text_adds(to, "\"meta\":");
            json_print(a->meta, to);
            text_adds(to, ",");
        }
        if (!a->kind->print(all, a, states + a->offset, to))
            return false;
        text_adds(to, a->next ? "}," : "}");
    }
    return true;
}

bool agg_print_bucket(struct aggs *all, const struct agg *a, struct bucket *b, struct text *to)
{
    if (++all->buckets > AGGS_MAX_BUCKETS) {
        failure_set(all->failure, 400, "too_many_buckets_exception",
                    "Trying to create too many buckets. Must be less than or equal to: [%d] but "
                    "was [%d]. This limit can be set by changing the [search.max_buckets] cluster "
                    "level setting.",
                    AGGS_MAX_BUCKETS, AGGS_MAX_BUCKETS + 1);
        all->failure->reduce = true;
        return false;
    }
    if (to->len > (size_t)64 << 20)
        return failure_set(all->failure, 429, "circuit_breaking_exception",
                           "[request] Data too large: the answer has more than 64 MiB");
    if (!b && !(b = agg_bucket(all, a)))
        return false;
    text_addf(to, "\"doc_count\":%lld%s", (long long)b->docs, a->sub ? "," : "");
    return print_list(all, a->sub, b->states, to);
}

bool aggs_run(struct aggs *all, struct db *db, const struct index_list *indices,
              const struct json *query, struct text *to)
{
    char *states = agg_alloc(all, all->states + 1);
    bool ok = states != NULL;
    all->top_states = states;
    all->db = db;
    all->indices = indices;
    for (size_t i = 0; ok && i < indices->len; i++) {
        all->index = indices->at[i];
        all->at = i;
        ok = run_index(all, indices->at[i], query);
    }
    text_adds(to, "{");
    ok = ok && print_list(all, all->top, states, to);
    text_adds(to, "}");
    return ok;
}

bool agg_shows_string(enum field_type type)
{
    return type == FIELD_DATE || type == FIELD_BOOLEAN;
}

void agg_print_value(const struct value *v, struct text *to)
{
    if (v->kind == VALUE_TEXT)
        text_add_json(to, v->s);
    else if (v->kind == VALUE_INT)
        text_addf(to, "%lld", (long long)v->i);
    else if (v->kind == VALUE_REAL)
        text_add_double(to, v->r);
    else
        text_adds(to, "null");
}

/* As Java turns a number into a whole one. */
static int64_t saturated(double r)
{
    return isnan(r) ? 0 : r >= 9.2e18 ? INT64_MAX : r <= -9.2e18 ? INT64_MIN : (int64_t)r;
}

void agg_print_string(const struct value *v, enum field_type type, const char *format,
                      struct text *to)
{
    if (type == FIELD_BOOLEAN) {
        text_adds(to, agg_double(v) != 0 ? "\"true\"" : "\"false\"");
    } else if (type == FIELD_IP) {
        text_adds(to, "\"");
        value_print_ip(v->s, to);
        text_adds(to, "\"");
    } else if (type == FIELD_DATE) {
        int64_t ms = v->kind == VALUE_INT ? v->i : saturated(v->r);
        text_adds(to, "\"");
        date_print(ms, format, NULL, to);
        text_adds(to, "\"");
    } else {
        agg_print_value(v, to);
    }
}

bool agg_sort_value(const struct agg *a, const struct bucket *b, struct tars_str path, double *v)
{
    const char *at = memchr(path.at, '>', path.len);
    for (const struct agg *s = a->sub; s; s = s->next) {
        size_t len = s->name.len;
        if (len > path.len || memcmp(path.at, s->name.at, len) != 0)
            continue;
        if (at && path.at + len == at && strcmp(s->kind->name, "filter") == 0) {
            const struct bucket *inner = *(struct bucket *const *)(const void *)(b->states +
                                                                                 s->offset);
            struct tars_str rest = tars_str_n(at + 1, path.len - len - 1);
            *v = 0;
            return !inner || agg_sort_value(s, inner, rest, v);
        }
        if (!at && (len == path.len || path.at[len] == '.'))
            return agg_metric_value(s, b->states + s->offset,
                                    len == path.len
                                        ? tars_str("value")
                                        : tars_str_n(path.at + len + 1, path.len - len - 1),
                                    v);
    }
    return false;
}

/* ---- buckets by key
 * ---------------------------------------------------------------------------------- */

uint64_t value_hash(const struct value *v)
{
    uint64_t h = 0xcbf29ce484222325U;
    const unsigned char *at = (const unsigned char *)(v->kind == VALUE_TEXT  ? v->s.at
                                                      : v->kind == VALUE_INT ? (const char *)&v->i
                                                                             : (const char *)&v->r);
    size_t len = v->kind == VALUE_TEXT ? v->s.len : 8;
    for (size_t i = 0; i < len; i++)
        h = (h ^ at[i]) * 0x100000001b3U;
    return h ^ (h >> 29);
}

int value_order(const struct value *a, const struct value *b)
{
    if (a->kind == VALUE_NONE || b->kind == VALUE_NONE)
        return (a->kind != VALUE_NONE) - (b->kind != VALUE_NONE);
    if (a->kind == VALUE_TEXT || b->kind == VALUE_TEXT)
        return a->kind == b->kind ? tars_str_compare(a->s, b->s)
                                  : (a->kind == VALUE_TEXT) - (b->kind == VALUE_TEXT);
    if (a->kind == VALUE_INT && b->kind == VALUE_INT)
        return (a->i > b->i) - (a->i < b->i);
    double x = agg_double(a), y = agg_double(b);
    return (x > y) - (x < y);
}

static bool map_grow(struct aggs *all, struct bucket_map *m)
{
    size_t size = m->size ? m->size * 2 : 8;
    struct bucket **slots = agg_alloc(all, size * sizeof *slots),
                  **list = slots ? agg_alloc(all, size / 2 * sizeof *list) : NULL;
    if (!list)
        return false;
    if (m->count)
        memcpy(list, m->list, m->count * sizeof *list);
    for (size_t i = 0; i < m->count; i++) {
        size_t at = value_hash(&list[i]->key) & (size - 1);
        while (slots[at])
            at = (at + 1) & (size - 1);
        slots[at] = list[i];
    }
    *m = (struct bucket_map){slots, list, size, m->count, size / 2};
    return true;
}

void bucket_map_clear(struct bucket_map *m)
{
    if (m->size)
        memset(m->slots, 0, m->size * sizeof *m->slots);
    m->count = 0;
}

void bucket_map_put(struct bucket_map *m, struct bucket *b)
{
    size_t at = value_hash(&b->key) & (m->size - 1);
    while (m->slots[at])
        at = (at + 1) & (m->size - 1);
    m->slots[at] = m->list[m->count++] = b;
}

struct bucket *bucket_map_get(struct aggs *all, const struct agg *a, struct bucket_map *m,
                              const struct value *key)
{
    size_t at = 0;
    if (m->count == m->room && !map_grow(all, m))
        return NULL;
    for (at = value_hash(key) & (m->size - 1); m->slots[at]; at = (at + 1) & (m->size - 1))
        if (m->slots[at]->key.kind == key->kind && value_order(&m->slots[at]->key, key) == 0)
            return m->slots[at];
    struct bucket *b = agg_bucket(all, a);
    if (!b)
        return NULL;
    b->key = *key;
    if (key->kind == VALUE_TEXT && !(b->key.s = tars_arena_copy(all->arena, key->s)).at) {
        agg_alloc(all, SIZE_MAX / 2);
        return NULL;
    }
    m->slots[at] = m->list[m->count++] = b;
    return b;
}
