/* SPDX-License-Identifier: BSD-3-Clause */
#include "hits.h"

#include "base/xmalloc.h"
#include "date.h"
#include "pattern.h"
#include "source.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* A field whose values hits show, of one index. */
struct shown {
    char *name; /* as it stands in the answer */
    char *path; /* in the source; of a sub-field its parent's */
    char *format;
    struct field field; /* only what reading values needs; its texts are the three above */
    bool from_source;
};

struct page {
    struct tars_arena *arena, *scratch;
    struct hit_options options; /* in the arena */
    size_t indices;
    struct page_index {
        char *name;
        const struct index *index; /* for highlighting */
        int64_t id, term;
        struct shown *shown;
        size_t shown_count;
    } * at;
};

/* ---- options
 * ----------------------------------------------------------------------------------------- */

static bool read_flag(const struct json *p, bool *to, struct failure *failure)
{
    bool ok = true;
    *to = json_as_bool(p, &ok);
    return ok || failure_set(failure, 400, "parsing_exception",
                             "[%" TARS_STR_FMT "] must be true or false", TARS_STR_ARG(p->name));
}

static bool read_fields(const struct json *p, const struct json **to, struct failure *failure)
{
    *to = p;
    bool ok = p->type == JSON_ARRAY && p->count <= HIT_FIELDS;
    for (const struct json *f = p->child; f && ok; f = f->next) {
        const struct json *name = f->type == JSON_OBJECT ? json_get(f, "field") : f;
        const struct json *format = f->type == JSON_OBJECT ? json_get(f, "format") : NULL;
        ok = name && name->type == JSON_STRING && (!format || format->type == JSON_STRING) &&
             (f->type != JSON_OBJECT || f->count == 1U + (format != NULL));
    }
    return ok || failure_set(failure, 400, "parsing_exception",
                             "[%" TARS_STR_FMT
                             "] must be an array of at most %d names or objects with [field] and "
                             "[format]",
                             TARS_STR_ARG(p->name), HIT_FIELDS);
}

bool hit_options_read(struct hit_options *o, const struct json *p, struct tars_arena *arena,
                      bool *taken, struct failure *failure)
{
    *taken = true;
    if (tars_str_is(p->name, "_source"))
        return source_filter_read(&o->source, p, arena, failure);
    if (tars_str_is(p->name, "docvalue_fields"))
        return read_fields(p, &o->docvalues, failure);
    if (tars_str_is(p->name, "fields"))
        return read_fields(p, &o->fields, failure);
    if (tars_str_is(p->name, "highlight"))
        return (o->highlight = highlight_read(p, arena, failure)) != NULL;
    if (tars_str_is(p->name, "version"))
        return read_flag(p, &o->versions, failure);
    if (tars_str_is(p->name, "seq_no_primary_term"))
        return read_flag(p, &o->seq_nos, failure);
    if (tars_str_is(p->name, "track_scores"))
        return read_flag(p, &o->scores, failure);
    *taken = false;
    return true;
}

/* ---- which fields
 * ------------------------------------------------------------------------------------ */

static bool refuse_field(const struct index *index, const struct field *f, struct failure *failure)
{
    failure_set(failure, 400, "illegal_argument_exception",
                f->type == FIELD_TEXT
                    ? "Fielddata is disabled on [%s] in [%s]. Text fields are not optimised for "
                      "operations that require per-document field data like aggregations and "
                      "sorting."
                    : "Can't load fielddata on [%s] of [%s] because fielddata is unsupported on "
                      "this field. Use doc values instead.",
                f->path, index->name);
    failure->shard = true;
    snprintf(failure->index, sizeof failure->index, "%s", index->name);
    snprintf(failure->uuid, sizeof failure->uuid, "%s", index->uuid);
    return false;
}

static bool show(struct page_index *to, const struct index *index, const struct field *f,
                 const char *name, const struct json *spec, bool from_source)
{
    const struct json *format = spec->type == JSON_OBJECT ? json_get(spec, "format") : NULL;
    const struct field *parent =
        strchr(f->path, '.')
            ? mapping_find(index->mapping,
                           tars_str_n(f->path, (size_t)(strrchr(f->path, '.') - f->path)))
            : NULL;
    if (f->type == FIELD_OBJECT || f->inside)
        return true;
    to->shown = xrealloc(to->shown, (to->shown_count + 1) * sizeof *to->shown);
    struct shown *s = &to->shown[to->shown_count++];
    *s = (struct shown){.name = xstrdup(name), .from_source = from_source};
    s->path = xstrdup(parent && parent->type != FIELD_OBJECT ? parent->path : f->path);
    s->format = format      ? xstrndup(format->text.at, format->text.len)
                : f->format ? xstrdup(f->format)
                            : NULL;
    s->field = *f;
    s->field.children = NULL;
    s->field.name = s->field.options = s->field.target = NULL;
    s->field.normalizer = f->normalizer ? s->name : NULL;
    s->field.path = s->path;
    s->field.format = f->format ? xstrdup(f->format) : NULL;
    return true;
}

