/* SPDX-License-Identifier: BSD-3-Clause */
/* What is stored: documents and the snapshot file. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "testkit.h"

#include "tarsregistry/diskfile.h"
#include "tarsregistry/document.h"

static struct tars_arena *arena;

static void setup(void)
{
    arena = tars_arena_new(0);
}

static void teardown(void)
{
    tars_arena_free(arena);
}

static struct record example(void)
{
    static struct adapter adapters[] = {{{"App.Server.ObjAdapter", 21},
                                         {"App.Server.Obj", 14},
                                         {"tcp -h a -p 1 -t 3000", 21},
                                         {"tars", 4},
                                         5,
                                         1000,
                                         10000,
                                         60000},
                                        {{"App.Server.TwoAdapter", 21},
                                         {"App.Server.Two", 14},
                                         {"udp -h a -p 2 -t 3000", 21},
                                         {"tars", 4},
                                         1,
                                         2,
                                         3,
                                         4}};
    return (struct record){.application = tars_str("App"),
                           .server_name = tars_str("Server"),
                           .node_name = tars_str("10.0.0.1"),
                           .setting_state = tars_str("active"),
                           .flow_state = tars_str("inactive"),
                           .enable_group = tars_str("Y"),
                           .ip_group_name = tars_str("east"),
                           .enable_set = tars_str("Y"),
                           .set_name = tars_str("n"),
                           .set_area = tars_str("a"),
                           .set_group = tars_str("1"),
                           .patch_version = tars_str("1.2"),
                           .bak_flag = 0,
                           .metrics_port = 9325,
                           .adapter_count = 2,
                           .adapters = adapters};
}

/* ---- documents
 * ---------------------------------------------------------------------------------------- */

START_TEST(record_survives_the_way_through_its_document)
{
    struct record record = example(), back;
    struct tars_error error;
    cJSON *doc = cJSON_CreateObject();
    document_write_server(doc, &record);
    document_stamp(doc, "App|Server|10.0.0.1", tars_str("me"), 1000);
    ck_assert_msg(document_read_server(doc, arena, &back, &error), "%s", error.text);
    ck_assert(record_equal(&record, &back));
    cJSON_Delete(doc);
}
END_TEST

START_TEST(fields_that_are_not_ours_stay_in_a_document_that_is_written_again)
{
    struct record record = example();
    cJSON *doc = cJSON_Parse("{\"profile\":\"<tars>\",\"rev\":4,\"template_name\":\"t\","
                             "\"adapters\":[{\"servant\":\"Old\"}]}");
    document_write_server(doc, &record);
    document_stamp(doc, "id", tars_str("me"), 1000);
    ck_assert(tars_str_is(document_text(doc, "profile"), "<tars>"));
    ck_assert(tars_str_is(document_text(doc, "template_name"), "t"));
    ck_assert_int_eq(document_number(doc, "rev", 0), 5);
    ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(doc, "adapters")), 2);
    ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(doc, "servants")), 2);
    cJSON_Delete(doc);
}
END_TEST

/* Every field that we write must be in the strict mapping, or the store refuses the document. */
static void assert_mapped(const cJSON *doc, enum document_kind kind)
{
    cJSON *mapping = cJSON_Parse(document_indices[kind].mappings);
    ck_assert_msg(mapping != NULL, "mapping of %s does not parse", document_indices[kind].name);
    ck_assert(tars_str_is(document_text(mapping, "dynamic"), "strict"));
    const cJSON *properties = cJSON_GetObjectItem(mapping, "properties"), *field;
    cJSON_ArrayForEach(field, doc)
    {
        ck_assert_msg(cJSON_GetObjectItem(properties, field->string), "%s has no field %s",
                      document_indices[kind].name, field->string);
    }
    cJSON_Delete(mapping);
}

START_TEST(every_field_we_write_is_in_the_mapping)
{
    struct record record = example();
    struct state_document state = {.present = STATE_ACTIVE, .reported_to = tars_str("me")};
    cJSON *server = cJSON_CreateObject(), *states = cJSON_CreateObject();
    document_write_server(server, &record);
    document_bury(server, "id", tars_str("me"), "prestop", 1);
    document_write_state(states, &state, 1);
    document_stamp(states, "id", tars_str("me"), 1);
    assert_mapped(server, DOCUMENT_SERVER);
    assert_mapped(states, DOCUMENT_STATE);
    for (int kind = 0; kind < DOCUMENT_KINDS; kind++)
        assert_mapped(NULL, (enum document_kind)kind);
    cJSON_Delete(server);
    cJSON_Delete(states);
}
END_TEST

