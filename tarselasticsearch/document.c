/* SPDX-License-Identifier: BSD-3-Clause */
#include "document.h"

#include "base/xmalloc.h"
#include "date.h"
#include "source.h"
#include "value.h"
#include "words.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

const char *const doc_action_names[4] = {"index", "create", "update", "delete"};

/* ---- from JSON to columns
 * ------------------------------------------------------------------------- */

struct cell {
    struct value first;
    size_t room; /* of a text's words */
    struct extra {
        struct value value;
        struct extra *next;
    } * more; /* all further ones; the side table then holds the first one as well */
};

/* An object of a nested field: a row of its own. */
struct nested_row {
    struct cell *cells;
    int size, path; /* the nested field's column */
    struct nested_row *up, *next;
    int64_t key;
};

enum { NESTED_LIMIT = 10000, NESTED_KEYS = 16384 };

struct row {
    struct index *index;
    struct mapping *mapping; /* the index's, or the copy that grows */
    struct tars_arena *arena;
    struct tars_str id;
    struct cell *cells; /* by column */
    int size;
    struct nested_row *inside, *nested, **nested_end; /* the one being read, all of them */
    int nested_count;
    bool may_grow, must_grow, grew;
    struct failure *failure;
};

static bool walk_object(struct row *row, struct field *at, const struct json *object,
                        enum dynamic dynamic, int depth);

static bool out_of_memory(struct row *row)
{
    return failure_set(row->failure, 413, "circuit_breaking_exception",
                       "the document needs more memory than one request may use");
}

static struct cell *cell_of(struct row *row, int column)
{
    if (column >= row->size) {
        int size = row->mapping->columns + 8;
        struct cell *cells = tars_arena_alloc(row->arena, (size_t)size * sizeof *cells);
        if (!cells)
            return NULL;
        if (row->size)
            memcpy(cells, row->cells, (size_t)row->size * sizeof *cells);
        row->cells = cells;
        row->size = size;
    }
    return &row->cells[column];
}

/* The mapping may change from here on: it is a copy, put in place when the document is written. */
static bool begin_growth(struct row *row)
{
    if (row->may_grow && !row->grew) {
        row->mapping = mapping_copy(row->mapping);
        row->grew = true;
    }
    row->must_grow |= !row->may_grow;
    return row->may_grow;
}

static bool put_value(struct row *row, struct field *f, const struct value *v)
{
    struct cell *cell = cell_of(row, f->column);
    if (!cell)
        return out_of_memory(row);
    if (cell->first.kind == VALUE_NONE) {
        cell->first = *v;
        return true;
    }
    struct extra *extra = tars_arena_alloc(row->arena, sizeof *extra);
    if (!extra)
        return out_of_memory(row);
    *extra = (struct extra){*v, cell->more};
    cell->more = extra;
    if (f->many)
        return true;
    if (!begin_growth(row))
        return false;
    mapping_find(row->mapping, tars_str(f->path))->many = true;
    return true;
}

/* All values of a text are one text of words in its column. */
static bool put_words(struct row *row, const struct field *f, struct tars_str value)
{
    struct cell *cell = cell_of(row, f->column);
    struct text words = {0};
    if (!cell)
        return out_of_memory(row);
    text_add(&words, cell->first.s.at, cell->first.s.len);
    words_add(value, &words);
    /* Twice what is needed, so that a long list is not copied for each of its values. */
    if (words.len + 1 > cell->room) {
        char *at = tars_arena_alloc(row->arena, words.len * 2 + 1);
        if (at) {
            cell->room = words.len * 2 + 1;
            cell->first.s.at = at;
        } else {
            words.len = 0;
        }
    }
    if (words.len)
        memcpy((char *)cell->first.s.at, words.at, words.len);
    cell->first.kind = VALUE_TEXT;
    cell->first.s.len = words.len;
    bool ok = words.len > 0;
    text_free(&words);
    return ok || out_of_memory(row);
}

static bool bad_value(struct row *row, const struct field *f, const char *why)
{
    return failure_set(row->failure, 400, "document_parsing_exception",
                       "failed to parse field [%s] of type [%s] in document with id '%" TARS_STR_FMT
                       "': %s",
                       f->path, field_type_name(f->type), TARS_STR_ARG(row->id), why);
}

