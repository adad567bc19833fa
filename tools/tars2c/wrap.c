/* SPDX-License-Identifier: BSD-3-Clause */
#include "wrap.h"

#include <stdbool.h>
#include <string.h>

enum { MAX_COLUMN = 100, MAX_BRACKETS = 16, INDENT = 4 };

/* The brackets that are open at a place of a line, by the columns behind them. */
struct brackets {
    size_t column[MAX_BRACKETS];
    size_t open;
};

static void see(struct brackets *b, char c, size_t column)
{
    if (strchr("({[", c) && b->open < MAX_BRACKETS)
        b->column[b->open++] = column + 1;
    else if (strchr(")}]", c) && b->open > 0)
        b->open--;
}

/* A place where a line may be broken, and the brackets that are open there. */
struct place {
    size_t len;
    struct brackets brackets;
};

static void consider(struct place *best, size_t len, const struct brackets *b, bool behind_comma)
{
    bool first = best->len == 0;
    bool outer = behind_comma && b->open > 0 && b->open <= best->brackets.open;

    if (first ? b->open > 0 : outer)
        *best = (struct place){len, *b};
}

/*
 * The length of the piece of `s` that goes on the line from `column` on: all of it, or up to the
 * last comma that fits and stands in the fewest brackets, or up to a bracket. `b` is moved behind
 * that piece.
 */
static size_t piece(const char *s, size_t len, size_t column, struct brackets *b)
{
    struct place best = {.len = 0};
    struct brackets at = *b;
    bool quoted = false;

    if (column + len <= MAX_COLUMN)
        return len;
    for (size_t i = 0; i + 1 < len && (column + i < MAX_COLUMN || best.len == 0); i++) {
        if (s[i] == '\\' && quoted)
            i++;
        else if (s[i] == '"')
            quoted = !quoted;
        else if (!quoted)
            see(&at, s[i], column + i);
        if (!quoted && (s[i] == '(' || (s[i] == ',' && s[i + 1] == ' ')))
            consider(&best, i + 1, &at, s[i] == ',');
    }
    if (best.len == 0)
        return len;
    *b = best.brackets;
    return best.len;
}

static bool stays(const char *line, size_t len, size_t indent)
{
    return len <= MAX_COLUMN || line[len - 1] == '\\' || line[indent] == '#' ||
           line[indent] == '*' || (line[indent] == '/' && line[indent + 1] == '*');
}

/* Below the innermost bracket that does not stand too far right. */
static size_t continuation(const struct brackets *b, size_t indent)
{
    for (size_t i = b->open; i > 0; i--) {
        if (b->column[i - 1] <= MAX_COLUMN / 2)
            return b->column[i - 1] + (i == b->open ? 0 : INDENT);
    }
    return indent + INDENT;
}

static size_t up_to_comma(const char *line, size_t len)
{
    const char *comma = memchr(line, ',', len);
    return comma ? (size_t)(comma - line) : len;
}

static void wrap_line(FILE *out, const char *line, size_t len)
{
    struct brackets b = {.open = 0};
    size_t indent = 0, column = 0;

    while (indent < len && line[indent] == ' ')
        indent++;
    while (len > 0 && !(column == 0 && stays(line, len, indent))) {
        size_t now = piece(line, len, column, &b);
        fwrite(line, 1, now, out);
        line += now;
        len -= now;
        if (len == 0)
            return;
        column = continuation(&b, indent);
        if (column + up_to_comma(line, len) > MAX_COLUMN)
            column = indent + INDENT;
        fprintf(out, "\n%*s", (int)column, "");
        if (*line == ' ') {
            line++;
            len--;
        }
    }
    fwrite(line, 1, len, out);
}

void wrap_lines(FILE *out, const char *text, size_t len)
{
    while (len > 0) {
        const char *newline = memchr(text, '\n', len);
        size_t line = newline ? (size_t)(newline - text) : len;
        wrap_line(out, text, line);
        if (!newline)
            return;
        fputc('\n', out);
        text += line + 1;
        len -= line + 1;
    }
}
