/* SPDX-License-Identifier: BSD-3-Clause */
#include "catalog_state.h"

#include "base/xmalloc.h"
#include "pattern.h"
#include "vocabulary.h"

#include <stdlib.h>

/* ---- life ------------------------------------------------------------------------------------ */

struct catalog *catalog_new(uint64_t seed, struct vocabulary *vocabulary)
{
    struct catalog *c = xcalloc(1, sizeof *c);
    pthread_rwlock_init(&c->lock, NULL);
    c->seed = seed;
    c->vocabulary = vocabulary;
    return c;
}

void catalog_clear(struct catalog *c)
{
    for (size_t i = 0; i < c->count; i++)
        index_free(c->indices[i]);
    free(c->indices);
    c->indices = NULL;
    c->count = 0;
    templates_clear(&c->templates);
}

void catalog_free(struct catalog *c)
{
    if (!c)
        return;
    catalog_clear(c);
    vocabulary_free(c->vocabulary);
    pthread_rwlock_destroy(&c->lock);
    free(c);
}

void catalog_read(struct catalog *c)
{
    pthread_rwlock_rdlock(&c->lock);
}

void catalog_read_end(struct catalog *c)
{
    pthread_rwlock_unlock(&c->lock);
}

void catalog_lock(struct catalog *c)
{
    pthread_rwlock_wrlock(&c->lock);
}

void catalog_unlock(struct catalog *c)
{
    pthread_rwlock_unlock(&c->lock);
}

/* ---- indices --------------------------------------------------------------------------------- */

static size_t place(const struct catalog *c, struct tars_str name, bool *found)
{
    size_t low = 0, high = c->count;
    *found = false;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = tars_str_compare(tars_str(c->indices[mid]->name), name);
        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct index *catalog_index(struct catalog *c, struct tars_str name)
{
    bool found;
    size_t at = place(c, name, &found);
    return found ? c->indices[at] : NULL;
}

struct index *catalog_new_index(const struct catalog *c, struct tars_str name)
{
    struct index *index = index_new(name);
    index->seed = c->seed;
    index->vocabulary = c->vocabulary;
    return index;
}

void catalog_insert(struct catalog *c, struct index *index)
{
    bool found;
    size_t at = place(c, tars_str(index->name), &found);
    c->indices = xrealloc(c->indices, (c->count + 1) * sizeof *c->indices);
    memmove(c->indices + at + 1, c->indices + at, (c->count - at) * sizeof *c->indices);
    c->indices[at] = index;
    c->count++;
}

void catalog_remove(struct catalog *c, struct index *index)
{
    bool found;
    size_t at = place(c, tars_str(index->name), &found);
    memmove(c->indices + at, c->indices + at + 1, (c->count - at - 1) * sizeof *c->indices);
    c->count--;
    index_free(index);
}

/* ---- names of indices and aliases ------------------------------------------------------------ */

bool catalog_has_alias(struct catalog *c, struct tars_str name)
{
    for (size_t i = 0; i < c->count; i++)
        if (index_has_alias(c->indices[i], name))
            return true;
    return false;
}

static bool named_by(const struct index *index, struct tars_str pattern, bool aliases)
{
    if (pattern_matches(pattern, tars_str(index->name)))
        return true;
    for (size_t i = 0; aliases && i < index->alias_count; i++)
        if (pattern_matches(pattern, tars_str(index->aliases[i].name)))
            return true;
    return false;
}

/* One part of an expression; true when it named something or may name nothing. */
static bool resolve_part(struct catalog *c, struct tars_str part, bool aliases, bool lenient,
                         struct index_list *list, struct failure *failure)
{
    bool wild = memchr(part.at, '*', part.len) != NULL || tars_str_is(part, "_all");
    bool exclude = part.len > 1 && part.at[0] == '-';
    size_t found = 0;
    if (exclude)
        part = tars_str_n(part.at + 1, part.len - 1);
    if (tars_str_is(part, "_all"))
        part = tars_str("*");
    for (size_t i = 0; i < c->count; i++) {
        if (!named_by(c->indices[i], part, aliases))
            continue;
        found++;
        if (exclude)
            index_list_remove(list, c->indices[i]);
        else
            index_list_add(list, c->indices[i]);
    }
    if (found || wild || exclude || lenient)
        return true;
    if (!aliases && catalog_has_alias(c, part))
        return failure_set(
            failure, 400, "illegal_argument_exception",
            "The provided expression [%" TARS_STR_FMT
            "] matches an alias, specify the corresponding concrete indices instead.",
            TARS_STR_ARG(part));
    return failure_no_index(failure, part);
}

bool catalog_resolve(struct catalog *c, struct tars_str expression, bool aliases, bool lenient,
                     struct index_list *list, struct failure *failure)
{
    *list = (struct index_list){0};
    if (expression.len == 0)
        expression = tars_str("*");
    for (;;) {
        const char *comma = memchr(expression.at, ',', expression.len);
        size_t len = comma ? (size_t)(comma - expression.at) : expression.len;
        if (!resolve_part(c, tars_str_n(expression.at, len), aliases, lenient, list, failure)) {
            index_list_free(list);
            return false;
        }
        if (!comma)
            return true;
        expression = tars_str_n(comma + 1, expression.len - len - 1);
    }
}

struct index *catalog_write_index(struct catalog *c, struct tars_str name, bool require_alias,
                                  bool *missing, struct failure *failure)
{
    struct index *index = require_alias ? NULL : catalog_index(c, name), *writable = NULL;
    size_t members = 0;
    *missing = false;
    if (index)
        return index;
    for (size_t i = 0; i < c->count; i++) {
        const struct alias *alias = index_alias(c->indices[i], name);
        if (!alias)
            continue;
        members++;
        index = alias->is_write == 0 ? index : c->indices[i];
        writable = alias->is_write == 1 ? c->indices[i] : writable;
    }
    if (writable)
        return writable;
    if (members == 1 && index)
        return index;
    if (members == 0) {
        *missing = true;
        return NULL;
    }
    failure_set(failure, 400, "illegal_argument_exception",
                "no write index is defined for alias [%" TARS_STR_FMT
                "]. The write index may be explicitly disabled using is_write_index=false or the "
                "alias points to multiple indices without one being designated as a write index",
                TARS_STR_ARG(name));
    return NULL;
}
