/* SPDX-License-Identifier: BSD-3-Clause */
#include "emit.h"

static bool has(const struct emit *e, enum idl_decl_kind kind)
{
    for (const struct idl_decl *d = e->file->decls; d; d = d->next)
        if (d->kind == kind)
            return true;
    return false;
}

/* "QUERY_F_H" with everything that no macro may hold turned into "_". */
static const char *include_guard(struct emit *e)
{
    char *guard = tars_arena_printf(e->arena, "%s_TARS_H", names_upper(e->arena, e->base));
    for (char *c = guard; *c; c++)
        if (!((*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9')))
            *c = '_';
    return guard[0] >= '0' && guard[0] <= '9' ? tars_arena_printf(e->arena, "TARS_%s", guard)
                                              : guard;
}

/* "dir/EndpointF.tars" -> "EndpointF" */
static const char *stem(struct emit *e, const char *name)
{
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    size_t len = strlen(base);
    if (len > 5 && strcmp(base + len - 5, ".tars") == 0)
        len -= 5;
    return tars_arena_printf(e->arena, "%.*s", (int)len, base);
}

/* The licence line is the source file's own. */
static const char *without_licence(const char *comment)
{
    const char *end;
    if (!comment || strncmp(comment, "SPDX-License-Identifier:", 24) != 0)
        return comment;
    end = strchr(comment, '\n');
    return end ? end + 1 : NULL;
}

void emit_header(struct emit *e)
{
    bool calls = has(e, IDL_DECL_INTERFACE);
    e_printf(e, "/* Made from %s.tars by tars2c. Changes belong there. */\n", e->base);
    emit_comment(e, "", without_licence(e->file->comment));
    e_printf(e, "#ifndef %s\n#define %s\n\n", include_guard(e), include_guard(e));
    if (calls)
        e_printf(e, "#include <tars/client.h>\n#include <tars/server.h>\n");
    e_printf(e, "#include <tars/interface.h>\n");
    for (const struct idl_include *i = e->file->includes; i; i = i->next)
        e_printf(e, "#include \"%s.h\"\n", stem(e, i->name));
    e_printf(e, "\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
    emit_data_header(e);
    emit_calls_header(e);
    e_printf(e, "#ifdef __cplusplus\n}\n#endif\n#endif\n");
}

void emit_source(struct emit *e)
{
    e_printf(e, "/* Made from %s.tars by tars2c. Changes belong there. */\n", e->base);
    e_printf(
        e, "#include \"%s.h\"\n\n#include <stddef.h>\n#include <stdlib.h>\n#include <string.h>\n\n",
        e->base);
    emit_data_source(e);
    emit_calls_source(e);
}
