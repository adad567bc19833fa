/* SPDX-License-Identifier: BSD-3-Clause */
/* What people are told about each kind of mistake in a .tars file, and hostile sources. */
#include <check.h>
#include <idl/idl.h>
#include <stdlib.h>
#include <time.h>

#include "testkit.h"

/* What is printed about a source; to be freed. `*errors` counts the errors. */
static char *messages(struct tars_str source, size_t *errors)
{
    struct idl *idl = idl_new();
    struct tars_error error;
    char *text = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&text, &len);
    (void)idl_read_text(idl, "a.tars", source, &error);
    idl_print(idl, memory);
    fclose(memory);
    *errors = idl_errors(idl);
    idl_free(idl);
    return text;
}

/* The body of a module, and the first error and note that it gives. */
static const struct mistake {
    const char *source, *says;
} mistakes[] = {
    {"struct S { 0 require Nope n; };", "there is no type 'Nope' here"},
    {"struct S { 0 require vector<Nope> n; };", "there is no type 'Nope' here"},
    {"struct S { 0 require Other::Nope n; };", "there is no type 'Other::Nope' here"},
    {"struct S { 0 require unsigned long n; };", "expected byte, short or int after unsigned"},
    {"const int C = 1; struct S { 0 require C n; };", "'C' is a constant, not a type"},
    {"interface I { void f(); }; struct S { 0 require I n; };", "'I' is an interface, not a type"},
    {"struct S { 0 require int a; 0 require int b; };", "tag 0 of 'b' is taken"},
    {"struct S { 0 require int a; 1 require int a; };", "struct S has two members 'a'"},
    {"struct S { 256 require int a; };", "tag 256 is not within 0 to 255"},
    {"struct S { -1 require int a; };", "tag -1 is not within 0 to 255"},
    {"struct S { 0 int a; };", "expected 'require' or 'optional', found 'int'"},
    {"struct S { 0 require int; };", "expected a member's name, found ';'"},
    {"struct S { 0 require int struct; };",
     "'struct' is a word of the language and cannot be a member's name"},
    {"struct S { 0 require int a };", "expected ';' after the member, found '}'"},
    {"struct S { 0 require S a; };", "struct S contains itself"},
    {"struct S {}; struct S {};", "'S' is declared twice in module M"},
    {"struct S {}; enum S { A };", "'S' is declared twice in module M"},
    {"enum E { A, A };", "enum E has two members 'A'"},
    {"enum E { A = 2147483648 };", "the value of an enum's member is a number of 32 bits"},
    {"enum E { };", "enum E has no members"},
    {"struct S { 0 optional byte a = 128; };", "128 does not fit into 'byte'"},
    {"struct S { 0 optional unsigned byte a = -1; };", "-1 does not fit into 'unsigned byte'"},
    {"struct S { 0 optional short a = 40000; };", "40000 does not fit into 'short'"},
    {"struct S { 0 optional int a = 2147483648; };", "2147483648 does not fit into 'int'"},
    {"struct S { 0 optional long a = 9223372036854775808; };", "does not fit into 64 bits"},
    {"struct S { 0 optional float a = 1e39; };", "1e39 does not fit into 'float'"},
    {"const double C = -1e999;", "-1e999 does not fit into 'double'"},
    {"struct S { 0 optional int a = 1.5; };", "this value is not one of type 'int'"},
    {"struct S { 0 optional int a = \"x\"; };", "this value is not one of type 'int'"},
    {"struct S { 0 optional bool a = 2; };", "2 does not fit into 'bool'"},
    {"struct S { 0 optional string a = 5; };", "this value is not one of type 'string'"},
    {"struct S { 0 optional int a = NOPE; };", "there is no constant or enum member 'NOPE' here"},
    {"struct S { 0 optional vector<int> a = 1; };",
     "a member of type 'vector<int>' cannot have a default"},
    {"struct S { 0 optional int a = 1x; };", "'1x' is not a number"},
    {"struct S { 0 optional string a = \"x; };\n};", "this string has no closing quote"},
    {"const int C = \"x\";", "this value is not one of type 'int'"},
    {"const int C;", "expected '=' and the constant's value"},
    {"key[Nope, a];", "key[…] of 'Nope', which is no struct above it"},
    {"struct S { 0 require int a; }; key[S];", "expected ',' and the members of the key"},
    {"struct S { 0 require int a; }; key[S, b];", "struct S has no member 'b'"},
    {"struct S { 0 require map<vector<int>, int> a; };", "a vector cannot be the key of a map"},
    {"struct S { 0 require map<map<int, int>, int> a; };", "a map cannot be the key of a map"},
    {"struct S { 0 require map<int> a; };", "expected ',' between key and value of the map"},
    {"struct S { 0 require int a[0]; };", "expected the size of the array, a positive number"},
    {"interface I { void f(); void f(); };", "interface I has two functions 'f'"},
    {"interface I { void f(int a, out int a); };", "f has two parameters 'a'"},
    {"interface I { f(); };", "expected a function's name"},
    {"interface I { void f(int); };", "expected a parameter's name, found ')'"},
    {"interface I { void f(int a };", "expected ',' or ')' after the parameter"},
    {"union U {};", "expected struct, enum, const, key or interface, found 'union'"},
    {"struct S { 0 require int a; }; $", "'$' does not belong here"},
    {"/* never closed", "this comment has no end"},
};

