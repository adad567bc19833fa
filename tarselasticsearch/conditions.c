/* SPDX-License-Identifier: BSD-3-Clause */
#include "conditions.h"

#include "query_compile.h"

#include <stdlib.h>

/* As SQLite compares them: numbers before texts. */
static int compare(const struct value *a, const struct value *b)
{
    if ((a->kind == VALUE_TEXT) != (b->kind == VALUE_TEXT))
        return a->kind == VALUE_TEXT ? 1 : -1;
    if (a->kind == VALUE_TEXT)
        return tars_str_compare(a->s, b->s);
    if (a->kind == VALUE_INT && b->kind == VALUE_INT)
        return (a->i > b->i) - (a->i < b->i);
    /* Exactly: a long double holds every whole number of 64 bits. */
    long double x = a->kind == VALUE_INT ? (long double)a->i : (long double)a->r;
    long double y = b->kind == VALUE_INT ? (long double)b->i : (long double)b->r;
    return (x > y) - (x < y);
}

static int by_value(const void *x, const void *y)
{
    return compare(x, y);
}

/* ---- reading
 * --------------------------------------------------------------------------------------------- */

void conditions_note(struct conditions *c, const struct field *f, const struct condition *is)
{
    struct value *values = NULL;
    bool fits = c->count < CONDITIONS_LIMIT && !f->many && !f->inside && f->type != FIELD_TEXT;
    if (fits && (values = tars_arena_alloc(c->arena, (is->count + 1) * sizeof *values))) {
        memcpy(values, is->values, is->count * sizeof *values);
        c->at[c->count] = (struct noted){f, *is};
        c->at[c->count++].is.values = values;
        if (is->list)
            qsort(values, is->count, sizeof *values, by_value);
    } else {
        c->failed = true;
    }
}

/* Queries that become one condition on a field, or are passed over. */
static bool is_leaf(struct tars_str kind)
{
    static const char *const kinds[] = {"term", "terms", "range", "prefix", "wildcard", "regexp"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (tars_str_is(kind, kinds[i]))
            return true;
    return false;
}

static bool read_query(struct conditions *c, const struct index *index, const struct json *query);

static bool read_leaf(struct conditions *c, const struct index *index, const struct json *query)
{
    struct failure ignored = {0};
    size_t before = c->count;
    struct query q = {.arena = c->arena, .failure = &ignored, .conditions = c};
    bool ok = query_where(&q, index, query) && !c->failed && c->count == before + 1;
    query_free(&q);
    return ok;
}

static bool read_list(struct conditions *c, const struct index *index, const struct json *list)
{
    bool ok = true;
    if (list->type != JSON_ARRAY)
        return read_query(c, index, list);
    for (const struct json *q = list->child; q && ok; q = q->next)
        ok = read_query(c, index, q);
    return ok;
}

static bool read_bool(struct conditions *c, const struct index *index, const struct json *query)
{
    for (const struct json *p = query->child; p; p = p->next) {
        if (tars_str_is(p->name, "boost"))
            continue;
        if ((!tars_str_is(p->name, "filter") && !tars_str_is(p->name, "must")) ||
            !read_list(c, index, p))
            return false;
    }
    return true;
}

static bool read_query(struct conditions *c, const struct index *index, const struct json *query)
{
    const struct json *body = query->child;
    if (tars_str_is(body->name, "match_all"))
        return true;
    if (tars_str_is(body->name, "bool"))
        return read_bool(c, index, body);
    return is_leaf(body->name) && read_leaf(c, index, query);
}

bool conditions_read(struct conditions *c, const struct index *index, const struct json *query,
                     struct tars_arena *arena)
{
    c->count = 0;
    c->failed = false;
    c->arena = arena;
    return !query || read_query(c, index, query);
}

/* ---- asking
 * ---------------------------------------------------------------------------------------------- */

static bool compares(const struct value *v, const char *operation, const struct value *with)
{
    int order = compare(v, with);
    return (order == 0 && strchr(operation, '=')) || (order > 0 && operation[0] == '>') ||
           (order < 0 && operation[0] == '<');
}

/* What is no comparison is asked as SQL would ask it: f(value,?tail). */
static bool asks(struct db *db, const struct condition *is, const struct value *v, bool *holds)
{
    struct text sql = {0};
    text_addf(&sql, "SELECT %s(?,?%s)", is->function, is->tail);
    sqlite3_stmt *s = db_prepare(db, text_str(&sql));
    text_free(&sql);
    if (!s)
        return false;
    value_bind(s, 1, v);
    value_bind(s, 2, &is->values[0]);
    bool ok = sqlite3_step(s) == SQLITE_ROW;
    *holds = ok && sqlite3_column_int(s, 0) != 0;
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return ok;
}

static bool holds(const struct condition *is, const struct value *v)
{
    if (is->list)
        return bsearch(v, is->values, is->count, sizeof *v, by_value) != NULL;
    if (is->values[0].kind == VALUE_NONE)
        return strcmp(is->operations[0], " IS NOT ") == 0;
    for (size_t i = 0; i < is->count; i++)
        if (!compares(v, is->operations[i], &is->values[i]))
            return false;
    return true;
}

static bool fits(const struct condition *is, struct db *db, const struct value *v, bool *yes)
{
    if (is->function)
        return asks(db, is, v, yes);
    *yes = holds(is, v);
    return true;
}

static size_t keep(const struct block *b, const bool *yes, uint16_t *rows, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        rows[kept] = rows[i];
        kept += yes[block_code(b, rows[i])];
    }
    return kept;
}

