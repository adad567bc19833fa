/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bodies of calls and answers in the four forms that a packet's version names: numbered fields
 * (1), parameters by name in a map of encoded fields (TUP: 2 with a type name in between, 3
 * without), and JSON (5).
 */
#include <tars/interface.h>

#include <stdlib.h>

#include "base/xmalloc.h"

enum { VERSION_TUP_COMPLEX = 2, VERSION_TUP_SIMPLE = 3, VERSION_JSON = 5 };

/* Which way a body goes: requests carry the in parameters, answers the out ones. */
enum direction { REQUEST, RESPONSE };

const struct tars_function *tars_interface_find(const struct tars_interface *interface,
                                                struct tars_str name)
{
    size_t low = 0, high = interface->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct tars_function *f = &interface->functions[middle];
        int order = tars_str_compare(name, tars_str(f->name));
        if (order == 0)
            return f;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static void *member(void *args, const struct tars_param *p)
{
    return (char *)args + p->offset;
}

static const void *const_member(const void *args, const struct tars_param *p)
{
    return (const char *)args + p->offset;
}

static bool is_return(const struct tars_param *p)
{
    return p->tag == 0;
}

/* Whether a body of that direction has to carry the parameter. */
static bool carried(const struct tars_param *p, enum direction direction)
{
    return p->out == (direction == RESPONSE);
}

void tars_args_init(const struct tars_function *f, void *args)
{
    memset(args, 0, f->args_size);
    for (size_t i = 0; i < f->param_count; i++)
        if (f->params[i].type->init)
            f->params[i].type->init(member(args, &f->params[i]));
}

static bool explain(const struct tars_reader *r, const struct tars_function *f,
                    const struct tars_param *p, struct tars_error *error)
{
    tars_reader_explain(r, error);
    return tars_fail_prefix(error, "%s: %s %s: ", f->name, is_return(p) ? "return" : "parameter",
                            is_return(p) ? "value" : p->name);
}

/* ---- version 1 ---------------------------------------------------------------------------------
 */

/* Tars protocol: clients may send out parameters too; an answer carries all of its own. */
static bool read_fields(const struct tars_function *f, enum direction direction,
                        struct tars_str body, struct tars_arena *arena, void *args,
                        struct tars_error *error)
{
    struct tars_reader r;
    tars_reader_init(&r, body.at, body.len, arena);
    for (size_t i = 0; i < f->param_count; i++) {
        const struct tars_param *p = &f->params[i];
        bool required = carried(p, direction);
        if (!required && (direction == RESPONSE || is_return(p)))
            continue;
        if (!p->type->read(&r, p->tag, required, member(args, p)))
            return explain(&r, f, p, error);
    }
    return true;
}

static void write_fields(const struct tars_function *f, enum direction direction, const void *args,
                         struct tars_writer *body)
{
    for (size_t i = 0; i < f->param_count; i++) {
        const struct tars_param *p = &f->params[i];
        if (carried(p, direction))
            p->type->write(body, p->tag, const_member(args, p));
    }
}

/* ---- TUP ---------------------------------------------------------------------------------------
 */

/* One entry of a TUP body; `type` is empty in version 3. */
struct attribute {
    struct tars_str name;
    struct tars_str type;
    struct tars_str value;
};

struct attributes {
    size_t len;
    struct attribute *at;
};

/* The value of an attribute at tag 1: bytes, or in version 2 a map with one entry of bytes. */
static bool read_attribute(struct tars_reader *r, int version, struct attribute *a)
{
    if (version == VERSION_TUP_SIMPLE)
        return tars_read_bytes(r, 1, TARS_REQUIRE, &a->value);
    size_t count;
    if (tars_read_map(r, 1, TARS_REQUIRE, 4, &count) != TARS_FOUND)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct attribute other = {0};
        struct attribute *to = i == 0 ? a : &other; /* readers take the first */
        if (!tars_read_str(r, 0, TARS_REQUIRE, &to->type) ||
            !tars_read_bytes(r, 1, TARS_REQUIRE, &to->value))
            return false;
    }
    tars_read_end(r);
    return true;
}

