/* SPDX-License-Identifier: BSD-3-Clause */
/* Enums, constants, structs and the lists and maps they are made of. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/map.h"
#include "emit.h"

/* ---- lists and maps of the file ------------------------------------------------------------- */

enum scope { IN_STRUCTS = 1, IN_FUNCTIONS = 2, SELF_LISTS = 4 };

struct walk {
    struct emit *e;
    struct map *seen;
    void (*visit)(struct emit *e, const struct idl_type *type);
};

static void visit_type(struct walk *w, const struct idl_type *type)
{
    if (type->kind != IDL_LIST && type->kind != IDL_MAP)
        return;
    if (type->key)
        visit_type(w, type->key);
    visit_type(w, type->value);
    struct tars_str id = tars_str(types_id(&w->e->types, type));
    if (map_get(w->seen, id))
        return;
    map_put(w->seen, id, w);
    w->visit(w->e, type);
}

static void visit_function(struct walk *w, const struct idl_function *f)
{
    visit_type(w, f->ret);
    for (const struct idl_member *p = f->params; p; p = p->next)
        visit_type(w, p->type);
}

/* Users want lists of any struct, also where the file itself has none. */
static const struct idl_type *list_of(struct emit *e, const struct idl_decl *d)
{
    struct idl_type *self = tars_arena_alloc(e->arena, sizeof *self);
    struct idl_type *list = tars_arena_alloc(e->arena, sizeof *list);
    self->kind = IDL_STRUCT;
    self->decl = d;
    list->kind = IDL_LIST;
    list->value = self;
    return list;
}

/* Calls `visit` once for each list and map of the file, inner ones first. */
static void each_composite(struct emit *e, int scope,
                           void (*visit)(struct emit *e, const struct idl_type *type))
{
    struct walk w = {e, map_new(NULL), visit};
    for (const struct idl_decl *d = e->file->decls; d; d = d->next) {
        if (d->kind == IDL_DECL_STRUCT && (scope & IN_STRUCTS))
            for (const struct idl_member *m = d->members; m; m = m->next)
                visit_type(&w, m->type);
        if (scope & IN_FUNCTIONS)
            for (const struct idl_function *f = d->functions; f; f = f->next)
                visit_function(&w, f);
        if (d->kind == IDL_DECL_STRUCT && (scope & SELF_LISTS))
            visit_type(&w, list_of(e, d));
    }
    map_free(w.seen);
}

static const char *guard(struct emit *e, const struct idl_type *type)
{
    return names_macro(e->arena, types_tag(&e->types, type));
}

static void forward_composite(struct emit *e, const struct idl_type *type)
{
    if (!types_is_generated(type))
        return;
    const struct types *t = &e->types;
    const char *element = type->kind == IDL_MAP
                              ? tars_arena_printf(e->arena, "struct %s", types_pair_tag(t, type))
                              : types_c(t, type->value);
    e_printf(e, "#ifndef TARS_TYPE_%s\n#define TARS_TYPE_%s\n", guard(e, type), guard(e, type));
    e_printf(e, "struct %s {\n    size_t len;\n    %s *at;\n};\n#endif\n", types_tag(t, type),
             element);
}

static void forward_element(struct emit *e, const struct idl_type *type)
{
    if (!types_is_generated(type))
        return;
    if (type->kind == IDL_LIST && type->value->kind == IDL_STRUCT)
        e_printf(e, "struct %s;\n", types_tag(&e->types, type->value));
    if (type->kind == IDL_MAP)
        e_printf(e, "struct %s;\n", types_pair_tag(&e->types, type));
}

static void pair_struct(struct emit *e, const struct idl_type *type)
{
    const struct types *t = &e->types;
    if (type->kind != IDL_MAP || !types_is_generated(type))
        return;
    e_printf(e, "#ifndef TARS_PAIR_%s\n#define TARS_PAIR_%s\n", guard(e, type), guard(e, type));
    e_printf(e, "struct %s {\n    %s key;\n    %s value;\n};\n#endif\n", types_pair_tag(t, type),
             types_c(t, type->key), types_c(t, type->value));
}

/* "struct tars_str key" or "const struct demo_point *key", and how an entry's key equals it. */
static const char *key_parameter(struct emit *e, const struct idl_type *key)
{
    const char *c = types_c(&e->types, key);
    return key->kind == IDL_STRUCT ? tars_arena_printf(e->arena, "const %s *key", c)
                                   : tars_arena_printf(e->arena, "%s key", c);
}

static const char *has_key(struct emit *e, const struct idl_type *key)
{
    if (key->kind == IDL_STRUCT)
        return tars_arena_printf(e->arena, "%s_compare(&map->at[i].key, key) == 0",
                                 names_decl(e->names, key->decl));
    return key->kind == IDL_STRING ? "tars_str_equal(map->at[i].key, key)"
                                   : "map->at[i].key == key";
}

