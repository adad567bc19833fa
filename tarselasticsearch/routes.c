/* SPDX-License-Identifier: BSD-3-Clause */
#include "request.h"

#include "base/xmalloc.h"

#include <stdio.h>
#include <stdlib.h>

#define WRITE_PARAMS                                                                               \
    "refresh if_seq_no if_primary_term require_alias timeout wait_for_active_shards"
#define NAME_PARAMS "ignore_unavailable allow_no_indices expand_wildcards"
#define MSEARCH_PARAMS                                                                             \
    "max_concurrent_searches max_concurrent_shard_requests pre_filter_shard_size search_type"
#define GET_PARAMS    "realtime refresh preference _source _source_includes _source_excludes"
#define QUERY_PARAMS  "q df default_operator lenient analyze_wildcard"
#define SOURCE_PARAMS "_source _source_includes _source_excludes"
#define SEARCH_PARAMS                                                                              \
    NAME_PARAMS " " QUERY_PARAMS " " SOURCE_PARAMS                                                 \
                " scroll size from track_total_hits seq_no_primary_term version request_cache "    \
                "preference search_type sort docvalue_fields track_scores timeout "                \
                "ccs_minimize_roundtrips max_concurrent_shard_requests batched_reduce_size "       \
                "pre_filter_shard_size allow_partial_search_results"
#define COUNT_PARAMS NAME_PARAMS " " QUERY_PARAMS " preference routing"
#define HEALTH_PARAMS                                                                              \
    ADMIN_PARAMS " wait_for_status wait_for_no_relocating_shards wait_for_no_initializing_shards " \
                 "wait_for_nodes wait_for_events level local"
#define FIELD_CAPS_PARAMS NAME_PARAMS " fields include_unmapped"
#define BY_QUERY_PARAMS                                                                            \
    NAME_PARAMS " refresh conflicts wait_for_completion max_docs scroll_size scroll "              \
                "requests_per_second slices timeout wait_for_active_shards preference routing "    \
                "search_timeout request_cache"
#define FORCEMERGE_PARAMS NAME_PARAMS " max_num_segments only_expunge_deletes flush"
#define ADMIN_PARAMS      "timeout master_timeout wait_for_active_shards"

