/* SPDX-License-Identifier: BSD-3-Clause */
#include <base/map.h>
#include <idl/check.h>
#include <math.h>
#include <stdlib.h>

/* The types are const for everybody but the check, which puts what it found in their place. */
static struct idl_type *own(const struct idl_type *type)
{
    return (struct idl_type *)(uintptr_t)type;
}

/* ---- names --------------------------------------------------------------------------------- */

struct scope {
    struct idl *idl;
    struct idl_file *file;
    const char *module;
};

/* "Name" in this module, or "Module::Name"; NULL when there is none. */
static const struct idl_decl *find_decl(const struct scope *s, const char *name)
{
    const char *colons = strstr(name, "::");
    const char *module = s->module;

    if (colons != NULL) {
        module = tars_arena_printf(idl_arena(s->idl), "%.*s", (int)(colons - name), name);
        name = colons + 2;
    }
    return idl_find_from(s->idl, s->file, module, name);
}

static void resolve(const struct scope *s, const struct idl_type *type);

static void resolve_named(const struct scope *s, const struct idl_type *type)
{
    const struct idl_decl *decl = find_decl(s, type->name);

    if (decl == NULL) {
        idl_error(s->idl, type->pos, "there is no type '%s' here", type->name);
        own(type)->kind = IDL_INT32; /* so that the rest can be checked */
    } else if (decl->kind == IDL_DECL_STRUCT || decl->kind == IDL_DECL_ENUM) {
        own(type)->kind = decl->kind == IDL_DECL_STRUCT ? IDL_STRUCT : IDL_ENUM;
        own(type)->decl = decl;
    } else {
        idl_error(s->idl, type->pos, "'%s' is %s, not a type", type->name,
                  decl->kind == IDL_DECL_CONST ? "a constant" : "an interface");
        own(type)->kind = IDL_INT32;
    }
}

static void resolve(const struct scope *s, const struct idl_type *type)
{
    if (type->kind == IDL_NAMED)
        resolve_named(s, type);
    if (type->key)
        resolve(s, type->key);
    if (type->value)
        resolve(s, type->value);
    if (type->kind == IDL_LIST && type->value && type->value->kind == IDL_BOOL)
        idl_warn(s->idl, type->pos, "code that tars2cpp makes of vector<bool> does not compile");
    if (type->kind == IDL_UINT8 || type->kind == IDL_UINT16 || type->kind == IDL_UINT32)
        idl_warn(s->idl, type->pos, "tars2go does not accept '%s' everywhere",
                 idl_kind_name(type->kind));
    if (type->kind == IDL_MAP && type->key &&
        (type->key->kind == IDL_LIST || type->key->kind == IDL_MAP || type->key->kind == IDL_BYTES))
        idl_error(s->idl, type->key->pos, "a %s cannot be the key of a map",
                  type->key->kind == IDL_MAP ? "map" : "vector");
    if (type->kind == IDL_MAP && type->key && type->key->kind == IDL_STRUCT &&
        type->key->decl->key == NULL)
        idl_warn(s->idl, type->key->pos,
                 "struct %s has no key[…]: other SDKs need one to use it as the key of a map",
                 type->key->decl->name);
}

/* ---- values -------------------------------------------------------------------------------- */

static const struct idl_member *find_enum_member(const struct scope *s, const char *name)
{
    for (size_t i = 0; i < s->file->seen_count; i++) {
        for (const struct idl_decl *d = s->file->seen[i]->decls; d; d = d->next) {
            if (d->kind != IDL_DECL_ENUM || strcmp(d->module, s->module) != 0)
                continue;
            for (const struct idl_member *m = d->members; m; m = m->next) {
                if (strcmp(m->name, name) == 0)
                    return m;
            }
        }
    }
    return NULL;
}

static const struct idl_member *enum_member(const struct idl_decl *decl, const char *name)
{
    for (const struct idl_member *m = decl->members; m; m = m->next) {
        if (strcmp(m->name, name) == 0)
            return m;
    }
    return NULL;
}

/*
 * The value a name stands for: a constant, a member of `wanted` (an enum, or NULL) or of any enum
 * in sight; "Enum::Member" and "Module::Name" too.
 */
