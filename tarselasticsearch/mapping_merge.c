/* SPDX-License-Identifier: BSD-3-Clause */
#include "mapping_merge.h"

#include "base/xmalloc.h"
#include "date.h"

#include <stdlib.h>
#include <string.h>

#define BAD "mapper_parsing_exception"

static bool merge_properties(struct mapping *m, struct field *parent, const struct json *json,
                             int depth, struct failure *failure);

/* ---- parameters of a field ------------------------------------------------------------------- */

static bool read_dynamic(struct field *f, const struct json *value, struct failure *failure)
{
    bool ok = true;
    if (json_is_str(value, "strict")) {
        f->dynamic = DYNAMIC_STRICT;
        return true;
    }
    bool yes = json_as_bool(value, &ok);
    f->dynamic = yes ? DYNAMIC_TRUE : DYNAMIC_FALSE;
    return ok ||
           failure_set(failure, 400, BAD,
                       "Failed to parse mapping: [dynamic] must be true, false or strict on [%s]",
                       f->name);
}

static bool read_bool(const struct field *f, const struct json *value, bool *to,
                      struct failure *failure)
{
    bool ok = true;
    *to = json_as_bool(value, &ok);
    return ok || failure_set(failure, 400, BAD,
                             "Failed to parse mapping: Failed to parse value [%" TARS_STR_FMT
                             "] of field [%s] as only [true] or [false] are allowed.",
                             TARS_STR_ARG(value->text), f->name);
}

static bool unknown_parameter(const struct field *f, struct tars_str name, struct failure *failure)
{
    return failure_set(failure, 400, BAD,
                       "Failed to parse mapping: unknown parameter [%" TARS_STR_FMT
                       "] on mapper [%s] of type [%s]",
                       TARS_STR_ARG(name), f->name, field_type_name(f->type));
}

static bool read_format(struct field *f, bool fresh, const struct json *value,
                        struct failure *failure)
{
    if (value->type != JSON_STRING || !date_format_known(value->text))
        return failure_set(failure, 400, BAD,
                           "Failed to parse mapping: Error parsing [format] on field [%s]: the "
                           "format is not known to this store",
                           f->name);
    if (!fresh && !tars_str_is(value->text,
                               f->format ? f->format : "strict_date_optional_time||epoch_millis"))
        return failure_set(failure, 400, "illegal_argument_exception",
                           "Mapper for [%s] conflicts with existing mapper:\n\tCannot update "
                           "parameter [format]",
                           f->path);
    free(f->format);
    f->format = xstrndup(value->text.at, value->text.len);
    return true;
}

/* What changes no answer of this store is kept to be shown. */
static bool keep_option(char **options, const struct json *p)
{
    struct text text = {0};
    if (*options)
        text_addf(&text, "%s,", *options);
    text_add_json(&text, p->name);
    text_adds(&text, ":");
    json_print(p, &text);
    free(*options);
    *options = text.at;
    return true;
}

static bool named(const char *list, struct tars_str name)
{
    while (list && *list) {
        size_t len = strcspn(list, " ");
        if (tars_str_equal(tars_str_n(list, len), name))
            return true;
        list += len + (list[len] == ' ');
    }
    return false;
}

static bool read_normalizer(const struct mapping *m, struct field *f, const struct json *p,
                            struct failure *failure)
{
    if (p->type != JSON_STRING ||
        (!tars_str_is(p->text, "lowercase") && !named(m->normalizers, p->text)))
        return failure_set(failure, 400, BAD,
                           "Failed to parse mapping: normalizer [%" TARS_STR_FMT
                           "] not found for field [%s]",
                           TARS_STR_ARG(p->text), f->name);
    if (f->normalizer && !tars_str_is(p->text, f->normalizer))
        return failure_set(failure, 400, "illegal_argument_exception",
                           "Mapper for [%s] conflicts with existing mapper:\n\tCannot update "
                           "parameter [normalizer] from [%s] to [%" TARS_STR_FMT "]",
                           f->path, f->normalizer, TARS_STR_ARG(p->text));
    free(f->normalizer);
    f->normalizer = xstrndup(p->text.at, p->text.len);
    return true;
}

