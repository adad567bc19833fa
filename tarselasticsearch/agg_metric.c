/* SPDX-License-Identifier: BSD-3-Clause */
/* Aggregations that are numbers: sum, min, max, avg, stats, counts, cardinality, percentiles. */
#include "agg.h"
#include "agg_print.h"
#include "agg_rows.h"
#include "agg_slots.h"
#include "sketch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct moments {
    int64_t count;
    double sum, carry, squares, squares_carry, min, max;
};

struct metric_options {
    double sigma;
    const struct json *percents;
    bool keyed;
};

/* ---- reading
 * ------------------------------------------------------------------------------------------------
 */

static bool ends_with_count(const struct agg *a)
{
    return strcmp(a->kind->name, "value_count") == 0 || strcmp(a->kind->name, "cardinality") == 0;
}

static bool parse_option(struct aggs *all, struct agg *a, struct metric_options *o,
                         const struct json *p)
{
    const char *kind = a->kind->name;
    double ignored;
    if (strcmp(kind, "extended_stats") == 0 && tars_str_is(p->name, "sigma"))
        return agg_number(all, p, &o->sigma) &&
               (o->sigma >= 0 || agg_refuse(all, "x_content_parse_exception",
                                            "[sigma] must be greater than or equal to 0."));
    if (strcmp(kind, "cardinality") == 0 && tars_str_is(p->name, "precision_threshold"))
        return agg_number(all, p, &ignored);
    if (strcmp(kind, "percentiles") == 0 && tars_str_is(p->name, "keyed"))
        return agg_flag(all, p, &o->keyed);
    if (strcmp(kind, "percentiles") == 0 && tars_str_is(p->name, "percents") &&
        p->type == JSON_ARRAY) {
        o->percents = p;
        for (const struct json *v = p->child; v; v = v->next)
            if (!agg_number(all, v, &ignored) || ignored < 0 || ignored > 100)
                return agg_refuse(all, "x_content_parse_exception",
                                  "percent must be in [0,100], got [%" TARS_STR_FMT
                                  "]: [%" TARS_STR_FMT "]",
                                  TARS_STR_ARG(v->text), TARS_STR_ARG(a->name));
        return p->count > 0 && p->count <= 1000;
    }
    return agg_unknown(all, a, p);
}

static bool parse_metric(struct aggs *all, struct agg *a, const struct json *body)
{
    struct metric_options *o = agg_alloc(all, sizeof *o);
    if (!o)
        return false;
    a->options = o;
    *o = (struct metric_options){2, NULL, true};
    for (const struct json *p = body->child; p; p = p->next) {
        bool taken;
        if (!agg_common(all, a, p, &taken) || (!taken && !parse_option(all, a, o, p)))
            return false;
    }
    return agg_need_field(all, a);
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

static bool print_extended(struct aggs *all, const struct agg *a, void *state, struct text *to);

/* Kahan's sum, which loses no small parts. */
static void add(double *sum, double *carry, double v)
{
    double part = v - *carry, next = *sum + part;
    *carry = next - *sum - part;
    *sum = next;
}

static void add_number(struct moments *m, double d, bool squares)
{
    m->min = m->count == 0 || d < m->min ? d : m->min;
    m->max = m->count == 0 || d > m->max ? d : m->max;
    m->count++;
    add(&m->sum, &m->carry, d);
    if (squares)
        add(&m->squares, &m->squares_carry, d * d);
}

static bool needs_squares(const struct agg *a)
{
    return a->kind->print == print_extended;
}

static bool collect_moments(struct aggs *all, const struct agg *a, void *state)
{
    struct moments *m = state;
    size_t count;
    const struct value *v = agg_values(all, a, &count);
    if (!numbers_only(all, a))
        return false;
    for (size_t i = 0; i < count; i++)
        add_number(m, agg_double(&v[i]), needs_squares(a));
    return true;
}

static bool collect_moments_rows(struct aggs *all, const struct agg *a, char *const *states,
                                 const uint16_t *rows, size_t count)
{
    const struct block *b = a->slot->block;
    bool squares = needs_squares(a);
    if (count && !numbers_only(all, a))
        return false;
    if (a->has_missing || (b && b->kind == VALUE_TEXT))
        return agg_collect_each(all, a, states, rows, count);
    for (size_t i = 0; b && i < count; i++) {
        uint64_t code = block_code(b, rows[i]);
        struct moments *m = (void *)(states[i] + a->offset);
        if (code && b->kind == VALUE_INT)
            add_number(m, (double)(int64_t)((uint64_t)b->base + code - 1), squares);
        else if (code)
            add_number(m, b->entry[code - 1].r, squares);
    }
    return true;
}

static bool collect_count(struct aggs *all, const struct agg *a, void *state)
{
    size_t count;
    agg_values(all, a, &count);
    *(int64_t *)state += (int64_t)count;
    return true;
}

static bool collect_count_rows(struct aggs *all, const struct agg *a, char *const *states,
                               const uint16_t *rows, size_t count)
{
    (void)all;
    for (size_t i = 0; i < count; i++)
        *(int64_t *)(void *)(states[i] + a->offset) +=
            a->has_missing || (a->slot->block && block_code(a->slot->block, rows[i]));
    return true;
}

static bool collect_cardinality(struct aggs *all, const struct agg *a, void *state)
{
    size_t count;
    const struct value *v = agg_values(all, a, &count);
    for (size_t i = 0; i < count; i++)
        if (!distinct_add(state, all->arena, &v[i]))
            return agg_alloc(all, SIZE_MAX / 2) != NULL;
    return true;
}

static bool collect_percentiles(struct aggs *all, const struct agg *a, void *state)
{
    size_t count;
    const struct value *v = agg_values(all, a, &count);
    if (!numbers_only(all, a))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!digest_add(state, all->arena, agg_double(&v[i])))
            return agg_alloc(all, SIZE_MAX / 2) != NULL;
    return true;
}