static bool walk_scalar(struct row *row, struct field *f, const struct json *value)
{
    struct value v;
    char why[128];
    if (value->type == JSON_OBJECT)
        return bad_value(row, f, "an object was found where a value was expected");
    if (f->type == FIELD_ALIAS)
        return bad_value(row, f, "Cannot write to a field alias");
    if (f->type == FIELD_TEXT && f->column >= 0 && value->type != JSON_NULL &&
        !put_words(row, f, value_scalar(value)))
        return false;
    if (!value_index(f, value, row->arena, &v, why))
        return bad_value(row, f, why);
    if (f->column >= 0 && v.kind != VALUE_NONE && !put_value(row, f, &v))
        return false;
    for (size_t i = 0; i < f->child_count; i++)
        if (!walk_scalar(row, f->children[i], value))
            return false;
    return true;
}

/* While its members are read, the row's cells are those of the nested one. */
static bool walk_nested(struct row *row, struct field *f, const struct json *object,
                        enum dynamic dynamic, int depth)
{
    struct nested_row *one = tars_arena_alloc(row->arena, sizeof *one), *up = row->inside;
    struct cell *cells = row->cells;
    int size = row->size;
    if (!one)
        return out_of_memory(row);
    if (++row->nested_count > NESTED_LIMIT)
        return failure_set(row->failure, 400, "document_parsing_exception",
                           "The number of nested documents has exceeded the allowed limit of [%d]. "
                           "This limit can be set by changing the "
                           "[index.mapping.nested_objects.limit] index level setting.",
                           NESTED_LIMIT);
    *one = (struct nested_row){.path = f->column, .up = up};
    *row->nested_end = one;
    row->nested_end = &one->next;
    row->inside = one;
    row->cells = NULL;
    row->size = 0;
    bool ok = walk_object(row, f, object, f->dynamic ? f->dynamic : dynamic, depth + 1);
    one->cells = row->cells;
    one->size = row->size;
    row->inside = up;
    row->cells = cells;
    row->size = size;
    return ok;
}

static bool walk_value(struct row *row, struct field *f, const struct json *value,
                       enum dynamic dynamic, int depth)
{
    if (f->type == FIELD_OBJECT && !f->enabled)
        return true;
    if (value->type == JSON_ARRAY) {
        for (const struct json *v = value->child; v; v = v->next)
            if (!walk_value(row, f, v, dynamic, depth + 1))
                return false;
        return true;
    }
    if (f->type != FIELD_OBJECT)
        return walk_scalar(row, f, value);
    if (value->type == JSON_NULL)
        return true;
    if (value->type != JSON_OBJECT)
        return failure_set(
            row->failure, 400, "document_parsing_exception",
            "object mapping for [%s] tried to parse field [%s] as object, but found a "
            "concrete value",
            f->path, f->name);
    return f->nested ? walk_nested(row, f, value, dynamic, depth)
                     : walk_object(row, f, value, f->dynamic ? f->dynamic : dynamic, depth + 1);
}

/* ---- fields that appear by themselves
 * ---------------------------------------------------------------- */

/* The first scalar inside decides; FIELD_OBJECT also for "nothing to learn here". */
static const struct json *first_scalar(const struct json *value)
{
    while (value && value->type == JSON_ARRAY) {
        const struct json *v = value->child;
        while (v && (v->type == JSON_NULL || (v->type == JSON_ARRAY && !first_scalar(v))))
            v = v->next;
        value = v;
    }
    return value && value->type != JSON_NULL ? value : NULL;
}

/* A text that is a date, as one of the two formats that Elasticsearch tries, or a number. */
static enum field_type guess_text(const struct mapping *m, struct tars_str text,
                                  const char **format)
{
    static const char other[] = "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis";
    struct json number = {.type = JSON_STRING, .text = text};
    struct field real = {.type = FIELD_DOUBLE};
    struct value v;
    char why[128];
    int64_t ms;
    *format = NULL;
    if (!m->no_dates && text.len >= 4 &&
        date_parse(text, "strict_date_optional_time", false, NULL, &ms))
        return FIELD_DATE;
    if (!m->no_dates && text.len && memchr(text.at, '/', text.len) &&
        date_parse(text, other, false, NULL, &ms)) {
        *format = other;
        return FIELD_DATE;
    }
    if (m->numbers && text.len && json_as_int(&number, &ms))
        return FIELD_LONG;
    if (m->numbers && text.len && value_index(&real, &number, NULL, &v, why))
        return FIELD_FLOAT;
    return FIELD_TEXT;
}

