/* SPDX-License-Identifier: BSD-3-Clause */
#include "merge.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/xmalloc.h"
#include "conf/text.h"

enum { DEPTH_MAX = 100 };

/* A section with its children, or a key with its value. Names and values are slices of texts that
 * live in the arena. */
struct node {
    struct tars_str name, value;
    bool is_section;
    struct node *first, **end, *next;
};

struct parser {
    struct tars_str rest;
    size_t line;
    struct tars_arena *arena;
    struct node *open[DEPTH_MAX + 1];
    size_t depth;
    bool expand;
    struct tars_error *error;
};

/* ---- tree --------------------------------------------------------------------------------------
 */

static struct node *new_node(struct tars_arena *arena, struct tars_str name, bool is_section)
{
    struct node *node = tars_arena_alloc(arena, sizeof *node);

    node->name = name;
    node->is_section = is_section;
    node->end = &node->first;
    return node;
}

static struct node *find(const struct node *section, struct tars_str name)
{
    for (struct node *n = section->first; n; n = n->next)
        if (tars_str_equal(n->name, name))
            return n;
    return NULL;
}

static struct node *add(struct node *section, struct node *node)
{
    *section->end = node;
    section->end = &node->next;
    return node;
}

/* ---- values -------------------------------------------------------------------------------------
 */

static bool fail(struct parser *p, const char *what, struct tars_str about)
{
    struct tars_str shown = conf_excerpt(about);

    return tars_fail(p->error, 1, "line %zu: %s%" TARS_STR_FMT, p->line, what, TARS_STR_ARG(shown));
}

static const char *variable(struct parser *p, struct tars_str name)
{
    const char *value = getenv(tars_arena_copy(p->arena, name).at);

    if (!value)
        fail(p, "this environment variable is not set: ", name);
    else if (strpbrk(value, "\r\n"))
        fail(p, "this environment variable holds a newline, which no value can: ", name);
    else
        return value;
    return NULL;
}

/* Replaces each "${env:NAME}"; what a variable holds is not looked at again. */
static bool expand(struct parser *p, struct tars_str *value)
{
    static const char begin[] = "${env:";
    struct tars_str rest = *value, done = {"", 0};
    const char *at;

    while (rest.len && (at = memmem(rest.at, rest.len, begin, sizeof begin - 1))) {
        struct tars_str name = tars_str_n(at + sizeof begin - 1,
                                          (size_t)(rest.at + rest.len - at) - sizeof begin + 1);
        const char *close = memchr(name.at, '}', name.len), *text;

        if (!close)
            break;
        name.len = (size_t)(close - name.at);
        text = variable(p, name);
        if (!text)
            return false;
        done = tars_str(tars_arena_printf(p->arena, "%" TARS_STR_FMT "%.*s%s", TARS_STR_ARG(done),
                                          (int)(at - rest.at), rest.at, text));
        rest = tars_str_n(close + 1, (size_t)(rest.at + rest.len - close) - 1);
    }
    if (done.len)
        *value = tars_str(tars_arena_printf(p->arena, "%" TARS_STR_FMT "%" TARS_STR_FMT,
                                            TARS_STR_ARG(done), TARS_STR_ARG(rest)));
    return true;
}

/* A line of text between tags: key=value, a key alone, a comment or nothing. */
static bool take_line(struct parser *p, struct tars_str line)
{
    struct node *section = p->open[p->depth], *node;
    struct tars_str value = {"", 0};
    const char *equals;

    line = conf_trim(line);
    if (!line.len || line.at[0] == '#')
        return true;
    equals = memchr(line.at, '=', line.len);
    if (equals) {
        value = conf_trim(tars_str_n(equals + 1, (size_t)(line.at + line.len - equals) - 1));
        line = conf_trim(tars_str_n(line.at, (size_t)(equals - line.at)));
    }
    if (p->expand && !expand(p, &value))
        return false;
    node = find(section, line);
    if (node && node->is_section)
        return true;
    if (!node)
        node = add(section, new_node(p->arena, line, false));
    node->value = value;
    return true;
}