static const struct idl_value *find_value(const struct scope *s, const struct idl_decl *wanted,
                                          const char *name)
{
    const char *last = NULL;
    const struct idl_decl *decl = find_decl(s, name);
    const struct idl_member *member;

    if (decl && decl->kind == IDL_DECL_CONST)
        return &decl->value;
    for (const char *at = name; (at = strstr(at, "::")) != NULL; at += 2)
        last = at;
    if (last != NULL) {
        struct scope other = *s;
        const char *front = tars_arena_printf(idl_arena(s->idl), "%.*s", (int)(last - name), name);
        decl = find_decl(s, front);
        if (decl && decl->kind == IDL_DECL_ENUM)
            return (member = enum_member(decl, last + 2)) ? &member->value : NULL;
        other.module = front;
        member = find_enum_member(&other, last + 2);
        return member ? &member->value : NULL;
    }
    member = wanted ? enum_member(wanted, name) : NULL;
    if (member == NULL)
        member = find_enum_member(s, name);
    return member ? &member->value : NULL;
}

static bool resolve_value(const struct scope *s, const struct idl_decl *wanted,
                          struct idl_value *value)
{
    const struct idl_value *found;
    struct idl_pos pos = value->pos;
    const char *name;

    if (value->kind != IDL_VALUE_NAME)
        return true;
    name = tars_arena_copy(idl_arena(s->idl), value->text).at;
    found = find_value(s, wanted, name);
    if (found == NULL || found->kind == IDL_VALUE_NAME || found->kind == IDL_VALUE_NONE) {
        idl_error(s->idl, pos, "there is no constant or enum member '%s' here", name);
        value->kind = IDL_VALUE_NONE;
        return false;
    }
    *value = *found;
    value->pos = pos;
    return true;
}

static bool integer_range(enum idl_kind kind, int64_t *min, int64_t *max)
{
    static const struct {
        int64_t min, max;
    } ranges[] = {[IDL_BOOL] = {0, 1},
                  [IDL_INT8] = {INT8_MIN, INT8_MAX},
                  [IDL_UINT8] = {0, UINT8_MAX},
                  [IDL_INT16] = {INT16_MIN, INT16_MAX},
                  [IDL_UINT16] = {0, UINT16_MAX},
                  [IDL_INT32] = {INT32_MIN, INT32_MAX},
                  [IDL_UINT32] = {0, UINT32_MAX},
                  [IDL_INT64] = {INT64_MIN, INT64_MAX}};

    if (kind == IDL_ENUM)
        kind = IDL_INT32;
    if (kind < IDL_BOOL || kind > IDL_INT64)
        return false;
    *min = ranges[kind].min;
    *max = ranges[kind].max;
    return true;
}

/* A number written as text, as `= "5"` for an int, which tars2cpp lets pass. */
static void accept_text(struct idl_value *value, const struct idl_type *type)
{
    char *end, *text;

    if (value->kind != IDL_VALUE_STRING || type->kind == IDL_STRING || value->text.len == 0)
        return;
    text = strndup(value->text.at, value->text.len);
    if (idl_is_integer(type)) {
        int64_t integer = strtoll(text, &end, 0);
        if (*end == '\0') {
            value->kind = IDL_VALUE_INT;
            value->integer = integer;
        }
    }
    free(text);
}

/* Makes `value` fit `type`: a default or a constant. */
static void check_value(const struct scope *s, const struct idl_type *type, struct idl_value *value)
{
    int64_t min, max;
    bool fits = false;

    if (value->kind == IDL_VALUE_NONE ||
        !resolve_value(s, type->kind == IDL_ENUM ? type->decl : NULL, value))
        return;
    accept_text(value, type);
    if (integer_range(type->kind, &min, &max)) {
        fits = value->kind == IDL_VALUE_INT || value->kind == IDL_VALUE_BOOL;
        if (fits && (value->integer < min || value->integer > max)) {
            idl_error(s->idl, value->pos, "%lld does not fit into '%s'", (long long)value->integer,
                      idl_type_text(idl_arena(s->idl), type));
            return;
        }
    } else if (type->kind == IDL_FLOAT || type->kind == IDL_DOUBLE) {
        fits = value->kind == IDL_VALUE_FLOAT || value->kind == IDL_VALUE_INT;
        if (value->kind == IDL_VALUE_INT)
            value->real = (double)value->integer;
        value->kind = fits ? IDL_VALUE_FLOAT : value->kind;
        if (fits && !isfinite(type->kind == IDL_FLOAT ? (double)(float)value->real : value->real)) {
            idl_error(s->idl, value->pos, "%.*s does not fit into '%s'", (int)value->text.len,
                      value->text.at, idl_kind_name(type->kind));
            return;
        }
    } else if (type->kind == IDL_STRING) {
        fits = value->kind == IDL_VALUE_STRING;
    }
    if (!fits) {
        idl_error(s->idl, value->pos, "this value is not one of type '%s'",
                  idl_type_text(idl_arena(s->idl), type));
        value->kind = IDL_VALUE_NONE;
    }
}