/* Each entry is asked once. */
static bool choose_entries(const struct condition *is, struct db *db, const struct block *b,
                           uint16_t *rows, size_t *count)
{
    bool yes[BLOCK_ROWS + 1] = {false};
    size_t all = 0;
    for (size_t i = 0; i < b->entries; i++) {
        if (!fits(is, db, &b->entry[i], &yes[i + 1]))
            return false;
        all += yes[i + 1];
    }
    if (all < b->entries || b->gaps)
        *count = all ? keep(b, yes, rows, *count) : 0;
    return true;
}

/* The whole numbers that fit, when they are a range. */
static bool find_range(const struct condition *is, int64_t *low, int64_t *high)
{
    *low = INT64_MIN;
    *high = INT64_MAX;
    if (is->list || is->function)
        return false;
    for (size_t i = 0; i < is->count; i++) {
        const char *operation = is->operations[i];
        int64_t v = is->values[i].i;
        if (is->values[i].kind != VALUE_INT ||
            (operation[1] == '\0' && operation[0] != '=' && (v == INT64_MAX || v == INT64_MIN)))
            return false;
        if (operation[0] != '<')
            *low = v + (strcmp(operation, ">") == 0);
        if (operation[0] != '>')
            *high = v - (strcmp(operation, "<") == 0);
    }
    return true;
}

static bool choose_range(const struct block *b, int64_t low, int64_t high, uint16_t *rows,
                         size_t *count)
{
    size_t kept = 0;
    if (low == INT64_MIN && high == INT64_MAX && !b->gaps)
        return true;
    for (size_t i = 0; i < *count; i++) {
        uint64_t code = block_code(b, rows[i]);
        int64_t v = (int64_t)((uint64_t)b->base + code - 1);
        rows[kept] = rows[i];
        kept += code && v >= low && v <= high;
    }
    *count = kept;
    return true;
}

bool condition_choose(const struct noted *n, struct db *db, const struct block *b, uint16_t *rows,
                      size_t *count)
{
    size_t kept = 0;
    int64_t low, high;
    if (b->kind != VALUE_INT)
        return choose_entries(&n->is, db, b, rows, count);
    if (find_range(&n->is, &low, &high))
        return choose_range(b, low, high, rows, count);
    for (size_t i = 0; i < *count; i++) {
        bool yes = false;
        uint64_t code = block_code(b, rows[i]);
        struct value v = code ? block_value(b, code) : (struct value){0};
        if (code && !fits(&n->is, db, &v, &yes))
            return false;
        rows[kept] = rows[i];
        kept += yes;
    }
    *count = kept;
    return true;
}
