/* SPDX-License-Identifier: BSD-3-Clause */
#include "idl/dynamic.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xmalloc.h"

enum { VERSION_TUP = 3, VERSION_JSON = 5 };

/* ---- plain values ------------------------------------------------------------------------------
 */

/* A number or string of any basic type; enums are integers. */
struct scalar {
    int64_t integer;
    double real;
    struct tars_str text;
};

static void range_of(enum idl_kind kind, int64_t *min, int64_t *max)
{
    static const struct {
        int64_t min, max;
    } ranges[] = {
        [IDL_INT8] = {INT8_MIN, INT8_MAX},    [IDL_UINT8] = {0, UINT8_MAX},
        [IDL_INT16] = {INT16_MIN, INT16_MAX}, [IDL_UINT16] = {0, UINT16_MAX},
        [IDL_INT32] = {INT32_MIN, INT32_MAX}, [IDL_UINT32] = {0, UINT32_MAX},
        [IDL_INT64] = {INT64_MIN, INT64_MAX}, [IDL_ENUM] = {INT32_MIN, INT32_MAX},
    };
    *min = ranges[kind].min;
    *max = ranges[kind].max;
}

static bool scalar_from_json(const struct idl_type *type, struct tars_json_reader *json,
                             struct scalar *v)
{
    int64_t min, max;
    float narrow;
    bool flag;
    switch (type->kind) {
    case IDL_BOOL:
        if (!tars_json_read_bool(json, &flag))
            return false;
        v->integer = flag;
        return true;
    case IDL_FLOAT:
        if (!tars_json_read_float(json, &narrow))
            return false;
        v->real = (double)narrow;
        return true;
    case IDL_DOUBLE:
        return tars_json_read_double(json, &v->real);
    case IDL_STRING:
        return tars_json_read_str(json, &v->text);
    case IDL_BYTES:
        return tars_json_read_bytes(json, &v->text);
    default:
        range_of(type->kind, &min, &max);
        return tars_json_read_integer(json, min, max, &v->integer);
    }
}

static void scalar_to_json(const struct idl_type *type, const struct scalar *v,
                           struct tars_json_writer *json)
{
    switch (type->kind) {
    case IDL_BOOL:
        tars_json_bool(json, v->integer != 0);
        break;
    case IDL_FLOAT:
        tars_json_float(json, (float)v->real);
        break;
    case IDL_DOUBLE:
        tars_json_double(json, v->real);
        break;
    case IDL_STRING:
        tars_json_str(json, v->text);
        break;
    case IDL_BYTES:
        tars_json_bytes(json, v->text);
        break;
    default:
        tars_json_int64(json, v->integer);
    }
}

static void scalar_write(const struct idl_type *type, const struct scalar *v, struct tars_writer *w,
                         uint8_t tag)
{
    switch (type->kind) {
    case IDL_FLOAT:
        tars_write_float(w, tag, (float)v->real);
        break;
    case IDL_DOUBLE:
        tars_write_double(w, tag, v->real);
        break;
    case IDL_STRING:
        tars_write_str(w, tag, v->text);
        break;
    case IDL_BYTES:
        tars_write_bytes(w, tag, v->text);
        break;
    default:
        tars_write_int64(w, tag, v->integer);
    }
}

