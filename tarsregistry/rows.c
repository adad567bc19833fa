/* SPDX-License-Identifier: BSD-3-Clause */
#include "rows.h"

#include <stdlib.h>

enum { WEIGHT_DYNAMIC = 2 };

static void fill_groups(struct row *row, const struct record *record, const struct groups *groups)
{
    row->group_real = record->ip_group_name.len
                          ? groups_by_name(groups, record->ip_group_name)
                          : groups_of_address(groups, tars_str(row->endpoint.host));
    row->group_work = record_says_yes(record->enable_group) ? row->group_real : GROUP_NONE;
}

static void fill_set(struct row *row, const struct record *record, struct tars_arena *arena)
{
    if (!record_says_yes(record->enable_set))
        return;
    row->set_name = record->set_name;
    row->set_area = record->set_area;
    row->set_group = record->set_group;
    row->set_id = tars_str(tars_arena_printf(
        arena, "%" TARS_STR_FMT ".%" TARS_STR_FMT ".%" TARS_STR_FMT, TARS_STR_ARG(row->set_name),
        TARS_STR_ARG(row->set_area), TARS_STR_ARG(row->set_group)));
    row->in_set = record_in_set(record);
}

bool row_make(const struct record *record, const struct adapter *adapter,
              enum present_state present, const struct groups *groups, struct tars_arena *arena,
              struct row *row)
{
    memset(row, 0, sizeof *row);
    if (record->bak_flag == 1 || !tars_endpoint_parse(adapter->endpoint, &row->endpoint, NULL))
        return false;
    /* Dynamic weights need call statistics; without them the endpoint takes its turn. */
    if (row->endpoint.weight_type == WEIGHT_DYNAMIC)
        row->endpoint.weight_type = 0;
    row->node_name = record->node_name;
    row->active = record_wants_calls(record) && present == STATE_ACTIVE;
    fill_groups(row, record, groups);
    fill_set(row, record, arena);
    return true;
}

static int place_order(const struct row *x, const struct row *y)
{
    int order = strcmp(x->endpoint.host, y->endpoint.host);
    if (!order)
        order = (x->endpoint.port > y->endpoint.port) - (x->endpoint.port < y->endpoint.port);
    if (!order)
        order = (x->endpoint.transport > y->endpoint.transport) -
                (x->endpoint.transport < y->endpoint.transport);
    return order;
}

static int row_order(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = place_order(x, y);
    if (!order)
        order = (int)y->active - (int)x->active;
    return order ? order : tars_str_compare(x->node_name, y->node_name);
}

size_t rows_settle(struct row *rows, size_t count)
{
    if (!count)
        return 0;
    qsort(rows, count, sizeof *rows, row_order);
    size_t kept = 1;
    for (size_t i = 1; i < count; i++)
        if (place_order(&rows[kept - 1], &rows[i]) != 0)
            rows[kept++] = rows[i];
    return kept;
}
