/* SPDX-License-Identifier: BSD-3-Clause */
#include "template.h"

#include "base/xmalloc.h"
#include "pattern.h"
#include "settings.h"

#include <stdlib.h>

static void template_free(struct template *t)
{
    tars_arena_free(t->arena);
    free(t->name);
    free(t);
}

void templates_clear(struct templates *all)
{
    for (size_t i = 0; i < all->count; i++)
        template_free(all->at[i]);
    free(all->at);
    *all = (struct templates){0};
}

bool templates_add(struct templates *all, struct tars_str name, struct tars_str body)
{
    struct template *t = xcalloc(1, sizeof *t);
    t->name = xstrndup(name.at, name.len);
    t->arena = tars_arena_new(0);
    t->body = json_parse(tars_arena_copy(t->arena, body), t->arena, NULL);
    if (!t->body) {
        template_free(t);
        return false;
    }
    if (json_get(t->body, "priority"))
        json_as_int(json_get(t->body, "priority"), &t->priority);
    size_t at = 0;
    while (at < all->count && strcmp(all->at[at]->name, t->name) < 0)
        at++;
    bool replace = at < all->count && strcmp(all->at[at]->name, t->name) == 0;
    if (replace) {
        template_free(all->at[at]);
    } else {
        all->at = xrealloc(all->at, (all->count + 1) * sizeof *all->at);
        memmove(all->at + at + 1, all->at + at, (all->count - at) * sizeof *all->at);
        all->count++;
    }
    all->at[at] = t;
    return true;
}

bool templates_find(const struct templates *all, struct tars_str name, size_t *at)
{
    for (*at = 0; *at < all->count; ++*at)
        if (tars_str_is(name, all->at[*at]->name))
            return true;
    return false;
}

void templates_remove(struct templates *all, size_t at)
{
    template_free(all->at[at]);
    memmove(all->at + at, all->at + at + 1, (all->count - at - 1) * sizeof *all->at);
    all->count--;
}

const struct template *templates_for(const struct templates *all, struct tars_str name)
{
    const struct template *best = NULL;
    for (size_t i = 0; i < all->count; i++) {
        const struct template *t = all->at[i];
        const struct json *patterns = json_get(t->body, "index_patterns");
        const struct json *p = patterns && patterns->type == JSON_ARRAY ? patterns->child
                                                                        : patterns;
        for (; p; p = patterns->type == JSON_ARRAY ? p->next : NULL)
            if (pattern_matches(p->text, name) && (!best || t->priority > best->priority))
                best = t;
    }
    return best;
}

/* Two templates of equal priority must not match the same name: whether one pattern could. */
static bool patterns_overlap(const struct json *a, const struct json *b)
{
    const struct json *x = a->type == JSON_ARRAY ? a->child : a;
    for (; x; x = a->type == JSON_ARRAY ? x->next : NULL) {
        const struct json *y = b->type == JSON_ARRAY ? b->child : b;
        for (; y; y = b->type == JSON_ARRAY ? y->next : NULL)
            if (pattern_matches(x->text, y->text) || pattern_matches(y->text, x->text))
                return true;
    }
    return false;
}

bool templates_check_overlap(const struct templates *all, struct tars_str name,
                             const struct json *body, struct failure *failure)
{
    int64_t priority = 0;
    if (json_get(body, "priority"))
        json_as_int(json_get(body, "priority"), &priority);
    for (size_t i = 0; i < all->count; i++) {
        const struct template *t = all->at[i];
        if (t->priority != priority || tars_str_is(name, t->name) ||
            !patterns_overlap(json_get(t->body, "index_patterns"),
                              json_get(body, "index_patterns")))
            continue;
        return failure_set(
            failure, 400, "illegal_argument_exception",
            "index template [%" TARS_STR_FMT "] has index patterns matching patterns from "
            "existing templates [%s] that have the same priority [%lld], multiple index "
            "templates may not match during index creation, please use a different priority",
            TARS_STR_ARG(name), t->name, (long long)priority);
    }
    return true;
}

/* Settings are shown as Elasticsearch shows them: under "index", values as texts. */
void template_print(const struct template *t, struct text *to)
{
    const struct json *body = t->body, *inner = json_get(body, "template");
    text_adds(to, "{\"index_patterns\":");
    const struct json *patterns = json_get(body, "index_patterns");
    text_adds(to, patterns->type == JSON_ARRAY ? "" : "[");
    json_print(patterns, to);
    text_adds(to, patterns->type == JSON_ARRAY ? "" : "]");
    if (inner) {
        struct settings s = {.analysis = NULL};
        struct failure ignored;
        text_adds(to, ",\"template\":{");
        for (const struct json *p = inner->child; p; p = p->next) {
            text_addf(to, "%s", p == inner->child ? "" : ",");
            text_add_json(to, p->name);
            text_adds(to, ":");
            if (tars_str_is(p->name, "settings") && settings_merge(&s, p, &ignored)) {
                text_adds(to, "{\"index\":");
                settings_print(&s, to);
                text_adds(to, "}");
            } else {
                json_print(p, to);
            }
        }
        settings_free(&s);
        text_adds(to, "}");
    }
    text_adds(to, ",\"composed_of\":[]");
    static const char *const rest[] = {"priority", "version", "_meta"};
    for (size_t i = 0; i < 3; i++) {
        const struct json *p = json_get(body, rest[i]);
        if (!p)
            continue;
        text_addf(to, ",\"%s\":", rest[i]);
        json_print(p, to);
    }
    text_adds(to, "}");
}