static bool read_path(struct field *f, const struct json *p, struct failure *failure)
{
    if (p->type != JSON_STRING || !p->text.len)
        return failure_set(failure, 400, BAD,
                           "Failed to parse mapping: The [path] property must be specified for "
                           "field [%s]",
                           f->name);
    free(f->target);
    f->target = xstrndup(p->text.at, p->text.len);
    return true;
}

/* Parameters that say what is so anyway, or how fast something is. */
static bool is_usual(const struct field *f, const struct json *p)
{
    if (f->type == FIELD_TEXT)
        return (tars_str_is(p->name, "analyzer") && json_is_str(p, "standard")) ||
               (tars_str_is(p->name, "search_analyzer") && json_is_str(p, "standard")) ||
               (tars_str_is(p->name, "norms") && p->type <= JSON_TRUE && p->type != JSON_NULL) ||
               (tars_str_is(p->name, "fielddata") && p->type == JSON_FALSE);
    if (f->type == FIELD_KEYWORD)
        return (tars_str_is(p->name, "norms") || tars_str_is(p->name, "eager_global_ordinals")) &&
               (p->type == JSON_TRUE || p->type == JSON_FALSE);
    if (f->type == FIELD_DATE && tars_str_is(p->name, "locale"))
        return json_is_str(p, "") || json_is_str(p, "en");
    return (tars_str_is(p->name, "coerce") && p->type == JSON_TRUE) ||
           (tars_str_is(p->name, "ignore_malformed") && p->type == JSON_FALSE);
}

static bool read_object_parameter(struct mapping *m, struct field *f, const struct json *p,
                                  int depth, struct failure *failure)
{
    if (tars_str_is(p->name, "properties"))
        return merge_properties(m, f, p, depth + 1, failure);
    if (tars_str_is(p->name, "dynamic"))
        return read_dynamic(f, p, failure);
    if (tars_str_is(p->name, "enabled") && !f->nested)
        return read_bool(f, p, &f->enabled, failure);
    return unknown_parameter(f, p->name, failure);
}

static bool read_parameter(struct mapping *m, struct field *f, bool fresh, const struct json *p,
                           int depth, struct failure *failure)
{
    if (tars_str_is(p->name, "type"))
        return true;
    if (f->type == FIELD_OBJECT)
        return read_object_parameter(m, f, p, depth, failure);
    if (f->type == FIELD_ALIAS)
        return tars_str_is(p->name, "path") ? read_path(f, p, failure)
                                            : unknown_parameter(f, p->name, failure);
    if (tars_str_is(p->name, "fields"))
        return merge_properties(m, f, p, depth + 1, failure);
    if (tars_str_is(p->name, "index"))
        return read_bool(f, p, &f->index, failure);
    if (f->type != FIELD_TEXT && tars_str_is(p->name, "doc_values"))
        return read_bool(f, p, &f->doc_values, failure);
    if (f->type == FIELD_KEYWORD && tars_str_is(p->name, "normalizer"))
        return read_normalizer(m, f, p, failure);
    if (f->type == FIELD_KEYWORD && tars_str_is(p->name, "ignore_above"))
        return (json_as_int(p, &f->ignore_above) && f->ignore_above >= 0) ||
               failure_set(
                   failure, 400, BAD,
                   "Failed to parse mapping: [ignore_above] must be a positive number on [%s]",
                   f->name);
    if (f->type == FIELD_DATE && tars_str_is(p->name, "format"))
        return read_format(f, fresh, p, failure);
    if (tars_str_is(p->name, "meta") && p->type == JSON_OBJECT)
        return keep_option(&f->options, p);
    return is_usual(f, p) ? keep_option(&f->options, p) : unknown_parameter(f, p->name, failure);
}

/* ---- fields ---------------------------------------------------------------------------------- */

