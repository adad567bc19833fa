/* SPDX-License-Identifier: BSD-3-Clause */
#include "regex.h"

#include "base/xmalloc.h"
#include "unicode.h"

#include <stdio.h>
#include <stdlib.h>

enum { LAST_CHARACTER = 0x10ffff };

/* ---- the expression as a tree
 * ----------------------------------------------------------------------- */

enum node_kind { NODE_EMPTY, NODE_NONE, NODE_SET, NODE_THEN, NODE_OR, NODE_REPEAT };

struct range {
    uint32_t from, to;
};

struct node {
    enum node_kind kind;
    struct node *a, *b;
    int least, most; /* of a repeat; -1: no limit */
    struct range *ranges;
    int count;
    bool negated;
    struct node *made_before; /* all nodes, to free them */
};

struct parser {
    struct tars_str text;
    size_t at;
    int depth;
    bool fold;
    char *why;
    struct node *made;
};

static void *refuse(struct parser *p, const char *why)
{
    if (!*p->why)
        snprintf(p->why, 128, "%s at position %zu", why, p->at);
    return NULL;
}

static struct node *node(struct parser *p, enum node_kind kind, struct node *a, struct node *b)
{
    struct node *n = xcalloc(1, sizeof *n);
    *n = (struct node){.kind = kind, .a = a, .b = b, .made_before = p->made};
    p->made = n;
    return n;
}

static void add_range(struct node *n, uint32_t from, uint32_t to)
{
    n->ranges = xrealloc(n->ranges, ((size_t)n->count + 1) * sizeof *n->ranges);
    n->ranges[n->count++] = (struct range){from, to};
}

static void add_folded(const struct parser *p, struct node *n, uint32_t from, uint32_t to)
{
    add_range(n, from, to);
    for (uint32_t c = from; p->fold && c <= to && c < 0x80; c++) {
        if (c >= 'a' && c <= 'z')
            add_range(n, c - 32, c - 32);
        if (c >= 'A' && c <= 'Z')
            add_range(n, c + 32, c + 32);
    }
}

static struct node *set(struct parser *p, uint32_t from, uint32_t to)
{
    struct node *n = node(p, NODE_SET, NULL, NULL);
    add_folded(p, n, from, to);
    return n;
}

static bool more(const struct parser *p)
{
    return p->at < p->text.len;
}

static bool peek(const struct parser *p, const char *any)
{
    return more(p) && p->text.at[p->at] && strchr(any, p->text.at[p->at]);
}

static bool eat(struct parser *p, char c)
{
    if (!more(p) || p->text.at[p->at] != c)
        return false;
    p->at++;
    return true;
}

static uint32_t next(struct parser *p)
{
    size_t len;
    uint32_t c = unicode_read(p->text, p->at, &len);
    p->at += len;
    return c;
}

/* \d and the like; what else is escaped stands for itself. */
static bool add_class(struct node *n, uint32_t c)
{
    static const struct {
        char letter;
        bool negated;
        const char *ranges; /* pairs */
    } known[] = {{'d', false, "09"},      {'D', true, "09"},          {'w', false, "09AZ__az"},
                 {'W', true, "09AZ__az"}, {'s', false, "\t\n\r\r  "}, {'S', true, "\t\n\r\r  "}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t low = 0;
        if (c != (uint32_t)known[i].letter)
            continue;
        for (const char *r = known[i].ranges; *r; r += 2) {
            if (!known[i].negated)
                add_range(n, (uint32_t)r[0], (uint32_t)r[1]);
            else if (low < (uint32_t)r[0])
                add_range(n, low, (uint32_t)r[0] - 1);
            low = (uint32_t)r[1] + 1;
        }
        if (known[i].negated)
            add_range(n, low, LAST_CHARACTER);
        return true;
    }
    return false;
}

static struct node *parse_set(struct parser *p)
{
    struct node *n = node(p, NODE_SET, NULL, NULL);
    n->negated = eat(p, '^');
    while (more(p) && !peek(p, "]")) {
        bool escaped = eat(p, '\\');
        if (!more(p))
            break;
        uint32_t from = next(p), to = from;
        if (escaped && add_class(n, from))
            continue;
        if (peek(p, "-") && p->at + 1 < p->text.len && p->text.at[p->at + 1] != ']') {
            p->at++;
            eat(p, '\\');
            if (!more(p))
                break;
            to = next(p);
        }
        if (to < from)
            return refuse(p, "a range of characters runs backwards");
        add_folded(p, n, from, to);
    }
    if (!eat(p, ']') || !n->count)
        return refuse(p, "expected ']'");
    return n;
}

