/* SPDX-License-Identifier: BSD-3-Clause */
/* Interfaces: argument structs, tables, server and client stubs. */
#include "emit.h"

/* What the places that list parameters want to see. */
enum which { ALL, IN, OUT };

static bool wanted(const struct idl_member *p, enum which which)
{
    return which == ALL || p->out == (which == OUT);
}

static bool returns_value(const struct idl_function *f)
{
    return f->ret->kind != IDL_VOID;
}

/* Integers, bools and enums are the C function's own value; other types become a last parameter. */
static bool returns_integer(const struct idl_function *f)
{
    return returns_value(f) && idl_is_integer(f->ret);
}

static bool returns_by_pointer(const struct idl_function *f)
{
    return returns_value(f) && !idl_is_integer(f->ret);
}

static const char *in_type(struct emit *e, const struct idl_type *type)
{
    const char *c = types_c(&e->types, type);
    return types_by_value(type) ? tars_arena_printf(e->arena, "%s ", c)
                                : tars_arena_printf(e->arena, "const %s *", c);
}

/* True when an answer holds something that lives in an arena. */
static bool needs_arena(const struct idl_function *f)
{
    if (returns_value(f) && !idl_is_number(f->ret))
        return true;
    for (const struct idl_member *p = f->params; p; p = p->next)
        if (p->out && !idl_is_number(p->type))
            return true;
    return false;
}

/* ", int32_t a, const struct x *b": parameters of a C function. Out ones are pointers. */
static void declare_params(struct emit *e, const struct idl_function *f, enum which which)
{
    for (const struct idl_member *p = f->params; p; p = p->next) {
        if (!wanted(p, which))
            continue;
        if (p->out)
            e_printf(e, ", %s *%s", types_c(&e->types, p->type), names_member(e->names, p));
        else
            e_printf(e, ", %s%s", in_type(e, p->type), names_member(e->names, p));
    }
}

/* The same for answers that are passed on: as in parameters are. */
static void declare_answers(struct emit *e, const struct idl_function *f)
{
    for (const struct idl_member *p = f->params; p; p = p->next)
        if (p->out)
            e_printf(e, ", %s%s", in_type(e, p->type), names_member(e->names, p));
    if (returns_by_pointer(f))
        e_printf(e, ", %s%s", in_type(e, f->ret), "ret");
}

/* ---- prototypes ------------------------------------------------------------------------------ */

static void blocking_prototype(struct emit *e, const struct idl_function *f, bool with)
{
    e_printf(e, "struct tars_result %s%s(struct tars_proxy *proxy%s", names_function(e->names, f),
             with ? "_with" : "", with ? ", const struct tars_call_options *options" : "");
    declare_params(e, f, ALL);
    if (returns_by_pointer(f))
        e_printf(e, ", %s *%s", types_c(&e->types, f->ret), "ret");
    if (needs_arena(f))
        e_printf(e, ", struct tars_arena *arena");
    e_printf(e, ")");
}

static void callback_type(struct emit *e, const struct idl_function *f, const char *name)
{
    e_printf(e, "void (*%s)(void *user, const struct tars_result *result", name);
    declare_answers(e, f);
    e_printf(e, ")");
}

static void async_prototype(struct emit *e, const struct idl_function *f, bool with)
{
    e_printf(e, "void %s_async%s(struct tars_proxy *proxy%s", names_function(e->names, f),
             with ? "_with" : "", with ? ", const struct tars_call_options *options" : "");
    declare_params(e, f, IN);
    e_printf(e, ", ");
    callback_type(e, f, "callback");
    e_printf(e, ", void *user)");
}

static void reply_prototype(struct emit *e, const struct idl_function *f)
{
    e_printf(e, "void %s_reply(struct tars_later *later", names_function(e->names, f));
    if (returns_integer(f))
        e_printf(e, ", %s %s", types_c(&e->types, f->ret), "ret");
    declare_answers(e, f);
    e_printf(e, ")");
}

/* A function's comment with those of its parameters below it. */
static void function_comment(struct emit *e, const char *indent, const struct idl_function *f)
{
    const char *text = f->comment;
    for (const struct idl_member *p = f->params; p; p = p->next)
        if (p->comment)
            text = tars_arena_printf(e->arena, "%s%s%s: %s", text ? text : "", text ? "\n" : "",
                                     names_member(e->names, p), p->comment);
    emit_comment(e, indent, text);
}

