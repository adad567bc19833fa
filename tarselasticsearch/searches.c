/* SPDX-License-Identifier: BSD-3-Clause */
/* The routes that search, count and scroll. */
#include "request.h"
#include "scrolls.h"
#include "search_count.h"
#include "source_filter.h"

enum { KEEP_DEFAULT_MS = 60000, KEEP_LIMIT_MS = 24 * 3600 * 1000 };

/* The indices that the request names. */
static bool resolve(struct store_context *c, struct request *r, struct index_list *list,
                    struct failure *f)
{
    bool lenient, none_ok;
    if (!request_flag(r, "ignore_unavailable", false, &lenient, f) ||
        !request_flag(r, "allow_no_indices", true, &none_ok, f))
        return false;
    struct tars_str wildcards = request_param(r, "expand_wildcards");
    if (wildcards.at && !tars_str_is(wildcards, "open") && !tars_str_is(wildcards, "all"))
        return failure_set(f, 400, "illegal_argument_exception",
                           "[expand_wildcards]: only open and all are supported by this store");
    if (!catalog_resolve(c->catalog, r->index, true, lenient, list, f))
        return false;
    return list->len || none_ok || failure_no_index(f, r->index);
}

/* "30s", "1m", …; 0 for what is none. */
static int64_t read_time(struct tars_str text)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    int64_t n = 0;
    size_t i = 0;
    for (; i < text.len && i < 9 && text.at[i] >= '0' && text.at[i] <= '9'; i++)
        n = n * 10 + (text.at[i] - '0');
    for (size_t k = 0; i && k < sizeof units / sizeof *units; k++)
        if (tars_str_is(tars_str_n(text.at + i, text.len - i), units[k].unit))
            return n * units[k].ms;
    return 0;
}

static bool keep_alive(struct tars_str text, int64_t *ms, struct failure *f)
{
    *ms = read_time(text);
    if (*ms <= 0)
        return failure_set(f, 400, "illegal_argument_exception",
                           "failed to parse setting [scroll] with value [%" TARS_STR_FMT
                           "] as a time value",
                           TARS_STR_ARG(text));
    return *ms <= KEEP_LIMIT_MS || failure_set(f, 400, "illegal_argument_exception",
                                               "Keep alive for request (%" TARS_STR_FMT
                                               ") is too large. It must be less than (1d).",
                                               TARS_STR_ARG(text));
}

static void start_scroll(struct store_context *c, struct request *r, const struct search *search,
                         struct failure *f)
{
    struct scrolls *scrolls = store_scrolls(c->store);
    char id[SCROLL_ID_LEN + 1];
    int64_t keep_ms;
    if (!keep_alive(request_param(r, "scroll"), &keep_ms, f))
        return;
    if (!scrolls_reserve(scrolls)) {
        failure_set(f, 429, "too_many_scroll_contexts_exception",
                    "Trying to create too many scroll contexts. This store's limit can be set with "
                    "scroll-limit.");
        return;
    }
    scrolls_make_id(id);
    struct scroll *scroll = scroll_new(store_path(c->store), search, id, &r->answer, f);
    if (scroll)
        scrolls_put(scrolls, id, scroll, keep_ms);
    else
        scrolls_unreserve(scrolls);
}

/* ?q=…&df=…&default_operator=… */
static bool url_query(struct request *r, struct json *body, struct tars_arena *arena)
{
    static const char *const names[][2] = {{"q", "query"},
                                           {"df", "default_field"},
                                           {"default_operator", "default_operator"},
                                           {"lenient", "lenient"},
                                           {"analyze_wildcard", "analyze_wildcard"}};
    struct json *query = json_new(arena, JSON_OBJECT), *words = json_new(arena, JSON_OBJECT);
    if (!request_param(r, "q").at)
        return true;
    if (!query || !words)
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct tars_str value = request_param(r, names[i][0]);
        struct json *option = value.at ? json_new_str(arena, value) : NULL;
        if (value.at && !option)
            return false;
        if (option)
            json_set(words, tars_str(names[i][1]), option);
    }
    json_set(query, tars_str("query_string"), words);
    json_set(body, tars_str("query"), query);
    return true;
}

