/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <tars/conf.h>

#include "base/hash.h"
#include "rows.h"
#include "testkit.h"

static struct tars_conf *parse(const char *text)
{
    struct tars_error error = {0};
    struct tars_conf *conf = tars_conf_parse(tars_str(text), &error);
    ck_assert_msg(conf != NULL, "%s\n%s", error.text, text);
    return conf;
}

static void assert_prints(const struct tars_conf *conf, const char *wanted, const char *what)
{
    struct tars_arena *arena = tars_arena_new(0);
    struct tars_error error = {0};
    struct tars_str text = {0};
    ck_assert_msg(tars_conf_print(conf, arena, &text, &error), "%s: %s", what, error.text);
    ck_assert_msg(tars_str_is(text, wanted), "%s: wrote\n%s\nnot\n%s", what, text.at, wanted);
    tars_arena_free(arena);
}

static void assert_parse_fails(struct tars_str text, const char *reason)
{
    struct tars_error error = {0};
    struct tars_conf *conf = tars_conf_parse(text, &error);
    ck_assert_ptr_null(conf);
    ck_assert_msg(strstr(error.text, reason), "'%s' does not say '%s'", error.text, reason);
}

/* ---- the vectors --------------------------------------------------------------------------------
 */

static void check_config_row(const struct row *row)
{
    const char *in = row_text(row, "in"), *out = row_text(row, "out");
    const char *ours = row_text(row, "ours");
    const char *value = row_text(row, "value");
    struct tars_error error = {0};
    struct tars_conf *conf = tars_conf_parse(tars_str(in), &error);
    if (!out && !ours) {
        ck_assert_msg(conf == NULL, "%s parses", row->name);
        ck_assert_msg(strncmp(error.text, "line ", 5) == 0, "%s: %s", row->name, error.text);
        return;
    }
    ck_assert_msg(conf != NULL, "%s: %s", row->name, error.text);
    assert_prints(conf, out ? out : ours, row->name);
    if (value)
        ck_assert_str_eq(tars_conf_get(conf, "/a<k>", "missing"), value);
    tars_conf_free(conf);
}

START_TEST(every_config_vector_reads_and_writes_as_listed)
{
    ck_assert_uint_eq(rows_each("config", check_config_row), 32);
}
END_TEST

static void check_join_row(const struct row *row)
{
    struct tars_conf *base = parse(row_text(row, "base"));
    struct tars_conf *other = parse(row_text(row, "other"));
    tars_conf_join(base, other,
                   cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row->value, "update")));
    tars_conf_free(other);
    assert_prints(base, row_text(row, "out"), row->name);
    tars_conf_free(base);
}

START_TEST(every_join_vector_merges_as_listed)
{
    ck_assert_uint_eq(rows_each("configjoin", check_join_row), 2);
}
END_TEST

/* ---- looking up ---------------------------------------------------------------------------------
 */

static const char sample[] = "<tars>\n <application>\n  enableset=n\n  <server>\n   app=App\n"
                             "   allow\n   threads=12\n   many=99999999999999999999\n   word=abc\n"
                             "   <App.Server.ObjAdapter>\n    endpoint=tcp -h a -p 1\n"
                             "   </App.Server.ObjAdapter>\n   <Other>\n   </Other>\n"
                             "  </server>\n </application>\n</tars>\n";

