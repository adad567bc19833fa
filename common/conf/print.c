/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree of a configuration to its text. Tars protocol: TC_Config grammar, writing; what is
 * written here reads back as it was, or is refused.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/xmalloc.h"
#include "conf/tree.h"

static void print_escaped(FILE *out, const char *text)
{
    static const char from[] = "\\\n\r\t=", to[] = "\\nrt=";
    for (; *text; text++) {
        const char *code = strchr(from, *text);
        if (code)
            fputc('\\', out);
        fputc(code ? to[code - from] : *text, out);
    }
}

/* A blank has no escape and readers trim it off. */
static bool has_outer_blank(const char *text)
{
    size_t len = strlen(text);
    return len && (text[0] == ' ' || text[len - 1] == ' ');
}

static bool check_key(const struct conf_domain *domain, const struct conf_key *key,
                      struct tars_error *error)
{
    const char *why = NULL;
    if (key->name[0] == '<' || key->name[0] == '#')
        why = "a key cannot begin with '<' or '#'";
    else if (has_outer_blank(key->name))
        why = "a key cannot begin or end with a blank";
    else if (has_outer_blank(key->value))
        why = "a value cannot begin or end with a blank";
    if (why)
        return tars_fail(error, -1, "writing key '%.100s' of domain <%.100s>: %s", key->name,
                         domain->name, why);
    return true;
}

static bool check_name(const char *name, struct tars_error *error)
{
    static const char blanks[] = " \t\r";
    size_t len = strlen(name);
    if (strpbrk(name, ">\n") || (len && (strchr(blanks, name[0]) || strchr(blanks, name[len - 1]))))
        return tars_fail(error, -1,
                         "writing domain <%.200s>: its name cannot hold '>' or a newline, nor "
                         "begin or end with a blank",
                         name);
    return true;
}

static bool print_keys(FILE *out, const struct conf_domain *domain, int indent,
                       struct tars_error *error)
{
    for (size_t i = 0; i < domain->key_count; i++) {
        const struct conf_key *key = domain->keys[i];
        if (!check_key(domain, key, error))
            return false;
        fprintf(out, "%*s", indent, "");
        print_escaped(out, key->name);
        if (*key->value || !*key->name) /* an empty line would be no key at all */
            fputc('=', out);
        print_escaped(out, key->value);
        fputc('\n', out);
    }
    return true;
}

static bool print_domain(FILE *out, const struct conf_domain *domain, int indent,
                         struct tars_error *error)
{
    if (!check_name(domain->name, error))
        return false;
    /* "</" would close: a name that begins with "/" stands behind a blank. */
    fprintf(out, "%*s<%s%s>\n", indent, "", domain->name[0] == '/' ? " " : "", domain->name);
    if (!print_keys(out, domain, indent + 2, error))
        return false;
    for (size_t i = 0; i < domain->domain_count; i++)
        if (!print_domain(out, domain->domains[i], indent + 2, error))
            return false;
    fprintf(out, "%*s</%s>\n", indent, "", domain->name);
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct conf_domain *const *)a)->name, (*(struct conf_domain *const *)b)->name);
}

static bool print_root(FILE *out, const struct conf_domain *root, struct tars_error *error)
{
    size_t count = root->domain_count;
    struct conf_domain **sorted = xcalloc(count + 1, sizeof *sorted);
    bool ok = true;
    if (count)
        memcpy(sorted, root->domains, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_name);
    for (size_t i = 0; ok && i < count; i++)
        ok = print_domain(out, sorted[i], 0, error);
    free(sorted);
    return ok;
}

bool tars_conf_print(const struct tars_conf *conf, struct tars_arena *arena, struct tars_str *text,
                     struct tars_error *error)
{
    char *buffer = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&buffer, &len);
    if (!out)
        return tars_fail(error, -1, "writing a configuration: no memory");
    bool ok = print_root(out, conf->root, error);
    if (fclose(out) != 0 && ok)
        ok = tars_fail(error, -1, "writing a configuration: no memory");
    if (ok) {
        *text = tars_arena_copy(arena, tars_str_n(buffer, len));
        if (!text->at)
            ok = tars_fail(error, -1, "writing a configuration: its %zu bytes pass the limit", len);
    }
    free(buffer);
    return ok;
}
