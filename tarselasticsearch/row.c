/* SPDX-License-Identifier: BSD-3-Clause */
#include "row.h"

#include "base/xmalloc.h"
#include "date.h"
#include "vocabulary.h"
#include "words.h"

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

static struct field *growing(struct row *row, const struct field *f)
{
    return mapping_find(row->mapping, tars_str(f->path));
}

/* Counts a word. Whether numbers still pay for its column: not when most of its words are new ones,
 * as ids are. */
static bool is_worth_numbers(struct index *index, int column, bool fresh)
{
    enum { SOME = 256, MANY = 4096 };
    if (column >= index->word_counts_size) {
        int size = column + 16;
        index->word_counts = xrealloc(index->word_counts,
                                      (size_t)size * sizeof *index->word_counts);
        memset(index->word_counts + index->word_counts_size, 0,
               (size_t)(size - index->word_counts_size) * sizeof *index->word_counts);
        index->word_counts_size = size;
    }
    struct word_count *count = &index->word_counts[column];
    count->all++;
    count->fresh += fresh;
    return count->fresh < SOME || (count->fresh < MANY && count->fresh <= count->all / 2);
}

/* Finds the number that stands for a keyword. */
static bool number_word(struct row *row, struct field *f, struct cell *cell)
{
    struct vocabulary *words = row->index->vocabulary;
    bool fresh;
    if (f->coding == CODING_MIXED) {
        cell->number = vocabulary_find(words, cell->first.s);
        return true;
    }
    if (!vocabulary_add(words, row->db, cell->first.s, &cell->number, &fresh)) {
        row->broken = true;
        return false;
    }
    bool worth = is_worth_numbers(row->index, f->column, fresh);
    if (cell->number == 0 || (f->coding == CODING_PURE && worth))
        return true;
    if (!begin_growth(row))
        return false;
    growing(row, f)->coding = worth ? CODING_PURE : CODING_MIXED;
    return true;
}

static bool put_value(struct row *row, struct field *f, const struct value *v)
{
    struct cell *cell = cell_of(row, f->column);
    if (!cell)
        return out_of_memory(row);
    if (cell->first.kind == VALUE_NONE) {
        cell->first = *v;
        return f->type != FIELD_KEYWORD || f->inside || number_word(row, f, cell);
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
    growing(row, f)->many = true;
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

bool row_read(struct row *row, const struct json *source)
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
