/* SPDX-License-Identifier: BSD-3-Clause */
/* Buckets of equal steps, over numbers and over time. */
#include "agg_print.h"
#include "agg_rows.h"
#include "agg_slots.h"
#include "base/clock.h"
#include "bucket_map.h"
#include "date_math.h"
#include "rounding.h"

#include <math.h>
#include <stdlib.h>

struct bounds {
    bool given;
    double low, high;
};

struct histogram_options {
    struct rounding rounding;
    struct bounds extended, hard;
    int64_t least;
    bool keyed, by_count, descending;
    const char *format;
};

/* ---- reading
 * ------------------------------------------------------------------------------------------------
 */

static bool read_bound(struct aggs *all, const struct histogram_options *o, const struct json *p,
                       double *to)
{
    int64_t ms;
    if (!o->rounding.dates || p->type == JSON_NUMBER)
        return agg_number(all, p, to);
    if (p->type != JSON_STRING ||
        (!date_math(p->text, o->format, false, o->rounding.zone, clock_wall_ms(), &ms) &&
         !date_parse(p->text, NULL, false, o->rounding.zone, &ms)))
        return agg_refuse(all, "parse_exception", "failed to parse date field [%" TARS_STR_FMT "]",
                          TARS_STR_ARG(p->text));
    *to = (double)ms;
    return true;
}

static bool read_bounds(struct aggs *all, const struct histogram_options *o, const struct json *p,
                        struct bounds *to)
{
    *to = (struct bounds){true, INFINITY, -INFINITY};
    for (const struct json *b = p->child; b; b = b->next)
        if (tars_str_is(b->name, "min") ? !read_bound(all, o, b, &to->low)
            : tars_str_is(b->name, "max")
                ? !read_bound(all, o, b, &to->high)
                : !agg_refuse(all, "x_content_parse_exception",
                              "[bounds] unknown field [%" TARS_STR_FMT "]", TARS_STR_ARG(b->name)))
            return false;
    if (isfinite(to->low) && isfinite(to->high) && to->low > to->high)
        return agg_refuse(all, "illegal_argument_exception",
                          "[%" TARS_STR_FMT ".min][%g] cannot be greater than [%" TARS_STR_FMT
                          ".max][%g]",
                          TARS_STR_ARG(p->name), to->low, TARS_STR_ARG(p->name), to->high);
    return true;
}

static bool read_order(struct aggs *all, struct histogram_options *o, const struct json *p)
{
    const struct json *one = p->type == JSON_OBJECT && p->count == 1 ? p->child : NULL;
    if (!one || (!tars_str_is(one->name, "_key") && !tars_str_is(one->name, "_count")) ||
        (!json_is_str(one, "asc") && !json_is_str(one, "desc")))
        return agg_refuse(all, "parsing_exception",
                          "[order]: this store orders a histogram by _key or _count");
    o->by_count = tars_str_is(one->name, "_count");
    o->descending = json_is_str(one, "desc");
    return true;
}

static bool read_format(struct aggs *all, struct histogram_options *o, const struct json *p)
{
    if (!o->rounding.dates || p->type != JSON_STRING || !date_format_known(p->text))
        return agg_refuse(all, "illegal_argument_exception",
                          "[format]: this store prints dates as epoch_millis, epoch_second or "
                          "strict_date_optional_time");
    o->format = tars_arena_copy(all->arena, p->text).at;
    return o->format || agg_alloc(all, SIZE_MAX / 2);
}

static bool parse_option(struct aggs *all, struct agg *a, struct histogram_options *o,
                         const struct json *p)
{
    if (tars_str_is(p->name, "min_doc_count"))
        return (json_as_int(p, &o->least) && o->least >= 0) || agg_unknown(all, a, p);
    if (tars_str_is(p->name, "keyed"))
        return agg_flag(all, p, &o->keyed);
    if (tars_str_is(p->name, "extended_bounds") && p->type == JSON_OBJECT)
        return read_bounds(all, o, p, &o->extended);
    if (tars_str_is(p->name, "hard_bounds") && p->type == JSON_OBJECT)
        return read_bounds(all, o, p, &o->hard);
    if (tars_str_is(p->name, "order"))
        return read_order(all, o, p);
    if (tars_str_is(p->name, "format"))
        return read_format(all, o, p);
    return agg_unknown(all, a, p);
}

static bool parse_histogram(struct aggs *all, struct agg *a, const struct json *body)
{
    struct histogram_options *o = agg_alloc(all, sizeof *o);
    if (!o)
        return false;
    a->options = o;
    o->rounding.dates = strcmp(a->kind->name, "date_histogram") == 0;
    for (const struct json *p = body->child; p; p = p->next) {
        bool taken;
        if (!agg_common(all, a, p, &taken) ||
            (!taken && !rounding_option(all, &o->rounding, p, &taken)) ||
            (!taken && !parse_option(all, a, o, p)))
            return false;
    }
    return rounding_check(all, &o->rounding) && agg_need_field(all, a);
}

/* ---- collecting
 * --------------------------------------------------------------------------------------------- */

static bool numbers_only(struct aggs *all, const struct agg *a)
{
    if (!a->slot->seen || a->slot->type != FIELD_KEYWORD)
        return true;
    return agg_refuse_shard(
        all, "Field [%" TARS_STR_FMT "] of type [keyword] is not supported for aggregation [%s]",
        TARS_STR_ARG(a->slot->field), a->kind->name);
}

