/* SPDX-License-Identifier: BSD-3-Clause */
/* A bucket for each value of a field. */
#include "agg.h"

#include <math.h>
#include <stdlib.h>

enum { ORDERS = 8 };

struct order {
    bool by_key, by_count, descending;
    struct tars_str path;
};

struct terms_options {
    int64_t size, least;
    struct order orders[ORDERS];
    size_t order_count;
    const struct json *include, *exclude; /* arrays of values */
};

struct terms_state {
    struct bucket_map map;
    int64_t total;
};

/* ---- reading
 * ------------------------------------------------------------------------------------------------
 */

static bool add_order(struct aggs *all, struct terms_options *o, const struct json *p)
{
    bool desc = json_is_str(p, "desc");
    if (o->order_count == ORDERS || (!desc && !json_is_str(p, "asc")))
        return agg_refuse(all, "parsing_exception",
                          "Unknown order direction [%" TARS_STR_FMT "] or more than %d of them",
                          TARS_STR_ARG(p->text), ORDERS);
    struct order *order = &o->orders[o->order_count++];
    order->by_key = tars_str_is(p->name, "_key");
    order->by_count = tars_str_is(p->name, "_count");
    order->descending = desc;
    order->path = p->name;
    return true;
}

static bool read_order(struct aggs *all, struct terms_options *o, const struct json *p)
{
    o->order_count = 0;
    const struct json *one = p->type == JSON_ARRAY ? p->child : p;
    for (; one; one = p->type == JSON_ARRAY ? one->next : NULL) {
        if (one->type != JSON_OBJECT || one->count != 1)
            return agg_refuse(all, "parsing_exception",
                              "Must specify at least one field for [order]");
        if (!add_order(all, o, one->child))
            return false;
    }
    return true;
}

static bool read_values(struct aggs *all, const struct json *p, const struct json **to)
{
    if (p->type != JSON_ARRAY)
        return agg_refuse(all, "parsing_exception",
                          "[%" TARS_STR_FMT "]: this store knows only an array of values",
                          TARS_STR_ARG(p->name));
    *to = p;
    return true;
}

static bool read_positive(struct aggs *all, const struct json *p, int64_t least, int64_t *to)
{
    if (!json_as_int(p, to))
        return agg_refuse(all, "x_content_parse_exception", "[%" TARS_STR_FMT "] must be a number",
                          TARS_STR_ARG(p->name));
    return *to >= least ||
           agg_refuse(all, "x_content_parse_exception",
                      "[%" TARS_STR_FMT "] must be greater than or equal to %lld. Found [%lld]",
                      TARS_STR_ARG(p->name), (long long)least, (long long)*to);
}

static bool parse_option(struct aggs *all, struct agg *a, struct terms_options *o,
                         const struct json *p)
{
    int64_t ignored;
    bool flag;
    if (tars_str_is(p->name, "size"))
        return read_positive(all, p, 1, &o->size);
    if (tars_str_is(p->name, "shard_size"))
        return read_positive(all, p, 1, &ignored);
    if (tars_str_is(p->name, "min_doc_count"))
        return read_positive(all, p, 0, &o->least) &&
               (o->least > 0 || agg_refuse(all, "illegal_argument_exception",
                                           "[min_doc_count]: this store cannot show terms that no "
                                           "found document has"));
    if (tars_str_is(p->name, "order"))
        return read_order(all, o, p);
    if (tars_str_is(p->name, "include"))
        return read_values(all, p, &o->include);
    if (tars_str_is(p->name, "exclude"))
        return read_values(all, p, &o->exclude);
    if (tars_str_is(p->name, "show_term_doc_count_error"))
        return agg_flag(all, p, &flag) && (!flag || agg_unknown(all, a, p));
    if (tars_str_is(p->name, "execution_hint") || tars_str_is(p->name, "collect_mode"))
        return p->type == JSON_STRING || agg_unknown(all, a, p);
    return agg_unknown(all, a, p);
}

static bool parse_terms(struct aggs *all, struct agg *a, const struct json *body)
{
    struct terms_options *o = agg_alloc(all, sizeof *o);
    if (!o)
        return false;
    a->options = o;
    *o = (struct terms_options){.size = 10, .least = 1, .order_count = 1};
    o->orders[0] = (struct order){.by_count = true, .descending = true};
    for (const struct json *p = body->child; p; p = p->next) {
        bool taken;
        if (!agg_common(all, a, p, &taken) || (!taken && !parse_option(all, a, o, p)))
            return false;
    }
    return agg_need_field(all, a);
}

/* ---- collecting
 * --------------------------------------------------------------------------------------------- */

