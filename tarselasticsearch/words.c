/* SPDX-License-Identifier: BSD-3-Clause */
#include "words.h"

#include "unicode.h"

/* A place in the text while a word is looked for. */
struct place {
    size_t at, units;
    enum unicode_class class;
    uint32_t c;
};

static enum unicode_class class_at(struct tars_str s, size_t at, uint32_t *c, size_t *len)
{
    *c = unicode_read(s, at, len);
    return unicode_class(*c);
}

static size_t units(uint32_t c)
{
    return c >= 0x10000 ? 2 : 1;
}

static bool extends(enum unicode_class class)
{
    return class == UNICODE_EXTEND || class == UNICODE_JOINER || class == UNICODE_COMPLEX_MARK;
}

/* Moves behind the character at `p` and what extends it. */
static void step(struct tars_str s, struct place *p)
{
    size_t len;
    do {
        unicode_read(s, p->at, &len);
        p->at += len;
        p->units += units(p->c);
        p->class = p->at < s.len ? class_at(s, p->at, &p->c, &len) : UNICODE_OTHER;
    } while (p->at < s.len && extends(p->class));
}

static bool is_letter(enum unicode_class class)
{
    return class == UNICODE_LETTER || class == UNICODE_HEBREW || class == UNICODE_HANGUL;
}

/* Whether a word goes on from a character of class `a` directly to one of class `b`. */
static bool joins(enum unicode_class a, enum unicode_class b)
{
    if (a == UNICODE_CONNECTOR || b == UNICODE_CONNECTOR)
        return (a == b) || is_letter(a) || is_letter(b) || a == UNICODE_NUMERIC ||
               b == UNICODE_NUMERIC || a == UNICODE_KATAKANA || b == UNICODE_KATAKANA;
    if (a == UNICODE_KATAKANA || b == UNICODE_KATAKANA)
        return a == b;
    return (is_letter(a) || a == UNICODE_NUMERIC) && (is_letter(b) || b == UNICODE_NUMERIC);
}

/* …or over one character of class `middle`. */
static bool joins_over(enum unicode_class a, enum unicode_class middle, enum unicode_class b)
{
    bool both = middle == UNICODE_MID_BOTH || middle == UNICODE_SINGLE_QUOTE;
    if (middle == UNICODE_DOUBLE_QUOTE)
        return a == UNICODE_HEBREW && b == UNICODE_HEBREW;
    return (is_letter(a) && is_letter(b) && (both || middle == UNICODE_MID_LETTER)) ||
           (a == UNICODE_NUMERIC && b == UNICODE_NUMERIC && (both || middle == UNICODE_MID_NUMBER));
}

static bool carries(enum unicode_class class)
{
    return is_letter(class) || class == UNICODE_NUMERIC || class == UNICODE_KATAKANA;
}

static const char *type_of(unsigned seen)
{
    return (seen & ~(1U << UNICODE_CONNECTOR)) == 1U << UNICODE_NUMERIC ? "<NUM>"
           : seen == 1U << UNICODE_KATAKANA                             ? "<KATAKANA>"
           : seen == 1U << UNICODE_HANGUL                               ? "<HANGUL>"
                                                                        : "<ALPHANUM>";
}

/* Letters, digits and what connects them; moves `p` behind them. NULL: there is no word. */
static const char *find_run(struct tars_str s, struct place *p, size_t limit)
{
    unsigned seen = 0;
    bool any = false;
    for (size_t first = p->at;;) {
        enum unicode_class class = p->class;
        struct place next = *p;
        step(s, &next);
        if (next.units > limit && p->at != first)
            break;
        any |= carries(class);
        seen |= 1U << class;
        *p = next;
        if (p->at < s.len && joins(class, p->class))
            continue;
        if (p->at >= s.len || !carries(class))
            break;
        struct place behind = *p;
        step(s, &behind);
        if (behind.at < s.len && behind.units < limit &&
            joins_over(class, p->class, behind.class)) {
            *p = behind;
            continue;
        }
        if (class == UNICODE_HEBREW && p->class == UNICODE_SINGLE_QUOTE)
            *p = behind;
        break;
    }
    return any ? type_of(seen) : NULL;
}

static bool is_modifier(uint32_t c)
{
    return c >= 0x1f3fb && c <= 0x1f3ff;
}

