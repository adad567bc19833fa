/* SPDX-License-Identifier: BSD-3-Clause */
#include "source_filter.h"

#include "pattern.h"

static bool refuse(struct failure *failure, const struct json *value)
{
    return failure_set(failure, 400, "parsing_exception",
                       "[_source]: expected true, false, patterns or an object with [includes] "
                       "and [excludes], not [%" TARS_STR_FMT "]",
                       TARS_STR_ARG(value->text));
}

/* One pattern or an array of them; NULL for anything else. */
static const struct json *patterns(const struct json *value, struct tars_arena *arena)
{
    if (value->type == JSON_STRING) {
        struct json *list = json_new(arena, JSON_ARRAY), *one = json_new_str(arena, value->text);
        if (!list || !one)
            return NULL;
        json_add(list, one);
        return list;
    }
    if (value->type != JSON_ARRAY)
        return NULL;
    for (const struct json *p = value->child; p; p = p->next)
        if (p->type != JSON_STRING)
            return NULL;
    return value;
}

bool source_filter_read(struct source_filter *s, const struct json *value, struct tars_arena *arena,
                        struct failure *failure)
{
    bool ok = true, flag = json_as_bool(value, &ok);
    *s = (struct source_filter){.none = ok && !flag};
    if (ok && value->type != JSON_STRING)
        return true;
    s->none = false;
    if (value->type != JSON_OBJECT) {
        s->includes = patterns(value, arena);
        return s->includes || refuse(failure, value);
    }
    for (const struct json *p = value->child; p; p = p->next) {
        const struct json *list = patterns(p, arena);
        if (list && (tars_str_is(p->name, "includes") || tars_str_is(p->name, "include")))
            s->includes = list;
        else if (list && (tars_str_is(p->name, "excludes") || tars_str_is(p->name, "exclude")))
            s->excludes = list;
        else
            return refuse(failure, p);
    }
    return true;
}

const struct json *source_filter_list(struct tars_str text, struct tars_arena *arena)
{
    struct json *list = json_new(arena, JSON_ARRAY);
    while (list && text.len) {
        const char *comma = memchr(text.at, ',', text.len);
        size_t len = comma ? (size_t)(comma - text.at) : text.len;
        struct json *one = json_new_str(arena, tars_str_n(text.at, len));
        if (!one)
            return NULL;
        json_add(list, one);
        text = comma ? tars_str_n(comma + 1, text.len - len - 1) : tars_str("");
    }
    return list;
}

bool source_filter_whole(const struct source_filter *s)
{
    return !s->none && (!s->includes || !s->includes->count) &&
           (!s->excludes || !s->excludes->count);
}

/* ---- cutting
 * ----------------------------------------------------------------------------------------- */

struct cutter {
    const struct source_filter *filter;
    struct text path;
    bool includes, excludes;
    bool wild; /* "*" goes over dots; else it is one name, as without patterns in excludes */
};

/* Segment by segment; a pattern also takes what is below what it names. */
static bool segments_match(struct tars_str pattern, struct tars_str path)
{
    while (pattern.len) {
        const char *p = memchr(pattern.at, '.', pattern.len), *n = memchr(path.at, '.', path.len);
        size_t one = p ? (size_t)(p - pattern.at) : pattern.len;
        size_t two = n ? (size_t)(n - path.at) : path.len;
        if (!path.len || !pattern_matches(tars_str_n(pattern.at, one), tars_str_n(path.at, two)))
            return false;
        pattern = p ? tars_str_n(p + 1, pattern.len - one - 1) : tars_str("");
        path = n ? tars_str_n(n + 1, path.len - two - 1) : tars_str("");
    }
    return true;
}

static bool wild_match(struct tars_str pattern, struct tars_str path)
{
    if (pattern_matches(pattern, path))
        return true;
    for (size_t i = path.len; i-- > 0;)
        if (path.at[i] == '.' && pattern_matches(pattern, tars_str_n(path.at, i)))
            return true;
    return false;
}

static bool matches(const struct cutter *c, const struct json *list)
{
    struct tars_str path = text_str(&c->path);
    for (const struct json *p = list->child; p; p = p->next)
        if (c->wild ? wild_match(p->text, path) : segments_match(p->text, path))
            return true;
    return false;
}

/* Whether some pattern of the excludes may name something below the path. */
static bool reaches_below(struct cutter *c)
{
    size_t len = c->path.len;
    bool yes = false;
    if (!c->excludes)
        return false;
    text_adds(&c->path, ".");
    for (const struct json *p = c->filter->excludes->child; p && !yes; p = p->next)
        for (size_t i = 1; i <= p->text.len && !yes; i++)
            yes = pattern_matches(tars_str_n(p->text.at, i), text_str(&c->path)) ||
                  (p->text.at[i - 1] == '*' &&
                   pattern_matches(tars_str_n(p->text.at, i), tars_str_n(c->path.at, len)));
    text_cut(&c->path, len);
    return yes;
}

static bool cut(struct cutter *c, const struct json *value, bool included, struct text *to);

static bool cut_object(struct cutter *c, const struct json *object, bool included, struct text *to)
{
    size_t base = c->path.len;
    bool any = false;
    text_adds(to, "{");
    for (const struct json *m = object->child; m; m = m->next) {
        text_adds(&c->path, base ? "." : "");
        text_add(&c->path, m->name.at, m->name.len);
        bool inside = included || matches(c, c->filter->includes);
        size_t before = to->len;
        if (!c->excludes || !matches(c, c->filter->excludes)) {
            text_adds(to, any ? "," : "");
            text_add_json(to, m->name);
            text_adds(to, ":");
            if (inside && !reaches_below(c)) {
                json_print(m, to);
                any = true;
            } else if (cut(c, m, inside, to) || (c->wild && inside && m->type == JSON_OBJECT)) {
                any = true;
            } else {
                text_cut(to, before);
            }
        }
        text_cut(&c->path, base);
    }
    text_adds(to, "}");
    return any;
}

/* Whether something is left of it. */
static bool cut(struct cutter *c, const struct json *value, bool included, struct text *to)
{
    if (value->type == JSON_OBJECT)
        return cut_object(c, value, included, to);
    if (value->type != JSON_ARRAY) {
        json_print(value, to);
        return included;
    }
    bool any = false;
    text_adds(to, "[");
    for (const struct json *v = value->child; v; v = v->next) {
        size_t before = to->len;
        text_adds(to, any ? "," : "");
        if (cut(c, v, included, to))
            any = true;
        else
            text_cut(to, before);
    }
    text_adds(to, "]");
    return any;
}

bool source_filter_print(const struct source_filter *s, struct tars_str source,
                         struct tars_arena *arena, struct text *to)
{
    struct cutter c = {.filter = s};
    struct tars_error error = {0};
    const struct json *json = json_parse(source, arena, &error);
    if (!json)
        return false;
    c.includes = s->includes && s->includes->count;
    c.excludes = s->excludes && s->excludes->count;
    for (const struct json *p = c.excludes ? s->excludes->child : NULL; p; p = p->next)
        c.wild |= p->text.len && memchr(p->text.at, '*', p->text.len) != NULL;
    cut_object(&c, json, !c.includes, to);
    text_free(&c.path);
    return true;
}
