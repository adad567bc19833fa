/* SPDX-License-Identifier: BSD-3-Clause */
#include "mapping.h"

#include "base/xmalloc.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const type_names[FIELD_TYPES] = {
    [FIELD_OBJECT] = "object",   [FIELD_KEYWORD] = "keyword", [FIELD_TEXT] = "text",
    [FIELD_LONG] = "long",       [FIELD_INTEGER] = "integer", [FIELD_SHORT] = "short",
    [FIELD_BYTE] = "byte",       [FIELD_DOUBLE] = "double",   [FIELD_FLOAT] = "float",
    [FIELD_BOOLEAN] = "boolean", [FIELD_DATE] = "date",       [FIELD_IP] = "ip",
    [FIELD_ALIAS] = "alias",
};

const char *field_type_name(enum field_type type)
{
    return type_names[type];
}

/* ---- life ------------------------------------------------------------------------------------ */

static void field_clear(struct field *f)
{
    for (size_t i = 0; i < f->child_count; i++) {
        field_clear(f->children[i]);
        free(f->children[i]);
    }
    free(f->children);
    free(f->name);
    free(f->path);
    free(f->format);
    free(f->normalizer);
    free(f->target);
    free(f->options);
}

struct mapping *mapping_new(void)
{
    struct mapping *m = xcalloc(1, sizeof *m);
    m->root = (struct field){.type = FIELD_OBJECT, .enabled = true, .column = -1};
    m->root.name = xstrdup("_doc");
    m->root.path = xstrdup("");
    return m;
}

void mapping_free(struct mapping *m)
{
    if (!m)
        return;
    field_clear(&m->root);
    free(m->normalizers);
    free(m->options);
    free(m);
}

static char *copied(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static void field_copy(struct field *to, const struct field *from)
{
    *to = *from;
    to->name = xstrdup(from->name);
    to->path = xstrdup(from->path);
    to->format = copied(from->format);
    to->normalizer = copied(from->normalizer);
    to->target = copied(from->target);
    to->options = copied(from->options);
    to->children = from->child_count ? xcalloc(from->child_count, sizeof *to->children) : NULL;
    for (size_t i = 0; i < from->child_count; i++) {
        to->children[i] = xcalloc(1, sizeof **to->children);
        field_copy(to->children[i], from->children[i]);
    }
}

struct mapping *mapping_copy(const struct mapping *m)
{
    struct mapping *copy = xcalloc(1, sizeof *copy);
    *copy = *m;
    copy->normalizers = copied(m->normalizers);
    copy->options = copied(m->options);
    field_copy(&copy->root, &m->root);
    return copy;
}

/* ---- finding and adding ---------------------------------------------------------------------- */

/* The child's place, or where it would stand. */
static size_t place(const struct field *parent, struct tars_str name, bool *found)
{
    size_t low = 0, high = parent->child_count;
    *found = false;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = tars_str_compare(tars_str(parent->children[mid]->name), name);
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

struct field *field_child(const struct field *parent, struct tars_str name)
{
    bool found;
    size_t at = place(parent, name, &found);
    return found ? parent->children[at] : NULL;
}

struct field *mapping_find(const struct mapping *m, struct tars_str path)
{
    const struct field *f = &m->root;
    while (f && path.len) {
        const char *dot = memchr(path.at, '.', path.len);
        size_t len = dot ? (size_t)(dot - path.at) : path.len;
        f = field_child(f, tars_str_n(path.at, len));
        path = dot ? tars_str_n(dot + 1, path.len - len - 1) : tars_str("");
    }
    return f == &m->root ? NULL : (struct field *)f;
}

const struct field *mapping_search(const struct mapping *m, struct tars_str path)
{
    const struct field *f = mapping_find(m, path);
    return f && f->type == FIELD_ALIAS ? mapping_find(m, tars_str(f->target)) : f;
}

const struct field *mapping_nested(const struct mapping *m, const char *path)
{
    const struct field *f = &m->root, *nested = NULL;
    while (f && strchr(path, '.')) {
        size_t len = strcspn(path, ".");
        f = field_child(f, tars_str_n(path, len));
        nested = f && f->nested ? f : nested;
        path += len + 1;
    }
    return nested;
}

bool field_needs_column(const struct field *f)
{
    return f->type == FIELD_OBJECT  ? f->nested
           : f->type == FIELD_ALIAS ? false
           : f->type == FIELD_TEXT  ? f->index
                                    : f->index || f->doc_values;
}

struct field *mapping_add(struct mapping *m, struct field *parent, struct tars_str name,
                          enum field_type type)
{
    bool found;
    size_t at = place(parent, name, &found);
    if (found || m->fields >= MAPPING_FIELD_LIMIT)
        return NULL;
    struct field *f = xcalloc(1, sizeof *f);
    *f = (struct field){.type = type,
                        .enabled = true,
                        .index = true,
                        .doc_values = true,
                        .inside = parent->inside || parent->nested,
                        .column = -1,
                        .ignore_above = -1};
    f->name = xstrndup(name.at, name.len);
    f->path = parent->path[0] ? xasprintf("%s.%s", parent->path, f->name) : xstrdup(f->name);
    if (field_needs_column(f))
        f->column = m->columns++;
    parent->children = xrealloc(parent->children,
                                (parent->child_count + 1) * sizeof *parent->children);
    memmove(parent->children + at + 1, parent->children + at,
            (parent->child_count - at) * sizeof *parent->children);
    parent->children[at] = f;
    parent->child_count++;
    m->fields++;
    return f;
}

/* ---- columns --------------------------------------------------------------------------------- */

static void each_column(struct field *f, void (*each)(void *user, struct field *f), void *user)
{
    if (f->column >= 0)
        each(user, f);
    for (size_t i = 0; i < f->child_count; i++)
        each_column(f->children[i], each, user);
}

void mapping_each(const struct mapping *m, void (*each)(void *user, struct field *f), void *user)
{
    each_column((struct field *)&m->root, each, user);
}

const char *field_sql(const struct field *f, const char *table, char to[FIELD_SQL])
{
    snprintf(to, FIELD_SQL, f->coding ? "word(%sf%d)" : "%sf%d", table, f->column);
    return to;
}