/* An emoji with its modifiers and what a joiner ties to it. */
static const char *find_emoji(struct tars_str s, struct place *p)
{
    for (;;) {
        struct place next = *p;
        bool joined = false;
        size_t len;
        do {
            joined = next.class == UNICODE_JOINER;
            unicode_read(s, next.at, &len);
            next.at += len;
            next.units += units(next.c);
            next.class = next.at < s.len ? class_at(s, next.at, &next.c, &len) : UNICODE_OTHER;
        } while (next.at < s.len &&
                 (extends(next.class) || (next.class == UNICODE_EMOJI && is_modifier(next.c))));
        *p = next;
        if (!joined || next.at >= s.len || next.class != UNICODE_EMOJI)
            return "<EMOJI>";
    }
}

/* What is a word by what follows only: a key cap, a joiner with an emoji, a lone modifier. */
static const char *find_sign(struct tars_str s, struct place *p)
{
    static const char cap[] = "\xe2\x83\xa3", styled[] = "\xef\xb8\x8f\xe2\x83\xa3";
    const char *next = s.at + p->at + 1;
    size_t left = s.len - p->at - 1;
    if ((p->c == '#' || p->c == '*') &&
        ((left >= 3 && memcmp(next, cap, 3) == 0) || (left >= 6 && memcmp(next, styled, 6) == 0)))
        return find_emoji(s, p);
    if (is_modifier(p->c))
        return find_emoji(s, p);
    struct place after = *p;
    size_t len;
    unicode_read(s, p->at, &len);
    if (p->class != UNICODE_JOINER || p->at + len >= s.len ||
        class_at(s, p->at + len, &after.c, &left) != UNICODE_EMOJI)
        return NULL;
    after.at += len;
    after.units++;
    after.class = UNICODE_EMOJI;
    *p = after;
    return find_emoji(s, p);
}

/* The word that begins at `p`; moves behind it, or behind what is none. */
static const char *find_word(struct tars_str s, struct place *p, size_t limit)
{
    enum unicode_class class = p->class;
    switch (class) {
    case UNICODE_LETTER:
    case UNICODE_HEBREW:
    case UNICODE_HANGUL:
    case UNICODE_NUMERIC:
    case UNICODE_KATAKANA:
    case UNICODE_CONNECTOR:
        return find_run(s, p, limit);
    case UNICODE_HAN:
    case UNICODE_HIRAGANA:
        step(s, p);
        return class == UNICODE_HAN ? "<IDEOGRAPHIC>" : "<HIRAGANA>";
    case UNICODE_COMPLEX:
    case UNICODE_COMPLEX_MARK:
        do
            step(s, p);
        while (p->at < s.len && p->class == UNICODE_COMPLEX && p->units < limit);
        return "<SOUTHEAST_ASIAN>";
    case UNICODE_EMOJI:
        return find_emoji(s, p);
    case UNICODE_REGIONAL:
        step(s, p);
        if (p->at >= s.len || p->class != UNICODE_REGIONAL)
            return NULL;
        step(s, p);
        return "<EMOJI>";
    default:
        return find_sign(s, p);
    }
}

bool words_next(struct words *w, struct word *word)
{
    size_t len;
    while (w->at < w->text.len) {
        struct place p = {.at = w->at, .units = w->offset};
        p.class = class_at(w->text, p.at, &p.c, &len);
        word->start = w->offset;
        word->type = find_word(w->text, &p, w->offset + WORD_MAX);
        if (!word->type) {
            p.c = unicode_read(w->text, w->at, &len);
            p.at = w->at + len;
            p.units = w->offset + units(p.c);
        }
        word->text = tars_str_n(w->text.at + w->at, p.at - w->at);
        word->end = p.units;
        w->at = p.at;
        w->offset = p.units;
        if (word->type)
            return true;
    }
    return false;
}

void word_add_lower(const struct word *word, struct text *to)
{
    char small[4];
    for (size_t i = 0, len; i < word->text.len; i += len) {
        uint32_t c = unicode_read(word->text, i, &len), low = unicode_lower(c);
        if (c == low)
            text_add(to, word->text.at + i, len);
        else
            text_add(to, small, unicode_write(low, small));
    }
}

void words_add(struct tars_str value, struct text *to)
{
    static const char mark = WORD_MARK, gap = WORDS_GAP;
    struct words words = {.text = value};
    struct word word;
    if (to->len)
        text_add(to, &gap, 1);
    text_add(to, &mark, 1);
    while (words_next(&words, &word)) {
        word_add_lower(&word, to);
        text_add(to, &mark, 1);
    }
}
