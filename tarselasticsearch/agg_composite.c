/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buckets of combined keys, page by page in the order of the keys. Only a little more than one page
 * is held: what lies behind the page's last key is dropped as soon as it is known to.
 */
#include "rounding.h"

#include <stdlib.h>

enum { SOURCES = 16, COMBINATIONS = 10000 };

enum source_kind { SOURCE_TERMS, SOURCE_HISTOGRAM, SOURCE_DATES };

struct source {
    struct tars_str name;
    enum source_kind kind;
    struct agg_slot *slot;
    struct rounding rounding;
    bool descending, missing;
    const char *format;
    const struct json *after;
};

struct composite_options {
    struct source sources[SOURCES];
    size_t count;
    int64_t size;
    const struct json *after;
};

struct composite_state {
    struct bucket_map map;
    struct bucket *worst; /* of a full page */
    struct value after[SOURCES];
    bool ready;
    size_t budget; /* combinations that one document may still make */
};

/* ---- reading
 * ------------------------------------------------------------------------------------------------
 */

static bool read_format(struct aggs *all, struct source *s, const struct json *p)
{
    if (p->type != JSON_STRING || !date_format_known(p->text))
        return agg_refuse(all, "illegal_argument_exception",
                          "[format]: this store prints dates as epoch_millis, epoch_second or "
                          "strict_date_optional_time");
    s->format = tars_arena_copy(all->arena, p->text).at;
    return s->format || agg_alloc(all, SIZE_MAX / 2);
}

static bool source_option(struct aggs *all, struct source *s, const struct json *p)
{
    bool taken = false;
    if (s->kind != SOURCE_TERMS && !rounding_option(all, &s->rounding, p, &taken))
        return false;
    if (taken)
        return true;
    if (tars_str_is(p->name, "field") && p->type == JSON_STRING)
        return (s->slot = agg_add_slot(all, p->text, NULL)) != NULL;
    if (tars_str_is(p->name, "missing_bucket"))
        return agg_flag(all, p, &s->missing);
    if (s->kind == SOURCE_DATES && tars_str_is(p->name, "format"))
        return read_format(all, s, p);
    if (tars_str_is(p->name, "order") && (json_is_str(p, "asc") || json_is_str(p, "desc"))) {
        s->descending = json_is_str(p, "desc");
        return true;
    }
    return agg_refuse(all, "x_content_parse_exception",
                      "[composite] unknown field [%" TARS_STR_FMT "] of a source",
                      TARS_STR_ARG(p->name));
}

static bool read_source(struct aggs *all, struct composite_options *o, const struct json *json)
{
    static const char *const kinds[] = {"terms", "histogram", "date_histogram"};
    const struct json *named = json->type == JSON_OBJECT && json->count == 1 ? json->child : NULL;
    const struct json *body = named && named->type == JSON_OBJECT && named->count == 1
                                  ? named->child
                                  : NULL;
    int kind = 0;
    if (!body || body->type != JSON_OBJECT || o->count == SOURCES)
        return agg_refuse(all, "parsing_exception",
                          "[composite] a source is an object of a name and one kind, and there are "
                          "at most %d",
                          SOURCES);
    while (kind < 3 && !tars_str_is(body->name, kinds[kind]))
        kind++;
    if (kind == 3)
        return agg_refuse(all, "parsing_exception",
                          "[composite] this store knows no source [%" TARS_STR_FMT "]",
                          TARS_STR_ARG(body->name));
    for (size_t i = 0; i < o->count; i++)
        if (tars_str_equal(o->sources[i].name, named->name))
            return agg_refuse(
                all, "illegal_argument_exception",
                "Composite source names must be unique, found duplicates: [%" TARS_STR_FMT "]",
                TARS_STR_ARG(named->name));
    struct source *s = &o->sources[o->count++];
    s->name = named->name;
    s->kind = (enum source_kind)kind;
    s->rounding.dates = s->kind == SOURCE_DATES;
    for (const struct json *p = body->child; p; p = p->next)
        if (!source_option(all, s, p))
            return false;
    if (!s->slot)
        return agg_refuse(all, "illegal_argument_exception",
                          "Required one of fields [field, script], but none were specified. ");
    return s->kind == SOURCE_TERMS || rounding_check(all, &s->rounding);
}

static bool read_after(struct aggs *all, struct composite_options *o)
{
    if (!o->after)
        return true;
    for (size_t i = 0; i < o->count; i++) {
        o->sources[i].after = json_get_n(o->after, o->sources[i].name);
        if (!o->sources[i].after)
            return agg_refuse_shard(all, "Missing value for [after.%" TARS_STR_FMT "]",
                                    TARS_STR_ARG(o->sources[i].name));
    }
    return o->after->count == o->count ||
           agg_refuse_shard(all, "[after] has %zu value(s) but [sources] has %zu", o->after->count,
                            o->count);
}