/* ---- printing
 * -------------------------------------------------------------------------------------------------
 */

/* "name": number or null, and for dates and booleans its text as well. */
static void print_number(const struct agg *a, const char *name, bool any, double v, bool first,
                         struct text *to)
{
    text_addf(to, "%s\"%s\":", first ? "" : ",", name);
    if (!any || isnan(v)) {
        text_adds(to, "null");
        return;
    }
    text_add_double(to, v);
    if (!a->slot->seen || !agg_shows_string(a->slot->type))
        return;
    struct value value = {.kind = VALUE_REAL, .r = v};
    text_addf(to, ",\"%s_as_string\":", name);
    agg_print_string(&value, a->slot->type, a->slot->format, to);
}

static bool print_sum(struct aggs *all, const struct agg *a, void *state, struct text *to)
{
    (void)all;
    print_number(a, "value", true, ((struct moments *)state)->sum, true, to);
    return true;
}

static bool print_min(struct aggs *all, const struct agg *a, void *state, struct text *to)
{
    const struct moments *m = state;
    (void)all;
    print_number(a, "value", m->count > 0, m->min, true, to);
    return true;
}

static bool print_max(struct aggs *all, const struct agg *a, void *state, struct text *to)
{
    const struct moments *m = state;
    (void)all;
    print_number(a, "value", m->count > 0, m->max, true, to);
    return true;
}

static double average(const struct moments *m)
{
    return m->count ? m->sum / (double)m->count : NAN;
}

static bool print_avg(struct aggs *all, const struct agg *a, void *state, struct text *to)
{
    const struct moments *m = state;
    (void)all;
    print_number(a, "value", m->count > 0, average(m), true, to);
    return true;
}

static bool print_count(struct aggs *all, const struct agg *a, void *state, struct text *to)
{
    (void)all;
    (void)a;
    text_addf(to, "\"value\":%lld", (long long)*(int64_t *)state);
    return true;
}

static bool print_cardinality(struct aggs *all, const struct agg *a, void *state, struct text *to)
{
    (void)all;
    (void)a;
    text_addf(to, "\"value\":%lld", (long long)distinct_count(state));
    return true;
}

static bool print_stats(struct aggs *all, const struct agg *a, void *state, struct text *to)
{
    const struct moments *m = state;
    bool any = m->count > 0;
    (void)all;
    text_addf(to, "\"count\":%lld", (long long)m->count);
    print_number(a, "min", any, m->min, false, to);
    print_number(a, "max", any, m->max, false, to);
    print_number(a, "avg", any, average(m), false, to);
    text_adds(to, ",\"sum\":");
    text_add_double(to, m->sum);
    if (any && a->slot->seen && agg_shows_string(a->slot->type)) {
        struct value sum = {.kind = VALUE_REAL, .r = m->sum};
        text_adds(to, ",\"sum_as_string\":");
        agg_print_string(&sum, a->slot->type, a->slot->format, to);
    }
    return true;
}

static double variance(const struct moments *m, bool sampling)
{
    int64_t by = m->count - sampling;
    if (by <= 0)
        return NAN;
    double v = (m->squares - m->sum * m->sum / (double)m->count) / (double)by;
    return v < 0 ? 0 : v;
}

static void print_plain(const char *name, bool any, double v, struct text *to)
{
    text_addf(to, ",\"%s\":", name);
    if (any)
        text_add_double(to, v);
    else
        text_adds(to, "null");
}

