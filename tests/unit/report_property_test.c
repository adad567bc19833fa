/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/property.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xmalloc.h"
#include "testkit.h"

#define ALL                                                                                        \
    (TARS_PROPERTY_SUM | TARS_PROPERTY_AVG | TARS_PROPERTY_MAX | TARS_PROPERTY_MIN |               \
     TARS_PROPERTY_COUNT | TARS_PROPERTY_DISTR)

typedef const struct tarsf_stat_prop_msg_head_stat_prop_msg_body_map message;

/* What was sent: "name:Sum=1,Avg=1;" per property, and the size of the largest message. */
struct sent {
    char text[65536];
    size_t len, messages, properties, largest, most;
};

static void record(void *user, message *msg)
{
    struct sent *sent = user;
    struct tars_writer w;

    tars_writer_init(&w);
    tars_write_map(&w, 1, msg->len);
    for (size_t i = 0; i < msg->len; i++) {
        tarsf_stat_prop_msg_head_write(&w, 0, &msg->at[i].key);
        tarsf_stat_prop_msg_body_write(&w, 1, &msg->at[i].value);
        if (sent->len < sizeof(sent->text) - 1000) {
            sent->len += (size_t)sprintf(sent->text + sent->len,
                                         "%.*s:", TARS_STR_ARG(msg->at[i].key.property_name));
            for (size_t k = 0; k < msg->at[i].value.v_info.len; k++) {
                const struct tarsf_stat_prop_info *info = &msg->at[i].value.v_info.at[k];
                sent->len += (size_t)sprintf(sent->text + sent->len, "%.*s=%.*s ",
                                             TARS_STR_ARG(info->policy), TARS_STR_ARG(info->value));
            }
            sent->text[sent->len - 1] = ';';
        }
    }
    sent->messages++;
    sent->properties += msg->len;
    if (w.len > sent->largest)
        sent->largest = w.len;
    if (msg->len > sent->most)
        sent->most = msg->len;
    tars_writer_free(&w);
}

static struct sent *flush(struct report_properties *set, size_t max_bytes)
{
    struct sent *sent = xcalloc(1, sizeof(*sent));
    struct tarsf_stat_prop_msg_head head;

    tarsf_stat_prop_msg_head_init(&head);
    head.module_name = tars_str("Demo.Server");
    report_properties_flush(set, &head, max_bytes, record, sent);
    return sent;
}

#define ck_flush(set_, text_)                                                                      \
    do {                                                                                           \
        struct sent *sent_ = flush(set_, 1400);                                                    \
        ck_assert_str_eq(sent_->text, text_);                                                      \
        free(sent_);                                                                               \
    } while (0)

START_TEST(six_policies_have_the_text_forms_of_the_protocol)
{
    static const int32_t ranges[] = {5, 10, 50};
    struct report_properties *set = report_properties_new(3, 100);
    struct report_property *p = report_property_create(set, "load", ALL, ranges, 3);

    report_property_add(set, p, 0, 4);
    report_property_add(set, p, 1, 5);
    report_property_add(set, p, 2, 50);
    report_property_add(set, p, 3, -7);
    ck_flush(set, "load:Sum=52 Avg=13 Max=50 Min=-7 Count=4 Distr=5|2,10|1,50|0,max|1;");
    report_properties_free(set);
}
END_TEST

START_TEST(before_the_first_value_max_starts_low_and_min_is_left_out)
{
    static const int32_t ranges[] = {5};
    struct report_properties *set = report_properties_new(1, 100);
    struct report_property *p = report_property_create(set, "load", ALL, ranges, 1);

    ck_flush(set, "load:Sum=0 Avg=0 Max=-9999999 Count=0 Distr=5|0,max|0;");
    report_property_add(set, p, 0, -3);
    ck_flush(set, "load:Sum=-3 Avg=-3 Max=-3 Min=-3 Count=1 Distr=5|1,max|0;");
    ck_flush(set, "load:Sum=0 Avg=0 Max=0 Count=0 Distr=5|0,max|0;");
    report_properties_free(set);
}
END_TEST

START_TEST(an_average_has_at_most_six_decimals_and_no_zeros_at_its_end)
{
    struct report_properties *set = report_properties_new(1, 100);
    struct report_property *p = report_property_create(set, "a", TARS_PROPERTY_AVG, NULL, 0);

    for (int i = 0; i < 3; i++)
        report_property_add(set, p, 0, i == 0 ? 37 : 0);
    ck_flush(set, "a:Avg=12.333333;");
    report_property_add(set, p, 0, 16);
    report_property_add(set, p, 0, 17);
    ck_flush(set, "a:Avg=16.5;");
    report_property_add(set, p, 0, 100);
    ck_flush(set, "a:Avg=100;");
    report_properties_free(set);
}
END_TEST

