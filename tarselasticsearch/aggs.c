/* SPDX-License-Identifier: BSD-3-Clause */
#include "aggs.h"

#include "agg.h"
#include "agg_pass.h"
#include "agg_print.h"

#include <string.h>

static const struct agg_kind *const families[] = {
    agg_metric_kinds, agg_terms_kinds,     agg_histogram_kinds, agg_range_kinds,
    agg_filter_kinds, agg_composite_kinds, agg_top_hits_kinds,  agg_nested_kinds};

/* ---- reading --------------------------------------------------------------------------------- */

static bool parse_list(struct aggs *all, const struct json *json, int depth, struct agg **to,
                       size_t *states);

static const struct agg_kind *find_kind(struct tars_str name)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        for (const struct agg_kind *k = families[i]; k->name; k++)
            if (tars_str_is(name, k->name))
                return k;
    return NULL;
}

static bool is_sub(const struct json *p)
{
    return tars_str_is(p->name, "aggs") || tars_str_is(p->name, "aggregations");
}

static bool parse_part(struct aggs *all, struct agg *a, const struct json *p)
{
    if (tars_str_is(p->name, "meta") && p->type == JSON_OBJECT) {
        a->meta = p;
        return true;
    }
    if (is_sub(p))
        return a->sub
                   ? agg_refuse(all, "parsing_exception", "Found two sub aggregation definitions")
                   : parse_list(all, p, a->depth + 1, &a->sub, &a->states);
    if (a->kind)
        return agg_refuse(all, "parsing_exception",
                          "Found two aggregation type definitions in [%" TARS_STR_FMT
                          "]: [%s] and [%" TARS_STR_FMT "]",
                          TARS_STR_ARG(a->name), a->kind->name, TARS_STR_ARG(p->name));
    a->kind = find_kind(p->name);
    if (!a->kind)
        return agg_refuse(all, "parsing_exception", "Unknown aggregation type [%" TARS_STR_FMT "]",
                          TARS_STR_ARG(p->name));
    return p->type == JSON_OBJECT ? a->kind->parse(all, a, p)
                                  : agg_refuse(all, "parsing_exception",
                                               "Expected [START_OBJECT] under [%s]", a->kind->name);
}

static bool parse_one(struct aggs *all, const struct json *json, struct agg *a)
{
    if (memchr(json->name.at, '[', json->name.len) || memchr(json->name.at, ']', json->name.len) ||
        memchr(json->name.at, '>', json->name.len) || json->name.len == 0)
        return agg_refuse(all, "parsing_exception",
                          "Invalid aggregation name [%" TARS_STR_FMT
                          "]. Aggregation names can contain any character except '[', ']', and '>'",
                          TARS_STR_ARG(json->name));
    if (json->type != JSON_OBJECT)
        return agg_refuse(all, "parsing_exception",
                          "Aggregation definition for [%" TARS_STR_FMT "] must be an object",
                          TARS_STR_ARG(json->name));
    if (++all->count > AGGS_MAX_COUNT)
        return agg_refuse(all, "illegal_argument_exception", "more than %d aggregations",
                          AGGS_MAX_COUNT);
    /* The kind first: it says in which scope the ones below are read. */
    struct tars_str outer = all->scope;
    for (const struct json *p = json->child; p; p = p->next)
        if (!is_sub(p) && !parse_part(all, a, p))
            return false;
    all->scope = a->scope.len ? a->scope : outer;
    for (const struct json *p = json->child; p; p = p->next)
        if (is_sub(p) && !parse_part(all, a, p))
            return false;
    all->scope = outer;
    if (!a->kind)
        return agg_refuse(all, "parsing_exception",
                          "Missing definition for aggregation [%" TARS_STR_FMT "]",
                          TARS_STR_ARG(json->name));
    return !a->sub || a->kind->holds_buckets ||
           agg_refuse(all, "illegal_argument_exception",
                      "Aggregator [%" TARS_STR_FMT "] of type [%s] cannot accept sub-aggregations",
                      TARS_STR_ARG(a->name), a->kind->name);
}

static bool parse_list(struct aggs *all, const struct json *json, int depth, struct agg **to,
                       size_t *states)
{
    if (json->type != JSON_OBJECT)
        return agg_refuse(all, "parsing_exception", "Expected [START_OBJECT] under [aggs]");
    if (depth > AGGS_MAX_DEPTH)
        return agg_refuse(all, "illegal_argument_exception",
                          "aggregations are nested deeper than %d levels", AGGS_MAX_DEPTH);
    for (const struct json *p = json->child; p; p = p->next) {
        struct agg *a = agg_alloc(all, sizeof *a);
        if (!a)
            return false;
        a->name = p->name;
        a->depth = depth;
        if (!parse_one(all, p, a))
            return false;
        a->offset = *states;
        *states += (a->kind->state + 7) & ~(size_t)7;
        *to = a;
        to = &a->next;
    }
    return true;
}

struct aggs *aggs_parse(const struct json *json, struct tars_arena *arena, struct failure *failure)
{
    struct aggs first = {.arena = arena, .failure = failure}, *all = agg_alloc(&first, sizeof *all);
    if (!all)
        return NULL;
    *all = first;
    if (parse_list(all, json, 1, &all->top, &all->states))
        return all;
    aggs_end(all);
    return NULL;
}

void aggs_end(struct aggs *all)
{
    for (struct agg_owned *o = all ? all->owned : NULL; o; o = o->next)
        o->end(o->what);
    if (all)
        all->owned = NULL;
}

/* ---- running --------------------------------------------------------------------------------- */

bool aggs_run(struct aggs *all, struct db *db, const struct index_list *indices,
              const struct json *query, struct text *to)
{
    char *states = agg_alloc(all, all->states + 1);
    bool ok = states != NULL;
    all->top_states = states;
    all->db = db;
    all->indices = indices;
    for (size_t i = 0; ok && i < indices->len; i++) {
        all->index = indices->at[i];
        all->at = i;
        ok = agg_run_index(all, indices->at[i], query);
    }
    text_adds(to, "{");
    ok = ok && agg_print_list(all, all->top, states, to);
    text_adds(to, "}");
    return ok;
}
