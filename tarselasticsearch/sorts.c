/* SPDX-License-Identifier: BSD-3-Clause */
#include "sorts.h"

#include <stdio.h>

static bool read_order(const struct json *value, bool *descending, struct failure *failure)
{
    bool desc = json_is_str(value, "desc");
    *descending = desc;
    return desc || json_is_str(value, "asc") ||
           failure_set(failure, 400, "illegal_argument_exception",
                       "No enum constant org.elasticsearch.search.sort.SortOrder: [%" TARS_STR_FMT
                       "]",
                       TARS_STR_ARG(value->text));
}

static bool read_options(struct sort *s, const struct json *options, struct failure *failure)
{
    bool ok = true;
    for (const struct json *p = options->child; p && ok; p = p->next) {
        if (tars_str_is(p->name, "order"))
            ok = read_order(p, &s->descending, failure);
        else if (tars_str_is(p->name, "missing") &&
                 (json_is_str(p, "_last") || json_is_str(p, "_first")))
            s->missing_first = json_is_str(p, "_first");
        else if (tars_str_is(p->name, "unmapped_type"))
            s->unmapped_ok = true;
        else
            ok = failure_set(failure, 400, "x_content_parse_exception",
                             "[field_sort] unknown field or value [%" TARS_STR_FMT "]",
                             TARS_STR_ARG(p->name));
    }
    return ok;
}

static bool refuse_id(const struct index_list *indices, struct failure *failure)
{
    const struct index *index = indices && indices->len ? indices->at[0] : NULL;
    failure_set(failure, 400, "illegal_argument_exception",
                "Fielddata access on the _id field is disallowed, you can re-enable it by updating "
                "the dynamic cluster setting: indices.id_field_data.enabled");
    failure->shard = true;
    snprintf(failure->index, sizeof failure->index, "%s", index ? index->name : "_all");
    snprintf(failure->uuid, sizeof failure->uuid, "%s", index ? index->uuid : "_na_");
    return false;
}

static bool add(struct tars_str field, const struct json *options, const struct index_list *indices,
                struct sort sorts[HIT_SORTS], size_t *count, struct failure *failure)
{
    if (*count == HIT_SORTS)
        return failure_set(failure, 400, "illegal_argument_exception", "more than %d sort keys",
                           HIT_SORTS);
    struct sort *s = &sorts[(*count)++];
    *s = (struct sort){.field = field};
    s->kind = tars_str_is(field, "_doc")     ? SORT_DOC
              : tars_str_is(field, "_score") ? SORT_SCORE
                                             : SORT_FIELD;
    s->descending = s->kind == SORT_SCORE;
    if (tars_str_is(field, "_id"))
        return refuse_id(indices, failure);
    if (!options)
        return true;
    if (options->type == JSON_STRING)
        return read_order(options, &s->descending, failure);
    if (options->type == JSON_OBJECT)
        return read_options(s, options, failure);
    return failure_set(failure, 400, "parsing_exception", "malformed sort format");
}

bool sorts_read(const struct json *json, const struct index_list *indices,
                struct sort sorts[HIT_SORTS], size_t *count, struct failure *failure)
{
    const struct json *one = json->type == JSON_ARRAY ? json->child : json;
    for (; one; one = json->type == JSON_ARRAY ? one->next : NULL) {
        if (one->type != JSON_STRING && one->type != JSON_OBJECT)
            return failure_set(failure, 400, "illegal_argument_exception",
                               "malformed sort format, within the sort array, an object, or an "
                               "actual string are allowed");
        if (one->type == JSON_STRING && !add(one->text, NULL, indices, sorts, count, failure))
            return false;
        for (const struct json *p = one->type == JSON_OBJECT ? one->child : NULL; p; p = p->next)
            if (!add(p->name, p, indices, sorts, count, failure))
                return false;
    }
    return true;
}
