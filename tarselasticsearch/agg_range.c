/* SPDX-License-Identifier: BSD-3-Clause */
/* A bucket for each range of numbers; they may overlap. */
#include "agg.h"
#include "agg_print.h"
#include "agg_slots.h"

#include <math.h>
#include <stdlib.h>

struct range {
    double from, to;
    struct tars_str key;
};

struct range_options {
    struct range *ranges;
    size_t count;
    bool keyed;
};

struct range_state {
    struct bucket **buckets; /* NULL until there is one */
};

static bool read_range(struct aggs *all, const struct json *json, struct range *r)
{
    *r = (struct range){-INFINITY, INFINITY, {NULL, 0}};
    for (const struct json *p = json->child; p; p = p->next) {
        bool ok = tars_str_is(p->name, "from")
                      ? p->type == JSON_NULL || agg_number(all, p, &r->from)
                  : tars_str_is(p->name, "to") ? p->type == JSON_NULL || agg_number(all, p, &r->to)
                  : tars_str_is(p->name, "key") && p->type == JSON_STRING
                      ? (r->key = p->text).at != NULL
                      : agg_refuse(all, "x_content_parse_exception",
                                   "[range] unknown field [%" TARS_STR_FMT "]",
                                   TARS_STR_ARG(p->name));
        if (!ok)
            return false;
    }
    return json->type == JSON_OBJECT ||
           agg_refuse(all, "parsing_exception", "[range] each range must be an object");
}

static int by_bounds(const void *x, const void *y)
{
    const struct range *a = x, *b = y;
    int from = (a->from > b->from) - (a->from < b->from);
    return from ? from : (a->to > b->to) - (a->to < b->to);
}

static bool read_ranges(struct aggs *all, struct range_options *o, const struct json *list)
{
    o->ranges = agg_alloc(all, (list->count + 1) * sizeof *o->ranges);
    if (!o->ranges)
        return false;
    for (const struct json *p = list->child; p; p = p->next)
        if (!read_range(all, p, &o->ranges[o->count++]))
            return false;
    if (o->count)
        qsort(o->ranges, o->count, sizeof *o->ranges, by_bounds);
    return true;
}

static bool parse_range(struct aggs *all, struct agg *a, const struct json *body)
{
    struct range_options *o = agg_alloc(all, sizeof *o);
    if (!o)
        return false;
    a->options = o;
    for (const struct json *p = body->child; p; p = p->next) {
        bool taken;
        if (!agg_common(all, a, p, &taken))
            return false;
        if (taken)
            continue;
        if (tars_str_is(p->name, "ranges") && p->type == JSON_ARRAY && !o->ranges
                ? !read_ranges(all, o, p)
            : tars_str_is(p->name, "keyed") ? !agg_flag(all, p, &o->keyed)
                                            : !agg_unknown(all, a, p))
            return false;
    }
    if (!o->count)
        return agg_refuse_shard(all,
                                "No [ranges] specified for the [%" TARS_STR_FMT "] aggregation",
                                TARS_STR_ARG(a->name));
    return agg_need_field(all, a);
}

static bool collect_range(struct aggs *all, const struct agg *a, void *state)
{
    struct range_state *s = state;
    const struct range_options *o = a->options;
    size_t count;
    const struct value *v = agg_values(all, a, &count);
    if (a->slot->seen && a->slot->type == FIELD_KEYWORD)
        return agg_refuse_shard(all,
                                "Field [%" TARS_STR_FMT
                                "] of type [keyword] is not supported for aggregation [range]",
                                TARS_STR_ARG(a->slot->field));
    if (!s->buckets && !(s->buckets = agg_alloc(all, o->count * sizeof *s->buckets)))
        return false;
    for (size_t r = 0; r < o->count; r++) {
        bool in = false;
        for (size_t i = 0; i < count && !in; i++)
            in = agg_double(&v[i]) >= o->ranges[r].from && agg_double(&v[i]) < o->ranges[r].to;
        if (!in)
            continue;
        if ((!s->buckets[r] && !(s->buckets[r] = agg_bucket(all, a))) ||
            !agg_enter(all, a, s->buckets[r]))
            return false;
    }
    return true;
}

static void print_end(const char *name, double v, struct text *to)
{
    if (isinf(v))
        return;
    text_addf(to, ",\"%s\":", name);
    text_add_double(to, v);
}

static void print_name(const struct range *r, struct text *to)
{
    struct text name = {0};
    if (r->key.at) {
        text_add_json(to, r->key);
        return;
    }
    if (isinf(r->from))
        text_adds(&name, "*");
    else
        text_add_double(&name, r->from);
    text_adds(&name, "-");
    if (isinf(r->to))
        text_adds(&name, "*");
    else
        text_add_double(&name, r->to);
    text_add_json(to, text_str(&name));
    text_free(&name);
}

static bool print_range(struct aggs *all, const struct agg *a, void *state, struct text *to)
{
    struct range_state *s = state;
    const struct range_options *o = a->options;
    text_adds(to, o->keyed ? "\"buckets\":{" : "\"buckets\":[");
    for (size_t i = 0; i < o->count; i++) {
        const struct range *r = &o->ranges[i];
        text_adds(to, i ? "," : "");
        if (o->keyed)
            print_name(r, to);
        text_adds(to, o->keyed ? ":{\"" : "{\"key\":");
        if (o->keyed)
            text_cut(to, to->len - 1);
        else
            print_name(r, to);
        size_t before = to->len;
        print_end("from", r->from, to);
        print_end("to", r->to, to);
        if (o->keyed && to->len > before) {
            memmove(to->at + before, to->at + before + 1, to->len - before);
            to->len--;
        }
        text_adds(to, o->keyed && to->len == before ? "" : ",");
        if (!agg_print_bucket(all, a, s->buckets ? s->buckets[i] : NULL, to))
            return false;
        text_adds(to, "}");
    }
    text_adds(to, o->keyed ? "}" : "]");
    return true;
}

const struct agg_kind agg_range_kinds[] = {{"range", true, sizeof(struct range_state), parse_range,
                                            collect_range, print_range, NULL, false},
                                           {0}};
