/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/stat.h"
#include "testkit.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

typedef const struct tarsf_stat_mic_msg_head_stat_mic_msg_body_map message;

struct sent {
    size_t messages, series, largest, most, overflow_series;
    int32_t calls, overflow_calls;
    char first[4096]; /* the first series as text */
};

static void describe(const struct tarsf_stat_mic_msg_head *h,
                     const struct tarsf_stat_mic_msg_body *b, char *text)
{
    text += sprintf(text, "%.*s|%.*s|%.*s|%.*s|%.*s|%d|%d|%.*s.%.*s.%.*s|%.*s ",
                    TARS_STR_ARG(h->master_name), TARS_STR_ARG(h->slave_name),
                    TARS_STR_ARG(h->interface_name), TARS_STR_ARG(h->master_ip),
                    TARS_STR_ARG(h->slave_ip), h->slave_port, h->return_value,
                    TARS_STR_ARG(h->slave_set_name), TARS_STR_ARG(h->slave_set_area),
                    TARS_STR_ARG(h->slave_set_id), TARS_STR_ARG(h->tars_version));
    text += sprintf(text, "%d/%d/%d %lld/%d/%d", b->count, b->timeout_count, b->exec_count,
                    (long long)b->total_rsp_time, b->max_rsp_time, b->min_rsp_time);
    for (size_t i = 0; i < b->interval_count.len; i++)
        text += sprintf(text, " %d:%d", b->interval_count.at[i].key, b->interval_count.at[i].value);
}

static void record(void *user, message *msg)
{
    struct sent *sent = user;
    struct tars_writer w;

    tars_writer_init(&w);
    tars_write_map(&w, 1, msg->len);
    for (size_t i = 0; i < msg->len; i++) {
        const struct tarsf_stat_mic_msg_body *body = &msg->at[i].value;

        tarsf_stat_mic_msg_head_write(&w, 0, &msg->at[i].key);
        tarsf_stat_mic_msg_body_write(&w, 1, body);
        sent->calls += body->count + body->timeout_count + body->exec_count;
        if (tars_str_is(msg->at[i].key.interface_name, "overflow")) {
            sent->overflow_series++;
            sent->overflow_calls += body->count;
        }
    }
    tars_write_bool(&w, 2, true);
    if (sent->series == 0)
        describe(&msg->at[0].key, &msg->at[0].value, sent->first);
    sent->messages++;
    sent->series += msg->len;
    if (w.len > sent->largest)
        sent->largest = w.len;
    if (msg->len > sent->most)
        sent->most = msg->len;
    tars_writer_free(&w);
}

static struct sent flush(struct report_stat *stat)
{
    struct sent sent = {0};

    report_stat_flush(stat, 1400, record, &sent);
    return sent;
}

static struct report_stat_key key_of(const char *function)
{
    return (struct report_stat_key){
        .master = tars_str("Demo.Client@0.1.0"),
        .slave = tars_str("Demo.ShapeServer.sha1"),
        .function = tars_str(function),
        .master_ip = tars_str("node-1"),
        .slave_ip = tars_str("10.0.0.7"),
        .set = {tars_str("s"), tars_str("ha"), tars_str("1")},
        .slave_port = 10007,
        .ret = 0,
    };
}

START_TEST(a_series_carries_every_field_of_the_protocol)
{
    struct report_stat *stat = report_stat_new(2, 100);
    struct report_stat_key key = key_of("area");

    report_stat_add(stat, 0, &key, REPORT_SUCCEEDED, 0);
    report_stat_add(stat, 1, &key, REPORT_SUCCEEDED, 5);
    report_stat_add(stat, 0, &key, REPORT_SUCCEEDED, 7);
    report_stat_add(stat, 0, &key, REPORT_SUCCEEDED, 3000);
    report_stat_add(stat, 0, &key, REPORT_TIMED_OUT, 2999);
    report_stat_add(stat, 1, &key, REPORT_FAILED, 1);
    struct sent sent = flush(stat);
    ck_assert_uint_eq(sent.series, 1);
    /* A time at a bound counts under the next; beyond the last it stands nowhere; only successful
     * calls have times. */
    ck_assert_str_eq(sent.first,
                     "Demo.Client@0.1.0|Demo.ShapeServer.sha1|area|node-1|10.0.0.7|10007|0|s.ha.1| "
                     "4/1/1 3012/3000/5 5:1 10:2 50:0 100:0 200:0 500:0 1000:0 2000:0 3000:0");
    report_stat_free(stat);
}
END_TEST