/* ?_source=…&_source_includes=…&_source_excludes=… */
static bool url_source(struct request *r, struct json *body, struct tars_arena *arena)
{
    struct tars_str all = request_param(r, "_source"),
                    includes = request_param(r, "_source_includes"),
                    excludes = request_param(r, "_source_excludes");
    struct json *source = json_new(arena, JSON_OBJECT);
    bool flag = tars_str_is(all, "true") || tars_str_is(all, "false");
    if (!source || (!all.at && !includes.at && !excludes.at))
        return source != NULL;
    if (flag && !includes.at && !excludes.at)
        source->type = tars_str_is(all, "true") ? JSON_TRUE : JSON_FALSE;
    if (all.at && !flag && !includes.at)
        includes = all;
    for (int i = 0; i < 2 && source->type == JSON_OBJECT; i++) {
        struct tars_str list = i ? excludes : includes;
        struct json *copy = list.at ? json_copy(source_filter_list(list, arena), arena) : NULL;
        if (copy)
            json_set(source, tars_str(i ? "excludes" : "includes"), copy);
    }
    json_set(body, tars_str("_source"), source);
    return true;
}

/* ?sort=a,b:desc */
static bool url_sort(struct request *r, struct json *body, struct tars_arena *arena)
{
    struct tars_str text = request_param(r, "sort");
    struct json *list = json_new(arena, JSON_ARRAY);
    while (list && text.len) {
        const char *comma = memchr(text.at, ',', text.len);
        size_t len = comma ? (size_t)(comma - text.at) : text.len;
        const char *colon = memchr(text.at, ':', len);
        size_t name = colon ? (size_t)(colon - text.at) : len;
        struct json *one = json_new(arena, JSON_OBJECT),
                    *order = json_new_str(arena, colon ? tars_str_n(colon + 1, len - name - 1)
                                                       : tars_str("asc"));
        if (!one || !order)
            return false;
        if (tars_str_is(tars_str_n(text.at, name), "_score") && !colon)
            order->text = tars_str("desc");
        json_set(one, tars_str_n(text.at, name), order);
        json_add(list, one);
        text = comma ? tars_str_n(comma + 1, text.len - len - 1) : tars_str("");
    }
    if (list && list->count)
        json_set(body, tars_str("sort"), list);
    return list != NULL;
}

static bool url_options(struct request *r, struct json *body, struct tars_arena *arena)
{
    static const char *const names[] = {"track_total_hits", "seq_no_primary_term", "version",
                                        "track_scores"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct tars_str value = request_param(r, names[i]);
        struct json *option = value.at ? json_new_str(arena, value.len ? value : tars_str("true"))
                                       : NULL;
        if (option)
            json_set(body, tars_str(names[i]), option);
    }
    struct tars_str fields = request_param(r, "docvalue_fields");
    struct json *list = fields.at ? json_copy(source_filter_list(fields, arena), arena) : NULL;
    if (list)
        json_set(body, tars_str("docvalue_fields"), list);
    return url_query(r, body, arena) && url_source(r, body, arena) && url_sort(r, body, arena);
}

void rest_search(struct store_context *c, struct request *r)
{
    struct failure f = {0};
    struct index_list list = {0};
    struct search search = {.indices = &list, .arena = c->arena};
    bool failed;
    struct json *body = request_json(r, c->arena, false, &failed, &f);
    if (!body && !failed)
        body = json_new(c->arena, JSON_OBJECT);
    if (!failed && body->type == JSON_OBJECT && !url_options(r, body, c->arena))
        failed = !failure_set(&f, 429, "circuit_breaking_exception", "the request is too large");
    search.body = body;
    failed = failed || !request_int(r, "from", -1, &search.from, &f) ||
             !request_int(r, "size", -1, &search.size, &f);
    if (failed) {
        request_fail(r, &f);
        return;
    }
    catalog_read(c->catalog);
    if (resolve(c, r, &list, &f)) {
        if (request_param(r, "scroll").at)
            start_scroll(c, r, &search, &f);
        else
            search_run(c->db, &search, &r->answer, &f);
    }
    catalog_read_end(c->catalog);
    index_list_free(&list);
    r->status = 200;
    if (f.status)
        request_fail(r, &f);
}

/* ---- many searches in one request
 * ------------------------------------------------------------------------------- */

enum { MSEARCH_MAX = 1000 };

/* A name or an array of them, as an expression with commas. */
static bool read_names(const struct json *names, struct tars_arena *arena, struct tars_str *to,
                       struct failure *f)
{
    struct text all = {0};
    bool ok = names->type == JSON_STRING || names->type == JSON_ARRAY;
    if (names->type == JSON_STRING) {
        *to = names->text;
        return true;
    }
    for (const struct json *n = names->child; n && ok; n = n->next) {
        ok = n->type == JSON_STRING;
        text_adds(&all, all.len ? "," : "");
        text_add(&all, n->text.at, n->text.len);
    }
    *to = all.len ? tars_arena_copy(arena, text_str(&all)) : tars_str("");
    text_free(&all);
    return (ok && to->at) || failure_set(f, 400, "illegal_argument_exception",
                                         "[index]: a name or an array of names was expected");
}