static const char *in_module(const char *body)
{
    return tk_text("module M\n{\n    %s\n};\n", body);
}

START_TEST(each_mistake_is_named_where_it_stands)
{
    size_t errors;
    const struct mistake *m = &mistakes[_i];
    char *text = messages(tars_str(in_module(m->source)), &errors);
    ck_assert_msg(errors > 0, "no error for: %s", m->source);
    ck_assert_msg(strstr(text, m->says) != NULL, "%s\nshould say: %s\nsays: %s", m->source, m->says,
                  text);
    ck_assert_msg(strncmp(text, "a.tars:", 7) == 0 && strstr(text, "^\n"), "%s", text);
    free(text);
}
END_TEST

START_TEST(a_broken_declaration_does_not_hide_the_mistakes_below_it)
{
    size_t errors;
    char *text = messages(tars_str("module M\n"
                                   "{\n"
                                   "    struct A { 0 require Nope n; };\n"
                                   "    enum B { , };\n"
                                   "    struct C { 0 require int x; 0 require int y; };\n"
                                   "    interface D { void f(Lost a); };\n"
                                   "};\n"),
                          &errors);
    ck_assert_str_eq(text, "a.tars:4:14: error: expected an enum member's name, found ','\n"
                           "        enum B { , };\n"
                           "                 ^\n"
                           "a.tars:3:26: error: there is no type 'Nope' here\n"
                           "        struct A { 0 require Nope n; };\n"
                           "                             ^\n"
                           "a.tars:5:47: error: tag 0 of 'y' is taken\n"
                           "        struct C { 0 require int x; 0 require int y; };\n"
                           "                                                  ^\n"
                           "a.tars:5:30: note: by 'x'\n"
                           "        struct C { 0 require int x; 0 require int y; };\n"
                           "                                 ^\n"
                           "a.tars:6:26: error: there is no type 'Lost' here\n"
                           "        interface D { void f(Lost a); };\n"
                           "                             ^\n");
    ck_assert_uint_eq(errors, 4);
    free(text);
}
END_TEST

START_TEST(a_mistake_at_the_end_of_a_module_leaves_the_next_one_alone)
{
    size_t errors;
    char *text = messages(tars_str("module M\n{\n    typedef int T;\n};\n"
                                   "module N\n{\n    module O { };\n};\n"
                                   "module P { struct A { 0 require Nope n; }; };\n"),
                          &errors);
    ck_assert_msg(errors == 3, "%s", text);
    ck_assert_msg(strstr(text, "a.tars:9:33: error: there is no type 'Nope' here"), "%s", text);
    free(text);
}
END_TEST

/* ---- what is no mistake
 * -------------------------------------------------------------------------- */

