/* SPDX-License-Identifier: BSD-3-Clause */
/* The basic types of the interface language as tables, and lists of them. */
#include <tars/interface.h>

#include <stdlib.h>

/* ---- integers, bool, floats, strings -----------------------------------------------------------
 */

#define BASIC_TYPE(id, ctype, tup_name, json_read, json_write)                                     \
    static bool read_##id(struct tars_reader *r, uint8_t tag, bool required, void *value)          \
    {                                                                                              \
        return tars_read_##id(r, tag, required, value);                                            \
    }                                                                                              \
    static void write_##id(struct tars_writer *w, uint8_t tag, const void *value)                  \
    {                                                                                              \
        tars_write_##id(w, tag, *(const ctype *)value);                                            \
    }                                                                                              \
    static bool from_json_##id(struct tars_json_reader *r, void *value)                            \
    {                                                                                              \
        json_read;                                                                                 \
    }                                                                                              \
    static void to_json_##id(struct tars_json_writer *w, const void *value)                        \
    {                                                                                              \
        json_write(w, *(const ctype *)value);                                                      \
    }                                                                                              \
    const struct tars_type tars_type_##id = {.name = tup_name,                                     \
                                             .size = sizeof(ctype),                                \
                                             .read = read_##id,                                    \
                                             .write = write_##id,                                  \
                                             .from_json = from_json_##id,                          \
                                             .to_json = to_json_##id}

#define INTEGER_FROM_JSON(ctype, min, max)                                                         \
    int64_t wide;                                                                                  \
    if (!tars_json_read_integer(r, min, max, &wide))                                               \
        return false;                                                                              \
    *(ctype *)value = (ctype)wide;                                                                 \
    return true

BASIC_TYPE(bool, bool, "bool", return tars_json_read_bool(r, value), tars_json_bool);
BASIC_TYPE(int8, int8_t, "char", INTEGER_FROM_JSON(int8_t, INT8_MIN, INT8_MAX), tars_json_int64);
BASIC_TYPE(uint8, uint8_t, "short", INTEGER_FROM_JSON(uint8_t, 0, UINT8_MAX), tars_json_int64);
BASIC_TYPE(int16, int16_t, "short", INTEGER_FROM_JSON(int16_t, INT16_MIN, INT16_MAX),
           tars_json_int64);
BASIC_TYPE(uint16, uint16_t, "int32", INTEGER_FROM_JSON(uint16_t, 0, UINT16_MAX), tars_json_int64);
BASIC_TYPE(int32, int32_t, "int32", INTEGER_FROM_JSON(int32_t, INT32_MIN, INT32_MAX),
           tars_json_int64);
BASIC_TYPE(uint32, uint32_t, "int64", INTEGER_FROM_JSON(uint32_t, 0, UINT32_MAX), tars_json_int64);
BASIC_TYPE(int64, int64_t, "int64", INTEGER_FROM_JSON(int64_t, INT64_MIN, INT64_MAX),
           tars_json_int64);
BASIC_TYPE(float, float, "float", return tars_json_read_float(r, value), tars_json_float);
BASIC_TYPE(double, double, "double", return tars_json_read_double(r, value), tars_json_double);
BASIC_TYPE(str, struct tars_str, "string", return tars_json_read_str(r, value), tars_json_str);
BASIC_TYPE(bytes, struct tars_str, "list<char>", return tars_json_read_bytes(r, value),
           tars_json_bytes);

/* ---- lists -------------------------------------------------------------------------------------
 */

/* All lists have the layout of this one; `at` points to elements of the element type's size. */
struct any_list {
    size_t len;
    char *at;
};

static bool read_list(struct tars_reader *r, uint8_t tag, bool required,
                      const struct tars_type *element, void *value)
{
    size_t count = 0;
    enum tars_found found = tars_read_list(r, tag, required, 1, &count);
    if (found != TARS_FOUND)
        return found == TARS_ABSENT;
    struct any_list list = {count, NULL};
    if (count && !(list.at = tars_reader_alloc(r, count, element->size)))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!element->read(r, 0, TARS_REQUIRE, list.at + i * element->size))
            return false;
    tars_read_end(r);
    memcpy(value, &list, sizeof list);
    return true;
}

static void write_list(struct tars_writer *w, uint8_t tag, const struct tars_type *element,
                       const void *value)
{
    struct any_list list;
    memcpy(&list, value, sizeof list);
    tars_write_list(w, tag, list.len);
    for (size_t i = 0; i < list.len; i++)
        element->write(w, 0, list.at + i * element->size);
}

