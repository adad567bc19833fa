/* SPDX-License-Identifier: BSD-3-Clause */
#include "query_tree.h"

#include "highlight.h"
#include "pattern.h"
#include "unicode.h"

#include <stdio.h>

/* ---- JSON of queries
 * --------------------------------------------------------------------------------- */

static void *full(struct tree *t)
{
    compile_refuse(t->c, "the query is too large");
    return NULL;
}

static struct json *new_json(struct tree *t, enum json_type type)
{
    struct json *json = json_new(t->c->q->arena, type);
    return json ? json : full(t);
}

static bool set_str(struct tree *t, struct json *object, const char *name, struct tars_str value)
{
    struct json *json = json_new_str(t->c->q->arena, value);
    if (json)
        json_set(object, tars_str(name), json);
    return json || full(t);
}

static bool set_json(struct tree *t, struct json *object, struct tars_str name,
                     const struct json *value)
{
    struct json *copy = value ? new_json(t, value->type) : NULL;
    if (!copy)
        return !value;
    *copy = *value;
    copy->next = NULL;
    json_set(object, name, copy);
    return true;
}

/* {"kind": {"field": {}}}: the outer one, and in `inner` the one to be filled. */
static struct json *field_query(struct tree *t, const char *kind, struct tars_str field,
                                struct json **inner)
{
    struct json *outer = new_json(t, JSON_OBJECT), *middle = new_json(t, JSON_OBJECT);
    *inner = new_json(t, JSON_OBJECT);
    if (!outer || !middle || !*inner)
        return NULL;
    json_set(outer, tars_str(kind), middle);
    json_set(middle, field, *inner);
    return outer;
}

/* ---- clauses
 * ----------------------------------------------------------------------------------------- */

struct clause *tree_group(struct tree *t)
{
    struct clause *clause = tars_arena_alloc(t->c->q->arena, sizeof *clause);
    if (!clause)
        return full(t);
    *clause = (struct clause){0};
    if (++t->clauses > TREE_CLAUSES) {
        compile_refuse_shard(t->c, "maxClauseCount is set to %d", TREE_CLAUSES);
        return NULL;
    }
    return clause;
}

bool tree_add(struct tree *t, struct clause *group, enum occur occur, struct clause *clause)
{
    (void)t;
    if (!clause)
        return false;
    clause->occur = occur;
    clause->next = NULL;
    if (group->last)
        group->last->next = clause;
    else
        group->first = clause;
    group->last = clause;
    return true;
}

static struct clause *leaf(struct tree *t, struct json *json, bool lenient)
{
    struct clause *clause = json ? tree_group(t) : NULL;
    if (clause) {
        clause->leaf = json;
        clause->lenient = lenient;
    }
    return clause;
}

struct clause *tree_constant(struct tree *t, bool all)
{
    struct json *json = new_json(t, JSON_OBJECT), *empty = new_json(t, JSON_OBJECT);
    if (!json || !empty)
        return NULL;
    json_set(json, tars_str(all ? "match_all" : "match_none"), empty);
    return leaf(t, json, false);
}

/* A field without its boost. */
static struct tars_str plain(struct tars_str name)
{
    const char *boost = name.len ? memchr(name.at, '^', name.len) : NULL;
    return boost ? tars_str_n(name.at, (size_t)(boost - name.at)) : name;
}

struct clause *tree_words(struct tree *t, struct tars_str field, struct tars_str text, bool phrase,
                          int64_t slop)
{
    struct json *query = new_json(t, JSON_OBJECT), *body = new_json(t, JSON_OBJECT),
                *names = new_json(t, JSON_ARRAY), *moved = new_json(t, JSON_NUMBER),
                *name = json_new_str(t->c->q->arena, field);
    if (!query || !body || !names || !moved || !name)
        return NULL;
    char *digits = tars_arena_printf(t->c->q->arena, "%lld", (long long)slop);
    moved->text = tars_str(digits ? digits : "0");
    json_set(query, tars_str("multi_match"), body);
    if (!set_str(t, body, "query", text) ||
        !set_str(t, body, "type", tars_str(phrase ? "phrase" : "best_fields")) ||
        (t->all && !set_str(t, body, "operator", tars_str("and"))) ||
        (t->lenient && !set_str(t, body, "lenient", tars_str("true"))))
        return NULL;
    if (phrase && slop >= 0)
        json_set(body, tars_str("slop"), moved);
    else if (phrase && !set_json(t, body, tars_str("slop"), t->slop))
        return NULL;
    if (!field.at)
        return set_json(t, body, tars_str("fields"), t->fields ? t->fields : t->every)
                   ? leaf(t, query, t->lenient)
                   : NULL;
    json_add(names, name);
    json_set(body, tars_str("fields"), names);
    return leaf(t, query, t->lenient);
}

/* One clause for each field that the name, or the tree, means. */
struct spread {
    struct tree *t;
    struct clause *group;
    struct json *(*make)(struct spread *s, const struct field *f);
    enum pattern_kind kind;
    struct tars_str text, low, high;
    bool with_low, with_high, ok;
};

