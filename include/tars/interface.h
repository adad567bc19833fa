/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How generated code describes an interface to libtars: types, functions and their parameters as
 * `static const` tables. The library encodes and decodes a call in any of the protocol's body
 * forms (Tars, TUP, JSON) from these; nobody writes them by hand.
 */
#ifndef TARS_INTERFACE_H
#define TARS_INTERFACE_H

#include <tars/json.h>
#include <tars/wire.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One type of the interface language and how values of it are handled. */
struct tars_type {
    const char *name; /* as TUP version 2 and tars.js write it: "int32", "List<Demo.Point>",
                              "map<string,int32>", "list<char>" for bytes */
    size_t size;      /* of the C value */
    void (*init)(void *value); /* to the type's default; NULL when that is all zero bytes */
    bool (*read)(struct tars_reader *r, uint8_t tag, bool required, void *value);
    void (*write)(struct tars_writer *w, uint8_t tag, const void *value);
    bool (*from_json)(struct tars_json_reader *r, void *value);
    void (*to_json)(struct tars_json_writer *w, const void *value);
};

/* The basic types; string and vector<byte> are both `struct tars_str`. */
extern const struct tars_type tars_type_bool, tars_type_int8, tars_type_uint8, tars_type_int16,
    tars_type_uint16, tars_type_int32, tars_type_uint32, tars_type_int64, tars_type_float,
    tars_type_double, tars_type_str, tars_type_bytes, tars_type_str_map;
extern const struct tars_type tars_type_bool_list, tars_type_int8_list, tars_type_uint8_list,
    tars_type_int16_list, tars_type_uint16_list, tars_type_int32_list, tars_type_uint32_list,
    tars_type_int64_list, tars_type_float_list, tars_type_double_list, tars_type_str_list,
    tars_type_bytes_list;

/*
 * A parameter. All parameters of a function, and its return value, are members of one generated
 * arguments struct; `offset` says where.
 */
struct tars_param {
    const char *name; /* part of the TUP and JSON contract; "" for the return value */
    uint8_t tag;      /* 1..n in declaration order, 0 for the return value */
    bool out;         /* goes from server to client (the return value too) */
    size_t offset;
    const struct tars_type *type;
};

struct tars_call;
struct tars_result;

struct tars_function {
    const char *name;
    size_t args_size;                /* of the arguments struct */
    const struct tars_param *params; /* the return value first, when there is one */
    size_t param_count;
    size_t handler; /* offset of the handler's pointer in the table of handlers */
    /* Calls the handler with the members of `args`; server side. */
    void (*serve)(struct tars_call *call, const void *handlers, void *args);
    /* Calls the user's callback with the members of `args`; client side. */
    void (*deliver)(void (*callback)(void), void *user, const struct tars_result *result,
                    void *args);
};

struct tars_interface {
    const char *name;                      /* "Demo.Shapes" */
    const struct tars_function *functions; /* sorted by name in byte order */
    size_t count;
};

/* The function of that name, or NULL. */
const struct tars_function *tars_interface_find(const struct tars_interface *interface,
                                                struct tars_str name);

/* All members to their types' defaults. */
void tars_args_init(const struct tars_function *f, void *args);

/*
 * Bodies of calls and answers. `version` is the packet's (1 Tars, 2 and 3 TUP, 5 JSON). "in" are
 * the parameters that a request carries, "out" those of an answer (return value included). Reading
 * initialises all members of `args` first; a request's out parameters are read when they are there.
 */
bool tars_args_read_request(const struct tars_function *f, int version, struct tars_str body,
                            struct tars_arena *arena, void *args,
                            struct tars_error *error) TARS_MUSTCHECK;
bool tars_args_read_response(const struct tars_function *f, int version, struct tars_str body,
                             struct tars_arena *arena, void *args,
                             struct tars_error *error) TARS_MUSTCHECK;
void tars_args_write_request(const struct tars_function *f, int version, const void *args,
                             struct tars_writer *body);
/* `request` is the body of the request that is answered (TUP 2 takes type names from it). */
void tars_args_write_response(const struct tars_function *f, int version, struct tars_str request,
                              const void *args, struct tars_writer *body);

/* ---- what generated code shares ----------------------------------------------------------------
 */

/* A member of a struct, for its JSON form. */
struct tars_member {
    const char *name; /* as the .tars file has it */
    bool required;
    size_t offset;
    const struct tars_type *type;
};

/* Members of `value`, which has been initialised; unknown ones are passed over. */
bool tars_struct_from_json(struct tars_json_reader *r, const struct tars_member *members,
                           size_t count, void *value) TARS_MUSTCHECK;
void tars_struct_to_json(struct tars_json_writer *w, const struct tars_member *members,
                         size_t count, const void *value);

/* Lists of any type: `value` is a `{ size_t len; T *at; }`. */
bool tars_list_from_json(struct tars_json_reader *r, const struct tars_type *element,
                         void *value) TARS_MUSTCHECK;
void tars_list_to_json(struct tars_json_writer *w, const struct tars_type *element,
                       const void *value);

/*
 * Maps of any type: `value` is a `{ size_t len; struct pair *at; }`, the key the first member of
 * the pair. `compare` orders two pairs by key.
 */
struct tars_map_shape {
    const struct tars_type *key;
    const struct tars_type *value;
    size_t pair_size;
    size_t value_offset;
    int (*compare)(const void *a, const void *b);
};
bool tars_map_from_json(struct tars_json_reader *r, const struct tars_map_shape *shape,
                        void *value) TARS_MUSTCHECK;
void tars_map_to_json(struct tars_json_writer *w, const struct tars_map_shape *shape,
                      const void *value);

/*
 * The canonical order to write `*len` pairs in: their indexes by ascending key, to be released with
 * free(); NULL when they stand in that order already. Of pairs with equal keys only the last is
 * among them; `*len` becomes their number.
 */
size_t *tars_map_order(const void *pairs, size_t *len, size_t pair_size,
                       int (*compare)(const void *a, const void *b));
/* Takes out pairs whose key comes again behind them (the last one wins); returns the new length. */
size_t tars_map_unique(void *pairs, size_t len, size_t pair_size,
                       int (*compare)(const void *a, const void *b));

/* The order of two values that have none of their own, such as lists: by their encoded bytes. */
int tars_compare_encoded(const struct tars_type *type, const void *a, const void *b);

/* A hash goes on from `h`, 0 at first. Equal values give equal hashes (-0.0 and 0.0 too). */
uint64_t tars_hash_integer(uint64_t h, int64_t v);
uint64_t tars_hash_double(uint64_t h, double v);
uint64_t tars_hash_str(uint64_t h, struct tars_str v);

#ifdef __cplusplus
}
#endif
#endif