static void handler_member(struct emit *e, const struct idl_function *f)
{
    function_comment(e, "    ", f);
    e_printf(e, "    %s (*%s)(struct tars_call *call",
             returns_integer(f) ? types_c(&e->types, f->ret) : "void", names_handler(e->names, f));
    declare_params(e, f, ALL);
    if (returns_by_pointer(f))
        e_printf(e, ", %s *%s", types_c(&e->types, f->ret), "ret");
    e_printf(e, ");\n");
}

static void function_header(struct emit *e, const struct idl_function *f)
{
    const char *n = names_function(e->names, f);
    function_comment(e, "", f);
    e_printf(e, "/* Waits for the answer%s. */\n",
             needs_arena(f) ? "; what it holds lives in `arena`" : "");
    blocking_prototype(e, f, false);
    e_printf(e, ";\n");
    blocking_prototype(e, f, true);
    e_printf(e, ";\n/* Returns at once; `callback` comes once, on the client's loop; answers live "
                "until it returns. */\n");
    async_prototype(e, f, false);
    e_printf(e, ";\n");
    async_prototype(e, f, true);
    e_printf(e, ";\n/* In the handler: the answer is given later, once, by the next function or "
                "tars_reply_error. */\n");
    e_printf(e, "struct tars_later *%s_later(struct tars_call *call);\n", n);
    reply_prototype(e, f);
    e_printf(e, ";\n\n");
}

static void interface_header(struct emit *e, const struct idl_decl *d)
{
    const char *n = names_decl(e->names, d);
    e_printf(e, "/* ---- %s.%s ---- */\n\n", d->module, d->name);
    emit_comment(e, "", d->comment);
    e_printf(e,
             "/* Handlers, called on a worker; one that is NULL answers \"no such function\". "
             "*/\nstruct %s {\n",
             n);
    for (const struct idl_function *f = d->functions; f; f = f->next)
        handler_member(e, f);
    if (!d->function_count)
        e_printf(e, "    void *unused; /* C has no empty structs */\n");
    e_printf(e, "};\n\nextern const struct tars_interface %s_interface;\n\n", n);
    e_printf(
        e, "/* Connects a servant to its handlers; `self` is what tars_call_self gives them. */\n");
    e_printf(e,
             "void %s_serve(struct tars_server *server, const char *servant, const struct %s "
             "*handlers, void *self);\n\n",
             n, n);
    for (const struct idl_function *f = d->functions; f; f = f->next)
        function_header(e, f);
}

/* ---- the source ------------------------------------------------------------------------------ */

static void args_struct(struct emit *e, const struct idl_function *f)
{
    e_printf(e, "struct %s_args {\n", names_function(e->names, f));
    if (returns_value(f))
        e_printf(e, "    %s %s;\n", types_c(&e->types, f->ret), "ret");
    for (const struct idl_member *p = f->params; p; p = p->next)
        e_printf(e, "    %s %s;\n", types_c(&e->types, p->type), names_member(e->names, p));
    if (!returns_value(f) && !f->params)
        e_printf(e, "    char unused;\n");
    e_printf(e, "};\n\n");
}

static void param_row(struct emit *e, const char *args, const char *name, const char *member,
                      int tag, bool out, const struct idl_type *type)
{
    e_printf(e, "    {\"%s\", %d, %s, offsetof(struct %s_args, %s), %s},\n", name, tag,
             out ? "true" : "false", args, member, types_description(&e->types, type));
}

static void param_table(struct emit *e, const struct idl_function *f)
{
    const char *n = names_function(e->names, f);
    if (!returns_value(f) && !f->params)
        return;
    e_printf(e, "static const struct tars_param %s_params[] = {\n", n);
    if (returns_value(f))
        param_row(e, n, "", "ret", 0, true, f->ret);
    for (const struct idl_member *p = f->params; p; p = p->next)
        param_row(e, n, p->name, names_member(e->names, p), p->tag, p->out, p->type);
    e_printf(e, "};\n\n");
}