/* ---- tags
 * ------------------------------------------------------------------------------------------ */

/* The name of the tag that the text begins with; empty when it is none. `len`: of the whole tag. */
static struct tars_str tag_at(struct tars_str text, bool *closes, size_t *len)
{
    size_t from = 1, to;

    if (text.len < 3 || text.at[0] != '<')
        return tars_str("");
    *closes = text.at[1] == '/';
    from += *closes;
    for (to = from; to < text.len && !strchr("<>=\n\r\t #", text.at[to]); to++)
        ;
    if (to == text.len || text.at[to] != '>')
        return tars_str("");
    *len = to + 1;
    return tars_str_n(text.at + from, to - from);
}

static bool has_close(struct tars_str text, struct tars_str name)
{
    for (const char *at = text.at; (at = memchr(at, '<', (size_t)(text.at + text.len - at)));
         at++) {
        bool closes;
        size_t len;
        struct tars_str tag = tag_at(tars_str_n(at, (size_t)(text.at + text.len - at)), &closes,
                                     &len);

        if (tag.len && closes && tars_str_equal(tag, name))
            return true;
    }
    return false;
}

/* Is the tag in the middle of a line one, or part of a value? */
static bool means_it(const struct parser *p, struct tars_str rest, struct tars_str name,
                     bool closes)
{
    if (closes)
        return p->depth > 0 && tars_str_equal(p->open[p->depth]->name, name);
    return has_close(rest, name);
}

static bool open_section(struct parser *p, struct tars_str name)
{
    struct node *inside = p->open[p->depth], *node = find(inside, name);

    if (p->depth == DEPTH_MAX)
        return fail(p, "too many sections inside each other: ", name);
    if (node && !node->is_section) /* what is a key stays one; this is read and forgotten */
        node = new_node(p->arena, name, true);
    else if (!node)
        node = add(inside, new_node(p->arena, name, true));
    p->open[++p->depth] = node;
    return true;
}

static bool take_tag(struct parser *p, struct tars_str name, bool closes)
{
    if (!closes)
        return open_section(p, name);
    if (p->depth == 0)
        return fail(p, "this closes a section, but none is open: ", name);
    if (!tars_str_equal(p->open[p->depth]->name, name))
        return tars_fail(p->error, 1, "line %zu: </%.100s> stands where </%.100s> is expected",
                         p->line, tars_arena_copy(p->arena, conf_excerpt(name)).at,
                         tars_arena_copy(p->arena, conf_excerpt(p->open[p->depth]->name)).at);
    p->depth--;
    return true;
}

/* One line: texts and tags in turn. */
static bool read_line(struct parser *p, struct tars_str line)
{
    size_t from = 0;
    bool at_start = true;

    if (conf_trim_left(line).len && conf_trim_left(line).at[0] == '#')
        return true;
    for (size_t i = 0; i < line.len; i++) {
        struct tars_str here = tars_str_n(line.at + i, line.len - i), name;
        bool closes;
        size_t len;

        if (line.at[i] != '<') {
            at_start = at_start && conf_is_blank(line.at[i]);
            continue;
        }
        name = tag_at(here, &closes, &len);
        if (!name.len)
            continue;
        if (!at_start &&
            !means_it(p, tars_str_n(here.at, (size_t)(p->rest.at + p->rest.len - here.at)), name,
                      closes))
            continue;
        if (!take_line(p, tars_str_n(line.at + from, i - from)) || !take_tag(p, name, closes))
            return false;
        from = i + len;
        i = from - 1;
        at_start = true;
    }
    return take_line(p, tars_str_n(line.at + from, line.len - from));
}

/* Skips "<!-- … -->", or the "<?xml … ?>" of a tool, at the beginning of what is left. */
static bool skip_remark(struct parser *p)
{
    static const struct {
        const char *begin, *end;
    } kinds[] = {{"<!--", "-->"}, {"<?", "?>"}};
    struct tars_str left = conf_trim_left(p->rest);

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t len = strlen(kinds[i].begin);
        const char *end;

        if (left.len < len || memcmp(left.at, kinds[i].begin, len) != 0)
            continue;
        end = memmem(left.at, left.len, kinds[i].end, strlen(kinds[i].end));
        end = end ? end + strlen(kinds[i].end) : left.at + left.len;
        for (const char *at = p->rest.at; at < end; at++)
            p->line += *at == '\n';
        p->rest = tars_str_n(end, (size_t)(p->rest.at + p->rest.len - end));
        return true;
    }
    return false;
}