START_TEST(tombstone_says_who_removed_the_instance_until_it_is_written_again)
{
    cJSON *doc = cJSON_CreateObject();
    document_bury(doc, "id", tars_str("me"), "prestop", 1000);
    ck_assert(document_deleted(doc));
    ck_assert(tars_str_is(document_buried_by(doc), "prestop"));
    document_stamp(doc, "id", tars_str("me"), 2000);
    ck_assert(!document_deleted(doc));
    ck_assert(!document_buried_by(doc).len);
    ck_assert_ptr_null(cJSON_GetObjectItem(doc, "deleted_at"));
    cJSON_Delete(doc);
}
END_TEST

/* Weakness 20: one NULL broke everything. */
START_TEST(null_is_as_good_as_missing)
{
    struct record record;
    cJSON *doc = cJSON_Parse("{\"application\":\"A\",\"server_name\":\"S\",\"node_name\":\"n\","
                             "\"set_name\":null,\"metrics_port\":null,\"adapters\":null}");
    struct tars_error error;
    ck_assert_msg(document_read_server(doc, arena, &record, &error), "%s", error.text);
    ck_assert_uint_eq(record.set_name.len, 0);
    cJSON_Delete(doc);
}
END_TEST

START_TEST(document_that_is_not_what_its_mapping_says_is_refused_with_the_field)
{
    static const char *const bad[][2] = {
        {"{\"application\":\"A\",\"server_name\":\"S\",\"node_name\":\"n\",\"bak_flag\":\"x\"}",
         "bak_flag"},
        {"{\"application\":7,\"server_name\":\"S\",\"node_name\":\"n\"}", "application"},
        {"{\"application\":\"A\",\"server_name\":\"S\"}", "node_name"},
        {"{\"application\":\"A\",\"server_name\":\"S\",\"node_name\":\"n\","
         "\"adapters\":[{\"servant\":[]}]}",
         "adapter 1: field servant"},
        {"[]", "application"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct record record;
        struct tars_error error;
        cJSON *doc = cJSON_Parse(bad[i][0]);
        ck_assert(!document_read_server(doc, arena, &record, &error));
        ck_assert_msg(strstr(error.text, bad[i][1]), "%s", error.text);
        cJSON_Delete(doc);
    }
}
END_TEST

START_TEST(single_values_stand_for_arrays_of_one)
{
    cJSON *doc = cJSON_Parse("{\"group_name\":\"g\",\"group_id\":3,\"allow_ip\":\"10.0.0.*\"}");
    cJSON *list = cJSON_Parse("{\"station\":\"s\",\"group_list\":3,\"list_order\":1}");
    struct group_rule rule;
    struct group_priority priority;
    ck_assert(document_read_group(doc, arena, &rule));
    ck_assert_uint_eq(rule.allow.len, 1);
    ck_assert(document_read_priority(list, arena, &priority));
    ck_assert_uint_eq(priority.groups.len, 1);
    ck_assert_int_eq(priority.groups.at[0], 3);
    cJSON_Delete(doc);
    cJSON_Delete(list);
}
END_TEST

START_TEST(a_station_without_groups_is_known_and_empty)
{
    cJSON *list = cJSON_Parse("{\"station\":\"s\",\"group_list\":[],\"list_order\":1}");
    cJSON *nothing = cJSON_Parse("{\"station\":\"\",\"group_list\":[],\"list_order\":1}");
    struct group_priority priority;
    ck_assert(!document_read_priority(nothing, arena, &priority));
    ck_assert(document_read_priority(list, arena, &priority));
    struct groups *groups = groups_new(NULL, 0, &priority, 1);
    ck_assert_int_eq(groups_station(groups, tars_str("s")), 0);
    groups_free(groups);
    cJSON_Delete(nothing);
    cJSON_Delete(list);
}
END_TEST

/* Weakness 9: a version stood where the node's name belongs. */
START_TEST(registry_row_is_listed_under_its_host)
{
    struct record record;
    struct tars_error error;
    cJSON *doc = cJSON_Parse("{\"locator_id\":\"10.0.0.7:17890\",\"servant\":\"tars.tarsregistry."
                             "QueryObj\",\"endpoint\":\"tcp -h 10.0.0.7 -p 17890\","
                             "\"tars_version\":\"3.0\"}");
    ck_assert(document_read_registry(doc, arena, &record, &error));
    ck_assert(tars_str_is(record.node_name, "10.0.0.7"));
    ck_assert_uint_eq(record.adapter_count, 1);
    cJSON_Delete(doc);
}
END_TEST

START_TEST(unknown_state_word_is_no_state)
{
    cJSON *doc = cJSON_Parse("{\"present_state\":\"running\"}");
    struct state_document state;
    ck_assert(!document_read_state(doc, &state));
    cJSON_Delete(doc);
}
END_TEST

/* ---- the snapshot file
 * -------------------------------------------------------------------------------- */

static const char *path;

static void write_example(void)
{
    struct table *table = table_new();
    struct rules *rules = rules_new();
    struct record record = example();
    struct tars_error error;
    struct instance *i = table_add(table, tars_str("App|Server|10.0.0.1"), INSTANCE_SERVER);
    table_set_record(table, i, record_copy(&record));
    table_set_present(table, i, STATE_ACTIVE, 77);
    i->reporter = table_intern(table, tars_str("10.0.0.7:17890"));
    i->reports.expected = true;
    i->reports.gaps[0] = 1234;
    table_add(table, tars_str("App|Server|only-a-state"), INSTANCE_SERVER);
    cJSON *group = cJSON_Parse("{\"group_name\":\"g\",\"group_id\":3,\"allow_ip\":\"10.0.0.*\"}");
    ck_assert(rules_put(rules, DOCUMENT_GROUP, "g", group));
    cJSON_Delete(group);
    path = tk_text("%s/registry.snapshot", tk_dir());
    ck_assert_msg(diskfile_write(path, table, rules, &error), "%s", error.text);
    table_free(table);
    rules_free(rules);
}

START_TEST(what_was_known_is_read_back)
{
    struct table *table = table_new();
    struct rules *rules = rules_new();
    struct record record = example();
    struct tars_error error;
    int64_t at = 0;
    write_example();
    ck_assert_int_eq(diskfile_read(path, table, rules, &at, &error), DISKFILE_READ);
    ck_assert_uint_eq(table_len(table), 1);
    struct instance *i = table_find(table, tars_str("App|Server|10.0.0.1"));
    ck_assert(i && record_equal(i->record, &record));
    ck_assert_int_eq(i->present, STATE_ACTIVE);
    ck_assert_int_eq(i->present_since, 77);
    ck_assert(i->reports.expected);
    ck_assert_int_eq(i->reports.stored_interval, 1234);
    ck_assert(tars_str_is(i->reporter, "10.0.0.7:17890"));
    struct groups *groups = rules_groups(rules);
    ck_assert_int_eq(groups_of_address(groups, tars_str("10.0.0.9")), 3);
    ck_assert_int_gt(at, 1000000000000);
    groups_free(groups);
    rules_free(rules);
    table_free(table);
}
END_TEST

START_TEST(missing_file_is_no_error)
{
    struct table *table = table_new();
    struct rules *rules = rules_new();
    struct tars_error error;
    int64_t at;
    ck_assert_int_eq(diskfile_read(tk_text("%s/none", tk_dir()), table, rules, &at, &error),
                     DISKFILE_MISSING);
    rules_free(rules);
    table_free(table);
}
END_TEST

static void assert_bad(const uint8_t *bytes, size_t len)
{
    struct table *table = table_new();
    struct rules *rules = rules_new();
    struct tars_error error;
    int64_t at;
    FILE *file = fopen(path, "wb");
    ck_assert_uint_eq(fwrite(bytes, 1, len, file), len);
    fclose(file);
    ck_assert_int_eq(diskfile_read(path, table, rules, &at, &error), DISKFILE_BAD);
    ck_assert(strstr(error.text, path));
    ck_assert_uint_eq(table_len(table), 0);
    rules_free(rules);
    table_free(table);
}

START_TEST(damaged_file_is_refused_as_a_whole_wherever_the_damage_is)
{
    write_example();
    uint8_t bytes[8192];
    FILE *file = fopen(path, "rb");
    size_t len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 0x55;
        assert_bad(bytes, len);
        bytes[i] ^= 0x55;
    }
    for (size_t cut = 0; cut < len; cut += 7)
        assert_bad(bytes, cut);
}
END_TEST

