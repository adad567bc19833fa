/* SPDX-License-Identifier: BSD-3-Clause */
#include "types.h"

static const struct {
    const char *c, *basic, *tup;
} basics[] = {
    [IDL_VOID] = {"void", "void", "void"},
    [IDL_BOOL] = {"bool", "bool", "bool"},
    [IDL_INT8] = {"int8_t", "int8", "char"},
    [IDL_UINT8] = {"uint8_t", "uint8", "short"},
    [IDL_INT16] = {"int16_t", "int16", "short"},
    [IDL_UINT16] = {"uint16_t", "uint16", "int32"},
    [IDL_INT32] = {"int32_t", "int32", "int32"},
    [IDL_UINT32] = {"uint32_t", "uint32", "int64"},
    [IDL_INT64] = {"int64_t", "int64", "int64"},
    [IDL_FLOAT] = {"float", "float", "float"},
    [IDL_DOUBLE] = {"double", "double", "double"},
    [IDL_STRING] = {"struct tars_str", "str", "string"},
    [IDL_BYTES] = {"struct tars_str", "bytes", "list<char>"},
    [IDL_ENUM] = {"int32_t", "int32", "int32"}, /* any value of 32 bits may arrive */
};

const char *types_basic(enum idl_kind kind)
{
    return basics[kind].basic;
}

/* A name in two parts, so that names made of several types carry a prefix only once. */
struct parts {
    const char *prefix; /* "demo", NULL for types of libtars */
    const char *rest;   /* "point_list" */
};

/* The ending of a list or map; another one where a declaration has that name. */
static const char *ending(const struct types *t, struct parts parts, const char *usual,
                          const char *usual_pair)
{
    const char *prefix = parts.prefix ? parts.prefix : "tars";
    bool taken = names_is_declared(
                     t->names, tars_arena_printf(t->arena, "%s_%s%s", prefix, parts.rest, usual)) ||
                 names_is_declared(t->names, tars_arena_printf(t->arena, "%s_%s%s", prefix,
                                                               parts.rest, usual_pair));

    return taken ? tars_arena_printf(t->arena, "_%s", usual) : usual;
}

/* `bytes` keeps string and vector<byte> apart, which are one type in C. */
static struct parts name_parts(const struct types *t, const struct idl_type *type, bool bytes)
{
    struct parts key, value;
    bool both;

    switch (type->kind) {
    case IDL_STRUCT:
        key.prefix = names_prefix(t->names, type->decl->module);
        key.rest = names_decl(t->names, type->decl) + strlen(key.prefix) + 1;
        return key;
    case IDL_LIST:
        value = name_parts(t, type->value, bytes);
        value.rest = tars_arena_printf(t->arena, "%s%s", value.rest,
                                       ending(t, value, "_list", "_list"));
        return value;
    case IDL_MAP:
        if (!types_is_generated(type))
            return (struct parts){NULL, "str_map"};
        key = name_parts(t, type->key, bytes);
        value = name_parts(t, type->value, bytes);
        both = key.prefix && value.prefix && strcmp(key.prefix, value.prefix) != 0;
        key.rest = tars_arena_printf(t->arena, "%s_%s%s%s", key.rest, both ? value.prefix : "",
                                     both ? "_" : "", value.rest);
        key.prefix = key.prefix ? key.prefix : value.prefix;
        key.rest = tars_arena_printf(t->arena, "%s%s", key.rest, ending(t, key, "_map", "_pair"));
        return key;
    case IDL_BYTES:
        return (struct parts){NULL, bytes ? "bytes" : "str"};
    default:
        return (struct parts){NULL, basics[type->kind].basic};
    }
}

const char *types_tag(const struct types *t, const struct idl_type *type)
{
    struct parts parts = name_parts(t, type, false);

    return tars_arena_printf(t->arena, "%s_%s", parts.prefix ? parts.prefix : "tars", parts.rest);
}

const char *types_pair_tag(const struct types *t, const struct idl_type *map)
{
    const char *tag = types_tag(t, map);

    return tars_arena_printf(t->arena, "%.*s_pair", (int)(strlen(tag) - strlen("_map")), tag);
}

const char *types_id(const struct types *t, const struct idl_type *type)
{
    struct parts parts = name_parts(t, type, true);

    return parts.prefix ? tars_arena_printf(t->arena, "%s_%s", parts.prefix, parts.rest)
                        : parts.rest;
}

const char *types_c(const struct types *t, const struct idl_type *type)
{
    if (type->kind == IDL_STRUCT || type->kind == IDL_LIST || type->kind == IDL_MAP)
        return tars_arena_printf(t->arena, "struct %s", types_tag(t, type));
    return basics[type->kind].c;
}

const char *types_description(const struct types *t, const struct idl_type *type)
{
    if (type->kind == IDL_STRUCT)
        return tars_arena_printf(t->arena, "&%s_type", names_decl(t->names, type->decl));
    if (types_is_generated(type))
        return tars_arena_printf(t->arena, "&%s_type", types_id(t, type));
    return tars_arena_printf(t->arena, "&tars_type_%s", types_id(t, type));
}

const char *types_tup(const struct types *t, const struct idl_type *type)
{
    switch (type->kind) {
    case IDL_STRUCT:
        return tars_arena_printf(t->arena, "%s.%s", type->decl->module, type->decl->name);
    case IDL_LIST:
        return tars_arena_printf(t->arena, "List<%s>", types_tup(t, type->value));
    case IDL_MAP:
        return tars_arena_printf(t->arena, "map<%s,%s>", types_tup(t, type->key),
                                 types_tup(t, type->value));
    default:
        return basics[type->kind].tup;
    }
}

bool types_is_generated(const struct idl_type *type)
{
    if (type->kind == IDL_LIST)
        return type->value->kind == IDL_STRUCT || type->value->kind == IDL_LIST ||
               type->value->kind == IDL_MAP;
    if (type->kind == IDL_MAP)
        return type->key->kind != IDL_STRING || type->value->kind != IDL_STRING;
    return false;
}

bool types_by_value(const struct idl_type *type)
{
    return type->kind != IDL_STRUCT && type->kind != IDL_LIST && type->kind != IDL_MAP;
}

/* Structs cannot hold themselves but in lists and maps, of which only the head is counted. */
static size_t payload(const struct idl_type *type)
{
    size_t bytes = 1; /* STRUCT_END */

    switch (type->kind) {
    case IDL_STRUCT:
        for (size_t i = 0; i < type->decl->member_count && bytes < 1024; i++) {
            const struct idl_member *m = type->decl->by_tag[i];
            if (m->required)
                bytes += types_min_wire(m->type, m->tag);
        }
        return bytes;
    case IDL_STRING:
    case IDL_BYTES:
    case IDL_LIST:
    case IDL_MAP:
        return 1; /* a length or count */
    default:
        return 0; /* zero is a head alone */
    }
}

size_t types_min_wire(const struct idl_type *type, int tag)
{
    return (tag < 15 ? 1 : 2) + payload(type);
}

bool types_has_init(const struct idl_type *type)
{
    if (type->kind == IDL_ENUM)
        return type->decl->members->value.integer != 0;
    return type->kind == IDL_STRUCT && type->decl->has_defaults;
}