static bool add_shown(struct page_index *to, const struct index *index, const struct field *at,
                      const struct json *spec, bool from_source, struct failure *failure)
{
    struct tars_str pattern = spec->type == JSON_OBJECT ? json_get(spec, "field")->text
                                                        : spec->text;
    for (size_t i = 0; i < at->child_count; i++) {
        const struct field *f = at->children[i];
        if (pattern_matches(pattern, tars_str(f->path)) &&
            to->shown_count < (size_t)MAPPING_FIELD_LIMIT) {
            const struct field *real = mapping_search(index->mapping, tars_str(f->path));
            bool values = real->column >= 0 && real->type != FIELD_TEXT && real->doc_values;
            if (!from_source && !values && real->type != FIELD_OBJECT)
                return refuse_field(index, real, failure);
            if (from_source || values)
                show(to, index, real, f->path, spec, from_source);
        }
        if (!add_shown(to, index, f, spec, from_source, failure))
            return false;
    }
    return true;
}

static bool add_list(struct page_index *to, const struct index *index, const struct json *list,
                     bool from_source, struct failure *failure)
{
    for (const struct json *spec = list ? list->child : NULL; spec; spec = spec->next)
        if (!add_shown(to, index, &index->mapping->root, spec, from_source, failure))
            return false;
    return true;
}

/* ---- life
 * -------------------------------------------------------------------------------------------- */

void page_free(struct page *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->indices; i++) {
        for (size_t k = 0; k < p->at[i].shown_count; k++) {
            struct shown *s = &p->at[i].shown[k];
            free(s->name);
            free(s->path);
            free(s->format);
            free(s->field.format);
        }
        free(p->at[i].shown);
        free(p->at[i].name);
    }
    free(p->at);
    tars_arena_free(p->arena);
    tars_arena_free(p->scratch);
    free(p);
}

static const struct json *keep(struct page *p, const struct json *list)
{
    return list ? json_copy(list, p->arena) : NULL;
}

struct page *page_new(const struct index_list *indices, const struct hit_options *options,
                      struct failure *failure)
{
    struct page *p = xcalloc(1, sizeof *p);
    p->arena = tars_arena_new((size_t)8 << 20);
    p->scratch = tars_arena_new((size_t)128 << 20);
    p->options = *options;
    p->options.source.includes = keep(p, options->source.includes);
    p->options.source.excludes = keep(p, options->source.excludes);
    p->options.docvalues = p->options.fields = p->options.collapse = NULL;
    p->at = xcalloc(indices->len + 1, sizeof *p->at);
    p->indices = indices->len;
    bool ok = true;
    for (size_t i = 0; i < p->indices; i++) {
        const struct index *index = indices->at[i];
        p->at[i].name = xstrdup(index->name);
        p->at[i].index = index;
        p->at[i].id = index->id;
        p->at[i].term = index->term;
        if (options->collapse)
            ok = ok && add_shown(&p->at[i], index, &index->mapping->root, options->collapse, false,
                                 failure);
        ok = ok && add_list(&p->at[i], index, options->docvalues, false, failure) &&
             add_list(&p->at[i], index, options->fields, true, failure);
    }
    if (ok)
        return p;
    page_free(p);
    return NULL;
}

size_t page_indices(const struct page *p)
{
    return p->indices;
}

/* ---- values
 * ------------------------------------------------------------------------------------------ */

void value_from_column(sqlite3_stmt *s, int at, struct value *v)
{
    int type = sqlite3_column_type(s, at);
    *v = (struct value){0};
    if (type == SQLITE_INTEGER) {
        v->kind = VALUE_INT;
        v->i = sqlite3_column_int64(s, at);
    } else if (type == SQLITE_FLOAT) {
        v->kind = VALUE_REAL;
        v->r = sqlite3_column_double(s, at);
    } else if (type != SQLITE_NULL) {
        v->kind = VALUE_TEXT;
        v->s = db_column_str(s, at);
    }
}

static void print_float(double real, struct text *to)
{
    char number[32];
    float v = (float)real;
    int digits = 6;
    do
        snprintf(number, sizeof number, "%.*g", digits++, (double)v);
    while (digits <= 9 && strtof(number, NULL) != v);
    if (isinf(v))
        text_add_double(to, real);
    else
        text_addf(to, "%s%s", number, strpbrk(number, ".e") ? "" : ".0");
}