static struct node *parse_or(struct parser *p);

static struct node *parse_quoted(struct parser *p)
{
    struct node *all = node(p, NODE_EMPTY, NULL, NULL);
    while (more(p) && !peek(p, "\"")) {
        uint32_t c = next(p);
        all = node(p, NODE_THEN, all, set(p, c, c));
    }
    return eat(p, '"') ? all : refuse(p, "expected '\"'");
}

static struct node *parse_simple(struct parser *p)
{
    if (eat(p, '.'))
        return set(p, 0, LAST_CHARACTER);
    if (eat(p, '@')) {
        struct node *any = node(p, NODE_REPEAT, set(p, 0, LAST_CHARACTER), NULL);
        any->most = -1;
        return any;
    }
    if (eat(p, '#'))
        return node(p, NODE_NONE, NULL, NULL);
    if (eat(p, '"'))
        return parse_quoted(p);
    if (eat(p, '['))
        return parse_set(p);
    if (eat(p, '(')) {
        if (eat(p, ')'))
            return node(p, NODE_EMPTY, NULL, NULL);
        struct node *n = parse_or(p);
        return !n || eat(p, ')') ? n : refuse(p, "expected ')'");
    }
    if (peek(p, "~&<>"))
        return refuse(p, "complements, intersections and intervals are not known to this store");
    if (peek(p, "?*+{"))
        return refuse(p, "nothing to repeat");
    if (eat(p, '\\')) {
        struct node *n = node(p, NODE_SET, NULL, NULL);
        if (!more(p))
            return refuse(p, "a backslash at the end");
        uint32_t c = next(p);
        if (!add_class(n, c))
            add_folded(p, n, c, c);
        return n;
    }
    uint32_t c = next(p);
    return set(p, c, c);
}

static int number(struct parser *p)
{
    int v = -1;
    while (peek(p, "0123456789"))
        v = v > 100000 ? v : (v < 0 ? 0 : v * 10) + (p->text.at[p->at] - '0'), p->at++;
    return v;
}

static struct node *parse_repeat(struct parser *p)
{
    struct node *n = parse_simple(p);
    if (!n)
        return NULL;
    while (peek(p, "?*+{")) {
        char c = p->text.at[p->at++];
        n = node(p, NODE_REPEAT, n, NULL);
        n->least = c == '+';
        n->most = c == '?' ? 1 : -1;
        if (c != '{')
            continue;
        n->least = n->most = number(p);
        if (n->least < 0)
            return refuse(p, "integer expected");
        if (eat(p, ','))
            n->most = number(p);
        if (!eat(p, '}'))
            return refuse(p, "expected '}'");
        if (n->most >= 0 && n->most < n->least)
            return refuse(p, "a repeat's limits are the wrong way round");
    }
    return n;
}

static struct node *parse_then(struct parser *p)
{
    struct node *all = node(p, NODE_EMPTY, NULL, NULL);
    while (more(p) && !peek(p, "|)")) {
        struct node *n = parse_repeat(p);
        if (!n)
            return NULL;
        all = node(p, NODE_THEN, all, n);
    }
    return all;
}

static struct node *parse_or(struct parser *p)
{
    if (++p->depth > REGEX_DEPTH)
        return refuse(p, "nested too deeply");
    struct node *all = parse_then(p);
    while (all && eat(p, '|')) {
        struct node *n = parse_then(p);
        if (!n)
            return NULL;
        all = node(p, NODE_OR, all, n);
    }
    p->depth--;
    return all;
}

/* ---- states
 * ----------------------------------------------------------------------------------------- */

enum op { OP_SET, OP_SPLIT, OP_MATCH, OP_STOP };

struct state {
    enum op op;
    int x, y; /* where it goes on */
    const struct node *set;
};

struct regex {
    struct state *states; /* room for REGEX_STATES until all are made */
    int count, start;
    struct node *made;
    /* of a match; each of `count` numbers, the stack of twice as many */
    int *list[2], len[2], *stack, *mark, generation;
};

static int add_state(struct regex *r, enum op op, int x, int y, const struct node *set)
{
    if (r->count == REGEX_STATES)
        return -1;
    r->states[r->count] = (struct state){op, x, y, set};
    return r->count++;
}

/* States that do what `n` says and then go on at `next`: the first of them, -1 when there are too
 * many. */
