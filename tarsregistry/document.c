/* SPDX-License-Identifier: BSD-3-Clause */
#include "document.h"

#include <math.h>
#include <stdlib.h>

#include "base/xmalloc.h"

/* ---- mappings -----------------------------------------------------------------------------------
 */

#define KW_              "{\"type\":\"keyword\",\"ignore_above\":1024}"
#define RAW_             "{\"type\":\"keyword\",\"index\":false,\"doc_values\":false}"
#define DATE_            "{\"type\":\"date\",\"format\":\"epoch_millis\"}"
#define INT_             "{\"type\":\"integer\"}"
#define LONG_            "{\"type\":\"long\"}"
#define F_(name_, type_) "\"" name_ "\":" type_

#define STRICT_(fields_)                                                                           \
    "{\"dynamic\":\"strict\",\"properties\":{" F_("key", KW_) "," F_("updated_at", DATE_) "," F_(  \
        "updated_by",                                                                              \
        KW_) "," F_("deleted",                                                                     \
                    "{\"type\":\"boolean\"}") "," F_("deleted_at",                                 \
                                                     DATE_) "," F_("removal",                      \
                                                                   KW_) "," F_("rev",              \
                                                                               LONG_) "," fields_  \
                                                                                      "}}"

/* clang-format off */
#define ADAPTERS_ "{\"properties\":{" \
    F_("adapter_name", KW_) "," F_("servant", KW_) "," F_("endpoint", KW_) "," \
    F_("allow_ip", KW_) "," F_("protocol", KW_) "," F_("handlegroup", KW_) "," \
    F_("lastuser", KW_) "," F_("thread_num", INT_) "," F_("max_connections", INT_) "," \
    F_("queuecap", INT_) "," F_("queuetimeout", INT_) "," F_("row_id", LONG_) "," \
    F_("posttime", DATE_) "}}"

static const char server_mapping[] = STRICT_(
    F_("row_id", LONG_) "," F_("application", KW_) "," F_("server_name", KW_) ","
    F_("node_name", KW_) "," F_("node_group", KW_) "," F_("template_name", KW_) ","
    F_("server_type", KW_) "," F_("run_type", KW_) "," F_("origin", KW_) ","
    F_("servants", KW_) "," F_("set_id", KW_) "," F_("base_path", KW_) ","
    F_("exe_path", KW_) "," F_("start_script_path", KW_) "," F_("stop_script_path", KW_) ","
    F_("monitor_script_path", KW_) "," F_("patch_version", KW_) "," F_("patch_user", KW_) ","
    F_("lastuser", KW_) "," F_("ip_group_name", KW_) "," F_("set_name", KW_) ","
    F_("set_area", KW_) "," F_("set_group", KW_) "," F_("base_image_id", KW_) ","
    F_("server_important_type", KW_) "," F_("grid_flag", KW_) "," F_("setting_state", KW_) ","
    F_("flow_state", KW_) "," F_("enable_group", KW_) "," F_("enable_set", KW_) ","
    F_("bak_flag", INT_) "," F_("async_thread_num", INT_) "," F_("config_center_port", INT_) ","
    F_("metrics_port", INT_) "," F_("profile", RAW_) "," F_("source", RAW_) ","
    F_("patch_time", DATE_) "," F_("posttime", DATE_) "," F_("created_at", DATE_) ","
    F_("adapters", ADAPTERS_));

static const char state_mapping[] = STRICT_(
    F_("present_state", KW_) "," F_("process_id", INT_) "," F_("tars_version", KW_) ","
    F_("state_since", DATE_) "," F_("reported_at", DATE_) "," F_("reporter", KW_) ","
    F_("reported_to", KW_) "," F_("report_interval", INT_) ","
    F_("ex_state", "{\"type\":\"object\",\"enabled\":false}"));

static const char registry_mapping[] = STRICT_(
    F_("locator_id", KW_) "," F_("servant", KW_) "," F_("endpoint", KW_) ","
    F_("present_state", KW_) "," F_("tars_version", KW_) "," F_("enable_group", KW_) ","
    F_("last_heartbeat", DATE_));