/* One search's head: its indices, and options that become parameters. */
static bool read_head(const struct json *head, const struct request *all, struct tars_arena *arena,
                      struct request *one, struct failure *f)
{
    static const char *const options[] = {"ignore_unavailable", "allow_no_indices",
                                          "expand_wildcards"};
    static const char *const ignored[] = {"search_type", "preference", "request_cache"};
    *one = (struct request){.method = "POST", .index = all->index};
    for (const struct json *p = head->child; p; p = p->next) {
        size_t i = 0;
        if (tars_str_is(p->name, "index") || tars_str_is(p->name, "indices")) {
            if (!read_names(p, arena, &one->index, f))
                return false;
            continue;
        }
        while (i < 3 && !tars_str_is(p->name, options[i]) && !tars_str_is(p->name, ignored[i]))
            i++;
        if (i == 3 || one->param_count == 3)
            return failure_set(f, 400, "illegal_argument_exception",
                               "key [%" TARS_STR_FMT "] is not supported in the metadata section",
                               TARS_STR_ARG(p->name));
        struct tars_str value = p->type == JSON_TRUE    ? tars_str("true")
                                : p->type == JSON_FALSE ? tars_str("false")
                                                        : p->text;
        if (tars_str_is(p->name, options[i]))
            one->params[one->param_count++] = (struct param){p->name, value};
    }
    return true;
}

static bool next_json(struct tars_str *rest, struct tars_arena *arena, struct json **json,
                      struct failure *f)
{
    struct tars_str line;
    struct tars_error error = {0};
    if (!request_next_line(rest, &line))
        return failure_set(f, 400, "illegal_argument_exception",
                           "The msearch request must be terminated by a newline [\\n]");
    *json = line.len ? json_parse(line, arena, &error) : json_new(arena, JSON_OBJECT);
    return *json ? (*json)->type == JSON_OBJECT ||
                       failure_set(f, 400, "parsing_exception", "Expected [START_OBJECT]")
                 : failure_set(f, 400, "x_content_parse_exception", "%s", error.text);
}

/* One answer, or why there is none; false when the whole request is malformed. */
static bool run_one(struct store_context *c, struct request *one, const struct json *body,
                    struct text *to, struct failure *f)
{
    struct index_list list = {0};
    struct search search = {
        .indices = &list, .body = body, .from = -1, .size = -1, .arena = c->arena};
    size_t before = to->len;
    if (resolve(c, one, &list, f) && search_run(c->db, &search, to, f)) {
        text_cut(to, to->len - 1);
        text_adds(to, ",\"status\":200}");
    }
    index_list_free(&list);
    if (f->status == 400 && !f->shard && !f->reduce)
        return false;
    if (f->status) {
        text_cut(to, before);
        failure_print_body(f, to);
    }
    return true;
}

void rest_msearch(struct store_context *c, struct request *r)
{
    struct tars_str rest = r->body;
    struct failure f = {0};
    bool ok = rest.len > 0 || failure_set(&f, 400, "parse_exception", "request body is required");
    int count = 0;
    text_adds(&r->answer, "{\"took\":0,\"responses\":[");
    catalog_read(c->catalog);
    while (ok && rest.len) {
        struct request one;
        struct json *head, *body;
        ok = next_json(&rest, c->arena, &head, &f) && read_head(head, r, c->arena, &one, &f) &&
             next_json(&rest, c->arena, &body, &f);
        if (ok && ++count > MSEARCH_MAX)
            ok = failure_set(&f, 400, "illegal_argument_exception",
                             "more than %d searches in one request", MSEARCH_MAX);
        if (!ok)
            break;
        text_adds(&r->answer, count > 1 ? "," : "");
        ok = run_one(c, &one, body, &r->answer, &f);
        if (ok)
            f = (struct failure){0};
    }
    catalog_read_end(c->catalog);
    text_adds(&r->answer, "]}");
    r->status = 200;
    if (!ok)
        request_fail(r, &f);
}

void rest_count(struct store_context *c, struct request *r)
{
    struct failure f = {0};
    struct index_list list = {0};
    bool failed;
    struct search search = {.indices = &list, .arena = c->arena};
    struct json *body = request_json(r, c->arena, false, &failed, &f);
    if (!failed && !body && request_param(r, "q").at)
        body = json_new(c->arena, JSON_OBJECT);
    if (!failed && body && body->type == JSON_OBJECT)
        url_query(r, body, c->arena);
    search.body = body;
    if (failed) {
        request_fail(r, &f);
        return;
    }
    catalog_read(c->catalog);
    if (resolve(c, r, &list, &f))
        search_count(c->db, &search, &r->answer, &f);
    catalog_read_end(c->catalog);
    index_list_free(&list);
    r->status = 200;
    if (f.status)
        request_fail(r, &f);
}

