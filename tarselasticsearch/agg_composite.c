/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buckets of combined keys, page by page in the order of the keys. Only a little more than one page
 * is held: what lies behind the page's last key is dropped as soon as it is known to.
 */
#include "agg_print.h"
#include "agg_rows.h"
#include "agg_slots.h"
#include "bucket_map.h"
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
    struct recall *recall;
};

enum {
    RECALL_SLOTS = 32768,
    RECALL_SOURCES = 4, /* their numbers make a key of 64 bits */
    RECALL_VALUES = 65535,
    RECALL_CODES = 8192,
    NO_NUMBER = -1
};

/*
 * Of rows of packed columns: the values of a source are numbered, and the buckets of combined
 * numbers are remembered, so that most rows find theirs without looking at texts. What is not
 * remembered is looked for in the state's map.
 */
struct recall {
    struct numbers {
        struct value *values;
        int32_t *slots; /* a hash table of places in `values`, plus 1 */
        size_t count, size;
        int32_t *of_code; /* of this block's codes; 0: not known yet, else plus 1 */
    } numbers[RECALL_SOURCES];
    uint32_t block;
    struct recalled {
        uint64_t key;          /* plus 1; 0: none */
        struct bucket *bucket; /* NULL: the combination is not of this page */
    } * slots;
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

/* The bucket of a combined key; NULL when it is not of this page. */
static bool find(struct aggs *all, const struct agg *a, struct composite_state *state,
                 const struct value *parts, struct bucket **found)
{
    const struct composite_options *o = a->options;
    *found = NULL;
    if ((o->after && order(o, parts, state->after) <= 0) ||
        (state->worst && order(o, parts, state->worst->parts) > 0))
        return true;
    struct text key = {0};
    encode(o, parts, &key);
    struct value v = {.kind = VALUE_TEXT, .s = text_str(&key)};
    struct bucket *b = bucket_map_get(all, a, &state->map, &v);
    text_free(&key);
    if (!b || (!b->parts && !keep_parts(all, o, b, parts)))
        return false;
    *found = b;
    return true;
}

/* Drops buckets once there are many more than a page has. */
static void shorten(const struct agg *a, struct composite_state *state)
{
    const struct composite_options *o = a->options;
    size_t page = (size_t)o->size;
    if (state->map.count < page * 2 + 64)
        return;
    cut_page(a, &state->map, page);
    state->worst = state->map.list[state->map.count - 1];
    if (state->recall)
        memset(state->recall->slots, 0, RECALL_SLOTS * sizeof *state->recall->slots);
}

static bool enter(struct aggs *all, const struct agg *a, struct composite_state *state,
                  const struct value *parts)
{
    struct bucket *b;
    if (!find(all, a, state, parts, &b) || (b && !agg_enter(all, a, b)))
        return false;
    shorten(a, state);
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

/* A row's numbers, of 16 bits each. */
struct key {
    uint64_t numbers;
    bool unknown;  /* some value has none */
    bool left_out; /* has no value of a source that wants one */
};

/* ---- collecting rows of a block
 * ------------------------------------------------------------------------------ */

static bool make_recall(struct aggs *all, const struct composite_options *o,
                        struct composite_state *state)
{
    struct recall *r = agg_alloc(all, sizeof *r);
    if (!r)
        return false;
    r->slots = agg_alloc(all, RECALL_SLOTS * sizeof *r->slots);
    for (size_t i = 0; i < o->count; i++)
        if (!(r->numbers[i].of_code = agg_alloc(all, RECALL_CODES * sizeof(int32_t))))
            return false;
    state->recall = r;
    return r->slots != NULL;
}

static bool grow_numbers(struct aggs *all, struct numbers *n)
{
    size_t size = n->size ? n->size * 2 : 64;
    struct value *values = agg_alloc(all, size / 2 * sizeof *values);
    int32_t *slots = values ? agg_alloc(all, size * sizeof *slots) : NULL;
    if (!slots)
        return false;
    if (n->count)
        memcpy(values, n->values, n->count * sizeof *values);
    for (size_t i = 0; i < n->count; i++) {
        size_t at = value_hash(&values[i]) & (size - 1);
        while (slots[at])
            at = (at + 1) & (size - 1);
        slots[at] = (int32_t)i + 1;
    }
    n->values = values;
    n->slots = slots;
    n->size = size;
    return true;
}

/* The number of a value, from 0 on; NO_NUMBER when there are too many values. */
static bool number_of(struct aggs *all, struct numbers *n, const struct value *v, int32_t *number)
{
    if (n->count * 2 >= n->size && n->count < RECALL_VALUES && !grow_numbers(all, n))
        return false;
    size_t at = value_hash(v) & (n->size - 1);
    for (; n->slots[at]; at = (at + 1) & (n->size - 1)) {
        *number = n->slots[at] - 1;
        if (n->values[*number].kind == v->kind && value_order(&n->values[*number], v) == 0)
            return true;
    }
    *number = NO_NUMBER;
    if (n->count >= RECALL_VALUES)
        return true;
    struct value kept = *v;
    if (v->kind == VALUE_TEXT && !(kept.s = tars_arena_copy(all->arena, v->s)).at)
        return agg_alloc(all, SIZE_MAX / 2) != NULL;
    *number = (int32_t)n->count;
    n->values[n->count++] = kept;
    n->slots[at] = *number + 1;
    return true;
}

/* The source's value in a row. */
static struct value part_in(const struct source *s, uint64_t code)
{
    struct value v = {0};
    if (code)
        v = block_value(s->slot->block, code);
    return code ? part_of(s, &v) : v;
}

static bool find_parts(struct aggs *all, const struct agg *a, struct composite_state *state,
                       size_t row, struct bucket **found)
{
    const struct composite_options *o = a->options;
    struct value parts[SOURCES];
    for (size_t i = 0; i < o->count; i++) {
        const struct source *s = &o->sources[i];
        parts[i] = part_in(s, s->slot->block ? block_code(s->slot->block, row) : 0);
    }
    return find(all, a, state, parts, found);
}

/* The number of a code's value, which `of_code` does not have yet. */
static bool learn_number(struct aggs *all, const struct source *s, struct numbers *n, uint64_t code,
                         int32_t *number)
{
    struct value v = part_in(s, code);
    if (!number_of(all, n, &v, number))
        return false;
    if (code < RECALL_CODES && *number != NO_NUMBER)
        n->of_code[code] = *number + 1;
    return true;
}

/* Puts the source's numbers behind the rows' keys. */
static bool add_numbers(struct aggs *all, const struct source *s, struct numbers *n,
                        const uint16_t *rows, size_t count, struct key *keys)
{
    const struct block *b = s->slot->block;
    for (size_t i = 0; i < count; i++) {
        uint64_t code = b ? block_code(b, rows[i]) : 0;
        int32_t number = code < RECALL_CODES ? n->of_code[code] - 1 : NO_NUMBER;
        if (number == NO_NUMBER && !learn_number(all, s, n, code, &number))
            return false;
        keys[i].unknown |= number == NO_NUMBER;
        keys[i].left_out |= !code && !s->missing;
        keys[i].numbers = keys[i].numbers << 16 | (uint16_t)number;
    }
    return true;
}

static bool find_row(struct aggs *all, const struct agg *a, struct composite_state *state,
                     const struct key *key, size_t row, struct bucket **found)
{
    uint64_t hash = key->numbers * 0x9e3779b97f4a7c15U;
    struct recalled *known = &state->recall->slots[hash >> 32 & (RECALL_SLOTS - 1)];
    *found = NULL;
    if (key->left_out)
        return true;
    if (key->unknown)
        return find_parts(all, a, state, row, found);
    if (known->key != key->numbers + 1) {
        if (!find_parts(all, a, state, row, &known->bucket))
            return false;
        known->key = key->numbers + 1;
    }
    *found = known->bucket;
    return true;
}

static bool find_rows(struct aggs *all, const struct agg *a, struct composite_state *state,
                      const uint16_t *rows, size_t count, struct bucket **buckets)
{
    const struct composite_options *o = a->options;
    struct key keys[AGG_ROWS] = {{0}};
    for (size_t i = 0; i < o->count; i++)
        if (!add_numbers(all, &o->sources[i], &state->recall->numbers[i], rows, count, keys))
            return false;
    for (size_t i = 0; i < count; i++)
        if (!find_row(all, a, state, &keys[i], rows[i], &buckets[i]))
            return false;
    return true;
}

/* Else collect_composite finds each, or refuses the texts that histograms do not take. */
static bool fits_rows(const struct composite_options *o)
{
    if (o->count > RECALL_SOURCES)
        return false;
    for (size_t i = 0; i < o->count; i++)
        if (o->sources[i].kind != SOURCE_TERMS && o->sources[i].slot->block &&
            o->sources[i].slot->block->kind == VALUE_TEXT)
            return false;
    return true;
}

static bool collect_composite_rows(struct aggs *all, const struct agg *a, char *const *states,
                                   const uint16_t *rows, size_t count)
{
    const struct composite_options *o = a->options;
    struct bucket **buckets = agg_row_buckets(all, a);
    if (!count || !buckets || !fits_rows(o))
        return buckets && agg_collect_each(all, a, states, rows, count);
    /* It stands at the top: there is one state. */
    struct composite_state *s = (void *)(states[0] + a->offset);
    if ((!s->ready && !read_after_values(all, o, s)) || (!s->recall && !make_recall(all, o, s)))
        return false;
    for (size_t i = 0; s->recall->block != all->block && i < o->count; i++)
        memset(s->recall->numbers[i].of_code, 0, RECALL_CODES * sizeof(int32_t));
    s->recall->block = all->block;
    if (!find_rows(all, a, s, rows, count, buckets))
        return false;
    if (!agg_enter_rows(all, a, buckets, rows, count))
        return false;
    shorten(a, s);
    return true;
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
                                                parse_composite, collect_composite, print_composite,
                                                collect_composite_rows, false},
                                               {0}};