static void serve_thunk(struct emit *e, const struct idl_decl *d, const struct idl_function *f)
{
    e_printf(e,
             "static void %s_run(struct tars_call *call, const void *handlers, void *args)\n{\n"
             "    const struct %s *h = handlers;\n    struct %s_args *a = args;\n    ",
             names_function(e->names, f), names_decl(e->names, d), names_function(e->names, f));
    if (returns_integer(f))
        e_printf(e, "a->%s = ", "ret");
    e_printf(e, "h->%s(call", names_handler(e->names, f));
    for (const struct idl_member *p = f->params; p; p = p->next)
        e_printf(e, ", %sa->%s", p->out || !types_by_value(p->type) ? "&" : "",
                 names_member(e->names, p));
    if (returns_by_pointer(f))
        e_printf(e, ", &a->%s", "ret");
    e_printf(e, ");\n%s}\n\n", !returns_value(f) && !f->params ? "    (void)a;\n" : "");
}

static void deliver_thunk(struct emit *e, const struct idl_function *f)
{
    const char *n = names_function(e->names, f);
    e_printf(e,
             "static void %s_deliver(void (*callback)(void), void *user, const struct tars_result "
             "*result, void *args)\n{\n"
             "    struct %s_args *a = args;\n    ",
             n, n);
    callback_type(e, f, "typed");
    e_printf(e, " = (");
    callback_type(e, f, "");
    e_printf(e, ")callback;\n    (void)a;\n    typed(user, result");
    for (const struct idl_member *p = f->params; p; p = p->next)
        if (p->out)
            e_printf(e, ", %sa->%s", types_by_value(p->type) ? "" : "&", names_member(e->names, p));
    if (returns_by_pointer(f))
        e_printf(e, ", %sa->%s", types_by_value(f->ret) ? "" : "&", "ret");
    e_printf(e, ");\n}\n\n");
}

static const struct idl_function *nth_by_name(const struct idl_decl *d,
                                              const struct idl_function *after)
{
    const struct idl_function *next = NULL;
    for (const struct idl_function *f = d->functions; f; f = f->next)
        if ((!after || strcmp(f->name, after->name) > 0) &&
            (!next || strcmp(f->name, next->name) < 0))
            next = f;
    return next;
}

static size_t index_by_name(const struct idl_decl *d, const struct idl_function *f)
{
    size_t i = 0;
    for (const struct idl_function *g = d->functions; g; g = g->next)
        i += strcmp(g->name, f->name) < 0;
    return i;
}

static void function_table(struct emit *e, const struct idl_decl *d)
{
    const char *in = names_decl(e->names, d);
    e_printf(e, "static const struct tars_function %s_functions[] = {\n", in);
    for (const struct idl_function *f = nth_by_name(d, NULL); f; f = nth_by_name(d, f)) {
        const char *n = names_function(e->names, f);
        size_t params = f->param_count + returns_value(f);
        e_printf(e, "    {\"%s\", sizeof(struct %s_args), ", f->name, n);
        if (params)
            e_printf(e, "%s_params, %zu, ", n, params);
        else
            e_printf(e, "NULL, 0, ");
        e_printf(e, "offsetof(struct %s, %s), %s_run, %s_deliver},\n", in,
                 names_handler(e->names, f), n, n);
    }
    if (!d->function_count)
        e_printf(e, "    {NULL, 0, NULL, 0, 0, NULL, NULL},\n");
    e_printf(e,
             "};\n\nconst struct tars_interface %s_interface = {\"%s.%s\", %s_functions, %zu};\n\n",
             in, d->module, d->name, in, d->function_count);
    e_printf(e,
             "void %s_serve(struct tars_server *server, const char *servant, const struct %s "
             "*handlers, void *self)\n{\n"
             "    tars_server_serve(server, servant, &%s_interface, handlers, self);\n}\n\n",
             in, in, in);
}

/* "args = {…}" with the in parameters; structs, lists and maps are copied shallowly. */
static void fill_args(struct emit *e, const struct idl_function *f, enum which which)
{
    e_printf(e, "    struct %s_args args;\n    memset(&args, 0, sizeof args);\n",
             names_function(e->names, f));
    for (const struct idl_member *p = f->params; p; p = p->next)
        if (wanted(p, which))
            e_printf(e, "    args.%s = %s%s;\n", names_member(e->names, p),
                     types_by_value(p->type) ? "" : "*", names_member(e->names, p));
}

