/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include <tars/endpoint.h>

#include "base/hash.h"
#include "rows.h"
#include "testkit.h"

static void check_endpoint_row(const struct row *row)
{
    const char *in = row_text(row, "in"), *out = row_text(row, "out");
    struct tars_endpoint e;
    struct tars_error error = {0};
    char text[TARS_ENDPOINT_TEXT];
    bool ok = tars_endpoint_parse(tars_str(in), &e, &error);
    if (!out) {
        ck_assert_msg(!ok, "%s parses", row->name);
        ck_assert_msg(error.text[0] != '\0', "%s", row->name);
        return;
    }
    ck_assert_msg(ok, "%s: %s", row->name, error.text);
    ck_assert_uint_eq(tars_endpoint_print(&e, text, sizeof text), strlen(out));
    ck_assert_str_eq(text, out);
    ck_assert_str_eq(e.host, row_text(row, "host"));
    const struct {
        const char *member;
        int value;
    } numbers[] = {{"istcp", (int)e.transport},
                   {"port", e.port},
                   {"timeout", e.timeout_ms},
                   {"grid", e.grid},
                   {"qos", e.qos},
                   {"weight", e.weight},
                   {"weighttype", e.weight_type},
                   {"auth", e.auth}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        ck_assert_msg((int)row_number(row, numbers[i].member, -99) == numbers[i].value, "%s: %s",
                      row->name, numbers[i].member);
}

START_TEST(every_endpoint_vector_reads_and_writes_as_listed)
{
    ck_assert_uint_eq(rows_each("endpoint", check_endpoint_row), 35);
}
END_TEST

static void check_list_row(const struct row *row)
{
    struct tars_str list = tars_str(row_text(row, "in")), element;
    const cJSON *wanted;
    cJSON_ArrayForEach(wanted, cJSON_GetObjectItemCaseSensitive(row->value, "out"))
    {
        ck_assert_msg(tars_endpoint_next(&list, &element), "%s ends early", row->name);
        ck_assert_msg(tars_str_is(element, cJSON_GetStringValue(wanted)), "%s: %.*s", row->name,
                      (int)element.len, element.at);
    }
    ck_assert_msg(!tars_endpoint_next(&list, &element), "%s has more", row->name);
}

START_TEST(every_endpoint_list_vector_splits_as_listed)
{
    ck_assert_uint_eq(rows_each("endpointlist", check_list_row), 5);
}
END_TEST

static void assert_splits(const char *list_text, const char *joined)
{
    struct tars_str list = tars_str(list_text), element;
    char got[500] = "";
    while (tars_endpoint_next(&list, &element))
        sprintf(got + strlen(got), "[%.*s]", (int)element.len, element.at);
    ck_assert_str_eq(got, joined);
}

START_TEST(a_host_name_with_a_transport_in_it_stays_whole)
{
    assert_splits("tcp -h my-tcp.udp.ssl -p 1:udp -h tcp -p 2",
                  "[tcp -h my-tcp.udp.ssl -p 1][udp -h tcp -p 2]");
}
END_TEST

START_TEST(an_address_that_ends_in_colons_stays_whole)
{
    assert_splits("tcp -p 1 -h fe80:::udp -p 2 -h ::", "[tcp -p 1 -h fe80::][udp -p 2 -h ::]");
    assert_splits("tcp -p 1 -h ::", "[tcp -p 1 -h ::]");
}
END_TEST

START_TEST(empty_elements_of_a_list_are_left_out)
{
    assert_splits("", "");
    assert_splits(" : : ", "");
    assert_splits(":tcp -h a -p 1:  :\ttcp\t-h b:", "[tcp -h a -p 1][tcp\t-h b]");
    assert_splits("tcp -h a -p 1:ftp -h b -p 2", "[tcp -h a -p 1:ftp -h b -p 2]");
}
END_TEST

static void assert_refused(const char *text, const char *reason)
{
    struct tars_endpoint e;
    struct tars_error error = {0};
    ck_assert_msg(!tars_endpoint_parse(tars_str(text), &e, &error), "%s", text);
    ck_assert_msg(strstr(error.text, reason), "'%s' does not say '%s'", error.text, reason);
}

START_TEST(a_refused_endpoint_names_itself_and_the_reason)
{
    assert_refused("tcp -h x -p 80abc", "endpoint 'tcp -h x -p 80abc': -p 80abc is not a port");
    assert_refused("tcp -h x -p 0x50", "-p 0x50");
    assert_refused("tcp -h x -p 4294967297", "-p 4294967297");
    assert_refused("tcp -h x -p 80 -t 2147483648", "-t 2147483648 is not a whole number");
    assert_refused("tcp -h x -p 80 -t -5", "-t has no value");
    assert_refused("tcp -h x -p 80 -w -1", "-w has no value");
    assert_refused("tcp -h x -p 80 y", "'y' is not an option");
    assert_refused("http -h x", "does not begin with tcp, udp or ssl");
    assert_refused("tcpx -h x", "does not begin with tcp, udp or ssl");
    assert_refused("tcp -h x\x01y -p 1", "-h is not a host name");
}
END_TEST

START_TEST(numbers_may_have_a_plus_and_leading_zeros)
{
    struct tars_endpoint e;
    ck_assert(tars_endpoint_parse(tars_str("tcp -h x -p +080 -t 007"), &e, NULL));
    ck_assert_int_eq(e.port, 80);
    ck_assert_int_eq(e.timeout_ms, 7);
}
END_TEST

START_TEST(a_host_longer_than_its_room_is_refused)
{
    char text[400];
    struct tars_endpoint e;
    memset(text, 'h', sizeof text);
    memcpy(text, "tcp -h ", 7);
    ck_assert(tars_endpoint_parse(tars_str_n(text, 7 + 255), &e, NULL));
    ck_assert_uint_eq(strlen(e.host), 255);
    ck_assert(!tars_endpoint_parse(tars_str_n(text, 7 + 256), &e, NULL));
    ck_assert(!tars_endpoint_parse(tars_str_n("tcp -h a\0b -p 1", 15), &e, NULL));
}
END_TEST

START_TEST(the_longest_text_fits_its_room)
{
    struct tars_endpoint e = {TARS_SSL,  "",        65535,     INT32_MAX, INT32_MAX,
                              INT32_MAX, INT32_MAX, INT32_MAX, 1,         ""};
    char text[TARS_ENDPOINT_TEXT], little[8];
    memset(e.host, 'h', sizeof e.host - 1);
    ck_assert_uint_lt(tars_endpoint_print(&e, text, sizeof text), sizeof text);
    ck_assert_uint_eq(tars_endpoint_print(&e, little, sizeof little), strlen(text));
    ck_assert_str_eq(little, "ssl -h ");
    ck_assert_uint_eq(tars_endpoint_print(&e, NULL, 0), strlen(text));
}
END_TEST

START_TEST(a_failed_parse_leaves_the_endpoint_alone)
{
    struct tars_endpoint e = {.port = 4711};
    ck_assert(!tars_endpoint_parse(tars_str("tcp -p 1 -e 2"), &e, NULL));
    ck_assert_int_eq(e.port, 4711);
}
END_TEST

START_TEST(the_same_place_is_transport_host_and_port)
{
    struct tars_endpoint a, b;
    ck_assert(tars_endpoint_parse(tars_str("tcp -h x -p 1 -t 5"), &a, NULL));
    ck_assert(tars_endpoint_parse(tars_str("tcp -h x -p 1 -w 5"), &b, NULL));
    ck_assert(tars_endpoint_same_place(&a, &b));
    ck_assert(tars_endpoint_parse(tars_str("udp -h x -p 1"), &b, NULL));
    ck_assert(!tars_endpoint_same_place(&a, &b));
}
END_TEST

START_TEST(a_random_endpoint_that_parses_prints_the_same_again)
{
    static const char *const pieces[] = {"tcp", "udp", "ssl", " ", "\t", "-h", "-p", "-t", "-w",
                                         "-v",  "-e",  "-x",  "-", "1",  "80", "a",  ":",  "*"};
    uint64_t random = 7;
    int parsed = 0;
    for (int i = 0; i < 200000; i++) {
        char in[300], first[TARS_ENDPOINT_TEXT], second[TARS_ENDPOINT_TEXT];
        struct tars_endpoint e, again;
        int len = sprintf(in, "tcp");
        random = hash_bytes(&random, sizeof random, 3);
        for (uint64_t left = random % 20; left > 0; left--) {
            random = hash_bytes(&random, sizeof random, 3);
            len += sprintf(in + len, "%s%s", random & 1024 ? " " : "",
                           pieces[random % (sizeof pieces / sizeof *pieces)]);
        }
        if (!tars_endpoint_parse(tars_str(in), &e, NULL))
            continue;
        parsed++;
        tars_endpoint_print(&e, first, sizeof first);
        ck_assert_msg(tars_endpoint_parse(tars_str(first), &again, NULL), "%s: %s", in, first);
        tars_endpoint_print(&again, second, sizeof second);
        ck_assert_msg(e.timeout_ms == 0 || strcmp(first, second) == 0, "%s: %s, %s", in, first,
                      second);
    }
    ck_assert_int_gt(parsed, 1000);
}
END_TEST

/* ---- objects
 * -------------------------------------------------------------------------------------- */

static void assert_object(const char *text, const char *name, const char *hash,
                          const char *endpoints)
{
    struct tars_object o;
    struct tars_error error = {0};
    ck_assert_msg(tars_object_parse(tars_str(text), &o, &error), "%s", error.text);
    ck_assert_msg(tars_str_is(o.name, name) && tars_str_is(o.hash, hash) &&
                      tars_str_is(o.endpoints, endpoints),
                  "%s: %.*s|%.*s|%.*s", text, (int)o.name.len, o.name.at, (int)o.hash.len,
                  o.hash.at ? o.hash.at : "", (int)o.endpoints.len,
                  o.endpoints.at ? o.endpoints.at : "");
}

START_TEST(an_object_reference_has_name_hash_and_endpoints)
{
    assert_object("App.Server.Obj", "App.Server.Obj", "", "");
    assert_object(" App.Server.Obj#7 @ tcp -h a -p 1:tcp -h b ", "App.Server.Obj", "7",
                  "tcp -h a -p 1:tcp -h b");
    assert_object("A.B.C@tcp -h u@v#w -p 1", "A.B.C", "", "tcp -h u@v#w -p 1");
    assert_object("A.B.C.D.E", "A.B.C.D.E", "", "");
    assert_object("AdminObj@tcp -h a -p 1", "AdminObj", "", "tcp -h a -p 1");
    assert_object("Short@tcp -h a -p 1", "Short", "", "tcp -h a -p 1");
}
END_TEST

START_TEST(an_object_reference_that_is_none_is_refused_with_the_reason)
{
    static const char *const bad[][2] = {
        {"", "no name"},
        {"@tcp -h a", "no name"},
        {"#1", "no name"},
        {"Obj", "App.Server.Obj"},
        {"A.B", "App.Server.Obj"},
        {"A..C", "App.Server.Obj"},
        {".B.C", "App.Server.Obj"},
        {"A.B.", "App.Server.Obj"},
        {"A.B.C@", "no endpoint follows"},
        {"A.B.C%s.a.1", "a set"},
        {"A.B C.D", "blanks"},
        {"A.B.C\x7f", "control"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tars_object o;
        struct tars_error error = {0};
        ck_assert_msg(!tars_object_parse(tars_str(bad[i][0]), &o, &error), "%s", bad[i][0]);
        ck_assert_msg(strstr(error.text, bad[i][1]), "%s", error.text);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("endpoint");
    TCase *tc = tcase_create("endpoint");
    tcase_add_test(tc, every_endpoint_vector_reads_and_writes_as_listed);
    tcase_add_test(tc, every_endpoint_list_vector_splits_as_listed);
    tcase_add_test(tc, a_host_name_with_a_transport_in_it_stays_whole);
    tcase_add_test(tc, an_address_that_ends_in_colons_stays_whole);
    tcase_add_test(tc, empty_elements_of_a_list_are_left_out);
    tcase_add_test(tc, a_refused_endpoint_names_itself_and_the_reason);
    tcase_add_test(tc, numbers_may_have_a_plus_and_leading_zeros);
    tcase_add_test(tc, a_host_longer_than_its_room_is_refused);
    tcase_add_test(tc, the_longest_text_fits_its_room);
    tcase_add_test(tc, a_failed_parse_leaves_the_endpoint_alone);
    tcase_add_test(tc, the_same_place_is_transport_host_and_port);
    tcase_add_test(tc, a_random_endpoint_that_parses_prints_the_same_again);
    tcase_add_test(tc, an_object_reference_has_name_hash_and_endpoints);
    tcase_add_test(tc, an_object_reference_that_is_none_is_refused_with_the_reason);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
