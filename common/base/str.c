/* SPDX-License-Identifier: BSD-3-Clause */
#include <tars/types.h>

int tars_str_compare(struct tars_str a, struct tars_str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.at, b.at, shorter) : 0;
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

const struct tars_str *tars_str_map_get(const struct tars_str_map *map, const char *key)
{
    struct tars_str wanted = tars_str(key);
    for (size_t i = map->len; i-- > 0;)
        if (tars_str_equal(map->at[i].key, wanted))
            return &map->at[i].value;
    return NULL;
}
