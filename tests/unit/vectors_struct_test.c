/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows of tests/vectors.tsv that hold structs, bodies and frames: by an untyped writer, and by
 * generated code both ways. */
#include <check.h>
#include <stdlib.h>

#include "Auth.h"
#include "Config.h"
#include "Log.h"
#include "MonitorQuery.h"
#include "Notify.h"
#include "PropertyF.h"
#include "QueryF.h"
#include "RequestF.h"
#include "ServerF.h"
#include "StatF.h"
#include "Vectors.h"
#include "vectors.h"
#include "testkit.h"

static const struct {
    const char *name;
    const struct tars_type *type;
} structs[] = {
    {"Point", &app_point_type},
    {"AllReq", &app_all_req_type},
    {"AllOpt", &app_all_opt_type},
    {"ItemV1", &app_item_v1_type},
    {"ItemV2", &app_item_v2_type},
    {"MapPoint", &app_map_point_type},
    {"tars.EndpointF", &tarsf_endpoint_f_type},
    {"tars.StatMicMsgHead", &tarsf_stat_mic_msg_head_type},
    {"tars.StatMicMsgBody", &tarsf_stat_mic_msg_body_type},
    {"tars.ReportInfo", &tarsf_report_info_type},
    {"tars.LogInfo", &tarsf_log_info_type},
    {"tars.ConfigInfo", &tarsf_config_info_type},
    {"tars.GetConfigListInfo", &tarsf_get_config_list_info_type},
    {"tars.ServerInfo", &tarsf_server_info_type},
    {"tars.BasicAuthPackage", &tarsf_basic_auth_package_type},
    {"tars.MonitorQueryReq", &tarsf_monitor_query_req_type},
    {"tars.MonitorQueryRsp", &tarsf_monitor_query_rsp_type},
    {"tars.RequestPacket", &tarsf_request_packet_type},
    {"tars.ResponsePacket", &tarsf_response_packet_type},
};

static const struct {
    const char *name;
    const struct tars_interface *interface;
} interfaces[] = {
    {"Calc", &app_calc_interface},
    {"tars.StatF", &tarsf_stat_f_interface},
    {"tars.PropertyF", &tarsf_property_f_interface},
    {"tars.Log", &tarsf_log_interface},
    {"tars.ServerF", &tarsf_server_f_interface},
    {"tars.QueryF", &tarsf_query_f_interface},
};

/* These hold optional members at their default, which a typed writer leaves out. */
static bool written_otherwise(const char *row)
{
    return strcmp(row, "cap_js_add_response") == 0 || strcmp(row, "cap_js_ping_response") == 0;
}

static struct tars_str member_text(const struct vector_row *row, const char *name)
{
    struct tars_json_reader r;
    struct tars_str text;
    ck_assert_msg(vectors_member(row, name, &r) && tars_json_read_str(&r, &text), "%s", row->name);
    return text;
}

static const struct tars_type *struct_of(const struct vector_row *row)
{
    struct tars_str name = member_text(row, "struct");
    for (size_t i = 0; i < sizeof structs / sizeof *structs; i++)
        if (tars_str_is(name, structs[i].name))
            return structs[i].type;
    ck_abort_msg("%s: no generated type for %" TARS_STR_FMT, row->name, TARS_STR_ARG(name));
}

static const struct tars_function *function_of(const struct vector_row *row)
{
    struct tars_str name = member_text(row, "func");
    const char *open = memchr(name.at, '(', name.len);
    if (open)
        name.len = (size_t)(open - name.at);
    for (size_t i = 0; i < sizeof interfaces / sizeof *interfaces; i++) {
        size_t len = strlen(interfaces[i].name);
        if (name.len <= len || memcmp(name.at, interfaces[i].name, len) != 0)
            continue;
        return tars_interface_find(interfaces[i].interface,
                                   tars_str_n(name.at + len + 1, name.len - len - 1));
    }
    ck_abort_msg("%s: no generated function", row->name);
}

static void same_bytes(const struct vector_row *row, const char *who, const void *got, size_t len,
                       const uint8_t *want, size_t want_len)
{
    ck_assert_msg(len == want_len && memcmp(got, want, len) == 0, "%s: %s writes other bytes",
                  row->name, who);
}

