/* SPDX-License-Identifier: BSD-3-Clause */
#include "names.h"

#include <base/map.h>
#include <base/xmalloc.h>
#include <ctype.h>
#include <stdlib.h>

struct names {
    struct idl *idl;
    struct tars_arena *arena;
    struct map *prefixes; /* module -> C prefix */
    struct map *given;    /* address of a declaration, member or function -> its C name */
    struct map *handlers; /* address of a function -> its name in the table of handlers */
    struct map *taken;    /* C name -> struct owner */
    struct map *declared; /* C names of declarations, without what comes with them */
};

/* Who has a C name at file scope. */
struct owner {
    const struct idl_file *file;
    struct idl_pos pos;
    const char *what;
};

struct names *names_new(struct idl *idl)
{
    struct names *n = xcalloc(1, sizeof(*n));

    n->idl = idl;
    n->arena = tars_arena_new(0);
    n->prefixes = map_new(NULL);
    n->given = map_new(NULL);
    n->handlers = map_new(NULL);
    n->taken = map_new(NULL);
    n->declared = map_new(NULL);
    return n;
}

void names_free(struct names *n)
{
    map_free(n->prefixes);
    map_free(n->given);
    map_free(n->handlers);
    map_free(n->taken);
    map_free(n->declared);
    tars_arena_free(n->arena);
    free(n);
}

bool names_add_prefix(struct names *n, const char *rule)
{
    const char *equals = strchr(rule, '=');

    if (equals == NULL || equals == rule || equals[1] == '\0' ||
        !(isalpha((unsigned char)equals[1])))
        return false;
    for (const char *at = equals + 1; *at; at++) {
        if (!isalnum((unsigned char)*at) && *at != '_')
            return false;
    }
    map_put(n->prefixes, tars_str_n(rule, (size_t)(equals - rule)),
            (char *)tars_arena_copy(n->arena, tars_str(equals + 1)).at);
    return true;
}

/* ---- spelling ------------------------------------------------------------------------------ */

/* A new word begins at a capital behind a small letter or digit, and at the last capital of a run
 * that a small letter follows. */
static bool begins_word(const char *name, size_t i)
{
    unsigned char c = (unsigned char)name[i], before = i ? (unsigned char)name[i - 1] : '_';

    if (!isupper(c) || before == '_')
        return false;
    return !isupper(before) || islower((unsigned char)name[i + 1]);
}

const char *names_snake(struct tars_arena *arena, const char *name)
{
    char *text = tars_arena_alloc(arena, strlen(name) * 2 + 1);
    size_t len = 0;

    for (size_t i = 0; name[i]; i++) {
        if (begins_word(name, i))
            text[len++] = '_';
        text[len++] = (char)tolower((unsigned char)name[i]);
    }
    return text;
}

const char *names_upper(struct tars_arena *arena, const char *name)
{
    char *text = (char *)(uintptr_t)names_snake(arena, name);

    for (size_t i = 0; text[i]; i++)
        text[i] = (char)toupper((unsigned char)text[i]);
    return text;
}

/* Names with capitals are those that clashed in small letters: they keep the difference. */
const char *names_macro(struct tars_arena *arena, const char *name)
{
    for (const char *at = name; *at; at++) {
        if (isupper((unsigned char)*at))
            return name;
    }
    return names_upper(arena, name);
}

const char *names_list_macro(struct tars_arena *arena, const char *name)
{
    return tars_arena_printf(arena, "%s_LIST", names_macro(arena, name));
}

/* Words of C and C++, and names that the headers of C systems define as macros. */
static bool is_taken_word(const char *name)
{
    static const char *const words[] = {
        "alignas",      "alignof",      "and",           "and_eq",      "asm",
        "assert",       "auto",         "bitand",        "bitor",       "bool",
        "break",        "case",         "catch",         "char",        "char16_t",
        "char32_t",     "char8_t",      "class",         "co_await",    "co_return",
        "co_yield",     "compl",        "complex",       "concept",     "const",
        "const_cast",   "consteval",    "constexpr",     "constinit",   "continue",
        "decltype",     "default",      "delete",        "do",          "double",
        "dynamic_cast", "else",         "enum",          "errno",       "explicit",
        "export",       "extern",       "false",         "float",       "for",
        "friend",       "goto",         "i386",          "if",          "imaginary",
        "inline",       "int",          "linux",         "long",        "major",
        "makedev",      "minor",        "mutable",       "namespace",   "new",
        "noexcept",     "noreturn",     "not",           "not_eq",      "NULL",
        "nullptr",      "offsetof",     "operator",      "or",          "or_eq",
        "private",      "protected",    "public",        "register",    "reinterpret_cast",
        "requires",     "restrict",     "return",        "short",       "signed",
        "sizeof",       "static",       "static_assert", "static_cast", "stderr",
        "stdin",        "stdout",       "struct",        "switch",      "template",
        "this",         "thread_local", "throw",         "true",        "try",
        "typedef",      "typeid",       "typename",      "typeof",      "union",
        "unix",         "unsigned",     "using",         "virtual",     "void",
        "volatile",     "wchar_t",      "while",         "xor",         "xor_eq"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], name) == 0)
            return true;
    }
    return false;
}

