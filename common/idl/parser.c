/* SPDX-License-Identifier: BSD-3-Clause */
#include <idl/lexer.h>
#include <idl/parser.h>

/*
 * Recursive descent with one token of look-ahead. A function that meets something it cannot use
 * reports it and returns NULL or false; the loop over the members or declarations then skips to
 * the next ';' or '}' and goes on.
 */
struct parser {
    struct idl *idl;
    struct tars_arena *arena;
    struct idl_file *file;
    struct idl_lexer lexer;
    struct idl_token token;
    const char *module;
    struct idl_decl **end; /* where the next declaration is linked */
    int depth;             /* of vector<map<…>> */
};

enum { MAX_TYPE_DEPTH = 32 };

static void next(struct parser *p)
{
    idl_lexer_next(&p->lexer, &p->token);
}

static bool at_punct(const struct parser *p, char c)
{
    return p->token.kind == IDL_TOKEN_PUNCT && p->token.punct == c;
}

static bool at_word(const struct parser *p, const char *word)
{
    return p->token.kind == IDL_TOKEN_NAME && tars_str_is(p->token.text, word);
}

static const char *token_text(const struct parser *p)
{
    return p->token.kind == IDL_TOKEN_END
               ? "the end of the file"
               : tars_arena_printf(p->arena, "'%" TARS_STR_FMT "'", TARS_STR_ARG(p->token.text));
}

static bool expected(struct parser *p, const char *what)
{
    idl_error(p->idl, p->token.pos, "expected %s, found %s", what, token_text(p));
    return false;
}

static bool take_punct(struct parser *p, char c, const char *where)
{
    if (!at_punct(p, c))
        return expected(p, tars_arena_printf(p->arena, "'%c' %s", c, where));
    next(p);
    return true;
}

static bool is_reserved(struct tars_str word)
{
    static const char *const words[] = {
        "module", "struct",  "enum",     "const", "interface", "void",   "bool",   "byte",
        "short",  "int",     "long",     "float", "double",    "string", "vector", "map",
        "key",    "require", "optional", "out",   "unsigned",  "true",   "false"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (tars_str_is(word, words[i]))
            return true;
    }
    return false;
}

/* A name that is declared here. `key` and `out` are words of the language only where they say so.
 */
static const char *take_name(struct parser *p, const char *what)
{
    const char *name;

    if (p->token.kind != IDL_TOKEN_NAME) {
        expected(p, what);
        return NULL;
    }
    name = tars_arena_copy(p->arena, p->token.text).at;
    if (is_reserved(p->token.text) && strcmp(name, "key") != 0 && strcmp(name, "out") != 0) {
        idl_error(p->idl, p->token.pos, "'%s' is a word of the language and cannot be %s", name,
                  what);
        return NULL;
    }
    if (strchr(name, ':') != NULL) {
        expected(p, what);
        return NULL;
    }
    next(p);
    return name;
}

/* ---- types --------------------------------------------------------------------------------- */

static const struct basic {
    const char *name;
    enum idl_kind kind, without_sign;
} basics[] = {
    {"bool", IDL_BOOL, IDL_VOID},     {"byte", IDL_INT8, IDL_UINT8},
    {"char", IDL_INT8, IDL_UINT8},    {"short", IDL_INT16, IDL_UINT16},
    {"int", IDL_INT32, IDL_UINT32},   {"long", IDL_INT64, IDL_VOID},
    {"float", IDL_FLOAT, IDL_VOID},   {"double", IDL_DOUBLE, IDL_VOID},
    {"string", IDL_STRING, IDL_VOID},
};

static const struct basic *at_basic(const struct parser *p)
{
    for (size_t i = 0; i < sizeof(basics) / sizeof(basics[0]); i++) {
        if (at_word(p, basics[i].name))
            return &basics[i];
    }
    return NULL;
}

static struct idl_type *new_type(struct parser *p, enum idl_kind kind)
{
    struct idl_type *type = tars_arena_alloc(p->arena, sizeof(*type));

    type->kind = kind;
    type->pos = p->token.pos;
    return type;
}

static const struct idl_type *parse_type(struct parser *p);

/* "string : 32 name" and "string name : 32": hints for C++ code; the wire does not know them. */
static bool skip_size_hint(struct parser *p)
{
    if (!at_punct(p, ':'))
        return true;
    next(p);
    if (p->token.kind != IDL_TOKEN_INT)
        return expected(p, "a size after ':'");
    next(p);
    return true;
}

