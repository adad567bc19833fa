/* SPDX-License-Identifier: BSD-3-Clause */
/* Buckets of the documents that a query finds, or that lack a field. */
#include "agg.h"
#include "agg_print.h"
#include "agg_rows.h"
#include "agg_slots.h"

struct named_filter {
    struct tars_str name;
    struct agg_slot *slot;
};

struct filters_options {
    struct named_filter *filters;
    size_t count;
    bool named, other;
    struct tars_str other_name;
};

static bool holds(const struct agg_slot *slot)
{
    return slot->count > 0 && slot->values[0].i != 0;
}

static bool parse_filter(struct aggs *all, struct agg *a, const struct json *body)
{
    struct json *query = json_new(all->arena, JSON_OBJECT);
    if (!query)
        return agg_alloc(all, SIZE_MAX / 2) != NULL;
    *query = *body;
    return (a->slot = agg_add_slot(all, (struct tars_str){0}, query)) != NULL;
}

static bool enter(struct aggs *all, const struct agg *a, struct bucket **b)
{
    return (*b || (*b = agg_bucket(all, a))) && agg_enter(all, a, *b);
}

static bool collect_filter(struct aggs *all, const struct agg *a, void *state)
{
    return !holds(a->slot) || enter(all, a, state);
}

static bool collect_filter_rows(struct aggs *all, const struct agg *a, char *const *states,
                                const uint16_t *rows, size_t count)
{
    struct bucket **buckets = agg_row_buckets(all, a);
    for (size_t i = 0; buckets && i < count; i++) {
        struct bucket **b = (void *)(states[i] + a->offset);
        bool in = a->slot->holds[rows[i]];
        if (in && !*b && !(*b = agg_bucket(all, a)))
            return false;
        buckets[i] = in ? *b : NULL;
    }
    return buckets && agg_enter_rows(all, a, buckets, rows, count);
}

static bool print_one(struct aggs *all, const struct agg *a, void *state, struct text *to)
{
    return agg_print_bucket(all, a, *(struct bucket **)state, to);
}

/* ---- many filters
 * ------------------------------------------------------------------------------------------ */

static bool read_filters(struct aggs *all, struct filters_options *o, const struct json *list)
{
    o->named = list->type == JSON_OBJECT;
    o->filters = agg_alloc(all, (list->count + 1) * sizeof *o->filters);
    for (const struct json *p = list->child; o->filters && p; p = p->next) {
        struct named_filter *f = &o->filters[o->count++];
        f->name = p->name;
        f->slot = agg_add_slot(all, (struct tars_str){0}, p);
        if (!f->slot)
            return false;
    }
    return o->filters != NULL;
}

static bool parse_filters(struct aggs *all, struct agg *a, const struct json *body)
{
    struct filters_options *o = agg_alloc(all, sizeof *o);
    if (!o)
        return false;
    a->options = o;
    o->other_name = tars_str("_other_");
    for (const struct json *p = body->child; p; p = p->next) {
        if (tars_str_is(p->name, "filters") && !o->filters &&
            (p->type == JSON_OBJECT || p->type == JSON_ARRAY)) {
            if (!read_filters(all, o, p))
                return false;
        } else if (tars_str_is(p->name, "other_bucket")) {
            if (!agg_flag(all, p, &o->other))
                return false;
        } else if (tars_str_is(p->name, "other_bucket_key") && p->type == JSON_STRING) {
            o->other = true;
            o->other_name = p->text;
        } else {
            return agg_unknown(all, a, p);
        }
    }
    return o->count || agg_refuse(all, "illegal_argument_exception", "[filters] cannot be empty.");
}

static bool collect_filters(struct aggs *all, const struct agg *a, void *state)
{
    const struct filters_options *o = a->options;
    struct bucket ***at = state, **buckets = *at;
    bool any = false;
    if (!buckets && !(buckets = *at = agg_alloc(all, (o->count + 1) * sizeof *buckets)))
        return false;
    for (size_t i = 0; i < o->count; i++) {
        if (!holds(o->filters[i].slot))
            continue;
        any = true;
        if (!enter(all, a, &buckets[i]))
            return false;
    }
    return any || !o->other || enter(all, a, &buckets[o->count]);
}

/* Named buckets come in the order of their names, as the real one sorts them. */
static bool print_filters(struct aggs *all, const struct agg *a, void *state, struct text *to)
{
    const struct filters_options *o = a->options;
    struct bucket **buckets = *(struct bucket ***)state;
    text_adds(to, o->named ? "\"buckets\":{" : "\"buckets\":[");
    for (size_t i = 0; i < o->count + o->other; i++) {
        text_adds(to, i ? "," : "");
        if (o->named) {
            text_add_json(to, i < o->count ? o->filters[i].name : o->other_name);
            text_adds(to, ":");
        }
        text_adds(to, "{");
        if (!agg_print_bucket(all, a, buckets ? buckets[i] : NULL, to))
            return false;
        text_adds(to, "}");
    }
    text_adds(to, o->named ? "}" : "]");
    return true;
}

/* ---- missing
 * ---------------------------------------------------------------------------------------------- */

static bool parse_missing(struct aggs *all, struct agg *a, const struct json *body)
{
    for (const struct json *p = body->child; p; p = p->next) {
        bool taken;
        if (!agg_common(all, a, p, &taken) || (!taken && !agg_unknown(all, a, p)))
            return false;
    }
    return agg_need_field(all, a);
}

static bool collect_missing(struct aggs *all, const struct agg *a, void *state)
{
    size_t count;
    agg_values(all, a, &count);
    return count || enter(all, a, state);
}

const struct agg_kind agg_filter_kinds[] = {
    {"filter", true, sizeof(struct bucket *), parse_filter, collect_filter, print_one,
     collect_filter_rows, false},
    {"filters", true, sizeof(struct bucket **), parse_filters, collect_filters, print_filters, NULL,
     false},
    {"missing", true, sizeof(struct bucket *), parse_missing, collect_missing, print_one, NULL,
     false},
    {0}};