/* What the parameters of generated functions are called. */
static bool is_own_parameter(const char *name)
{
    static const char *const words[] = {"arena",   "args",    "call",     "callback", "handlers",
                                        "later",   "memset",  "options",  "proxy",    "result",
                                        "ret",     "user",    "int8_t",   "int16_t",  "int32_t",
                                        "int64_t", "uint8_t", "uint16_t", "uint32_t"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], name) == 0)
            return true;
    }
    return false;
}

/* ---- members and parameters ---------------------------------------------------------------- */

static void give(struct names *n, const void *what, const char *name)
{
    map_put(n->given, tars_str_n(&what, sizeof(what)), (char *)(uintptr_t)name);
}

static const char *given(const struct names *n, const void *what)
{
    return map_get(n->given, tars_str_n(&what, sizeof(what)));
}

/* True when another member of the scope has the same form as `member` would have. */
static bool shares_form(struct names *n, const struct idl_member *members,
                        const struct idl_member *member, const char *form,
                        const char *(*spell)(struct tars_arena *arena, const char *name))
{
    for (const struct idl_member *m = members; m; m = m->next) {
        if (m != member && strcmp(spell(n->arena, m->name), form) == 0)
            return true;
    }
    return false;
}

static const char *member_form(struct names *n, const struct idl_member *members,
                               const struct idl_member *member)
{
    const char *form = names_snake(n->arena, member->name);

    return shares_form(n, members, member, form, names_snake) ? member->name : form;
}

/* Words of C yield to members that are called like them with an underscore. */
static void assign_members(struct names *n, const struct idl_member *members, bool parameters)
{
    struct map *used = map_new(NULL);

    for (int words = 0; words <= 1; words++) {
        for (const struct idl_member *m = members; m; m = m->next) {
            const char *form = member_form(n, members, m);
            bool word = is_taken_word(form) || (parameters && is_own_parameter(form));
            if (word != words)
                continue;
            while (word && (form = tars_arena_printf(n->arena, "%s_", form)))
                word = map_get(used, tars_str(form)) != NULL;
            map_put(used, tars_str(form), n);
            give(n, m, form);
        }
    }
    map_free(used);
}

/* ---- names at file scope ------------------------------------------------------------------- */

/* A symbol that is about to get a name, and the endings of the names that come with it. */
struct symbol {
    const struct idl_decl *decl;
    const struct idl_function *function; /* NULL for the declaration itself */
    const char *scope;                   /* what stands before the name, "demo_" */
    const char *spelling;                /* as in the .tars file */
    const char *name;
    const char *const *endings;
    struct idl_pos pos;
};

static const char *const struct_endings[] = {
    "",         "_init",    "_write",   "_write_fields", "_read", "_read_fields", "_equal",
    "_hash",    "_compare", "_to_json", "_from_json",    "_type", "_list",        "_pair",
    "_members", NULL};
enum { LIST_MACRO = sizeof(struct_endings) / sizeof(struct_endings[0]) - 1 }; /* behind the last */
static const char *const interface_endings[] = {"", "_serve", "_interface", "_functions", NULL};
static const char *const function_endings[] = {"",        "_with",  "_async",   "_async_with",
                                               "_later",  "_reply", "_args",    "_callback",
                                               "_params", "_run",   "_deliver", NULL};
static const char *const plain_endings[] = {"", NULL};

static const char *const *endings_of(const struct idl_decl *decl)
{
    return decl->kind == IDL_DECL_STRUCT      ? struct_endings
           : decl->kind == IDL_DECL_INTERFACE ? interface_endings
                                              : plain_endings;
}

static const char *form_of(struct names *n, const struct symbol *s)
{
    if (s->decl->kind == IDL_DECL_CONST)
        return names_upper(n->arena, s->spelling);
    return names_snake(n->arena, s->spelling);
}

static void spell(struct names *n, struct symbol *s, const char *as)
{
    s->name = tars_arena_printf(n->arena, "%s%s", s->scope, as);
}

static bool is_taken(const struct names *n, const struct symbol *s)
{
    const struct owner *owner = map_get(n->taken, tars_str(s->name));

    return owner && idl_sees(s->decl->file, owner->file);
}