static bool parse_composite(struct aggs *all, struct agg *a, const struct json *body)
{
    struct composite_options *o = agg_alloc(all, sizeof *o);
    if (!o)
        return false;
    a->options = o;
    o->size = 10;
    if (a->depth > 1)
        return agg_refuse_shard(all,
                                "[composite] aggregation cannot be used with a parent aggregation");
    for (const struct json *p = body->child; p; p = p->next) {
        if (tars_str_is(p->name, "size")) {
            if (!json_as_int(p, &o->size) || o->size < 1)
                return agg_refuse(all, "illegal_argument_exception",
                                  "[size] must be greater than 0. Found [%" TARS_STR_FMT "]",
                                  TARS_STR_ARG(p->text));
        } else if (tars_str_is(p->name, "after") && p->type == JSON_OBJECT) {
            o->after = p;
        } else if (tars_str_is(p->name, "sources") && p->type == JSON_ARRAY) {
            for (const struct json *s = p->child; s; s = s->next)
                if (!read_source(all, o, s))
                    return false;
        } else {
            return agg_unknown(all, a, p);
        }
    }
    if (!o->count)
        return agg_refuse(all, "x_content_parse_exception",
                          "Composite [sources] cannot be null or empty");
    if (o->size > AGGS_MAX_BUCKETS)
        return failure_set(all->failure, 400, "too_many_buckets_exception",
                           "Trying to create too many buckets. Must be less than or equal to: [%d] "
                           "but was [%lld]. This limit can be set by changing the "
                           "[search.max_buckets] cluster level setting.",
                           AGGS_MAX_BUCKETS, (long long)o->size);
    return read_after(all, o);
}

/* ---- the order of the keys
 * ------------------------------------------------------------------------------------ */

static int order(const struct composite_options *o, const struct value *a, const struct value *b)
{
    for (size_t i = 0; i < o->count; i++) {
        int result = value_order(&a[i], &b[i]);
        if (result)
            return o->sources[i].descending ? -result : result;
    }
    return 0;
}

static int by_key(const void *x, const void *y, void *user)
{
    return order(user, (*(struct bucket *const *)x)->parts, (*(struct bucket *const *)y)->parts);
}

/* The values that "after" says, in the types of the fields. */
static bool read_after_values(struct aggs *all, const struct composite_options *o,
                              struct composite_state *state)
{
    state->ready = true;
    for (size_t i = 0; o->after && i < o->count; i++) {
        const struct source *s = &o->sources[i];
        struct field f = {.type = s->kind == SOURCE_HISTOGRAM ? FIELD_DOUBLE
                                  : s->kind == SOURCE_DATES   ? FIELD_DATE
                                  : s->slot->seen             ? s->slot->type
                                                              : FIELD_KEYWORD,
                          .ignore_above = -1};
        char why[128];
        if (f.type == FIELD_BOOLEAN && s->after->type == JSON_NUMBER)
            f.type = FIELD_LONG;
        if (!value_index(&f, s->after, all->arena, &state->after[i], why))
            return agg_refuse(all, "illegal_argument_exception",
                              "invalid value for [after.%" TARS_STR_FMT "]: %s",
                              TARS_STR_ARG(s->name), why);
    }
    return true;
}

/* ---- collecting
 * --------------------------------------------------------------------------------------------- */

/* Keeps the page's keys and drops those behind. */
static void cut_page(const struct agg *a, struct bucket_map *m, size_t page)
{
    size_t count = m->count < page ? m->count : page;
    qsort_r(m->list, m->count, sizeof *m->list, by_key, a->options);
    bucket_map_clear(m);
    for (size_t i = 0; i < count; i++)
        bucket_map_put(m, m->list[i]);
}

static void encode(const struct composite_options *o, const struct value *parts, struct text *to)
{
    for (size_t i = 0; i < o->count; i++) {
        const struct value *v = &parts[i];
        char kind = (char)v->kind;
        text_add(to, &kind, 1);
        if (v->kind == VALUE_TEXT) {
            text_add(to, &v->s.len, sizeof v->s.len);
            text_add(to, v->s.at, v->s.len);
        } else if (v->kind != VALUE_NONE) {
            text_add(to, v->kind == VALUE_INT ? (const void *)&v->i : (const void *)&v->r, 8);
        }
    }
}

/* The key's parts outlive the row that they came from. */
static bool keep_parts(struct aggs *all, const struct composite_options *o, struct bucket *b,
                       const struct value *parts)
{
    struct value *kept = agg_alloc(all, o->count * sizeof *kept);
    for (size_t i = 0; kept && i < o->count; i++) {
        kept[i] = parts[i];
        if (kept[i].kind == VALUE_TEXT && !(kept[i].s = tars_arena_copy(all->arena, parts[i].s)).at)
            return agg_alloc(all, SIZE_MAX / 2) != NULL;
    }
    b->parts = kept;
    return kept != NULL;
}

