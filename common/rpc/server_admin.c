/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * AdminObj on the server's local endpoint: stop, process id, and commands as texts. A command runs
 * on the main thread; one that the program has registered comes before one of ours.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "AdminF.h"

#include "base/log.h"
#include "base/xmalloc.h"
#include "rpc/client.h"
#include "rpc/hooks.h"
#include "rpc/server.h"
#include "rpc/server_worker.h"

static void put(struct tars_writer *answer, const char *format, ...) TARS_PRINTF(2, 3);

static void put(struct tars_writer *answer, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (len > 0)
        tars_writer_append(answer, line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1);
}

/* ---- commands ----------------------------------------------------------------------------------
 */

struct command {
    const char *name;
    void (*run)(struct tars_server *server, struct tars_str argument, struct tars_writer *answer);
};

static const struct command commands[];

static void help(struct tars_server *s, struct tars_str argument, struct tars_writer *answer)
{
    struct tars_str name;
    void *value;
    (void)argument;
    for (const struct command *c = commands; c->name; c++)
        if (!map_get(s->commands, tars_str(c->name)))
            put(answer, "%s\r\n", c->name);
    for (size_t at = 0; map_next(s->commands, &at, &name, &value);)
        put(answer, "%" TARS_STR_FMT "\r\n", TARS_STR_ARG(name));
}

static void view_version(struct tars_server *s, struct tars_str argument,
                         struct tars_writer *answer)
{
    (void)s;
    (void)argument;
    put(answer, "$%s$", TARSC_VERSION);
}

/* Tars protocol: when the program was built; its file's age says so. */
static void view_build(struct tars_server *s, struct tars_str argument, struct tars_writer *answer)
{
    struct stat program;
    struct tm built;
    char text[32] = "20";
    (void)argument;
    if (stat("/proc/self/exe", &program) == 0 && localtime_r(&program.st_mtime, &built))
        strftime(text, sizeof text, "%Y.%m%d.%H%M%S", &built);
    put(answer, "$%s.%s-%s$", s->app, s->name, text + 2); /* without the century */
}

static void describe_adapter(const struct server_adapter *a, struct tars_writer *answer)
{
    char endpoint[TARS_ENDPOINT_TEXT];
    tars_endpoint_print(&a->endpoint, endpoint, sizeof endpoint);
    put(answer,
        "[adapter %s]\nservant: %s\nendpoint: %s\nmaxconns: %lld\nqueuecap: %lld\n"
        "queuetimeout: %lld ms\nconnections: %lld\nwaiting calls: %lld\n",
        a->name, a->servant_name, endpoint, (long long)a->max_connections, (long long)a->queue_cap,
        (long long)a->queue_timeout_ms, (long long)atomic_load(&a->connections),
        (long long)atomic_load(&a->parked));
}

static void view_status(struct tars_server *s, struct tars_str argument, struct tars_writer *answer)
{
    (void)argument;
    put(answer, "[proxy config]\n");
    rpc_client_describe_settings(tars_server_client(s), answer);
    put(answer, "[server config]\napp: %s\nserver: %s\npid: %ld\nworkers: %u\nversion: %s\n",
        s->app, s->name, (long)getpid(), s->worker_count, TARSC_VERSION);
    for (size_t i = 0; i < s->adapter_count; i++)
        describe_adapter(s->adapters[i], answer);
}

/* What is in use now: objects called, connections served, bytes and answers that wait. */
static void view_resource(struct tars_server *s, struct tars_str argument,
                          struct tars_writer *answer)
{
    long long bytes = 0;
    (void)argument;
    rpc_client_describe_objects(tars_server_client(s), answer);
    for (size_t i = 0; i < s->adapter_count; i++)
        describe_adapter(s->adapters[i], answer);
    for (unsigned i = 0; i < s->worker_count; i++)
        bytes += (long long)atomic_load(&s->workers[i]->memory);
    put(answer, "buffered bytes: %lld\nanswers to send: %zu\n", bytes,
        rpc_server_answers_waiting(s));
}

/* "adater" is what others say, and what scripts look for. */
static void connections(struct tars_server *s, struct tars_str argument, struct tars_writer *answer)
{
    (void)argument;
    for (size_t i = 0; i < s->adapter_count; i++)
        put(answer, "[adater:%s] [connections:%lld]\n", s->adapters[i]->name,
            (long long)atomic_load(&s->adapters[i]->connections));
}

static bool switch_stdout_off(struct tars_server *s)
{
    if (s->saved_stdout >= 0)
        return true;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    s->saved_stdout = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    bool ok = null >= 0 && s->saved_stdout >= 0 && dup2(null, STDOUT_FILENO) >= 0;
    if (null >= 0)
        close(null);
    return ok;
}

static bool switch_stdout_on(struct tars_server *s)
{
    if (s->saved_stdout < 0)
        return true;
    bool ok = dup2(s->saved_stdout, STDOUT_FILENO) >= 0;
    close(s->saved_stdout);
    s->saved_stdout = -1;
    return ok;
}

