/* SPDX-License-Identifier: BSD-3-Clause */
#include <base/map.h>
#include <base/xmalloc.h>
#include <errno.h>
#include <idl/check.h>
#include <idl/idl.h>
#include <idl/parser.h>
#include <stdlib.h>

enum { MAX_FILE = 1024 * 1024, MAX_INCLUDE_DEPTH = 64, MAX_MESSAGES = 100 };

enum severity { ERROR, WARNING, NOTE };

struct message {
    enum severity severity;
    struct idl_pos pos;
    const char *text;
};

struct idl {
    struct tars_arena *arena;
    struct map *by_path; /* identity -> struct idl_file, complete or being read */
    struct idl_file *files;
    struct idl_file **files_end;
    struct map *decls;   /* "Module::Name" -> the first struct idl_decl of that name */
    struct map *reading; /* identities of the files that are not complete yet */
    int depth;
    char **folders;
    size_t folder_count;
    const struct idl_builtin *builtins;
    size_t builtin_count;
    struct message *messages;
    size_t message_count, errors, warnings;
    bool warnings_hidden;
    bool cut_off;            /* there were more messages than are kept */
    struct tars_error error; /* why the last file could not be read */
};

struct idl *idl_new(void)
{
    struct idl *idl = xcalloc(1, sizeof(*idl));

    idl->arena = tars_arena_new(0);
    idl->by_path = map_new(NULL);
    idl->decls = map_new(NULL);
    idl->reading = map_new(NULL);
    idl->files_end = &idl->files;
    return idl;
}

void idl_free(struct idl *idl)
{
    if (idl == NULL)
        return;
    for (size_t i = 0; i < idl->folder_count; i++)
        free(idl->folders[i]);
    free(idl->folders);
    free(idl->messages);
    map_free(idl->by_path);
    map_free(idl->decls);
    map_free(idl->reading);
    tars_arena_free(idl->arena);
    free(idl);
}

void idl_add_path(struct idl *idl, const char *folder)
{
    idl->folders = xrealloc(idl->folders, (idl->folder_count + 1) * sizeof(char *));
    idl->folders[idl->folder_count++] = xstrdup(folder);
}

void idl_add_builtins(struct idl *idl, const struct idl_builtin *builtins, size_t count)
{
    idl->builtins = builtins;
    idl->builtin_count = count;
}

struct tars_arena *idl_arena(const struct idl *idl)
{
    return idl->arena;
}

const struct idl_file *idl_files(const struct idl *idl)
{
    return idl->files;
}

/* ---- messages ------------------------------------------------------------------------------ */

static void __attribute__((format(printf, 4, 0)))
add_message(struct idl *idl, enum severity severity, struct idl_pos pos, const char *format,
            va_list args)
{
    char text[1024];

    if (idl->message_count == MAX_MESSAGES) {
        idl->cut_off = true;
        return;
    }
    vsnprintf(text, sizeof(text), format, args);
    idl->messages = xrealloc(idl->messages, (idl->message_count + 1) * sizeof(idl->messages[0]));
    idl->messages[idl->message_count++] = (struct message){
        severity, pos, tars_arena_copy(idl->arena, tars_str(text)).at};
}

void idl_error(struct idl *idl, struct idl_pos pos, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_message(idl, ERROR, pos, format, args);
    va_end(args);
    idl->errors++;
}

void idl_warn(struct idl *idl, struct idl_pos pos, const char *format, ...)
{
    va_list args;

    if (idl->warnings_hidden)
        return;
    va_start(args, format);
    add_message(idl, WARNING, pos, format, args);
    va_end(args);
    idl->warnings++;
}

void idl_note(struct idl *idl, struct idl_pos pos, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_message(idl, NOTE, pos, format, args);
    va_end(args);
}

void idl_hide_warnings(struct idl *idl)
{
    idl->warnings_hidden = true;
}

size_t idl_errors(const struct idl *idl)
{
    return idl->errors;
}

size_t idl_warnings(const struct idl *idl)
{
    return idl->warnings;
}

static struct tars_str source_line(const struct idl_file *file, int line)
{
    const char *at = file->text.at, *end = at + file->text.len, *stop;