static const char group_mapping[] = STRICT_(
    F_("group_id", INT_) "," F_("ip_order", KW_) "," F_("group_name", KW_) ","
    F_("group_name_cn", KW_) "," F_("lastuser", KW_) "," F_("allow_ip", KW_) ","
    F_("denny_ip", KW_) "," F_("modify_time", DATE_));

static const char priority_mapping[] = STRICT_(
    F_("name", KW_) "," F_("station", KW_) "," F_("group_list", INT_) ","
    F_("list_order", INT_));

static const char node_mapping[] = STRICT_(
    F_("row_id", LONG_) "," F_("node_name", KW_) "," F_("node_obj", KW_) ","
    F_("endpoint_ip", KW_) "," F_("data_dir", KW_) "," F_("tars_version", KW_) ","
    F_("core_file_size", KW_) "," F_("template_name", KW_) "," F_("setting_state", KW_) ","
    F_("present_state", KW_) "," F_("kind", KW_) "," F_("endpoint_port", INT_) ","
    F_("timeout", INT_) "," F_("open_files", INT_) "," F_("group_id", INT_) ","
    F_("avg_cpu", INT_) "," F_("load_avg1", "{\"type\":\"float\"}") ","
    F_("load_avg5", "{\"type\":\"float\"}") "," F_("load_avg15", "{\"type\":\"float\"}") ","
    F_("last_reg_time", DATE_) "," F_("last_heartbeat", DATE_) "," F_("label", RAW_));

static const char meta_mapping[] = STRICT_(
    F_("name", KW_) "," F_("value", LONG_) "," F_("version", LONG_));
/* clang-format on */

const struct es_index document_indices[DOCUMENT_KINDS] = {
    [DOCUMENT_SERVER] = {"server", server_mapping, NULL},
    [DOCUMENT_STATE] = {"state", state_mapping, NULL},
    [DOCUMENT_REGISTRY] = {"registry", registry_mapping, NULL},
    [DOCUMENT_GROUP] = {"group", group_mapping, NULL},
    [DOCUMENT_PRIORITY] = {"priority", priority_mapping, NULL},
    [DOCUMENT_NODE] = {"node", node_mapping, NULL},
    [DOCUMENT_META] = {"meta", meta_mapping, NULL},
};

/* ---- ids
 * ------------------------------------------------------------------------------------------ */

char *document_server_id(struct tars_str application, struct tars_str server_name,
                         struct tars_str node_name)
{
    const struct tars_str parts[] = {application, server_name, node_name};
    return es_id(parts, 3);
}

char *document_registry_id(struct tars_str locator, struct tars_str servant)
{
    const struct tars_str parts[] = {locator, servant};
    return es_id(parts, 2);
}

char *document_node_id(struct tars_str node_name)
{
    return es_id(&node_name, 1);
}

/* ---- reading
 * --------------------------------------------------------------------------------------- */

bool document_deleted(const cJSON *source)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(source, "deleted"));
}

static struct tars_str text_of(const cJSON *value)
{
    return tars_str(cJSON_IsString(value) ? value->valuestring : NULL);
}

struct tars_str document_text(const cJSON *source, const char *field)
{
    return text_of(cJSON_GetObjectItemCaseSensitive(source, field));
}

int64_t document_number(const cJSON *source, const char *field, int64_t fallback)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(source, field);
    bool fits = cJSON_IsNumber(value) && value->valuedouble >= -9e15 && value->valuedouble <= 9e15;
    return fits ? (int64_t)llround(value->valuedouble) : fallback;
}

static int32_t small(int64_t value)
{
    return value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN : (int32_t)value;
}

/* null is as good as missing: databases that are imported are full of it. */
static bool read_fields(const cJSON *source, void *holder, const struct field *fields, size_t count,
                        struct tars_error *error)
{
    for (size_t i = 0; i < count; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(source, fields[i].name);
        if (!value || cJSON_IsNull(value))
            continue;
        if (fields[i].kind == FIELD_STR && cJSON_IsString(value))
            *field_str(holder, &fields[i]) = text_of(value);
        else if (fields[i].kind == FIELD_INT && cJSON_IsNumber(value))
            *field_int(holder, &fields[i]) = small(document_number(source, fields[i].name, 0));
        else
            return tars_fail(error, 1, "field %s is not a %s", fields[i].name,
                             fields[i].kind == FIELD_STR ? "text" : "number");
    }
    return true;
}