static void lookup_function(struct emit *e, const struct idl_type *type)
{
    const struct types *t = &e->types;
    const char *tag = types_tag(t, type);
    if (type->kind != IDL_MAP || !types_is_generated(type))
        return;
    e_printf(e, "#ifndef TARS_GET_%s\n#define TARS_GET_%s\n", guard(e, type), guard(e, type));
    e_printf(
        e,
        "/* The value under a key, or NULL. */\nstatic inline const %s *%s_get(const struct %s "
        "*map, %s)\n{\n    for (size_t i = map->len; i-- > 0;)\n        if (%s)\n            "
        "return &map->at[i].value;\n    return NULL;\n}\n#endif\n\n",
        types_c(t, type->value), tag, tag, key_parameter(e, type->key), has_key(e, type->key));
}

/* ---- expressions ------------------------------------------------------------------------------
 */

/* The start of a call that reads or writes a value: "tars_read_int32", "demo_point_read", … */
static const char *codec(struct emit *e, const struct idl_type *type, const char *verb)
{
    if (type->kind == IDL_STRUCT)
        return tars_arena_printf(e->arena, "%s_%s", names_decl(e->names, type->decl), verb);
    if (types_is_generated(type))
        return tars_arena_printf(e->arena, "%s_%s", verb, types_id(&e->types, type));
    if (type->kind == IDL_MAP)
        return tars_arena_printf(e->arena, "tars_%s_str_map", verb);
    if (type->kind == IDL_LIST)
        return tars_arena_printf(e->arena, "%s.%s", types_description(&e->types, type) + 1, verb);
    return tars_arena_printf(e->arena, "tars_%s_%s", verb, types_basic(type->kind));
}

static const char *address(const struct idl_type *type)
{
    return types_by_value(type) ? "" : "&";
}

static const char *c_string(struct emit *e, struct tars_str s)
{
    char *text = tars_arena_alloc(e->arena, s.len * 4 + 1), *at = text;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '?')
            at += sprintf(at, "\\%03o", c);
        else
            *at++ = (char)c;
    }
    return text;
}

static double real_of(const struct idl_value *v)
{
    return v->kind == IDL_VALUE_FLOAT ? v->real : (double)v->integer;
}

/* With a point where there is none, since -0 is an integer and has no sign. */
static const char *real_literal(struct tars_arena *a, const char *type, double v, int digits)
{
    const char *text = tars_arena_printf(a, "%.*g", digits, v);
    return tars_arena_printf(a, "(%s)%s%s", type, text, strpbrk(text, ".e") ? "" : ".0");
}

/* A default value as C writes it. */
static const char *literal(struct emit *e, const struct idl_type *type, const struct idl_value *v)
{
    struct tars_arena *a = e->arena;
    switch (type->kind) {
    case IDL_BOOL:
        return v->integer ? "true" : "false";
    case IDL_STRING:
        return tars_arena_printf(a, "tars_str_n(\"%s\", %zu)", c_string(e, v->text), v->text.len);
    case IDL_FLOAT:
        return real_literal(a, "float", (double)(float)real_of(v), FLT_DECIMAL_DIG);
    case IDL_DOUBLE:
        return real_literal(a, "double", real_of(v), DBL_DECIMAL_DIG);
    case IDL_INT64:
        if (v->integer == INT64_MIN)
            return "INT64_MIN";
        return tars_arena_printf(a, "INT64_C(%" PRId64 ")", v->integer);
    case IDL_UINT32:
        return tars_arena_printf(a, "UINT32_C(%" PRId64 ")", v->integer);
    case IDL_INT32:
        if (v->integer == INT32_MIN)
            return "INT32_MIN";
        return tars_arena_printf(a, "%" PRId64, v->integer);
    default:
        return tars_arena_printf(a, "%" PRId64, v->integer);
    }
}

/* The value a member starts with; an enum without default starts with its first member. */
static const char *start_value(struct emit *e, const struct idl_member *m)
{
    struct idl_value zero = {.kind = IDL_VALUE_INT};
    if (m->value.kind != IDL_VALUE_NONE)
        return literal(e, m->type, &m->value);
    if (m->type->kind == IDL_ENUM)
        zero.integer = m->type->decl->members->value.integer;
    return literal(e, m->type, &zero);
}

/* ---- structs ------------------------------------------------------------------------------------
 */

static bool is_zero_start(const struct idl_member *m)
{
    const struct idl_value *v = &m->value;
    if (v->kind == IDL_VALUE_NONE)
        return !types_has_init(m->type);
    return v->kind == IDL_VALUE_STRING  ? v->text.len == 0
           : v->kind == IDL_VALUE_FLOAT ? v->real == 0 && !signbit(v->real)
                                        : v->integer == 0;
}

