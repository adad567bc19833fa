/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tarsc call: any function of any Tars servant, arguments and answer in JSON. The interface comes
 * from a .tars file that is read now; the framework's own are built in.
 */
#include <errno.h>
#include <getopt.h>
#include <idl/dynamic.h>
#include <stdio.h>
#include <stdlib.h>
#include <tars/client.h>
#include <unistd.h>

#include "base/log.h"
#include "command.h"
#include "objects.h"

enum {
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
    STATUS_INTERFACE = 3,
    ARGUMENTS_MAX = 64 * 1024 * 1024,
    CONTEXT_MAX = 32
};

static const char usage[] =
    "Usage: tarsc call [OPTION]... OBJECT[@ENDPOINT] FUNCTION [JSON]\n"
    "       tarsc call --list OBJECT\n"
    "\n"
    "Calls a function of a Tars servant. JSON is an object with the in parameters by\n"
    "name (\"-\": read from standard input; default {}). The answer is printed as an\n"
    "object with the out parameters and the return value, \"tars_ret\".\n"
    "\n"
    "  --tars FILE        interface file of OBJECT; the framework's own are built in\n"
    "  -I DIR             where FILE finds what it includes\n"
    "  --interface NAME   the interface, when several in FILE have the function; FILE's\n"
    "                     own come before those of files it includes\n"
    "  --locator TEXT     the registry that knows OBJECT\n"
    "                     (default: $TARSC_LOCATOR, else the suite on this machine)\n"
    "  --json, --tup      speak version 5 (JSON) or 3 (TUP) instead of 1\n"
    "  --context KEY=VALUE  goes along with the call; may be repeated\n"
    "  --set NAME.AREA.GROUP  ask for endpoints of that set\n"
    "  --timeout MS       how long to wait (default 3000)\n"
    "  --one-way          do not wait for an answer\n"
    "  --list             only list the functions of OBJECT\n"
    "\n"
    "Exit status: 0 answered, 1 the call failed, 2 wrong arguments, 3 the interface or\n"
    "the JSON does not fit.\n";

struct options {
    const char *tars, *interface, *locator, *set;
    int version;
    int32_t timeout_ms;
    bool one_way, list;
    struct tars_str_pair context[CONTEXT_MAX];
    size_t context_len;
    const char *object, *function, *json;
};

static int wrong(const char *what, const char *text)
{
    fprintf(stderr, "tarsc call: %s%s; tarsc call --help says how it is used\n", what, text);
    return STATUS_USAGE;
}

/* ---- the interface --------------------------------------------------------------------------- */

static const struct idl_file *read_builtin(struct idl *idl, const char *name,
                                           struct tars_error *error)
{
    for (size_t i = 0; i < builtin_file_count; i++)
        if (strcmp(builtin_files[i].name, name) == 0)
            return idl_read_text(idl, name, tars_str_n(builtin_files[i].text, builtin_files[i].len),
                                 error);
    tars_fail(error, 1, "%s is not built in", name);
    return NULL;
}

/* Reads the file that describes the object; NULL after saying why not. */
static const struct idl_file *read_interface(struct idl *idl, struct options *o,
                                             const struct tars_object *object)
{
    const struct object_row *row = object_find(object->name);
    struct tars_error error;
    const char *path = o->tars ? o->tars : row ? row->file : NULL;
    if (!path) {
        fprintf(
            stderr,
            "tarsc call: %.*s is not one of the framework's objects: name its interface file with "
            "--tars FILE\n",
            (int)object->name.len, object->name.at);
        return NULL;
    }
    if (!o->tars && !o->interface)
        o->interface = row->interface;
    idl_add_builtins(idl, builtin_files, builtin_file_count);
    const struct idl_file *file = o->tars ? idl_read(idl, path, &error)
                                          : read_builtin(idl, path, &error);
    if (file && !idl_errors(idl))
        return file;
    if (idl_errors(idl))
        idl_print(idl, stderr);
    else
        fprintf(stderr, "tarsc call: %s\n", error.text);
    return NULL;
}

static bool offered(const struct idl_decl *decl, const struct options *o)
{
    return decl->kind == IDL_DECL_INTERFACE &&
           (!o->interface || strcmp(decl->name, o->interface) == 0);
}

/* That of the file, else `found`; *many becomes true when there is one more than one. */
static const struct idl_function *function_of(const struct idl_file *file, const struct options *o,
                                              const struct idl_function *found, bool *many)
{
    for (const struct idl_decl *d = file->decls; d; d = d->next) {
        const struct idl_function *f = offered(d, o) ? idl_find_function(d, o->function) : NULL;
        *many |= f && found;
        found = f ? f : found;
    }
    return found;
}

