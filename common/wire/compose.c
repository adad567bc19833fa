/* SPDX-License-Identifier: BSD-3-Clause */
/* What generated code for structs, lists and maps has in common, so that it need not repeat it. */
#include <base/hash.h>
#include <base/xmalloc.h>
#include <stdlib.h>
#include <tars/interface.h>

/* Every list and map of generated code begins like this; copied in and out, never cast. */
struct any_list {
    size_t len;
    char *at;
};

/* ---- JSON ---------------------------------------------------------------------------------- */

static const struct tars_member *find_member(const struct tars_member *members, size_t count,
                                             struct tars_str name)
{
    for (size_t i = 0; i < count; i++) {
        if (tars_str_is(name, members[i].name))
            return &members[i];
    }
    return NULL;
}

bool tars_struct_from_json(struct tars_json_reader *r, const struct tars_member *members,
                           size_t count, void *value)
{
    bool seen[256] = {false}; /* tags, and so members, are at most that many */
    enum tars_found found;
    struct tars_str name;

    if (!tars_json_read_object(r))
        return false;
    while ((found = tars_json_next_member(r, &name)) == TARS_FOUND) {
        const struct tars_member *m = find_member(members, count, name);
        if (m == NULL) {
            if (!tars_json_skip(r))
                return false;
            continue;
        }
        if (!m->required && tars_json_read_null(r))
            continue; /* as if it were not there */
        if (!m->type->from_json(r, (char *)value + m->offset))
            return false;
        seen[m - members] = true;
    }
    if (found == TARS_FOUND_ERROR)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (members[i].required && !seen[i])
            return tars_json_fail(r, "member '%s' is missing", members[i].name);
    }
    return true;
}

void tars_struct_to_json(struct tars_json_writer *w, const struct tars_member *members,
                         size_t count, const void *value)
{
    tars_json_object_begin(w);
    for (size_t i = 0; i < count; i++) {
        tars_json_name(w, tars_str(members[i].name));
        members[i].type->to_json(w, (const char *)value + members[i].offset);
    }
    tars_json_object_end(w);
}

/* One more zeroed element at the end of a list that grows in the arena. */
static char *append(struct tars_json_reader *r, struct any_list *list, size_t *cap, size_t size)
{
    if (list->len == *cap) {
        *cap = *cap ? *cap * 2 : 8;
        char *more = tars_json_alloc(r, *cap, size);
        if (more == NULL)
            return NULL;
        if (list->len > 0)
            memcpy(more, list->at, list->len * size);
        list->at = more;
    }
    return list->at + list->len++ * size;
}

bool tars_list_from_json(struct tars_json_reader *r, const struct tars_type *element, void *value)
{
    struct any_list list = {0, NULL};
    enum tars_found found;
    size_t cap = 0;

    if (!tars_json_read_array(r))
        return false;
    while ((found = tars_json_next_element(r)) == TARS_FOUND) {
        char *at = append(r, &list, &cap, element->size);
        if (at == NULL || !element->from_json(r, at))
            return false;
    }
    memcpy(value, &list, sizeof(list));
    return found == TARS_ABSENT;
}

void tars_list_to_json(struct tars_json_writer *w, const struct tars_type *element,
                       const void *value)
{
    struct any_list list;

    memcpy(&list, value, sizeof(list));
    tars_json_array_begin(w);
    for (size_t i = 0; i < list.len; i++)
        element->to_json(w, list.at + i * element->size);
    tars_json_array_end(w);
}

static bool is_text(const struct tars_type *type)
{
    return type == &tars_type_str;
}

/* Names of members are text: a key of another type stands in them as its own JSON. */
static bool key_from_json(struct tars_json_reader *r, const struct tars_type *type,
                          struct tars_str name, void *key)
{
    struct tars_json_reader inner;

    if (is_text(type)) {
        memcpy(key, &name, sizeof(name));
        return true;
    }
    tars_json_reader_init(&inner, name, r->arena);
    if (!type->from_json(&inner, key) || !tars_json_read_end(&inner))
        return tars_json_fail(r, "as a key of the map: %s", inner.error.text);
    return true;
}

bool tars_map_from_json(struct tars_json_reader *r, const struct tars_map_shape *shape, void *value)
{
    struct any_list map = {0, NULL};
    enum tars_found found;
    struct tars_str name;
    size_t cap = 0;

    if (!tars_json_read_object(r))
        return false;
    while ((found = tars_json_next_member(r, &name)) == TARS_FOUND) {
        char *pair = append(r, &map, &cap, shape->pair_size);
        if (pair == NULL || !key_from_json(r, shape->key, name, pair) ||
            !shape->value->from_json(r, pair + shape->value_offset))
            return false;
    }
    map.len = tars_map_unique(map.at, map.len, shape->pair_size, shape->compare);
    memcpy(value, &map, sizeof(map));
    return found == TARS_ABSENT;
}