static void struct_init(struct emit *e, const struct idl_decl *d)
{
    const char *name = names_decl(e->names, d);
    e_printf(e, "void %s_init(struct %s *v)\n{\n    memset(v, 0, sizeof *v);\n", name, name);
    for (const struct idl_member *m = d->members; m; m = m->next) {
        const char *member = names_member(e->names, m);
        if (is_zero_start(m))
            continue;
        if (m->type->kind == IDL_STRUCT)
            e_printf(e, "    %s_init(&v->%s);\n", names_decl(e->names, m->type->decl), member);
        else
            e_printf(e, "    v->%s = %s;\n", member, start_value(e, m));
    }
    e_printf(e, "}\n\n");
}

/* The condition under which an optional member is written; NULL: always. */
static const char *written_when(struct emit *e, const struct idl_member *m)
{
    const char *member = names_member(e->names, m);
    switch (m->type->kind) {
    case IDL_BOOL:
    case IDL_ENUM:
    case IDL_STRUCT:
        return NULL;
    case IDL_LIST:
    case IDL_MAP:
    case IDL_BYTES:
        return tars_arena_printf(e->arena, "v->%s.len > 0", member);
    case IDL_STRING:
        if (m->value.kind != IDL_VALUE_STRING || m->value.text.len == 0)
            return tars_arena_printf(e->arena, "v->%s.len > 0", member);
        return tars_arena_printf(e->arena, "!tars_str_equal(v->%s, %s)", member, start_value(e, m));
    default:
        return tars_arena_printf(e->arena, "v->%s != %s", member, start_value(e, m));
    }
}

static void write_member(struct emit *e, const struct idl_member *m)
{
    const char *when = m->required ? NULL : written_when(e, m);
    if (when)
        e_printf(e, "    if (%s)\n    ", when);
    e_printf(e, "    %s(w, %d, %sv->%s);\n", codec(e, m->type, "write"), m->tag, address(m->type),
             names_member(e->names, m));
}

static void struct_write(struct emit *e, const struct idl_decl *d)
{
    const char *name = names_decl(e->names, d);
    e_printf(e, "void %s_write_fields(struct tars_writer *w, const struct %s *v)\n{\n", name, name);
    if (!d->member_count)
        e_printf(e, "    (void)w;\n    (void)v;\n");
    for (size_t i = 0; i < d->member_count; i++)
        write_member(e, d->by_tag[i]);
    e_printf(e, "}\n\n");
    e_printf(e,
             "void %s_write(struct tars_writer *w, uint8_t tag, const struct %s *v)\n{\n"
             "    tars_write_struct_begin(w, tag);\n    %s_write_fields(w, v);\n"
             "    tars_write_struct_end(w);\n}\n\n",
             name, name, name);
}

static void struct_read(struct emit *e, const struct idl_decl *d)
{
    const char *name = names_decl(e->names, d);
    e_printf(
        e,
        "bool %s_read_fields(struct tars_reader *r, struct %s *v)\n{\n    %s_init(v);\n    return ",
        name, name, name);
    for (size_t i = 0; i < d->member_count; i++) {
        const struct idl_member *m = d->by_tag[i];
        e_printf(e, "%s%s(r, %d, %s, &v->%s)", i ? " &&\n           " : "",
                 codec(e, m->type, "read"), m->tag, m->required ? "TARS_REQUIRE" : "TARS_OPTIONAL",
                 names_member(e->names, m));
    }
    e_printf(e, "%s;\n}\n\n", d->member_count ? "" : "r->error == TARS_WIRE_OK");
    e_printf(e,
             "bool %s_read(struct tars_reader *r, uint8_t tag, bool required, struct %s *v)\n{\n"
             "    enum tars_found found = tars_read_struct_begin(r, tag, required);\n"
             "    if (found != TARS_FOUND)\n        return found == TARS_ABSENT;\n"
             "    return %s_read_fields(r, v) && tars_read_struct_end(r);\n}\n\n",
             name, name, name);
}

/* "a->x == b->x" for any type. */
static const char *equal_expression(struct emit *e, const struct idl_type *type, const char *a,
                                    const char *b)
{
    if (type->kind == IDL_STRING || type->kind == IDL_BYTES)
        return tars_arena_printf(e->arena, "tars_str_equal(%s, %s)", a, b);
    if (types_by_value(type))
        return tars_arena_printf(e->arena, "%s == %s", a, b);
    if (type->kind == IDL_STRUCT)
        return tars_arena_printf(e->arena, "%s_equal(&%s, &%s)", names_decl(e->names, type->decl),
                                 a, b);
    return tars_arena_printf(e->arena, "equal_%s(&%s, &%s)", types_id(&e->types, type), a, b);
}