/* The file's own, else that of a file it includes. */
static const struct idl_function *find_function(const struct idl_file *file,
                                                const struct options *o)
{
    bool many = false;
    const struct idl_function *found = function_of(file, o, NULL, &many);
    bool own = found != NULL;
    for (size_t i = 0; !own && i < file->seen_count; i++)
        if (file->seen[i] != file)
            found = function_of(file->seen[i], o, found, &many);
    if (many)
        fprintf(stderr,
                "tarsc call: several interfaces of %s have a function %s: choose one with "
                "--interface\n",
                file->path, o->function);
    else if (!found)
        fprintf(stderr,
                "tarsc call: %s has no function '%s'; tarsc call --list shows those it has\n",
                o->interface ? o->interface : file->path, o->function);
    return many ? NULL : found;
}

static void print_function(const struct idl *idl, const struct idl_function *f)
{
    struct tars_arena *arena = idl_arena(idl);
    printf("  %s %s(", f->ret->kind == IDL_VOID ? "void" : idl_type_text(arena, f->ret), f->name);
    for (const struct idl_member *p = f->params; p; p = p->next)
        printf("%s%s%s %s", p == f->params ? "" : ", ", p->out ? "out " : "",
               idl_type_text(arena, p->type), p->name);
    puts(")");
}

static void list_functions(const struct idl *idl, const struct idl_file *file,
                           const struct options *o)
{
    for (const struct idl_decl *d = file->decls; d; d = d->next) {
        if (!offered(d, o))
            continue;
        printf("%s.%s (%s)\n", d->module, d->name, file->path);
        for (const struct idl_function *f = d->functions; f; f = f->next)
            print_function(idl, f);
    }
}

/* The file's own first. */
static void list_all(const struct idl *idl, const struct idl_file *file, const struct options *o)
{
    list_functions(idl, file, o);
    for (size_t i = 0; i < file->seen_count; i++)
        if (file->seen[i] != file)
            list_functions(idl, file->seen[i], o);
}

/* ---- the call -----------------------------------------------------------------------------------
 */

/* The arguments: as given, or standard input for "-". Owned by the arena. */
static bool read_arguments(const char *json, struct tars_arena *arena, struct tars_str *text)
{
    struct tars_writer all;
    *text = tars_str(json ? json : "{}");
    if (!json || strcmp(json, "-") != 0)
        return true;
    tars_writer_init(&all);
    size_t got;
    do {
        got = fread(tars_writer_reserve(&all, 65536), 1, 65536, stdin);
        all.len += got;
    } while (got && all.len < ARGUMENTS_MAX);
    *text = tars_arena_copy(arena, tars_str_n(all.at, all.len));
    tars_writer_free(&all);
    if (text->len < ARGUMENTS_MAX)
        return true;
    fprintf(stderr, "tarsc call: more than %d MiB stand on standard input\n", ARGUMENTS_MAX >> 20);
    return false;
}

static int print_answer(const struct options *o, const struct idl_function *f, struct tars_str body,
                        struct tars_arena *arena)
{
    struct tars_json_writer json;
    struct tars_error error;
    tars_json_writer_init(&json);
    bool ok = idl_response_to_json(f, o->version, body, arena, &json, &error);
    if (ok)
        printf("%.*s\n", (int)json.out.len, (const char *)json.out.at);
    else
        fprintf(stderr, "tarsc call: %s\n", error.text);
    tars_json_writer_free(&json);
    return ok ? 0 : STATUS_FAILED;
}

static int call(const struct options *o, const struct idl_function *f, struct tars_str body,
                struct tars_arena *arena)
{
    struct tars_client *client = tars_client_new(o->locator);
    struct tars_proxy *proxy = tars_proxy_get(client, o->object);
    struct tars_str_map context = {o->context_len, (struct tars_str_pair *)o->context};
    struct tars_call_options options = {.timeout_ms = o->timeout_ms,
                                        .one_way = o->one_way,
                                        .version = o->version,
                                        .context = &context};
    struct tars_str answer = {NULL, 0};
    int status = 0;
    if (o->set)
        tars_proxy_set(proxy, o->set);
    struct tars_result result = tars_proxy_call_raw_blocking(proxy, o->function, body, arena,
                                                             &answer, &options);
    if (result.error) {
        fprintf(stderr, "tarsc call: %s\n", result.message);
        status = STATUS_FAILED;
    } else if (!o->one_way) {
        status = print_answer(o, f, answer, arena);
    }
    tars_client_free(client);
    return status;
}

static int encode_and_call(const struct options *o, const struct idl_function *f)
{
    struct tars_arena *arena = tars_arena_new(0);
    struct tars_writer body;
    struct tars_str json;
    struct tars_error error;
    int status = STATUS_INTERFACE;
    tars_writer_init(&body);
    if (!read_arguments(o->json, arena, &json))
        status = STATUS_USAGE;
    else if (!idl_request_from_json(f, o->version, json, arena, &body, &error))
        fprintf(stderr, "tarsc call: %s\n", error.text);
    else
        status = call(o, f, tars_str_n(body.at, body.len), arena);
    tars_writer_free(&body);
    tars_arena_free(arena);
    return status;
}

