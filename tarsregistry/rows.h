/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Endpoint rows: what one adapter of one instance contributes to the answers about its servant.
 */
#ifndef TARSREGISTRY_ROWS_H
#define TARSREGISTRY_ROWS_H

#include <tars/endpoint.h>

#include "groups.h"
#include "record.h"

struct row {
    struct tars_endpoint endpoint;
    struct tars_str node_name;
    int32_t group_work; /* EndpointF.groupworkid: GROUP_NONE when the instance is not grouped */
    int32_t group_real;
    struct tars_str set_id; /* "" or name.area.group, in the caller's arena */
    struct tars_str set_name, set_area, set_group;
    bool in_set;
    bool active;
};

/*
 * The row of one adapter. False when it has none: the endpoint does not parse, or the instance is
 * a backup (bak_flag 1), which no lookup ever shows. Strings stay those of the record.
 */
bool row_make(const struct record *record, const struct adapter *adapter,
              enum present_state present, const struct groups *groups, struct tars_arena *arena,
              struct row *row);

/*
 * Puts rows into the order that answers have (host, port, transport, node) and drops those that
 * name the same place twice, an active one before an inactive one. Returns how many are left.
 */
size_t rows_settle(struct row *rows, size_t count);

#endif