void hit_print_value(const struct value *v, enum field_type type, const char *format,
                     struct text *to)
{
    if (v->kind == VALUE_NONE) {
        text_adds(to, "null");
    } else if (type == FIELD_IP) {
        text_adds(to, "\"");
        value_print_ip(v->s, to);
        text_adds(to, "\"");
    } else if (v->kind == VALUE_TEXT) {
        text_add_json(to, v->s);
    } else if (type == FIELD_BOOLEAN) {
        text_adds(to, v->i ? "true" : "false");
    } else if (type == FIELD_DATE) {
        text_adds(to, "\"");
        date_print(v->i, format, NULL, to);
        text_adds(to, "\"");
    } else if (v->kind == VALUE_INT) {
        text_addf(to, "%lld", (long long)v->i);
    } else if (type == FIELD_FLOAT) {
        print_float(v->r, to);
    } else {
        text_add_double(to, v->r);
    }
}

static void print_key(const struct value *v, const struct sort *sort, struct text *to)
{
    /* Dates and booleans are sorted as numbers and shown so. */
    enum field_type type = sort->type == FIELD_DATE || sort->type == FIELD_BOOLEAN ? FIELD_LONG
                                                                                   : sort->type;
    hit_print_value(v, sort->kind == SORT_FIELD ? type : FIELD_DOUBLE, NULL, to);
}

static void begin_field(const char *name, bool *any, struct text *to)
{
    text_adds(to, *any ? "," : ",\"fields\":{");
    *any = true;
    text_add_json(to, tars_str(name));
    text_adds(to, ":[");
}

/* From the column, or of several values from the side table, in their order. */
static bool add_docvalues(struct db *db, const struct page_index *index, const struct shown *s,
                          int64_t seq, bool *any, struct text *to)
{
    char sql[240], column[FIELD_SQL];
    int len = snprintf(sql, sizeof sql,
                       s->field.many ? "SELECT %s,1 FROM d%lld WHERE seq=?1 AND f%d IS NOT NULL "
                                       "UNION ALL SELECT value,n FROM m%lld WHERE field=%d AND "
                                       "seq=?1 ORDER BY 1"
                                     : "SELECT %s,1 FROM d%lld WHERE seq=?1 AND f%d IS NOT NULL",
                       field_sql(&s->field, "", column), (long long)index->id, s->field.column,
                       (long long)index->id, s->field.column);
    sqlite3_stmt *statement = db_prepare(db, tars_str_n(sql, (size_t)len));
    bool first = true;
    int rc;
    if (!statement)
        return false;
    sqlite3_bind_int64(statement, 1, seq);
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct value v;
        value_from_column(statement, 0, &v);
        int64_t times = v.kind == VALUE_TEXT ? 1 : sqlite3_column_int64(statement, 1);
        for (; times > 0; times--) {
            if (first)
                begin_field(s->name, any, to);
            text_adds(to, first ? "" : ",");
            first = false;
            hit_print_value(&v, s->field.type, s->format, to);
        }
    }
    sqlite3_reset(statement);
    text_adds(to, first ? "" : "]");
    return rc == SQLITE_DONE;
}

static void add_scalar(struct page *p, const struct shown *s, const struct json *value, bool *first,
                       bool *any, struct text *to)
{
    struct value v;
    char why[128];
    if (value->type == JSON_ARRAY) {
        for (const struct json *one = value->child; one; one = one->next)
            add_scalar(p, s, one, first, any, to);
        return;
    }
    if (value->type == JSON_NULL || value->type == JSON_OBJECT ||
        !value_index(&s->field, value, p->scratch, &v, why))
        return;
    if (s->field.type == FIELD_TEXT)
        v = (struct value){.kind = VALUE_TEXT, .s = value_scalar(value)};
    if (v.kind == VALUE_NONE)
        return;
    if (*first)
        begin_field(s->name, any, to);
    text_adds(to, *first ? "" : ",");
    *first = false;
    hit_print_value(&v, s->field.type, s->format, to);
}