static void answer_shards(struct store_context *c, struct request *r)
{
    struct failure f = {0};
    struct index_list list = {0};
    r->status = 200;
    if (resolve(c, r, &list, &f))
        text_addf(&r->answer, "{\"_shards\":{\"total\":%zu,\"successful\":%zu,\"failed\":0}}",
                  list.len, list.len);
    else
        request_fail(r, &f);
    index_list_free(&list);
}

/* Nothing to do: what is committed is found at once. */
void rest_refresh(struct store_context *c, struct request *r)
{
    catalog_read(c->catalog);
    answer_shards(c, r);
    catalog_read_end(c->catalog);
}

/* What the log holds is brought into the data file; it was safe before. */
void rest_flush(struct store_context *c, struct request *r)
{
    answer_shards(c, r);
    c->tidy = r->status == 200;
}

/* ---- scrolls
 * ------------------------------------------------------------------------------------------------
 */

static bool scroll_arguments(struct store_context *c, struct request *r, struct tars_str *id,
                             struct tars_str *keep, struct failure *f)
{
    bool failed;
    const struct json *body = request_json(r, c->arena, false, &failed, f);
    *id = request_param(r, "scroll_id");
    *keep = request_param(r, "scroll");
    for (const struct json *p = body ? body->child : NULL; p; p = p->next) {
        if (tars_str_is(p->name, "scroll_id") && p->type == JSON_STRING)
            *id = p->text;
        else if (tars_str_is(p->name, "scroll") && p->type == JSON_STRING)
            *keep = p->text;
        else
            return failure_set(f, 400, "illegal_argument_exception",
                               "Unknown parameter [%" TARS_STR_FMT
                               "] in request body or parameter is of the wrong type",
                               TARS_STR_ARG(p->name));
    }
    if (failed)
        return false;
    if (!id->len)
        return failure_set(f, 400, "action_request_validation_exception",
                           "Validation Failed: 1: scrollId is missing;");
    return id->len == SCROLL_ID_LEN ||
           failure_set(f, 400, "illegal_argument_exception", "Cannot parse scroll id");
}

void rest_scroll(struct store_context *c, struct request *r)
{
    struct scrolls *scrolls = store_scrolls(c->store);
    struct failure f = {0};
    struct tars_str id, keep;
    char name[SCROLL_ID_LEN + 1] = "";
    int64_t keep_ms = KEEP_DEFAULT_MS, asked_ms = 0;
    struct scroll *scroll = NULL;
    if (scroll_arguments(c, r, &id, &keep, &f) && (!keep.at || keep_alive(keep, &asked_ms, &f))) {
        scroll = scrolls_take(scrolls, id, &keep_ms);
        if (!scroll) {
            failure_set(&f, 404, "search_context_missing_exception",
                        "No search context found for id [%" TARS_STR_FMT "]", TARS_STR_ARG(id));
            f.shard = true;
        }
    }
    r->status = 200;
    if (scroll) {
        memcpy(name, id.at, SCROLL_ID_LEN);
        scroll_next(scroll, &r->answer, &f);
        scrolls_put(scrolls, name, scroll, asked_ms ? asked_ms : keep_ms);
    }
    if (f.status)
        request_fail(r, &f);
}

void rest_end_scroll(struct store_context *c, struct request *r)
{
    struct scrolls *scrolls = store_scrolls(c->store);
    struct failure f = {0};
    bool failed;
    size_t ended = 0;
    const struct json *body = request_json(r, c->arena, true, &failed, &f);
    const struct json *ids = json_get(body, "scroll_id");
    if (!failed &&
        (!ids || body->count != 1 || ids->type < JSON_STRING || ids->type == JSON_OBJECT))
        failed = !failure_set(&f, 400, "action_request_validation_exception",
                              "Validation Failed: 1: no scroll ids specified;");
    if (failed) {
        request_fail(r, &f);
        return;
    }
    const struct json *id = ids->type == JSON_ARRAY ? ids->child : ids;
    for (; id; id = ids->type == JSON_ARRAY ? id->next : NULL)
        ended += id->text.len
                     ? scrolls_end(scrolls, tars_str_is(id->text, "_all") ? tars_str("") : id->text)
                     : 0;
    r->status = ended ? 200 : 404;
    text_addf(&r->answer, "{\"succeeded\":true,\"num_freed\":%zu}", ended);
}