/* ---- declarations -------------------------------------------------------------------------- */

static void check_same_names(const struct scope *s, const struct idl_member *members,
                             const char *what, const char *of)
{
    struct map *first = map_new(NULL);

    for (const struct idl_member *m = members; m; m = m->next) {
        const struct idl_member *same = map_get(first, tars_str(m->name));
        if (same == NULL) {
            map_put(first, tars_str(m->name), (struct idl_member *)(uintptr_t)m);
            continue;
        }
        idl_error(s->idl, m->pos, "%s has two %s '%s'", of, what, m->name);
        idl_note(s->idl, same->pos, "the first one");
    }
    map_free(first);
}

static void check_enum(const struct scope *s, struct idl_decl *decl)
{
    int64_t following = 0;
    bool explicit_before = false;

    for (struct idl_member *m = decl->members; m; m = m->next) {
        if (m->value.kind == IDL_VALUE_NONE) {
            if (explicit_before)
                idl_warn(s->idl, m->pos,
                         "TarsJava's generator refuses a member without a value after one with a "
                         "value");
            m->value = (struct idl_value){
                .kind = IDL_VALUE_INT, .pos = m->pos, .integer = following};
        } else {
            explicit_before = true;
            resolve_value(s, decl, &m->value);
        }
        if (m->value.kind == IDL_VALUE_BOOL)
            m->value.kind = IDL_VALUE_INT;
        if (m->value.kind != IDL_VALUE_INT || m->value.integer < INT32_MIN ||
            m->value.integer > INT32_MAX) {
            idl_error(s->idl, m->value.pos, "the value of an enum's member is a number of 32 bits");
            m->value = (struct idl_value){.kind = IDL_VALUE_INT, .pos = m->pos};
        }
        following = m->value.integer + 1;
    }
    check_same_names(s, decl->members, "members",
                     tars_arena_printf(idl_arena(s->idl), "enum %s", decl->name));
    if (decl->members == NULL)
        idl_error(s->idl, decl->pos, "enum %s has no members", decl->name);
}

static int compare_tags(const void *a, const void *b)
{
    const struct idl_member *x = *(struct idl_member *const *)a;
    const struct idl_member *y = *(struct idl_member *const *)b;

    if (x->tag != y->tag)
        return x->tag < y->tag ? -1 : 1;
    return x->pos.line != y->pos.line ? x->pos.line - y->pos.line : x->pos.column - y->pos.column;
}

static void sort_members(const struct scope *s, struct idl_decl *decl)
{
    size_t i = 0;

    decl->by_tag = tars_arena_alloc(idl_arena(s->idl),
                                    (decl->member_count + 1) * sizeof(struct idl_member *));
    for (struct idl_member *m = decl->members; m; m = m->next)
        decl->by_tag[i++] = m;
    qsort(decl->by_tag, decl->member_count, sizeof(decl->by_tag[0]), compare_tags);
    for (i = 1; i < decl->member_count; i++) {
        if (decl->by_tag[i]->tag != decl->by_tag[i - 1]->tag)
            continue;
        idl_error(s->idl, decl->by_tag[i]->pos, "tag %d of '%s' is taken", decl->by_tag[i]->tag,
                  decl->by_tag[i]->name);
        idl_note(s->idl, decl->by_tag[i - 1]->pos, "by '%s'", decl->by_tag[i - 1]->name);
    }
}

static void check_member(const struct scope *s, struct idl_member *m)
{
    resolve(s, m->type);
    if (m->value.kind != IDL_VALUE_NONE &&
        (m->type->kind == IDL_STRUCT || m->type->kind == IDL_LIST || m->type->kind == IDL_MAP ||
         m->type->kind == IDL_BYTES)) {
        idl_error(s->idl, m->value.pos, "a member of type '%s' cannot have a default",
                  idl_type_text(idl_arena(s->idl), m->type));
        return;
    }
    if (strcmp(m->name, "p") == 0)
        idl_warn(s->idl, m->pos, "a member named 'p' breaks the JSON code of tars2cpp");
    if (!m->required && m->value.kind != IDL_VALUE_NONE &&
        (m->type->kind == IDL_FLOAT || m->type->kind == IDL_DOUBLE))
        idl_warn(s->idl, m->pos,
                 "C++ programs leave out values of '%s' that are within 0.000001 "
                 "of its default",
                 m->name);
    check_value(s, m->type, &m->value);
}

