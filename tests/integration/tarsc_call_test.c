/* SPDX-License-Identifier: BSD-3-Clause */
/* tarsc call as a person uses it: against a server on libtars, in each version, and its errors. */
#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "Vectors.h"
#include "serverkit.h"
#include "testkit.h"

static struct tars_server *server;
static atomic_int nops;

static int32_t add(struct tars_call *call, int32_t a, int32_t b, int32_t *sum)
{
    (void)call;
    *sum = a + b;
    return 7;
}

/* The text and what came in the context under "color". */
static void echo(struct tars_call *call, struct tars_str s, struct tars_str_map *ctx,
                 struct tars_str *ret)
{
    struct tars_str color = tars_call_context(call, "color");
    ctx->at = tars_call_alloc(call, sizeof *ctx->at);
    ctx->at[0] = (struct tars_str_pair){tars_str("color"), color};
    ctx->len = 1;
    *ret = s;
}

static void mirror(struct tars_call *call, const struct app_point *p, bool neg,
                   struct app_point_list *hist, struct app_point *ret)
{
    *ret = neg ? (struct app_point){-p->x, -p->y} : *p;
    hist->at = tars_call_alloc(call, sizeof *hist->at);
    hist->at[0] = *p;
    hist->len = 1;
}

static int32_t slow(struct tars_call *call, int32_t ms)
{
    (void)call;
    tk_sleep(ms);
    return 0;
}

static void nop(struct tars_call *call)
{
    if (tars_call_one_way(call))
        atomic_fetch_add(&nops, 1);
}

/* `blob` has no handler. */
static const struct app_calc handlers = {
    .add = add, .echo = echo, .mirror = mirror, .fail = slow, .nop = nop};

static void open_server(void)
{
    struct tars_error error;
    struct tars_conf *conf = sk_conf(tk_text("tcp -h 127.0.0.1 -p %u -t 60000", tk_free_port()), "",
                                     "");
    server = tars_server_new_conf(conf);
    tars_conf_free(conf);
    app_calc_serve(server, "ShapesObj", &handlers, NULL);
    app_calc_serve(server, "DatagramObj", &handlers, NULL);
    ck_assert_msg(tars_server_start(server, &error), "%s", error.text);
}

static void close_server(void)
{
    tars_server_stop(server, 1000);
    tars_server_free(server);
}

/* What a command of the shell prints, and its exit status in brackets behind it. */
static const char *shell(const char *command)
{
    static char said[16384];
    FILE *pipe = popen(tk_text("{ %s; } 2>&1; echo \"[$?]\"", command), "r");
    ck_assert_ptr_nonnull(pipe);
    size_t len = fread(said, 1, sizeof said - 1, pipe);
    said[len] = '\0';
    pclose(pipe);
    return said;
}

/* tarsc call with the server's object: OPTIONS OBJECT REST. */
static const char *call(const char *options, const char *rest)
{
    return shell(tk_text("%s call --tars tests/unit/Vectors.tars %s "
                         "'Demo.ShapeServer.ShapesObj@tcp -h 127.0.0.1 -p %u' %s",
                         tk_program("tarsc"), options, sk_port(server), rest));
}

static void says(const char *said, const char *what, int status)
{
    ck_assert_msg(strstr(said, what) != NULL, "wanted: %s\ngot: %s", what, said);
    ck_assert_msg(strstr(said, tk_text("[%d]\n", status)) != NULL, "wanted %d, got: %s", status,
                  said);
}

START_TEST(a_call_prints_the_answer_as_json_in_every_version)
{
    static const char *const versions[] = {"", "--tup", "--json"};
    const char *said = call(versions[_i], "add '{\"a\": 40, \"b\": 2}'");
    says(said, "\"tars_ret\":7", 0);
    says(said, "\"sum\":42", 0);
    said = call(versions[_i], "mirror '{\"p\": {\"x\": 3, \"y\": -4}, \"neg\": true}'");
    says(said, "\"tars_ret\":{\"x\":-3,\"y\":4}", 0);
    says(said, "\"hist\":[{\"x\":3,\"y\":-4}]", 0);
}
END_TEST

START_TEST(a_context_goes_along)
{
    const char *said = call("--context color=blue --context other=1", "echo '{\"s\": \"hi\"}'");
    says(said, "\"ctx\":{\"color\":\"blue\"}", 0);
    says(said, "\"tars_ret\":\"hi\"", 0);
}
END_TEST

START_TEST(arguments_come_from_standard_input)
{
    says(shell(tk_text("echo '{\"a\": 1, \"b\": 2}' | %s call --tars tests/unit/Vectors.tars "
                       "'Demo.ShapeServer.ShapesObj@tcp -h 127.0.0.1 -p %u' add -",
                       tk_program("tarsc"), sk_port(server))),
         "\"sum\":3", 0);
}
END_TEST

START_TEST(a_one_way_call_prints_nothing_and_arrives)
{
    ck_assert_str_eq(call("--one-way", "nop"), "[0]\n");
    ck_assert(tk_eventually(atomic_load(&nops) == 1, 5000));
}
END_TEST

START_TEST(a_call_that_takes_too_long_fails)
{
    int64_t began = tk_ms();
    says(call("--timeout 200", "fail '{\"code\": 2000}'"), "tarsc call: ", 1);
    ck_assert_int_lt(tk_ms() - began, 1900);
}
END_TEST

START_TEST(a_function_without_a_handler_and_a_dead_server_fail)
{
    says(call("", "blob '{\"b\": [1, -1, 255]}'"), "tarsc call: ", 1);
    says(shell(tk_text("%s call --tars tests/unit/Vectors.tars "
                       "'Demo.ShapeServer.ShapesObj@tcp -h 127.0.0.1 -p %u' nop",
                       tk_program("tarsc"), tk_free_port())),
         "tarsc call: ", 1);
}
END_TEST