static const char *hash_expression(struct emit *e, const struct idl_type *type, const char *h,
                                   const char *a)
{
    if (type->kind == IDL_STRING || type->kind == IDL_BYTES)
        return tars_arena_printf(e->arena, "tars_hash_str(%s, %s)", h, a);
    if (type->kind == IDL_FLOAT || type->kind == IDL_DOUBLE)
        return tars_arena_printf(e->arena, "tars_hash_double(%s, (double)%s)", h, a);
    if (types_by_value(type))
        return tars_arena_printf(e->arena, "tars_hash_integer(%s, %s)", h, a);
    if (type->kind == IDL_STRUCT)
        return tars_arena_printf(e->arena, "%s_hash(%s, &%s)", names_decl(e->names, type->decl), h,
                                 a);
    return tars_arena_printf(e->arena, "hash_%s(%s, &%s)", types_id(&e->types, type), h, a);
}

static void struct_equal(struct emit *e, const struct idl_decl *d)
{
    const char *name = names_decl(e->names, d);
    e_printf(e, "bool %s_equal(const struct %s *a, const struct %s *b)\n{\n", name, name, name);
    e_printf(e, "%s    return ", d->member_count ? "" : "    (void)a;\n    (void)b;\n");
    for (size_t i = 0; i < d->member_count; i++) {
        const struct idl_member *m = d->by_tag[i];
        const char *member = names_member(e->names, m);
        e_printf(e, "%s%s", i ? " &&\n           " : "",
                 equal_expression(e, m->type, tars_arena_printf(e->arena, "a->%s", member),
                                  tars_arena_printf(e->arena, "b->%s", member)));
    }
    e_printf(e, "%s;\n}\n\n", d->member_count ? "" : "true");
}

static void struct_hash(struct emit *e, const struct idl_decl *d)
{
    const char *name = names_decl(e->names, d);
    e_printf(e, "uint64_t %s_hash(uint64_t h, const struct %s *v)\n{\n", name, name);
    if (!d->member_count)
        e_printf(e, "    (void)v;\n");
    for (size_t i = 0; i < d->member_count; i++) {
        const struct idl_member *m = d->by_tag[i];
        e_printf(e, "    h = %s;\n",
                 hash_expression(e, m->type, "h",
                                 tars_arena_printf(e->arena, "v->%s", names_member(e->names, m))));
    }
    e_printf(e, "    return h;\n}\n\n");
}

/* Compares two values of a type that a key may have; *c is 0 where they are equal. */
static const char *compare_expression(struct emit *e, const struct idl_type *type, const char *a,
                                      const char *b)
{
    if (type->kind == IDL_STRING || type->kind == IDL_BYTES)
        return tars_arena_printf(e->arena, "tars_str_compare(%s, %s)", a, b);
    if (type->kind == IDL_STRUCT)
        return tars_arena_printf(e->arena, "%s_compare(&%s, &%s)", names_decl(e->names, type->decl),
                                 a, b);
    if (!types_by_value(type))
        return tars_arena_printf(e->arena, "tars_compare_encoded(%s, &%s, &%s)",
                                 types_description(&e->types, type), a, b);
    return tars_arena_printf(e->arena, "(%s > %s) - (%s < %s)", a, b, a, b);
}

static void struct_compare(struct emit *e, const struct idl_decl *d)
{
    const char *name = names_decl(e->names, d);
    struct idl_member **key = d->key ? d->key : d->by_tag;
    size_t count = d->key ? d->key_count : d->member_count;
    e_printf(e, "int %s_compare(const struct %s *a, const struct %s *b)\n{\n    int c = 0;\n", name,
             name, name);
    if (!count)
        e_printf(e, "    (void)a;\n    (void)b;\n");
    for (size_t i = 0; i < count; i++) {
        const char *member = names_member(e->names, key[i]);
        e_printf(e, "%s    c = %s;\n", i ? "    if (c == 0)\n    " : "",
                 compare_expression(e, key[i]->type, tars_arena_printf(e->arena, "a->%s", member),
                                    tars_arena_printf(e->arena, "b->%s", member)));
    }
    e_printf(e, "    return c;\n}\n\n");
}

static void struct_json(struct emit *e, const struct idl_decl *d)
{
    const char *name = names_decl(e->names, d);
    e_printf(e, "static const struct tars_member %s_members[] = {\n", name);
    for (size_t i = 0; i < d->member_count; i++) {
        const struct idl_member *m = d->by_tag[i];
        e_printf(e, "    {\"%s\", %s, offsetof(struct %s, %s), %s},\n", m->name,
                 m->required ? "true" : "false", name, names_member(e->names, m),
                 types_description(&e->types, m->type));
    }
    if (!d->member_count)
        e_printf(e, "    {NULL, false, 0, NULL},\n");
    e_printf(e, "};\n\n");
    e_printf(e,
             "void %s_to_json(struct tars_json_writer *w, const struct %s *v)\n{\n"
             "    tars_struct_to_json(w, %s_members, %zu, v);\n}\n\n",
             name, name, name, d->member_count);
    e_printf(e,
             "bool %s_from_json(struct tars_json_reader *r, struct %s *v)\n{\n    %s_init(v);\n"
             "    return tars_struct_from_json(r, %s_members, %zu, v);\n}\n\n",
             name, name, name, name, d->member_count);
}