/* NULL: outside. */
static bool find_step(struct aggs *all, const struct agg *a, void *state, double key,
                      struct bucket **found)
{
    const struct histogram_options *o = a->options;
    bool outside = o->hard.given && ((isfinite(o->hard.low) && key < o->hard.low) ||
                                     (isfinite(o->hard.high) && key > o->hard.high));
    struct value step = rounding_key(&o->rounding, key);
    *found = NULL;
    return outside || (*found = bucket_map_get(all, a, state, &step)) != NULL;
}

static bool collect_histogram(struct aggs *all, const struct agg *a, void *state)
{
    const struct histogram_options *o = a->options;
    size_t count;
    const struct value *v = agg_values(all, a, &count);
    double last = NAN;
    struct bucket *b;
    if (!numbers_only(all, a))
        return false;
    for (size_t i = 0; i < count; i++) {
        double key = rounding_floor(&o->rounding, agg_double(&v[i]));
        if (key == last)
            continue;
        if (!find_step(all, a, state, key, &b) || (b && !agg_enter(all, a, b)))
            return false;
        last = b ? key : last;
    }
    return true;
}

static bool find_by_value(struct aggs *all, const struct agg *a, void *state, const struct value *v,
                          struct bucket **found)
{
    const struct histogram_options *o = a->options;
    return find_step(all, a, state, rounding_floor(&o->rounding, agg_double(v)), found);
}

static bool collect_histogram_rows(struct aggs *all, const struct agg *a, char *const *states,
                                   const uint16_t *rows, size_t count)
{
    return (!count || numbers_only(all, a)) &&
           agg_rows_by_value(all, a, states, rows, count, find_by_value);
}

/* ---- printing
 * -------------------------------------------------------------------------------------------------
 */

static int by_key(const void *x, const void *y)
{
    return value_order(&(*(struct bucket *const *)x)->key, &(*(struct bucket *const *)y)->key);
}

static int by_order(const void *x, const void *y, void *user)
{
    const struct histogram_options *o = user;
    const struct bucket *b = *(struct bucket *const *)x, *c = *(struct bucket *const *)y;
    int key = value_order(&b->key, &c->key);
    if (!o->by_count)
        return o->descending ? -key : key;
    int docs = (b->docs > c->docs) - (b->docs < c->docs);
    return docs == 0 ? key : o->descending ? -docs : docs;
}

/* Makes the empty buckets between the first and the last, and those that the bounds want. */
static bool fill(struct aggs *all, const struct agg *a, struct bucket_map *m)
{
    const struct histogram_options *o = a->options;
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < m->count; i++) {
        low = fmin(low, agg_double(&m->list[i]->key));
        high = fmax(high, agg_double(&m->list[i]->key));
    }
    if (o->extended.given && isfinite(o->extended.low))
        low = fmin(low, rounding_floor(&o->rounding, o->extended.low));
    if (o->extended.given && isfinite(o->extended.high))
        high = fmax(high, rounding_floor(&o->rounding, o->extended.high));
    size_t made = 0;
    for (double key = low; isfinite(low) && key <= high;) {
        struct value v = rounding_key(&o->rounding, key);
        double next = rounding_next(&o->rounding, key, 1);
        if (!bucket_map_get(all, a, m, &v))
            return false;
        /* So many that they are refused when they are counted; or steps too small to add. */
        if (++made > AGGS_MAX_BUCKETS || next <= key)
            break;
        key = next;
    }
    return true;
}

static void print_date(const struct histogram_options *o, const struct value *key,
                       const char *format, struct text *to)
{
    text_adds(to, "\"");
    date_print(key->i, format, o->rounding.zone, to);
    text_adds(to, "\"");
}

static bool print_step(struct aggs *all, const struct agg *a, struct bucket *b, struct text *to)
{
    const struct histogram_options *o = a->options;
    const char *format = o->format ? o->format : a->slot->format;
    bool dates = o->rounding.dates;
    if (o->keyed && dates) {
        print_date(o, &b->key, format, to);
    } else if (o->keyed) {
        text_adds(to, "\"");
        agg_print_value(&b->key, to);
        text_adds(to, "\"");
    }
    text_adds(to, o->keyed ? ":{" : "{");
    if (dates) {
        text_adds(to, "\"key_as_string\":");
        print_date(o, &b->key, format, to);
        text_adds(to, ",");
    }
    text_adds(to, "\"key\":");
    agg_print_value(&b->key, to);
    text_adds(to, ",");
    all->blank += b->docs == 0;
    bool ok = agg_print_bucket(all, a, b, to);
    all->blank -= b->docs == 0;
    if (!ok)
        return false;
    text_adds(to, "}");
    return true;
}

static bool print_histogram(struct aggs *all, const struct agg *a, void *state, struct text *to)
{
    struct bucket_map *m = state;
    const struct histogram_options *o = a->options;
    bool first = true;
    if (o->least == 0 && !fill(all, a, m))
        return false;
    if (m->count && (o->by_count || o->descending))
        qsort_r(m->list, m->count, sizeof *m->list, by_order, a->options);
    else if (m->count)
        qsort(m->list, m->count, sizeof *m->list, by_key);
    text_adds(to, o->keyed ? "\"buckets\":{" : "\"buckets\":[");
    for (size_t i = 0; i < m->count; i++) {
        if (m->list[i]->docs < o->least)
            continue;
        text_adds(to, first ? "" : ",");
        first = false;
        if (!print_step(all, a, m->list[i], to))
            return false;
    }
    text_adds(to, o->keyed ? "}" : "]");
    return true;
}

const struct agg_kind agg_histogram_kinds[] = {
    {"histogram", true, sizeof(struct bucket_map), parse_histogram, collect_histogram,
     print_histogram, collect_histogram_rows, false},
    {"date_histogram", true, sizeof(struct bucket_map), parse_histogram, collect_histogram,
     print_histogram, collect_histogram_rows, false},
    {0}};
