/* SPDX-License-Identifier: BSD-3-Clause */
/* tarsc run: any Tars server of the user's beside the suite, called by name like the suite's own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/xmalloc.h"
#include "command.h"
#include "conf/number.h"
#include "daemon/folder.h"
#include "guest.h"
#include "k8stars/file.h"
#include "k8stars/generate.h"
#include "objects.h"

static const char usage[] =
    "Usage: tarsc run [OPTION...] -- COMMAND [ARGUMENT...]\n\n"
    "Runs a Tars server of yours beside the suite: writes its start-up file, starts it,\n"
    "registers it at the registry, watches it, starts it again when it ends, and on Ctrl-C\n"
    "takes it out of the registry and stops it. What the server prints is printed.\n"
    "{config} in COMMAND is the path of the start-up file; it is in TARS_CONFIG too.\n\n"
    "  --meta FILE        what the server is, as K8STARS' _server_meta.yaml says it; without\n"
    "                     --meta, --app and --server the _server_meta.yaml of this folder\n"
    "  --app NAME, --server NAME\n"
    "                     its name, instead of the file's\n"
    "  --servant OBJ, --servant OBJ=PORT, --servant 'OBJ=tcp -h 127.0.0.1 -p 20001 -t 60000'\n"
    "                     a servant, over TCP on a free port unless more is said; repeatable\n"
    "  --not-tars OBJ…    the same for one that speaks another protocol than Tars\n"
    "  --set SET          NAME.AREA.GROUP, the set it belongs to\n"
    "  --node ADDRESS     where it listens and the name of its node (default: 127.0.0.1); give\n"
    "                     127.0.0.2 to a second instance\n"
    "  --locator TEXT     the registry (default: $TARSC_LOCATOR, else the suite on this\n"
    "                     machine)\n"
    "  --token-file FILE  with the token for a registry that asks for one\n"
    "  --merge FILE       configuration put over the one that is written\n"
    "  --drain TIME       how long it serves on after it has left the registry: 30s, 500ms\n"
    "                     (default: 0)\n"
    "  --ping             well means that each Tars servant also answers tars_ping\n"
    "  --once             the server's end is the end, with its status\n"
    "  --data DIR         its work folder; without it run/APP.SERVER@ADDRESS in the folder of\n"
    "                     tarsc up\n\n"
    "Further settings of tarscli supervisor are taken from the environment: see\n"
    "`tarscli supervisor help`.\n\n"
    "Exit status: 0 stopped in order; 1 it cannot be run, a port is taken, or it had to be\n"
    "killed; 2 arguments or metadata; with --once the server's, 128 + N after signal N.\n";

struct run {
    struct environment environment;
    struct ports *ports;
    struct meta meta;
    struct daemon_folder *folder;
    const char *meta_file, *data, *set;
    bool named, once;
    char **command;
    struct tars_error error;
};

/* ---- options
 * --------------------------------------------------------------------------------------- */

enum { OPT_META = 1, OPT_SERVANT, OPT_NOT_TARS, OPT_ONCE, OPT_DATA, OPT_HELP, OPT_VARIABLES = 100 };

/* What tarscli calls the option; the fallback holds where neither is given. */
static const struct {
    const char *name;
    int takes;
    const char *variable, *fallback;
} by_variable[] = {
    {"app", required_argument, "TARS_APPLICATION", NULL},
    {"server", required_argument, "TARS_SERVER", NULL},
    {"set", required_argument, "TARS_SET_ID", NULL},
    {"node", required_argument, "POD_IP", "127.0.0.1"},
    {"locator", required_argument, "TARS_LOCATOR", NULL},
    {"token-file", required_argument, "TARS_REGISTRY_TOKEN_FILE", NULL},
    {"merge", required_argument, "TARS_MERGE_CONF", NULL},
    {"drain", required_argument, "TARS_PRESTOP_WAITTIME", "0"},
    {"ping", no_argument, "TARS_CHECK_PING", NULL},
    {NULL, 0, "TARS_CHECK_INTERVAL", "1s"},
    {NULL, 0, "TARS_CHECK_RETRY_TIMEOUT", "1s"},
};
enum { BY_VARIABLE = sizeof by_variable / sizeof *by_variable, OTHERS = 6 };

static const struct option others[OTHERS] = {
    {"meta", required_argument, NULL, OPT_META},
    {"servant", required_argument, NULL, OPT_SERVANT},
    {"not-tars", required_argument, NULL, OPT_NOT_TARS},
    {"once", no_argument, NULL, OPT_ONCE},
    {"data", required_argument, NULL, OPT_DATA},
    {"help", no_argument, NULL, OPT_HELP},
};