static const struct idl_type *parse_vector(struct parser *p)
{
    struct idl_type *type = new_type(p, IDL_LIST);

    next(p);
    if (!take_punct(p, '<', "after vector") || !(type->value = parse_type(p)))
        return NULL;
    if (!skip_size_hint(p) || !take_punct(p, '>', "to close the vector"))
        return NULL;
    if (type->value->kind == IDL_INT8)
        type->kind = IDL_BYTES;
    return type;
}

static const struct idl_type *parse_map(struct parser *p)
{
    struct idl_type *type = new_type(p, IDL_MAP);

    next(p);
    if (!take_punct(p, '<', "after map") || !(type->key = parse_type(p)) ||
        !take_punct(p, ',', "between key and value of the map") || !(type->value = parse_type(p)) ||
        !take_punct(p, '>', "to close the map"))
        return NULL;
    return type;
}

static const struct idl_type *parse_unsigned(struct parser *p)
{
    struct idl_type *type = new_type(p, IDL_VOID);
    const struct basic *basic;

    next(p);
    basic = at_basic(p);
    if (basic == NULL || basic->without_sign == IDL_VOID) {
        expected(p, "byte, short or int after unsigned");
        return NULL;
    }
    type->kind = basic->without_sign;
    next(p);
    return type;
}

static const struct idl_type *parse_simple(struct parser *p)
{
    const struct basic *basic = at_basic(p);
    struct idl_type *type;

    if (at_word(p, "unsigned"))
        return parse_unsigned(p);
    if (p->token.kind != IDL_TOKEN_NAME || (basic == NULL && is_reserved(p->token.text))) {
        expected(p, "a type");
        return NULL;
    }
    type = new_type(p, basic ? basic->kind : IDL_NAMED);
    type->name = tars_arena_copy(p->arena, p->token.text).at;
    next(p);
    return type;
}

static const struct idl_type *parse_type(struct parser *p)
{
    const struct idl_type *type;

    if (p->depth == MAX_TYPE_DEPTH) {
        idl_error(p->idl, p->token.pos, "more than %d types inside each other", MAX_TYPE_DEPTH);
        return NULL;
    }
    p->depth++;
    type = at_word(p, "vector") ? parse_vector(p)
           : at_word(p, "map")  ? parse_map(p)
                                : parse_simple(p);
    p->depth--;
    return type;
}

static struct idl_type *new_vector(struct parser *p, const struct idl_type *element)
{
    struct idl_type *type = new_type(p, element->kind == IDL_INT8 ? IDL_BYTES : IDL_LIST);

    type->value = element;
    return type;
}

/* "type name[10]": a vector that holds at most 10. */
static const struct idl_type *parse_array(struct parser *p, const struct idl_type *element)
{
    struct idl_type *type = new_vector(p, element);

    next(p);
    if (p->token.kind != IDL_TOKEN_INT || p->token.integer <= 0 || p->token.integer > INT32_MAX) {
        expected(p, "the size of the array, a positive number,");
        return NULL;
    }
    type->max = (size_t)p->token.integer;
    next(p);
    return take_punct(p, ']', "to close the array") ? type : NULL;
}

/* A type with the name of a member or parameter: "T name", "T name[10]", "T *name", a vector too.
 */
static bool parse_named_type(struct parser *p, struct idl_member *member, const char *what)
{
    if (!(member->type = parse_type(p)) || !skip_size_hint(p))
        return false;
    if (at_punct(p, '*')) {
        member->type = new_vector(p, member->type);
        next(p);
    }
    member->pos = p->token.pos;
    if (!(member->name = take_name(p, what)))
        return false;
    if (at_punct(p, '[') && !(member->type = parse_array(p, member->type)))
        return false;
    return skip_size_hint(p);
}

/* ---- values -------------------------------------------------------------------------------- */

static bool parse_value(struct parser *p, struct idl_value *value)
{
    value->pos = p->token.pos;
    value->text = p->token.text;
    switch (p->token.kind) {
    case IDL_TOKEN_INT:
        value->kind = IDL_VALUE_INT;
        value->integer = p->token.integer;
        break;
    case IDL_TOKEN_FLOAT:
        value->kind = IDL_VALUE_FLOAT;
        value->real = p->token.real;
        break;
    case IDL_TOKEN_STRING:
        value->kind = IDL_VALUE_STRING;
        break;
    case IDL_TOKEN_NAME:
        value->kind = at_word(p, "true") || at_word(p, "false") ? IDL_VALUE_BOOL : IDL_VALUE_NAME;
        value->integer = at_word(p, "true");
        break;
    default:
        return expected(p, "a value");
    }
    next(p);
    return true;
}

