/* SPDX-License-Identifier: BSD-3-Clause */
#include "query_compile.h"

#include "base/xmalloc.h"
#include "date.h"
#include "highlight.h"
#include "regex.h"
#include "unicode.h"
#include "vocabulary.h"
#include "wildcard.h"
#include "words.h"

#include <stdio.h>
#include <stdlib.h>

static bool escape(struct compiler *c, struct tars_str text, struct tars_str *pattern);

/* Whether a word stands in a list with blanks between. */
static bool listed(const char *list, struct tars_str name)
{
    while (list && *list) {
        size_t len = strcspn(list, " ");
        if (tars_str_equal(tars_str_n(list, len), name))
            return true;
        list += len + (list[len] == ' ');
    }
    return false;
}

/* ---- conditions on one field
 * ------------------------------------------------------------------------ */

static void add_condition(struct query *q, const char *column, const struct condition *cond)
{
    if (cond->list) {
        text_addf(&q->sql, "%s IN (", column);
        for (size_t i = 0; i < cond->count; i++) {
            text_adds(&q->sql, i ? ",?" : "?");
            query_add_value(q, &cond->values[i]);
        }
        text_adds(&q->sql, ")");
        return;
    }
    for (size_t i = 0; i < cond->count; i++) {
        if (cond->function)
            text_addf(&q->sql, "%s(%s,?%s)", cond->function, column, cond->tail);
        else
            text_addf(&q->sql, "%s%s%s?", i ? " AND " : "", column, cond->operations[i]);
        query_add_value(q, &cond->values[i]);
    }
}

/* An equality with words, or a list of them, becomes one with the numbers that stand for them. */
static bool to_numbers(struct compiler *c, const struct field *f, const struct condition *cond,
                       struct condition *coded)
{
    struct value *v = tars_arena_alloc(c->q->arena, (cond->count * 2 + 1) * sizeof *v);
    if (!v)
        return compile_refuse(c, "the list is too long");
    *coded = (struct condition){.values = v, .list = true};
    for (size_t i = 0; i < cond->count; i++) {
        int64_t number = cond->values[i].kind == VALUE_TEXT
                             ? vocabulary_find(c->index->vocabulary, cond->values[i].s)
                             : 0;
        if (number)
            v[coded->count++] = (struct value){.kind = VALUE_INT, .i = number};
        if (!number || f->coding == CODING_MIXED)
            v[coded->count++] = cond->values[i];
    }
    return true;
}

static bool is_exact(const struct condition *cond)
{
    return cond->list || (cond->operations[0] && strcmp(cond->operations[0], "=") == 0);
}

/* On the document's own row. */
static bool add_row_condition(struct compiler *c, const struct field *f,
                              const struct condition *cond)
{
    struct condition coded;
    char column[FIELD_SQL];
    if (!f->coding || !is_exact(cond)) {
        add_condition(c->q, field_sql(f, "d.", column), cond);
        return true;
    }
    if (!to_numbers(c, f, cond, &coded))
        return false;
    snprintf(column, sizeof column, "d.f%d", f->column);
    add_condition(c->q, column, &coded);
    return true;
}

bool compile_condition(struct compiler *c, const struct field *f, const struct condition *cond)
{
    struct query *q = c->q;
    if (q->highlight && !c->scope && !highlight_mark(q->highlight, f, cond))
        return compile_refuse(c, "the request is too large to be highlighted");
    if (q->conditions)
        conditions_note(q->conditions, f, cond);
    if (!c->scope && f->index && !cond->function)
        query_wish(q, f, is_exact(cond));
    text_adds(&q->sql, "(");
    if (!add_row_condition(c, f, cond))
        return false;
    if (f->many) {
        text_addf(&q->sql, " OR d.seq IN (SELECT seq FROM m%lld WHERE field=%d AND ",
                  (long long)c->index->id, f->column);
        add_condition(q, "value", cond);
        text_adds(&q->sql, ")");
    }
    text_adds(&q->sql, ")");
    return true;
}

bool compile_nothing(struct compiler *c)
{
    text_adds(&c->q->sql, "0");
    return true;
}