static const struct {
    const char *options, *rest, *says;
    int status;
} wrong[] = {
    {"", "add '{\"a\": 1}'", "parameter 'b' of add is missing", 3},
    {"", "add '{\"a\": 1, \"b\": 2, \"c\": 3}'", "add has no such parameter", 3},
    {"", "add '{\"a\": 1, \"b\": 3000000000}'", "b: ", 3},
    {"", "add '{\"a\": 1, \"b\": \"x\"}'", "b: ", 3},
    {"", "mirror '{\"p\": {\"x\": 1}, \"neg\": true}'", "member 'y' is missing", 3},
    {"", "add '{\"a\": 1'", "the arguments: ", 3},
    {"--json", "add '{\"a\": 1, \"b\": 1.5}'", "b: ", 3},
    {"", "subtract", "has no function 'subtract'", 3},
    {"--interface Nope", "add", "has no function 'add'", 3},
    {"--timeout 0", "nop", "--timeout wants", 2},
    {"--timeout 1x", "nop", "--timeout wants", 2},
    {"--context color", "nop", "--context wants KEY=VALUE", 2},
    {"--locator x", "nop", "--locator wants OBJECT@ENDPOINT", 2},
    {"--locator 'A.B.C@tcp -h 1 -p x'", "nop", "--locator wants OBJECT@ENDPOINT", 2},
    {"--nope", "nop", "that option is not known", 2},
    {"", "", "are wanted", 2},
    {"", "add '{}' more", "are wanted", 2},
    {"--tars tests/unit/Nothing.tars", "add", "Nothing.tars: cannot open", 3},
};

START_TEST(what_does_not_fit_is_said_before_anything_is_sent)
{
    says(call(wrong[_i].options, wrong[_i].rest), wrong[_i].says, wrong[_i].status);
}
END_TEST

START_TEST(list_shows_the_functions_of_a_file_and_of_the_frameworks_objects)
{
    says(shell(tk_text("%s call --tars tests/unit/Vectors.tars --list Demo.A.B",
                       tk_program("tarsc"))),
         "  App::Point mirror(App::Point p, bool neg, out vector<App::Point> hist)\n", 0);
    says(shell(tk_text("%s call --list tars.tarsregistry.QueryObj", tk_program("tarsc"))),
         "findObjectById4Any(string id, out vector<tars::EndpointF> activeEp", 0);
    says(shell(tk_text("%s call --list Demo.A.B", tk_program("tarsc"))), "--tars FILE", 3);
}
END_TEST

/* A file of one's own that includes the interfaces: they are called through it. */
START_TEST(functions_of_included_files_are_found)
{
    const char *folder = tk_dir(), *file = tk_text("%s/Mine.tars", folder);
    tk_write_file(file, "#include \"Vectors.tars\"\n"
                        "module Mine { interface Own { int add(int a, int b, out int sum);\n"
                        "int own(int a); }; };\n");
    const char *with = tk_text("-I tests/unit --tars %s", file);
    says(call(with, "mirror '{\"p\": {\"x\": 3, \"y\": -4}, \"neg\": true}'"),
         "\"tars_ret\":{\"x\":-3,\"y\":4}", 0);
    says(call(with, "add '{\"a\": 40, \"b\": 2}'"), "\"sum\":42", 0); /* its own comes first */
    says(call(tk_text("%s --interface Calc", with), "add '{\"a\": 40, \"b\": 2}'"), "\"sum\":42",
         0);
    says(call(with, "nope"), "has no function 'nope'", 3);
    says(shell(tk_text("%s call %s --list Demo.A.B", tk_program("tarsc"), with)),
         "  App::Point mirror(App::Point p", 0);
    says(shell(tk_text("%s call %s --list Demo.A.B", tk_program("tarsc"), with)), "Mine.Own (", 0);
}
END_TEST

START_TEST(included_files_are_found_in_the_folders_given)
{
    const char *dir = tk_dir(), *far = tk_dir();
    tk_write_file(tk_text("%s/Far.tars", far), "module M { struct F { 0 require int a; }; };\n");
    tk_write_file(tk_text("%s/I.tars", dir),
                  "#include \"Far.tars\"\nmodule M { interface I { void f(F f); }; };\n");
    says(shell(
             tk_text("%s call --tars %s/I.tars -I %s --list A.B.C", tk_program("tarsc"), dir, far)),
         "  void f(M::F f)", 0);
    says(shell(tk_text("%s call --tars %s/I.tars --list A.B.C", tk_program("tarsc"), dir)),
         "Far.tars", 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tarsc_call");
    TCase *tests = tcase_create("call");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, open_server, close_server);
    tcase_add_loop_test(tests, a_call_prints_the_answer_as_json_in_every_version, 0, 3);
    tcase_add_test(tests, a_context_goes_along);
    tcase_add_test(tests, arguments_come_from_standard_input);
    tcase_add_test(tests, a_one_way_call_prints_nothing_and_arrives);
    tcase_add_test(tests, a_call_that_takes_too_long_fails);
    tcase_add_test(tests, a_function_without_a_handler_and_a_dead_server_fail);
    tcase_add_loop_test(tests, what_does_not_fit_is_said_before_anything_is_sent, 0,
                        (int)(sizeof wrong / sizeof *wrong));
    tcase_add_test(tests, list_shows_the_functions_of_a_file_and_of_the_frameworks_objects);
    tcase_add_test(tests, functions_of_included_files_are_found);
    tcase_add_test(tests, included_files_are_found_in_the_folders_given);
    suite_add_tcase(suite, tests);
    return tk_main(suite);
}
