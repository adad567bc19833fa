/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <tars/client.h>

#include "base/log.h"
#include "base/xmalloc.h"
#include "rpc/client.h"
#include "rpc/hooks.h"
#include "rpc/server_worker.h"

enum { EXIT_BAD_CONFIGURATION = 2, EXIT_CANNOT_SERVE = 3 };

static const char help_text[] =
    "options:\n"
    "  --config=FILE  the start-up file, as every Tars server gets it from its node\n"
    "  --version      prints the version and exits\n"
    "  --help         prints this and exits\n";

/* ---- birth -------------------------------------------------------------------------------------
 */

static struct tars_server *new_server(struct tars_conf *conf)
{
    struct tars_server *s = xcalloc(1, sizeof *s);
    s->conf = conf;
    s->commands = map_new(free);
    s->saved_stdout = -1;
    s->main = loop_new("main");
    s->stop_job.run = server_wants_stop;
    pthread_mutex_init(&s->client_lock, NULL);
    server_configure(s);
    atomic_init(&s->drain_ms, s->options.drain_ms);
    if (!s->problem.code && !s->only_print) {
        server_admin_serve(s);
        s->report = rpc_hooks.server_new(s);
    }
    return s;
}

struct tars_server *tars_server_new_conf(const struct tars_conf *conf)
{
    struct tars_conf *copy = tars_conf_new();
    tars_conf_join(copy, conf, true);
    return new_server(copy);
}

struct arguments {
    const char *config;
    const char *unknown;
    bool version, help;
};

static struct arguments read_arguments(int argc, char **argv)
{
    static const char config[] = "--config=";
    struct arguments a = {0};
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], config, sizeof config - 1) == 0)
            a.config = argv[i] + sizeof config - 1;
        else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            a.config = argv[++i];
        else if (strcmp(argv[i], "--version") == 0)
            a.version = true;
        else if (strcmp(argv[i], "--help") == 0)
            a.help = true;
        else if (!a.unknown)
            a.unknown = argv[i];
    }
    return a;
}

/* A server that only says something: tars_server_run prints it. */
static struct tars_server *speaking_server(const char *print, const struct tars_error *problem)
{
    struct tars_server *s = xcalloc(1, sizeof *s);
    s->conf = tars_conf_new();
    s->commands = map_new(free);
    s->saved_stdout = -1;
    s->main = loop_new("main");
    s->app = xstrdup("");
    s->name = xstrdup("");
    s->print = print;
    s->only_print = print != NULL;
    if (problem)
        s->problem = *problem;
    pthread_mutex_init(&s->client_lock, NULL);
    return s;
}

struct tars_server *tars_server_new(int argc, char **argv)
{
    struct tars_error error = {0};
    struct tars_conf *conf = NULL;
    struct arguments a = read_arguments(argc, argv);
    if (a.version || a.help)
        return speaking_server(a.help ? help_text : TARSC_VERSION "\n", NULL);
    if (a.unknown)
        tars_fail(&error, -1, "unknown argument %s\n%s", a.unknown, help_text);
    else if (!a.config)
        tars_fail(&error, -1, "no start-up file given\n%s", help_text);
    else
        conf = tars_conf_load(a.config, &error);
    if (!conf)
        return speaking_server(NULL, &error);
    struct tars_server *s = new_server(conf);
    s->conf_file = xstrdup(a.config);
    return s;
}

/* ---- servants, hooks, commands ------------------------------------------------------------------
 */

/* "ShapesObj" is short for "App.Server.ShapesObj". */
static char *full_name(const struct tars_server *s, const char *servant)
{
    if (strchr(servant, '.') || strcmp(servant, "AdminObj") == 0)
        return xstrdup(servant);
    return xasprintf("%s.%s.%s", s->app, s->name, servant);
}

static struct server_adapter *adapter_of(const struct tars_server *s, const char *servant)
{
    char *name = full_name(s, servant);
    struct server_adapter *found = NULL;
    for (size_t i = 0; i < s->adapter_count && !found; i++)
        if (strcmp(s->adapters[i]->servant_name, name) == 0)
            found = s->adapters[i];
    free(name);
    return found;
}

/* Several adapters may carry the same servant: one object over TCP and UDP. */
static void connect_servant(struct tars_server *s, struct server_servant *servant)
{
    for (size_t i = 0; i < s->adapter_count; i++)
        if (strcmp(s->adapters[i]->servant_name, servant->name) == 0)
            s->adapters[i]->servant = servant;
}

static struct server_servant *servant_of(struct tars_server *s, const char *short_name)
{
    char *name = full_name(s, short_name);
    struct server_servant *servant = s->servants;
    while (servant && strcmp(servant->name, name) != 0)
        servant = servant->next;
    if (servant) {
        free(name);
        return servant;
    }
    servant = xcalloc(1, sizeof *servant);
    servant->name = name;
    servant->next = s->servants;
    s->servants = servant;
    if (!s->problem.code && !s->only_print && !adapter_of(s, name))
        tars_fail(&s->problem, -1,
                  "the servant %s has no adapter: the start-up file needs a domain in "
                  "/tars/application/server with servant=%s and an endpoint",
                  name, name);
    connect_servant(s, servant);
    return servant;
}

void tars_server_serve(struct tars_server *s, const char *name,
                       const struct tars_interface *interface, const void *handlers, void *self)
{
    struct server_servant *servant = servant_of(s, name);
    servant->interface = interface;
    servant->handlers = handlers;
    servant->self = self;
}