static bool print_extended(struct aggs *all, const struct agg *a, void *state, struct text *to)
{
    const struct moments *m = state;
    const struct metric_options *o = a->options;
    bool any = m->count > 0;
    double plain = variance(m, false), sampling = variance(m, true), mean = average(m);
    print_stats(all, a, state, to);
    print_plain("sum_of_squares", any, m->squares, to);
    print_plain("variance", any, plain, to);
    print_plain("variance_population", any, plain, to);
    print_plain("variance_sampling", any, sampling, to);
    print_plain("std_deviation", any, sqrt(plain), to);
    print_plain("std_deviation_population", any, sqrt(plain), to);
    print_plain("std_deviation_sampling", any, sqrt(sampling), to);
    double deviation = sqrt(plain) * o->sigma, sampled = sqrt(sampling) * o->sigma;
    text_adds(to, ",\"std_deviation_bounds\":{\"upper\":");
    if (any)
        text_add_double(to, mean + deviation);
    else
        text_adds(to, "null");
    print_plain("lower", any, mean - deviation, to);
    print_plain("upper_population", any, mean + deviation, to);
    print_plain("lower_population", any, mean - deviation, to);
    print_plain("upper_sampling", any, mean + sampled, to);
    print_plain("lower_sampling", any, mean - sampled, to);
    text_adds(to, "}");
    return true;
}

static void print_percent(const struct agg *a, double percent, double v, bool keyed,
                          struct text *to)
{
    char name[40];
    struct text number = {0};
    text_add_double(&number, percent);
    snprintf(name, sizeof name, "%s", number.at);
    text_free(&number);
    text_adds(to, strchr("[{", to->at[to->len - 1]) ? "" : ",");
    if (keyed) {
        print_number(a, name, true, v, true, to);
        return;
    }
    text_addf(to, "{\"key\":%s", name);
    print_number(a, "value", true, v, false, to);
    text_adds(to, "}");
}

static bool print_percentiles(struct aggs *all, const struct agg *a, void *state, struct text *to)
{
    static const double usual[] = {1, 5, 25, 50, 75, 95, 99};
    const struct metric_options *o = a->options;
    text_adds(to, o->keyed ? "\"values\":{" : "\"values\":[");
    for (size_t i = 0; !o->percents && i < sizeof usual / sizeof *usual; i++)
        print_percent(a, usual[i], digest_quantile(state, usual[i] / 100), o->keyed, to);
    for (const struct json *p = o->percents ? o->percents->child : NULL; p; p = p->next) {
        double percent;
        if (!agg_number(all, p, &percent))
            return false;
        print_percent(a, percent, digest_quantile(state, percent / 100), o->keyed, to);
    }
    text_adds(to, o->keyed ? "}" : "]");
    return true;
}

/* ---- sorting by a metric
 * ------------------------------------------------------------------------------------ */

static bool moments_value(const struct moments *m, struct tars_str property, double *v)
{
    bool any = m->count > 0;
    const struct {
        const char *name;
        double value;
    } all[] = {{"count", (double)m->count},
               {"sum", m->sum},
               {"min", any ? m->min : INFINITY},
               {"max", any ? m->max : -INFINITY},
               {"avg", average(m)},
               {"sum_of_squares", m->squares},
               {"variance", variance(m, false)},
               {"std_deviation", sqrt(variance(m, false))}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (!tars_str_is(property, all[i].name))
            continue;
        *v = all[i].value;
        return true;
    }
    return false;
}

bool agg_metric_value(const struct agg *a, const void *state, struct tars_str property, double *v)
{
    bool value = tars_str_is(property, "value");
    if (ends_with_count(a)) {
        *v = strcmp(a->kind->name, "cardinality") == 0 ? (double)distinct_count(state)
                                                       : (double)*(const int64_t *)state;
        return value;
    }
    if (a->kind->state != sizeof(struct moments) || a->kind->holds_buckets)
        return false;
    bool many = strstr(a->kind->name, "stats") != NULL;
    if (many == value)
        return false;
    return moments_value(state, value ? tars_str(a->kind->name) : property, v);
}

const struct agg_kind agg_metric_kinds[] = {
    {"sum", false, sizeof(struct moments), parse_metric, collect_moments, print_sum,
     collect_moments_rows, false},
    {"min", false, sizeof(struct moments), parse_metric, collect_moments, print_min,
     collect_moments_rows, false},
    {"max", false, sizeof(struct moments), parse_metric, collect_moments, print_max,
     collect_moments_rows, false},
    {"avg", false, sizeof(struct moments), parse_metric, collect_moments, print_avg,
     collect_moments_rows, false},
    {"stats", false, sizeof(struct moments), parse_metric, collect_moments, print_stats,
     collect_moments_rows, false},
    {"extended_stats", false, sizeof(struct moments), parse_metric, collect_moments, print_extended,
     collect_moments_rows, false},
    {"value_count", false, sizeof(int64_t), parse_metric, collect_count, print_count,
     collect_count_rows, false},
    {"cardinality", false, sizeof(struct distinct), parse_metric, collect_cardinality,
     print_cardinality, NULL, false},
    {"percentiles", false, sizeof(struct digest), parse_metric, collect_percentiles,
     print_percentiles, NULL, false},
    {0},
};