/* The description with functions of the general shape. */
static void describe(struct emit *e, const char *linkage, const char *id, const char *c_type,
                     const char *tup, const char *read, const char *write, bool init)
{
    if (init)
        e_printf(e, "static void any_%s_init(void *value)\n{\n    %s_init(value);\n}\n\n", id, id);
    e_printf(e,
             "static bool any_%s_read(struct tars_reader *r, uint8_t tag, bool required, void "
             "*value)\n{\n"
             "    return %s(r, tag, required, value);\n}\n\n",
             id, read);
    e_printf(e,
             "static void any_%s_write(struct tars_writer *w, uint8_t tag, const void *value)\n{\n"
             "    %s(w, tag, value);\n}\n\n",
             id, write);
    e_printf(e,
             "%sconst struct tars_type %s_type = {\n    .name = \"%s\",\n    .size = sizeof(%s),\n",
             linkage, id, tup, c_type);
    if (init)
        e_printf(e, "    .init = any_%s_init,\n", id);
    e_printf(e,
             "    .read = any_%s_read,\n    .write = any_%s_write,\n"
             "    .from_json = any_%s_from_json,\n    .to_json = any_%s_to_json,\n};\n\n",
             id, id, id, id);
}

static void struct_type(struct emit *e, const struct idl_decl *d)
{
    const char *name = names_decl(e->names, d);
    e_printf(e,
             "static bool any_%s_from_json(struct tars_json_reader *r, void *value)\n{\n    return "
             "%s_from_json(r, value);\n}\n\n"
             "static void any_%s_to_json(struct tars_json_writer *w, const void *value)\n{\n    "
             "%s_to_json(w, value);\n}\n\n",
             name, name, name, name);
    describe(e, "", name, tars_arena_printf(e->arena, "struct %s", name),
             tars_arena_printf(e->arena, "%s.%s", d->module, d->name),
             tars_arena_printf(e->arena, "%s_read", name),
             tars_arena_printf(e->arena, "%s_write", name), true);
}

/* ---- functions for lists and maps ------------------------------------------------------------ */

static void composite_prototypes(struct emit *e, const struct idl_type *type)
{
    const char *id = types_id(&e->types, type), *c = types_c(&e->types, type);
    if (!types_is_generated(type))
        return;
    e_printf(e, "static bool read_%s(struct tars_reader *r, uint8_t tag, bool required, %s *v);\n",
             id, c);
    e_printf(e, "static void write_%s(struct tars_writer *w, uint8_t tag, const %s *v);\n", id, c);
    e_printf(e, "static const struct tars_type %s_type;\n", id);
}

static void equal_prototypes(struct emit *e, const struct idl_type *type)
{
    const char *id = types_id(&e->types, type), *c = types_c(&e->types, type);
    e_printf(e, "static bool equal_%s(const %s *a, const %s *b);\n", id, c, c);
    e_printf(e, "static uint64_t hash_%s(uint64_t h, const %s *v);\n", id, c);
}

static void open_container(struct emit *e, const struct idl_type *type, const char *verb,
                           size_t min_bytes)
{
    const char *id = types_id(&e->types, type), *c = types_c(&e->types, type);
    e_printf(e,
             "static bool read_%s(struct tars_reader *r, uint8_t tag, bool required, %s *v)\n{\n"
             "    %s value = {0, NULL};\n    size_t count = 0;\n"
             "    enum tars_found found = %s(r, tag, required, %zu, &count);\n"
             "    if (found != TARS_FOUND)\n        return found == TARS_ABSENT;\n"
             "    if (count) {\n        value.at = tars_reader_alloc(r, count, sizeof *value.at);\n"
             "        if (!value.at)\n            return false;\n    }\n",
             id, c, c, verb, min_bytes);
}

