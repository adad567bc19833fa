/* SPDX-License-Identifier: BSD-3-Clause */
#include "agg_print.h"

#include "date.h"

#include <math.h>

bool agg_print_list(struct aggs *all, const struct agg *list, char *states, struct text *to)
{
    for (const struct agg *a = list; a; a = a->next) {
        text_add_json(to, a->name);
        text_adds(to, ":{");
        if (a->meta) {
            text_adds(to, "\"meta\":");
            json_print(a->meta, to);
            text_adds(to, ",");
        }
        if (!a->kind->print(all, a, states + a->offset, to))
            return false;
        text_adds(to, a->next ? "}," : "}");
    }
    return true;
}

bool agg_print_bucket(struct aggs *all, const struct agg *a, struct bucket *b, struct text *to)
{
    if (++all->buckets > AGGS_MAX_BUCKETS) {
        failure_set(all->failure, 400, "too_many_buckets_exception",
                    "Trying to create too many buckets. Must be less than or equal to: [%d] but "
                    "was [%d]. This limit can be set by changing the [search.max_buckets] cluster "
                    "level setting.",
                    AGGS_MAX_BUCKETS, AGGS_MAX_BUCKETS + 1);
        all->failure->reduce = true;
        return false;
    }
    if (to->len > (size_t)64 << 20)
        return failure_set(all->failure, 429, "circuit_breaking_exception",
                           "[request] Data too large: the answer has more than 64 MiB");
    if (!b && !(b = agg_bucket(all, a)))
        return false;
    text_addf(to, "\"doc_count\":%lld%s", (long long)b->docs, a->sub ? "," : "");
    return agg_print_list(all, a->sub, b->states, to);
}

bool agg_shows_string(enum field_type type)
{
    return type == FIELD_DATE || type == FIELD_BOOLEAN;
}

void agg_print_value(const struct value *v, struct text *to)
{
    if (v->kind == VALUE_TEXT)
        text_add_json(to, v->s);
    else if (v->kind == VALUE_INT)
        text_addf(to, "%lld", (long long)v->i);
    else if (v->kind == VALUE_REAL)
        text_add_double(to, v->r);
    else
        text_adds(to, "null");
}

/* As Java turns a number into a whole one. */
static int64_t saturated(double r)
{
    return isnan(r) ? 0 : r >= 9.2e18 ? INT64_MAX : r <= -9.2e18 ? INT64_MIN : (int64_t)r;
}

void agg_print_string(const struct value *v, enum field_type type, const char *format,
                      struct text *to)
{
    if (type == FIELD_BOOLEAN) {
        text_adds(to, agg_double(v) != 0 ? "\"true\"" : "\"false\"");
    } else if (type == FIELD_IP) {
        text_adds(to, "\"");
        value_print_ip(v->s, to);
        text_adds(to, "\"");
    } else if (type == FIELD_DATE) {
        int64_t ms = v->kind == VALUE_INT ? v->i : saturated(v->r);
        text_adds(to, "\"");
        date_print(ms, format, NULL, to);
        text_adds(to, "\"");
    } else {
        agg_print_value(v, to);
    }
}
