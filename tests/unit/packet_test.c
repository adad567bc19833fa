/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <stdlib.h>

#include "RequestF.h"
#include "rpc/packet.h"
#include "vectors.h"

/* ---- lengths -----------------------------------------------------------------------------------
 */

START_TEST(length_is_known_from_four_bytes_and_checked_before_anything_else)
{
    size_t len;
    ck_assert_int_eq(rpc_frame_find("\0\0\0", 3, 100, &len), RPC_FRAME_PARTIAL);
    ck_assert_uint_eq(len, 0);
    ck_assert_int_eq(rpc_frame_find("\0\0\0\x06x", 5, 100, &len), RPC_FRAME_PARTIAL);
    ck_assert_uint_eq(len, 6);
    ck_assert_int_eq(rpc_frame_find("\0\0\0\x05x", 5, 100, &len), RPC_FRAME_COMPLETE);
    ck_assert_int_eq(rpc_frame_find("\0\0\0\x05xyz", 7, 100, &len), RPC_FRAME_COMPLETE);
    ck_assert_uint_eq(len, 5);
    ck_assert_int_eq(rpc_frame_find("\0\0\0\x04", 4, 100, &len), RPC_FRAME_BAD);
    ck_assert_int_eq(rpc_frame_find("\0\0\0\x00", 4, 100, &len), RPC_FRAME_BAD);
    ck_assert_int_eq(rpc_frame_find("\0\0\0\x64", 4, 100, &len), RPC_FRAME_PARTIAL);
    ck_assert_int_eq(rpc_frame_find("\0\0\0\x65", 4, 100, &len), RPC_FRAME_BAD);
    ck_assert_int_eq(rpc_frame_find("\xff\xff\xff\xff", 4, RPC_FRAME_LIMIT_MAX, &len),
                     RPC_FRAME_BAD);
}
END_TEST

/* ---- vectors -----------------------------------------------------------------------------------
 */

static bool is_request(const struct vector_row *row)
{
    return strstr(row->value, "\"struct\":\"tars.RequestPacket\"") != NULL;
}

static struct tars_str frame_of(const struct vector_row *row)
{
    return tars_str_n(row->bytes, row->len);
}

static void check_rewrites(const struct vector_row *row)
{
    struct tars_writer w;
    struct tars_error error = {0};
    struct rpc_request q;
    struct rpc_response a;
    bool request = is_request(row);
    tars_writer_init(&w);
    ck_assert_msg(request ? rpc_request_read(frame_of(row), vectors_arena, &q, &error)
                          : rpc_response_read(frame_of(row), vectors_arena, &a, &error),
                  "%s: %s", row->name, error.text);
    if (request)
        rpc_request_write(&w, &q);
    else
        rpc_response_write(&w, &a);
    /* frames of programs that write optional members at their default come out shorter */
    bool shorter = strncmp(row->name, "cap_js_", 7) == 0 && !request;
    ck_assert_msg(shorter || (w.len == row->len && memcmp(w.at, row->bytes, w.len) == 0),
                  "%s is written differently", row->name);
    tars_writer_free(&w);
}

START_TEST(every_frame_of_the_vectors_is_read_and_written_back_byte_for_byte)
{
    ck_assert_uint_gt(vectors_each("frame", check_rewrites), 20);
}
END_TEST

/* What the generated reader makes of the same bytes. */
static bool read_generated(struct tars_str frame, struct tars_arena *arena,
                           struct tarsf_request_packet *p)
{
    struct tars_reader r;
    tars_reader_init(&r, frame.at + RPC_FRAME_HEAD, frame.len - RPC_FRAME_HEAD, arena);
    return tarsf_request_packet_read_fields(&r, p);
}

static bool same(const struct rpc_request *q, const struct tarsf_request_packet *p)
{
    struct tarsf_request_packet read = {q->version, q->packet_type, q->message_type, q->id,
                                        q->servant, q->function,    q->body,         q->timeout_ms,
                                        q->context, q->status};
    return tarsf_request_packet_equal(&read, p);
}

static void check_mutations(const struct vector_row *row)
{
    uint8_t bytes[4096];
    if (!is_request(row) || row->len > sizeof bytes)
        return;
    for (int i = 0; i < 4000; i++) {
        struct rpc_request q;
        struct tarsf_request_packet p;
        memcpy(bytes, row->bytes, row->len);
        size_t len = row->len - (size_t)(rand() % 4 == 0 ? rand() % (int)(row->len - 5) : 0);
        for (int n = rand() % 4; n > 0; n--)
            bytes[4 + (size_t)rand() % (len - 4)] = (uint8_t)rand();
        struct tars_str frame = tars_str_n(bytes, len);
        bool ours = rpc_request_read(frame, vectors_arena, &q, NULL);
        bool generated = read_generated(frame, vectors_arena, &p);
        ck_assert_msg(ours == generated, "%s, mutation %d: read only by one", row->name, i);
        ck_assert_msg(!ours || same(&q, &p), "%s, mutation %d: read differently", row->name, i);
        tars_arena_reset(vectors_arena);
    }
}