const struct field *compile_field(struct compiler *c, struct tars_str path, bool *refused)
{
    const struct field *f = mapping_search(c->index->mapping, path);
    *refused = false;
    if (!f || f->type == FIELD_OBJECT || mapping_nested(c->index->mapping, f->path) != c->scope)
        return NULL;
    if (f->column < 0)
        *refused = !compile_refuse_shard(
            c, "Cannot search on field [%s] since it is not indexed%s.", f->path,
            f->type == FIELD_TEXT ? "" : " nor has doc values");
    return *refused ? NULL : f;
}

static bool bad_value(struct compiler *c, const struct field *f, const char *why)
{
    compile_refuse_shard(c, "%s", why);
    if (f->type == FIELD_DATE)
        c->q->failure->type = "parse_exception";
    return false;
}

static bool to_value(struct compiler *c, const struct field *f, const struct json *json, bool up,
                     struct value *v)
{
    char why[128];
    return value_query(f, json, up, c->q->arena, v, why) || bad_value(c, f, why);
}

bool compile_equal(struct compiler *c, const struct field *f, const struct json *json)
{
    struct value v[2];
    if (f->type == FIELD_TEXT)
        return compile_word(c, f, value_scalar(json), false);
    if (!to_value(c, f, json, false, &v[0]) || !to_value(c, f, json, true, &v[1]))
        return false;
    bool span = (f->type == FIELD_DATE && v[0].i != v[1].i) ||
                (f->type == FIELD_IP && !tars_str_equal(v[0].s, v[1].s));
    struct condition cond = {v, span ? 2 : 1, {span ? ">=" : "=", "<="}, false, NULL, NULL};
    return compile_condition(c, f, &cond);
}

bool compile_word(struct compiler *c, const struct field *f, struct tars_str word, bool prefix)
{
    char *at = tars_arena_alloc(c->q->arena, word.len + 2);
    if (!at)
        return compile_refuse(c, "the text is too large");
    for (size_t i = 0; i < word.len; i++)
        if ((unsigned char)word.at[i] < ' ')
            return compile_nothing(c);
    at[0] = at[word.len + 1] = WORD_MARK;
    memcpy(at + 1, word.len ? word.at : "", word.len);
    struct value v = {.kind = VALUE_TEXT, .s = tars_str_n(at, word.len + 2 - prefix)};
    if (!word.len)
        return compile_nothing(c);
    struct condition cond = {&v, 1, {NULL, NULL}, false, "has_words", ""};
    return compile_condition(c, f, &cond);
}

static bool id_in(struct compiler *c, const struct json *values)
{
    if (c->scope)
        return compile_nothing(c);
    text_adds(&c->q->sql, "(d.hash IN (");
    for (const struct json *v = values->child; v; v = v->next) {
        if (v->type != JSON_STRING && v->type != JSON_NUMBER)
            return compile_refuse(c, "[ids] values must be texts");
        struct value hash = {.kind = VALUE_INT, .i = index_hash(c->index, v->text)};
        text_adds(&c->q->sql, v == values->child ? "?" : ",?");
        query_add_value(c->q, &hash);
    }
    text_adds(&c->q->sql, ") AND d.id IN (");
    for (const struct json *v = values->child; v; v = v->next) {
        struct value text = {.kind = VALUE_TEXT, .s = v->text};
        text_adds(&c->q->sql, v == values->child ? "?" : ",?");
        query_add_value(c->q, &text);
    }
    text_adds(&c->q->sql, "))");
    return true;
}

/* ---- the queries
 * -------------------------------------------------------------------------------------- */

bool compile_field_value(struct compiler *c, const struct json *json, const char *query,
                         const char *key, const char *known, const struct json **value)
{
    if (json->type != JSON_OBJECT || !json->child)
        return compile_refuse(c, "[%s] query malformed, no field was given", query);
    if (json->count > 1)
        return compile_refuse(c,
                              "[%s] query doesn't support multiple fields, found [%" TARS_STR_FMT
                              "] and [%" TARS_STR_FMT "]",
                              query, TARS_STR_ARG(json->child->name),
                              TARS_STR_ARG(json->child->next->name));
    *value = json->child;
    if (json->child->type != JSON_OBJECT)
        return json->child->type != JSON_ARRAY ||
               failure_set(c->q->failure, 400,
                           strcmp(query, "term") == 0 ? "parsing_exception"
                                                      : "illegal_argument_exception",
                           "[%s] query doesn't support an array of values", query);
    for (const struct json *p = json->child->child; p; p = p->next)
        if (!tars_str_is(p->name, key) && !listed("boost _name", p->name) &&
            !listed(known, p->name))
            return compile_refuse(c, "[%s] query does not support [%" TARS_STR_FMT "]", query,
                                  TARS_STR_ARG(p->name));
    *value = json_get(json->child, key);
    return *value || compile_refuse(c, "[%s] query without a value", query);
}