START_TEST(a_path_finds_a_key_or_gives_the_fallback)
{
    struct tars_conf *conf = parse(sample);
    ck_assert_str_eq(tars_conf_get(conf, "/tars/application<enableset>", "?"), "n");
    ck_assert_str_eq(tars_conf_get(conf, "/tars/application/server<allow>", "?"), "");
    ck_assert_str_eq(
        tars_conf_get(conf, "/tars/application/server/App.Server.ObjAdapter<endpoint>", "?"),
        "tcp -h a -p 1");
    ck_assert_str_eq(tars_conf_get(conf, "//tars//application/<enableset>", "?"), "n");
    ck_assert_str_eq(tars_conf_get(conf, "/tars/nowhere<app>", "?"), "?");
    ck_assert_str_eq(tars_conf_get(conf, "/tars/application/server<App>", "?"), "?");
    ck_assert_ptr_null(tars_conf_get(conf, "tars/application<enableset>", NULL));
    ck_assert_ptr_null(tars_conf_get(conf, "/tars/application<enableset", NULL));
    ck_assert_ptr_null(tars_conf_get(conf, "/tars/application", NULL));
    ck_assert(tars_conf_has(conf, "/tars/application"));
    ck_assert(tars_conf_has(conf, "/tars/application/server<allow>"));
    ck_assert(!tars_conf_has(conf, "/tars/application/server<deny>"));
    ck_assert(!tars_conf_has(conf, "/tars/applications"));
    tars_conf_free(conf);
}
END_TEST

START_TEST(keys_outside_any_domain_can_be_read)
{
    struct tars_conf *conf = parse("x=1\n<a>\n</a>\n");
    ck_assert_str_eq(tars_conf_get(conf, "/<x>", "?"), "1");
    ck_assert(tars_conf_has(conf, "/"));
    tars_conf_free(conf);
}
END_TEST

START_TEST(walking_gives_domains_keys_and_lines_in_order)
{
    struct tars_conf *conf = parse(sample);
    const char *server = "/tars/application/server";
    ck_assert_str_eq(tars_conf_domain(conf, server, 0), "App.Server.ObjAdapter");
    ck_assert_str_eq(tars_conf_domain(conf, server, 1), "Other");
    ck_assert_ptr_null(tars_conf_domain(conf, server, 2));
    ck_assert_str_eq(tars_conf_key(conf, server, 0), "app");
    ck_assert_str_eq(tars_conf_key(conf, server, 4), "word");
    ck_assert_ptr_null(tars_conf_key(conf, server, 5));
    ck_assert_str_eq(tars_conf_line(conf, server, 0), "app=App");
    ck_assert_str_eq(tars_conf_line(conf, server, 1), "allow");
    ck_assert_ptr_null(tars_conf_line(conf, "/nowhere", 0));
    tars_conf_free(conf);
}
END_TEST

START_TEST(lines_are_handed_out_as_they_stand)
{
    struct tars_conf *conf = parse("<a>\n  x = 1\\n  \n#no\n b\nb\n</a>\n");
    ck_assert_str_eq(tars_conf_line(conf, "/a", 0), "x = 1\\n");
    ck_assert_str_eq(tars_conf_line(conf, "/a", 1), "b");
    ck_assert_str_eq(tars_conf_line(conf, "/a", 2), "b");
    ck_assert_ptr_null(tars_conf_line(conf, "/a", 3));
    ck_assert_ptr_null(tars_conf_key(conf, "/a", 2));
    tars_conf_free(conf);
}
END_TEST

START_TEST(numbers_are_read_within_their_limits)
{
    struct tars_conf *conf = parse(sample);
    int64_t value = -1;
    ck_assert(tars_conf_int(conf, "/tars/application/server<threads>", 1, 12, 5, &value, NULL));
    ck_assert_int_eq(value, 12);
    ck_assert(tars_conf_int(conf, "/tars/application/server<none>", 1, 12, 5, &value, NULL));
    ck_assert_int_eq(value, 5);
    value = -1; /* what a template leaves empty is as good as not there */
    ck_assert(tars_conf_int(conf, "/tars/application/server<allow>", 1, 12, 5, &value, NULL));
    ck_assert_int_eq(value, 5);
    tars_conf_set(conf, "/n<low>", "-9223372036854775808");
    ck_assert(tars_conf_int(conf, "/n<low>", INT64_MIN, INT64_MAX, 0, &value, NULL));
    ck_assert_int_eq(value, INT64_MIN);
    tars_conf_free(conf);
}
END_TEST

