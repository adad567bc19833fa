/* SPDX-License-Identifier: BSD-3-Clause */
#include "json.h"

#include "base/map.h"

#include <errno.h>
#include <stdlib.h>

enum {
    SMALL_OBJECT = 16,   /* up to here duplicates are looked for one by one, */
    MIDDLE_OBJECT = 128, /* to here in a table of twice as many slots, above in a map */
    SLOTS = 256
};

struct parser {
    const char *begin, *at, *end;
    struct tars_arena *arena;
    struct tars_error *error;
    int depth;
};

static struct json *fail(struct parser *p, const char *what)
{
    if (p->error && !p->error->code)
        tars_fail(p->error, 1, "[1:%zu] %s", (size_t)(p->at - p->begin) + 1, what);
    return NULL;
}

static void skip_blanks(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\t' || *p->at == '\r'))
        p->at++;
}

/* ---- strings -----------------------------------------------------------------------------------
 */

/* Length of a well-formed UTF-8 sequence at `s`, or 0. */
static size_t utf8_len(const unsigned char *s, size_t left)
{
    static const struct {
        unsigned char low, high, second_low, second_high;
        size_t len;
    } forms[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (*s < forms[i].low || *s > forms[i].high)
            continue;
        if (left < forms[i].len || s[1] < forms[i].second_low || s[1] > forms[i].second_high)
            return 0;
        for (size_t k = 2; k < forms[i].len; k++)
            if ((s[k] & 0xc0) != 0x80)
                return 0;
        return forms[i].len;
    }
    return 0;
}

static bool read_hex4(struct parser *p, uint32_t *code)
{
    if (p->end - p->at < 4)
        return false;
    *code = 0;
    for (int i = 0; i < 4; i++, p->at++) {
        char c = *p->at;
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            return false;
        *code = *code << 4 | digit;
    }
    return true;
}

static char *put_utf8(char *to, uint32_t code)
{
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    }
    return to;
}

/* Behind "\u": one code point, of a surrogate pair both halves. */
static bool read_unicode(struct parser *p, uint32_t *code)
{
    uint32_t low;
    if (!read_hex4(p, code))
        return false;
    if (*code < 0xd800 || *code > 0xdfff)
        return true;
    if (*code > 0xdbff || p->end - p->at < 6 || p->at[0] != '\\' || p->at[1] != 'u')
        return false;
    p->at += 2;
    if (!read_hex4(p, &low) || low < 0xdc00 || low > 0xdfff)
        return false;
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

static char *read_escape(struct parser *p, char *to)
{
    static const char pairs[] = "b\bf\fn\nr\rt\t\"\"\\\\//";
    if (p->at == p->end)
        return NULL;
    char c = *p->at++;
    uint32_t code;
    if (c == 'u')
        return read_unicode(p, &code) ? put_utf8(to, code) : NULL;
    for (const char *pair = pairs; *pair; pair += 2) {
        if (*pair == c) {
            *to++ = pair[1];
            return to;
        }
    }
    return NULL;
}

/* Steps over plain characters; true at the closing quote. */
static bool skip_plain(struct parser *p)
{
    while (p->at < p->end) {
        unsigned char c = (unsigned char)*p->at;
        if (c == '"' || c == '\\' || c < 0x20)
            return c == '"';
        size_t len = c < 0x80 ? 1
                              : utf8_len((const unsigned char *)p->at, (size_t)(p->end - p->at));
        if (len == 0)
            return false;
        p->at += len;
    }
    return false;
}

static bool read_string(struct parser *p, struct tars_str *s)
{
    const char *begin = ++p->at;
    if (skip_plain(p)) {
        *s = tars_str_n(begin, (size_t)(p->at++ - begin));
        return true;
    }
    const char *close = p->at;
    while (close < p->end && *close != '"')
        close += *close == '\\' && close + 1 < p->end ? 2 : 1;
    char *text = tars_arena_alloc(p->arena, (size_t)(close - begin) + 1);
    if (!text)
        return fail(p, "the text is too large") != NULL;
    char *to = text;
    const char *plain = begin;
    for (;;) {
        memcpy(to, plain, (size_t)(p->at - plain));
        to += p->at - plain;
        if (p->at == p->end)
            return fail(p, "Unexpected end-of-input in a string") != NULL;
        if (*p->at == '"')
            break;
        if (*p->at != '\\')
            return fail(p, "Invalid character in a string") != NULL;
        p->at++;
        if (!(to = read_escape(p, to)))
            return fail(p, "Unrecognized character escape") != NULL;
        plain = p->at;
        skip_plain(p);
    }
    p->at++;
    *s = tars_str_n(text, (size_t)(to - text));
    return true;
}

/* ---- values
 * -------------------------------------------------------------------------------------- */

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

static bool read_number(struct parser *p, struct tars_str *s)
{
    const char *at = p->at, *from = at;
    if (at < p->end && *at == '-')
        at++;
    const char *digits = at;
    at = skip_digits(at, p->end);
    if (at == digits || (*digits == '0' && at - digits > 1))
        return false;
    if (at < p->end && *at == '.') {
        digits = ++at;
        if ((at = skip_digits(at, p->end)) == digits)
            return false;
    }
    if (at < p->end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < p->end && (*at == '+' || *at == '-'))
            at++;
        digits = at;
        if ((at = skip_digits(at, p->end)) == digits)
            return false;
    }
    *s = tars_str_n(from, (size_t)(at - from));
    p->at = at;
    return true;
}

