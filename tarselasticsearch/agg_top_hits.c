/* SPDX-License-Identifier: BSD-3-Clause */
/* The first documents of a bucket in some order. */
#include "agg.h"
#include "agg_slots.h"
#include "bucket_map.h"
#include "sorts.h"

#include <math.h>

enum { WINDOW = 100 };

struct top_options {
    int64_t from, size;
    struct sort sorts[HIT_SORTS];
    size_t sort_count;
    struct agg_slot *slots[HIT_SORTS];
    bool scored; /* hits show a score, not sort keys */
    struct hit_options shows;
    struct page *page;
};

struct entry {
    size_t index;
    int64_t seq;
    double score;
    struct value keys[];
};

struct top_state {
    int64_t total;
    size_t count;
    double best;
    struct entry **entries; /* the first ones, in order; one more place than needed */
};

/* ---- reading
 * ----------------------------------------------------------------------------------------- */

static bool read_number(struct aggs *all, const struct json *p, int64_t *to)
{
    return (json_as_int(p, to) && *to >= 0) ||
           agg_refuse(all, "illegal_argument_exception",
                      "[%" TARS_STR_FMT "] must be a number and not negative",
                      TARS_STR_ARG(p->name));
}

static bool parse_option(struct aggs *all, struct agg *a, struct top_options *o,
                         const struct json *p)
{
    bool taken;
    if (tars_str_is(p->name, "size"))
        return read_number(all, p, &o->size);
    if (tars_str_is(p->name, "from"))
        return read_number(all, p, &o->from);
    if (tars_str_is(p->name, "highlight"))
        return agg_refuse(all, "parsing_exception",
                          "[top_hits] [highlight] is not known to this store");
    if (tars_str_is(p->name, "sort"))
        return sorts_read(p, NULL, o->sorts, &o->sort_count, all->failure);
    return hit_options_read(&o->shows, p, all->arena, &taken, all->failure) &&
           (taken ||
            agg_refuse(all, "parsing_exception",
                       "Unknown key for a value in [%" TARS_STR_FMT "]: [%" TARS_STR_FMT "].",
                       TARS_STR_ARG(a->name), TARS_STR_ARG(p->name)));
}

static bool parse_top_hits(struct aggs *all, struct agg *a, const struct json *body)
{
    struct top_options *o = agg_alloc(all, sizeof *o);
    if (!o)
        return false;
    a->options = o;
    *o = (struct top_options){.size = 3};
    if (all->scope.len)
        return agg_refuse(all, "illegal_argument_exception",
                          "[top_hits] below [nested] is not known to this store");
    for (const struct json *p = body->child; p; p = p->next)
        if (!parse_option(all, a, o, p))
            return false;
    if (o->from + o->size > WINDOW)
        return agg_refuse_shard(
            all,
            "Top hits result window is too large, the top hits aggregator [%" TARS_STR_FMT
            "]'s from + size must be less than or equal to: [%d] but was [%lld]. This limit can be "
            "set by changing the [index.max_inner_result_window] index level setting.",
            TARS_STR_ARG(a->name), WINDOW, (long long)o->from + o->size);
    if (!o->sort_count)
        o->sorts[o->sort_count++] = (struct sort){.kind = SORT_SCORE, .descending = true};
    o->scored = o->sort_count == 1 && o->sorts[0].kind == SORT_SCORE;
    for (size_t i = 0; i < o->sort_count; i++) {
        all->scored |= o->sorts[i].kind == SORT_SCORE || o->shows.scores;
        if (o->sorts[i].kind == SORT_FIELD &&
            !(o->slots[i] = agg_add_slot(all, o->sorts[i].field, NULL)))
            return false;
    }
    return true;
}

/* ---- collecting
 * -------------------------------------------------------------------------------------- */

/* Of several values the smallest, or in the other order the largest. */
static struct value read_key(const struct aggs *all, const struct sort *s,
                             const struct agg_slot *slot)
{
    struct value v = {0};
    if (s->kind == SORT_SCORE)
        return (struct value){.kind = VALUE_REAL, .r = all->score};
    if (s->kind == SORT_DOC)
        return (struct value){.kind = VALUE_INT, .i = all->seq};
    for (size_t i = 0; slot && i < slot->count; i++) {
        int order = i ? value_order(&slot->values[i], &v) : -1;
        if (i == 0 || (s->descending ? order > 0 : order < 0))
            v = slot->values[i];
    }
    if (v.kind == VALUE_NONE && slot && slot->seen && !value_is_text(slot->type)) {
        bool top = s->descending == s->missing_first;
        v.kind = slot->type == FIELD_DOUBLE || slot->type == FIELD_FLOAT ? VALUE_REAL : VALUE_INT;
        bool small = slot->type == FIELD_INTEGER || slot->type == FIELD_SHORT ||
                     slot->type == FIELD_BYTE;
        v.i = small ? (top ? INT32_MAX : INT32_MIN) : (top ? INT64_MAX : INT64_MIN);
        v.r = top ? INFINITY : -INFINITY;
    }
    return v;
}

