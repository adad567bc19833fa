/* SPDX-License-Identifier: BSD-3-Clause */
#include "scrape.h"

#include <stdlib.h>

#include "base/clock.h"

struct target {
    struct tars_str application, server, set, address;
};

/* An instance that has been down for long is no target; one that was never seen is not either. */
static bool wanted(const struct registry *r, const struct instance *i)
{
    if (i->kind != INSTANCE_SERVER || !i->record || i->record->metrics_port <= 0)
        return false;
    int64_t silence = (int64_t)r->settings.metrics_silence_s * 1000;
    return !silence || i->present == STATE_ACTIVE || clock_wall_ms() - i->present_since < silence;
}

static struct target target_of(const struct record *record, struct tars_arena *arena)
{
    struct target t = {record->application, record->server_name, tars_str(""), tars_str("")};
    t.application = tars_arena_copy(arena, t.application);
    t.server = tars_arena_copy(arena, t.server);
    if (record_says_yes(record->enable_set))
        t.set = tars_str(
            tars_arena_printf(arena, "%" TARS_STR_FMT ".%" TARS_STR_FMT ".%" TARS_STR_FMT,
                              TARS_STR_ARG(record->set_name), TARS_STR_ARG(record->set_area),
                              TARS_STR_ARG(record->set_group)));
    t.address = tars_str(tars_arena_printf(arena, "%" TARS_STR_FMT ":%d",
                                           TARS_STR_ARG(record->node_name), record->metrics_port));
    return t;
}

static int label_order(const struct target *x, const struct target *y)
{
    int order = tars_str_compare(x->application, y->application);
    if (!order)
        order = tars_str_compare(x->server, y->server);
    return order ? order : tars_str_compare(x->set, y->set);
}

static int target_order(const void *a, const void *b)
{
    const struct target *x = a, *y = b;
    int order = label_order(x, y);
    return order ? order : tars_str_compare(x->address, y->address);
}

struct scrape_list scrape_collect(const struct registry *r, struct tars_arena *arena)
{
    size_t count = 0, max = table_len(r->table) + 1, at = 0;
    struct target *targets = tars_arena_alloc(arena, max * sizeof *targets);
    struct scrape_list list = {0, tars_arena_alloc(arena, max * sizeof *list.at)};
    struct tars_str *addresses = tars_arena_alloc(arena, max * sizeof *addresses);
    if (!targets || !list.at || !addresses)
        return (struct scrape_list){0, NULL};
    for (struct instance *i; table_next(r->table, &at, &i);)
        if (wanted(r, i))
            targets[count++] = target_of(i->record, arena);
    qsort(targets, count, sizeof *targets, target_order);
    for (size_t k = 0; k < count; k++) {
        addresses[k] = targets[k].address;
        if (k == 0 || label_order(&targets[k - 1], &targets[k]) != 0) {
            list.at[list.len++] = (struct scrape_group){
                targets[k].application, targets[k].server, targets[k].set, {0, &addresses[k]}};
        }
        list.at[list.len - 1].targets.len++;
    }
    return list;
}
