/* SPDX-License-Identifier: BSD-3-Clause */
#include "highlight.h"

#include "base/xmalloc.h"
#include "pattern.h"
#include "query_compile.h"
#include "regex.h"
#include "wildcard.h"
#include "words.h"

#include <stdlib.h>

enum { FRAGMENTS = 5, WHOLE_VALUE = 1 << 20, MARKS = 1000, PHRASE = 64 };

struct mark {
    char *path;
    struct condition cond; /* its values in the arena */
};

/* ---- options
 * ----------------------------------------------------------------------------------------- */

static bool read_tag(const struct json *p, struct tars_str *to)
{
    if (p->type == JSON_ARRAY && p->count)
        p = p->child;
    *to = p->text;
    return p->type == JSON_STRING;
}

static bool read_option(struct highlight *h, const struct json *p, bool *large)
{
    int64_t n;
    if (tars_str_is(p->name, "fields")) {
        h->fields = p;
        for (const struct json *f = p->child; f; f = f->next)
            if (f->type != JSON_OBJECT || f->count)
                return false;
        return p->type == JSON_OBJECT;
    }
    if (tars_str_is(p->name, "pre_tags"))
        return read_tag(p, &h->before);
    if (tars_str_is(p->name, "post_tags"))
        return read_tag(p, &h->after);
    if (!tars_str_is(p->name, "fragment_size"))
        return false;
    *large = json_as_int(p, &n) && n >= WHOLE_VALUE;
    return *large;
}

struct highlight *highlight_read(const struct json *json, struct tars_arena *arena,
                                 struct failure *failure)
{
    struct highlight *h = tars_arena_alloc(arena, sizeof *h);
    bool large = false;
    if (!h) {
        failure_set(failure, 429, "circuit_breaking_exception", "the request is too large");
        return NULL;
    }
    *h = (struct highlight){.arena = arena, .before = tars_str("<em>"), .after = tars_str("</em>")};
    for (const struct json *p = json->child; p; p = p->next) {
        if (read_option(h, p, &large))
            continue;
        failure_set(failure, 400, "x_content_parse_exception",
                    "[highlight]: this store knows [fields] without options of their own, "
                    "[pre_tags], [post_tags] and a [fragment_size] of at least %d, not "
                    "[%" TARS_STR_FMT "] as it was given",
                    WHOLE_VALUE, TARS_STR_ARG(p->name));
        return NULL;
    }
    if (h->fields && large)
        return h;
    failure_set(failure, 400, "x_content_parse_exception",
                "[highlight]: needs [fields] and, in this store, a [fragment_size] of at least %d",
                WHOLE_VALUE);
    return NULL;
}

/* ---- marks
 * ------------------------------------------------------------------------------------------- */

bool highlight_mark(struct highlight *h, const struct field *f, const struct condition *cond)
{
    if (h->negated || h->count >= MARKS || (f->type != FIELD_TEXT && f->type != FIELD_KEYWORD))
        return true;
    if (h->count == h->size) {
        size_t size = h->size ? h->size * 2 : 16;
        struct mark *marks = tars_arena_alloc(h->arena, size * sizeof *marks);
        if (!marks)
            return false;
        if (h->count)
            memcpy(marks, h->marks, h->count * sizeof *marks);
        h->marks = marks;
        h->size = size;
    }
    struct mark *m = &h->marks[h->count];
    struct value *values = tars_arena_alloc(h->arena, (cond->count + 1) * sizeof *values);
    m->path = (char *)tars_arena_copy(h->arena, tars_str(f->path)).at;
    m->cond = *cond;
    m->cond.tail = cond->tail ? tars_arena_copy(h->arena, tars_str(cond->tail)).at : NULL;
    if (!values || !m->path)
        return false;
    for (size_t i = 0; i < cond->count; i++) {
        values[i] = cond->values[i];
        if (values[i].kind == VALUE_TEXT &&
            !(values[i].s = tars_arena_copy(h->arena, values[i].s)).at)
            return false;
    }
    m->cond.values = values;
    h->count++;
    return true;
}

static bool is_function(const struct condition *cond, const char *name)
{
    return cond->function && strcmp(cond->function, name) == 0;
}

static bool folds(const struct condition *cond)
{
    return cond->tail && strcmp(cond->tail, ",1") == 0;
}

/* The mark's expression, for all words of a value; NULL: it has none. regex_free. */
static struct regex *expression(const struct condition *cond)
{
    char why[128];
    return is_function(cond, "regex") || is_function(cond, "word_regex")
               ? regex_new(cond->values[0].s, folds(cond), why)
               : NULL;
}

/* Whether a pattern or an expression of the mark fits one word or keyword. */
static bool pattern_fits(const struct condition *cond, struct regex *r, struct tars_str text)
{
    if (is_function(cond, "wild") || is_function(cond, "wildi") || is_function(cond, "word_wild"))
        return wildcard_matches(cond->values[0].s, text, folds(cond) || is_function(cond, "wildi"));
    return r && regex_matches(r, text);
}

