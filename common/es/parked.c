/* SPDX-License-Identifier: BSD-3-Clause */
#include "es/parked.h"

#include "base/map.h"
#include "base/xmalloc.h"

#include <stdlib.h>

void parked_init(struct parked *p, size_t limit)
{
    *p = (struct parked){.limit = limit, .ids = map_new(NULL)};
}

void parked_clear(struct parked *p)
{
    for (size_t i = 0; i < p->count; i++)
        free((char *)p->list[i].key.at);
    free(p->list);
    map_free(p->ids);
    *p = (struct parked){0};
}

bool parked_full(const struct parked *p)
{
    return p->count >= p->limit;
}

bool parked_has(const struct parked *p, struct tars_str key)
{
    return map_get(p->ids, key) != NULL;
}

/* How often a key stands in the list is kept in the map's pointer itself. */
static void count_key(struct parked *p, struct tars_str key, int more)
{
    intptr_t times = (intptr_t)map_get(p->ids, key) + more;
    if (times > 0)
        map_put(p->ids, key, (void *)times);
    else
        map_take(p->ids, key);
}

void parked_add(struct parked *p, const struct parked_record *record)
{
    if (p->count == p->room)
        p->list = xrealloc(p->list, (p->room = p->room ? p->room * 2 : 64) * sizeof *p->list);
    struct parked_record *to = &p->list[p->count++];
    *to = *record;
    to->key = (struct tars_str){0};
    if (record->key.len == 0)
        return;
    char *copy = xmalloc(record->key.len);
    memcpy(copy, record->key.at, record->key.len);
    to->key = tars_str_n(copy, record->key.len);
    count_key(p, to->key, 1);
}

void parked_sweep(struct parked *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (!p->list[i].gone) {
            p->list[kept++] = p->list[i];
            continue;
        }
        if (p->list[i].key.len)
            count_key(p, p->list[i].key, -1);
        free((char *)p->list[i].key.at);
    }
    p->count = kept;
}

static bool is_before(struct journal_place a, struct journal_place b)
{
    return a.segment != b.segment ? a.segment < b.segment : a.offset < b.offset;
}

struct journal_place parked_bound(const struct parked *p, struct journal_place place)
{
    for (size_t i = 0; i < p->count; i++)
        if (is_before(p->list[i].place, place))
            place = p->list[i].place;
    return place;
}