bool compile_flag(struct compiler *c, const struct json *object, const char *name, bool *to)
{
    const struct json *flag = json_get(object, name);
    bool ok = true;
    *to = flag && json_as_bool(flag, &ok);
    if (!ok && flag->type == JSON_NUMBER)
        return failure_set(c->q->failure, 400, "x_content_parse_exception",
                           "[%s] must be true or false", name);
    return ok || failure_set(c->q->failure, 400, "illegal_argument_exception",
                             "Failed to parse value [%" TARS_STR_FMT
                             "] as only [true] or [false] are allowed.",
                             TARS_STR_ARG(flag->text));
}

bool compile_term(struct compiler *c, const struct json *json)
{
    const struct json *value = NULL;
    bool refused, fold;
    if (!compile_field_value(c, json, "term", "value", "case_insensitive", &value) || !value ||
        !compile_flag(c, json->child, "case_insensitive", &fold))
        return false;
    if (value->type > JSON_STRING || value->type == JSON_NULL)
        return value->type == JSON_NULL
                   ? failure_set(c->q->failure, 400, "illegal_argument_exception",
                                 "value cannot be null")
                   : compile_refuse(c, "[term] query does not support array of values");
    if (tars_str_is(json->child->name, "_id")) {
        struct json list = {.type = JSON_ARRAY, .count = 1}, one = *value;
        one.next = NULL;
        list.child = list.last = &one;
        return id_in(c, &list);
    }
    const struct field *f = compile_field(c, json->child->name, &refused);
    if (!f)
        return !refused && compile_nothing(c);
    struct tars_str pattern = tars_str("");
    if (fold && (f->type == FIELD_KEYWORD || f->type == FIELD_TEXT))
        return escape(c, value->text, &pattern) &&
               compile_pattern(c, f, PATTERN_WILDCARD, pattern, true);
    return fold ? compile_refuse_shard(c,
                                       "[%s] field which is of type [%s], does not support case "
                                       "insensitive term queries",
                                       f->path, field_type_name(f->type))
                : compile_equal(c, f, value);
}

/* Each by itself: dates and addresses may be spans, words are looked for. */
static bool each_in(struct compiler *c, const struct field *f, const struct json *values)
{
    text_adds(&c->q->sql, "(0");
    for (const struct json *v = values->child; v; v = v->next) {
        text_adds(&c->q->sql, " OR ");
        if (!compile_equal(c, f, v))
            return false;
    }
    text_adds(&c->q->sql, ")");
    return true;
}

static bool values_in(struct compiler *c, const struct field *f, const struct json *values)
{
    struct value *list = xcalloc(values->count + 1, sizeof *list);
    struct condition cond = {list, 0, {NULL, NULL}, true, NULL, NULL};
    bool ok = true;
    for (const struct json *v = values->child; v && ok; v = v->next)
        ok = to_value(c, f, v, false, &list[cond.count++]);
    ok = ok && (cond.count ? compile_condition(c, f, &cond) : compile_nothing(c));
    free(list);
    return ok;
}