static bool read_attributes(struct tars_reader *r, int version, struct attributes *list)
{
    size_t count = 0;
    if (r->at == r->end)
        return true; /* some servers answer nothing at all when there is nothing to say */
    if (tars_read_map(r, 0, TARS_REQUIRE, 5, &count) != TARS_FOUND)
        return false;
    if (!count)
        return true;
    list->at = tars_reader_alloc(r, count, sizeof *list->at);
    if (!list->at)
        return false;
    for (; list->len < count; list->len++) {
        struct attribute *a = &list->at[list->len];
        if (!tars_read_str(r, 0, TARS_REQUIRE, &a->name) || !read_attribute(r, version, a))
            return false;
    }
    return true;
}

static const struct attribute *find_attribute(const struct attributes *list, const char *name)
{
    for (size_t i = list->len; i-- > 0;)
        if (tars_str_is(list->at[i].name, name))
            return &list->at[i];
    return NULL;
}

/* The return value stands under "" and, with some servers only, under "tars_ret". */
static const struct attribute *attribute_of(const struct attributes *list,
                                            const struct tars_param *p)
{
    const struct attribute *a = find_attribute(list, is_return(p) ? "" : p->name);
    return a || !is_return(p) ? a : find_attribute(list, "tars_ret");
}

static bool read_named(const struct tars_function *f, enum direction direction, int version,
                       struct tars_str body, struct tars_arena *arena, void *args,
                       struct tars_error *error)
{
    struct tars_reader r;
    struct attributes list = {0, NULL};
    tars_reader_init(&r, body.at, body.len, arena);
    if (!read_attributes(&r, version, &list)) {
        tars_reader_explain(&r, error);
        return tars_fail_prefix(error, "%s: the TUP body: ", f->name);
    }
    for (size_t i = 0; i < f->param_count; i++) {
        const struct tars_param *p = &f->params[i];
        const struct attribute *a = attribute_of(&list, p);
        if (!a && carried(p, direction))
            return tars_fail(error, TARS_WIRE_MISSING, "%s: %s %s is missing", f->name,
                             is_return(p) ? "return" : "parameter",
                             is_return(p) ? "value" : p->name);
        if (!a || (direction == RESPONSE && !p->out))
            continue;
        tars_reader_init(&r, a->value.at, a->value.len, arena);
        if (!p->type->read(&r, 0, carried(p, direction), member(args, p)))
            return explain(&r, f, p, error);
    }
    return true;
}

/* What is to be written under one name. */
struct named {
    struct tars_str name;
    const struct tars_param *param;
};

static int by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    return tars_str_compare(x->name, y->name);
}

/* The parameters that go this way, in byte order; the return value under both of its names. */
static size_t collect(const struct tars_function *f, enum direction direction, struct named *list)
{
    size_t len = 0;
    for (size_t i = 0; i < f->param_count; i++) {
        const struct tars_param *p = &f->params[i];
        if (!carried(p, direction))
            continue;
        list[len++] = (struct named){tars_str(is_return(p) ? "" : p->name), p};
        if (is_return(p))
            list[len++] = (struct named){tars_str("tars_ret"), p};
    }
    qsort(list, len, sizeof *list, by_name);
    return len;
}

static void write_named(const struct tars_function *f, enum direction direction, int version,
                        const struct attributes *request, const void *args,
                        struct tars_writer *body)
{
    struct named *list = xcalloc(f->param_count + 1, sizeof *list);
    struct tars_writer value;
    tars_writer_init(&value);
    size_t len = collect(f, direction, list);

    tars_write_map(body, 0, len);
    for (size_t i = 0; i < len; i++) {
        const struct tars_param *p = list[i].param;
        tars_writer_reset(&value);
        p->type->write(&value, 0, const_member(args, p));
        tars_write_str(body, 0, list[i].name);
        if (version == VERSION_TUP_COMPLEX) {
            const struct attribute *asked = request ? attribute_of(request, p) : NULL;
            tars_write_map(body, 1, 1);
            tars_write_str(body, 0,
                           asked && asked->type.len ? asked->type : tars_str(p->type->name));
        }
        tars_write_bytes(body, 1, tars_str_n(value.at, value.len));
    }
    tars_writer_free(&value);
    free(list);
}

/* ---- JSON --------------------------------------------------------------------------------------
 */

static const struct tars_param *param_of(const struct tars_function *f, struct tars_str name)
{
    for (size_t i = 0; i < f->param_count; i++) {
        const struct tars_param *p = &f->params[i];
        if (tars_str_is(name, is_return(p) ? "tars_ret" : p->name))
            return p;
    }
    return NULL;
}