/* How many symbols have each name, or one that comes with theirs. */
static size_t *users(struct names *n, struct map *names, const char *name)
{
    size_t *count = map_get(names, tars_str(name));

    if (count == NULL) {
        count = tars_arena_alloc(n->arena, sizeof(*count));
        map_put(names, tars_str(name), count);
    }
    return count;
}

/* The i-th of the names that come with a symbol, its own first; NULL behind the last. */
static const char *nth_name(struct names *n, const struct symbol *s, size_t i)
{
    if (s->endings == struct_endings && i >= LIST_MACRO)
        return i == LIST_MACRO ? names_list_macro(n->arena, s->name) : NULL;
    return s->endings[i] ? tars_arena_printf(n->arena, "%s%s", s->name, s->endings[i]) : NULL;
}

/* Counts the names of a symbol in (1) or out (-1). */
static void count_names(struct names *n, struct map *names, const struct symbol *s, int step)
{
    const char *name;

    for (size_t i = 0; (name = nth_name(n, s, i)); i++)
        *users(n, names, name) += (size_t)step;
}

static bool clashes(struct names *n, struct map *names, const struct symbol *s)
{
    return is_taken(n, s) || *users(n, names, s->name) > 1;
}

static void respell(struct names *n, struct map *names, struct symbol *s, const char *as)
{
    count_names(n, names, s, -1);
    spell(n, s, as);
    count_names(n, names, s, 1);
}

/* Those that clash in their usual form keep the spelling of the .tars file; what clashes even then
 * gets as many underscores as it takes. */
static void resolve(struct names *n, struct symbol *symbols, size_t count)
{
    struct map *names = map_new(NULL);
    bool *exact = xcalloc(count + 1, sizeof(*exact));

    for (size_t i = 0; i < count; i++) {
        spell(n, &symbols[i], form_of(n, &symbols[i]));
        count_names(n, names, &symbols[i], 1);
    }
    for (size_t i = 0; i < count; i++)
        exact[i] = clashes(n, names, &symbols[i]) &&
                   strcmp(form_of(n, &symbols[i]), symbols[i].spelling) != 0;
    for (size_t i = 0; i < count; i++) {
        if (exact[i])
            respell(n, names, &symbols[i], symbols[i].spelling);
    }
    for (size_t i = 0; i < count; i++) {
        const char *as = exact[i] ? symbols[i].spelling : form_of(n, &symbols[i]);
        while (clashes(n, names, &symbols[i]))
            respell(n, names, &symbols[i], as = tars_arena_printf(n->arena, "%s_", as));
    }
    map_free(names);
    free(exact);
}

static void take(struct names *n, const struct symbol *s, const char *name)
{
    const struct owner *other = map_get(n->taken, tars_str(name));
    struct owner *owner;

    if (other != NULL) {
        idl_error(n->idl, s->pos,
                  "'%s' would get the C name '%s', which is taken: give its module another prefix "
                  "with --prefix %s=NAME",
                  s->spelling, name, s->decl->module);
        idl_note(n->idl, other->pos, "by '%s'", other->what);
        return;
    }
    owner = tars_arena_alloc(n->arena, sizeof(*owner));
    *owner = (struct owner){s->decl->file, s->pos, s->spelling};
    map_put(n->taken, tars_str(name), owner);
}

static void take_all(struct names *n, struct symbol *symbols, size_t count)
{
    const char *name;

    for (size_t i = 0; i < count; i++) {
        struct symbol *s = &symbols[i];
        for (size_t k = 0; (name = nth_name(n, s, k)); k++)
            take(n, s, name);
        give(n, s->function ? (const void *)s->function : s->decl, s->name);
        if (!s->function)
            map_put(n->declared, tars_str(s->name), n);
    }
}

static const char *scope_of(struct names *n, const struct idl_decl *decl)
{
    const char *prefix = names_prefix(n, decl->module);

    if (decl->kind == IDL_DECL_CONST)
        prefix = names_upper(n->arena, prefix);
    return tars_arena_printf(n->arena, "%s_", prefix);
}

static struct symbol decl_symbol(struct names *n, const struct idl_decl *d)
{
    return (struct symbol){.decl = d,
                           .scope = scope_of(n, d),
                           .spelling = d->name,
                           .endings = endings_of(d),
                           .pos = d->pos};
}

static struct symbol function_symbol(struct names *n, const struct idl_decl *d,
                                     const struct idl_function *f, const char *interface)
{
    return (struct symbol){.decl = d,
                           .function = f,
                           .scope = tars_arena_printf(n->arena, "%s_", interface),
                           .spelling = f->name,
                           .endings = function_endings,
                           .pos = f->pos};
}