static bool keyword_fits(const struct condition *cond, struct tars_str text)
{
    if (cond->function) {
        struct regex *r = expression(cond);
        bool fits = pattern_fits(cond, r, text);
        regex_free(r);
        return fits;
    }
    if (cond->list) {
        for (size_t i = 0; i < cond->count; i++)
            if (cond->values[i].kind == VALUE_TEXT && tars_str_equal(cond->values[i].s, text))
                return true;
        return false;
    }
    for (size_t i = 0; i < cond->count; i++) {
        const char *op = cond->operations[i];
        int order = cond->values[i].kind == VALUE_TEXT ? tars_str_compare(text, cond->values[i].s)
                                                       : 1;
        if (strcmp(op, "=") == 0    ? order != 0
            : strcmp(op, ">=") == 0 ? order < 0
            : strcmp(op, ">") == 0  ? order <= 0
            : strcmp(op, "<=") == 0 ? order > 0
            : strcmp(op, "<") == 0  ? order >= 0
                                    : true)
            return false;
    }
    return cond->count > 0;
}

/* ---- words of a text
 * --------------------------------------------------------------------------------- */

struct spot {
    size_t from, to; /* bytes of the value */
    struct tars_str small;
    size_t offset;       /* of `small` in the letters */
    bool marked, joined; /* joined: under one tag with the word before */
};

struct spots {
    struct spot *list;
    size_t count, size;
    struct text letters;
};

static void find_words(struct tars_str value, struct spots *s)
{
    struct words words = {.text = value};
    struct word word;
    while (words_next(&words, &word)) {
        if (s->count == s->size) {
            s->size = s->size ? s->size * 2 : 64;
            s->list = xrealloc(s->list, s->size * sizeof *s->list);
        }
        struct spot *spot = &s->list[s->count++];
        size_t from = (size_t)(word.text.at - value.at);
        *spot = (struct spot){.from = from, .to = from + word.text.len, .offset = s->letters.len};
        word_add_lower(&word, &s->letters);
        spot->small.len = s->letters.len - spot->offset;
    }
    for (size_t i = 0; i < s->count; i++)
        s->list[i].small.at = s->letters.at + s->list[i].offset;
}

/* The words of a mark's bytes; `prefix`: the last one may go on. */
static size_t phrase_words(struct tars_str bytes, struct tars_str words[PHRASE], bool *prefix)
{
    size_t count = 0, at = 1;
    *prefix = bytes.len && bytes.at[bytes.len - 1] != WORD_MARK;
    while (at < bytes.len && count < PHRASE) {
        const char *end = memchr(bytes.at + at, WORD_MARK, bytes.len - at);
        size_t len = end ? (size_t)(end - bytes.at) - at : bytes.len - at;
        words[count++] = tars_str_n(bytes.at + at, len);
        at += len + 1;
    }
    return count;
}

static bool word_fits(struct tars_str word, struct tars_str found, bool prefix)
{
    return prefix ? found.len >= word.len && memcmp(found.at, word.at, word.len) == 0
                  : tars_str_equal(word, found);
}

static void mark_phrase(struct spots *s, const struct condition *cond)
{
    struct tars_str words[PHRASE];
    bool prefix;
    size_t n = phrase_words(cond->values[0].s, words, &prefix);
    size_t slop = is_function(cond, "near_words") && cond->tail
                      ? (size_t)strtoul(cond->tail + 1, NULL, 10)
                      : 0;
    for (size_t i = 0; n && i + n <= s->count; i++) {
        size_t word = 0, at = i;
        /* in their order, with at most `slop` others between them */
        for (; word < n && at < s->count && at <= i + word + slop; at++)
            word += word_fits(words[word], s->list[at].small, prefix && word == n - 1);
        if (word < n || !word_fits(words[0], s->list[i].small, prefix && n == 1))
            continue;
        for (size_t k = i; k < at; k++) {
            s->list[k].marked = true;
            s->list[k].joined |= k > i;
        }
        i = at - 1;
    }
}

static void mark_text(struct spots *s, const struct condition *cond)
{
    if (is_function(cond, "has_words") || is_function(cond, "near_words")) {
        mark_phrase(s, cond);
        return;
    }
    struct regex *r = expression(cond);
    for (size_t i = 0; i < s->count; i++)
        if (pattern_fits(cond, r, s->list[i].small))
            s->list[i].marked = true;
    regex_free(r);
}

/* Where the sentence begins in which `at` lies. */
static size_t sentence(struct tars_str value, size_t at)
{
    for (size_t i = at; i-- > 1;) {
        char c = value.at[i - 1];
        if (c == '\n')
            return i;
        if ((c == '.' || c == '!' || c == '?') && value.at[i] == ' ') {
            while (i < at && value.at[i] == ' ')
                i++;
            if (c != '.' || value.at[i] < 'a' || value.at[i] > 'z')
                return i;
        }
    }
    return 0;
}