START_TEST(folder_that_is_not_there_is_an_error_that_names_the_file)
{
    struct table *table = table_new();
    struct rules *rules = rules_new();
    struct tars_error error;
    ck_assert(!diskfile_write("/nonexistent/x", table, rules, &error));
    ck_assert(strstr(error.text, "/nonexistent/x"));
    rules_free(rules);
    table_free(table);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("registry_stored");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, record_survives_the_way_through_its_document);
    tcase_add_test(tc, fields_that_are_not_ours_stay_in_a_document_that_is_written_again);
    tcase_add_test(tc, every_field_we_write_is_in_the_mapping);
    tcase_add_test(tc, tombstone_says_who_removed_the_instance_until_it_is_written_again);
    tcase_add_test(tc, null_is_as_good_as_missing);
    tcase_add_test(tc, document_that_is_not_what_its_mapping_says_is_refused_with_the_field);
    tcase_add_test(tc, single_values_stand_for_arrays_of_one);
    tcase_add_test(tc, a_station_without_groups_is_known_and_empty);
    tcase_add_test(tc, registry_row_is_listed_under_its_host);
    tcase_add_test(tc, unknown_state_word_is_no_state);
    tcase_add_test(tc, what_was_known_is_read_back);
    tcase_add_test(tc, missing_file_is_no_error);
    tcase_add_test(tc, damaged_file_is_refused_as_a_whole_wherever_the_damage_is);
    tcase_add_test(tc, folder_that_is_not_there_is_an_error_that_names_the_file);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