static void list_codec(struct emit *e, const struct idl_type *type)
{
    const char *id = types_id(&e->types, type), *c = types_c(&e->types, type);
    open_container(e, type, "tars_read_list", types_min_wire(type->value, 0));
    e_printf(
        e,
        "    for (; value.len < count; value.len++)\n"
        "        if (!%s(r, 0, TARS_REQUIRE, &value.at[value.len]))\n            return false;\n"
        "    tars_read_end(r);\n    *v = value;\n    return true;\n}\n\n",
        codec(e, type->value, "read"));
    e_printf(e,
             "static void write_%s(struct tars_writer *w, uint8_t tag, const %s *v)\n{\n"
             "    tars_write_list(w, tag, v->len);\n    for (size_t i = 0; i < v->len; i++)\n"
             "        %s(w, 0, %sv->at[i]);\n}\n\n",
             id, c, codec(e, type->value, "write"), address(type->value));
    e_printf(e,
             "static bool any_%s_from_json(struct tars_json_reader *r, void *value)\n{\n"
             "    return tars_list_from_json(r, %s, value);\n}\n\n"
             "static void any_%s_to_json(struct tars_json_writer *w, const void *value)\n{\n"
             "    tars_list_to_json(w, %s, value);\n}\n\n",
             id, types_description(&e->types, type->value), id,
             types_description(&e->types, type->value));
}

static void compare_keys(struct emit *e, const struct idl_type *type)
{
    e_printf(e,
             "static int compare_%s(const void *a, const void *b)\n{\n    const struct %s *x = a, "
             "*y = b;\n"
             "    return %s;\n}\n\n",
             types_id(&e->types, type), types_pair_tag(&e->types, type),
             compare_expression(e, type->key, "x->key", "y->key"));
}

static void map_codec(struct emit *e, const struct idl_type *type)
{
    const char *id = types_id(&e->types, type), *c = types_c(&e->types, type);
    const char *pair = types_pair_tag(&e->types, type);
    compare_keys(e, type);
    open_container(e, type, "tars_read_map",
                   types_min_wire(type->key, 0) + types_min_wire(type->value, 1));
    e_printf(e,
             "    for (; value.len < count; value.len++)\n"
             "        if (!%s(r, 0, TARS_REQUIRE, &value.at[value.len].key) ||\n"
             "            !%s(r, 1, TARS_REQUIRE, &value.at[value.len].value))\n            return "
             "false;\n"
             "    tars_read_end(r);\n"
             "    value.len = tars_map_unique(value.at, value.len, sizeof *value.at, compare_%s);\n"
             "    *v = value;\n    return true;\n}\n\n",
             codec(e, type->key, "read"), codec(e, type->value, "read"), id);
    e_printf(e,
             "static void write_%s(struct tars_writer *w, uint8_t tag, const %s *v)\n{\n"
             "    size_t len = v->len;\n"
             "    size_t *order = tars_map_order(v->at, &len, sizeof *v->at, compare_%s);\n"
             "    tars_write_map(w, tag, len);\n    for (size_t i = 0; i < len; i++) {\n"
             "        const struct %s *pair = &v->at[order ? order[i] : i];\n"
             "        %s(w, 0, %spair->key);\n        %s(w, 1, %spair->value);\n    }\n    "
             "free(order);\n}\n\n",
             id, c, id, pair, codec(e, type->key, "write"), address(type->key),
             codec(e, type->value, "write"), address(type->value));
    e_printf(e,
             "static const struct tars_map_shape %s_shape = {\n    .key = %s,\n    .value = %s,\n"
             "    .pair_size = sizeof(struct %s),\n    .value_offset = offsetof(struct %s, "
             "value),\n    .compare = compare_%s,\n};\n\n",
             id, types_description(&e->types, type->key), types_description(&e->types, type->value),
             pair, pair, id);
    e_printf(e,
             "static bool any_%s_from_json(struct tars_json_reader *r, void *value)\n{\n"
             "    return tars_map_from_json(r, &%s_shape, value);\n}\n\n"
             "static void any_%s_to_json(struct tars_json_writer *w, const void *value)\n{\n"
             "    tars_map_to_json(w, &%s_shape, value);\n}\n\n",
             id, id, id, id);
}

static void composite_functions(struct emit *e, const struct idl_type *type)
{
    const char *id = types_id(&e->types, type);
    if (!types_is_generated(type))
        return;
    if (type->kind == IDL_MAP)
        map_codec(e, type);
    else
        list_codec(e, type);
    describe(e, "static ", id, types_c(&e->types, type), types_tup(&e->types, type),
             tars_arena_printf(e->arena, "read_%s", id),
             tars_arena_printf(e->arena, "write_%s", id), false);
}

static void list_equal(struct emit *e, const struct idl_type *type)
{
    const char *id = types_id(&e->types, type), *c = types_c(&e->types, type);
    e_printf(
        e,
        "static bool equal_%s(const %s *a, const %s *b)\n{\n    if (a->len != b->len)\n        "
        "return false;\n"
        "    for (size_t i = 0; i < a->len; i++)\n        if (!(%s))\n            return false;\n"
        "    return true;\n}\n\n",
        id, c, c, equal_expression(e, type->value, "a->at[i]", "b->at[i]"));
    e_printf(e,
             "static uint64_t hash_%s(uint64_t h, const %s *v)\n{\n    for (size_t i = 0; i < "
             "v->len; i++)\n"
             "        h = %s;\n    return h;\n}\n\n",
             id, c, hash_expression(e, type->value, "h", "v->at[i]"));
}

