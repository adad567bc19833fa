/* SPDX-License-Identifier: BSD-3-Clause */
#include "es/template.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"

static cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* The object of that name, made when there is none. */
static cJSON *child(cJSON *object, const char *name)
{
    cJSON *found = member(object, name);
    if (cJSON_IsObject(found))
        return found;
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    return cJSON_AddObjectToObject(object, name);
}

/* Servers show numbers and booleans as texts in some places. */
static char *value_text(const cJSON *value)
{
    if (cJSON_IsString(value))
        return xstrdup(value->valuestring);
    char *printed = cJSON_PrintUnformatted(value), *text = xstrdup(printed ? printed : "");
    cJSON_free(printed);
    return text;
}

static bool same_text(const cJSON *a, const cJSON *b)
{
    char *one = value_text(a), *other = value_text(b);
    bool same = strcmp(one, other) == 0;
    free(one);
    free(other);
    return same;
}

/* ---- settings
 * -------------------------------------------------------------------------------------- */

/* {"index":{"number_of_shards":1}} and {"number_of_shards":1}: "index.number_of_shards". */
static void flatten(cJSON *to, const char *path, const cJSON *settings)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, settings)
    {
        bool whole = *path || strncmp(item->string, "index.", 6) == 0 ||
                     strcmp(item->string, "index") == 0;
        char *name = *path ? xasprintf("%s.%s", path, item->string)
                           : xasprintf("%s%s", whole ? "" : "index.", item->string);
        if (cJSON_IsObject(item))
            flatten(to, name, item);
        else
            cJSON_AddItemToObject(to, name, cJSON_Duplicate(item, true));
        free(name);
    }
}

/* How many copies there are is said in one of two ways; ours would undo the other. */
static bool is_said(const cJSON *have, const char *name)
{
    return member(have, name) || (strcmp(name, "index.auto_expand_replicas") == 0 &&
                                  member(have, "index.number_of_replicas"));
}

static bool merge_settings(cJSON *inner, const cJSON *wanted)
{
    cJSON *have = cJSON_CreateObject(), *want = cJSON_CreateObject(), *item;
    bool changed = false;
    flatten(have, "", member(inner, "settings"));
    flatten(want, "", wanted);
    cJSON_ArrayForEach(item, want)
    {
        if (is_said(have, item->string))
            continue;
        cJSON_AddItemToObject(have, item->string, cJSON_Duplicate(item, true));
        changed = true;
    }
    cJSON_Delete(want);
    cJSON_DeleteItemFromObjectCaseSensitive(inner, "settings");
    cJSON_AddItemToObject(inner, "settings", have);
    return changed;
}

/* ---- the rest
 * -------------------------------------------------------------------------------------- */

static bool merge_mappings(cJSON *have, const cJSON *wanted)
{
    bool changed = false;
    const cJSON *item;
    cJSON_ArrayForEach(item, wanted)
    {
        cJSON *there = member(have, item->string);
        if (there && cJSON_IsObject(there) && cJSON_IsObject(item)) {
            changed = merge_mappings(there, item) || changed;
        } else if (!there) {
            cJSON_AddItemToObject(have, item->string, cJSON_Duplicate(item, true));
            changed = true;
        } else if (!same_text(there, item)) {
            cJSON_ReplaceItemInObjectCaseSensitive(have, item->string, cJSON_Duplicate(item, true));
            changed = true;
        }
    }
    return changed;
}

static bool merge_aliases(cJSON *have, const cJSON *wanted)
{
    bool changed = false;
    const cJSON *item;
    cJSON_ArrayForEach(item, wanted)
    {
        if (member(have, item->string))
            continue;
        cJSON_AddItemToObject(have, item->string, cJSON_Duplicate(item, true));
        changed = true;
    }
    return changed;
}

static bool merge_patterns(cJSON *body, const cJSON *wanted)
{
    cJSON *have = member(body, "index_patterns");
    bool changed = false;
    const cJSON *pattern, *item;
    if (!cJSON_IsArray(have)) {
        cJSON_DeleteItemFromObjectCaseSensitive(body, "index_patterns");
        have = cJSON_AddArrayToObject(body, "index_patterns");
    }
    cJSON_ArrayForEach(pattern, wanted)
    {
        bool there = false;
        cJSON_ArrayForEach(item, have) there = there || same_text(item, pattern);
        if (there)
            continue;
        cJSON_AddItemToArray(have, cJSON_Duplicate(pattern, true));
        changed = true;
    }
    return changed;
}

static bool merge_priority(cJSON *body, const cJSON *wanted)
{
    const cJSON *have = member(body, "priority");
    if (!wanted || (cJSON_IsNumber(have) && have->valuedouble >= wanted->valuedouble))
        return false;
    cJSON_DeleteItemFromObjectCaseSensitive(body, "priority");
    cJSON_AddNumberToObject(body, "priority", wanted->valuedouble);
    return true;
}

const cJSON *es_template_of(const cJSON *answer)
{
    return member(cJSON_GetArrayItem(member(answer, "index_templates"), 0), "index_template");
}

cJSON *es_template_merge(const cJSON *stored, const cJSON *wanted)
{
    const cJSON *inner_wanted = member(wanted, "template");
    bool there = cJSON_IsObject(stored), changed = !there;
    cJSON *body = there ? cJSON_Duplicate(stored, true) : cJSON_CreateObject();
    cJSON *inner = child(body, "template");
    changed = merge_patterns(body, member(wanted, "index_patterns")) || changed;
    changed = merge_priority(body, member(wanted, "priority")) || changed;
    changed = merge_settings(inner, member(inner_wanted, "settings")) || changed;
    changed = merge_mappings(child(inner, "mappings"), member(inner_wanted, "mappings")) || changed;
    changed = merge_aliases(child(inner, "aliases"), member(inner_wanted, "aliases")) || changed;
    if (changed)
        return body;
    cJSON_Delete(body);
    return NULL;
}
