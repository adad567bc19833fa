/* SPDX-License-Identifier: BSD-3-Clause */
/* match and its kin: a text is taken apart into words as the field's values were. */
#include "pattern.h"
#include "query_compile.h"

#include "words.h"

#include <stdio.h>

enum { MATCH_WORDS = 1024 };

struct match {
    bool all, lenient;        /* every word; a value that is none of the field matches nothing */
    bool phrase, prefix;      /* in their order; the last one only begins a word */
    bool empty_is_all;        /* a text without words matches everything */
    const struct json *least; /* minimum_should_match */
    int64_t slop;
};

static bool add_phrase(struct compiler *c, const struct field *f, const struct text *words,
                       const struct match *m)
{
    struct tars_str bytes = tars_arena_copy(c->q->arena, text_str(words));
    char tail[32] = "";
    if (!bytes.at)
        return compile_refuse(c, "the text is too large");
    bytes.len -= m->prefix;
    if (m->slop)
        snprintf(tail, sizeof tail, ",%lld", (long long)m->slop);
    struct value v = {.kind = VALUE_TEXT, .s = bytes};
    struct condition cond = {&v,  1, {NULL, NULL}, false, m->slop ? "near_words" : "has_words",
                             tail};
    return compile_condition(c, f, &cond);
}

static bool add_words(struct compiler *c, const struct field *f, const struct text *words,
                      int64_t count, const struct match *m)
{
    int64_t least = m->all ? count : 1;
    const char *at = words->at + 1, *end = words->at + words->len;
    bool first = true;
    /* A single word is no list of clauses. */
    if (m->least && !m->all && count > 1 && !compile_least(c, m->least, count, &least))
        return false;
    least = least < 1 ? 1 : least;
    text_adds(&c->q->sql, "(");
    while (at < end) {
        const char *mark = memchr(at, WORD_MARK, (size_t)(end - at));
        struct tars_str word = tars_arena_copy(c->q->arena, tars_str_n(at, (size_t)(mark - at)));
        if (!word.at)
            return compile_refuse(c, "the text is too large");
        text_adds(&c->q->sql, first ? "" : least == count ? " AND " : least == 1 ? " OR " : "+");
        text_adds(&c->q->sql, "(");
        if (!compile_word(c, f, word, false))
            return false;
        text_adds(&c->q->sql, least == count || least == 1 ? ")" : " IS TRUE)");
        first = false;
        at = mark + 1;
    }
    if (least != count && least != 1)
        text_addf(&c->q->sql, ">=%lld", (long long)least);
    text_adds(&c->q->sql, ")");
    return true;
}

static bool match_text(struct compiler *c, const struct field *f, struct tars_str value,
                       const struct match *m)
{
    struct text words = {0};
    int64_t count = -1;
    bool ok;
    words_add(value, &words);
    for (size_t i = 0; i < words.len; i++)
        count += words.at[i] == WORD_MARK;
    if (count == 0) {
        text_adds(&c->q->sql, m->empty_is_all ? "1" : "0");
        ok = true;
    } else if (count > MATCH_WORDS || (m->slop && count > 64)) {
        ok = compile_refuse_shard(c, "maxClauseCount is set to %d", MATCH_WORDS);
    } else {
        ok = m->phrase ? add_phrase(c, f, &words, m) : add_words(c, f, &words, count, m);
    }
    text_free(&words);
    return ok;
}

static bool match_field(struct compiler *c, const struct field *f, const struct json *value,
                        const struct match *m)
{
    size_t len = c->q->sql.len, count = c->q->count;
    if (f->type == FIELD_TEXT)
        return match_text(c, f, value_scalar(value), m);
    if (m->prefix && f->type != FIELD_KEYWORD)
        return m->lenient
                   ? compile_nothing(c)
                   : compile_refuse_shard(c,
                                          "Can only use phrase prefix queries on text fields - "
                                          "not on [%s] which is of type [%s]",
                                          f->path, field_type_name(f->type));
    if (m->prefix)
        return compile_pattern(c, f, PATTERN_PREFIX, value_scalar(value), false);
    if (compile_equal(c, f, value))
        return true;
    if (!m->lenient || !c->q->failure->shard)
        return false;
    *c->q->failure = (struct failure){0};
    text_cut(&c->q->sql, len);
    c->q->count = count;
    return compile_nothing(c);
}

/* ---- options
 * ---------------------------------------------------------------------------------------- */

static bool read_operator(struct compiler *c, const struct json *p, bool *all)
{
    *all = json_is_str(p, "and") || json_is_str(p, "AND");
    return *all || json_is_str(p, "or") || json_is_str(p, "OR") ||
           failure_set(c->q->failure, 400, "illegal_argument_exception",
                       "No enum constant org.elasticsearch.index.query.Operator.%" TARS_STR_FMT,
                       TARS_STR_ARG(p->text));
}

static bool read_options(struct compiler *c, const struct json *options, struct match *m)
{
    const struct json *operator= json_get(options, "operator"), *slop = json_get(options, "slop"),
                      *zero = json_get(options, "zero_terms_query"),
                      *analyzer = json_get(options, "analyzer");
    m->least = json_get(options, "minimum_should_match");
    m->empty_is_all = zero && (json_is_str(zero, "all") || json_is_str(zero, "ALL"));
    if (operator&& !read_operator(c, operator, & m->all))
        return false;
    if (slop && (!json_as_int(slop, &m->slop) || m->slop < 0 || m->slop > INT32_MAX))
        return failure_set(c->q->failure, 400, "illegal_argument_exception",
                           "No negative slop allowed.");
    if (analyzer && !json_is_str(analyzer, "standard"))
        return compile_refuse_shard(c, "analyzer [%" TARS_STR_FMT "] not found",
                                    TARS_STR_ARG(analyzer->text));
    return compile_flag(c, options, "lenient", &m->lenient);
}