static const char *const accepted[] = {
    "module M { struct S { 0 require int a; } };",
    "module M { struct S { 0 require int a; }; }",
    "module M { struct A { 0 require int a; }; }; module M { struct B { 0 require A a; }; };",
    "module M { struct A { 0 require int a; }; }; module N { struct B { 0 require M::A a; }; };",
    "module M { enum E { A, B, }; struct S { 0 optional E e = B; 1 optional E f = E::A; }; };",
    "module M { struct S { 0 optional vector<S> list; 1 optional map<string, S> m; }; };",
    "module M { struct S { 0 require int class; 1 require int new; 2 require int return; }; };",
    "module M { interface I { void delete(int default, out int register); }; };",
    "module M { struct S { 0 optional int a = 0x7f; 1 optional double b = -1e3; }; };",
    "module M { struct S { 0 require int key; 1 require int out; }; };",
    "module M { interface I { int f(routekey string a, out int b); }; };",
    "module M { interface I { int f(int a[3], byte *b, out string c:32); }; };",
    "module M { struct S { 0 optional string:32 a; 1 optional int b:4; 2 optional byte *c; }; };",
    "module M { struct S { 0 optional float a = .5; 1 optional double b = -.5e3; }; };",
    "module M { struct S { 0 require int a; }; key[M::S, a]; };",
    "\xef\xbb\xbfmodule M { };",
    "",
    "// only a comment",
    ";;;",
};

START_TEST(what_other_generators_take_is_taken)
{
    size_t errors;
    char *text = messages(tars_str(accepted[_i]), &errors);
    ck_assert_msg(errors == 0, "%s\n%s", accepted[_i], text);
    free(text);
}
END_TEST

START_TEST(warnings_can_be_turned_off_and_errors_stay)
{
    struct idl *idl = idl_new();
    struct tars_error error;
    idl_hide_warnings(idl);
    const char *source = "module M { struct S { 0 require unsigned int a; 0 require int b; }; };";
    ck_assert_ptr_nonnull(idl_read_text(idl, "a.tars", tars_str(source), &error));
    ck_assert_uint_eq(idl_warnings(idl), 0);
    ck_assert_uint_eq(idl_errors(idl), 1);
    idl_free(idl);
}
END_TEST

/* ---- several files
 * ------------------------------------------------------------------------------- */

/* Reads a file of a new folder; what was said is in `*said`, to be freed. */
static bool read_file(const char *dir, const char *name, const char *include, char **said)
{
    struct idl *idl = idl_new();
    struct tars_error error = {.text = ""};
    size_t len = 0;
    FILE *memory = open_memstream(said, &len);
    if (include)
        idl_add_path(idl, include);
    bool ok = idl_read(idl, tk_text("%s/%s", dir, name), &error) != NULL;
    idl_print(idl, memory);
    fputs(error.text, memory);
    fclose(memory);
    ok = ok && idl_errors(idl) == 0;
    idl_free(idl);
    return ok;
}

static const char *files(const char *a, const char *b, const char *c)
{
    const char *dir = tk_dir();
    tk_write_file(tk_text("%s/A.tars", dir), a);
    tk_write_file(tk_text("%s/B.tars", dir), b);
    tk_write_file(tk_text("%s/C.tars", dir), c);
    return dir;
}

START_TEST(a_circle_of_includes_is_refused)
{
    char *said;
    const char *dir = files("#include \"B.tars\"\nmodule A { };\n", "#include \"C.tars\"\n",
                            "#include \"A.tars\"\n");
    ck_assert(!read_file(dir, "A.tars", NULL, &said));
    ck_assert_msg(strstr(said, "'A.tars' includes itself, directly or through others") != NULL,
                  "%s", said);
    free(said);
}
END_TEST

START_TEST(a_file_that_is_included_twice_is_read_once)
{
    char *said;
    const char *dir = files("#include \"B.tars\"\n#include \"C.tars\"\n"
                            "module M { struct A { 0 require X x; 1 require B b; }; };\n",
                            "#include \"C.tars\"\nmodule M { struct B { 0 require X x; }; };\n",
                            "module M { struct X { 0 require int x; }; };\n");
    ck_assert_msg(read_file(dir, "A.tars", NULL, &said), "%s", said);
    free(said);
}
END_TEST

START_TEST(a_file_that_is_included_under_two_spellings_is_read_once)
{
    char *said;
    const char *dir = files("#include \"./B.tars\"\n#include \"./././C.tars\"\n"
                            "module M { struct A { 0 require X x; 1 require B b; }; };\n",
                            "#include \"C.tars\"\nmodule M { struct B { 0 require X x; }; };\n",
                            "module M { struct X { 0 require int x; }; };\n");
    ck_assert_msg(read_file(dir, "A.tars", NULL, &said), "%s", said);
    free(said);
    tk_write_file(tk_text("%s/C.tars", dir), "#include \"./A.tars\"\n");
    ck_assert(!read_file(dir, "A.tars", NULL, &said));
    ck_assert_msg(strstr(said, "'./A.tars' includes itself") != NULL, "%s", said);
    free(said);
}
END_TEST