static bool read_adapters(const cJSON *list, struct tars_arena *arena, struct record *record,
                          struct tars_error *error)
{
    /* Elasticsearch: one object stands for an array of one */
    bool one = cJSON_IsObject(list);
    size_t count = one ? 1 : cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 0;
    record->adapters = tars_arena_alloc(arena, (count + 1) * sizeof *record->adapters);
    const cJSON *item = one ? list : count ? list->child : NULL;
    for (; item; item = one ? NULL : item->next) {
        struct adapter *adapter = &record->adapters[record->adapter_count++];
        if (!read_fields(item, adapter, adapter_fields, adapter_field_count, error))
            return tars_fail_prefix(error, "adapter %zu: ", record->adapter_count);
    }
    return true;
}

bool document_read_server(const cJSON *source, struct tars_arena *arena, struct record *record,
                          struct tars_error *error)
{
    memset(record, 0, sizeof *record);
    if (!read_fields(source, record, record_fields, record_field_count, error))
        return false;
    if (!record->application.len || !record->server_name.len || !record->node_name.len)
        return tars_fail(error, 1, "application, server_name and node_name must not be empty");
    return read_adapters(cJSON_GetObjectItemCaseSensitive(source, "adapters"), arena, record,
                         error);
}

bool document_read_registry(const cJSON *source, struct tars_arena *arena, struct record *record,
                            struct tars_error *error)
{
    memset(record, 0, sizeof *record);
    struct tars_str locator = document_text(source, "locator_id");
    record->adapters = tars_arena_alloc(arena, sizeof *record->adapters);
    record->adapter_count = 1;
    memset(record->adapters, 0, sizeof *record->adapters);
    record->adapters->servant = document_text(source, "servant");
    record->adapters->endpoint = document_text(source, "endpoint");
    if (!locator.len || !record->adapters->servant.len)
        return tars_fail(error, 1, "locator_id and servant must not be empty");
    const char *colon = memrchr(locator.at, ':', locator.len);
    record->application = tars_str("tars");
    record->server_name = tars_str("tarsregistry");
    record->node_name = tars_str_n(locator.at, colon ? (size_t)(colon - locator.at) : locator.len);
    record->setting_state = tars_str("active");
    record->enable_group = document_text(source, "enable_group");
    return true;
}

static struct tars_str_list read_texts(const cJSON *list, struct tars_arena *arena)
{
    struct tars_str_list texts = {0, NULL};
    bool one = cJSON_IsString(list);
    size_t count = one ? 1 : cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 0;
    texts.at = tars_arena_alloc(arena, (count + 1) * sizeof *texts.at);
    for (const cJSON *item = one     ? list
                             : count ? list->child
                                     : NULL;
         item; item = one ? NULL : item->next)
        if (cJSON_IsString(item))
            texts.at[texts.len++] = text_of(item);
    return texts;
}

bool document_read_group(const cJSON *source, struct tars_arena *arena, struct group_rule *rule)
{
    rule->name = document_text(source, "group_name");
    rule->id = small(document_number(source, "group_id", GROUP_NONE));
    rule->deny_decides = tars_str_is(document_text(source, "ip_order"), "allow_denny");
    rule->allow = read_texts(cJSON_GetObjectItemCaseSensitive(source, "allow_ip"), arena);
    rule->deny = read_texts(cJSON_GetObjectItemCaseSensitive(source, "denny_ip"), arena);
    return rule->id != GROUP_NONE;
}