static int compare(const struct top_options *o, const struct value *a, const struct value *b)
{
    for (size_t i = 0; i < o->sort_count; i++) {
        const struct sort *s = &o->sorts[i];
        bool x = a[i].kind == VALUE_NONE, y = b[i].kind == VALUE_NONE;
        if (x && y)
            continue;
        if (x || y)
            return (x ? 1 : -1) * (s->missing_first ? -1 : 1);
        int order = value_order(&a[i], &b[i]);
        if (order)
            return s->descending ? -order : order;
    }
    return 0;
}

/* Equal ones stand as they were written, whatever the order in which they are read. */
static bool is_before(const struct aggs *all, const struct top_options *o, const struct value *keys,
                      const struct entry *e)
{
    int order = compare(o, keys, e->keys);
    return order < 0 ||
           (order == 0 && (all->at < e->index || (all->at == e->index && all->seq < e->seq)));
}

static bool insert(struct aggs *all, const struct top_options *o, struct top_state *t,
                   const struct value *keys)
{
    size_t room = (size_t)(o->from + o->size), at = t->count;
    while (at && is_before(all, o, keys, t->entries[at - 1]))
        at--;
    if (at >= room)
        return true;
    struct entry *e = agg_alloc(all, sizeof *e + o->sort_count * sizeof *keys);
    if (!e)
        return false;
    e->index = all->at;
    e->seq = all->seq;
    e->score = all->score;
    for (size_t i = 0; i < o->sort_count; i++) {
        e->keys[i] = keys[i];
        if (keys[i].kind == VALUE_TEXT &&
            !(e->keys[i].s = tars_arena_copy(all->arena, keys[i].s)).at)
            return agg_alloc(all, SIZE_MAX / 2) != NULL;
    }
    memmove(t->entries + at + 1, t->entries + at, (t->count - at) * sizeof(struct entry *));
    t->entries[at] = e;
    t->count += t->count < room;
    return true;
}

static bool collect_top_hits(struct aggs *all, const struct agg *a, void *state)
{
    const struct top_options *o = a->options;
    struct top_state *t = state;
    struct value keys[HIT_SORTS];
    if (!t->entries &&
        !(t->entries = agg_alloc(all, (size_t)(o->from + o->size + 1) * sizeof *t->entries)))
        return false;
    for (size_t i = 0; i < o->sort_count; i++) {
        if (o->slots[i] && !o->slots[i]->at && !o->sorts[i].unmapped_ok)
            return agg_refuse_shard(all,
                                    "No mapping found for [%" TARS_STR_FMT "] in order to sort on",
                                    TARS_STR_ARG(o->sorts[i].field));
        keys[i] = read_key(all, &o->sorts[i], o->slots[i]);
    }
    t->best = t->total++ == 0 || all->score > t->best ? all->score : t->best;
    return insert(all, o, t, keys);
}

/* ---- printing
 * ---------------------------------------------------------------------------------------- */

static void free_page(void *page)
{
    page_free(page);
}

static struct page *the_page(struct aggs *all, struct top_options *o)
{
    if (o->page)
        return o->page;
    for (size_t i = 0; i < o->sort_count; i++)
        o->sorts[i].type = o->slots[i] && o->slots[i]->seen ? o->slots[i]->type : FIELD_LONG;
    struct page *page = page_new(all->indices, &o->shows, all->failure);
    if (page && aggs_own(all, page, free_page))
        o->page = page;
    return o->page;
}

static bool print_top_hits(struct aggs *all, const struct agg *a, void *state, struct text *to)
{
    struct top_options *o = a->options;
    const struct top_state *t = state;
    struct page *page = the_page(all, o);
    struct text id = {0};
    bool ok = page != NULL;
    text_addf(to, "\"hits\":{\"total\":{\"value\":%lld,\"relation\":\"eq\"},\"max_score\":",
              (long long)t->total);
    if (t->total && (o->scored || o->shows.scores))
        text_add_double(to, t->best);
    else
        text_adds(to, "null");
    text_adds(to, ",\"hits\":[");
    for (size_t i = (size_t)o->from; i < t->count && ok; i++) {
        const struct entry *e = t->entries[i];
        struct hit hit = {.index = e->index,
                          .seq = e->seq,
                          .score = e->score,
                          .scored = o->scored || o->shows.scores,
                          .sorts = o->scored ? NULL : o->sorts,
                          .keys = e->keys,
                          .key_count = o->sort_count};
        text_adds(to, i > (size_t)o->from ? "," : "");
        ok = (page_find(page, all->db, &hit, &id) && page_add_hit(page, all->db, &hit, to)) ||
             failure_set(all->failure, 500, "engine_exception", "reading hits: %s",
                         db_problem(all->db));
    }
    text_adds(to, "]}");
    text_free(&id);
    return ok;
}

const struct agg_kind agg_top_hits_kinds[] = {{"top_hits", false, sizeof(struct top_state),
                                               parse_top_hits, collect_top_hits, print_top_hits,
                                               NULL, true},
                                              {0}};
