/* SPDX-License-Identifier: BSD-3-Clause */
#include "wildcard.h"

static size_t character(struct tars_str s, size_t at)
{
    size_t end = at + 1;
    while (end < s.len && (s.at[end] & 0xc0) == 0x80)
        end++;
    return end - at;
}

static char folded(char c, bool fold)
{
    return fold && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* One literal or "?" at both places; how far each moves, or false. */
static bool step(struct tars_str pattern, size_t p, struct tars_str text, size_t n, bool fold,
                 size_t *by_pattern, size_t *by_text)
{
    if (p >= pattern.len)
        return false;
    *by_pattern = *by_text = 1;
    if (pattern.at[p] == '?') {
        *by_text = character(text, n);
        return true;
    }
    if (pattern.at[p] == '\\' && p + 1 < pattern.len) {
        *by_pattern = 2;
        p++;
    }
    return folded(pattern.at[p], fold) == folded(text.at[n], fold);
}

bool wildcard_matches(struct tars_str pattern, struct tars_str text, bool fold)
{
    size_t p = 0, n = 0, star = SIZE_MAX, resume = 0, by_pattern, by_text;
    while (n < text.len) {
        if (p < pattern.len && pattern.at[p] == '*') {
            star = p++;
            resume = n;
        } else if (step(pattern, p, text, n, fold, &by_pattern, &by_text)) {
            p += by_pattern;
            n += by_text;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            resume += character(text, resume);
            n = resume;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.at[p] == '*')
        p++;
    return p == pattern.len;
}

static void run(sqlite3_context *context, int count, sqlite3_value **values)
{
    bool fold = sqlite3_user_data(context) != NULL;
    (void)count;
    if (sqlite3_value_type(values[0]) == SQLITE_NULL)
        return;
    struct tars_str parts[2];
    for (int i = 0; i < 2; i++) {
        const void *at = sqlite3_value_blob(values[i]);
        parts[i] = tars_str_n(at ? at : "", (size_t)sqlite3_value_bytes(values[i]));
    }
    sqlite3_result_int(context, wildcard_matches(parts[1], parts[0], fold));
}

bool wildcard_install(sqlite3 *sql)
{
    static const char folds[] = "";
    int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    return sqlite3_create_function(sql, "wild", 2, flags, NULL, run, NULL, NULL) == SQLITE_OK &&
           sqlite3_create_function(sql, "wildi", 2, flags, (void *)folds, run, NULL, NULL) ==
               SQLITE_OK;
}