static void check_struct(const struct scope *s, struct idl_decl *decl)
{
    for (struct idl_member *m = decl->members; m; m = m->next)
        check_member(s, m);
    check_same_names(s, decl->members, "members",
                     tars_arena_printf(idl_arena(s->idl), "struct %s", decl->name));
    sort_members(s, decl);
}

static void check_interface(const struct scope *s, const struct idl_decl *decl)
{
    for (const struct idl_function *f = decl->functions; f; f = f->next) {
        const struct idl_function *same = idl_find_function(decl, f->name);
        if (same != f) {
            idl_error(s->idl, f->pos, "interface %s has two functions '%s'", decl->name, f->name);
            idl_note(s->idl, same->pos, "the first one");
        }
        resolve(s, f->ret);
        for (const struct idl_member *param = f->params; param; param = param->next) {
            resolve(s, param->type);
            if (strcmp(param->name, "tars_ret") == 0)
                idl_warn(s->idl, param->pos,
                         "'tars_ret' is the name of the return value in TUP and JSON");
        }
        check_same_names(s, f->params, "parameters",
                         tars_arena_printf(idl_arena(s->idl), "%s", f->name));
    }
}

enum { MAX_DEPTH = 100, IN_PROGRESS = -1 }; /* a reader goes no deeper either */

static bool is_zero(const struct idl_value *value)
{
    return value->kind == IDL_VALUE_STRING  ? value->text.len == 0
           : value->kind == IDL_VALUE_FLOAT ? value->real == 0 && !signbit(value->real)
                                            : value->integer == 0;
}

/*
 * Looks once at each struct that `decl` holds by value: one that holds itself would have no end.
 * What is found stays in the declaration, so that nobody has to walk the members again.
 */
static void measure(const struct scope *s, struct idl_decl *decl, int level)
{
    int deepest = 0;

    if (level > MAX_DEPTH) {
        idl_error(s->idl, decl->pos, "more than %d structs inside each other", MAX_DEPTH);
        decl->depth = 1;
        return;
    }
    decl->depth = IN_PROGRESS;
    for (const struct idl_member *m = decl->members; m; m = m->next) {
        const struct idl_type *type = m->type;
        if (m->value.kind != IDL_VALUE_NONE && !is_zero(&m->value))
            decl->has_defaults = true;
        if (m->value.kind == IDL_VALUE_NONE && type->kind == IDL_ENUM && type->decl->members)
            decl->has_defaults |= type->decl->members->value.integer != 0;
        if (type->kind != IDL_STRUCT)
            continue;
        if (type->decl->depth == 0)
            measure(s, (struct idl_decl *)(uintptr_t)type->decl, level + 1);
        if (type->decl->depth == IN_PROGRESS)
            idl_error(s->idl, m->pos, "struct %s contains itself by way of '%s'", type->decl->name,
                      m->name);
        deepest = type->decl->depth > deepest ? type->decl->depth : deepest;
        decl->has_defaults |= type->decl->has_defaults;
    }
    decl->depth = deepest + 1;
    if (decl->depth > MAX_DEPTH && level == 1)
        idl_error(s->idl, decl->pos, "more than %d structs inside each other", MAX_DEPTH);
}

static void check_duplicate(const struct scope *s, const struct idl_decl *decl)
{
    const struct idl_decl *first = idl_find_from(s->idl, s->file, decl->module, decl->name);

    if (first == decl)
        return;
    idl_error(s->idl, decl->pos, "'%s' is declared twice in module %s", decl->name, decl->module);
    idl_note(s->idl, first->pos, "the first one");
}

void idl_check(struct idl *idl, struct idl_file *file)
{
    struct scope s = {idl, file, NULL};

    for (struct idl_decl *d = file->decls; d; d = d->next) {
        s.module = d->module;
        check_duplicate(&s, d);
        if (d->kind == IDL_DECL_ENUM)
            check_enum(&s, d);
    }
    for (struct idl_decl *d = file->decls; d; d = d->next) {
        s.module = d->module;
        if (d->kind == IDL_DECL_CONST) {
            resolve(&s, d->type);
            check_value(&s, d->type, &d->value);
        }
    }
    for (struct idl_decl *d = file->decls; d; d = d->next) {
        s.module = d->module;
        if (d->kind == IDL_DECL_STRUCT)
            check_struct(&s, d);
        else if (d->kind == IDL_DECL_INTERFACE)
            check_interface(&s, d);
    }
    for (struct idl_decl *d = file->decls; d; d = d->next) {
        if (d->kind == IDL_DECL_STRUCT && d->depth == 0)
            measure(&s, d, 1);
    }
}
