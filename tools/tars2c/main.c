/* SPDX-License-Identifier: BSD-3-Clause */
/* tars2c: interface files of Tars to C. See docs/man/tars2c.1. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "emit.h"
#include "wrap.h"

enum { EXIT_SOURCE = 1, EXIT_USAGE = 2, EXIT_FILES = 3 };

static const char help[] =
    "usage: tars2c [-I DIR]... [--prefix MODULE=PREFIX]... [-MD FILE] [-w] [-o DIR]\n"
    "              FILE.tars|-\n"
    "\n"
    "Makes FILE.h and FILE.c from an interface file of Tars.\n"
    "\n"
    "  -I DIR                  look for included files there\n"
    "  -o DIR                  where the two files go (default: here)\n"
    "  --prefix MODULE=PREFIX  C names of the module begin with PREFIX_\n"
    "  -MD FILE                write a make rule that lists the files read\n"
    "  -w                      no warnings\n"
    "  --name NAME             base name of the two files (needed with -)\n"
    "  --help, --version\n"
    "\n"
    "Exit status: 0 done, 1 mistakes in the source, 2 bad arguments, 3 a file cannot be read or "
    "written.\n";

struct options {
    const char *out, *depfile, *name, *input;
};

/* "dir/QueryF.tars" -> "QueryF" */
static char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *base = xstrdup(slash ? slash + 1 : path);
    char *dot = strrchr(base, '.');
    if (dot)
        *dot = '\0';
    return base;
}

/* Writes the text beside its place and renames it, so that a file is whole or as it was. */
static bool put_file(const char *path, const char *text, size_t len)
{
    char *beside = xasprintf("%s.%ld.tmp", path, (long)getpid());
    FILE *file = fopen(beside, "w");
    bool ok = file && fwrite(text, 1, len, file) == len;
    if (file && fclose(file) != 0)
        ok = false;
    ok = ok && rename(beside, path) == 0;
    if (!ok) {
        fprintf(stderr, "tars2c: writing %s: %s\n", path, strerror(errno));
        unlink(beside);
    }
    free(beside);
    return ok;
}

static bool emit_file(struct emit *e, const struct options *o, const char *ending,
                      void (*emit)(struct emit *e))
{
    char *text = NULL, *wrapped = NULL, *path = xasprintf("%s/%s%s", o->out, e->base, ending);
    size_t len = 0, wrapped_len = 0;
    e->out = open_memstream(&text, &len);
    emit(e);
    fclose(e->out);
    FILE *out = open_memstream(&wrapped, &wrapped_len);
    wrap_lines(out, text, len);
    fclose(out);
    bool ok = put_file(path, wrapped, wrapped_len);
    free(wrapped);
    free(text);
    free(path);
    return ok;
}

/* A path as make reads it in a rule. */
static void put_make_path(FILE *out, const char *path)
{
    for (; *path; path++) {
        if (*path == '$')
            fputc('$', out);
        else if (*path == ' ' || *path == '#')
            fputc('\\', out);
        fputc(*path, out);
    }
}

static bool is_file(const struct idl_file *file)
{
    return strcmp(file->path, "<stdin>") != 0;
}

static bool emit_depfile(const struct emit *e, const struct options *o, const struct idl *idl)
{
    char *text = NULL;
    size_t len = 0;
    if (!o->depfile)
        return true;
    FILE *out = open_memstream(&text, &len);
    put_make_path(out, tars_arena_printf(e->arena, "%s/%s.h", o->out, e->base));
    fputc(' ', out);
    put_make_path(out, tars_arena_printf(e->arena, "%s/%s.c", o->out, e->base));
    fputc(':', out);
    for (const struct idl_file *f = idl_files(idl); f; f = f->next)
        if (is_file(f)) {
            fputc(' ', out);
            put_make_path(out, f->path);
        }
    fputc('\n', out);
    for (const struct idl_file *f = idl_files(idl); f; f = f->next)
        if (is_file(f)) {
            put_make_path(out, f->path);
            fputs(":\n", out);
        }
    fclose(out);
    bool ok = put_file(o->depfile, text, len);
    free(text);
    return ok;
}

static int generate(struct idl *idl, struct names *names, const struct options *o)
{
    struct tars_error error;
    const struct idl_file *file = idl_read(idl, o->input, &error);
    if (!file && !idl_errors(idl)) {
        fprintf(stderr, "tars2c: %s\n", error.text);
        return EXIT_FILES;
    }
    if (!idl_errors(idl))
        names_assign(names);
    idl_print(idl, stderr);
    if (idl_errors(idl))
        return EXIT_SOURCE;

    char *base = o->name ? xstrdup(o->name) : base_name(o->input);
    struct tars_arena *arena = idl_arena(idl);
    struct emit e = {
        .names = names, .types = {arena, names}, .arena = arena, .file = file, .base = base};
    bool ok = emit_file(&e, o, ".h", emit_header) && emit_file(&e, o, ".c", emit_source) &&
              emit_depfile(&e, o, idl);
    free(base);
    return ok ? EXIT_SUCCESS : EXIT_FILES;
}

static int usage(const char *what)
{
    fprintf(stderr, "tars2c: %s\n%s", what, help);
    return EXIT_USAGE;
}

/* -1: go on; else the exit status. */
static int read_options(int argc, char **argv, struct options *o, struct idl *idl,
                        struct names *names)
{
    static const struct option longs[] = {
        {"prefix", required_argument, NULL, 'p'}, {"name", required_argument, NULL, 'n'},
        {"MD", required_argument, NULL, 'm'},     {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},      {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long_only(argc, argv, "I:o:w", longs, NULL)) != -1) {
        switch (c) {
        case 'I':
            idl_add_path(idl, optarg);
            break;
        case 'o':
            o->out = optarg;
            break;
        case 'm':
            o->depfile = optarg;
            break;
        case 'n':
            o->name = optarg;
            break;
        case 'p':
            if (!names_add_prefix(names, optarg))
                return usage("--prefix wants MODULE=PREFIX, a C name each");
            break;
        case 'w':
            idl_hide_warnings(idl);
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_SUCCESS;
        case 'v':
            puts("tars2c " TARSC_VERSION);
            return EXIT_SUCCESS;
        default:
            return usage("an argument is not understood");
        }
    }
    if (argc - optind != 1)
        return usage("exactly one interface file is wanted");
    o->input = argv[optind];
    if (strcmp(o->input, "-") == 0 && !o->name)
        return usage("--name is needed when the source comes from standard input");
    return -1;
}

int main(int argc, char **argv)
{
    struct options o = {.out = "."};
    struct idl *idl = idl_new();
    struct names *names = names_new(idl);
    int status = read_options(argc, argv, &o, idl, names);
    if (status < 0)
        status = generate(idl, names, &o);
    names_free(names);
    idl_free(idl);
    return status;
}