static enum field_type guess_type(const struct mapping *m, const struct json *value,
                                  const char **format)
{
    *format = NULL;
    if (value->type == JSON_OBJECT)
        return FIELD_OBJECT;
    if (value->type == JSON_TRUE || value->type == JSON_FALSE)
        return FIELD_BOOLEAN;
    if (value->type == JSON_NUMBER)
        return memchr(value->text.at, '.', value->text.len) ||
                       memchr(value->text.at, 'e', value->text.len) ||
                       memchr(value->text.at, 'E', value->text.len)
                   ? FIELD_FLOAT
                   : FIELD_LONG;
    return guess_text(m, value->text, format);
}

static struct field *learn_field(struct row *row, struct field *parent, struct tars_str name,
                                 const struct json *value)
{
    const char *format;
    enum field_type type = guess_type(row->mapping, value, &format);
    struct field *f = mapping_add(row->mapping, parent, name, type);
    if (f && format) {
        f->format = xstrdup(format);
        f->options = xstrdup("\"locale\":\"\"");
    }
    if (f && type == FIELD_TEXT) {
        struct field *keyword = mapping_add(row->mapping, f, tars_str("keyword"), FIELD_KEYWORD);
        if (!keyword)
            return NULL;
        keyword->ignore_above = 256;
    }
    if (!f)
        failure_set(row->failure, 400, "document_parsing_exception",
                    "Limit of total fields [%d] has been exceeded while adding new fields",
                    MAPPING_FIELD_LIMIT);
    return f;
}

static bool walk_unknown(struct row *row, struct field *parent, struct tars_str name,
                         const struct json *value, enum dynamic dynamic, int depth)
{
    if (dynamic == DYNAMIC_FALSE)
        return true;
    if (dynamic == DYNAMIC_STRICT)
        return failure_set(row->failure, 400, "strict_dynamic_mapping_exception",
                           "mapping set to strict, dynamic introduction of [%" TARS_STR_FMT
                           "] within [%s] is not allowed",
                           TARS_STR_ARG(name), parent->path[0] ? parent->path : "_doc");
    const struct json *scalar = first_scalar(value);
    if (!scalar)
        return true;
    if (!begin_growth(row))
        return false;
    struct field *fresh = parent->path[0] ? mapping_find(row->mapping, tars_str(parent->path))
                                          : &row->mapping->root;
    struct field *f = learn_field(row, fresh, name, scalar);
    return f && walk_value(row, f, value, dynamic, depth);
}

/* A name with dots means objects: {"a.b":1} is {"a":{"b":1}}. */
static bool walk_member(struct row *row, struct field *parent, struct tars_str name,
                        const struct json *value, enum dynamic dynamic, int depth)
{
    const char *dot = memchr(name.at, '.', name.len);
    struct tars_str head = tars_str_n(name.at, dot ? (size_t)(dot - name.at) : name.len);
    struct tars_str rest = dot ? tars_str_n(dot + 1, name.len - head.len - 1) : tars_str("");
    if (head.len == 0 || (dot && rest.len == 0) || memchr(name.at, '\0', name.len))
        return failure_set(row->failure, 400, "document_parsing_exception",
                           "field name cannot be an empty string, start or end with a dot");
    struct field *f = field_child(parent, head);
    if (!dot)
        return f ? walk_value(row, f, value, dynamic, depth)
                 : walk_unknown(row, parent, head, value, dynamic, depth);
    if (f && f->type == FIELD_OBJECT)
        return !f->enabled ||
               walk_member(row, f, rest, value, f->dynamic ? f->dynamic : dynamic, depth + 1);
    if (f)
        return failure_set(row->failure, 400, "document_parsing_exception",
                           "object mapping for [%s] is not an object", f->path);
    struct json inner = {.type = JSON_OBJECT, .count = 1}, member = *value;
    member.name = rest;
    member.next = NULL;
    inner.child = inner.last = &member;
    return walk_unknown(row, parent, head, &inner, dynamic, depth);
}

static bool walk_object(struct row *row, struct field *at, const struct json *object,
                        enum dynamic dynamic, int depth)
{
    if (depth > MAPPING_DEPTH_LIMIT * 4)
        return failure_set(row->failure, 400, "document_parsing_exception",
                           "The depth of the field has exceeded the allowed limit");
    for (const struct json *m = object->child; m; m = m->next) {
        /* A member may have made the mapping grow: then the field is looked for in the copy. */
        struct field *parent = row->grew && at->path[0]
                                   ? mapping_find(row->mapping, tars_str(at->path))
                               : row->grew ? &row->mapping->root
                                           : at;
        if (!walk_member(row, parent, m->name, m, dynamic, depth))
            return false;
    }
    return true;
}

