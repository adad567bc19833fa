/* SPDX-License-Identifier: BSD-3-Clause */
#include "agg.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- reading --------------------------------------------------------------------------------- */

bool agg_refuse(struct aggs *all, const char *type, const char *format, ...)
{
    char reason[512];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return failure_set(all->failure, 400, type, "%s", reason);
}

bool agg_refuse_shard(struct aggs *all, const char *format, ...)
{
    char reason[512];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    agg_refuse(all, "illegal_argument_exception", "%s", reason);
    all->failure->shard = true;
    if (all->index) {
        snprintf(all->failure->index, sizeof all->failure->index, "%s", all->index->name);
        snprintf(all->failure->uuid, sizeof all->failure->uuid, "%s", all->index->uuid);
    }
    return false;
}

bool agg_unknown(struct aggs *all, const struct agg *a, const struct json *p)
{
    return agg_refuse(all, "x_content_parse_exception",
                      "[%s] unknown field [%" TARS_STR_FMT "] or a value of the wrong type",
                      a->kind->name, TARS_STR_ARG(p->name));
}

bool agg_number(struct aggs *all, const struct json *p, double *to)
{
    char number[64], *end;
    size_t len = p->text.len < sizeof number ? p->text.len : 0;
    memcpy(number, len ? p->text.at : "", len);
    number[len] = '\0';
    *to = strtod(number, &end);
    return ((p->type == JSON_NUMBER || p->type == JSON_STRING) && len && *end == '\0' &&
            strspn(number, "0123456789+-.eE") == len) ||
           agg_refuse(all, "x_content_parse_exception", "[%" TARS_STR_FMT "] must be a number",
                      TARS_STR_ARG(p->name));
}

bool agg_flag(struct aggs *all, const struct json *p, bool *to)
{
    bool ok = true;
    *to = json_as_bool(p, &ok);
    return ok || agg_refuse(all, "x_content_parse_exception",
                            "[%" TARS_STR_FMT "] must be true or false", TARS_STR_ARG(p->name));
}

void *agg_alloc(struct aggs *all, size_t size)
{
    void *p = tars_arena_alloc(all->arena, size);
    if (!p)
        failure_set(all->failure, 429, "circuit_breaking_exception",
                    "[request] Data too large: the aggregations need more memory than one request "
                    "may use");
    return p;
}

bool aggs_own(struct aggs *all, void *what, void (*end)(void *))
{
    struct agg_owned *owned = agg_alloc(all, sizeof *owned);
    if (!owned) {
        end(what);
        return false;
    }
    *owned = (struct agg_owned){what, end, all->owned};
    all->owned = owned;
    return true;
}

/* ---- collecting ------------------------------------------------------------------------------ */

struct bucket *agg_bucket(struct aggs *all, const struct agg *a)
{
    return agg_alloc(all, sizeof(struct bucket) + a->states);
}

bool agg_collect_list(struct aggs *all, const struct agg *list, char *states)
{
    for (const struct agg *a = list; a; a = a->next)
        if (!a->kind->collect(all, a, states + a->offset))
            return false;
    return true;
}

bool agg_enter(struct aggs *all, const struct agg *a, struct bucket *b)
{
    b->docs++;
    return agg_collect_list(all, a->sub, b->states);
}