static int build(struct regex *r, const struct node *n, int next)
{
    int at = next, loop;
    if (next < 0)
        return -1;
    switch (n->kind) {
    case NODE_EMPTY:
        return next;
    case NODE_NONE:
        return add_state(r, OP_STOP, 0, 0, NULL);
    case NODE_SET:
        return add_state(r, OP_SET, next, 0, n);
    case NODE_THEN:
        return build(r, n->a, build(r, n->b, next));
    case NODE_OR:
        at = build(r, n->a, next);
        loop = build(r, n->b, next);
        return at < 0 || loop < 0 ? -1 : add_state(r, OP_SPLIT, at, loop, NULL);
    default:
        break;
    }
    if (n->most < 0) {
        loop = add_state(r, OP_SPLIT, 0, next, NULL);
        if (loop < 0 || (at = build(r, n->a, loop)) < 0)
            return -1;
        r->states[loop].x = at;
        at = loop;
    }
    for (int i = n->least; i < n->most && at >= 0; i++) {
        int inner = build(r, n->a, at);
        at = inner < 0 ? -1 : add_state(r, OP_SPLIT, inner, next, NULL);
    }
    for (int i = 0; i < n->least && at >= 0; i++) {
        int before = r->count;
        at = build(r, n->a, at);
        if (r->count == before)
            break;
    }
    return at;
}

void regex_free(void *regex)
{
    struct regex *r = regex;
    if (!r)
        return;
    while (r->made) {
        struct node *n = r->made;
        r->made = n->made_before;
        free(n->ranges);
        free(n);
    }
    free(r->states);
    free(r->list[0]);
    free(r->list[1]);
    free(r->stack);
    free(r->mark);
    free(r);
}

/* What matching needs, no larger than the expression. */
static struct regex *finished(struct regex *r)
{
    size_t count = (size_t)r->count;
    r->states = xrealloc(r->states, count * sizeof *r->states);
    r->list[0] = xcalloc(count, sizeof(int));
    r->list[1] = xcalloc(count, sizeof(int));
    r->stack = xcalloc(count * 2 + 1, sizeof(int));
    r->mark = xcalloc(count, sizeof(int));
    return r;
}

struct regex *regex_new(struct tars_str pattern, bool fold, char why[128])
{
    struct regex *r = xcalloc(1, sizeof *r);
    struct parser p = {.text = pattern, .fold = fold, .why = why};
    *why = '\0';
    struct node *all = pattern.len > REGEX_MAX ? refuse(&p, "longer than 1000 bytes")
                                               : parse_or(&p);
    if (all && more(&p))
        all = refuse(&p, "end-of-string expected");
    r->made = p.made;
    r->states = xcalloc(REGEX_STATES, sizeof *r->states);
    if (all)
        r->start = build(r, all, add_state(r, OP_MATCH, 0, 0, NULL));
    if (all && r->start < 0)
        snprintf(why, 128, "more than %d states", REGEX_STATES);
    if (all && r->start >= 0)
        return finished(r);
    regex_free(r);
    return NULL;
}

/* ---- matching
 * --------------------------------------------------------------------------------------- */

static void enter(struct regex *r, int side, int state)
{
    int depth = 0;
    r->stack[depth++] = state;
    while (depth) {
        int at = r->stack[--depth];
        if (r->mark[at] == r->generation)
            continue;
        r->mark[at] = r->generation;
        if (r->states[at].op == OP_SPLIT) {
            r->stack[depth++] = r->states[at].y;
            r->stack[depth++] = r->states[at].x;
        } else {
            r->list[side][r->len[side]++] = at;
        }
    }
}

static bool in_set(const struct node *set, uint32_t c)
{
    for (int i = 0; i < set->count; i++)
        if (c >= set->ranges[i].from && c <= set->ranges[i].to)
            return !set->negated;
    return set->negated;
}

static void begin(struct regex *r, int side)
{
    r->len[side] = 0;
    if (++r->generation == 0x7fffffff) {
        memset(r->mark, 0, (size_t)r->count * sizeof *r->mark);
        r->generation = 1;
    }
}

bool regex_matches(struct regex *r, struct tars_str text)
{
    int side = 0;
    begin(r, side);
    enter(r, side, r->start);
    for (size_t at = 0, len; at < text.len && r->len[side]; at += len) {
        uint32_t c = unicode_read(text, at, &len);
        begin(r, !side);
        for (int i = 0; i < r->len[side]; i++) {
            const struct state *s = &r->states[r->list[side][i]];
            if (s->op == OP_SET && in_set(s->set, c))
                enter(r, !side, s->x);
        }
        side = !side;
    }
    for (int i = 0; i < r->len[side]; i++)
        if (r->states[r->list[side][i]].op == OP_MATCH)
            return true;
    return false;
}
