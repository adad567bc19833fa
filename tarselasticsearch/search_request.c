/* SPDX-License-Identifier: BSD-3-Clause */
#include "search_request.h"

#include "base/clock.h"
#include "sorts.h"

#include <stdio.h>

bool search_refuse(struct search_request *r, const char *type, const char *format, ...)
{
    char reason[512];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return failure_set(r->failure, 400, type, "%s", reason);
}

bool search_refuse_shard(struct search_request *r, const struct index *index, const char *type,
                         const char *reason)
{
    search_refuse(r, type, "%s", reason);
    r->failure->shard = true;
    snprintf(r->failure->index, sizeof r->failure->index, "%s", index ? index->name : "_all");
    snprintf(r->failure->uuid, sizeof r->failure->uuid, "%s", index ? index->uuid : "_na_");
    return false;
}

static bool read_sort(struct search_request *r, const struct json *json)
{
    if (!sorts_read(json, r->indices, r->sorts, &r->sort_count, r->failure))
        return false;
    r->sorted = r->sort_count > 0 && !(r->sort_count == 1 && r->sorts[0].kind == SORT_SCORE);
    return true;
}

static bool read_count(struct search_request *r, const struct json *value, const char *name,
                       int64_t *to)
{
    if (!json_as_int(value, to))
        return search_refuse(r, "parsing_exception", "[%s] must be a number", name);
    return *to >= 0 ||
           search_refuse(r, "illegal_argument_exception",
                         "[%s] parameter cannot be negative but was [%lld]", name, (long long)*to);
}

static bool read_total(struct search_request *r, const struct json *value)
{
    bool ok = true, exact = json_as_bool(value, &ok);
    if (ok) {
        r->total_limit = exact ? -1 : 0;
        return true;
    }
    return read_count(r, value, "track_total_hits", &r->total_limit);
}

static bool read_aggs(struct search_request *r, const struct json *p)
{
    if (r->aggs)
        return search_refuse(r, "parsing_exception", "Found two aggregation definitions");
    if (p->type == JSON_OBJECT && !p->count)
        return true;
    r->asked = p;
    r->aggs = aggs_parse(p, r->arena, r->failure);
    if (!r->aggs && r->failure->shard)
        snprintf(r->failure->index, sizeof r->failure->index, "%s",
                 r->indices->len ? r->indices->at[0]->name : "_all");
    return r->aggs != NULL;
}

static bool read_part(struct search_request *r, const struct json *p)
{
    int64_t ignored;
    bool flag;
    if (tars_str_is(p->name, "query")) {
        r->query = p;
        return true;
    }
    if (tars_str_is(p->name, "sort"))
        return read_sort(r, p);
    if (tars_str_is(p->name, "aggs") || tars_str_is(p->name, "aggregations"))
        return read_aggs(r, p);
    if (tars_str_is(p->name, "from"))
        return r->from >= 0 || read_count(r, p, "from", &r->from);
    if (tars_str_is(p->name, "size"))
        return r->size >= 0 || read_count(r, p, "size", &r->size);
    if (tars_str_is(p->name, "search_after")) {
        r->after = p;
        return p->type == JSON_ARRAY ||
               search_refuse(r, "parsing_exception", "[search_after] must be an array");
    }
    if (tars_str_is(p->name, "track_total_hits"))
        return read_total(r, p);
    if (!hit_options_read(&r->shows, p, r->arena, &flag, r->failure) || flag)
        return !r->failure->status;
    if (tars_str_is(p->name, "collapse")) {
        r->collapse = json_get(p, "field");
        return (r->collapse && r->collapse->type == JSON_STRING && p->count == 1) ||
               search_refuse(r, "x_content_parse_exception",
                             "[collapse]: this store knows [field] and nothing else");
    }
    if (tars_str_is(p->name, "script_fields") && p->type == JSON_OBJECT && !p->count)
        return true;
    if (tars_str_is(p->name, "timeout") || tars_str_is(p->name, "terminate_after"))
        return json_as_int(p, &ignored) || p->type == JSON_STRING;
    return search_refuse(r, "parsing_exception", "Unknown key for a value in [%" TARS_STR_FMT "].",
                         TARS_STR_ARG(p->name));
}

bool search_request_read(struct search_request *r, const struct search *search,
                         struct failure *failure)
{
    *r = (struct search_request){.indices = search->indices,
                                 .from = search->from,
                                 .size = search->size,
                                 .total_limit = SEARCH_WINDOW,
                                 .arena = search->arena,
                                 .failure = failure,
                                 .started_ms = clock_ms()};
    if (search->body && search->body->type != JSON_OBJECT)
        return search_refuse(r, "parsing_exception", "Expected [START_OBJECT]");
    for (const struct json *p = search->body ? search->body->child : NULL; p; p = p->next)
        if (!read_part(r, p))
            return false;
    r->shows.collapse = r->collapse;
    r->from = r->from < 0 ? 0 : r->from;
    r->size = r->size < 0 ? 10 : r->size;
    if (r->after && r->from)
        return search_refuse(
            r, "action_request_validation_exception",
            "Validation Failed: 1: [from] parameter must be set to 0 when [search_after] is used;");
    if (r->after && r->collapse)
        return search_refuse(r, "illegal_argument_exception",
                             "[collapse] with [search_after] is not known to this store");
    if (r->after && !r->sorted)
        return search_refuse_shard(r, r->indices->len ? r->indices->at[0] : NULL,
                                   "illegal_argument_exception",
                                   "Sort must contain at least one field.");
    if (r->after && r->after->count != r->sort_count)
        return search_refuse_shard(r, r->indices->len ? r->indices->at[0] : NULL,
                                   "illegal_argument_exception",
                                   "search_after has a different number of values than sort");
    return true;
}

bool search_check_window(struct search_request *r, const char *what, const char *hint)
{
    char reason[400];
    if (r->from + r->size <= SEARCH_WINDOW)
        return true;
    snprintf(reason, sizeof reason,
             "%s is too large, %s must be less than or equal to: [%d] but was [%lld].%s This limit "
             "can be set by changing the [index.max_result_window] index level setting.",
             what, r->from || *hint ? "from + size" : "batch size", SEARCH_WINDOW,
             (long long)r->from + r->size, hint);
    return search_refuse_shard(r, r->indices->len ? r->indices->at[0] : NULL,
                               "illegal_argument_exception", reason);
}