static void spread_field(struct spread *s, const struct field *f, bool wild)
{
    struct json *json = s->make(s, f);
    s->ok = s->ok && json &&
            tree_add(s->t, s->group, OCCUR_SHOULD, leaf(s->t, json, wild || s->t->lenient));
}

static void spread_under(struct spread *s, struct tars_str pattern, const struct field *at)
{
    for (size_t i = 0; i < at->child_count && s->ok; i++) {
        const struct field *f = at->children[i];
        if (f->column >= 0 && f->type != FIELD_OBJECT && !f->inside &&
            pattern_matches(pattern, tars_str(f->path)))
            spread_field(s, f, true);
        spread_under(s, pattern, f);
    }
}

static void spread_name(struct spread *s, struct tars_str name)
{
    const struct mapping *m = s->t->c->index->mapping;
    if (name.len && memchr(name.at, '*', name.len)) {
        spread_under(s, name, &m->root);
        return;
    }
    const struct field *f = mapping_search(m, name);
    if (f && f->type != FIELD_OBJECT)
        spread_field(s, f, false);
}

static struct clause *spread_over(struct spread *s, struct tars_str field)
{
    s->group = tree_group(s->t);
    s->ok = s->group != NULL;
    if (field.at) {
        spread_name(s, field);
    } else {
        const struct json *names = s->t->fields ? s->t->fields : s->t->every;
        for (const struct json *n = names->child; n && s->ok; n = n->next)
            spread_name(s, plain(n->text));
    }
    if (s->ok && !s->group->first)
        return tree_constant(s->t, false);
    return s->ok ? s->group : NULL;
}

static struct json *make_pattern(struct spread *s, const struct field *f)
{
    static const char *const kinds[] = {"wildcard", "prefix", "regexp"};
    struct json *inner, *query = field_query(s->t, kinds[s->kind], tars_str(f->path), &inner);
    struct tars_str text = s->text;
    if (f->type == FIELD_TEXT)
        text = unicode_lower_text(text, s->t->c->q->arena);
    return query && text.at && set_str(s->t, inner, "value", text) ? query : NULL;
}

struct clause *tree_pattern(struct tree *t, struct tars_str field, enum pattern_kind kind,
                            struct tars_str text)
{
    struct spread s = {.t = t, .make = make_pattern, .kind = kind, .text = text};
    return spread_over(&s, field);
}

struct clause *tree_exists(struct tree *t, struct tars_str field)
{
    struct json *query = new_json(t, JSON_OBJECT), *body = new_json(t, JSON_OBJECT);
    if (!query || !body || !set_str(t, body, "field", field))
        return NULL;
    json_set(query, tars_str("exists"), body);
    return leaf(t, query, false);
}

static struct json *make_range(struct spread *s, const struct field *f)
{
    struct json *inner, *query = field_query(s->t, "range", tars_str(f->path), &inner);
    if (!query || (s->low.at && !set_str(s->t, inner, s->with_low ? "gte" : "gt", s->low)) ||
        (s->high.at && !set_str(s->t, inner, s->with_high ? "lte" : "lt", s->high)) ||
        (f->type == FIELD_DATE && !set_json(s->t, inner, tars_str("time_zone"), s->t->zone)))
        return NULL;
    return query;
}

struct clause *tree_range(struct tree *t, struct tars_str field, struct tars_str low,
                          struct tars_str high, bool with_low, bool with_high)
{
    struct spread s = {.t = t,
                       .make = make_range,
                       .low = low,
                       .high = high,
                       .with_low = with_low,
                       .with_high = with_high};
    return spread_over(&s, field);
}

/* ---- options
 * ----------------------------------------------------------------------------------------- */

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

/* A text or an array of them, as an array. */
static bool read_names(struct tree *t, const struct json *json, const struct json **to)
{
    struct json *list = new_json(t, JSON_ARRAY), *one;
    if (!list)
        return false;
    for (const struct json *n = json->type == JSON_ARRAY ? json->child : json; n;
         n = json->type == JSON_ARRAY ? n->next : NULL) {
        if (n->type != JSON_STRING)
            return compile_refuse(t->c, "the names of fields must be texts");
        if (!(one = json_new_str(t->c->q->arena, n->text)))
            return full(t) != NULL;
        json_add(list, one);
    }
    if (list->count && !(list->count == 1 && json_is_str(list->child, "*")))
        *to = list;
    return true;
}

static bool read_default(struct tree *t, const struct json *p)
{
    t->all = json_is_str(p, "and") || json_is_str(p, "AND");
    return t->all || json_is_str(p, "or") || json_is_str(p, "OR") ||
           failure_set(t->c->q->failure, 400, "illegal_argument_exception",
                       "No enum constant org.elasticsearch.index.query.Operator.%" TARS_STR_FMT,
                       TARS_STR_ARG(p->text));
}