void tars_server_serve_raw(struct tars_server *s, const char *name,
                           bool (*fast)(struct tars_call *call, void *self), void *self)
{
    struct server_servant *servant = servant_of(s, name);
    servant->fast = fast;
    servant->fast_self = self;
    if (!servant->interface)
        servant->self = self;
}

static void add_hook(struct server_hook *hooks, size_t *count, void (*run)(void *self), void *self)
{
    if (*count < SERVER_HOOKS_MAX)
        hooks[(*count)++] = (struct server_hook){run, self};
}

void tars_server_on_start(struct tars_server *s, void (*hook)(void *self), void *self)
{
    add_hook(s->on_start, &s->start_hooks, hook, self);
}

void tars_server_on_stop(struct tars_server *s, void (*hook)(void *self), void *self)
{
    add_hook(s->on_stop, &s->stop_hooks, hook, self);
}

void tars_server_command(struct tars_server *s, const char *name,
                         void (*run)(void *self, struct tars_str argument,
                                     struct tars_writer *answer),
                         void *self)
{
    struct server_command *command = xmalloc(sizeof *command);
    *command = (struct server_command){run, self};
    map_put(s->commands, tars_str(name), command);
}

/* ---- life --------------------------------------------------------------------------------------
 */

static bool start(struct tars_server *s, struct tars_error *error)
{
    if (s->problem.code) {
        if (error)
            *error = s->problem;
        return false;
    }
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    if (s->report)
        rpc_hooks.server_starting(s->report);
    if (!server_open(s, error)) {
        if (s->report)
            rpc_hooks.server_failed(s->report, error ? error->text : "start failed");
        return false;
    }
    s->state = SERVER_SERVING;
    for (size_t i = 0; i < s->start_hooks; i++)
        s->on_start[i].run(s->on_start[i].self);
    if (s->report)
        rpc_hooks.server_ready(s->report);
    return true;
}

bool tars_server_start(struct tars_server *s, struct tars_error *error)
{
    return start(s, error) && loop_start(s->main, error);
}

void tars_server_shutdown(struct tars_server *s)
{
    if (!atomic_exchange(&s->stop_wanted, true))
        loop_post(s->main, &s->stop_job);
}

void tars_server_stop(struct tars_server *s, int drain_ms)
{
    atomic_store(&s->drain_ms, drain_ms);
    if (s->state == SERVER_NEW)
        return;
    tars_server_shutdown(s);
    loop_join(s->main);
}

static void on_signal(void *arg, int number)
{
    (void)number;
    server_begin_stop(arg);
}

static int run(struct tars_server *s)
{
    struct tars_error error = {0};
    if (s->only_print) {
        fputs(s->print, stdout);
        return EXIT_SUCCESS;
    }
    loop_on_signal(s->main, SIGTERM, on_signal, s);
    loop_on_signal(s->main, SIGINT, on_signal, s);
    if (!start(s, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return s->problem.code ? EXIT_BAD_CONFIGURATION : EXIT_CANNOT_SERVE;
    }
    loop_run(s->main);
    return EXIT_SUCCESS;
}

int tars_server_run(struct tars_server *s)
{
    int status = run(s);
    tars_server_free(s);
    return status;
}

static void free_servants(struct server_servant *servant)
{
    while (servant) {
        struct server_servant *next = servant->next;
        free(servant->name);
        free(servant);
        servant = next;
    }
}

void tars_server_free(struct tars_server *s)
{
    if (!s)
        return;
    if (s->state == SERVER_SERVING)
        tars_server_stop(s, (int)s->options.drain_ms);
    loop_join(s->main);
    for (unsigned i = 0; i < s->worker_count; i++)
        server_worker_free(s->workers[i]);
    free(s->workers);
    tars_client_free(s->client);
    if (s->report)
        rpc_hooks.server_free(s->report);
    for (size_t i = 0; i < s->adapter_count; i++)
        server_adapter_free(s->adapters[i]);
    free(s->adapters);
    free_servants(s->servants);
    map_free(s->commands);
    loop_free(s->main);
    if (s->saved_stdout >= 0)
        close(s->saved_stdout);
    tars_conf_free(s->conf);
    free(s->conf_file);
    pthread_mutex_destroy(&s->client_lock);
    free(s->app);
    free(s->name);
    free(s);
}

/* ---- what it knows ------------------------------------------------------------------------------
 */

const struct tars_conf *tars_server_conf(const struct tars_server *s)
{
    return s->conf;
}

const char *tars_server_app(const struct tars_server *s)
{
    return s->app;
}

const char *tars_server_name(const struct tars_server *s)
{
    return s->name;
}

struct event_base *tars_server_base(struct tars_server *s)
{
    return loop_base(s->main);
}

struct tars_client *tars_server_client(struct tars_server *s)
{
    pthread_mutex_lock(&s->client_lock);
    if (!s->client) {
        s->client = tars_client_new_conf(s->conf);
        s->client->server = s;
    }
    pthread_mutex_unlock(&s->client_lock);
    return s->client;
}

uint16_t tars_server_port(const struct tars_server *s, const char *servant)
{
    const struct server_adapter *adapter = adapter_of(s, servant);
    return adapter ? adapter->port : 0;
}

unsigned tars_server_workers(const struct tars_server *s)
{
    return s->worker_count ? s->worker_count : (unsigned)s->options.workers;
}

const char *rpc_server_config_file(const struct tars_server *s)
{
    return s->conf_file;
}

void *rpc_server_report(const struct tars_server *s)
{
    return s->report;
}