    for (; line > 1 && at < end; line--) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
    }
    stop = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    if (stop == NULL)
        stop = end;
    if (stop > at && stop[-1] == '\r')
        stop--;
    return tars_str_n(at, (size_t)(stop - at));
}

/* What takes as much room on a terminal as a byte of UTF-8 does. Characters of East Asia are wide;
 * nearly all of them begin with these bytes, and few others do. */
static const char *blank_for(unsigned char c)
{
    if (c >= 0x80 && c < 0xc0)
        return ""; /* goes with the byte before */
    if ((c >= 0xe3 && c <= 0xed) || c == 0xef || c == 0xf0)
        return "  ";
    return c == '\t' ? "\t" : " ";
}

static void print_message(const struct message *message, FILE *to)
{
    static const char *const words[] = {"error", "warning", "note"};
    struct tars_str line = source_line(message->pos.file, message->pos.line);

    fprintf(to, "%s:%d:%d: %s: %s\n", message->pos.file->path, message->pos.line,
            message->pos.column, words[message->severity], message->text);
    fprintf(to, "    %" TARS_STR_FMT "\n    ", TARS_STR_ARG(line));
    for (size_t i = 0; i + 1 < (size_t)message->pos.column; i++)
        fputs(i < line.len ? blank_for((unsigned char)line.at[i]) : " ", to);
    fputs("^\n", to);
}

void idl_print(const struct idl *idl, FILE *to)
{
    for (size_t i = 0; i < idl->message_count; i++)
        print_message(&idl->messages[i], to);
    if (idl->cut_off)
        fprintf(to, "there are more: these are the first %d\n", MAX_MESSAGES);
}

/* ---- files --------------------------------------------------------------------------------- */

static bool read_stream(struct idl *idl, FILE *stream, const char *path, struct tars_str *text)
{
    struct tars_writer_like {
        char *at;
        size_t len, cap;
    } buffer = {0};
    bool ok = true;

    for (;;) {
        if (buffer.len == buffer.cap) {
            buffer.cap = buffer.cap ? buffer.cap * 2 : 16384;
            buffer.at = xrealloc(buffer.at, buffer.cap);
        }
        size_t got = fread(buffer.at + buffer.len, 1, buffer.cap - buffer.len, stream);
        if (got == 0)
            break;
        buffer.len += got;
        if (buffer.len > MAX_FILE) {
            ok = tars_fail(&idl->error, 1, "%s: larger than 1 MiB, no .tars file", path);
            break;
        }
    }
    if (ok && ferror(stream))
        ok = tars_fail(&idl->error, errno, "%s: cannot read: %s", path, strerror(errno));
    if (ok)
        *text = tars_arena_copy(idl->arena, tars_str_n(buffer.at, buffer.len));
    free(buffer.at);
    return ok;
}

static bool load(struct idl *idl, const char *path, struct tars_str *text)
{
    FILE *stream = fopen(path, "rb");
    bool ok;

    if (stream == NULL)
        return tars_fail(&idl->error, errno, "%s: cannot open: %s", path, strerror(errno));
    ok = read_stream(idl, stream, path, text);
    fclose(stream);
    return ok;
}

static const struct idl_file *include_file(struct idl *idl, const struct idl_file *from,
                                           const char *name, struct idl_pos pos);

/* The files that `file` may use: itself, what it includes, and what those may use. */
static void collect_seen(struct idl *idl, struct idl_file *file)
{
    size_t most = 1;

    for (const struct idl_include *i = file->includes; i; i = i->next)
        most += i->file->seen_count;
    file->seen = tars_arena_alloc(idl->arena, most * sizeof(file->seen[0]));
    file->seen[file->seen_count++] = file;
    for (const struct idl_include *i = file->includes; i; i = i->next) {
        for (size_t k = 0; k < i->file->seen_count; k++) {
            if (!idl_sees(file, i->file->seen[k]))
                file->seen[file->seen_count++] = i->file->seen[k];
        }
    }
}