static int run_with(struct idl *idl, struct options *o)
{
    struct tars_object object;
    struct tars_error error;
    if (!tars_object_parse(tars_str(o->object), &object, &error)) {
        fprintf(stderr, "tarsc call: the object '%s': %s\n", o->object, error.text);
        return STATUS_USAGE;
    }
    const struct idl_file *file = read_interface(idl, o, &object);
    if (!file)
        return STATUS_INTERFACE;
    if (o->list) {
        list_all(idl, file, o);
        return 0;
    }
    const struct idl_function *f = find_function(file, o);
    return f ? encode_and_call(o, f) : STATUS_INTERFACE;
}

/* ---- arguments ----------------------------------------------------------------------------------
 */

static bool add_context(struct options *o, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || o->context_len == CONTEXT_MAX)
        return false;
    o->context[o->context_len++] = (struct tars_str_pair){tars_str_n(text, (size_t)(equals - text)),
                                                          tars_str(equals + 1)};
    return true;
}

static bool read_timeout(const char *text, int32_t *ms)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < 1 || value > 3600000)
        return false;
    *ms = (int32_t)value;
    return true;
}

static bool is_locator(const char *text)
{
    struct tars_object object;
    struct tars_str list, endpoint;
    struct tars_endpoint parsed;
    if (!tars_object_parse(tars_str(text), &object, NULL))
        return false;
    list = object.endpoints;
    while (tars_endpoint_next(&list, &endpoint))
        if (!tars_endpoint_parse(endpoint, &parsed, NULL))
            return false;
    return object.endpoints.len > 0;
}

enum {
    OPT_TARS = 256,
    OPT_INTERFACE,
    OPT_LOCATOR,
    OPT_JSON,
    OPT_TUP,
    OPT_CONTEXT,
    OPT_SET,
    OPT_TIMEOUT,
    OPT_ONE_WAY,
    OPT_LIST,
    OPT_HELP
};

static const struct option long_options[] = {
    {"tars", required_argument, NULL, OPT_TARS},
    {"interface", required_argument, NULL, OPT_INTERFACE},
    {"locator", required_argument, NULL, OPT_LOCATOR},
    {"json", no_argument, NULL, OPT_JSON},
    {"tup", no_argument, NULL, OPT_TUP},
    {"context", required_argument, NULL, OPT_CONTEXT},
    {"set", required_argument, NULL, OPT_SET},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"one-way", no_argument, NULL, OPT_ONE_WAY},
    {"list", no_argument, NULL, OPT_LIST},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

/* One option; -1: go on, else the exit status. */
static int take_option(int c, struct options *o, struct idl *idl)
{
    switch (c) {
    case 'I':
        idl_add_path(idl, optarg);
        return -1;
    case OPT_TARS:
        o->tars = optarg;
        return -1;
    case OPT_INTERFACE:
        o->interface = optarg;
        return -1;
    case OPT_LOCATOR:
        o->locator = optarg;
        return is_locator(optarg) ? -1 : wrong("--locator wants OBJECT@ENDPOINT, not ", optarg);
    case OPT_JSON:
        o->version = 5;
        return -1;
    case OPT_TUP:
        o->version = 3;
        return -1;
    case OPT_CONTEXT:
        return add_context(o, optarg) ? -1 : wrong("--context wants KEY=VALUE, not ", optarg);
    case OPT_SET:
        o->set = optarg;
        return -1;
    case OPT_TIMEOUT:
        return read_timeout(optarg, &o->timeout_ms)
                   ? -1
                   : wrong("--timeout wants 1 to 3600000 ms, not ", optarg);
    case OPT_ONE_WAY:
        o->one_way = true;
        return -1;
    case OPT_LIST:
        o->list = true;
        return -1;
    case OPT_HELP:
        fputs(usage, stdout);
        return 0;
    default:
        return wrong("that option is not known", "");
    }
}

static int read_options(int argc, char **argv, struct options *o, struct idl *idl)
{
    int c, status;
    optind = 1;
    while ((c = getopt_long(argc, argv, "I:", long_options, NULL)) != -1)
        if ((status = take_option(c, o, idl)) >= 0)
            return status;
    int left = argc - optind;
    if (o->list ? left != 1 : left < 2 || left > 3)
        return wrong(o->list ? "--list wants one OBJECT"
                             : "OBJECT, FUNCTION and at most one JSON are wanted",
                     "");
    o->object = argv[optind];
    o->function = left > 1 ? argv[optind + 1] : NULL;
    o->json = left > 2 ? argv[optind + 2] : NULL;
    return -1;
}

static int run(int argc, char **argv)
{
    struct options o = {.version = 1, .timeout_ms = 3000, .locator = object_locator()};
    struct idl *idl = idl_new();
    log_set_level(LOG_LEVEL_ERROR); /* the result says what went wrong */
    int status = read_options(argc, argv, &o, idl);
    if (status < 0)
        status = run_with(idl, &o);
    idl_free(idl);
    return status;
}

const struct command command_call = {"call", "call a function of any Tars servant", run};