static struct json *read_value(struct parser *p);

static void append(struct json *parent, struct json *value)
{
    if (parent->last)
        parent->last->next = value;
    else
        parent->child = value;
    parent->last = value;
    parent->count++;
}

static bool next_or_close(struct parser *p, char close, bool *done)
{
    skip_blanks(p);
    if (p->at == p->end)
        return fail(p, "Unexpected end of file") != NULL;
    char c = *p->at;
    if (c != ',' && c != close)
        return fail(p, "Unexpected character: expected a comma or the end") != NULL;
    p->at++;
    *done = c == close;
    return true;
}

static struct json *read_array(struct parser *p, struct json *array)
{
    bool done = false;
    p->at++;
    skip_blanks(p);
    if (p->at < p->end && *p->at == ']') {
        p->at++;
        return array;
    }
    while (!done) {
        struct json *value = read_value(p);
        if (!value)
            return NULL;
        append(array, value);
        if (!next_or_close(p, ']', &done))
            return NULL;
    }
    return array;
}

/* The names that an object has already. */
struct names {
    struct json **slots;
    struct map *map;
};

static bool note_in_slots(struct names *seen, struct json *member)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < member->name.len; i++)
        hash = (hash ^ (unsigned char)member->name.at[i]) * 16777619U;
    struct json **slot = &seen->slots[(hash ^ hash >> 16) % SLOTS];
    while (*slot) {
        if (tars_str_equal((*slot)->name, member->name))
            return false;
        if (++slot == seen->slots + SLOTS)
            slot = seen->slots;
    }
    *slot = member;
    return true;
}

static bool note_in_map(struct names *seen, struct json *object, struct json *member)
{
    if (!seen->map) {
        seen->map = map_new(NULL);
        for (struct json *m = object->child; m; m = m->next)
            map_put(seen->map, m->name, m);
    }
    if (map_get(seen->map, member->name))
        return false;
    map_put(seen->map, member->name, member);
    return true;
}

/* False for a name that the object has already. */
static bool note_name(struct parser *p, struct json *object, struct names *seen,
                      struct json *member)
{
    if (object->count < SMALL_OBJECT)
        return !json_get_n(object, member->name);
    if (!seen->slots && object->count < MIDDLE_OBJECT) {
        seen->slots = tars_arena_alloc(p->arena, SLOTS * sizeof *seen->slots);
        if (seen->slots)
            memset(seen->slots, 0, SLOTS * sizeof *seen->slots);
        for (struct json *m = object->child; m && seen->slots; m = m->next)
            note_in_slots(seen, m);
    }
    return seen->slots && object->count < MIDDLE_OBJECT ? note_in_slots(seen, member)
                                                        : note_in_map(seen, object, member);
}