bool tree_init(struct tree *t, struct compiler *c, const struct json *body, const char *name,
               const char *known)
{
    *t = (struct tree){.c = c};
    struct json *star = json_new_str(c->q->arena, tars_str("*"));
    t->every = json_new(c->q->arena, JSON_ARRAY);
    if (!star || !t->every)
        return full(t) != NULL;
    json_add(t->every, star);
    bool any = false;
    for (const struct json *p = body->child; p; p = p->next) {
        if (!listed(known, p->name))
            return compile_refuse(c, "[%s] query does not support [%" TARS_STR_FMT "]", name,
                                  TARS_STR_ARG(p->name));
        if (tars_str_is(p->name, "query") && p->type >= JSON_FALSE && p->type <= JSON_STRING) {
            t->query = value_scalar(p);
            any = true;
        } else if (tars_str_is(p->name, "fields") || tars_str_is(p->name, "default_field")) {
            if (!read_names(t, p, &t->fields))
                return false;
        } else if (tars_str_is(p->name, "default_operator") && !read_default(t, p)) {
            return false;
        } else if (tars_str_is(p->name, "type") && !json_is_str(p, "best_fields") &&
                   !json_is_str(p, "most_fields")) {
            return compile_refuse(c, "[%s] type [%" TARS_STR_FMT "] is not known to this store",
                                  name, TARS_STR_ARG(p->text));
        } else if (tars_str_is(p->name, "analyzer") && !json_is_str(p, "standard")) {
            return compile_refuse_shard(c, "[%s] analyzer [%" TARS_STR_FMT "] not found", name,
                                        TARS_STR_ARG(p->text));
        }
    }
    t->least = json_get(body, "minimum_should_match");
    t->slop = json_get(body, "phrase_slop");
    t->zone = json_get(body, "time_zone");
    if (!any)
        return compile_refuse(c, "[%s] must be provided with a [query]", name);
    if (!compile_flag(c, body, "lenient", &t->lenient))
        return false;
    /* Who names no field cannot know of what type it is. */
    t->lenient |= !t->fields && !json_get(body, "lenient");
    return true;
}

bool tree_refuse(struct tree *t)
{
    struct tars_str q = t->query;
    return compile_refuse_shard(t->c, "Failed to parse query [%.*s]",
                                (int)(q.len > 300 ? 300 : q.len), q.at);
}

/* ---- as SQL
 * ------------------------------------------------------------------------------------------ */

static bool compile_leaf(struct tree *t, const struct clause *clause)
{
    struct query *q = t->c->q;
    size_t len = q->sql.len, count = q->count;
    int depth = t->c->depth, clauses = t->c->clauses;
    bool ok = compile_query(t->c, clause->leaf);
    t->c->clauses = clauses;
    if (ok || !clause->lenient || !q->failure->shard)
        return ok;
    *q->failure = (struct failure){0};
    t->c->depth = depth;
    text_cut(&q->sql, len);
    q->count = count;
    return compile_nothing(t->c);
}

static bool add_clause(struct tree *t, const struct clause *clause, const char *before,
                       const char *after)
{
    struct highlight *h = t->c->q->highlight;
    text_adds(&t->c->q->sql, before);
    if (h && clause->occur == OCCUR_NOT)
        h->negated++;
    bool ok = tree_compile(t, clause, false);
    if (h && clause->occur == OCCUR_NOT)
        h->negated--;
    text_adds(&t->c->q->sql, after);
    return ok;
}

static bool add_optional(struct tree *t, const struct clause *group, int64_t least)
{
    struct text *sql = &t->c->q->sql;
    text_adds(sql, " AND (0");
    for (const struct clause *c = group->first; c; c = c->next)
        if (c->occur == OCCUR_SHOULD &&
            !add_clause(t, c, least == 1 ? " OR (" : "+((", least == 1 ? ")" : ") IS TRUE)"))
            return false;
    if (least > 1)
        text_addf(sql, ">=%lld", (long long)least);
    text_adds(sql, ")");
    return true;
}

bool tree_compile(struct tree *t, const struct clause *group, bool top)
{
    struct text *sql = &t->c->q->sql;
    if (group->leaf)
        return compile_leaf(t, group);
    /* Words without operators are clauses of their own. */
    if (top && t->least && group->first && group->first == group->last && group->first->leaf &&
        json_get(group->first->leaf, "multi_match") &&
        !set_json(t, group->first->leaf->child, tars_str("minimum_should_match"), t->least))
        return false;
    int64_t optional = 0, least = 0;
    bool needed = false, words = group->first && group->first == group->last;
    text_adds(sql, "(1");
    for (const struct clause *c = group->first; c; c = c->next) {
        optional += c->occur == OCCUR_SHOULD;
        needed |= c->occur == OCCUR_MUST;
        if ((c->occur == OCCUR_MUST && !add_clause(t, c, " AND (", ")")) ||
            (c->occur == OCCUR_NOT && !add_clause(t, c, " AND ((", ") IS NOT TRUE)")))
            return false;
    }
    if (top && !words && t->least && optional && !compile_least(t->c, t->least, optional, &least))
        return false;
    least = !needed && optional && least < 1 ? 1 : least;
    if (least > 0 && !add_optional(t, group, least))
        return false;
    text_adds(sql, ")");
    return true;
}
