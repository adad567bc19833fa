/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <idl/idl.h>
#include <stdlib.h>

#include "testkit.h"

/* Reads a text and gives what is printed about it; to be freed. */
static char *messages(const char *source, size_t *errors)
{
    struct idl *idl = idl_new();
    struct tars_error error = {0};
    char *text = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&text, &len);

    ck_assert_ptr_nonnull(idl_read_text(idl, "a.tars", tars_str(source), &error));
    idl_print(idl, memory);
    fclose(memory);
    *errors = idl_errors(idl);
    idl_free(idl);
    return text;
}

static void check_messages(const char *source, size_t count, const char *expected)
{
    size_t errors;
    char *text = messages(source, &errors);

    ck_assert_str_eq(text, expected);
    ck_assert_uint_eq(errors, count);
    free(text);
}

static void check_mentions(const char *source, size_t count, const char *part)
{
    size_t errors;
    char *text = messages(source, &errors);

    ck_assert_msg(strstr(text, part) != NULL, "no '%s' in:\n%s", part, text);
    ck_assert_uint_eq(errors, count);
    free(text);
}

START_TEST(a_message_shows_place_line_and_caret)
{
    check_messages("module M\n{\n    struct S\n    {\n\t0 require Strang s;\n    };\n};\n", 1,
                   "a.tars:5:12: error: there is no type 'Strang' here\n"
                   "    \t0 require Strang s;\n"
                   "    \t          ^\n");
}
END_TEST

START_TEST(the_caret_stands_below_the_place_behind_wide_characters)
{
    check_messages(
        "module M { /* \xe4\xb8\xad\xe6\x96\x87 \xc3\xa9 */ struct S { 0 require No s; }; };", 1,
        "a.tars:1:49: error: there is no type 'No' here\n"
        "    module M { /* \xe4\xb8\xad\xe6\x96\x87 \xc3\xa9 */ struct S { 0 require No s; }; };\n"
        "                                                 ^\n");
}
END_TEST

START_TEST(several_mistakes_are_reported_in_one_run)
{
    size_t errors;
    char *text = messages("module M {\n"
                          "struct S { 0 require int; 300 require int b; 2 require int c; };\n"
                          "struct T { 0 require Nothing n; };\n"
                          "enum E { A = 99999999999 };\n"
                          "};\n",
                          &errors);

    ck_assert_uint_eq(errors, 4);
    ck_assert_ptr_nonnull(strstr(text, "a.tars:2:25: error: "));
    ck_assert_ptr_nonnull(strstr(text, "a.tars:2:27: error: "));
    ck_assert_ptr_nonnull(strstr(text, "a.tars:3:22: error: "));
    ck_assert_ptr_nonnull(strstr(text, "a.tars:4:14: error: "));
    free(text);
}
END_TEST

START_TEST(a_tag_used_twice_names_both_members)
{
    check_mentions("module M { struct S { 1 require int a; 1 require int b; }; };", 1,
                   "tag 1 of 'b' is taken");
    check_mentions("module M { struct S { 1 require int a; 1 require int b; }; };", 1,
                   "note: by 'a'");
}
END_TEST

START_TEST(a_struct_that_holds_itself_is_refused)
{
    check_mentions("module M { struct S { 0 optional S s; }; };", 1, "contains itself");
    check_mentions("module M { struct S { 0 optional T t; }; struct T { 0 optional S s; }; };", 1,
                   "contains itself");
    check_messages("module M { struct S { 0 optional vector<S> s; }; };", 0, "");
}
END_TEST

/* Each struct holds the one before it twice: walking every path would never end. */
START_TEST(structs_that_share_structs_are_checked_in_bounded_time)
{
    static char source[8192];
    size_t len = (size_t)sprintf(source, "module M { struct S0 { 0 require int x; };\n");

    for (int i = 1; i < 90; i++)
        len += (size_t)sprintf(source + len, "struct S%d { 0 require S%d a; 1 require S%d b; };\n",
                               i, i - 1, i - 1);
    strcpy(source + len, "};\n");
    check_messages(source, 0, "");
}
END_TEST