/* Maps are equal in whatever order their entries stand. */
static void map_equal(struct emit *e, const struct idl_type *type)
{
    const char *id = types_id(&e->types, type), *c = types_c(&e->types, type);
    const char *pair = types_pair_tag(&e->types, type);
    if (!types_is_generated(type))
        compare_keys(e, type);
    e_printf(e,
             "static bool equal_%s(const %s *a, const %s *b)\n{\n"
             "    size_t m = a->len, n = b->len;\n"
             "    size_t *x = tars_map_order(a->at, &m, sizeof *a->at, compare_%s);\n"
             "    size_t *y = tars_map_order(b->at, &n, sizeof *b->at, compare_%s);\n"
             "    bool same = m == n;\n    for (size_t i = 0; same && i < m; i++) {\n"
             "        const struct %s *p = &a->at[x ? x[i] : i];\n"
             "        const struct %s *q = &b->at[y ? y[i] : i];\n"
             "        same = %s && %s;\n    }\n    free(x);\n    free(y);\n    return same;\n}\n\n",
             id, c, c, id, id, pair, pair, equal_expression(e, type->key, "p->key", "q->key"),
             equal_expression(e, type->value, "p->value", "q->value"));
    e_printf(e,
             "static uint64_t hash_%s(uint64_t h, const %s *v)\n{\n"
             "    size_t len = v->len;\n"
             "    size_t *order = tars_map_order(v->at, &len, sizeof *v->at, compare_%s);\n"
             "    for (size_t i = 0; i < len; i++) {\n        const struct %s *p = &v->at[order "
             "? order[i] : i];\n"
             "        h = %s;\n        h = %s;\n    }\n    free(order);\n    return h;\n}\n\n",
             id, c, id, pair, hash_expression(e, type->key, "h", "p->key"),
             hash_expression(e, type->value, "h", "p->value"));
}

static void equal_functions(struct emit *e, const struct idl_type *type)
{
    if (type->kind == IDL_MAP)
        map_equal(e, type);
    else
        list_equal(e, type);
}

/* ---- the header ------------------------------------------------------------------------------ */

void emit_comment(struct emit *e, const char *indent, const char *comment)
{
    if (!comment || !*comment)
        return;
    e_printf(e, "%s/* ", indent);
    for (const char *c = comment; *c; c++) {
        if (*c == '\n')
            e_printf(e, "\n%s * ", indent);
        else if (c[0] == '*' && c[1] == '/')
            e_printf(e, "* ");
        else
            fputc(*c, e->out);
    }
    e_printf(e, " */\n");
}

static void enum_header(struct emit *e, const struct idl_decl *d)
{
    emit_comment(e, "", d->comment);
    e_printf(e, "enum %s {\n", names_decl(e->names, d));
    for (const struct idl_member *m = d->members; m; m = m->next) {
        emit_comment(e, "    ", m->comment);
        e_printf(e, "    %s = %" PRId64 "%s\n", names_member(e->names, m), m->value.integer,
                 m->next ? "," : "");
    }
    e_printf(e, "};\n\n");
}

static void const_header(struct emit *e, const struct idl_decl *d)
{
    emit_comment(e, "", d->comment);
    const char *name = names_decl(e->names, d);
    if (d->type->kind == IDL_STRING)
        e_printf(e, "#define %s \"%s\"\n", name, c_string(e, d->value.text));
    else
        e_printf(e, "#define %s (%s)\n", name, literal(e, d->type, &d->value));
}

static void struct_header(struct emit *e, const struct idl_decl *d)
{
    emit_comment(e, "", d->comment);
    e_printf(e, "struct %s {\n", names_decl(e->names, d));
    for (const struct idl_member *m = d->members; m; m = m->next) {
        emit_comment(e, "    ", m->comment);
        e_printf(e, "    %s %s;%s\n", types_c(&e->types, m->type), names_member(e->names, m),
                 m->type->kind == IDL_ENUM ? tars_arena_printf(e->arena, " /* enum %s */",
                                                               names_decl(e->names, m->type->decl))
                                           : "");
    }
    if (!d->member_count)
        e_printf(e, "    char unused; /* C has no empty structs */\n");
    e_printf(e, "};\n\n");
}

