/* SPDX-License-Identifier: BSD-3-Clause */
/* A bucket for each value of a field. */
#include "agg.h"
#include "agg_print.h"
#include "agg_rows.h"
#include "agg_slots.h"
#include "bucket_map.h"
#include "date.h"
#include "regex.h"

#include "hits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ORDERS = 8 };

struct order {
    bool by_key, by_count, descending;
    struct tars_str path;
};

struct terms_options {
    int64_t size, least;
    int64_t shard_size; /* -1: not said */
    struct order orders[ORDERS];
    size_t order_count;
    const struct json *include, *exclude; /* arrays of values, or an expression */
    struct regex *included, *excluded;    /* while the search runs */
};

struct terms_state {
    struct bucket_map map;
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
    *to = p;
    return p->type == JSON_ARRAY || p->type == JSON_STRING ||
           agg_refuse(all, "parsing_exception",
                      "[%" TARS_STR_FMT "]: this store knows an array of values or an expression",
                      TARS_STR_ARG(p->name));
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
        return read_positive(all, p, 1, &o->shard_size);
    if (tars_str_is(p->name, "min_doc_count"))
        return read_positive(all, p, 0, &o->least);
    if (tars_str_is(p->name, "shard_min_doc_count"))
        return read_positive(all, p, 0, &ignored);
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

static bool add_regex(struct aggs *all, const struct json *p, struct regex **to)
{
    char why[128];
    if (!p || p->type != JSON_STRING)
        return true;
    *to = regex_new(p->text, false, why);
    return (*to && aggs_own(all, *to, regex_free)) ||
           agg_refuse(all, "x_content_parse_exception",
                      "[terms] failed to parse field [%" TARS_STR_FMT "]: %s",
                      TARS_STR_ARG(p->name), why);
}

static bool parse_terms(struct aggs *all, struct agg *a, const struct json *body)
{
    struct terms_options *o = agg_alloc(all, sizeof *o);
    if (!o)
        return false;
    a->options = o;
    *o = (struct terms_options){.size = 10, .least = 1, .shard_size = -1, .order_count = 1};
    o->orders[0] = (struct order){.by_count = true, .descending = true};
    for (const struct json *p = body->child; p; p = p->next) {
        bool taken;
        if (!agg_common(all, a, p, &taken) || (!taken && !parse_option(all, a, o, p)))
            return false;
    }
    return agg_need_field(all, a) && add_regex(all, o->include, &o->included) &&
           add_regex(all, o->exclude, &o->excluded);
}

/* ---- collecting
 * --------------------------------------------------------------------------------------------- */

static bool is_listed(struct aggs *all, const struct agg *a, const struct json *list,
                      const struct value *v)
{
    struct field f = {.type = a->slot->type, .format = (char *)a->slot->format};
    for (const struct json *p = list->child; p; p = p->next) {
        int64_t i;
        struct value w;
        char why[128];
        if ((f.type == FIELD_DATE || f.type == FIELD_BOOLEAN || f.type == FIELD_IP) &&
            a->slot->seen) {
            if (value_index(&f, p, all->arena, &w, why) && value_order(&w, v) == 0)
                return true;
            continue;
        }
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

static bool is_wanted(struct aggs *all, const struct agg *a, const struct terms_options *o,
                      const struct value *v)
{
    bool texts = value_is_text(a->slot->type) || !a->slot->seen;
    if (o->included ? !texts || !regex_matches(o->included, v->s)
                    : o->include && !is_listed(all, a, o->include, v))
        return false;
    return o->excluded ? texts && !regex_matches(o->excluded, v->s)
                       : !o->exclude || !is_listed(all, a, o->exclude, v);
}

static bool check_patterns(struct aggs *all, const struct agg *a)
{
    const struct terms_options *o = a->options;
    if ((!o->included && !o->excluded) || !a->slot->seen || value_is_text(a->slot->type))
        return true;
    return agg_refuse_shard(
        all,
        "Aggregation [%" TARS_STR_FMT
        "] cannot support regular expression style include/exclude settings as they can only "
        "be applied to string fields. Use an array of values for include/exclude clauses",
        TARS_STR_ARG(a->name));
}

static bool find_term(struct aggs *all, const struct agg *a, void *state, const struct value *v,
                      struct bucket **found)
{
    struct terms_state *t = state;
    *found = NULL;
    return !is_wanted(all, a, a->options, v) ||
           (*found = bucket_map_get(all, a, &t->map, v)) != NULL;
}

static bool collect_terms(struct aggs *all, const struct agg *a, void *state)
{
    size_t count;
    struct bucket *b;
    const struct value *v = agg_values(all, a, &count);
    if (!check_patterns(all, a))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (i && value_order(&v[i], &v[i - 1]) == 0 && same_before(v, i))
            continue;
        if (!find_term(all, a, state, &v[i], &b) || (b && !agg_enter(all, a, b)))
            return false;
    }
    return true;
}

static bool collect_terms_rows(struct aggs *all, const struct agg *a, char *const *states,
                               const uint16_t *rows, size_t count)
{
    return (!count || check_patterns(all, a)) &&
           agg_rows_by_value(all, a, states, rows, count, find_term);
}

/* ---- printing
 * -------------------------------------------------------------------------------------------------
 */

/* "name", "name.property": the number to sort by; false when there is none. */
static bool sort_value(const struct agg *a, const struct bucket *b, struct tars_str path, double *v)
{
    const char *at = memchr(path.at, '>', path.len);
    for (const struct agg *s = a->sub; s; s = s->next) {
        size_t len = s->name.len;
        if (len > path.len || memcmp(path.at, s->name.at, len) != 0)
            continue;
        if (at && path.at + len == at && strcmp(s->kind->name, "filter") == 0) {
            const struct bucket *inner = *(struct bucket *const *)(const void *)(b->states +
                                                                                 s->offset);
            struct tars_str rest = tars_str_n(at + 1, path.len - len - 1);
            *v = 0;
            return !inner || sort_value(s, inner, rest, v);
        }
        if (!at && (len == path.len || path.at[len] == '.'))
            return agg_metric_value(s, b->states + s->offset,
                                    len == path.len
                                        ? tars_str("value")
                                        : tars_str_n(path.at + len + 1, path.len - len - 1),
                                    v);
    }
    return false;
}

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
            sort_value(a, b, order->path, &v);
            sort_value(a, c, order->path, &w);
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
        if (order->by_key || order->by_count || sort_value(a, empty, order->path, &ignored))
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
    if (type == FIELD_IP)
        agg_print_string(&b->key, type, NULL, to);
    else
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

/* min_doc_count 0: also the values of documents that the search does not find. */
static bool add_unseen(struct aggs *all, const struct agg *a, struct terms_state *t)
{
    const struct terms_options *o = a->options;
    char sql[160], column[FIELD_SQL];
    for (size_t i = 0; i < all->indices->len; i++) {
        const struct index *index = all->indices->at[i];
        const struct field *f = mapping_search(index->mapping, a->slot->field);
        if (!f || f->column < 0 || f->inside)
            continue;
        for (int many = 0; many < (f->many ? 2 : 1); many++) {
            int len = many ? snprintf(sql, sizeof sql,
                                      "SELECT DISTINCT value FROM m%lld WHERE field=%d",
                                      (long long)index->id, f->column)
                           : snprintf(sql, sizeof sql,
                                      "SELECT DISTINCT %s FROM d%lld WHERE f%d IS NOT NULL",
                                      field_sql(f, "", column), (long long)index->id, f->column);
            sqlite3_stmt *s = db_prepare(all->db, tars_str_n(sql, (size_t)len));
            bool ok = s != NULL;
            while (ok && sqlite3_step(s) == SQLITE_ROW) {
                struct value v;
                value_from_column(s, 0, &v);
                ok = !is_wanted(all, a, o, &v) || bucket_map_get(all, a, &t->map, &v) != NULL;
            }
            if (s)
                sqlite3_reset(s);
            if (!ok)
                return all->failure->status == 0 &&
                       failure_set(all->failure, 500, "engine_exception", "aggregating: %s",
                                   db_problem(all->db));
        }
    }
    return true;
}

/* Elasticsearch asks its shards for some terms more than it shows. When there are even more, and
 * they are ordered otherwise than by the largest count or the key, it cannot tell the error (-1),
 * although there is none with one shard. */
static int error_bound(const struct terms_options *o, size_t terms)
{
    const struct order *first = &o->orders[0];
    int64_t asked = o->shard_size < 0 ? o->size + o->size / 2 + 10 : o->shard_size;
    if (asked < o->size)
        asked = o->size;
    bool known = first->by_key || (first->by_count && first->descending);
    return known || (int64_t)terms < asked ? 0 : -1;
}

static bool print_terms(struct aggs *all, const struct agg *a, void *state, struct text *to)
{
    struct terms_state *t = state;
    const struct terms_options *o = a->options;
    int64_t shown = 0, rest = 0;
    size_t head;
    if (!check_orders(all, a) || (o->least == 0 && !all->blank && !add_unseen(all, a, t)))
        return false;
    if (t->map.count)
        qsort_r(t->map.list, t->map.count, sizeof *t->map.list, compare, (void *)a);
    struct text buckets = {0};
    bool ok = true;
    /* In the order of keys the first ones are taken, then those with too few documents left out. */
    bool by_key = o->orders[0].by_key;
    for (size_t i = 0; ok && i < t->map.count; i++) {
        struct bucket *b = t->map.list[i];
        if (by_key ? (int64_t)i >= o->size : b->docs >= o->least && shown == o->size) {
            rest += b->docs;
            continue;
        }
        if (b->docs < o->least)
            continue;
        text_adds(&buckets, shown++ ? "," : "");
        ok = print_term(all, a, b, &buckets);
    }
    head = buckets.len;
    text_addf(to, "\"doc_count_error_upper_bound\":%d,\"sum_other_doc_count\":%lld,\"buckets\":[",
              error_bound(o, t->map.count), (long long)rest);
    text_add(to, head ? buckets.at : "", head);
    text_adds(to, "]");
    text_free(&buckets);
    return ok;
}

const struct agg_kind agg_terms_kinds[] = {{"terms", true, sizeof(struct terms_state), parse_terms,
                                            collect_terms, print_terms, collect_terms_rows, false},
                                           {0}};
