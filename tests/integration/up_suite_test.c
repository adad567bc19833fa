/* SPDX-License-Identifier: BSD-3-Clause */
/* tarsc up with the daemons themselves: what `make run` starts. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "testkit.h"

static const uint16_t ports[] = {17890, 17891, 17892, 17897, 9200, 9280};

struct suite {
    int offset;
    struct tk_process *process;
};

static struct suite start(const char *data)
{
    struct suite s = {.offset = tk_free_offset(ports, sizeof ports / sizeof *ports)};
    const char *argv[] = {tk_program("tarsc"),     "up", "--data", data, "--port-offset",
                          tk_text("%d", s.offset), NULL};
    s.process = tk_spawn(argv, NULL, NULL);
    bool up = tk_eventually(tk_output_has(s.process, "Ctrl-C stops all"), 60000);
    if (!up) {
        char *output = tk_output(s.process);
        ck_abort_msg("tarsc up: %s", output);
    }
    return s;
}

/* What the suite's registry answers about itself. */
static void assert_finds_itself(const struct suite *s)
{
    const char *object = "tars.tarsregistry.QueryObj";
    const char *argv[] = {tk_program("tarsc"),
                          "call",
                          tk_text("%s@tcp -h 127.0.0.1 -p %d", object, 17890 + s->offset),
                          "findObjectById",
                          tk_text("{\"id\":\"%s\"}", object),
                          NULL};
    char *output;
    int status = tk_run(argv, NULL, 20000, &output);
    ck_assert_msg(status == 0, "%d: %s", status, output);
    ck_assert_msg(strstr(output, tk_text("\"port\":%d", 17890 + s->offset)), "%s", output);
    free(output);
}

START_TEST(a_suite_answers_look_ups_and_stops_cleanly)
{
    struct suite s = start(tk_dir());
    assert_finds_itself(&s);
    ck_assert_int_eq(tk_http((uint16_t)(9280 + s.offset), "GET", "/readyz", NULL, NULL), 200);
    ck_assert_int_eq(tk_http((uint16_t)(17892 + s.offset), "GET", "/readyz", NULL, NULL), 200);
    ck_assert_int_eq(tk_http((uint16_t)(9200 + s.offset), "GET", "/", NULL, NULL), 200);
    ck_assert_int_eq(tk_stop(s.process, 40000), 0);
    ck_assert(!tk_port_open((uint16_t)(17890 + s.offset)));
    ck_assert(!tk_port_open((uint16_t)(9200 + s.offset)));
}
END_TEST

START_TEST(two_suites_side_by_side_know_only_themselves)
{
    struct suite a = start(tk_dir()), b = start(tk_dir());
    assert_finds_itself(&a);
    assert_finds_itself(&b);
    ck_assert_int_eq(tk_stop(a.process, 40000), 0);
    assert_finds_itself(&b);
    ck_assert_int_eq(tk_stop(b.process, 40000), 0);
}
END_TEST

START_TEST(a_suite_comes_back_on_its_data)
{
    const char *data = tk_dir();
    struct suite first = start(data);
    ck_assert_int_eq(tk_stop(first.process, 40000), 0);
    struct suite again = start(data);
    assert_finds_itself(&again);
    ck_assert_int_eq(tk_stop(again.process, 40000), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("up_suite");
    TCase *tc = tcase_create("up_suite");
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, a_suite_answers_look_ups_and_stops_cleanly);
    tcase_add_test(tc, two_suites_side_by_side_know_only_themselves);
    tcase_add_test(tc, a_suite_comes_back_on_its_data);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