static void untyped_writer_gives(const struct vector_row *row, const uint8_t *bytes, size_t len)
{
    struct tars_writer w;
    struct tars_json_reader fields;
    tars_writer_init(&w);
    ck_assert(vectors_member(row, "fields", &fields));
    vectors_encode_fields(&w, &fields);
    same_bytes(row, "the untyped writer", w.at, w.len, bytes, len);
    tars_writer_free(&w);
}

/* Value -> JSON -> value must not change anything either. */
static void json_keeps(const struct vector_row *row, const struct tars_type *type,
                       const void *value, const struct tars_writer *want)
{
    struct tars_json_writer text;
    struct tars_json_reader r;
    struct tars_writer w;
    void *back = tars_arena_alloc(vectors_arena, type->size);
    tars_writer_init(&w);
    tars_json_writer_init(&text);
    type->to_json(&text, value);
    tars_json_reader_init(&r, tars_json_text(&text), vectors_arena);
    ck_assert_msg(type->from_json(&r, back), "%s: %s", row->name, r.error.text);
    type->write(&w, 0, back);
    same_bytes(row, "what went through JSON", w.at, w.len, want->at, want->len);
    tars_json_writer_free(&text);
    tars_writer_free(&w);
}

static void typed_codec_keeps(const struct vector_row *row, const struct tars_type *type,
                              const uint8_t *bytes, size_t len)
{
    struct tars_writer framed, w;
    struct tars_reader r;
    struct tars_error error;
    void *value = tars_arena_alloc(vectors_arena, type->size);
    tars_writer_init(&framed);
    tars_writer_init(&w);
    tars_write_struct_begin(&framed, 0);
    tars_writer_append(&framed, bytes, len);
    tars_write_struct_end(&framed);

    tars_reader_init(&r, framed.at, framed.len, vectors_arena);
    if (!type->read(&r, 0, TARS_REQUIRE, value)) {
        tars_reader_explain(&r, &error);
        ck_abort_msg("%s: %s", row->name, error.text);
    }
    ck_assert_msg(r.at == r.end, "%s: bytes are left", row->name);
    type->write(&w, 0, value);
    if (!written_otherwise(row->name))
        same_bytes(row, "generated code", w.at, w.len, framed.at, framed.len);
    json_keeps(row, type, value, &w);
    tars_writer_free(&framed);
    tars_writer_free(&w);
}

static void check_struct(const struct vector_row *row)
{
    untyped_writer_gives(row, row->bytes, row->len);
    typed_codec_keeps(row, struct_of(row), row->bytes, row->len);
}

static void check_frame(const struct vector_row *row)
{
    ck_assert_uint_ge(row->len, 4);
    size_t announced = (size_t)row->bytes[0] << 24 | (size_t)row->bytes[1] << 16 |
                       (size_t)row->bytes[2] << 8 | row->bytes[3];
    ck_assert_uint_eq(announced, row->len);
    untyped_writer_gives(row, row->bytes + 4, row->len - 4);
    typed_codec_keeps(row, struct_of(row), row->bytes + 4, row->len - 4);
}

/* A client leaves out parameters out of its request; these rows are from one that sends them. */
static bool sends_out_parameters(const char *row)
{
    return strcmp(row, "calc_add_args") == 0;
}

static void check_args(const struct vector_row *row)
{
    const struct tars_function *f = function_of(row);
    struct tars_error error;
    struct tars_writer w;
    void *args = tars_arena_alloc(vectors_arena, f->args_size);
    tars_writer_init(&w);
    untyped_writer_gives(row, row->bytes, row->len);
    ck_assert_msg(
        tars_args_read_request(f, 1, tars_str_n(row->bytes, row->len), vectors_arena, args, &error),
        "%s: %s", row->name, error.text);
    tars_args_write_request(f, 1, args, &w);
    if (!sends_out_parameters(row->name))
        same_bytes(row, "the request's writer", w.at, w.len, row->bytes, row->len);
    tars_writer_free(&w);
}