static void struct_prototypes(struct emit *e, const struct idl_decl *d)
{
    const char *n = names_decl(e->names, d);
    e_printf(e, "/* All members to their defaults. */\nvoid %s_init(struct %s *v);\n", n, n);
    e_printf(e,
             "/* Encodes with struct marks under a tag, or the bare members as in a packet. */\n");
    e_printf(e, "void %s_write(struct tars_writer *w, uint8_t tag, const struct %s *v);\n", n, n);
    e_printf(e, "void %s_write_fields(struct tars_writer *w, const struct %s *v);\n", n, n);
    e_printf(e, "/* Decodes over defaults; lists go to the reader's arena, strings are slices of "
                "what is read.\n"
                " * False on an error, which the reader keeps. */\n");
    e_printf(e, "bool %s_read(struct tars_reader *r, uint8_t tag, bool required, struct %s *v);\n",
             n, n);
    e_printf(e, "bool %s_read_fields(struct tars_reader *r, struct %s *v);\n", n, n);
    e_printf(e, "bool %s_equal(const struct %s *a, const struct %s *b);\n", n, n, n);
    e_printf(e, "/* Goes on from `h`, 0 at first; equal values give equal hashes. */\n");
    e_printf(e, "uint64_t %s_hash(uint64_t h, const struct %s *v);\n", n, n);
    e_printf(e, "/* Order as the key of a map: <0, 0 or >0. */\n");
    e_printf(e, "int %s_compare(const struct %s *a, const struct %s *b);\n", n, n, n);
    e_printf(e, "void %s_to_json(struct tars_json_writer *w, const struct %s *v);\n", n, n);
    e_printf(e, "bool %s_from_json(struct tars_json_reader *r, struct %s *v);\n", n, n);
    e_printf(e, "extern const struct tars_type %s_type;\n", n);
    const struct idl_type *list = list_of(e, d);
    const char *tag = types_tag(&e->types, list);
    e_printf(e,
             "#ifndef __cplusplus\n/* A list from initialisers: %s({...}, {...}). */\n"
             "#define %s(...) \\\n    TARS_LIST(struct %s, \\\n              struct %s, "
             "__VA_ARGS__)\n#endif\n\n",
             names_list_macro(e->arena, n), names_list_macro(e->arena, n), tag, n);
}

static void each_decl(struct emit *e, enum idl_decl_kind kind,
                      void (*visit)(struct emit *e, const struct idl_decl *d))
{
    for (const struct idl_decl *d = e->file->decls; d; d = d->next)
        if (d->kind == kind)
            visit(e, d);
}

/* C wants a struct before those that hold it by value, whatever their order in the source. */
static void struct_after_its_parts(struct emit *e, const struct idl_decl *d, struct map *done)
{
    const char *name = names_decl(e->names, d);
    if (d->file != e->file || map_get(done, tars_str(name)))
        return;
    map_put(done, tars_str(name), e);
    for (const struct idl_member *m = d->members; m; m = m->next)
        if (m->type->kind == IDL_STRUCT)
            struct_after_its_parts(e, m->type->decl, done);
    struct_header(e, d);
}

static void struct_headers(struct emit *e)
{
    struct map *done = map_new(NULL);
    for (const struct idl_decl *d = e->file->decls; d; d = d->next)
        if (d->kind == IDL_DECL_STRUCT)
            struct_after_its_parts(e, d, done);
    map_free(done);
}

void emit_data_header(struct emit *e)
{
    each_decl(e, IDL_DECL_CONST, const_header);
    e_printf(e, "\n");
    each_decl(e, IDL_DECL_ENUM, enum_header);
    each_composite(e, IN_STRUCTS | IN_FUNCTIONS | SELF_LISTS, forward_element);
    each_composite(e, IN_STRUCTS | IN_FUNCTIONS | SELF_LISTS, forward_composite);
    e_printf(e, "\n");
    struct_headers(e);
    each_composite(e, IN_STRUCTS | IN_FUNCTIONS, pair_struct);
    e_printf(e, "\n");
    each_decl(e, IDL_DECL_STRUCT, struct_prototypes);
    each_composite(e, IN_STRUCTS | IN_FUNCTIONS, lookup_function);
}

/* ---- the source ------------------------------------------------------------------------------ */

static void struct_source(struct emit *e, const struct idl_decl *d)
{
    e_printf(e, "/* ---- %s.%s ---- */\n\n", d->module, d->name);
    struct_init(e, d);
    struct_write(e, d);
    struct_read(e, d);
    struct_equal(e, d);
    struct_hash(e, d);
    struct_compare(e, d);
    struct_json(e, d);
    struct_type(e, d);
}

void emit_data_source(struct emit *e)
{
    each_composite(e, IN_STRUCTS | IN_FUNCTIONS, composite_prototypes);
    each_composite(e, IN_STRUCTS, equal_prototypes);
    e_printf(e, "\n");
    each_decl(e, IDL_DECL_STRUCT, struct_source);
    each_composite(e, IN_STRUCTS | IN_FUNCTIONS, composite_functions);
    each_composite(e, IN_STRUCTS, equal_functions);
}