static void fill_options(struct option options[BY_VARIABLE + OTHERS + 1])
{
    size_t n = 0;
    for (size_t i = 0; i < OTHERS; i++)
        options[n++] = others[i];
    for (size_t i = 0; i < BY_VARIABLE && by_variable[i].name; i++)
        options[n++] = (struct option){by_variable[i].name, by_variable[i].takes, NULL,
                                       OPT_VARIABLES + (int)i};
    options[n] = (struct option){0};
}

/* "OBJ", "OBJ=PORT" or "OBJ=ENDPOINT". */
static bool add_servant(struct run *run, const char *text, const char *protocol)
{
    const char *value = strchr(text, '=');
    char *object = xstrndup(text, value ? (size_t)(value - text) : strlen(text));
    struct meta_adapter *adapter = meta_adapter_of(&run->meta, object);
    int64_t port;
    free(object);
    if (!adapter)
        return tars_fail(&run->error, 1, "a server has at most %d servants", META_ADAPTERS_MAX);
    adapter->protocol = protocol;
    if (value && value[1] && strspn(value + 1, "0123456789") == strlen(value + 1) &&
        !conf_number(tars_str(value + 1), 1, UINT16_MAX, &port))
        return tars_fail(&run->error, 1, "servant %s: the port is not one of 1 to 65535", text);
    if (value && conf_number(tars_str(value + 1), 1, UINT16_MAX, &port))
        adapter->endpoint = tars_arena_printf(run->meta.arena, "tcp -h ${local_ip} -p %d -t 60000",
                                              (int)port);
    else if (value)
        adapter->endpoint = value + 1;
    return true;
}

static bool take_option(struct run *run, int option, const char *value)
{
    if (option >= OPT_VARIABLES) {
        const char *variable = by_variable[option - OPT_VARIABLES].variable;
        run->named = run->named || strcmp(variable, "TARS_APPLICATION") == 0 ||
                     strcmp(variable, "TARS_SERVER") == 0;
        run->set = strcmp(variable, "TARS_SET_ID") == 0 ? value : run->set;
        setenv(variable, value ? value : "1", 1);
    } else if (option == OPT_META) {
        run->meta_file = value;
    } else if (option == OPT_ONCE) {
        run->once = true;
    } else if (option == OPT_DATA) {
        run->data = value;
    }
    return option != '?';
}

/* The servants come last: they go over those of the file. */
static bool take_servants(struct run *run, int argc, char **argv, const struct option *options)
{
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1)
        if ((option == OPT_SERVANT && !add_servant(run, optarg, "tars")) ||
            (option == OPT_NOT_TARS && !add_servant(run, optarg, "not_tars")))
            return false;
    return true;
}

static bool read_meta(struct run *run)
{
    static const char here[] = "_server_meta.yaml";
    meta_init(&run->meta);
    if (run->meta_file)
        return generate_read(run->meta_file, &run->meta, &run->error);
    if (run->named || !file_exists(here))
        return true;
    return generate_read(here, &run->meta, &run->error);
}

/* 0 to go on, else the exit status + 1. */
static int parse(struct run *run, int argc, char **argv)
{
    struct option options[BY_VARIABLE + OTHERS + 1];
    char name[] = "tarsc run"; /* what getopt's messages begin with */
    int option;
    fill_options(options);
    argv[0] = name;
    while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        if (option == OPT_HELP) {
            fputs(usage, stdout);
            return 1;
        }
        if (!take_option(run, option, optarg)) {
            fputs("tarsc run --help shows what is allowed\n", stderr);
            return 3;
        }
    }
    run->command = argv + optind;
    if (optind == argc)
        tars_fail(&run->error, 1, "there is no command to run: tarsc run … -- COMMAND");
    else if (read_meta(run) && take_servants(run, argc, argv, options))
        return 0;
    fprintf(stderr, "tarsc run: %s\n", run->error.text);
    return 3;
}

/* ---- the server
 * ------------------------------------------------------------------------------------ */

/* A message that speaks of a variable names the option that set it. */
static bool name_option(struct run *run)
{
    for (size_t i = 0; i < BY_VARIABLE; i++) {
        size_t len = strlen(by_variable[i].variable);
        if (by_variable[i].name && strncmp(run->error.text, by_variable[i].variable, len) == 0 &&
            run->error.text[len] == ':')
            return tars_fail_prefix(&run->error, "--%s: ", by_variable[i].name);
    }
    return false;
}

/* The registry keeps another text as no set at all. */
static bool check_set(struct run *run)
{
    int dots = 0;
    for (const char *at = run->set; at && *at; at++)
        dots += *at == '.';
    return !run->set || dots == 2 ||
           tars_fail(&run->error, 1, "--set: '%.60s' is no set: NAME.AREA.GROUP is wanted",
                     run->set);
}