/* ---- declarations -------------------------------------------------------------------------- */

static const char *add_text(struct parser *p, const char *before, const char *text)
{
    if (before == NULL || text == NULL)
        return before ? before : text;
    return tars_arena_printf(p->arena, "%s\n%s", before, text);
}

/* What stands behind a member on its line was kept by the token after it. */
static void take_trailing(struct parser *p, struct idl_member *member)
{
    member->comment = add_text(p, member->comment, p->token.trailing);
    p->token.trailing = NULL;
}

/* After a mistake: to behind the next ';', or to a '}' or the end of the file, which is false. */
static bool skip_statement(struct parser *p)
{
    int depth = 0;

    while (p->token.kind != IDL_TOKEN_END) {
        if (depth == 0 && at_punct(p, '}'))
            return false;
        if (at_punct(p, '{'))
            depth++;
        if (at_punct(p, '}'))
            depth--;
        if (depth == 0 && at_punct(p, ';')) {
            next(p);
            return true;
        }
        next(p);
    }
    return false;
}

/* '}' and the ';' after it, which some files forget. */
static bool close_block(struct parser *p, const char *what)
{
    if (!take_punct(p, '}', tars_arena_printf(p->arena, "to close the %s", what)))
        return false;
    if (at_punct(p, ';'))
        next(p);
    else
        idl_warn(p->idl, p->token.pos, "';' is missing after the %s", what);
    return true;
}

static struct idl_decl *new_decl(struct parser *p, enum idl_decl_kind kind)
{
    struct idl_decl *decl = tars_arena_alloc(p->arena, sizeof(*decl));

    decl->kind = kind;
    decl->module = p->module;
    decl->file = p->file;
    decl->comment = p->token.leading;
    next(p);
    decl->pos = p->token.pos;
    return decl;
}

static void add_decl(struct parser *p, struct idl_decl *decl)
{
    *p->end = decl;
    p->end = &decl->next;
}

static struct idl_member *new_member(struct parser *p)
{
    struct idl_member *member = tars_arena_alloc(p->arena, sizeof(*member));

    member->pos = p->token.pos;
    member->comment = p->token.leading;
    return member;
}

static bool parse_tag(struct parser *p, struct idl_member *member)
{
    if (p->token.kind != IDL_TOKEN_INT)
        return expected(p, "a member's tag (a number from 0 to 255)");
    if (p->token.integer < 0 || p->token.integer > 255) {
        idl_error(p->idl, p->token.pos, "tag %s is not within 0 to 255", p->token.text.at);
        return false;
    }
    member->tag = (uint8_t)p->token.integer;
    next(p);
    if (!at_word(p, "require") && !at_word(p, "optional"))
        return expected(p, "'require' or 'optional'");
    member->required = at_word(p, "require");
    next(p);
    return true;
}

static struct idl_member *parse_struct_member(struct parser *p)
{
    struct idl_member *member = new_member(p);

    if (!parse_tag(p, member) || !parse_named_type(p, member, "a member's name"))
        return NULL;
    if (at_punct(p, '=')) {
        next(p);
        if (!parse_value(p, &member->value))
            return NULL;
    }
    take_trailing(p, member);
    if (!take_punct(p, ';', "after the member"))
        return NULL;
    take_trailing(p, member);
    return member;
}

static bool parse_struct(struct parser *p)
{
    struct idl_decl *decl = new_decl(p, IDL_DECL_STRUCT);
    struct idl_member **end = &decl->members;

    if (!(decl->name = take_name(p, "a struct's name")) || !take_punct(p, '{', "after its name"))
        return false;
    while (p->token.kind != IDL_TOKEN_END && !at_punct(p, '}')) {
        struct idl_member *member = parse_struct_member(p);
        if (member == NULL) {
            skip_statement(p);
            continue;
        }
        *end = member;
        end = &member->next;
        decl->member_count++;
    }
    add_decl(p, decl);
    return close_block(p, "struct");
}