static struct json *read_member(struct parser *p)
{
    struct tars_str name = {0};
    skip_blanks(p);
    if (p->at == p->end)
        return fail(p, "Unexpected end of file");
    if (*p->at != '"')
        return fail(p, "Unexpected character: was expecting double-quote to start field name");
    if (!read_string(p, &name))
        return NULL;
    skip_blanks(p);
    if (p->at == p->end)
        return fail(p, "Unexpected end of file");
    if (*p->at != ':')
        return fail(p, "Unexpected character: was expecting a colon");
    p->at++;
    struct json *value = read_value(p);
    if (value)
        value->name = name;
    return value;
}

static struct json *read_object(struct parser *p, struct json *object)
{
    struct names seen = {0};
    struct json *result = NULL;
    bool done = false;
    p->at++;
    skip_blanks(p);
    if (p->at < p->end && *p->at == '}') {
        p->at++;
        return object;
    }
    while (!done) {
        struct json *member = read_member(p);
        if (!member)
            goto out;
        if (!note_name(p, object, &seen, member)) {
            fail(p, "Duplicate field");
            goto out;
        }
        append(object, member);
        if (!next_or_close(p, '}', &done))
            goto out;
    }
    result = object;
out:
    if (seen.map)
        map_free(seen.map);
    return result;
}

static struct json *read_word(struct parser *p, struct json *value)
{
    static const struct {
        const char *word;
        enum json_type type;
    } words[] = {{"null", JSON_NULL}, {"true", JSON_TRUE}, {"false", JSON_FALSE}};
    for (size_t i = 0; i < 3; i++) {
        size_t len = strlen(words[i].word);
        if ((size_t)(p->end - p->at) < len || memcmp(p->at, words[i].word, len) != 0)
            continue;
        p->at += len;
        value->type = words[i].type;
        return value;
    }
    return fail(p, "Unrecognized token: was expecting a JSON value");
}

static struct json *read_value(struct parser *p)
{
    struct json *value = json_new(p->arena, JSON_NULL), *result = value;
    if (!value)
        return fail(p, "the text is too large");
    skip_blanks(p);
    if (p->at == p->end)
        return fail(p, "Unexpected end of file");
    if (++p->depth > JSON_MAX_DEPTH)
        return fail(p, "Document nesting depth exceeds the maximum allowed");
    char c = *p->at;
    if (c == '{') {
        value->type = JSON_OBJECT;
        result = read_object(p, value);
    } else if (c == '[') {
        value->type = JSON_ARRAY;
        result = read_array(p, value);
    } else if (c == '"') {
        value->type = JSON_STRING;
        if (!read_string(p, &value->text))
            result = fail(p, "Invalid string");
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        value->type = JSON_NUMBER;
        if (!read_number(p, &value->text))
            result = fail(p, "Invalid numeric value");
    } else {
        result = read_word(p, value);
    }
    p->depth--;
    return result;
}

struct json *json_parse(struct tars_str text, struct tars_arena *arena, struct tars_error *error)
{
    struct parser p = {text.at, text.at, text.at + text.len, arena, error, 0};
    if (error)
        error->code = 0;
    if (text.len == 0)
        return fail(&p, "Unexpected end of file");
    struct json *value = read_value(&p);
    if (!value)
        return NULL;
    skip_blanks(&p);
    return p.at == p.end ? value : fail(&p, "Unexpected character behind the value");
}

/* ---- trees
 * --------------------------------------------------------------------------------------- */

struct json *json_new(struct tars_arena *arena, enum json_type type)
{
    struct json *value = tars_arena_alloc(arena, sizeof *value);
    if (value)
        value->type = type;
    return value;
}

struct json *json_new_str(struct tars_arena *arena, struct tars_str text)
{
    struct json *value = json_new(arena, JSON_STRING);
    if (value)
        value->text = tars_arena_copy(arena, text);
    return value;
}