bool compile_terms(struct compiler *c, const struct json *json)
{
    const struct json *values = NULL;
    bool refused;
    for (const struct json *p = json->child; p; p = p->next) {
        if (tars_str_is(p->name, "boost"))
            continue;
        if (values || p->type != JSON_ARRAY)
            return compile_refuse(c, "[terms] query requires one field with an array of values");
        values = p;
    }
    if (!values)
        return compile_refuse(c, "[terms] query requires a field name, followed by array of terms "
                                 "or a document lookup specification");
    if (values->count > QUERY_MAX_TERMS)
        return compile_refuse_shard(c,
                                    "The number of terms [%zu] used in the Terms Query request has "
                                    "exceeded the allowed maximum of [%d].",
                                    values->count, QUERY_MAX_TERMS);
    for (const struct json *v = values->child; v; v = v->next)
        if (v->type == JSON_NULL)
            return failure_set(c->q->failure, 400, "illegal_argument_exception",
                               "No value specified for terms query");
    if (tars_str_is(values->name, "_id"))
        return values->count ? id_in(c, values) : compile_nothing(c);
    const struct field *f = compile_field(c, values->name, &refused);
    if (!f)
        return !refused && compile_nothing(c);
    return f->type == FIELD_DATE || f->type == FIELD_IP || f->type == FIELD_TEXT
               ? each_in(c, f, values)
               : values_in(c, f, values);
}

/* "time_zone" and "format", which only dates have. zone_free afterwards. */
static bool read_range_options(struct compiler *c, const struct json *json, struct field *date,
                               struct zone **to)
{
    const struct json *zone = json_get(json, "time_zone"), *format = json_get(json, "format");
    if (format && (format->type != JSON_STRING || !date_format_known(format->text) ||
                   !(date->format = (char *)tars_arena_copy(c->q->arena, format->text).at)))
        return failure_set(c->q->failure, 400, "illegal_argument_exception",
                           "Invalid format: [%" TARS_STR_FMT "]: not known to this store",
                           TARS_STR_ARG(format->text));
    *to = zone && zone->type == JSON_STRING ? zone_open(zone->text) : NULL;
    return !zone || *to ||
           failure_set(c->q->failure, 400, "illegal_argument_exception",
                       "[range] time_zone: [%" TARS_STR_FMT "] is no time zone",
                       TARS_STR_ARG(zone->text));
}

static bool range_value(struct compiler *c, const struct field *f, const struct json *json, bool up,
                        const struct zone *zone, struct value *v)
{
    char why[128];
    if (f->type != FIELD_DATE)
        return to_value(c, f, json, up, v);
    return value_date(f, json, up, zone, v, why) || bad_value(c, f, why);
}

static bool read_bounds(struct compiler *c, const struct json *json, const struct field *f,
                        const struct zone *zone, struct condition *cond, struct value v[2])
{
    static const struct {
        const char *name, *operation;
        bool low, up;
    } bounds[] = {{"gte", ">=", true, false},
                  {"gt", ">", true, true},
                  {"lte", "<=", false, true},
                  {"lt", "<", false, false}};
    bool seen[2] = {false, false};
    for (const struct json *p = json->child; p; p = p->next) {
        size_t i = 0;
        while (i < 4 && !tars_str_is(p->name, bounds[i].name))
            i++;
        if (i == 4 && listed("boost time_zone format _name", p->name))
            continue;
        if (i == 4)
            return compile_refuse(c, "[range] query does not support [%" TARS_STR_FMT "]",
                                  TARS_STR_ARG(p->name));
        if (p->type == JSON_NULL)
            continue;
        if (seen[bounds[i].low])
            return compile_refuse(c, "[range] query: two %s bounds",
                                  bounds[i].low ? "lower" : "upper");
        seen[bounds[i].low] = true;
        if (f && !range_value(c, f, p, bounds[i].up, zone, &v[cond->count]))
            return false;
        cond->operations[cond->count++] = bounds[i].operation;
    }
    return true;
}

bool compile_range(struct compiler *c, const struct json *json)
{
    static const struct value none = {0};
    struct value v[2];
    struct condition cond = {v, 0, {NULL, NULL}, false, NULL, NULL};
    struct zone *zone = NULL;
    bool refused;
    if (json->type != JSON_OBJECT || json->count != 1 || json->child->type != JSON_OBJECT)
        return compile_refuse(
            c, "[range] query malformed, exactly one field with an object of bounds was expected");
    const struct field *f = compile_field(c, json->child->name, &refused);
    if (f && f->type == FIELD_TEXT)
        return compile_refuse_shard(
            c, "[range] on field [%s] of type [text] is not known to this store", f->path);
    struct field date = f ? *f : (struct field){0};
    bool ok = read_range_options(c, json->child, &date, &zone) &&
              read_bounds(c, json->child, f ? &date : NULL, zone, &cond, v);
    zone_free(zone);
    if (!ok)
        return false;
    if (!f)
        return !refused && compile_nothing(c);
    if (!cond.count)
        cond = (struct condition){&none, 1, {" IS NOT ", NULL}, false, NULL, NULL};
    return compile_condition(c, f, &cond);
}

