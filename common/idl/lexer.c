/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <idl/lexer.h>
#include <stdlib.h>

void idl_lexer_init(struct idl_lexer *lexer, struct idl *idl, const struct idl_file *file)
{
    *lexer = (struct idl_lexer){.idl = idl,
                                .file = file,
                                .at = file->text.at,
                                .end = file->text.at + file->text.len,
                                .line_start = file->text.at,
                                .line = 1,
                                .last_line = 0};
    if (file->text.len >= 3 && memcmp(file->text.at, "\xef\xbb\xbf", 3) == 0)
        lexer->at += 3; /* a byte order mark, as editors on Windows leave it */
}

static int peek(const struct idl_lexer *l, size_t ahead)
{
    return (size_t)(l->end - l->at) > ahead ? (unsigned char)l->at[ahead] : -1;
}

static void advance(struct idl_lexer *l)
{
    if (*l->at++ == '\n') {
        l->line++;
        l->line_start = l->at;
    }
}

static struct idl_pos here(const struct idl_lexer *l)
{
    return (struct idl_pos){l->file, l->line, (int)(l->at - l->line_start) + 1};
}

/* ---- comments ------------------------------------------------------------------------------ */

/* The text of a comment while it is put together. It grows by doubling, so that a long one does
 * not take the square of its length. */
struct comment {
    char *at;
    size_t len, cap;
};

/* Appends a line of comment without the marks around it. */
static void add_line(struct idl_lexer *l, struct comment *c, const char *line, size_t len)
{
    while (len > 0 && isspace((unsigned char)line[len - 1]))
        len--;
    if (len == 0 && c->len == 0)
        return;
    if (c->len + len + 2 > c->cap) {
        size_t cap = (c->len + len + 2) * 2;
        char *larger = tars_arena_alloc(idl_arena(l->idl), cap);
        if (c->len)
            memcpy(larger, c->at, c->len);
        *c = (struct comment){larger, c->len, cap};
    }
    if (c->len)
        c->at[c->len++] = '\n';
    memcpy(c->at + c->len, line, len);
    c->len += len;
}

static const char *comment_text(struct comment *c)
{
    while (c->len > 0 && c->at[c->len - 1] == '\n')
        c->len--;
    if (c->len == 0)
        return NULL;
    c->at[c->len] = '\0';
    return c->at;
}

/* A line inside a block comment may begin with blanks and asterisks. */
static void block_line(struct idl_lexer *l, struct comment *c, const char *line, size_t len)
{
    size_t skip = 0;

    while (skip < len && (line[skip] == ' ' || line[skip] == '\t'))
        skip++;
    while (skip < len && line[skip] == '*')
        skip++;
    if (skip < len && line[skip] == ' ')
        skip++;
    add_line(l, c, line + skip, len - skip);
}

static void block_comment(struct idl_lexer *l, struct comment *c)
{
    struct idl_pos begin = here(l);
    const char *line;

    l->at += 2;
    line = l->at;
    while (l->at < l->end && !(peek(l, 0) == '*' && peek(l, 1) == '/')) {
        if (*l->at == '\n') {
            block_line(l, c, line, (size_t)(l->at - line));
            line = l->at + 1;
        }
        advance(l);
    }
    block_line(l, c, line, (size_t)(l->at - line));
    if (l->at == l->end)
        idl_error(l->idl, begin, "this comment has no end");
    else
        l->at += 2;
}

static void line_comment(struct idl_lexer *l, struct comment *c)
{
    const char *line;

    while (peek(l, 0) == '/')
        l->at++;
    if (peek(l, 0) == '<') /* "///<" of documentation tools */
        l->at++;
    if (peek(l, 0) == ' ')
        l->at++;
    line = l->at;
    while (l->at < l->end && *l->at != '\n')
        l->at++;
    add_line(l, c, line, (size_t)(l->at - line));
}

/* Steps over blanks and comments; comments are kept in the token that follows. */
static void skip_space(struct idl_lexer *l, struct idl_token *token)
{
    struct comment trailing = {0}, leading = {0};

    for (;;) {
        while (l->at < l->end && isspace((unsigned char)*l->at))
            advance(l);
        if (peek(l, 0) != '/' || (peek(l, 1) != '/' && peek(l, 1) != '*'))
            break;
        struct comment *comment = l->line == l->last_line ? &trailing : &leading;
        if (peek(l, 1) == '/')
            line_comment(l, comment);
        else
            block_comment(l, comment);
    }
    token->trailing = comment_text(&trailing);
    token->leading = comment_text(&leading);
}

/* ---- tokens -------------------------------------------------------------------------------- */

static bool is_name_start(int c)
{
    return c == '_' || isalpha(c);
}

static bool is_name(int c)
{
    return c == '_' || isalnum(c);
}

static void read_name(struct idl_lexer *l, struct idl_token *token)
{
    const char *begin = l->at;

    for (;;) {
        while (is_name(peek(l, 0)))
            l->at++;
        if (peek(l, 0) != ':' || peek(l, 1) != ':' || !is_name_start(peek(l, 2)))
            break;
        l->at += 2;
    }
    token->kind = IDL_TOKEN_NAME;
    token->text = tars_str_n(begin, (size_t)(l->at - begin));
}

/* As in C: 0x10 and 010 are not ten. Other generators take 010 as ten, so that is warned about. */
static int base_of(struct idl_lexer *l, const struct idl_token *token, const char *text)
{
    const char *digits = text + (*text == '-' || *text == '+');

    if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'))
        return 16;
    if (digits[0] != '0' || strspn(digits, "0") == strlen(digits) || strpbrk(digits, "89"))
        return 10;
    if (strtoll(digits, NULL, 8) > 7)
        idl_warn(l->idl, token->pos, "'%s' is octal here and in tars2cpp, decimal for others",
                 text);
    return 8;
}