/*
 * Declarations and functions share one scope in C. Functions are first named after their
 * interface's usual form, so that a declaration yields to them, and again when the interfaces have
 * their names.
 */
static void assign_file(struct names *n, const struct idl_file *file)
{
    size_t decls = 0, count = 0;
    struct symbol *symbols;

    for (const struct idl_decl *d = file->decls; d; d = d->next)
        decls += 1 + d->function_count;
    symbols = xcalloc(decls + 1, sizeof(*symbols));
    for (const struct idl_decl *d = file->decls; d; d = d->next)
        symbols[count++] = decl_symbol(n, d);
    decls = count;
    for (size_t i = 0; i < decls; i++) {
        spell(n, &symbols[i], form_of(n, &symbols[i]));
        for (const struct idl_function *f = symbols[i].decl->functions; f; f = f->next)
            symbols[count++] = function_symbol(n, symbols[i].decl, f, symbols[i].name);
    }
    resolve(n, symbols, count);
    for (size_t i = 0, k = decls; i < decls; i++) {
        for (const struct idl_function *f = symbols[i].decl->functions; f; f = f->next)
            symbols[k++] = function_symbol(n, symbols[i].decl, f, symbols[i].name);
    }
    resolve(n, symbols, count);
    take_all(n, symbols, count);
    free(symbols);
}

/* "DEMO_COLOR_RED"; members of one enum that differ only in case keep their spelling, and one that
 * is a constant's name too gets underscores. */
static void assign_enum(struct names *n, const struct idl_decl *decl)
{
    const char *scope = names_upper(n->arena, names_decl(n, decl));

    for (const struct idl_member *m = decl->members; m; m = m->next) {
        const char *form = names_upper(n->arena, m->name);
        struct symbol s = {.decl = decl, .spelling = m->name, .pos = m->pos};
        if (shares_form(n, decl->members, m, form, names_upper))
            form = m->name;
        s.name = tars_arena_printf(n->arena, "%s_%s", scope, form);
        while (is_taken(n, &s))
            s.name = tars_arena_printf(n->arena, "%s_", s.name);
        give(n, m, s.name);
        take(n, &s, s.name);
    }
}

static bool has_handler(const struct names *n, const struct idl_decl *decl, const char *name)
{
    size_t scope_len = strlen(names_decl(n, decl)) + 1;
    const struct idl_function *f = decl->functions;

    while (f && strcmp(names_function(n, f) + scope_len, name) != 0)
        f = f->next;
    return f != NULL;
}

/* The table of handlers is a scope of its own. */
static void assign_handlers(struct names *n, const struct idl_decl *decl)
{
    size_t scope_len = strlen(names_decl(n, decl)) + 1;

    for (const struct idl_function *f = decl->functions; f; f = f->next) {
        const char *name = names_function(n, f) + scope_len;
        bool word = is_taken_word(name);
        while (word && (name = tars_arena_printf(n->arena, "%s_", name)))
            word = has_handler(n, decl, name);
        map_put(n->handlers, tars_str_n(&f, sizeof(f)), (char *)(uintptr_t)name);
        assign_members(n, f->params, true);
    }
}

void names_assign(struct names *n)
{
    for (const struct idl_file *file = idl_files(n->idl); file; file = file->next) {
        assign_file(n, file);
        for (const struct idl_decl *d = file->decls; d; d = d->next) {
            if (d->kind == IDL_DECL_STRUCT)
                assign_members(n, d->members, false);
            else if (d->kind == IDL_DECL_ENUM)
                assign_enum(n, d);
            else if (d->kind == IDL_DECL_INTERFACE)
                assign_handlers(n, d);
        }
    }
}

/* ---- asking -------------------------------------------------------------------------------- */

const char *names_prefix(const struct names *n, const char *module)
{
    const char *prefix = map_get(n->prefixes, tars_str(module));

    if (prefix != NULL)
        return prefix;
    prefix = names_snake(n->arena, module);
    if (strncmp(prefix, "tars", 4) == 0 && (prefix[4] == '\0' || prefix[4] == '_'))
        return tars_arena_printf(n->arena, "tarsf%s", prefix + 4); /* "tars_" is libtars */
    return prefix;
}

bool names_is_declared(const struct names *n, const char *name)
{
    return map_get(n->declared, tars_str(name)) != NULL;
}

const char *names_decl(const struct names *n, const struct idl_decl *decl)
{
    return given(n, decl);
}

const char *names_member(const struct names *n, const struct idl_member *member)
{
    return given(n, member);
}

const char *names_function(const struct names *n, const struct idl_function *function)
{
    return given(n, function);
}

const char *names_handler(const struct names *n, const struct idl_function *function)
{
    return map_get(n->handlers, tars_str_n(&function, sizeof(function)));
}