bool document_read_priority(const cJSON *source, struct tars_arena *arena,
                            struct group_priority *priority)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(source, "group_list");
    bool one = cJSON_IsNumber(list);
    size_t count = one ? 1 : cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 0;
    priority->station = document_text(source, "station");
    priority->order = small(document_number(source, "list_order", 0));
    priority->groups.len = 0;
    priority->groups.at = tars_arena_alloc(arena, (count + 1) * sizeof *priority->groups.at);
    for (const cJSON *item = one     ? list
                             : count ? list->child
                                     : NULL;
         item; item = one ? NULL : item->next)
        if (cJSON_IsNumber(item))
            priority->groups.at[priority->groups.len++] = item->valueint;
    return priority->groups.len > 0 ||
           priority->station.len > 0; /* a station without groups is one */
}

bool document_read_state(const cJSON *source, struct state_document *state)
{
    memset(state, 0, sizeof *state);
    if (!state_parse(document_text(source, "present_state"), &state->present))
        return false;
    state->since = document_number(source, "state_since", 0);
    state->reported = tars_str_is(document_text(source, "reporter"), "tarscli");
    state->reported_to = document_text(source, "reported_to");
    state->interval = small(document_number(source, "report_interval", 0));
    return true;
}

/* ---- writing
 * --------------------------------------------------------------------------------------- */

static void set(cJSON *doc, const char *field, cJSON *value)
{
    if (!cJSON_ReplaceItemInObjectCaseSensitive(doc, field, value))
        cJSON_AddItemToObject(doc, field, value);
}

void document_set_text(cJSON *doc, const char *field, struct tars_str value)
{
    char *text = xstrndup(value.at ? value.at : "", value.len);
    set(doc, field, cJSON_CreateString(text));
    free(text);
}

void document_set_number(cJSON *doc, const char *field, int64_t value)
{
    set(doc, field, cJSON_CreateNumber((double)value));
}

void document_stamp(cJSON *doc, const char *id, struct tars_str by, int64_t now)
{
    document_set_text(doc, "key", tars_str(id));
    document_set_number(doc, "updated_at", now);
    document_set_text(doc, "updated_by", by);
    document_set_number(doc, "rev", document_number(doc, "rev", 0) + 1);
    set(doc, "deleted", cJSON_CreateFalse());
    cJSON_DeleteItemFromObjectCaseSensitive(doc, "deleted_at");
    cJSON_DeleteItemFromObjectCaseSensitive(doc, "removal");
}

void document_bury(cJSON *doc, const char *id, struct tars_str by, const char *why, int64_t now)
{
    document_stamp(doc, id, by, now);
    set(doc, "deleted", cJSON_CreateTrue());
    document_set_number(doc, "deleted_at", now);
    document_set_text(doc, "removal", tars_str(why));
}

struct tars_str document_buried_by(const cJSON *source)
{
    return document_deleted(source) ? document_text(source, "removal") : tars_str(NULL);
}

static void write_fields(cJSON *doc, const void *holder, const struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const void *at = (const char *)holder + fields[i].offset;
        if (fields[i].kind == FIELD_STR)
            document_set_text(doc, fields[i].name, *(const struct tars_str *)at);
        else
            document_set_number(doc, fields[i].name, *(const int32_t *)at);
    }
}

void document_write_server(cJSON *doc, const struct record *record)
{
    write_fields(doc, record, record_fields, record_field_count);
    cJSON *adapters = cJSON_CreateArray(), *servants = cJSON_CreateArray();
    for (size_t i = 0; i < record->adapter_count; i++) {
        cJSON *adapter = cJSON_CreateObject();
        write_fields(adapter, &record->adapters[i], adapter_fields, adapter_field_count);
        cJSON_AddItemToArray(
            servants, cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(adapter, "servant"), true));
        cJSON_AddItemToArray(adapters, adapter);
    }
    set(doc, "adapters", adapters);
    set(doc, "servants", servants);
}

void document_write_state(cJSON *doc, const struct state_document *state, int64_t reported_at)
{
    document_set_text(doc, "present_state", tars_str(state_word(state->present)));
    document_set_number(doc, "state_since", state->since);
    document_set_number(doc, "reported_at", reported_at);
    document_set_text(doc, "reporter", tars_str(state->reported ? "tarscli" : "reaper"));
    document_set_text(doc, "reported_to", state->reported_to);
    document_set_number(doc, "report_interval", state->interval);
}