START_TEST(a_name_that_was_not_created_gets_five_policies)
{
    struct report_properties *set = report_properties_new(1, 100);

    report_property_add(set, report_property_get(set, "q"), 0, 3);
    ck_flush(set, "q:Sum=3 Avg=3 Max=3 Min=3 Count=1;");
    report_properties_free(set);
}
END_TEST

START_TEST(creating_a_property_twice_keeps_the_first)
{
    struct report_properties *set = report_properties_new(1, 100);
    struct report_property *p = report_property_create(set, "q", TARS_PROPERTY_SUM, NULL, 0);

    ck_assert_ptr_eq(p, report_property_create(set, "q", TARS_PROPERTY_MAX, NULL, 0));
    ck_flush(set, "q:Sum=0;");
    report_properties_free(set);
}
END_TEST

START_TEST(names_beyond_the_limit_are_dropped_and_counted)
{
    struct report_properties *set = report_properties_new(1, 2);
    char name[16];

    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        report_property_add(set, report_property_get(set, name), 0, 1);
    }
    ck_assert_uint_eq(report_property_dropped(set), 3);
    struct sent *sent = flush(set, 1400);
    ck_assert_uint_eq(sent->properties, 2);
    free(sent);
    report_properties_free(set);
}
END_TEST

START_TEST(messages_keep_to_the_size_limit_in_real_bytes)
{
    struct report_properties *set = report_properties_new(1, 1000);
    char name[300];

    for (int i = 0; i < 200; i++) {
        memset(name, 'n', sizeof(name));
        snprintf(name, sizeof(name), "property-%03d-", i);
        name[13] = 'n';
        name[20 + i % 200] = '\0'; /* long names, which an estimate per entry forgets */
        report_property_add(set, report_property_get(set, name), 0, i);
    }
    struct sent *sent = flush(set, 1400);
    ck_assert_uint_eq(sent->properties, 200);
    ck_assert_uint_gt(sent->messages, 1);
    ck_assert_uint_gt(sent->most, 1);
    ck_assert_uint_le(sent->largest, 1400);
    free(sent);
    report_properties_free(set);
}
END_TEST

struct adder {
    struct report_properties *set;
    struct report_property *property;
    unsigned shard;
};

static void *add_many(void *arg)
{
    struct adder *adder = arg;

    for (int i = 0; i < 20000; i++)
        report_property_add(adder->set, adder->property, adder->shard, 1);
    return NULL;
}

static void sum_up(void *user, message *msg)
{
    *(long *)user += strtol(msg->at[0].value.v_info.at[0].value.at, NULL, 10);
}

START_TEST(no_value_is_lost_between_threads_and_flushes)
{
    struct report_properties *set = report_properties_new(2, 10);
    struct report_property *p = report_property_create(set, "n", TARS_PROPERTY_COUNT, NULL, 0);
    struct adder adders[3];
    pthread_t threads[3];
    struct tarsf_stat_prop_msg_head head;
    long sum = 0;

    tarsf_stat_prop_msg_head_init(&head);
    for (unsigned i = 0; i < 3; i++) {
        adders[i] = (struct adder){set, p, i};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, add_many, &adders[i]), 0);
    }
    for (int i = 0; i < 50; i++)
        report_properties_flush(set, &head, 1400, sum_up, &sum);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    report_properties_flush(set, &head, 1400, sum_up, &sum);
    ck_assert_int_eq(sum, 60000);
    report_properties_free(set);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("report_property");
    TCase *tc = tcase_create("property");

    tcase_add_test(tc, six_policies_have_the_text_forms_of_the_protocol);
    tcase_add_test(tc, before_the_first_value_max_starts_low_and_min_is_left_out);
    tcase_add_test(tc, an_average_has_at_most_six_decimals_and_no_zeros_at_its_end);
    tcase_add_test(tc, a_name_that_was_not_created_gets_five_policies);
    tcase_add_test(tc, creating_a_property_twice_keeps_the_first);
    tcase_add_test(tc, names_beyond_the_limit_are_dropped_and_counted);
    tcase_add_test(tc, messages_keep_to_the_size_limit_in_real_bytes);
    tcase_add_test(tc, no_value_is_lost_between_threads_and_flushes);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