static bool parse_enum(struct parser *p)
{
    struct idl_decl *decl = new_decl(p, IDL_DECL_ENUM);
    struct idl_member **end = &decl->members;

    if (!(decl->name = take_name(p, "an enum's name")) || !take_punct(p, '{', "after its name"))
        return false;
    while (!at_punct(p, '}')) {
        struct idl_member *member = new_member(p);
        if (!(member->name = take_name(p, "an enum member's name")))
            return false;
        if (at_punct(p, '=')) {
            next(p);
            if (!parse_value(p, &member->value))
                return false;
        }
        *end = member;
        end = &member->next;
        decl->member_count++;
        take_trailing(p, member);
        if (at_punct(p, ','))
            next(p);
        else if (!at_punct(p, '}'))
            return expected(p, "',' or '}' after the enum's member");
        take_trailing(p, member);
    }
    add_decl(p, decl);
    return close_block(p, "enum");
}

static bool parse_const(struct parser *p)
{
    struct idl_decl *decl = new_decl(p, IDL_DECL_CONST);

    if (!(decl->type = parse_type(p)))
        return false;
    decl->pos = p->token.pos;
    if (!(decl->name = take_name(p, "a constant's name")) ||
        !take_punct(p, '=', "and the constant's value") || !parse_value(p, &decl->value) ||
        !take_punct(p, ';', "after the constant"))
        return false;
    decl->comment = add_text(p, decl->comment, p->token.trailing);
    p->token.trailing = NULL;
    add_decl(p, decl);
    return true;
}

/* "Module::Name" of the module that is being read is its Name. */
static void drop_own_module(struct parser *p)
{
    const char *front = tars_arena_printf(p->arena, "%s::", p->module);
    struct tars_str *text = &p->token.text;
    size_t len = strlen(front);

    if (p->token.kind == IDL_TOKEN_NAME && text->len > len && memcmp(text->at, front, len) == 0)
        *text = tars_str_n(text->at + len, text->len - len);
}

/* key[Struct, member, …]; belongs to a struct of the same module and file that stands above it. */
static bool parse_key(struct parser *p)
{
    struct idl_decl *decl = p->file->decls;
    const char *name;

    next(p);
    if (!take_punct(p, '[', "after key"))
        return false;
    drop_own_module(p);
    if (!(name = take_name(p, "a struct's name")))
        return false;
    while (decl && (decl->kind != IDL_DECL_STRUCT || strcmp(decl->name, name) != 0 ||
                    strcmp(decl->module, p->module) != 0))
        decl = decl->next;
    if (decl == NULL) {
        idl_error(p->idl, p->token.pos, "key[…] of '%s', which is no struct above it", name);
        return false;
    }
    decl->key = tars_arena_alloc(p->arena, (decl->member_count + 1) * sizeof(struct idl_member *));
    decl->key_count = 0;
    while (at_punct(p, ',')) {
        struct idl_member *member = decl->members;
        struct idl_pos pos;
        next(p);
        pos = p->token.pos;
        if (!(name = take_name(p, "a member's name")))
            return false;
        while (member && strcmp(member->name, name) != 0)
            member = member->next;
        if (member == NULL)
            idl_error(p->idl, pos, "struct %s has no member '%s'", decl->name, name);
        else if (decl->key_count < decl->member_count)
            decl->key[decl->key_count++] = member;
    }
    if (decl->key_count == 0 && at_punct(p, ']'))
        return expected(p, "',' and the members of the key");
    return take_punct(p, ']', "to close the key") && take_punct(p, ';', "after the key");
}

/* ---- interfaces ---------------------------------------------------------------------------- */

static struct idl_member *parse_param(struct parser *p)
{
    struct idl_member *param = new_member(p);

    for (;;) {
        if (at_word(p, "out"))
            param->out = true;
        else if (!at_word(p, "routekey") && !at_word(p, "in"))
            break;
        next(p);
    }
    if (!parse_named_type(p, param, "a parameter's name"))
        return NULL;
    take_trailing(p, param);
    return param;
}

static bool parse_params(struct parser *p, struct idl_function *function)
{
    struct idl_member **end = &function->params;

    if (!take_punct(p, '(', "after the function's name"))
        return false;
    while (!at_punct(p, ')')) {
        struct idl_member *param;
        if (function->param_count > 0 && !take_punct(p, ',', "or ')' after the parameter"))
            return false;
        if (function->params && p->token.trailing)
            take_trailing(p,
                          (struct idl_member *)((char *)end - offsetof(struct idl_member, next)));
        if (!(param = parse_param(p)))
            return false;
        if (function->param_count == 254) {
            idl_error(p->idl, param->pos, "a function has at most 254 parameters");
            return false;
        }
        param->tag = (uint8_t)++function->param_count;
        *end = param;
        end = &param->next;
    }
    next(p);
    return true;
}