START_TEST(more_structs_inside_each_other_than_a_reader_takes_are_refused)
{
    static char source[16384];
    size_t len = (size_t)sprintf(source, "module M {\n");

    for (int i = 200; i > 0; i--)
        len += (size_t)sprintf(source + len, "struct S%d { 0 require S%d a; };\n", i, i - 1);
    strcpy(source + len, "struct S0 { 0 require int x; }; };\n");
    check_mentions(source, 2, "more than 100 structs inside each other");
}
END_TEST

/* The value of the constant C of a module. */
static const struct idl_value *constant(struct idl *idl, const char *type, const char *text)
{
    struct tars_error error;
    char source[128];

    snprintf(source, sizeof source, "module M { const %s C = %s; };", type, text);
    ck_assert_ptr_nonnull(idl_read_text(idl, text, tars_str(source), &error));
    const struct idl_decl *decl = idl_files(idl)->decls;
    ck_assert_msg(idl_errors(idl) == 0, "%s", source);
    return &decl->value;
}

START_TEST(numbers_are_read_as_tars2cpp_reads_them)
{
    static const struct {
        const char *text;
        int64_t value;
    } cases[] = {{"0x1F", 31}, {"010", 8}, {"-017", -15}, {"08", 8},
                 {"+7", 7},    {"000", 0}, {"-0x10", -16}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct idl *idl = idl_new();
        ck_assert_int_eq(constant(idl, "int", cases[i].text)->integer, cases[i].value);
        idl_free(idl);
    }
}
END_TEST

START_TEST(strings_have_the_escapes_of_c)
{
    static const char text[] = "a\"b\\c?=A\n\001\0\377"
                               "8";
    struct idl *idl = idl_new();
    const struct idl_value *value = constant(idl, "string",
                                             "\"a\\\"b\\\\c\\?=\\x41\\n\\1\\0\\3778\"");

    ck_assert(tars_str_equal(value->text, tars_str_n(text, sizeof text - 1)));
    idl_free(idl);
}
END_TEST

START_TEST(arrays_and_pointers_are_vectors)
{
    struct idl *idl = idl_new();
    struct tars_error error;
    const struct idl_file *file = idl_read_text(
        idl, "a.tars",
        tars_str("module M { struct S { 0 require byte *a; 1 require int b[3]; }; };"), &error);
    const struct idl_member *a = file->decls->members;

    ck_assert_int_eq(a->type->kind, IDL_BYTES);
    ck_assert_int_eq(a->next->type->kind, IDL_LIST);
    ck_assert_uint_eq(a->next->type->max, 3);
    idl_free(idl);
}
END_TEST

START_TEST(what_other_sdks_read_differently_is_warned_about)
{
    check_mentions("module M { const int C = 010; };", 0, "octal");
    check_mentions("module M { interface I { int f(out int tars_ret); }; };", 0, "return value");
    check_mentions("module M { struct S { 0 require vector<bool> v; }; };", 0, "tars2cpp");
    check_mentions("module M { struct S { 0 require unsigned int v; }; };", 0, "tars2go");
    check_mentions("module M { struct S { 0 require int p; }; };", 0, "'p' breaks");
    check_mentions("module M { enum E { A = 3, B }; };", 0, "TarsJava");
    check_mentions("module M { struct S { 0 optional float f = 1.5; }; };", 0, "0.000001");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("idl");
    TCase *tc = tcase_create("idl");

    tcase_add_test(tc, a_message_shows_place_line_and_caret);
    tcase_add_test(tc, the_caret_stands_below_the_place_behind_wide_characters);
    tcase_add_test(tc, several_mistakes_are_reported_in_one_run);
    tcase_add_test(tc, a_tag_used_twice_names_both_members);
    tcase_add_test(tc, a_struct_that_holds_itself_is_refused);
    tcase_add_test(tc, structs_that_share_structs_are_checked_in_bounded_time);
    tcase_add_test(tc, more_structs_inside_each_other_than_a_reader_takes_are_refused);
    tcase_add_test(tc, numbers_are_read_as_tars2cpp_reads_them);
    tcase_add_test(tc, strings_have_the_escapes_of_c);
    tcase_add_test(tc, arrays_and_pointers_are_vectors);
    tcase_add_test(tc, what_other_sdks_read_differently_is_warned_about);
    tcase_set_timeout(tc, 20);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