static bool read_row(struct row *row, const struct json *source)
{
    if (source->type != JSON_OBJECT)
        return failure_set(row->failure, 400, "document_parsing_exception",
                           "failed to parse: a document must be an object");
    struct field *root = &row->mapping->root;
    row->nested_end = &row->nested;
    if (!cell_of(row, row->mapping->columns))
        return out_of_memory(row);
    return walk_object(row, root, source, root->dynamic ? root->dynamic : DYNAMIC_TRUE, 0);
}

/* ---- the tables
 * -------------------------------------------------------------------------------------- */

/* '$' stands for the index's number. */
static sqlite3_stmt *prepare(struct db *db, const char *pattern, const struct index *index)
{
    char sql[256];
    size_t len = 0;
    for (; *pattern && len + 24 < sizeof sql; pattern++) {
        if (*pattern == '$')
            len += (size_t)snprintf(sql + len, 24, "%lld", (long long)index->id);
        else
            sql[len++] = *pattern;
    }
    sql[len] = '\0';
    return db_prepare(db, tars_str_n(sql, len));
}

bool doc_read(struct db *db, const struct index *index, struct tars_str id,
              struct tars_arena *arena, struct doc *doc)
{
    *doc = (struct doc){.term = index->term};
    sqlite3_stmt *s = prepare(db,
                              "SELECT d.seq,d.version,s.source FROM d$ d JOIN s$ s ON "
                              "s.seq=d.seq WHERE d.id=?",
                              index);
    if (!s)
        return false;
    db_bind_str(s, 1, id);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        doc->found = true;
        doc->seq_no = sqlite3_column_int64(s, 0);
        doc->version = sqlite3_column_int64(s, 1);
        struct text source = {0};
        if (source_unpack(db, index->id, db_column_str(s, 2), &source))
            doc->source = tars_arena_copy(arena, text_str(&source));
        text_free(&source);
    }
    sqlite3_reset(s);
    return rc == SQLITE_DONE || (rc == SQLITE_ROW && doc->source.at);
}

static bool find(struct db *db, const struct index *index, struct tars_str id, struct doc *doc)
{
    *doc = (struct doc){.term = index->term};
    sqlite3_stmt *s = prepare(db, "SELECT seq,version FROM d$ WHERE id=?", index);
    if (!s)
        return false;
    db_bind_str(s, 1, id);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        doc->found = true;
        doc->seq_no = sqlite3_column_int64(s, 0);
        doc->version = sqlite3_column_int64(s, 1);
    }
    sqlite3_reset(s);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

struct tables {
    bool many, nested;
};

static void note_tables(void *user, struct field *f)
{
    struct tables *tables = user;
    tables->many |= f->many;
    tables->nested |= f->nested;
}

/* The keys of a document's nested rows are below zero: none is a document's number. */
static int64_t nested_key(int64_t seq, int at)
{
    return -(seq * NESTED_KEYS + at) - 1;
}

static bool remove_nested(struct db *db, const struct index *index, int64_t seq, bool many)
{
    static const char *const statements[] = {"DELETE FROM n$ WHERE seq BETWEEN ? AND ?",
                                             "DELETE FROM m$ WHERE seq BETWEEN ? AND ?"};
    for (int i = 0; i < 1 + many; i++) {
        sqlite3_stmt *s = prepare(db, statements[i], index);
        if (s) {
            sqlite3_bind_int64(s, 1, nested_key(seq, NESTED_KEYS - 1));
            sqlite3_bind_int64(s, 2, nested_key(seq, 0));
        }
        if (!db_run(s))
            return false;
    }
    return true;
}

static bool remove_row(struct db *db, const struct index *index, int64_t seq)
{
    static const char *const statements[] = {
        "DELETE FROM d$ WHERE seq=?", "DELETE FROM s$ WHERE seq=?", "DELETE FROM m$ WHERE seq=?"};
    struct tables tables = {0};
    mapping_each(index->mapping, note_tables, &tables);
    for (int i = 0; i < 2 + tables.many; i++) {
        sqlite3_stmt *s = prepare(db, statements[i], index);
        if (s)
            sqlite3_bind_int64(s, 1, seq);
        if (!db_run(s))
            return false;
    }
    return !tables.nested || remove_nested(db, index, seq, tables.many);
}

static bool insert_many(struct db *db, const struct row *row, const struct cell *cells, int column,
                        int64_t seq)
{
    const struct cell *cell = &cells[column];
    struct extra first = {cell->first, cell->more};
    for (const struct extra *e = &first; e; e = e->next) {
        sqlite3_stmt *s = prepare(
            db,
            "INSERT INTO m$(field,value,seq,n) VALUES(?,?,?,1) ON CONFLICT DO "
            "UPDATE SET n=n+1",
            row->index);
        if (!s)
            return false;
        sqlite3_bind_int64(s, 1, column);
        value_bind(s, 2, &e->value);
        sqlite3_bind_int64(s, 3, seq);
        if (!db_run(s))
            return false;
    }
    return true;
}

