/* SPDX-License-Identifier: BSD-3-Clause */
/* The language of query_string: Lucene's, read as its parser reads it. */
#include "query_tree.h"

/* ---- tokens
 * ------------------------------------------------------------------------------------------ */

enum token_kind {
    T_END,
    T_AND,
    T_OR,
    T_NOT,
    T_PLUS,
    T_MINUS,
    T_OPEN,
    T_CLOSE,
    T_COLON,
    T_STAR,
    T_CARAT,
    T_TERM,
    T_PREFIX,
    T_WILD,
    T_REGEX,
    T_FUZZY,
    T_QUOTED,
    T_RANGE,
    T_BAD
};

struct token {
    enum token_kind kind;
    struct tars_str text; /* as written, without quotes */
    struct tars_str low, high;
    bool with_low, with_high;
};

struct parser {
    struct tree *t;
    struct tars_str text;
    size_t at;
    struct token next[3];
    int ahead;
};

static size_t blank(struct tars_str s, size_t at)
{
    if (at < s.len && s.at[at] && strchr(" \t\n\r", s.at[at]))
        return 1;
    return at + 2 < s.len && memcmp(s.at + at, "\xe3\x80\x80", 3) == 0 ? 3 : 0;
}

/* Whether a term may begin, or go on, with what stands at `at`; its length. */
static size_t term_char(struct tars_str s, size_t at, bool begins, const char *more)
{
    char c = at < s.len ? s.at[at] : '\0';
    if (at >= s.len || blank(s, at))
        return 0;
    if (c == '\\')
        return at + 1 < s.len ? 2 : 0;
    if (c && strchr(more, c))
        return 1;
    if (c && strchr(begins ? "+-!():^[]\"{}~*?\\/" : "!():^[]\"{}~*?\\/", c))
        return 0;
    return 1;
}

static struct token read_term(struct parser *p)
{
    struct token t = {.kind = T_TERM};
    size_t begin = p->at, n;
    bool wild = false;
    while ((n = term_char(p->text, p->at, p->at == begin, "*?"))) {
        char c = p->text.at[p->at];
        wild |= (c == '*' || c == '?');
        p->at += n;
    }
    t.text = tars_str_n(p->text.at + begin, p->at - begin);
    if (!t.text.len) {
        t.kind = T_BAD;
        return t;
    }
    bool last = t.text.at[t.text.len - 1] == '*';
    for (size_t i = 0; wild && last && i + 1 < t.text.len; i++) {
        if (t.text.at[i] == '\\')
            i++;
        else if (t.text.at[i] == '*' || t.text.at[i] == '?')
            last = false;
    }
    t.kind = tars_str_is(t.text, "*") ? T_STAR : !wild ? T_TERM : last ? T_PREFIX : T_WILD;
    if (tars_str_is(t.text, "AND") || tars_str_is(t.text, "&&"))
        t.kind = T_AND;
    else if (tars_str_is(t.text, "OR") || tars_str_is(t.text, "||"))
        t.kind = T_OR;
    else if (tars_str_is(t.text, "NOT"))
        t.kind = T_NOT;
    return t;
}

/* Up to the closing character; false when there is none. */
static bool read_until(struct parser *p, char end, struct token *t)
{
    size_t begin = ++p->at;
    while (p->at < p->text.len && p->text.at[p->at] != end)
        p->at += p->text.at[p->at] == '\\' ? 2 : 1;
    if (p->at >= p->text.len)
        return false;
    t->text = tars_str_n(p->text.at + begin, p->at - begin);
    p->at++;
    return true;
}

static void skip_blanks(struct parser *p)
{
    size_t n;
    while ((n = blank(p->text, p->at)))
        p->at += n;
}