struct json *json_get_n(const struct json *object, struct tars_str name)
{
    if (!object || object->type != JSON_OBJECT)
        return NULL;
    for (struct json *m = object->child; m; m = m->next)
        if (tars_str_equal(m->name, name))
            return m;
    return NULL;
}

struct json *json_get(const struct json *object, const char *name)
{
    return json_get_n(object, tars_str(name));
}

void json_remove(struct json *object, struct tars_str name)
{
    struct json *before = NULL;
    for (struct json *m = object->child; m; before = m, m = m->next) {
        if (!tars_str_equal(m->name, name))
            continue;
        *(before ? &before->next : &object->child) = m->next;
        if (object->last == m)
            object->last = before;
        object->count--;
        return;
    }
}

void json_set(struct json *object, struct tars_str name, struct json *value)
{
    struct json *before = NULL, *m = object->child;
    while (m && !tars_str_equal(m->name, name)) {
        before = m;
        m = m->next;
    }
    value->name = name;
    if (!m) {
        value->next = NULL;
        append(object, value);
        return;
    }
    value->next = m->next;
    *(before ? &before->next : &object->child) = value;
    if (object->last == m)
        object->last = value;
}

void json_add(struct json *array, struct json *value)
{
    value->next = NULL;
    append(array, value);
}

struct json *json_copy(const struct json *value, struct tars_arena *arena)
{
    struct json *copy = json_new(arena, value->type);
    if (!copy)
        return NULL;
    copy->text = tars_arena_copy(arena, value->text);
    copy->name = tars_arena_copy(arena, value->name);
    for (const struct json *c = value->child; c; c = c->next) {
        struct json *child = json_copy(c, arena);
        if (!child)
            return NULL;
        append(copy, child);
    }
    return copy;
}

bool json_is_str(const struct json *value, const char *text)
{
    return value && value->type == JSON_STRING && tars_str_is(value->text, text);
}

bool json_as_bool(const struct json *value, bool *ok)
{
    bool yes = value && (value->type == JSON_TRUE || json_is_str(value, "true"));
    bool no = value && (value->type == JSON_FALSE || json_is_str(value, "false"));
    if (!yes && !no)
        *ok = false;
    return yes;
}

bool json_as_int(const struct json *value, int64_t *v)
{
    char number[24], *end;
    if (!value || (value->type != JSON_NUMBER && value->type != JSON_STRING) ||
        value->text.len == 0 || value->text.len >= sizeof number)
        return false;
    memcpy(number, value->text.at, value->text.len);
    number[value->text.len] = '\0';
    if (number[0] != '-' && (number[0] < '0' || number[0] > '9'))
        return false;
    errno = 0;
    *v = strtoll(number, &end, 10);
    return *end == '\0' && errno == 0;
}

bool json_equal(const struct json *a, const struct json *b)
{
    if (a->type != b->type || a->count != b->count)
        return false;
    if (a->type == JSON_NUMBER || a->type == JSON_STRING)
        return tars_str_equal(a->text, b->text);
    const struct json *y = b->child;
    for (const struct json *x = a->child; x; x = x->next, y = y ? y->next : NULL) {
        const struct json *other = a->type == JSON_OBJECT ? json_get_n(b, x->name) : y;
        if (!other || !json_equal(x, other))
            return false;
    }
    return true;
}

void json_print(const struct json *value, struct text *to)
{
    static const char *const words[] = {"null", "false", "true"};
    if (value->type <= JSON_TRUE) {
        text_adds(to, words[value->type]);
    } else if (value->type == JSON_NUMBER) {
        text_add(to, value->text.at, value->text.len);
    } else if (value->type == JSON_STRING) {
        text_add_json(to, value->text);
    } else {
        bool object = value->type == JSON_OBJECT;
        text_adds(to, object ? "{" : "[");
        for (const struct json *c = value->child; c; c = c->next) {
            if (object) {
                text_add_json(to, c->name);
                text_adds(to, ":");
            }
            json_print(c, to);
            if (c->next)
                text_adds(to, ",");
        }
        text_adds(to, object ? "}" : "]");
    }
}