START_TEST(missing_includes_are_shown_where_they_stand_with_the_mistakes_below)
{
    char *said;
    const char *dir = files("#include \"No.tars\"\n#include \"Nor.tars\"\n"
                            "module M { struct A { x require int x; }; };\n",
                            "", "");
    ck_assert(!read_file(dir, "A.tars", NULL, &said));
    ck_assert_msg(strstr(said, "A.tars:1:10: error: there is no file 'No.tars'") != NULL, "%s",
                  said);
    ck_assert_msg(strstr(said, "A.tars:2:10: error: there is no file 'Nor.tars'") != NULL, "%s",
                  said);
    ck_assert_msg(strstr(said, "A.tars:3:23: error: expected a member's tag") != NULL, "%s", said);
    free(said);
}
END_TEST

START_TEST(an_included_file_is_looked_for_in_the_folders_given)
{
    char *said;
    const char *dir = files("#include \"Far.tars\"\nmodule M { struct A { 0 require F f; }; };\n",
                            "", "");
    const char *far = tk_dir();
    tk_write_file(tk_text("%s/Far.tars", far), "module M { struct F { 0 require int a; }; };\n");
    ck_assert(!read_file(dir, "A.tars", NULL, &said));
    ck_assert_msg(strstr(said, "there is no file 'Far.tars'") != NULL, "%s", said);
    free(said);
    ck_assert_msg(read_file(dir, "A.tars", far, &said), "%s", said);
    free(said);
}
END_TEST

START_TEST(a_type_is_seen_only_through_an_include)
{
    char *said;
    const char *dir = files("#include \"B.tars\"\n#include \"C.tars\"\n",
                            "module M { struct Same { 0 require int a; }; };\n",
                            "module M { struct C { 0 require Same s; }; };\n");
    ck_assert(!read_file(dir, "A.tars", NULL, &said));
    ck_assert_msg(strstr(said, "there is no type 'Same' here") != NULL, "%s", said);
    free(said);
}
END_TEST

START_TEST(files_that_do_not_see_each_other_may_use_the_same_names)
{
    char *said;
    const char *dir = files("#include \"B.tars\"\n#include \"C.tars\"\n",
                            "module M { struct Same { 0 require int a; }; };\n",
                            "module M { struct Same { 0 require int b; };\n"
                            "struct C { 0 require Same s; }; key[Same, b]; };\n");
    ck_assert_msg(read_file(dir, "A.tars", NULL, &said), "%s", said);
    free(said);
}
END_TEST

START_TEST(a_file_that_is_not_there_and_a_folder_are_errors)
{
    char *said;
    const char *dir = tk_dir();
    ck_assert(!read_file(dir, "Nothing.tars", NULL, &said));
    ck_assert_msg(strstr(said, "Nothing.tars: cannot open: No such file") != NULL, "%s", said);
    free(said);
    ck_assert(!read_file(dir, ".", NULL, &said));
    free(said);
}
END_TEST

/* ---- hostile sources
 * ----------------------------------------------------------------------------- */

static char *repeated(const char *before, const char *piece, size_t times, const char *after)
{
    size_t len = strlen(piece);
    char *text = malloc(strlen(before) + len * times + strlen(after) + 1), *at = text;
    at = stpcpy(at, before);
    for (size_t i = 0; i < times; i++)
        at = stpcpy(at, piece);
    strcpy(at, after);
    return text;
}

START_TEST(types_inside_each_other_without_end_are_refused)
{
    size_t errors;
    char *source = repeated("module M { struct S { 0 require ", "vector<", 100000, ""), *text;
    text = messages(tars_str(source), &errors);
    ck_assert_msg(strstr(text, "more than 32 types inside each other") != NULL, "%s", text);
    free(text);
    free(source);
}
END_TEST