static void check_result(const struct vector_row *row)
{
    const struct tars_function *f = function_of(row);
    struct tars_error error;
    struct tars_writer w;
    void *args = tars_arena_alloc(vectors_arena, f->args_size);
    tars_writer_init(&w);
    untyped_writer_gives(row, row->bytes, row->len);
    ck_assert_msg(tars_args_read_response(f, 1, tars_str_n(row->bytes, row->len), vectors_arena,
                                          args, &error),
                  "%s: %s", row->name, error.text);
    tars_args_write_response(f, 1, tars_str(""), args, &w);
    same_bytes(row, "the answer's writer", w.at, w.len, row->bytes, row->len);
    tars_writer_free(&w);
}

static void check_tup3(const struct vector_row *row)
{
    const struct tars_function *f = function_of(row);
    struct tars_error error;
    struct tars_writer w;
    struct tars_str body = tars_str_n(row->bytes, row->len);
    void *args = tars_arena_alloc(vectors_arena, f->args_size);
    bool request = strstr(row->name, "args") != NULL;
    tars_writer_init(&w);
    untyped_writer_gives(row, row->bytes, row->len);
    ck_assert_msg(request ? tars_args_read_request(f, 3, body, vectors_arena, args, &error)
                          : tars_args_read_response(f, 3, body, vectors_arena, args, &error),
                  "%s: %s", row->name, error.text);
    if (request)
        tars_args_write_request(f, 3, args, &w);
    else
        tars_args_write_response(f, 3, tars_str(""), args, &w);
    same_bytes(row, "the TUP writer", w.at, w.len, row->bytes, row->len);
    tars_writer_free(&w);
}

static void check_untyped(const struct vector_row *row)
{
    untyped_writer_gives(row, row->bytes, row->len);
}

START_TEST(every_struct_row_passes_generated_code_unchanged)
{
    ck_assert_uint_ge(vectors_each("struct", check_struct), 20);
}
END_TEST

START_TEST(every_frame_row_passes_generated_code_unchanged)
{
    ck_assert_uint_ge(vectors_each("frame", check_frame), 25);
}
END_TEST

START_TEST(every_body_of_a_call_passes_generated_code_unchanged)
{
    ck_assert_uint_ge(vectors_each("args", check_args), 6);
    ck_assert_uint_ge(vectors_each("result", check_result), 2);
}
END_TEST

START_TEST(every_tup_body_passes_unchanged)
{
    ck_assert_uint_ge(vectors_each("tup3", check_tup3), 2);
    ck_assert_uint_ge(vectors_each("tup2", check_untyped), 1);
}
END_TEST

START_TEST(struct_bodies_of_an_older_version_are_read)
{
    /* acc_item_v2: members that ItemV1 does not know are passed over */
    static const uint8_t bytes[] = {0x00, 0x2a, 0x18, 0x00, 0x01, 0x06, 0x01, 0x6b,
                                    0x19, 0x00, 0x02, 0x00, 0x01, 0x00, 0x02, 0x26,
                                    0x02, 0x6e, 0x6d, 0x3a, 0x00, 0x03, 0x10, 0x04,
                                    0x0b, 0xfd, 0x28, 0x00, 0x00, 0x02, 0x05, 0x06};
    struct tars_reader r;
    struct app_item_v1 item;
    tars_reader_init(&r, bytes, sizeof bytes, vectors_arena);
    ck_assert(app_item_v1_read_fields(&r, &item));
    ck_assert_int_eq(item.id, 42);
    ck_assert(tars_str_is(item.name, "nm"));
}
END_TEST

static void set_up(void)
{
    vectors_arena = tars_arena_new(0);
}

static void tear_down(void)
{
    tars_arena_free(vectors_arena);
}

int main(void)
{
    Suite *suite = suite_create("vectors_struct");
    TCase *tests = tcase_create("vectors");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, every_struct_row_passes_generated_code_unchanged);
    tcase_add_test(tests, every_frame_row_passes_generated_code_unchanged);
    tcase_add_test(tests, every_body_of_a_call_passes_generated_code_unchanged);
    tcase_add_test(tests, every_tup_body_passes_unchanged);
    tcase_add_test(tests, struct_bodies_of_an_older_version_are_read);
    suite_add_tcase(suite, tests);
    return tk_main(suite);
}