/* Editors of other systems put it before a text. */
static struct tars_str after_mark(struct tars_str text)
{
    static const char mark[] = "\xef\xbb\xbf";

    return text.len > 2 && memcmp(text.at, mark, 3) == 0 ? tars_str_n(text.at + 3, text.len - 3)
                                                         : text;
}

/* NULL with the reason. */
static struct node *parse(struct tars_str text, struct tars_arena *arena, bool expands,
                          struct tars_error *error)
{
    struct parser p = {
        .rest = after_mark(text), .line = 1, .arena = arena, .expand = expands, .error = error};

    p.open[0] = new_node(arena, tars_str(""), true);
    if (text.len && memchr(text.at, '\0', text.len)) {
        tars_fail(error, 1, "a NUL byte, so this is no text");
        return NULL;
    }
    while (p.rest.len) {
        const char *newline;
        size_t len;

        if (skip_remark(&p))
            continue;
        newline = memchr(p.rest.at, '\n', p.rest.len);
        len = newline ? (size_t)(newline - p.rest.at) : p.rest.len;
        if (!read_line(&p, tars_str_n(p.rest.at, len)))
            return NULL;
        len += newline != NULL;
        p.rest = tars_str_n(p.rest.at + len, p.rest.len - len);
        p.line += newline != NULL;
    }
    if (p.depth == 0)
        return p.open[0];
    fail(&p, "the text ends and this section is still open: ", p.open[p.depth]->name);
    return NULL;
}

/* ---- merging and writing
 * ------------------------------------------------------------------------- */

static void join(struct tars_arena *arena, struct node *to, const struct node *from)
{
    for (const struct node *n = from->first; n; n = n->next) {
        struct node *mine = find(to, n->name);

        if (!mine)
            mine = add(to, new_node(arena, n->name, n->is_section));
        if (mine->is_section != n->is_section)
            continue;
        if (n->is_section)
            join(arena, mine, n);
        else
            mine->value = n->value;
    }
}

static void print(FILE *out, const struct node *section, int depth, const char **separator)
{
    for (const struct node *n = section->first; n; n = n->next) {
        if (n->is_section)
            continue;
        fprintf(out, "%s%.*s%" TARS_STR_FMT "%s%" TARS_STR_FMT, *separator, depth,
                "\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t",
                TARS_STR_ARG(n->name), n->value.len ? " = " : "", TARS_STR_ARG(n->value));
        *separator = "\n";
    }
    for (const struct node *n = section->first; n; n = n->next) {
        if (!n->is_section)
            continue;
        fprintf(out, "%s%.*s<%" TARS_STR_FMT ">", *separator, depth,
                "\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t", TARS_STR_ARG(n->name));
        *separator = "\n";
        print(out, n, depth + 1, separator);
        fprintf(out, "\n%.*s</%" TARS_STR_FMT ">", depth, "\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t",
                TARS_STR_ARG(n->name));
    }
}

bool merge_texts(struct tars_str base, struct tars_str over, struct tars_arena *arena,
                 struct tars_str *merged, struct tars_error *error)
{
    struct node *mine = parse(base, arena, false, error), *theirs;
    const char *separator = "";
    char *buffer = NULL;
    size_t len = 0;
    FILE *out;

    if (!mine)
        return tars_fail_prefix(error, "the generated configuration: ");
    theirs = parse(over, arena, true, error);
    if (!theirs)
        return false;
    join(arena, mine, theirs);
    out = open_memstream(&buffer, &len);
    print(out, mine, 0, &separator);
    fclose(out);
    *merged = tars_arena_copy(arena, tars_str_n(buffer, len));
    free(buffer);
    return true;
}