static bool read_environment(struct run *run)
{
    struct environment *e = &run->environment;
    struct in6_addr ignored;
    for (size_t i = 0; i < BY_VARIABLE; i++)
        if (by_variable[i].fallback)
            setenv(by_variable[i].variable, by_variable[i].fallback, 0);
    if (!environment_read(e, USED_BY_SUPERVISOR, &run->error))
        return name_option(run);
    if (inet_pton(AF_INET, e->local_ip, &ignored) != 1 &&
        inet_pton(AF_INET6, e->local_ip, &ignored) != 1)
        return tars_fail(&run->error, 1, "--node: '%.60s' is no numeric address", e->local_ip);
    e->locator = e->locator ? e->locator : object_locator();
    e->application = e->application ? e->application : run->meta.application;
    e->server = e->server ? e->server : run->meta.server;
    if (!*e->application || !*e->server)
        return tars_fail(&run->error, 1,
                         "the server has no name: give --app and --server, or --meta FILE");
    return check_set(run) && meta_check_name("application", e->application, &run->error) &&
           meta_check_name("server", e->server, &run->error);
}

static bool open_folder(struct run *run)
{
    static const char *const parts[] = {"bin", "conf", "data", "log"};
    struct environment *e = &run->environment;
    char *name = xasprintf("run/%s.%s@%s", e->application, e->server, e->local_ip);
    char *path = run->data ? xstrdup(run->data) : daemon_folder_default(name, &run->error);
    free(name);
    if (path)
        run->folder = daemon_folder_open(path, &run->error);
    free(path);
    if (!run->folder)
        return false;
    e->path = daemon_folder_path(run->folder);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char *part = xasprintf("%s/%s", e->path, parts[i]);
        bool ok = mkdir(part, 0755) == 0 || errno == EEXIST ||
                  tars_fail(&run->error, 1, "cannot make folder %s: %s", part, strerror(errno));
        free(part);
        if (!ok)
            return false;
    }
    return true;
}

static bool claim(struct run *run, const char *what, const char *text)
{
    struct tars_endpoint endpoint;
    return (tars_endpoint_parse(tars_str(text), &endpoint, &run->error) &&
            ports_claim(run->ports, endpoint.transport, endpoint.host, endpoint.port,
                        &run->error)) ||
           tars_fail_prefix(&run->error, "%s: ", what);
}

/* Another program on one of its ports would be taken for the server. */
static bool claim_ports(struct run *run)
{
    for (size_t i = 0; i < run->meta.adapter_count; i++)
        if (!claim(run, run->meta.adapters[i].object, run->meta.adapters[i].endpoint))
            return false;
    return claim(run, "local endpoint", run->meta.local);
}

/* The argument with the path for each {config}, to be freed. */
static char *expand(const char *argument, const char *config)
{
    static const char macro[] = "{config}";
    char *text = xstrdup("");
    for (const char *at; *argument; argument = at) {
        const char *found = strstr(argument, macro);
        char *longer;
        at = found ? found + strlen(macro) : argument + strlen(argument);
        longer = xasprintf("%s%.*s%s", text, (int)((found ? found : at) - argument), argument,
                           found ? config : "");
        free(text);
        text = longer;
    }
    return text;
}

static int run_guest(struct run *run)
{
    const struct environment *e = &run->environment;
    char *file = xasprintf("%s.conf", e->build_server ? e->build_server : run->meta.server);
    char *config = environment_file(e, "conf", file), **argv;
    size_t n = 0;
    while (run->command[n])
        n++;
    argv = xcalloc(n + 1, sizeof *argv);
    for (size_t i = 0; i < n; i++)
        argv[i] = expand(run->command[i], config);
    struct guest_options options = {.environment = e,
                                    .meta = &run->meta,
                                    .ports = run->ports,
                                    .config = config,
                                    .argv = (const char *const *)argv,
                                    .once = run->once};
    int status = guest_run(&options);
    for (size_t i = 0; i < n; i++)
        free(argv[i]);
    free(argv);
    free(config);
    free(file);
    return status;
}

static int fail(const struct run *run, int status)
{
    fprintf(stderr, "tarsc run: %s\n", run->error.text);
    return status;
}

static int run_all(struct run *run)
{
    struct environment *e = &run->environment;
    if (!read_environment(run))
        return fail(run, 2);
    if (!open_folder(run) || !guest_clear(e, &run->error))
        return fail(run, 1);
    run->ports = ports_new(e->port_min, e->port_max, NULL);
    if (!generate_settle(e, run->ports, &run->meta, &run->error))
        return fail(run, 2);
    if (!claim_ports(run) || !generate_write(e, &run->meta, &run->error))
        return fail(run, 1);
    return run_guest(run);
}

static int run_main(int argc, char **argv)
{
    struct run run = {0};
    int status = parse(&run, argc, argv);
    status = status ? status - 1 : run_all(&run);
    ports_free(run.ports);
    daemon_folder_close(run.folder);
    meta_free(&run.meta);
    return status;
}

const struct command command_run = {"run", "run a Tars server of yours beside the suite", run_main};