/* Makes the file's declarations known by name; of a name that stands twice in it, the first. */
static void enter_names(struct idl *idl, const struct idl_file *file)
{
    for (struct idl_decl *d = file->decls; d; d = d->next) {
        struct tars_str key = tars_str(tars_arena_printf(idl->arena, "%s::%s", d->module, d->name));
        struct idl_decl *first = map_get(idl->decls, key);
        struct idl_decl *last = first;
        while (last && last->file != file && last->same_name)
            last = last->same_name;
        if (first == NULL)
            map_put(idl->decls, key, d);
        else if (last->file != file)
            last->same_name = d;
    }
}

/* What one file is known by, however its path is spelled: "a.tars", "./a.tars", a link. */
static const char *identity(struct idl *idl, const char *path)
{
    char *real = realpath(path, NULL);
    const char *id = real ? tars_arena_copy(idl->arena, tars_str(real)).at : path;

    free(real);
    return id;
}

static const struct idl_file *read_text(struct idl *idl, const char *path, const char *id,
                                        struct tars_str text)
{
    struct idl_file *file = tars_arena_alloc(idl->arena, sizeof(*file));
    bool ok;

    file->path = tars_arena_copy(idl->arena, tars_str(path)).at;
    file->text = text;
    map_put(idl->by_path, tars_str(id), file);
    map_put(idl->reading, tars_str(id), file);
    idl->depth++;
    ok = idl_parse(idl, file, include_file);
    idl->depth--;
    map_take(idl->reading, tars_str(id));
    if (!ok)
        return NULL;
    *idl->files_end = file;
    idl->files_end = &file->next;
    collect_seen(idl, file);
    enter_names(idl, file);
    idl_check(idl, file);
    return file;
}

static bool readable(const char *path)
{
    FILE *stream = fopen(path, "rb");

    if (stream != NULL)
        fclose(stream);
    return stream != NULL;
}

/* Where an included file lies: beside the including one, else in the folders, in their order. */
static const char *find_include(struct idl *idl, const struct idl_file *from, const char *name)
{
    const char *slash = strrchr(from->path, '/');
    const char *path = name;

    if (name[0] == '/')
        return readable(name) ? name : NULL;
    if (slash != NULL)
        path = tars_arena_printf(idl->arena, "%.*s/%s", (int)(slash - from->path), from->path,
                                 name);
    if (readable(path))
        return path;
    for (size_t i = 0; i < idl->folder_count; i++) {
        path = tars_arena_printf(idl->arena, "%s/%s", idl->folders[i], name);
        if (readable(path))
            return path;
    }
    return NULL;
}

static const struct idl_builtin *find_builtin(const struct idl *idl, const char *name)
{
    const char *slash = strrchr(name, '/');

    for (size_t i = 0; i < idl->builtin_count; i++) {
        if (strcmp(idl->builtins[i].name, slash ? slash + 1 : name) == 0)
            return &idl->builtins[i];
    }
    return NULL;
}

static const struct idl_file *include_file(struct idl *idl, const struct idl_file *from,
                                           const char *name, struct idl_pos pos)
{
    const char *path = find_include(idl, from, name);
    const struct idl_builtin *builtin = path ? NULL : find_builtin(idl, name);
    const char *id;
    struct idl_file *known;
    struct tars_str text;

    if (builtin != NULL)
        path = builtin->name;
    if (path == NULL) {
        idl_error(idl, pos, "there is no file '%s' beside this one or in a folder given with -I",
                  name);
        tars_fail(&idl->error, ENOENT, "%s: cannot find the included file '%s'", from->path, name);
        return NULL;
    }
    id = builtin ? path : identity(idl, path);
    known = map_get(idl->by_path, tars_str(id));
    if (known != NULL && map_get(idl->reading, tars_str(id)) == NULL)
        return known;
    if (known != NULL || idl->depth == MAX_INCLUDE_DEPTH) {
        idl_error(idl, pos,
                  known ? "'%s' includes itself, directly or through others"
                        : "'%s': too many files include each other",
                  name);
        tars_fail(&idl->error, ELOOP, "%s: circle of #include", from->path);
        return NULL;
    }
    if (builtin != NULL)
        text = tars_str_n(builtin->text, builtin->len);
    else if (!load(idl, path, &text))
        return NULL;
    return read_text(idl, path, id, text);
}