static void add_exists(struct compiler *c, const struct field *f)
{
    if (f->column >= 0 && f->type != FIELD_OBJECT) {
        text_addf(&c->q->sql, " OR d.f%d IS NOT NULL", f->column);
        if (f->many)
            text_addf(&c->q->sql, " OR d.seq IN (SELECT seq FROM m%lld WHERE field=%d)",
                      (long long)c->index->id, f->column);
    }
    for (size_t i = 0; f->type == FIELD_OBJECT && i < f->child_count; i++)
        if (!f->children[i]->nested)
            add_exists(c, f->children[i]);
}

bool compile_exists(struct compiler *c, const struct json *json)
{
    const struct json *name = json_get(json, "field");
    if (!name || name->type != JSON_STRING || json->count != 1U + (json_get(json, "boost") != NULL))
        return compile_refuse(c, "[exists] must be provided with a [field] and nothing else");
    const struct field *f = mapping_search(c->index->mapping, name->text);
    if (f && f != c->scope && mapping_nested(c->index->mapping, f->path) != c->scope)
        f = NULL;
    if (f && f->nested && f != c->scope)
        f = NULL;
    text_adds(&c->q->sql, "(0");
    if (f)
        add_exists(c, f);
    text_adds(&c->q->sql, ")");
    return true;
}

bool compile_ids(struct compiler *c, const struct json *json)
{
    const struct json *values = json_get(json, "values");
    if (!values || (values->type != JSON_ARRAY && values->type != JSON_STRING) ||
        json->count != 1U + (json_get(json, "boost") != NULL))
        return compile_refuse(c, "[ids] needs [values] and nothing else");
    if (values->type == JSON_ARRAY)
        return values->count ? id_in(c, values) : compile_nothing(c);
    struct json list = {.type = JSON_ARRAY, .count = 1}, one = *values;
    one.next = NULL;
    list.child = list.last = &one;
    return id_in(c, &list);
}

/* ---- patterns
 * --------------------------------------------------------------------------------------- */

/* The text as a pattern that matches only itself. */
static bool escape(struct compiler *c, struct tars_str text, struct tars_str *pattern)
{
    char *at = tars_arena_alloc(c->q->arena, text.len * 2 + 2), *to = at;
    if (!at)
        return compile_refuse(c, "the text is too large");
    for (size_t i = 0; i < text.len; i++) {
        if (strchr("*?\\", text.at[i]) && text.at[i])
            *to++ = '\\';
        *to++ = text.at[i];
    }
    *pattern = tars_str_n(at, (size_t)(to - at));
    return true;
}

/* Everything from the prefix up to, and without, the prefix with its last byte one higher. */
static bool keyword_prefix(struct compiler *c, const struct field *f, struct tars_str prefix)
{
    struct value v[2] = {{.kind = VALUE_TEXT, .s = prefix}, {.kind = VALUE_TEXT}};
    struct condition cond = {v, prefix.len ? 2 : 1, {">=", "<"}, false, NULL, NULL};
    if (prefix.len) {
        char *high = tars_arena_alloc(c->q->arena, prefix.len);
        if (!high)
            return compile_refuse(c, "[prefix] the text is too large");
        memcpy(high, prefix.at, prefix.len);
        high[prefix.len - 1]++;
        v[1].s = tars_str_n(high, prefix.len);
    }
    return compile_condition(c, f, &cond);
}

static bool check_regex(struct compiler *c, struct tars_str pattern, bool fold)
{
    char why[128];
    if (pattern.len > REGEX_MAX)
        return compile_refuse_shard(
            c,
            "The length of regex [%zu] used in the Regexp Query request has exceeded the allowed "
            "maximum of [%d]. This maximum can be set by changing the [index.max_regex_length] "
            "index level setting.",
            pattern.len, REGEX_MAX);
    struct regex *r = regex_new(pattern, fold, why);
    regex_free(r);
    return r || compile_refuse_shard(c, "%s", why);
}