static bool read_type(const struct json *json, enum field_type *type, bool *nested,
                      struct tars_str name, struct failure *failure)
{
    const struct json *t = json_get(json, "type");
    *type = FIELD_OBJECT;
    *nested = json_is_str(t, "nested");
    if (*nested)
        return true;
    if (!t && (json->count == 0 || json_get(json, "properties") || json_get(json, "enabled") ||
               json_get(json, "dynamic")))
        return true;
    if (!t)
        return failure_set(failure, 400, BAD,
                           "Failed to parse mapping: No type specified for field [%" TARS_STR_FMT
                           "]",
                           TARS_STR_ARG(name));
    for (int i = 0; i < FIELD_TYPES; i++) {
        if (json_is_str(t, field_type_name((enum field_type)i))) {
            *type = (enum field_type)i;
            return true;
        }
    }
    return failure_set(failure, 400, BAD,
                       "Failed to parse mapping: The mapper type [%" TARS_STR_FMT
                       "] declared on field [%" TARS_STR_FMT "] does not exist. It might have been "
                       "created within a future version or requires a plugin to be installed. "
                       "Check the documentation.",
                       TARS_STR_ARG(t->text), TARS_STR_ARG(name));
}

static bool check_field(const struct json *json, struct failure *failure)
{
    struct tars_str name = json->name;
    if (json->type != JSON_OBJECT)
        return failure_set(
            failure, 400, BAD,
            "Failed to parse mapping: Expected map for property [fields] on field [%" TARS_STR_FMT
            "] but got a value",
            TARS_STR_ARG(name));
    if (name.len == 0 || memchr(name.at, '\0', name.len))
        return failure_set(failure, 400, BAD,
                           "Failed to parse mapping: field name cannot be an empty string");
    if (memchr(name.at, '.', name.len))
        return failure_set(failure, 400, BAD,
                           "Failed to parse mapping: a dot in the field name [%" TARS_STR_FMT
                           "] is not supported, use properties",
                           TARS_STR_ARG(name));
    return true;
}

static bool check_type(const struct field *f, enum field_type type, bool nested,
                       struct failure *failure)
{
    if (f->type == FIELD_OBJECT && type == FIELD_OBJECT && f->nested != nested)
        return failure_set(failure, 400, "illegal_argument_exception",
                           nested ? "can't merge a non-nested mapping [%s] with a nested mapping"
                                  : "can't merge a nested mapping [%s] with a non-nested mapping",
                           f->path);
    return f->type == type || failure_set(failure, 400, "illegal_argument_exception",
                                          "mapper [%s] cannot be changed from type [%s] to [%s]",
                                          f->path, field_type_name(f->type), field_type_name(type));
}

/* The field that `json` describes, made when there is none (`fresh`); NULL with the failure. */
static struct field *take_field(struct mapping *m, struct field *parent, const struct json *json,
                                bool *fresh, struct failure *failure)
{
    enum field_type type;
    bool nested;
    if (!check_field(json, failure) || !read_type(json, &type, &nested, json->name, failure))
        return NULL;
    struct field *f = field_child(parent, json->name);
    *fresh = !f;
    if (f)
        return check_type(f, type, nested, failure) ? f : NULL;
    f = mapping_add(m, parent, json->name, type);
    if (!f) {
        failure_set(failure, 400, "illegal_argument_exception",
                    "Limit of total fields [%d] has been exceeded", MAPPING_FIELD_LIMIT);
        return NULL;
    }
    if (nested) {
        f->nested = true;
        f->column = m->columns++;
    }
    return f;
}

static bool same_definition(const struct field *f, bool index, bool doc_values)
{
    return f->index == index && f->doc_values == doc_values;
}