/* Members whose names have dots are found as well. */
static void add_at(struct page *p, const struct shown *s, const struct json *at,
                   struct tars_str path, bool *first, bool *any, struct text *to)
{
    for (const struct json *v = at->type == JSON_ARRAY ? at->child : NULL; v; v = v->next)
        add_at(p, s, v, path, first, any, to);
    for (const struct json *m = at->type == JSON_OBJECT ? at->child : NULL; m; m = m->next) {
        if (m->name.len > path.len || memcmp(m->name.at, path.at, m->name.len) != 0)
            continue;
        if (m->name.len == path.len)
            add_scalar(p, s, m, first, any, to);
        else if (path.at[m->name.len] == '.')
            add_at(p, s, m, tars_str_n(path.at + m->name.len + 1, path.len - m->name.len - 1),
                   first, any, to);
    }
}

/* ---- one hit
 * ----------------------------------------------------------------------------------------- */

static bool read_source(struct db *db, int64_t index, int64_t seq, struct text *to)
{
    return source_read(db, index, seq, to) == SOURCE_GOOD;
}

static bool add_fields(struct page *p, struct db *db, const struct page_index *index, int64_t seq,
                       struct tars_str source, struct text *to)
{
    const struct json *json = NULL;
    struct tars_error error = {0};
    bool any = false, ok = true;
    for (size_t i = 0; i < index->shown_count && ok; i++) {
        const struct shown *s = &index->shown[i];
        if (!s->from_source) {
            ok = add_docvalues(db, index, s, seq, &any, to);
            continue;
        }
        if (!json && !(json = json_parse(source, p->scratch, &error)))
            return false;
        bool first = true;
        add_at(p, s, json, tars_str(s->path), &first, &any, to);
        text_adds(to, first ? "" : "]");
    }
    text_adds(to, any ? "}" : "");
    return ok;
}

static bool add_source(struct page *p, struct db *db, const struct page_index *index, int64_t seq,
                       struct text *to)
{
    struct text source = {0};
    const struct source_filter *filter = &p->options.source;
    bool whole = source_filter_whole(filter);
    bool needed = !filter->none || p->options.highlight;
    if (whole && !index->shown_count && !p->options.highlight) {
        text_adds(to, ",\"_source\":");
        return read_source(db, index->id, seq, to);
    }
    for (size_t i = 0; i < index->shown_count; i++)
        needed |= index->shown[i].from_source;
    bool ok = !needed || read_source(db, index->id, seq, &source);
    if (ok && !filter->none) {
        text_adds(to, ",\"_source\":");
        if (whole)
            text_add(to, source.at, source.len);
        else
            ok = source_filter_print(filter, text_str(&source), p->scratch, to);
    }
    ok = ok && add_fields(p, db, index, seq, text_str(&source), to);
    if (ok && p->options.highlight) {
        struct tars_error error = {0};
        const struct json *json = json_parse(text_str(&source), p->scratch, &error);
        ok = json != NULL;
        if (ok)
            highlight_print(p->options.highlight, index->index, json, to);
    }
    tars_arena_reset(p->scratch);
    text_free(&source);
    return ok;
}

bool page_find(struct page *p, struct db *db, struct hit *hit, struct text *id)
{
    char sql[80];
    int len = snprintf(sql, sizeof sql, "SELECT id,version FROM d%lld WHERE seq=?",
                       (long long)p->at[hit->index].id);
    sqlite3_stmt *s = db_prepare(db, tars_str_n(sql, (size_t)len));
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, hit->seq);
    bool ok = sqlite3_step(s) == SQLITE_ROW;
    if (ok) {
        struct tars_str found = db_column_str(s, 0);
        text_cut(id, 0);
        text_add(id, found.at, found.len);
        hit->id = text_str(id);
        hit->version = sqlite3_column_int64(s, 1);
    }
    sqlite3_reset(s);
    return ok;
}

bool page_add_hit(struct page *p, struct db *db, const struct hit *hit, struct text *to)
{
    const struct page_index *index = &p->at[hit->index];
    text_adds(to, "{\"_index\":");
    text_add_json(to, tars_str(index->name));
    text_adds(to, ",\"_id\":");
    text_add_json(to, hit->id);
    if (p->options.versions)
        text_addf(to, ",\"_version\":%lld", (long long)hit->version);
    if (p->options.seq_nos)
        text_addf(to, ",\"_seq_no\":%lld,\"_primary_term\":%lld", (long long)hit->seq,
                  (long long)index->term);
    text_adds(to, ",\"_score\":");
    if (hit->scored)
        text_add_double(to, hit->score);
    else
        text_adds(to, "null");
    if (!add_source(p, db, index, hit->seq, to))
        return false;
    for (size_t i = 0; hit->sorts && i < hit->key_count; i++) {
        text_adds(to, i ? "," : ",\"sort\":[");
        print_key(&hit->keys[i], &hit->sorts[i], to);
    }
    text_adds(to, hit->sorts && hit->key_count ? "]}" : "}");
    return true;
}