/* From the sentence of the first mark on. */
static void print_text(const struct highlight *h, const struct spots *s, struct tars_str value,
                       struct text *to)
{
    struct text marked = {0};
    size_t at = SIZE_MAX;
    for (size_t i = 0; i < s->count; i++) {
        const struct spot *spot = &s->list[i];
        bool begins = spot->marked && !spot->joined,
             ends = spot->marked && (i + 1 == s->count || !s->list[i + 1].joined);
        if (at == SIZE_MAX && !begins)
            continue;
        at = at == SIZE_MAX ? sentence(value, spot->from) : at;
        text_add(&marked, value.at + at, spot->from - at);
        text_add(&marked, h->before.at, begins ? h->before.len : 0);
        text_add(&marked, value.at + spot->from, spot->to - spot->from);
        text_add(&marked, h->after.at, ends ? h->after.len : 0);
        at = spot->to;
    }
    text_add(&marked, value.at + at, value.len - at);
    text_add_json(to, text_str(&marked));
    text_free(&marked);
}

/* ---- one field of a hit
 * -------------------------------------------------------------------------------- */

struct printer {
    const struct highlight *h;
    const struct field *f;
    size_t fragments;
    bool *any;
    struct text *to;
};

static void begin_fragment(struct printer *p)
{
    if (p->fragments++) {
        text_adds(p->to, ",");
        return;
    }
    text_adds(p->to, *p->any ? "," : ",\"highlight\":{");
    *p->any = true;
    text_add_json(p->to, tars_str(p->f->path));
    text_adds(p->to, ":[");
}

static bool is_about(const struct mark *m, const struct field *f)
{
    return strcmp(m->path, f->path) == 0;
}

static void print_value(struct printer *p, struct tars_str value)
{
    struct spots s = {0};
    bool found = false;
    if (p->fragments == FRAGMENTS)
        return;
    if (p->f->type == FIELD_TEXT)
        find_words(value, &s);
    for (size_t i = 0; i < p->h->count; i++) {
        const struct mark *m = &p->h->marks[i];
        if (is_about(m, p->f) && p->f->type == FIELD_TEXT)
            mark_text(&s, &m->cond);
        else if (is_about(m, p->f))
            found |= keyword_fits(&m->cond, value);
    }
    for (size_t i = 0; i < s.count; i++)
        found |= s.list[i].marked;
    if (found)
        begin_fragment(p);
    if (found && p->f->type == FIELD_TEXT) {
        print_text(p->h, &s, value, p->to);
    } else if (found) {
        struct text whole = {0};
        text_add(&whole, p->h->before.at, p->h->before.len);
        text_add(&whole, value.at, value.len);
        text_add(&whole, p->h->after.at, p->h->after.len);
        text_add_json(p->to, text_str(&whole));
        text_free(&whole);
    }
    free(s.list);
    text_free(&s.letters);
}

/* The values at a path; members whose names have dots are found as well. */
static void print_at(struct printer *p, const struct json *at, struct tars_str path)
{
    for (const struct json *v = at->type == JSON_ARRAY ? at->child : NULL; v; v = v->next)
        print_at(p, v, path);
    if (!path.len && at->type >= JSON_FALSE && at->type <= JSON_STRING)
        print_value(p, value_scalar(at));
    for (const struct json *m = at->type == JSON_OBJECT ? at->child : NULL; m; m = m->next) {
        if (m->name.len > path.len || memcmp(m->name.at, path.at, m->name.len) != 0)
            continue;
        if (m->name.len == path.len)
            print_at(p, m, tars_str(""));
        else if (path.at[m->name.len] == '.')
            print_at(p, m, tars_str_n(path.at + m->name.len + 1, path.len - m->name.len - 1));
    }
}

static void print_fields(const struct highlight *h, const struct field *parent,
                         const struct json *source, bool *any, struct text *to)
{
    for (size_t i = 0; i < parent->child_count; i++) {
        const struct field *f = parent->children[i];
        bool asked = false, marked = false;
        for (const struct json *p = h->fields->child; p; p = p->next)
            asked |= pattern_matches(p->name, tars_str(f->path));
        for (size_t k = 0; k < h->count; k++)
            marked |= is_about(&h->marks[k], f);
        if (asked && marked) {
            bool sub = parent->type != FIELD_OBJECT;
            struct printer p = {.h = h, .f = f, .any = any, .to = to};
            print_at(&p, source, tars_str(sub ? parent->path : f->path));
            text_adds(to, p.fragments ? "]" : "");
        }
        print_fields(h, f, source, any, to);
    }
}

void highlight_print(const struct highlight *h, const struct index *index,
                     const struct json *source, struct text *to)
{
    bool any = false;
    print_fields(h, &index->mapping->root, source, &any, to);
    text_adds(to, any ? "}" : "");
}