/* Fixed words go before placeholders: the first row that fits is taken. */
static const struct route routes[] = {
    {"GET", "", false, rest_info, ""},
    {"GET", "_cluster/health", false, rest_health, HEALTH_PARAMS},
    {"GET", "_cluster/health/{index}", false, rest_health, HEALTH_PARAMS},
    {"GET", "_cat/indices", false, rest_cat_indices, "format h s v expand_wildcards"},
    {"GET", "_cat/indices/{index}", false, rest_cat_indices, "format h s v expand_wildcards"},
    {"GET", "_cat/count", false, rest_cat_count, "format h v"},
    {"GET", "_cat/count/{index}", false, rest_cat_count, "format h v"},
    {"GET", "_cat/aliases", false, rest_cat_aliases, "format h v"},
    {"GET", "_cat/aliases/{name}", false, rest_cat_aliases, "format h v"},
    {"PUT", "_index_template/{name}", true, rest_put_template, "create master_timeout cause"},
    {"POST", "_index_template/{name}", true, rest_put_template, "create master_timeout cause"},
    {"GET", "_index_template/{name}", false, rest_get_template, "master_timeout local"},
    {"GET", "_index_template", false, rest_get_template, "master_timeout local"},
    {"DELETE", "_index_template/{name}", true, rest_delete_template, ADMIN_PARAMS},
    {"POST", "_aliases", true, rest_aliases, ADMIN_PARAMS},
    {"GET", "_alias", false, rest_get_alias, NAME_PARAMS},
    {"GET", "_alias/{name}", false, rest_get_alias, NAME_PARAMS},
    {"GET", "{index}/_alias", false, rest_get_alias, NAME_PARAMS},
    {"GET", "{index}/_alias/{name}", false, rest_get_alias, NAME_PARAMS},
    {"PUT", "{index}/_alias/{name}", true, rest_put_alias, ADMIN_PARAMS},
    {"POST", "{index}/_alias/{name}", true, rest_put_alias, ADMIN_PARAMS},
    {"DELETE", "{index}/_alias/{name}", true, rest_delete_alias, ADMIN_PARAMS},
    {"POST", "_bulk", true, rest_bulk, "refresh require_alias timeout wait_for_active_shards"},
    {"PUT", "_bulk", true, rest_bulk, "refresh require_alias timeout wait_for_active_shards"},
    {"POST", "{index}/_bulk", true, rest_bulk,
     "refresh require_alias timeout wait_for_active_shards"},
    {"PUT", "{index}/_bulk", true, rest_bulk,
     "refresh require_alias timeout wait_for_active_shards"},
    {"GET", "_analyze", false, rest_analyze, ""},
    {"POST", "_analyze", false, rest_analyze, ""},
    {"GET", "_mget", false, rest_mget, GET_PARAMS},
    {"POST", "_mget", false, rest_mget, GET_PARAMS},
    {"GET", "{index}/_mget", false, rest_mget, GET_PARAMS},
    {"POST", "{index}/_mget", false, rest_mget, GET_PARAMS},
    {"GET", "_search/scroll", false, rest_scroll, "scroll scroll_id"},
    {"POST", "_search/scroll", false, rest_scroll, "scroll scroll_id"},
    {"DELETE", "_search/scroll", false, rest_end_scroll, ""},
    {"GET", "_search", false, rest_search, SEARCH_PARAMS},
    {"POST", "_search", false, rest_search, SEARCH_PARAMS},
    {"GET", "{index}/_search", false, rest_search, SEARCH_PARAMS},
    {"POST", "{index}/_search", false, rest_search, SEARCH_PARAMS},
    {"GET", "_msearch", false, rest_msearch, MSEARCH_PARAMS},
    {"POST", "_msearch", false, rest_msearch, MSEARCH_PARAMS},
    {"GET", "{index}/_msearch", false, rest_msearch, MSEARCH_PARAMS},
    {"POST", "{index}/_msearch", false, rest_msearch, MSEARCH_PARAMS},
    {"GET", "_field_caps", false, rest_field_caps, FIELD_CAPS_PARAMS},
    {"POST", "_field_caps", false, rest_field_caps, FIELD_CAPS_PARAMS},
    {"GET", "{index}/_field_caps", false, rest_field_caps, FIELD_CAPS_PARAMS},
    {"POST", "{index}/_field_caps", false, rest_field_caps, FIELD_CAPS_PARAMS},
    {"POST", "{index}/_delete_by_query", true, rest_delete_by_query, BY_QUERY_PARAMS},
    {"POST", "{index}/_update_by_query", true, rest_update_by_query, BY_QUERY_PARAMS},
    {"GET", "_count", false, rest_count, COUNT_PARAMS},
    {"POST", "_count", false, rest_count, COUNT_PARAMS},
    {"GET", "{index}/_count", false, rest_count, COUNT_PARAMS},
    {"POST", "{index}/_count", false, rest_count, COUNT_PARAMS},
    {"POST", "_refresh", false, rest_refresh, NAME_PARAMS},
    {"GET", "_refresh", false, rest_refresh, NAME_PARAMS},
    {"POST", "{index}/_refresh", false, rest_refresh, NAME_PARAMS},
    {"GET", "{index}/_refresh", false, rest_refresh, NAME_PARAMS},
    {"POST", "_flush", true, rest_flush, NAME_PARAMS " force wait_if_ongoing"},
    {"GET", "_flush", true, rest_flush, NAME_PARAMS " force wait_if_ongoing"},
    {"POST", "{index}/_flush", true, rest_flush, NAME_PARAMS " force wait_if_ongoing"},
    {"GET", "{index}/_flush", true, rest_flush, NAME_PARAMS " force wait_if_ongoing"},
    {"POST", "_forcemerge", false, rest_refresh, FORCEMERGE_PARAMS},
    {"POST", "{index}/_forcemerge", false, rest_refresh, FORCEMERGE_PARAMS},
    {"GET", "_mapping", false, rest_get_mapping, NAME_PARAMS " master_timeout"},
    {"GET", "{index}/_mapping", false, rest_get_mapping, NAME_PARAMS " master_timeout"},
    {"PUT", "{index}/_mapping", true, rest_put_mapping, NAME_PARAMS " " ADMIN_PARAMS},
    {"POST", "{index}/_mapping", true, rest_put_mapping, NAME_PARAMS " " ADMIN_PARAMS},
    {"GET", "_settings", false, rest_get_settings, NAME_PARAMS " master_timeout"},
    {"GET", "{index}/_settings", false, rest_get_settings, NAME_PARAMS " master_timeout"},
    {"PUT", "{index}/_settings", true, rest_put_settings, NAME_PARAMS " " ADMIN_PARAMS},
    {"GET", "{index}/_doc/{id}", false, rest_get_doc, GET_PARAMS},
    {"GET", "{index}/_source/{id}", false, rest_get_source, GET_PARAMS},
    {"PUT", "{index}/_doc/{id}", true, rest_put_doc, WRITE_PARAMS " op_type version version_type"},
    {"POST", "{index}/_doc/{id}", true, rest_put_doc, WRITE_PARAMS " op_type version version_type"},
    {"POST", "{index}/_doc", true, rest_post_doc, WRITE_PARAMS " op_type version version_type"},
    {"PUT", "{index}/_create/{id}", true, rest_create_doc, WRITE_PARAMS},
    {"POST", "{index}/_create/{id}", true, rest_create_doc, WRITE_PARAMS},
    {"POST", "{index}/_update/{id}", true, rest_update_doc,
     WRITE_PARAMS " " SOURCE_PARAMS " retry_on_conflict"},
    {"DELETE", "{index}/_doc/{id}", true, rest_delete_doc, WRITE_PARAMS " version version_type"},
    {"PUT", "{index}", true, rest_create_index, ADMIN_PARAMS},
    {"DELETE", "{index}", true, rest_delete_index, NAME_PARAMS " " ADMIN_PARAMS},
    {"GET", "{index}", false, rest_get_index, NAME_PARAMS " master_timeout"},
};
enum { ROUTES = sizeof routes / sizeof *routes };