START_TEST(a_bad_number_names_path_value_and_what_is_allowed)
{
    struct tars_conf *conf = parse(sample);
    struct tars_error error = {0};
    int64_t value = 7;
    ck_assert(!tars_conf_int(conf, "/tars/application/server<threads>", 1, 11, 5, &value, &error));
    ck_assert_str_eq(error.text, "/tars/application/server<threads> is '12', but must be a whole "
                                 "number from 1 to 11");
    static const char *const bad[] = {"many", "word", "app"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char path[100];
        snprintf(path, sizeof path, "/tars/application/server<%s>", bad[i]);
        ck_assert_msg(!tars_conf_int(conf, path, INT64_MIN, INT64_MAX, 5, &value, &error), "%s",
                      bad[i]);
    }
    static const char *const texts[] = {
        "9223372036854775808", "-", "+", "1x", "0x10", "1 2", "--1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        tars_conf_set(conf, "/n<k>", texts[i]);
        ck_assert_msg(!tars_conf_int(conf, "/n<k>", INT64_MIN, INT64_MAX, 5, &value, &error), "%s",
                      texts[i]);
    }
    ck_assert_int_eq(value, 7);
    tars_conf_free(conf);
}
END_TEST

/* ---- changing -----------------------------------------------------------------------------------
 */

START_TEST(setting_makes_domains_and_moves_the_key_behind)
{
    struct tars_conf *conf = tars_conf_new();
    ck_assert(tars_conf_set(conf, "/a/b<x>", "1"));
    ck_assert(tars_conf_set(conf, "/a/b<y>", "2"));
    const char *old = tars_conf_get(conf, "/a/b<x>", NULL);
    ck_assert(tars_conf_set(conf, "/a/b<x>", "3"));
    ck_assert_str_eq(old, "1");
    assert_prints(conf, "<a>\n  <b>\n    y=2\n    x=3\n  </b>\n</a>\n", "set");
    ck_assert(!tars_conf_set(conf, "/a/b", "1"));
    ck_assert(!tars_conf_set(conf, "a<b>", "1"));
    ck_assert_ptr_null(tars_conf_domain(conf, "/", 1));
    tars_conf_free(conf);
}
END_TEST

START_TEST(joining_gives_the_same_key_order_again_and_again)
{
    struct tars_conf *base = parse("<a>\nx=1\ny=1\nz=1\n</a>\n");
    struct tars_conf *other = parse("<a>\ny=2\n</a>\n");
    for (int i = 0; i < 50; i++) {
        tars_conf_join(base, other, true);
        assert_prints(base, "<a>\n  x=1\n  z=1\n  y=2\n</a>\n", "join");
    }
    tars_conf_join(base, base, true);
    tars_conf_join(base, other, false);
    assert_prints(base, "<a>\n  x=1\n  z=1\n  y=2\n</a>\n", "join");
    tars_conf_free(base);
    tars_conf_free(other);
}
END_TEST

START_TEST(joining_keeps_the_lines_of_both)
{
    struct tars_conf *base = parse("<a>\nx\ny\n</a>\n"), *under = parse("<a>\nx\ny\n</a>\n");
    struct tars_conf *other = parse("<a>\nz\n</a>\n<b>\nq\n</b>\n");
    tars_conf_join(base, other, true);
    tars_conf_join(under, other, false);
    ck_assert_str_eq(tars_conf_line(base, "/a", 0), "x");
    ck_assert_str_eq(tars_conf_line(base, "/a", 2), "z");
    ck_assert_str_eq(tars_conf_line(under, "/a", 0), "z");
    ck_assert_str_eq(tars_conf_line(under, "/a", 2), "y");
    ck_assert_str_eq(tars_conf_line(under, "/b", 0), "q");
    tars_conf_free(base);
    tars_conf_free(under);
    tars_conf_free(other);
}
END_TEST

/* ---- writing
 * -------------------------------------------------------------------------------------- */