static void read_number(struct idl_lexer *l, struct idl_token *token)
{
    const char *begin = l->at;
    bool hex, real = false;
    char *end, *text;

    if (*l->at == '-' || *l->at == '+')
        l->at++;
    hex = peek(l, 0) == '0' && (peek(l, 1) == 'x' || peek(l, 1) == 'X');
    while (is_name(peek(l, 0)) || peek(l, 0) == '.' ||
           (!hex && (peek(l, 0) == '-' || peek(l, 0) == '+') &&
            (l->at[-1] == 'e' || l->at[-1] == 'E'))) {
        if (!hex && strchr(".eE", *l->at))
            real = true;
        l->at++;
    }
    text = tars_arena_printf(idl_arena(l->idl), "%.*s", (int)(l->at - begin), begin);
    token->kind = real ? IDL_TOKEN_FLOAT : IDL_TOKEN_INT;
    token->text = tars_str(text);
    errno = 0;
    if (real)
        token->real = strtod(text, &end);
    else
        token->integer = strtoll(text, &end, base_of(l, token, text));
    if (real && (*end == 'f' || *end == 'F'))
        end++;
    if (*end != '\0')
        idl_error(l->idl, token->pos, "'%s' is not a number", text);
    else if (!real && errno == ERANGE)
        idl_error(l->idl, token->pos, "'%s' does not fit into 64 bits", text);
}

/* "1", "-1", ".5", "+.5" */
static bool begins_number(const struct idl_lexer *l)
{
    size_t at = peek(l, 0) == '-' || peek(l, 0) == '+';

    return isdigit(peek(l, at)) || (peek(l, at) == '.' && isdigit(peek(l, at + 1)));
}

static int hex_digit(int c)
{
    return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

static bool is_octal(int c)
{
    return c >= '0' && c <= '7';
}

/* The character after a backslash; `l` stands on it and is moved behind it. */
static char read_escape(struct idl_lexer *l)
{
    static const char names[] = "n\nt\tr\rb\bf\fv\va\a";
    int c = peek(l, 0), value = 0;

    if (c == 'x' && hex_digit(peek(l, 1)) >= 0) {
        l->at++;
        for (int i = 0; i < 2 && hex_digit(peek(l, 0)) >= 0; i++)
            value = value * 16 + hex_digit(*l->at++);
        return (char)value;
    }
    if (is_octal(c)) {
        for (int i = 0; i < 3 && is_octal(peek(l, 0)) && value * 8 <= 0377; i++)
            value = value * 8 + *l->at++ - '0';
        return (char)value;
    }
    l->at++;
    for (size_t i = 0; i + 1 < sizeof(names); i += 2) {
        if (names[i] == c)
            return names[i + 1];
    }
    return (char)c;
}

static void read_string(struct idl_lexer *l, struct idl_token *token)
{
    const char *close = memchr(l->at, '\n', (size_t)(l->end - l->at));
    char *text = tars_arena_alloc(idl_arena(l->idl),
                                  (size_t)((close ? close : l->end) - l->at) + 1);
    size_t len = 0;

    l->at++;
    while (l->at < l->end && *l->at != '"' && *l->at != '\n') {
        if (*l->at == '\\' && peek(l, 1) >= 0 && peek(l, 1) != '\n') {
            l->at++;
            text[len++] = read_escape(l);
        } else {
            text[len++] = *l->at++;
        }
    }
    if (peek(l, 0) == '"')
        l->at++;
    else
        idl_error(l->idl, token->pos, "this string has no closing quote on its line");
    token->kind = IDL_TOKEN_STRING;
    token->text = tars_str_n(text, len);
}

static bool read_include(struct idl_lexer *l, struct idl_token *token)
{
    const char *at = l->at + 1;

    while (at < l->end && (*at == ' ' || *at == '\t'))
        at++;
    if (l->end - at < 7 || memcmp(at, "include", 7) != 0)
        return false;
    l->at = at + 7;
    token->kind = IDL_TOKEN_INCLUDE;
    token->text = tars_str("#include");
    return true;
}

void idl_lexer_next(struct idl_lexer *l, struct idl_token *token)
{
    int c;

    *token = (struct idl_token){.kind = IDL_TOKEN_END};
    for (;;) {
        skip_space(l, token);
        token->pos = here(l);
        token->end_line = l->line;
        c = peek(l, 0);
        if (c < 0)
            return;
        if (is_name_start(c)) {
            read_name(l, token);
            break;
        }
        if (begins_number(l)) {
            read_number(l, token);
            break;
        }
        if (c == '"') {
            read_string(l, token);
            break;
        }
        if (c == '#' && read_include(l, token))
            break;
        if (c != 0 && strchr("{}()[]<>;,=*:", c)) {
            token->kind = IDL_TOKEN_PUNCT;
            token->punct = (char)c;
            token->text = tars_str_n(l->at++, 1);
            break;
        }
        if (isprint(c))
            idl_error(l->idl, token->pos, "'%c' does not belong here", c);
        else
            idl_error(l->idl, token->pos, "the byte 0x%02x does not belong here", (unsigned)c);
        advance(l);
        while (l->at < l->end && (unsigned char)*l->at >= 0x80)
            l->at++; /* the rest of a wide character: one message is enough */
    }
    l->last_line = l->line;
}
