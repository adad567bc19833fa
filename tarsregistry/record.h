/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is registered: the configuration of one instance with its adapters, and the rules that
 * route by group. Records never change: a change is a new record. Each lies in one block of
 * memory; the tables of fields serve copying, documents and the snapshot file alike.
 */
#ifndef TARSREGISTRY_RECORD_H
#define TARSREGISTRY_RECORD_H

#include <tars/types.h>

enum present_state {
    STATE_INACTIVE,
    STATE_ACTIVATING,
    STATE_ACTIVE,
    STATE_DEACTIVATING,
    STATE_DESTROYED
};

/* "active", … ; false for a word that is no state. */
bool state_parse(struct tars_str word, enum present_state *state);
const char *state_word(enum present_state state);

struct adapter {
    struct tars_str adapter_name, servant, endpoint, protocol;
    int32_t thread_num, max_connections, queuecap, queuetimeout;
};

struct record {
    struct tars_str application, server_name, node_name;
    struct tars_str setting_state, flow_state; /* "active" or "inactive" */
    struct tars_str enable_group, ip_group_name;
    struct tars_str enable_set, set_name, set_area, set_group;
    struct tars_str patch_version;
    int32_t bak_flag, metrics_port;
    size_t adapter_count;
    struct adapter *adapters;
};

/* A string or an int32_t at an offset; `name` is the stored document's. */
enum field_kind { FIELD_STR, FIELD_INT };
struct field {
    const char *name;
    enum field_kind kind;
    size_t offset;
};
extern const struct field record_fields[], adapter_fields[];
extern const size_t record_field_count, adapter_field_count;

struct tars_str *field_str(void *holder, const struct field *field);
int32_t *field_int(void *holder, const struct field *field);

/* A copy that owns its strings and adapters; ends with free(). */
struct record *record_copy(const struct record *record);
bool record_equal(const struct record *a, const struct record *b);

/* Y or y, as the enable_ fields say it. */
bool record_says_yes(struct tars_str value);
/* May be called by clients when its state is active: switched on and its flow not off. */
bool record_wants_calls(const struct record *record);

/*
 * A set "name.area.group" takes part in set routing when no part is empty and neither name nor
 * area is "*" (Tars: the group may be).
 */
bool record_in_set(const struct record *record);

#endif