START_TEST(angle_brackets_in_keys_and_values_can_be_written)
{
    struct tars_conf *conf = parse("<a>\nk<1>=<b>\nurl=</b>\n</a>\n");
    assert_prints(conf, "<a>\n  k<1>=<b>\n  url=</b>\n</a>\n", "angle brackets");
    ck_assert_str_eq(tars_conf_get(conf, "/a<k<1>>", "?"), "<b>");
    tars_conf_free(conf);
}
END_TEST

START_TEST(an_escaped_backslash_before_the_separator_is_itself)
{
    struct tars_conf *conf = parse("<a>\nx\\\\=y\nz\\\\\\=y\n</a>\n");
    ck_assert_str_eq(tars_conf_get(conf, "/a<x\\>", "?"), "y");
    ck_assert_str_eq(tars_conf_get(conf, "/a<z\\=y>", "?"), "");
    assert_prints(conf, "<a>\n  x\\\\=y\n  z\\\\\\=y\n</a>\n", "backslashes");
    tars_conf_free(conf);
}
END_TEST

START_TEST(an_empty_key_without_a_value_is_kept)
{
    struct tars_conf *conf = parse("<a>\n=\n</a>\n");
    assert_prints(conf, "<a>\n  =\n</a>\n", "empty");
    tars_conf_free(conf);
}
END_TEST

START_TEST(a_domain_named_like_a_closing_tag_reads_back)
{
    struct tars_conf *conf = parse("< /a>\nk=1\n<//a>\n");
    assert_prints(conf, "< /a>\n  k=1\n<//a>\n", "slash");
    tars_conf_free(conf);
}
END_TEST

START_TEST(what_would_not_read_back_is_not_written)
{
    static const struct {
        const char *path, *value, *reason;
    } rows[] = {
        {"/a<<k>", "v", "cannot begin with '<'"},
        {"/a<#k>", "v", "cannot begin with '<' or '#'"},
        {"/a< k>", "v", "begin or end with a blank"},
        {"/a<k>", "v ", "begin or end with a blank"},
        {"/ a<k>", "v", "domain < a>"},
        {"/a\nb<k>", "v", "newline"},
    };
    struct tars_arena *arena = tars_arena_new(0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tars_conf *conf = tars_conf_new();
        struct tars_error error = {0};
        struct tars_str text = {0};
        ck_assert(tars_conf_set(conf, rows[i].path, rows[i].value));
        ck_assert_msg(!tars_conf_print(conf, arena, &text, &error), "%s", text.at);
        ck_assert_msg(strstr(error.text, rows[i].reason), "%s", error.text);
        tars_conf_free(conf);
    }
    tars_arena_free(arena);
}
END_TEST

START_TEST(writing_into_a_full_arena_fails_with_the_reason)
{
    struct tars_conf *conf = parse(sample);
    struct tars_arena *arena = tars_arena_new(64);
    struct tars_error error = {0};
    struct tars_str text;
    ck_assert(!tars_conf_print(conf, arena, &text, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "limit"));
    tars_arena_free(arena);
    tars_conf_free(conf);
}
END_TEST

/* Anything made of the characters that mean something. */
static size_t random_text(char *text, size_t size, uint64_t *random)
{
    static const char *const pieces[] = {"<a>\n", "</a>\n", "<b>\n",   "</b>\n", "<",   ">",
                                         "/",     "=",      "\\",      "\\\\",   "\\=", "\\n",
                                         "\n",    "\r",     " ",       "\t",     "#",   "k",
                                         "v",     "k=v\n",  "< /a>\n", "\xe4"};
    size_t len = 0;
    *random = hash_bytes(random, sizeof *random, 1);
    for (uint64_t left = *random % 60; left > 0; left--) {
        *random = hash_bytes(random, sizeof *random, 1);
        const char *piece = pieces[*random % (sizeof pieces / sizeof *pieces)];
        if (len + strlen(piece) < size) {
            memcpy(text + len, piece, strlen(piece));
            len += strlen(piece);
        }
    }
    return len;
}