static bool is_listed(const struct json *list, const struct value *v)
{
    for (const struct json *p = list->child; p; p = p->next) {
        int64_t i;
        if (v->kind == VALUE_TEXT  ? tars_str_equal(p->text, v->s)
            : v->kind == VALUE_INT ? json_as_int(p, &i) && i == v->i
                                   : strtod(p->text.len ? p->text.at : "", NULL) == v->r)
            return true;
    }
    return false;
}

static bool same_before(const struct value *v, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (value_order(&v[i], &v[at]) == 0)
            return true;
    return false;
}

static bool collect_terms(struct aggs *all, const struct agg *a, void *state)
{
    struct terms_state *t = state;
    const struct terms_options *o = a->options;
    size_t count;
    const struct value *v = agg_values(all, a, &count);
    for (size_t i = 0; i < count; i++) {
        if ((o->include && !is_listed(o->include, &v[i])) ||
            (o->exclude && is_listed(o->exclude, &v[i])) ||
            (i && value_order(&v[i], &v[i - 1]) == 0 && same_before(v, i)))
            continue;
        struct bucket *b = bucket_map_get(all, a, &t->map, &v[i]);
        if (!b || !agg_enter(all, a, b))
            return false;
        t->total++;
    }
    return true;
}

/* ---- printing
 * -------------------------------------------------------------------------------------------------
 */

static int compare(const void *x, const void *y, void *user)
{
    const struct agg *a = user;
    const struct terms_options *o = a->options;
    const struct bucket *b = *(struct bucket *const *)x, *c = *(struct bucket *const *)y;
    for (size_t i = 0; i < o->order_count; i++) {
        const struct order *order = &o->orders[i];
        double v = 0, w = 0;
        int result;
        if (order->by_key) {
            result = value_order(&b->key, &c->key);
        } else if (order->by_count) {
            result = (b->docs > c->docs) - (b->docs < c->docs);
        } else {
            agg_sort_value(a, b, order->path, &v);
            agg_sort_value(a, c, order->path, &w);
            /* What has no number stands at the end, whatever the order. */
            if (isnan(v) || isnan(w)) {
                if (isnan(v) != isnan(w))
                    return isnan(v) - isnan(w);
                continue;
            }
            result = (v > w) - (v < w);
        }
        if (result)
            return order->descending ? -result : result;
    }
    return value_order(&b->key, &c->key);
}

static bool check_orders(struct aggs *all, const struct agg *a)
{
    const struct terms_options *o = a->options;
    double ignored;
    struct bucket *empty = agg_bucket(all, a);
    for (size_t i = 0; empty && i < o->order_count; i++) {
        const struct order *order = &o->orders[i];
        if (order->by_key || order->by_count || agg_sort_value(a, empty, order->path, &ignored))
            continue;
        agg_refuse(all, "illegal_argument_exception",
                   "Invalid aggregation order path [%" TARS_STR_FMT
                   "]. Cannot find a metric aggregation of that name",
                   TARS_STR_ARG(order->path));
        all->failure->reduce = true;
        return false;
    }
    return empty != NULL;
}

static bool print_term(struct aggs *all, const struct agg *a, struct bucket *b, struct text *to)
{
    enum field_type type = a->slot->seen ? a->slot->type : FIELD_KEYWORD;
    text_adds(to, "{\"key\":");
    agg_print_value(&b->key, to);
    if (agg_shows_string(type)) {
        text_adds(to, ",\"key_as_string\":");
        agg_print_string(&b->key, type, a->slot->format, to);
    }
    text_adds(to, ",");
    if (!agg_print_bucket(all, a, b, to))
        return false;
    text_adds(to, "}");
    return true;
}

static bool print_terms(struct aggs *all, const struct agg *a, void *state, struct text *to)
{
    struct terms_state *t = state;
    const struct terms_options *o = a->options;
    int64_t shown = 0, rest = t->total;
    size_t head;
    if (!check_orders(all, a))
        return false;
    if (t->map.count)
        qsort_r(t->map.list, t->map.count, sizeof *t->map.list, compare, (void *)a);
    struct text buckets = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < t->map.count && shown < o->size; i++) {
        struct bucket *b = t->map.list[i];
        if (b->docs < o->least) {
            rest -= b->docs;
            continue;
        }
        text_adds(&buckets, shown++ ? "," : "");
        ok = print_term(all, a, b, &buckets);
        rest -= b->docs;
    }
    head = buckets.len;
    text_addf(to, "\"doc_count_error_upper_bound\":0,\"sum_other_doc_count\":%lld,\"buckets\":[",
              (long long)(rest));
    text_add(to, head ? buckets.at : "", head);
    text_adds(to, "]");
    text_free(&buckets);
    return ok;
}

const struct agg_kind agg_terms_kinds[] = {
    {"terms", true, sizeof(struct terms_state), parse_terms, collect_terms, print_terms}, {0}};