static void key_to_json(struct tars_json_writer *w, const struct tars_type *type, const void *key)
{
    struct tars_json_writer inner;
    struct tars_str text;

    if (is_text(type)) {
        memcpy(&text, key, sizeof(text));
        tars_json_name(w, text);
        return;
    }
    tars_json_writer_init(&inner);
    type->to_json(&inner, key);
    tars_json_name(w, tars_json_text(&inner));
    tars_json_writer_free(&inner);
}

void tars_map_to_json(struct tars_json_writer *w, const struct tars_map_shape *shape,
                      const void *value)
{
    struct any_list map;
    size_t *order;

    memcpy(&map, value, sizeof(map));
    order = tars_map_order(map.at, &map.len, shape->pair_size, shape->compare);
    tars_json_object_begin(w);
    for (size_t i = 0; i < map.len; i++) {
        const char *pair = map.at + (order ? order[i] : i) * shape->pair_size;
        key_to_json(w, shape->key, pair);
        shape->value->to_json(w, pair + shape->value_offset);
    }
    tars_json_object_end(w);
    free(order);
}

/* ---- order of maps --------------------------------------------------------------------------- */

struct order {
    const char *pairs;
    size_t pair_size;
    int (*compare)(const void *a, const void *b);
};

static int by_key(const void *a, const void *b, void *context)
{
    const struct order *order = context;
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    int c = order->compare(order->pairs + x * order->pair_size,
                           order->pairs + y * order->pair_size);

    return c != 0 ? c : x < y ? -1 : x > y;
}

/* Ascending, and no key twice. */
static bool is_canonical(const struct order *order, size_t len)
{
    for (size_t i = 1; i < len; i++) {
        const char *pair = order->pairs + i * order->pair_size;
        if (order->compare(pair - order->pair_size, pair) >= 0)
            return false;
    }
    return true;
}

/* All indexes by key and place; NULL when the pairs stand in canonical order. */
static size_t *sorted(struct order *order, size_t len)
{
    size_t *indexes;

    if (is_canonical(order, len))
        return NULL;
    indexes = xmalloc(len * sizeof(*indexes));
    for (size_t i = 0; i < len; i++)
        indexes[i] = i;
    qsort_r(indexes, len, sizeof(*indexes), by_key, order);
    return indexes;
}

static bool same_key(const struct order *order, size_t x, size_t y)
{
    return order->compare(order->pairs + x * order->pair_size,
                          order->pairs + y * order->pair_size) == 0;
}

size_t *tars_map_order(const void *pairs, size_t *len, size_t pair_size,
                       int (*compare)(const void *a, const void *b))
{
    struct order order = {pairs, pair_size, compare};
    size_t *indexes = sorted(&order, *len), kept = 0;

    if (indexes == NULL)
        return NULL;
    for (size_t i = 0; i < *len; i++) {
        if (i + 1 == *len || !same_key(&order, indexes[i], indexes[i + 1]))
            indexes[kept++] = indexes[i];
    }
    *len = kept;
    return indexes;
}

size_t tars_map_unique(void *pairs, size_t len, size_t pair_size,
                       int (*compare)(const void *a, const void *b))
{
    struct order order = {pairs, pair_size, compare};
    size_t *indexes = sorted(&order, len), kept = 0;
    char *at = pairs;
    bool *dropped;

    if (indexes == NULL)
        return len;
    dropped = xcalloc(len, sizeof(*dropped));
    for (size_t i = 1; i < len; i++)
        dropped[indexes[i - 1]] = same_key(&order, indexes[i - 1], indexes[i]);
    for (size_t i = 0; i < len; i++) {
        if (dropped[i])
            continue;
        if (kept != i)
            memcpy(at + kept * pair_size, at + i * pair_size, pair_size);
        kept++;
    }
    free(dropped);
    free(indexes);
    return kept;
}

int tars_compare_encoded(const struct tars_type *type, const void *a, const void *b)
{
    struct tars_writer x, y;

    tars_writer_init(&x);
    tars_writer_init(&y);
    type->write(&x, 0, a);
    type->write(&y, 0, b);
    int c = tars_str_compare(tars_str_n(x.at, x.len), tars_str_n(y.at, y.len));
    tars_writer_free(&x);
    tars_writer_free(&y);
    return c;
}

/* ---- hashes ---------------------------------------------------------------------------------- */

uint64_t tars_hash_integer(uint64_t h, int64_t v)
{
    return hash_bytes(&v, sizeof(v), h);
}

uint64_t tars_hash_double(uint64_t h, double v)
{
    double plain = v == 0 ? 0 : v; /* -0.0 equals 0.0 */

    return hash_bytes(&plain, sizeof(plain), h);
}

uint64_t tars_hash_str(uint64_t h, struct tars_str v)
{
    return hash_bytes(v.at, v.len, h);
}
