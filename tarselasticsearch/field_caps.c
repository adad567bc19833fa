/* SPDX-License-Identifier: BSD-3-Clause */
/* The route _field_caps: of what type a field is in each index, and what can be done with it. */
#include "base/xmalloc.h"
#include "pattern.h"
#include "request.h"
#include "source_filter.h"

#include <stdlib.h>

/* The fields that every index has. */
static const struct {
    const char *name, *type;
    bool searchable, aggregatable;
} metadata[] = {
    {"_data_stream_timestamp", "_data_stream_timestamp", false, false},
    {"_doc_count", "integer", false, false},
    {"_field_names", "_field_names", true, false},
    {"_id", "_id", true, false},
    {"_ignored", "_ignored", true, true},
    {"_ignored_source", "_ignored_source", false, false},
    {"_index", "_index", true, true},
    {"_index_mode", "_index_mode", true, true},
    {"_nested_path", "_nested_path", true, false},
    {"_routing", "_routing", true, false},
    {"_seq_no", "_seq_no", true, true},
    {"_source", "_source", false, false},
    {"_tier", "keyword", true, true},
    {"_version", "_version", false, true},
};
enum { METADATA = sizeof metadata / sizeof *metadata };

/* One field of one index. */
struct found {
    const char *path, *type;
    size_t index;
    bool searchable, aggregatable;
};

struct search {
    const struct json *patterns;
    struct found *list;
    size_t count, size;
};

static bool is_asked(const struct search *s, const char *path)
{
    for (const struct json *p = s->patterns->child; p; p = p->next)
        if (pattern_matches(p->text, tars_str(path)))
            return true;
    return false;
}

static void find(struct search *s, const struct mapping *m, const struct field *at, size_t index)
{
    for (size_t i = 0; i < at->child_count; i++) {
        const struct field *f = at->children[i];
        const struct field *real = f->type == FIELD_ALIAS ? mapping_search(m, tars_str(f->path))
                                                          : f;
        bool object = real->type == FIELD_OBJECT;
        if (is_asked(s, f->path)) {
            if (s->count == s->size) {
                s->size = s->size ? s->size * 2 : 64;
                s->list = xrealloc(s->list, s->size * sizeof *s->list);
            }
            s->list[s->count++] = (struct found){
                f->path, f->nested ? "nested" : field_type_name(real->type), index,
                !object && (real->index || (real->type != FIELD_TEXT && real->doc_values)),
                !object && real->type != FIELD_TEXT && real->doc_values};
        }
        find(s, m, f, index);
    }
}

/* By path, then type, then index. */
static int compare(const void *x, const void *y)
{
    const struct found *a = x, *b = y;
    int order = strcmp(a->path, b->path);
    order = order ? order : strcmp(a->type, b->type);
    return order ? order : (a->index > b->index) - (a->index < b->index);
}

static void print_type(const struct search *s, size_t at, size_t end, bool alone,
                       const struct index_list *list, struct text *to)
{
    bool searchable = true, aggregatable = true;
    for (size_t i = at; i < end; i++) {
        searchable &= s->list[i].searchable;
        aggregatable &= s->list[i].aggregatable;
    }
    text_addf(to,
              "\"%s\":{\"type\":\"%s\",\"metadata_field\":false,\"searchable\":%s,"
              "\"aggregatable\":%s",
              s->list[at].type, s->list[at].type, searchable ? "true" : "false",
              aggregatable ? "true" : "false");
    for (size_t i = at; !alone && i < end; i++) {
        text_adds(to, i > at ? "," : ",\"indices\":[");
        text_add_json(to, tars_str(list->at[s->list[i].index]->name));
    }
    text_adds(to, alone ? "}" : "]}");
}

static void print_field(const struct search *s, size_t at, size_t end,
                        const struct index_list *list, struct text *to)
{
    bool alone = strcmp(s->list[at].type, s->list[end - 1].type) == 0;
    text_add_json(to, tars_str(s->list[at].path));
    text_adds(to, ":{");
    for (size_t i = at; i < end;) {
        size_t same = i;
        while (same < end && strcmp(s->list[same].type, s->list[i].type) == 0)
            same++;
        text_adds(to, i > at ? "," : "");
        print_type(s, i, same, alone, list, to);
        i = same;
    }
    text_adds(to, "}");
}

static void print(struct search *s, const struct index_list *list, struct text *to)
{
    bool any = false;
    text_adds(to, "{\"indices\":[");
    for (size_t i = 0; i < list->len; i++) {
        text_adds(to, i ? "," : "");
        text_add_json(to, tars_str(list->at[i]->name));
        find(s, list->at[i]->mapping, &list->at[i]->mapping->root, i);
    }
    text_adds(to, "],\"fields\":{");
    for (int i = 0; list->len && i < METADATA; i++) {
        if (!is_asked(s, metadata[i].name))
            continue;
        text_addf(to,
                  "%s\"%s\":{\"%s\":{\"type\":\"%s\",\"metadata_field\":true,\"searchable\":%s,"
                  "\"aggregatable\":%s}}",
                  any ? "," : "", metadata[i].name, metadata[i].type, metadata[i].type,
                  metadata[i].searchable ? "true" : "false",
                  metadata[i].aggregatable ? "true" : "false");
        any = true;
    }
    if (s->count)
        qsort(s->list, s->count, sizeof *s->list, compare);
    for (size_t i = 0; i < s->count;) {
        size_t end = i;
        while (end < s->count && strcmp(s->list[end].path, s->list[i].path) == 0)
            end++;
        text_adds(to, any ? "," : "");
        any = true;
        print_field(s, i, end, list, to);
        i = end;
    }
    text_adds(to, "}}");
}

/* The patterns of the parameter or of the body. */
static bool read_fields(struct store_context *c, const struct request *r, struct search *s,
                        struct failure *f)
{
    struct tars_str names = request_param(r, "fields");
    bool failed, ok = true;
    const struct json *body = request_json(r, c->arena, false, &failed, f);
    for (const struct json *p = body ? body->child : NULL; p; p = p->next) {
        if (!tars_str_is(p->name, "fields") || (p->type != JSON_STRING && p->type != JSON_ARRAY))
            return failure_set(f, 400, "x_content_parse_exception",
                               "[field_caps_request] unknown field [%" TARS_STR_FMT "]",
                               TARS_STR_ARG(p->name));
        s->patterns = p->type == JSON_ARRAY ? p : source_filter_list(p->text, c->arena);
    }
    if (names.len)
        s->patterns = source_filter_list(names, c->arena);
    for (const struct json *p = s->patterns ? s->patterns->child : NULL; p; p = p->next)
        ok &= p->type == JSON_STRING;
    return !failed && ((s->patterns && s->patterns->count && ok) ||
                       failure_set(f, 400, "action_request_validation_exception",
                                   "Validation Failed: 1: no fields specified;"));
}

void rest_field_caps(struct store_context *c, struct request *r)
{
    struct failure f = {0};
    struct index_list list = {0};
    struct search s = {0};
    bool lenient, ok = read_fields(c, r, &s, &f) &&
                       request_flag(r, "ignore_unavailable", false, &lenient, &f);
    catalog_read(c->catalog);
    if (ok && catalog_resolve(c->catalog, r->index, true, lenient, &list, &f))
        print(&s, &list, &r->answer);
    catalog_read_end(c->catalog);
    index_list_free(&list);
    free(s.list);
    r->status = 200;
    if (f.status)
        request_fail(r, &f);
}