static bool run_match(struct compiler *c, const struct json *json, const char *name,
                      const char *known, struct match *m)
{
    const struct json *value = NULL;
    bool refused;
    if (!compile_field_value(c, json, name, "query", known, &value) || !value)
        return false;
    if (value->type < JSON_FALSE || value->type > JSON_STRING)
        return compile_refuse(c, "[%s] unknown token [%s] after [query]", name,
                              value->type == JSON_NULL    ? "VALUE_NULL"
                              : value->type == JSON_ARRAY ? "START_ARRAY"
                                                          : "START_OBJECT");
    if (json->child->type == JSON_OBJECT && !read_options(c, json->child, m))
        return false;
    const struct field *f = compile_field(c, json->child->name, &refused);
    return f ? match_field(c, f, value, m) : !refused && compile_nothing(c);
}

bool compile_match(struct compiler *c, const struct json *json)
{
    struct match m = {0};
    return run_match(c, json, "match",
                     "operator minimum_should_match lenient zero_terms_query analyzer "
                     "auto_generate_synonyms_phrase_query prefix_length max_expansions "
                     "fuzzy_transpositions",
                     &m);
}

bool compile_match_phrase(struct compiler *c, const struct json *json)
{
    struct match m = {.phrase = true};
    return run_match(c, json, "match_phrase", "slop zero_terms_query analyzer", &m);
}

bool compile_match_phrase_prefix(struct compiler *c, const struct json *json)
{
    struct match m = {.phrase = true, .prefix = true};
    return run_match(c, json, "match_phrase_prefix", "zero_terms_query analyzer max_expansions",
                     &m);
}

/* ---- several fields
 * --------------------------------------------------------------------------------------- */

struct fields {
    struct compiler *c;
    const struct json *value;
    const struct match *match;
    struct tars_str pattern;
    bool first, ok;
};

static void each_field(struct fields *all, const struct field *at)
{
    for (size_t i = 0; i < at->child_count && all->ok; i++) {
        struct field *f = at->children[i];
        if (f->column >= 0 && f->type != FIELD_OBJECT && !f->inside &&
            pattern_matches(all->pattern, tars_str(f->path))) {
            text_adds(&all->c->q->sql, all->first ? "" : " OR ");
            all->first = false;
            all->ok = match_field(all->c, f, all->value, all->match);
        }
        each_field(all, f);
    }
}

static bool match_pattern(struct compiler *c, struct tars_str name, const struct json *value,
                          struct match *m, bool *first)
{
    bool refused, wild = memchr(name.at, '*', name.len) != NULL;
    const char *boost = memchr(name.at, '^', name.len);
    name.len = boost ? (size_t)(boost - name.at) : name.len;
    struct fields all = {c, value, m, name, *first, true};
    struct match lenient = *m;
    lenient.lenient |= wild;
    all.match = &lenient;
    if (wild) {
        each_field(&all, &c->index->mapping->root);
        *first = all.first;
        return all.ok;
    }
    const struct field *f = compile_field(c, name, &refused);
    text_adds(&c->q->sql, f && !*first ? " OR " : "");
    *first = *first && !f;
    return f ? match_field(c, f, value, m) : !refused;
}

static bool read_type(struct compiler *c, const struct json *type, struct match *m)
{
    m->phrase = type && (json_is_str(type, "phrase") || json_is_str(type, "phrase_prefix"));
    m->prefix = json_is_str(type, "phrase_prefix");
    return !type || m->phrase || json_is_str(type, "best_fields") ||
           json_is_str(type, "most_fields") ||
           compile_refuse(c, "[multi_match] type [%" TARS_STR_FMT "] is not known to this store",
                          TARS_STR_ARG(type->text));
}

bool compile_multi_match(struct compiler *c, const struct json *json)
{
    static const char *const known[] = {"query",
                                        "fields",
                                        "type",
                                        "operator",
                                        "lenient",
                                        "slop",
                                        "tie_breaker",
                                        "boost",
                                        "analyzer",
                                        "minimum_should_match",
                                        "zero_terms_query",
                                        "_name"};
    const struct json *value = json_get(json, "query"), *fields = json_get(json, "fields");
    struct match m = {0};
    bool first = true;
    for (const struct json *p = json->child; p; p = p->next) {
        size_t i = 0;
        while (i < sizeof known / sizeof *known && !tars_str_is(p->name, known[i]))
            i++;
        if (i == sizeof known / sizeof *known)
            return compile_refuse(c, "[multi_match] query does not support [%" TARS_STR_FMT "]",
                                  TARS_STR_ARG(p->name));
    }
    if (!value || value->type < JSON_FALSE || value->type > JSON_STRING)
        return compile_refuse(c, "No text specified for multi_match query");
    if (!read_type(c, json_get(json, "type"), &m) || !read_options(c, json, &m))
        return false;
    struct json every = {.type = JSON_STRING, .text = tars_str("*")};
    const struct json *one = !fields || (fields->type == JSON_ARRAY && !fields->count) ? &every
                             : fields->type == JSON_ARRAY ? fields->child
                                                          : fields;
    bool list = fields && one == fields->child && fields->type == JSON_ARRAY;
    text_adds(&c->q->sql, "(");
    for (; one; one = list ? one->next : NULL) {
        if (one->type != JSON_STRING)
            return compile_refuse(c, "[multi_match] fields must be texts");
        if (!match_pattern(c, one->text, value, &m, &first))
            return false;
    }
    text_adds(&c->q->sql, first ? "0)" : ")");
    return true;
}
