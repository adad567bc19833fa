/* SPDX-License-Identifier: BSD-3-Clause */
#include "text_search.h"

#include "regex.h"
#include "wildcard.h"
#include "words.h"

#include <stdint.h>

static struct tars_str value_str(sqlite3_value *value)
{
    const void *at = sqlite3_value_blob(value);
    return tars_str_n(at ? at : "", (size_t)sqlite3_value_bytes(value));
}

static void has_words(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct tars_str text = value_str(values[0]), words = value_str(values[1]);
    (void)count;
    if (sqlite3_value_type(values[0]) != SQLITE_NULL)
        sqlite3_result_int(context, memmem(text.at, text.len, words.at, words.len) != NULL);
}

/* The next word from `at` on; false at the end. A gap moves `position`. */
static bool next_word(struct tars_str text, size_t *at, int64_t *position, struct tars_str *word)
{
    while (*at < text.len && (text.at[*at] == WORD_MARK || text.at[*at] == WORDS_GAP)) {
        *position += text.at[*at] == WORDS_GAP ? 100 : 0;
        ++*at;
    }
    const char *end = *at < text.len ? memchr(text.at + *at, WORD_MARK, text.len - *at) : NULL;
    if (!end)
        return false;
    *word = tars_str_n(text.at + *at, (size_t)(end - text.at) - *at);
    *at += word->len;
    return true;
}

/* ---- words near one another
 * ------------------------------------------------------------------------- */

/* An occurrence counts for one of several equal words only: the one that waited longest. */
static size_t waiting(const struct tars_str *words, const int64_t *last, size_t count,
                      struct tars_str word)
{
    size_t best = count;
    for (size_t i = 0; i < count; i++) {
        if (!tars_str_equal(words[i], word))
            continue;
        if (last[i] == INT64_MIN)
            return i;
        if (best == count || last[i] + (int64_t)i < last[best] + (int64_t)best)
            best = i;
    }
    return best;
}

/*
 * Each word of the phrase has the place where the phrase would begin if this word stood right. The
 * words are near when those places lie within the slop. `last`: of the latest occurrence of each.
 */
static bool is_near(struct tars_str text, const struct tars_str *words, size_t count, int64_t slop)
{
    int64_t last[PHRASE_MAX], position = 0;
    size_t at = 0;
    struct tars_str word;
    for (size_t i = 0; i < count; i++)
        last[i] = INT64_MIN;
    for (; next_word(text, &at, &position, &word); position++) {
        int64_t low = INT64_MAX, high = INT64_MIN;
        size_t best = waiting(words, last, count, word);
        if (best == count)
            continue;
        last[best] = position - (int64_t)best;
        bool all = true;
        for (size_t i = 0; i < count; i++) {
            all &= last[i] != INT64_MIN;
            low = last[i] < low ? last[i] : low;
            high = last[i] > high ? last[i] : high;
        }
        if (all && high - low <= slop)
            return true;
    }
    return false;
}

static void near_words(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct tars_str text = value_str(values[0]), phrase = value_str(values[1]);
    struct tars_str words[PHRASE_MAX];
    size_t wanted = 0, at = 0;
    int64_t position = 0;
    (void)count;
    while (wanted < PHRASE_MAX && next_word(phrase, &at, &position, &words[wanted]))
        wanted++;
    if (sqlite3_value_type(values[0]) != SQLITE_NULL)
        sqlite3_result_int(context, is_near(text, words, wanted, sqlite3_value_int64(values[2])));
}

/* ---- patterns
 * --------------------------------------------------------------------------------------- */

static void word_wild(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct tars_str text = value_str(values[0]), pattern = value_str(values[1]), word;
    bool fold = sqlite3_value_int(values[2]);
    int64_t position = 0;
    (void)count;
    if (sqlite3_value_type(values[0]) == SQLITE_NULL)
        return;
    for (size_t at = 0; next_word(text, &at, &position, &word);) {
        if (wildcard_matches(pattern, word, fold)) {
            sqlite3_result_int(context, 1);
            return;
        }
    }
    sqlite3_result_int(context, 0);
}

/* The expression of a statement is made once. */
static struct regex *statement_regex(sqlite3_context *context, sqlite3_value **values)
{
    char why[128];
    struct regex *r = sqlite3_get_auxdata(context, 1);
    if (r)
        return r;
    r = regex_new(value_str(values[1]), sqlite3_value_int(values[2]), why);
    if (!r) {
        sqlite3_result_error(context, why, -1);
        return NULL;
    }
    sqlite3_set_auxdata(context, 1, r, regex_free);
    return sqlite3_get_auxdata(context, 1);
}

static void word_regex(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct regex *r = statement_regex(context, values);
    struct tars_str text = value_str(values[0]), word;
    int64_t position = 0;
    (void)count;
    if (!r || sqlite3_value_type(values[0]) == SQLITE_NULL)
        return;
    for (size_t at = 0; next_word(text, &at, &position, &word);) {
        if (regex_matches(r, word)) {
            sqlite3_result_int(context, 1);
            return;
        }
    }
    sqlite3_result_int(context, 0);
}

static void regex(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct regex *r = statement_regex(context, values);
    (void)count;
    if (r && sqlite3_value_type(values[0]) != SQLITE_NULL)
        sqlite3_result_int(context, regex_matches(r, value_str(values[0])));
}

bool text_search_install(sqlite3 *sql)
{
    static const struct {
        const char *name;
        int count;
        void (*run)(sqlite3_context *, int, sqlite3_value **);
    } functions[] = {{"has_words", 2, has_words},
                     {"near_words", 3, near_words},
                     {"word_wild", 3, word_wild},
                     {"word_regex", 3, word_regex},
                     {"regex", 3, regex}};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (sqlite3_create_function(sql, functions[i].name, functions[i].count,
                                    SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, functions[i].run,
                                    NULL, NULL) != SQLITE_OK)
            return false;
    return true;
}