START_TEST(what_was_parsed_prints_parses_and_prints_the_same)
{
    struct tars_arena *arena = tars_arena_new(0);
    uint64_t random = 20260131;
    int parsed = 0;
    for (int i = 0; i < 200000; i++) {
        char in[400];
        struct tars_str first, second;
        struct tars_error error = {0};
        size_t len = random_text(in, sizeof in, &random);
        struct tars_conf *conf = tars_conf_parse(tars_str_n(in, len), &error);
        if (!conf)
            continue;
        parsed++;
        ck_assert_msg(tars_conf_print(conf, arena, &first, &error), "%s\n%.*s", error.text,
                      (int)len, in);
        struct tars_conf *again = tars_conf_parse(first, &error);
        ck_assert_msg(again != NULL, "%s\n%.*s\n%s", error.text, (int)len, in, first.at);
        ck_assert(tars_conf_print(again, arena, &second, &error));
        ck_assert_msg(tars_str_equal(first, second), "%.*s\n%s\n%s", (int)len, in, first.at,
                      second.at);
        tars_conf_free(conf);
        tars_conf_free(again);
        tars_arena_reset(arena);
    }
    ck_assert_int_gt(parsed, 1000);
    tars_arena_free(arena);
}
END_TEST

/* ---- hostile texts
 * -------------------------------------------------------------------------------- */

START_TEST(errors_name_the_line)
{
    assert_parse_fails(tars_str("<a>\n\n</b>\n"), "line 3: </b> stands where </a>");
    assert_parse_fails(tars_str("</b>\n"), "line 1: </b> closes a domain, but none is open");
    assert_parse_fails(tars_str("<a>\nk=\\q\n</a>\n"), "line 2: only ");
    assert_parse_fails(tars_str("\n<a\n"), "line 2: a domain has no '>'");
    assert_parse_fails(tars_str("<a>\n</a\n"), "line 2: a closing tag has no '>'");
    assert_parse_fails(tars_str("<a>\n<b>\n</b>\n"), "<a> is still open");
}
END_TEST

START_TEST(a_nul_byte_is_refused_with_its_line)
{
    static const char text[] = "<a>\nk=v\0w\n</a>\n";
    assert_parse_fails(tars_str_n(text, sizeof text - 1), "line 2: a NUL byte");
    assert_parse_fails(tars_str_n("\0", 1), "line 1: a NUL byte");
}
END_TEST

static char *nested(size_t depth)
{
    char *text = calloc(depth, 4);
    for (size_t i = 0; i < depth; i++)
        memcpy(text + i * 4, i + 1 < depth ? "<a>\n" : "<a>", 4);
    return text;
}

START_TEST(deep_nesting_is_refused)
{
    char *text = nested(100000);
    assert_parse_fails(tars_str(text), "line 101: more than 100 domains inside each other");
    free(text);

    struct tars_conf *conf = tars_conf_new();
    char path[2 * 101 + 4] = "";
    for (int i = 0; i < 100; i++)
        strcat(path, "/a");
    strcat(path, "<k>");
    ck_assert(tars_conf_set(conf, path, "v"));
    memmove(path + 2, path, strlen(path) + 1);
    ck_assert(!tars_conf_set(conf, path, "v"));
    tars_conf_free(conf);
}
END_TEST

START_TEST(a_text_over_the_limit_is_refused)
{
    size_t len = (16 << 20) + 1;
    char *text = malloc(len);
    memset(text, '\n', len);
    assert_parse_fails(tars_str_n(text, len), "more than a configuration may have");
    text[len - 2] = '#';
    struct tars_conf *conf = tars_conf_parse(tars_str_n(text, len - 1), NULL);
    ck_assert_ptr_nonnull(conf);
    tars_conf_free(conf);
    free(text);
}
END_TEST