/* Only the columns that have a value are named. */
static bool insert_nested(struct db *db, const struct row *row, struct nested_row *one, int64_t seq,
                          int at)
{
    struct text sql = {0}, places = {0};
    int bound = 4;
    one->key = nested_key(seq, at);
    text_addf(&sql, "INSERT INTO n%lld(seq,path,up", (long long)row->index->id);
    for (int i = 0; i < one->size; i++) {
        if (!one->cells[i].first.kind || one->cells[i].more)
            continue;
        text_addf(&sql, ",f%d", i);
        text_adds(&places, ",?");
    }
    text_addf(&sql, ") VALUES(?,?,?%s)", places.at ? places.at : "");
    sqlite3_stmt *s = db_prepare(db, text_str(&sql));
    text_free(&sql);
    text_free(&places);
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, one->key);
    sqlite3_bind_int(s, 2, one->path);
    sqlite3_bind_int64(s, 3, one->up ? one->up->key : seq);
    for (int i = 0; i < one->size; i++)
        if (one->cells[i].first.kind && !one->cells[i].more)
            value_bind(s, bound++, &one->cells[i].first);
    if (!db_run(s))
        return false;
    for (int i = 0; i < one->size; i++)
        if (one->cells[i].more && !insert_many(db, row, one->cells, i, one->key))
            return false;
    return true;
}

static bool insert_row(struct db *db, struct row *row, int64_t seq, int64_t version,
                       struct tars_str source)
{
    sqlite3_stmt *s = db_prepare(db, tars_str(row->index->insert_sql));
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, seq);
    db_bind_str(s, 2, row->id);
    sqlite3_bind_int64(s, 3, version);
    for (int i = 0; i < row->size && i < row->mapping->columns; i++)
        if (row->cells[i].first.kind && !row->cells[i].more)
            value_bind(s, i + 4, &row->cells[i].first);
    if (!db_run(s))
        return false;
    for (int i = 0; i < row->size && i < row->mapping->columns; i++)
        if (row->cells[i].more && !insert_many(db, row, row->cells, i, seq))
            return false;
    int at = 0;
    for (struct nested_row *one = row->nested; one; one = one->next)
        if (!insert_nested(db, row, one, seq, at++))
            return false;
    if (!source_pack(db, row->index, source, &source))
        return false;
    s = prepare(db, "INSERT INTO s$(seq,source) VALUES(?,?)", row->index);
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, seq);
    sqlite3_bind_blob(s, 2, source.at, (int)source.len, SQLITE_STATIC);
    return db_run(s);
}

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
                      .mapping = job->index->mapping,
                      .arena = job->arena,
                      .id = job->id,
                      .may_grow = job->may_grow,
                      .failure = &job->result->failure};
    bool ok = read_row(&row, json);
    job->must_grow |= row.must_grow;
    if (!ok) {
        if (row.grew)
            mapping_free(row.mapping);
        return false;
    }
    if (row.grew && !catalog_set_mapping(job->catalog, job->db, job->index, row.mapping))
        return broken(job);
    if (old->found && !remove_row(job->db, job->index, old->seq_no))
        return broken(job);
    int64_t seq = take_seq(job), version = next_version(job, old);
    if (!insert_row(job->db, &row, seq, version, source))
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
    if (old->found && !remove_row(job->db, job->index, old->seq_no))
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
    *result = (struct doc_result){0};
    snprintf(result->index, sizeof result->index, "%" TARS_STR_FMT, TARS_STR_ARG(write->index));
    if (check_id(&job, made)) {
        snprintf(result->id, sizeof result->id, "%" TARS_STR_FMT, TARS_STR_ARG(job.id));
        job.index = target(&job);
    }
    if (job.index) {
        snprintf(result->index, sizeof result->index, "%s", job.index->name);
        if (!find(db, job.index, job.id, &old))
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
    text_addf(to,
              ",\"_version\":%lld,\"result\":\"%s\"%s,\"_shards\":{\"total\":%d,\"successful\":%d,"
              "\"failed\":0},"
              "\"_seq_no\":%lld,\"_primary_term\":%lld",
              (long long)r->version, r->result,
              forced_refresh && wrote ? ",\"forced_refresh\":true" : "", wrote, wrote,
              (long long)r->seq_no, (long long)r->term);
}