/* Reads through the reader of exactly that type, which knows its range. */
#define READ_INTEGER(kind, id, ctype)                                                              \
    case kind: {                                                                                   \
        ctype exact = 0;                                                                           \
        if (!tars_read_##id(r, tag, TARS_REQUIRE, &exact))                                         \
            return false;                                                                          \
        v->integer = (int64_t)exact;                                                               \
        return true;                                                                               \
    }

static bool scalar_read(const struct idl_type *type, struct tars_reader *r, uint8_t tag,
                        struct scalar *v)
{
    float narrow = 0;
    switch (type->kind) {
        READ_INTEGER(IDL_BOOL, bool, bool)
        READ_INTEGER(IDL_INT8, int8, int8_t)
        READ_INTEGER(IDL_UINT8, uint8, uint8_t)
        READ_INTEGER(IDL_INT16, int16, int16_t)
        READ_INTEGER(IDL_UINT16, uint16, uint16_t)
        READ_INTEGER(IDL_INT32, int32, int32_t)
        READ_INTEGER(IDL_ENUM, int32, int32_t)
        READ_INTEGER(IDL_UINT32, uint32, uint32_t)
        READ_INTEGER(IDL_INT64, int64, int64_t)
    case IDL_FLOAT:
        if (!tars_read_float(r, tag, TARS_REQUIRE, &narrow))
            return false;
        v->real = (double)narrow;
        return true;
    case IDL_DOUBLE:
        return tars_read_double(r, tag, TARS_REQUIRE, &v->real);
    case IDL_STRING:
        return tars_read_str(r, tag, TARS_REQUIRE, &v->text);
    default:
        return tars_read_bytes(r, tag, TARS_REQUIRE, &v->text);
    }
}

static bool is_scalar(const struct idl_type *type)
{
    return type->kind != IDL_LIST && type->kind != IDL_MAP && type->kind != IDL_STRUCT;
}

/* What a member is when nothing is said: its default, or its type's own. */
static struct scalar default_of(const struct idl_member *m)
{
    struct scalar v = {.text = {"", 0}};
    if (m->value.kind == IDL_VALUE_NONE) {
        if (m->type->kind == IDL_ENUM)
            v.integer = m->type->decl->members->value.integer;
        return v;
    }
    v.integer = m->value.integer;
    v.real = m->value.kind == IDL_VALUE_FLOAT ? m->value.real : (double)m->value.integer;
    if (m->value.kind == IDL_VALUE_STRING)
        v.text = m->value.text;
    return v;
}

/* ---- JSON to fields -------------------------------------------------------------------------- */

static bool write_list(struct tars_writer *w, uint8_t tag, const struct idl_type *type,
                       struct tars_json_reader *json)
{
    struct tars_json_reader ahead = *json; /* the count stands before the elements */
    size_t count = 0;
    enum tars_found found;
    if (!tars_json_read_array(json))
        return false;
    if (!tars_json_read_array(&ahead))
        return false;
    while (tars_json_next_element(&ahead) == TARS_FOUND && tars_json_skip(&ahead))
        count++;
    if (type->max && count > type->max)
        return tars_json_fail(json, "%zu elements are more than the array's %zu", count, type->max);
    tars_write_list(w, tag, count);
    while ((found = tars_json_next_element(json)) == TARS_FOUND)
        if (!idl_write_value(w, 0, type->value, json))
            return false;
    return found == TARS_ABSENT;
}

/* Whether the next field that could be `tag` is there; fields before it are passed over. */
static enum tars_found comes(struct tars_reader *r, uint8_t wanted)
{
    uint8_t tag;
    enum tars_wire_type type;
    enum tars_found found;
    while ((found = tars_reader_peek(r, &tag, &type)) == TARS_FOUND && tag < wanted)
        if (!tars_reader_skip(r))
            return TARS_FOUND_ERROR;
    return found == TARS_FOUND && tag != wanted ? TARS_ABSENT : found;
}

/* An entry of a map, encoded: the key with tag 0, then the value. */
struct entry {
    const struct idl_type *type; /* of the key */
    struct scalar key;           /* when it is one */
    struct tars_writer bytes;
    size_t index; /* as it came */
};

static int compare_scalars(const struct idl_type *type, const struct scalar *a,
                           const struct scalar *b)
{
    if (type->kind == IDL_STRING || type->kind == IDL_BYTES)
        return tars_str_compare(a->text, b->text);
    if (type->kind == IDL_FLOAT || type->kind == IDL_DOUBLE)
        return (a->real > b->real) - (a->real < b->real);
    return (a->integer > b->integer) - (a->integer < b->integer);
}

static struct scalar member_value(struct tars_reader r, const struct idl_member *m)
{
    struct scalar v = default_of(m);
    if (comes(&r, m->tag) == TARS_FOUND && !scalar_read(m->type, &r, m->tag, &v))
        v = default_of(m); /* cannot be: these bytes were written here */
    return v;
}

/* What stands behind the head of an encoded list or map; one that is not there is empty. */
static struct tars_str member_payload(struct tars_reader r, const struct idl_member *m)
{
    if (comes(&r, m->tag) != TARS_FOUND)
        return tars_str("\x0c");
    const uint8_t *payload = r.at + (m->tag < 15 ? 1 : 2);
    if (!tars_reader_skip(&r))
        return tars_str(""); /* cannot be either */
    return tars_str_n(payload, (size_t)(r.at - payload));
}

/* Two encoded structs by the members of key[...], without one by all. */
static int compare_structs(const struct idl_decl *decl, struct tars_reader a, struct tars_reader b,
                           uint8_t tag)
{
    struct idl_member **key = decl->key ? decl->key : decl->by_tag;
    size_t count = decl->key ? decl->key_count : decl->member_count;
    int c = 0;
    if (comes(&a, tag) != TARS_FOUND || comes(&b, tag) != TARS_FOUND ||
        tars_read_struct_begin(&a, tag, TARS_REQUIRE) != TARS_FOUND ||
        tars_read_struct_begin(&b, tag, TARS_REQUIRE) != TARS_FOUND)
        return 0;
    for (size_t i = 0; i < count && c == 0; i++) {
        const struct idl_member *m = key[i];
        struct scalar x, y;
        if (m->type->kind == IDL_STRUCT) {
            c = compare_structs(m->type->decl, a, b, m->tag);
        } else if (is_scalar(m->type)) {
            x = member_value(a, m);
            y = member_value(b, m);
            c = compare_scalars(m->type, &x, &y);
        } else {
            c = tars_str_compare(member_payload(a, m), member_payload(b, m));
        }
    }
    return c;
}

static int compare_keys(const struct entry *x, const struct entry *y)
{
    struct tars_reader a, b;
    if (x->type->kind != IDL_STRUCT)
        return compare_scalars(x->type, &x->key, &y->key);
    tars_reader_init(&a, x->bytes.at, x->bytes.len, NULL);
    tars_reader_init(&b, y->bytes.at, y->bytes.len, NULL);
    return compare_structs(x->type->decl, a, b, 0);
}

static int by_key(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int c = compare_keys(x, y);
    return c ? c : (x->index > y->index) - (x->index < y->index);
}

/* A member's name is the key: as it is, or for other types than string the JSON of its value. */
static bool write_key(struct entry *entry, const struct idl_type *type, struct tars_str name,
                      struct tars_json_reader *json)
{
    struct tars_json_reader inner;
    if (type->kind == IDL_STRING) {
        entry->key.text = name;
        tars_write_str(&entry->bytes, 0, name);
        return true;
    }
    tars_json_reader_init(&inner, name, json->arena);
    bool ok;
    if (is_scalar(type)) {
        ok = scalar_from_json(type, &inner, &entry->key);
        if (ok)
            scalar_write(type, &entry->key, &entry->bytes, 0);
    } else {
        ok = idl_write_value(&entry->bytes, 0, type, &inner);
    }
    if (ok && tars_json_read_end(&inner))
        return true;
    return tars_json_fail(json, "the key is not what the map wants: %s", inner.error.text);
}

static bool read_entries(const struct idl_type *type, struct tars_json_reader *json,
                         struct entry **entries, size_t *len)
{
    struct tars_str name;
    enum tars_found found;
    size_t cap = 0;
    while ((found = tars_json_next_member(json, &name)) == TARS_FOUND) {
        if (*len == cap) {
            cap = cap ? cap * 2 : 8;
            *entries = xrealloc(*entries, cap * sizeof **entries);
        }
        struct entry *entry = &(*entries)[(*len)++];
        *entry = (struct entry){.type = type->key, .index = *len - 1};
        tars_writer_init(&entry->bytes);
        if (!write_key(entry, type->key, name, json) ||
            !idl_write_value(&entry->bytes, 1, type->value, json))
            return false;
    }
    return found == TARS_ABSENT;
}

/* Of entries with the same key the last one counts, as when they are read. */
static bool comes_again(const struct entry *entries, size_t len, size_t i)
{
    return i + 1 < len && compare_keys(&entries[i], &entries[i + 1]) == 0;
}

static void write_entries(struct tars_writer *w, uint8_t tag, struct entry *entries, size_t len)
{
    size_t count = 0;
    if (len)
        qsort(entries, len, sizeof *entries, by_key);
    for (size_t i = 0; i < len; i++)
        count += !comes_again(entries, len, i);
    tars_write_map(w, tag, count);
    for (size_t i = 0; i < len; i++)
        if (!comes_again(entries, len, i))
            tars_writer_append(w, entries[i].bytes.at, entries[i].bytes.len);
}

static bool write_map(struct tars_writer *w, uint8_t tag, const struct idl_type *type,
                      struct tars_json_reader *json)
{
    struct entry *entries = NULL;
    size_t len = 0;
    if (!tars_json_read_object(json))
        return false;
    bool ok = read_entries(type, json, &entries, &len);
    if (ok)
        write_entries(w, tag, entries, len);
    for (size_t i = 0; i < len; i++)
        tars_writer_free(&entries[i].bytes);
    free(entries);
    return ok;
}

/* Where each member's value stands; members may come in any order. */
struct place {
    bool found;
    struct tars_json_reader json;
};

static const struct idl_member *find_member(const struct idl_decl *decl, struct tars_str name,
                                            size_t *at)
{
    for (*at = 0; *at < decl->member_count; (*at)++)
        if (tars_str_is(name, decl->by_tag[*at]->name))
            return decl->by_tag[*at];
    return NULL;
}

static bool find_places(const struct idl_decl *decl, struct tars_json_reader *json,
                        struct place *places)
{
    struct tars_str name;
    enum tars_found found;
    size_t at;
    if (!tars_json_read_object(json))
        return false;
    while ((found = tars_json_next_member(json, &name)) == TARS_FOUND) {
        const struct idl_member *m = find_member(decl, name, &at);
        if (!m)
            return tars_json_fail(json, "struct %s has no such member", decl->name);
        places[at].json = *json;
        places[at].found = m->required || !tars_json_read_null(json);
        if (places[at].found && !tars_json_skip(json))
            return false;
    }
    return found == TARS_ABSENT;
}

static bool write_struct_fields(struct tars_writer *w, const struct idl_decl *decl,
                                struct tars_json_reader *json);

/* Tars protocol: an optional bool, enum or struct is always written, others unless at their
 * default. */
static bool write_absent(struct tars_writer *w, const struct idl_member *m)
{
    struct scalar v = default_of(m);
    if (m->type->kind == IDL_BOOL || m->type->kind == IDL_ENUM)
        scalar_write(m->type, &v, w, m->tag);
    if (m->type->kind != IDL_STRUCT)
        return true;
    tars_write_struct_begin(w, m->tag);
    /* a default struct has required members too: they take their defaults */
    for (size_t i = 0; i < m->type->decl->member_count; i++) {
        const struct idl_member *inner = m->type->decl->by_tag[i];
        if (!inner->required || inner->type->kind == IDL_STRUCT) {
            if (!write_absent(w, inner))
                return false;
        } else if (is_scalar(inner->type)) {
            v = default_of(inner);
            scalar_write(inner->type, &v, w, inner->tag);
        } else if (inner->type->kind == IDL_LIST) {
            tars_write_list(w, inner->tag, 0);
        } else {
            tars_write_map(w, inner->tag, 0);
        }
    }
    tars_write_struct_end(w);
    return true;
}

static bool same_scalar(const struct idl_type *type, const struct scalar *a, const struct scalar *b)
{
    switch (type->kind) {
    case IDL_FLOAT:
        return (float)a->real == (float)b->real;
    case IDL_DOUBLE:
        return a->real == b->real;
    case IDL_STRING:
    case IDL_BYTES:
        return tars_str_equal(a->text, b->text);
    default:
        return a->integer == b->integer;
    }
}

static bool empty(struct tars_json_reader json, bool array)
{
    struct tars_str name;
    if (array)
        return tars_json_read_array(&json) && tars_json_next_element(&json) == TARS_ABSENT;
    return tars_json_read_object(&json) && tars_json_next_member(&json, &name) == TARS_ABSENT;
}

static bool write_optional(struct tars_writer *w, const struct idl_member *m,
                           struct tars_json_reader *json)
{
    struct scalar v = {.text = {"", 0}}, usual = default_of(m);
    if (m->type->kind == IDL_LIST || m->type->kind == IDL_MAP)
        return empty(*json, m->type->kind == IDL_LIST) || idl_write_value(w, m->tag, m->type, json);
    if (m->type->kind == IDL_STRUCT)
        return idl_write_value(w, m->tag, m->type, json);
    if (!scalar_from_json(m->type, json, &v))
        return false;
    if (m->type->kind == IDL_BOOL || m->type->kind == IDL_ENUM || !same_scalar(m->type, &v, &usual))
        scalar_write(m->type, &v, w, m->tag);
    return true;
}

static bool write_member(struct tars_writer *w, const struct idl_member *m, struct place *place,
                         struct tars_json_reader *json)
{
    if (!place->found)
        return m->required ? tars_json_fail(json, "member '%s' is missing", m->name)
                           : write_absent(w, m);
    bool ok = m->required ? idl_write_value(w, m->tag, m->type, &place->json)
                          : write_optional(w, m, &place->json);
    if (!ok)
        json->error = place->json.error;
    return ok;
}

static bool write_struct_fields(struct tars_writer *w, const struct idl_decl *decl,
                                struct tars_json_reader *json)
{
    struct place *places = xcalloc(decl->member_count, sizeof *places);
    bool ok = find_places(decl, json, places);
    for (size_t i = 0; i < decl->member_count && ok; i++)
        ok = write_member(w, decl->by_tag[i], &places[i], json);
    free(places);
    return ok;
}

bool idl_write_value(struct tars_writer *w, uint8_t tag, const struct idl_type *type,
                     struct tars_json_reader *json)
{
    struct scalar v = {.text = {"", 0}};
    switch (type->kind) {
    case IDL_LIST:
        return write_list(w, tag, type, json);
    case IDL_MAP:
        return write_map(w, tag, type, json);
    case IDL_STRUCT:
        tars_write_struct_begin(w, tag);
        if (!write_struct_fields(w, type->decl, json))
            return false;
        tars_write_struct_end(w);
        return true;
    default:
        if (!scalar_from_json(type, json, &v))
            return false;
        scalar_write(type, &v, w, tag);
        return true;
    }
}

/* ---- fields to JSON -------------------------------------------------------------------------- */

static bool read_list(struct tars_reader *r, uint8_t tag, const struct idl_type *type,
                      struct tars_json_writer *json)
{
    size_t count = 0;
    if (tars_read_list(r, tag, TARS_REQUIRE, 1, &count) != TARS_FOUND)
        return false;
    tars_json_array_begin(json);
    for (size_t i = 0; i < count; i++)
        if (!idl_read_value(r, 0, type->value, json))
            return false;
    tars_json_array_end(json);
    tars_read_end(r);
    return true;
}

static bool read_key(struct tars_reader *r, const struct idl_type *type,
                     struct tars_json_writer *json)
{
    struct scalar v = {.text = {"", 0}};
    struct tars_json_writer text;
    if (type->kind == IDL_STRING) {
        if (!scalar_read(type, r, 0, &v))
            return false;
        tars_json_name(json, v.text);
        return true;
    }
    tars_json_writer_init(&text);
    bool ok = idl_read_value(r, 0, type, &text);
    if (ok)
        tars_json_name(json, tars_json_text(&text));
    tars_json_writer_free(&text);
    return ok;
}

static bool read_map(struct tars_reader *r, uint8_t tag, const struct idl_type *type,
                     struct tars_json_writer *json)
{
    size_t count = 0;
    if (tars_read_map(r, tag, TARS_REQUIRE, 2, &count) != TARS_FOUND)
        return false;
    tars_json_object_begin(json);
    for (size_t i = 0; i < count; i++)
        if (!read_key(r, type->key, json) || !idl_read_value(r, 1, type->value, json))
            return false;
    tars_json_object_end(json);
    tars_read_end(r);
    return true;
}

static void default_struct_to_json(const struct idl_decl *decl, struct tars_json_writer *json);

static void default_to_json(const struct idl_member *m, struct tars_json_writer *json)
{
    struct scalar v = default_of(m);
    if (m->type->kind == IDL_STRUCT) {
        default_struct_to_json(m->type->decl, json);
    } else if (m->type->kind == IDL_LIST) {
        tars_json_array_begin(json);
        tars_json_array_end(json);
    } else if (m->type->kind == IDL_MAP) {
        tars_json_object_begin(json);
        tars_json_object_end(json);
    } else {
        scalar_to_json(m->type, &v, json);
    }
}

static void default_struct_to_json(const struct idl_decl *decl, struct tars_json_writer *json)
{
    tars_json_object_begin(json);
    for (size_t i = 0; i < decl->member_count; i++) {
        tars_json_name(json, tars_str(decl->by_tag[i]->name));
        default_to_json(decl->by_tag[i], json);
    }
    tars_json_object_end(json);
}

static bool read_struct_fields(struct tars_reader *r, const struct idl_decl *decl,
                               struct tars_json_writer *json)
{
    tars_json_object_begin(json);
    for (size_t i = 0; i < decl->member_count; i++) {
        const struct idl_member *m = decl->by_tag[i];
        enum tars_found found = comes(r, m->tag);
        if (found == TARS_FOUND_ERROR)
            return false;
        if (found == TARS_ABSENT && m->required)
            return tars_reader_fail(r, TARS_WIRE_MISSING, m->tag);
        tars_json_name(json, tars_str(m->name));
        if (found == TARS_ABSENT)
            default_to_json(m, json);
        else if (!idl_read_value(r, m->tag, m->type, json))
            return false;
    }
    tars_json_object_end(json);
    return true;
}

bool idl_read_value(struct tars_reader *r, uint8_t tag, const struct idl_type *type,
                    struct tars_json_writer *json)
{
    struct scalar v = {.text = {"", 0}};
    switch (type->kind) {
    case IDL_LIST:
        return read_list(r, tag, type, json);
    case IDL_MAP:
        return read_map(r, tag, type, json);
    case IDL_STRUCT:
        return tars_read_struct_begin(r, tag, TARS_REQUIRE) == TARS_FOUND &&
               read_struct_fields(r, type->decl, json) && tars_read_struct_end(r);
    default:
        if (!scalar_read(type, r, tag, &v))
            return false;
        scalar_to_json(type, &v, json);
        return true;
    }
}

/* ---- bodies ---------------------------------------------------------------------------------- */

static const struct idl_member *find_param(const struct idl_function *f, struct tars_str name,
                                           size_t *at)
{
    *at = 0;
    for (const struct idl_member *p = f->params; p; p = p->next, (*at)++)
        if (tars_str_is(name, p->name))
            return p;
    return NULL;
}

static bool find_arguments(const struct idl_function *f, struct tars_json_reader *json,
                           struct place *places)
{
    struct tars_str name;
    enum tars_found found;
    size_t at;
    if (!tars_json_read_object(json))
        return false;
    while ((found = tars_json_next_member(json, &name)) == TARS_FOUND) {
        const struct idl_member *p = find_param(f, name, &at);
        if (!p)
            return tars_json_fail(json, "%s has no such parameter", f->name);
        places[at].found = true;
        places[at].json = *json;
        if (!tars_json_skip(json))
            return false;
    }
    return found == TARS_ABSENT && tars_json_read_end(json);
}

struct argument {
    const struct idl_member *param;
    struct place *place;
};

static int by_param_name(const void *a, const void *b)
{
    const struct argument *x = a, *y = b;
    return strcmp(x->param->name, y->param->name);
}

static bool write_tup(struct argument *arguments, size_t count, struct tars_writer *body,
                      struct tars_json_reader *json)
{
    struct tars_writer value;
    bool ok = true;
    tars_writer_init(&value);
    qsort(arguments, count, sizeof *arguments, by_param_name);
    tars_write_map(body, 0, count);
    for (size_t i = 0; i < count && ok; i++) {
        tars_writer_reset(&value);
        ok = idl_write_value(&value, 0, arguments[i].param->type, &arguments[i].place->json);
        if (!ok)
            json->error = arguments[i].place->json.error;
        tars_write_str(body, 0, tars_str(arguments[i].param->name));
        tars_write_bytes(body, 1, tars_str_n(value.at, value.len));
    }
    tars_writer_free(&value);
    return ok;
}

static bool write_fields(const struct argument *arguments, size_t count, struct tars_writer *body,
                         struct tars_json_reader *json)
{
    for (size_t i = 0; i < count; i++) {
        const struct argument *a = &arguments[i];
        if (idl_write_value(body, a->param->tag, a->param->type, &a->place->json))
            continue;
        json->error = a->place->json.error;
        return false;
    }
    return true;
}

/* The in parameters with the places of their values; false when one has none. */
static bool collect(const struct idl_function *f, struct place *places, struct argument *arguments,
                    size_t *count, struct tars_json_reader *json)
{
    size_t at = 0;
    for (const struct idl_member *p = f->params; p; p = p->next, at++) {
        if (p->out)
            continue;
        if (!places[at].found)
            return tars_json_fail(json, "parameter '%s' of %s is missing", p->name, f->name);
        arguments[(*count)++] = (struct argument){p, &places[at]};
    }
    return true;
}

bool idl_request_from_json(const struct idl_function *f, int version, struct tars_str text,
                           struct tars_arena *arena, struct tars_writer *body,
                           struct tars_error *error)
{
    struct tars_json_reader json;
    struct place *places = xcalloc(f->param_count, sizeof *places);
    struct argument *arguments = xcalloc(f->param_count, sizeof *arguments);
    struct tars_writer checked; /* JSON goes as it is, but only what could have been encoded */
    size_t count = 0;
    tars_writer_init(&checked);
    tars_json_reader_init(&json, text, arena);
    bool ok = find_arguments(f, &json, places) && collect(f, places, arguments, &count, &json);
    if (ok && version == VERSION_TUP)
        ok = write_tup(arguments, count, body, &json);
    else if (ok)
        ok = write_fields(arguments, count, version == VERSION_JSON ? &checked : body, &json);
    if (ok && version == VERSION_JSON)
        tars_writer_append(body, text.at, text.len);
    if (!ok)
        tars_fail(error, 1, "the arguments: %s", json.error.text);
    tars_writer_free(&checked);
    free(arguments);
    free(places);
    return ok;
}

static bool read_out(struct tars_reader *r, uint8_t tag, const char *name,
                     const struct idl_type *type, struct tars_json_writer *json)
{
    tars_json_name(json, tars_str(name));
    return idl_read_value(r, tag, type, json);
}

static bool read_fields(const struct idl_function *f, struct tars_reader *r,
                        struct tars_json_writer *json)
{
    if (f->ret->kind != IDL_VOID && !read_out(r, 0, "tars_ret", f->ret, json))
        return false;
    for (const struct idl_member *p = f->params; p; p = p->next)
        if (p->out && !read_out(r, p->tag, p->name, p->type, json))
            return false;
    return true;
}

/* The bytes under a name of a TUP body; `r` stands at its start and is a copy. */
static enum tars_found tup_value(struct tars_reader r, const char *name, struct tars_str *value)
{
    size_t count = 0;
    struct tars_str key, bytes;
    if (tars_read_map(&r, 0, TARS_REQUIRE, 5, &count) != TARS_FOUND)
        return TARS_FOUND_ERROR;
    for (size_t i = 0; i < count; i++) {
        if (!tars_read_str(&r, 0, TARS_REQUIRE, &key) ||
            !tars_read_bytes(&r, 1, TARS_REQUIRE, &bytes))
            return TARS_FOUND_ERROR;
        if (!tars_str_is(key, name))
            continue;
        *value = bytes;
        return TARS_FOUND;
    }
    return TARS_ABSENT;
}

static bool read_tup_out(struct tars_reader *r, const char *wire_name, const char *name,
                         const struct idl_type *type, struct tars_json_writer *json)
{
    struct tars_str value = {"", 0};
    struct tars_reader inner;
    enum tars_found found = tup_value(*r, wire_name, &value);
    if (found == TARS_ABSENT && *wire_name == '\0') /* the return value's other name */
        found = tup_value(*r, "tars_ret", &value);
    if (found != TARS_FOUND)
        return tars_reader_fail(r, found == TARS_ABSENT ? TARS_WIRE_MISSING : TARS_WIRE_BAD_TYPE,
                                0);
    tars_reader_init(&inner, value.at, value.len, r->arena);
    if (read_out(&inner, 0, name, type, json))
        return true;
    return tars_reader_fail(r, (enum tars_wire_error)inner.error, inner.error_tag);
}

static bool read_tup(const struct idl_function *f, struct tars_reader *r,
                     struct tars_json_writer *json)
{
    if (f->ret->kind != IDL_VOID && !read_tup_out(r, "", "tars_ret", f->ret, json))
        return false;
    for (const struct idl_member *p = f->params; p; p = p->next)
        if (p->out && !read_tup_out(r, p->name, p->name, p->type, json))
            return false;
    return true;
}

static bool pass_json(struct tars_str body, struct tars_arena *arena, struct tars_json_writer *json,
                      struct tars_error *error)
{
    struct tars_json_reader r;
    if (!body.len)
        body = tars_str("{}"); /* some say nothing at all where there is nothing to say */
    tars_json_reader_init(&r, body, arena);
    if (!tars_json_skip(&r) || !tars_json_read_end(&r))
        return tars_fail(error, 1, "the answer is no JSON: %s", r.error.text);
    tars_writer_append(&json->out, body.at, body.len);
    return true;
}

bool idl_response_to_json(const struct idl_function *f, int version, struct tars_str body,
                          struct tars_arena *arena, struct tars_json_writer *json,
                          struct tars_error *error)
{
    struct tars_reader r;
    if (version == VERSION_JSON)
        return pass_json(body, arena, json, error);
    tars_reader_init(&r, body.at, body.len, arena);
    tars_json_object_begin(json);
    bool ok = version == VERSION_TUP ? read_tup(f, &r, json) : read_fields(f, &r, json);
    tars_json_object_end(json);
    if (ok)
        return true;
    tars_reader_explain(&r, error);
    return tars_fail_prefix(error, "the answer of %s: ", f->name);
}