static struct idl_function *parse_function(struct parser *p)
{
    struct idl_function *function = tars_arena_alloc(p->arena, sizeof(*function));

    function->comment = p->token.leading;
    if (at_word(p, "void")) {
        function->ret = new_type(p, IDL_VOID);
        next(p);
    } else if (!(function->ret = parse_type(p))) {
        return NULL;
    }
    function->pos = p->token.pos;
    if (!(function->name = take_name(p, "a function's name")) || !parse_params(p, function) ||
        !take_punct(p, ';', "after the function"))
        return NULL;
    function->comment = add_text(p, function->comment, p->token.trailing);
    p->token.trailing = NULL;
    return function;
}

static bool parse_interface(struct parser *p)
{
    struct idl_decl *decl = new_decl(p, IDL_DECL_INTERFACE);
    struct idl_function **end = &decl->functions;

    if (!(decl->name = take_name(p, "an interface's name")) ||
        !take_punct(p, '{', "after its name"))
        return false;
    while (p->token.kind != IDL_TOKEN_END && !at_punct(p, '}')) {
        struct idl_function *function = parse_function(p);
        if (function == NULL) {
            skip_statement(p);
            continue;
        }
        *end = function;
        end = &function->next;
        decl->function_count++;
    }
    add_decl(p, decl);
    return close_block(p, "interface");
}

/* ---- files --------------------------------------------------------------------------------- */

static bool parse_declaration(struct parser *p)
{
    static const struct {
        const char *word;
        bool (*parse)(struct parser *p);
    } table[] = {{"struct", parse_struct},
                 {"enum", parse_enum},
                 {"const", parse_const},
                 {"key", parse_key},
                 {"interface", parse_interface}};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (at_word(p, table[i].word))
            return table[i].parse(p);
    }
    return expected(p, "struct, enum, const, key or interface");
}

static bool parse_module(struct parser *p)
{
    next(p);
    if (!(p->module = take_name(p, "a module's name")) || !take_punct(p, '{', "after its name"))
        return false;
    while (p->token.kind != IDL_TOKEN_END && !at_punct(p, '}')) {
        const char *before = p->token.text.at;
        if (at_punct(p, ';')) {
            next(p);
            continue;
        }
        if (parse_declaration(p) || skip_statement(p))
            continue;
        /* a '}' that closes a broken struct or enum, not the module */
        if (at_punct(p, '}') && p->token.text.at != before) {
            next(p);
            if (at_punct(p, ';'))
                next(p);
            else
                return true;
        }
    }
    return close_block(p, "module");
}

/* After a mistake outside of all modules. */
static void skip_to_module(struct parser *p)
{
    while (p->token.kind != IDL_TOKEN_END && p->token.kind != IDL_TOKEN_INCLUDE &&
           !at_word(p, "module"))
        next(p);
}

/* #include "name"; false when that file cannot be had, which has been reported. */
static bool parse_include(struct parser *p, idl_include_fn *include, struct idl_include ***end)
{
    struct idl_include *added = tars_arena_alloc(p->arena, sizeof(*added));

    added->pos = p->token.pos;
    next(p);
    if (p->token.kind != IDL_TOKEN_STRING) {
        expected(p, "a file name in quotes after #include");
        skip_to_module(p);
        return true;
    }
    added->name = tars_arena_copy(p->arena, p->token.text).at;
    added->file = include(p->idl, p->file, added->name, p->token.pos);
    next(p);
    if (added->file == NULL)
        return false;
    **end = added;
    *end = &added->next;
    return true;
}

bool idl_parse(struct idl *idl, struct idl_file *file, idl_include_fn *include)
{
    struct parser p = {.idl = idl, .arena = idl_arena(idl), .file = file, .end = &file->decls};
    struct idl_include **end = &file->includes;
    bool whole = true;

    idl_lexer_init(&p.lexer, idl, file);
    next(&p);
    file->comment = p.token.leading;
    p.token.leading = NULL;
    while (p.token.kind != IDL_TOKEN_END) {
        if (p.token.kind == IDL_TOKEN_INCLUDE) {
            whole = parse_include(&p, include, &end) && whole;
        } else if (at_word(&p, "module")) {
            if (!parse_module(&p)) {
                skip_statement(&p);
                if (at_punct(&p, '}'))
                    next(&p);
            }
        } else if (at_punct(&p, ';')) {
            next(&p);
        } else {
            expected(&p, "module or #include");
            skip_to_module(&p);
        }
    }
    return whole;
}
