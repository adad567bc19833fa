/* SPDX-License-Identifier: BSD-3-Clause */
/* The text of a configuration to its tree. Tars protocol: TC_Config grammar, lines. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xmalloc.h"
#include "conf/text.h"
#include "conf/tree.h"

enum { MAX_TEXT = 16 << 20 };

struct parser {
    struct tars_conf *conf;
    struct conf_domain *open[CONF_MAX_DEPTH + 1]; /* root first */
    size_t depth;
    size_t line_number;
    struct tars_error *error;
};

static bool fail(struct parser *p, const char *what, const char *about)
{
    return tars_fail(p->error, -1, "line %zu: %s%.200s", p->line_number, what, about);
}

/* In place. */
static char *trim(char *text)
{
    struct tars_str trimmed = conf_trim(tars_str(text));
    char *begin = text + (trimmed.at - text);
    begin[trimmed.len] = '\0';
    return begin;
}

/* The first "=" with an even number of backslashes before it, so that "\\" before "=" is itself. */
static char *find_separator(char *line)
{
    for (; *line; line++) {
        if (*line == '=')
            return line;
        if (*line == '\\' && line[1])
            line++;
    }
    return NULL;
}

/* In place; false for a backslash before anything but \ n r t =. */
static bool unescape(char *text)
{
    static const char from[] = "\\nrt=", to[] = "\\\n\r\t=";
    char *out = text;
    for (; *text; text++) {
        const char *code = NULL;
        if (*text == '\\') {
            text++;
            code = *text ? strchr(from, *text) : NULL;
            if (!code)
                return false;
        }
        *out++ = code ? to[code - from] : *text;
    }
    *out = '\0';
    return true;
}

static bool open_domain(struct parser *p, char *line)
{
    char *end = strchr(line, '>');
    if (!end)
        return fail(p, "a domain has no '>' on its line: ", line);
    if (p->depth == CONF_MAX_DEPTH)
        return tars_fail(p->error, -1, "line %zu: more than %d domains inside each other",
                         p->line_number, CONF_MAX_DEPTH);
    *end = '\0';
    struct conf_domain *inside = p->open[p->depth];
    p->open[++p->depth] = conf_domain_open(inside, p->conf->arena, tars_str(trim(line + 1)));
    return true;
}

static bool close_domain(struct parser *p, char *line)
{
    char *end = strchr(line, '>');
    if (!end)
        return fail(p, "a closing tag has no '>' on its line: ", line);
    *end = '\0';
    if (p->depth == 0)
        return tars_fail(p->error, -1, "line %zu: </%.100s> closes a domain, but none is open",
                         p->line_number, line + 2);
    const char *name = p->open[p->depth]->name;
    if (strcmp(line + 2, name) != 0)
        return tars_fail(p->error, -1, "line %zu: </%.100s> stands where </%.100s> is expected",
                         p->line_number, line + 2, name);
    p->depth--;
    return true;
}

static bool read_key(struct parser *p, char *line)
{
    struct conf_domain *domain = p->open[p->depth];
    struct tars_str raw = tars_arena_copy(p->conf->arena, tars_str(line));
    conf_domain_add_line(domain, raw.at);

    char *separator = find_separator(line);
    char *value = separator ? trim(separator + 1) : line + strlen(line);
    if (separator)
        *separator = '\0';
    char *key = trim(line);
    if (!unescape(key) || !unescape(value))
        return fail(p, "only \\\\ \\n \\r \\t and \\= may stand for a character: ", raw.at);
    conf_key_put(domain, p->conf->arena, tars_str(key), value);
    return true;
}

static bool read_line(struct parser *p, char *line)
{
    line = trim(line);
    if (*line == '\0' || *line == '#')
        return true;
    if (*line != '<')
        return read_key(p, line);
    return line[1] == '/' ? close_domain(p, line) : open_domain(p, line);
}

/* `text` is changed in place and becomes the values. */
static bool read_lines(struct parser *p, struct tars_str text, char *copy)
{
    if (memchr(text.at, '\0', text.len)) {
        for (const char *at = text.at; *at; at++)
            p->line_number += *at == '\n';
        p->line_number++;
        return fail(p, "a NUL byte, so this is no text", "");
    }
    for (char *line = copy, *next; line; line = next) {
        p->line_number++;
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (!read_line(p, line))
            return false;
    }
    if (p->depth > 0)
        return tars_fail(p->error, -1, "line %zu: the text ends and <%.200s> is still open",
                         p->line_number, p->open[p->depth]->name);
    return true;
}

struct tars_conf *tars_conf_parse(struct tars_str text, struct tars_error *error)
{
    if (text.len > MAX_TEXT) {
        tars_fail(error, -1, "%zu bytes are more than a configuration may have (%d)", text.len,
                  MAX_TEXT);
        return NULL;
    }
    struct tars_conf *conf = tars_conf_new();
    struct parser p = {.conf = conf, .open = {conf->root}, .error = error};
    char *copy = tars_arena_alloc(conf->arena, text.len + 1);
    if (text.len)
        memcpy(copy, text.at, text.len);
    bool ok = text.len == 0 || read_lines(&p, text, copy);
    conf_domain_settle_all(conf->root);
    if (!ok) {
        tars_conf_free(conf);
        return NULL;
    }
    return conf;
}

/* The whole file, at most MAX_TEXT bytes; NULL with the reason. */
static char *read_file(const char *path, size_t *len, struct tars_error *error)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        tars_fail(error, -1, "cannot open %s: %s", path, strerror(errno));
        return NULL;
    }
    char *bytes = NULL;
    size_t room = 0, got;
    *len = 0;
    do {
        room = room ? room * 2 : 4096;
        bytes = xrealloc(bytes, room);
        got = fread(bytes + *len, 1, room - *len, file);
        *len += got;
    } while (*len == room && *len <= MAX_TEXT);
    bool failed = ferror(file);
    if (failed)
        tars_fail(error, -1, "cannot read %s: %s", path, strerror(errno));
    fclose(file);
    if (failed) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

struct tars_conf *tars_conf_load(const char *path, struct tars_error *error)
{
    size_t len;
    char *bytes = read_file(path, &len, error);
    if (!bytes)
        return NULL;
    struct tars_conf *conf = tars_conf_parse(tars_str_n(bytes, len), error);
    if (!conf)
        tars_fail_prefix(error, "%s: ", path);
    free(bytes);
    return conf;
}