static void pass_on(struct emit *e, const struct idl_function *f, enum which which)
{
    for (const struct idl_member *p = f->params; p; p = p->next)
        if (wanted(p, which))
            e_printf(e, ", %s", names_member(e->names, p));
}

static void blocking_source(struct emit *e, const struct idl_decl *d, const struct idl_function *f)
{
    blocking_prototype(e, f, true);
    e_printf(e, "\n{\n");
    fill_args(e, f, IN);
    e_printf(e,
             "    struct tars_result result =\n        tars_proxy_call(proxy, &%s_functions[%zu], "
             "&args, %s, options);\n",
             names_decl(e->names, d), index_by_name(d, f), needs_arena(f) ? "arena" : "NULL");
    e_printf(e, "    if (result.error)\n        return result;\n");
    for (const struct idl_member *p = f->params; p; p = p->next)
        if (p->out)
            e_printf(e, "    if (%s)\n        *%s = args.%s;\n", names_member(e->names, p),
                     names_member(e->names, p), names_member(e->names, p));
    if (returns_by_pointer(f))
        e_printf(e, "    if (%s)\n        *%s = args.%s;\n", "ret", "ret", "ret");
    e_printf(e, "    return result;\n}\n\n");
    blocking_prototype(e, f, false);
    e_printf(e, "\n{\n    return %s_with(proxy, NULL", names_function(e->names, f));
    pass_on(e, f, ALL);
    e_printf(e, "%s%s%s);\n}\n\n", returns_by_pointer(f) ? ", " : "",
             returns_by_pointer(f) ? "ret" : "", needs_arena(f) ? ", arena" : "");
}

static void async_source(struct emit *e, const struct idl_decl *d, const struct idl_function *f)
{
    async_prototype(e, f, true);
    e_printf(e, "\n{\n");
    fill_args(e, f, IN);
    e_printf(e,
             "    tars_proxy_call_async(proxy, &%s_functions[%zu], &args, options, (void "
             "(*)(void))callback, user);\n}\n\n",
             names_decl(e->names, d), index_by_name(d, f));
    async_prototype(e, f, false);
    e_printf(e, "\n{\n    %s_async_with(proxy, NULL", names_function(e->names, f));
    pass_on(e, f, IN);
    e_printf(e, ", callback, user);\n}\n\n");
}

static void later_source(struct emit *e, const struct idl_decl *d, const struct idl_function *f)
{
    const char *n = names_function(e->names, f);
    e_printf(e,
             "struct tars_later *%s_later(struct tars_call *call)\n{\n    return "
             "tars_call_later(call);\n}\n\n",
             n);
    reply_prototype(e, f);
    e_printf(e, "\n{\n");
    fill_args(e, f, OUT);
    if (returns_value(f))
        e_printf(e, "    args.%s = %s%s;\n", "ret", types_by_value(f->ret) ? "" : "*", "ret");
    e_printf(e, "    tars_reply(later, &%s_functions[%zu], &args);\n}\n\n", names_decl(e->names, d),
             index_by_name(d, f));
}

static void interface_source(struct emit *e, const struct idl_decl *d)
{
    e_printf(e, "/* ---- %s.%s ---- */\n\n", d->module, d->name);
    for (const struct idl_function *f = d->functions; f; f = f->next) {
        args_struct(e, f);
        param_table(e, f);
        serve_thunk(e, d, f);
        deliver_thunk(e, f);
    }
    function_table(e, d);
    for (const struct idl_function *f = d->functions; f; f = f->next) {
        blocking_source(e, d, f);
        async_source(e, d, f);
        later_source(e, d, f);
    }
}

static void each_interface(struct emit *e, void (*visit)(struct emit *e, const struct idl_decl *d))
{
    for (const struct idl_decl *d = e->file->decls; d; d = d->next)
        if (d->kind == IDL_DECL_INTERFACE)
            visit(e, d);
}

void emit_calls_header(struct emit *e)
{
    each_interface(e, interface_header);
}

void emit_calls_source(struct emit *e)
{
    each_interface(e, interface_source);
}