START_TEST(a_flood_of_mistakes_prints_a_hundred)
{
    size_t errors, lines = 0;
    char *source = repeated("", "$\n", 100000, ""), *text;
    text = messages(tars_str(source), &errors);
    ck_assert_uint_eq(errors, 100000);
    for (const char *at = text; (at = strstr(at, "error:")) != NULL; at++)
        lines++;
    ck_assert_uint_eq(lines, 100);
    ck_assert_ptr_nonnull(strstr(text, "there are more: these are the first 100"));
    free(text);
    free(source);
}
END_TEST

START_TEST(large_files_take_time_in_proportion)
{
    static const struct {
        const char *before, *piece, *after;
    } sources[] = {
        {"", "//x\n", "module M { };"},
        {"module M { /*", "\n*x", "*/ };"},
        {"module M { enum E { A", ",\nA", " }; };"},
        {"module M { struct S { ", "0 require int a;", "}; };"},
        {"module M { ", "struct S {};", "};"},
        {"module M { interface I { ", "void f();", "}; };"},
        {"", "module M { };", ""},
        {"", "{", ""},
        {"", "}", ""},
        {"module M { struct S { 0 optional string s = \"", "\\\\", "\"; }; };"},
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        size_t errors, times = 1000000 / strlen(sources[i].piece);
        char *source = repeated(sources[i].before, sources[i].piece, times, sources[i].after);
        clock_t began = clock(), took; /* of the processor: the machine may be busy */
        free(messages(tars_str(source), &errors));
        took = clock() - began;
        ck_assert_msg(took < 5 * CLOCKS_PER_SEC, "%s took %ld ms", sources[i].piece,
                      (long)(took * 1000 / CLOCKS_PER_SEC));
        free(source);
    }
}
END_TEST

START_TEST(a_file_over_one_mebibyte_is_refused)
{
    const char *dir = tk_dir();
    char *source = repeated("", "// comment\n", 100000, ""), *said;
    tk_write_file(tk_text("%s/Big.tars", dir), source);
    ck_assert(!read_file(dir, "Big.tars", NULL, &said));
    ck_assert_msg(strstr(said, "larger than 1 MiB") != NULL, "%s", said);
    free(said);
    free(source);
}
END_TEST

START_TEST(bytes_that_are_no_text_are_named)
{
    static const char source[] = "module M { \0 \xff\xfe struct S { 0 require int \0a; }; };";
    size_t errors;
    char *text = messages(tars_str_n(source, sizeof source - 1), &errors);
    ck_assert_ptr_nonnull(strstr(text, "the byte 0x00 does not belong here"));
    ck_assert_ptr_nonnull(strstr(text, "the byte 0xff does not belong here"));
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("idl_error");
    TCase *tests = tcase_create("messages");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, each_mistake_is_named_where_it_stands, 0,
                        (int)(sizeof mistakes / sizeof *mistakes));
    tcase_add_test(tests, a_broken_declaration_does_not_hide_the_mistakes_below_it);
    tcase_add_test(tests, a_mistake_at_the_end_of_a_module_leaves_the_next_one_alone);
    tcase_add_loop_test(tests, what_other_generators_take_is_taken, 0,
                        (int)(sizeof accepted / sizeof *accepted));
    tcase_add_test(tests, warnings_can_be_turned_off_and_errors_stay);
    tcase_add_test(tests, a_circle_of_includes_is_refused);
    tcase_add_test(tests, a_file_that_is_included_twice_is_read_once);
    tcase_add_test(tests, a_file_that_is_included_under_two_spellings_is_read_once);
    tcase_add_test(tests, missing_includes_are_shown_where_they_stand_with_the_mistakes_below);
    tcase_add_test(tests, an_included_file_is_looked_for_in_the_folders_given);
    tcase_add_test(tests, a_type_is_seen_only_through_an_include);
    tcase_add_test(tests, files_that_do_not_see_each_other_may_use_the_same_names);
    tcase_add_test(tests, a_file_that_is_not_there_and_a_folder_are_errors);
    tcase_add_test(tests, types_inside_each_other_without_end_are_refused);
    tcase_add_test(tests, a_flood_of_mistakes_prints_a_hundred);
    tcase_add_test(tests, large_files_take_time_in_proportion);
    tcase_add_test(tests, a_file_over_one_mebibyte_is_refused);
    tcase_add_test(tests, bytes_that_are_no_text_are_named);
    suite_add_tcase(suite, tests);
    return tk_main(suite);
}