static void close_cout(struct tars_server *s, struct tars_str argument, struct tars_writer *answer)
{
    bool yes = tars_str_is(argument, "yes"), no = tars_str_is(argument, "no");
    bool ok = yes ? switch_stdout_off(s) : no && switch_stdout_on(s);
    put(answer, "set closeCout  [%" TARS_STR_FMT "] %s", TARS_STR_ARG(argument),
        ok ? "ok" : "error");
}

static void close_core(struct tars_server *s, struct tars_str argument, struct tars_writer *answer)
{
    struct rlimit before, after;
    bool yes = tars_str_is(argument, "yes"), no = tars_str_is(argument, "no");
    (void)s;
    bool ok = (yes || no) && getrlimit(RLIMIT_CORE, &before) == 0;
    if (ok) {
        after = before;
        after.rlim_cur = yes ? 0 : before.rlim_max;
        ok = setrlimit(RLIMIT_CORE, &after) == 0;
    }
    if (ok)
        put(answer, "before set cur:%llu;max: %llu|after set cur:%llu;max: %llu\n",
            (unsigned long long)before.rlim_cur, (unsigned long long)before.rlim_max,
            (unsigned long long)after.rlim_cur, (unsigned long long)after.rlim_max);
    else
        put(answer, "set closeCore [%" TARS_STR_FMT "] error", TARS_STR_ARG(argument));
}

static const struct command commands[] = {
    {"tars.bid", view_build},
    {"tars.closecore", close_core},
    {"tars.closecout", close_cout},
    {"tars.connection", connections},
    {"tars.help", help},
    {"tars.resource", view_resource},
    {"tars.viewstatus", view_status},
    {"tars.viewversion", view_version},
    {NULL, NULL},
};

static struct tars_str trim(struct tars_str s)
{
    while (s.len && isspace((unsigned char)s.at[0])) {
        s.at++;
        s.len--;
    }
    while (s.len && isspace((unsigned char)s.at[s.len - 1]))
        s.len--;
    return s;
}

/* False for a name that nobody knows. */
static bool run_command(struct tars_server *s, struct tars_str text, struct tars_writer *answer)
{
    size_t len = 0;
    text = trim(text);
    while (len < text.len && !isspace((unsigned char)text.at[len]))
        len++;
    struct tars_str name = tars_str_n(text.at, len);
    struct tars_str argument = trim(tars_str_n(text.at + len, text.len - len));
    const struct server_command *own = map_get(s->commands, name);
    if (own) {
        own->run(own->self, argument, answer);
        return true;
    }
    for (const struct command *c = commands; c->name; c++) {
        if (!tars_str_is(name, c->name))
            continue;
        c->run(s, argument, answer);
        return true;
    }
    return false;
}

/* ---- the servant -------------------------------------------------------------------------------
 */

/* A command on its way to the main thread. */
struct errand {
    struct tars_server *server;
    struct tars_later *later;
    struct tars_str command; /* in the call */
};

static void run_errand(void *arg)
{
    static const char prefix[] = "[notify prefix object num:1]\n[1]:";
    struct errand *errand = arg;
    struct tars_server *s = errand->server;
    struct tars_writer answer;
    tars_writer_init(&answer);
    if (s->report)
        rpc_hooks.server_command(s->report, errand->command);
    tars_writer_append(&answer, prefix, sizeof prefix - 1);
    if (run_command(s, errand->command, &answer))
        tars_writer_append(&answer, "\n", 1);
    else
        tars_writer_reset(&answer); /* Tars protocol: an unknown command's answer is empty */
    tarsf_admin_f_notify_reply(errand->later, tars_str_n(answer.at, answer.len));
    tars_writer_free(&answer);
    free(errand);
}

static void notify(struct tars_call *call, struct tars_str command, struct tars_str *ret)
{
    struct errand *errand = xcalloc(1, sizeof *errand);
    (void)ret; /* given later */
    errand->server = tars_call_server(call);
    errand->later = tarsf_admin_f_notify_later(call);
    errand->command = command;
    loop_call(errand->server->main, run_errand, errand);
}

/* The answer leaves before the process ends, because the stop lets running calls finish. */
static void shut_down(struct tars_call *call)
{
    log_info("server", "AdminObj was asked to stop the server");
    tars_server_shutdown(tars_call_server(call));
}

static int64_t get_pid(struct tars_call *call)
{
    (void)call;
    return getpid();
}

static const struct tarsf_admin_f handlers = {
    .shutdown = shut_down,
    .notify = notify,
    .get_pid = get_pid,
};

void server_admin_serve(struct tars_server *s)
{
    for (size_t i = 0; i < s->adapter_count; i++)
        if (s->adapters[i]->admin)
            tarsf_admin_f_serve(s, "AdminObj", &handlers, s);
}