static bool enter(struct aggs *all, const struct agg *a, struct composite_state *state,
                  const struct value *parts)
{
    const struct composite_options *o = a->options;
    if ((o->after && order(o, parts, state->after) <= 0) ||
        (state->worst && order(o, parts, state->worst->parts) > 0))
        return true;
    struct text key = {0};
    encode(o, parts, &key);
    struct value v = {.kind = VALUE_TEXT, .s = text_str(&key)};
    struct bucket *b = bucket_map_get(all, a, &state->map, &v);
    text_free(&key);
    if (!b || (!b->parts && !keep_parts(all, o, b, parts)) || !agg_enter(all, a, b))
        return false;
    size_t page = (size_t)o->size;
    if (state->map.count < page * 2 + 64)
        return true;
    cut_page(a, &state->map, page);
    state->worst = state->map.list[state->map.count - 1];
    return true;
}

static struct value part_of(const struct source *s, const struct value *v)
{
    if (s->kind == SOURCE_TERMS)
        return *v;
    return rounding_key(&s->rounding, rounding_floor(&s->rounding, agg_double(v)));
}

/* Every combination of the document's values. */
static bool combine(struct aggs *all, const struct agg *a, struct composite_state *state,
                    struct value *parts, size_t at)
{
    const struct composite_options *o = a->options;
    const struct source *s = &o->sources[at];
    if (at == o->count)
        return (state->budget-- > 0 || agg_refuse(all, "illegal_argument_exception",
                                                  "a document has more than %d combinations of "
                                                  "values of the sources",
                                                  COMBINATIONS)) &&
               enter(all, a, state, parts);
    if (!s->slot->count) {
        parts[at] = (struct value){0};
        return !s->missing || combine(all, a, state, parts, at + 1);
    }
    for (size_t i = 0; i < s->slot->count; i++) {
        if (i && value_order(&s->slot->values[i], &s->slot->values[i - 1]) == 0)
            continue;
        if (s->kind != SOURCE_TERMS && s->slot->values[i].kind == VALUE_TEXT)
            return agg_refuse(all, "illegal_argument_exception",
                              "Field [%" TARS_STR_FMT
                              "] of type [keyword] is not supported for this source",
                              TARS_STR_ARG(s->slot->field));
        parts[at] = part_of(s, &s->slot->values[i]);
        if (i && s->kind != SOURCE_TERMS) {
            struct value before = part_of(s, &s->slot->values[i - 1]);
            if (value_order(&before, &parts[at]) == 0)
                continue;
        }
        if (!combine(all, a, state, parts, at + 1))
            return false;
    }
    return true;
}

static bool collect_composite(struct aggs *all, const struct agg *a, void *state)
{
    struct composite_state *s = state;
    struct value parts[SOURCES];
    if (!s->ready && !read_after_values(all, a->options, s))
        return false;
    s->budget = COMBINATIONS;
    return combine(all, a, s, parts, 0);
}

/* ---- printing
 * -------------------------------------------------------------------------------------------------
 */

static void print_key(const struct composite_options *o, const struct bucket *b, struct text *to)
{
    for (size_t i = 0; i < o->count; i++) {
        const struct source *s = &o->sources[i];
        text_adds(to, i ? "," : "{");
        text_add_json(to, s->name);
        text_adds(to, ":");
        if (s->kind == SOURCE_DATES && s->format && b->parts[i].kind == VALUE_INT) {
            text_adds(to, "\"");
            date_print(b->parts[i].i, s->format, s->rounding.zone, to);
            text_adds(to, "\"");
        } else if (s->kind == SOURCE_TERMS && s->slot->type == FIELD_IP &&
                   b->parts[i].kind == VALUE_TEXT)
            agg_print_string(&b->parts[i], FIELD_IP, NULL, to);
        else if (s->kind == SOURCE_TERMS && s->slot->type == FIELD_BOOLEAN &&
                 b->parts[i].kind == VALUE_INT)
            text_adds(to, b->parts[i].i ? "true" : "false");
        else
            agg_print_value(&b->parts[i], to);
    }
    text_adds(to, "}");
}

static bool print_composite(struct aggs *all, const struct agg *a, void *state, struct text *to)
{
    struct composite_state *s = state;
    const struct composite_options *o = a->options;
    struct bucket_map *m = &s->map;
    if (m->count)
        cut_page(a, m, (size_t)o->size);
    if (m->count) {
        text_adds(to, "\"after_key\":");
        print_key(o, m->list[m->count - 1], to);
        text_adds(to, ",");
    }
    text_adds(to, "\"buckets\":[");
    for (size_t i = 0; i < m->count; i++) {
        text_adds(to, i ? ",{\"key\":" : "{\"key\":");
        print_key(o, m->list[i], to);
        text_adds(to, ",");
        if (!agg_print_bucket(all, a, m->list[i], to))
            return false;
        text_adds(to, "}");
    }
    text_adds(to, "]");
    return true;
}

const struct agg_kind agg_composite_kinds[] = {{"composite", true, sizeof(struct composite_state),
                                                parse_composite, collect_composite,
                                                print_composite},
                                               {0}};