START_TEST(many_duplicate_keys_take_linear_time)
{
    enum { KEYS = 50000, ROUNDS = 4 };
    char *text = malloc(KEYS * ROUNDS * 8 + 16), *at = text;
    at += sprintf(at, "<a>\n");
    for (int i = 0; i < KEYS * ROUNDS; i++)
        at += sprintf(at, "k%d\n", i % KEYS);
    sprintf(at, "</a>\n");
    struct tars_conf *conf = parse(text);
    ck_assert_str_eq(tars_conf_key(conf, "/a", 0), "k0");
    ck_assert_str_eq(tars_conf_key(conf, "/a", KEYS - 1), "k49999");
    ck_assert_ptr_null(tars_conf_key(conf, "/a", KEYS));
    tars_conf_free(conf);
    free(text);
}
END_TEST

/* ---- files
 * ---------------------------------------------------------------------------------------- */

START_TEST(loading_names_the_file_that_is_missing_or_wrong)
{
    struct tars_error error = {0};
    ck_assert_ptr_null(tars_conf_load("/nonexistent/x.conf", &error));
    ck_assert_str_eq(error.text, "cannot open /nonexistent/x.conf: No such file or directory");
    ck_assert_ptr_null(tars_conf_load("/", &error));
    ck_assert_ptr_nonnull(strstr(error.text, "cannot read /: "));

    char path[] = "/tmp/conf-test-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_eq(write(fd, "<a>\n", 4), 4);
    ck_assert_ptr_null(tars_conf_load(path, &error));
    ck_assert_ptr_nonnull(strstr(error.text, path));
    ck_assert_int_eq(write(fd, "k=1\n</a>", 8), 8);
    struct tars_conf *conf = tars_conf_load(path, &error);
    ck_assert_ptr_nonnull(conf);
    ck_assert_str_eq(tars_conf_get(conf, "/a<k>", "?"), "1");
    tars_conf_free(conf);
    close(fd);
    unlink(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conf");
    TCase *tc = tcase_create("conf");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, every_config_vector_reads_and_writes_as_listed);
    tcase_add_test(tc, every_join_vector_merges_as_listed);
    tcase_add_test(tc, a_path_finds_a_key_or_gives_the_fallback);
    tcase_add_test(tc, keys_outside_any_domain_can_be_read);
    tcase_add_test(tc, walking_gives_domains_keys_and_lines_in_order);
    tcase_add_test(tc, lines_are_handed_out_as_they_stand);
    tcase_add_test(tc, numbers_are_read_within_their_limits);
    tcase_add_test(tc, a_bad_number_names_path_value_and_what_is_allowed);
    tcase_add_test(tc, setting_makes_domains_and_moves_the_key_behind);
    tcase_add_test(tc, joining_gives_the_same_key_order_again_and_again);
    tcase_add_test(tc, joining_keeps_the_lines_of_both);
    tcase_add_test(tc, angle_brackets_in_keys_and_values_can_be_written);
    tcase_add_test(tc, an_escaped_backslash_before_the_separator_is_itself);
    tcase_add_test(tc, an_empty_key_without_a_value_is_kept);
    tcase_add_test(tc, a_domain_named_like_a_closing_tag_reads_back);
    tcase_add_test(tc, what_would_not_read_back_is_not_written);
    tcase_add_test(tc, writing_into_a_full_arena_fails_with_the_reason);
    tcase_add_test(tc, what_was_parsed_prints_parses_and_prints_the_same);
    tcase_add_test(tc, errors_name_the_line);
    tcase_add_test(tc, a_nul_byte_is_refused_with_its_line);
    tcase_add_test(tc, deep_nesting_is_refused);
    tcase_add_test(tc, a_text_over_the_limit_is_refused);
    tcase_add_test(tc, many_duplicate_keys_take_linear_time);
    tcase_add_test(tc, loading_names_the_file_that_is_missing_or_wrong);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
