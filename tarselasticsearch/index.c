/* SPDX-License-Identifier: BSD-3-Clause */
#include "index.h"

#include "base/hash.h"
#include "base/xmalloc.h"
#include "pattern.h"

#include <stdlib.h>

struct index *index_new(struct tars_str name)
{
    struct index *index = xcalloc(1, sizeof *index);
    index->name = xstrndup(name.at, name.len);
    index->mapping = mapping_new();
    return index;
}

void index_free(struct index *index)
{
    settings_free(&index->settings);
    for (size_t i = 0; i < index->alias_count; i++)
        free(index->aliases[i].name);
    free(index->aliases);
    mapping_free(index->mapping);
    free(index->insert_sql);
    free(index->word_counts);
    free(index->name);
    free(index);
}

int64_t index_hash(const struct index *index, struct tars_str id)
{
    return (int64_t)(hash_bytes(id.at, id.len, index->seed) & 0x7fffffff);
}

void index_name_normalizers(struct index *index)
{
    free(index->mapping->normalizers);
    index->mapping->normalizers = index->settings.normalizers ? xstrdup(index->settings.normalizers)
                                                              : NULL;
}

void index_print_settings(const struct index *index, struct text *to)
{
    text_adds(to, "{\"index\":");
    settings_print(&index->settings, to);
    text_cut(to, to->len - 1);
    text_addf(to, "%s\"provided_name\":", to->at[to->len - 1] == '{' ? "" : ",");
    text_add_json(to, tars_str(index->name));
    text_addf(to,
              ",\"creation_date\":\"%lld\",\"uuid\":\"%s\",\"version\":{\"created\":\"8537000\"}}}",
              (long long)index->created_ms, index->uuid);
}

struct alias *index_alias(const struct index *index, struct tars_str name)
{
    for (size_t i = 0; i < index->alias_count; i++)
        if (tars_str_is(name, index->aliases[i].name))
            return &index->aliases[i];
    return NULL;
}

bool index_has_alias(const struct index *index, struct tars_str alias)
{
    return index_alias(index, alias) != NULL;
}

void index_add_alias(struct index *index, struct tars_str name, int is_write)
{
    struct alias *alias = index_alias(index, name);
    if (!alias) {
        index->aliases = xrealloc(index->aliases,
                                  (index->alias_count + 1) * sizeof *index->aliases);
        alias = &index->aliases[index->alias_count++];
        alias->name = xstrndup(name.at, name.len);
    }
    alias->is_write = is_write;
}

bool index_remove_alias(struct index *index, struct tars_str name)
{
    struct alias *alias = index_alias(index, name);
    if (!alias)
        return false;
    free(alias->name);
    *alias = index->aliases[--index->alias_count];
    return true;
}

static void print_alias(const struct alias *alias, struct text *to)
{
    text_add_json(to, tars_str(alias->name));
    text_adds(to, alias->is_write < 0    ? ":{}"
                  : alias->is_write == 1 ? ":{\"is_write_index\":true}"
                                         : ":{\"is_write_index\":false}");
}

void index_print_aliases(const struct index *index, struct tars_str only, struct text *to)
{
    text_adds(to, "{");
    for (size_t i = 0; i < index->alias_count; i++) {
        if (only.len && !pattern_matches(only, tars_str(index->aliases[i].name)))
            continue;
        text_adds(to, to->at[to->len - 1] == '{' ? "" : ",");
        print_alias(&index->aliases[i], to);
    }
    text_adds(to, "}");
}

void index_list_free(struct index_list *list)
{
    free(list->at);
    *list = (struct index_list){0};
}

void index_list_add(struct index_list *list, struct index *index)
{
    for (size_t i = 0; i < list->len; i++)
        if (list->at[i] == index)
            return;
    list->at = xrealloc(list->at, (list->len + 1) * sizeof *list->at);
    list->at[list->len++] = index;
}

void index_list_remove(struct index_list *list, const struct index *index)
{
    for (size_t i = 0; i < list->len; i++) {
        if (list->at[i] != index)
            continue;
        memmove(list->at + i, list->at + i + 1, (list->len - i - 1) * sizeof *list->at);
        list->len--;
        return;
    }
}