/* One bound of a range: a quoted text or everything up to a blank or the end. "*" is open. */
static bool read_bound(struct parser *p, struct tars_str *to)
{
    struct token t = {0};
    skip_blanks(p);
    if (p->at < p->text.len && p->text.at[p->at] == '"') {
        bool ok = read_until(p, '"', &t);
        *to = t.text;
        return ok;
    }
    size_t begin = p->at;
    while (p->at < p->text.len && !blank(p->text, p->at) && p->text.at[p->at] != ']' &&
           p->text.at[p->at] != '}')
        p->at++;
    *to = tars_str_n(p->text.at + begin, p->at - begin);
    if (tars_str_is(*to, "*"))
        to->at = NULL;
    return p->at > begin;
}

static struct token read_range(struct parser *p)
{
    struct token t = {.kind = T_RANGE, .with_low = p->text.at[p->at] == '['};
    p->at++;
    bool ok = read_bound(p, &t.low);
    skip_blanks(p);
    ok = ok && p->at + 2 < p->text.len && memcmp(p->text.at + p->at, "TO", 2) == 0 &&
         blank(p->text, p->at + 2);
    p->at += ok ? 2 : 0;
    ok = ok && read_bound(p, &t.high);
    skip_blanks(p);
    ok = ok && p->at < p->text.len && (p->text.at[p->at] == ']' || p->text.at[p->at] == '}');
    t.with_high = ok && p->text.at[p->at] == ']';
    p->at += ok;
    t.kind = ok ? T_RANGE : T_BAD;
    return t;
}

static struct token read_sign(struct parser *p, enum token_kind kind)
{
    struct token t = {.kind = kind, .text = tars_str_n(p->text.at + p->at, 1)};
    p->at++;
    if (kind == T_FUZZY || kind == T_CARAT) {
        size_t begin = p->at;
        while (p->at < p->text.len && p->text.at[p->at] && strchr("0123456789.", p->text.at[p->at]))
            p->at++;
        t.text = tars_str_n(p->text.at + begin, p->at - begin);
    }
    return t;
}

static struct token read_token(struct parser *p)
{
    static const struct {
        char sign;
        enum token_kind kind;
    } signs[] = {{'+', T_PLUS},  {'-', T_MINUS}, {'!', T_NOT},   {'(', T_OPEN},
                 {')', T_CLOSE}, {':', T_COLON}, {'^', T_CARAT}, {'~', T_FUZZY}};
    struct token t = {0};
    skip_blanks(p);
    /* An operator with a blank behind it is no operator. */
    while (p->at + 1 < p->text.len && strchr("+-!", p->text.at[p->at]) && p->text.at[p->at] &&
           blank(p->text, p->at + 1)) {
        p->at++;
        skip_blanks(p);
    }
    if (p->at >= p->text.len)
        return t;
    char c = p->text.at[p->at];
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (c == signs[i].sign)
            return read_sign(p, signs[i].kind);
    if (c == '[' || c == '{')
        return read_range(p);
    if (c == '"' || c == '/') {
        t.kind = read_until(p, c, &t) ? (c == '"' ? T_QUOTED : T_REGEX) : T_BAD;
        return t;
    }
    return read_term(p);
}

static const struct token *peek(struct parser *p, int at)
{
    while (p->ahead <= at)
        p->next[p->ahead++] = read_token(p);
    return &p->next[at];
}

static struct token take(struct parser *p)
{
    struct token t = *peek(p, 0);
    p->ahead--;
    memmove(p->next, p->next + 1, (size_t)p->ahead * sizeof *p->next);
    return t;
}

static bool eat(struct parser *p, enum token_kind kind)
{
    if (peek(p, 0)->kind != kind)
        return false;
    take(p);
    return true;
}

/* ---- clauses
 * ----------------------------------------------------------------------------------------- */

/* Without the backslashes; at == NULL when the arena is full. */
static struct tars_str unescaped(struct parser *p, struct tars_str s)
{
    char *at = tars_arena_alloc(p->t->c->q->arena, s.len + 1), *to = at;
    if (!at) {
        compile_refuse(p->t->c, "the query is too large");
        return (struct tars_str){0};
    }
    for (size_t i = 0; s.at && i < s.len; i++) {
        if (s.at[i] == '\\' && i + 1 < s.len)
            i++;
        *to++ = s.at[i];
    }
    return tars_str_n(at, (size_t)(to - at));
}