static bool list_from_json(struct tars_json_reader *r, const struct tars_type *element, void *value)
{
    struct any_list list = {0, NULL};
    size_t cap = 0;
    enum tars_found found;
    if (!tars_json_read_array(r))
        return false;
    while ((found = tars_json_next_element(r)) == TARS_FOUND) {
        if (list.len == cap) {
            cap = cap ? cap * 2 : 8;
            char *more = tars_json_alloc(r, cap, element->size);
            if (!more)
                return false;
            if (list.len)
                memcpy(more, list.at, list.len * element->size);
            list.at = more;
        }
        if (!element->from_json(r, list.at + list.len * element->size))
            return false;
        list.len++;
    }
    memcpy(value, &list, sizeof list);
    return found == TARS_ABSENT;
}

static void list_to_json(struct tars_json_writer *w, const struct tars_type *element,
                         const void *value)
{
    struct any_list list;
    memcpy(&list, value, sizeof list);
    tars_json_array_begin(w);
    for (size_t i = 0; i < list.len; i++)
        element->to_json(w, list.at + i * element->size);
    tars_json_array_end(w);
}

#define LIST_TYPE(id, tup_name)                                                                    \
    static bool read_##id##_list(struct tars_reader *r, uint8_t tag, bool required, void *value)   \
    {                                                                                              \
        return read_list(r, tag, required, &tars_type_##id, value);                                \
    }                                                                                              \
    static void write_##id##_list(struct tars_writer *w, uint8_t tag, const void *value)           \
    {                                                                                              \
        write_list(w, tag, &tars_type_##id, value);                                                \
    }                                                                                              \
    static bool from_json_##id##_list(struct tars_json_reader *r, void *value)                     \
    {                                                                                              \
        return list_from_json(r, &tars_type_##id, value);                                          \
    }                                                                                              \
    static void to_json_##id##_list(struct tars_json_writer *w, const void *value)                 \
    {                                                                                              \
        list_to_json(w, &tars_type_##id, value);                                                   \
    }                                                                                              \
    const struct tars_type tars_type_##id##_list = {.name = "List<" tup_name ">",                  \
                                                    .size = sizeof(struct any_list),               \
                                                    .read = read_##id##_list,                      \
                                                    .write = write_##id##_list,                    \
                                                    .from_json = from_json_##id##_list,            \
                                                    .to_json = to_json_##id##_list}

LIST_TYPE(bool, "bool");
LIST_TYPE(int8, "char");
LIST_TYPE(uint8, "short");
LIST_TYPE(int16, "short");
LIST_TYPE(uint16, "int32");
LIST_TYPE(int32, "int32");
LIST_TYPE(uint32, "int64");
LIST_TYPE(int64, "int64");
LIST_TYPE(float, "float");
LIST_TYPE(double, "double");
LIST_TYPE(str, "string");
LIST_TYPE(bytes, "list<char>");

/* ---- map<string,string> ------------------------------------------------------------------------
 */

static bool read_str_map(struct tars_reader *r, uint8_t tag, bool required, void *value)
{
    return tars_read_str_map(r, tag, required, value);
}

static void write_str_map(struct tars_writer *w, uint8_t tag, const void *value)
{
    tars_write_str_map(w, tag, value);
}

static int compare_pairs(const void *a, const void *b)
{
    const struct tars_str_pair *x = a, *y = b;
    return tars_str_compare(x->key, y->key);
}

static bool str_map_from_json(struct tars_json_reader *r, void *value)
{
    struct tars_str_map map = {0, NULL};
    struct tars_str key;
    size_t cap = 0;
    enum tars_found found;
    if (!tars_json_read_object(r))
        return false;
    while ((found = tars_json_next_member(r, &key)) == TARS_FOUND) {
        if (map.len == cap) {
            cap = cap ? cap * 2 : 8;
            struct tars_str_pair *more = tars_json_alloc(r, cap, sizeof *more);
            if (!more)
                return false;
            if (map.len)
                memcpy(more, map.at, map.len * sizeof *more);
            map.at = more;
        }
        map.at[map.len].key = key;
        if (!tars_json_read_str(r, &map.at[map.len].value))
            return false;
        map.len++;
    }
    map.len = tars_map_unique(map.at, map.len, sizeof *map.at, compare_pairs);
    memcpy(value, &map, sizeof map);
    return found == TARS_ABSENT;
}

static void str_map_to_json(struct tars_json_writer *w, const void *value)
{
    const struct tars_str_map *map = value;
    size_t len = map->len;
    size_t *order = tars_map_order(map->at, &len, sizeof *map->at, compare_pairs);
    tars_json_object_begin(w);
    for (size_t i = 0; i < len; i++) {
        const struct tars_str_pair *pair = &map->at[order ? order[i] : i];
        tars_json_name(w, pair->key);
        tars_json_str(w, pair->value);
    }
    tars_json_object_end(w);
    free(order);
}

const struct tars_type tars_type_str_map = {.name = "map<string,string>",
                                            .size = sizeof(struct tars_str_map),
                                            .read = read_str_map,
                                            .write = write_str_map,
                                            .from_json = str_map_from_json,
                                            .to_json = str_map_to_json};