static bool read_members(const struct tars_function *f, struct tars_json_reader *r, void *args,
                         bool *seen)
{
    struct tars_str name;
    enum tars_found found;
    if (!tars_json_read_object(r))
        return false;
    while ((found = tars_json_next_member(r, &name)) == TARS_FOUND) {
        const struct tars_param *p = param_of(f, name);
        if (!p) {
            if (!tars_json_skip(r))
                return false;
            continue;
        }
        if (!p->type->from_json(r, member(args, p)))
            return false;
        seen[p - f->params] = true;
    }
    return found == TARS_ABSENT && tars_json_read_end(r);
}

/* Nothing at all is what some send when there is nothing to say: an object without members. */
static bool read_json(const struct tars_function *f, enum direction direction, struct tars_str body,
                      struct tars_arena *arena, void *args, struct tars_error *error)
{
    struct tars_json_reader r;
    tars_json_reader_init(&r, body.len ? body : tars_str("{}"), arena);
    bool *seen = tars_json_alloc(&r, f->param_count, sizeof *seen);
    if (!seen || !read_members(f, &r, args, seen)) {
        if (error)
            *error = r.error;
        return tars_fail_prefix(error, "%s: ", f->name);
    }
    for (size_t i = 0; i < f->param_count; i++) {
        const struct tars_param *p = &f->params[i];
        if (carried(p, direction) && !seen[i])
            return tars_fail(error, TARS_WIRE_MISSING, "%s: parameter %s is missing", f->name,
                             is_return(p) ? "tars_ret" : p->name);
    }
    return true;
}

static void write_json(const struct tars_function *f, enum direction direction, const void *args,
                       struct tars_writer *body)
{
    struct tars_json_writer w;
    tars_json_writer_init(&w);
    tars_json_object_begin(&w);
    for (size_t i = 0; i < f->param_count; i++) {
        const struct tars_param *p = &f->params[i];
        if (!carried(p, direction))
            continue;
        tars_json_name(&w, tars_str(is_return(p) ? "tars_ret" : p->name));
        p->type->to_json(&w, const_member(args, p));
    }
    tars_json_object_end(&w);
    tars_writer_append(body, w.out.at, w.out.len);
    tars_json_writer_free(&w);
}

/* ---- any version -------------------------------------------------------------------------------
 */

static bool read_any(const struct tars_function *f, enum direction direction, int version,
                     struct tars_str body, struct tars_arena *arena, void *args,
                     struct tars_error *error)
{
    tars_args_init(f, args);
    switch (version) {
    case VERSION_TUP_COMPLEX:
    case VERSION_TUP_SIMPLE:
        return read_named(f, direction, version, body, arena, args, error);
    case VERSION_JSON:
        return read_json(f, direction, body, arena, args, error);
    default:
        return read_fields(f, direction, body, arena, args, error);
    }
}

bool tars_args_read_request(const struct tars_function *f, int version, struct tars_str body,
                            struct tars_arena *arena, void *args, struct tars_error *error)
{
    return read_any(f, REQUEST, version, body, arena, args, error);
}

bool tars_args_read_response(const struct tars_function *f, int version, struct tars_str body,
                             struct tars_arena *arena, void *args, struct tars_error *error)
{
    return read_any(f, RESPONSE, version, body, arena, args, error);
}

static void write_any(const struct tars_function *f, enum direction direction, int version,
                      const struct attributes *request, const void *args, struct tars_writer *body)
{
    switch (version) {
    case VERSION_TUP_COMPLEX:
    case VERSION_TUP_SIMPLE:
        write_named(f, direction, version, request, args, body);
        break;
    case VERSION_JSON:
        write_json(f, direction, args, body);
        break;
    default:
        write_fields(f, direction, args, body);
    }
}

void tars_args_write_request(const struct tars_function *f, int version, const void *args,
                             struct tars_writer *body)
{
    write_any(f, REQUEST, version, NULL, args, body);
}

void tars_args_write_response(const struct tars_function *f, int version, struct tars_str request,
                              const void *args, struct tars_writer *body)
{
    if (version != VERSION_TUP_COMPLEX) {
        write_any(f, RESPONSE, version, NULL, args, body);
        return;
    }
    struct tars_reader r;
    struct attributes asked = {0, NULL};
    struct tars_arena *arena = tars_arena_new(0);
    tars_reader_init(&r, request.at, request.len, arena);
    bool known = read_attributes(&r, version, &asked);
    write_any(f, RESPONSE, version, known ? &asked : NULL, args, body);
    tars_arena_free(arena);
}