static const char common_params[] = "pretty human error_trace filter_path";

/* ---- reading the target
 * ------------------------------------------------------------------------------ */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Decodes in place; false for a broken "%". */
static bool decode(char *at, size_t *len, bool plus)
{
    char *to = at;
    for (size_t i = 0; i < *len; i++) {
        if (at[i] == '%') {
            int high = i + 2 < *len ? hex_digit(at[i + 1]) : -1;
            int low = i + 2 < *len ? hex_digit(at[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            *to++ = (char)(high << 4 | low);
            i += 2;
        } else {
            *to++ = plus && at[i] == '+' ? ' ' : at[i];
        }
    }
    *len = (size_t)(to - at);
    return true;
}

static bool bad_target(struct request *r, const char *why)
{
    struct failure f;
    failure_set(&f, 400, "bad_parameter_exception", "%s", why);
    request_fail(r, &f);
    return false;
}

static bool read_path(struct request *r, char *at, char *end)
{
    while (at < end) {
        char *slash = memchr(at, '/', (size_t)(end - at));
        size_t len = (size_t)((slash ? slash : end) - at);
        if (len && r->part_count == REQUEST_PARTS)
            return bad_target(r, "the path has too many parts");
        if (len) {
            size_t decoded = len;
            if (!decode(at, &decoded, false))
                return bad_target(r, "partial or invalid escape sequence in the path");
            r->parts[r->part_count++] = tars_str_n(at, decoded);
        }
        at = slash ? slash + 1 : end;
    }
    return true;
}

static bool read_query(struct request *r, char *at)
{
    while (*at) {
        char *end = at + strcspn(at, "&"), *next = *end ? end + 1 : end;
        char *equals = memchr(at, '=', (size_t)(end - at));
        size_t name = (size_t)((equals ? equals : end) - at);
        size_t value = equals ? (size_t)(end - equals - 1) : 0;
        if (name && r->param_count == REQUEST_PARAMS)
            return bad_target(r, "too many parameters");
        if (!decode(at, &name, true) || (equals && !decode(equals + 1, &value, true)))
            return bad_target(r, "partial or invalid escape sequence in the parameters");
        if (name)
            r->params[r->param_count++] = (struct param){
                tars_str_n(at, name), tars_str_n(equals ? equals + 1 : "", value)};
        at = next;
    }
    return true;
}

/* ---- finding the route
 * -------------------------------------------------------------------------------- */

static bool fits(struct request *r, const char *pattern)
{
    size_t i = 0;
    struct tars_str index = {0}, id = {0}, name = {0};
    while (*pattern) {
        size_t len = strcspn(pattern, "/");
        struct tars_str word = tars_str_n(pattern, len),
                        part = i < r->part_count ? r->parts[i] : tars_str("");
        if (i++ >= r->part_count)
            return false;
        if (tars_str_is(word, "{index}")) {
            if (part.len && part.at[0] == '_' && !tars_str_is(part, "_all"))
                return false;
            index = part;
        } else if (tars_str_is(word, "{id}")) {
            id = part;
        } else if (tars_str_is(word, "{name}")) {
            name = part;
        } else if (!tars_str_equal(word, part)) {
            return false;
        }
        pattern += len + (pattern[len] == '/');
    }
    if (i != r->part_count)
        return false;
    r->index = index;
    r->id = id;
    r->name = name;
    return true;
}

static bool listed(const char *list, struct tars_str name)
{
    while (*list) {
        size_t len = strcspn(list, " ");
        if (tars_str_equal(tars_str_n(list, len), name))
            return true;
        list += len + (list[len] == ' ');
    }
    return false;
}

static bool no_route(struct request *r, const char *allowed)
{
    struct text reason = {0};
    if (*allowed)
        text_addf(&reason,
                  "Incorrect HTTP method for uri [%" TARS_STR_FMT
                  "] and method [%s], allowed: [%s]",
                  TARS_STR_ARG(r->path), r->method, allowed);
    else
        text_addf(&reason, "no handler found for uri [%" TARS_STR_FMT "] and method [%s]",
                  TARS_STR_ARG(r->path), r->method);
    text_adds(&r->answer, "{\"error\":");
    text_add_json(&r->answer, text_str(&reason));
    r->status = *allowed ? 405 : 400;
    text_addf(&r->answer, ",\"status\":%d}", r->status);
    text_free(&reason);
    return false;
}

static bool find_route(struct request *r)
{
    const char *method = r->head ? "GET" : r->method;
    char allowed[64] = "";
    for (int i = 0; i < ROUTES; i++) {
        if (!fits(r, routes[i].path))
            continue;
        if (strcmp(routes[i].method, method) == 0) {
            r->route = &routes[i];
            return true;
        }
        if (!strstr(allowed, routes[i].method) && strlen(allowed) < 40)
            snprintf(allowed + strlen(allowed), 20, "%s%s", *allowed ? ", " : "", routes[i].method);
    }
    return no_route(r, allowed);
}

static bool check_params(struct request *r)
{
    struct failure f;
    for (size_t i = 0; i < r->param_count; i++) {
        if (listed(r->route->params, r->params[i].name) || listed(common_params, r->params[i].name))
            continue;
        failure_set(&f, 400, "illegal_argument_exception",
                    "request [%" TARS_STR_FMT "] contains unrecognized parameter: [%" TARS_STR_FMT
                    "]",
                    TARS_STR_ARG(r->path), TARS_STR_ARG(r->params[i].name));
        request_fail(r, &f);
        return false;
    }
    return true;
}

bool request_parse(struct request *r, const char *method, const char *target)
{
    size_t path = strcspn(target, "?");
    r->decoded = xstrdup(target);
    r->method = method;
    r->head = strcmp(method, "HEAD") == 0;
    r->path = tars_str_n(target, path);
    r->decoded[path] = '\0';
    if (!read_path(r, r->decoded, r->decoded + path) ||
        (target[path] && !read_query(r, r->decoded + path + 1)))
        return false;
    return find_route(r) && check_params(r);
}

void request_free(struct request *r)
{
    free(r->decoded);
    text_free(&r->answer);
}

/* ---- for the routes' functions
 * -------------------------------------------------------------------------- */

struct tars_str request_param(const struct request *r, const char *name)
{
    for (size_t i = 0; i < r->param_count; i++)
        if (tars_str_is(r->params[i].name, name))
            return r->params[i].value;
    return (struct tars_str){0};
}

bool request_flag(const struct request *r, const char *name, bool fallback, bool *to,
                  struct failure *failure)
{
    struct tars_str value = request_param(r, name);
    *to = value.at ? !tars_str_is(value, "false") : fallback;
    if (!value.at || value.len == 0 || tars_str_is(value, "true") || tars_str_is(value, "false"))
        return true;
    return failure_set(failure, 400, "illegal_argument_exception",
                       "Failed to parse value [%" TARS_STR_FMT
                       "] as only [true] or [false] are allowed.",
                       TARS_STR_ARG(value));
}

bool request_int(const struct request *r, const char *name, int64_t fallback, int64_t *to,
                 struct failure *failure)
{
    struct json number = {.type = JSON_STRING, .text = request_param(r, name)};
    *to = fallback;
    if (!number.text.at || json_as_int(&number, to))
        return true;
    return failure_set(failure, 400, "illegal_argument_exception",
                       "Failed to parse int parameter [%s] with value [%" TARS_STR_FMT "]", name,
                       TARS_STR_ARG(number.text));
}

struct json *request_json(const struct request *r, struct tars_arena *arena, bool needed,
                          bool *failed, struct failure *failure)
{
    struct tars_error error = {0};
    *failed = false;
    if (r->body.len == 0) {
        *failed = needed &&
                  !failure_set(failure, 400, "parse_exception", "request body is required");
        return NULL;
    }
    struct json *json = json_parse(r->body, arena, &error);
    *failed = !json && !failure_set(failure, 400, "x_content_parse_exception", "%s", error.text);
    return json;
}

bool request_next_line(struct tars_str *rest, struct tars_str *line)
{
    const char *end = rest->len ? memchr(rest->at, '\n', rest->len) : NULL;
    if (!end)
        return false;
    *line = tars_str_n(rest->at, (size_t)(end - rest->at));
    *rest = tars_str_n(end + 1, rest->len - line->len - 1);
    if (line->len && line->at[line->len - 1] == '\r')
        line->len--;
    return true;
}

void request_fail(struct request *r, const struct failure *failure)
{
    text_cut(&r->answer, 0);
    r->plain = false;
    r->status = failure->status;
    failure_print_body(failure, &r->answer);
}

void request_acknowledge(struct request *r)
{
    r->status = 200;
    text_adds(&r->answer, "{\"acknowledged\":true}");
}