START_TEST(an_interval_without_calls_sends_nothing)
{
    struct report_stat *stat = report_stat_new(2, 100);
    struct report_stat_key key = key_of("area");

    ck_assert_uint_eq(flush(stat).messages, 0);
    report_stat_add(stat, 0, &key, REPORT_SUCCEEDED, 1);
    ck_assert_uint_eq(flush(stat).messages, 1);
    ck_assert_uint_eq(flush(stat).messages, 0);
    report_stat_free(stat);
}
END_TEST

START_TEST(another_return_code_or_address_is_another_series)
{
    struct report_stat *stat = report_stat_new(1, 100);
    struct report_stat_key key = key_of("area");

    report_stat_add(stat, 0, &key, REPORT_SUCCEEDED, 1);
    key.ret = -7;
    report_stat_add(stat, 0, &key, REPORT_TIMED_OUT, 1);
    key.slave_port = 10008;
    report_stat_add(stat, 0, &key, REPORT_TIMED_OUT, 1);
    ck_assert_uint_eq(flush(stat).series, 3);
    report_stat_free(stat);
}
END_TEST

START_TEST(names_are_trimmed_and_cut)
{
    struct report_stat *stat = report_stat_new(1, 100);
    char name[501], ip[101];
    struct report_stat_key key = {.slave = tars_str("S")};
    char expected[1000];

    memset(name, 'f', 500);
    memset(ip, '1', 100);
    name[500] = ip[100] = '\0';
    key.master = tars_str("\r\tM\t\r");
    key.function = tars_str(name);
    key.slave_ip = tars_str(ip);
    report_stat_add(stat, 0, &key, REPORT_SUCCEEDED, 1);
    struct sent sent = flush(stat);
    snprintf(expected, sizeof(expected), "M|S|%.127s||%.50s|0|0|..| ", name, ip);
    ck_assert_int_eq(strncmp(sent.first, expected, strlen(expected)), 0);
    report_stat_free(stat);
}
END_TEST

START_TEST(a_flood_of_function_names_is_bounded_and_counted)
{
    struct report_stat *stat = report_stat_new(2, 100);
    char name[32];

    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        struct report_stat_key key = key_of(name);
        report_stat_add(stat, (unsigned)i % 2, &key, REPORT_SUCCEEDED, 1);
    }
    struct sent sent = flush(stat);
    ck_assert_uint_le(sent.series, 101);
    ck_assert_uint_eq(sent.overflow_series, 1);
    ck_assert_int_eq(sent.calls, 20000);
    ck_assert_int_ge(sent.overflow_calls, 19800);
    ck_assert_uint_eq(report_stat_overflowed(stat), 19800);
    report_stat_free(stat);
}
END_TEST

START_TEST(messages_keep_to_the_size_limit_in_real_bytes)
{
    struct report_stat *stat = report_stat_new(1, 10000);
    char name[128];

    for (int i = 0; i < 500; i++) {
        memset(name, 'x', sizeof(name));
        name[snprintf(name, sizeof(name), "f%03d", i)] = 'x';
        name[4 + i % 120] = '\0';
        struct report_stat_key key = key_of(name);
        report_stat_add(stat, 0, &key, REPORT_SUCCEEDED, i * 1000000);
    }
    struct sent sent = flush(stat);
    ck_assert_uint_eq(sent.series, 500);
    ck_assert_uint_gt(sent.most, 3);
    ck_assert_uint_le(sent.largest, 1400);
    report_stat_free(stat);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("report_stat");
    TCase *tc = tcase_create("stat");

    tcase_add_test(tc, a_series_carries_every_field_of_the_protocol);
    tcase_add_test(tc, an_interval_without_calls_sends_nothing);
    tcase_add_test(tc, another_return_code_or_address_is_another_series);
    tcase_add_test(tc, names_are_trimmed_and_cut);
    tcase_add_test(tc, a_flood_of_function_names_is_bounded_and_counted);
    tcase_add_test(tc, messages_keep_to_the_size_limit_in_real_bytes);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