START_TEST(reading_at_a_glance_and_by_the_generated_reader_agree_also_on_damage)
{
    srand(3);
    ck_assert_uint_gt(vectors_each("frame", check_mutations), 20);
}
END_TEST

/* ---- TUP ---------------------------------------------------------------------------------------
 */

START_TEST(an_answer_may_lack_body_and_status_but_no_number)
{
    /* TarsJava's answer to tars_ping, and the same without its result code */
    static const uint8_t ping[] = {0, 0, 0, 11, 0x10, 1, 0x2c, 0x30, 7, 0x4c, 0x5c};
    static const uint8_t cut[] = {0, 0, 0, 10, 0x10, 1, 0x2c, 0x30, 7, 0x4c};
    struct tars_error error = {0};
    struct rpc_response a;

    ck_assert_msg(rpc_response_read(tars_str_n(ping, sizeof ping), vectors_arena, &a, &error), "%s",
                  error.text);
    ck_assert_int_eq(a.id, 7);
    ck_assert_int_eq(a.ret, 0);
    ck_assert_uint_eq(a.body.len, 0);
    ck_assert_uint_eq(a.status.len, 0);
    ck_assert(!rpc_response_read(tars_str_n(cut, sizeof cut), vectors_arena, &a, &error));
    ck_assert_str_eq(error.text, "response packet: tag 5 at byte 6: a required field is missing");
}
END_TEST

START_TEST(tup_answers_carry_code_and_text_and_keep_the_servants_status)
{
    struct tars_arena *arena = tars_arena_new(0);
    struct tars_writer w;
    struct tars_str_pair own[] = {{tars_str("mine"), tars_str("1")},
                                  {tars_str("STATUS_RESULT_CODE"), tars_str("7")}};
    struct rpc_request names = {.servant = tars_str("A.B.C"), .function = tars_str("f")};
    struct rpc_response a = {.version = RPC_TUP,
                             .id = 9,
                             .ret = -3,
                             .description = tars_str("no function"),
                             .status = {2, own}},
                        back;
    tars_writer_init(&w);
    rpc_tup_response_write(&w, &a, &names);
    ck_assert(rpc_tup_response_read(tars_str_n(w.at, w.len), arena, &back, NULL));
    ck_assert_int_eq(back.id, 9);
    ck_assert_int_eq(back.ret, -3);
    ck_assert(tars_str_is(back.description, "no function"));
    ck_assert(tars_str_is(*tars_str_map_get(&back.status, "mine"), "1"));
    ck_assert_uint_eq(back.status.len, 3); /* no key twice */
    tars_writer_free(&w);
    tars_arena_free(arena);
}
END_TEST

START_TEST(a_tup_result_code_that_is_no_number_counts_as_unknown_error)
{
    static const char *const codes[] = {"", "x", "12x", "99999999999", "1 2"};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct tars_arena *arena = tars_arena_new(0);
        struct tars_writer w;
        struct tars_str_pair pair = {tars_str("STATUS_RESULT_CODE"), tars_str(codes[i])};
        struct rpc_request q = {.version = RPC_TUP, .status = {1, &pair}};
        struct rpc_response a;
        tars_writer_init(&w);
        rpc_request_write(&w, &q);
        ck_assert(rpc_tup_response_read(tars_str_n(w.at, w.len), arena, &a, NULL));
        ck_assert_int_eq(a.ret, -99);
        tars_writer_free(&w);
        tars_arena_free(arena);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("packet");
    vectors_arena = tars_arena_new(0);
    TCase *t = tcase_create("packet");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, length_is_known_from_four_bytes_and_checked_before_anything_else);
    tcase_add_test(t, every_frame_of_the_vectors_is_read_and_written_back_byte_for_byte);
    tcase_add_test(t, reading_at_a_glance_and_by_the_generated_reader_agree_also_on_damage);
    tcase_add_test(t, an_answer_may_lack_body_and_status_but_no_number);
    tcase_add_test(t, tup_answers_carry_code_and_text_and_keep_the_servants_status);
    tcase_add_test(t, a_tup_result_code_that_is_no_number_counts_as_unknown_error);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    tars_arena_free(vectors_arena);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