static int64_t slop_of(struct tars_str digits)
{
    int64_t v = 0;
    for (size_t i = 0; i < digits.len && digits.at[i] != '.' && v < 1000000; i++)
        v = v * 10 + (digits.at[i] - '0');
    return v;
}

/* field:>5 and the like */
static struct clause *words(struct parser *p, struct tars_str field, struct tars_str text)
{
    struct tars_str open = {0};
    size_t equal = text.len > 2 && text.at[1] == '=';
    if (field.at && text.len > 1 && (text.at[0] == '>' || text.at[0] == '<')) {
        struct tars_str bound = tars_str_n(text.at + 1 + equal, text.len - 1 - equal);
        return text.at[0] == '>' ? tree_range(p->t, field, bound, open, equal, true)
                                 : tree_range(p->t, field, open, bound, true, equal);
    }
    if (tars_str_is(field, "_exists_"))
        return tree_exists(p->t, text);
    return tree_words(p->t, field, text, false, -1);
}

static struct clause *everything(struct parser *p, struct tars_str field)
{
    if (field.at && !tars_str_is(field, "*") && !tars_str_is(field, "_exists_"))
        return tree_exists(p->t, field);
    if (!field.at && p->t->fields && p->t->fields->count == 1)
        return tree_exists(p->t, p->t->fields->child->text);
    return tree_constant(p->t, true);
}

static struct clause *parse_group(struct parser *p, struct tars_str field);

static struct clause *parse_term(struct parser *p, struct tars_str field)
{
    struct token t = take(p);
    struct clause *clause = NULL;
    struct token fuzzy = {0};
    if (peek(p, 0)->kind == T_FUZZY)
        fuzzy = take(p);
    if (eat(p, T_CARAT) && !fuzzy.kind && peek(p, 0)->kind == T_FUZZY)
        fuzzy = take(p);
    if (fuzzy.kind && t.kind != T_QUOTED) {
        compile_refuse_shard(p->t->c, "[query_string] fuzzy terms are not known to this store");
        return NULL;
    }
    struct tars_str text = t.kind == T_TERM || t.kind == T_QUOTED ? unescaped(p, t.text) : t.text;
    if (!text.at && (t.kind == T_TERM || t.kind == T_QUOTED))
        return NULL;
    switch (t.kind) {
    case T_TERM:
        return words(p, field, text);
    case T_STAR:
        return everything(p, field);
    case T_PREFIX:
        text = unescaped(p, tars_str_n(text.at, text.len - 1));
        return text.at ? tree_pattern(p->t, field, PATTERN_PREFIX, text) : NULL;
    case T_WILD:
        return tree_pattern(p->t, field, PATTERN_WILDCARD, text);
    case T_REGEX:
        return tree_pattern(p->t, field, PATTERN_REGEX, text);
    case T_RANGE:
        return tree_range(p->t, field, t.low, t.high, t.with_low, t.with_high);
    case T_QUOTED:
        return tars_str_is(field, "_exists_")
                   ? tree_exists(p->t, text)
                   : tree_words(p->t, field, text, true, fuzzy.kind ? slop_of(fuzzy.text) : -1);
    default:
        tree_refuse(p->t);
        return clause;
    }
}

static struct clause *parse_clause(struct parser *p, struct tars_str field)
{
    enum token_kind first = peek(p, 0)->kind;
    if ((first == T_TERM || first == T_STAR) && peek(p, 1)->kind == T_COLON) {
        field = first == T_STAR ? tars_str("*") : unescaped(p, take(p).text);
        if (first == T_STAR)
            take(p);
        take(p);
        if (!field.at)
            return NULL;
    }
    if (!eat(p, T_OPEN))
        return parse_term(p, field);
    struct clause *group = parse_group(p, field);
    if (group && !eat(p, T_CLOSE)) {
        tree_refuse(p->t);
        return NULL;
    }
    eat(p, T_CARAT);
    return group;
}