static bool merge_field(struct mapping *m, struct field *parent, const struct json *json, int depth,
                        struct failure *failure)
{
    bool fresh;
    struct field *f = take_field(m, parent, json, &fresh, failure);
    if (!f)
        return false;
    bool index = f->index, doc_values = f->doc_values;
    free(f->options);
    f->options = NULL;
    for (const struct json *p = json->child; p; p = p->next)
        if (!read_parameter(m, f, fresh, p, depth, failure))
            return false;
    if (!fresh && !same_definition(f, index, doc_values))
        return failure_set(
            failure, 400, "illegal_argument_exception",
            "Mapper for [%s] conflicts with existing mapper: its parameters cannot be changed",
            f->path);
    if (!field_needs_column(f))
        f->column = -1;
    return true;
}

static bool merge_properties(struct mapping *m, struct field *parent, const struct json *json,
                             int depth, struct failure *failure)
{
    if (json->type != JSON_OBJECT)
        return failure_set(
            failure, 400, BAD,
            "Failed to parse mapping: Expected map for property [properties] on field [%s]",
            parent->name);
    if (depth > MAPPING_DEPTH_LIMIT)
        return failure_set(failure, 400, "illegal_argument_exception",
                           "Limit of mapping depth [%d] has been exceeded due to object field [%s]",
                           MAPPING_DEPTH_LIMIT, parent->path);
    for (const struct json *p = json->child; p; p = p->next)
        if (!merge_field(m, parent, p, depth, failure))
            return false;
    return true;
}

/* ---- the whole mapping ----------------------------------------------------------------------- */

static bool keep_root(struct mapping *m, const struct json *p, bool *to)
{
    *to = p->type == JSON_TRUE;
    return keep_option(&m->options, p);
}

/* An alias names a field that is there, and no other alias. */
static bool check_targets(const struct mapping *m, const struct field *at, struct failure *failure)
{
    for (size_t i = 0; i < at->child_count; i++) {
        const struct field *f = at->children[i];
        if (!check_targets(m, f, failure))
            return false;
        if (f->type != FIELD_ALIAS)
            continue;
        const struct field *to = f->target ? mapping_find(m, tars_str(f->target)) : NULL;
        if (!f->target)
            return failure_set(failure, 400, BAD,
                               "Failed to parse mapping: The [path] property must be specified for "
                               "field [%s].",
                               f->name);
        if (!to || to->type == FIELD_OBJECT || to->type == FIELD_ALIAS)
            return failure_set(failure, 400, BAD,
                               to == f ? "Invalid [path] value [%s] for field alias [%s]: an alias "
                                         "cannot refer to itself."
                               : to && to->type == FIELD_ALIAS
                                   ? "Invalid [path] value [%s] for field alias [%s]: an alias "
                                     "cannot refer to another alias."
                                   : "Invalid [path] value [%s] for field alias [%s]: an alias "
                                     "must refer to an existing field in the mappings.",
                               f->target, f->path);
    }
    return true;
}

bool mapping_merge(struct mapping *m, const struct json *json, struct failure *failure)
{
    if (json->type != JSON_OBJECT)
        return failure_set(failure, 400, BAD, "Failed to parse mapping: an object was expected");
    for (const struct json *p = json->child; p; p = p->next) {
        bool dates = true, flag = p->type == JSON_TRUE || p->type == JSON_FALSE;
        bool ok = tars_str_is(p->name, "dynamic") ? read_dynamic(&m->root, p, failure)
                  : tars_str_is(p->name, "properties")
                      ? merge_properties(m, &m->root, p, 1, failure)
                  : tars_str_is(p->name, "date_detection") && flag ? keep_root(m, p, &dates)
                  : tars_str_is(p->name, "numeric_detection") && flag
                      ? keep_root(m, p, &m->numbers)
                      : failure_set(failure, 400, BAD,
                                    "Failed to parse mapping: Root mapping definition has "
                                    "unsupported parameters:  [%" TARS_STR_FMT "]",
                                    TARS_STR_ARG(p->name));
        if (!ok)
            return false;
        if (tars_str_is(p->name, "date_detection"))
            m->no_dates = !dates;
    }
    return check_targets(m, &m->root, failure);
}
