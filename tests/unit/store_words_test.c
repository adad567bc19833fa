/* SPDX-License-Identifier: BSD-3-Clause */
/* Words of texts as the standard analyzer finds them; regular expressions in linear time. */
#include <check.h>
#include <stdlib.h>
#include <time.h>

#include "tarselasticsearch/regex.h"
#include "tarselasticsearch/words.h"

/* All words with '|' between them; what a real server answered for the same texts. */
static void check_words(const char *text, const char *wanted)
{
    struct words words = {.text = tars_str(text)};
    struct word word;
    struct text found = {0};
    text_adds(&found, "");
    while (words_next(&words, &word)) {
        text_adds(&found, found.len ? "|" : "");
        word_add_lower(&word, &found);
    }
    ck_assert_str_eq(found.at, wanted);
    text_free(&found);
}

START_TEST(words_are_those_of_the_standard_analyzer)
{
    check_words("", "");
    check_words("The QUICK brown-fox", "the|quick|brown|fox");
    check_words("it's O\xe2\x80\x99Reilly's", "it's|o\xe2\x80\x99reilly's");
    check_words("1,234.5 a@b.com x.y foo_bar __ _", "1,234.5|a|b.com|x.y|foo_bar");
    check_words("\xe4\xb8\xad\xe5\x9b\xbd\xe4\xba\xba", "\xe4\xb8\xad|\xe5\x9b\xbd|\xe4\xba\xba");
    check_words("\xe3\x81\xb2\xe3\x82\x89", "\xe3\x81\xb2|\xe3\x82\x89");
    check_words("\xe3\x82\xab\xe3\x82\xbf\xe3\x83\xbc", "\xe3\x82\xab\xe3\x82\xbf\xe3\x83\xbc");
    check_words("\xc3\x89T\xc3\x89 \xc4\xb0", "\xc3\xa9t\xc3\xa9|i");
    check_words("\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd!", "\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd");
    /* what is no UTF-8 is no word and ends none wrongly */
    check_words("a \xff\xfe b \xe4\xb8", "a|b");
}
END_TEST

START_TEST(long_words_are_cut)
{
    char text[600];
    struct words words = {.text = tars_str_n(text, sizeof text)};
    struct word word;
    memset(text, 'x', sizeof text);
    ck_assert(words_next(&words, &word) && word.text.len == WORD_MAX);
    ck_assert(words_next(&words, &word) && word.text.len == WORD_MAX);
    ck_assert(words_next(&words, &word) && word.text.len == 600 - 2 * WORD_MAX);
    ck_assert(!words_next(&words, &word));
}
END_TEST

START_TEST(values_of_a_list_do_not_touch)
{
    struct text stream = {0};
    words_add(tars_str("A b"), &stream);
    words_add(tars_str("c"), &stream);
    ck_assert_str_eq(stream.at, "\x1f"
                                "a\x1f"
                                "b\x1f\x1e\x1f"
                                "c\x1f");
    text_free(&stream);
}
END_TEST

static bool fits(const char *pattern, const char *text, bool fold)
{
    char why[128];
    struct regex *r = regex_new(tars_str(pattern), fold, why);
    ck_assert_msg(r != NULL, "%s: %s", pattern, why);
    bool yes = regex_matches(r, tars_str(text));
    regex_free(r);
    return yes;
}

START_TEST(expressions_match_whole_texts)
{
    ck_assert(fits("a.c", "abc", false) && !fits("a.c", "abcd", false));
    ck_assert(fits("a.c",
                   "a\xe4\xb8\xad"
                   "c",
                   false));
    ck_assert(fits("(ab|cd)+", "abcdab", false) && !fits("(ab|cd)+", "", false));
    ck_assert(fits("a{2,3}", "aaa", false) && !fits("a{2,3}", "aaaa", false) &&
              fits("a{2,}", "aaaaa", false) && !fits("a{2}", "a", false));
    ck_assert(fits("[^a-c]+", "xyz", false) && !fits("[^a-c]+", "xaz", false));
    ck_assert(fits("\\d+\\.\\d*", "12.", false) && fits("\"a.b\"", "a.b", false) &&
              !fits("\"a.b\"", "axb", false));
    ck_assert(fits("ERR@", "error", true) && !fits("ERR@", "error", false));
    ck_assert(fits("", "", false) && fits("()", "", false) && !fits("#", "", false));
}
END_TEST

START_TEST(malformed_expressions_are_refused)
{
    static const char *const bad[] = {"(a",   "a)",     "[a", "[]",    "[z-a]", "*",
                                      "a{x}", "a{3,2}", "\\", "\"abc", "~a",    "a&b"};
    char why[128];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!regex_new(tars_str(bad[i]), false, why), "%s", bad[i]);
        ck_assert(*why);
    }
    ck_assert(!regex_new(tars_str("((a{100}){100}){100}"), false, why));
}
END_TEST

/* What takes others 2^n steps. */
START_TEST(no_expression_stalls)
{
    char text[2000];
    char why[128];
    memset(text, 'a', sizeof text);
    struct regex *r = regex_new(tars_str("(a|a|aa)*(a*)*b"), false, why);
    ck_assert(r != NULL);
    clock_t before = clock();
    ck_assert(!regex_matches(r, tars_str_n(text, sizeof text)));
    ck_assert(clock() - before < 2 * CLOCKS_PER_SEC);
    regex_free(r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_words");
    TCase *tests = tcase_create("all");
    tcase_add_test(tests, words_are_those_of_the_standard_analyzer);
    tcase_add_test(tests, long_words_are_cut);
    tcase_add_test(tests, values_of_a_list_do_not_touch);
    tcase_add_test(tests, expressions_match_whole_texts);
    tcase_add_test(tests, malformed_expressions_are_refused);
    tcase_add_test(tests, no_expression_stalls);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