/* As Lucene's addClause: AND also binds the clause before, OR loosens it where AND is usual. */
static bool add_clause(struct parser *p, struct clause *group, bool with_and, bool with_or,
                       enum token_kind sign, struct clause *clause)
{
    enum occur occur = sign == T_MINUS || sign == T_NOT                        ? OCCUR_NOT
                       : sign == T_PLUS || with_and || (p->t->all && !with_or) ? OCCUR_MUST
                                                                               : OCCUR_SHOULD;
    struct clause *before = group->last;
    if (before && with_and && before->occur != OCCUR_NOT)
        before->occur = OCCUR_MUST;
    if (before && with_or && p->t->all && before->occur != OCCUR_NOT)
        before->occur = OCCUR_SHOULD;
    return tree_add(p->t, group, occur, clause);
}

static bool ends_words(enum token_kind kind)
{
    return kind == T_COLON || kind == T_STAR || kind == T_FUZZY || kind == T_CARAT ||
           kind == T_AND || kind == T_OR;
}

/* Terms with nothing between them are one text: that matters to fields that are not analysed. */
static bool parse_words(struct parser *p, struct tars_str field, struct clause *group, bool *taken)
{
    *taken = peek(p, 0)->kind == T_TERM && peek(p, 1)->kind == T_TERM &&
             !ends_words(peek(p, 2)->kind);
    if (!*taken)
        return true;
    struct text all = {0};
    do {
        struct token t = take(p);
        text_adds(&all, all.len ? " " : "");
        text_add(&all, t.text.at, t.text.len);
    } while (peek(p, 0)->kind == T_TERM && !ends_words(peek(p, 1)->kind));
    struct tars_str text = unescaped(p, tars_str_n(all.at ? all.at : "", all.len));
    text_free(&all);
    return text.at &&
           tree_add(p->t, group, p->t->all ? OCCUR_MUST : OCCUR_SHOULD, words(p, field, text));
}

static struct clause *parse_group(struct parser *p, struct tars_str field)
{
    struct clause *group = tree_group(p->t);
    if (!group)
        return NULL;
    if (++p->t->depth > TREE_DEPTH) {
        compile_refuse_shard(p->t->c, "the query is nested deeper than %d levels", TREE_DEPTH);
        return NULL;
    }
    for (bool first = true;; first = false) {
        bool taken, with_and = false, with_or = false;
        enum token_kind sign = T_END, kind = peek(p, 0)->kind;
        if (!first && (kind == T_END || kind == T_CLOSE))
            break;
        if (!parse_words(p, field, group, &taken))
            return NULL;
        if (taken)
            continue;
        if (!first) {
            with_and = eat(p, T_AND);
            with_or = !with_and && eat(p, T_OR);
        }
        kind = peek(p, 0)->kind;
        if (kind == T_PLUS || kind == T_MINUS || kind == T_NOT)
            sign = take(p).kind;
        struct clause *clause = parse_clause(p, field);
        if (!clause || !add_clause(p, group, with_and, with_or, sign, clause))
            return NULL;
    }
    p->t->depth--;
    return group;
}

static bool only_blanks(struct tars_str s)
{
    size_t at = 0, n;
    while ((n = blank(s, at)))
        at += n;
    return at >= s.len;
}

bool compile_query_string(struct compiler *c, const struct json *json)
{
    struct tree t;
    if (!tree_init(&t, c, json, "query_string",
                   "query fields default_field default_operator lenient minimum_should_match "
                   "phrase_slop time_zone type analyzer boost _name analyze_wildcard "
                   "allow_leading_wildcard auto_generate_synonyms_phrase_query tie_breaker "
                   "enable_position_increments max_determinized_states fuzzy_max_expansions "
                   "fuzzy_prefix_length fuzzy_transpositions rewrite quote_analyzer"))
        return false;
    if (only_blanks(t.query))
        return compile_nothing(c);
    struct parser p = {.t = &t, .text = t.query};
    struct clause *top = parse_group(&p, (struct tars_str){0});
    if (top && peek(&p, 0)->kind != T_END)
        return tree_refuse(&t);
    return top && tree_compile(&t, top, true);
}