bool compile_pattern(struct compiler *c, const struct field *f, enum pattern_kind kind,
                     struct tars_str pattern, bool fold)
{
    static const char *const names[] = {"wildcard", "prefix", "regexp"};
    static const struct tars_str any = {"*", 1};
    static const char *const functions[] = {"wild", "word_wild", "regex", "word_regex"};
    if (f->type != FIELD_KEYWORD && f->type != FIELD_TEXT)
        return compile_refuse_shard(c,
                                    "Can only use %s queries on keyword, text and wildcard fields "
                                    "- not on [%s] which is of type [%s]",
                                    names[kind], f->path, field_type_name(f->type));
    if (f->normalizer && !(pattern = unicode_lower_text(pattern, c->q->arena)).at)
        return compile_refuse(c, "[%s] the text is too large", names[kind]);
    if (kind == PATTERN_PREFIX && !fold)
        return f->type == FIELD_KEYWORD ? keyword_prefix(c, f, pattern)
               : pattern.len            ? compile_word(c, f, pattern, true)
                                        : compile_pattern(c, f, PATTERN_WILDCARD, any, false);
    if (kind == PATTERN_PREFIX) {
        struct text more = {0};
        bool ok = escape(c, pattern, &pattern);
        text_add(&more, pattern.at, pattern.len);
        text_adds(&more, "*");
        pattern = tars_arena_copy(c->q->arena, text_str(&more));
        text_free(&more);
        if (!ok || !pattern.at)
            return ok && compile_refuse(c, "[prefix] the text is too large");
    }
    if (kind != PATTERN_REGEX && pattern.len > WILDCARD_MAX)
        return compile_refuse_shard(c, "[%s]: the pattern is longer than %d bytes", names[kind],
                                    WILDCARD_MAX);
    if (kind == PATTERN_REGEX && !check_regex(c, pattern, fold))
        return false;
    struct value v = {.kind = VALUE_TEXT, .s = pattern};
    int row = (kind == PATTERN_REGEX ? 2 : 0) + (f->type == FIELD_TEXT);
    struct condition cond = {&v,
                             1,
                             {NULL, NULL},
                             false,
                             row    ? functions[row]
                             : fold ? "wildi"
                                    : "wild",
                             !row   ? ""
                             : fold ? ",1"
                                    : ",0"};
    return compile_condition(c, f, &cond);
}

static bool pattern_query(struct compiler *c, const struct json *json, enum pattern_kind kind,
                          const char *name, const char *key, const char *known)
{
    const struct json *value = NULL;
    bool refused, fold;
    if (!compile_field_value(c, json, name, key, known, &value) || !value || !json->child ||
        !compile_flag(c, json->child, "case_insensitive", &fold))
        return false;
    if (value->type < JSON_FALSE || value->type > JSON_STRING)
        return compile_refuse(c, "[%s] query needs a text", name);
    const struct field *f = compile_field(c, json->child->name, &refused);
    return f ? compile_pattern(c, f, kind, value_scalar(value), fold)
             : !refused && compile_nothing(c);
}

bool compile_prefix(struct compiler *c, const struct json *json)
{
    return pattern_query(c, json, PATTERN_PREFIX, "prefix", "value", "case_insensitive rewrite");
}

bool compile_wildcard(struct compiler *c, const struct json *json)
{
    bool other = json->child && json_get(json->child, "wildcard");
    return pattern_query(c, json, PATTERN_WILDCARD, "wildcard", other ? "wildcard" : "value",
                         "case_insensitive rewrite");
}

bool compile_regexp(struct compiler *c, const struct json *json)
{
    const struct json *flags = json->child ? json_get(json->child, "flags") : NULL;
    if (flags && !json_is_str(flags, "ALL") && !json_is_str(flags, "NONE"))
        return compile_refuse(c, "[regexp] flags: this store knows ALL and NONE");
    return pattern_query(c, json, PATTERN_REGEX, "regexp", "value",
                         "case_insensitive rewrite flags max_determinized_states");
}