static const struct idl_file *give(struct idl *idl, const struct idl_file *file,
                                   struct tars_error *error)
{
    if (file == NULL && error != NULL)
        *error = idl->error;
    return file;
}

const struct idl_file *idl_read(struct idl *idl, const char *path, struct tars_error *error)
{
    struct tars_str text;
    bool from_stdin = strcmp(path, "-") == 0;
    const char *id = from_stdin ? "<stdin>" : identity(idl, path);
    const struct idl_file *known = map_get(idl->by_path, tars_str(id));

    if (known != NULL)
        return known;
    if (from_stdin ? !read_stream(idl, stdin, "<stdin>", &text) : !load(idl, path, &text))
        return give(idl, NULL, error);
    return give(idl, read_text(idl, from_stdin ? "<stdin>" : path, id, text), error);
}

const struct idl_file *idl_read_text(struct idl *idl, const char *name, struct tars_str text,
                                     struct tars_error *error)
{
    return give(idl, read_text(idl, name, name, tars_arena_copy(idl->arena, text)), error);
}

/* ---- looking up ---------------------------------------------------------------------------- */

bool idl_sees(const struct idl_file *from, const struct idl_file *file)
{
    for (size_t i = 0; i < from->seen_count; i++) {
        if (from->seen[i] == file)
            return true;
    }
    return false;
}

const struct idl_decl *idl_find(const struct idl *idl, const char *module, const char *name)
{
    char *key = xasprintf("%s::%s", module, name);
    const struct idl_decl *decl = map_get(idl->decls, tars_str(key));

    free(key);
    return decl;
}

const struct idl_decl *idl_find_from(const struct idl *idl, const struct idl_file *from,
                                     const char *module, const char *name)
{
    const struct idl_decl *decl = idl_find(idl, module, name);

    while (decl && !idl_sees(from, decl->file))
        decl = decl->same_name;
    return decl;
}

const struct idl_function *idl_find_function(const struct idl_decl *interface, const char *name)
{
    const struct idl_function *function = interface->functions;

    while (function && strcmp(function->name, name) != 0)
        function = function->next;
    return function;
}

static const char *const kind_names[] = {
    [IDL_VOID] = "void",           [IDL_BOOL] = "bool",           [IDL_INT8] = "byte",
    [IDL_UINT8] = "unsigned byte", [IDL_INT16] = "short",         [IDL_UINT16] = "unsigned short",
    [IDL_INT32] = "int",           [IDL_UINT32] = "unsigned int", [IDL_INT64] = "long",
    [IDL_FLOAT] = "float",         [IDL_DOUBLE] = "double",       [IDL_STRING] = "string",
    [IDL_BYTES] = "vector<byte>",  [IDL_LIST] = "vector",         [IDL_MAP] = "map",
    [IDL_STRUCT] = "struct",       [IDL_ENUM] = "enum",           [IDL_NAMED] = "unknown"};

const char *idl_kind_name(enum idl_kind kind)
{
    return kind_names[kind];
}

const char *idl_type_text(struct tars_arena *arena, const struct idl_type *type)
{
    switch (type->kind) {
    case IDL_LIST:
        return tars_arena_printf(arena, "vector<%s>", idl_type_text(arena, type->value));
    case IDL_MAP:
        return tars_arena_printf(arena, "map<%s,%s>", idl_type_text(arena, type->key),
                                 idl_type_text(arena, type->value));
    case IDL_STRUCT:
    case IDL_ENUM:
        return tars_arena_printf(arena, "%s::%s", type->decl->module, type->decl->name);
    case IDL_NAMED:
        return type->name;
    default:
        return idl_kind_name(type->kind);
    }
}

bool idl_is_integer(const struct idl_type *type)
{
    return (type->kind >= IDL_BOOL && type->kind <= IDL_INT64) || type->kind == IDL_ENUM;
}

bool idl_is_number(const struct idl_type *type)
{
    return idl_is_integer(type) || type->kind == IDL_FLOAT || type->kind == IDL_DOUBLE;
}
