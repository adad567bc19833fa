/* SPDX-License-Identifier: BSD-3-Clause */
/* The language of simple_query_string: + | - "…" * ( ) ~N, in which nothing is malformed. */
#include "query_tree.h"

struct parser {
    struct tree *t;
    struct tars_str text;
    size_t at;
};

/* What was read so far, as Lucene's SimpleQueryParser keeps it. */
struct state {
    struct clause *top;
    bool has_now, has_before;
    enum occur now, before;
    int nots;
};

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool add(struct parser *p, struct state *s, struct clause *clause)
{
    if (!clause)
        return false;
    if (s->nots % 2) {
        struct clause *negated = tree_group(p->t);
        if (!negated || !tree_add(p->t, negated, OCCUR_NOT, clause))
            return false;
        clause = negated;
    }
    if (!s->top) {
        s->top = clause;
    } else {
        enum occur now = s->has_now ? s->now : p->t->all ? OCCUR_MUST : OCCUR_SHOULD;
        if (!s->has_before || s->before != now) {
            struct clause *group = tree_group(p->t);
            if (!group || !tree_add(p->t, group, now, s->top))
                return false;
            s->top = group;
        }
        if (!tree_add(p->t, s->top, now, clause))
            return false;
        s->has_before = true;
        s->before = now;
    }
    s->has_now = false;
    return true;
}

static size_t read_number(struct parser *p, int64_t *v)
{
    size_t begin = p->at;
    for (*v = 0; p->at < p->text.len && p->text.at[p->at] >= '0' && p->text.at[p->at] <= '9';
         p->at++)
        *v = *v < 1000000 ? *v * 10 + (p->text.at[p->at] - '0') : *v;
    return p->at - begin;
}

/* Copies without backslashes up to a character that `ends` says; at == NULL on a failure. */
static struct tars_str copy_text(struct parser *p, bool quoted, bool *prefix)
{
    char *at = tars_arena_alloc(p->t->c->q->arena, p->text.len - p->at + 1), *to = at;
    if (!at) {
        compile_refuse(p->t->c, "the query is too large");
        return (struct tars_str){0};
    }
    *prefix = false;
    while (p->at < p->text.len) {
        char c = p->text.at[p->at];
        if (c == '\\' && p->at + 1 < p->text.len) {
            *to++ = p->text.at[p->at + 1];
            p->at += 2;
            *prefix = false;
            continue;
        }
        if (quoted ? c == '"' : (c && strchr("\"|+()~", c)) || blank(c))
            break;
        *prefix = c == '*';
        *to++ = c;
        p->at++;
    }
    return tars_str_n(at, (size_t)(to - at));
}

static bool read_phrase(struct parser *p, struct state *s)
{
    size_t begin = ++p->at;
    bool prefix;
    int64_t slop = -1;
    struct tars_str text = copy_text(p, true, &prefix);
    if (!text.at)
        return false;
    if (p->at >= p->text.len) { /* never closed: as if the quote were not there */
        p->at = begin;
        return true;
    }
    p->at++;
    if (p->at + 1 < p->text.len && p->text.at[p->at] == '~') {
        p->at++;
        if (!read_number(p, &slop))
            slop = -1;
    }
    return !text.len || add(p, s, tree_words(p->t, (struct tars_str){0}, text, true, slop));
}

static bool read_word(struct parser *p, struct state *s)
{
    bool prefix;
    int64_t distance;
    struct tars_str text = copy_text(p, false, &prefix), none = {0};
    if (!text.at)
        return false;
    if (p->at < p->text.len && p->text.at[p->at] == '~') {
        p->at++;
        if (read_number(p, &distance) && distance)
            return compile_refuse_shard(p->t->c, "[simple_query_string] fuzzy terms are not known "
                                                 "to this store");
    }
    if (!text.len)
        return true;
    if (!prefix)
        return add(p, s, tree_words(p->t, none, text, false, -1));
    text.len--;
    return add(p, s,
               text.len ? tree_pattern(p->t, none, PATTERN_PREFIX, text)
                        : tree_constant(p->t, true));
}

static struct clause *parse(struct parser *p, bool *failed);

/* The place of the ")" that closes the "(" before `at`; the end when there is none. */
static size_t closing(const struct parser *p, size_t at)
{
    int open = 1;
    bool quoted = false;
    for (; at < p->text.len; at++) {
        char c = p->text.at[at];
        if (c == '\\')
            at++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && c == '(')
            open++;
        else if (!quoted && c == ')' && --open == 0)
            return at;
    }
    return p->text.len;
}

static bool read_group(struct parser *p, struct state *s)
{
    size_t end = closing(p, ++p->at);
    bool failed = false;
    if (end >= p->text.len)
        return true;
    struct parser inner = {p->t, tars_str_n(p->text.at + p->at, end - p->at), 0};
    p->at = end + 1;
    if (++p->t->depth > TREE_DEPTH)
        return compile_refuse_shard(p->t->c, "the query is nested deeper than %d levels",
                                    TREE_DEPTH);
    struct clause *group = parse(&inner, &failed);
    p->t->depth--;
    return !failed && (!group || add(p, s, group));
}

static struct clause *parse(struct parser *p, bool *failed)
{
    struct state s = {0};
    while (p->at < p->text.len && !*failed) {
        char c = p->text.at[p->at];
        if (c == '(') {
            *failed = !read_group(p, &s);
        } else if (c == '"') {
            *failed = !read_phrase(p, &s);
        } else if (c == '+' || c == '|') {
            if (!s.has_now && s.top) {
                s.has_now = true;
                s.now = c == '+' ? OCCUR_MUST : OCCUR_SHOULD;
            }
            p->at++;
        } else if (c == '-') {
            s.nots++;
            p->at++;
            continue;
        } else if (c == ')' || blank(c)) {
            p->at++;
        } else {
            *failed = !read_word(p, &s);
        }
        s.nots = 0;
    }
    return s.top;
}

bool compile_simple_query_string(struct compiler *c, const struct json *json)
{
    struct tree t;
    bool failed = false;
    const struct json *flags = json_get(json, "flags");
    if (!tree_init(&t, c, json, "simple_query_string",
                   "query fields default_operator lenient minimum_should_match analyzer boost "
                   "_name analyze_wildcard auto_generate_synonyms_phrase_query flags "
                   "fuzzy_max_expansions fuzzy_prefix_length fuzzy_transpositions"))
        return false;
    if (flags && !json_is_str(flags, "ALL") && !json_is_str(flags, "all"))
        return compile_refuse(c, "[simple_query_string] flags: this store knows only ALL");
    struct parser p = {&t, t.query, 0};
    struct clause *top = parse(&p, &failed);
    if (failed)
        return false;
    return top ? tree_compile(&t, top, true) : compile_nothing(c);
}
